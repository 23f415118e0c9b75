/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what people call a function to its index; and what users are charged. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve-fixture.h"
#include "serve/function-index.h"
#include "serve/user.h"

static void test_find(void **state)
{
        static const struct {
                const char *name, *address; /* NULL: not found, "": ambiguous */
        } cases[] = {
                {"0000:03:00.0", "0000:03:00.0"},
                {"03:00.0", "0000:03:00.0"},
                {"0:3:0.0", "0000:03:00.0"},
                {"card0", "0000:03:00.0"},
                {"renderD128", "0000:03:00.0"},
                {"nvme0", "0000:04:00.0"},
                {"nvme0n1", "0000:04:00.0"},
                {"nvme0n12p3", "0000:04:00.0"},
                {"mlx5_0", "0000:05:00.0"},
                {"card1", "0000:81:00.0"},
                {"eth2", ""},
                {"0000:99:00.0", NULL},
                {"1:03:00.0", NULL},
                {"", NULL},
                {"card", NULL},
                {"card00", NULL},
                {"Card0", NULL},
                {"card0 ", NULL},
                {"nvme", NULL},
                {"nvme1n1", NULL},
                {"nvme0n", NULL},
                {"nvme0n1p", NULL},
                {"nvme0p1", NULL},
                {"nvme0n1p2x", NULL},
                {"nvme0c0n1", NULL},
                {"zzz", NULL},
                {"0000:03:00.0.0.0.0.0.0.0.0.0.0.0.0.0", NULL},
        };
        struct p2p_machine *m = serve_fixture_machine(0);
        struct p2pd_function_index *x = NULL;
        char text[P2P_ADDRESS_STRING_MAX];
        uint32_t function, both[8];

        (void)state;
        assert_int_equal(p2pd_function_index_new(m, &x), 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int r = p2pd_function_index_find(x, p2pd_text(cases[i].name), &function);

                if (!cases[i].address || !cases[i].address[0]) {
                        if (r != (cases[i].address ? P2PD_FUNCTION_INDEX_E_AMBIGUOUS
                                                   : P2PD_FUNCTION_INDEX_E_NOT_FOUND))
                                fail_msg("%s: %d", cases[i].name, r);
                        continue;
                }
                if (r != 0)
                        fail_msg("%s: %d", cases[i].name, r);
                assert_string_equal(p2p_address_format(m->functions[function].address, text),
                                    cases[i].address);
        }
        assert_int_equal(p2pd_function_index_candidates(x, p2pd_text("eth2"), both, 8), 2);
        assert_int_equal(m->functions[both[0]].address.bus, 5);
        assert_int_equal(m->functions[both[1]].address.bus, 0x81);
        assert_int_equal(p2pd_function_index_candidates(x, p2pd_text("eth2"), both, 1), 2);
        assert_int_equal(p2pd_function_index_find(x, (struct p2pd_text){"card0\0x", 7}, &function),
                         P2PD_FUNCTION_INDEX_E_NOT_FOUND);

        assert_int_equal(p2pd_function_index_all(x).n, 10);
        assert_int_equal(p2pd_function_index_endpoints(x).n, 4);
        assert_int_equal(p2pd_function_index_shown(x).n, 4);
        assert_int_equal(p2pd_function_index_acs_unknown(x), 1);
        p2pd_function_index_free(x);
        p2p_machine_free(m);
}

static void test_empty_machine(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_LSPCI);
        struct p2pd_function_index *x = NULL;
        uint32_t function = 77;

        (void)state;
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(p2pd_function_index_new(m, &x), 0);
        assert_int_equal(p2pd_function_index_find(x, p2pd_text("eth0"), &function),
                         P2PD_FUNCTION_INDEX_E_NOT_FOUND);
        assert_int_equal(function, 77);
        assert_int_equal(p2pd_function_index_all(x).n, 0);
        p2pd_function_index_free(x);
        p2p_machine_free(m);
}

static void test_users(void **state)
{
        struct p2pd_users users = {.limits = {2, 10, UINT64_MAX}};
        struct p2pd_user *a, *b;

        (void)state;
        LIST_INIT(&users.list);
        a = p2pd_users_get(&users, 1000);
        b = p2pd_users_get(&users, 1001);
        assert_ptr_not_equal(a, b);
        assert_ptr_equal(p2pd_users_get(&users, 1000), a);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_CONNECTIONS, 2), 0);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_CONNECTIONS, 1),
                         P2PD_USER_E_LIMIT);
        /* Another user, and another kind, have their own. */
        assert_int_equal(p2pd_user_charge(&users, b, P2PD_CHARGE_CONNECTIONS, 1), 0);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_CALLS, 11), P2PD_USER_E_LIMIT);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_CALLS, 10), 0);
        /* Sums do not wrap. */
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_BYTES, UINT64_MAX), 0);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_BYTES, 1), P2PD_USER_E_LIMIT);
        p2pd_user_discharge(a, P2PD_CHARGE_BYTES, UINT64_MAX);
        p2pd_user_discharge(a, P2PD_CHARGE_CALLS, 10);
        p2pd_user_discharge(a, P2PD_CHARGE_CONNECTIONS, 1);
        assert_int_equal(p2pd_user_charge(&users, a, P2PD_CHARGE_CONNECTIONS, 1), 0);
        p2pd_user_discharge(a, P2PD_CHARGE_CONNECTIONS, 2);
        p2pd_user_discharge(b, P2PD_CHARGE_CONNECTIONS, 1);
        assert_null(p2pd_user_unref(a));
        assert_false(LIST_EMPTY(&users.list));
        assert_null(p2pd_user_unref(a));
        assert_null(p2pd_user_unref(b));
        assert_true(LIST_EMPTY(&users.list));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_empty_machine),
                cmocka_unit_test(test_users),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
