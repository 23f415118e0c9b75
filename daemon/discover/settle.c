/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Facts of a function that depend on another one. All needed indices are set; nothing here relies
 * on the parents being free of loops, which p2p_machine_finish() sees to later.
 */

#include "scan.h"

/* No path in a machine is longer than the 256 buses of a segment, nested segments apart. */
#define CLIMB_MAX 1024U

/*
 * Is extended config space hidden below this bridge: only PCI Express on both sides carries it
 * (types 4, 5 and 6), or PCI-X in mode 2. Linux asks the same for every bridge on the way.
 */
static bool hides_extended(const struct p2pd_scan *s, uint32_t bridge)
{
        struct p2p_fact type = s->machine->functions[bridge].port_type;
        struct p2p_fact pcix = s->scratch[bridge].extra->pcix_mode2;

        if (p2p_fact_is_unknown(type) || p2p_fact_is_unknown(pcix))
                return false;
        if (p2p_fact_is_known(type) &&
            (type.val == P2P_PORT_ROOT_PORT || type.val == P2P_PORT_UPSTREAM ||
             type.val == P2P_PORT_DOWNSTREAM))
                return false;
        return !(p2p_fact_is_known(pcix) && pcix.val);
}

static bool is_hidden(const struct p2pd_scan *s, uint32_t i)
{
        const struct p2p_machine *m = s->machine;
        uint32_t at = m->functions[i].parent;

        for (unsigned steps = 0; at != P2P_NONE && steps < CLIMB_MAX; steps++) {
                if (hides_extended(s, at))
                        return true;
                at = m->functions[at].parent;
        }
        return false;
}

/* Could config space that is cut off at 256 bytes or fewer be the reason for this? */
static bool is_cut_off(enum p2p_why why)
{
        return why == P2P_WHY_HIDDEN || why == P2P_WHY_NOT_CAPTURED || why == P2P_WHY_NO_PRIVILEGE;
}

static void set_absent(struct p2p_fact *fact)
{
        if (is_cut_off(fact->why))
                *fact = p2p_fact_without(P2P_WHY_ABSENT);
}

static void settle_hidden(struct p2pd_scan *s, uint32_t i)
{
        struct p2p_function *f = &s->machine->functions[i];

        if (f->config_bytes > P2P_CONFIG_CONVENTIONAL_BYTES || !is_cut_off(f->acs_control.why) ||
            !is_hidden(s, i))
                return;
        f->config_size_bytes = p2p_fact_known(P2P_CONFIG_CONVENTIONAL_BYTES);
        set_absent(&f->acs_capability);
        set_absent(&f->acs_control);
        set_absent(&f->acs_offset);
        set_absent(&f->serial);
        set_absent(&f->ats);
        set_absent(&f->pri);
        set_absent(&f->pasid);
        set_absent(&f->sriov_total_vfs);
        set_absent(&f->sriov_num_vfs);
        for (unsigned k = 0; k < P2P_BARS_MAX; k++) {
                set_absent(&f->bars[k].resize_now_bytes);
                set_absent(&f->bars[k].resize_max_bytes);
        }
}

/* A VF's extended config space is as long as its PF's (the kernel takes over the size). */
static void settle_vf_size(struct p2p_function *f, const struct p2p_function *pf)
{
        if (f->config_bytes == P2P_CONFIG_CONVENTIONAL_BYTES &&
            pf->config_bytes > P2P_CONFIG_CONVENTIONAL_BYTES &&
            f->acs_control.why == P2P_WHY_HIDDEN)
                f->acs_capability = f->acs_control = f->acs_offset = f->config_size_bytes =
                        f->serial = p2p_fact_without(P2P_WHY_NOT_CAPTURED);
}

/* Which of its PF's VFs it is. */
static bool vf_index(const struct p2pd_scan *s, uint32_t i, uint64_t *ret)
{
        const struct p2p_function *f = &s->machine->functions[i];
        const struct p2p_function *pf = &s->machine->functions[f->physfn];
        const struct p2p_config_extra *x = s->scratch[f->physfn].extra;
        uint64_t id = (uint64_t)f->address.bus << 8 | f->address.devfn;
        uint64_t base =
                ((uint64_t)pf->address.bus << 8 | pf->address.devfn) + x->sriov_first_offset.val;

        if (id == base)
                *ret = 0;
        else if (id > base && x->sriov_stride.val && (id - base) % x->sriov_stride.val == 0)
                *ret = (id - base) / x->sriov_stride.val;
        else
                return false;
        return true;
}

/* VF n's BAR starts n sizes after the VF BAR register of the PF (PCIe 9.2.1.1). */
static void settle_vf_bars(struct p2pd_scan *s, uint32_t i)
{
        struct p2p_function *f = &s->machine->functions[i];
        const struct p2p_config_extra *x = s->scratch[f->physfn].extra;
        bool is_known = p2p_fact_is_known(x->sriov_stride);
        uint64_t n = 0;

        for (unsigned k = 0; k < P2P_BARS_MAX; k++) {
                struct p2p_bar *bar = &f->bars[k];
                const struct p2p_config_bar *from = &x->vf_bars[k];

                if (s->machine->source == P2P_SOURCE_LSPCI && is_known) {
                        bar->kind = from->kind;
                        bar->is_64bit = from->is_64bit;
                        bar->prefetchable = from->prefetchable;
                        bar->assigned = p2p_fact_is_known(from->bus_start);
                }
                if (bar->kind != P2P_BAR_MEMORY)
                        continue;
                if (!is_known)
                        bar->bus_why = p2p_fact_is_absent(x->sriov_stride) ? P2P_WHY_MALFORMED
                                                                           : x->sriov_stride.why;
                else if (!p2p_fact_is_known(from->bus_start) || from->kind != P2P_BAR_MEMORY)
                        bar->bus_why = P2P_WHY_NOT_REPORTED;
                else if (!vf_index(s, i, &n))
                        bar->bus_why = P2P_WHY_MALFORMED;
                else if (n && !p2p_fact_is_known(bar->size_bytes))
                        bar->bus_why = bar->size_bytes.why;
                else if (__builtin_mul_overflow(n, bar->size_bytes.val, &bar->bus_start.val) ||
                         __builtin_add_overflow(bar->bus_start.val, from->bus_start.val,
                                                &bar->bus_start.val))
                        bar->bus_why = P2P_WHY_MALFORMED;
                else
                        bar->bus_why = P2P_WHY_KNOWN;
                if (bar->bus_why != P2P_WHY_KNOWN)
                        bar->bus_start.val = 0;
        }
}

static void settle_vf(struct p2pd_scan *s, uint32_t i)
{
        struct p2p_function *f = &s->machine->functions[i];
        const struct p2p_function *pf;
        struct p2p_fact control;

        if (f->physfn == P2P_NONE) {
                f->memory_decoding = p2p_fact_without(P2P_WHY_NO_FILE);
                for (unsigned k = 0; k < P2P_BARS_MAX; k++)
                        if (f->bars[k].kind == P2P_BAR_MEMORY)
                                f->bars[k].bus_why = P2P_WHY_NO_FILE;
                return;
        }
        pf = &s->machine->functions[f->physfn];
        control = s->scratch[f->physfn].extra->sriov_control;
        if (p2p_fact_is_known(control))
                f->memory_decoding = p2p_fact_known(control.val >> 3 & 1U);
        else
                f->memory_decoding = p2p_fact_without(
                        p2p_fact_is_absent(control) ? P2P_WHY_MALFORMED : control.why);
        settle_vf_size(f, pf);
        settle_vf_bars(s, i);
        /* The link registers of a VF are reserved: it shares its PF's link. */
        f->link_speed_mts = pf->link_speed_mts;
        f->link_width_lanes = pf->link_width_lanes;
        f->link_speed_max_mts = pf->link_speed_max_mts;
        f->link_width_max_lanes = pf->link_width_max_lanes;
        if (!f->cpulist)
                f->cpulist = pf->cpulist;
        if (f->numa_node.why == P2P_WHY_NO_FILE)
                f->numa_node = pf->numa_node;
}

/* A VF that was not read, nor its PF. */
static bool is_settled(const struct p2pd_scan *s, uint32_t i)
{
        const uint32_t pf = s->machine->functions[i].physfn;

        return s->scratch[i].is_kept && (pf == P2P_NONE || s->scratch[pf].is_kept);
}

/* ARI forwarding is a bit of the port above; without one there is no forwarding. What the port
 * cannot tell, ari_enabled did or did not. */
static void settle_ari(struct p2pd_scan *s, uint32_t i)
{
        struct p2p_function *f = &s->machine->functions[i];
        struct p2p_fact above;

        if (f->parent_why != P2P_WHY_KNOWN)
                return;
        if (f->parent == P2P_NONE) {
                f->ari = p2p_fact_known(0);
                return;
        }
        above = s->scratch[f->parent].extra->ari_forwarding;
        if (!p2p_fact_is_unknown(above))
                f->ari = p2p_fact_known(above.val);
        else if (!p2p_fact_is_known(f->ari))
                f->ari = above;
}

void p2pd_settle(struct p2pd_scan *s)
{
        for (uint32_t i = 0; i < s->machine->n_functions; i++) {
                if (s->scratch[i].is_kept)
                        continue;
                settle_hidden(s, i);
                settle_ari(s, i);
        }
        for (uint32_t i = 0; i < s->machine->n_functions; i++)
                if (s->machine->functions[i].is_vf && !is_settled(s, i))
                        settle_vf(s, i);
}
