/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-answer.h"
#include "decide/place-refuse.h"
#include "decide/place-solve.h"

/*
 * The N best: the best of all choices is taken out, and what is left falls into parts, one for each
 * place of the choice: those that are like it up to there and differ there. The best of each part
 * is found in the same way, and the best of those is next. (Lawler's and Murty's partition.)
 *
 * A part need not be looked into while something better is known than it can hold: no choice in it
 * has a better score than the one it was split from, and one with the same score comes after it in
 * the order of addresses, differing at that place first.
 */

struct part {
        struct place_part_of_all all;
        struct place_score most; /* nothing in it is better */
        bool is_solved;
        struct place_solution solution; /* if so; else functions is the choice it was split from */
};

struct placing {
        const struct place_model *model;
        const struct p2p_place_request *request;
        struct place_solver solver;
        struct p2p_flows *flows;
        struct p2p_place *place;
        struct part *parts;
        uint32_t n_parts, parts_room;
};

const char *p2p_place_proven_to_string(enum p2p_place_proven proven)
{
        static const char *const names[P2P_PLACE_PROVEN_MAX] = {
                [P2P_PLACE_PROVEN_NOTHING] = "nothing",
                [P2P_PLACE_PROVEN_PATH] = "path",
                [P2P_PLACE_PROVEN_BOTTLENECK] = "bottleneck",
                [P2P_PLACE_PROVEN_NUMA] = "numa",
                [P2P_PLACE_PROVEN_ALL] = "all",
        };

        return proven < P2P_PLACE_PROVEN_MAX ? names[proven] : NULL;
}

static void part_deinit(struct part *p)
{
        free(p->all.begin.functions);
        free(p->all.excluded);
        free(p->solution.functions);
}

/* The choices that begin like the solved part's solution up to `at`, then differ. */
static int add_part(struct placing *p, const struct part *from, uint32_t at)
{
        const uint32_t n = p->solver.n_functions, *functions = from->solution.functions;
        const bool first = at == from->all.begin.n;
        const uint32_t n_excluded = first ? from->all.n_excluded : 0;
        struct part part = {
                .all.begin = {calloc((size_t)at + 1, sizeof(uint32_t)), at},
                .all.excluded = calloc((size_t)n_excluded + 1, sizeof(uint32_t)),
                .all.n_excluded = n_excluded + 1,
                .most = from->solution.score,
                .solution.functions = calloc((size_t)n + 1, sizeof(uint32_t)),
        };

        if (!part.all.begin.functions || !part.all.excluded || !part.solution.functions) {
                part_deinit(&part);
                return -ENOMEM;
        }
        memcpy(part.all.begin.functions, functions, at * sizeof(*functions));
        if (n_excluded > 0)
                memcpy(part.all.excluded, from->all.excluded, n_excluded * sizeof(*functions));
        part.all.excluded[n_excluded] = functions[at];
        memcpy(part.solution.functions, functions, n * sizeof(*functions));
        p->parts[p->n_parts++] = part;
        return 0;
}

static int split(struct placing *p, const struct part *from)
{
        const uint32_t n = p->solver.n_functions, begin = from->all.begin.n;
        int r = 0;

        if (p->parts_room - p->n_parts < n - begin) {
                uint32_t room = p->parts_room * 2 + n;
                struct part *parts = reallocarray(p->parts, room, sizeof(*parts));

                if (!parts)
                        return -ENOMEM;
                p->parts = parts;
                p->parts_room = room;
        }
        for (uint32_t at = begin; r == 0 && at < n; at++)
                r = add_part(p, from, at);
        return r;
}

/*
 * Which of two parts comes first: by what they hold, or can hold at best. An unsolved one holds
 * choices that are like its functions up to and without place begin.n, and above them there.
 */
static bool comes_before(const struct part *a, const struct part *b, uint32_t n)
{
        const struct place_score *x = a->is_solved ? &a->solution.score : &a->most;
        const struct place_score *y = b->is_solved ? &b->solution.score : &b->most;
        const uint32_t n_a = a->is_solved ? n : a->all.begin.n + 1;
        const uint32_t n_b = b->is_solved ? n : b->all.begin.n + 1;
        int order = place_score_compare(x, y);

        if (order != 0)
                return order < 0;
        for (uint32_t i = 0; i < n_a && i < n_b; i++)
                if (a->solution.functions[i] != b->solution.functions[i])
                        return a->solution.functions[i] < b->solution.functions[i];
        /* The longer one is at or below what the other is above. */
        return n_a > n_b;
}

static struct part *first_part(struct placing *p)
{
        struct part *first = NULL;

        for (uint32_t i = 0; i < p->n_parts; i++)
                if (!first || comes_before(&p->parts[i], first, p->solver.n_functions))
                        first = &p->parts[i];
        return first;
}

static void drop_part(struct placing *p, struct part *part)
{
        part_deinit(part);
        *part = p->parts[--p->n_parts];
}

static int give_answer(struct placing *p, const struct part *part)
{
        struct place_solution solution = part->solution;
        int r;

        /* Where something was given up, what follows may have been passed over. */
        if (!p->place->complete) {
                solution.proven = P2P_PLACE_PROVEN_NOTHING;
                solution.bound_path = P2P_PATH_LOC;
                solution.bound_share = (struct place_share){.unlimited = true};
        }
        if (solution.proven != P2P_PLACE_PROVEN_ALL)
                p->place->complete = false;
        r = place_answer_init(&p->place->answers[p->place->n_answers], p->model, &solution,
                              p->flows);
        if (r == 0)
                p->place->n_answers++;
        return r;
}

static const struct p2p_place_answer *last_answer(const struct placing *p)
{
        return &p->place->answers[p->place->n_answers - 1];
}

/* The next best answer, or the end of the list (*ret_end). */
static int next_answer(struct placing *p, bool *ret_end)
{
        struct part *first = first_part(p), answer;
        int r;

        if (!first) {
                *ret_end = true;
                return 0;
        }
        if (!first->is_solved) {
                switch (place_solve(&p->solver, &first->all, &first->most, &first->solution)) {
                case PLACE_FOUND_YES:
                        first->is_solved = true;
                        break;
                case PLACE_FOUND_GAVE_UP:
                        p->place->complete = false;
                        drop_part(p, first);
                        break;
                case PLACE_FOUND_NO:
                        drop_part(p, first);
                        break;
                }
                return 0;
        }
        r = give_answer(p, first);
        answer = *first;
        *first = p->parts[--p->n_parts];
        /* Behind an answer of which nothing is proven, "next best" has no meaning. */
        *ret_end = p->place->n_answers == p->request->n_best || r != 0 ||
                   last_answer(p)->proven == P2P_PLACE_PROVEN_NOTHING;
        if (!*ret_end)
                r = split(p, &answer);
        part_deinit(&answer);
        return r;
}

/* ---- the first answer ---- */

/* What the request asks of every choice; bad: pairs without a map are let through. */
static struct place_bounds limits_of(const struct p2p_place_request *request, bool bad)
{
        struct place_bounds b = {
                .path_max = (uint8_t)request->path_max,
                .numa_max = P2P_NONE,
                .n_rules = request->n_rules,
        };

        if (!bad)
                b.flags_refused |= PLACE_PAIR_NONE | PLACE_PAIR_UNKNOWN;
        if (request->must_be_bus)
                b.flags_refused |= PLACE_PAIR_NOT_BUS;
        if (request->bottleneck_min_mbps != 0) {
                b.flags_refused |= PLACE_PAIR_LINK_UNKNOWN;
                b.share = (struct place_share){
                        .link_mbps = request->bottleneck_min_mbps,
                        .n_flows = 1,
                };
        }
        return b;
}

/* Any choice at all; sets the solver's limits. */
static enum place_found find_any(struct placing *p, struct place_found_choice *ret)
{
        enum place_found found = PLACE_FOUND_NO;

        for (unsigned bad = 0; bad <= p->request->allow_bad && found != PLACE_FOUND_YES; bad++) {
                p->solver.limits = limits_of(p->request, bad);
                found = place_solver_loosen(&p->solver, &p->solver.limits, ret);
        }
        p->place->complete = !p->solver.gave_up;
        return found == PLACE_FOUND_NO && p->solver.gave_up ? PLACE_FOUND_GAVE_UP : found;
}

/* The part that is all choices, solved as far as can be; any choice if not at all. */
static int begin_parts(struct placing *p, const struct place_found_choice *any)
{
        const size_t n = (size_t)p->solver.n_functions + 1;
        struct part all = {
                .all.begin.functions = calloc(n, sizeof(uint32_t)),
                .solution.functions = calloc(n, sizeof(uint32_t)),
                .is_solved = true,
        };

        p->parts = calloc(1, sizeof(*p->parts));
        if (!all.all.begin.functions || !all.solution.functions || !p->parts) {
                part_deinit(&all);
                return -ENOMEM;
        }
        if (place_solve(&p->solver, &all.all, NULL, &all.solution) != PLACE_FOUND_YES) {
                memcpy(all.solution.functions, any->functions, (n - 1) * sizeof(uint32_t));
                all.solution.bound_share = (struct place_share){.unlimited = true};
                all.solution.score.path = p->solver.limits.path_max;
        }
        p->parts_room = 1;
        p->parts[p->n_parts++] = all;
        return 0;
}

static int place_best(struct placing *p, const struct place_found_choice *any)
{
        bool end = false;
        int r = begin_parts(p, any);

        while (r == 0 && !end)
                r = next_answer(p, &end);
        return r;
}

static int answer(struct placing *p)
{
        struct place_found_choice any = {
                .functions = calloc((size_t)p->solver.n_functions + 1, sizeof(uint32_t)),
        };
        uint64_t used;
        int r = 0;

        if (!any.functions)
                return -ENOMEM;
        switch (find_any(p, &any)) {
        case PLACE_FOUND_YES:
                r = place_best(p, &any);
                break;
        case PLACE_FOUND_GAVE_UP:
                p->place->refusal.gate = P2P_PLACE_GATE_WORK;
                break;
        case PLACE_FOUND_NO:
                used = place_search_work(p->solver.search);
                r = place_refuse(p->model,
                                 p->request->work_max > used ? p->request->work_max - used : 0,
                                 &p->place->refusal);
                break;
        }
        free(any.functions);
        return r;
}

static bool request_is_valid(const struct p2p_machine *m, const struct p2p_place_request *request)
{
        uint64_t n_per_item = 1;

        if (request->n_items == 0 || request->n_rules > P2P_PLACE_RULES_MAX ||
            request->n_clients > P2P_PLACE_CLIENTS_MAX || request->n_best == 0 ||
            request->n_best > P2P_PLACE_BEST_MAX || request->path_max >= P2P_PATH_MAX)
                return false;
        for (uint32_t i = 0; i < request->n_rules; i++) {
                if (request->rules[i].n == 0)
                        return false;
                n_per_item += request->rules[i].n;
        }
        for (uint32_t i = 0; i < request->n_clients; i++)
                if (request->clients[i] >= m->n_functions ||
                    !p2p_function_is_endpoint(&m->functions[request->clients[i]]))
                        return false;
        return n_per_item <= P2P_PLACE_FUNCTIONS_MAX / request->n_items;
}

static int placing_run(struct placing *p, const struct p2p_machine *m)
{
        int r;

        p->place->n_items = p->request->n_items;
        p->place->n_per_item = p->model->n_per_item;
        p->place->answers = calloc(p->request->n_best, sizeof(*p->place->answers));
        r = p->place->answers ? p2p_flows_new(m, &p->flows) : -ENOMEM;
        if (r == 0)
                r = place_solver_init(&p->solver, p->model, p->request->work_max);
        if (r != 0)
                return r;
        r = answer(p);
        p->place->work = place_search_work(p->solver.search);
        place_solver_deinit(&p->solver);
        while (p->n_parts > 0)
                drop_part(p, &p->parts[0]);
        free(p->parts);
        return r;
}

int p2p_place_new(const struct p2p_machine *m, const struct p2p_verdicts *verdicts,
                  const struct p2p_place_request *request, struct p2p_place **ret)
{
        struct place_model model;
        struct placing p = {.model = &model, .request = request};
        int r;

        if (!request_is_valid(m, request))
                return P2P_PLACE_E_REQUEST;
        r = place_model_init(&model, m, verdicts, request, PLACE_FILTER_NUMA_NODE);
        if (r != 0)
                return r;
        p.place = calloc(1, sizeof(*p.place));
        r = p.place ? placing_run(&p, m) : -ENOMEM;
        p2p_flows_free(p.flows);
        place_model_deinit(&model);
        if (r == 0)
                *ret = p.place;
        else
                p2p_place_free(p.place);
        return r;
}

struct p2p_place *p2p_place_free(struct p2p_place *p)
{
        if (!p)
                return NULL;
        for (uint32_t i = 0; i < p->n_answers; i++)
                place_answer_deinit(&p->answers[i]);
        free(p->answers);
        free(p);
        return NULL;
}
