/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An augmented red-black interval tree on libbsd's red-black tree: each node knows the last address
 * below it, and the search is that of the kernel's interval trees.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bsd/sys/tree.h>

#include "lookup-layout.h"

/* One cache line. */
struct tree_node {
        RB_ENTRY(tree_node) entry;
        uint64_t first;
        uint64_t last;
        uint64_t subtree_last;
        uint32_t index;
} __attribute__((aligned(64)));

RB_HEAD(tree_root, tree_node);

struct tree {
        struct tree_root root;
        struct tree_node *nodes;
        size_t bytes;
};

/* NULL: no memory. Keeps nothing of `spans`. */
struct tree *tree_new(const struct span *spans, size_t n);

struct tree *tree_free(struct tree *t);

/* The index of the span that contains the address, with the offset in it; -1, none. */
static inline int32_t tree_lookup(const struct tree *t, uint64_t address, uint64_t *ret_offset)
{
        const struct tree_node *node = RB_ROOT(&t->root);

        if (!node || node->subtree_last < address)
                return -1;
        for (;;) {
                const struct tree_node *left = RB_LEFT(node, entry);

                if (left && left->subtree_last >= address) {
                        node = left;
                        continue;
                }
                if (node->first > address)
                        return -1;
                if (node->last >= address) {
                        *ret_offset = address - node->first;
                        return (int32_t)node->index;
                }
                node = RB_RIGHT(node, entry);
                if (!node || node->subtree_last < address)
                        return -1;
        }
}
