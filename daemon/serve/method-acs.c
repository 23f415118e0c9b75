/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PlanAcs, VerifyAcs */
#include <errno.h>
#include <stdlib.h>

#include "serve/call.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/reply-acs.h"

/* How many pairs one plan may be asked for. */
#define PAIRS_MAX 4096U

struct acs_job {
        struct p2pd_job job;
        struct p2p_acs_pair *pairs; /* NULL: every GPU with its nearest NICs */
        uint32_t n_pairs;
        bool both_directions;
        enum p2p_rules_choice rules;
};

static void acs_free(struct p2pd_job *job)
{
        struct acs_job *x = (struct acs_job *)job;

        free(x->pairs);
        free(x);
}

static int find_pairs(struct acs_job *x)
{
        struct p2pd_refusal_value values[] = {{.number = 0}, {.number = PAIRS_MAX}};
        int r = 0;

        if (!x->pairs)
                r = p2p_acs_pairs_gpu_nic_new(x->job.snapshot->machine, &x->pairs, &x->n_pairs);
        if (r < 0 || x->n_pairs <= PAIRS_MAX)
                return r;
        values[0].number = x->n_pairs;
        p2pd_refusal_write(&x->job.writer, P2PD_REFUSED_TOO_MUCH, values);
        return P2PD_CALL_REFUSED;
}

static int plan_run(struct p2pd_job *job)
{
        struct acs_job *x = (struct acs_job *)job;
        struct p2p_acs_plan_params params = {
                .m = job->snapshot->machine,
                .rules = p2p_verdicts_rules(job->snapshot->verdicts[x->rules]),
                .both_directions = x->both_directions,
        };
        struct p2pd_writer *w = &job->writer;
        struct p2p_acs_plan *plan;
        int r;

        r = find_pairs(x);
        if (r != 0)
                return r;
        params.pairs = x->pairs;
        params.n_pairs = x->n_pairs;
        r = p2p_acs_plan_new(&params, &plan);
        if (r < 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", job->snapshot->generation);
        p2pd_write_key(w, "plan");
        p2pd_write_acs_plan(w, params.m, plan);
        p2pd_reply_end(w, false);
        p2p_acs_plan_free(plan);
        return 0;
}

static int verify_run(struct p2pd_job *job)
{
        const struct p2p_machine *m = job->snapshot->machine;
        struct p2pd_writer *w = &job->writer;
        struct p2p_acs_verify *verify;
        int r = p2p_acs_verify_new(m, &verify);

        if (r < 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", job->snapshot->generation);
        p2pd_write_key(w, "verification");
        p2pd_write_acs_verification(w, m, verify);
        p2pd_reply_end(w, false);
        p2p_acs_verify_free(verify);
        return 0;
}

static const struct p2pd_job_type plan_type = {.run = plan_run, .free = acs_free};
static const struct p2pd_job_type verify_type = {.run = verify_run, .free = acs_free};

static int read_pair(struct p2pd_call *call, struct p2p_json *object, struct p2p_acs_pair *ret)
{
        static const struct p2pd_parameter members[] = {
                {"provider", P2PD_PARAMETER_STRING},
                {"client", P2PD_PARAMETER_STRING},
        };
        struct p2pd_argument arguments[2];
        int r;

        r = p2pd_call_members(call, object, members, 2, arguments);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[0].text, &ret->provider);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[1].text, &ret->client);
        return r;
}

static int read_pairs(struct p2pd_call *call, const struct p2pd_argument *argument,
                      struct acs_job *x)
{
        struct p2p_json array = argument->array;
        struct p2p_json_items items = {0};
        int r;

        if (!argument->present)
                return 0;
        if (argument->n_elements > PAIRS_MAX)
                return p2pd_refuse_too_much(call, argument->n_elements, PAIRS_MAX);
        x->pairs = calloc(argument->n_elements + 1U, sizeof(*x->pairs));
        if (!x->pairs)
                return -ENOMEM;
        r = p2p_json_enter_array(&array);
        while (r == 0 && (r = p2p_json_next_element(&array, &items)) > 0)
                r = read_pair(call, &array, &x->pairs[x->n_pairs++]);
        return r;
}

static int read_plan(struct p2pd_call *call, struct acs_job *x)
{
        static const struct p2pd_parameter parameters[] = {
                {"pairs", P2PD_PARAMETER_OPTIONAL_OBJECTS},
                {"both_directions", P2PD_PARAMETER_OPTIONAL_BOOL},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[3];
        int r;

        r = p2pd_call_parameters(call, parameters, 3, arguments);
        if (r != 0)
                return r;
        x->both_directions = !arguments[1].present || arguments[1].yes;
        x->rules = arguments[2].rules;
        return read_pairs(call, &arguments[0], x);
}

static int submit(struct p2pd_call *call, int (*read)(struct p2pd_call *call, struct acs_job *x),
                  const struct p2pd_job_type *type)
{
        struct acs_job *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = read(call, x);
        if (r != 0) {
                acs_free(&x->job);
                return r;
        }
        p2pd_job_init(&x->job, type, call->snapshot, sizeof(*x) + x->n_pairs * sizeof(*x->pairs));
        p2pd_call_submit(call, &x->job);
        return 0;
}

static int read_nothing(struct p2pd_call *call, struct acs_job *x)
{
        (void)x;
        return p2pd_call_parameters(call, NULL, 0, NULL);
}

int p2pd_method_plan_acs(struct p2pd_call *call)
{
        return submit(call, read_plan, &plan_type);
}

int p2pd_method_verify_acs(struct p2pd_call *call)
{
        return submit(call, read_nothing, &verify_type);
}
