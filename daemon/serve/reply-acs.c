/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/reply-acs.h"

#include "serve/reply-types.h"

/* Digits of the ACS registers, which have 16 bits. */
#define ACS_DIGITS 4

static void write_functions_field(struct p2pd_writer *w, const char *key,
                                  const struct p2p_machine *m, const uint32_t *functions,
                                  uint32_t n)
{
        p2pd_write_key(w, key);
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < n; i++)
                p2pd_write_address(w, m->functions[functions[i]].address);
        p2pd_write_close_array(w);
}

static void write_notes_field(struct p2pd_writer *w, char *const *notes, uint32_t n)
{
        p2pd_write_key(w, "notes");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < n; i++)
                p2pd_write_string(w, notes[i]);
        p2pd_write_close_array(w);
}

/*
 * The plan
 */

static void write_pair(struct p2pd_writer *w, const struct p2p_machine *m,
                       const struct p2p_acs_plan_pair *pair)
{
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", m->functions[pair->provider].address);
        p2pd_write_address_field(w, "client", m->functions[pair->client].address);
        p2pd_write_string_field(w, "state", p2p_acs_pair_state_to_string(pair->state));
        p2pd_write_key(w, "before");
        p2pd_write_verdict(w, p2pd_verdict_of(&pair->before));
        p2pd_write_key(w, "after");
        p2pd_write_verdict(w, p2pd_verdict_of(&pair->after));
        p2pd_write_optional_function_field(w, "at", m, pair->at);
        p2pd_write_close_object(w);
}

static void write_port(struct p2pd_writer *w, const struct p2p_machine *m,
                       const struct p2p_acs_plan_port *port)
{
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "function", m->functions[port->function].address);
        p2pd_write_string_field(w, "path", port->path);
        p2pd_write_hex_field(w, "capability", port->capability, ACS_DIGITS);
        p2pd_write_hex_field(w, "control", port->control, ACS_DIGITS);
        p2pd_write_acs_bits_field(w, "clear", port->clear);
        p2pd_write_uint_field(w, "pairs", port->n_pairs);
        p2pd_write_close_object(w);
}

static void write_merge(struct p2pd_writer *w, const struct p2p_machine *m,
                        const struct p2p_acs_merge *merge)
{
        p2pd_write_open_object(w);
        p2pd_write_key(w, "groups");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < merge->n_groups; i++)
                p2pd_write_uint(w, m->groups[merge->groups[i]].number);
        p2pd_write_close_array(w);
        write_functions_field(w, "functions", m, merge->functions, merge->n_functions);
        p2pd_write_address_field(w, "port", m->functions[merge->port].address);
        p2pd_write_close_object(w);
}

static void write_exposure(struct p2pd_writer *w, const struct p2p_machine *m,
                           const struct p2p_acs_exposure *e)
{
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "port", m->functions[e->port].address);
        write_functions_field(w, "from", m, e->from, e->n_from);
        write_functions_field(w, "to", m, e->to, e->n_to);
        p2pd_write_uint_field(w, "from_virtual", e->n_from_vfs);
        p2pd_write_uint_field(w, "to_virtual", e->n_to_vfs);
        p2pd_write_bool_field(w, "among", e->among);
        p2pd_write_bool_field(w, "root_port", e->root_port);
        p2pd_write_close_object(w);
}

static void write_commands(struct p2pd_writer *w, const struct p2p_acs_plan *plan)
{
        if (plan->parameter) {
                p2pd_write_string_field(w, "parameter", plan->parameter);
                p2pd_write_string_field(w, "parameter_kind",
                                        p2p_boot_parameter_to_string(plan->parameter_kind));
        } else {
                p2pd_write_string_field(w, "no_parameter",
                                        p2p_acs_no_parameter_to_string(plan->no_parameter));
        }
        p2pd_write_key(w, "commands");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < plan->n_lines; i++) {
                p2pd_write_open_object(w);
                p2pd_write_string_field(w, "kind",
                                        p2p_acs_command_to_string(plan->lines[i].command));
                p2pd_write_string_field(w, "text", plan->lines[i].text);
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
}

void p2pd_write_acs_plan(struct p2pd_writer *w, const struct p2p_machine *m,
                         const struct p2p_acs_plan *plan)
{
        p2pd_write_open_object(w);
        p2pd_write_key(w, "pairs");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < plan->n_pairs; i++)
                write_pair(w, m, &plan->pairs[i]);
        p2pd_write_close_array(w);
        p2pd_write_key(w, "ports");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < plan->n_ports; i++)
                write_port(w, m, &plan->ports[i]);
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "bits", plan->n_bits);
        p2pd_write_key(w, "merges");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < plan->n_merges; i++)
                write_merge(w, m, &plan->merges[i]);
        p2pd_write_close_array(w);
        p2pd_write_bool_field(w, "groups_known", plan->groups_known);
        p2pd_write_key(w, "exposures");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < plan->n_exposures; i++)
                write_exposure(w, m, &plan->exposures[i]);
        p2pd_write_close_array(w);
        write_commands(w, plan);
        write_notes_field(w, plan->notes, plan->n_notes);
        p2pd_write_close_object(w);
}

/*
 * The verification
 */

static void write_entry_port(struct p2pd_writer *w, const struct p2p_machine *m,
                             const struct p2p_acs_verify_port *port)
{
        const bool has_control = port->effect != P2P_ACS_EFFECT_UNKNOWN &&
                                 port->effect != P2P_ACS_EFFECT_NO_CAPABILITY;

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "function", m->functions[port->function].address);
        p2pd_write_string_field(w, "effect", p2p_acs_effect_to_string(port->effect));
        p2pd_write_acs_bits_field(w, "want_set", port->mask & port->asked);
        p2pd_write_acs_bits_field(w, "want_clear", port->mask & (uint16_t)~port->asked);
        if (has_control)
                p2pd_write_hex_field(w, "control", port->control, ACS_DIGITS);
        p2pd_write_string_field(w, "reason", port->reason);
        p2pd_write_close_object(w);
}

static void write_entry(struct p2pd_writer *w, const struct p2p_machine *m,
                        const struct p2p_acs_verify *verify,
                        const struct p2p_acs_verify_entry *entry)
{
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "parameter", p2p_boot_parameter_to_string(entry->parameter));
        p2pd_write_string_field(w, "text", entry->text);
        p2pd_write_string_field(w, "effect", p2p_acs_effect_to_string(entry->effect));
        p2pd_write_string_field(w, "reason", entry->reason);
        p2pd_write_key(w, "ports");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < entry->n_ports; i++)
                write_entry_port(w, m, &verify->ports[entry->first_port + i]);
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

void p2pd_write_acs_verification(struct p2pd_writer *w, const struct p2p_machine *m,
                                 const struct p2p_acs_verify *verify)
{
        p2pd_write_open_object(w);
        p2pd_write_bool_field(w, "command_line_known", verify->command_line_known);
        p2pd_write_string_field(w, "effect", p2p_acs_effect_to_string(verify->worst));
        p2pd_write_uint_field(w, "differing", verify->n_differing);
        p2pd_write_key(w, "entries");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < verify->n_entries; i++)
                write_entry(w, m, verify, &verify->entries[i]);
        p2pd_write_close_array(w);
        write_notes_field(w, verify->notes, verify->n_notes);
        p2pd_write_close_object(w);
}
