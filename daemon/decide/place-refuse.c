/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/place-refuse.h"

#include <errno.h>
#include <stdlib.h>

#include "decide/place-solve.h"

/*
 * Limits are added one by one, in the order of enum p2p_place_gate. With each the parts of the
 * request are added one by one: items, clients, rules. The first time that no choice is left, the
 * limit and the part added last are named.
 */

const char *p2p_place_gate_to_string(enum p2p_place_gate gate)
{
        static const char *const names[P2P_PLACE_GATE_MAX] = {
                [P2P_PLACE_GATE_NONE] = "none",
                [P2P_PLACE_GATE_PRESENT] = "present",
                [P2P_PLACE_GATE_AVOIDED] = "avoided",
                [P2P_PLACE_GATE_TAKEN] = "taken",
                [P2P_PLACE_GATE_NUMA_NODE] = "numa-node",
                [P2P_PLACE_GATE_MAP_NONE] = "map-none",
                [P2P_PLACE_GATE_MAP_UNKNOWN] = "map-unknown",
                [P2P_PLACE_GATE_BUS] = "bus",
                [P2P_PLACE_GATE_PATH] = "path",
                [P2P_PLACE_GATE_BOTTLENECK] = "bottleneck",
                [P2P_PLACE_GATE_WORK] = "work",
        };

        return gate < P2P_PLACE_GATE_MAX ? names[gate] : NULL;
}

static uint32_t n_found(const struct place_model *model, uint32_t role)
{
        uint32_t n = 0;

        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].roles & role)
                        n += model->classes[c].n_members;
        return n;
}

static void name_part(const struct place_model *model, enum p2p_place_part part, uint32_t rule,
                      struct p2p_place_refusal *ret)
{
        const struct p2p_place_request *request = model->request;

        *ret = (struct p2p_place_refusal){.gate = ret->gate, .part = part, .rule = rule};
        if (part == P2P_PLACE_PART_ITEMS) {
                ret->n_wanted = request->n_items;
                ret->n_found = n_found(model, PLACE_ROLE_ITEM);
        } else if (part == P2P_PLACE_PART_RULE) {
                ret->n_wanted = request->rules[rule].n;
                if (!request->rules[rule].shared)
                        ret->n_wanted *= request->n_items;
                ret->n_found = n_found(model, PLACE_ROLE_RULE(rule));
        }
}

/* Adds part by part within the bounds. Found no: *ret names the part. */
static enum place_found add_parts(struct place_solver *s, struct place_bounds bounds,
                                  struct p2p_place_refusal *ret)
{
        const uint32_t n_rules = s->model->request->n_rules;
        struct place_found_choice any = {.functions = s->scratch};
        enum place_found found;

        bounds.n_rules = 0;
        bounds.without_clients = true;
        found = place_solver_loosen(s, &bounds, &any);
        name_part(s->model, P2P_PLACE_PART_ITEMS, P2P_NONE, ret);
        if (found == PLACE_FOUND_YES && s->model->n_clients > 0) {
                bounds.without_clients = false;
                found = place_solver_loosen(s, &bounds, &any);
                name_part(s->model, P2P_PLACE_PART_CLIENTS, P2P_NONE, ret);
        }
        bounds.without_clients = s->model->n_clients == 0;
        for (uint32_t i = 0; found == PLACE_FOUND_YES && i < n_rules; i++) {
                bounds.n_rules = i + 1;
                found = place_solver_loosen(s, &bounds, &any);
                name_part(s->model, P2P_PLACE_PART_RULE, i, ret);
        }
        return found == PLACE_FOUND_NO && s->gave_up ? PLACE_FOUND_GAVE_UP : found;
}

/* The limits that filter who may be chosen: pairs do not count yet. */
static enum place_found add_filter(const struct place_model *all, enum place_filter filter,
                                   uint64_t work_max, struct p2p_place_refusal *ret, int *ret_error)
{
        struct place_model model;
        struct place_solver s;
        enum place_found found = PLACE_FOUND_GAVE_UP;

        *ret_error = place_model_init(&model, all->m, all->verdicts, all->request, filter);
        if (*ret_error != 0)
                return found;
        *ret_error = place_solver_init(&s, &model, work_max);
        if (*ret_error == 0) {
                s.limits.without_clients = true;
                found = add_parts(&s, s.limits, ret);
                place_solver_deinit(&s);
        }
        place_model_deinit(&model);
        return found;
}

static enum place_found add_filters(const struct place_model *model, uint64_t work_max,
                                    struct p2p_place_refusal *ret, int *ret_error)
{
        static const struct {
                enum p2p_place_gate gate;
                enum place_filter filter;
        } filters[] = {
                {P2P_PLACE_GATE_PRESENT, PLACE_FILTER_PRESENT},
                {P2P_PLACE_GATE_AVOIDED, PLACE_FILTER_AVOIDED},
                {P2P_PLACE_GATE_TAKEN, PLACE_FILTER_TAKEN},
                {P2P_PLACE_GATE_NUMA_NODE, PLACE_FILTER_NUMA_NODE},
        };
        enum place_found found = PLACE_FOUND_YES;

        for (unsigned i = 0; found == PLACE_FOUND_YES && i < sizeof(filters) / sizeof(filters[0]);
             i++) {
                ret->gate = filters[i].gate;
                found = add_filter(model, filters[i].filter, work_max, ret, ret_error);
        }
        return found;
}

/* The limits on pairs, each set with those before it. */
static enum place_found add_limits(struct place_solver *s, struct p2p_place_refusal *ret)
{
        const struct p2p_place_request *request = s->model->request;
        struct place_bounds b = s->limits;
        enum place_found found = PLACE_FOUND_YES;

        for (enum p2p_place_gate gate = P2P_PLACE_GATE_MAP_NONE;
             found == PLACE_FOUND_YES && gate <= P2P_PLACE_GATE_BOTTLENECK; gate++) {
                if (gate == P2P_PLACE_GATE_MAP_NONE && !request->allow_bad)
                        b.flags_refused |= PLACE_PAIR_NONE;
                else if (gate == P2P_PLACE_GATE_MAP_UNKNOWN && !request->allow_bad)
                        b.flags_refused |= PLACE_PAIR_UNKNOWN;
                else if (gate == P2P_PLACE_GATE_BUS && request->must_be_bus)
                        b.flags_refused |= PLACE_PAIR_NOT_BUS;
                else if (gate == P2P_PLACE_GATE_PATH)
                        b.path_max = (uint8_t)request->path_max;
                else if (gate == P2P_PLACE_GATE_BOTTLENECK && request->bottleneck_min_mbps != 0) {
                        b.flags_refused |= PLACE_PAIR_LINK_UNKNOWN;
                        b.share = (struct place_share){
                                .link_mbps = request->bottleneck_min_mbps,
                                .n_flows = 1,
                        };
                } else {
                        continue;
                }
                ret->gate = gate;
                found = add_parts(s, b, ret);
        }
        return found;
}

int place_refuse(const struct place_model *model, uint64_t work_max, struct p2p_place_refusal *ret)
{
        struct p2p_place_refusal refusal = {.rule = P2P_NONE};
        struct place_solver s;
        enum place_found found;
        int r;

        found = add_filters(model, work_max, &refusal, &r);
        if (r != 0)
                return r;
        if (found == PLACE_FOUND_YES) {
                r = place_solver_init(&s, model, work_max);
                if (r != 0)
                        return r;
                found = add_limits(&s, &refusal);
                place_solver_deinit(&s);
        }
        if (found != PLACE_FOUND_NO)
                refusal = (struct p2p_place_refusal){
                        .gate = P2P_PLACE_GATE_WORK,
                        .rule = P2P_NONE,
                };
        *ret = refusal;
        return 0;
}
