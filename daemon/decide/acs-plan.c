/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/acs-plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/acs-plan-parts.h"
#include "decide/note.h"
#include "decide/path.h"
#include "decide/slot.h"
#include "decide/walk.h"

struct planning {
        const struct p2p_acs_plan_params *params;
        const struct p2p_machine *m;
        struct p2p_machine trial; /* m with functions of its own, for deciding with bits cleared */
        uint16_t *clear;          /* by function: what the plan clears */
        uint32_t *n_pairs;        /* by function: how many helped pairs need it */
        struct p2p_acs_plan *plan;
};

const char *p2p_acs_pair_state_to_string(enum p2p_acs_pair_state state)
{
        static const char *const names[P2P_ACS_PAIR_STATE_MAX] = {
                [P2P_ACS_PAIR_ALREADY] = "already",
                [P2P_ACS_PAIR_HELPED] = "helped",
                [P2P_ACS_PAIR_BEYOND_ACS] = "beyond-acs",
                [P2P_ACS_PAIR_NOT_CLEARABLE] = "not-clearable",
                [P2P_ACS_PAIR_UNKNOWN] = "unknown",
        };

        return state < P2P_ACS_PAIR_STATE_MAX ? names[state] : NULL;
}

static bool offends(const struct p2p_path_element *e)
{
        return e->counts && e->acs_redirect_bits != 0;
}

static bool is_clearable(const struct p2p_machine *m, const struct p2p_path_element *e)
{
        const struct p2p_fact capability = m->functions[e->function].acs_capability;

        return p2p_fact_is_known(capability) &&
               (capability.val & e->acs_redirect_bits) == e->acs_redirect_bits;
}

/* Decides the pair with everything on its path cleared that can be. */
static void decide_cleared(struct planning *p, const struct p2p_path_element *path, uint32_t n_path,
                           struct p2p_acs_plan_pair *pair)
{
        for (uint32_t i = 0; i < n_path; i++)
                if (offends(&path[i]) && is_clearable(p->m, &path[i]))
                        p->trial.functions[path[i].function].acs_control.val &=
                                ~(uint64_t)P2P_ACS_REDIRECT;
        p2p_decide(&p->trial, p->params->rules, pair->provider, pair->client, NULL, NULL,
                   &pair->after);
        for (uint32_t i = 0; i < n_path; i++)
                p->trial.functions[path[i].function].acs_control =
                        p->m->functions[path[i].function].acs_control;
}

static void judge(const struct planning *p, const struct p2p_path_element *path, uint32_t n_path,
                  struct p2p_acs_plan_pair *pair)
{
        pair->at = pair->after.decisive.function;
        for (uint32_t i = 0; i < n_path; i++)
                if (offends(&path[i]) && !is_clearable(p->m, &path[i])) {
                        pair->state = P2P_ACS_PAIR_NOT_CLEARABLE;
                        pair->at = path[i].function;
                        return;
                }
        if (pair->after.map == P2P_MAP_BUS)
                pair->state = P2P_ACS_PAIR_HELPED;
        else if (pair->after.map == P2P_MAP_UNKNOWN)
                pair->state = P2P_ACS_PAIR_UNKNOWN;
        else
                pair->state = P2P_ACS_PAIR_BEYOND_ACS;
}

static int plan_pair(struct planning *p, struct p2p_acs_plan_pair *pair)
{
        struct p2p_path_element *path;
        uint32_t n_path;
        int r;

        p2p_decide(p->m, p->params->rules, pair->provider, pair->client, NULL, NULL, &pair->before);
        if (pair->before.map == P2P_MAP_BUS) {
                pair->state = P2P_ACS_PAIR_ALREADY;
                pair->after = pair->before;
                pair->at = P2P_NONE;
                return 0;
        }
        r = p2p_path_elements_new(p->m, pair->provider, pair->client, &path, &n_path);
        if (r < 0)
                return r;
        decide_cleared(p, path, n_path, pair);
        judge(p, path, n_path, pair);
        for (uint32_t i = 0; pair->state == P2P_ACS_PAIR_HELPED && i < n_path; i++) {
                if (!offends(&path[i]))
                        continue;
                p->clear[path[i].function] |= (uint16_t)path[i].acs_redirect_bits;
                p->n_pairs[path[i].function]++;
        }
        free(path);
        return 0;
}

struct numbered {
        struct p2p_acs_pair pair;
        uint32_t number;
};

static int compare_numbered(const void *a, const void *b)
{
        const struct numbered *n = a, *o = b;

        if (n->pair.provider != o->pair.provider)
                return n->pair.provider < o->pair.provider ? -1 : 1;
        if (n->pair.client != o->pair.client)
                return n->pair.client < o->pair.client ? -1 : 1;
        return (n->number > o->number) - (n->number < o->number);
}

/* The wanted pairs, each once, in the order of the question. */
static int list_pairs(struct planning *p)
{
        const struct p2p_acs_plan_params *params = p->params;
        const size_t per = params->both_directions ? 2 : 1, n = params->n_pairs * per;
        struct numbered *all = calloc(n + 1, sizeof(*all));
        bool *again = calloc(n + 1, sizeof(*again));

        p->plan->pairs = calloc(n + 1, sizeof(*p->plan->pairs));
        if (!all || !again || !p->plan->pairs) {
                free(all);
                free(again);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                struct p2p_acs_pair pair = params->pairs[i / per];

                assert(pair.provider < p->m->n_functions && pair.client < p->m->n_functions);
                if (i % per == 1)
                        pair = (struct p2p_acs_pair){pair.client, pair.provider};
                all[i] = (struct numbered){pair, (uint32_t)i};
        }
        qsort(all, n, sizeof(*all), compare_numbered);
        for (size_t i = 1; i < n; i++)
                again[all[i].number] = all[i].pair.provider == all[i - 1].pair.provider &&
                                       all[i].pair.client == all[i - 1].pair.client;
        for (size_t i = 0; i < n; i++) {
                struct p2p_acs_pair pair = params->pairs[i / per];

                if (again[i])
                        continue;
                p->plan->pairs[p->plan->n_pairs++] = (struct p2p_acs_plan_pair){
                        .provider = i % per == 1 ? pair.client : pair.provider,
                        .client = i % per == 1 ? pair.provider : pair.client,
                };
        }
        free(all);
        free(again);
        return 0;
}

/*
 * The kernel's name of a function. A virtual function's steps are those of others on the next bus:
 * only its address is its own.
 */
static char *kernel_path(const struct p2p_machine *m, uint32_t function)
{
        char buf[P2P_SLOT_LONG_MAX];

        if (m->functions[function].is_vf || p2p_slot_format(m, function, buf, sizeof(buf)) != 0)
                p2p_address_format(m->functions[function].address, buf);
        return strdup(buf);
}

static int list_ports(struct planning *p)
{
        struct p2p_acs_plan *plan = p->plan;
        size_t n = 0;

        for (uint32_t i = 0; i < p->m->n_functions; i++)
                n += p->clear[i] != 0;
        plan->ports = calloc(n + 1, sizeof(*plan->ports));
        if (!plan->ports)
                return -ENOMEM;
        for (uint32_t i = 0; i < p->m->n_functions; i++) {
                struct p2p_acs_plan_port *port = &plan->ports[plan->n_ports];

                if (p->clear[i] == 0)
                        continue;
                plan->n_ports++;
                *port = (struct p2p_acs_plan_port){
                        .function = i,
                        .capability = (uint16_t)p->m->functions[i].acs_capability.val,
                        .control = (uint16_t)p->m->functions[i].acs_control.val,
                        .clear = p->clear[i],
                        .n_pairs = p->n_pairs[i],
                        .path = kernel_path(p->m, i),
                };
                plan->n_bits += (uint32_t)__builtin_popcount(p->clear[i]);
                if (!port->path)
                        return -ENOMEM;
        }
        return 0;
}

static int plan_all(struct planning *p)
{
        int r = list_pairs(p);

        for (uint32_t i = 0; r == 0 && i < p->plan->n_pairs; i++) {
                r = plan_pair(p, &p->plan->pairs[i]);
                p->plan->n_by_state[p->plan->pairs[i].state]++;
        }
        if (r == 0)
                r = list_ports(p);
        if (r == 0)
                r = p2p_acs_plan_add_merges(p->m, p->plan);
        if (r == 0)
                r = p2p_acs_plan_add_exposures(p->m, p->plan);
        if (r == 0)
                r = p2p_acs_plan_add_commands(p->m, p->plan);
        return r;
}

int p2p_acs_plan_new(const struct p2p_acs_plan_params *params, struct p2p_acs_plan **ret)
{
        const size_t n = params->m->n_functions;
        struct planning p = {.params = params, .m = params->m, .trial = *params->m};
        int r = -ENOMEM;

        p.trial.functions = calloc(n + 1, sizeof(*p.trial.functions));
        p.clear = calloc(n + 1, sizeof(*p.clear));
        p.n_pairs = calloc(n + 1, sizeof(*p.n_pairs));
        p.plan = calloc(1, sizeof(*p.plan));
        if (p.trial.functions && p.clear && p.n_pairs && p.plan) {
                if (n > 0)
                        memcpy(p.trial.functions, params->m->functions,
                               n * sizeof(*p.trial.functions));
                r = plan_all(&p);
        }
        free(p.trial.functions);
        free(p.clear);
        free(p.n_pairs);
        if (r < 0)
                p2p_acs_plan_free(p.plan);
        else
                *ret = p.plan;
        return r;
}

struct p2p_acs_plan *p2p_acs_plan_free(struct p2p_acs_plan *plan)
{
        if (!plan)
                return NULL;
        for (uint32_t i = 0; i < plan->n_ports; i++)
                free(plan->ports[i].path);
        for (uint32_t i = 0; i < plan->n_merges; i++) {
                free(plan->merges[i].groups);
                free(plan->merges[i].functions);
        }
        for (uint32_t i = 0; i < plan->n_exposures; i++) {
                free(plan->exposures[i].from);
                free(plan->exposures[i].to);
        }
        for (uint32_t i = 0; i < plan->n_lines; i++)
                free(plan->lines[i].text);
        p2p_notes_free(plan->notes, plan->n_notes);
        free(plan->pairs);
        free(plan->ports);
        free(plan->merges);
        free(plan->exposures);
        free(plan->parameter);
        free(plan->lines);
        free(plan);
        return NULL;
}

uint16_t p2p_acs_plan_clears(const struct p2p_acs_plan *plan, uint32_t function)
{
        for (uint32_t i = 0; i < plan->n_ports; i++)
                if (plan->ports[i].function == function)
                        return plan->ports[i].clear;
        return 0;
}

static bool is_gpu(const struct p2p_function *f)
{
        const enum p2p_kind kind = p2p_function_kind(f);

        return p2p_function_is_candidate(f) &&
               (kind == P2P_KIND_GPU || kind == P2P_KIND_ACCELERATOR);
}

static bool is_nic(const struct p2p_function *f)
{
        return p2p_function_is_candidate(f) && p2p_function_kind(f) == P2P_KIND_NIC;
}

/* Hops between two functions below a common bridge; UINT32_MAX without one. */
static uint32_t hops_below_bridge(const struct p2p_machine *m, uint32_t a, uint32_t b)
{
        struct p2p_walk w;

        p2p_walk_compute(m, a, b, &w);
        return w.common == P2P_NONE ? UINT32_MAX : w.provider_hops + w.client_hops;
}

/* Writes the nearest NICs of one GPU to list; returns how many. */
static uint32_t nearest_nics(const struct p2p_machine *m, uint32_t gpu, struct p2p_acs_pair *list)
{
        uint32_t best = UINT32_MAX, n = 0;

        for (uint32_t nic = 0; nic < m->n_functions; nic++) {
                uint32_t hops;

                if (!is_nic(&m->functions[nic]))
                        continue;
                hops = hops_below_bridge(m, gpu, nic);
                if (hops == UINT32_MAX || hops > best)
                        continue;
                if (hops < best)
                        n = 0;
                best = hops;
                list[n++] = (struct p2p_acs_pair){gpu, nic};
        }
        return n;
}

int p2p_acs_pairs_gpu_nic_new(const struct p2p_machine *m, struct p2p_acs_pair **ret,
                              uint32_t *ret_n)
{
        size_t n_gpus = 0, n_nics = 0;
        struct p2p_acs_pair *list;
        uint32_t n = 0;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                n_gpus += is_gpu(&m->functions[i]);
                n_nics += is_nic(&m->functions[i]);
        }
        list = calloc(n_gpus * n_nics + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (is_gpu(&m->functions[i]))
                        n += nearest_nics(m, i, list + n);
        *ret = list;
        *ret_n = n;
        return 0;
}
