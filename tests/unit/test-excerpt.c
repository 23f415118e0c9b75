/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/decide.h"
#include "decide/excerpt.h"
#include "decide/rules.h"
#include "random-machine.h"

/* The excerpt of a pair is decided like the pair in the whole machine. */
static void test_decides_alike(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct builder b = random_machine(seed);
                const struct p2p_machine *m = builder_finish(&b);
                struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);

                for (uint32_t p = 0; p < m->n_functions; p++)
                        for (uint32_t c = 0; c < m->n_functions; c++) {
                                struct p2p_decision whole, part;
                                struct p2p_excerpt e;

                                assert_int_equal(p2p_excerpt_init(&e, m, p, c), 0);
                                p2p_decide(m, &rules, p, c, NULL, NULL, &whole);
                                p2p_decide(e.machine, &rules, e.provider, e.client, NULL, NULL,
                                           &part);
                                assert_int_equal(part.map, whole.map);
                                assert_int_equal(part.distance_hops, whole.distance_hops);
                                assert_int_equal(part.path, whole.path);
                                assert_int_equal(part.decisive.kind, whole.decisive.kind);
                                p2p_excerpt_deinit(&e);
                        }
                builder_free(&b);
        }
}

/* Editing it leaves the machine alone. */
static void test_is_a_copy(void **state)
{
        struct builder b = builder_new();
        uint32_t rp = builder_root_port(&b, "00:01.0");
        const struct p2p_machine *m;
        struct p2p_excerpt e;

        (void)state;
        builder_endpoint(&b, "01:00.0", rp);
        builder_endpoint(&b, "01:00.1", rp);
        builder_endpoint(&b, "02:00.0", builder_root_port(&b, "00:02.0"));
        acs(&b, rp, P2P_ACS_RR);
        m = builder_finish(&b);
        assert_int_equal(
                p2p_excerpt_init(&e, m, builder_at(&b, "01:00.0"), builder_at(&b, "01:00.1")), 0);
        assert_int_equal(e.machine->n_functions, 3);
        e.machine->functions[e.machine->functions[e.provider].parent].acs_control =
                p2p_fact_known(0);
        assert_int_equal(m->functions[builder_at(&b, "00:01.0")].acs_control.val, P2P_ACS_RR);
        p2p_excerpt_deinit(&e);
        builder_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decides_alike),
                cmocka_unit_test(test_is_a_copy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
