/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/decide.h"

#include <assert.h>

#include "decide/rules.h"
#include "decide/walk.h"

/*
 * The gates, in order: is there a common element; does anything that counts on the way to it
 * redirect; if the traffic goes to the host bridge, for either cause, does the CPU or the list
 * accept that. Rule source: Linux drivers/pci/p2pdma.c, calc_map_type_and_dist(),
 * host_bridge_whitelist() and pci_host_bridge_dev().
 *
 * A fact that is not known makes the verdict unknown only if it could change it.
 */

struct deciding {
        const struct p2p_machine *m;
        const struct p2p_rules *rules;
        uint32_t provider, client;
        p2p_reason_fn on_reason;
        void *userdata;
        struct p2p_walk walk;
        struct p2p_reason redirect; /* the first one found; kind NONE without */
        struct p2p_reason unread;   /* the first element whose ACS is not known */
};

static struct p2p_reason tell(const struct deciding *d, enum p2p_reason_kind kind,
                              enum p2p_effect effect, uint32_t function, uint32_t detail)
{
        const struct p2p_reason reason = {
                .kind = kind,
                .effect = effect,
                .function = function,
                .detail = detail,
        };

        if (d->on_reason)
                d->on_reason(&reason, d->userdata);
        return reason;
}

/* The kernel's question to one element of the path: does ACS send peer traffic upstream here. */
static struct p2p_reason acs_of(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_fact control = m->functions[function].acs_control;
        struct p2p_reason reason = {.kind = P2P_REASON_NONE, .function = function};

        if (p2p_fact_is_known(control)) {
                reason.detail = (uint32_t)control.val & P2P_ACS_REDIRECT;
                if (reason.detail != 0) {
                        reason.kind = P2P_REASON_ACS_REDIRECT;
                        reason.effect = P2P_EFFECT_REDIRECTS;
                }
        } else if (p2p_fact_is_unknown(control)) {
                reason.kind = control.why == P2P_WHY_HIDDEN ? P2P_REASON_ACS_HIDDEN_FROM_KERNEL
                                                            : P2P_REASON_ACS_UNREADABLE;
                reason.effect = P2P_EFFECT_UNKNOWN;
                reason.detail = control.why;
        }
        return reason;
}

static void look_at_acs(struct deciding *d, uint32_t from, uint32_t n)
{
        for (; n > 0; n--, from = d->m->functions[from].parent) {
                struct p2p_reason reason = acs_of(d->m, from);

                if (reason.kind == P2P_REASON_ACS_REDIRECT && !d->redirect.kind)
                        d->redirect = reason;
                else if (reason.effect == P2P_EFFECT_UNKNOWN && !d->unread.kind)
                        d->unread = reason;
        }
}

static void tell_acs(const struct deciding *d, uint32_t from, uint32_t n)
{
        for (; n > 0; n--, from = d->m->functions[from].parent) {
                struct p2p_reason reason = acs_of(d->m, from);

                if (reason.kind == P2P_REASON_NONE)
                        continue;
                /* Beside a redirect that is known, what is not known changes nothing. */
                if (reason.effect == P2P_EFFECT_UNKNOWN && d->redirect.kind)
                        reason.effect = P2P_EFFECT_INFORMS;
                d->on_reason(&reason, d->userdata);
        }
}

/* Every element of the provider's path up to and with the common one, and of the client's below
 * it. */
static void walk_acs(struct deciding *d)
{
        look_at_acs(d, d->provider, d->walk.provider_hops + 1);
        look_at_acs(d, d->client, d->walk.client_hops);
        if (!d->on_reason)
                return;
        tell_acs(d, d->provider, d->walk.provider_hops + 1);
        tell_acs(d, d->client, d->walk.client_hops);
}

/* What the list says of one root bus; same: the pair does not leave it. */
static struct p2p_reason ask_list(const struct p2p_machine *m, const struct p2p_rules *rules,
                                  uint32_t root, bool same)
{
        const struct p2p_host_bridge_rule *rows;
        struct p2p_reason reason = {.effect = P2P_EFFECT_REFUSES};
        const struct p2p_function *f;
        uint32_t n_rows, row;

        rows = p2p_host_bridge_rules(&n_rows);
        reason.function = m->roots[root].first_function;
        reason.kind = P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE;
        if (reason.function == P2P_NONE)
                return reason;
        f = &m->functions[reason.function];
        if (f->address.devfn != 0 &&
            (rules->release < P2P_RELEASE_ANY_ROOT_PORT || p2p_fact_is_absent(f->port_type) ||
             (p2p_fact_is_known(f->port_type) && f->port_type.val != P2P_PORT_ROOT_PORT)))
                return reason;
        if (!p2p_fact_is_known(f->vendor) || !p2p_fact_is_known(f->device)) {
                reason.kind = P2P_REASON_HOST_BRIDGE_UNREADABLE;
                reason.effect = P2P_EFFECT_UNKNOWN;
                reason.detail = p2p_fact_is_known(f->vendor) ? f->device.why : f->vendor.why;
                return reason;
        }
        row = p2p_rules_match_host_bridge(rules, (uint16_t)f->vendor.val, (uint16_t)f->device.val);
        if (row == P2P_NONE) {
                reason.kind = P2P_REASON_HOST_BRIDGE_NOT_LISTED;
                return reason;
        }
        reason.detail = row;
        if (rows[row].same_only && !same) {
                reason.kind = P2P_REASON_HOST_BRIDGE_SAME_ONLY;
                return reason;
        }
        if (f->address.devfn != 0 && !p2p_fact_is_known(f->port_type)) {
                reason.kind = P2P_REASON_HOST_BRIDGE_UNREADABLE;
                reason.effect = P2P_EFFECT_UNKNOWN;
                reason.detail = f->port_type.why;
                return reason;
        }
        reason.kind = P2P_REASON_HOST_BRIDGE_LISTED;
        reason.effect = P2P_EFFECT_ALLOWS;
        return reason;
}

static void refuse(const struct deciding *d, struct p2p_reason reason, struct p2p_decision *ret)
{
        ret->map = P2P_MAP_NONE;
        ret->decisive = d->redirect.kind ? d->redirect : reason;
}

/* What the list says of both root buses, or of the one. The first answer that is not a yes is put
 * first. Returns how many. */
static unsigned ask_list_for_pair(const struct deciding *d, uint32_t provider_root,
                                  uint32_t client_root, struct p2p_reason ret[static 2])
{
        const bool same = provider_root == client_root;
        struct p2p_reason swap;

        ret[0] = ask_list(d->m, d->rules, provider_root, same);
        if (same)
                return 1;
        ret[1] = ask_list(d->m, d->rules, client_root, false);
        /* One refusal is enough, whatever the other one's unknown facts are. */
        if (ret[1].effect == P2P_EFFECT_REFUSES && ret[0].effect != P2P_EFFECT_REFUSES) {
                swap = ret[0];
                ret[0] = ret[1];
                ret[1] = swap;
        } else if (ret[1].effect == P2P_EFFECT_UNKNOWN && ret[0].effect == P2P_EFFECT_ALLOWS) {
                swap = ret[0];
                ret[0] = ret[1];
                ret[1] = swap;
        }
        return 2;
}

static void ask_host_bridges(const struct deciding *d, uint32_t provider_root, uint32_t client_root,
                             struct p2p_decision *ret)
{
        const struct p2p_fact cpu = p2p_rules_cpu_allows(d->rules, d->m);
        struct p2p_reason answers[2], reason = {0};
        unsigned n;

        if (p2p_fact_is_known(cpu) && cpu.val != 0) {
                ret->map = P2P_MAP_HOST_BRIDGE;
                ret->decisive = tell(d, P2P_REASON_CPU_ALLOWS, P2P_EFFECT_ALLOWS, P2P_NONE, 0);
                return;
        }
        if (provider_root == P2P_NONE || client_root == P2P_NONE) {
                uint32_t top = d->walk.provider_top;

                ret->map = P2P_MAP_UNKNOWN;
                ret->decisive = tell(d, P2P_REASON_PARENT_MISSING, P2P_EFFECT_UNKNOWN, top,
                                     d->m->functions[top].parent_why);
                return;
        }
        n = ask_list_for_pair(d, provider_root, client_root, answers);
        if (!p2p_fact_is_known(cpu) && answers[0].effect != P2P_EFFECT_ALLOWS)
                reason = tell(d, P2P_REASON_CPU_UNKNOWN, P2P_EFFECT_UNKNOWN, P2P_NONE, cpu.why);
        for (unsigned i = 0; i < n; i++)
                (void)tell(d, answers[i].kind, answers[i].effect, answers[i].function,
                           answers[i].detail);
        if (answers[0].effect == P2P_EFFECT_ALLOWS) {
                ret->map = P2P_MAP_HOST_BRIDGE;
                ret->decisive = answers[0];
        } else if (reason.kind == P2P_REASON_CPU_UNKNOWN) {
                ret->map = P2P_MAP_UNKNOWN;
                ret->decisive = reason;
        } else if (answers[0].effect == P2P_EFFECT_UNKNOWN) {
                ret->map = P2P_MAP_UNKNOWN;
                ret->decisive = answers[0];
        } else {
                refuse(d, answers[0], ret);
        }
}

static void through_host_bridge(const struct deciding *d, struct p2p_decision *ret)
{
        const struct p2p_machine *m = d->m;
        uint32_t provider_root = m->functions[d->provider].root;
        uint32_t client_root = m->functions[d->client].root;

        if (d->rules->release < P2P_RELEASE_THROUGH_HOST_BRIDGE) {
                refuse(d,
                       tell(d, P2P_REASON_KERNEL_TOO_OLD, P2P_EFFECT_REFUSES, P2P_NONE,
                            P2P_RELEASE_THROUGH_HOST_BRIDGE),
                       ret);
                return;
        }
        if (provider_root == client_root)
                (void)tell(d, P2P_REASON_SAME_HOST_BRIDGE, P2P_EFFECT_INFORMS,
                           provider_root == P2P_NONE ? P2P_NONE
                                                     : m->roots[provider_root].first_function,
                           0);
        else
                (void)tell(d, P2P_REASON_OTHER_HOST_BRIDGE, P2P_EFFECT_INFORMS, P2P_NONE, 0);
        ask_host_bridges(d, provider_root, client_root, ret);
}

static enum p2p_path path_without_common(const struct p2p_machine *m, uint32_t provider,
                                         uint32_t client)
{
        const struct p2p_function *p = &m->functions[provider], *c = &m->functions[client];

        if (p->root == c->root)
                return P2P_PATH_PHB;
        if (p2p_fact_is_known(p->numa_node) && p2p_fact_is_known(c->numa_node))
                return p->numa_node.val == c->numa_node.val ? P2P_PATH_NODE : P2P_PATH_SYS;
        if (p2p_fact_is_known(m->numa_nodes) && m->numa_nodes.val == 1)
                return P2P_PATH_NODE;
        return P2P_PATH_UNKNOWN;
}

static void decide_below_common(struct deciding *d, struct p2p_decision *ret)
{
        const bool same = d->provider == d->client;
        struct p2p_reason met;

        met = tell(d, same ? P2P_REASON_SAME_FUNCTION : P2P_REASON_COMMON_BRIDGE,
                   P2P_EFFECT_INFORMS, d->walk.common, 0);
        ret->path = same ? P2P_PATH_LOC : ret->distance_hops <= 4 ? P2P_PATH_PIX : P2P_PATH_PXB;
        walk_acs(d);
        if (d->redirect.kind) {
                through_host_bridge(d, ret);
        } else if (d->unread.kind) {
                ret->map = P2P_MAP_UNKNOWN;
                ret->decisive = d->unread;
        } else {
                ret->map = P2P_MAP_BUS;
                met.effect = P2P_EFFECT_ALLOWS;
                ret->decisive = met;
        }
}

static void decide_without_common(struct deciding *d, struct p2p_decision *ret)
{
        const struct p2p_machine *m = d->m;
        const uint32_t tops[2] = {d->walk.provider_top, d->walk.client_top};

        for (unsigned i = 0; i < 2; i++) {
                const struct p2p_function *top = &m->functions[tops[i]];
                enum p2p_why why = top->parent_why;

                if (why == P2P_WHY_KNOWN && top->root != P2P_NONE)
                        continue;
                (void)tell(d, P2P_REASON_PARENT_MISSING, P2P_EFFECT_UNKNOWN, tops[i], why);
                if (ret->decisive.kind)
                        continue;
                ret->distance_hops = P2P_DISTANCE_UNKNOWN;
                ret->map = P2P_MAP_UNKNOWN;
                ret->path = P2P_PATH_UNKNOWN;
                ret->decisive = (struct p2p_reason){
                        .kind = P2P_REASON_PARENT_MISSING,
                        .effect = P2P_EFFECT_UNKNOWN,
                        .function = tops[i],
                        .detail = why,
                };
        }
        if (ret->decisive.kind)
                return;
        ret->path = path_without_common(m, d->provider, d->client);
        (void)tell(d, P2P_REASON_NO_COMMON_BRIDGE, P2P_EFFECT_INFORMS, P2P_NONE, 0);
        through_host_bridge(d, ret);
}

void p2p_decide(const struct p2p_machine *m, const struct p2p_rules *rules, uint32_t provider,
                uint32_t client, p2p_reason_fn on_reason, void *userdata, struct p2p_decision *ret)
{
        struct deciding d = {
                .m = m,
                .rules = rules,
                .provider = provider,
                .client = client,
                .on_reason = on_reason,
                .userdata = userdata,
        };
        struct p2p_decision decision = {0};

        p2p_walk_compute(m, provider, client, &d.walk);
        decision.common = d.walk.common;
        decision.distance_hops = d.walk.provider_hops + d.walk.client_hops;
        if (d.walk.common != P2P_NONE)
                decide_below_common(&d, &decision);
        else
                decide_without_common(&d, &decision);
        if (rules->release < P2P_RELEASE_P2PDMA) {
                decision.map = P2P_MAP_NONE;
                decision.decisive = tell(&d, P2P_REASON_KERNEL_TOO_OLD, P2P_EFFECT_REFUSES,
                                         P2P_NONE, P2P_RELEASE_P2PDMA);
        }
        *ret = decision;
}
