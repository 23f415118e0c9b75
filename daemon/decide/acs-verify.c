/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/acs-verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "decide/acs-verify-text.h"
#include "decide/note.h"

struct verifying {
        const struct p2p_machine *m;
        struct p2p_boot_line line;
        struct p2p_boot_match *matches[P2P_BOOT_PARAMETER_MAX]; /* by function */
        struct p2p_acs_verify *v;
        uint32_t ports_room;
};

const char *p2p_acs_effect_to_string(enum p2p_acs_effect effect)
{
        static const char *const names[P2P_ACS_EFFECT_MAX] = {
                [P2P_ACS_EFFECT_TOOK] = "took-effect",
                [P2P_ACS_EFFECT_PARTLY] = "partly",
                [P2P_ACS_EFFECT_NOT] = "no-effect",
                [P2P_ACS_EFFECT_ABSENT] = "absent",
                [P2P_ACS_EFFECT_NO_CAPABILITY] = "no-capability",
                [P2P_ACS_EFFECT_NOT_UNDERSTOOD] = "not-understood",
                [P2P_ACS_EFFECT_NOT_REACHED] = "not-reached",
                [P2P_ACS_EFFECT_UNKNOWN] = "unknown",
        };

        return effect < P2P_ACS_EFFECT_MAX ? names[effect] : NULL;
}

/* What the registers of one named function say. */
static enum p2p_acs_effect port_effect(const struct verifying *s, enum p2p_boot_parameter parameter,
                                       const struct p2p_acs_verify_port *port)
{
        const struct p2p_function *f = &s->m->functions[port->function];
        const struct p2p_boot_match *later = &s->matches[P2P_BOOT_CONFIG_ACS][port->function];
        uint16_t matter, wrong;

        if (p2p_fact_is_absent(f->acs_control))
                return P2P_ACS_EFFECT_NO_CAPABILITY;
        if (!p2p_fact_is_known(f->acs_control) || !p2p_fact_is_known(f->acs_capability))
                return P2P_ACS_EFFECT_UNKNOWN;
        /* A bit that is to be clear, and that the function does not have, has taken no effect. */
        matter = port->mask & (uint16_t)(f->acs_capability.val | port->asked | f->acs_control.val);
        wrong = (uint16_t)(f->acs_control.val ^ port->asked) & matter;
        if (wrong == 0)
                return P2P_ACS_EFFECT_TOOK;
        if (parameter == P2P_BOOT_DISABLE_ACS_REDIR && s->v->kernel.has[P2P_BOOT_CONFIG_ACS] &&
            later->kind == P2P_BOOT_MATCH_ENTRY)
                return P2P_ACS_EFFECT_NOT_REACHED;
        return wrong == matter ? P2P_ACS_EFFECT_NOT : P2P_ACS_EFFECT_PARTLY;
}

static int add_port(struct verifying *s, uint32_t entry, uint32_t function)
{
        const struct p2p_function *f = &s->m->functions[function];
        struct p2p_acs_verify *v = s->v;
        const struct p2p_acs_verify_entry *e = &v->entries[entry];
        const struct p2p_boot_match *match = &s->matches[e->parameter][function];
        struct p2p_acs_verify_port *port;

        if (v->n_ports == s->ports_room) {
                uint32_t room = s->ports_room * 2 + 16;

                port = reallocarray(v->ports, room, sizeof(*port));
                if (!port)
                        return -ENOMEM;
                v->ports = port;
                s->ports_room = room;
        }
        port = &v->ports[v->n_ports];
        *port = (struct p2p_acs_verify_port){
                .function = function,
                .entry = entry,
                .mask = match->mask,
                .asked = match->flags,
                .control = (uint16_t)f->acs_control.val,
        };
        port->effect = match->kind == P2P_BOOT_MATCH_UNKNOWN ? P2P_ACS_EFFECT_UNKNOWN
                                                             : port_effect(s, e->parameter, port);
        port->reason = p2p_acs_verify_port_reason_new(s->m, v, port, match);
        if (!port->reason)
                return -ENOMEM;
        v->n_ports++;
        v->n_differing +=
                port->effect == P2P_ACS_EFFECT_NOT || port->effect == P2P_ACS_EFFECT_PARTLY;
        return 0;
}

/* An entry by ids names everything of a kind: those without ACS are not worth a line. */
static bool is_worth_a_line(const struct verifying *s, const struct p2p_acs_verify_entry *e,
                            uint32_t function)
{
        const char *at = strchr(e->text, '@');
        const char *device = at && e->parameter == P2P_BOOT_CONFIG_ACS ? at + 1 : e->text;

        return !p2p_fact_is_absent(s->m->functions[function].acs_control) ||
               strncmp(device, "pci:", 4) != 0;
}

/* What an entry would name if it stood alone: NONE if nothing. */
static enum p2p_boot_match_kind match_alone(const struct verifying *s,
                                            const struct p2p_acs_verify_entry *e,
                                            enum p2p_boot_stop *ret_stop)
{
        enum p2p_boot_match_kind kind = P2P_BOOT_MATCH_NONE;

        for (uint32_t i = 0; i < s->m->n_functions; i++) {
                struct p2p_boot_match match =
                        p2p_boot_match_function(s->m, &s->v->kernel, e->parameter, e->text, i);

                if (match.kind == P2P_BOOT_MATCH_ENTRY)
                        return match.kind;
                if (match.kind == P2P_BOOT_MATCH_NONE || kind == P2P_BOOT_MATCH_STOPPED)
                        continue;
                kind = match.kind;
                *ret_stop = match.stop;
        }
        return kind;
}

/* The effect of an entry that names no function in its list. */
static enum p2p_acs_effect effect_without_ports(const struct verifying *s,
                                                const struct p2p_acs_verify_entry *e,
                                                bool names_without_acs, enum p2p_boot_stop *stop)
{
        if (names_without_acs)
                return P2P_ACS_EFFECT_NO_CAPABILITY;
        if (*stop != P2P_BOOT_STOP_NONE)
                return P2P_ACS_EFFECT_NOT_UNDERSTOOD;
        switch (match_alone(s, e, stop)) {
        case P2P_BOOT_MATCH_ENTRY:
                return P2P_ACS_EFFECT_NOT_REACHED;
        case P2P_BOOT_MATCH_STOPPED:
                return P2P_ACS_EFFECT_NOT_UNDERSTOOD;
        case P2P_BOOT_MATCH_UNKNOWN:
                return P2P_ACS_EFFECT_UNKNOWN;
        case P2P_BOOT_MATCH_NONE:
        case P2P_BOOT_MATCH_KIND_MAX:
                break;
        }
        return P2P_ACS_EFFECT_ABSENT;
}

static enum p2p_acs_effect effect_of_ports(const struct p2p_acs_verify *v,
                                           const struct p2p_acs_verify_entry *e)
{
        uint32_t n[P2P_ACS_EFFECT_MAX] = {0}, without;

        for (uint32_t i = 0; i < e->n_ports; i++)
                n[v->ports[e->first_port + i].effect]++;
        without = n[P2P_ACS_EFFECT_NO_CAPABILITY];
        for (unsigned effect = 0; effect < P2P_ACS_EFFECT_MAX; effect++)
                if (n[effect] == e->n_ports || (effect != P2P_ACS_EFFECT_NO_CAPABILITY &&
                                                n[effect] > 0 && n[effect] + without == e->n_ports))
                        return effect;
        if (n[P2P_ACS_EFFECT_TOOK] + n[P2P_ACS_EFFECT_UNKNOWN] + without == e->n_ports)
                return P2P_ACS_EFFECT_UNKNOWN;
        return P2P_ACS_EFFECT_PARTLY;
}

static int verify_entry(struct verifying *s, uint32_t entry, uint32_t number)
{
        struct p2p_acs_verify_entry *e = &s->v->entries[entry];
        enum p2p_boot_stop stop = P2P_BOOT_STOP_NONE;
        bool names_without_acs = false;
        int r;

        e->first_port = s->v->n_ports;
        for (uint32_t i = 0; i < s->m->n_functions; i++) {
                const struct p2p_boot_match *match = &s->matches[e->parameter][i];

                if (match->kind == P2P_BOOT_MATCH_NONE || match->entry != number)
                        continue;
                if (match->kind == P2P_BOOT_MATCH_STOPPED) {
                        stop = match->stop;
                        continue;
                }
                if (!is_worth_a_line(s, e, i)) {
                        names_without_acs |= match->kind == P2P_BOOT_MATCH_ENTRY;
                        continue;
                }
                r = add_port(s, entry, i);
                if (r < 0)
                        return r;
                e->n_ports++;
        }
        e->effect = e->n_ports > 0 ? effect_of_ports(s->v, e)
                                   : effect_without_ports(s, e, names_without_acs, &stop);
        e->reason = p2p_acs_verify_entry_reason_new(s->v, e, stop);
        return e->reason ? 0 : -ENOMEM;
}

/* All entries of one parameter that is on the command line. */
static int verify_parameter(struct verifying *s, enum p2p_boot_parameter parameter)
{
        struct p2p_acs_verify *v = s->v;
        const char *value = s->line.value[parameter];
        const uint32_t n = value ? p2p_boot_entries(value) : 0;

        for (uint32_t i = 0; i < n; i++) {
                struct p2p_acs_verify_entry *e = &v->entries[v->n_entries];
                size_t len;
                const char *text = p2p_boot_entry(value, i, &len);
                int r = 0;

                *e = (struct p2p_acs_verify_entry){.parameter = parameter};
                e->text = strndup(text, len);
                if (!e->text)
                        return -ENOMEM;
                v->n_entries++;
                if (v->kernel.has[parameter]) {
                        r = verify_entry(s, v->n_entries - 1, i);
                } else {
                        e->effect = P2P_ACS_EFFECT_NOT_UNDERSTOOD;
                        e->reason = p2p_acs_verify_entry_reason_new(v, e, P2P_BOOT_STOP_NONE);
                        r = e->reason ? 0 : -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int match_all(struct verifying *s)
{
        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++) {
                s->matches[i] = calloc((size_t)s->m->n_functions + 1, sizeof(*s->matches[i]));
                if (!s->matches[i])
                        return -ENOMEM;
                if (!s->line.value[i] || !s->v->kernel.has[i])
                        continue;
                for (uint32_t f = 0; f < s->m->n_functions; f++)
                        s->matches[i][f] = p2p_boot_match_function(s->m, &s->v->kernel, i,
                                                                   s->line.value[i], f);
        }
        return 0;
}

/* From "as asked" by "cannot be told" to "certainly not". */
static unsigned severity(enum p2p_acs_effect effect)
{
        static const unsigned ranks[P2P_ACS_EFFECT_MAX] = {
                [P2P_ACS_EFFECT_TOOK] = 0,           [P2P_ACS_EFFECT_UNKNOWN] = 1,
                [P2P_ACS_EFFECT_ABSENT] = 2,         [P2P_ACS_EFFECT_NO_CAPABILITY] = 3,
                [P2P_ACS_EFFECT_NOT_REACHED] = 4,    [P2P_ACS_EFFECT_PARTLY] = 5,
                [P2P_ACS_EFFECT_NOT_UNDERSTOOD] = 6, [P2P_ACS_EFFECT_NOT] = 7,
        };

        return ranks[effect];
}

static int verify_all(struct verifying *s)
{
        struct p2p_acs_verify *v = s->v;
        size_t n = 0;
        int r;

        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++)
                n += s->line.value[i] ? p2p_boot_entries(s->line.value[i]) : 0;
        v->entries = calloc(n + 1, sizeof(*v->entries));
        if (!v->entries)
                return -ENOMEM;
        r = match_all(s);
        for (unsigned i = 0; r == 0 && i < P2P_BOOT_PARAMETER_MAX; i++)
                r = verify_parameter(s, i);
        if (r == 0)
                r = p2p_acs_verify_add_notes(s->m, &s->line, v);
        for (uint32_t i = 0; i < v->n_entries; i++)
                if (severity(v->entries[i].effect) > severity(v->worst))
                        v->worst = v->entries[i].effect;
        return r;
}

int p2p_acs_verify_new(const struct p2p_machine *m, struct p2p_acs_verify **ret)
{
        struct verifying s = {.m = m};
        int r;

        r = p2p_boot_line_parse(m->kernel_command_line, &s.line);
        if (r < 0)
                return r;
        r = -ENOMEM;
        s.v = calloc(1, sizeof(*s.v));
        if (s.v) {
                s.v->kernel = p2p_boot_kernel_for(m);
                s.v->command_line_known = m->kernel_command_line != NULL;
                s.v->worst = m->kernel_command_line ? P2P_ACS_EFFECT_TOOK : P2P_ACS_EFFECT_UNKNOWN;
                r = verify_all(&s);
        }
        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++)
                free(s.matches[i]);
        p2p_boot_line_deinit(&s.line);
        if (r < 0)
                p2p_acs_verify_free(s.v);
        else
                *ret = s.v;
        return r;
}

struct p2p_acs_verify *p2p_acs_verify_free(struct p2p_acs_verify *verify)
{
        if (!verify)
                return NULL;
        for (uint32_t i = 0; i < verify->n_entries; i++) {
                free(verify->entries[i].text);
                free(verify->entries[i].reason);
        }
        for (uint32_t i = 0; i < verify->n_ports; i++)
                free(verify->ports[i].reason);
        p2p_notes_free(verify->notes, verify->n_notes);
        free(verify->entries);
        free(verify->ports);
        free(verify);
        return NULL;
}
