/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands for the kernel's header of this name: what p2pd/table.h takes from it. */

typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
