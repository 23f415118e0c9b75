/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/selector.h"
#include "machine-builder.h"

struct fixture {
        struct builder b;
        const struct p2p_machine *m;
};

static void name_it(struct builder *b, uint32_t handle, const char *name)
{
        const char **names = p2p_machine_alloc(b->m, 1, sizeof(*names));

        assert_non_null(names);
        names[0] = name;
        builder_edit(b, handle)->names = names;
        builder_edit(b, handle)->n_names = 1;
}

static int setup(void **state)
{
        static struct fixture x;
        uint32_t rp, nic, vf, gpu;

        x.b = builder_new();
        rp = builder_root_port(&x.b, "00:01.0");
        gpu = builder_function(&x.b, "0a:00.0", rp, P2P_PORT_ENDPOINT, 0x030200);
        ids(&x.b, gpu, 0x10de, 0x2330);
        driver(&x.b, gpu, "nvidia", 47);
        nic = builder_function(&x.b, "0a:00.1", rp, P2P_PORT_ENDPOINT, 0x020700);
        ids(&x.b, nic, 0x15b3, 0x1021);
        driver(&x.b, nic, "mlx5_core", 64);
        name_it(&x.b, nic, "mlx5_0");
        vf = builder_vf(&x.b, "0a:01.0", nic);
        ids(&x.b, vf, 0x15b3, 0x101e);
        name_it(&x.b, vf, "mlx5_1");
        name_it(&x.b, builder_endpoint(&x.b, "0001:0b:00.0", rp), "nvme0");
        builder_edit(&x.b, builder_endpoint(&x.b, "0001:0b:00.1", rp))->vendor =
                p2p_fact_without(P2P_WHY_IO_ERROR);
        x.m = builder_finish(&x.b);
        *state = &x;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *x = *state;

        builder_free(&x->b);
        return 0;
}

/* Which of the six functions are wanted and which are covered, one letter each. */
static void check(const struct fixture *x, const char *text, const char *wanted,
                  const char *covered)
{
        static const char *const addresses[] = {"00:01.0", "0a:00.0",      "0a:00.1",
                                                "0a:01.0", "0001:0b:00.0", "0001:0b:00.1"};
        static const char letters[] = "pgnvea";
        struct p2p_selector *s = NULL;
        char got[2][7] = {{0}};

        assert_int_equal(p2p_selector_parse(text, strlen(text), &s, NULL), 0);
        for (unsigned i = 0; i < 6; i++) {
                uint32_t f = builder_at(&x->b, addresses[i]);

                if (p2p_selector_wants(s, x->m, f))
                        got[0][strlen(got[0])] = letters[i];
                if (p2p_selector_covers(s, x->m, f))
                        got[1][strlen(got[1])] = letters[i];
        }
        assert_string_equal(got[0], wanted);
        assert_string_equal(got[1], covered);
        p2p_selector_free(s);
}

static void test_terms(void **state)
{
        check(*state, "gpu", "g", "g");
        check(*state, "nic", "n", "nv");
        check(*state, "nvme", "ea", "ea");
        check(*state, "storage", "", "");
        check(*state, "accelerator", "", "");
        check(*state, "memory", "", "");
        check(*state, "class=02", "n", "nv");
        check(*state, "class=0207", "n", "nv");
        check(*state, "class=0x030200", "g", "g");
        check(*state, "class=030201", "", "");
        check(*state, "vendor=15b3", "n", "nv");
        check(*state, "vendor=15B3:0x1021", "n", "n");
        check(*state, "vendor=1b36", "e", "e");
        check(*state, "driver=mlx5_core", "n", "n");
        check(*state, "driver=mlx5", "", "");
}

static void test_names(void **state)
{
        check(*state, "name=mlx5_*", "nv", "nv");
        check(*state, "mlx5_[1-9]", "v", "v");
        check(*state, "mlx5_[!1-9]", "n", "n");
        check(*state, "nvme?", "e", "e");
        check(*state, "nvme0", "e", "e");
        check(*state, "0a:00.0", "g", "g");
        check(*state, "0A:00.0", "g", "g");
        check(*state, "0000:0a:*", "gnv", "gnv");
        check(*state, "0001:0B:00.1", "a", "a");
        /* The short form is for segment 0; a bridge is no endpoint. */
        check(*state, "0b:00.0", "", "");
        check(*state, "00:01.0", "", "");
}

static void test_combinations(void **state)
{
        check(*state, "gpu,nic", "gn", "gnv");
        check(*state, "nic,vendor=10de", "", "");
        check(*state, "nic,gpu,vendor=10de", "g", "g");
        check(*state, "nic,mlx5_*", "nv", "nv");
        check(*state, "0a:00.0,0001:0b:00.0,nvme", "e", "e");
        check(*state, "name=mlx5_0,0a:00.0", "gn", "gn");
}

static void check_refused(const char *text, int refusal, size_t offset, size_t length)
{
        struct p2p_selector *s = NULL;
        struct p2p_selector_part part;

        assert_int_equal(p2p_selector_parse(text, strlen(text), &s, &part), refusal);
        assert_null(s);
        assert_int_equal(part.offset, offset);
        assert_int_equal(part.length, length);
        assert_int_equal(p2p_selector_parse(text, strlen(text), &s, NULL), refusal);
        assert_non_null(p2p_selector_error_to_string(refusal));
}

static void test_refusals(void **state)
{
        char text[P2P_SELECTOR_TEXT_MAX + 2];

        (void)state;
        check_refused("", P2P_SELECTOR_E_EMPTY, 0, 0);
        check_refused("gpu,", P2P_SELECTOR_E_EMPTY, 4, 0);
        check_refused("gpu,,nic", P2P_SELECTOR_E_EMPTY, 4, 0);
        check_refused("gpus", P2P_SELECTOR_E_WORD, 0, 4);
        check_refused("gpu,bridge", P2P_SELECTOR_E_WORD, 4, 6);
        check_refused("vender=10de", P2P_SELECTOR_E_KEY, 0, 11);
        check_refused("=10de", P2P_SELECTOR_E_KEY, 0, 5);
        check_refused("driver=", P2P_SELECTOR_E_VALUE, 0, 7);
        check_refused("vendor=10deg", P2P_SELECTOR_E_VALUE, 0, 12);
        check_refused("vendor=110de", P2P_SELECTOR_E_VALUE, 0, 12);
        check_refused("vendor=10de:", P2P_SELECTOR_E_VALUE, 0, 12);
        check_refused("vendor=0x", P2P_SELECTOR_E_VALUE, 0, 9);
        check_refused("class=030", P2P_SELECTOR_E_VALUE, 0, 9);
        check_refused("class=03020000", P2P_SELECTOR_E_VALUE, 0, 14);
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        check_refused(text, P2P_SELECTOR_E_TOO_LONG, 0, sizeof(text) - 1);
        text[0] = '\0';
        for (unsigned i = 0; i < P2P_SELECTOR_TERMS_MAX; i++)
                strcat(text, "gpu,");
        strcat(text, "nic");
        check_refused(text, P2P_SELECTOR_E_TOO_LONG, 4 * P2P_SELECTOR_TERMS_MAX, 3);
        assert_null(p2p_selector_error_to_string(0));
        assert_null(p2p_selector_error_to_string(-12));
}

/* The text is bytes of a client, not a C string. */
static void test_bytes(void **state)
{
        const struct fixture *x = *state;
        struct p2p_selector *s = NULL;
        struct p2p_selector_part part;

        assert_int_equal(p2p_selector_parse("nic,x", 3, &s, NULL), 0);
        assert_true(p2p_selector_wants(s, x->m, builder_at(&x->b, "0a:00.1")));
        s = p2p_selector_free(s);
        assert_int_equal(p2p_selector_parse("nic\0nvme0", 9, &s, &part), P2P_SELECTOR_E_VALUE);
        assert_null(s);
        assert_null(p2p_selector_free(NULL));
}

static void test_list(void **state)
{
        const struct fixture *x = *state;
        uint32_t vf = builder_at(&x->b, "0a:01.0"), port = builder_at(&x->b, "00:01.0");
        uint32_t list[] = {vf, port};
        struct p2p_selector *s = NULL;

        assert_int_equal(p2p_selector_new_list(list, 2, &s), 0);
        assert_true(p2p_selector_wants(s, x->m, vf));
        assert_false(p2p_selector_wants(s, x->m, port));
        assert_false(p2p_selector_wants(s, x->m, builder_at(&x->b, "0a:00.1")));
        p2p_selector_free(s);
        assert_int_equal(p2p_selector_new_list(NULL, 0, &s), 0);
        assert_false(p2p_selector_covers(s, x->m, vf));
        p2p_selector_free(s);
}

static void test_glob(void **state)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } cases[] = {
                {"", "", true},
                {"", "a", false},
                {"*", "", true},
                {"*", "abc", true},
                {"a*c", "abc", true},
                {"a*c", "abcd", false},
                {"*b*", "abc", true},
                {"**", "x", true},
                {"?", "", false},
                {"?", "a", true},
                {"a?c", "abc", true},
                {"[ab]c", "bc", true},
                {"[ab]c", "cc", false},
                {"[!ab]c", "cc", true},
                {"[]]", "]", true},
                {"[a-]", "-", true},
                {"[a-c]x", "bx", true},
                {"[a-c]x", "dx", false},
                {"[ab", "[ab", true},
                {"[ab", "a", false},
                {"*[0-9]", "nvme12", true},
                {"*ab", "aab", true},
                {"*a?b", "aaxab", false},
                {"*a?b", "aaxb", true},
                {"x*yx*z", "xyxyz", true},
                {"*[!0-9]", "nvme1", false},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (p2p_selector_glob(cases[i].pattern, cases[i].text) != cases[i].matches)
                        fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].text);
}

/* Many stars cost the product of both lengths, not more: this ends. */
static void test_glob_is_bounded(void **state)
{
        char pattern[2001], text[4001];

        (void)state;
        for (unsigned i = 0; i < 2000; i++)
                pattern[i] = i % 2 ? 'a' : '*';
        pattern[2000] = '\0';
        memset(text, 'a', 4000);
        text[4000] = '\0';
        assert_true(p2p_selector_glob(pattern, text));
        pattern[1999] = 'b';
        assert_false(p2p_selector_glob(pattern, text));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_terms, setup, teardown),
                cmocka_unit_test_setup_teardown(test_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_combinations, setup, teardown),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_list, setup, teardown),
                cmocka_unit_test(test_glob),
                cmocka_unit_test(test_glob_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
