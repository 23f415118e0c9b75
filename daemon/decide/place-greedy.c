/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A good choice without going back: what a search that is given up falls back on, and what saves it
 * the bounds that are easily met.
 *
 * Items are taken one after the other, each with its companions, in several ways: by address
 * upwards and downwards with the nearest companions; and each time the item and companions that
 * leave the most to all flows. Then items are taken out one by one, with their companions, and put
 * back where they leave more; and companions of two items are exchanged. Only what is better in the
 * order of choices, or has fewer links at the bottleneck, is kept, so that it comes to an end.
 *
 * All that hangs on the bounds here is which pairs are allowed and how many companions of a shared
 * rule are in use. A way that always takes the first in some order that is allowed has this
 * property: if its choice with looser bounds meets tighter ones, it makes the same choice with
 * them. So it does not matter that path and bottleneck are found one after the other.
 */

#include <stdlib.h>
#include <string.h>

#include "decide/place-search.h"

/* The work that improving may take. */
#define IMPROVE_MAX 3000000U

struct rank {
        struct place_share share;
        uint32_t n_at; /* links that have this share */
        uint32_t n_numa;
};

struct group {
        uint32_t item;
        uint32_t companions[P2P_PLACE_FUNCTIONS_MAX];
};

static bool is_better(const struct rank *a, const struct rank *b)
{
        int order = place_share_compare(&a->share, &b->share);

        if (order != 0)
                return order > 0;
        return a->n_at != b->n_at ? a->n_at < b->n_at : a->n_numa < b->n_numa;
}

static struct rank rank_of(struct place_search *s)
{
        const struct p2p_links *links = &s->model->links;
        struct rank rank = {.share = place_share_of(s), .n_numa = s->n_numa};

        s->work += 2 * (uint64_t)s->model->n_used_links;
        for (uint32_t i = 0; i < s->model->n_used_links; i++) {
                const uint32_t link = s->model->used_links[i];
                const struct place_share here = {
                        .link_mbps = links->mbps[link],
                        .n_flows = s->load[link],
                };

                rank.n_at += s->load[link] != 0 && place_share_compare(&here, &rank.share) == 0;
        }
        return rank;
}

/* ---- one companion ---- */

static uint32_t class_of(const struct place_search *s, uint32_t function)
{
        return s->model->class_of[function];
}

static uint32_t *mine(const struct place_search *s, uint32_t group, uint32_t rule)
{
        return place_companions_of(s, s->greedy.now, group, rule);
}

static void add_companion(struct place_search *s, uint32_t group, uint32_t rule, uint32_t f)
{
        place_note_use(s, rule, s->uses[f]++, 1);
        s->role[f] = PLACE_ROLE_RULE(rule);
        place_enter_numa(s, s->model->classes[class_of(s, f)].numa);
        (void)place_load_pair(s, class_of(s, s->greedy.now[group]), class_of(s, f), 1);
}

static void remove_companion(struct place_search *s, uint32_t group, uint32_t rule, uint32_t f)
{
        (void)place_load_pair(s, class_of(s, s->greedy.now[group]), class_of(s, f), -1);
        place_leave_numa(s, s->model->classes[class_of(s, f)].numa);
        if (--s->uses[f] == 0)
                s->role[f] = 0;
        place_note_use(s, rule, s->uses[f], -1);
}

static void narrow(const struct place_search *s, uint32_t link, uint32_t n,
                   struct place_share *least)
{
        struct place_share here = {.n_flows = n};

        if (link == P2P_NONE || s->model->links.mbps[link] == 0)
                return;
        here.link_mbps = s->model->links.mbps[link];
        here.n_flows += s->load[link];
        if (place_share_compare(&here, least) < 0)
                *least = here;
}

static void narrow_up(const struct place_search *s, uint32_t node, uint32_t end, uint32_t n,
                      struct place_share *least)
{
        for (; node != end; node = s->model->nodes[node].parent)
                narrow(s, s->model->nodes[node].link, n, least);
}

/* What the links of a pair would leave to it. */
static struct place_share share_with(const struct place_search *s, uint32_t item, uint32_t other)
{
        const struct place_class *a = &s->model->classes[item], *b = &s->model->classes[other];
        const struct place_pair *pair = place_pair(s->model, item, other);
        struct place_share least = {.unlimited = true};

        narrow(s, a->link, 1, &least);
        narrow(s, b->link, 1, &least);
        narrow_up(s, a->node, pair->common, 1, &least);
        narrow_up(s, b->node, pair->common, 1, &least);
        if (pair->flags & PLACE_PAIR_REDIRECTED)
                narrow_up(s, pair->common, P2P_NONE, 2, &least);
        return least;
}

struct candidate {
        uint32_t function;
        uint16_t hops;
        struct place_share share;
};

static bool is_nearer(const struct candidate *a, const struct candidate *b, bool by_share)
{
        int order = by_share ? place_share_compare(&a->share, &b->share) : 0;

        if (b->function == P2P_NONE || order != 0)
                return b->function == P2P_NONE || order > 0;
        return a->hops != b->hops ? a->hops < b->hops : a->function < b->function;
}

static uint32_t find_companion(struct place_search *s, uint32_t group, uint32_t rule, uint32_t n,
                               bool by_share)
{
        const struct place_model *model = s->model;
        const uint32_t item = s->greedy.now[group], item_class = class_of(s, item);
        struct candidate best = {.function = P2P_NONE};

        s->at.rule = rule;
        s->work += model->n_classes;
        for (uint32_t c = 0; c < model->n_classes; c++) {
                if (!(model->classes[c].roles & PLACE_ROLE_RULE(rule)) ||
                    !place_pair_allowed(s, place_pair(model, item_class, c)))
                        continue;
                for (uint32_t uses = 0; uses < s->rules[rule].n_levels; uses++) {
                        struct candidate here;

                        if (!place_use_allowed(s, rule, uses))
                                continue;
                        here.function =
                                place_find_member(s, c, P2P_NONE, uses, mine(s, group, rule), n);
                        if (here.function == P2P_NONE)
                                continue;
                        s->work += 4;
                        here.hops = p2p_verdicts_get(model->verdicts, item, here.function)
                                            .distance_hops;
                        here.share = share_with(s, item_class, c);
                        if (is_nearer(&here, &best, by_share))
                                best = here;
                }
        }
        return best.function;
}

/* ---- one item with its companions ---- */

static void load_clients(struct place_search *s, uint32_t item, int32_t n)
{
        for (uint32_t i = 0; i < s->n_clients; i++)
                (void)place_load_pair(s, class_of(s, item), s->model->client_classes[i], n);
}

/* Takes the last group back out, which has n_whole rules and n companions of the next one. */
static void remove_part(struct place_search *s, uint32_t group, uint32_t n_whole, uint32_t n)
{
        const uint32_t item = s->greedy.now[group];

        for (uint32_t rule = 0; rule <= n_whole && rule < s->bounds.n_rules; rule++)
                for (uint32_t i = 0; i < (rule < n_whole ? s->rules[rule].n : n); i++)
                        remove_companion(s, group, rule, mine(s, group, rule)[i]);
        load_clients(s, item, -1);
        place_leave_numa(s, s->model->classes[class_of(s, item)].numa);
        s->role[item] = 0;
}

static void remove_group(struct place_search *s, uint32_t group)
{
        remove_part(s, group, s->bounds.n_rules, 0);
}

static void begin_group(struct place_search *s, uint32_t group, uint32_t item)
{
        s->greedy.now[group] = item;
        s->role[item] = PLACE_ROLE_ITEM;
        place_enter_numa(s, s->model->classes[class_of(s, item)].numa);
        load_clients(s, item, 1);
}

/* False: not all companions are there, and nothing is changed. */
static bool add_group(struct place_search *s, uint32_t group, uint32_t item, bool by_share)
{
        begin_group(s, group, item);
        for (uint32_t rule = 0; rule < s->bounds.n_rules; rule++)
                for (uint32_t i = 0; i < s->rules[rule].n; i++) {
                        const uint32_t f = find_companion(s, group, rule, i, by_share);

                        if (f == P2P_NONE) {
                                remove_part(s, group, rule, i);
                                return false;
                        }
                        add_companion(s, group, rule, f);
                        mine(s, group, rule)[i] = f;
                }
        return true;
}

static void save_group(const struct place_search *s, uint32_t group, struct group *ret)
{
        const uint32_t n = s->model->n_per_item;

        ret->item = s->greedy.now[group];
        memcpy(ret->companions, mine(s, group, 0), n * sizeof(*ret->companions));
}

static void restore_group(struct place_search *s, uint32_t group, const struct group *saved)
{
        const uint32_t n = s->model->n_per_item;

        begin_group(s, group, saved->item);
        memcpy(mine(s, group, 0), saved->companions, n * sizeof(*saved->companions));
        for (uint32_t rule = 0; rule < s->bounds.n_rules; rule++)
                for (uint32_t i = 0; i < s->rules[rule].n; i++)
                        add_companion(s, group, rule, mine(s, group, rule)[i]);
}

static bool may_be_item(const struct place_search *s, uint32_t f)
{
        return (s->model->roles[f] & PLACE_ROLE_ITEM) && s->role[f] == 0 &&
               s->is_usable[s->model->classes[class_of(s, f)].row];
}

/* Puts the item there that leaves the most, if that is better than *best. False: none is. */
static bool add_best_group(struct place_search *s, uint32_t group, struct rank *best, bool any)
{
        const struct place_model *model = s->model;
        struct group found, *chosen = NULL;

        for (uint32_t row = 0; row < model->n_rows && s->work < s->work_end; row++) {
                const struct place_class *c = &model->classes[model->rows[row]];
                struct rank rank;
                uint32_t i = 0;

                while (i < c->n_members && !may_be_item(s, model->members[c->members + i]))
                        i++;
                if (i == c->n_members || !add_group(s, group, model->members[c->members + i], true))
                        continue;
                rank = rank_of(s);
                if ((any && !chosen) || is_better(&rank, best)) {
                        *best = rank;
                        save_group(s, group, &found);
                        chosen = &found;
                }
                remove_group(s, group);
        }
        if (chosen)
                restore_group(s, group, chosen);
        return chosen;
}

/* ---- whole choices ---- */

static void keep_if_best(struct place_search *s)
{
        struct place_greedy *g = &s->greedy;
        const struct place_share share = place_share_of(s);
        const int order = g->is_found ? place_share_compare(&share, &g->share) : 1;

        if (order < 0 || (order == 0 && s->n_numa >= g->n_numa))
                return;
        g->is_found = true;
        g->share = share;
        g->n_numa = s->n_numa;
        memcpy(g->best, g->now, g->n_functions * sizeof(*g->best));
}

static void start_again(struct place_search *s)
{
        const struct place_bounds bounds = s->bounds;

        place_search_set_bounds(s, &bounds);
        place_search_clear(s);
        memset(s->greedy.now, 0xff, s->greedy.n_functions * sizeof(*s->greedy.now));
}

static bool take_by_address(struct place_search *s, bool downwards)
{
        const uint32_t n = s->model->m->n_functions;
        uint32_t group = 0;

        start_again(s);
        memset(s->greedy.has_failed, 0, s->model->n_classes * sizeof(*s->greedy.has_failed));
        for (uint32_t i = 0; i < n && group < s->n_items; i++) {
                const uint32_t f = downwards ? n - 1 - i : i;

                /* What one of a class lacks, the next one lacks as well. */
                if (!may_be_item(s, f) || s->greedy.has_failed[class_of(s, f)])
                        continue;
                if (add_group(s, group, f, false))
                        group++;
                else
                        s->greedy.has_failed[class_of(s, f)] = true;
        }
        return group == s->n_items;
}

static bool take_by_share(struct place_search *s)
{
        start_again(s);
        for (uint32_t group = 0; group < s->n_items; group++) {
                struct rank rank = {0};

                if (!add_best_group(s, group, &rank, true))
                        return false;
        }
        return true;
}

static bool move_items(struct place_search *s, struct rank *rank)
{
        bool moved = false;

        for (uint32_t group = 0; group < s->n_items && s->work < s->work_end; group++) {
                struct group before;

                save_group(s, group, &before);
                remove_group(s, group);
                if (add_best_group(s, group, rank, false))
                        moved = true;
                else
                        restore_group(s, group, &before);
        }
        return moved;
}

static bool is_among(const uint32_t *list, uint32_t n, uint32_t function)
{
        for (uint32_t i = 0; i < n; i++)
                if (list[i] == function)
                        return true;
        return false;
}

/* A place of a companion. */
struct place {
        uint32_t group, rule, i;
};

static bool may_stand(const struct place_search *s, const struct place *at, uint32_t f)
{
        const uint32_t item = class_of(s, s->greedy.now[at->group]);

        return !is_among(mine(s, at->group, at->rule), s->rules[at->rule].n, f) &&
               place_pair_allowed(s, place_pair(s->model, item, class_of(s, f)));
}

static void exchange(struct place_search *s, const struct place *a, const struct place *b)
{
        uint32_t *of_a = &mine(s, a->group, a->rule)[a->i];
        uint32_t *of_b = &mine(s, b->group, b->rule)[b->i];
        const uint32_t kept = *of_a;

        remove_companion(s, a->group, a->rule, *of_a);
        remove_companion(s, b->group, b->rule, *of_b);
        *of_a = *of_b;
        *of_b = kept;
        add_companion(s, a->group, a->rule, *of_a);
        add_companion(s, b->group, b->rule, *of_b);
}

static bool try_exchange(struct place_search *s, const struct place *a, const struct place *b,
                         struct rank *rank)
{
        const uint32_t of_a = mine(s, a->group, a->rule)[a->i];
        const uint32_t of_b = mine(s, b->group, b->rule)[b->i];
        struct rank here;

        s->work += 4;
        if (class_of(s, of_a) == class_of(s, of_b) || !may_stand(s, a, of_b) ||
            !may_stand(s, b, of_a))
                return false;
        exchange(s, a, b);
        here = rank_of(s);
        if (!is_better(&here, rank)) {
                exchange(s, a, b);
                return false;
        }
        *rank = here;
        return true;
}

static bool exchange_companions(struct place_search *s, struct rank *rank)
{
        bool moved = false;
        struct place a, b;

        for (a.group = 0; a.group < s->n_items; a.group++)
                for (a.rule = 0; a.rule < s->bounds.n_rules; a.rule++)
                        for (a.i = 0; a.i < s->rules[a.rule].n; a.i++)
                                for (b = a, b.group++; b.group < s->n_items; b.group++)
                                        for (b.i = 0; b.i < s->rules[b.rule].n; b.i++) {
                                                if (s->work >= s->work_end)
                                                        return moved;
                                                moved |= try_exchange(s, &a, &b, rank);
                                        }
        return moved;
}

static void improve(struct place_search *s)
{
        struct rank rank = rank_of(s);
        bool moved = true;

        keep_if_best(s);
        while (moved && s->work < s->work_end) {
                moved = move_items(s, &rank);
                keep_if_best(s);
                moved |= exchange_companions(s, &rank);
                keep_if_best(s);
        }
}

void place_greedy_make(struct place_search *s)
{
        const uint64_t left = s->work_max > s->work ? s->work_max - s->work : 0;

        s->greedy.is_made = true;
        s->work_end = s->work + (left / 4 < IMPROVE_MAX ? left / 4 : IMPROVE_MAX);
        for (unsigned downwards = 0; downwards < 2; downwards++)
                if (take_by_address(s, downwards))
                        improve(s);
        if (take_by_share(s))
                improve(s);
        if (s->greedy.is_found)
                place_put_in_order(s, s->greedy.best);
}

bool place_greedy_meets_bounds(const struct place_search *s)
{
        const struct place_greedy *g = &s->greedy;

        return g->is_found && g->n_numa <= s->bounds.numa_max &&
               place_share_compare(&g->share, &s->bounds.share) >= 0;
}
