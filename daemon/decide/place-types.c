/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The model of a request, last part: which places of the tree are alike.
 *
 * A type is a number for a node or a class: equal numbers mean that all that matters about it is
 * equal, from itself up to the machine: redirects, roles, depth, but for what links carry. Two
 * subtrees that hang on one node and have equal types and contents all the way down can change
 * places, and no choice gets better or worse by it. The search recognises what it has tried before
 * by that.
 *
 * That holds only if what a pair means hangs on nothing but the types of both ends and the depth
 * at which they meet. Nobody has to believe it: all pairs are looked at. Where it is wrong, the
 * root buses get types of their own; where it still is, every class does, which is right in any
 * case.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-private.h"

enum alike { ALIKE_ROOT_BUSES, ALIKE_BELOW_ROOT_BUSES, ALIKE_NOTHING };

#define MEANINGS_MAX 16384U /* a power of two */

struct meaning {
        uint64_t name; /* 0: free */
        uint32_t pair;
};

static uint64_t link_type(const struct place_model *model, uint32_t link, bool unique)
{
        if (link == P2P_NONE)
                return 1;
        /* Several links below one node, or one below several, are told apart. */
        if (unique || model->link_node[link] == P2P_NONE)
                return place_mix(2, link);
        /* What it can carry is no part of the type: the search sees what is left of it. */
        return 3 + (model->links.mbps[link] != 0);
}

static uint64_t acs_type(const struct p2p_function *f)
{
        if (p2p_fact_is_known(f->acs_control))
                return f->acs_control.val & P2P_ACS_REDIRECT ? 1 : 0;
        return p2p_fact_is_unknown(f->acs_control) ? 2 + (uint64_t)f->acs_control.why : 0;
}

/* A root bus with classes on several NUMA nodes. */
static bool is_mixed(const struct place_model *model, uint32_t node)
{
        return model->nodes[node].kind == PLACE_NODE_ROOT_BUS &&
               model->nodes[model->nodes[node].parent].kind == PLACE_NODE_MACHINE;
}

static bool is_mixed_anywhere(const struct place_model *model)
{
        for (uint32_t i = 0; i < model->n_nodes; i++)
                if (is_mixed(model, i))
                        return true;
        return false;
}

static uint64_t node_label(const struct place_model *model, uint32_t node, enum alike alike,
                           bool mixed_anywhere)
{
        const struct place_node *n = &model->nodes[node];

        switch (n->kind) {
        case PLACE_NODE_ELEMENT:
                return acs_type(&model->m->functions[n->function]);
        case PLACE_NODE_ROOT_BUS:
                return alike == ALIKE_ROOT_BUSES && !is_mixed(model, node) ? 0 : 1 + node;
        case PLACE_NODE_NUMA:
                /* The last one is that of unknown nodes, which do not count. */
                return mixed_anywhere || node == model->n_nodes - 1 ? 1 + node : 0;
        case PLACE_NODE_MACHINE:
                break;
        }
        return 0;
}

static uint64_t class_type(const struct place_model *model, uint32_t class)
{
        const struct place_class *c = &model->classes[class];
        uint32_t top = c->node;
        uint64_t h = place_mix(model->nodes[top].type, 4);

        while (model->nodes[top].kind != PLACE_NODE_ROOT_BUS)
                top = model->nodes[top].parent;
        h = place_mix(h, acs_type(&model->m->functions[c->function]));
        h = place_mix(h, link_type(model, c->link, model->has_links[c->node]));
        h = place_mix(h, c->roles);
        h = place_mix(h, c->client);
        return place_mix(h, is_mixed(model, top) ? c->numa : 0);
}

static void give_types(struct place_model *model, enum alike alike)
{
        const bool mixed_anywhere = is_mixed_anywhere(model);

        for (uint32_t i = model->n_nodes; i-- > 0;) {
                struct place_node *node = &model->nodes[model->order[i]];
                uint64_t h = place_mix(5, node->kind);

                if (node->parent != P2P_NONE)
                        h = place_mix(model->nodes[node->parent].type,
                                      link_type(model, node->link, model->has_links[node->parent]));
                node->type =
                        place_mix(h, node_label(model, model->order[i], alike, mixed_anywhere));
        }
        for (uint32_t c = 0; c < model->n_classes; c++)
                model->classes[c].type =
                        alike == ALIKE_NOTHING ? place_mix(6, c) : class_type(model, c);
}

/* Notes what a pair means; false if one with the same types means something else, or if there are
 * too many to note. */
static bool agrees(const struct place_model *model, struct meaning *meanings, uint32_t *n,
                   uint32_t row, uint32_t other)
{
        const uint32_t at = row * model->n_classes + other;
        const struct place_pair *pair = &model->pairs[at], *noted;
        uint64_t name =
                place_mix(model->classes[model->rows[row]].type, model->classes[other].type);
        uint32_t slot;

        name = place_mix(name, model->nodes[pair->common].depth) | 1;
        for (slot = name >> 32 & (MEANINGS_MAX - 1); meanings[slot].name != 0;
             slot = (slot + 1) & (MEANINGS_MAX - 1))
                if (meanings[slot].name == name) {
                        noted = &model->pairs[meanings[slot].pair];
                        return noted->path == pair->path && noted->flags == pair->flags;
                }
        meanings[slot] = (struct meaning){name, at};
        return ++*n < MEANINGS_MAX / 2;
}

/* The class of one function with itself, which is not a client: there is no such pair. */
static bool is_no_pair(const struct place_model *model, uint32_t row, uint32_t other)
{
        const struct place_class *c = &model->classes[other];

        return model->rows[row] == other && c->n_members < 2 && c->client == P2P_NONE;
}

static bool types_hold(const struct place_model *model, struct meaning *meanings)
{
        uint32_t n = 0;

        memset(meanings, 0, MEANINGS_MAX * sizeof(*meanings));
        for (uint32_t row = 0; row < model->n_rows; row++)
                for (uint32_t c = 0; c < model->n_classes; c++)
                        if (!is_no_pair(model, row, c) && !agrees(model, meanings, &n, row, c))
                                return false;
        return true;
}

int place_types_make(struct place_model *model)
{
        struct meaning *meanings = malloc(MEANINGS_MAX * sizeof(*meanings));
        enum alike alike = ALIKE_ROOT_BUSES;

        if (!meanings)
                return -ENOMEM;
        for (;; alike++) {
                give_types(model, alike);
                if (alike == ALIKE_NOTHING || types_hold(model, meanings))
                        break;
        }
        free(meanings);
        return 0;
}
