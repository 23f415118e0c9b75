/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/what-if-edit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "decide/machine-edit.h"
#include "decide/note.h"

/*
 * A device leaves its port and hangs on another one: with all its functions, virtual ones included,
 * and with everything below. It keeps its present address as its name in the edited machine, so
 * that before and after can be compared; what address it would have is told beside.
 */

#define N_BUSES 256U

struct moving {
        struct p2p_editing *e;
        struct p2p_machine *m;
        uint32_t device, from, to;
        bool *moves; /* by function */
};

static bool is_movable(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        if (f->is_vf || f->parent == P2P_NONE || !p2p_fact_is_known(f->port_type) ||
            !p2p_edit_is_link_port(&m->functions[f->parent]))
                return false;
        return f->port_type.val == P2P_PORT_ENDPOINT ||
               f->port_type.val == P2P_PORT_LEGACY_ENDPOINT ||
               f->port_type.val == P2P_PORT_UPSTREAM || f->port_type.val == P2P_PORT_PCIE_TO_PCI;
}

static int check_target(const struct moving *v)
{
        const struct p2p_machine *m = v->m;

        if (!p2p_edit_is_link_port(&m->functions[v->to]))
                return P2P_WHAT_IF_E_NOT_A_PORT;
        if (v->moves[v->to])
                return P2P_WHAT_IF_E_LOOP;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].parent == v->to && !v->moves[i])
                        return P2P_WHAT_IF_E_OCCUPIED;
        return 0;
}

/* Bus numbers of the segment that something else has. */
static void find_used(const struct moving *v, bool used[static N_BUSES])
{
        const uint32_t segment = v->e->addresses[v->to].segment;

        for (uint32_t i = 0; i < v->m->n_functions; i++) {
                const struct p2p_fact secondary = v->m->functions[i].secondary_bus;

                if (v->moves[i] || v->e->addresses[i].segment != segment)
                        continue;
                used[v->e->addresses[i].bus] = true;
                if (p2p_fact_is_known(secondary) && secondary.val < N_BUSES && i != v->to)
                        used[secondary.val] = true;
        }
}

/* The new number of a bus: the one below the port for the device itself, else its own number or the
 * next free one. N_BUSES: none is left. */
static unsigned choose_bus(const struct moving *v, const bool used[static N_BUSES], uint8_t bus)
{
        const struct p2p_fact secondary = v->m->functions[v->to].secondary_bus;
        unsigned first = bus;

        if (bus == v->e->addresses[v->device].bus && p2p_fact_is_known(secondary) &&
            secondary.val < N_BUSES)
                first = (unsigned)secondary.val;
        for (unsigned i = 0; i < N_BUSES; i++)
                if (!used[(first + i) % N_BUSES])
                        return (first + i) % N_BUSES;
        return N_BUSES;
}

static int readdress(const struct moving *v)
{
        const uint8_t device_bus = v->e->addresses[v->device].bus;
        bool used[N_BUSES] = {false}, there[N_BUSES] = {false};
        unsigned renumbered[N_BUSES];

        find_used(v, used);
        for (uint32_t i = 0; i < v->m->n_functions; i++)
                if (v->moves[i])
                        there[v->e->addresses[i].bus] = true;
        /* The device's own bus first: it has the best claim to the number below the port. */
        for (unsigned n = 0; n < N_BUSES; n++) {
                const uint8_t bus = (uint8_t)(device_bus + n);

                if (!there[bus])
                        continue;
                renumbered[bus] = choose_bus(v, used, bus);
                if (renumbered[bus] == N_BUSES)
                        return P2P_WHAT_IF_E_NO_BUS;
                used[renumbered[bus]] = true;
        }
        for (uint32_t i = 0; i < v->m->n_functions; i++) {
                struct p2p_address *a = &v->e->addresses[i];

                if (!v->moves[i])
                        continue;
                a->segment = v->e->addresses[v->to].segment;
                a->bus = (uint8_t)renumbered[a->bus];
        }
        return 0;
}

/* The better of what both ends can do is not reached: the worse one counts. */
static struct p2p_fact lesser(struct p2p_fact a, struct p2p_fact b)
{
        if (!p2p_fact_is_known(a) || !p2p_fact_is_known(b))
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        return a.val < b.val ? a : b;
}

static void relink(struct p2p_function *f, struct p2p_function *port)
{
        f->link_speed_mts = lesser(f->link_speed_max_mts, port->link_speed_max_mts);
        f->link_width_lanes = lesser(f->link_width_max_lanes, port->link_width_max_lanes);
        port->link_speed_mts = f->link_speed_mts;
        port->link_width_lanes = f->link_width_lanes;
}

/* What firmware and kernel give anew at another place. */
static void forget(struct p2p_function *f, const struct p2p_function *port)
{
        f->numa_node = port->numa_node;
        f->cpulist = port->cpulist;
        if (f->group_why != P2P_WHY_ABSENT)
                f->group_why = P2P_WHY_NOT_REPORTED;
        f->group = P2P_NONE;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++) {
                struct p2p_bar *bar = &f->bars[i];

                if (bar->kind != P2P_BAR_MEMORY)
                        continue;
                bar->phys_why = bar->bus_why = P2P_WHY_NOT_REPORTED;
                bar->phys_start.val = bar->bus_start.val = 0;
        }
}

static int carry_out(struct moving *v)
{
        struct p2p_machine *m = v->m;
        int r;

        r = check_target(v);
        if (r != 0 || v->from == v->to)
                return r;
        r = readdress(v);
        if (r != 0)
                return r;
        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_function *f = &m->functions[i];

                if (!v->moves[i])
                        continue;
                forget(f, &m->functions[v->to]);
                v->e->moved[i] = true;
                if (f->parent != v->from)
                        continue;
                f->parent = v->to;
                relink(f, &m->functions[v->to]);
        }
        p2p_edit_touch(v->e, v->device);
        return p2p_note_add(&v->e->notes, &v->e->n_notes,
                            "What moves gets the link that both ends can do, the NUMA node of the "
                            "port, and likely the address told; BAR addresses and IOMMU groups "
                            "there are not known.");
}

int p2p_edit_apply_move(struct p2p_editing *e, const struct p2p_edit *edit)
{
        struct moving v = {.e = e, .m = e->m, .device = edit->function, .to = edit->port};
        const struct p2p_machine *m = e->m;
        int r;

        assert(edit->function < m->n_functions && edit->port < m->n_functions);
        if (!is_movable(m, v.device))
                return P2P_WHAT_IF_E_NOT_MOVABLE;
        v.from = m->functions[v.device].parent;
        v.moves = calloc((size_t)m->n_functions + 1, sizeof(*v.moves));
        if (!v.moves)
                return -ENOMEM;
        /* A link has one device at its end. */
        for (uint32_t i = 0; i < m->n_functions; i++)
                v.moves[i] = i != v.from && p2p_machine_is_below(m, i, v.from);
        r = carry_out(&v);
        free(v.moves);
        return r;
}
