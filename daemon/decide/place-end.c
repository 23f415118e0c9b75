/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which functions the picks of a search stand for: the choice that was found. */

#include <stdlib.h>
#include <string.h>

#include "decide/place-search.h"

/* A choice while its items are still in the order of picking. */
struct ending {
        struct place_search *s;
        uint32_t *out;      /* items, then companions item by item */
        uint32_t last_item; /* of those that the choice began with; P2P_NONE: none */
        bool items_open;    /* some were left to the search */
};

uint32_t *place_companions_of(const struct place_search *s, uint32_t *functions, uint32_t group,
                              uint32_t rule)
{
        uint32_t *at = &functions[s->n_items + group * s->model->n_per_item];

        for (uint32_t i = 0; i < rule; i++)
                at += s->rules[i].n;
        return at;
}

static uint32_t find_item(const struct ending *e, const struct place_class *c)
{
        for (uint32_t i = 0; i < c->n_members; i++) {
                const uint32_t f = e->s->model->members[c->members + i];

                if (e->s->role[f] == 0 && (e->last_item == P2P_NONE || f > e->last_item))
                        return f;
        }
        return P2P_NONE;
}

/* A companion that could also be an item: first those that cannot any more, then the highest. This
 * is how the search counts them (n_items_free). */
static uint32_t find_spare_item(const struct ending *e, const struct place_class *c)
{
        uint32_t highest = P2P_NONE;

        for (uint32_t i = 0; i < c->n_members; i++) {
                const uint32_t f = e->s->model->members[c->members + i];

                if (e->s->role[f] != 0)
                        continue;
                if (e->last_item != P2P_NONE && f < e->last_item)
                        return f;
                highest = f;
        }
        return highest;
}

static bool has_taken(const struct ending *e, const struct place_pick *pick, uint32_t function)
{
        const uint32_t *mine = place_companions_of(e->s, e->out, pick->group, pick->rule);

        for (uint32_t i = 0; i < e->s->rules[pick->rule].n && mine[i] != P2P_NONE; i++)
                if (mine[i] == function)
                        return true;
        return false;
}

static uint32_t find_companion(const struct ending *e, const struct place_pick *pick)
{
        const struct place_class *c = &e->s->model->classes[pick->class];
        const uint32_t role = pick->uses == 0 ? 0 : PLACE_ROLE_RULE(pick->rule);

        if (pick->uses == 0 && e->items_open && (c->roles & PLACE_ROLE_ITEM))
                return find_spare_item(e, c);
        for (uint32_t i = 0; i < c->n_members; i++) {
                const uint32_t f = e->s->model->members[c->members + i];

                if (e->s->role[f] == role && e->s->uses[f] == pick->uses && !has_taken(e, pick, f))
                        return f;
        }
        return P2P_NONE;
}

static void append(uint32_t *list, uint32_t function)
{
        while (*list != P2P_NONE)
                list++;
        *list = function;
}

/* The picks again, in their order, this time with functions. */
static void replay(struct ending *e)
{
        struct place_search *s = e->s;

        for (uint32_t i = 0; i < s->n_picks; i++) {
                const struct place_pick *pick = &s->picks[i];
                uint32_t f;

                if (pick->is_item) {
                        f = find_item(e, &s->model->classes[pick->class]);
                        s->role[f] = PLACE_ROLE_ITEM;
                        e->out[pick->group] = f;
                        continue;
                }
                f = pick->function;
                if (f == P2P_NONE) {
                        f = find_companion(e, pick);
                        s->role[f] = PLACE_ROLE_RULE(pick->rule);
                        s->uses[f]++;
                }
                append(place_companions_of(e->s, e->out, pick->group, pick->rule), f);
        }
}

static int compare_functions(const void *a, const void *b)
{
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void swap(uint32_t *a, uint32_t *b, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                uint32_t kept = a[i];

                a[i] = b[i];
                b[i] = kept;
        }
}

void place_put_in_order(const struct place_search *s, uint32_t *functions)
{
        for (uint32_t i = 1; i < s->n_items; i++)
                for (uint32_t j = i; j > 0 && functions[j] < functions[j - 1]; j--) {
                        swap(&functions[j], &functions[j - 1], 1);
                        swap(place_companions_of(s, functions, j, 0),
                             place_companions_of(s, functions, j - 1, 0), s->model->n_per_item);
                }
        for (uint32_t i = 0; i < s->n_items; i++)
                for (uint32_t rule = 0; rule < s->bounds.n_rules; rule++)
                        qsort(place_companions_of(s, functions, i, rule), s->rules[rule].n,
                              sizeof(*functions), compare_functions);
}

struct place_share place_share_of(const struct place_search *s)
{
        struct place_share least = {.unlimited = true};

        for (uint32_t i = 0; i < s->model->n_used_links; i++) {
                const uint32_t link = s->model->used_links[i];
                const struct place_share here = {
                        .link_mbps = s->model->links.mbps[link],
                        .n_flows = s->load[link],
                };

                if (here.n_flows != 0 && place_share_compare(&here, &least) < 0)
                        least = here;
        }
        return least;
}

void place_search_end(struct place_search *s, const struct place_choice *begin,
                      struct place_found_choice *ret)
{
        const uint32_t n_items = s->n_items, n = n_items * (1 + s->model->n_per_item);
        struct ending e = {.s = s, .out = ret->functions, .last_item = P2P_NONE};

        for (uint32_t i = 0; i < n; i++)
                ret->functions[i] = i < begin->n ? begin->functions[i] : P2P_NONE;
        if (begin->n > 0)
                e.last_item = begin->functions[(begin->n < n_items ? begin->n : n_items) - 1];
        e.items_open = begin->n < n_items;
        replay(&e);
        place_put_in_order(s, e.out);
        ret->share = place_share_of(s);
        ret->n_numa = s->n_numa;
}
