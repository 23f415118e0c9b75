/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/acs-plan-parts.h"
#include "decide/note.h"
#include "decide/text.h"

/*
 * Which boot parameter, and why:
 *   before 6.11           disable_acs_redir: it clears the three bits and leaves the others.
 *   6.11 up to the fix    one port: config_acs, which leaves the other bits; several ports, or a
 *                         config_acs that is there already: disable_acs_redir, for lists of
 *                         config_acs are misread. Both clear only what firmware left clear.
 *   since the fix         config_acs with every bit that the port has: what is not named would get
 *                         firmware's value, not the kernel's.
 *
 * The kernel keeps the last value of each parameter, and takes the first entry of a list that names
 * a function: the new value holds the old entries, behind the new ones. grubby puts the new pci= in
 * the place of all others, so the new one holds their options as well. Quotes, because ';' ends a
 * command for GRUB; the kernel takes them off where the boot loader does not.
 */

/* The plan's own file, read by update-grub behind /etc/default/grub. */
#define GRUB_FILE "/etc/default/grub.d/p2pd-acs.cfg"
#define SYSTEMD_BOOT_ENTRIES "\"$(bootctl --print-boot-path)\"/loader/entries/*.conf"

/* What Linux keeps of a command line on x86 and arm64. */
#define COMMAND_LINE_MAX 2047U

struct composing {
        const struct p2p_machine *m;
        struct p2p_acs_plan *plan;
        struct p2p_boot_kernel kernel;
        struct p2p_boot_line line;
};

const char *p2p_acs_command_to_string(enum p2p_acs_command command)
{
        static const char *const names[P2P_ACS_COMMAND_MAX] = {
                [P2P_ACS_COMMAND_SETPCI] = "setpci",
                [P2P_ACS_COMMAND_SETPCI_UNDO] = "setpci-undo",
                [P2P_ACS_COMMAND_GRUB_DEBIAN] = "grub-debian",
                [P2P_ACS_COMMAND_GRUB_DEBIAN_UNDO] = "grub-debian-undo",
                [P2P_ACS_COMMAND_GRUB_REDHAT] = "grub-redhat",
                [P2P_ACS_COMMAND_GRUB_REDHAT_UNDO] = "grub-redhat-undo",
                [P2P_ACS_COMMAND_SYSTEMD_BOOT] = "systemd-boot",
                [P2P_ACS_COMMAND_SYSTEMD_BOOT_UNDO] = "systemd-boot-undo",
        };

        return command < P2P_ACS_COMMAND_MAX ? names[command] : NULL;
}

const char *p2p_acs_no_parameter_to_string(enum p2p_acs_no_parameter why)
{
        static const char *const names[P2P_ACS_PARAMETER_MAX] = {
                [P2P_ACS_PARAMETER_GIVEN] = "given",
                [P2P_ACS_PARAMETER_NOT_NEEDED] = "not-needed",
                [P2P_ACS_PARAMETER_KERNEL_TOO_OLD] = "kernel-too-old",
                [P2P_ACS_PARAMETER_UNSAFE_TEXT] = "unsafe-text",
        };

        return why < P2P_ACS_PARAMETER_MAX ? names[why] : NULL;
}

static int add_line(struct p2p_acs_plan *plan, enum p2p_acs_command command, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

static int add_line(struct p2p_acs_plan *plan, enum p2p_acs_command command, const char *format,
                    ...)
{
        struct p2p_acs_plan_line *list;
        va_list ap;
        int n;

        list = reallocarray(plan->lines, (size_t)plan->n_lines + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        plan->lines = list;
        list[plan->n_lines].command = command;
        va_start(ap, format);
        n = vasprintf(&list[plan->n_lines].text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        plan->n_lines++;
        return 0;
}

/* Nothing that a shell, sed or GRUB takes for more than text between double quotes. */
static bool is_safe(const char *text)
{
        return !text || text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.:;/@=+,-")] == '\0';
}

static enum p2p_boot_parameter choose(const struct composing *c)
{
        if (!c->kernel.has[P2P_BOOT_CONFIG_ACS])
                return P2P_BOOT_DISABLE_ACS_REDIR;
        if (c->kernel.misreads && (c->plan->n_ports > 1 || c->line.value[P2P_BOOT_CONFIG_ACS]))
                return P2P_BOOT_DISABLE_ACS_REDIR;
        return P2P_BOOT_CONFIG_ACS;
}

/* Seven positions, bit 0 rightmost: DT EC UF CR RR TB SV. */
static void print_flags(FILE *out, const struct p2p_acs_plan_port *port, bool all)
{
        const uint16_t after = port->control & (uint16_t)~port->clear;

        for (int bit = 6; bit >= 0; bit--) {
                const bool named = (all ? port->capability : port->clear) >> bit & 1U;

                (void)fputc(!named ? 'x' : after >> bit & 1U ? '1' : '0', out);
        }
}

static bool names_port(const struct p2p_acs_plan *plan, const char *device, size_t len)
{
        for (uint32_t i = 0; i < plan->n_ports; i++)
                if (strlen(plan->ports[i].path) == len &&
                    memcmp(plan->ports[i].path, device, len) == 0)
                        return true;
        return false;
}

/* The entries that are there already, but for those that name a port of the plan by its path. */
static void print_present(FILE *out, const struct composing *c, enum p2p_boot_parameter kind,
                          bool first)
{
        const char *value = c->line.value[kind];
        const uint32_t n = value ? p2p_boot_entries(value) : 0;

        for (uint32_t i = 0; i < n; i++) {
                size_t len;
                const char *entry = p2p_boot_entry(value, i, &len), *device = entry;
                const char *at = memchr(entry, '@', len);

                if (at && kind == P2P_BOOT_CONFIG_ACS)
                        device = at + 1;
                if (c->plan->parameter_kind == kind &&
                    names_port(c->plan, device, len - (size_t)(device - entry)))
                        continue;
                (void)fprintf(out, "%s%.*s", first ? "" : ";", (int)len, entry);
                first = false;
        }
}

/* with_plan: the new parameter; else what is on the command line now, in one. */
static void print_parameter(FILE *out, const struct composing *c, bool with_plan)
{
        const bool all = !c->kernel.misreads;
        const char *comma = "";

        (void)fputs("pci=", out);
        if (c->line.other_options) {
                (void)fputs(c->line.other_options, out);
                comma = ",";
        }
        for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++) {
                const bool ours = with_plan && kind == c->plan->parameter_kind;

                if (!ours && !c->line.value[kind])
                        continue;
                (void)fprintf(out, "%s%s=", comma, p2p_boot_parameter_to_string(kind));
                comma = ",";
                if (!with_plan) {
                        (void)fputs(c->line.value[kind], out);
                        continue;
                }
                for (uint32_t i = 0; ours && i < c->plan->n_ports; i++) {
                        if (i > 0)
                                (void)fputc(';', out);
                        if (kind == P2P_BOOT_CONFIG_ACS) {
                                print_flags(out, &c->plan->ports[i], all);
                                (void)fputc('@', out);
                        }
                        (void)fputs(c->plan->ports[i].path, out);
                }
                print_present(out, c, kind, !ours);
        }
}

/* 0 or -ENOMEM. */
static int compose_parameter(const struct composing *c, bool with_plan, char **ret)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return -ENOMEM;
        print_parameter(out, c, with_plan);
        failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* What all pci= parameters on the command line say; NULL: there is none, or nothing in it. */
static int compose_present(const struct composing *c, char **ret)
{
        *ret = NULL;
        if (!c->line.other_options && !c->line.value[P2P_BOOT_DISABLE_ACS_REDIR] &&
            !c->line.value[P2P_BOOT_CONFIG_ACS])
                return 0;
        return compose_parameter(c, false, ret);
}

/* The parameter, or why there is none. 0 or -ENOMEM. */
static int compose(struct composing *c)
{
        struct p2p_acs_plan *plan = c->plan;

        if (plan->n_ports == 0)
                plan->no_parameter = P2P_ACS_PARAMETER_NOT_NEEDED;
        else if (!c->kernel.has[P2P_BOOT_DISABLE_ACS_REDIR])
                plan->no_parameter = P2P_ACS_PARAMETER_KERNEL_TOO_OLD;
        else if (!is_safe(c->line.other_options) ||
                 !is_safe(c->line.value[P2P_BOOT_DISABLE_ACS_REDIR]) ||
                 !is_safe(c->line.value[P2P_BOOT_CONFIG_ACS]))
                plan->no_parameter = P2P_ACS_PARAMETER_UNSAFE_TEXT;
        if (plan->no_parameter != P2P_ACS_PARAMETER_GIVEN)
                return 0;
        plan->parameter_kind = choose(c);
        return compose_parameter(c, true, &plan->parameter);
}

static int add_setpci(const struct composing *c)
{
        char address[P2P_ADDRESS_STRING_MAX];
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < c->plan->n_ports; i++) {
                const struct p2p_acs_plan_port *port = &c->plan->ports[i];

                p2p_address_format(c->m->functions[port->function].address, address);
                r = add_line(c->plan, P2P_ACS_COMMAND_SETPCI, "setpci -s %s ECAP_ACS+6.w=0000:%04x",
                             address, port->clear);
        }
        for (uint32_t i = 0; r == 0 && i < c->plan->n_ports; i++) {
                const struct p2p_acs_plan_port *port = &c->plan->ports[i];

                p2p_address_format(c->m->functions[port->function].address, address);
                r = add_line(c->plan, P2P_ACS_COMMAND_SETPCI_UNDO,
                             "setpci -s %s ECAP_ACS+6.w=%04x:%04x", address, port->clear,
                             port->clear);
        }
        return r;
}

/* GRUB_CMDLINE_LINUX_DEFAULT comes last on the command line, so that the new value wins; recovery
 * entries do without it. */
static int add_grub_debian(struct p2p_acs_plan *plan, const char *value)
{
        int r;

        r = add_line(plan, P2P_ACS_COMMAND_GRUB_DEBIAN, "mkdir -p /etc/default/grub.d");
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_DEBIAN,
                             "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT "
                             "pci=\\\"%s\\\"\"' > " GRUB_FILE,
                             value);
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_DEBIAN, "update-grub");
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_DEBIAN_UNDO, "rm -f " GRUB_FILE);
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_DEBIAN_UNDO, "update-grub");
        return r;
}

/* grubby took the present pci= away: to undo that is to write it again. before: NULL if there is
 * none. */
static int add_grub_redhat(struct p2p_acs_plan *plan, const char *value, const char *before)
{
        int r;

        r = add_line(plan, P2P_ACS_COMMAND_GRUB_REDHAT,
                     "grubby --update-kernel=ALL --args='pci=\"%s\"'", value);
        if (r == 0 && before)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_REDHAT_UNDO,
                             "grubby --update-kernel=ALL --args='pci=\"%s\"'", before);
        else if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_GRUB_REDHAT_UNDO,
                             "grubby --update-kernel=ALL --remove-args=pci");
        return r;
}

/* Of what is safe in the value only '.' means more to sed than itself, and that too. */
static int add_systemd_boot(struct p2p_acs_plan *plan, const char *value)
{
        int r;

        r = add_line(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT,
                     "test -s /etc/kernel/cmdline || sed 's/BOOT_IMAGE=[^ ]* *//; "
                     "s/initrd=[^ ]* *//g' /proc/cmdline > /etc/kernel/cmdline");
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT,
                             "sed -i '1s|$| pci=\"%s\"|' /etc/kernel/cmdline", value);
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT,
                             "sed -i '/^options/s|$| pci=\"%s\"|' " SYSTEMD_BOOT_ENTRIES, value);
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT_UNDO,
                             "sed -i '1s| pci=\"%s\"||' /etc/kernel/cmdline", value);
        if (r == 0)
                r = add_line(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT_UNDO,
                             "sed -i '/^options/s| pci=\"%s\"||' " SYSTEMD_BOOT_ENTRIES, value);
        return r;
}

static int add_boot_loaders(const struct composing *c)
{
        struct p2p_acs_plan *plan = c->plan;
        const char *value;
        char *before;
        int r;

        if (!plan->parameter)
                return 0;
        value = plan->parameter + strlen("pci=");
        r = compose_present(c, &before);
        if (r < 0)
                return r;
        r = add_grub_debian(plan, value);
        if (r == 0)
                r = add_grub_redhat(plan, value, before ? before + strlen("pci=") : NULL);
        if (r == 0)
                r = add_systemd_boot(plan, value);
        free(before);
        return r;
}

/* Reads the new parameter as the kernel will, and says what stays set although it is named. */
static int add_doubts(const struct composing *c)
{
        char name[P2P_TEXT_FUNCTION_MAX], bits[P2P_TEXT_BITS_MAX];
        struct p2p_boot_line line;
        int r;

        r = p2p_boot_line_parse(c->plan->parameter, &line);
        for (uint32_t i = 0; r == 0 && i < c->plan->n_ports; i++) {
                const struct p2p_acs_plan_port *port = &c->plan->ports[i];
                struct p2p_boot_match matches[P2P_BOOT_PARAMETER_MAX] = {0};
                uint16_t left;

                for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++)
                        if (line.value[kind])
                                matches[kind] = p2p_boot_match_function(
                                        c->m, &c->kernel, kind, line.value[kind], port->function);
                left = p2p_boot_acs_control(&c->kernel, port->capability,
                                            port->control & (uint16_t)~P2P_ACS_REDIRECT, false,
                                            matches);
                left &= P2P_ACS_REDIRECT;
                if (left != 0)
                        r = p2p_note_add(&c->plan->notes, &c->plan->n_notes,
                                         "An entry that is on the command line already sets %s at "
                                         "%s again: take it out.",
                                         p2p_text_bits(left, bits),
                                         p2p_text_function(c->m, port->function, name));
        }
        if (r == 0)
                p2p_boot_line_deinit(&line);
        return r;
}

static int add_misread_notes(const struct composing *c)
{
        struct p2p_acs_plan *plan = c->plan;
        int r;

        r = p2p_note_add(&plan->notes, &plan->n_notes,
                         "This kernel (Linux 6.11 up to the fix in %s) clears by either parameter "
                         "only the bits that firmware left clear: run acs verify after the boot.",
                         p2p_boot_misread_fixed_in());
        if (r == 0 && plan->parameter_kind == P2P_BOOT_DISABLE_ACS_REDIR)
                r = p2p_note_add(
                        &plan->notes, &plan->n_notes,
                        "This kernel misreads config_acs lists, and with disable_acs_redir "
                        "it sets every other ACS bit that the ports have, Translation "
                        "Blocking too, which stops ATS below them: a kernel with the fix, "
                        "or setpci after each boot, does not.");
        return r;
}

static int add_parameter_notes(const struct composing *c)
{
        struct p2p_acs_plan *plan = c->plan;
        const char *present = c->m->kernel_command_line;
        int r = 0;

        if (!c->kernel.release_known)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "The kernel's release is not known: the parameter is for one with "
                                 "config_acs and its fix (%s).",
                                 p2p_boot_misread_fixed_in());
        if (r == 0 && c->kernel.misreads)
                r = add_misread_notes(c);
        if (r == 0 && (c->line.other_options || c->line.n_given[0] + c->line.n_given[1] > 0))
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "The parameter holds the options of the pci= parameters that are "
                                 "on the command line now, and takes their place.");
        if (r == 0 && present && strlen(present) + strlen(plan->parameter) + 3 > COMMAND_LINE_MAX)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "With it the command line may exceed the %u characters that Linux "
                                 "keeps: the end would be lost.",
                                 COMMAND_LINE_MAX);
        return r == 0 ? add_doubts(c) : r;
}

static int add_notes(const struct composing *c)
{
        struct p2p_acs_plan *plan = c->plan;
        int r;

        if (plan->n_ports == 0)
                return 0;
        r = p2p_note_add(&plan->notes, &plan->n_notes,
                         "setpci lasts until the next reset of the port; IOMMU groups stay as they "
                         "are, although the hardware no longer isolates them.");
        if (r == 0)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "The kernel keeps verdicts that it has computed: after setpci, "
                                 "unbind and bind the provider's driver.");
        if (r == 0 && !plan->groups_known)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "No IOMMU groups are known: which of them would merge cannot be "
                                 "told.");
        if (r == 0 && plan->no_parameter == P2P_ACS_PARAMETER_KERNEL_TOO_OLD)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "No boot parameter does this before Linux 4.19.");
        if (r == 0 && plan->no_parameter == P2P_ACS_PARAMETER_UNSAFE_TEXT)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "The pci= options on the command line hold characters that are "
                                 "not safe in a command: add the ports there by hand.");
        if (r == 0 && c->line.has_acs_override)
                r = p2p_note_add(&plan->notes, &plan->n_notes,
                                 "pcie_acs_override is on the command line: a kernel with that "
                                 "patch makes groups without regard to the ports.");
        if (r == 0 && plan->parameter)
                r = add_parameter_notes(c);
        return r;
}

int p2p_acs_plan_add_commands(const struct p2p_machine *m, struct p2p_acs_plan *plan)
{
        struct composing c = {.m = m, .plan = plan, .kernel = p2p_boot_kernel_for(m)};
        int r;

        r = p2p_boot_line_parse(m->kernel_command_line, &c.line);
        if (r < 0)
                return r;
        r = compose(&c);
        if (r == 0)
                r = add_setpci(&c);
        if (r == 0)
                r = add_boot_loaders(&c);
        if (r == 0)
                r = add_notes(&c);
        p2p_boot_line_deinit(&c.line);
        return r;
}
