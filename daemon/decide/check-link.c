/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/check-link.h"

#include <inttypes.h>
#include <stdio.h>

#include "decide/link.h"
#include "decide/path.h"
#include "decide/text.h"
#include "decide/walk.h"

/* Speed or width of one link: now, and the most that each end can. */
struct measure {
        struct p2p_fact now, own_max, port_max;
};

static struct p2p_fact not_zero(struct p2p_fact f)
{
        return p2p_fact_is_known(f) && f.val == 0 ? p2p_fact_without(P2P_WHY_NOT_REPORTED) : f;
}

static struct measure measure(struct p2p_fact own, struct p2p_fact port, struct p2p_fact own_max,
                              struct p2p_fact port_max)
{
        return (struct measure){
                .now = not_zero(p2p_fact_is_known(not_zero(own)) ? own : port),
                .own_max = not_zero(own_max),
                .port_max = not_zero(port_max),
        };
}

static bool reaches(struct p2p_fact now, struct p2p_fact max)
{
        return p2p_fact_is_known(max) && now.val >= max.val;
}

/* One end that can no more is enough to be at the best; to be below it, both must be able to. */
static enum p2p_gate_state judge(const struct measure *x, struct p2p_fact *ret_unknown)
{
        if (p2p_fact_is_known(x->now)) {
                if (reaches(x->now, x->own_max) || reaches(x->now, x->port_max))
                        return P2P_GATE_PASSED;
                if (p2p_fact_is_known(x->own_max) && p2p_fact_is_known(x->port_max))
                        return P2P_GATE_FAILED;
        }
        *ret_unknown = !p2p_fact_is_known(x->now)       ? x->now
                       : !p2p_fact_is_known(x->own_max) ? x->own_max
                                                        : x->port_max;
        return P2P_GATE_UNKNOWN;
}

/* What both ends can; what it does now, while one does not tell. 0: unknown. */
static uint64_t best_of(const struct measure *x)
{
        if (!p2p_fact_is_known(x->own_max) || !p2p_fact_is_known(x->port_max))
                return x->now.val;
        return x->own_max.val < x->port_max.val ? x->own_max.val : x->port_max.val;
}

static void format_slow(const char *name, const struct measure *speed, const struct measure *width,
                        char *buf, size_t size)
{
        char speeds[2][32] = {"unknown speed", "unknown speed"}, widths[2][24] = {"x?", "x?"};
        const uint64_t mts[2] = {speed->now.val, best_of(speed)};
        const uint64_t lanes[2] = {width->now.val, best_of(width)};

        for (unsigned i = 0; i < 2; i++) {
                if (mts[i] > 0)
                        (void)snprintf(speeds[i], sizeof(speeds[i]), "%g GT/s",
                                       (double)mts[i] / 1000);
                if (lanes[i] > 0)
                        (void)snprintf(widths[i], sizeof(widths[i]), "x%" PRIu64, lanes[i]);
        }
        (void)snprintf(buf, size,
                       "the link of %s runs at %s %s, both of its ends can do %s %s: trained down, "
                       "or saving power",
                       name, speeds[0], widths[0], speeds[1], widths[1]);
}

/* The function's uplink. */
static enum p2p_gate_state check_link(const struct p2p_machine *m, uint32_t function, char *buf,
                                      size_t size)
{
        static const struct p2p_fact none = {.why = P2P_WHY_NOT_REPORTED};
        const struct p2p_function *own, *port;
        struct measure speed, width;
        enum p2p_gate_state by_speed, by_width;
        struct p2p_fact unknown = none;
        char name[P2P_TEXT_FUNCTION_MAX];

        if (!p2p_function_uplink_ends(m, function, &own, &port))
                return P2P_GATE_NOT_NEEDED;
        speed = measure(own->link_speed_mts, port ? port->link_speed_mts : none,
                        own->link_speed_max_mts, port ? port->link_speed_max_mts : none);
        width = measure(own->link_width_lanes, port ? port->link_width_lanes : none,
                        own->link_width_max_lanes, port ? port->link_width_max_lanes : none);
        by_width = judge(&width, &unknown);
        by_speed = judge(&speed, &unknown);
        p2p_text_function(m, function, name);
        if (by_speed == P2P_GATE_FAILED || by_width == P2P_GATE_FAILED) {
                format_slow(name, &speed, &width, buf, size);
                return P2P_GATE_FAILED;
        }
        if (by_speed == P2P_GATE_PASSED && by_width == P2P_GATE_PASSED)
                return P2P_GATE_PASSED;
        (void)snprintf(buf, size, "whether the link of %s runs at its best is unknown: %s", name,
                       p2p_text_why(unknown.why));
        return P2P_GATE_UNKNOWN;
}

/* From a function up to, not including, where to stop. state: of the links before. */
static enum p2p_gate_state climb(const struct p2p_machine *m, uint32_t from, uint32_t stop,
                                 enum p2p_gate_state state, char *buf, size_t size)
{
        for (uint32_t at = from; at != stop && at != P2P_NONE; at = m->functions[at].parent) {
                char other[sizeof(((struct p2p_check *)0)->because)];
                enum p2p_gate_state this = check_link(m, at, other, sizeof(other));

                if (this == P2P_GATE_FAILED ||
                    (this == P2P_GATE_UNKNOWN && state != P2P_GATE_UNKNOWN)) {
                        (void)snprintf(buf, size, "%s", other);
                        state = this;
                } else if (this == P2P_GATE_PASSED && state == P2P_GATE_NOT_NEEDED) {
                        state = this;
                }
                if (state == P2P_GATE_FAILED)
                        break;
        }
        return state;
}

enum p2p_gate_state p2p_check_links(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                                    char *buf, size_t size)
{
        enum p2p_gate_state state;
        struct p2p_walk w;
        uint32_t stop;

        p2p_walk_compute(m, provider, client, &w);
        stop = p2p_path_is_through_host_bridge(m, provider, client) ? P2P_NONE : w.common;
        state = climb(m, provider, stop, P2P_GATE_NOT_NEEDED, buf, size);
        return state == P2P_GATE_FAILED ? state : climb(m, client, stop, state, buf, size);
}
