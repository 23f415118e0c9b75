/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The model of a request, second part: the tree above the classes. Elements as the machine has
 * them, then one node for each root bus (or for what hangs on a bus whose parent is missing), then
 * NUMA nodes, then the machine. The last two are there for place-types.c.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-private.h"

struct growing {
        struct place_model *model;
        uint32_t *node_of;   /* by function, of those that are nodes */
        bool *has_children;  /* by function */
        uint64_t *top_names; /* by node, of those that stand for root buses; 0: another node */
        uint32_t room;
};

static uint32_t add_node(struct growing *g, struct place_node node)
{
        struct place_model *model = g->model;

        model->nodes[model->n_nodes] = node;
        return model->n_nodes++;
}

/* What the top elements have in common that hang on one root bus, or on one bus whose parent is
 * missing (as link_name() in flows.c); never 0. */
static uint64_t top_name(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        if (f->root != P2P_NONE)
                return (uint64_t)f->root + 1;
        if (f->is_vf && f->physfn != P2P_NONE)
                f = &m->functions[f->physfn];
        return 1ULL << 63 | (uint64_t)f->address.segment << 8 | f->address.bus;
}

static uint32_t top_node(struct growing *g, uint32_t function)
{
        const uint64_t name = top_name(g->model->m, function);
        uint32_t node;

        for (node = 0; node < g->model->n_nodes; node++)
                if (g->top_names[node] == name)
                        return node;
        node = add_node(g, (struct place_node){
                                   .kind = PLACE_NODE_ROOT_BUS,
                                   .parent = P2P_NONE,
                                   .function = P2P_NONE,
                                   .link = P2P_NONE,
                           });
        g->top_names[node] = name;
        return node;
}

static bool redirects(const struct p2p_function *f)
{
        return p2p_fact_is_known(f->acs_control) && (f->acs_control.val & P2P_ACS_REDIRECT) != 0;
}

static uint32_t element_node(struct growing *g, uint32_t function);

static uint32_t node_above(struct growing *g, uint32_t function)
{
        const uint32_t parent = g->model->m->functions[function].parent;

        return parent == P2P_NONE ? top_node(g, function) : element_node(g, parent);
}

static uint32_t element_node(struct growing *g, uint32_t function)
{
        const struct p2p_function *f = &g->model->m->functions[function];
        struct place_node node = {.function = function};

        if (g->node_of[function] != P2P_NONE)
                return g->node_of[function];
        node.parent = node_above(g, function);
        node.link = g->model->links.of[function];
        node.n_redirects = g->model->nodes[node.parent].n_redirects + redirects(f);
        g->node_of[function] = add_node(g, node);
        return g->node_of[function];
}

static void hang_classes(struct growing *g)
{
        struct place_model *model = g->model;

        for (uint32_t c = 0; c < model->n_classes; c++) {
                struct place_class *class = &model->classes[c];

                if (g->has_children[class->function]) {
                        class->node = element_node(g, class->function);
                        class->link = P2P_NONE;
                        continue;
                }
                class->node = node_above(g, class->function);
                class->redirects = redirects(&model->m->functions[class->function]);
        }
}

static int compare_numbers(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int number_numa_nodes(struct place_model *model)
{
        uint32_t n = 0;

        model->numa_nodes = calloc((size_t)model->n_classes + 1, sizeof(*model->numa_nodes));
        if (!model->numa_nodes)
                return -ENOMEM;
        for (uint32_t c = 0; c < model->n_classes; c++) {
                struct p2p_fact node = model->m->functions[model->classes[c].function].numa_node;

                if (p2p_fact_is_known(node))
                        model->numa_nodes[n++] = node.val;
        }
        qsort(model->numa_nodes, n, sizeof(*model->numa_nodes), compare_numbers);
        for (uint32_t i = 0; i < n; i++)
                if (model->n_numa_nodes == 0 ||
                    model->numa_nodes[model->n_numa_nodes - 1] != model->numa_nodes[i])
                        model->numa_nodes[model->n_numa_nodes++] = model->numa_nodes[i];
        for (uint32_t c = 0; c < model->n_classes; c++) {
                struct p2p_fact node = model->m->functions[model->classes[c].function].numa_node;
                uint64_t *found = NULL;

                if (p2p_fact_is_known(node))
                        found = bsearch(&node.val, model->numa_nodes, model->n_numa_nodes,
                                        sizeof(node.val), compare_numbers);
                model->classes[c].numa = found ? (uint32_t)(found - model->numa_nodes) : P2P_NONE;
        }
        return 0;
}

/* Which NUMA node each root bus's classes are on: their index, n_numa_nodes for unknown, or
 * P2P_NONE where they differ. */
static void join_numa_nodes(struct growing *g, uint32_t *numa_of)
{
        const struct place_model *model = g->model;
        const uint32_t nothing = P2P_NONE - 1;

        for (uint32_t i = 0; i < model->n_nodes; i++)
                numa_of[i] = nothing;
        for (uint32_t c = 0; c < model->n_classes; c++) {
                uint32_t numa = model->classes[c].numa, top = model->classes[c].node;

                if (numa == P2P_NONE)
                        numa = model->n_numa_nodes;
                while (model->nodes[top].parent != P2P_NONE)
                        top = model->nodes[top].parent;
                if (numa_of[top] == nothing)
                        numa_of[top] = numa;
                else if (numa_of[top] != numa)
                        numa_of[top] = P2P_NONE;
        }
}

/* Puts NUMA nodes and the machine above root buses. */
static int crown(struct growing *g)
{
        struct place_node above = {
                .kind = PLACE_NODE_MACHINE,
                .parent = P2P_NONE,
                .function = P2P_NONE,
                .link = P2P_NONE,
        };
        struct place_model *model = g->model;
        const uint32_t n_below = model->n_nodes;
        uint32_t *numa_of = calloc((size_t)n_below + 1, sizeof(*numa_of));
        uint32_t *node_of = calloc((size_t)model->n_numa_nodes + 1, sizeof(*node_of));
        uint32_t machine;

        if (!numa_of || !node_of) {
                free(numa_of);
                free(node_of);
                return -ENOMEM;
        }
        join_numa_nodes(g, numa_of);
        machine = add_node(g, above);
        above.kind = PLACE_NODE_NUMA;
        above.parent = machine;
        for (uint32_t i = 0; i <= model->n_numa_nodes; i++)
                node_of[i] = add_node(g, above);
        for (uint32_t i = 0; i < n_below; i++)
                if (model->nodes[i].parent == P2P_NONE)
                        model->nodes[i].parent =
                                numa_of[i] == P2P_NONE ? machine : node_of[numa_of[i]];
        free(numa_of);
        free(node_of);
        return 0;
}

static uint32_t depth_of(const struct place_model *model, uint32_t node)
{
        uint32_t depth = 0;

        for (; model->nodes[node].parent != P2P_NONE; node = model->nodes[node].parent)
                depth++;
        return depth;
}

/* The deepest first: counts nodes by depth, then deals them out. */
static int put_in_order(struct place_model *model)
{
        uint32_t *begin = calloc((size_t)model->n_nodes + 2, sizeof(*begin));

        model->order = calloc((size_t)model->n_nodes + 1, sizeof(*model->order));
        if (!begin || !model->order) {
                free(begin);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < model->n_nodes; i++) {
                model->nodes[i].depth = depth_of(model, i);
                begin[model->n_nodes - model->nodes[i].depth]++;
        }
        for (uint32_t i = 1; i <= model->n_nodes; i++)
                begin[i] += begin[i - 1];
        for (uint32_t i = 0; i < model->n_nodes; i++)
                model->order[--begin[model->n_nodes - model->nodes[i].depth]] = i;
        free(begin);
        return 0;
}

static void note_link(struct place_model *model, uint32_t link, uint32_t node, bool *seen)
{
        if (link == P2P_NONE)
                return;
        if (!seen[link]) {
                model->link_node[link] = node;
                if (model->links.mbps[link] != 0)
                        model->used_links[model->n_used_links++] = link;
        } else if (model->link_node[link] != node) {
                model->link_node[link] = P2P_NONE;
        }
        seen[link] = true;
}

/* A function of this class can put no more than one pair on its link. */
static bool serves_one(const struct place_model *model, const struct place_class *c)
{
        if (c->client != P2P_NONE || (c->roles & PLACE_ROLE_ITEM))
                return false;
        for (uint32_t i = 0; i < model->request->n_rules; i++)
                if (model->request->rules[i].shared && (c->roles & PLACE_ROLE_RULE(i)))
                        return false;
        return true;
}

static void find_end_links(struct place_model *model)
{
        for (uint32_t i = 0; i < model->links.n; i++)
                model->is_end_link[i] = true;
        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].link != P2P_NONE && !serves_one(model, &model->classes[c]))
                        model->is_end_link[model->classes[c].link] = false;
        for (uint32_t i = 0; i < model->n_nodes; i++)
                if (model->nodes[i].link != P2P_NONE)
                        model->is_end_link[model->nodes[i].link] = false;
}

static int place_links(struct place_model *model)
{
        const size_t room = (size_t)model->links.n + 1;
        bool *seen = calloc(room, sizeof(*seen)), *has_link;

        model->used_links = calloc(room, sizeof(*model->used_links));
        model->link_node = malloc(room * sizeof(*model->link_node));
        model->has_links = calloc((size_t)model->n_nodes + 1, sizeof(*model->has_links));
        model->is_end_link = calloc(room, sizeof(*model->is_end_link));
        has_link = calloc((size_t)model->n_nodes + 1, sizeof(*has_link));
        if (!model->is_end_link || !seen || !model->used_links || !model->link_node ||
            !model->has_links || !has_link) {
                free(seen);
                free(has_link);
                return -ENOMEM;
        }
        memset(model->link_node, 0xff, room * sizeof(*model->link_node));
        for (uint32_t c = 0; c < model->n_classes; c++)
                note_link(model, model->classes[c].link, model->classes[c].node, seen);
        for (uint32_t i = 0; i < model->n_nodes; i++)
                note_link(model, model->nodes[i].link, model->nodes[i].parent, seen);
        for (uint32_t i = 0; i < model->links.n; i++) {
                const uint32_t node = model->link_node[i];

                if (node == P2P_NONE)
                        continue;
                model->has_links[node] |= has_link[node];
                has_link[node] = true;
        }
        find_end_links(model);
        free(seen);
        free(has_link);
        return 0;
}

int place_tree_make(struct place_model *model)
{
        const struct p2p_machine *m = model->m;
        /* Each element once, at most one top for each of them, NUMA nodes and the machine. */
        const size_t room = (size_t)m->n_functions * 3 + 4;
        struct growing g = {
                .model = model,
                .node_of = malloc(((size_t)m->n_functions + 1) * sizeof(*g.node_of)),
                .has_children = calloc((size_t)m->n_functions + 1, sizeof(*g.has_children)),
                .top_names = calloc(room, sizeof(*g.top_names)),
        };
        int r = -ENOMEM;

        model->nodes = calloc(room, sizeof(*model->nodes));
        if (!g.node_of || !g.has_children || !g.top_names || !model->nodes)
                goto out;
        memset(g.node_of, 0xff, ((size_t)m->n_functions + 1) * sizeof(*g.node_of));
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].parent != P2P_NONE)
                        g.has_children[m->functions[i].parent] = true;
        hang_classes(&g);
        r = number_numa_nodes(model);
        if (r == 0)
                r = crown(&g);
        if (r == 0)
                r = put_in_order(model);
        if (r == 0)
                r = place_links(model);
out:
        free(g.node_of);
        free(g.has_children);
        free(g.top_names);
        return r;
}
