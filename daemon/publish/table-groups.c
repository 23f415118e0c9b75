/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * From small regions to large ones. A region twice as large joins what two neighbours held, so that
 * its groups are those of the shift before, some of them joined, and some pairs of spans that were
 * apart till then. No span is looked at again. Each shift has fewer groups than there are spans,
 * and most have far fewer.
 *
 * What a group takes with one level more is the least, over all smaller shifts, of the nodes and
 * what the groups of that shift take that are in it. These stand side by side, so that two sums
 * tell. Most often a group is the same as one of the shift before; then what it takes is known.
 */

static unsigned highest_bit(uint64_t x)
{
        return x == 0 ? 0 : 63U - (unsigned)__builtin_clzll(x);
}

/* The largest shift that tells span i from span i + 1. */
static unsigned apart(const struct p2pd_table_groups *k, uint32_t i)
{
        return highest_bit(k->spans[i].last ^ k->spans[i + 1].first);
}

/* Sorts the spans that have one behind them by apart() and by address, and counts n_together. */
static uint32_t *sort_pairs(struct p2pd_table_groups *k)
{
        uint32_t next[P2PD_TABLE_SHIFT_MAX + 1];
        uint32_t *pairs = calloc((size_t)k->n_spans + 1, sizeof(*pairs));

        if (!pairs)
                return NULL;
        for (uint32_t i = 0; i + 1 < k->n_spans; i++)
                k->n_together[apart(k, i) + 1]++;
        for (unsigned shift = 0; shift <= P2PD_TABLE_SHIFT_MAX; shift++) {
                next[shift] = k->n_together[shift];
                k->n_together[shift + 1] += k->n_together[shift];
        }
        for (uint32_t i = 0; i + 1 < k->n_spans; i++)
                pairs[next[apart(k, i)]++] = i;
        return pairs;
}

static int make_room(struct p2pd_table_groups *k, uint32_t n)
{
        struct p2pd_table_group *p;
        uint32_t want;

        if (__builtin_add_overflow(k->n_groups, n, &want) || want > UINT32_MAX / 2)
                return -ENOMEM;
        if (want <= k->room)
                return 0;
        p = reallocarray(k->groups, (size_t)want * 2, sizeof(*p));
        if (!p)
                return -ENOMEM;
        k->groups = p;
        k->room = want * 2;
        return 0;
}

/* Adds a group behind the others of its shift, or to the last of them if they are in one region:
 * then the span that both have is. */
static void join(struct p2pd_table_groups *k, unsigned shift, const struct p2pd_table_group *g)
{
        struct p2pd_table_group *last = k->groups + k->n_groups - 1;
        const struct p2p_bar_span *s = &k->spans[g->from];

        if (k->n_groups == k->begin[shift] || last->to != g->from ||
            s->first >> shift != s->last >> shift) {
                k->groups[k->n_groups++] = *g;
                return;
        }
        last->to = g->to;
        last->inner_to = g->inner_to;
        if (g->apart < last->apart)
                last->apart = g->apart;
}

/* The groups of a shift, out of those of the shift before and the pairs that come together. */
static int join_groups(struct p2pd_table_groups *k, const uint32_t *pairs, unsigned shift)
{
        uint32_t inner = k->begin[shift - 1], n = k->n_together[shift - 1];
        int r;

        k->begin[shift] = k->n_groups;
        r = make_room(k, k->begin[shift] - inner + k->n_together[shift] - n);
        if (r < 0)
                return r;
        while (inner < k->begin[shift] || n < k->n_together[shift]) {
                struct p2pd_table_group g;

                if (n == k->n_together[shift] ||
                    (inner < k->begin[shift] && k->groups[inner].from < pairs[n])) {
                        g = k->groups[inner];
                        g.inner_from = inner++;
                } else {
                        g = (struct p2pd_table_group){
                                .from = pairs[n],
                                .to = pairs[n] + 1,
                                .inner_from = inner,
                                .apart = (uint8_t)(shift - 1),
                        };
                        n++;
                }
                g.inner_to = inner;
                join(k, shift, &g);
        }
        return 0;
}

int p2pd_table_groups_new(const struct p2p_bar_span *spans, uint32_t n_spans,
                          struct p2pd_table_groups **ret)
{
        struct p2pd_table_groups *k = calloc(1, sizeof(*k));
        uint32_t *pairs;
        int r = 0;

        if (!k)
                return -ENOMEM;
        k->spans = spans;
        k->n_spans = n_spans;
        pairs = sort_pairs(k);
        if (!pairs)
                r = -ENOMEM;
        else if (k->n_together[P2PD_TABLE_ROW_SHIFT] > 0)
                r = -E2BIG;
        for (unsigned shift = P2PD_TABLE_ROW_SHIFT + 1; r == 0 && shift <= P2PD_TABLE_SHIFT_MAX;
             shift++)
                r = join_groups(k, pairs, shift);
        k->begin[P2PD_TABLE_SHIFT_MAX + 1] = k->n_groups;
        free(pairs);
        if (r < 0)
                p2pd_table_groups_free(k);
        else
                *ret = k;
        return r;
}

struct p2pd_table_groups *p2pd_table_groups_free(struct p2pd_table_groups *k)
{
        if (!k)
                return NULL;
        for (unsigned i = 0; i < P2P_TABLE_DEPTH_MAX; i++)
                free(k->sums[i]);
        free(k->groups);
        free(k);
        return NULL;
}

struct p2pd_table_part p2pd_table_groups_part(const struct p2pd_table_groups *k, unsigned shift,
                                              uint32_t group)
{
        const struct p2pd_table_group *g = &k->groups[group];
        const uint64_t first = k->spans[g->from].first, last = k->spans[g->to].last;
        const uint64_t begin = k->spans[g->to].first >> shift << shift;
        const uint64_t end = begin | ((UINT64_C(1) << shift) - 1);

        return (struct p2pd_table_part){
                .from = g->from,
                .to = g->to,
                .first = first > begin ? first : begin,
                .last = last < end ? last : end,
        };
}

/* From some groups of one shift that stand side by side to those in them of the shift before. */
static void descend(const struct p2pd_table_groups *k, uint32_t *from, uint32_t *to)
{
        if (*from == *to)
                return;
        *to = k->groups[*to - 1].inner_to;
        *from = k->groups[*from].inner_from;
}

uint32_t p2pd_table_groups_inner(const struct p2pd_table_groups *k, unsigned shift, uint32_t group,
                                 unsigned smaller)
{
        uint32_t from = group, to = group + 1;

        for (; shift > smaller; shift--)
                descend(k, &from, &to);
        return from;
}

/* Rows that tell a group's spans apart. */
static uint64_t weigh_rows(const struct p2pd_table_groups *k, unsigned shift, uint32_t group)
{
        const struct p2pd_table_part part = p2pd_table_groups_part(k, shift, group);
        const uint64_t n = p2pd_table_regions(&part, k->groups[group].apart);

        return n < P2PD_TABLE_TOO_MUCH / P2PD_TABLE_ROW_BYTES ? n * P2PD_TABLE_ROW_BYTES
                                                              : P2PD_TABLE_TOO_MUCH;
}

/* Whether the group is one of the shift before, with nothing more. */
static bool is_inner(const struct p2pd_table_groups *k, unsigned shift, uint32_t group,
                     const struct p2pd_table_part *part)
{
        const struct p2pd_table_group *g = &k->groups[group];
        struct p2pd_table_part inner;

        if (g->inner_to - g->inner_from != 1)
                return false;
        inner = p2pd_table_groups_part(k, shift - 1, g->inner_from);
        return inner.from == part->from && inner.to == part->to && inner.first == part->first &&
               inner.last == part->last;
}

/* Nodes, and what lies below them. What is not in one region of the shift before is divided by that
 * shift already. */
static uint64_t weigh_nodes(struct p2pd_table_groups *k, unsigned shift, uint32_t group,
                            unsigned levels)
{
        const struct p2pd_table_part part = p2pd_table_groups_part(k, shift, group);
        const uint64_t *below = k->sums[levels - 1], *known = k->sums[levels];
        struct p2pd_table_group *g = &k->groups[group];
        uint32_t from = g->inner_from, to = g->inner_to;
        uint64_t best = P2PD_TABLE_TOO_MUCH;

        if (is_inner(k, shift, group, &part)) {
                g->shift[levels - 1] = k->groups[from].shift[levels - 1];
                return known[to] - known[from];
        }
        for (unsigned s = shift - 1; s >= P2PD_TABLE_ROW_SHIFT; s--) {
                const uint64_t n = p2pd_table_regions(&part, s);

                if (n >= best / P2PD_TABLE_NODE_BYTES)
                        break;
                if (p2pd_table_saves(n, below[to] - below[from], best)) {
                        best = n * P2PD_TABLE_NODE_BYTES + below[to] - below[from];
                        g->shift[levels - 1] = (uint8_t)s;
                }
                descend(k, &from, &to);
        }
        return best;
}

int p2pd_table_groups_weigh(struct p2pd_table_groups *k, unsigned levels)
{
        uint64_t *sums = calloc((size_t)k->n_groups + 1, sizeof(*sums));

        if (!sums)
                return -ENOMEM;
        k->sums[levels] = sums;
        for (unsigned shift = P2PD_TABLE_ROW_SHIFT; shift <= P2PD_TABLE_SHIFT_MAX; shift++)
                for (uint32_t i = k->begin[shift]; i < k->begin[shift + 1]; i++)
                        sums[i + 1] = sums[i] + (levels == 0 ? weigh_rows(k, shift, i)
                                                             : weigh_nodes(k, shift, i, levels));
        return 0;
}

uint64_t p2pd_table_groups_bytes(const struct p2pd_table_groups *k, unsigned shift, unsigned levels)
{
        return k->sums[levels][k->begin[shift + 1]] - k->sums[levels][k->begin[shift]];
}

uint64_t p2pd_table_groups_regions(const struct p2pd_table_groups *k, unsigned shift)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < k->n_spans; i++)
                n += (k->spans[i].last >> shift) - (k->spans[i].first >> shift) + 1;
        return n - k->n_together[shift];
}

bool p2pd_table_groups_next(const struct p2pd_table_groups *k, const struct p2pd_table_part *whole,
                            unsigned shift, struct p2pd_table_part *at, struct p2pd_table_part *ret)
{
        const uint64_t region_last = at->first | ((UINT64_C(1) << shift) - 1);
        uint64_t end;

        if (at->from > whole->to)
                return false;
        *ret = (struct p2pd_table_part){.from = at->from, .to = at->from, .first = at->first};
        while (k->spans[ret->to].last <= region_last && ret->to < whole->to &&
               k->spans[ret->to + 1].first <= region_last)
                ret->to++;
        end = k->spans[ret->to].last < whole->last ? k->spans[ret->to].last : whole->last;
        ret->last = end < region_last ? end : region_last;
        if (end > region_last) {
                at->from = ret->to;
                at->first = region_last + 1;
        } else {
                at->from = ret->to + 1;
                if (at->from <= whole->to)
                        at->first = k->spans[at->from].first;
        }
        return true;
}
