/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands for the kernel's header of this name: what p2pd/table.h takes from it. */

#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
