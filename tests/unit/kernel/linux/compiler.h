/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands for the kernel's header of this name: what p2pd/table.h takes from it. */

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
