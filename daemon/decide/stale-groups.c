/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/stale-groups.h"

#include <string.h>

/*
 * Rule source: Linux drivers/iommu/iommu.c, pci_device_group(), and pci_acs_flags_enabled(): below
 * a port that does not isolate, a function gets the port's own group; below ports that all isolate,
 * it gets another one. A port isolates if those of SV, RR, CR and UF are set which it can do. Ports
 * without the capability and root ports have quirks that sysfs does not show: they say nothing.
 */
#define ISOLATION (P2P_ACS_SV | P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_UF)

enum isolates { NO, YES, CANNOT_TELL };

static enum isolates acs_isolates(const struct p2p_function *port)
{
        const uint64_t can = port->acs_capability.val & ISOLATION;

        if (!p2p_fact_is_known(port->acs_capability) || !p2p_fact_is_known(port->acs_control))
                return CANNOT_TELL;
        return (port->acs_control.val & can) == can ? YES : NO;
}

static bool type_is(const struct p2p_function *f, enum p2p_port_type type)
{
        return p2p_fact_is_known(f->port_type) && f->port_type.val == type;
}

/* No other function shares its slot: then a missing ACS capability of its own changes nothing. */
static bool is_single_function(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        for (uint32_t i = 0; i < m->n_functions; i++)
                if (i != function && m->functions[i].parent == f->parent &&
                    m->functions[i].address.segment == f->address.segment &&
                    m->functions[i].address.bus == f->address.bus &&
                    m->functions[i].address.devfn >> 3 == f->address.devfn >> 3)
                        return false;
        return true;
}

/* From the downstream port up to and with the root port. */
static enum isolates chain_isolates(const struct p2p_machine *m, uint32_t port)
{
        for (; port != P2P_NONE; port = m->functions[port].parent) {
                const struct p2p_function *f = &m->functions[port];

                if (type_is(f, P2P_PORT_UPSTREAM)) {
                        if (!is_single_function(m, port))
                                return CANNOT_TELL;
                        continue;
                }
                if (!type_is(f, P2P_PORT_DOWNSTREAM) && !type_is(f, P2P_PORT_ROOT_PORT))
                        return CANNOT_TELL;
                if (acs_isolates(f) != YES)
                        return acs_isolates(f);
        }
        return YES;
}

enum p2p_stale p2p_stale_groups_at(const struct p2p_machine *m, uint32_t function,
                                   uint32_t *ret_port)
{
        const struct p2p_function *f = &m->functions[function], *port;

        /* An out-of-tree option that makes groups without regard to the hardware. */
        if (m->kernel_command_line && strstr(m->kernel_command_line, "pcie_acs_override"))
                return P2P_STALE_NO;
        if (f->parent == P2P_NONE || f->is_vf || f->group == P2P_NONE ||
            !type_is(f, P2P_PORT_ENDPOINT))
                return P2P_STALE_NO;
        port = &m->functions[f->parent];
        if (!type_is(port, P2P_PORT_DOWNSTREAM) || port->group == P2P_NONE)
                return P2P_STALE_NO;
        if (port->group != f->group && acs_isolates(port) == NO) {
                *ret_port = f->parent;
                return P2P_STALE_ISOLATED_THEN;
        }
        if (port->group == f->group && is_single_function(m, function) &&
            is_single_function(m, f->parent) && chain_isolates(m, f->parent) == YES) {
                *ret_port = f->parent;
                return P2P_STALE_ISOLATES_NOW;
        }
        return P2P_STALE_NO;
}
