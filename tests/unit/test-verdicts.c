/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "decide/rules.h"
#include "decide/verdicts.h"
#include "random-machine.h"

#define SEEDS 400

static void test_equals_decide_for_every_pair(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct builder b = random_machine(seed);
                const struct p2p_machine *m = builder_finish(&b);
                struct p2p_rules rules =
                        p2p_rules_for(m, seed % 2 ? P2P_RULES_RUNNING : P2P_RULES_NEWEST);
                struct p2p_verdicts *v = p2p_verdicts_new(m, rules);

                assert_non_null(v);
                for (uint32_t p = 0; p < m->n_functions; p++)
                        for (uint32_t c = 0; c < m->n_functions; c++) {
                                struct p2p_verdict got = p2p_verdicts_get(v, p, c);
                                struct p2p_decision want;

                                p2p_decide(m, &rules, p, c, NULL, NULL, &want);
                                if (got.distance_hops != want.distance_hops ||
                                    got.map != want.map || got.path != want.path ||
                                    got.reason != want.decisive.kind)
                                        fail_msg("seed %u: pair %u %u", (unsigned)seed, p, c);
                        }
                p2p_verdicts_free(v);
                builder_free(&b);
        }
}

/*
 * The kernel's own loops, written down from the rules a second time: quadratic, without classes,
 * and with one answer of its own for "a fact is missing".
 */
enum naive { NAIVE_BUS, NAIVE_HOST_BRIDGE, NAIVE_NONE, NAIVE_UNKNOWN };

static uint32_t up(const struct p2p_machine *m, uint32_t at)
{
        return m->functions[at].parent;
}

static int naive_list(const struct p2p_machine *m, uint32_t release, uint32_t root, bool same)
{
        static const uint32_t anywhere[] = {0x2020, 0x2030, 0x2031, 0x2032, 0x2033};
        static const uint32_t same_only[] = {0x3c00, 0x3c01, 0x2f00, 0x2f01};
        const uint32_t first = m->roots[root].first_function;
        const struct p2p_function *f = &m->functions[first];

        if (f->address.devfn != 0 && f->port_type.val != P2P_PORT_ROOT_PORT)
                return 0;
        if (f->address.devfn != 0 && release < 0x50013)
                return 0;
        if (f->device.why != P2P_WHY_KNOWN)
                return -1;
        if (f->vendor.val != 0x8086)
                return 0;
        for (unsigned i = 0; i < 4; i++)
                if (f->device.val == same_only[i])
                        return same;
        for (unsigned i = 0; i < 5; i++)
                if (f->device.val == anywhere[i])
                        return release >= 0x50007;
        return f->device.val == 0x09a2 && release >= 0x50012;
}

static enum naive naive_host_bridge(const struct p2p_machine *m, uint32_t release, uint32_t p,
                                    uint32_t c, bool redirected)
{
        uint32_t rp = m->functions[p].root, rc = m->functions[c].root;
        int a, b;

        if (release < 0x50004)
                return NAIVE_NONE;
        if (release >= 0x50009 && m->cpu_vendor == P2P_CPU_AMD && m->cpu_family.val >= 0x17)
                return NAIVE_HOST_BRIDGE;
        if (rp == P2P_NONE || rc == P2P_NONE)
                return NAIVE_UNKNOWN;
        assert_true(!redirected || rp == rc);
        a = naive_list(m, release, rp, rp == rc);
        b = rp == rc ? 1 : naive_list(m, release, rc, false);
        if (a == 1 && b == 1)
                return NAIVE_HOST_BRIDGE;
        if (release >= 0x50009 && m->cpu_vendor == P2P_CPU_UNKNOWN)
                return NAIVE_UNKNOWN;
        return a == 0 || b == 0 ? NAIVE_NONE : NAIVE_UNKNOWN;
}

static enum naive naive_decide(const struct p2p_machine *m, uint32_t release, uint32_t p,
                               uint32_t c, uint32_t *ret_distance)
{
        uint32_t dist_a = 0, dist_b = 0, a, b;
        bool redirect = false, unknown = false, found = false, gap = false;

        for (a = p; a != P2P_NONE; a = up(m, a), dist_a++) {
                struct p2p_fact control = m->functions[a].acs_control;

                redirect |= control.why == P2P_WHY_KNOWN && (control.val & 0x2c) != 0;
                unknown |= control.why > P2P_WHY_ABSENT;
                gap |= m->functions[a].parent_why != P2P_WHY_KNOWN;
                dist_b = 0;
                for (b = c; b != P2P_NONE && b != a; b = up(m, b))
                        dist_b++;
                found = b == a;
                if (found)
                        break;
        }
        if (!found)
                for (b = c; b != P2P_NONE; b = up(m, b))
                        gap |= m->functions[b].parent_why != P2P_WHY_KNOWN;
        *ret_distance = dist_a + dist_b;
        if (release < 0x40014) {
                if (!found && gap)
                        *ret_distance = P2P_DISTANCE_UNKNOWN;
                return NAIVE_NONE;
        }
        if (found) {
                for (b = c; b != a; b = up(m, b)) {
                        struct p2p_fact control = m->functions[b].acs_control;

                        redirect |= control.why == P2P_WHY_KNOWN && (control.val & 0x2c) != 0;
                        unknown |= control.why > P2P_WHY_ABSENT;
                }
                if (!redirect)
                        return unknown ? NAIVE_UNKNOWN : NAIVE_BUS;
        } else if (gap) {
                *ret_distance = P2P_DISTANCE_UNKNOWN;
                return NAIVE_UNKNOWN;
        }
        return naive_host_bridge(m, release, p, c, found);
}

static void test_equals_a_second_implementation(void **state)
{
        static const enum p2p_map maps[] = {
                [NAIVE_BUS] = P2P_MAP_BUS,
                [NAIVE_HOST_BRIDGE] = P2P_MAP_HOST_BRIDGE,
                [NAIVE_NONE] = P2P_MAP_NONE,
                [NAIVE_UNKNOWN] = P2P_MAP_UNKNOWN,
        };
        unsigned seen[P2P_MAP_MAX] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct builder b = random_machine(seed);
                const struct p2p_machine *m = builder_finish(&b);
                struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_RUNNING));
                uint32_t release = UINT32_MAX;

                assert_non_null(v);
                if (m->kernel_release)
                        assert_int_equal(p2p_release_parse(m->kernel_release, &release), 0);
                for (uint32_t p = 0; p < m->n_functions; p++)
                        for (uint32_t c = 0; c < m->n_functions; c++) {
                                struct p2p_verdict got = p2p_verdicts_get(v, p, c);
                                uint32_t distance;
                                enum naive want = naive_decide(m, release, p, c, &distance);

                                if (got.map != maps[want] || got.distance_hops != distance)
                                        fail_msg("seed %u: pair %u %u: %s %u, wanted %s %u",
                                                 (unsigned)seed, p, c, p2p_map_to_string(got.map),
                                                 got.distance_hops, p2p_map_to_string(maps[want]),
                                                 distance);
                                seen[got.map]++;
                        }
                p2p_verdicts_free(v);
                builder_free(&b);
        }
        assert_true(seen[P2P_MAP_BUS] > 1000 && seen[P2P_MAP_HOST_BRIDGE] > 1000);
        assert_true(seen[P2P_MAP_NONE] > 1000 && seen[P2P_MAP_UNKNOWN] > 1000);
}

static void test_distance_is_symmetric(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
                struct builder b = random_machine(seed);
                const struct p2p_machine *m = builder_finish(&b);
                struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_NEWEST));

                assert_non_null(v);
                for (uint32_t p = 0; p < m->n_functions; p++)
                        for (uint32_t c = 0; c < p; c++) {
                                struct p2p_verdict there = p2p_verdicts_get(v, p, c);
                                struct p2p_verdict back = p2p_verdicts_get(v, c, p);

                                assert_int_equal(there.distance_hops, back.distance_hops);
                                assert_int_equal(there.map, back.map);
                                assert_int_equal(there.path, back.path);
                        }
                p2p_verdicts_free(v);
                builder_free(&b);
        }
}

static void test_virtual_functions_share_a_class(void **state)
{
        struct builder b = builder_new();
        uint32_t rp = builder_root_port(&b, "00:01.0"), pf, odd;
        const struct p2p_machine *m;
        struct p2p_verdicts *v;
        char text[32];

        (void)state;
        builder_host_bridge(&b, "00:00.0", 0x8086, 0x29c0);
        pf = builder_endpoint(&b, "01:00.0", rp);
        for (unsigned i = 1; i < 200; i++) {
                (void)snprintf(text, sizeof(text), "01:%02x.%x", i >> 3, i & 7U);
                odd = builder_vf(&b, text, pf);
        }
        acs(&b, odd, P2P_ACS_RR);
        m = builder_finish(&b);
        v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_NEWEST));
        assert_non_null(v);
        assert_int_equal(p2p_verdicts_n_classes(v), 2);
        assert_int_equal(p2p_verdicts_class(v, builder_at(&b, "01:00.0")),
                         p2p_verdicts_class(v, builder_at(&b, "01:00.1")));
        assert_int_equal(p2p_verdicts_class(v, builder_at(&b, "00:01.0")), P2P_NONE);
        /* Two of one class, and one of it with itself. */
        assert_int_equal(p2p_verdicts_get(v, builder_at(&b, "01:00.1"), builder_at(&b, "01:00.2"))
                                 .distance_hops,
                         2);
        assert_int_equal(p2p_verdicts_get(v, builder_at(&b, "01:00.2"), builder_at(&b, "01:00.2"))
                                 .distance_hops,
                         0);
        assert_int_equal(
                p2p_verdicts_get(v, builder_at(&b, "01:18.7"), builder_at(&b, "01:18.7")).map,
                P2P_MAP_NONE);
        p2p_verdicts_free(v);
        builder_free(&b);
}

static void test_empty_machine(void **state)
{
        struct builder b = builder_new();
        const struct p2p_machine *m = builder_finish(&b);
        struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_NEWEST));

        (void)state;
        assert_non_null(v);
        assert_int_equal(p2p_verdicts_n_classes(v), 0);
        p2p_verdicts_free(v);
        assert_null(p2p_verdicts_free(NULL));
        builder_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equals_decide_for_every_pair),
                cmocka_unit_test(test_equals_a_second_implementation),
                cmocka_unit_test(test_distance_is_symmetric),
                cmocka_unit_test(test_virtual_functions_share_a_class),
                cmocka_unit_test(test_empty_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
