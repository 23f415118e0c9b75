/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/what-if-edit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "decide/boot-parameter.h"
#include "decide/machine-edit.h"
#include "decide/note.h"
#include "decide/text.h"

bool p2p_edit_is_link_port(const struct p2p_function *f)
{
        return p2p_fact_is_known(f->port_type) &&
               (f->port_type.val == P2P_PORT_ROOT_PORT || f->port_type.val == P2P_PORT_DOWNSTREAM);
}

void p2p_edit_touch(struct p2p_editing *e, uint32_t function)
{
        const uint32_t port = e->m->functions[function].parent;
        const bool link = port != P2P_NONE && p2p_edit_is_link_port(&e->m->functions[port]);

        for (uint32_t i = 0; i < e->m->n_functions; i++)
                if (i != port && p2p_machine_is_below(e->m, i, link ? port : function))
                        e->touched[i] = true;
}

/*
 * Bits of a register that cannot be read: once a redirect bit is set for certain, or all three are
 * named, the register says what decisions ask of it. Else it stays unknown.
 */
static int edit_unread_acs(struct p2p_editing *e, uint32_t function, uint16_t clear, uint16_t set)
{
        struct p2p_function *f = &e->m->functions[function];
        char name[P2P_TEXT_FUNCTION_MAX];

        if ((set & P2P_ACS_REDIRECT) == 0 && ((clear | set) & P2P_ACS_REDIRECT) != P2P_ACS_REDIRECT)
                return p2p_note_add(&e->notes, &e->n_notes,
                                    "The other ACS bits of %s are not known: it stays unknown.",
                                    p2p_text_function(e->m, function, name));
        f->acs_control = p2p_fact_known(set);
        return 0;
}

static int edit_acs_at(struct p2p_editing *e, const struct p2p_edit *edit, uint32_t function)
{
        struct p2p_function *f = &e->m->functions[function];
        uint16_t set = edit->acs_default ? P2P_BOOT_ACS_DEFAULT : edit->acs_set;
        const bool one = edit->function != P2P_NONE;

        if (p2p_fact_is_absent(f->acs_control))
                return one && set != 0 ? P2P_WHAT_IF_E_NO_ACS : 0;
        if (!p2p_fact_is_known(f->acs_capability) || !p2p_fact_is_known(f->acs_control))
                return edit_unread_acs(e, function, edit->acs_clear, set);
        if (one && !edit->acs_default && (set & ~f->acs_capability.val) != 0)
                return P2P_WHAT_IF_E_NOT_CAPABLE;
        set &= (uint16_t)f->acs_capability.val;
        f->acs_control = p2p_fact_known((f->acs_control.val & ~(uint64_t)edit->acs_clear) | set);
        return 0;
}

static int edit_acs(struct p2p_editing *e, const struct p2p_edit *edit)
{
        int r = 0;

        if (edit->function != P2P_NONE)
                return edit_acs_at(e, edit, edit->function);
        for (uint32_t i = 0; r == 0 && i < e->m->n_functions; i++)
                r = edit_acs_at(e, edit, i);
        return r;
}

static bool has_groups(const struct p2p_machine *m)
{
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].group != P2P_NONE)
                        return true;
        return false;
}

/* Known to work without IOMMU: then the ACS bits are firmware's. */
static bool is_without_iommu(const struct p2p_machine *m)
{
        if (has_groups(m))
                return false;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].group_why != P2P_WHY_ABSENT)
                        return m->iommu_kind && strcmp(m->iommu_kind, "none") == 0;
        return true;
}

/* What the kernel would do to the ACS bits at boot with an IOMMU. 0 or -ENOMEM. */
static int set_acs_default(struct p2p_editing *e)
{
        const struct p2p_boot_kernel kernel = p2p_boot_kernel_for(e->m);
        struct p2p_boot_line line;
        int r;

        r = p2p_boot_line_parse(e->m->kernel_command_line, &line);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < e->m->n_functions; i++) {
                struct p2p_boot_match matches[P2P_BOOT_PARAMETER_MAX] = {0};
                struct p2p_function *f = &e->m->functions[i];

                if (!p2p_fact_is_known(f->acs_capability) || !p2p_fact_is_known(f->acs_control))
                        continue;
                for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++)
                        if (line.value[kind])
                                matches[kind] = p2p_boot_match_function(e->m, &kernel, kind,
                                                                        line.value[kind], i);
                f->acs_control = p2p_fact_known(
                        p2p_boot_acs_control(&kernel, (uint16_t)f->acs_capability.val,
                                             (uint16_t)f->acs_control.val, true, matches));
        }
        p2p_boot_line_deinit(&line);
        return 0;
}

static int iommu_off(struct p2p_editing *e)
{
        struct p2p_machine *m = e->m;
        int r = 0;

        if (!is_without_iommu(m)) {
                for (uint32_t i = 0; i < m->n_functions; i++)
                        if (p2p_fact_is_known(m->functions[i].acs_control) &&
                            (m->functions[i].acs_control.val & (P2P_ACS_RR | P2P_ACS_CR)) != 0)
                                m->functions[i].acs_control =
                                        p2p_fact_without(P2P_WHY_NOT_REPORTED);
                r = p2p_note_add(&e->notes, &e->n_notes,
                                 "Without an IOMMU the kernel sets no ACS bits. What firmware "
                                 "leaves is not known, so what redirects now becomes unknown: add "
                                 "acs=off@all behind it to assume that firmware leaves none.");
        }
        for (uint32_t i = 0; i < m->n_functions; i++) {
                m->functions[i].group = P2P_NONE;
                m->functions[i].group_why = P2P_WHY_ABSENT;
        }
        m->n_groups = 0;
        m->iommu_kind = "none";
        return r;
}

static int iommu_on(struct p2p_editing *e, enum p2p_group_type type)
{
        struct p2p_machine *m = e->m;
        int r;

        for (uint32_t i = 0; i < m->n_groups; i++) {
                struct p2p_group *g = &m->groups[i];

                /* A user of VFIO has set these up. */
                if (g->type == P2P_GROUP_UNMANAGED || g->type == P2P_GROUP_BLOCKED)
                        continue;
                g->type = type;
                g->type_why = P2P_WHY_KNOWN;
        }
        if (has_groups(m))
                return 0;
        r = set_acs_default(e);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < m->n_functions; i++)
                m->functions[i].group_why = P2P_WHY_NOT_REPORTED;
        m->iommu_kind = NULL;
        return p2p_note_add(&e->notes, &e->n_notes,
                            "With an IOMMU the kernel sets SV, RR, CR and UF wherever it can, then "
                            "applies the pci= parameters of the command line. Which IOMMU groups "
                            "there would be is not modelled.");
}

static int edit_iommu(struct p2p_editing *e, const struct p2p_edit *edit)
{
        e->all_touched = true;
        switch (edit->iommu) {
        case P2P_EDIT_IOMMU_OFF:
                return iommu_off(e);
        case P2P_EDIT_IOMMU_TRANSLATED:
                return iommu_on(e, P2P_GROUP_TRANSLATED);
        case P2P_EDIT_IOMMU_PASSTHROUGH:
        case P2P_EDIT_IOMMU_MAX:
                break;
        }
        return iommu_on(e, P2P_GROUP_IDENTITY);
}

static int edit_kernel(struct p2p_editing *e, const struct p2p_edit *edit)
{
        struct p2p_machine *m = e->m;
        uint32_t release;

        if (p2p_release_parse(edit->release, &release) < 0)
                return P2P_WHAT_IF_E_BAD_RELEASE;
        m->kernel_release = p2p_machine_strndup(m, edit->release, sizeof(edit->release));
        if (!m->kernel_release)
                return -ENOMEM;
        m->kernel_why = P2P_WHY_KNOWN;
        if (release < P2P_RELEASE_P2PDMA)
                m->kernel_has_p2pdma = p2p_fact_known(0);
        else if (p2p_fact_is_known(m->kernel_has_p2pdma) && m->kernel_has_p2pdma.val == 0)
                m->kernel_has_p2pdma = p2p_fact_without(P2P_WHY_NOT_REPORTED);
        return p2p_note_add(&e->notes, &e->n_notes,
                            "Another kernel changes the rules only: ACS bits, IOMMU groups and "
                            "addresses stay as the running one has made them.");
}

static void set_link(struct p2p_function *f, const struct p2p_edit *edit, bool *ret_above)
{
        if (edit->speed_mts != 0) {
                f->link_speed_mts = p2p_fact_known(edit->speed_mts);
                *ret_above |= p2p_fact_is_known(f->link_speed_max_mts) &&
                              f->link_speed_max_mts.val < edit->speed_mts;
        }
        if (edit->width_lanes != 0) {
                f->link_width_lanes = p2p_fact_known(edit->width_lanes);
                *ret_above |= p2p_fact_is_known(f->link_width_max_lanes) &&
                              f->link_width_max_lanes.val < edit->width_lanes;
        }
}

/* Has a link towards its parent. */
static bool has_uplink(const struct p2p_function *f)
{
        if (!p2p_fact_is_known(f->port_type))
                return false;
        switch (f->port_type.val) {
        case P2P_PORT_ENDPOINT:
        case P2P_PORT_LEGACY_ENDPOINT:
        case P2P_PORT_UPSTREAM:
        case P2P_PORT_PCIE_TO_PCI:
                return true;
        }
        return false;
}

/* Some function that hangs on the link below the port, or P2P_NONE. */
static uint32_t find_device_below(const struct p2p_machine *m, uint32_t port)
{
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].parent == port && !m->functions[i].is_vf &&
                    has_uplink(&m->functions[i]))
                        return i;
        return P2P_NONE;
}

static int edit_link(struct p2p_editing *e, const struct p2p_edit *edit)
{
        struct p2p_machine *m = e->m;
        uint32_t device = edit->function, port;
        char name[P2P_TEXT_FUNCTION_MAX];
        bool above = false;

        assert(device < m->n_functions);
        if (p2p_edit_is_link_port(&m->functions[device]))
                device = find_device_below(m, device);
        if (device == P2P_NONE || !has_uplink(&m->functions[device]))
                return P2P_WHAT_IF_E_NO_LINK;
        port = m->functions[device].parent;
        if (port != P2P_NONE && !p2p_edit_is_link_port(&m->functions[port]))
                port = P2P_NONE;
        /* All functions of the device at the link's end, virtual ones too, tell of the same link.
         */
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (i == device || (port != P2P_NONE && m->functions[i].parent == port))
                        set_link(&m->functions[i], edit, &above);
        if (port != P2P_NONE)
                set_link(&m->functions[port], edit, &above);
        p2p_edit_touch(e, device);
        if (!above)
                return 0;
        return p2p_note_add(&e->notes, &e->n_notes,
                            "The link of %s is faster or wider than its ends can do now.",
                            p2p_text_function(m, device, name));
}

int p2p_edit_apply(struct p2p_editing *e, const struct p2p_edit *edit)
{
        assert(edit->function == P2P_NONE || edit->function < e->m->n_functions);
        switch (edit->kind) {
        case P2P_EDIT_ACS:
                return edit_acs(e, edit);
        case P2P_EDIT_IOMMU:
                return edit_iommu(e, edit);
        case P2P_EDIT_KERNEL:
                return edit_kernel(e, edit);
        case P2P_EDIT_MOVE:
                return p2p_edit_apply_move(e, edit);
        case P2P_EDIT_LINK:
                return edit_link(e, edit);
        case P2P_EDIT_KIND_MAX:
                break;
        }
        return P2P_WHAT_IF_E_UNKNOWN_KEY;
}
