/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What table-lookup.h chooses from: which address spans meet in one region of 2^shift bytes, for
 * every shift, and how many bytes it takes to tell them apart with some levels of nodes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/bar-index.h"
#include "p2pd/table-layout.h"

#define P2PD_TABLE_ROW_BYTES ((uint32_t)sizeof(struct p2p_table_range))
#define P2PD_TABLE_NODE_BYTES ((uint32_t)sizeof(uint32_t))
#define P2PD_TABLE_ROW_SHIFT 5U  /* of a row's bytes; no region is smaller */
#define P2PD_TABLE_SHIFT_MAX 63U /* the largest regions: two of them */
/* Bytes; whatever takes more takes this. */
#define P2PD_TABLE_TOO_MUCH (UINT64_C(1) << 40)

/* The addresses from first to last that spans from..to have there; first and last belong to one. */
struct p2pd_table_part {
        uint32_t from, to;
        uint64_t first, last;
};

/* The spans from..to that meet one region; at least two. In it are the groups of the next smaller
 * shift from inner_from on; inner_to is the one behind them. */
struct p2pd_table_group {
        uint32_t from, to;
        uint32_t inner_from, inner_to;
        uint8_t apart;                      /* the largest shift that tells all its spans apart */
        uint8_t shift[P2P_TABLE_DEPTH_MAX]; /* by levels below it: the best one of its own nodes */
};

struct p2pd_table_groups {
        const struct p2p_bar_span *spans;
        uint32_t n_spans;
        /* How many neighbours, of all spans, the regions of a shift leave together. */
        uint32_t n_together[P2PD_TABLE_SHIFT_MAX + 2];
        struct p2pd_table_group *groups; /* shift by shift, each by address */
        uint32_t n_groups, room;
        uint32_t begin[P2PD_TABLE_SHIFT_MAX + 2]; /* of a shift's groups */
        uint64_t *sums[P2P_TABLE_DEPTH_MAX];      /* by levels: what all groups before take */
};

/*
 * The groups of all shifts, not weighed yet. spans: sorted, disjoint; they outlive the result. 0,
 * -ENOMEM, or -E2BIG: two spans are so near each other that no region tells them apart.
 */
int p2pd_table_groups_new(const struct p2p_bar_span *spans, uint32_t n_spans,
                          struct p2pd_table_groups **ret);
struct p2pd_table_groups *p2pd_table_groups_free(struct p2pd_table_groups *k);

/* Finds what each group takes with this many levels of nodes, each with the best shifts. For fewer
 * levels that was done before. 0 or -ENOMEM. */
int p2pd_table_groups_weigh(struct p2pd_table_groups *k, unsigned levels);

/* What all groups of a shift take together, as weighed; P2PD_TABLE_TOO_MUCH or more: too much. A
 * span alone in its region takes nothing. */
uint64_t p2pd_table_groups_bytes(const struct p2pd_table_groups *k, unsigned shift,
                                 unsigned levels);

/* The number of regions that meet a span. */
uint64_t p2pd_table_groups_regions(const struct p2pd_table_groups *k, unsigned shift);

/* The addresses of a group, one of those of this shift. */
struct p2pd_table_part p2pd_table_groups_part(const struct p2pd_table_groups *k, unsigned shift,
                                              uint32_t group);

/* The first of the groups of a smaller shift that are in one of this shift, if there is any. */
uint32_t p2pd_table_groups_inner(const struct p2pd_table_groups *k, unsigned shift, uint32_t group,
                                 unsigned smaller);

/*
 * Goes through the regions that a part meets, by address: *at begins as the whole part and moves
 * behind the region that it was in, whose share is *ret. False: there is no more.
 */
bool p2pd_table_groups_next(const struct p2pd_table_groups *k, const struct p2pd_table_part *whole,
                            unsigned shift, struct p2pd_table_part *at,
                            struct p2pd_table_part *ret);

/* The number of regions between the first and the last address, both included. */
static inline uint64_t p2pd_table_regions(const struct p2pd_table_part *part, unsigned shift)
{
        return (part->last >> shift) - (part->first >> shift) + 1;
}

/* Whether so many nodes, with the bytes below them, are better than what takes so many bytes. There
 * will be a power of two of rows: as long as there are any below, to save less than one is none. */
static inline bool p2pd_table_saves(uint64_t n_nodes, uint64_t below, uint64_t bytes)
{
        const uint64_t least = below > 0 ? P2PD_TABLE_ROW_BYTES : P2PD_TABLE_NODE_BYTES;

        return n_nodes * P2PD_TABLE_NODE_BYTES + below + least <= bytes;
}
