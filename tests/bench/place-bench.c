/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times placement on a captured root, beside a plain search over all choices of items in which each
 * item takes the nearest companions that are left. The plain search is given a time limit; where it
 * does not end, what it would take is worked out from how far it came.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decide/flows.h"
#include "decide/place.h"
#include "discover/source.h"
#include "place-machine.h"

#define ROUNDS 9
#define PLAIN_MSEC_MAX 2000.0

static double now_msec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

/* ---- the plain search ---- */

struct plain {
        const struct p2p_machine *m;
        const struct p2p_verdicts *v;
        const struct p2p_place_request *request;
        struct p2p_flows *flows;
        uint32_t *candidates[P2P_PLACE_RULES_MAX + 1]; /* items, then rule by rule */
        uint32_t n_candidates[P2P_PLACE_RULES_MAX + 1];
        uint32_t chosen[64];
        bool *used;
        enum p2p_path best_path;
        struct p2p_bottleneck best;
        uint64_t n_choices;
        double end_msec;
};

static int list_candidates(struct plain *p, uint32_t i, const struct p2p_selector *of)
{
        p->candidates[i] = calloc((size_t)p->m->n_functions + 1, sizeof(uint32_t));
        if (!p->candidates[i])
                return -1;
        for (uint32_t f = 0; f < p->m->n_functions; f++)
                if (p2p_selector_wants(of, p->m, f))
                        p->candidates[i][p->n_candidates[i]++] = f;
        return 0;
}

static uint32_t nearest(const struct plain *p, uint32_t item, uint32_t rule)
{
        uint32_t best = P2P_NONE, hops = UINT32_MAX;

        for (uint32_t i = 0; i < p->n_candidates[rule]; i++) {
                uint32_t f = p->candidates[rule][i];
                struct p2p_verdict v = p2p_verdicts_get(p->v, item, f);

                if (!p->used[f] && v.distance_hops < hops) {
                        best = f;
                        hops = v.distance_hops;
                }
        }
        return best;
}

static enum p2p_path serve(struct plain *p, uint32_t item, enum p2p_path worst)
{
        for (uint32_t rule = 0; rule < p->request->n_rules; rule++)
                for (uint32_t i = 0; i < p->request->rules[rule].n; i++) {
                        uint32_t f = nearest(p, item, rule + 1);
                        struct p2p_verdict v;

                        if (f == P2P_NONE)
                                return P2P_PATH_MAX;
                        p->used[f] = true;
                        v = p2p_verdicts_get(p->v, item, f);
                        if (v.path > worst)
                                worst = v.path;
                        p2p_flows_add_pair(p->flows, item, f);
                }
        return worst;
}

static void weigh(struct plain *p)
{
        enum p2p_path worst = P2P_PATH_LOC;
        struct p2p_bottleneck b;

        memset(p->used, 0, p->m->n_functions);
        p2p_flows_clear(p->flows);
        for (uint32_t i = 0; i < p->request->n_items; i++)
                worst = serve(p, p->chosen[i], worst);
        b = p2p_flows_bottleneck(p->flows);
        if (p->n_choices++ == 0 || worst < p->best_path ||
            (worst == p->best_path && p2p_bottleneck_compare(&b, &p->best) > 0)) {
                p->best_path = worst;
                p->best = b;
        }
}

static bool plain_search(struct plain *p, uint32_t n, uint32_t from)
{
        if (n == p->request->n_items) {
                weigh(p);
                return now_msec() < p->end_msec;
        }
        for (uint32_t i = from; i < p->n_candidates[0]; i++) {
                p->chosen[n] = p->candidates[0][i];
                if (!plain_search(p, n + 1, i + 1))
                        return false;
        }
        return true;
}

static double choose(uint32_t n, uint32_t k)
{
        double all = 1;

        for (uint32_t i = 0; i < k; i++)
                all = all * (n - i) / (i + 1);
        return all;
}

/* Milliseconds that the plain search takes, or would take. */
static double time_plain(struct plain *p, bool *ret_ended)
{
        double start = now_msec(), msec;

        p->end_msec = start + PLAIN_MSEC_MAX;
        *ret_ended = plain_search(p, 0, 0);
        msec = now_msec() - start;
        if (!*ret_ended && p->n_choices > 0)
                msec *= choose(p->n_candidates[0], p->request->n_items) / (double)p->n_choices;
        return msec;
}

static void plain_free(struct plain *p)
{
        for (uint32_t i = 0; i <= P2P_PLACE_RULES_MAX; i++)
                free(p->candidates[i]);
        p2p_flows_free(p->flows);
        free(p->used);
}

/* ---- ours ---- */

static int time_place(const struct p2p_machine *m, const struct p2p_verdicts *v,
                      const struct p2p_place_request *request, double *ret_msec,
                      struct p2p_place **ret)
{
        double msec[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
                double start = now_msec();
                int r = p2p_place_new(m, v, request, ret);

                msec[i] = now_msec() - start;
                if (r != 0)
                        return r;
                if (i + 1 < ROUNDS)
                        *ret = p2p_place_free(*ret);
        }
        qsort(msec, ROUNDS, sizeof(*msec), compare);
        *ret_msec = msec[ROUNDS / 2];
        return 0;
}

static int measure(const struct p2p_machine *m, const struct p2p_verdicts *v,
                   const struct p2p_place_request *request)
{
        struct plain p = {.m = m, .v = v, .request = request};
        struct p2p_place *place = NULL;
        const struct p2p_place_answer *a;
        double msec, plain_msec;
        bool ended;
        int r = time_place(m, v, request, &msec, &place);

        if (r != 0) {
                fprintf(stderr, "place-bench: placement failed: %d\n", r);
                return -1;
        }
        if (place->n_answers == 0) {
                printf("refused %s\n", p2p_place_gate_to_string(place->refusal.gate));
                p2p_place_free(place);
                return -1;
        }
        a = &place->answers[0];
        printf("place_msec %.3f\nwork %" PRIu64
               "\nexact %d\nproven %s\nworst_path %s\nbottleneck_mbps %" PRIu32 "\n",
               msec, place->work, a->proven == P2P_PLACE_PROVEN_ALL,
               p2p_place_proven_to_string(a->proven), p2p_path_to_string(a->worst_path),
               a->bottleneck.mbps);
        p.used = calloc((size_t)m->n_functions + 1, sizeof(*p.used));
        r = p.used ? list_candidates(&p, 0, request->of) : -1;
        for (uint32_t i = 0; r == 0 && i < request->n_rules; i++)
                r = list_candidates(&p, i + 1, request->rules[i].of);
        if (r == 0)
                r = p2p_flows_new(m, &p.flows);
        if (r == 0) {
                plain_msec = time_plain(&p, &ended);
                printf("plain_msec %.0f\nplain_ended %d\nplain_path %s\nplain_bottleneck_mbps "
                       "%" PRIu32 "\nratio %.0f\n",
                       plain_msec, ended, p2p_path_to_string(p.best_path), p.best.mbps,
                       plain_msec / msec);
        }
        plain_free(&p);
        p2p_place_free(place);
        return r;
}

static struct p2p_selector *kind(const char *text)
{
        struct p2p_selector *s = NULL;

        return p2p_selector_parse(text, strlen(text), &s, NULL) == 0 ? s : NULL;
}

static int measure_all(const struct p2p_machine *m, const struct p2p_verdicts *v, int argc,
                       char **argv)
{
        struct p2p_selector *gpu = kind("gpu"), *nic = kind("nic"), *nvme = kind("nvme");
        int r = gpu && nic && nvme ? 0 : -1;

        /* GPUs, then NICs and NVMe for each. */
        for (int i = 0; r == 0 && i + 2 < argc; i += 3) {
                struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
                struct p2p_place_rule rules[2];

                request.of = gpu;
                request.n_items = (uint32_t)strtoul(argv[i], NULL, 10);
                request.rules = rules;
                if (strtoul(argv[i + 1], NULL, 10) > 0)
                        rules[request.n_rules++] = (struct p2p_place_rule){
                                .of = nic, .n = (uint32_t)strtoul(argv[i + 1], NULL, 10)};
                if (strtoul(argv[i + 2], NULL, 10) > 0)
                        rules[request.n_rules++] = (struct p2p_place_rule){
                                .of = nvme, .n = (uint32_t)strtoul(argv[i + 2], NULL, 10)};
                request.allow_bad = true;
                if (request.n_items == 0 || request.n_items > 64) {
                        r = -1;
                        break;
                }
                printf("request %s %s %s\n", argv[i], argv[i + 1], argv[i + 2]);
                r = measure(m, v, &request);
        }
        p2p_selector_free(gpu);
        p2p_selector_free(nic);
        p2p_selector_free(nvme);
        return r;
}

/* A captured root, or a machine made up here: "made:64" for equal, "made:64:SEED" for unequal
 * parts.
 */
static struct p2p_machine *get_machine(const char *name)
{
        struct p2pd_source *source = NULL;
        struct p2p_machine *m = NULL;
        const char *error = NULL;
        char *end;
        int r;

        if (strncmp(name, "made:", 5) == 0) {
                uint32_t n = (uint32_t)strtoul(name + 5, &end, 10);

                return place_machine_new(n, *end == ':' ? strtoull(end + 1, NULL, 10) : 0);
        }
        r = p2pd_source_new(P2P_SOURCE_ROOT, name, NULL, &source);
        if (r == 0)
                r = p2pd_source_scan(source, NULL, NULL, &m, &error);
        if (r < 0)
                fprintf(stderr, "place-bench: %s: %s\n", name, error ? error : strerror(-r));
        p2pd_source_free(source);
        return m;
}

int main(int argc, char **argv)
{
        struct p2p_machine *m;
        struct p2p_verdicts *v;
        int r;

        if (argc < 5 || (argc - 2) % 3 != 0) {
                fprintf(stderr, "place-bench DIR|made:GPUS[:SEED] (GPUS NICS NVMES)...\n");
                return 2;
        }
        m = get_machine(argv[1]);
        if (!m)
                return 1;
        v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_RUNNING));
        r = v ? measure_all(m, v, argc - 2, argv + 2) : -1;
        p2p_verdicts_free(v);
        p2p_machine_free(m);
        return r != 0;
}
