/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/walk.h"

#include <assert.h>

static uint32_t elements_above(const struct p2p_machine *m, uint32_t from, uint32_t *ret_top)
{
        uint32_t n = 1;

        while (m->functions[from].parent != P2P_NONE) {
                from = m->functions[from].parent;
                n++;
        }
        *ret_top = from;
        return n;
}

/*
 * Both paths end at the same element if they meet at all, so their lengths are comparable from the
 * meeting point down: level the deeper one, then climb in step.
 */
void p2p_walk_compute(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                      struct p2p_walk *ret)
{
        struct p2p_walk w = {.common = P2P_NONE};
        uint32_t a = provider, b = client, a_left, b_left;

        assert(provider < m->n_functions && client < m->n_functions);
        a_left = elements_above(m, provider, &w.provider_top);
        b_left = elements_above(m, client, &w.client_top);
        if (w.provider_top != w.client_top) {
                w.provider_hops = a_left;
                w.client_hops = b_left;
                *ret = w;
                return;
        }
        for (; a_left > b_left; a_left--, w.provider_hops++)
                a = m->functions[a].parent;
        for (; b_left > a_left; b_left--, w.client_hops++)
                b = m->functions[b].parent;
        while (a != b) {
                a = m->functions[a].parent;
                b = m->functions[b].parent;
                w.provider_hops++;
                w.client_hops++;
        }
        w.common = a;
        *ret = w;
}
