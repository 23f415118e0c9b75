/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is left to choose from, as a key. Each class adds what it still has to offer to the node it
 * hangs on, each node adds what it and all below it have to offer to its parent: sums, so that the
 * order of alike neighbours does not count. A subtree with nothing to offer adds nothing, whatever
 * its links carry: nothing goes there any more. What could never be used up counts as the most that
 * could be used.
 */

#include <stdlib.h>
#include <string.h>

#include "decide/place-search.h"

/* What is still to come. */
struct to_come {
        uint32_t items;
        uint32_t flows;     /* at most, over one link and direction */
        uint32_t first_row; /* no item before that row needs companions any more */
};

static const uint64_t seeds[2] = {0x2545f4914f6cdd1dU, 0xa0761d6478bd642fU};

/* The type is mixed on its own: small numbers as types and words would make up for each other. */
static void add(struct place_key *sum, uint64_t type, uint64_t word)
{
        for (unsigned i = 0; i < 2; i++)
                sum->half[i] += place_mix(place_mix(seeds[i], type), word);
}

static uint32_t least(uint32_t a, uint32_t b)
{
        return a < b ? a : b;
}

static struct to_come look_ahead(const struct place_search *s)
{
        struct to_come c = {
                .items = s->n_items - s->n_groups,
                .first_row = place_first_row(s),
        };

        c.flows = c.items * s->n_clients;
        for (uint32_t i = 0; i < s->bounds.n_rules; i++)
                c.flows += s->rules[i].n_left;
        c.flows *= 2;
        return c;
}

/* The companions that may serve one more, but serve already; and how many new ones could be wanted.
 */
static uint32_t add_serving(const struct place_search *s, uint32_t class, struct place_key *sum)
{
        const struct place_class *c = &s->model->classes[class];
        uint32_t wanted = 0;

        for (uint32_t i = 0; i < s->bounds.n_rules; i++) {
                if (!(c->roles & PLACE_ROLE_RULE(i)) || s->rules[i].n_left == 0)
                        continue;
                if (place_use_allowed(s, i, 0))
                        wanted += s->rules[i].n_left;
                for (uint32_t uses = 1; uses < s->rules[i].n_levels; uses++) {
                        uint32_t n = place_n_serving(s, i, class, uses);

                        if (n > 0 && place_use_allowed(s, i, uses))
                                add(sum, c->type, (uint64_t)n << 32 | uses << 8 | i << 4 | 1);
                }
        }
        return wanted;
}

/* Members that are no items yet, as items and as companions: each may be wanted as either. */
static void add_free(const struct place_search *s, const struct to_come *to_come, uint32_t class,
                     struct place_key *sum)
{
        const struct place_class *c = &s->model->classes[class];
        uint32_t items = 0, wanted = 0, n_free;

        if (c->row != P2P_NONE && c->row >= s->at.row && s->is_usable[c->row])
                items = least(s->n_items_free[class], to_come->items);
        if (s->last_row[class] != P2P_NONE && s->last_row[class] >= to_come->first_row)
                wanted = add_serving(s, class, sum);
        n_free = least(s->n_free[class], wanted + items);
        if (n_free > 0)
                add(sum, c->type, (uint64_t)n_free << 32 | items << 4 | 2);
}

static void add_class(const struct place_search *s, const struct to_come *to_come, uint32_t class,
                      struct place_key *sum)
{
        const struct place_class *c = &s->model->classes[class];
        struct place_key own = {0};

        if (!place_numa_blocked(s, c->numa))
                add_free(s, to_come, class, &own);
        if ((own.half[0] | own.half[1]) != 0 && s->bounds.numa_max != P2P_NONE &&
            c->numa != P2P_NONE && s->n_on_numa[c->numa] > 0)
                add(&own, c->type, 4);
        if (c->client != P2P_NONE && s->n_clients > 0 && to_come->items > 0)
                add(&own, c->type, 5);
        sum->half[0] += own.half[0];
        sum->half[1] += own.half[1];
}

/* Items that wait for companions, and what the one that is being served has just taken. */
static void add_groups(struct place_search *s)
{
        const struct place_class *classes = s->model->classes;

        for (uint32_t g = s->at.group; g < s->n_groups; g++) {
                const struct place_class *c = &classes[s->group_class[g]];
                const bool now = g == s->at.group;
                uint64_t rule = now ? s->at.rule : 0, n = now ? s->at.n_left : s->rules[0].n;

                add(&s->sums[c->node], c->type, n << 32 | rule << 8 | 6);
        }
        for (uint32_t i = s->n_picks; i-- > 0;) {
                const struct place_pick *p = &s->picks[i];

                if (p->is_item || p->group != s->at.group || p->rule != s->at.rule)
                        break;
                if (p->uses + 1 < s->rules[p->rule].n_levels)
                        add(&s->sums[classes[p->class].node], classes[p->class].type,
                            (uint64_t)p->uses << 32 | 7);
        }
}

/* The most that could still come over a link. */
static uint32_t most_on(const struct place_search *s, const struct to_come *to_come, uint32_t link)
{
        return s->model->is_end_link[link] ? least(s->link_most[link], to_come->flows)
                                           : to_come->flows;
}

static void count_on_end_links(struct place_search *s)
{
        const struct place_model *model = s->model;

        for (uint32_t i = 0; i < model->n_used_links; i++)
                s->link_most[model->used_links[i]] = 0;
        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].link != P2P_NONE)
                        s->link_most[model->classes[c].link] += s->n_free[c];
}

/* What each link can still carry, beside the node that it hangs on; one whose functions hang on
 * several nodes goes by its number. */
static void add_links(struct place_search *s, const struct to_come *to_come, struct place_key *sum)
{
        const struct place_model *model = s->model;

        count_on_end_links(s);
        memset(s->link_sums, 0, model->n_nodes * sizeof(*s->link_sums));
        for (uint32_t i = 0; i < model->n_used_links; i++) {
                const uint32_t link = model->used_links[i], node = model->link_node[link];
                const uint64_t room =
                        least(s->limit[link] - s->load[link], most_on(s, to_come, link));

                if (node == P2P_NONE)
                        add(sum, (uint64_t)link << 8, room << 8 | 8);
                else
                        add(&s->link_sums[node], model->has_links[node] ? (uint64_t)link << 8 : 0,
                            room << 8 | 9);
        }
}

static struct place_key begin_sum(const struct place_search *s, const struct to_come *to_come)
{
        struct place_key sum = {{s->bounds_hash, ~s->bounds_hash}};

        add(&sum, 10, to_come->items);
        if (s->bounds.numa_max != P2P_NONE)
                add(&sum, 11, s->bounds.numa_max - s->n_numa);
        for (uint32_t i = 0; i < s->bounds.n_rules; i++) {
                const struct place_rule_state *r = &s->rules[i];

                add(&sum, 12 + i, r->n_left);
                if (r->n_levels > 1) {
                        add(&sum, 32 + i, r->n_different_max - r->n_different);
                        add(&sum, 64 + i, r->n_over_max - r->n_over);
                }
        }
        return sum;
}

struct place_key place_key_compute(struct place_search *s)
{
        const struct place_model *model = s->model;
        const struct to_come to_come = look_ahead(s);
        struct place_key sum = begin_sum(s, &to_come);

        s->work += model->n_classes + model->n_nodes + model->n_used_links;
        memset(s->sums, 0, model->n_nodes * sizeof(*s->sums));
        for (uint32_t c = 0; c < model->n_classes; c++)
                add_class(s, &to_come, c, &s->sums[model->classes[c].node]);
        add_groups(s);
        add_links(s, &to_come, &sum);
        /* Deepest first: a node's sum is complete when its turn comes. */
        for (uint32_t i = 0; i < model->n_nodes; i++) {
                const struct place_node *n = &model->nodes[model->order[i]];
                struct place_key own = s->sums[model->order[i]];

                if ((own.half[0] | own.half[1]) == 0)
                        continue;
                for (unsigned half = 0; half < 2; half++) {
                        own.half[half] += s->link_sums[model->order[i]].half[half];
                        own.half[half] = place_mix(own.half[half] ^ seeds[half], n->type);
                        if (n->parent == P2P_NONE)
                                sum.half[half] += own.half[half];
                        else
                                s->sums[n->parent].half[half] += own.half[half];
                }
        }
        return sum;
}

bool place_key_is_noted(const struct place_search *s, struct place_key key)
{
        const struct place_key *noted = &s->noted[key.half[0] & s->noted_mask];

        return noted->half[0] == key.half[0] && noted->half[1] == key.half[1];
}

/* Most searches are short: the table begins small. Without memory it stays as it is. */
static void grow(struct place_search *s)
{
        const uint32_t mask = s->noted_mask * 8 + 7;
        struct place_key *noted = calloc((size_t)mask + 1, sizeof(*noted));

        if (!noted)
                return;
        for (uint32_t i = 0; i <= s->noted_mask; i++)
                noted[s->noted[i].half[0] & mask] = s->noted[i];
        free(s->noted);
        s->noted = noted;
        s->noted_mask = mask;
}

void place_key_note(struct place_search *s, struct place_key key)
{
        if (++s->n_noted > s->noted_mask / 2 && s->noted_mask < PLACE_NOTED_MAX - 1)
                grow(s);
        s->noted[key.half[0] & s->noted_mask] = key;
}
