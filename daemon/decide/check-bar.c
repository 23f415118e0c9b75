/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/check-bar.h"

#include <inttypes.h>
#include <stdio.h>

#include "decide/text.h"

struct sizes {
        uint32_t largest, resizable, unassigned; /* BAR indices, or P2P_NONE */
        struct p2p_fact unknown; /* the first fact that leaves it open; ABSENT: none does */
        struct p2p_fact resize_unknown;
};

static void look_at(const struct p2p_bar *bars, uint32_t i, struct sizes *s)
{
        const struct p2p_fact size = bars[i].size_bytes, resize = bars[i].resize_max_bytes;

        if (p2p_fact_is_known(resize) &&
            (s->resizable == P2P_NONE || resize.val > bars[s->resizable].resize_max_bytes.val))
                s->resizable = i;
        if (p2p_fact_is_unknown(resize) && p2p_fact_is_absent(s->resize_unknown))
                s->resize_unknown = resize;
        if (!p2p_fact_is_known(size)) {
                if (bars[i].assigned && p2p_fact_is_absent(s->unknown))
                        s->unknown = size;
        } else if (bars[i].assigned) {
                if (s->largest == P2P_NONE || size.val > bars[s->largest].size_bytes.val)
                        s->largest = i;
        } else if (s->unassigned == P2P_NONE || size.val > bars[s->unassigned].size_bytes.val) {
                s->unassigned = i;
        }
}

static void format_too_small(const struct p2p_machine *m, uint32_t function, uint64_t min_bytes,
                             const struct sizes *s, char *buf, size_t size)
{
        const struct p2p_bar *bars = m->functions[function].bars;
        char name[P2P_TEXT_FUNCTION_MAX], has[P2P_TEXT_SIZE_MAX], wanted[P2P_TEXT_SIZE_MAX];
        char other[P2P_TEXT_SIZE_MAX], more[96];

        if (s->unassigned != P2P_NONE && bars[s->unassigned].size_bytes.val >= min_bytes)
                (void)snprintf(more, sizeof(more), "BAR %" PRIu32 ", %s, has no address",
                               s->unassigned,
                               p2p_text_size(bars[s->unassigned].size_bytes.val, other));
        else if (s->resizable != P2P_NONE)
                (void)snprintf(more, sizeof(more), "BAR %" PRIu32 " can be resized to %s at most",
                               s->resizable,
                               p2p_text_size(bars[s->resizable].resize_max_bytes.val, other));
        else if (!p2p_fact_is_absent(s->resize_unknown))
                (void)snprintf(more, sizeof(more), "whether one can be resized is unknown: %s",
                               p2p_text_why(s->resize_unknown.why));
        else
                (void)snprintf(more, sizeof(more), "none can be resized");
        (void)snprintf(buf, size,
                       "the largest BAR of %s, BAR %" PRIu32 ", has %s, where %s is asked for; %s",
                       p2p_text_function(m, function, name), s->largest,
                       p2p_text_size(bars[s->largest].size_bytes.val, has),
                       p2p_text_size(min_bytes, wanted), more);
}

enum p2p_gate_state p2p_check_bar_size(const struct p2p_machine *m, uint32_t function,
                                       uint64_t min_bytes, char *buf, size_t size)
{
        const struct p2p_bar *bars = m->functions[function].bars;
        struct sizes s = {
                .largest = P2P_NONE,
                .resizable = P2P_NONE,
                .unassigned = P2P_NONE,
                .unknown = p2p_fact_without(P2P_WHY_ABSENT),
                .resize_unknown = p2p_fact_without(P2P_WHY_ABSENT),
        };
        char name[P2P_TEXT_FUNCTION_MAX], wanted[P2P_TEXT_SIZE_MAX];

        if (min_bytes == 0)
                return P2P_GATE_PASSED;
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                if (bars[i].kind == P2P_BAR_MEMORY)
                        look_at(bars, i, &s);
                else if (bars[i].kind == P2P_BAR_UNKNOWN && p2p_fact_is_absent(s.unknown))
                        s.unknown = p2p_fact_without(p2p_fact_is_unknown(bars[i].size_bytes)
                                                             ? bars[i].size_bytes.why
                                                             : P2P_WHY_NOT_REPORTED);
        }
        if (s.largest != P2P_NONE && bars[s.largest].size_bytes.val >= min_bytes)
                return P2P_GATE_PASSED;
        if (p2p_fact_is_absent(s.unknown)) {
                format_too_small(m, function, min_bytes, &s, buf, size);
                return P2P_GATE_FAILED;
        }
        (void)snprintf(buf, size, "whether a BAR of %s has %s is unknown: %s",
                       p2p_text_function(m, function, name), p2p_text_size(min_bytes, wanted),
                       p2p_text_why(s.unknown.why));
        return P2P_GATE_UNKNOWN;
}
