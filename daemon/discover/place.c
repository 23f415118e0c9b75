/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who hangs below whom. sysfs says it by its paths, which is the kernel's own view and holds for
 * virtual functions too, whose bus number may be another port's secondary bus. A dump has only the
 * bus numbers that the bridges decode (PCI-to-PCI Bridge 1.2, 3.2.5.3): there a bus belongs to the
 * bridge whose secondary bus it is, and a bus that belongs to none is a root bus if something on it
 * can sit on one.
 */

#include "scan.h"

#include <errno.h>

#define BUSES 256U

/* The bridges of one segment: whose secondary bus each bus is. */
struct claims {
        uint32_t bridge[BUSES];
        bool can_be_root[BUSES];
};

static uint32_t segment_end(const struct p2p_machine *m, uint32_t begin)
{
        uint32_t end = begin;

        while (end < m->n_functions &&
               m->functions[end].address.segment == m->functions[begin].address.segment)
                end++;
        return end;
}

static bool can_sit_on_root_bus(const struct p2p_function *f)
{
        if (f->is_vf)
                return false;
        if (p2p_fact_is_known(f->class_code) && f->class_code.val >> 8 == 0x0600)
                return true;
        if (p2p_fact_is_absent(f->port_type))
                return true;
        return p2p_fact_is_known(f->port_type) &&
               (f->port_type.val == P2P_PORT_ROOT_PORT ||
                f->port_type.val == P2P_PORT_INTEGRATED_ENDPOINT ||
                f->port_type.val == P2P_PORT_EVENT_COLLECTOR);
}

/* A bridge that nobody has set up has 0 there; one whose secondary bus does not lie below it cannot
 * lead anywhere. */
static bool leads_to(struct p2p_machine *m, const struct p2p_function *f, uint8_t *ret_bus)
{
        if (!p2p_fact_is_known(f->secondary_bus) || f->secondary_bus.val == 0)
                return false;
        if (f->secondary_bus.val <= f->address.bus) {
                p2p_machine_warn(m, &f->address,
                                 "config: secondary bus 0x%02x does not lie below its own bus",
                                 (unsigned)f->secondary_bus.val);
                return false;
        }
        *ret_bus = (uint8_t)f->secondary_bus.val;
        return true;
}

/* Two bridges that claim one bus: the one that is nearer to it, and of one bus the lower devfn. */
static void claim(struct p2p_machine *m, struct claims *c, uint32_t i, uint8_t bus)
{
        const struct p2p_function *f = &m->functions[i], *other;

        if (c->bridge[bus] == P2P_NONE) {
                c->bridge[bus] = i;
                return;
        }
        other = &m->functions[c->bridge[bus]];
        p2p_machine_warn(m, &f->address, "config: claims bus 0x%02x, which %02x:%02x.%x claims too",
                         (unsigned)bus, (unsigned)other->address.bus, other->address.devfn >> 3U,
                         other->address.devfn & 7U);
        if (f->address.bus > other->address.bus)
                c->bridge[bus] = i;
}

static void collect_claims(struct p2p_machine *m, uint32_t begin, uint32_t end, struct claims *c)
{
        for (unsigned bus = 0; bus < BUSES; bus++) {
                c->bridge[bus] = P2P_NONE;
                c->can_be_root[bus] = bus == 0;
        }
        for (uint32_t i = begin; i < end; i++) {
                const struct p2p_function *f = &m->functions[i];
                uint8_t bus;

                if (can_sit_on_root_bus(f))
                        c->can_be_root[f->address.bus] = true;
                if (leads_to(m, f, &bus))
                        claim(m, c, i, bus);
        }
}

static int place_by_bus(struct p2p_machine *m, uint32_t i, const struct claims *c)
{
        struct p2p_function *f = &m->functions[i];
        uint8_t bus = f->address.bus;

        f->parent_why = P2P_WHY_KNOWN;
        if (c->bridge[bus] != P2P_NONE) {
                f->parent = c->bridge[bus];
                return 0;
        }
        if (!c->can_be_root[bus]) {
                f->parent_why = P2P_WHY_NOT_CAPTURED;
                return 0;
        }
        f->root = p2p_machine_add_root(m, f->address.segment, bus);
        return f->root == P2P_NONE ? -ENOMEM : 0;
}

static int place_by_path(struct p2p_machine *m, uint32_t i, const struct p2p_place *place,
                         enum p2p_why missing)
{
        struct p2p_function *f = &m->functions[i];

        if (place->has_parent) {
                f->parent = p2p_machine_find(m, place->parent);
                f->parent_why = f->parent == P2P_NONE ? missing : P2P_WHY_KNOWN;
                return 0;
        }
        f->parent_why = P2P_WHY_KNOWN;
        f->root = p2p_machine_add_root(m, place->root_segment, place->root_bus);
        return f->root == P2P_NONE ? -ENOMEM : 0;
}

static void place_virtual(struct p2p_machine *m, uint32_t i)
{
        struct p2p_function *f = &m->functions[i];
        const struct p2p_function *pf;

        if (f->physfn == P2P_NONE) {
                f->parent_why = P2P_WHY_NOT_CAPTURED;
                return;
        }
        pf = &m->functions[f->physfn];
        f->parent = pf->parent;
        f->root = pf->root;
        f->parent_why = pf->parent_why;
}

int p2pd_place_functions(struct p2pd_scan *s, enum p2p_why missing)
{
        struct p2p_machine *m = s->machine;

        for (uint32_t begin = 0, end; begin < m->n_functions; begin = end) {
                struct claims c;
                bool collected = false;
                int r = 0;

                end = segment_end(m, begin);
                for (uint32_t i = begin; i < end && r == 0; i++) {
                        if (s->scratch[i].is_kept)
                                continue;
                        if (s->scratch[i].place_why == P2P_WHY_KNOWN) {
                                r = place_by_path(m, i, &s->scratch[i].place, missing);
                                continue;
                        }
                        if (m->functions[i].is_vf)
                                continue;
                        if (!collected)
                                collect_claims(m, begin, end, &c);
                        collected = true;
                        r = place_by_bus(m, i, &c);
                }
                if (r < 0)
                        return r;
        }
        /* A PF may stand after its VFs nowhere, but may itself be placed by path: last. */
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].is_vf && !s->scratch[i].is_kept &&
                    s->scratch[i].place_why != P2P_WHY_KNOWN)
                        place_virtual(m, i);
        return 0;
}

static uint32_t routing_id(struct p2p_address a)
{
        return (uint32_t)a.bus << 8 | a.devfn;
}

/* VF n has the routing id PF + first offset + n * stride (PCIe 9.2.1.2). */
static bool is_vf_of(const struct p2pd_scan *s, uint32_t vf, uint32_t pf)
{
        const struct p2p_machine *m = s->machine;
        const struct p2p_config_extra *x = s->scratch[pf].extra;
        struct p2p_fact num_vfs = m->functions[pf].sriov_num_vfs;
        uint32_t id = routing_id(m->functions[vf].address);
        uint32_t base;

        if (!p2p_fact_is_known(num_vfs) || !num_vfs.val || !p2p_fact_is_known(x->sriov_stride))
                return false;
        base = routing_id(m->functions[pf].address) + (uint32_t)x->sriov_first_offset.val;
        if (id < base)
                return false;
        if (id == base)
                return true;
        return x->sriov_stride.val && (id - base) % x->sriov_stride.val == 0 &&
               (id - base) / x->sriov_stride.val < num_vfs.val;
}

/* The nearest PF below it in address order: ranges of two PFs interleave, but do not overlap. */
static uint32_t find_physfn(const struct p2pd_scan *s, uint32_t vf)
{
        const struct p2p_machine *m = s->machine;

        for (uint32_t i = vf; i-- > 0;) {
                if (m->functions[i].address.segment != m->functions[vf].address.segment)
                        break;
                if (!m->functions[i].is_vf && is_vf_of(s, vf, i))
                        return i;
        }
        return P2P_NONE;
}

/* The identity of a VF without sysfs: vendor, subsystem and class are its PF's, the device id
 * stands in the PF's SR-IOV capability (PCIe 9.3.4.1). */
static void identify(struct p2pd_scan *s, uint32_t vf, uint32_t pf)
{
        struct p2p_function *f = &s->machine->functions[vf];
        const struct p2p_function *from = &s->machine->functions[pf];

        if (p2p_fact_is_known(f->vendor))
                return;
        f->vendor = from->vendor;
        f->device = s->scratch[pf].extra->sriov_vf_device;
        f->class_code = from->class_code;
        f->subsystem_vendor = from->subsystem_vendor;
}

void p2pd_place_virtual_functions(struct p2pd_scan *s)
{
        struct p2p_machine *m = s->machine;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_function *f = &m->functions[i];

                if (!f->is_vf || s->scratch[i].is_kept)
                        continue;
                if (s->scratch[i].has_physfn) {
                        f->physfn = p2p_machine_find(m, s->scratch[i].physfn);
                        continue;
                }
                f->physfn = find_physfn(s, i);
                if (f->physfn == P2P_NONE)
                        p2p_machine_warn(m, &f->address,
                                         "config: looks like a virtual function, but no physical "
                                         "function has it");
                else
                        identify(s, i, f->physfn);
        }
}
