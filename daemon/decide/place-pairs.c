/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model of a request, third part: what a pair of an item with another function means. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-private.h"

/* A row of pairs for each class of items: with this many, 8 MiB and a tenth of a second. */
#define PAIRS_MAX 1000000U

#define LOADS_MAX 64U
#define COSTS (LOADS_MAX * P2P_PATH_MAX)

static uint32_t meet(const struct place_model *model, uint32_t a, uint32_t b)
{
        const struct place_node *nodes = model->nodes;

        while (nodes[a].depth > nodes[b].depth)
                a = nodes[a].parent;
        while (nodes[b].depth > nodes[a].depth)
                b = nodes[b].parent;
        while (a != b) {
                a = nodes[a].parent;
                b = nodes[b].parent;
        }
        return a;
}

static bool is_redirected(const struct place_model *model, const struct place_class *item,
                          const struct place_class *other, uint32_t common)
{
        const struct place_node *nodes = model->nodes;
        uint32_t above = nodes[common].n_redirects, own;

        if (nodes[common].function == P2P_NONE)
                return false;
        own = above - nodes[nodes[common].parent].n_redirects;
        return own > 0 || item->redirects || other->redirects ||
               nodes[item->node].n_redirects > above || nodes[other->node].n_redirects > above;
}

static bool is_unknown_link(const struct place_model *model, uint32_t link)
{
        return link != P2P_NONE && model->links.mbps[link] == 0;
}

static bool has_unknown_link(const struct place_model *model, const struct place_class *class,
                             uint32_t end)
{
        if (is_unknown_link(model, class->link))
                return true;
        for (uint32_t node = class->node; node != end; node = model->nodes[node].parent)
                if (is_unknown_link(model, model->nodes[node].link))
                        return true;
        return false;
}

static uint8_t flags_of_map(uint8_t map)
{
        switch (map) {
        case P2P_MAP_BUS:
                return 0;
        case P2P_MAP_NONE:
                return PLACE_PAIR_NONE | PLACE_PAIR_NOT_BUS;
        case P2P_MAP_UNKNOWN:
                return PLACE_PAIR_UNKNOWN | PLACE_PAIR_NOT_BUS;
        default:
                return PLACE_PAIR_NOT_BUS;
        }
}

/* An item that is the client itself: no way below the common element, which is the item. */
static void look_at_same(const struct place_model *model, const struct place_class *item,
                         struct place_pair *pair)
{
        pair->flags |= PLACE_PAIR_SAME;
        pair->common = item->node;
        if (!item->redirects)
                return;
        pair->flags |= PLACE_PAIR_REDIRECTED;
        if (has_unknown_link(model, item, P2P_NONE))
                pair->flags |= PLACE_PAIR_LINK_UNKNOWN;
}

static void look_at_way(const struct place_model *model, const struct place_class *item,
                        const struct place_class *other, struct place_pair *pair)
{
        const uint32_t common = meet(model, item->node, other->node);

        pair->common = common;
        if (has_unknown_link(model, item, common) || has_unknown_link(model, other, common))
                pair->flags |= PLACE_PAIR_LINK_UNKNOWN;
        if (!is_redirected(model, item, other, common))
                return;
        pair->flags |= PLACE_PAIR_REDIRECTED;
        for (uint32_t node = common; node != P2P_NONE; node = model->nodes[node].parent)
                if (is_unknown_link(model, model->nodes[node].link))
                        pair->flags |= PLACE_PAIR_LINK_UNKNOWN;
}

static void look(const struct place_model *model, uint32_t item, uint32_t other,
                 struct place_pair *pair)
{
        const struct place_class *a = &model->classes[item], *b = &model->classes[other];
        const uint32_t p = p2p_verdicts_class(model->verdicts, a->function);
        const uint32_t c = p2p_verdicts_class(model->verdicts, b->function);
        const bool same = item == other && a->client != P2P_NONE;
        struct p2p_verdict there = p2p_verdicts_get_classes(model->verdicts, p, c, same);
        struct p2p_verdict back = p2p_verdicts_get_classes(model->verdicts, c, p, same);

        pair->path = there.path > back.path ? there.path : back.path;
        pair->flags = flags_of_map(there.map) | flags_of_map(back.map);
        if (same && model->nodes[a->node].function != a->function)
                look_at_same(model, a, pair);
        else
                look_at_way(model, a, b, pair);
}

static uint32_t n_links(const struct place_model *model, uint32_t node, uint32_t end)
{
        uint32_t n = 0;

        for (; node != end; node = model->nodes[node].parent)
                n += model->nodes[node].link != P2P_NONE;
        return n;
}

/* How much of the machine a pair takes: links, twice those that a redirect goes up and down again;
 * then the path. */
static uint32_t cost_of_pair(const struct place_model *model, uint32_t item, uint32_t other,
                             const struct place_pair *pair)
{
        uint32_t n = n_links(model, model->classes[item].node, pair->common) +
                     n_links(model, model->classes[other].node, pair->common);

        if (pair->flags & PLACE_PAIR_REDIRECTED)
                n += 2 * n_links(model, pair->common, P2P_NONE);
        return (n < LOADS_MAX ? n : LOADS_MAX - 1) * P2P_PATH_MAX + pair->path;
}

/* Classes by what a pair with them costs, then by address. */
static void sort_row(const struct place_model *model, uint32_t row, const uint32_t *cost_of)
{
        uint32_t begin[COSTS + 1] = {0}, *near = &model->near[(size_t)row * model->n_classes];

        for (uint32_t c = 0; c < model->n_classes; c++)
                begin[cost_of[c] + 1]++;
        for (uint32_t i = 0; i < COSTS; i++)
                begin[i + 1] += begin[i];
        for (uint32_t c = 0; c < model->n_classes; c++)
                near[begin[cost_of[c]]++] = c;
}

int place_pairs_make(struct place_model *model)
{
        const uint32_t n = model->n_classes;
        uint32_t *cost_of;

        if ((uint64_t)model->n_rows * n > PAIRS_MAX)
                return P2P_PLACE_E_TOO_LARGE;
        cost_of = calloc((size_t)n + 1, sizeof(*cost_of));
        model->pairs = calloc((size_t)model->n_rows * n + 1, sizeof(*model->pairs));
        model->near = calloc((size_t)model->n_rows * n + 1, sizeof(*model->near));
        if (!cost_of || !model->pairs || !model->near) {
                free(cost_of);
                return -ENOMEM;
        }
        for (uint32_t row = 0; row < model->n_rows; row++) {
                for (uint32_t c = 0; c < n; c++) {
                        struct place_pair *pair = &model->pairs[(size_t)row * n + c];

                        look(model, model->rows[row], c, pair);
                        cost_of[c] = cost_of_pair(model, model->rows[row], c, pair);
                }
                sort_row(model, row, cost_of);
        }
        free(cost_of);
        return 0;
}
