/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reply to Place. */
#include <stdio.h>

#include "serve/place-job.h"
#include "serve/reply-types.h"

#define TEXT_MAX 200U

static void write_item(struct p2pd_writer *w, const struct p2p_machine *m,
                       const struct p2p_place *place, const struct p2p_place_answer *a, uint32_t i)
{
        const struct p2p_function *f = &m->functions[a->items[i]];

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", f->address);
        p2pd_write_names_field(w, "names", f);
        p2pd_write_key(w, "companions");
        p2pd_write_open_array(w);
        for (uint32_t k = 0; k < place->n_per_item; k++) {
                uint32_t companion = a->companions[i * place->n_per_item + k];

                p2pd_write_address(w, m->functions[companion].address);
        }
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

static void write_bottleneck(struct p2pd_writer *w, const struct p2p_machine *m,
                             const struct p2p_bottleneck *b)
{
        if (b->is_limited) {
                p2pd_write_uint_field(w, "bottleneck_mbps", b->mbps);
                p2pd_write_optional_function_field(w, "bottleneck_function", m, b->function);
                p2pd_write_uint_field(w, "bottleneck_flows", b->n_flows);
        }
        p2pd_write_bool_field(w, "bottleneck_unknown", b->has_unknown);
}

static void write_answer(struct p2pd_writer *w, const struct p2p_machine *m,
                         const struct p2p_place *place, const struct p2p_place_answer *a)
{
        p2pd_write_open_object(w);
        p2pd_write_key(w, "groups");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < place->n_items; i++)
                write_item(w, m, place, a, i);
        p2pd_write_close_array(w);
        p2pd_write_string_field(w, "worst_path", p2p_path_to_string(a->worst_path));
        if (a->worst_provider != P2P_NONE) {
                p2pd_write_optional_function_field(w, "worst_provider", m, a->worst_provider);
                p2pd_write_optional_function_field(w, "worst_client", m, a->worst_client);
                p2pd_write_string_field(w, "worst_map", p2pd_map_name(a->worst.map));
                p2pd_write_string_field(w, "worst_reason", p2p_reason_to_string(a->worst.reason));
        }
        write_bottleneck(w, m, &a->bottleneck);
        p2pd_write_key(w, "numa_nodes");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < a->n_numa_nodes; i++)
                p2pd_write_uint(w, a->numa_nodes[i]);
        p2pd_write_close_array(w);
        p2pd_write_bool_field(w, "has_bad", a->has_bad);
        p2pd_write_string_field(w, "proven", p2p_place_proven_to_string(a->proven));
        p2pd_write_string_field(w, "bound_path", p2p_path_to_string(a->bound_path));
        if (a->bound_is_limited)
                p2pd_write_uint_field(w, "bound_mbps", a->bound_mbps);
        p2pd_write_close_object(w);
}

void p2pd_write_placements(const struct p2pd_place_job *x, const struct p2p_place *place,
                           struct p2pd_writer *w)
{
        const struct p2p_machine *m = x->job.snapshot->machine;

        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", x->job.snapshot->generation);
        p2pd_write_key(w, "answers");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < place->n_answers; i++)
                write_answer(w, m, place, &place->answers[i]);
        p2pd_write_close_array(w);
        p2pd_write_bool_field(w, "complete", place->complete);
        if (!x->holds)
                p2pd_reply_end(w, false);
}

static const char *gate_sentence(enum p2p_place_gate gate)
{
        static const char *const sentences[P2P_PLACE_GATE_MAX] = {
                [P2P_PLACE_GATE_PRESENT] = "too few functions match",
                [P2P_PLACE_GATE_AVOIDED] = "too few are left without those to be avoided",
                [P2P_PLACE_GATE_TAKEN] = "too few are free of leases",
                [P2P_PLACE_GATE_NUMA_NODE] = "too few are on the NUMA node",
                [P2P_PLACE_GATE_MAP_NONE] = "with every choice some pair cannot reach each other",
                [P2P_PLACE_GATE_MAP_UNKNOWN] =
                        "with every choice it is unknown whether some pair can reach each other",
                [P2P_PLACE_GATE_BUS] = "with every choice some pair is not bus",
                [P2P_PLACE_GATE_PATH] = "with every choice some pair's path is worse",
                [P2P_PLACE_GATE_BOTTLENECK] = "with every choice some flow gets less, or uses a "
                                              "link of unknown bandwidth",
                [P2P_PLACE_GATE_WORK] = "the search was cut off before it found a choice, or that "
                                        "there is none",
        };

        return sentences[gate];
}

static bool counts_functions(enum p2p_place_gate gate)
{
        return gate >= P2P_PLACE_GATE_PRESENT && gate <= P2P_PLACE_GATE_NUMA_NODE;
}

static void format_refusal(const struct p2p_place_refusal *refusal, char buf[static TEXT_MAX])
{
        const char *sentence = gate_sentence(refusal->gate);

        if (!counts_functions(refusal->gate))
                (void)snprintf(buf, TEXT_MAX, "%s", sentence);
        else if (refusal->n_found >= refusal->n_wanted)
                (void)snprintf(buf, TEXT_MAX,
                               "%s: %u of %u, and other parts of the request need the same ones",
                               sentence, refusal->n_found, refusal->n_wanted);
        else
                (void)snprintf(buf, TEXT_MAX, "%s: %u of %u", sentence, refusal->n_found,
                               refusal->n_wanted);
}

void p2pd_write_no_placement(const struct p2pd_place_job *x, const struct p2p_place *place,
                             struct p2pd_writer *w)
{
        static const char *const parts[] = {
                [P2P_PLACE_PART_ITEMS] = "items",
                [P2P_PLACE_PART_CLIENTS] = "clients",
                [P2P_PLACE_PART_RULE] = "companions",
        };
        const struct p2p_place_refusal *refusal = &place->refusal;
        const char *of = refusal->part == P2P_PLACE_PART_ITEMS  ? x->of.text
                         : refusal->part == P2P_PLACE_PART_RULE ? x->companions[refusal->rule].text
                                                                : NULL;
        const bool counts = counts_functions(refusal->gate);
        char text[TEXT_MAX];
        struct p2pd_refusal_value values[] = {
                {.text = p2pd_text(p2p_place_gate_to_string(refusal->gate))},
                {.text = p2pd_text(parts[refusal->part])},
                {.text = of ? p2pd_text(of) : (struct p2pd_text){NULL, 0}},
                {.number = refusal->n_wanted, .absent = !counts},
                {.number = refusal->n_found, .absent = !counts},
                {.text = {NULL, 0}},
        };

        format_refusal(refusal, text);
        values[5].text = p2pd_text(text);
        p2pd_refusal_write(w, P2PD_REFUSED_NO_PLACEMENT, values);
}
