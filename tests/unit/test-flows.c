/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/flows.h"
#include "machine-builder.h"

/* Two switches below one root bus: on the left a GPU and a card of two functions, on the right a
 * NIC with a virtual function. Endpoints x8, uplinks x16, all 16 GT/s: 15752 and 31504 MB/s. */
static struct builder two_switches(void)
{
        struct builder b = builder_new();
        uint32_t left, right, down, f;

        builder_host_bridge(&b, "00:00.0", 0x8086, 0x2020);
        left = builder_upstream(&b, "01:00.0", builder_root_port(&b, "00:01.0"));
        link_is(&b, left, 16000, 16, 16000, 16);
        down = builder_downstream(&b, "02:00.0", left);
        link_is(&b, builder_endpoint(&b, "03:00.0", down), 16000, 8, 16000, 16);
        down = builder_downstream(&b, "02:01.0", left);
        link_is(&b, builder_endpoint(&b, "04:00.0", down), 16000, 8, 16000, 16);
        link_is(&b, builder_endpoint(&b, "04:00.1", down), 16000, 8, 16000, 16);
        right = builder_upstream(&b, "11:00.0", builder_root_port(&b, "00:02.0"));
        link_is(&b, right, 16000, 16, 16000, 16);
        down = builder_downstream(&b, "12:00.0", right);
        f = builder_endpoint(&b, "13:00.0", down);
        link_is(&b, f, 16000, 8, 16000, 16);
        builder_vf(&b, "14:00.1", f);
        return b;
}

static void pair(struct p2p_flows *f, const struct builder *b, const char *a, const char *c)
{
        p2p_flows_add_pair(f, builder_at(b, a), builder_at(b, c));
}

static void assert_bottleneck(const struct p2p_flows *f, const struct builder *b, uint32_t mbps,
                              uint32_t n_flows, const char *function)
{
        struct p2p_bottleneck got = p2p_flows_bottleneck(f);

        assert_true(got.is_limited);
        assert_int_equal(got.mbps, mbps);
        assert_int_equal(got.n_flows, n_flows);
        assert_int_equal(got.function, builder_at(b, function));
        assert_int_equal(got.mbps, got.link_mbps / got.n_flows);
}

static void test_links(void **state)
{
        struct builder b = two_switches();
        const struct p2p_machine *m = builder_finish(&b);
        struct p2p_links l;

        (void)state;
        assert_int_equal(p2p_links_init(&l, m), 0);
        assert_int_equal(l.n, 5);
        assert_int_equal(l.of[builder_at(&b, "00:01.0")], P2P_NONE);
        assert_int_equal(l.of[builder_at(&b, "02:00.0")], P2P_NONE);
        assert_int_equal(l.of[builder_at(&b, "04:00.0")], l.of[builder_at(&b, "04:00.1")]);
        assert_int_equal(l.of[builder_at(&b, "13:00.0")], l.of[builder_at(&b, "14:00.1")]);
        assert_int_equal(l.mbps[l.of[builder_at(&b, "01:00.0")]], 31504);
        assert_int_equal(l.mbps[l.of[builder_at(&b, "14:00.1")]], 15752);
        p2p_links_deinit(&l);
        builder_free(&b);
}

static void test_shared_links(void **state)
{
        struct builder b = two_switches();
        const struct p2p_machine *m = builder_finish(&b);
        struct p2p_flows *f = NULL;

        (void)state;
        assert_int_equal(p2p_flows_new(m, &f), 0);
        assert_false(p2p_flows_bottleneck(f).is_limited);
        assert_int_equal(p2p_flows_bottleneck(f).function, P2P_NONE);
        /* One flow in one direction, then one back: links carry both ways at once. */
        p2p_flows_add(f, builder_at(&b, "03:00.0"), builder_at(&b, "04:00.0"));
        assert_bottleneck(f, &b, 15752, 1, "03:00.0");
        p2p_flows_add(f, builder_at(&b, "04:00.0"), builder_at(&b, "03:00.0"));
        assert_bottleneck(f, &b, 15752, 1, "03:00.0");
        /* The card's functions share its link, both pairs the GPU's. */
        pair(f, &b, "03:00.0", "04:00.1");
        assert_bottleneck(f, &b, 7876, 2, "03:00.0");
        p2p_flows_clear(f);
        /* Two functions of one card: up and down the one link, both ways. */
        pair(f, &b, "04:00.0", "04:00.1");
        assert_bottleneck(f, &b, 7876, 2, "04:00.0");
        p2p_flows_clear(f);
        /* Across: each uplink carries all, the NIC and its virtual function share a link. */
        pair(f, &b, "03:00.0", "13:00.0");
        pair(f, &b, "04:00.0", "14:00.1");
        assert_bottleneck(f, &b, 7876, 2, "13:00.0");
        p2p_flows_free(f);
        builder_free(&b);
}

static void test_redirect_goes_up_and_down_again(void **state)
{
        struct builder b = two_switches();
        const struct p2p_machine *m;
        struct p2p_flows *f = NULL;

        (void)state;
        for (uint32_t i = 0; i < b.m->n_functions; i++)
                if (b.m->functions[i].port_type.val == P2P_PORT_DOWNSTREAM)
                        acs(&b, i, P2P_ACS_RR);
        m = builder_finish(&b);
        assert_int_equal(p2p_flows_new(m, &f), 0);
        pair(f, &b, "03:00.0", "04:00.0");
        /* Both flows go up the uplink, and both come down it. */
        assert_bottleneck(f, &b, 15752, 2, "01:00.0");
        p2p_flows_clear(f);
        /* Without a common element nothing is redirected. */
        pair(f, &b, "03:00.0", "13:00.0");
        assert_bottleneck(f, &b, 15752, 1, "03:00.0");
        p2p_flows_free(f);
        builder_free(&b);
}

static void test_unknown_links_limit_nothing(void **state)
{
        struct builder b = two_switches();
        const struct p2p_machine *m;
        struct p2p_flows *f = NULL;

        (void)state;
        for (uint32_t i = 0; i < b.m->n_functions; i++)
                if (b.m->functions[i].address.bus == 3)
                        b.m->functions[i].link_speed_mts = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        m = builder_finish(&b);
        assert_int_equal(p2p_flows_new(m, &f), 0);
        p2p_flows_add(f, builder_at(&b, "03:00.0"), builder_at(&b, "03:00.0"));
        assert_false(p2p_flows_bottleneck(f).has_unknown);
        pair(f, &b, "03:00.0", "04:00.0");
        assert_bottleneck(f, &b, 15752, 1, "04:00.0");
        assert_true(p2p_flows_bottleneck(f).has_unknown);
        p2p_flows_free(f);
        builder_free(&b);
}

/* What joins functions below a port that is missing: their bus. */
static void test_missing_parent(void **state)
{
        struct builder b = two_switches();
        const struct p2p_machine *m;
        struct p2p_links l;

        (void)state;
        /* Functions that differ about their link: the narrowest counts. */
        for (uint32_t i = 0; i < b.m->n_functions; i++) {
                if (b.m->functions[i].address.bus != 4)
                        continue;
                parent_missing(&b, i, P2P_WHY_NOT_CAPTURED);
                if (b.m->functions[i].address.devfn == 1)
                        link_is(&b, i, 16000, 4, 16000, 16);
        }
        m = builder_finish(&b);
        assert_int_equal(p2p_links_init(&l, m), 0);
        assert_int_equal(l.n, 5);
        assert_int_equal(l.of[builder_at(&b, "04:00.0")], l.of[builder_at(&b, "04:00.1")]);
        assert_int_equal(l.mbps[l.of[builder_at(&b, "04:00.0")]], 7876);
        assert_int_equal(l.function[l.of[builder_at(&b, "04:00.0")]], builder_at(&b, "04:00.1"));
        p2p_links_deinit(&l);
        builder_free(&b);
}

static void test_compare(void **state)
{
        const struct p2p_bottleneck third = {.is_limited = true, .link_mbps = 1000, .n_flows = 3};
        const struct p2p_bottleneck less = {.is_limited = true, .link_mbps = 333, .n_flows = 1};
        const struct p2p_bottleneck same = {.is_limited = true, .link_mbps = 2000, .n_flows = 6};
        const struct p2p_bottleneck none = {0};

        (void)state;
        assert_true(p2p_bottleneck_compare(&less, &third) < 0);
        assert_true(p2p_bottleneck_compare(&third, &less) > 0);
        assert_int_equal(p2p_bottleneck_compare(&third, &same), 0);
        assert_true(p2p_bottleneck_compare(&third, &none) < 0);
        assert_true(p2p_bottleneck_compare(&none, &third) > 0);
        assert_int_equal(p2p_bottleneck_compare(&none, &none), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_links),
                cmocka_unit_test(test_shared_links),
                cmocka_unit_test(test_redirect_goes_up_and_down_again),
                cmocka_unit_test(test_unknown_links_limit_nothing),
                cmocka_unit_test(test_missing_parent),
                cmocka_unit_test(test_compare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
