/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/explain.h"
#include "random-machine.h"

/* A switch below root port 00:01.0 with endpoints 03 and 04; endpoint 05 below root port 00:02.0.
 */
struct sample {
        struct builder b;
        uint32_t root_port, upstream, port[2], first, second, other_port, third;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};

        builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x29c0);
        s.root_port = builder_root_port(&s.b, "00:01.0");
        s.upstream = builder_upstream(&s.b, "01:00.0", s.root_port);
        s.port[0] = builder_downstream(&s.b, "02:00.0", s.upstream);
        s.port[1] = builder_downstream(&s.b, "02:01.0", s.upstream);
        s.first = builder_endpoint(&s.b, "03:00.0", s.port[0]);
        s.second = builder_endpoint(&s.b, "04:00.0", s.port[1]);
        s.other_port = builder_root_port(&s.b, "00:02.0");
        s.third = builder_endpoint(&s.b, "05:00.0", s.other_port);
        link_is(&s.b, s.first, 32000, 16, 32000, 16);
        link_is(&s.b, s.second, 16000, 4, 32000, 8);
        link_is(&s.b, s.upstream, 16000, 16, 16000, 16);
        link_is(&s.b, s.third, 8000, 4, 8000, 4);
        link_is(&s.b, s.port[0], 32000, 16, 32000, 16);
        link_is(&s.b, s.port[1], 16000, 4, 16000, 8);
        link_is(&s.b, s.root_port, 16000, 16, 32000, 16);
        link_is(&s.b, s.other_port, 8000, 4, 32000, 16);
        return s;
}

static struct p2p_explanation *explained(const struct builder *b, const char *provider,
                                         const char *client)
{
        const struct p2p_rules rules = p2p_rules_for(b->m, P2P_RULES_RUNNING);
        struct p2p_explanation *e;

        assert_int_equal(p2p_explanation_new(b->m, &rules, builder_at(b, provider),
                                             builder_at(b, client), &e),
                         0);
        return e;
}

struct step {
        const char *function;
        enum p2p_side side;
        bool counts;
        uint32_t bits;
};

static void expect_path(const struct builder *b, const char *provider, const char *client,
                        const struct step *want, uint32_t n)
{
        struct p2p_explanation *e = explained(b, provider, client);

        assert_int_equal(e->n_path, n);
        for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(e->path[i].function, builder_at(b, want[i].function));
                assert_int_equal(e->path[i].side, want[i].side);
                assert_int_equal(e->path[i].counts, want[i].counts);
                assert_int_equal(e->path[i].acs_redirect_bits, want[i].bits);
        }
        p2p_explanation_free(e);
}

#define EXPECT_PATH(b, provider, client, ...)                                                      \
        do {                                                                                       \
                const struct step list[] = {__VA_ARGS__};                                          \
                expect_path(b, provider, client, list, sizeof(list) / sizeof(list[0]));            \
        } while (0)

static void test_path_below_a_switch(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.root_port, 0x1d);
        builder_finish(&s.b);
        EXPECT_PATH(&s.b, "03:00.0", "04:00.0", {"03:00.0", P2P_SIDE_PROVIDER, true, 0},
                    {"02:00.0", P2P_SIDE_PROVIDER, true, 0}, {"01:00.0", P2P_SIDE_COMMON, true, 0},
                    {"02:01.0", P2P_SIDE_CLIENT, true, 0}, {"04:00.0", P2P_SIDE_CLIENT, true, 0});
        EXPECT_PATH(&s.b, "03:00.0", "03:00.0", {"03:00.0", P2P_SIDE_COMMON, true, 0});
        builder_free(&s.b);
}

static void test_path_of_redirected_traffic(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[1], 0x1d);
        acs(&s.b, s.root_port, 0x1d);
        builder_finish(&s.b);
        EXPECT_PATH(&s.b, "03:00.0", "04:00.0", {"03:00.0", P2P_SIDE_PROVIDER, true, 0},
                    {"02:00.0", P2P_SIDE_PROVIDER, true, 0}, {"01:00.0", P2P_SIDE_COMMON, true, 0},
                    {"00:01.0", P2P_SIDE_COMMON, false, 0xc},
                    {"02:01.0", P2P_SIDE_CLIENT, true, 0xc}, {"04:00.0", P2P_SIDE_CLIENT, true, 0});
        builder_free(&s.b);
}

static void test_path_without_common_bridge(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.root_port, 0x1d);
        acs_unknown(&s.b, s.other_port, P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        EXPECT_PATH(&s.b, "03:00.0", "05:00.0", {"03:00.0", P2P_SIDE_PROVIDER, false, 0},
                    {"02:00.0", P2P_SIDE_PROVIDER, false, 0},
                    {"01:00.0", P2P_SIDE_PROVIDER, false, 0},
                    {"00:01.0", P2P_SIDE_PROVIDER, false, 0xc},
                    {"00:02.0", P2P_SIDE_CLIENT, false, 0}, {"05:00.0", P2P_SIDE_CLIENT, false, 0});
        builder_free(&s.b);
}

static void expect_bottleneck(const struct builder *b, const char *provider, const char *client,
                              enum p2p_why why, uint64_t mbps, const char *function)
{
        struct p2p_explanation *e = explained(b, provider, client);

        assert_int_equal(e->bottleneck_mbps.why, why);
        assert_int_equal(e->bottleneck_mbps.val, mbps);
        assert_int_equal(e->bottleneck_function, function ? builder_at(b, function) : P2P_NONE);
        p2p_explanation_free(e);
}

static void test_bottleneck(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_integrated(&s.b, "00:03.0");
        builder_vf(&s.b, "03:00.1", s.first);
        builder_finish(&s.b);
        expect_bottleneck(&s.b, "03:00.0", "04:00.0", P2P_WHY_KNOWN, 4 * 1969, "04:00.0");
        expect_bottleneck(&s.b, "04:00.0", "03:00.0", P2P_WHY_KNOWN, 4 * 1969, "04:00.0");
        expect_bottleneck(&s.b, "03:00.0", "05:00.0", P2P_WHY_KNOWN, 4 * 985, "05:00.0");
        expect_bottleneck(&s.b, "03:00.0", "00:03.0", P2P_WHY_KNOWN, 16 * 1969, "01:00.0");
        expect_bottleneck(&s.b, "00:03.0", "00:03.0", P2P_WHY_ABSENT, 0, NULL);
        expect_bottleneck(&s.b, "03:00.0", "03:00.0", P2P_WHY_ABSENT, 0, NULL);
        /* A virtual function's traffic is on its physical function's link. */
        expect_bottleneck(&s.b, "03:00.1", "03:00.0", P2P_WHY_KNOWN, 16 * 3938, "03:00.1");
        builder_free(&s.b);
}

static void test_bottleneck_of_redirected_traffic(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[0], P2P_ACS_RR);
        link_is(&s.b, s.upstream, 2500, 1, 16000, 16);
        builder_finish(&s.b);
        expect_bottleneck(&s.b, "03:00.0", "04:00.0", P2P_WHY_KNOWN, 250, "01:00.0");
        builder_free(&s.b);
}

static void test_unknown_link(void **state)
{
        const struct p2p_fact unknown = p2p_fact_without(P2P_WHY_NOT_REPORTED);
        struct sample s = sample_new();

        (void)state;
        /* The port above knows the same link. */
        builder_edit(&s.b, s.first)->link_speed_mts = unknown;
        builder_edit(&s.b, s.third)->link_width_lanes = unknown;
        builder_edit(&s.b, s.other_port)->link_width_lanes = p2p_fact_known(0);
        builder_finish(&s.b);
        expect_bottleneck(&s.b, "03:00.0", "04:00.0", P2P_WHY_KNOWN, 4 * 1969, "04:00.0");
        expect_bottleneck(&s.b, "03:00.0", "05:00.0", P2P_WHY_NOT_REPORTED, 0, "05:00.0");
        builder_free(&s.b);
}

/* A virtual function's own registers read zero, and so may the port's. */
static void test_link_of_a_virtual_function(void **state)
{
        struct sample s = sample_new();
        uint32_t vf = builder_vf(&s.b, "03:00.1", s.first);

        (void)state;
        link_is(&s.b, vf, 0, 0, 0, 0);
        link_is(&s.b, s.port[0], 0, 0, 0, 0);
        builder_finish(&s.b);
        expect_bottleneck(&s.b, "03:00.1", "03:00.0", P2P_WHY_KNOWN, 16 * 3938, "03:00.1");
        builder_free(&s.b);
}

static void test_link_mbps(void **state)
{
        static const struct {
                uint32_t mts, lanes, mbps;
        } cases[] = {
                {2500, 1, 250},     {5000, 1, 500},   {8000, 1, 985},     {16000, 1, 1969},
                {32000, 16, 63008}, {64000, 1, 7563}, {128000, 2, 30250}, {8000, 32, 31520},
                {8000, 0, 0},       {8000, 255, 0},   {0, 4, 0},          {7000, 4, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_fact f =
                        p2p_link_mbps(p2p_fact_known(cases[i].mts), p2p_fact_known(cases[i].lanes));

                assert_int_equal(f.val, cases[i].mbps);
                assert_int_equal(f.why, cases[i].mbps ? P2P_WHY_KNOWN : P2P_WHY_NOT_REPORTED);
        }
        assert_int_equal(p2p_link_mbps(p2p_fact_without(P2P_WHY_NO_FILE), p2p_fact_known(4)).why,
                         P2P_WHY_NO_FILE);
        assert_int_equal(p2p_link_mbps(p2p_fact_known(8000), p2p_fact_without(P2P_WHY_GONE)).why,
                         P2P_WHY_GONE);
}

static void test_bounce(void **state)
{
        static const struct {
                int provider, client;
                enum p2p_why why;
                uint32_t node;
                const char *cpulist;
        } cases[] = {
                {1, 1, P2P_WHY_KNOWN, 1, "8-15"},
                {0, 1, P2P_WHY_KNOWN, 1, "8-15"},
                {0, -1, P2P_WHY_KNOWN, 0, "0-7"},
                {-1, -1, P2P_WHY_NOT_REPORTED, 0, NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                static const char *const lists[] = {NULL, "0-7", "8-15"};
                struct sample s = sample_new();
                struct p2p_explanation *e;

                if (cases[i].provider >= 0)
                        numa(&s.b, s.first, (uint32_t)cases[i].provider);
                if (cases[i].client >= 0)
                        numa(&s.b, s.third, (uint32_t)cases[i].client);
                builder_edit(&s.b, s.first)->cpulist = lists[cases[i].provider + 1];
                builder_edit(&s.b, s.third)->cpulist = lists[cases[i].client + 1];
                builder_finish(&s.b);
                e = explained(&s.b, "03:00.0", "05:00.0");
                assert_int_equal(e->bounce_node.why, cases[i].why);
                assert_int_equal(e->bounce_node.val, cases[i].node);
                assert_ptr_equal(e->bounce_cpulist, cases[i].cpulist);
                p2p_explanation_free(e);
                /* Nobody bounces where there is a way. */
                e = explained(&s.b, "03:00.0", "04:00.0");
                assert_int_equal(e->bounce_node.why, P2P_WHY_ABSENT);
                assert_null(e->bounce_cpulist);
                p2p_explanation_free(e);
                builder_free(&s.b);
        }
}

static void test_reason_sentences(void **state)
{
        struct sample s = sample_new();
        struct p2p_explanation *e;
        char buf[300];

        (void)state;
        acs(&s.b, s.port[0], P2P_ACS_RR | P2P_ACS_EC);
        builder_finish(&s.b);
        e = explained(&s.b, "03:00.0", "04:00.0");
        assert_int_equal(e->n_reasons, 4);
        assert_string_equal(p2p_reason_format(s.b.m, &e->reasons[0], buf, sizeof(buf)),
                            "the first common element upstream is switch upstream port "
                            "0000:01:00.0");
        assert_string_equal(p2p_reason_format(s.b.m, &e->reasons[1], buf, sizeof(buf)),
                            "ACS at switch downstream port 0000:02:00.0 redirects: RR EC set, peer "
                            "traffic goes up to the host bridge");
        assert_string_equal(p2p_reason_format(s.b.m, &e->reasons[3], buf, sizeof(buf)),
                            "host bridge pci0000:00 (first function 0000:00:00.0, 8086:29c0) is "
                            "not on the kernel's list of accepted ones");
        assert_string_equal(p2p_reason_format(s.b.m, &e->reasons[3], buf, 12), "host bridge");
        p2p_explanation_free(e);
        builder_free(&s.b);
}

/* Every explanation of every pair holds together: nothing crashes, each sentence is one. */
static void test_every_pair_can_be_explained(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct builder b = random_machine(seed);
                struct p2p_rules rules;

                builder_finish(&b);
                rules = p2p_rules_for(b.m, P2P_RULES_RUNNING);
                for (uint32_t p = 0; p < b.m->n_functions; p++)
                        for (uint32_t c = 0; c < b.m->n_functions; c += 1 + (uint32_t)(seed % 3)) {
                                struct p2p_explanation *e;
                                bool decisive = false;
                                char buf[400];

                                assert_int_equal(p2p_explanation_new(b.m, &rules, p, c, &e), 0);
                                assert_true(e->n_reasons > 0 && e->n_path > 0);
                                for (uint32_t i = 0; i < e->n_reasons; i++) {
                                        p2p_reason_format(b.m, &e->reasons[i], buf, sizeof(buf));
                                        assert_true(strlen(buf) > 20 &&
                                                    strlen(buf) < sizeof(buf) - 1);
                                        decisive |=
                                                e->reasons[i].kind == e->decision.decisive.kind &&
                                                e->reasons[i].function ==
                                                        e->decision.decisive.function;
                                }
                                assert_true(decisive);
                                for (uint32_t i = 0; i < e->n_constraints; i++)
                                        assert_true(strlen(p2p_constraint_format(
                                                            b.m, &e->constraints[i], buf,
                                                            sizeof(buf))) > 20);
                                for (uint32_t i = 0; i < e->n_remedies; i++)
                                        assert_true(strlen(e->remedies[i].command) > 5);
                                p2p_explanation_free(e);
                        }
                builder_free(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path_below_a_switch),
                cmocka_unit_test(test_path_of_redirected_traffic),
                cmocka_unit_test(test_path_without_common_bridge),
                cmocka_unit_test(test_bottleneck),
                cmocka_unit_test(test_bottleneck_of_redirected_traffic),
                cmocka_unit_test(test_unknown_link),
                cmocka_unit_test(test_link_of_a_virtual_function),
                cmocka_unit_test(test_link_mbps),
                cmocka_unit_test(test_bounce),
                cmocka_unit_test(test_reason_sentences),
                cmocka_unit_test(test_every_pair_can_be_explained),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
