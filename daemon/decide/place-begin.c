/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a choice begins, function by function, before the search goes on with classes. */

#include <string.h>

#include "decide/place-search.h"

/* The work of a short search: a millisecond or two. */
#define SHORT 200000U

/* How many members of a class lie above a function. */
static uint32_t n_above(const struct place_model *model, uint32_t class, uint32_t function)
{
        const struct place_class *c = &model->classes[class];
        uint32_t low = 0, high = c->n_members;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (model->members[c->members + middle] > function)
                        high = middle;
                else
                        low = middle + 1;
        }
        return c->n_members - low;
}

static bool begin_items(struct place_search *s, const uint32_t *items, uint32_t n)
{
        const struct place_model *model = s->model;
        struct place_saved saved;

        for (uint32_t i = 0; i < n; i++) {
                const uint32_t class = model->class_of[items[i]];

                if (!s->is_usable[model->classes[class].row] ||
                    place_numa_blocked(s, model->classes[class].numa) ||
                    !place_take_item(s, class, &saved))
                        return false;
                s->role[items[i]] = PLACE_ROLE_ITEM;
        }
        /* Items are in ascending order: those to come lie above. */
        for (uint32_t row = 0; n > 0 && row < model->n_rows; row++) {
                const uint32_t class = model->rows[row];
                uint32_t above = n_above(model, class, items[n - 1]);

                if (s->n_items_free[class] > above)
                        s->n_items_free[class] = above;
        }
        return true;
}

static bool begin_companion(struct place_search *s, uint32_t function)
{
        const struct place_pick pick = {
                .class = s->model->class_of[function],
                .group = s->at.group,
                .rule = s->at.rule,
                .uses = s->uses[function],
        };
        const struct place_class *class = &s->model->classes[pick.class];
        struct place_saved saved;

        if ((s->role[function] != 0 && s->role[function] != PLACE_ROLE_RULE(pick.rule)) ||
            place_numa_blocked(s, class->numa) ||
            !place_pair_allowed(s, place_pair(s->model, s->group_class[pick.group], pick.class)) ||
            !place_use_allowed(s, pick.rule, pick.uses) || !place_take_companion(s, &pick, &saved))
                return false;
        s->role[function] = PLACE_ROLE_RULE(pick.rule);
        s->uses[function]++;
        s->at.n_left--;
        return true;
}

static bool has(const uint32_t *functions, uint32_t n, uint32_t function)
{
        for (uint32_t i = 0; i < n; i++)
                if (functions[i] == function)
                        return true;
        return false;
}

uint32_t place_find_member(const struct place_search *s, uint32_t class, uint32_t after,
                           uint32_t uses, const uint32_t *mine, uint32_t n_mine)
{
        const struct place_class *c = &s->model->classes[class];
        const uint32_t role = uses == 0 ? 0 : PLACE_ROLE_RULE(s->at.rule);
        uint32_t i = 0;

        if (after != P2P_NONE)
                i = c->n_members - n_above(s->model, class, after);
        for (; i < c->n_members; i++) {
                const uint32_t f = s->model->members[c->members + i];

                if (s->role[f] == role && s->uses[f] == uses && !has(mine, n_mine, f))
                        return f;
        }
        return P2P_NONE;
}

struct filling {
        uint32_t last;                           /* the highest of the companions that were given */
        uint32_t taken[P2P_PLACE_FUNCTIONS_MAX]; /* by the item from this rule */
        uint32_t n_taken;
};

static enum place_found fill_rule(struct place_search *s, struct filling *f, uint32_t from);

static enum place_found fill_with(struct place_search *s, struct filling *f, uint32_t near,
                                  uint32_t class, uint32_t uses)
{
        const struct place_position at = s->at;
        const uint32_t function = place_find_member(s, class, f->last, uses, f->taken, f->n_taken);
        const struct place_pick pick = {
                .class = class,
                .uses = uses,
                .group = at.group,
                .rule = at.rule,
                .function = function,
        };
        const uint32_t role_before = uses == 0 ? 0 : PLACE_ROLE_RULE(at.rule);
        struct place_saved saved = {0};
        enum place_found found = PLACE_FOUND_NO;

        if (function == P2P_NONE)
                return found;
        if (place_take_companion(s, &pick, &saved)) {
                s->role[function] = PLACE_ROLE_RULE(at.rule);
                s->uses[function]++;
                s->picks[s->n_picks++] = pick;
                f->taken[f->n_taken++] = function;
                s->at.n_left--;
                found = fill_rule(s, f, near);
                if (found == PLACE_FOUND_YES)
                        return found;
                f->n_taken--;
                s->n_picks--;
                s->role[function] = role_before;
                s->uses[function]--;
                s->at = at;
        }
        place_return_companion(s, &pick, &saved);
        return found;
}

/* The rest of a rule whose companions are given in part: those to come lie above them, so that it
 * is members that count here. Classes are taken in one order only, as there are no keys here. */
static enum place_found fill_rule(struct place_search *s, struct filling *f, uint32_t from)
{
        const struct place_model *model = s->model;
        const uint32_t item = s->group_class[s->at.group];
        const uint32_t *near = &model->near[(size_t)model->classes[item].row * model->n_classes];

        if (s->at.n_left == 0)
                return place_go_on(s);
        for (uint32_t i = from; i < model->n_classes; i++) {
                const struct place_class *c = &model->classes[near[i]];

                s->work++;
                if (!(c->roles & PLACE_ROLE_RULE(s->at.rule)) || place_numa_blocked(s, c->numa) ||
                    !place_pair_allowed(s, place_pair(model, item, near[i])))
                        continue;
                for (uint32_t uses = 0; uses < s->rules[s->at.rule].n_levels; uses++) {
                        enum place_found found;

                        if (!place_use_allowed(s, s->at.rule, uses))
                                continue;
                        found = fill_with(s, f, i, near[i], uses);
                        if (found != PLACE_FOUND_NO)
                                return found;
                }
                if (s->work >= s->work_end)
                        return PLACE_FOUND_GAVE_UP;
        }
        return PLACE_FOUND_NO;
}

static enum place_found begin_companions(struct place_search *s, const uint32_t *companions,
                                         uint32_t n)
{
        uint32_t n_in_rule = 0;

        s->at.n_left = s->rules[0].n;
        for (uint32_t i = 0; i < n; i++) {
                if (s->at.n_left == 0) {
                        s->at.rule = (s->at.rule + 1) % s->bounds.n_rules;
                        s->at.group += s->at.rule == 0;
                        s->at.n_left = s->rules[s->at.rule].n;
                        n_in_rule = 0;
                }
                if (!begin_companion(s, companions[i]))
                        return PLACE_FOUND_NO;
                n_in_rule++;
        }
        if (n_in_rule > 0 && s->at.n_left > 0) {
                struct filling f = {.last = companions[n - 1], .n_taken = n_in_rule};

                memcpy(f.taken, &companions[n - n_in_rule], n_in_rule * sizeof(*f.taken));
                return fill_rule(s, &f, 0);
        }
        return place_go_on(s);
}

/* One search from the beginning, with so much work at most. */
static enum place_found search_for(struct place_search *s, const struct place_bounds *bounds,
                                   const struct place_choice *begin, uint64_t work,
                                   struct place_found_choice *ret)
{
        const uint32_t n_items = s->model->request->n_items;
        const uint32_t n_begun = begin->n < n_items ? begin->n : n_items;
        enum place_found found = PLACE_FOUND_NO;

        s->work += s->model->n_classes + s->model->n_used_links;
        s->work_end = s->work + work + 1;
        place_search_set_bounds(s, bounds);
        place_search_clear(s);
        if (begin_items(s, begin->functions, n_begun))
                found = begin_companions(s, &begin->functions[n_begun], begin->n - n_begun);
        if (found == PLACE_FOUND_YES)
                place_search_end(s, begin, ret);
        return found;
}

static enum place_found fall_back(struct place_search *s, const struct place_bounds *bounds,
                                  struct place_found_choice *ret)
{
        place_search_set_bounds(s, bounds);
        if (!s->greedy.is_made)
                place_greedy_make(s);
        if (!place_greedy_meets_bounds(s))
                return PLACE_FOUND_GAVE_UP;
        memcpy(ret->functions, s->greedy.best, s->greedy.n_functions * sizeof(*ret->functions));
        ret->share = s->greedy.share;
        ret->n_numa = s->greedy.n_numa;
        return PLACE_FOUND_YES;
}

/* A third of what is left. */
static uint64_t work_for_one(const struct place_search *s)
{
        return s->work < s->work_max ? (s->work_max - s->work) / 3 : 0;
}

enum place_found place_search_run(struct place_search *s, const struct place_bounds *bounds,
                                  const struct place_choice *begin, struct place_found_choice *ret)
{
        const uint64_t work = work_for_one(s);
        enum place_found found = PLACE_FOUND_GAVE_UP;

        if (begin->n > 0)
                return work > 0 ? search_for(s, bounds, begin, work, ret) : found;
        /* Most searches are short. For the others it is worth while to look at what can be had
         * without going back, first. */
        if (work > 0)
                found = search_for(s, bounds, begin, work < SHORT ? work : SHORT, ret);
        if (found == PLACE_FOUND_GAVE_UP)
                found = fall_back(s, bounds, ret);
        if (found == PLACE_FOUND_GAVE_UP && work > SHORT && work_for_one(s) > 0)
                found = search_for(s, bounds, begin, work_for_one(s), ret);
        return found;
}
