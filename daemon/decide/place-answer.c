/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/place-answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_bad(struct p2p_verdict v)
{
        return v.map == P2P_MAP_NONE || v.map == P2P_MAP_UNKNOWN;
}

/* First what is bad, then what has the worse path. */
static bool is_worse(struct p2p_verdict v, struct p2p_verdict than)
{
        if (is_bad(v) != is_bad(than))
                return is_bad(v);
        return v.path > than.path;
}

static void look_at(struct p2p_place_answer *a, const struct place_model *model, uint32_t provider,
                    uint32_t client)
{
        struct p2p_verdict v = p2p_verdicts_get(model->verdicts, provider, client);

        a->has_bad |= is_bad(v);
        if (v.path > a->worst_path)
                a->worst_path = v.path;
        if (a->worst_provider != P2P_NONE && !is_worse(v, a->worst))
                return;
        a->worst = v;
        a->worst_provider = provider;
        a->worst_client = client;
}

static void look_at_pair(struct p2p_place_answer *a, const struct place_model *model,
                         struct p2p_flows *f, uint32_t item, uint32_t other)
{
        look_at(a, model, item, other);
        look_at(a, model, other, item);
        p2p_flows_add_pair(f, item, other);
}

static void look_at_pairs(struct p2p_place_answer *a, const struct place_model *model,
                          struct p2p_flows *f)
{
        const uint32_t n = model->n_per_item;

        p2p_flows_clear(f);
        for (uint32_t i = 0; i < model->request->n_items; i++) {
                for (uint32_t c = 0; c < model->n_clients; c++)
                        look_at_pair(a, model, f, a->items[i],
                                     model->classes[model->client_classes[c]].function);
                for (uint32_t c = 0; c < n; c++)
                        look_at_pair(a, model, f, a->items[i], a->companions[i * n + c]);
        }
        a->bottleneck = p2p_flows_bottleneck(f);
}

static int compare_numbers(const void *a, const void *b)
{
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void list_numa_nodes(struct p2p_place_answer *a, const struct place_model *model,
                            const uint32_t *functions, uint32_t n)
{
        uint32_t n_known = 0;

        for (uint32_t i = 0; i < n; i++) {
                struct p2p_fact node = model->m->functions[functions[i]].numa_node;

                if (p2p_fact_is_known(node))
                        a->numa_nodes[n_known++] = (uint32_t)node.val;
        }
        qsort(a->numa_nodes, n_known, sizeof(*a->numa_nodes), compare_numbers);
        for (uint32_t i = 0; i < n_known; i++)
                if (a->n_numa_nodes == 0 || a->numa_nodes[a->n_numa_nodes - 1] != a->numa_nodes[i])
                        a->numa_nodes[a->n_numa_nodes++] = a->numa_nodes[i];
}

int place_answer_init(struct p2p_place_answer *ret, const struct place_model *model,
                      const struct place_solution *solution, struct p2p_flows *f)
{
        const uint32_t n_items = model->request->n_items;
        const uint32_t n_companions = n_items * model->n_per_item, n = n_items + n_companions;
        const struct place_share *bound = &solution->bound_share;
        struct p2p_place_answer a = {
                .items = calloc((size_t)n_items + 1, sizeof(*a.items)),
                .companions = calloc((size_t)n_companions + 1, sizeof(*a.companions)),
                .numa_nodes = calloc((size_t)n + 1, sizeof(*a.numa_nodes)),
                .worst_provider = P2P_NONE,
                .worst_client = P2P_NONE,
                .worst_path = P2P_PATH_LOC,
                .proven = solution->proven,
                .bound_path = solution->bound_path,
                .bound_is_limited = !bound->unlimited,
        };

        if (!a.items || !a.companions || !a.numa_nodes) {
                place_answer_deinit(&a);
                return -ENOMEM;
        }
        memcpy(a.items, solution->functions, n_items * sizeof(*a.items));
        memcpy(a.companions, solution->functions + n_items, n_companions * sizeof(*a.companions));
        look_at_pairs(&a, model, f);
        list_numa_nodes(&a, model, solution->functions, n);
        if (a.bound_is_limited)
                a.bound_mbps = bound->link_mbps / bound->n_flows;
        *ret = a;
        return 0;
}

void place_answer_deinit(struct p2p_place_answer *a)
{
        free(a->items);
        free(a->companions);
        free(a->numa_nodes);
}
