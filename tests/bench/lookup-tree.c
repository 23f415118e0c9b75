/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-tree.h"

#include <stdlib.h>

static uint64_t last_below(const struct tree_node *node)
{
        const struct tree_node *left = RB_LEFT(node, entry), *right = RB_RIGHT(node, entry);
        uint64_t last = node->last;

        if (left && left->subtree_last > last)
                last = left->subtree_last;
        return right && right->subtree_last > last ? right->subtree_last : last;
}

#undef RB_AUGMENT
#define RB_AUGMENT(node) ((node)->subtree_last = last_below(node))

static int compare(const struct tree_node *a, const struct tree_node *b)
{
        return a->first < b->first ? -1 : a->first > b->first;
}

/* Not all of what this defines is used. */
RB_GENERATE_INTERNAL(tree_root, tree_node, entry, compare, __attribute__((unused)) static)

struct tree *tree_new(const struct span *spans, size_t n)
{
        struct tree *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        RB_INIT(&t->root);
        t->bytes = n * sizeof(*t->nodes);
        t->nodes = aligned_alloc(_Alignof(struct tree_node), t->bytes);
        if (!t->nodes)
                return tree_free(t);
        for (size_t i = 0; i < n; i++) {
                struct tree_node *node = &t->nodes[i];

                *node = (struct tree_node){.first = spans[i].first,
                                           .last = spans[i].last,
                                           .subtree_last = spans[i].last,
                                           .index = (uint32_t)i};
                (void)tree_root_RB_INSERT(&t->root, node);
                /* Rotations have put right what they moved; the way up from the new node is left.
                 */
                for (; node; node = RB_PARENT(node, entry))
                        (void)RB_AUGMENT(node);
        }
        return t;
}

struct tree *tree_free(struct tree *t)
{
        if (t)
                free(t->nodes);
        free(t);
        return NULL;
}
