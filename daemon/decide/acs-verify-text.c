/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/acs-verify-text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "decide/note.h"
#include "decide/text.h"

/* asprintf() whose result is NULL when it fails. */
static char *text_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text_new(const char *format, ...)
{
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        return n < 0 ? NULL : text;
}

/* Why bits of a port that the kernel has read the entry for are not as asked. */
static const char *why_wrong(const struct p2p_machine *m, const struct p2p_acs_verify *v,
                             const struct p2p_acs_verify_port *port)
{
        const uint64_t can = m->functions[port->function].acs_capability.val;
        const uint16_t wrong = (uint16_t)(port->control ^ port->asked) & port->mask;

        if ((wrong & port->asked & ~can) == wrong)
                return "its capability does not list them";
        if (v->kernel.misreads && (wrong & port->asked) == 0)
                return "this kernel clears only the bits that firmware left clear";
        return "they were changed after the boot, or the kernel treats this device in another way";
}

char *p2p_acs_verify_port_reason_new(const struct p2p_machine *m, const struct p2p_acs_verify *v,
                                     const struct p2p_acs_verify_port *port,
                                     const struct p2p_boot_match *match)
{
        const struct p2p_function *f = &m->functions[port->function];
        const uint16_t wrong = (uint16_t)(port->control ^ port->asked) & port->mask;
        char name[P2P_TEXT_FUNCTION_MAX];

        p2p_text_function(m, port->function, name);
        switch (port->effect) {
        case P2P_ACS_EFFECT_TOOK:
                return text_new("The ACS control of %s is 0x%04x, as asked.", name, port->control);
        case P2P_ACS_EFFECT_NO_CAPABILITY:
                return text_new("%s has no ACS: there is nothing to change.", name);
        case P2P_ACS_EFFECT_NOT_REACHED:
                return text_new("The ACS control of %s is 0x%04x: config_acs names it too, comes "
                                "last, and gives bits that it does not name firmware's value.",
                                name, port->control);
        case P2P_ACS_EFFECT_UNKNOWN:
                if (match->kind == P2P_BOOT_MATCH_UNKNOWN)
                        return text_new("Whether the entry names %s cannot be told: its ids or its "
                                        "place are not known.",
                                        name);
                return text_new("The ACS control of %s is not known: %s.", name,
                                p2p_text_why(f->acs_control.why));
        default:
                return text_new("The ACS control of %s is 0x%04x: of the bits asked for, 0x%04x "
                                "are not so; %s.",
                                name, port->control, wrong, why_wrong(m, v, port));
        }
}

static const char *why_not_reached(const struct p2p_acs_verify_entry *entry)
{
        return entry->n_ports > 0 ? "config_acs names the same functions, and comes last"
                                  : "an earlier entry names the same functions, or stops the "
                                    "kernel";
}

char *p2p_acs_verify_entry_reason_new(const struct p2p_acs_verify *v,
                                      const struct p2p_acs_verify_entry *entry,
                                      enum p2p_boot_stop stop)
{
        uint32_t n_took = 0;

        for (uint32_t i = 0; i < entry->n_ports; i++)
                n_took += v->ports[entry->first_port + i].effect == P2P_ACS_EFFECT_TOOK;
        switch (entry->effect) {
        case P2P_ACS_EFFECT_ABSENT:
                return text_new("No function of this machine has that name.");
        case P2P_ACS_EFFECT_NO_CAPABILITY:
                return text_new("What it names has no ACS.");
        case P2P_ACS_EFFECT_NOT_REACHED:
                return text_new("It does not come to bear: %s.", why_not_reached(entry));
        case P2P_ACS_EFFECT_NOT_UNDERSTOOD:
                if (!v->kernel.has[entry->parameter])
                        return text_new("This kernel has no %s (Linux %s and later have).",
                                        p2p_boot_parameter_to_string(entry->parameter),
                                        entry->parameter == P2P_BOOT_CONFIG_ACS ? "6.11" : "4.19");
                return text_new("The kernel cannot read it: %s.", p2p_boot_stop_text(stop));
        case P2P_ACS_EFFECT_UNKNOWN:
                return text_new("Registers, ids or places of what it names are not known.");
        default:
                return text_new("%" PRIu32 " of %" PRIu32 " functions are as asked.", n_took,
                                entry->n_ports);
        }
}

int p2p_acs_verify_add_notes(const struct p2p_machine *m, const struct p2p_boot_line *line,
                             struct p2p_acs_verify *v)
{
        int r = 0;

        if (!m->kernel_command_line)
                return p2p_note_add(&v->notes, &v->n_notes,
                                    "The kernel's command line is not known.");
        if (v->n_entries == 0)
                r = p2p_note_add(&v->notes, &v->n_notes,
                                 "The command line asks for no change of ACS.");
        for (unsigned i = 0; r == 0 && i < P2P_BOOT_PARAMETER_MAX; i++)
                if (line->n_given[i] > 1)
                        r = p2p_note_add(&v->notes, &v->n_notes,
                                         "%s is given %" PRIu32 " times: only the last counts.",
                                         p2p_boot_parameter_to_string(i), line->n_given[i]);
        if (r == 0 && v->n_entries > 0 && !v->kernel.release_known)
                r = p2p_note_add(&v->notes, &v->n_notes,
                                 "The kernel's release is not known: the entries are read as the "
                                 "newest kernel reads them.");
        if (r == 0 && v->n_entries > 0 && v->kernel.misreads)
                r = p2p_note_add(&v->notes, &v->n_notes,
                                 "This kernel misreads both parameters; the fault is mended in %s.",
                                 p2p_boot_misread_fixed_in());
        if (r == 0 && line->has_acs_override)
                r = p2p_note_add(&v->notes, &v->n_notes,
                                 "pcie_acs_override is given: it changes IOMMU groups, not "
                                 "registers, and no mainline kernel knows it.");
        return r;
}
