/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "verification.h"

static struct p2p_address bus(unsigned number)
{
        return (struct p2p_address){.bus = (uint8_t)number};
}

static struct p2pd_verification sample(unsigned provider, unsigned client)
{
        return (struct p2pd_verification){
                .provider = bus(provider),
                .client = bus(client),
                .result = P2PD_VERIFIED_ARRIVED,
                .map_then = P2P_MAP_BUS,
                .generation = 7,
                .method = "nvme-read",
        };
}

static void put(struct p2pd_verifications *s, unsigned provider, unsigned client)
{
        const struct p2pd_verification v = sample(provider, client);

        assert_int_equal(p2pd_verifications_put(s, &v), 0);
}

static void test_agreement(void **state)
{
        static const struct {
                enum p2pd_verified result;
                enum p2p_map map;
                enum p2pd_agreement agrees;
                bool alarming;
        } cases[] = {
                {P2PD_VERIFIED_ARRIVED, P2P_MAP_BUS, P2PD_AGREEMENT_YES, false},
                {P2PD_VERIFIED_ARRIVED, P2P_MAP_HOST_BRIDGE, P2PD_AGREEMENT_YES, false},
                {P2PD_VERIFIED_ARRIVED, P2P_MAP_NONE, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_ARRIVED, P2P_MAP_UNKNOWN, P2PD_AGREEMENT_NEITHER, false},
                {P2PD_VERIFIED_REFUSED, P2P_MAP_BUS, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_REFUSED, P2P_MAP_HOST_BRIDGE, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_REFUSED, P2P_MAP_NONE, P2PD_AGREEMENT_YES, false},
                {P2PD_VERIFIED_REFUSED, P2P_MAP_UNKNOWN, P2PD_AGREEMENT_NEITHER, false},
                {P2PD_VERIFIED_WRONG_DATA, P2P_MAP_BUS, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_WRONG_DATA, P2P_MAP_HOST_BRIDGE, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_WRONG_DATA, P2P_MAP_NONE, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_WRONG_DATA, P2P_MAP_UNKNOWN, P2PD_AGREEMENT_NEITHER, true},
                {P2PD_VERIFIED_FAILED, P2P_MAP_BUS, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_FAILED, P2P_MAP_HOST_BRIDGE, P2PD_AGREEMENT_NO, true},
                {P2PD_VERIFIED_FAILED, P2P_MAP_NONE, P2PD_AGREEMENT_NEITHER, false},
                {P2PD_VERIFIED_FAILED, P2P_MAP_UNKNOWN, P2PD_AGREEMENT_NEITHER, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2pd_verification v = sample(3, 4);

                v.result = cases[i].result;
                v.map_then = cases[i].map;
                assert_int_equal(p2pd_verification_agrees(&v), cases[i].agrees);
                assert_int_equal(p2pd_verification_is_alarming(&v), cases[i].alarming);
        }
}

static void test_sentence(void **state)
{
        struct p2pd_verification v = sample(3, 4);
        char buf[P2PD_VERIFICATION_TEXT_MAX], tiny[8];

        (void)state;
        assert_string_equal(p2pd_verification_format(&v, buf, sizeof(buf)),
                            "a transfer (nvme-read) by 0000:04:00.0 to the memory of 0000:03:00.0 "
                            "arrived with every byte right, as the verdict then said (bus)");
        v.map_then = P2P_MAP_NONE;
        strcpy(v.detail, "nvme1n1");
        assert_non_null(strstr(p2pd_verification_format(&v, buf, sizeof(buf)),
                               "DISAGREES with the verdict then (none): nvme1n1"));
        assert_int_equal(strlen(p2pd_verification_format(&v, tiny, sizeof(tiny))), 7);
        /* The longest fits. */
        memset(v.detail, 'd', P2PD_VERIFICATION_DETAIL_MAX);
        memset(v.method, 'm', P2PD_VERIFICATION_METHOD_MAX);
        v.provider.segment = v.client.segment = 0xffffffff;
        v.result = P2PD_VERIFIED_FAILED;
        v.map_then = P2P_MAP_UNKNOWN;
        assert_true(strlen(p2pd_verification_format(&v, buf, sizeof(buf))) < sizeof(buf) - 1);
        assert_int_equal(buf[strlen(buf) - 1], 'd');
        for (int i = 0; i < P2PD_VERIFIED_MAX; i++)
                assert_non_null(p2pd_verified_to_string((enum p2pd_verified)i));
        assert_null(p2pd_verified_to_string(P2PD_VERIFIED_MAX));
}

static void test_ordered_pairs(void **state)
{
        struct p2pd_verifications *s = p2pd_verifications_new(8);
        struct p2pd_verification v = sample(3, 4);

        (void)state;
        assert_null(p2pd_verifications_find(s, bus(3), bus(4)));
        put(s, 3, 4);
        put(s, 3, 3);
        put(s, 2, 9);
        assert_null(p2pd_verifications_find(s, bus(4), bus(3)));
        /* The newest of a pair replaces the one before. */
        v.result = P2PD_VERIFIED_REFUSED;
        assert_int_equal(p2pd_verifications_put(s, &v), 0);
        assert_int_equal(p2pd_verifications_n(s), 3);
        assert_int_equal(p2pd_verifications_find(s, bus(3), bus(4))->result, P2PD_VERIFIED_REFUSED);
        assert_int_equal(p2pd_verifications_get(s, 0)->provider.bus, 2);
        assert_int_equal(p2pd_verifications_get(s, 1)->client.bus, 3);
        assert_int_equal(p2pd_verifications_get(s, 2)->client.bus, 4);
        assert_int_equal(p2pd_verifications_dropped(s), 0);
        p2pd_verifications_free(s);
        assert_null(p2pd_verifications_free(NULL));
}

static void test_oldest_makes_room(void **state)
{
        struct p2pd_verifications *s = p2pd_verifications_new(4);

        (void)state;
        for (unsigned i = 0; i < 4; i++)
                put(s, 10 - i, 1);
        put(s, 10, 1); /* put again: now the youngest */
        put(s, 5, 1);
        assert_null(p2pd_verifications_find(s, bus(9), bus(1)));
        assert_non_null(p2pd_verifications_find(s, bus(10), bus(1)));
        assert_non_null(p2pd_verifications_find(s, bus(5), bus(1)));
        for (unsigned i = 0; i < 250; i++)
                put(s, i % 25, i / 25);
        assert_int_equal(p2pd_verifications_n(s), 4);
        for (unsigned i = 246; i < 250; i++)
                assert_non_null(p2pd_verifications_find(s, bus(i % 25), bus(i / 25)));
        assert_true(p2pd_verifications_dropped(s) > 200);
        p2pd_verifications_free(s);
}

static void test_generations(void **state)
{
        struct p2p_change changes[] = {
                {.kind = P2P_CHANGE_CHANGED, .address = bus(2), .what = P2P_CHANGED_ACS},
                {.kind = P2P_CHANGE_REMOVED, .address = bus(4)},
                {.kind = P2P_CHANGE_CHANGED,
                 .address = bus(6),
                 .what = P2P_CHANGED_IDENTITY | P2P_CHANGED_BARS},
        };
        struct p2p_diff diff = {.changes = changes, .n_changes = 3};
        const struct p2p_diff empty = {0};
        struct p2pd_verifications *s = p2pd_verifications_new(8);

        (void)state;
        p2pd_verifications_follow(s, &diff);
        put(s, 2, 3);
        put(s, 2, 4); /* goes: the client is removed */
        put(s, 4, 2); /* goes: the provider */
        put(s, 6, 2); /* goes: another device */
        put(s, 3, 6); /* goes: likewise */
        put(s, 3, 5);
        p2pd_verifications_follow(s, &empty);
        assert_int_equal(p2pd_verifications_n(s), 6);
        p2pd_verifications_follow(s, &diff);
        assert_int_equal(p2pd_verifications_n(s), 2);
        assert_non_null(p2pd_verifications_find(s, bus(2), bus(3)));
        assert_non_null(p2pd_verifications_find(s, bus(3), bus(5)));
        assert_int_equal(p2pd_verifications_dropped(s), 0);
        p2pd_verifications_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_agreement),     cmocka_unit_test(test_sentence),
                cmocka_unit_test(test_ordered_pairs), cmocka_unit_test(test_oldest_makes_room),
                cmocka_unit_test(test_generations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
