/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stores into the shared table: the other side of the loads in p2pd/table-layout.h. Nothing here
 * can be torn by the compiler. The thread sanitizer does not know fences: for it every store is a
 * release, which orders as much.
 */

#include <stdint.h>

#include "p2pd/table-layout.h"

#ifdef P2P_TABLE_NO_FENCE
#define P2PD_STORE_ORDER __ATOMIC_RELEASE
#define P2PD_STORE_FENCE() ((void)0)
#else
#define P2PD_STORE_ORDER __ATOMIC_RELAXED
#define P2PD_STORE_FENCE() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* Copies bytes (a multiple of 8) word by word; both sides are aligned to 8. */
static inline void p2pd_store_bytes(void *to, const void *from, uint64_t bytes)
{
        const uint64_t *source = from;
        uint64_t *target = to;

        for (uint64_t i = 0; i < bytes / 8; i++)
                __atomic_store_n(&target[i], source[i], P2PD_STORE_ORDER);
}
