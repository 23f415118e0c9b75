/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2pd/table.h"

/*
 * The spans are divided by address into regions of 2^shift bytes: first by the root, whose regions
 * are folded into a small array, then below each node with a shift of its own. A region that meets
 * a single span leads straight to the one row of that span, however large the region or the span
 * is; hence a BAR of 256 GiB costs no more than one of 4 KiB. On the last level the regions are so
 * small that none meets two spans, and each gets a row.
 *
 * Which shift is best is tried: from large regions to small ones, as long as the array alone is
 * smaller than the best found. Host bridge windows and naturally aligned BARs make few tries
 * enough. For what is laid out to be hard, the tries are counted and end.
 */
#define ROW_BYTES ((uint32_t)sizeof(struct p2p_table_range))
#define ROW_SHIFT 5U
#define NODE_BYTES ((uint32_t)sizeof(uint32_t))
#define NODE_SHIFT 2U
#define OFFSET_SHIFT 6U /* of the offset in a node */
#define SHIFT_ALL 63U   /* with low bits masked off: every address to the same element */
#define ROOT_BITS_MAX 14U
#define WORK_MAX 3000000U
#define IMPOSSIBLE UINT64_MAX

static_assert(ROW_BYTES == 1U << ROW_SHIFT && NODE_BYTES == 1U << NODE_SHIFT, "shifts");

/* The addresses from first to last that spans from..to have there; first and last belong to one. */
struct group {
        uint32_t from, to;
        uint64_t first, last;
};

struct maker {
        const struct p2p_bar_span *spans;
        uint32_t n_spans;
        uint8_t *apart; /* the largest shift that tells span i from span i + 1 */
        uint32_t work;  /* tries left */
        /* What is made; room as the budget says. */
        struct p2pd_table_lookup *out;
        uint32_t *single[P2P_TABLE_DEPTH_MAX]; /* element of each level for a span alone */
};

uint64_t p2pd_table_lookup_budget(uint32_t depth, uint32_t n_spans)
{
        switch (depth) {
        case 1:
                return 8192;
        case 2:
                return 8192 + 128 * (uint64_t)n_spans;
        default:
                return 32768 + 256 * (uint64_t)n_spans;
        }
}

static unsigned highest_bit(uint64_t x)
{
        return x == 0 ? 0 : 63U - (unsigned)__builtin_clzll(x);
}

static uint64_t regions(const struct group *g, unsigned shift)
{
        return (g->last >> shift) - (g->first >> shift) + 1;
}

/*
 * The part of a group that lies in one region, from *from and *first on, which move behind it.
 * False: there is no more. If `skip`, regions that meet only the middle of a span are left out.
 */
static bool next_region(const struct maker *k, const struct group *whole, unsigned shift, bool skip,
                        struct group *at, struct group *ret)
{
        const uint64_t region_last = at->first | ((UINT64_C(1) << shift) - 1);
        uint64_t end;

        if (at->from > whole->to)
                return false;
        *ret = (struct group){.from = at->from, .to = at->from, .first = at->first};
        while (k->spans[ret->to].last <= region_last && ret->to < whole->to &&
               k->spans[ret->to + 1].first <= region_last)
                ret->to++;
        end = k->spans[ret->to].last < whole->last ? k->spans[ret->to].last : whole->last;
        ret->last = end < region_last ? end : region_last;
        if (end > region_last) {
                at->from = ret->to;
                at->first = region_last + 1;
                if (skip && at->first < end >> shift << shift)
                        at->first = end >> shift << shift;
        } else {
                at->from = ret->to + 1;
                if (at->from <= whole->to)
                        at->first = k->spans[at->from].first;
        }
        return true;
}

static uint64_t cost_of(struct maker *k, const struct group *g, unsigned levels, uint64_t limit,
                        unsigned *ret_shift);

/* Rows that tell a group's spans apart. */
static uint64_t cost_of_rows(struct maker *k, const struct group *g, uint64_t limit,
                             unsigned *ret_shift)
{
        unsigned shift = SHIFT_ALL;
        uint64_t n;

        for (uint32_t i = g->from; i < g->to; i++)
                if (k->apart[i] < shift)
                        shift = k->apart[i];
        n = shift < ROW_SHIFT ? IMPOSSIBLE : regions(g, shift);
        if (n >= limit / ROW_BYTES)
                return IMPOSSIBLE;
        *ret_shift = shift;
        return n * ROW_BYTES;
}

/* What lies below an array of nodes of this shift. */
static uint64_t cost_below(struct maker *k, const struct group *g, unsigned shift, unsigned levels,
                           uint64_t limit)
{
        struct group at = *g, part;
        uint64_t sum = 0;

        while (next_region(k, g, shift, true, &at, &part)) {
                unsigned unused;
                uint64_t cost = cost_of(k, &part, levels, limit - sum, &unused);

                if (cost >= limit - sum)
                        return IMPOSSIBLE;
                sum += cost;
        }
        return sum;
}

/*
 * The least bytes that a group takes with this many levels of nodes below its own, and the shift of
 * its own that needs so few; IMPOSSIBLE if not less than the limit, or the tries are used up.
 */
static uint64_t cost_of(struct maker *k, const struct group *g, unsigned levels, uint64_t limit,
                        unsigned *ret_shift)
{
        uint64_t best = IMPOSSIBLE;

        if (k->work < g->to - g->from + 1) {
                k->work = 0;
                return IMPOSSIBLE;
        }
        k->work -= g->to - g->from + 1;
        if (g->from == g->to)
                return 0;
        if (levels == 0)
                return cost_of_rows(k, g, limit, ret_shift);
        for (unsigned shift = highest_bit(g->first ^ g->last); shift >= ROW_SHIFT; shift--) {
                uint64_t nodes = regions(g, shift), below;

                if (nodes >= limit / NODE_BYTES)
                        break;
                nodes *= NODE_BYTES;
                below = cost_below(k, g, shift, levels - 1, limit - nodes);
                if (below >= limit - nodes)
                        continue;
                limit = best = nodes + below;
                *ret_shift = shift;
        }
        return best;
}

/* The fewest bits that give each region of the root an element of its own; false: the elements
 * would not stay below the limit or within ROOT_BITS_MAX, and then *ret_full says whether there are
 * too many regions at all, as there are with all smaller shifts. */
static bool fold_root(const struct maker *k, const struct group *all, unsigned shift,
                      uint64_t limit, unsigned *ret_bits, bool *ret_full)
{
        uint64_t taken[(1U << ROOT_BITS_MAX) / 64];
        unsigned bits, most = highest_bit((limit - 1) / NODE_BYTES);
        struct group at = *all, part;
        uint32_t n = 0;

        if (most > ROOT_BITS_MAX)
                most = ROOT_BITS_MAX;
        *ret_full = true;
        while (next_region(k, all, shift, false, &at, &part))
                if (++n > 1U << most)
                        return false;
        *ret_full = false;
        for (bits = highest_bit(p2p_table_power_of_two(n)); bits <= most; bits++) {
                bool folds = true;

                memset(taken, 0, sizeof(taken));
                at = *all;
                while (folds && next_region(k, all, shift, false, &at, &part)) {
                        uint32_t i = (uint32_t)(part.first >> shift) & ((1U << bits) - 1);

                        folds = (taken[i / 64] >> i % 64 & 1) == 0;
                        taken[i / 64] |= UINT64_C(1) << i % 64;
                }
                if (folds)
                        break;
        }
        *ret_bits = bits;
        return bits <= most;
}

/* The best root for this depth; false: nothing stays within the budget. */
static bool plan(struct maker *k, const struct group *all, uint32_t depth)
{
        uint64_t limit = p2pd_table_lookup_budget(depth, k->n_spans) + 1;
        bool found = false, full = false;

        k->work = WORK_MAX;
        for (unsigned shift = SHIFT_ALL; shift >= ROW_SHIFT && !full; shift--) {
                uint64_t nodes, below;
                unsigned bits;

                if (!fold_root(k, all, shift, limit, &bits, &full))
                        continue;
                nodes = (uint64_t)NODE_BYTES << bits;
                if (nodes >= limit)
                        continue;
                below = cost_below(k, all, shift, depth - 1, limit - nodes);
                if (below >= limit - nodes)
                        continue;
                limit = nodes + below;
                k->out->root_shift = shift;
                k->out->root_mask = (1U << bits) - 1;
                found = true;
        }
        return found;
}

static uint32_t node_of(uint32_t offset, unsigned shift)
{
        return offset << OFFSET_SHIFT | shift;
}

static uint32_t make(struct maker *k, const struct group *g, unsigned levels);

/* The node that leads to the only row of a span, through the levels between. */
static uint32_t make_single(struct maker *k, uint32_t span, unsigned levels)
{
        struct p2pd_table_lookup *l = k->out;
        uint32_t *at = &k->single[levels][span];

        if (*at == P2P_NONE && levels == 0) {
                *at = l->n_rows++;
                l->rows[*at] = span;
        } else if (*at == P2P_NONE) {
                uint32_t node = make_single(k, span, levels - 1);

                *at = l->n_nodes++;
                l->nodes[*at] = node;
        }
        return node_of(*at * (levels == 0 ? ROW_BYTES : NODE_BYTES), SHIFT_ALL);
}

static uint32_t make_rows(struct maker *k, const struct group *g, unsigned shift)
{
        const uint64_t first = g->first >> shift;
        struct p2pd_table_lookup *l = k->out;
        const uint32_t begin = l->n_rows;

        l->n_rows += (uint32_t)regions(g, shift);
        for (uint32_t i = g->from; i <= g->to; i++) {
                const struct p2p_bar_span *s = &k->spans[i];
                uint64_t at = (s->first < g->first ? g->first : s->first) >> shift;
                uint64_t end = (s->last > g->last ? g->last : s->last) >> shift;

                for (; at <= end; at++)
                        l->rows[begin + (at - first)] = i;
        }
        return node_of(begin * ROW_BYTES - (uint32_t)(first << ROW_SHIFT), shift - ROW_SHIFT);
}

static uint32_t make_nodes(struct maker *k, const struct group *g, unsigned shift, unsigned levels)
{
        const uint64_t first = g->first >> shift;
        struct p2pd_table_lookup *l = k->out;
        const uint32_t begin = l->n_nodes;
        struct group at = *g, part;

        l->n_nodes += (uint32_t)regions(g, shift);
        while (next_region(k, g, shift, false, &at, &part))
                l->nodes[begin + ((part.first >> shift) - first)] = make(k, &part, levels - 1);
        return node_of(begin * NODE_BYTES - (uint32_t)(first << NODE_SHIFT), shift - NODE_SHIFT);
}

/* The node for a group that is known to be possible. */
static uint32_t make(struct maker *k, const struct group *g, unsigned levels)
{
        unsigned shift = 0;
        uint64_t cost;

        if (g->from == g->to)
                return make_single(k, g->from, levels);
        /* With less to hold back than when it was planned, so nothing worse can come out. */
        k->work = UINT32_MAX;
        cost = cost_of(k, g, levels, p2pd_table_lookup_budget(k->out->depth, k->n_spans) + 1,
                       &shift);
        assert(cost != IMPOSSIBLE);
        (void)cost;
        return levels == 0 ? make_rows(k, g, shift) : make_nodes(k, g, shift, levels);
}

/* Room for what the budget allows, and the spans' own. */
static int make_all(struct maker *k, const struct group *all)
{
        struct p2pd_table_lookup *l = k->out;
        const uint64_t budget = p2pd_table_lookup_budget(l->depth, k->n_spans);
        const size_t room = p2p_table_power_of_two((uint32_t)(budget / ROW_BYTES) + k->n_spans);
        struct group at = *all, part;

        l->nodes = calloc(budget / NODE_BYTES + (size_t)k->n_spans * l->depth, sizeof(*l->nodes));
        l->rows = malloc(room * sizeof(*l->rows));
        if (!l->nodes || !l->rows)
                return -ENOMEM;
        memset(l->rows, 0xff, room * sizeof(*l->rows));
        for (unsigned i = 0; i < l->depth; i++) {
                k->single[i] = malloc((size_t)k->n_spans * sizeof(uint32_t));
                if (!k->single[i])
                        return -ENOMEM;
                memset(k->single[i], 0xff, (size_t)k->n_spans * sizeof(uint32_t));
        }
        l->n_nodes = l->root_mask + 1;
        while (next_region(k, all, l->root_shift, false, &at, &part)) {
                uint32_t i = (uint32_t)(part.first >> l->root_shift) & l->root_mask;

                l->nodes[i] = make(k, &part, l->depth - 1);
        }
        /* An address in no span leads to any row; none of them may be left from earlier. */
        l->n_rows = p2p_table_power_of_two(l->n_rows);
        return 0;
}

int p2pd_table_lookup_new(const struct p2p_bar_span *spans, uint32_t n_spans,
                          struct p2pd_table_lookup **ret)
{
        struct maker k = {.spans = spans, .n_spans = n_spans};
        struct group all;
        int r = -ENOMEM;

        k.out = calloc(1, sizeof(*k.out));
        k.apart = calloc((size_t)n_spans + 1, sizeof(*k.apart));
        if (!k.out || !k.apart)
                goto out;
        r = 0;
        if (n_spans <= P2P_TABLE_FEW)
                goto out;
        for (uint32_t i = 0; i + 1 < n_spans; i++)
                k.apart[i] = (uint8_t)highest_bit(spans[i].last ^ spans[i + 1].first);
        all = (struct group){
                .to = n_spans - 1,
                .first = spans[0].first,
                .last = spans[n_spans - 1].last,
        };
        for (uint32_t depth = 1; depth <= P2P_TABLE_DEPTH_MAX && k.out->depth == 0; depth++)
                if (plan(&k, &all, depth))
                        k.out->depth = depth;
        if (k.out->depth > 0)
                r = make_all(&k, &all);
out:
        for (unsigned i = 0; i < P2P_TABLE_DEPTH_MAX; i++)
                free(k.single[i]);
        free(k.apart);
        if (r == 0)
                *ret = k.out;
        else
                p2pd_table_lookup_free(k.out);
        return r;
}

struct p2pd_table_lookup *p2pd_table_lookup_free(struct p2pd_table_lookup *l)
{
        if (!l)
                return NULL;
        free(l->nodes);
        free(l->rows);
        free(l);
        return NULL;
}
