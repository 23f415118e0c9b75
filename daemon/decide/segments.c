/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/segments.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "decide/bar-index.h"

/* What lies between the BARs. */
static struct p2p_segment outside(const struct p2p_bar_index *bars)
{
        return (struct p2p_segment){
                .map = bars->has_unknown ? P2P_MAP_UNKNOWN : P2P_MAP_REGULAR,
                .reason = bars->has_unknown ? P2P_REASON_BAR_RANGE_UNKNOWN : P2P_REASON_NONE,
                .provider = P2P_NONE,
                .bar_index = P2P_NONE,
        };
}

static struct p2p_segment inside(const struct p2p_machine *m, const struct p2p_verdicts *v,
                                 uint32_t client, const struct p2p_bar_span *span, uint64_t first)
{
        struct p2p_segment s = {.provider = span->function, .bar_index = span->bar_index};
        struct p2p_verdict verdict;
        const struct p2p_bar *bar;

        if (span->function == P2P_NONE) {
                s.map = P2P_MAP_UNKNOWN;
                s.reason = P2P_REASON_BAR_OVERLAP;
                return s;
        }
        verdict = p2p_verdicts_get(v, span->function, client);
        s.map = verdict.map;
        s.reason = verdict.reason;
        s.own = span->function == client;
        bar = &m->functions[span->function].bars[span->bar_index];
        s.bar_offset_bytes = first - bar->phys_start.val;
        if (s.map != P2P_MAP_BUS && !s.own)
                return s;
        s.has_bus_addr =
                bar->bus_why == P2P_WHY_KNOWN &&
                !__builtin_add_overflow(bar->bus_start.val, s.bar_offset_bytes, &s.bus_addr.val);
        if (!s.has_bus_addr)
                s.bus_addr.val = 0;
        if (!s.has_bus_addr && s.map == P2P_MAP_BUS) {
                s.map = P2P_MAP_UNKNOWN;
                s.reason = P2P_REASON_BAR_RANGE_UNKNOWN;
        }
        return s;
}

int p2p_segments_new(const struct p2p_machine *m, const struct p2p_verdicts *v, uint32_t client,
                     struct p2p_phys_addr start, uint64_t length_bytes, struct p2p_segments **ret)
{
        const struct p2p_bar_index *bars = p2p_verdicts_bars(v);
        uint64_t first = start.val, last, piece_last;
        struct p2p_segments *s;
        uint32_t at, n_spans;

        assert(client < m->n_functions);
        if (length_bytes == 0 || __builtin_add_overflow(first, length_bytes - 1, &last))
                return P2P_SEGMENTS_E_RANGE;
        at = p2p_bar_index_find(bars, first);
        for (n_spans = 0; at + n_spans < bars->n_spans && bars->spans[at + n_spans].first <= last;)
                n_spans++;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        /* Each span, what is before each, and what is behind the last. */
        s->segments = calloc(2 * (size_t)n_spans + 1, sizeof(*s->segments));
        if (!s->segments) {
                free(s);
                return -ENOMEM;
        }
        for (;;) {
                const struct p2p_bar_span *span = at < bars->n_spans ? &bars->spans[at] : NULL;
                struct p2p_segment *piece = &s->segments[s->n_segments++];

                if (span && span->first <= first) {
                        *piece = inside(m, v, client, span, first);
                        piece_last = span->last;
                        at++;
                } else {
                        *piece = outside(bars);
                        piece_last = span ? span->first - 1 : UINT64_MAX;
                }
                if (piece_last > last)
                        piece_last = last;
                piece->start.val = first;
                piece->length_bytes = piece_last - first + 1;
                if (piece_last == last)
                        break;
                first = piece_last + 1;
        }
        *ret = s;
        return 0;
}

struct p2p_segments *p2p_segments_free(struct p2p_segments *s)
{
        if (!s)
                return NULL;
        free(s->segments);
        free(s);
        return NULL;
}
