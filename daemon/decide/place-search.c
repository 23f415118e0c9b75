/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is there a choice within given bounds that begins in a given way? A search that picks one item
 * or one companion after the other, class by class, and goes back where a bound is broken.
 *
 * What keeps it short: the bounds are thresholds, so a broken one shows at once; and what is left
 * to choose from is written down in a form that does not change when alike subtrees change places
 * (place-key.c). What was left once and led nowhere is not tried again. On a tree this makes it a
 * dynamic program over the ways to load its links, explored only as far as it is needed.
 */

#include "decide/place-search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int place_share_compare(const struct place_share *a, const struct place_share *b)
{
        uint64_t left, right;

        if (a->unlimited || b->unlimited)
                return a->unlimited - b->unlimited;
        left = (uint64_t)a->link_mbps * b->n_flows;
        right = (uint64_t)b->link_mbps * a->n_flows;
        return left < right ? -1 : left > right;
}

bool place_pair_allowed(const struct place_search *s, const struct place_pair *pair)
{
        return pair->path <= s->bounds.path_max && !(pair->flags & s->bounds.flags_refused);
}

/* ---- loads ---- */

static bool load_link(struct place_search *s, uint32_t link, int32_t n)
{
        if (link == P2P_NONE)
                return true;
        s->load[link] += (uint32_t)n;
        return s->load[link] <= s->limit[link];
}

static bool load_up(struct place_search *s, uint32_t node, uint32_t end, int32_t n)
{
        const struct place_node *nodes = s->model->nodes;
        bool fits = true;

        for (; node != end; node = nodes[node].parent)
                fits &= load_link(s, nodes[node].link, n);
        return fits;
}

/* What goes up a link one way comes down it the other. */
bool place_load_pair(struct place_search *s, uint32_t item, uint32_t other, int32_t n)
{
        const struct place_model *model = s->model;
        const struct place_class *a = &model->classes[item], *b = &model->classes[other];
        const struct place_pair *pair = place_pair(model, item, other);
        bool fits = true;

        s->work += 4;
        if (pair->flags & PLACE_PAIR_SAME) {
                if (pair->flags & PLACE_PAIR_REDIRECTED)
                        fits &= load_link(s, a->link, 2 * n);
        } else {
                fits &= load_link(s, a->link, n);
                fits &= load_up(s, a->node, pair->common, n);
                fits &= load_link(s, b->link, n);
                fits &= load_up(s, b->node, pair->common, n);
        }
        /* Each of both flows goes up there, and comes down again. */
        if (pair->flags & PLACE_PAIR_REDIRECTED)
                fits &= load_up(s, pair->common, P2P_NONE, 2 * n);
        return fits;
}

/* ---- NUMA nodes ---- */

bool place_numa_blocked(const struct place_search *s, uint32_t numa)
{
        return numa != P2P_NONE && s->n_on_numa[numa] == 0 && s->n_numa >= s->bounds.numa_max;
}

void place_enter_numa(struct place_search *s, uint32_t numa)
{
        if (numa != P2P_NONE && s->n_on_numa[numa]++ == 0)
                s->n_numa++;
}

void place_leave_numa(struct place_search *s, uint32_t numa)
{
        if (numa != P2P_NONE && --s->n_on_numa[numa] == 0)
                s->n_numa--;
}

/* ---- what a class has left ---- */

static void take_from(struct place_search *s, uint32_t class, struct place_saved *ret)
{
        *ret = (struct place_saved){s->n_free[class], s->n_items_free[class]};
        s->n_free[class]--;
        if (s->n_items_free[class] > s->n_free[class])
                s->n_items_free[class] = s->n_free[class];
}

static void give_back(struct place_search *s, uint32_t class, struct place_saved saved)
{
        s->n_free[class] = saved.n_free;
        s->n_items_free[class] = saved.n_items_free;
}

uint32_t place_n_serving(const struct place_search *s, uint32_t rule, uint32_t class, uint32_t uses)
{
        return s->n_serving[rule][(size_t) class * s->rules[rule].n_levels + uses];
}

static void move_serving(struct place_search *s, uint32_t rule, uint32_t class, uint32_t uses,
                         int32_t change)
{
        /* Those that serve as many as they may are out of the game. */
        if (uses > 0 && uses < s->rules[rule].n_levels)
                s->n_serving[rule][(size_t) class * s->rules[rule].n_levels + uses] +=
                        (uint32_t)change;
}

/* ---- picks ---- */

bool place_use_allowed(const struct place_search *s, uint32_t rule, uint32_t uses)
{
        const struct place_rule_state *r = &s->rules[rule];

        if (uses == 0)
                return r->n_different < r->n_different_max;
        return uses < r->uses_each || (uses == r->uses_each && r->n_over < r->n_over_max);
}

void place_note_use(struct place_search *s, uint32_t rule, uint32_t uses, int32_t change)
{
        struct place_rule_state *r = &s->rules[rule];

        r->n_left -= (uint32_t)change;
        if (uses == 0)
                r->n_different += (uint32_t)change;
        if (uses >= r->uses_each)
                r->n_over += (uint32_t)change;
}

bool place_take_companion(struct place_search *s, const struct place_pick *pick,
                          struct place_saved *ret)
{
        const uint32_t item = s->group_class[pick->group];

        place_note_use(s, pick->rule, pick->uses, 1);
        if (pick->uses == 0)
                take_from(s, pick->class, ret);
        move_serving(s, pick->rule, pick->class, pick->uses, -1);
        move_serving(s, pick->rule, pick->class, pick->uses + 1, 1);
        place_enter_numa(s, s->model->classes[pick->class].numa);
        return place_load_pair(s, item, pick->class, 1);
}

void place_return_companion(struct place_search *s, const struct place_pick *pick,
                            const struct place_saved *saved)
{
        const uint32_t item = s->group_class[pick->group];

        (void)place_load_pair(s, item, pick->class, -1);
        place_leave_numa(s, s->model->classes[pick->class].numa);
        move_serving(s, pick->rule, pick->class, pick->uses + 1, -1);
        move_serving(s, pick->rule, pick->class, pick->uses, 1);
        if (pick->uses == 0)
                give_back(s, pick->class, *saved);
        place_note_use(s, pick->rule, pick->uses, -1);
}

bool place_take_item(struct place_search *s, uint32_t class, struct place_saved *ret)
{
        bool fits = true;

        take_from(s, class, ret);
        s->n_items_free[class] = ret->n_items_free - 1;
        s->group_class[s->n_groups++] = class;
        place_enter_numa(s, s->model->classes[class].numa);
        for (uint32_t i = 0; i < s->n_clients; i++)
                fits &= place_load_pair(s, class, s->model->client_classes[i], 1);
        return fits;
}

void place_return_item(struct place_search *s, const struct place_saved *saved)
{
        const uint32_t class = s->group_class[--s->n_groups];

        for (uint32_t i = 0; i < s->n_clients; i++)
                (void)place_load_pair(s, class, s->model->client_classes[i], -1);
        place_leave_numa(s, s->model->classes[class].numa);
        give_back(s, class, *saved);
}

/* ---- the search ---- */

static bool is_companion(const struct place_search *s, uint32_t item, uint32_t class)
{
        return (s->model->classes[class].roles & PLACE_ROLE_RULE(s->at.rule)) &&
               !place_numa_blocked(s, s->model->classes[class].numa) &&
               place_pair_allowed(s, place_pair(s->model, item, class));
}

/* How many of a class the item that is being served could still take, that serve so many by now. */
static uint32_t n_to_take(const struct place_search *s, uint32_t class, uint32_t uses)
{
        uint32_t n = uses == 0 ? s->n_free[class] : place_n_serving(s, s->at.rule, class, uses);

        /* Not those that it took itself a moment ago. */
        for (uint32_t i = s->n_picks; n > 0 && uses > 0 && i-- > 0;) {
                const struct place_pick *p = &s->picks[i];

                if (p->group != s->at.group || p->rule != s->at.rule || p->is_item)
                        break;
                n -= p->class == class && p->uses + 1 == uses;
        }
        return n;
}

static enum place_found take_and_go_on(struct place_search *s, uint32_t class, uint32_t uses)
{
        const struct place_pick pick = {
                .class = class,
                .uses = uses,
                .group = s->at.group,
                .rule = s->at.rule,
                .function = P2P_NONE,
        };
        const struct place_position at = s->at;
        struct place_saved saved = {0};
        enum place_found found = PLACE_FOUND_NO;

        if (place_take_companion(s, &pick, &saved)) {
                s->picks[s->n_picks++] = pick;
                s->at.n_left--;
                found = place_go_on(s);
                if (found == PLACE_FOUND_YES)
                        return found;
                s->n_picks--;
                s->at = at;
        }
        place_return_companion(s, &pick, &saved);
        return found;
}

static enum place_found pick_companion(struct place_search *s)
{
        const struct place_model *model = s->model;
        const uint32_t item = s->group_class[s->at.group];
        const uint32_t *near = &model->near[(size_t)model->classes[item].row * model->n_classes];

        for (uint32_t i = 0; i < model->n_classes; i++) {
                s->work++;
                if (!is_companion(s, item, near[i]))
                        continue;
                for (uint32_t uses = 0; uses < s->rules[s->at.rule].n_levels; uses++) {
                        enum place_found found;

                        if (!place_use_allowed(s, s->at.rule, uses) ||
                            n_to_take(s, near[i], uses) == 0)
                                continue;
                        found = take_and_go_on(s, near[i], uses);
                        if (found != PLACE_FOUND_NO)
                                return found;
                }
        }
        return PLACE_FOUND_NO;
}

static enum place_found pick_item(struct place_search *s)
{
        const struct place_model *model = s->model;
        const struct place_position at = s->at;

        for (uint32_t row = at.row; row < model->n_rows; row++) {
                const uint32_t class = model->rows[row];
                enum place_found found = PLACE_FOUND_NO;
                struct place_saved saved;

                s->work++;
                if (s->n_items_free[class] == 0 || !s->is_usable[row] ||
                    place_numa_blocked(s, model->classes[class].numa))
                        continue;
                if (place_take_item(s, class, &saved)) {
                        s->picks[s->n_picks++] = (struct place_pick){
                                .class = class,
                                .group = s->n_groups - 1,
                                .function = P2P_NONE,
                                .is_item = true,
                        };
                        s->at = (struct place_position){
                                .group = s->n_groups - 1, .n_left = s->rules[0].n, .row = row};
                        found = place_go_on(s);
                        if (found == PLACE_FOUND_YES)
                                return found;
                        s->n_picks--;
                        s->at = at;
                }
                place_return_item(s, &saved);
                if (found != PLACE_FOUND_NO)
                        return found;
        }
        return PLACE_FOUND_NO;
}

/* Moves on to the next rule or item that lacks companions. */
static void find_lack(struct place_search *s)
{
        while (s->at.group < s->n_groups && s->at.n_left == 0) {
                if (s->at.rule + 1 < s->bounds.n_rules) {
                        s->at.rule++;
                } else {
                        s->at.group++;
                        s->at.rule = 0;
                }
                s->at.n_left = s->rules[s->at.rule].n;
        }
}

uint32_t place_first_row(const struct place_search *s)
{
        const struct place_model *model = s->model;
        uint32_t first = s->n_groups < s->n_items ? s->at.row : model->n_rows;

        while (first < model->n_rows &&
               (!s->is_usable[first] || s->n_items_free[model->rows[first]] == 0))
                first++;
        for (uint32_t g = s->at.group; g < s->n_groups; g++)
                if (model->classes[s->group_class[g]].row < first)
                        first = model->classes[s->group_class[g]].row;
        return first;
}

/* How many flows the link of a class can still carry. */
static uint32_t room_of(const struct place_search *s, uint32_t class)
{
        const uint32_t link = s->model->classes[class].link;

        return link == P2P_NONE ? UINT32_MAX : s->limit[link] - s->load[link];
}

bool place_may_take_item(const struct place_search *s, uint32_t row)
{
        const uint32_t class = s->model->rows[row];
        const struct place_class *c = &s->model->classes[class];
        uint32_t n_flows = s->n_clients;

        for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                n_flows += s->rules[i].n;
        return s->is_usable[row] && !place_numa_blocked(s, c->numa) &&
               (c->client != P2P_NONE || room_of(s, class) >= n_flows);
}

/* Are there items left that could carry all their flows, were they alone. */
static bool has_enough_items(const struct place_search *s)
{
        const struct place_model *model = s->model;
        uint32_t n = s->n_groups;

        for (uint32_t row = s->at.row; row < model->n_rows && n < s->n_items; row++)
                if (place_may_take_item(s, row))
                        n += s->n_items_free[model->rows[row]];
        return n >= s->n_items;
}

uint32_t place_n_companions(const struct place_search *s, uint32_t class, uint32_t first_row)
{
        const uint32_t room = room_of(s, class);

        if (s->last_row[class] == P2P_NONE || s->last_row[class] < first_row ||
            place_numa_blocked(s, s->model->classes[class].numa))
                return 0;
        return s->n_free[class] < room ? s->n_free[class] : room;
}

/* Are there, for each rule, companions left that could carry a flow. Those that are shared may
 * always carry one more. */
static bool has_enough_companions(const struct place_search *s)
{
        const struct place_model *model = s->model;
        uint64_t n_left[P2P_PLACE_RULES_MAX] = {0};
        const uint32_t first_row = place_first_row(s);

        for (uint32_t c = 0; c < model->n_classes; c++) {
                const uint32_t n = place_n_companions(s, c, first_row);

                for (uint32_t i = 0; n > 0 && i < s->bounds.n_rules; i++)
                        if (model->classes[c].roles & PLACE_ROLE_RULE(i))
                                n_left[i] += n;
        }
        for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                if (!s->n_serving[i] && n_left[i] < s->rules[i].n_left)
                        return false;
        return true;
}

enum place_found place_go_on(struct place_search *s)
{
        const struct place_model *model = s->model;
        enum place_found found;
        struct place_key key;

        find_lack(s);
        if (s->at.group == s->n_groups && s->n_groups == s->n_items)
                return PLACE_FOUND_YES;
        if (s->work >= s->work_end)
                return PLACE_FOUND_GAVE_UP;
        s->work += model->n_classes;
        if (!has_enough_items(s) || !has_enough_companions(s))
                return PLACE_FOUND_NO;
        key = place_key_compute(s);
        if (place_key_is_noted(s, key))
                return PLACE_FOUND_NO;
        if (!place_cuts_allow(s))
                found = PLACE_FOUND_NO;
        else
                found = s->at.group == s->n_groups ? pick_item(s) : pick_companion(s);
        if (found == PLACE_FOUND_NO)
                place_key_note(s, key);
        return found;
}
