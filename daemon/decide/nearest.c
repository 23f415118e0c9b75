/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/nearest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *p2p_nearest_why_to_string(enum p2p_nearest_why why)
{
        static const char *const names[P2P_NEAREST_WHY_MAX] = {
                [P2P_NEAREST_UNKNOWN] = "unknown",
                [P2P_NEAREST_UNPUBLISHED] = "unpublished",
                [P2P_NEAREST_NO_MEMORY] = "no-memory",
                [P2P_NEAREST_CLIENT_NONE] = "client-none",
                [P2P_NEAREST_CLIENT_UNKNOWN] = "client-unknown",
                [P2P_NEAREST_HELD] = "held",
        };

        return why < P2P_NEAREST_WHY_MAX ? names[why] : NULL;
}

static bool has_memory_bar(const struct p2p_function *f)
{
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++)
                if (f->bars[i].kind == P2P_BAR_MEMORY || f->bars[i].kind == P2P_BAR_UNKNOWN)
                        return true;
        return false;
}

/* Could it be a provider at all. Most functions are known to have no p2pmem; they are not worth a
 * word. */
static bool is_considered(const struct p2p_function *f)
{
        if (p2p_fact_is_absent(f->p2pmem_published))
                return false;
        return p2p_fact_is_known(f->p2pmem_published) ||
               (p2p_function_is_endpoint(f) && has_memory_bar(f));
}

/* The free p2pmem, as far as the question needs it: the size bounds it. */
static enum p2p_nearest_why lacks_memory(const struct p2p_function *f, uint64_t min_bytes)
{
        const struct p2p_fact size = f->p2pmem_size_bytes, available = f->p2pmem_available_bytes;

        if (p2p_fact_is_known(size) && (size.val == 0 || size.val < min_bytes))
                return P2P_NEAREST_NO_MEMORY;
        if (min_bytes == 0)
                return P2P_NEAREST_WHY_MAX;
        if (!p2p_fact_is_known(available))
                return P2P_NEAREST_UNKNOWN;
        return available.val < min_bytes ? P2P_NEAREST_NO_MEMORY : P2P_NEAREST_WHY_MAX;
}

/* WHY_MAX: nothing about the function itself speaks against it. */
static enum p2p_nearest_why lacks_p2pmem(const struct p2p_function *f, uint64_t min_bytes)
{
        if (!p2p_fact_is_known(f->p2pmem_published))
                return P2P_NEAREST_UNKNOWN;
        if (f->p2pmem_published.val == 0)
                return P2P_NEAREST_UNPUBLISHED;
        return lacks_memory(f, min_bytes);
}

/* Fills a row of verdicts and sums it. A refused client is said before an unknown one, wherever
 * they stand: it is certain. */
static enum p2p_nearest_why reaches(const struct p2p_nearest_params *p, struct p2p_verdict *row,
                                    struct p2p_not_near *out)
{
        enum p2p_nearest_why why = P2P_NEAREST_WHY_MAX;

        for (uint32_t i = 0; i < p->n_clients; i++) {
                row[i] = p2p_verdicts_get(p->verdicts, out->function, p->clients[i]);
                if (row[i].map == P2P_MAP_NONE) {
                        out->client = p->clients[i];
                        return P2P_NEAREST_CLIENT_NONE;
                }
                if (row[i].map == P2P_MAP_UNKNOWN && why == P2P_NEAREST_WHY_MAX) {
                        out->client = p->clients[i];
                        why = P2P_NEAREST_CLIENT_UNKNOWN;
                }
                out->distance_hops += row[i].distance_hops;
        }
        return why;
}

static bool is_held(const struct p2p_nearest_params *p, uint32_t function)
{
        return p->held && p->held[function];
}

/* One function: into the list, or among the excluded. */
static void consider(const struct p2p_nearest_params *p, uint32_t function, struct p2p_nearest *n)
{
        struct p2p_verdict *row = n->verdicts + (size_t)n->n_list * p->n_clients;
        struct p2p_not_near out = {.function = function, .client = P2P_NONE};

        out.why = lacks_p2pmem(&p->machine->functions[function], p->min_available_bytes);
        if (out.why == P2P_NEAREST_WHY_MAX)
                out.why = reaches(p, row, &out);
        if (out.why == P2P_NEAREST_WHY_MAX && is_held(p, function))
                out.why = P2P_NEAREST_HELD;
        if (out.why == P2P_NEAREST_WHY_MAX) {
                n->list[n->n_list++] = (struct p2p_near){
                        .function = function, .distance_hops = out.distance_hops, .to = row};
                return;
        }
        if (out.why != P2P_NEAREST_HELD)
                out.distance_hops = 0;
        n->excluded[n->n_excluded++] = out;
}

static int compare_near(const void *a, const void *b)
{
        const struct p2p_near *x = a, *y = b;

        if (x->distance_hops != y->distance_hops)
                return x->distance_hops < y->distance_hops ? -1 : 1;
        return x->function < y->function ? -1 : x->function > y->function;
}

int p2p_nearest_new(const struct p2p_nearest_params *params, struct p2p_nearest **ret)
{
        const struct p2p_machine *m = params->machine;
        struct p2p_nearest *n;
        size_t room = 1, rows = 1;

        assert(params->n_clients > 0);
        for (uint32_t i = 0; i < m->n_functions; i++) {
                room += is_considered(&m->functions[i]);
                rows += p2p_fact_is_known(m->functions[i].p2pmem_published);
        }
        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->list = calloc(room, sizeof(*n->list));
        n->excluded = calloc(room, sizeof(*n->excluded));
        n->verdicts = calloc(rows * params->n_clients, sizeof(*n->verdicts));
        if (!n->list || !n->excluded || !n->verdicts) {
                p2p_nearest_free(n);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (is_considered(&m->functions[i]))
                        consider(params, i, n);
        if (n->n_list > 1)
                qsort(n->list, n->n_list, sizeof(*n->list), compare_near);
        n->n_found = n->n_list;
        while (n->n_equal < n->n_list &&
               n->list[n->n_equal].distance_hops == n->list[0].distance_hops)
                n->n_equal++;
        if (n->n_list > params->max)
                n->n_list = params->max;
        *ret = n;
        return 0;
}

struct p2p_nearest *p2p_nearest_free(struct p2p_nearest *n)
{
        if (!n)
                return NULL;
        free(n->list);
        free(n->excluded);
        free(n->verdicts);
        free(n);
        return NULL;
}
