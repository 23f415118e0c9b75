/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/check.h"

#include <stdio.h>

#include "decide/check-bar.h"
#include "decide/check-link.h"
#include "decide/explain.h"
#include "decide/text.h"

struct checking {
        const struct p2p_check_params *params;
        const struct p2p_machine *m;
        uint32_t provider, client;
        const struct p2p_constraint *constraints;
        uint32_t n_constraints;
        struct p2p_check *check;
};

const char *p2p_gate_to_string(enum p2p_gate gate)
{
        static const char *const names[P2P_GATE_MAX] = {
                [P2P_GATE_PRESENT] = "present",   [P2P_GATE_BAR] = "bar",
                [P2P_GATE_DECODING] = "decoding", [P2P_GATE_LINK] = "link",
                [P2P_GATE_ACS] = "acs",           [P2P_GATE_HOST_BRIDGE] = "host-bridge",
                [P2P_GATE_IOMMU] = "iommu",       [P2P_GATE_KERNEL] = "kernel",
                [P2P_GATE_VERIFIED] = "verified",
        };

        return gate < P2P_GATE_MAX ? names[gate] : NULL;
}

const char *p2p_gate_state_to_string(enum p2p_gate_state state)
{
        static const char *const names[P2P_GATE_STATE_MAX] = {
                [P2P_GATE_PASSED] = "passed",         [P2P_GATE_FAILED] = "failed",
                [P2P_GATE_UNKNOWN] = "unknown",       [P2P_GATE_NOT_REACHED] = "not-reached",
                [P2P_GATE_NOT_NEEDED] = "not-needed",
        };

        return state < P2P_GATE_STATE_MAX ? names[state] : NULL;
}

/* Each gate answers with its state, and on FAILED or UNKNOWN with a sentence. */
typedef enum p2p_gate_state (*gate_fn)(const struct checking *c, char *buf, size_t size);

static enum p2p_gate_state answers(const struct p2p_machine *m, uint32_t function, char *buf,
                                   size_t size)
{
        const struct p2p_fact header = m->functions[function].header_type;
        char text[P2P_TEXT_FUNCTION_MAX];

        if (p2p_fact_is_known(header))
                return P2P_GATE_PASSED;
        (void)snprintf(buf, size, "%s does not answer: %s", p2p_text_function(m, function, text),
                       p2p_text_why(header.why));
        return header.why == P2P_WHY_ALL_ONES || header.why == P2P_WHY_GONE ? P2P_GATE_FAILED
                                                                            : P2P_GATE_UNKNOWN;
}

static enum p2p_gate_state gate_present(const struct checking *c, char *buf, size_t size)
{
        char other[sizeof(c->check->because)];
        enum p2p_gate_state provider = answers(c->m, c->provider, buf, size), client;

        if (provider == P2P_GATE_FAILED)
                return provider;
        client = answers(c->m, c->client, other, sizeof(other));
        if (client == P2P_GATE_FAILED ||
            (client == P2P_GATE_UNKNOWN && provider == P2P_GATE_PASSED)) {
                (void)snprintf(buf, size, "%s", other);
                return client;
        }
        return provider;
}

static enum p2p_gate_state from_constraint(const struct checking *c, enum p2p_constraint_kind kind,
                                           char *buf, size_t size)
{
        const struct p2p_constraint *unknown = NULL;

        for (uint32_t i = 0; i < c->n_constraints; i++) {
                const struct p2p_constraint *constraint = &c->constraints[i];

                if (constraint->kind != kind)
                        continue;
                if (constraint->blocks) {
                        (void)p2p_constraint_format(c->m, constraint, buf, size);
                        return P2P_GATE_FAILED;
                }
                if (constraint->is_unknown && !unknown)
                        unknown = constraint;
        }
        if (!unknown)
                return P2P_GATE_PASSED;
        (void)p2p_constraint_format(c->m, unknown, buf, size);
        return P2P_GATE_UNKNOWN;
}

static enum p2p_gate_state gate_bar(const struct checking *c, char *buf, size_t size)
{
        const struct p2p_function *f = &c->m->functions[c->provider];

        for (uint32_t i = 0; i < P2P_BARS_MAX; i++)
                if (f->bars[i].kind == P2P_BAR_MEMORY && f->bars[i].assigned)
                        return p2p_check_bar_size(c->m, c->provider, c->params->min_bar_bytes, buf,
                                                  size);
        for (uint32_t i = 0; i < c->n_constraints; i++)
                if (c->constraints[i].kind == P2P_CONSTRAINT_NO_BAR)
                        return from_constraint(c, P2P_CONSTRAINT_NO_BAR, buf, size);
        return from_constraint(c, P2P_CONSTRAINT_BAR_UNASSIGNED, buf, size);
}

static enum p2p_gate_state gate_decoding(const struct checking *c, char *buf, size_t size)
{
        return from_constraint(c, P2P_CONSTRAINT_DECODING_OFF, buf, size);
}

static enum p2p_gate_state gate_link(const struct checking *c, char *buf, size_t size)
{
        if (c->params->allow_slow_link)
                return P2P_GATE_NOT_NEEDED;
        return p2p_check_links(c->m, c->provider, c->client, buf, size);
}

static enum p2p_gate_state gate_acs(const struct checking *c, char *buf, size_t size)
{
        const struct p2p_decision *d = &c->check->decision;

        switch (d->decisive.kind) {
        case P2P_REASON_ACS_REDIRECT:
        case P2P_REASON_ACS_UNREADABLE:
        case P2P_REASON_ACS_HIDDEN_FROM_KERNEL:
        case P2P_REASON_PARENT_MISSING:
                (void)p2p_reason_format(c->m, &d->decisive, buf, size);
                return d->map == P2P_MAP_NONE ? P2P_GATE_FAILED : P2P_GATE_UNKNOWN;
        default:
                return d->common == P2P_NONE ? P2P_GATE_NOT_NEEDED : P2P_GATE_PASSED;
        }
}

static enum p2p_gate_state gate_host_bridge(const struct checking *c, char *buf, size_t size)
{
        const struct p2p_decision *d = &c->check->decision;

        if (!p2p_path_is_through_host_bridge(c->m, c->provider, c->client))
                return P2P_GATE_NOT_NEEDED;
        if (d->map == P2P_MAP_HOST_BRIDGE)
                return from_constraint(c, P2P_CONSTRAINT_WRITES_ONLY, buf, size);
        if (d->decisive.kind == P2P_REASON_KERNEL_TOO_OLD &&
            d->decisive.detail == P2P_RELEASE_P2PDMA)
                return P2P_GATE_NOT_NEEDED;
        (void)p2p_reason_format(c->m, &d->decisive, buf, size);
        return d->map == P2P_MAP_NONE ? P2P_GATE_FAILED : P2P_GATE_UNKNOWN;
}

static enum p2p_gate_state gate_iommu(const struct checking *c, char *buf, size_t size)
{
        enum p2p_gate_state blocked, mask;

        blocked = from_constraint(c, P2P_CONSTRAINT_IOMMU_BLOCKED, buf, size);
        if (blocked == P2P_GATE_PASSED)
                blocked = from_constraint(c, P2P_CONSTRAINT_RESERVED_REGION, buf, size);
        if (blocked != P2P_GATE_PASSED)
                return blocked;
        mask = from_constraint(c, P2P_CONSTRAINT_DMA_MASK, buf, size);
        if (mask == P2P_GATE_FAILED)
                return mask;
        /* Nobody sets a mask before a driver is bound; the one that comes will. */
        if (mask == P2P_GATE_UNKNOWN && c->m->functions[c->client].driver_why == P2P_WHY_ABSENT)
                return P2P_GATE_PASSED;
        return mask;
}

/* The kernel answers from its cache, so what it may hold there decides as much as the facts do; and
 * nothing shows whether it was asked about this pair. */
static enum p2p_gate_state kernel_may_differ(const struct checking *c, char *buf, size_t size)
{
        const struct p2p_function *functions = c->m->functions;
        struct p2p_constraint constraint = {
                .kind = P2P_CONSTRAINT_STALE_KERNEL_CACHE,
                .function = c->provider,
                .bar_index = P2P_NONE,
        };

        if (c->params->rules->choice != P2P_RULES_RUNNING)
                return P2P_GATE_PASSED;
        constraint.detail =
                p2p_kernel_cache_older_maps(c->params->kernel_cache, functions[c->provider].address,
                                            functions[c->client].address, c->check->decision.map);
        if (constraint.detail == 0)
                return P2P_GATE_PASSED;
        (void)p2p_constraint_format(c->m, &constraint, buf, size);
        return P2P_GATE_UNKNOWN;
}

static enum p2p_gate_state gate_kernel(const struct checking *c, char *buf, size_t size)
{
        const struct p2p_decision *d = &c->check->decision;
        const struct p2p_fact p2pdma = c->m->kernel_has_p2pdma;

        if (d->decisive.kind == P2P_REASON_KERNEL_TOO_OLD) {
                (void)p2p_reason_format(c->m, &d->decisive, buf, size);
                return P2P_GATE_FAILED;
        }
        if (!p2p_fact_is_known(p2pdma)) {
                (void)snprintf(buf, size,
                               "whether the kernel was built with PCI_P2PDMA is unknown: %s",
                               p2p_text_why(p2pdma.why));
                return P2P_GATE_UNKNOWN;
        }
        if (p2pdma.val == 0)
                return from_constraint(c, P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA, buf, size);
        return kernel_may_differ(c, buf, size);
}

static bool is_possible(enum p2p_map map)
{
        return map == P2P_MAP_BUS || map == P2P_MAP_HOST_BRIDGE;
}

/* What was tried outweighs what is computed. A refusal agrees with a verdict that expected it, and
 * says nothing about a later one, nor about the rules of another kernel. */
static enum p2p_gate_state gate_verified(const struct checking *c, char *buf, size_t size)
{
        static const char *const what[] = {
                [P2P_CHECK_TRANSFER_WRONG_DATA] = "was reported as done with data that is wrong",
                [P2P_CHECK_TRANSFER_REFUSED] = "was refused by the kernel",
                [P2P_CHECK_TRANSFER_FAILED] = "was begun and failed",
        };
        const enum p2p_map then = c->params->transfer_map;
        char provider[P2P_TEXT_FUNCTION_MAX], client[P2P_TEXT_FUNCTION_MAX];

        switch (c->params->transfer) {
        case P2P_CHECK_TRANSFER_NONE:
                return P2P_GATE_NOT_NEEDED;
        case P2P_CHECK_TRANSFER_ARRIVED:
                return P2P_GATE_PASSED;
        case P2P_CHECK_TRANSFER_REFUSED:
                if (!is_possible(then) || c->params->rules->choice != P2P_RULES_RUNNING)
                        return P2P_GATE_NOT_NEEDED;
                break;
        case P2P_CHECK_TRANSFER_WRONG_DATA:
        case P2P_CHECK_TRANSFER_FAILED:
                break;
        }
        (void)snprintf(buf, size, "the last transfer by %s to the memory of %s %s%s",
                       p2p_text_function(c->m, c->client, client),
                       p2p_text_function(c->m, c->provider, provider), what[c->params->transfer],
                       then == c->check->decision.map
                               ? ""
                               : "; the verdict was another one then: verify it anew");
        return then == c->check->decision.map ? P2P_GATE_FAILED : P2P_GATE_UNKNOWN;
}

static void pass_gates(struct checking *c)
{
        static const gate_fn gates[P2P_GATE_MAX] = {
                [P2P_GATE_PRESENT] = gate_present,   [P2P_GATE_BAR] = gate_bar,
                [P2P_GATE_DECODING] = gate_decoding, [P2P_GATE_LINK] = gate_link,
                [P2P_GATE_ACS] = gate_acs,           [P2P_GATE_HOST_BRIDGE] = gate_host_bridge,
                [P2P_GATE_IOMMU] = gate_iommu,       [P2P_GATE_KERNEL] = gate_kernel,
                [P2P_GATE_VERIFIED] = gate_verified,
        };
        struct p2p_check *check = c->check;
        char because[sizeof(check->because)];

        for (enum p2p_gate g = 0; g < P2P_GATE_MAX; g++) {
                because[0] = '\0';
                check->gates[g] = gates[g](c, because, sizeof(because));
                if (check->gates[g] != P2P_GATE_FAILED && check->gates[g] != P2P_GATE_UNKNOWN)
                        continue;
                if (check->gates[g] == P2P_GATE_UNKNOWN && check->overall == P2P_GATE_UNKNOWN)
                        continue;
                check->overall = check->gates[g];
                check->stopped_at = g;
                (void)snprintf(check->because, sizeof(check->because), "%s", because);
                if (check->overall == P2P_GATE_FAILED)
                        return;
        }
}

void p2p_check_pair(const struct p2p_check_params *params, struct p2p_check *ret)
{
        struct p2p_constraint constraints[P2P_CONSTRAINTS_MAX];
        struct checking c = {
                .params = params,
                .m = params->machine,
                .provider = params->provider,
                .client = params->client,
                .constraints = constraints,
                .check = ret,
        };

        *ret = (struct p2p_check){.overall = P2P_GATE_PASSED, .stopped_at = P2P_GATE_MAX};
        for (enum p2p_gate g = 0; g < P2P_GATE_MAX; g++)
                ret->gates[g] = P2P_GATE_NOT_REACHED;
        p2p_decide(c.m, params->rules, c.provider, c.client, NULL, NULL, &ret->decision);
        c.n_constraints = p2p_constraints_collect(
                &(struct p2p_constraints_params){
                        .m = c.m,
                        .provider = c.provider,
                        .client = c.client,
                },
                constraints);
        pass_gates(&c);
}
