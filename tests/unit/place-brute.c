/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "place-brute.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "decide/decide.h"
#include "decide/link.h"

#define LINKS_MAX 512U

/* How far limits have been added. */
struct stage {
        bool avoid, taken, numa, no_none, no_unknown, bus, path, bottleneck;
        bool clients;
        uint32_t n_rules;
};

struct trying {
        const struct p2p_machine *m;
        const struct p2p_rules *rules;
        const struct p2p_place_request *request;
        struct stage stage;
        uint32_t n_per_item, n;
        struct brute_choice now;
        struct brute *out; /* NULL: stop at the first one */
        uint32_t n_max;
        uint32_t n_steps;
        bool found;
};

/* ---- what a choice is worth ---- */

struct flow_count {
        uint64_t name;
        uint32_t mbps, up, down;
        bool unknown;
};

struct counting {
        const struct p2p_machine *m;
        struct flow_count links[LINKS_MAX];
        uint32_t n;
};

static uint64_t name_of(const struct p2p_machine *m, uint32_t f)
{
        const struct p2p_function *x = &m->functions[f];

        if (x->is_vf && x->physfn != P2P_NONE)
                x = &m->functions[x->physfn];
        if (x->parent != P2P_NONE)
                return (uint64_t)x->parent + 1;
        return ((uint64_t)x->address.segment << 8 | x->address.bus) + (1ULL << 62);
}

static struct flow_count *count_of(struct counting *c, uint32_t f)
{
        struct flow_count *l;

        if (p2p_fact_is_absent(p2p_function_uplink_mbps(c->m, f)))
                return NULL;
        for (uint32_t i = 0; i < c->n; i++)
                if (c->links[i].name == name_of(c->m, f))
                        return &c->links[i];
        assert_true(c->n < LINKS_MAX);
        l = &c->links[c->n++];
        *l = (struct flow_count){.name = name_of(c->m, f), .unknown = true};
        for (uint32_t i = 0; i < c->m->n_functions; i++) {
                struct p2p_fact mbps = p2p_function_uplink_mbps(c->m, i);

                if (!p2p_fact_is_known(mbps) || name_of(c->m, i) != l->name)
                        continue;
                if (l->unknown || mbps.val < l->mbps)
                        l->mbps = (uint32_t)mbps.val;
                l->unknown = false;
        }
        return l;
}

/* Everything from a function to the top, itself first. */
static uint32_t chain_of(const struct p2p_machine *m, uint32_t f, uint32_t *chain)
{
        uint32_t n = 0;

        for (; f != P2P_NONE; f = m->functions[f].parent)
                chain[n++] = f;
        return n;
}

static bool redirects(const struct p2p_machine *m, uint32_t f)
{
        struct p2p_fact c = m->functions[f].acs_control;

        return p2p_fact_is_known(c) && (c.val & 0x2c) != 0;
}

static void add_flow(struct counting *c, uint32_t from, uint32_t to)
{
        uint32_t a[256], b[256], n_a = chain_of(c->m, from, a), n_b = chain_of(c->m, to, b);
        uint32_t shared = 0;
        bool redirect = false;

        while (shared < n_a && shared < n_b && a[n_a - 1 - shared] == b[n_b - 1 - shared])
                shared++;
        if (shared > 0) {
                for (uint32_t i = 0; i + shared <= n_a; i++)
                        redirect |= redirects(c->m, a[i]);
                for (uint32_t i = 0; i + shared <= n_b; i++)
                        redirect |= redirects(c->m, b[i]);
        }
        for (uint32_t i = 0; i < n_a; i++) {
                struct flow_count *l = count_of(c, a[i]);

                if (l && (redirect || i + shared < n_a))
                        l->up++;
        }
        for (uint32_t i = 0; i < n_b; i++) {
                struct flow_count *l = count_of(c, b[i]);

                if (l && (redirect || i + shared < n_b))
                        l->down++;
        }
}

static void narrow(struct brute_choice *choice, uint32_t mbps, uint32_t n)
{
        if (n == 0)
                return;
        if (choice->n_flows == 0 ||
            (uint64_t)mbps * choice->n_flows < (uint64_t)choice->link_mbps * n) {
                choice->link_mbps = mbps;
                choice->n_flows = n;
        }
}

/* One pair in both directions. False: a limit of the stage does not let it pass. */
static bool add_pair(struct trying *t, struct counting *c, uint32_t a, uint32_t b)
{
        const uint32_t ends[2][2] = {{a, b}, {b, a}};

        for (unsigned i = 0; i < 2; i++) {
                struct p2p_decision d;

                p2p_decide(t->m, t->rules, ends[i][0], ends[i][1], NULL, NULL, &d);
                t->now.bad |= d.map == P2P_MAP_NONE || d.map == P2P_MAP_UNKNOWN;
                if ((t->stage.no_none && d.map == P2P_MAP_NONE) ||
                    (t->stage.no_unknown && d.map == P2P_MAP_UNKNOWN) ||
                    (t->stage.bus && d.map != P2P_MAP_BUS) ||
                    (t->stage.path && d.path > t->request->path_max))
                        return false;
                if (d.path > t->now.path)
                        t->now.path = d.path;
                add_flow(c, ends[i][0], ends[i][1]);
        }
        return true;
}

static bool already(const uint32_t *list, uint32_t n, uint32_t what)
{
        for (uint32_t i = 0; i < n; i++)
                if (list[i] == what)
                        return true;
        return false;
}

static bool weigh_pairs(struct trying *t, struct counting *c)
{
        const struct p2p_place_request *r = t->request;

        for (uint32_t i = 0; i < r->n_items; i++) {
                for (uint32_t k = 0; t->stage.clients && k < r->n_clients; k++)
                        if (!already(r->clients, k, r->clients[k]) &&
                            !add_pair(t, c, t->now.functions[i], r->clients[k]))
                                return false;
                for (uint32_t k = 0; k < t->n_per_item; k++)
                        if (!add_pair(t, c, t->now.functions[i],
                                      t->now.functions[r->n_items + i * t->n_per_item + k]))
                                return false;
        }
        return true;
}

static bool weigh(struct trying *t)
{
        struct counting c = {.m = t->m};
        uint64_t nodes[BRUTE_FUNCTIONS_MAX];

        t->now.bad = false;
        t->now.path = P2P_PATH_LOC;
        t->now.n_flows = t->now.link_mbps = t->now.n_numa = 0;
        if (!weigh_pairs(t, &c))
                return false;
        for (uint32_t i = 0; i < c.n; i++) {
                uint32_t n = c.links[i].up > c.links[i].down ? c.links[i].up : c.links[i].down;

                if (!c.links[i].unknown)
                        narrow(&t->now, c.links[i].mbps, n);
                else if (t->stage.bottleneck && n > 0 && t->request->bottleneck_min_mbps > 0)
                        return false;
        }
        if (t->stage.bottleneck && t->now.n_flows > 0 &&
            t->now.link_mbps < (uint64_t)t->request->bottleneck_min_mbps * t->now.n_flows)
                return false;
        for (uint32_t i = 0; i < t->n; i++) {
                struct p2p_fact node = t->m->functions[t->now.functions[i]].numa_node;
                bool seen = !p2p_fact_is_known(node);

                for (uint32_t k = 0; k < t->now.n_numa; k++)
                        seen |= nodes[k] == node.val;
                if (!seen)
                        nodes[t->now.n_numa++] = node.val;
        }
        return true;
}

/* ---- every choice ---- */

static bool may_be(const struct trying *t, const struct p2p_selector *of, uint32_t f)
{
        const struct p2p_place_request *r = t->request;
        struct p2p_fact node = t->m->functions[f].numa_node;

        if (!p2p_selector_wants(of, t->m, f))
                return false;
        for (uint32_t i = 0; t->stage.avoid && i < r->n_avoid; i++)
                if (p2p_selector_covers(r->avoid[i], t->m, f))
                        return false;
        if (t->stage.taken && r->taken && r->taken[f])
                return false;
        return !t->stage.numa || r->numa_node == P2P_NONE ||
               (p2p_fact_is_known(node) && node.val == r->numa_node);
}

/* The rule of a place past the items, and the place of the rule's first one for that item. */
static uint32_t rule_at(const struct trying *t, uint32_t at, uint32_t *ret_first)
{
        uint32_t rule = 0, first = at - (at - t->request->n_items) % t->n_per_item;

        while (at - first >= t->request->rules[rule].n)
                first += t->request->rules[rule++].n;
        *ret_first = first;
        return rule;
}

/* Is every shared rule shared evenly; counts the different ones. */
static bool is_even(struct trying *t)
{
        for (uint32_t rule = 0; rule < t->stage.n_rules; rule++) {
                uint32_t least = UINT32_MAX, most = 0, n = 0, first;

                for (uint32_t i = t->request->n_items; i < t->n; i++) {
                        uint32_t uses = 0;
                        bool before = false;

                        if (rule_at(t, i, &first) != rule)
                                continue;
                        for (uint32_t k = t->request->n_items; k < t->n; k++) {
                                bool same = t->now.functions[k] == t->now.functions[i];

                                uses += same;
                                before |= same && k < i;
                        }
                        n += !before;
                        least = uses < least ? uses : least;
                        most = uses > most ? uses : most;
                }
                if (most > least + 1)
                        return false;
                t->now.n_different[rule] = n;
        }
        return true;
}

static void keep(struct trying *t)
{
        struct brute *b = t->out;

        t->found = true;
        if (!b)
                return;
        if (b->n == t->n_max) {
                b->too_many = true;
                return;
        }
        b->choices = reallocarray(b->choices, (size_t)b->n + 1, sizeof(*b->choices));
        assert_non_null(b->choices);
        b->choices[b->n++] = t->now;
}

static bool is_free(const struct trying *t, uint32_t at, uint32_t f)
{
        uint32_t rule, first, unused;

        if (!already(t->now.functions, at, f))
                return true;
        if (at < t->request->n_items)
                return false;
        rule = rule_at(t, at, &first);
        if (!t->request->rules[rule].shared)
                return false;
        for (uint32_t i = 0; i < at; i++)
                if (t->now.functions[i] == f &&
                    (i < t->request->n_items || i >= first || rule_at(t, i, &unused) != rule))
                        return false;
        return true;
}

static void fill(struct trying *t, uint32_t at)
{
        const struct p2p_selector *of = t->request->of;
        uint32_t first = 0;

        if ((t->found && !t->out) || (t->out && t->out->too_many))
                return;
        if (at == t->n) {
                if (++t->n_steps > 4000 && t->out)
                        t->out->too_many = true;
                if (is_even(t) && weigh(t))
                        keep(t);
                return;
        }
        if (at >= t->request->n_items)
                of = t->request->rules[rule_at(t, at, &first)].of;
        for (uint32_t f = at > first ? t->now.functions[at - 1] + 1 : 0; f < t->m->n_functions; f++)
                if (is_free(t, at, f) && may_be(t, of, f)) {
                        t->now.functions[at] = f;
                        fill(t, at + 1);
                }
}

static void begin(struct trying *t)
{
        t->n_per_item = 0;
        t->n_steps = 0;
        t->found = false;
        for (uint32_t i = 0; i < t->stage.n_rules; i++)
                t->n_per_item += t->request->rules[i].n;
        t->n = t->request->n_items * (1 + t->n_per_item);
        assert_true(t->n <= BRUTE_FUNCTIONS_MAX);
        fill(t, 0);
}

/* ---- order ---- */

static int compare_choices(const void *a, const void *b)
{
        const struct brute_choice *x = a, *y = b;

        if (x->bad != y->bad)
                return x->bad ? 1 : -1;
        if (x->path != y->path)
                return x->path < y->path ? -1 : 1;
        if ((x->n_flows == 0) != (y->n_flows == 0))
                return x->n_flows == 0 ? -1 : 1;
        if (x->n_flows != 0 &&
            (uint64_t)x->link_mbps * y->n_flows != (uint64_t)y->link_mbps * x->n_flows)
                return (uint64_t)x->link_mbps * y->n_flows > (uint64_t)y->link_mbps * x->n_flows
                               ? -1
                               : 1;
        if (x->n_numa != y->n_numa)
                return x->n_numa < y->n_numa ? -1 : 1;
        for (uint32_t i = 0; i < BRUTE_FUNCTIONS_MAX; i++)
                if (x->functions[i] != y->functions[i])
                        return x->functions[i] < y->functions[i] ? -1 : 1;
        return 0;
}

/* Only those with the most different companions of shared rules, rule by rule; bad ones only if
 * there are no others. */
static void keep_most_different(struct brute *b, const struct p2p_place_request *request)
{
        bool bad = true;
        uint32_t n = 0;

        for (uint32_t i = 0; i < b->n; i++)
                bad &= b->choices[i].bad;
        for (uint32_t i = 0; i < b->n; i++)
                if (b->choices[i].bad == bad)
                        b->choices[n++] = b->choices[i];
        b->n = n;
        for (uint32_t rule = 0; rule < request->n_rules; rule++) {
                uint32_t most = 0;

                for (uint32_t i = 0; i < b->n; i++)
                        if (b->choices[i].n_different[rule] > most)
                                most = b->choices[i].n_different[rule];
                n = 0;
                for (uint32_t i = 0; i < b->n; i++)
                        if (b->choices[i].n_different[rule] == most)
                                b->choices[n++] = b->choices[i];
                b->n = n;
        }
}

/* ---- refusals ---- */

static bool any(struct trying *t)
{
        t->out = NULL;
        begin(t);
        return t->found;
}

static bool refuses(struct trying *t, enum p2p_place_gate gate, struct p2p_place_refusal *ret)
{
        *ret = (struct p2p_place_refusal){.gate = gate, .rule = P2P_NONE};
        t->stage.clients = false;
        t->stage.n_rules = 0;
        if (!any(t))
                return true;
        t->stage.clients = true;
        ret->part = P2P_PLACE_PART_CLIENTS;
        if (!any(t))
                return true;
        ret->part = P2P_PLACE_PART_RULE;
        for (ret->rule = 0; ret->rule < t->request->n_rules; ret->rule++) {
                t->stage.n_rules = ret->rule + 1;
                if (!any(t))
                        return true;
        }
        return false;
}

static void refuse(struct trying *t, struct p2p_place_refusal *ret)
{
        t->stage = (struct stage){0};
        if (refuses(t, P2P_PLACE_GATE_PRESENT, ret))
                return;
        t->stage.avoid = true;
        if (refuses(t, P2P_PLACE_GATE_AVOIDED, ret))
                return;
        t->stage.taken = true;
        if (refuses(t, P2P_PLACE_GATE_TAKEN, ret))
                return;
        t->stage.numa = true;
        if (refuses(t, P2P_PLACE_GATE_NUMA_NODE, ret))
                return;
        t->stage.no_none = !t->request->allow_bad;
        if (refuses(t, P2P_PLACE_GATE_MAP_NONE, ret))
                return;
        t->stage.no_unknown = !t->request->allow_bad;
        if (refuses(t, P2P_PLACE_GATE_MAP_UNKNOWN, ret))
                return;
        t->stage.bus = t->request->must_be_bus;
        if (refuses(t, P2P_PLACE_GATE_BUS, ret))
                return;
        t->stage.path = true;
        if (refuses(t, P2P_PLACE_GATE_PATH, ret))
                return;
        t->stage.bottleneck = true;
        assert_true(refuses(t, P2P_PLACE_GATE_BOTTLENECK, ret));
}

void brute_place(const struct p2p_machine *m, const struct p2p_rules *rules,
                 const struct p2p_place_request *request, uint32_t n_max, struct brute *ret)
{
        struct trying t = {
                .m = m,
                .rules = rules,
                .request = request,
                .stage = {.avoid = true,
                          .taken = true,
                          .numa = true,
                          .no_none = !request->allow_bad,
                          .no_unknown = !request->allow_bad,
                          .bus = request->must_be_bus,
                          .path = true,
                          .bottleneck = true,
                          .clients = true,
                          .n_rules = request->n_rules},
                .out = ret,
                .n_max = n_max,
        };

        *ret = (struct brute){0};
        begin(&t);
        if (ret->too_many)
                return;
        if (ret->n == 0) {
                refuse(&t, &ret->refusal);
                return;
        }
        keep_most_different(ret, request);
        qsort(ret->choices, ret->n, sizeof(*ret->choices), compare_choices);
}

void brute_free(struct brute *b)
{
        free(b->choices);
        *b = (struct brute){0};
}
