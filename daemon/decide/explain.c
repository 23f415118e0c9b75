/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/explain.h"

#include <errno.h>
#include <stdlib.h>

struct gathering {
        struct p2p_reason *list;
        uint32_t n, room;
        bool failed;
};

static void gather(const struct p2p_reason *reason, void *userdata)
{
        struct gathering *g = userdata;

        if (g->n == g->room) {
                uint32_t room = g->room * 2 + 16;
                struct p2p_reason *p = reallocarray(g->list, room, sizeof(*p));

                if (!p) {
                        g->failed = true;
                        return;
                }
                g->list = p;
                g->room = room;
        }
        g->list[g->n++] = *reason;
}

static void find_bounce(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                        struct p2p_explanation *e)
{
        const struct p2p_function *p = &m->functions[provider], *c = &m->functions[client];

        e->bounce_node = p2p_fact_without(P2P_WHY_ABSENT);
        if (e->decision.map != P2P_MAP_NONE && e->decision.map != P2P_MAP_UNKNOWN)
                return;
        e->bounce_node = c->numa_node;
        e->bounce_cpulist = c->cpulist;
        if (p2p_fact_is_known(c->numa_node))
                return;
        /* The provider's is better than none. */
        if (p2p_fact_is_known(p->numa_node)) {
                e->bounce_node = p->numa_node;
                e->bounce_cpulist = p->cpulist;
        }
}

static int compute(const struct p2p_machine *m, const struct p2p_rules *rules, uint32_t provider,
                   uint32_t client, struct p2p_explanation *e)
{
        struct gathering g = {0};
        int r;

        p2p_decide(m, rules, provider, client, gather, &g, &e->decision);
        e->reasons = g.list;
        e->n_reasons = g.n;
        if (g.failed)
                return -ENOMEM;
        r = p2p_path_elements_new(m, provider, client, &e->path, &e->n_path);
        if (r < 0)
                return r;
        e->constraints = calloc((size_t)P2P_CONSTRAINTS_MAX + e->n_path, sizeof(*e->constraints));
        if (!e->constraints)
                return -ENOMEM;
        e->n_constraints = p2p_constraints_collect(
                &(struct p2p_constraints_params){
                        .m = m,
                        .provider = provider,
                        .client = client,
                        .path = e->path,
                        .n_path = e->n_path,
                },
                e->constraints);
        r = p2p_remedies_new(
                &(struct p2p_remedies_params){
                        .m = m,
                        .rules = rules,
                        .provider = provider,
                        .client = client,
                        .decision = &e->decision,
                        .path = e->path,
                        .n_path = e->n_path,
                        .constraints = e->constraints,
                        .n_constraints = e->n_constraints,
                },
                &e->remedies, &e->n_remedies);
        if (r < 0)
                return r;
        e->bottleneck_mbps =
                p2p_path_bottleneck_mbps(m, e->path, e->n_path, &e->bottleneck_function);
        find_bounce(m, provider, client, e);
        return 0;
}

int p2p_explanation_new(const struct p2p_machine *m, const struct p2p_rules *rules,
                        uint32_t provider, uint32_t client, struct p2p_explanation **ret)
{
        struct p2p_explanation *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        r = compute(m, rules, provider, client, e);
        if (r < 0) {
                p2p_explanation_free(e);
                return r;
        }
        *ret = e;
        return 0;
}

struct p2p_explanation *p2p_explanation_free(struct p2p_explanation *e)
{
        if (!e)
                return NULL;
        free(e->reasons);
        free(e->path);
        free(e->constraints);
        p2p_remedies_free(e->remedies, e->n_remedies);
        free(e);
        return NULL;
}
