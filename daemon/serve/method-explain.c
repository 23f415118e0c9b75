/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/explain.h"
#include "serve/call.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"
#include "verification.h"

/* Longest sentence on a reason or constraint. */
#define SENTENCE_MAX 512U

/* Indices in the machine. */
struct pair {
        uint32_t provider, client;
};

static void write_reasons(struct p2pd_writer *w, const struct p2p_machine *m,
                          const struct p2p_explanation *e)
{
        char text[SENTENCE_MAX];

        p2pd_write_key(w, "reasons");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < e->n_reasons; i++) {
                const struct p2p_reason *reason = &e->reasons[i];
                bool is_redirect = reason->kind == P2P_REASON_ACS_REDIRECT;

                p2pd_write_open_object(w);
                p2pd_write_string_field(w, "name", p2p_reason_to_string(reason->kind));
                p2pd_write_string_field(w, "effect", p2p_effect_to_string(reason->effect));
                p2pd_write_optional_function_field(w, "function", m, reason->function);
                p2pd_write_acs_bits_field(w, "bits", is_redirect ? reason->detail : 0);
                p2pd_write_string_field(w, "text",
                                        p2p_reason_format(m, reason, text, sizeof(text)));
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
}

static void write_path(struct p2pd_writer *w, const struct p2p_machine *m,
                       const struct p2p_explanation *e)
{
        p2pd_write_key(w, "path");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < e->n_path; i++) {
                const struct p2p_path_element *element = &e->path[i];
                const struct p2p_function *f = &m->functions[element->function];

                p2pd_write_open_object(w);
                p2pd_write_address_field(w, "function", f->address);
                p2pd_write_string_field(w, "side", p2p_side_to_string(element->side));
                p2pd_write_string_field(w, "kind", p2p_kind_to_string(p2p_function_kind(f)));
                p2pd_write_optional_string_field(w, "port_type", p2pd_port_type_name(f->port_type));
                p2pd_write_names_field(w, "names", f);
                p2pd_write_link_field(w, "link", f);
                p2pd_write_acs_bits_field(w, "redirects", element->acs_redirect_bits);
                p2pd_write_bool_field(w, "acs_unknown", element->acs_unknown);
                p2pd_write_bool_field(w, "counts", element->counts);
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
}

static void write_constraint(struct p2pd_writer *w, const struct p2p_machine *m,
                             const struct p2p_constraint *c)
{
        char text[SENTENCE_MAX];

        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "name", p2p_constraint_to_string(c->kind));
        p2pd_write_bool_field(w, "reads", c->reads);
        p2pd_write_bool_field(w, "writes", c->writes);
        p2pd_write_bool_field(w, "blocks", c->blocks);
        p2pd_write_bool_field(w, "uncertain", c->is_unknown);
        p2pd_write_optional_function_field(w, "function", m, c->function);
        if (c->bar_index != P2P_NONE)
                p2pd_write_uint_field(w, "bar_index", c->bar_index);
        p2pd_write_string_field(w, "text", p2p_constraint_format(m, c, text, sizeof(text)));
        p2pd_write_close_object(w);
}

/* The one that takes the generations before: uncertain, for nobody can see what the kernel was
 * asked. */
static void write_kernel_cache(struct p2pd_writer *w, const struct p2pd_snapshot *s,
                               const struct pair *pair)
{
        const struct p2p_function *functions = s->machine->functions;
        const struct p2p_constraint c = {
                .kind = P2P_CONSTRAINT_STALE_KERNEL_CACHE,
                .reads = true,
                .writes = true,
                .is_unknown = true,
                .function = pair->provider,
                .bar_index = P2P_NONE,
                .detail = p2p_kernel_cache_older_maps(
                        s->kernel_cache, functions[pair->provider].address,
                        functions[pair->client].address,
                        p2p_verdicts_get(s->verdicts[P2P_RULES_RUNNING], pair->provider,
                                         pair->client)
                                .map),
        };

        if (c.detail != 0)
                write_constraint(w, s->machine, &c);
}

static void write_constraints(struct p2pd_writer *w, const struct p2pd_snapshot *s,
                              const struct pair *pair, const struct p2p_explanation *e)
{
        p2pd_write_key(w, "constraints");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < e->n_constraints; i++)
                write_constraint(w, s->machine, &e->constraints[i]);
        write_kernel_cache(w, s, pair);
        p2pd_write_close_array(w);
}

static void write_remedies(struct p2pd_writer *w, const struct p2p_explanation *e)
{
        p2pd_write_key(w, "remedies");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < e->n_remedies; i++) {
                const struct p2p_remedy *remedy = &e->remedies[i];

                p2pd_write_open_object(w);
                p2pd_write_string_field(w, "name", p2p_remedy_to_string(remedy->kind));
                p2pd_write_string_field(w, "command", remedy->command);
                p2pd_write_optional_string_field(w, "gives_up", remedy->gives_up);
                p2pd_write_string_field(w, "map_after", p2pd_map_name(remedy->map_after));
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
}

static void write_bounce(struct p2pd_writer *w, const struct p2p_explanation *e)
{
        if (!p2p_fact_is_known(e->bounce_node) && !e->bounce_cpulist)
                return;
        p2pd_write_key(w, "bounce");
        p2pd_write_open_object(w);
        p2pd_write_int_fact(w, "numa_node", e->bounce_node);
        p2pd_write_optional_string_field(w, "cpus", e->bounce_cpulist);
        p2pd_write_close_object(w);
}

static void write_host_bridge(struct p2pd_writer *w, const struct p2p_machine *m, uint32_t function)
{
        uint32_t root = m->functions[function].root;
        char name[P2PD_ROOT_NAME_MAX];

        p2pd_write_string(w, root == P2P_NONE ? "" : p2pd_root_name(&m->roots[root], name));
}

static void write_pair(struct p2pd_writer *w, const struct p2p_machine *m, const struct pair *pair)
{
        p2pd_write_address_field(w, "provider", m->functions[pair->provider].address);
        p2pd_write_address_field(w, "client", m->functions[pair->client].address);
        p2pd_write_key(w, "host_bridges");
        p2pd_write_open_array(w);
        write_host_bridge(w, m, pair->provider);
        write_host_bridge(w, m, pair->client);
        p2pd_write_close_array(w);
}

static void write_rules(struct p2pd_writer *w, const struct p2p_rules *rules)
{
        char release[P2PD_RULES_RELEASE_MAX];

        p2pd_write_string_field(w, "rules", p2p_rules_choice_to_string(rules->choice));
        p2pd_write_string_field(w, "rules_release", p2pd_rules_release(rules, release));
}

static void write_verified(struct p2pd_writer *w, const struct p2pd_call *call,
                           const struct pair *pair)
{
        const struct p2p_function *functions = call->snapshot->machine->functions;
        const struct p2pd_verification *v = p2pd_verifications_find(
                call->server->verifications, functions[pair->provider].address,
                functions[pair->client].address);

        if (!v)
                return;
        p2pd_write_key(w, "verification");
        p2pd_write_verification(w, v);
}

static void write_explanation(struct p2pd_writer *w, const struct p2pd_snapshot *s,
                              const struct pair *pair, const struct p2p_explanation *e)
{
        const struct p2p_machine *m = s->machine;

        p2pd_write_key(w, "verdict");
        p2pd_write_verdict(w, p2pd_verdict_of(&e->decision));
        write_reasons(w, m, e);
        write_path(w, m, e);
        write_constraints(w, s, pair, e);
        write_remedies(w, e);
        p2pd_write_int_fact(w, "bottleneck_mbps", e->bottleneck_mbps);
        p2pd_write_optional_function_field(w, "bottleneck_function", m, e->bottleneck_function);
        write_bounce(w, e);
}

int p2pd_method_explain(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"provider", P2PD_PARAMETER_STRING},
                {"client", P2PD_PARAMETER_STRING},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        const struct p2p_machine *m = call->snapshot->machine;
        struct p2pd_argument arguments[3];
        struct p2pd_writer *w = call->writer;
        struct p2p_explanation *e = NULL;
        const struct p2p_rules *rules;
        struct pair pair;
        int r;

        r = p2pd_call_parameters(call, parameters, 3, arguments);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[0].text, &pair.provider);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[1].text, &pair.client);
        if (r != 0)
                return r;
        rules = p2p_verdicts_rules(p2pd_call_verdicts(call, &arguments[2]));
        r = p2p_explanation_new(m, rules, pair.provider, pair.client, &e);
        if (r < 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", call->snapshot->generation);
        p2pd_write_key(w, "explanation");
        p2pd_write_open_object(w);
        write_pair(w, m, &pair);
        write_rules(w, rules);
        write_explanation(w, call->snapshot, &pair, e);
        write_verified(w, call, &pair);
        p2pd_write_close_object(w);
        p2pd_reply_end(w, false);
        p2p_explanation_free(e);
        return 0;
}
