/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plain record: addresses as text, sorting and renumbering, loops, doubles, first functions. */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

static struct p2p_address address(const char *text)
{
        struct p2p_address a;

        assert_int_equal(p2p_address_parse(text, &a), 0);
        return a;
}

static void test_address_text(void **state)
{
        static const struct {
                const char *text, *printed;
        } good[] = {
                {"0000:03:00.0", "0000:03:00.0"},         {"03:00.0", "0000:03:00.0"},
                {"0000:FF:1f.7", "0000:ff:1f.7"},         {"10000:e1:00.0", "10000:e1:00.0"},
                {"ffffffff:00:00.0", "ffffffff:00:00.0"}, {"0:0:0.0", "0000:00:00.0"},
        };
        static const char *const bad[] = {
                "",
                "0000",
                "0000:03:00",
                "0000:03:00.8",
                "0000:03:20.0",
                "0000:03:00.",
                "0000:03:00.0 ",
                " 0000:03:00.0",
                "0000:03:00.00",
                "0000:003:00.0",
                "100000000:03:00.0",
                "0x00:03:00.0",
                "-1:03:00.0",
                "0000:03:00.0\n",
                "::.",
                "eth0",
                "100:00.0",
        };
        char buf[P2P_ADDRESS_STRING_MAX];

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_string_equal(p2p_address_format(address(good[i].text), buf),
                                    good[i].printed);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct p2p_address a = {.segment = 7, .bus = 7, .devfn = 7};

                if (p2p_address_parse(bad[i], &a) == 0)
                        fail_msg("'%s' was taken for an address", bad[i]);
                assert_int_equal(a.segment, 7);
        }
}

static void test_finish_sorts_and_renumbers(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        struct p2p_function *f;
        uint32_t root_b, root_a, port, endpoint, vf;

        (void)state;
        root_b = p2p_machine_add_root(m, 0, 0x40);
        root_a = p2p_machine_add_root(m, 0, 0);
        assert_int_equal(p2p_machine_add_root(m, 0, 0x40), root_b);

        f = p2p_machine_add_function(m, address("0000:41:00.1")); /* 0: VF */
        f->parent = 2;
        f->physfn = 1;
        f->is_vf = true;
        f->parent_why = P2P_WHY_KNOWN;
        f->group = p2p_machine_add_group(m, 9);
        f = p2p_machine_add_function(m, address("0000:41:00.0")); /* 1: its PF */
        f->parent = 2;
        f->parent_why = P2P_WHY_KNOWN;
        f->group = p2p_machine_add_group(m, 4);
        f = p2p_machine_add_function(m, address("0000:40:01.0")); /* 2: their port */
        f->root = root_b;
        f->parent_why = P2P_WHY_KNOWN;
        f = p2p_machine_add_function(m, address("0000:00:1f.0")); /* 3 */
        f->root = root_a;
        f->parent_why = P2P_WHY_KNOWN;
        assert_int_equal(p2p_machine_finish(m), 0);

        port = p2p_machine_find(m, address("40:01.0"));
        endpoint = p2p_machine_find(m, address("41:00.0"));
        vf = p2p_machine_find(m, address("41:00.1"));
        assert_int_equal(p2p_machine_find(m, address("41:00.2")), P2P_NONE);
        assert_int_equal(port, 1);
        assert_int_equal(m->functions[endpoint].parent, port);
        assert_int_equal(m->functions[vf].parent, port);
        assert_int_equal(m->functions[vf].physfn, endpoint);
        assert_int_equal(m->roots[0].bus, 0);
        assert_int_equal(m->functions[vf].root, 1);
        assert_int_equal(m->functions[0].root, 0);
        assert_int_equal(m->roots[0].first_function, 0);
        assert_int_equal(m->roots[1].first_function, port);
        assert_int_equal(m->groups[m->functions[vf].group].number, 9);
        assert_int_equal(m->groups[m->functions[endpoint].group].number, 4);
        p2p_machine_free(m);
}

/* A VF of an integrated PF hangs on the root bus under another bus number: not on the kernel's
 * list. */
static void test_first_function_has_the_root_bus_number(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        static const char *const addresses[] = {"0000:41:00.0", "0000:40:02.0", "0000:40:01.3"};

        (void)state;
        p2p_machine_add_root(m, 0, 0x40);
        p2p_machine_add_root(m, 0, 0x80);
        for (unsigned i = 0; i < 3; i++) {
                struct p2p_function *f = p2p_machine_add_function(m, address(addresses[i]));

                f->root = 0;
                f->parent_why = P2P_WHY_KNOWN;
        }
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(m->roots[0].first_function, p2p_machine_find(m, address("40:01.3")));
        assert_int_equal(m->roots[1].first_function, P2P_NONE);
        p2p_machine_free(m);
}

static void test_doubles_are_dropped(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_LSPCI);

        (void)state;
        p2p_machine_add_function(m, address("03:00.0"))->vendor = p2p_fact_known(1);
        p2p_machine_add_function(m, address("02:00.0"));
        p2p_machine_add_function(m, address("03:00.0"))->vendor = p2p_fact_known(2);
        m->functions[1].parent = 2; /* the one that is dropped: its place takes the first */
        m->functions[1].parent_why = P2P_WHY_KNOWN;
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(m->n_functions, 2);
        assert_int_equal(m->functions[1].vendor.val, 1);
        assert_int_equal(m->functions[0].parent, 1);
        assert_int_equal(m->n_warnings, 1);
        assert_non_null(strstr(m->warnings[0].text, "twice"));
        p2p_machine_free(m);
}

/* 0 -> 1 -> 2 -> 1, and 3 -> 0: the loop is 1 and 2; 0 and 3 hang from it and have no root. */
static void test_loops_are_broken(void **state)
{
        static const uint32_t parents[] = {1, 2, 1, 0, P2P_NONE};
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_LSPCI);

        (void)state;
        p2p_machine_add_root(m, 0, 0);
        for (unsigned i = 0; i < 5; i++) {
                struct p2p_address a = {.bus = (uint8_t)i};
                struct p2p_function *f = p2p_machine_add_function(m, a);

                f->parent = parents[i];
                f->parent_why = P2P_WHY_KNOWN;
                f->root = 0;
        }
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(m->functions[0].parent, 1);
        assert_int_equal(m->functions[1].parent, P2P_NONE);
        assert_int_equal(m->functions[1].parent_why, P2P_WHY_MALFORMED);
        assert_int_equal(m->functions[2].parent_why, P2P_WHY_MALFORMED);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(m->functions[i].root, P2P_NONE);
        assert_int_equal(m->functions[4].root, 0);
        assert_int_equal(m->n_warnings, 2);
        p2p_machine_free(m);
}

static void test_own_parent(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_LSPCI);
        struct p2p_function *f = p2p_machine_add_function(m, address("01:00.0"));

        (void)state;
        f->parent = 0;
        f->parent_why = P2P_WHY_KNOWN;
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(m->functions[0].parent, P2P_NONE);
        assert_int_equal(m->functions[0].parent_why, P2P_WHY_MALFORMED);
        p2p_machine_free(m);
}

static void test_missing_parent_takes_the_root_away(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        struct p2p_function *f;

        (void)state;
        p2p_machine_add_root(m, 0, 0);
        f = p2p_machine_add_function(m, address("01:00.0"));
        f->root = 0;
        f->parent_why = P2P_WHY_GONE;
        f = p2p_machine_add_function(m, address("02:00.0"));
        f->root = 0;
        f->parent = 0;
        f->parent_why = P2P_WHY_KNOWN;
        assert_int_equal(p2p_machine_finish(m), 0);
        assert_int_equal(m->functions[0].root, P2P_NONE);
        assert_int_equal(m->functions[1].root, P2P_NONE);
        assert_int_equal(m->roots[0].first_function, P2P_NONE);
        p2p_machine_free(m);
}

static void test_warnings_are_capped(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);

        (void)state;
        for (unsigned i = 0; i < P2P_WARNINGS_MAX + 3; i++)
                p2p_machine_warn(m, NULL, "warning %u", i);
        assert_int_equal(m->n_warnings, P2P_WARNINGS_MAX);
        assert_int_equal(m->n_warnings_dropped, 3);
        assert_string_equal(m->warnings[7].text, "warning 7");
        p2p_machine_free(m);
}

static void test_arena(void **state)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        const char *text = p2p_machine_strndup(m, "eth0 and more", 4);
        unsigned char *large = p2p_machine_alloc(m, 3, 100000);

        (void)state;
        assert_string_equal(text, "eth0");
        for (unsigned i = 0; i < 300000; i++)
                assert_int_equal(large[i], 0);
        memset(large, 0xaa, 300000);
        for (unsigned i = 0; i < 10000; i++) {
                uint64_t *p = p2p_machine_alloc(m, 1, sizeof(*p));

                assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
                assert_int_equal(*p, 0);
                *p = UINT64_MAX;
        }
        assert_string_equal(text, "eth0");
        assert_null(p2p_machine_alloc(m, SIZE_MAX / 2, 4));
        p2p_machine_free(m);
}

static void test_kinds(void **state)
{
        static const struct {
                uint32_t class_code;
                enum p2p_kind kind;
        } rows[] = {
                {0x010802, P2P_KIND_NVME},        {0x010601, P2P_KIND_STORAGE},
                {0x020000, P2P_KIND_NIC},         {0x020700, P2P_KIND_NIC},
                {0x030200, P2P_KIND_GPU},         {0x038000, P2P_KIND_GPU},
                {0x050210, P2P_KIND_MEMORY},      {0x060400, P2P_KIND_BRIDGE},
                {0x0b4000, P2P_KIND_ACCELERATOR}, {0x120000, P2P_KIND_ACCELERATOR},
                {0x0c0330, P2P_KIND_OTHER},       {0xffff00, P2P_KIND_OTHER},
        };
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        struct p2p_function *f = p2p_machine_add_function(m, address("01:00.0"));

        (void)state;
        assert_int_equal(p2p_function_kind(f), P2P_KIND_OTHER);
        assert_true(p2p_function_is_endpoint(f));
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                f->class_code = p2p_fact_known(rows[i].class_code);
                assert_int_equal(p2p_function_kind(f), rows[i].kind);
                assert_int_equal(p2p_function_is_endpoint(f), rows[i].kind != P2P_KIND_BRIDGE);
        }
        f->class_code = p2p_fact_known(0x030200);
        assert_false(p2p_function_is_candidate(f));
        f->bars[2].kind = P2P_BAR_MEMORY;
        assert_true(p2p_function_is_candidate(f));
        f->is_vf = true;
        assert_false(p2p_function_is_candidate(f));
        p2p_machine_free(m);
}

/* What the function at this address has, in a machine of several. */
static void expect_serial(const struct p2p_machine *m, const char *text, enum p2p_why why,
                          uint64_t val)
{
        struct p2p_fact got = p2p_machine_serial(m, p2p_machine_find(m, address(text)));

        if (got.why != why || got.val != val)
                fail_msg("%s: %s %" PRIx64, text, p2p_why_to_string(got.why), got.val);
}

static struct p2p_function *add_serial(struct p2p_machine *m, const char *text,
                                       struct p2p_fact serial, struct p2p_fact ari)
{
        struct p2p_function *f = p2p_machine_add_function(m, address(text));

        assert_non_null(f);
        f->serial = serial;
        f->ari = ari;
        return f;
}

static void test_serial_of_the_device(void **state)
{
        const struct p2p_fact none = p2p_fact_without(P2P_WHY_ABSENT);
        const struct p2p_fact hidden = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        const struct p2p_fact off = p2p_fact_known(0), on = p2p_fact_known(1);
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_LIVE);
        struct p2p_function *vf;

        (void)state;
        /* Two devices of a bus: each has its own function 0. */
        add_serial(m, "00:02.0", p2p_fact_known(0x20), off);
        add_serial(m, "00:02.1", none, off);
        add_serial(m, "00:02.2", p2p_fact_known(0x22), off);
        add_serial(m, "00:02.3", hidden, off);
        add_serial(m, "00:03.0", none, off);
        add_serial(m, "00:03.1", none, off);
        add_serial(m, "00:04.0", hidden, off);
        add_serial(m, "00:04.1", none, off);
        add_serial(m, "00:05.1", none, off); /* without its function 0 */
        /* With ARI a bus has one device. */
        add_serial(m, "01:00.0", p2p_fact_known(0x10), on);
        add_serial(m, "01:00.7", none, on);
        add_serial(m, "01:01.0", none, on);
        add_serial(m, "01:1f.7", none, on);
        add_serial(m, "02:00.0", p2p_fact_known(0x30), hidden);
        add_serial(m, "02:00.1", none, hidden);
        add_serial(m, "02:01.0", none, hidden);
        /* Virtual functions, of function 1 too. */
        add_serial(m, "03:00.0", p2p_fact_known(0x40), off);
        add_serial(m, "03:00.1", none, off);
        vf = add_serial(m, "04:00.0", none, off);
        vf->is_vf = true;
        vf->physfn = p2p_machine_find(m, address("03:00.1"));
        vf = add_serial(m, "04:00.1", none, off);
        vf->is_vf = true;
        vf = add_serial(m, "04:00.2", p2p_fact_known(0x42), off);
        vf->is_vf = true;
        add_serial(m, "04:00.3", none, off); /* function 0 is a virtual one */
        assert_int_equal(p2p_machine_finish(m), 0);

        expect_serial(m, "00:02.0", P2P_WHY_KNOWN, 0x20);
        expect_serial(m, "00:02.1", P2P_WHY_KNOWN, 0x20);
        expect_serial(m, "00:02.2", P2P_WHY_KNOWN, 0x22);
        expect_serial(m, "00:02.3", P2P_WHY_NO_PRIVILEGE, 0);
        expect_serial(m, "00:03.0", P2P_WHY_ABSENT, 0);
        expect_serial(m, "00:03.1", P2P_WHY_ABSENT, 0);
        expect_serial(m, "00:04.1", P2P_WHY_NO_PRIVILEGE, 0);
        expect_serial(m, "00:05.1", P2P_WHY_NOT_REPORTED, 0);
        expect_serial(m, "01:00.7", P2P_WHY_KNOWN, 0x10);
        expect_serial(m, "01:01.0", P2P_WHY_KNOWN, 0x10);
        expect_serial(m, "01:1f.7", P2P_WHY_KNOWN, 0x10);
        expect_serial(m, "02:00.1", P2P_WHY_KNOWN, 0x30);
        expect_serial(m, "02:01.0", P2P_WHY_NO_PRIVILEGE, 0);
        expect_serial(m, "04:00.0", P2P_WHY_KNOWN, 0x40);
        expect_serial(m, "04:00.1", P2P_WHY_NOT_REPORTED, 0);
        expect_serial(m, "04:00.2", P2P_WHY_KNOWN, 0x42);
        expect_serial(m, "04:00.3", P2P_WHY_NOT_REPORTED, 0);
        p2p_machine_free(m);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_address_text),
                cmocka_unit_test(test_finish_sorts_and_renumbers),
                cmocka_unit_test(test_first_function_has_the_root_bus_number),
                cmocka_unit_test(test_doubles_are_dropped),
                cmocka_unit_test(test_loops_are_broken),
                cmocka_unit_test(test_own_parent),
                cmocka_unit_test(test_missing_parent_takes_the_root_away),
                cmocka_unit_test(test_warnings_are_capped),
                cmocka_unit_test(test_arena),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_serial_of_the_device),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
