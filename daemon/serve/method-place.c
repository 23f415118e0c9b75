/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Place: computed in a thread, held (if that is asked for) in the loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/place-job.h"
#include "serve/server-private.h"

/* How often a choice that somebody else was faster with is made anew. */
#define ATTEMPTS_MAX 8U

static void selector_deinit(struct p2pd_place_selector *s)
{
        p2p_selector_free(s->selector);
        free(s->text);
}

static void place_free(struct p2pd_job *job)
{
        struct p2pd_place_job *x = (struct p2pd_place_job *)job;

        selector_deinit(&x->of);
        for (size_t i = 0; i < P2P_PLACE_RULES_MAX; i++)
                selector_deinit(&x->companions[i]);
        for (size_t i = 0; i < P2PD_PLACE_AVOID_MAX; i++)
                selector_deinit(&x->avoid[i]);
        p2pd_asked_deinit(&x->asked);
        free(x->chosen);
        free(x);
}

static int place_prepare(struct p2pd_job *job, struct p2pd_server *s)
{
        struct p2pd_place_job *x = (struct p2pd_place_job *)job;

        return p2pd_asked_prepare(&x->asked, job, s, !x->include_held);
}

static int keep_chosen(struct p2pd_place_job *x, const struct p2p_place *place)
{
        const struct p2p_place_answer *first = &place->answers[0];
        const uint32_t n_companions = place->n_items * place->n_per_item;

        free(x->chosen);
        x->n_chosen = place->n_items + n_companions;
        x->chosen = calloc(x->n_chosen, sizeof(*x->chosen));
        if (!x->chosen)
                return -ENOMEM;
        memcpy(x->chosen, first->items, place->n_items * sizeof(*x->chosen));
        if (n_companions > 0)
                memcpy(x->chosen + place->n_items, first->companions,
                       n_companions * sizeof(*x->chosen));
        return 0;
}

static int refuse_request(struct p2pd_place_job *x, int refusal)
{
        const struct p2pd_refusal_value value = {.text = p2pd_text("count")};

        p2pd_refusal_write(&x->job.writer,
                           refusal == P2P_PLACE_E_TOO_LARGE ? P2PD_REFUSED_PLACEMENT_TOO_LARGE
                                                            : P2PD_REFUSED_INVALID_PARAMETER,
                           &value);
        return P2PD_CALL_REFUSED;
}

static int place_run(struct p2pd_job *job)
{
        struct p2pd_place_job *x = (struct p2pd_place_job *)job;
        const struct p2p_selector *avoid[P2PD_PLACE_AVOID_MAX];
        struct p2p_place_request request = x->request;
        struct p2p_place *place;
        int r;

        for (uint32_t i = 0; i < request.n_avoid; i++)
                avoid[i] = x->avoid[i].selector;
        request.of = x->of.selector;
        request.rules = x->rules;
        request.avoid = avoid;
        request.clients = x->asked.functions;
        request.n_clients = x->asked.n_clients;
        request.taken = x->asked.held;
        r = p2p_place_new(job->snapshot->machine, job->snapshot->verdicts[x->rules_choice],
                          &request, &place);
        if (r > 0)
                return refuse_request(x, r);
        if (r < 0)
                return r;
        if (place->n_answers == 0) {
                p2pd_write_no_placement(x, place, &job->writer);
                r = P2PD_CALL_REFUSED;
        } else {
                p2pd_write_placements(x, place, &job->writer);
                r = x->holds ? keep_chosen(x, place) : 0;
        }
        p2p_place_free(place);
        return r;
}

/* Between the choice and this the machine, or who holds what, may have become another. */
static int place_finish(struct p2pd_job *job, struct p2pd_server *s)
{
        struct p2pd_place_job *x = (struct p2pd_place_job *)job;
        struct p2pd_lease_obstacle obstacle = {.function = P2P_NONE};
        int r;

        if (!x->holds)
                return 0;
        x->n_attempts++;
        if (s->snapshot->machine != job->snapshot->machine)
                return x->n_attempts < ATTEMPTS_MAX ? P2PD_JOB_AGAIN : -EAGAIN;
        r = p2pd_hold_begin(s, job->connection, &x->hold, x->chosen, x->n_chosen, &obstacle);
        if (r == 0)
                return P2PD_JOB_WAITS;
        if (r < 0)
                return r;
        if (r == P2PD_LEASE_E_HELD && x->n_attempts < ATTEMPTS_MAX)
                return P2PD_JOB_AGAIN;
        p2pd_buffer_deinit(&job->text);
        job->writer = p2pd_writer(&job->text);
        return p2pd_hold_refuse(s, &job->writer, r, &obstacle);
}

static const struct p2pd_job_type place_type = {
        .prepare = place_prepare,
        .run = place_run,
        .finish = place_finish,
        .free = place_free,
};

int p2pd_method_place(struct p2pd_call *call)
{
        struct p2pd_place_job *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = p2pd_place_read(call, x);
        if (r != 0) {
                place_free(&x->job);
                return r;
        }
        p2pd_job_init(&x->job, &place_type, NULL, sizeof(*x) + x->job.bytes);
        p2pd_call_submit(call, &x->job);
        return 0;
}
