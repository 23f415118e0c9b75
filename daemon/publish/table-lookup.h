/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the shared table finds the BAR of an address: the nodes and rows that p2p_table_row() of
 * p2pd/table.h walks through. Made for one set of address ranges, as flat as memory allows: every
 * level costs the reader a nanosecond.
 */

#include <stdint.h>

#include "decide/bar-index.h"

struct p2pd_table_lookup {
        uint32_t depth; /* 1 to P2P_TABLE_DEPTH_MAX; 0: no nodes, the ranges are few or to be
                           searched */
        uint32_t root_shift, root_mask;
        uint32_t *nodes;          /* as they stand in the table, in host order */
        uint32_t *rows;           /* which span each row repeats; P2P_NONE: none */
        uint32_t n_nodes, n_rows; /* n_rows: a power of two, if there are any */
};

/*
 * Chooses the levels. spans: sorted, disjoint, nothing else is asked of them. The same spans give
 * the same lookup. Time and memory are bounded: what cannot be told apart within
 * p2pd_table_lookup_budget() gets depth 0. 0 or -ENOMEM.
 */
int p2pd_table_lookup_new(const struct p2p_bar_span *spans, uint32_t n_spans,
                          struct p2pd_table_lookup **ret);
struct p2pd_table_lookup *p2pd_table_lookup_free(struct p2pd_table_lookup *l);

/* How many bytes nodes and repeated rows may take at this depth, beyond one row for each span and a
 * node for it on each level. */
uint64_t p2pd_table_lookup_budget(uint32_t depth, uint32_t n_spans);
