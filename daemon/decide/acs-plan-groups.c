/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "decide/acs-plan-parts.h"
#include "decide/machine-edit.h"

/*
 * Rule source: Linux drivers/iommu/iommu.c, pci_device_group(), and drivers/pci/pci.c,
 * pci_acs_enabled(). A function gets the group of the bridge above it unless every port from there
 * to the root bus isolates; a function of a multi-function device that does not isolate shares its
 * group with those of the slot that do not either. So a port that no longer isolates pulls
 * everything below it into its own group.
 *
 * The groups that there are now are the base, and only what follows from a cleared port is added to
 * them. Functions without an ACS capability have quirks in the kernel that sysfs does not show: of
 * them nothing is concluded. A change proposed in 2025 would also merge what hangs on different
 * ports of one switch once they do not isolate; it is not modelled.
 */
#define ISOLATION (P2P_ACS_SV | P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_UF)

struct merging {
        const struct p2p_machine *m;
        const struct p2p_acs_plan *plan;
        uint32_t *leader; /* by group: another one that it merges with, or itself */
        uint32_t *port;   /* by group: the port that caused the first merge, or P2P_NONE */
};

static uint32_t leader_of(const struct merging *g, uint32_t group)
{
        while (g->leader[group] != group)
                group = g->leader[group];
        return group;
}

/* The groups of both functions become one. The lowest number leads. */
static void merge(struct merging *g, uint32_t a, uint32_t b, uint32_t port)
{
        const uint32_t first = g->m->functions[a].group, second = g->m->functions[b].group;
        uint32_t low, high;

        if (first == P2P_NONE || second == P2P_NONE)
                return;
        low = leader_of(g, first);
        high = leader_of(g, second);
        if (low == high)
                return;
        if (low > high) {
                uint32_t swap = low;

                low = high;
                high = swap;
        }
        g->leader[high] = low;
        if (g->port[low] == P2P_NONE)
                g->port[low] = g->port[high] != P2P_NONE ? g->port[high] : port;
}

static bool shares_slot(const struct p2p_function *f, const struct p2p_function *g)
{
        return !f->is_vf && !g->is_vf && f->parent_why == P2P_WHY_KNOWN &&
               g->parent_why == P2P_WHY_KNOWN && f->parent == g->parent &&
               f->address.segment == g->address.segment && f->address.bus == g->address.bus &&
               f->address.devfn >> 3 == g->address.devfn >> 3;
}

static bool isolates_not(const struct merging *g, uint32_t function)
{
        const struct p2p_function *f = &g->m->functions[function];
        uint64_t control, can;

        if (!p2p_fact_is_known(f->acs_capability) || !p2p_fact_is_known(f->acs_control))
                return false;
        can = f->acs_capability.val & ISOLATION;
        control = f->acs_control.val & ~(uint64_t)p2p_acs_plan_clears(g->plan, function);
        return (control & can) != can;
}

static void merge_at(struct merging *g, uint32_t port)
{
        const struct p2p_function *f = &g->m->functions[port];
        bool is_port = false, is_multifunction = false;

        if (!p2p_fact_is_known(f->port_type) || !isolates_not(g, port))
                return;
        is_port = f->port_type.val == P2P_PORT_ROOT_PORT || f->port_type.val == P2P_PORT_DOWNSTREAM;
        for (uint32_t i = 0; i < g->m->n_functions; i++)
                if (i != port && shares_slot(f, &g->m->functions[i]))
                        is_multifunction = true;
        /* ACS of a device with a single function says nothing, but for these two types. */
        if (!is_port && !is_multifunction)
                return;
        for (uint32_t i = 0; i < g->m->n_functions; i++) {
                if (i == port)
                        continue;
                if (p2p_machine_is_below(g->m, i, port) ||
                    (shares_slot(f, &g->m->functions[i]) && isolates_not(g, i)))
                        merge(g, port, i, port);
        }
}

/* The merge that this group leads. 0 or -ENOMEM. */
static int list_merge(const struct merging *g, uint32_t leader, struct p2p_acs_plan *plan)
{
        struct p2p_acs_merge *merge = &plan->merges[plan->n_merges];

        for (uint32_t i = 0; i < g->m->n_groups; i++)
                merge->n_groups += leader_of(g, i) == leader;
        plan->n_merges++;
        for (uint32_t i = 0; i < g->m->n_functions; i++)
                merge->n_functions += g->m->functions[i].group != P2P_NONE &&
                                      leader_of(g, g->m->functions[i].group) == leader;
        merge->groups = calloc(merge->n_groups, sizeof(*merge->groups));
        merge->functions = calloc((size_t)merge->n_functions + 1, sizeof(*merge->functions));
        if (!merge->groups || !merge->functions)
                return -ENOMEM;
        merge->n_groups = merge->n_functions = 0;
        for (uint32_t i = 0; i < g->m->n_groups; i++)
                if (leader_of(g, i) == leader)
                        merge->groups[merge->n_groups++] = i;
        for (uint32_t i = 0; i < g->m->n_functions; i++)
                if (g->m->functions[i].group != P2P_NONE &&
                    leader_of(g, g->m->functions[i].group) == leader)
                        merge->functions[merge->n_functions++] = i;
        merge->port = g->port[leader];
        return 0;
}

static int list_merges(const struct merging *g, struct p2p_acs_plan *plan)
{
        uint32_t n = 0;
        int r = 0;

        for (uint32_t i = 0; i < g->m->n_groups; i++)
                n += g->leader[i] == i && g->port[i] != P2P_NONE;
        plan->merges = calloc((size_t)n + 1, sizeof(*plan->merges));
        if (!plan->merges)
                return -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < g->m->n_groups; i++)
                if (g->leader[i] == i && g->port[i] != P2P_NONE)
                        r = list_merge(g, i, plan);
        return r;
}

int p2p_acs_plan_add_merges(const struct p2p_machine *m, struct p2p_acs_plan *plan)
{
        struct merging g = {.m = m, .plan = plan};
        int r = -ENOMEM;

        for (uint32_t i = 0; i < m->n_functions; i++)
                plan->groups_known = plan->groups_known || m->functions[i].group != P2P_NONE;
        g.leader = calloc((size_t)m->n_groups + 1, sizeof(*g.leader));
        g.port = calloc((size_t)m->n_groups + 1, sizeof(*g.port));
        if (g.leader && g.port) {
                for (uint32_t i = 0; i < m->n_groups; i++) {
                        g.leader[i] = i;
                        g.port[i] = P2P_NONE;
                }
                for (uint32_t i = 0; i < plan->n_ports; i++)
                        if (plan->ports[i].clear & ISOLATION)
                                merge_at(&g, plan->ports[i].function);
                r = list_merges(&g, plan);
        }
        free(g.leader);
        free(g.port);
        return r;
}
