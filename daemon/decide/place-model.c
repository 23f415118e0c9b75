/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model of a request, first part: who may be chosen, and which of them are alike. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-private.h"

static bool is_avoided(const struct p2p_place_request *request, const struct p2p_machine *m,
                       uint32_t function)
{
        for (uint32_t i = 0; i < request->n_avoid; i++)
                if (p2p_selector_covers(request->avoid[i], m, function))
                        return true;
        return false;
}

static bool is_on_node(const struct p2p_place_request *request, const struct p2p_function *f)
{
        return request->numa_node == P2P_NONE ||
               (p2p_fact_is_known(f->numa_node) && f->numa_node.val == request->numa_node);
}

static uint32_t roles_of(const struct place_model *model, uint32_t function,
                         enum place_filter filter)
{
        const struct p2p_place_request *request = model->request;
        uint32_t roles = 0;

        if (p2p_selector_wants(request->of, model->m, function))
                roles |= PLACE_ROLE_ITEM;
        for (uint32_t i = 0; i < request->n_rules; i++)
                if (p2p_selector_wants(request->rules[i].of, model->m, function))
                        roles |= PLACE_ROLE_RULE(i);
        if (roles == 0 ||
            (filter >= PLACE_FILTER_AVOIDED && is_avoided(request, model->m, function)) ||
            (filter >= PLACE_FILTER_TAKEN && request->taken && request->taken[function]) ||
            (filter >= PLACE_FILTER_NUMA_NODE &&
             !is_on_node(request, &model->m->functions[function])))
                return 0;
        return roles;
}

/* What makes a class, compared in full; `next` chains those with the same verdicts. */
struct key {
        uint32_t verdict_class, roles, link, client, next;
};

static bool key_is(const struct key *a, const struct key *b)
{
        return a->verdict_class == b->verdict_class && a->roles == b->roles && a->link == b->link &&
               a->client == b->client;
}

/* The verdict class says which NUMA node, parent and ACS state it is; the link differs within one
 * only where parents cannot be told. */
static int classify(struct place_model *model, const uint32_t *client_of)
{
        const uint32_t n = model->m->n_functions;
        const size_t n_verdict_classes = p2p_verdicts_n_classes(model->verdicts);
        uint32_t *first = malloc((n_verdict_classes + 1) * sizeof(*first));
        struct key *keys = calloc((size_t)n + 1, sizeof(*keys));

        model->classes = calloc((size_t)n + 1, sizeof(*model->classes));
        if (!first || !keys || !model->classes) {
                free(first);
                free(keys);
                return -ENOMEM;
        }
        memset(first, 0xff, (n_verdict_classes + 1) * sizeof(*first));
        for (uint32_t i = 0; i < n; i++) {
                struct key k = {
                        .roles = model->roles[i],
                        .link = model->links.of[i],
                        .client = client_of[i],
                };
                uint32_t at;

                model->class_of[i] = P2P_NONE;
                if (k.roles == 0 && k.client == P2P_NONE)
                        continue;
                k.verdict_class = p2p_verdicts_class(model->verdicts, i);
                for (at = first[k.verdict_class]; at != P2P_NONE && !key_is(&keys[at], &k);)
                        at = keys[at].next;
                if (at == P2P_NONE) {
                        at = model->n_classes++;
                        k.next = first[k.verdict_class];
                        first[k.verdict_class] = at;
                        keys[at] = k;
                        model->classes[at] = (struct place_class){
                                .function = i,
                                .roles = k.roles,
                                .row = P2P_NONE,
                                .client = k.client,
                                .link = k.link,
                        };
                }
                model->class_of[i] = at;
                model->classes[at].n_members += k.roles != 0;
        }
        free(first);
        free(keys);
        return 0;
}

static int list_members(struct place_model *model)
{
        uint32_t at = 0;

        model->members = calloc((size_t)model->m->n_functions + 1, sizeof(*model->members));
        model->rows = calloc((size_t)model->n_classes + 1, sizeof(*model->rows));
        if (!model->members || !model->rows)
                return -ENOMEM;
        for (uint32_t c = 0; c < model->n_classes; c++) {
                struct place_class *class = &model->classes[c];

                class->members = at;
                at += class->n_members;
                class->n_members = 0;
                if (class->roles & PLACE_ROLE_ITEM) {
                        class->row = model->n_rows;
                        model->rows[model->n_rows++] = c;
                }
        }
        model->n_members = at;
        for (uint32_t i = 0; i < model->m->n_functions; i++) {
                struct place_class *class;

                if (model->roles[i] == 0)
                        continue;
                class = &model->classes[model->class_of[i]];
                model->members[class->members + class->n_members++] = i;
        }
        return 0;
}

static int find_classes(struct place_model *model, enum place_filter filter)
{
        const struct p2p_place_request *request = model->request;
        const uint32_t n = model->m->n_functions;
        uint32_t *client_of = malloc(((size_t)n + 1) * sizeof(*client_of));
        int r = -ENOMEM;

        model->roles = calloc((size_t)n + 1, sizeof(*model->roles));
        model->class_of = calloc((size_t)n + 1, sizeof(*model->class_of));
        model->client_classes =
                calloc((size_t)request->n_clients + 1, sizeof(*model->client_classes));
        if (!client_of || !model->roles || !model->class_of || !model->client_classes)
                goto out;
        memset(client_of, 0xff, ((size_t)n + 1) * sizeof(*client_of));
        for (uint32_t i = 0; i < request->n_clients; i++)
                if (client_of[request->clients[i]] == P2P_NONE)
                        client_of[request->clients[i]] = model->n_clients++;
        for (uint32_t i = 0; i < n; i++)
                model->roles[i] = roles_of(model, i, filter);
        r = classify(model, client_of);
        for (uint32_t i = 0; r == 0 && i < n; i++)
                if (client_of[i] != P2P_NONE)
                        model->client_classes[client_of[i]] = model->class_of[i];
        if (r == 0)
                r = list_members(model);
out:
        free(client_of);
        return r;
}

int place_model_init(struct place_model *model, const struct p2p_machine *m,
                     const struct p2p_verdicts *verdicts, const struct p2p_place_request *request,
                     enum place_filter filter)
{
        int r;

        *model = (struct place_model){.m = m, .verdicts = verdicts, .request = request};
        for (uint32_t i = 0; i < request->n_rules; i++)
                model->n_per_item += request->rules[i].n;
        r = p2p_links_init(&model->links, m);
        if (r == 0)
                r = find_classes(model, filter);
        if (r == 0)
                r = place_tree_make(model);
        if (r == 0)
                r = place_pairs_make(model);
        if (r == 0)
                r = place_types_make(model);
        if (r != 0)
                place_model_deinit(model);
        return r;
}

void place_model_deinit(struct place_model *model)
{
        p2p_links_deinit(&model->links);
        free(model->roles);
        free(model->class_of);
        free(model->classes);
        free(model->members);
        free(model->rows);
        free(model->client_classes);
        free(model->numa_nodes);
        free(model->nodes);
        free(model->order);
        free(model->used_links);
        free(model->link_node);
        free(model->is_end_link);
        free(model->has_links);
        free(model->pairs);
        free(model->near);
        *model = (struct place_model){0};
}
