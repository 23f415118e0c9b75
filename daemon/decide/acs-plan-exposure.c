/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/acs-plan-parts.h"

/*
 * PCIe 6.12.1: Request Redirect and Egress Control act where a request enters a component, that is
 * at the port on the sender's side of the place where two paths part. Completion Redirect moves
 * answers only; clearing it alone lets nobody in.
 *
 * A root port sends what it redirects into a root complex. One that stands below another bridge
 * (emulators build that) is the edge of none that anybody can see: what leaves it upward,
 * redirected or not, may come wherever the bridges above let it.
 */

struct exposing {
        const struct p2p_machine *m;
        struct p2p_acs_plan *plan;
        bool *from, *to; /* by function: belongs to that side */
};

static void mark_below(const struct p2p_machine *m, uint32_t bridge, bool *marks)
{
        for (uint32_t i = 0; i < m->n_functions; i++) {
                uint32_t at = i;

                while (at != P2P_NONE && at != bridge)
                        at = m->functions[at].parent;
                /* A virtual function goes where its physical one goes. */
                marks[i] = at == bridge || (m->functions[i].is_vf && bridge != P2P_NONE &&
                                            m->functions[i].physfn == bridge);
        }
}

/* The endpoints that are marked: physical ones listed, virtual ones counted. 0 or -ENOMEM. */
static int list_marked(const struct p2p_machine *m, const bool *marks, uint32_t **ret,
                       uint32_t *ret_n, uint32_t *ret_n_vfs)
{
        uint32_t *list = calloc((size_t)m->n_functions + 1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++) {
                if (!marks[i] || !p2p_function_is_endpoint(&m->functions[i]))
                        continue;
                if (m->functions[i].is_vf)
                        (*ret_n_vfs)++;
                else
                        list[(*ret_n)++] = i;
        }
        *ret = list;
        return 0;
}

/* Adds what e->from and e->to hold, unless one of them is empty. */
static int add_exposure(struct exposing *e, uint32_t port, bool among, bool root_port)
{
        struct p2p_acs_exposure x = {.port = port, .among = among, .root_port = root_port};
        struct p2p_acs_plan *plan = e->plan;
        struct p2p_acs_exposure *list;
        int r;

        r = list_marked(e->m, e->from, &x.from, &x.n_from, &x.n_from_vfs);
        if (r == 0)
                r = list_marked(e->m, e->to, &x.to, &x.n_to, &x.n_to_vfs);
        if (r == 0 && x.n_from + x.n_from_vfs > 0 && x.n_to + x.n_to_vfs > 0) {
                list = reallocarray(plan->exposures, (size_t)plan->n_exposures + 1, sizeof(*list));
                if (list) {
                        plan->exposures = list;
                        list[plan->n_exposures++] = x;
                        return 0;
                }
                r = -ENOMEM;
        }
        free(x.from);
        free(x.to);
        return r;
}

/* Whether what comes from below goes up from here with the plan in any case. */
static bool sends_up(const struct exposing *e, uint32_t bridge)
{
        const struct p2p_fact control = e->m->functions[bridge].acs_control;

        return p2p_fact_is_known(control) &&
               (control.val & ~(uint64_t)p2p_acs_plan_clears(e->plan, bridge) &
                (P2P_ACS_RR | P2P_ACS_EC)) != 0;
}

/* The bridge below which everything may be reached from below the port; P2P_NONE: all of its root
 * bus. A type that is not known may be that of a root port. */
static uint32_t reach_of(const struct exposing *e, uint32_t port, bool *ret_root_port)
{
        const struct p2p_function *f = &e->m->functions[port];
        uint32_t top = f->parent;

        *ret_root_port = top == P2P_NONE || !p2p_fact_is_known(f->port_type) ||
                         f->port_type.val == P2P_PORT_ROOT_PORT;
        while (*ret_root_port && top != P2P_NONE && !sends_up(e, top))
                top = e->m->functions[top].parent;
        return top;
}

/* From below the port to everything else on the other side of the component. */
static int expose_others(struct exposing *e, uint32_t port)
{
        const struct p2p_function *f = &e->m->functions[port];
        bool root_port;
        const uint32_t top = reach_of(e, port, &root_port);

        mark_below(e->m, port, e->from);
        if (top != P2P_NONE)
                mark_below(e->m, top, e->to);
        for (uint32_t i = 0; i < e->m->n_functions; i++) {
                if (top == P2P_NONE)
                        e->to[i] = f->root != P2P_NONE && e->m->functions[i].root == f->root;
                e->to[i] = e->to[i] && !e->from[i];
        }
        return add_exposure(e, port, false, root_port);
}

/* What hangs directly below the port in several branches turns around at the port itself. */
static int expose_among(struct exposing *e, uint32_t port)
{
        uint32_t n_branches = 0;

        for (uint32_t i = 0; i < e->m->n_functions; i++)
                n_branches += e->m->functions[i].parent == port;
        if (n_branches < 2)
                return 0;
        mark_below(e->m, port, e->from);
        e->from[port] = false;
        memcpy(e->to, e->from, e->m->n_functions * sizeof(*e->to));
        return add_exposure(e, port, true, false);
}

int p2p_acs_plan_add_exposures(const struct p2p_machine *m, struct p2p_acs_plan *plan)
{
        struct exposing e = {.m = m, .plan = plan};
        int r = -ENOMEM;

        e.from = calloc((size_t)m->n_functions + 1, sizeof(*e.from));
        e.to = calloc((size_t)m->n_functions + 1, sizeof(*e.to));
        if (e.from && e.to)
                r = 0;
        for (uint32_t i = 0; r == 0 && i < plan->n_ports; i++) {
                if (!(plan->ports[i].clear & (P2P_ACS_RR | P2P_ACS_EC)))
                        continue;
                r = expose_others(&e, plan->ports[i].function);
                if (r == 0)
                        r = expose_among(&e, plan->ports[i].function);
        }
        free(e.from);
        free(e.to);
        return r;
}
