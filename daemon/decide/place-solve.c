/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The best choice, point by point of the order: each point becomes a bound, and the search says if
 * it can be kept. Path classes are tried from the best on. Bottlenecks are bandwidths of links
 * divided by whole numbers: the largest that can be kept is closed in from both sides. What is best
 * so far is always a whole choice, so that there is one when the work is used up.
 */

#include "decide/place-solve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int place_score_compare(const struct place_score *a, const struct place_score *b)
{
        int order;

        if (a->path != b->path)
                return a->path < b->path ? -1 : 1;
        order = place_share_compare(&b->share, &a->share);
        if (order != 0)
                return order;
        return a->n_numa < b->n_numa ? -1 : a->n_numa > b->n_numa;
}

int place_solver_init(struct place_solver *s, const struct place_model *model, uint64_t work_max)
{
        const struct p2p_place_request *request = model->request;
        const uint32_t n = request->n_items * (1 + model->n_per_item);

        *s = (struct place_solver){
                .model = model,
                .limits = {.path_max = P2P_PATH_UNKNOWN,
                           .numa_max = P2P_NONE,
                           .n_rules = request->n_rules},
                .n_functions = n,
                .scratch = calloc((size_t)n + 1, sizeof(*s->scratch)),
                .begin = calloc((size_t)n + 1, sizeof(*s->begin)),
                .tried = calloc((size_t)model->n_classes + 1, sizeof(*s->tried)),
                .has_role = calloc((size_t)model->m->n_functions + 1, sizeof(*s->has_role)),
        };
        if (!s->scratch || !s->begin || !s->tried || !s->has_role ||
            place_search_new(model, work_max, &s->search) < 0) {
                place_solver_deinit(s);
                return -ENOMEM;
        }
        return 0;
}

void place_solver_deinit(struct place_solver *s)
{
        place_search_free(s->search);
        free(s->scratch);
        free(s->begin);
        free(s->tried);
        free(s->has_role);
        *s = (struct place_solver){0};
}

/* ---- shared companions ---- */

static uint32_t n_candidates(const struct place_model *model, uint32_t rule)
{
        uint32_t n = 0;

        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].roles & PLACE_ROLE_RULE(rule))
                        n += model->classes[c].n_members;
        return n;
}

static enum place_found loosen_from(struct place_solver *s, struct place_bounds *bounds,
                                    uint32_t rule, struct place_found_choice *ret)
{
        const struct p2p_place_request *request = s->model->request;
        const struct place_choice nothing = {.functions = s->begin};
        enum place_found found, best = PLACE_FOUND_NO;
        uint32_t most, there_are;

        if (rule == bounds->n_rules) {
                found = place_search_run(s->search, bounds, &nothing, ret);
                s->gave_up |= found == PLACE_FOUND_GAVE_UP;
                return found;
        }
        most = request->n_items * request->rules[rule].n;
        bounds->n_different[rule] = most;
        there_are = n_candidates(s->model, rule);
        if (there_are < request->rules[rule].n ||
            (there_are < most && !request->rules[rule].shared))
                return PLACE_FOUND_NO;
        if (!request->rules[rule].shared)
                return loosen_from(s, bounds, rule + 1, ret);
        for (uint32_t n = most < there_are ? most : there_are; n >= request->rules[rule].n; n--) {
                bounds->n_different[rule] = n;
                found = loosen_from(s, bounds, rule + 1, ret);
                if (found == PLACE_FOUND_YES)
                        return found;
                if (found == PLACE_FOUND_GAVE_UP)
                        best = found;
                if (best == PLACE_FOUND_GAVE_UP && place_search_is_out(s->search))
                        break;
        }
        return best;
}

enum place_found place_solver_loosen(struct place_solver *s, struct place_bounds *bounds,
                                     struct place_found_choice *ret)
{
        return loosen_from(s, bounds, 0, ret);
}

/* ---- a part of all choices ---- */

static bool has(const uint32_t *functions, uint32_t n, uint32_t function)
{
        for (uint32_t i = 0; i < n; i++)
                if (functions[i] == function)
                        return true;
        return false;
}

/* What can stand at a place of a choice. */
struct slot {
        uint32_t role;
        uint32_t n_items;
        uint32_t first; /* place of the first companion of the same item and rule */
        uint32_t above; /* the lowest function that may stand there */
        bool shared;
};

static struct slot slot_at(const struct place_solver *s, const uint32_t *functions, uint32_t at)
{
        const struct p2p_place_request *request = s->model->request;
        struct slot slot = {.role = PLACE_ROLE_ITEM, .n_items = request->n_items};
        uint32_t rule = 0, first;

        if (at >= request->n_items) {
                first = at - (at - request->n_items) % s->model->n_per_item;
                for (; at - first >= request->rules[rule].n; rule++)
                        first += request->rules[rule].n;
                slot.role = PLACE_ROLE_RULE(rule);
                slot.first = first;
                slot.shared = request->rules[rule].shared;
        }
        if (at > slot.first)
                slot.above = functions[at - 1] + 1;
        return slot;
}

/*
 * Goes through what may stand after the beginning, in ascending order and below `end`, until the
 * search finds a choice with it. Of several that are alike and have no role yet the lowest is
 * enough: after a higher one there is less to choose from.
 */
static enum place_found run_after(struct place_solver *s, const struct place_bounds *bounds,
                                  const struct place_part_of_all *part, uint32_t end,
                                  struct place_found_choice *ret)
{
        const struct place_model *model = s->model;
        const uint32_t *functions = part->begin.functions, at = part->begin.n;
        const struct slot slot = slot_at(s, functions, at);
        struct place_choice begin = {.functions = s->begin, .n = at + 1};
        enum place_found best = PLACE_FOUND_NO;

        memmove(s->begin, functions, at * sizeof(*functions));
        memset(s->tried, 0, model->n_classes);
        memset(s->has_role, 0, model->m->n_functions);
        for (uint32_t i = 0; i < at; i++)
                s->has_role[functions[i]] = 1;
        for (uint32_t f = slot.above; f < end; f++) {
                const uint32_t class = model->class_of[f];
                enum place_found found;

                if (!(model->roles[f] & slot.role) || has(part->excluded, part->n_excluded, f))
                        continue;
                if (s->has_role[f]) {
                        if (!slot.shared)
                                continue;
                } else {
                        if (s->tried[class])
                                continue;
                        s->tried[class] = 1;
                }
                s->begin[at] = f;
                found = place_search_run(s->search, bounds, &begin, ret);
                if (found == PLACE_FOUND_GAVE_UP)
                        best = found;
                if (found == PLACE_FOUND_YES ||
                    (found == PLACE_FOUND_GAVE_UP && place_search_is_out(s->search)))
                        return found;
        }
        return best;
}

static enum place_found run_part(struct place_solver *s, const struct place_bounds *bounds,
                                 const struct place_part_of_all *part,
                                 struct place_found_choice *ret)
{
        if (part->n_excluded == 0)
                return place_search_run(s->search, bounds, &part->begin, ret);
        return run_after(s, bounds, part, s->model->m->n_functions, ret);
}

/* What is the best so far, and what the next one has to keep to. */
struct solving {
        struct place_solver *s;
        const struct place_part_of_all *part;
        const struct place_score *most; /* nothing better is there; or NULL */
        struct place_bounds bounds;
        struct place_found_choice best, trial; /* trial: room for the next one */
};

static enum place_found adopt(struct solving *x, enum place_found found)
{
        const struct place_found_choice best = x->best;

        if (found == PLACE_FOUND_YES) {
                x->best = x->trial;
                x->trial = best;
        }
        return found;
}

static enum place_found try_bounds(struct solving *x)
{
        return adopt(x, run_part(x->s, &x->bounds, x->part, &x->trial));
}

/* ---- point 2: the path ---- */

static enum place_found find_path(struct solving *x, struct place_solution *ret)
{
        const uint8_t from = x->most ? x->most->path : 0, to = x->s->limits.path_max;
        bool proven = true;

        ret->bound_path = to;
        for (uint8_t path = from; path <= to; path++) {
                enum place_found found;

                x->bounds.path_max = path;
                found = try_bounds(x);
                if (found == PLACE_FOUND_NO)
                        continue;
                if (proven)
                        ret->bound_path = path;
                if (found == PLACE_FOUND_YES) {
                        ret->score.path = path;
                        ret->proven = proven ? P2P_PLACE_PROVEN_PATH : P2P_PLACE_PROVEN_NOTHING;
                        return found;
                }
                proven = false;
        }
        return proven ? PLACE_FOUND_NO : PLACE_FOUND_GAVE_UP;
}

/* ---- point 3: the bottleneck ---- */

/* The least bandwidth of the form link / flows that is above this one; unlimited without any. */
static struct place_share next_above(const struct place_model *model, struct place_share share)
{
        struct place_share least = {.unlimited = true};

        for (uint32_t i = 0; i < model->n_used_links; i++) {
                const uint32_t mbps = model->links.mbps[model->used_links[i]];
                const uint64_t n = ((uint64_t)mbps * share.n_flows - 1) / share.link_mbps;
                const struct place_share here = {.link_mbps = mbps, .n_flows = (uint32_t)n};

                if (n > 0 && place_share_compare(&here, &least) < 0)
                        least = here;
        }
        return least;
}

/* One of that form about halfway between both, counted in flows for each MB/s. Only speed hangs on
 * it. */
static struct place_share middle(const struct place_model *model, struct place_share low,
                                 struct place_share high)
{
        struct place_share least = {.unlimited = true};
        double flows = (double)low.n_flows / low.link_mbps;

        if (!high.unlimited)
                flows += (double)high.n_flows / high.link_mbps;
        flows /= 2;
        for (uint32_t i = 0; i < model->n_used_links; i++) {
                const uint32_t mbps = model->links.mbps[model->used_links[i]];
                const struct place_share here = {
                        .link_mbps = mbps,
                        .n_flows = (uint32_t)(flows * mbps),
                };

                if (here.n_flows > 0 && place_share_compare(&here, &least) < 0)
                        least = here;
        }
        return least;
}

/* What to try next between low, which can be kept, and high, which cannot. Unlimited: nothing. */
static struct place_share goal_between(const struct place_model *model, struct place_share low,
                                       struct place_share high)
{
        const struct place_share next = next_above(model, low), mid = middle(model, low, high);

        if (place_share_compare(&next, &high) >= 0)
                return (struct place_share){.unlimited = true};
        if (place_share_compare(&mid, &next) > 0 && place_share_compare(&mid, &high) < 0)
                return mid;
        return next;
}

/* The most that can be kept. The first goal is the most that there can be. */
static bool find_share(struct solving *x, const struct place_share *most,
                       struct place_solution *ret)
{
        struct place_share goal = {.unlimited = true}, high = goal, bound = goal;
        bool proven = true;

        if (most)
                goal = bound = *most;
        while (place_share_compare(&x->best.share, &bound) < 0) {
                enum place_found found;

                x->bounds.share = goal;
                found = try_bounds(x);
                if (found != PLACE_FOUND_YES)
                        high = goal;
                if (found == PLACE_FOUND_NO && place_share_compare(&goal, &bound) < 0)
                        bound = goal;
                proven &= found != PLACE_FOUND_GAVE_UP;
                if (x->best.share.unlimited)
                        break;
                goal = goal_between(x->s->model, x->best.share, high);
                if (goal.unlimited)
                        break;
        }
        ret->score.share = x->best.share;
        ret->bound_share = proven ? x->best.share : bound;
        x->bounds.share = x->best.share;
        return proven;
}

/* ---- point 4: NUMA nodes ---- */

static bool find_numa(struct solving *x, uint32_t from, struct place_solution *ret)
{
        bool proven = true;

        for (uint32_t n = from; n < x->best.n_numa; n++) {
                enum place_found found;

                x->bounds.numa_max = n;
                found = try_bounds(x);
                if (found == PLACE_FOUND_YES)
                        break;
                proven &= found == PLACE_FOUND_NO;
        }
        ret->score.n_numa = x->bounds.numa_max = x->best.n_numa;
        return proven;
}

/* ---- point 5: addresses ---- */

static bool find_lowest(struct solving *x)
{
        bool proven = true;

        for (uint32_t at = x->part->begin.n; at < x->s->n_functions; at++) {
                struct place_part_of_all part = {
                        .begin = {.functions = x->best.functions, .n = at},
                };
                enum place_found found;

                if (at == x->part->begin.n) {
                        part.excluded = x->part->excluded;
                        part.n_excluded = x->part->n_excluded;
                }
                found = run_after(x->s, &x->bounds, &part, x->best.functions[at], &x->trial);
                proven &= adopt(x, found) != PLACE_FOUND_GAVE_UP;
        }
        return proven;
}

static void find_rest(struct solving *x, struct place_solution *ret)
{
        const struct place_score *most = x->most;
        bool share, numa, lowest;

        if (most && most->path != ret->score.path)
                most = NULL;
        share = find_share(x, most ? &most->share : NULL, ret);
        if (most && place_share_compare(&most->share, &ret->score.share) != 0)
                most = NULL;
        numa = find_numa(x, most ? most->n_numa : 0, ret);
        lowest = find_lowest(x);
        if (ret->proven < P2P_PLACE_PROVEN_PATH || !share)
                return;
        ret->proven = P2P_PLACE_PROVEN_BOTTLENECK;
        if (numa)
                ret->proven = lowest ? P2P_PLACE_PROVEN_ALL : P2P_PLACE_PROVEN_NUMA;
}

enum place_found place_solve(struct place_solver *s, const struct place_part_of_all *part,
                             const struct place_score *most, struct place_solution *ret)
{
        struct solving x = {
                .s = s,
                .part = part,
                .most = most,
                .bounds = s->limits,
                .best = {.functions = ret->functions},
                .trial = {.functions = s->scratch},
        };
        enum place_found found = find_path(&x, ret);

        if (found != PLACE_FOUND_YES)
                return found;
        find_rest(&x, ret);
        if (x.best.functions != ret->functions)
                memcpy(ret->functions, x.best.functions, s->n_functions * sizeof(*ret->functions));
        return found;
}
