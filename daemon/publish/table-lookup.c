/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2pd/table.h"
#include "publish/table-groups.h"

/*
 * The spans are divided by address into regions of 2^shift bytes: first by the root, whose regions
 * are folded into a small array, then below each node with a shift of its own. A region that meets
 * a single span leads straight to the one row of that span, however large the region or the span
 * is; hence a BAR of 256 GiB costs no more than one of 4 KiB. On the last level the regions are so
 * small that none meets two spans, and each gets a row.
 *
 * The shifts are those that take the fewest bytes. table-groups.h weighs what is below each region
 * of every shift; here the root is chosen, and what was chosen is put together.
 */
#define NODE_SHIFT 2U
#define OFFSET_SHIFT 6U /* of the offset in a node */
#define SHIFT_ALL 63U   /* with low bits masked off: every address to the same element */
#define ROOT_NODES_MAX (1U << 14)

static_assert(P2PD_TABLE_ROW_BYTES == 1U << P2PD_TABLE_ROW_SHIFT &&
                      P2PD_TABLE_NODE_BYTES == 1U << NODE_SHIFT,
              "shifts");

struct maker {
        uint32_t n_spans;
        struct p2pd_table_groups *groups;
        struct p2pd_table_part all;
        uint64_t bytes; /* that were planned */
        /* What is made; room for those bytes, and for what each span has of its own. */
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

/* Whether n elements, a power of two, give each region of the root one of its own. */
static bool folds(const struct maker *k, unsigned shift, uint64_t n)
{
        uint64_t taken[ROOT_NODES_MAX / 64] = {0};
        struct p2pd_table_part at = k->all, part;

        while (p2pd_table_groups_next(k->groups, &k->all, shift, &at, &part)) {
                const uint32_t i = (uint32_t)(part.first >> shift) & (uint32_t)(n - 1);

                if (taken[i / 64] >> i % 64 & 1)
                        return false;
                taken[i / 64] |= UINT64_C(1) << i % 64;
        }
        return true;
}

/* The best root for this depth; false: nothing stays within the budget. */
static bool plan(struct maker *k, uint32_t depth)
{
        /* What is not better than that is beyond the budget. */
        uint64_t best = p2pd_table_lookup_budget(depth, k->n_spans) + P2PD_TABLE_NODE_BYTES;
        bool found = false;

        for (unsigned shift = SHIFT_ALL; shift >= P2PD_TABLE_ROW_SHIFT; shift--) {
                const uint64_t below = p2pd_table_groups_bytes(k->groups, shift, depth - 1);
                uint64_t n;

                if (!p2pd_table_saves(1, below, best))
                        continue;
                n = p2pd_table_groups_regions(k->groups, shift);
                /* Smaller ones are even more. */
                if (n > ROOT_NODES_MAX || !p2pd_table_saves(n, 0, best))
                        break;
                n = p2p_table_power_of_two((uint32_t)n);
                while (n <= ROOT_NODES_MAX && p2pd_table_saves(n, below, best) &&
                       !folds(k, shift, n))
                        n *= 2;
                if (n > ROOT_NODES_MAX || !p2pd_table_saves(n, below, best))
                        continue;
                k->bytes = best = n * P2PD_TABLE_NODE_BYTES + below;
                k->out->root_shift = shift;
                k->out->root_mask = (uint32_t)n - 1;
                found = true;
        }
        return found;
}

static uint32_t node_of(uint32_t offset, unsigned shift)
{
        return offset << OFFSET_SHIFT | shift;
}

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
        return node_of(*at * (levels == 0 ? P2PD_TABLE_ROW_BYTES : P2PD_TABLE_NODE_BYTES),
                       SHIFT_ALL);
}

static uint32_t make_rows(struct maker *k, const struct p2pd_table_part *part, unsigned shift)
{
        const uint64_t first = part->first >> shift;
        struct p2pd_table_lookup *l = k->out;
        const uint32_t begin = l->n_rows;

        l->n_rows += (uint32_t)p2pd_table_regions(part, shift);
        for (uint32_t i = part->from; i <= part->to; i++) {
                const struct p2p_bar_span *s = &k->groups->spans[i];
                uint64_t at = (s->first < part->first ? part->first : s->first) >> shift;
                uint64_t end = (s->last > part->last ? part->last : s->last) >> shift;

                for (; at <= end; at++)
                        l->rows[begin + (at - first)] = i;
        }
        return node_of(begin * P2PD_TABLE_ROW_BYTES - (uint32_t)(first << P2PD_TABLE_ROW_SHIFT),
                       shift - P2PD_TABLE_ROW_SHIFT);
}

/* The node for a group of this shift. */
static uint32_t make_group(struct maker *k, unsigned shift, uint32_t group, unsigned levels)
{
        const struct p2pd_table_part whole = p2pd_table_groups_part(k->groups, shift, group);
        const struct p2pd_table_group *g = &k->groups->groups[group];
        struct p2pd_table_lookup *l = k->out;
        struct p2pd_table_part at = whole, part;
        const uint32_t begin = l->n_nodes;
        unsigned inner_shift;
        uint32_t inner;
        uint64_t first;

        if (levels == 0)
                return make_rows(k, &whole, g->apart);
        inner_shift = g->shift[levels - 1];
        inner = p2pd_table_groups_inner(k->groups, shift, group, inner_shift);
        first = whole.first >> inner_shift;
        l->n_nodes += (uint32_t)p2pd_table_regions(&whole, inner_shift);
        while (p2pd_table_groups_next(k->groups, &whole, inner_shift, &at, &part))
                l->nodes[begin + ((part.first >> inner_shift) - first)] =
                        part.from == part.to ? make_single(k, part.from, levels - 1)
                                             : make_group(k, inner_shift, inner++, levels - 1);
        return node_of(begin * P2PD_TABLE_NODE_BYTES - (uint32_t)(first << NODE_SHIFT),
                       inner_shift - NODE_SHIFT);
}

static int make_room(struct maker *k)
{
        struct p2pd_table_lookup *l = k->out;
        const size_t n_rows =
                p2p_table_power_of_two((uint32_t)(k->bytes / P2PD_TABLE_ROW_BYTES) + k->n_spans);

        l->nodes = calloc(k->bytes / P2PD_TABLE_NODE_BYTES + (size_t)k->n_spans * l->depth,
                          sizeof(*l->nodes));
        l->rows = malloc(n_rows * sizeof(*l->rows));
        if (!l->nodes || !l->rows)
                return -ENOMEM;
        memset(l->rows, 0xff, n_rows * sizeof(*l->rows));
        for (unsigned i = 0; i < l->depth; i++) {
                k->single[i] = malloc((size_t)k->n_spans * sizeof(uint32_t));
                if (!k->single[i])
                        return -ENOMEM;
                memset(k->single[i], 0xff, (size_t)k->n_spans * sizeof(uint32_t));
        }
        return 0;
}

static void make_all(struct maker *k)
{
        struct p2pd_table_lookup *l = k->out;
        uint32_t group = k->groups->begin[l->root_shift];
        struct p2pd_table_part at = k->all, part;

        l->n_nodes = l->root_mask + 1;
        while (p2pd_table_groups_next(k->groups, &k->all, l->root_shift, &at, &part)) {
                uint32_t i = (uint32_t)(part.first >> l->root_shift) & l->root_mask;

                l->nodes[i] = part.from == part.to
                                      ? make_single(k, part.from, l->depth - 1)
                                      : make_group(k, l->root_shift, group++, l->depth - 1);
        }
        /* An address in no span leads to any row; none of them may be left from earlier. */
        l->n_rows = p2p_table_power_of_two(l->n_rows);
}

/* Plans with as few levels as the budgets allow, and makes what was planned. */
static int plan_and_make(struct maker *k, const struct p2p_bar_span *spans)
{
        int r;

        r = p2pd_table_groups_new(spans, k->n_spans, &k->groups);
        if (r < 0)
                return r == -E2BIG ? 0 : r;
        k->all = (struct p2pd_table_part){
                .to = k->n_spans - 1,
                .first = spans[0].first,
                .last = spans[k->n_spans - 1].last,
        };
        for (uint32_t depth = 1; depth <= P2P_TABLE_DEPTH_MAX && k->out->depth == 0; depth++) {
                r = p2pd_table_groups_weigh(k->groups, depth - 1);
                if (r < 0)
                        return r;
                if (plan(k, depth))
                        k->out->depth = depth;
        }
        if (k->out->depth == 0)
                return 0;
        r = make_room(k);
        if (r == 0)
                make_all(k);
        return r;
}

int p2pd_table_lookup_new(const struct p2p_bar_span *spans, uint32_t n_spans,
                          struct p2pd_table_lookup **ret)
{
        struct maker k = {.n_spans = n_spans, .out = calloc(1, sizeof(*k.out))};
        int r = k.out ? 0 : -ENOMEM;

        if (r == 0 && n_spans > P2P_TABLE_FEW)
                r = plan_and_make(&k, spans);
        for (unsigned i = 0; i < P2P_TABLE_DEPTH_MAX; i++)
                free(k.single[i]);
        p2pd_table_groups_free(k.groups);
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
