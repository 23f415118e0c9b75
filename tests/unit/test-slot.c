/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "decide/slot.h"
#include "random-machine.h"

/* The only function in this slot, or P2P_NONE. */
static uint32_t find(const struct p2p_machine *m, const struct p2p_slot *slot)
{
        uint32_t found = P2P_NONE;
        struct p2p_slot other;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                if (p2p_slot_compute(m, i, &other) != 0 || strcmp(other.text, slot->text) != 0)
                        continue;
                if (found != P2P_NONE)
                        return P2P_NONE;
                found = i;
        }
        return found;
}

static void expect_slot(const struct builder *b, const char *address, const char *want)
{
        struct p2p_slot slot;

        assert_int_equal(p2p_slot_compute(b->m, builder_at(b, address), &slot), 0);
        assert_string_equal(slot.text, want);
        assert_true(p2p_slot_is_valid(slot.text));
        assert_int_equal(find(b->m, &slot), builder_at(b, address));
}

static void expect_refusal(const struct builder *b, const char *address, int want)
{
        struct p2p_slot slot = {"before"};

        assert_int_equal(p2p_slot_compute(b->m, builder_at(b, address), &slot), want);
        assert_string_equal(slot.text, "before");
}

static void test_names_each_step_from_the_root_bus(void **state)
{
        struct builder b = builder_new();
        uint32_t up;

        (void)state;
        builder_host_bridge(&b, "00:00.0", 0x8086, 0x29c0);
        up = builder_upstream(&b, "01:00.0", builder_root_port(&b, "00:01.0"));
        builder_endpoint(&b, "03:00.0", builder_downstream(&b, "02:1f.7", up));
        builder_endpoint(&b, "10000:e1:00.1", builder_root_port(&b, "10000:e0:06.0"));
        builder_finish(&b);
        expect_slot(&b, "00:00.0", "0000:00:00.0");
        expect_slot(&b, "00:01.0", "0000:00:01.0");
        expect_slot(&b, "01:00.0", "0000:00:01.0/00.0");
        expect_slot(&b, "02:1f.7", "0000:00:01.0/00.0/1f.7");
        expect_slot(&b, "03:00.0", "0000:00:01.0/00.0/1f.7/00.0");
        expect_slot(&b, "10000:e1:00.1", "10000:e0:06.0/00.1");
        builder_free(&b);
}

static void test_does_not_know_bus_numbers(void **state)
{
        static const char *const addresses[2][2] = {
                {"03:00.0", "02:1f.7"},
                {"c8:00.0", "77:1f.7"},
        };

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                struct builder b = builder_new();

                builder_endpoint(
                        &b, addresses[i][0],
                        builder_downstream(&b, addresses[i][1],
                                           builder_upstream(&b, i == 0 ? "01:00.0" : "55:00.0",
                                                            builder_root_port(&b, "00:01.0"))));
                builder_finish(&b);
                expect_slot(&b, addresses[i][0], "0000:00:01.0/00.0/1f.7/00.0");
                builder_free(&b);
        }
}

static void test_names_virtual_functions_after_their_physical_one(void **state)
{
        struct builder b = builder_new();
        uint32_t pf;

        (void)state;
        pf = builder_endpoint(&b, "03:00.1", builder_root_port(&b, "00:01.0"));
        builder_vf(&b, "03:10.1", pf);
        builder_vf(&b, "04:10.1", pf);
        builder_finish(&b);
        expect_slot(&b, "03:10.1", "0000:00:01.0/00.1+0080");
        expect_slot(&b, "04:10.1", "0000:00:01.0/00.1+0180");
        builder_free(&b);
}

static void test_refuses_what_cannot_be_told(void **state)
{
        struct builder b = builder_new();
        uint32_t port, pf, vf;

        (void)state;
        port = builder_root_port(&b, "00:01.0");
        pf = builder_endpoint(&b, "03:00.0", port);
        vf = builder_vf(&b, "03:10.0", pf);
        builder_edit(&b, vf)->physfn = P2P_NONE;
        parent_missing(&b, builder_endpoint(&b, "05:00.0", port), P2P_WHY_NOT_CAPTURED);
        builder_finish(&b);
        expect_refusal(&b, "03:10.0", P2P_SLOT_E_UNKNOWN);
        expect_refusal(&b, "05:00.0", P2P_SLOT_E_UNKNOWN);
        builder_free(&b);

        b = builder_new();
        port = builder_root_port(&b, "00:01.0");
        parent_missing(&b, port, P2P_WHY_NOT_CAPTURED);
        pf = builder_endpoint(&b, "03:00.0", port);
        vf = builder_vf(&b, "03:10.0", pf);
        builder_edit(&b, builder_vf(&b, "03:10.1", pf))->physfn = vf;
        builder_finish(&b);
        expect_refusal(&b, "03:00.0", P2P_SLOT_E_UNKNOWN);
        expect_refusal(&b, "03:10.0", P2P_SLOT_E_UNKNOWN);
        expect_refusal(&b, "03:10.1", P2P_SLOT_E_UNKNOWN);
        builder_free(&b);
}

/* A chain of n bridges below the root port, and an endpoint. */
static void make_chain(struct builder *b, unsigned n)
{
        uint32_t at;
        char address[P2P_ADDRESS_STRING_MAX];

        *b = builder_new();
        at = builder_root_port(b, "ffffffff:00:1e.0");
        for (unsigned i = 1; i <= n; i++) {
                (void)snprintf(address, sizeof(address), "ffffffff:%02x:%02x.0", i % 250, i / 250);
                at = builder_upstream(b, address, at);
        }
        builder_endpoint(b, "ffffffff:ff:1f.7", at);
        builder_finish(b);
}

static void test_is_bounded(void **state)
{
        char buf[P2P_SLOT_LONG_MAX];
        struct builder b;

        (void)state;
        make_chain(&b, 20);
        expect_slot(&b, "ffffffff:ff:1f.7",
                    "ffffffff:00:1e.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0"
                    "/00.0/00.0/00.0/00.0/00.0/00.0/00.0/00.0/1f.7");
        builder_free(&b);
        make_chain(&b, 22);
        expect_refusal(&b, "ffffffff:ff:1f.7", P2P_SLOT_E_TOO_LONG);
        assert_int_equal(p2p_slot_format(b.m, builder_at(&b, "ffffffff:ff:1f.7"), buf, sizeof(buf)),
                         0);
        assert_int_equal(strlen(buf), 16 + 23 * 5);
        builder_free(&b);
        make_chain(&b, 255);
        assert_int_equal(p2p_slot_format(b.m, builder_at(&b, "ffffffff:ff:1f.7"), buf, sizeof(buf)),
                         0);
        assert_int_equal(strlen(buf), 16 + 256 * 5);
        builder_free(&b);
        make_chain(&b, 256);
        assert_int_equal(p2p_slot_format(b.m, builder_at(&b, "ffffffff:ff:1f.7"), buf, sizeof(buf)),
                         P2P_SLOT_E_TOO_LONG);
        builder_free(&b);
}

static void test_exact_size(void **state)
{
        struct builder b = builder_new();
        char buf[18];

        (void)state;
        builder_endpoint(&b, "03:00.0", builder_root_port(&b, "00:01.0"));
        builder_finish(&b);
        assert_int_equal(p2p_slot_format(b.m, 1, buf, 17), P2P_SLOT_E_TOO_LONG);
        assert_int_equal(p2p_slot_format(b.m, 1, buf, 18), 0);
        assert_string_equal(buf, "0000:00:01.0/00.0");
        builder_free(&b);
}

static void test_two_functions_in_one_slot_are_not_found(void **state)
{
        struct builder b = builder_new();
        struct p2p_slot slot;
        uint32_t port;

        (void)state;
        port = builder_root_port(&b, "00:01.0");
        builder_endpoint(&b, "03:00.0", port);
        builder_endpoint(&b, "04:00.0", port);
        builder_finish(&b);
        assert_int_equal(p2p_slot_compute(b.m, 1, &slot), 0);
        assert_int_equal(find(b.m, &slot), P2P_NONE);
        assert_int_equal(find(b.m, &(struct p2p_slot){"0000:00:02.0"}), P2P_NONE);
        builder_free(&b);
}

static void test_slot_text(void **state)
{
        static const char *const wrong[] = {
                "",
                "0000",
                "0000:00",
                "0000:00:01",
                "0000:00:01.",
                "0000:00:01.8",
                "0000:00:20.0",
                "000:00:01.0",
                "00000:00:01.0",
                "100000000:00:01.0",
                "0000:00:01.0/",
                "0000:00:01.0/0.0",
                "0000:00:01.0/00.0/",
                "0000:00:01.0//00.0",
                "0000:00:01.0/20.0",
                "0000:00:01.0+0000",
                "0000:00:01.0+001",
                "0000:00:01.0+0001/00.0",
                "0000:00:01.0+00011",
                "0000:00:0A.0",
                "000g:00:01.0",
                " 0000:00:01.0",
                "0000:00:01.0 ",
                "0000:00:01.0\n",
                "-000:00:01.0",
        };
        char text[P2P_SLOT_MAX + 8] = "0000:00:01.0";

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                if (p2p_slot_is_valid(wrong[i]))
                        fail_msg("\"%s\" is taken", wrong[i]);
        assert_true(p2p_slot_is_valid("10000:e0:06.0/00.1"));
        assert_true(p2p_slot_is_valid("0000:00:1f.7+ffff"));
        while (strlen(text) + 5 < P2P_SLOT_MAX) {
                strcat(text, "/1f.7");
                assert_true(p2p_slot_is_valid(text));
        }
        strcat(text, "/1f.7");
        assert_false(p2p_slot_is_valid(text));
}

static void put_before(char *text, const char *head)
{
        memmove(text + strlen(head), text, strlen(text) + 1);
        memcpy(text, head, strlen(head));
}

static unsigned routing_id(const struct p2p_function *f)
{
        return f->address.bus * 256U + f->address.devfn;
}

/* By another way: the ends of the parents' addresses as text. */
static void expect_right_slot(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];
        char want[2 * P2P_SLOT_LONG_MAX] = "", address[P2P_ADDRESS_STRING_MAX], distance[8];
        uint32_t at = f->is_vf ? f->physfn : function;
        struct p2p_slot slot;
        int r = p2p_slot_compute(m, function, &slot);

        if (f->is_vf) {
                (void)snprintf(distance, sizeof(distance), "+%04x",
                               (routing_id(f) - routing_id(&m->functions[at])) & 0xffffU);
                put_before(want, distance);
        }
        for (; m->functions[at].parent != P2P_NONE; at = m->functions[at].parent) {
                p2p_address_format(m->functions[at].address, address);
                put_before(want, strrchr(address, ':') + 1);
                put_before(want, "/");
        }
        put_before(want, p2p_address_format(m->functions[at].address, address));
        if (m->functions[at].parent_why != P2P_WHY_KNOWN) {
                assert_int_equal(r, P2P_SLOT_E_UNKNOWN);
                return;
        }
        assert_int_equal(r, 0);
        assert_string_equal(slot.text, want);
        assert_true(p2p_slot_is_valid(slot.text));
        assert_int_equal(find(m, &slot), function);
}

static void test_random_machines(void **state)
{
        (void)state;
        for (uint64_t seed = 0; seed < 300; seed++) {
                struct builder b = random_machine(seed);
                const struct p2p_machine *m = builder_finish(&b);

                for (uint32_t i = 0; i < m->n_functions; i++)
                        expect_right_slot(m, i);
                builder_free(&b);
        }
}

static void expect_identity(struct p2p_identity identity, const char *want)
{
        char text[P2P_IDENTITY_STRING_MAX];
        struct p2p_identity again;

        assert_string_equal(p2p_identity_format(&identity, text), want);
        assert_int_equal(p2p_identity_parse(text, &again), 0);
        assert_int_equal(again.is_known, identity.is_known);
        assert_int_equal(p2p_identity_is_same(&again, &identity), identity.is_known);
        assert_true(p2p_identity_is_equal(&again, &identity));
        assert_false(p2p_identity_is_other(&again, &identity));
}

static void expect_each_fact_counts(const struct p2p_machine *m, struct p2p_function *f)
{
        struct p2p_fact *const facts[] = {&f->vendor, &f->device, &f->subsystem_vendor,
                                          &f->subsystem_device, &f->class_code};
        const struct p2p_identity first = p2p_function_identity(m, 0);

        for (size_t i = 0; i < 5; i++) {
                const struct p2p_fact before = *facts[i];
                struct p2p_identity changed, nobody;

                *facts[i] = p2p_fact_known(0x77);
                changed = p2p_function_identity(m, 0);
                *facts[i] = p2p_fact_without(P2P_WHY_IO_ERROR);
                nobody = p2p_function_identity(m, 0);
                *facts[i] = before;
                assert_true(p2p_identity_is_other(&first, &changed));
                assert_false(p2p_identity_may_be(&first, &changed));
                assert_false(p2p_identity_is_same(&first, &changed));
                assert_false(p2p_identity_is_equal(&first, &changed));
                expect_identity(nobody, "unknown");
                assert_false(p2p_identity_is_same(&nobody, &nobody));
                assert_true(p2p_identity_is_equal(&nobody, &nobody));
                assert_false(p2p_identity_is_same(&first, &nobody));
                assert_false(p2p_identity_may_be(&first, &nobody));
                assert_false(p2p_identity_is_equal(&first, &nobody));
                assert_false(p2p_identity_is_other(&nobody, &first));
        }
}

static void test_identity(void **state)
{
        struct builder b = builder_new();
        struct p2p_function *f;

        (void)state;
        f = builder_edit(&b, builder_integrated(&b, "00:01.0"));
        f->vendor = p2p_fact_known(0x10de);
        f->device = p2p_fact_known(0x2330);
        f->subsystem_vendor = p2p_fact_known(0x10de);
        f->subsystem_device = p2p_fact_known(0x16c1);
        f->class_code = p2p_fact_known(0x030200);
        expect_identity(p2p_function_identity(b.m, 0), "10de:2330:10de:16c1:030200:-");
        f->serial = p2p_fact_known(UINT64_C(0x48b02dffff0a1b2c));
        expect_identity(p2p_function_identity(b.m, 0),
                        "10de:2330:10de:16c1:030200:48b02dffff0a1b2c");
        f->serial = p2p_fact_known(1);
        expect_identity(p2p_function_identity(b.m, 0),
                        "10de:2330:10de:16c1:030200:0000000000000001");
        expect_each_fact_counts(b.m, f);
        f->serial = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        expect_identity(p2p_function_identity(b.m, 0), "10de:2330:10de:16c1:030200:?");
        expect_each_fact_counts(b.m, f);
        f->subsystem_vendor = f->subsystem_device = p2p_fact_without(P2P_WHY_ABSENT);
        expect_identity(p2p_function_identity(b.m, 0), "10de:2330:-:-:030200:?");
        builder_free(&b);
}

/* Serial numbers: two, none, and one that cannot be read. What each question answers for what was
 * recorded (row) and what is there now (column). */
static void test_serial_questions(void **state)
{
        static const char *const texts[] = {"10de:2330:-:-:030200:1111111111111111",
                                            "10de:2330:-:-:030200:2222222222222222",
                                            "10de:2330:-:-:030200:-", "10de:2330:-:-:030200:?"};
        static const char *const other[] = {".XX.", "X.X.", "XX..", "...."};
        static const char *const same[] = {"X...", ".X..", "..X.", "XXXX"};
        static const char *const learns[] = {"....", "....", "....", "XXX."};

        (void)state;
        for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < 4; j++) {
                        struct p2p_identity recorded, now;

                        assert_int_equal(p2p_identity_parse(texts[i], &recorded), 0);
                        assert_int_equal(p2p_identity_parse(texts[j], &now), 0);
                        assert_int_equal(p2p_identity_is_other(&recorded, &now),
                                         other[i][j] == 'X');
                        assert_int_equal(p2p_identity_may_be(&recorded, &now), other[i][j] != 'X');
                        assert_int_equal(p2p_identity_is_same(&recorded, &now), same[i][j] == 'X');
                        assert_int_equal(p2p_identity_is_equal(&recorded, &now), i == j);
                        if (other[i][j] == 'X')
                                continue;
                        assert_int_equal(p2p_identity_learn(&recorded, &now), learns[i][j] == 'X');
                        expect_identity(recorded, texts[learns[i][j] == 'X' ? j : i]);
                }
}

static void test_learns_what_was_unknown(void **state)
{
        struct p2p_identity nobody = {.is_known = false}, recorded = {.is_known = false}, now;

        (void)state;
        assert_int_equal(p2p_identity_parse("10de:2330:-:-:030200:?", &now), 0);
        assert_true(p2p_identity_learn(&recorded, &now));
        assert_false(p2p_identity_learn(&recorded, &nobody));
        expect_identity(recorded, "10de:2330:-:-:030200:?");
}

/* Without a serial number, as it was written before there was one. */
static void test_older_identity_text(void **state)
{
        struct p2p_identity identity;

        (void)state;
        assert_int_equal(p2p_identity_parse("10de:2330:10de:16c1:030200", &identity), 0);
        expect_identity(identity, "10de:2330:10de:16c1:030200:?");
}

static void test_identity_text(void **state)
{
        static const char *const wrong[] = {
                "",
                "-",
                "unknow",
                "unknown ",
                "10de:2330:10de:16c1:03020",
                "10de:2330:10de:16c1:0302000",
                "10de:2330:10de:16c1",
                "-:2330:10de:16c1:030200",
                "10de:2330:10de:16C1:030200",
                "10de:2330::16c1:030200",
                "10de:2330:--:16c1:030200",
                "10de:2330:10de:16c1:030200:",
                "10de:2330:10de:16c1:030200:--",
                "10de:2330:10de:16c1:030200:??",
                "10de:2330:10de:16c1:030200:112233445566778",
                "10de:2330:10de:16c1:030200:11223344556677889",
                "10de:2330:10de:16c1:030200:112233445566778G",
                "10de:2330:10de:16c1:030200:-:",
        };
        struct p2p_identity identity = {.vendor = 7};

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(p2p_identity_parse(wrong[i], &identity), -EINVAL);
        assert_int_equal(identity.vendor, 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_each_step_from_the_root_bus),
                cmocka_unit_test(test_does_not_know_bus_numbers),
                cmocka_unit_test(test_names_virtual_functions_after_their_physical_one),
                cmocka_unit_test(test_refuses_what_cannot_be_told),
                cmocka_unit_test(test_is_bounded),
                cmocka_unit_test(test_exact_size),
                cmocka_unit_test(test_two_functions_in_one_slot_are_not_found),
                cmocka_unit_test(test_slot_text),
                cmocka_unit_test(test_random_machines),
                cmocka_unit_test(test_identity),
                cmocka_unit_test(test_serial_questions),
                cmocka_unit_test(test_learns_what_was_unknown),
                cmocka_unit_test(test_older_identity_text),
                cmocka_unit_test(test_identity_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
