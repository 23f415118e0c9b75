/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/bar-index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int p2p_bar_range(const struct p2p_bar *bar, uint64_t *ret_first, uint64_t *ret_last)
{
        uint64_t last;

        if (bar->kind != P2P_BAR_MEMORY || !bar->assigned || bar->phys_why != P2P_WHY_KNOWN ||
            !p2p_fact_is_known(bar->size_bytes) || bar->size_bytes.val == 0 ||
            __builtin_add_overflow(bar->phys_start.val, bar->size_bytes.val - 1, &last))
                return -ENODATA;
        *ret_first = bar->phys_start.val;
        *ret_last = last;
        return 0;
}

static int compare_spans(const void *a, const void *b)
{
        const struct p2p_bar_span *s = a, *t = b;

        if (s->first != t->first)
                return s->first < t->first ? -1 : 1;
        return (s->last > t->last) - (s->last < t->last);
}

/* Where spans begin or end: the address, and the span that comes in or goes out there. */
struct edge {
        uint64_t at;
        uint32_t span;
        bool ends; /* the span covers up to at - 1 */
};

static int compare_edges(const void *a, const void *b)
{
        const struct edge *e = a, *f = b;

        return (e->at > f->at) - (e->at < f->at);
}

/* As they are wherever the kernel gave out addresses in the order of buses: then no sort. */
static bool is_sorted(const struct p2p_bar_index *b)
{
        for (uint32_t i = 1; i < b->n_spans; i++)
                if (compare_spans(&b->spans[i - 1], &b->spans[i]) > 0)
                        return false;
        return true;
}

static bool overlaps(const struct p2p_bar_index *b)
{
        for (uint32_t i = 1; i < b->n_spans; i++)
                if (b->spans[i].first <= b->spans[i - 1].last)
                        return true;
        return false;
}

/*
 * Cuts overlapping spans at every border. Between two borders the number of open spans tells
 * whether the piece is free, owned or contested; with exactly one open, the sum of the open spans'
 * numbers is that one's number.
 */
static int resolve_overlaps(struct p2p_bar_index *b)
{
        struct p2p_bar_span *cut = calloc(2 * (size_t)b->n_spans, sizeof(*cut));
        struct edge *edges = calloc(2 * (size_t)b->n_spans, sizeof(*edges));
        uint32_t n_edges = 0, n_cut = 0, open = 0;
        uint64_t sum = 0;

        if (!cut || !edges) {
                free(cut);
                free(edges);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < b->n_spans; i++) {
                edges[n_edges++] = (struct edge){.at = b->spans[i].first, .span = i};
                /* One that reaches the top of the address space never ends. */
                if (b->spans[i].last != UINT64_MAX)
                        edges[n_edges++] = (struct edge){
                                .at = b->spans[i].last + 1,
                                .span = i,
                                .ends = true,
                        };
        }
        qsort(edges, n_edges, sizeof(*edges), compare_edges);
        for (uint32_t i = 0; i < n_edges; i++) {
                bool is_last = i + 1 == n_edges;

                open += edges[i].ends ? -1U : 1U;
                sum += edges[i].ends ? -(uint64_t)edges[i].span : edges[i].span;
                if (open == 0 || (!is_last && edges[i + 1].at == edges[i].at))
                        continue;
                cut[n_cut++] = (struct p2p_bar_span){
                        .first = edges[i].at,
                        .last = is_last ? UINT64_MAX : edges[i + 1].at - 1,
                        .function = open == 1 ? b->spans[sum].function : P2P_NONE,
                        .bar_index = open == 1 ? b->spans[sum].bar_index : P2P_NONE,
                };
        }
        free(edges);
        free(b->spans);
        b->spans = cut;
        b->n_spans = n_cut;
        return 0;
}

static bool may_claim_addresses(const struct p2p_bar *bar)
{
        return bar->kind == P2P_BAR_UNKNOWN || (bar->kind == P2P_BAR_MEMORY && bar->assigned);
}

/* Lists the BARs with known addresses. Machines are large and most BARs absent, so that every look
 * at each of them counts: there is room for all at first. */
static int list_bars(struct p2p_bar_index *b, const struct p2p_machine *m)
{
        struct p2p_bar_span *fit;

        b->bars = reallocarray(NULL, (size_t)m->n_functions * P2P_BARS_MAX + 1, sizeof(*b->bars));
        if (!b->bars)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        const struct p2p_bar *bar = &m->functions[i].bars[j];
                        struct p2p_bar_span s = {.function = i, .bar_index = j};

                        if (p2p_bar_range(bar, &s.first, &s.last) == 0)
                                b->bars[b->n_bars++] = s;
                        else if (may_claim_addresses(bar))
                                b->has_unknown = true;
                }
        fit = reallocarray(b->bars, (size_t)b->n_bars + 1, sizeof(*fit));
        if (fit)
                b->bars = fit;
        return 0;
}

struct p2p_bar_index *p2p_bar_index_new(const struct p2p_machine *m)
{
        struct p2p_bar_index *b = calloc(1, sizeof(*b));

        if (!b)
                return NULL;
        if (list_bars(b, m) < 0)
                return p2p_bar_index_free(b);
        b->spans = calloc((size_t)b->n_bars + 1, sizeof(*b->spans));
        if (!b->spans)
                return p2p_bar_index_free(b);
        b->n_spans = b->n_bars;
        memcpy(b->spans, b->bars, (size_t)b->n_bars * sizeof(*b->spans));
        if (!is_sorted(b))
                qsort(b->spans, b->n_spans, sizeof(*b->spans), compare_spans);
        if (overlaps(b) && resolve_overlaps(b) < 0)
                return p2p_bar_index_free(b);
        return b;
}

struct p2p_bar_index *p2p_bar_index_free(struct p2p_bar_index *b)
{
        if (!b)
                return NULL;
        free(b->spans);
        free(b->bars);
        free(b);
        return NULL;
}

uint32_t p2p_bar_index_find(const struct p2p_bar_index *b, uint64_t address)
{
        uint32_t low = 0, high = b->n_spans;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (b->spans[middle].last < address)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}
