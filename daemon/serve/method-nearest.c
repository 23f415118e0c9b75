/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FindProvider */
#include <errno.h>
#include <stdlib.h>

#include "decide/nearest.h"
#include "serve/asked.h"
#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

#define CLIENTS_MAX 256U
#define PROVIDERS_MAX 1024U

struct nearest_job {
        struct p2pd_job job;
        struct p2pd_asked asked;
        bool include_held;
        uint64_t min_available_bytes;
        uint32_t max;
        enum p2p_rules_choice rules;
};

static void nearest_free(struct p2pd_job *job)
{
        struct nearest_job *x = (struct nearest_job *)job;

        p2pd_asked_deinit(&x->asked);
        free(x);
}

static int nearest_prepare(struct p2pd_job *job, struct p2pd_server *s)
{
        struct nearest_job *x = (struct nearest_job *)job;

        return p2pd_asked_prepare(&x->asked, job, s, !x->include_held);
}

static void write_near(struct p2pd_writer *w, const struct p2p_machine *m,
                       const struct p2p_near *near, uint32_t n_clients)
{
        const struct p2p_function *f = &m->functions[near->function];

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "function", f->address);
        p2pd_write_names_field(w, "names", f);
        p2pd_write_uint_field(w, "distance_hops", near->distance_hops);
        p2pd_write_key(w, "to");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < n_clients; i++)
                p2pd_write_verdict(w, near->to[i]);
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

static void write_excluded(struct p2pd_writer *w, const struct p2p_machine *m,
                           const struct p2p_not_near *excluded)
{
        const struct p2p_function *f = &m->functions[excluded->function];

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "function", f->address);
        p2pd_write_names_field(w, "names", f);
        p2pd_write_string_field(w, "why", p2p_nearest_why_to_string(excluded->why));
        p2pd_write_optional_function_field(w, "client", m, excluded->client);
        if (excluded->why == P2P_NEAREST_HELD)
                p2pd_write_uint_field(w, "distance_hops", excluded->distance_hops);
        p2pd_write_close_object(w);
}

static int nearest_run(struct p2pd_job *job)
{
        const struct nearest_job *x = (const struct nearest_job *)job;
        const struct p2p_machine *m = job->snapshot->machine;
        const struct p2p_nearest_params params = {
                .machine = m,
                .verdicts = job->snapshot->verdicts[x->rules],
                .clients = x->asked.functions,
                .n_clients = x->asked.n_clients,
                .held = x->asked.held,
                .min_available_bytes = x->min_available_bytes,
                .max = x->max,
        };
        struct p2pd_writer *w = &job->writer;
        struct p2p_nearest *nearest;
        int r = p2p_nearest_new(&params, &nearest);

        if (r < 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", job->snapshot->generation);
        p2pd_write_key(w, "providers");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < nearest->n_list; i++)
                write_near(w, m, &nearest->list[i], params.n_clients);
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "found", nearest->n_found);
        p2pd_write_uint_field(w, "equal", nearest->n_equal);
        p2pd_write_key(w, "excluded");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < nearest->n_excluded; i++)
                write_excluded(w, m, &nearest->excluded[i]);
        p2pd_write_close_array(w);
        p2pd_reply_end(w, false);
        p2p_nearest_free(nearest);
        return 0;
}

static const struct p2pd_job_type nearest_type = {
        .prepare = nearest_prepare,
        .run = nearest_run,
        .free = nearest_free,
};

static int read_question(struct p2pd_call *call, struct nearest_job *x)
{
        static const struct p2pd_parameter parameters[] = {
                {"clients", P2PD_PARAMETER_STRINGS},
                {"min_available_bytes", P2PD_PARAMETER_OPTIONAL_HEX},
                {"include_held", P2PD_PARAMETER_OPTIONAL_BOOL},
                {"count", P2PD_PARAMETER_OPTIONAL_INT},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[5];
        int r;

        r = p2pd_call_parameters(call, parameters, 5, arguments);
        if (r != 0)
                return r;
        if (arguments[0].n_elements == 0)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text("clients"));
        x->max = 1;
        if (arguments[3].present) {
                if (arguments[3].number < 1 || arguments[3].number > PROVIDERS_MAX)
                        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                                p2pd_text("count"));
                x->max = (uint32_t)arguments[3].number;
        }
        x->min_available_bytes = arguments[1].hex;
        x->include_held = arguments[2].yes;
        x->rules = arguments[4].rules;
        return p2pd_asked_read(call, &arguments[0], "clients", CLIENTS_MAX, &x->asked);
}

int p2pd_method_find_provider(struct p2pd_call *call)
{
        struct nearest_job *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = read_question(call, x);
        if (r != 0) {
                nearest_free(&x->job);
                return r;
        }
        p2pd_job_init(&x->job, &nearest_type, NULL, sizeof(*x));
        p2pd_call_submit(call, &x->job);
        return 0;
}
