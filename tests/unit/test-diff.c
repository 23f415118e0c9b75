/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/diff.h"
#include "random-machine.h"

/* Two endpoints below one switch, a third one below another root port. */
struct sample {
        struct builder b;
        uint32_t port, first, second, third;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};
        uint32_t up;

        builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x29c0);
        up = builder_upstream(&s.b, "01:00.0", builder_root_port(&s.b, "00:01.0"));
        s.port = builder_downstream(&s.b, "02:00.0", up);
        s.first = builder_endpoint(&s.b, "03:00.0", s.port);
        s.second = builder_endpoint(&s.b, "04:00.0", builder_downstream(&s.b, "02:01.0", up));
        s.third = builder_endpoint(&s.b, "05:00.0", builder_root_port(&s.b, "00:02.0"));
        bar(&s.b, s.first, 0, 0x1000, 0x1000);
        return s;
}

static struct p2p_diff *compared(const struct p2p_machine *before, const struct p2p_machine *after,
                                 uint32_t flips_max)
{
        struct p2p_verdicts *v, *w;
        struct p2p_diff *d;

        v = p2p_verdicts_new(before, p2p_rules_for(before, P2P_RULES_RUNNING));
        w = p2p_verdicts_new(after, p2p_rules_for(after, P2P_RULES_RUNNING));
        assert_true(v && w);
        assert_int_equal(p2p_diff_new(before, v, after, w, flips_max, &d), 0);
        p2p_verdicts_free(v);
        p2p_verdicts_free(w);
        return d;
}

static void test_nothing_changed(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 100);
        assert_true(p2p_diff_is_empty(d));
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

/* Allocations come and go all the time; the machine is the same. */
static void test_free_p2pmem_is_no_change(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        builder_edit(&t.b, t.first)->p2pmem_available_bytes = p2p_fact_known(4096);
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 100);
        assert_true(p2p_diff_is_empty(d));
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

static void change_acs(struct sample *s)
{
        acs(&s->b, s->first, 0x1);
}
static void change_acs_offset(struct sample *s)
{
        builder_edit(&s->b, s->first)->acs_offset = p2p_fact_known(0x200);
}
static void change_link(struct sample *s)
{
        link_is(&s->b, s->first, 8000, 4, 16000, 4);
}
static void change_bar_size(struct sample *s)
{
        bar(&s->b, s->first, 0, 0x1000, 0x2000);
}
static void change_bar_added(struct sample *s)
{
        bar(&s->b, s->first, 2, 0x9000, 0x1000);
}
static void change_bar_bus(struct sample *s)
{
        bar(&s->b, s->first, 0, 0x1000, 0x1000)->bus_start.val = 0x77000;
}
static void change_driver(struct sample *s)
{
        driver(&s->b, s->first, "nvme", 32);
}
static void change_decoding(struct sample *s)
{
        builder_edit(&s->b, s->first)->memory_decoding = p2p_fact_known(0);
}
static void change_decoding_unknown(struct sample *s)
{
        builder_edit(&s->b, s->first)->memory_decoding = p2p_fact_without(P2P_WHY_ALL_ONES);
}
static void change_group(struct sample *s)
{
        group(&s->b, s->first, 7, P2P_GROUP_TRANSLATED);
}
static void change_p2pmem(struct sample *s)
{
        builder_edit(&s->b, s->first)->p2pmem_size_bytes = p2p_fact_known(4096);
}
static void change_names(struct sample *s)
{
        static const char *const names[] = {"nvme0"};

        builder_edit(&s->b, s->first)->names = names;
        builder_edit(&s->b, s->first)->n_names = 1;
}
static void change_identity(struct sample *s)
{
        ids(&s->b, s->first, 0x10de, 0x2330);
}
static void change_serial(struct sample *s)
{
        builder_edit(&s->b, s->first)->serial = p2p_fact_known(0x1111);
}
static void change_serial_unknown(struct sample *s)
{
        builder_edit(&s->b, s->first)->serial = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
}
static void change_other(struct sample *s)
{
        numa(&s->b, s->first, 1);
}

static void test_what_changed(void **state)
{
        static const struct {
                void (*change)(struct sample *s);
                uint32_t what;
        } cases[] = {
                {change_acs, P2P_CHANGED_ACS},
                {change_acs_offset, P2P_CHANGED_ACS},
                {change_link, P2P_CHANGED_LINK},
                {change_bar_size, P2P_CHANGED_BARS},
                {change_bar_added, P2P_CHANGED_BARS},
                {change_bar_bus, P2P_CHANGED_BARS},
                {change_driver, P2P_CHANGED_DRIVER},
                {change_decoding, P2P_CHANGED_DECODING},
                {change_decoding_unknown, P2P_CHANGED_DECODING},
                {change_group, P2P_CHANGED_GROUP},
                {change_p2pmem, P2P_CHANGED_P2PMEM},
                {change_names, P2P_CHANGED_NAMES},
                {change_identity, P2P_CHANGED_IDENTITY},
                {change_serial, P2P_CHANGED_IDENTITY},
                {change_serial_unknown, P2P_CHANGED_IDENTITY},
                {change_other, P2P_CHANGED_OTHER},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new(), t = sample_new();
                struct p2p_diff *d;

                cases[i].change(&t);
                builder_finish(&s.b);
                builder_finish(&t.b);
                assert_int_equal(p2p_diff_new(s.b.m, NULL, t.b.m, NULL, 10, &d), 0);
                assert_int_equal(d->n_changes, 1);
                assert_int_equal(d->changes[0].kind, P2P_CHANGE_CHANGED);
                assert_int_equal(d->changes[0].what, cases[i].what);
                assert_int_equal(d->changes[0].address.bus, 3);
                assert_false(d->machine_wide);
                assert_int_equal(d->n_flips_total, 0);
                assert_false(p2p_diff_is_empty(d));
                p2p_diff_free(d);
                builder_free(&s.b);
                builder_free(&t.b);
        }
}

/* A serial number is the whole device's: another card has other functions throughout. */
static void test_serial_of_function_0_changed(void **state)
{
        struct builder b[2];
        struct p2p_diff *d;

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                uint32_t port;

                b[i] = builder_new();
                port = builder_root_port(&b[i], "00:01.0");
                builder_edit(&b[i], builder_endpoint(&b[i], "01:00.0", port))->serial =
                        p2p_fact_known(0x1111 * (i + 1));
                builder_vf(&b[i], "01:00.2", builder_endpoint(&b[i], "01:00.1", port));
                builder_finish(&b[i]);
        }
        d = compared(b[0].m, b[1].m, 1);
        assert_int_equal(d->n_changes, 3);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(d->changes[i].address.devfn, i);
                assert_int_equal(d->changes[i].what, P2P_CHANGED_IDENTITY);
        }
        p2p_diff_free(d);
        builder_free(&b[0]);
        builder_free(&b[1]);
}

/* Virtual functions of two physical ones in turns, and two with a number of their own: each has the
 * number that belongs to it. */
static void test_serial_of_physical_function_changed(void **state)
{
        static const char *const vfs[] = {"01:02.0", "01:02.1", "01:02.2", "01:02.3"};
        static const uint8_t changed[] = {0x01, 0x11, 0x13, 0x15};
        struct builder b[2];
        struct p2p_diff *d;

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                uint32_t port, pf[2], vf;

                b[i] = builder_new();
                port = builder_root_port(&b[i], "00:01.0");
                pf[0] = builder_endpoint(&b[i], "01:00.0", port);
                pf[1] = builder_endpoint(&b[i], "01:00.1", port);
                builder_edit(&b[i], pf[0])->serial = p2p_fact_known(0x1111);
                builder_edit(&b[i], pf[1])->serial = p2p_fact_known(0x2222 + i);
                for (unsigned j = 0; j < 4; j++)
                        builder_vf(&b[i], vfs[j], pf[j % 2]);
                vf = builder_vf(&b[i], "01:02.4", pf[1]);
                builder_edit(&b[i], vf)->serial = p2p_fact_known(0x3333);
                vf = builder_vf(&b[i], "01:02.5", pf[0]);
                builder_edit(&b[i], vf)->serial = p2p_fact_known(0x4444 + i);
                builder_vf(&b[i], "01:02.6", pf[0]);
                builder_finish(&b[i]);
        }
        d = compared(b[0].m, b[1].m, 1);
        assert_int_equal(d->n_changes, sizeof(changed));
        for (unsigned i = 0; i < sizeof(changed); i++) {
                assert_int_equal(d->changes[i].address.devfn, changed[i]);
                assert_int_equal(d->changes[i].what, P2P_CHANGED_IDENTITY);
        }
        p2p_diff_free(d);
        builder_free(&b[0]);
        builder_free(&b[1]);
}

static void test_group_type_changed(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        group(&s.b, s.first, 7, P2P_GROUP_TRANSLATED);
        group(&t.b, t.first, 7, P2P_GROUP_IDENTITY);
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 1);
        assert_int_equal(d->n_changes, 1);
        assert_int_equal(d->changes[0].what, P2P_CHANGED_GROUP);
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

static void test_added_and_removed(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        builder_endpoint(&t.b, "03:00.1", t.port);
        builder_endpoint(&s.b, "00:00.1", ON_ROOT_BUS);
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 100);
        assert_int_equal(d->n_changes, 2);
        assert_int_equal(d->changes[0].kind, P2P_CHANGE_REMOVED);
        assert_int_equal(d->changes[0].address.bus, 0);
        assert_int_equal(d->changes[1].kind, P2P_CHANGE_ADDED);
        assert_int_equal(d->changes[1].address.devfn, 1);
        /* Pairs with them did not exist on one of the sides. */
        assert_int_equal(d->n_flips_total, 0);
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

static void test_moved(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        builder_edit(&t.b, t.third)->parent = t.port;
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 100);
        assert_int_equal(d->n_changes, 1);
        assert_int_equal(d->changes[0].what, P2P_CHANGED_PLACE);
        /* With 03 and 04, there and back. */
        assert_int_equal(d->n_flips_total, 4);
        assert_int_equal(d->n_flips, 4);
        assert_int_equal(d->flips[0].before.map, P2P_MAP_NONE);
        assert_int_equal(d->flips[0].after.map, P2P_MAP_BUS);
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

static void test_flips_are_cut_and_counted(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        acs(&t.b, t.port, P2P_ACS_RR);
        builder_finish(&s.b);
        builder_finish(&t.b);
        for (uint32_t max = 0; max < 4; max++) {
                d = compared(s.b.m, t.b.m, max);
                assert_int_equal(d->n_flips_total, 2);
                assert_int_equal(d->n_flips, max < 2 ? max : 2);
                if (max > 0) {
                        assert_int_equal(d->flips[0].provider.bus, 3);
                        assert_int_equal(d->flips[0].client.bus, 4);
                }
                p2p_diff_free(d);
        }
        builder_free(&s.b);
        builder_free(&t.b);
}

static void test_machine_wide(void **state)
{
        struct sample s = sample_new(), t = sample_new();
        struct p2p_diff *d;

        (void)state;
        cpu(&t.b, P2P_CPU_AMD, 0x19, 1);
        d = compared(builder_finish(&s.b), builder_finish(&t.b), 100);
        assert_true(d->machine_wide);
        assert_int_equal(d->n_changes, 0);
        assert_int_equal(d->n_flips_total, 4);
        p2p_diff_free(d);
        builder_free(&s.b);
        builder_free(&t.b);
}

/* All pairs of all functions, one by one. */
static uint64_t count_flips(const struct p2p_machine *m, const struct p2p_machine *n,
                            const struct p2p_diff *d)
{
        struct p2p_rules before = p2p_rules_for(m, P2P_RULES_RUNNING);
        struct p2p_rules after = p2p_rules_for(n, P2P_RULES_RUNNING);
        uint64_t total = 0;

        for (uint32_t i = 0; i < n->n_functions; i++)
                for (uint32_t j = 0; j < n->n_functions; j++) {
                        uint32_t p = p2p_machine_find(m, n->functions[i].address);
                        uint32_t c = p2p_machine_find(m, n->functions[j].address);
                        struct p2p_decision a, b;

                        if (p == P2P_NONE || c == P2P_NONE ||
                            !p2p_function_is_endpoint(&n->functions[i]) ||
                            !p2p_function_is_endpoint(&n->functions[j]) ||
                            !p2p_function_is_endpoint(&m->functions[p]) ||
                            !p2p_function_is_endpoint(&m->functions[c]))
                                continue;
                        p2p_decide(m, &before, p, c, NULL, NULL, &a);
                        p2p_decide(n, &after, i, j, NULL, NULL, &b);
                        if (a.map == b.map && a.distance_hops == b.distance_hops)
                                continue;
                        if (total < d->n_flips) {
                                const struct p2p_flip *f = &d->flips[total];

                                assert_int_equal(
                                        p2p_address_compare(f->provider, n->functions[i].address),
                                        0);
                                assert_int_equal(
                                        p2p_address_compare(f->client, n->functions[j].address), 0);
                                assert_int_equal(f->before.map, a.map);
                                assert_int_equal(f->after.map, b.map);
                                assert_int_equal(f->before.distance_hops, a.distance_hops);
                                assert_int_equal(f->after.distance_hops, b.distance_hops);
                        }
                        total++;
                }
        return total;
}

static void test_flips_against_every_pair(void **state)
{
        uint64_t all = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 150; seed++) {
                struct builder a = random_machine(seed), b = random_machine(seed);
                struct random r = {.state = seed + 1000};
                struct p2p_diff *d;

                random_acs(&b, &r);
                /* Every third pair of machines has nothing to do with each other. */
                if (seed % 3 == 0) {
                        builder_free(&b);
                        b = random_machine(seed + 5000);
                }
                builder_finish(&a);
                builder_finish(&b);
                d = compared(a.m, b.m, seed % 2 ? 50 : UINT32_MAX);
                assert_true(d->n_flips_total == count_flips(a.m, b.m, d));
                assert_true(d->n_flips == d->n_flips_total || d->n_flips == 50);
                all += d->n_flips_total;
                p2p_diff_free(d);
                builder_free(&a);
                builder_free(&b);
        }
        assert_true(all > 1000);
}

static void test_names(void **state)
{
        (void)state;
        for (uint32_t bit = P2P_CHANGED_ACS; bit <= P2P_CHANGED_OTHER; bit <<= 1)
                assert_non_null(p2p_changed_to_string(bit));
        assert_string_equal(p2p_changed_to_string(P2P_CHANGED_IDENTITY), "identity");
        assert_string_equal(p2p_changed_to_string(P2P_CHANGED_OTHER), "other");
        assert_null(p2p_changed_to_string(0));
        assert_null(p2p_changed_to_string(3));
        assert_null(p2p_changed_to_string(0x80000000U));
        assert_string_equal(p2p_change_kind_to_string(P2P_CHANGE_ADDED), "added");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_changed),
                cmocka_unit_test(test_free_p2pmem_is_no_change),
                cmocka_unit_test(test_what_changed),
                cmocka_unit_test(test_serial_of_function_0_changed),
                cmocka_unit_test(test_serial_of_physical_function_changed),
                cmocka_unit_test(test_group_type_changed),
                cmocka_unit_test(test_added_and_removed),
                cmocka_unit_test(test_moved),
                cmocka_unit_test(test_flips_are_cut_and_counted),
                cmocka_unit_test(test_machine_wide),
                cmocka_unit_test(test_flips_against_every_pair),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
