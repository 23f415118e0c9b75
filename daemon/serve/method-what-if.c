/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WhatIf */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/constraint.h"
#include "decide/what-if.h"
#include "serve/call.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

/* How many flipped pairs, and pairs whose bandwidth or constraints change, a reply lists. */
#define FLIPS_MAX 1024U
#define PAIRS_MAX 1024U
/* The longest text of an edit, with its NUL: two names and a value. */
#define EDIT_SIZE 256U

struct what_if_job {
        struct p2pd_job job;
        struct p2p_edit edits[P2P_WHAT_IF_EDITS_MAX];
        char *texts[P2P_WHAT_IF_EDITS_MAX]; /* for errors */
        uint32_t n_edits;
        enum p2p_rules_choice rules;
};

static void what_if_free(struct p2pd_job *job)
{
        struct what_if_job *x = (struct what_if_job *)job;

        for (uint32_t i = 0; i < x->n_edits; i++)
                free(x->texts[i]);
        free(x);
}

/* fault: NULL for the whole edit. */
static void write_refusal(struct p2pd_writer *w, const char *text, int refusal,
                          const struct p2p_edit_fault *fault)
{
        const struct p2pd_refusal_value values[] = {
                {.text = p2pd_text(text)},
                {.text = {fault ? text + fault->at : NULL, fault ? fault->len : 0}},
                {.text = p2pd_text(p2p_what_if_error_to_string(refusal))},
                {.text = p2pd_text(p2p_what_if_error_text(refusal))},
        };

        p2pd_refusal_write(w, P2PD_REFUSED_EDIT_INVALID, values);
}

/*
 * The answer
 */

static void write_constraints_field(struct p2pd_writer *w, const char *key, uint32_t bits)
{
        p2pd_write_key(w, key);
        p2pd_write_open_array(w);
        for (enum p2p_constraint_kind i = 0; i < P2P_CONSTRAINT_MAX; i++)
                if (bits & (1U << i))
                        p2pd_write_string(w, p2p_constraint_to_string(i));
        p2pd_write_close_array(w);
}

static void write_pair(struct p2pd_writer *w, const struct p2p_what_if_pair *pair)
{
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", pair->provider);
        p2pd_write_address_field(w, "client", pair->client);
        p2pd_write_int_fact(w, "before_mbps", pair->before_mbps);
        p2pd_write_int_fact(w, "after_mbps", pair->after_mbps);
        write_constraints_field(w, "before_constraints", pair->before_constraints);
        write_constraints_field(w, "after_constraints", pair->after_constraints);
        p2pd_write_close_object(w);
}

static void write_diff(struct p2pd_writer *w, const struct p2p_diff *diff)
{
        p2pd_write_bool_field(w, "machine_wide", diff->machine_wide);
        p2pd_write_key(w, "changes");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < diff->n_changes; i++)
                p2pd_write_change(w, &diff->changes[i]);
        p2pd_write_close_array(w);
        p2pd_write_key(w, "flips");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < diff->n_flips; i++)
                p2pd_write_flip(w, &diff->flips[i]);
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "flips_total", diff->n_flips_total);
}

static void write_what_if(struct p2pd_writer *w, const struct p2p_what_if *what_if)
{
        char release[P2PD_RULES_RELEASE_MAX];

        p2pd_write_string_field(w, "before_release",
                                p2pd_rules_release(&what_if->before_rules, release));
        p2pd_write_string_field(w, "after_release",
                                p2pd_rules_release(&what_if->after_rules, release));
        write_diff(w, what_if->diff);
        p2pd_write_key(w, "moves");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < what_if->n_moves; i++) {
                p2pd_write_open_object(w);
                p2pd_write_address_field(w, "before", what_if->moves[i].before);
                p2pd_write_address_field(w, "after", what_if->moves[i].after);
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
        p2pd_write_key(w, "pairs");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < what_if->n_pairs; i++)
                write_pair(w, &what_if->pairs[i]);
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "pairs_total", what_if->n_pairs_total);
        p2pd_write_key(w, "notes");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < what_if->n_notes; i++)
                p2pd_write_string(w, what_if->notes[i]);
        p2pd_write_close_array(w);
}

static int what_if_run(struct p2pd_job *job)
{
        const struct what_if_job *x = (const struct what_if_job *)job;
        const struct p2p_what_if_params params = {
                .m = job->snapshot->machine,
                .verdicts = job->snapshot->verdicts[x->rules],
                .rules = x->rules,
                .edits = x->edits,
                .n_edits = x->n_edits,
                .flips_max = FLIPS_MAX,
                .pairs_max = PAIRS_MAX,
        };
        struct p2pd_writer *w = &job->writer;
        struct p2p_what_if *what_if;
        uint32_t refused = 0;
        int r = p2p_what_if_new(&params, &what_if, &refused);

        if (r < 0)
                return r;
        if (r > 0) {
                write_refusal(w, x->texts[refused], r, NULL);
                return P2PD_CALL_REFUSED;
        }
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", job->snapshot->generation);
        write_what_if(w, what_if);
        p2pd_reply_end(w, false);
        p2p_what_if_free(what_if);
        return 0;
}

static const struct p2pd_job_type what_if_type = {.run = what_if_run, .free = what_if_free};

/*
 * The question
 */

static int resolve(const char *name, uint32_t len, uint32_t *ret_function, void *userdata)
{
        const struct p2pd_function_index *index = userdata;

        switch (p2pd_function_index_find(index, (struct p2pd_text){name, len}, ret_function)) {
        case 0:
                return 0;
        case P2PD_FUNCTION_INDEX_E_AMBIGUOUS:
                return P2P_WHAT_IF_E_AMBIGUOUS;
        default:
                return P2P_WHAT_IF_E_NO_SUCH_FUNCTION;
        }
}

static int read_edit(struct p2pd_call *call, struct p2pd_text text, struct what_if_job *x)
{
        struct p2pd_function_index *index =
                (struct p2pd_function_index *)p2pd_server_index(call->server);
        struct p2p_edit_fault fault;
        char edit[EDIT_SIZE];
        int r;

        if (!index)
                return -ENOMEM;
        r = p2pd_call_copy_text(call, text, "edits", edit, sizeof(edit));
        if (r != 0)
                return r;
        r = p2p_edit_parse(edit, resolve, index, &x->edits[x->n_edits], &fault);
        if (r > 0) {
                call->server->counters.errors++;
                write_refusal(call->writer, edit, r, &fault);
                return P2PD_CALL_REFUSED;
        }
        if (r < 0)
                return r;
        x->texts[x->n_edits] = strdup(edit);
        if (!x->texts[x->n_edits])
                return -ENOMEM;
        x->n_edits++;
        return 0;
}

static int read_question(struct p2pd_call *call, struct what_if_job *x)
{
        static const struct p2pd_parameter parameters[] = {
                {"edits", P2PD_PARAMETER_STRINGS},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2p_json_items items = {0};
        struct p2pd_argument arguments[2];
        struct p2p_json_slice text;
        int r;

        r = p2pd_call_parameters(call, parameters, 2, arguments);
        if (r != 0)
                return r;
        if (arguments[0].n_elements > P2P_WHAT_IF_EDITS_MAX)
                return p2pd_refuse_too_much(call, arguments[0].n_elements, P2P_WHAT_IF_EDITS_MAX);
        x->rules = arguments[1].rules;
        r = p2p_json_enter_array(&arguments[0].array);
        while (r == 0 && (r = p2p_json_next_element(&arguments[0].array, &items)) > 0) {
                r = p2p_json_read_slice(&arguments[0].array, &text);
                if (r == 0)
                        r = read_edit(call, p2pd_varlink_text(&call->message, &text), x);
        }
        return r;
}

int p2pd_method_what_if(struct p2pd_call *call)
{
        struct what_if_job *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = read_question(call, x);
        if (r != 0) {
                what_if_free(&x->job);
                return r;
        }
        p2pd_job_init(&x->job, &what_if_type, call->snapshot,
                      sizeof(*x) + (size_t)x->n_edits * EDIT_SIZE);
        p2pd_call_submit(call, &x->job);
        return 0;
}
