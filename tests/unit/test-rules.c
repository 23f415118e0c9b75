/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/rules.h"
#include "machine-builder.h"

static void test_release_parse(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint32_t release;
        } cases[] = {
                {"6.1.0-18-amd64", 0, P2P_RELEASE(6, 1)},
                {"7.3.4+deb13-amd64", 0, P2P_RELEASE(7, 3)},
                {"6.18-rc1", 0, P2P_RELEASE(6, 18)},
                {"5.4", 0, P2P_RELEASE(5, 4)},
                {"5.14.0-427.el9.x86_64", 0, P2P_RELEASE(5, 14)},
                {"6.", -EINVAL, 0},
                {"6", -EINVAL, 0},
                {"", -EINVAL, 0},
                {".1", -EINVAL, 0},
                {" 6.1", -EINVAL, 0},
                {"-6.1", -EINVAL, 0},
                {"v6.1", -EINVAL, 0},
                {"999999.1", -EINVAL, 0},
                {"6.99999", -EINVAL, 0},
                {"65535.65535", 0, UINT32_MAX},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint32_t release = 7;

                assert_int_equal(p2p_release_parse(cases[i].text, &release), cases[i].r);
                assert_int_equal(release, cases[i].r == 0 ? cases[i].release : 7);
        }
}

static void test_release_format(void **state)
{
        char buf[P2P_RELEASE_STRING_MAX];

        (void)state;
        assert_string_equal(p2p_release_format(P2P_RELEASE(6, 18), buf), "6.18");
        assert_string_equal(p2p_release_format(UINT32_MAX, buf), "7.4");
}

static void test_rules_for(void **state)
{
        struct builder b = builder_new();
        struct p2p_rules rules;

        (void)state;
        kernel(&b, "7.1.3-1-default");
        rules = p2p_rules_for(b.m, P2P_RULES_RUNNING);
        assert_int_equal(rules.release, P2P_RELEASE(7, 1));
        assert_int_equal(rules.patch, 3);
        assert_true(rules.release_known);
        rules = p2p_rules_for(b.m, P2P_RULES_NEWEST);
        assert_int_equal(rules.release, UINT32_MAX);
        assert_true(rules.release_known);
        kernel(&b, NULL);
        rules = p2p_rules_for(b.m, P2P_RULES_RUNNING);
        assert_int_equal(rules.release, UINT32_MAX);
        assert_false(rules.release_known);
        assert_int_equal(rules.choice, P2P_RULES_RUNNING);
        kernel(&b, "nonsense");
        assert_false(p2p_rules_for(b.m, P2P_RULES_RUNNING).release_known);
        builder_free(&b);
}

/* The rows of the kernel's list, with the last release without and the first with each. */
static void test_rows_by_release(void **state)
{
        static const struct {
                uint16_t vendor, device;
                const char *without, *with;
                bool same_only;
        } rows[] = {
                {0x8086, 0x3c00, "5.3", "5.4", true},
                {0x8086, 0x3c01, "5.3", "5.4", true},
                {0x8086, 0x2f00, "5.3", "5.4", true},
                {0x8086, 0x2f01, "5.3", "5.4", true},
                {0x8086, 0x2030, "5.5", "5.6", false},
                {0x8086, 0x2020, "5.5", "5.6", false},
                {0x8086, 0x2031, "5.6", "5.7", false},
                {0x8086, 0x2032, "5.6", "5.7", false},
                {0x8086, 0x2033, "5.6", "5.7", false},
                {0x8086, 0x09a2, "5.17", "5.18", false},
                {0x8086, 0x0b25, "7.1", "7.2", false},
                {0x8086, 0x0b25, "7.1.2", "7.1.3", false},
                {0x8086, 0x0cfe, "7.0.9", "7.1.4", false},
                {0x8086, 0x11fb, "7.1.2", "7.1.3", false},
                {0x8086, 0x1212, "7.1.2", "7.1.3", false},
                {0x8086, 0x1216, "7.1.2", "7.1.3", false},
                {0x8086, 0x4940, "7.1.2", "7.1.3", false},
                {0x8086, 0x4942, "7.1.2", "7.1.3", false},
                {0x8086, 0x4944, "7.1.2", "7.1.3", false},
                {0x8086, 0x4946, "7.1.2", "7.1.3", false},
                {0x8086, 0x4948, "7.1.2", "7.3.0", false},
                {0x1ae0, 0x1234, "7.0", "7.1", false},
                {0x10de, 0x2f95, "7.2", "7.3", false},
                {0x10de, 0x2f98, "7.2", "7.3", false},
                {0x1d17, 0x1003, "7.3.4", "7.4", true},
                {0x1d17, 0x1005, "7.3", "7.4", true},
                {0x1d17, 0x1006, "7.3", "7.4", true},
                {0x1d17, 0x1007, "7.3", "7.4", true},
                {0x1d17, 0x1008, "7.3", "7.4", false},
                {0x1022, 0x1450, "5.9", "5.8", false},
                {0x1022, 0x1630, "5.7", "5.8", false},
                {0x1022, 0x15d0, "5.10", "5.8", false},
        };
        const struct p2p_host_bridge_rule *table;
        uint32_t n, row;

        (void)state;
        table = p2p_host_bridge_rules(&n);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct builder b = builder_new();
                struct p2p_rules rules;

                kernel(&b, rows[i].without);
                rules = p2p_rules_for(b.m, P2P_RULES_RUNNING);
                assert_int_equal(
                        p2p_rules_match_host_bridge(&rules, rows[i].vendor, rows[i].device),
                        P2P_NONE);
                kernel(&b, rows[i].with);
                rules = p2p_rules_for(b.m, P2P_RULES_RUNNING);
                row = p2p_rules_match_host_bridge(&rules, rows[i].vendor, rows[i].device);
                assert_true(row < n);
                assert_int_equal(table[row].same_only, rows[i].same_only);
                assert_non_null(table[row].name);
                builder_free(&b);
        }
}

static void test_never_listed(void **state)
{
        static const struct {
                uint16_t vendor, device;
        } ids_of[] = {{0x8086, 0x29c0}, {0x1b36, 0x0008}, {0x1022, 0x1450}, {0x8086, 0xffff},
                      {0xffff, 0xffff}, {0x1022, 0x2020}, {0x10de, 0x2f94}, {0x1d17, 0x1004}};
        const struct p2p_rules newest = {.choice = P2P_RULES_NEWEST, .release = UINT32_MAX};

        (void)state;
        for (size_t i = 0; i < sizeof(ids_of) / sizeof(ids_of[0]); i++)
                assert_int_equal(
                        p2p_rules_match_host_bridge(&newest, ids_of[i].vendor, ids_of[i].device),
                        P2P_NONE);
        assert_string_equal(p2p_rules_choice_to_string(P2P_RULES_NEWEST), "newest");
        assert_string_equal(p2p_rules_choice_to_string(P2P_RULES_RUNNING), "running");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_release_parse), cmocka_unit_test(test_release_format),
                cmocka_unit_test(test_rules_for),     cmocka_unit_test(test_rows_by_release),
                cmocka_unit_test(test_never_listed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
