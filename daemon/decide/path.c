/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/path.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "decide/link.h"
#include "decide/walk.h"

const char *p2p_side_to_string(enum p2p_side side)
{
        static const char *const names[P2P_SIDE_MAX] = {
                [P2P_SIDE_PROVIDER] = "provider",
                [P2P_SIDE_COMMON] = "common",
                [P2P_SIDE_CLIENT] = "client",
        };

        return side < P2P_SIDE_MAX ? names[side] : NULL;
}

static struct p2p_path_element element(const struct p2p_machine *m, uint32_t function,
                                       enum p2p_side side, bool counts)
{
        const struct p2p_fact control = m->functions[function].acs_control;
        struct p2p_path_element e = {.function = function, .side = side, .counts = counts};

        if (p2p_fact_is_known(control))
                e.acs_redirect_bits = (uint32_t)control.val & P2P_ACS_REDIRECT;
        e.acs_unknown = p2p_fact_is_unknown(control);
        return e;
}

static bool redirects(const struct p2p_machine *m, uint32_t from, uint32_t n)
{
        for (; n > 0; n--, from = m->functions[from].parent)
                if (element(m, from, P2P_SIDE_PROVIDER, true).acs_redirect_bits != 0)
                        return true;
        return false;
}

static bool walk_is_through_host_bridge(const struct p2p_machine *m, const struct p2p_walk *w,
                                        uint32_t provider, uint32_t client)
{
        return w->common == P2P_NONE || redirects(m, provider, w->provider_hops + 1) ||
               redirects(m, client, w->client_hops);
}

bool p2p_path_is_through_host_bridge(const struct p2p_machine *m, uint32_t provider,
                                     uint32_t client)
{
        struct p2p_walk w;

        p2p_walk_compute(m, provider, client, &w);
        return walk_is_through_host_bridge(m, &w, provider, client);
}

static uint32_t elements_above(const struct p2p_machine *m, uint32_t function)
{
        uint32_t n = 0;

        while (m->functions[function].parent != P2P_NONE) {
                function = m->functions[function].parent;
                n++;
        }
        return n;
}

int p2p_path_elements_new(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                          struct p2p_path_element **ret, uint32_t *ret_n)
{
        struct p2p_path_element *path;
        uint32_t n = 0, above = 0, at;
        struct p2p_walk w;
        bool common;

        p2p_walk_compute(m, provider, client, &w);
        common = w.common != P2P_NONE;
        if (common && walk_is_through_host_bridge(m, &w, provider, client))
                above = elements_above(m, w.common);
        path = calloc((size_t)w.provider_hops + w.client_hops + above + 1, sizeof(*path));
        if (!path)
                return -ENOMEM;
        at = provider;
        for (uint32_t i = 0; i < w.provider_hops; i++, at = m->functions[at].parent)
                path[n++] = element(m, at, P2P_SIDE_PROVIDER, common);
        if (common)
                for (uint32_t i = 0; i <= above; i++, at = m->functions[at].parent)
                        path[n++] = element(m, at, P2P_SIDE_COMMON, i == 0);
        n += w.client_hops;
        at = client;
        for (uint32_t i = 0; i < w.client_hops; i++, at = m->functions[at].parent)
                path[n - 1 - i] = element(m, at, P2P_SIDE_CLIENT, common);
        *ret = path;
        *ret_n = n;
        return 0;
}

struct p2p_fact p2p_path_bottleneck_mbps(const struct p2p_machine *m,
                                         const struct p2p_path_element *path, uint32_t n_path,
                                         uint32_t *ret_function)
{
        struct p2p_fact narrowest = p2p_fact_without(P2P_WHY_ABSENT);
        bool to_root = true;

        *ret_function = P2P_NONE;
        /* Below a common element that does not send the traffic on, its own uplink is not used. */
        for (uint32_t i = 0; i < n_path; i++)
                to_root = to_root && path[i].side != P2P_SIDE_COMMON;
        for (uint32_t i = 0; i < n_path; i++)
                to_root = to_root || (path[i].counts && path[i].acs_redirect_bits != 0);
        for (uint32_t i = 0; i < n_path; i++) {
                struct p2p_fact mbps;

                if (path[i].side == P2P_SIDE_COMMON && !to_root)
                        continue;
                mbps = p2p_function_uplink_mbps(m, path[i].function);
                if (p2p_fact_is_absent(mbps))
                        continue;
                if (!p2p_fact_is_known(mbps)) {
                        *ret_function = path[i].function;
                        return mbps;
                }
                if (p2p_fact_is_absent(narrowest) || mbps.val < narrowest.val) {
                        narrowest = mbps;
                        *ret_function = path[i].function;
                }
        }
        return narrowest;
}
