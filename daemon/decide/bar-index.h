/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The memory BARs of a machine by CPU physical address: spans that do not overlap, in order. Made
 * once per machine, so that mapping a range does not look at every function.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

/* First and last byte of a BAR as CPU physical addresses. 0; or -ENODATA where it has none: not a
 * memory BAR, not assigned, or not known. */
int p2p_bar_range(const struct p2p_bar *bar, uint64_t *ret_first, uint64_t *ret_last);

/* Addresses that belong to one BAR; or, if function is P2P_NONE, are claimed by several. */
struct p2p_bar_span {
        uint64_t first, last; /* CPU physical addresses, both included */
        uint32_t function;
        uint32_t bar_index;
};

struct p2p_bar_index {
        struct p2p_bar_span *spans; /* sorted, disjoint */
        uint32_t n_spans;
        /* Each BAR with known addresses, all of it, in the order of the machine. */
        struct p2p_bar_span *bars;
        uint32_t n_bars;
        bool has_unknown; /* an assigned memory BAR, or what may be one, has no known addresses */
};

/* NULL: out of memory. Keeps no pointer to m. */
struct p2p_bar_index *p2p_bar_index_new(const struct p2p_machine *m);
struct p2p_bar_index *p2p_bar_index_free(struct p2p_bar_index *b);

/* The first span that ends at or after the address; n_spans if none. O(log n). */
uint32_t p2p_bar_index_find(const struct p2p_bar_index *b, uint64_t address);
