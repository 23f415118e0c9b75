/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Placement against a look at every choice, on random machines and requests. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place.h"
#include "place-brute.h"
#include "random-machine.h"

#define SEEDS 200U
#define RANDOM_FUNCTIONS_MAX 512U

static const uint32_t classes[] = {0x030200, 0x020000, 0x010802};

static uint32_t one_of(struct random *r, const uint32_t *list, uint32_t n)
{
        return list[random_below(r, n)];
}

static void random_links(struct builder *b, struct random *r)
{
        static const uint32_t speeds[] = {8000, 16000, 32000}, widths[] = {4, 8, 16, 16};
        const bool alike = random_below(r, 2) == 0;

        for (uint32_t i = 0; i < b->m->n_functions; i++) {
                const struct p2p_function *f = builder_edit(b, i);
                uint32_t mts = one_of(r, speeds, 3), lanes = one_of(r, widths, 4);

                if (alike) {
                        mts = 16000;
                        lanes = f->port_type.val == P2P_PORT_UPSTREAM ? 16 : 8;
                }
                if (random_below(r, 16) > 0)
                        link_is(b, i, mts, lanes, 32000, 16);
        }
}

/* A machine of equal parts, so that much of it is alike, with a few things changed here and there.
 */
static struct builder regular_machine(struct random *r)
{
        struct builder b = builder_new();
        uint32_t n_roots = 1 + random_below(r, 3), n_switches = 1 + random_below(r, 2);
        uint32_t n_ports = 1 + random_below(r, 4), n_changes = random_below(r, 3);
        char text[32];

        cpu(&b, random_below(r, 4) ? P2P_CPU_AMD : P2P_CPU_INTEL, 0x19, 1);
        for (uint32_t root = 0; root < n_roots; root++) {
                uint32_t bus = root * 0x40;

                (void)snprintf(text, sizeof(text), "%02x:00.0", bus);
                builder_host_bridge(&b, text, 0x8086, 0x2020);
                for (uint32_t s = 0; s < n_switches; s++) {
                        uint32_t top = bus + 1 + s * 0x18, up, rp;

                        (void)snprintf(text, sizeof(text), "%02x:%02x.0", bus, s + 1);
                        rp = builder_root_port(&b, text);
                        (void)snprintf(text, sizeof(text), "%02x:00.0", top);
                        up = builder_upstream(&b, text, rp);
                        link_is(&b, up, 16000, 16, 16000, 16);
                        for (uint32_t p = 0; p < n_ports; p++) {
                                uint32_t dp, f;

                                (void)snprintf(text, sizeof(text), "%02x:%02x.0", top + 1, p);
                                dp = builder_downstream(&b, text, up);
                                (void)snprintf(text, sizeof(text), "%02x:00.0", top + 2 + p);
                                f = builder_endpoint(&b, text, dp);
                                link_is(&b, f, 16000, 8 * (1 + p % 2), 16000, 16);
                                builder_edit(&b, f)->class_code = p2p_fact_known(classes[p % 3]);
                                numa(&b, f, root % 2);
                                if (random_below(r, 4) == 0) {
                                        (void)snprintf(text, sizeof(text), "%02x:00.1",
                                                       top + 2 + p);
                                        f = builder_endpoint(&b, text, dp);
                                        link_is(&b, f, 16000, 16, 16000, 16);
                                        numa(&b, f, root % 2);
                                }
                        }
                }
        }
        while (n_changes-- > 0) {
                uint32_t at = random_below(r, b.m->n_functions);

                switch (random_below(r, 4)) {
                case 0:
                        acs(&b, at, random_below(r, 2) ? P2P_ACS_RR : 0);
                        break;
                case 1:
                        link_is(&b, at, 8000, 8, 16000, 16);
                        break;
                case 2:
                        numa(&b, at, random_below(r, 3));
                        break;
                case 3:
                        acs_unknown(&b, at, P2P_WHY_NO_PRIVILEGE);
                        break;
                }
        }
        return b;
}

static struct builder draw_machine(struct random *r, uint64_t seed)
{
        struct builder b;

        if (random_below(r, 2) == 0)
                return regular_machine(r);
        b = random_machine(seed);
        random_links(&b, r);
        for (uint32_t i = 0; i < b.m->n_functions; i++) {
                struct p2p_function *f = builder_edit(&b, i);

                if (f->class_code.val == 0x010802)
                        f->class_code = p2p_fact_known(one_of(r, classes, 3));
                if (random_below(r, 3) == 0)
                        numa(&b, i, random_below(r, 3));
        }
        return b;
}

#define SELECTORS_MAX (P2P_PLACE_RULES_MAX + 4)

struct question {
        struct p2p_place_request request;
        struct p2p_place_rule rules[P2P_PLACE_RULES_MAX];
        struct p2p_selector *selectors[SELECTORS_MAX];
        const struct p2p_selector *avoid[2];
        uint32_t n_selectors;
        uint32_t clients[2];
        bool *taken;
};

static struct p2p_selector *draw_selector(struct question *q, const struct p2p_machine *m,
                                          struct random *r, uint32_t n_max)
{
        static const char *const kinds[] = {"gpu", "nic", "nvme"};
        struct p2p_selector *s;
        uint32_t list[32], n = n_max / 2 + random_below(r, n_max);

        if (random_below(r, 3) == 0) {
                const char *text = kinds[random_below(r, 3)];

                assert_int_equal(p2p_selector_parse(text, strlen(text), &s, NULL), 0);
        } else {
                /* Neighbours are often alike. */
                for (uint32_t i = 0; i < n; i++)
                        list[i] = i > 0 && random_below(r, 2) ? (list[i - 1] + 1) % m->n_functions
                                                              : random_below(r, m->n_functions);
                assert_int_equal(p2p_selector_new_list(list, n, &s), 0);
        }
        q->selectors[q->n_selectors++] = s;
        return s;
}

static void draw_rules(struct question *q, const struct p2p_machine *m, struct random *r)
{
        q->request.n_rules = random_below(r, 3) + (random_below(r, 8) == 0);
        q->request.rules = q->rules;
        for (uint32_t i = 0; i < q->request.n_rules; i++)
                q->rules[i] = (struct p2p_place_rule){
                        .of = draw_selector(q, m, r, 8),
                        .n = 1 + (random_below(r, 4) == 0),
                        .shared = random_below(r, 3) == 0,
                };
}

static void draw_limits(struct question *q, const struct p2p_machine *m, struct random *r)
{
        struct p2p_place_request *request = &q->request;

        if (random_below(r, 4) == 0)
                request->path_max = random_below(r, P2P_PATH_UNKNOWN);
        if (random_below(r, 5) == 0)
                request->bottleneck_min_mbps = 500 * (1 + random_below(r, 20));
        if (random_below(r, 6) == 0)
                request->numa_node = random_below(r, 3);
        request->must_be_bus = random_below(r, 6) == 0;
        request->allow_bad = random_below(r, 2) == 0;
        request->n_best = 1 + random_below(r, 6);
        if (random_below(r, 4) == 0) {
                q->avoid[request->n_avoid++] = draw_selector(q, m, r, 4);
                request->avoid = q->avoid;
        }
        if (random_below(r, 3) == 0) {
                request->taken = q->taken;
                for (uint32_t i = 0; i < m->n_functions; i++)
                        q->taken[i] = random_below(r, 4) == 0;
        }
}

static void draw_clients(struct question *q, const struct p2p_machine *m, struct random *r)
{
        if (random_below(r, 3) > 0)
                return;
        for (uint32_t i = 1 + random_below(r, 2); i > 0; i--) {
                uint32_t f = random_below(r, m->n_functions);

                if (p2p_function_is_endpoint(&m->functions[f]))
                        q->clients[q->request.n_clients++] = f;
        }
        q->request.clients = q->clients;
}

static void draw_question(struct question *q, const struct p2p_machine *m, struct random *r)
{
        *q = (struct question){.request = P2P_PLACE_REQUEST_INIT};
        q->taken = calloc((size_t)m->n_functions + 1, sizeof(*q->taken));
        assert_non_null(q->taken);
        q->request.of = draw_selector(q, m, r, 8);
        q->request.n_items = 1 + random_below(r, 2) + random_below(r, 2);
        draw_rules(q, m, r);
        draw_limits(q, m, r);
        draw_clients(q, m, r);
}

static void question_free(struct question *q)
{
        for (uint32_t i = 0; i < q->n_selectors; i++)
                p2p_selector_free(q->selectors[i]);
        free(q->taken);
}

static void compare_answer(uint64_t seed, const struct p2p_place *got, uint32_t i,
                           const struct brute_choice *want)
{
        const struct p2p_place_answer *a = &got->answers[i];
        const uint32_t *companions = want->functions + got->n_items;

        if (memcmp(a->items, want->functions, got->n_items * sizeof(uint32_t)) != 0 ||
            memcmp(a->companions, companions, got->n_items * got->n_per_item * sizeof(uint32_t)) !=
                    0) {
                for (uint32_t k = 0; k < got->n_items * (1 + got->n_per_item); k++)
                        print_message("place %u: got %u, wanted %u\n", k,
                                      k < got->n_items ? a->items[k]
                                                       : a->companions[k - got->n_items],
                                      want->functions[k]);
                print_message("path %u, %u; mbps %u/%u, %u/%u; numa %u, %u\n", a->worst_path,
                              want->path, a->bottleneck.link_mbps, a->bottleneck.n_flows,
                              want->link_mbps, want->n_flows, a->n_numa_nodes, want->n_numa);
                fail_msg("seed %u: answer %u differs", (unsigned)seed, i);
        }
        assert_int_equal(a->has_bad, want->bad);
        assert_int_equal(a->worst_path, want->path);
        assert_int_equal(a->n_numa_nodes, want->n_numa);
        assert_int_equal(a->bottleneck.is_limited, want->n_flows > 0);
        if (want->n_flows > 0)
                assert_int_equal(a->bottleneck.mbps, want->link_mbps / want->n_flows);
        assert_int_equal(a->proven, P2P_PLACE_PROVEN_ALL);
        assert_int_equal(a->bound_path, want->path);
        assert_int_equal(a->bound_is_limited, want->n_flows > 0);
}

struct seen {
        unsigned compared, answers, shared, bad, redirected, gates[P2P_PLACE_GATE_MAX];
};

static void ask(uint64_t seed, struct seen *seen)
{
        struct random r = {.state = seed * 77};
        struct builder b = draw_machine(&r, seed);
        const struct p2p_machine *m = builder_finish(&b);
        struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        struct p2p_verdicts *v = p2p_verdicts_new(m, rules);
        struct p2p_place *got;
        struct question q;
        struct brute want;

        assert_non_null(v);
        for (unsigned i = 0; i < 4; i++) {
                draw_question(&q, m, &r);
                brute_place(m, &rules, &q.request, 5000, &want);
                if (!want.too_many) {
                        assert_int_equal(p2p_place_new(m, v, &q.request, &got), 0);
                        seen->compared++;
                        seen->gates[got->refusal.gate]++;
                        if (got->refusal.gate != want.refusal.gate ||
                            got->refusal.part != want.refusal.part)
                                fail_msg("seed %u: gate %s part %u, wanted %s %u", (unsigned)seed,
                                         p2p_place_gate_to_string(got->refusal.gate),
                                         got->refusal.part,
                                         p2p_place_gate_to_string(want.refusal.gate),
                                         want.refusal.part);
                        if (want.n == 0 && want.refusal.part == P2P_PLACE_PART_RULE)
                                assert_int_equal(got->refusal.rule, want.refusal.rule);
                        assert_int_equal(got->n_answers,
                                         want.n < q.request.n_best ? want.n : q.request.n_best);
                        assert_true(got->complete);
                        for (uint32_t k = 0; k < got->n_answers; k++) {
                                compare_answer(seed, got, k, &want.choices[k]);
                                seen->answers++;
                                seen->bad += want.choices[k].bad;
                        }
                        for (uint32_t k = 0; k < q.request.n_rules && got->n_answers > 0; k++)
                                seen->shared += q.rules[k].shared;
                        p2p_place_free(got);
                }
                brute_free(&want);
                question_free(&q);
        }
        p2p_verdicts_free(v);
        builder_free(&b);
}

static void test_equals_every_choice(void **state)
{
        const char *only = getenv("PLACE_SEED");
        struct seen seen = {0};

        (void)state;
        if (only) {
                ask(strtoull(only, NULL, 10), &seen);
                return;
        }
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                ask(seed, &seen);
        print_message("%u requests, %u answers, %u bad, %u shared rules\n", seen.compared,
                      seen.answers, seen.bad, seen.shared);
        for (unsigned i = 0; i < P2P_PLACE_GATE_MAX; i++)
                print_message("%s %u\n", p2p_place_gate_to_string(i), seen.gates[i]);
        assert_true(seen.answers > SEEDS && seen.bad > 30 && seen.shared > 30);
        for (unsigned i = P2P_PLACE_GATE_NONE; i < P2P_PLACE_GATE_WORK; i++)
                assert_true(seen.gates[i] > 5);
        assert_int_equal(seen.gates[P2P_PLACE_GATE_WORK], 0);
}

/* ---- never worse than what nearest companions give ---- */

struct simple {
        const struct p2p_machine *m;
        const struct p2p_verdicts *v;
        const struct p2p_place_request *request;
        struct p2p_flows *flows;
        bool used[RANDOM_FUNCTIONS_MAX];
        bool bad, not_bus;
        enum p2p_path path;
        uint64_t numa_nodes; /* bits */
};

static bool simple_may_be(const struct simple *s, const struct p2p_selector *of, uint32_t f)
{
        const struct p2p_place_request *r = s->request;
        struct p2p_fact node = s->m->functions[f].numa_node;

        if (s->used[f] || !p2p_selector_wants(of, s->m, f) || (r->taken && r->taken[f]))
                return false;
        for (uint32_t i = 0; i < r->n_avoid; i++)
                if (p2p_selector_covers(r->avoid[i], s->m, f))
                        return false;
        return r->numa_node == P2P_NONE || (p2p_fact_is_known(node) && node.val == r->numa_node);
}

static void simple_use(struct simple *s, uint32_t f)
{
        struct p2p_fact node = s->m->functions[f].numa_node;

        s->used[f] = true;
        if (p2p_fact_is_known(node))
                s->numa_nodes |= UINT64_C(1) << node.val;
}

static void simple_pair(struct simple *s, uint32_t a, uint32_t b)
{
        const struct p2p_verdict ways[] = {p2p_verdicts_get(s->v, a, b),
                                           p2p_verdicts_get(s->v, b, a)};

        for (unsigned i = 0; i < 2; i++) {
                s->bad |= ways[i].map == P2P_MAP_NONE || ways[i].map == P2P_MAP_UNKNOWN;
                s->not_bus |= ways[i].map != P2P_MAP_BUS;
                if (ways[i].path > s->path)
                        s->path = ways[i].path;
        }
        p2p_flows_add_pair(s->flows, a, b);
}

static bool simple_serve(struct simple *s, uint32_t item)
{
        const struct p2p_place_request *r = s->request;

        simple_use(s, item);
        for (uint32_t i = 0; i < r->n_clients; i++)
                if (i == 0 || r->clients[i] != r->clients[0])
                        simple_pair(s, item, r->clients[i]);
        for (uint32_t rule = 0; rule < r->n_rules; rule++)
                for (uint32_t n = 0; n < r->rules[rule].n; n++) {
                        uint32_t best = P2P_NONE;

                        for (uint32_t f = 0; f < s->m->n_functions; f++)
                                if (simple_may_be(s, r->rules[rule].of, f) &&
                                    (best == P2P_NONE ||
                                     p2p_verdicts_get(s->v, item, f).distance_hops <
                                             p2p_verdicts_get(s->v, item, best).distance_hops))
                                        best = f;
                        if (best == P2P_NONE)
                                return false;
                        simple_use(s, best);
                        simple_pair(s, item, best);
                }
        return true;
}

/* False: there is none, or the limits do not let it through. */
static bool simple_place(struct simple *s, bool downwards, struct p2p_bottleneck *ret)
{
        const struct p2p_place_request *r = s->request;
        const uint32_t n = s->m->n_functions;
        uint32_t n_items = 0;

        for (uint32_t i = 0; i < n && n_items < r->n_items; i++) {
                const uint32_t f = downwards ? n - 1 - i : i;

                if (!simple_may_be(s, r->of, f))
                        continue;
                if (!simple_serve(s, f))
                        return false;
                n_items++;
        }
        *ret = p2p_flows_bottleneck(s->flows);
        return n_items == r->n_items && s->path <= r->path_max && !(s->bad && !r->allow_bad) &&
               !(s->not_bus && r->must_be_bus) &&
               (r->bottleneck_min_mbps == 0 ||
                (!ret->has_unknown && (!ret->is_limited || ret->mbps >= r->bottleneck_min_mbps)));
}

static uint32_t n_bits(uint64_t bits)
{
        return (uint32_t)__builtin_popcountll(bits);
}

/* How often the simple choice is worse; fails where it is better. */
static unsigned compare_with_simple(struct simple *s, const struct p2p_place *got, bool downwards,
                                    uint64_t seed)
{
        const struct p2p_place_answer *a = got->answers;
        struct p2p_bottleneck b;
        int order;

        if (!simple_place(s, downwards, &b))
                return 0;
        if (got->n_answers == 0)
                fail_msg("seed %u: nothing but %s", (unsigned)seed,
                         p2p_place_gate_to_string(got->refusal.gate));
        order = (int)s->bad - (int)a->has_bad;
        if (order == 0)
                order = (int)s->path - (int)a->worst_path;
        if (order == 0)
                order = p2p_bottleneck_compare(&a->bottleneck, &b);
        if (order == 0)
                order = (int)n_bits(s->numa_nodes) - (int)a->n_numa_nodes;
        if (order < 0)
                fail_msg("seed %u: path %s, %u MB/s, %u nodes is worse than %s, %u, %u",
                         (unsigned)seed, p2p_path_to_string(a->worst_path), a->bottleneck.mbps,
                         a->n_numa_nodes, p2p_path_to_string(s->path), b.mbps,
                         n_bits(s->numa_nodes));
        return 1 + (order > 0);
}

static void test_is_not_worse_than_nearest(void **state)
{
        static const uint64_t works[] = {1, 100, 1000, 5000, 20000};
        unsigned n_compared = 0, n_better = 0, n_unproven = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
                struct random r = {.state = seed * 991};
                struct builder b = draw_machine(&r, seed);
                const struct p2p_machine *m = builder_finish(&b);
                struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_RUNNING));
                struct p2p_place *got;
                struct question q;

                assert_non_null(v);
                assert_true(m->n_functions <= RANDOM_FUNCTIONS_MAX);
                draw_question(&q, m, &r);
                q.request.n_items += random_below(&r, 3);
                q.request.work_max = works[random_below(&r, 5)];
                for (uint32_t i = 0; i < q.request.n_rules; i++)
                        q.rules[i].shared = false;
                assert_int_equal(p2p_place_new(m, v, &q.request, &got), 0);
                for (unsigned downwards = 0; downwards < 2; downwards++) {
                        struct simple s = {.m = m, .v = v, .request = &q.request};
                        unsigned n;

                        assert_int_equal(p2p_flows_new(m, &s.flows), 0);
                        n = compare_with_simple(&s, got, downwards, seed);
                        n_compared += n > 0;
                        n_better += n > 1;
                        n_unproven += n > 0 && got->answers[0].proven < P2P_PLACE_PROVEN_ALL;
                        p2p_flows_free(s.flows);
                }
                p2p_place_free(got);
                question_free(&q);
                p2p_verdicts_free(v);
                builder_free(&b);
        }
        print_message("%u compared, %u better, %u unproven\n", n_compared, n_better, n_unproven);
        assert_true(n_compared > SEEDS / 4 && n_better > 10 && n_unproven > SEEDS / 8);
}

/* Keys of what is left once took two rooms of two links for each other. */
static void test_seed_of_equal_keys(void **state)
{
        struct seen seen = {0};

        (void)state;
        ask(1326, &seen);
        assert_true(seen.answers > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equals_every_choice),
                cmocka_unit_test(test_seed_of_equal_keys),
                cmocka_unit_test(test_is_not_worse_than_nearest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
