/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state of a search: made, bounded, cleared. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-search.h"

int place_search_new(const struct place_model *model, uint64_t work_max, struct place_search **ret)
{
        const size_t n_classes = (size_t)model->n_classes + 1, n_rows = (size_t)model->n_rows + 1;
        const size_t n_links = (size_t)model->links.n + 1, n_nodes = (size_t)model->n_nodes + 1;
        const size_t n_functions = (size_t)model->m->n_functions + 1;
        const uint32_t n_items = model->request->n_items;
        struct place_search *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->model = model;
        s->work_max = work_max;
        s->noted_mask = PLACE_NOTED_MIN - 1;
        s->limit = calloc(n_links, sizeof(*s->limit));
        s->is_usable = calloc(n_rows, sizeof(*s->is_usable));
        s->last_row = calloc(n_classes, sizeof(*s->last_row));
        s->load = calloc(n_links, sizeof(*s->load));
        s->n_free = calloc(n_classes, sizeof(*s->n_free));
        s->n_items_free = calloc(n_classes, sizeof(*s->n_items_free));
        s->n_on_numa = calloc((size_t)model->n_numa_nodes + 1, sizeof(*s->n_on_numa));
        s->group_class = calloc((size_t)n_items + 1, sizeof(*s->group_class));
        s->picks = calloc((size_t)n_items * (1 + model->n_per_item) + 1, sizeof(*s->picks));
        s->role = calloc(n_functions, sizeof(*s->role));
        s->uses = calloc(n_functions, sizeof(*s->uses));
        s->noted = calloc(PLACE_NOTED_MIN, sizeof(*s->noted));
        s->sums = calloc(n_nodes, sizeof(*s->sums));
        s->link_sums = calloc(n_nodes, sizeof(*s->link_sums));
        s->greedy.n_functions = n_items * (1 + model->n_per_item);
        s->greedy.best = calloc((size_t)s->greedy.n_functions + 1, sizeof(*s->greedy.best));
        s->greedy.now = calloc((size_t)s->greedy.n_functions + 1, sizeof(*s->greedy.now));
        s->greedy.has_failed = calloc(n_classes, sizeof(*s->greedy.has_failed));
        s->link_most = calloc(n_links, sizeof(*s->link_most));
        if (!s->limit || !s->is_usable || !s->last_row || !s->load || !s->n_free ||
            !s->n_items_free || !s->n_on_numa || !s->group_class || !s->picks || !s->role ||
            !s->uses || !s->noted || !s->sums || !s->link_sums || !s->link_most ||
            !s->greedy.best || !s->greedy.now || !s->greedy.has_failed || place_cuts_init(s) < 0) {
                place_search_free(s);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < model->request->n_rules; i++) {
                size_t n_levels = (size_t)n_items + 1;

                if (!model->request->rules[i].shared)
                        continue;
                s->n_serving[i] = calloc(n_classes * n_levels, sizeof(*s->n_serving[i]));
                if (!s->n_serving[i]) {
                        place_search_free(s);
                        return -ENOMEM;
                }
        }
        *ret = s;
        return 0;
}

struct place_search *place_search_free(struct place_search *s)
{
        if (!s)
                return NULL;
        free(s->limit);
        free(s->is_usable);
        free(s->last_row);
        free(s->load);
        free(s->n_free);
        free(s->n_items_free);
        free(s->n_on_numa);
        free(s->group_class);
        free(s->picks);
        free(s->role);
        free(s->uses);
        free(s->noted);
        free(s->sums);
        free(s->link_sums);
        free(s->link_most);
        place_cuts_deinit(&s->cuts);
        free(s->greedy.best);
        free(s->greedy.now);
        free(s->greedy.has_failed);
        for (uint32_t i = 0; i < P2P_PLACE_RULES_MAX; i++)
                free(s->n_serving[i]);
        free(s);
        return NULL;
}

uint64_t place_search_work(const struct place_search *s)
{
        return s->work;
}

bool place_search_is_out(const struct place_search *s)
{
        return s->work >= s->work_max;
}

/* Can the item have all companions it needs, and all clients, were it alone. */
static bool is_usable(const struct place_search *s, uint32_t item)
{
        const struct place_model *model = s->model;
        uint64_t n_found[P2P_PLACE_RULES_MAX] = {0};

        for (uint32_t i = 0; i < s->n_clients; i++)
                if (!place_pair_allowed(s, place_pair(model, item, model->client_classes[i])))
                        return false;
        for (uint32_t c = 0; c < model->n_classes; c++) {
                const struct place_class *class = &model->classes[c];

                if (!place_pair_allowed(s, place_pair(model, item, c)))
                        continue;
                for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                        if (class->roles & PLACE_ROLE_RULE(i))
                                n_found[i] += class->n_members - (c == item);
        }
        for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                if (n_found[i] < s->rules[i].n)
                        return false;
        return true;
}

static void find_usable(struct place_search *s)
{
        const struct place_model *model = s->model;
        uint32_t roles = 0;

        for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                roles |= PLACE_ROLE_RULE(i);
        for (uint32_t c = 0; c < model->n_classes; c++)
                s->last_row[c] = P2P_NONE;
        for (uint32_t row = 0; row < model->n_rows; row++) {
                s->is_usable[row] = is_usable(s, model->rows[row]);
                if (!s->is_usable[row])
                        continue;
                for (uint32_t c = 0; c < model->n_classes; c++)
                        if ((model->classes[c].roles & roles) &&
                            place_pair_allowed(s, place_pair(model, model->rows[row], c)))
                                s->last_row[c] = row;
        }
        s->work += (uint64_t)model->n_rows * model->n_classes;
}

static bool same_pairs_allowed(const struct place_bounds *a, const struct place_bounds *b)
{
        return a->flags_refused == b->flags_refused && a->path_max == b->path_max &&
               a->n_rules == b->n_rules && a->without_clients == b->without_clients;
}

static void set_rules(struct place_search *s)
{
        const struct place_model *model = s->model;
        const struct p2p_place_rule *rules = model->request->rules;

        s->rules[0] = (struct place_rule_state){0};
        for (uint32_t i = 0; i < s->bounds.n_rules; i++) {
                const uint32_t n_picks = s->n_items * rules[i].n;
                const uint32_t n_different = s->bounds.n_different[i];
                struct place_rule_state *r = &s->rules[i];

                *r = (struct place_rule_state){
                        .n = rules[i].n,
                        .n_left = n_picks,
                        .n_different_max = n_different,
                        .uses_each = n_picks / n_different,
                        .n_over_max = n_picks % n_different,
                };
                r->n_levels = r->uses_each + (r->n_over_max > 0);
                if (s->n_serving[i])
                        memset(s->n_serving[i], 0,
                               (size_t)model->n_classes * r->n_levels * sizeof(uint32_t));
        }
}

static void set_limits(struct place_search *s)
{
        const struct place_share *share = &s->bounds.share;
        const struct place_model *model = s->model;

        for (uint32_t i = 0; i < model->links.n; i++) {
                const uint32_t mbps = model->links.mbps[i];
                uint64_t most = UINT32_MAX;

                if (mbps != 0 && share->unlimited)
                        most = 0;
                else if (mbps != 0 && share->n_flows != 0)
                        most = (uint64_t)mbps * share->n_flows / share->link_mbps;
                /* Far above all that a choice can load, and no load can pass it. */
                s->limit[i] = most < UINT32_MAX / 2 ? (uint32_t)most : UINT32_MAX / 2;
        }
}

void place_search_set_bounds(struct place_search *s, const struct place_bounds *bounds)
{
        const struct place_model *model = s->model;
        const bool ready = s->is_bound && same_pairs_allowed(&s->bounds, bounds);

        if (!ready || memcmp(s->bounds.n_different, bounds->n_different,
                             bounds->n_rules * sizeof(*bounds->n_different)) != 0)
                s->greedy.is_made = s->greedy.is_found = false;
        s->bounds = *bounds;
        s->is_bound = true;
        s->n_items = model->request->n_items;
        s->n_clients = bounds->without_clients ? 0 : model->n_clients;
        set_rules(s);
        set_limits(s);
        if (!ready)
                find_usable(s);
        s->bounds_hash = place_mix(place_mix(1, bounds->flags_refused), bounds->path_max);
        s->bounds_hash = place_mix(s->bounds_hash, bounds->n_rules);
        s->bounds_hash = place_mix(s->bounds_hash, bounds->without_clients);
        s->bounds_hash = place_mix(s->bounds_hash, bounds->numa_max == P2P_NONE);
        for (uint32_t i = 0; i < bounds->n_rules; i++)
                s->bounds_hash = place_mix(s->bounds_hash, bounds->n_different[i]);
}

void place_search_clear(struct place_search *s)
{
        const struct place_model *model = s->model;

        memset(s->load, 0, model->links.n * sizeof(*s->load));
        memset(s->n_on_numa, 0, model->n_numa_nodes * sizeof(*s->n_on_numa));
        for (uint32_t c = 0; c < model->n_classes; c++) {
                s->n_free[c] = model->classes[c].n_members;
                s->n_items_free[c] = 0;
                if (model->classes[c].row != P2P_NONE)
                        s->n_items_free[c] = model->classes[c].n_members;
        }
        for (uint32_t i = 0; i < model->n_members; i++)
                s->role[model->members[i]] = s->uses[model->members[i]] = 0;
        s->n_numa = s->n_groups = s->n_picks = 0;
        s->at = (struct place_position){0};
}
