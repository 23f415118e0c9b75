/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/link.h"

#include <assert.h>

struct p2p_fact p2p_link_mbps(struct p2p_fact speed_mts, struct p2p_fact width_lanes)
{
        /* After the encoding: 8b/10b, 128b/130b, 242B/256B flits (PCIe 4.2). */
        static const struct {
                uint32_t mts, lane_mbps;
        } rates[] = {
                {2500, 250},   {5000, 500},   {8000, 985},     {16000, 1969},
                {32000, 3938}, {64000, 7563}, {128000, 15125},
        };

        if (!p2p_fact_is_known(speed_mts))
                return p2p_fact_without(speed_mts.why);
        if (!p2p_fact_is_known(width_lanes))
                return p2p_fact_without(width_lanes.why);
        if (width_lanes.val == 0 || width_lanes.val > 32)
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
                if (rates[i].mts == speed_mts.val)
                        return p2p_fact_known(rates[i].lane_mbps * width_lanes.val);
        return p2p_fact_without(P2P_WHY_NOT_REPORTED);
}

/* The registers of these ports describe the link on their far side. */
static bool link_is_below(const struct p2p_function *f)
{
        return p2p_fact_is_known(f->port_type) &&
               (f->port_type.val == P2P_PORT_ROOT_PORT || f->port_type.val == P2P_PORT_DOWNSTREAM ||
                f->port_type.val == P2P_PORT_PCI_TO_PCIE);
}

static bool is_integrated(const struct p2p_function *f)
{
        return p2p_fact_is_known(f->port_type) &&
               (f->port_type.val == P2P_PORT_INTEGRATED_ENDPOINT ||
                f->port_type.val == P2P_PORT_EVENT_COLLECTOR);
}

/* Whose registers tell of the uplink; NULL with *ret set if there is none, or none that tells. */
static const struct p2p_function *uplink_of(const struct p2p_machine *m, uint32_t function,
                                            struct p2p_fact *ret)
{
        const struct p2p_function *f = &m->functions[function];

        assert(function < m->n_functions);
        if (f->is_vf && f->physfn != P2P_NONE)
                f = &m->functions[f->physfn];
        if (link_is_below(f) || is_integrated(f) ||
            (f->parent == P2P_NONE && f->parent_why == P2P_WHY_KNOWN)) {
                *ret = p2p_fact_without(P2P_WHY_ABSENT);
                return NULL;
        }
        if (p2p_fact_is_absent(f->port_type)) {
                *ret = p2p_fact_without(P2P_WHY_NOT_REPORTED);
                return NULL;
        }
        return f;
}

static const struct p2p_function *port_above(const struct p2p_machine *m,
                                             const struct p2p_function *f)
{
        if (f->parent == P2P_NONE || !link_is_below(&m->functions[f->parent]))
                return NULL;
        return &m->functions[f->parent];
}

/* A link that a function on it calls absent is one that cannot be told. */
static struct p2p_fact unknown_not_absent(struct p2p_fact f)
{
        return p2p_fact_is_absent(f) ? p2p_fact_without(P2P_WHY_NOT_REPORTED) : f;
}

struct p2p_fact p2p_function_uplink_mbps(const struct p2p_machine *m, uint32_t function)
{
        struct p2p_fact mbps, above;
        const struct p2p_function *f = uplink_of(m, function, &mbps), *port;

        if (!f)
                return mbps;
        mbps = p2p_link_mbps(f->link_speed_mts, f->link_width_lanes);
        port = port_above(m, f);
        if (p2p_fact_is_known(mbps) || !port)
                return unknown_not_absent(mbps);
        above = p2p_link_mbps(port->link_speed_mts, port->link_width_lanes);
        return p2p_fact_is_known(above) ? above : unknown_not_absent(mbps);
}

static struct p2p_fact lower(struct p2p_fact a, struct p2p_fact b)
{
        if (!p2p_fact_is_known(a) || (p2p_fact_is_known(b) && b.val < a.val))
                return b;
        return a;
}

struct p2p_fact p2p_function_uplink_best_mbps(const struct p2p_machine *m, uint32_t function)
{
        struct p2p_fact none;
        const struct p2p_function *f = uplink_of(m, function, &none), *port;
        struct p2p_fact speed, width;

        if (!f)
                return none;
        speed = f->link_speed_max_mts;
        width = f->link_width_max_lanes;
        port = port_above(m, f);
        if (port) {
                speed = lower(speed, port->link_speed_max_mts);
                width = lower(width, port->link_width_max_lanes);
        }
        return unknown_not_absent(p2p_link_mbps(speed, width));
}

bool p2p_function_uplink_ends(const struct p2p_machine *m, uint32_t function,
                              const struct p2p_function **ret_own,
                              const struct p2p_function **ret_port)
{
        const struct p2p_function *f = &m->functions[function];

        assert(function < m->n_functions);
        if (f->is_vf && f->physfn != P2P_NONE)
                f = &m->functions[f->physfn];
        if (link_is_below(f) || is_integrated(f) || p2p_fact_is_absent(f->port_type))
                return false;
        if (f->parent == P2P_NONE && f->parent_why == P2P_WHY_KNOWN &&
            !p2p_fact_is_known(f->port_type))
                return false;
        *ret_own = f;
        *ret_port = port_above(m, f);
        return true;
}
