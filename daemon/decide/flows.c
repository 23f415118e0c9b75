/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/flows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/link.h"
#include "decide/path.h"
#include "decide/walk.h"

/* Below a known port the link is the port's. Where the parent cannot be told, what sits on one bus
 * shares one link: a bus behind a port has room for one device. A virtual function sits where its
 * physical one does, whatever its bus number. */
static uint64_t link_name(const struct p2p_machine *m, const struct p2p_function *f)
{
        if (f->is_vf && f->physfn != P2P_NONE)
                f = &m->functions[f->physfn];
        if (f->parent != P2P_NONE)
                return f->parent;
        return 1ULL << 63 | (uint64_t)f->address.segment << 8 | f->address.bus;
}

struct named {
        uint64_t name;
        uint32_t function;
};

static int compare_named(const void *a, const void *b)
{
        const struct named *x = a, *y = b;

        if (x->name != y->name)
                return x->name < y->name ? -1 : 1;
        return x->function < y->function ? -1 : x->function > y->function;
}

static void add_to_link(struct p2p_links *l, uint32_t link, uint32_t function,
                        struct p2p_fact uplink)
{
        uint32_t mbps =
                p2p_fact_is_known(uplink) && uplink.val < UINT32_MAX ? (uint32_t)uplink.val : 0;

        l->of[function] = link;
        if (mbps == 0 || (l->mbps[link] != 0 && l->mbps[link] <= mbps))
                return;
        l->mbps[link] = mbps;
        l->function[link] = function;
}

int p2p_links_init(struct p2p_links *l, const struct p2p_machine *m)
{
        const size_t room = (size_t)m->n_functions + 1;
        struct named *all = calloc(room, sizeof(*all));
        uint32_t n = 0;

        *l = (struct p2p_links){
                .of = calloc(room, sizeof(*l->of)),
                .function = calloc(room, sizeof(*l->function)),
                .mbps = calloc(room, sizeof(*l->mbps)),
        };
        if (!all || !l->of || !l->function || !l->mbps) {
                free(all);
                p2p_links_deinit(l);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < m->n_functions; i++) {
                l->of[i] = P2P_NONE;
                if (!p2p_fact_is_absent(p2p_function_uplink_mbps(m, i)))
                        all[n++] = (struct named){link_name(m, &m->functions[i]), i};
        }
        qsort(all, n, sizeof(*all), compare_named);
        for (uint32_t i = 0; i < n; i++) {
                if (i == 0 || all[i - 1].name != all[i].name)
                        l->function[l->n++] = all[i].function;
                add_to_link(l, l->n - 1, all[i].function,
                            p2p_function_uplink_mbps(m, all[i].function));
        }
        free(all);
        return 0;
}

void p2p_links_deinit(struct p2p_links *l)
{
        free(l->of);
        free(l->function);
        free(l->mbps);
        *l = (struct p2p_links){0};
}

enum direction { UP, DOWN, DIRECTIONS };

struct p2p_flows {
        const struct p2p_machine *m;
        struct p2p_links links;
        uint32_t *n_flows[DIRECTIONS]; /* by link */
};

int p2p_flows_new(const struct p2p_machine *m, struct p2p_flows **ret)
{
        struct p2p_flows *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->m = m;
        if (p2p_links_init(&f->links, m) < 0) {
                p2p_flows_free(f);
                return -ENOMEM;
        }
        for (unsigned i = 0; i < DIRECTIONS; i++) {
                f->n_flows[i] = calloc((size_t)f->links.n + 1, sizeof(*f->n_flows[i]));
                if (!f->n_flows[i]) {
                        p2p_flows_free(f);
                        return -ENOMEM;
                }
        }
        *ret = f;
        return 0;
}

struct p2p_flows *p2p_flows_free(struct p2p_flows *f)
{
        if (!f)
                return NULL;
        p2p_links_deinit(&f->links);
        for (unsigned i = 0; i < DIRECTIONS; i++)
                free(f->n_flows[i]);
        free(f);
        return NULL;
}

void p2p_flows_clear(struct p2p_flows *f)
{
        for (unsigned i = 0; i < DIRECTIONS; i++)
                memset(f->n_flows[i], 0, f->links.n * sizeof(*f->n_flows[i]));
}

/* Loads the uplinks of that many elements, or of all up to the root bus. */
static void climb(struct p2p_flows *f, uint32_t from, uint32_t n, enum direction direction)
{
        for (; n > 0 && from != P2P_NONE; n--, from = f->m->functions[from].parent)
                if (f->links.of[from] != P2P_NONE)
                        f->n_flows[direction][f->links.of[from]]++;
}

void p2p_flows_add(struct p2p_flows *f, uint32_t source, uint32_t destination)
{
        struct p2p_walk w;

        p2p_walk_compute(f->m, source, destination, &w);
        climb(f, source, w.provider_hops, UP);
        climb(f, destination, w.client_hops, DOWN);
        if (w.common == P2P_NONE || !p2p_path_is_through_host_bridge(f->m, source, destination))
                return;
        /* Past the common element to the root bus, and the same way back. */
        climb(f, w.common, UINT32_MAX, UP);
        climb(f, w.common, UINT32_MAX, DOWN);
}

void p2p_flows_add_pair(struct p2p_flows *f, uint32_t a, uint32_t b)
{
        p2p_flows_add(f, a, b);
        p2p_flows_add(f, b, a);
}

int p2p_bottleneck_compare(const struct p2p_bottleneck *a, const struct p2p_bottleneck *b)
{
        uint64_t left, right;

        if (!a->is_limited || !b->is_limited)
                return a->is_limited ? -1 : b->is_limited;
        left = (uint64_t)a->link_mbps * b->n_flows;
        right = (uint64_t)b->link_mbps * a->n_flows;
        return left < right ? -1 : left > right;
}

struct p2p_bottleneck p2p_flows_bottleneck(const struct p2p_flows *f)
{
        struct p2p_bottleneck narrowest = {.function = P2P_NONE};
        bool has_unknown = false;

        for (uint32_t i = 0; i < f->links.n; i++) {
                uint32_t up = f->n_flows[UP][i], down = f->n_flows[DOWN][i];
                struct p2p_bottleneck here = {
                        .is_limited = true,
                        .link_mbps = f->links.mbps[i],
                        .n_flows = up > down ? up : down,
                        .function = f->links.function[i],
                };
                int order;

                if (here.n_flows == 0)
                        continue;
                if (here.link_mbps == 0) {
                        has_unknown = true;
                        continue;
                }
                here.mbps = here.link_mbps / here.n_flows;
                order = p2p_bottleneck_compare(&here, &narrowest);
                if (order < 0 || (order == 0 && here.function < narrowest.function))
                        narrowest = here;
        }
        narrowest.has_unknown = has_unknown;
        return narrowest;
}
