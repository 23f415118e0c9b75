/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "decide/acs-verify.h"
#include "random-machine.h"

/* Root port 00:01.0, a switch with ports 02:00.0, 02:01.0 and 02:02.0, and an endpoint below each:
 * 03:00.0, 04:00.0, 05:00.0, without ACS. */
static struct builder sample_new(const char *release, const char *line, const uint16_t control[3])
{
        struct builder b = builder_new();
        uint32_t up = builder_upstream(&b, "01:00.0", builder_root_port(&b, "00:01.0"));
        uint32_t port[3];

        port[0] = builder_downstream(&b, "02:00.0", up);
        port[1] = builder_downstream(&b, "02:01.0", up);
        port[2] = builder_downstream(&b, "02:02.0", up);
        builder_endpoint(&b, "03:00.0", port[0]);
        builder_endpoint(&b, "04:00.0", port[1]);
        builder_endpoint(&b, "05:00.0", port[2]);
        for (unsigned i = 0; i < 3; i++) {
                acs(&b, port[i], control[i]);
                builder_edit(&b, port[i])->acs_capability = p2p_fact_known(0x5f);
                ids(&b, port[i], 0x10b5, 0x8796);
        }
        kernel(&b, release);
        b.m->kernel_command_line = line;
        builder_finish(&b);
        return b;
}

struct want {
        enum p2p_acs_effect effect;
        uint32_t n_ports;
};

static void expect(const char *release, const char *line, const uint16_t control[3],
                   const struct want *want, uint32_t n)
{
        struct builder b = sample_new(release, line, control);
        struct p2p_acs_verify *v;

        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_true(v->command_line_known);
        if (v->n_entries != n)
                fail_msg("%s: %u entries", line, v->n_entries);
        for (uint32_t i = 0; i < n; i++) {
                const struct p2p_acs_verify_entry *e = &v->entries[i];

                if (e->effect != want[i].effect || e->n_ports != want[i].n_ports)
                        fail_msg("%s: %s: %s, %u ports: %s", line, e->text,
                                 p2p_acs_effect_to_string(e->effect), e->n_ports, e->reason);
                assert_true(strlen(e->reason) > 0);
                for (uint32_t j = 0; j < e->n_ports; j++) {
                        assert_int_equal(v->ports[e->first_port + j].entry, i);
                        assert_non_null(v->ports[e->first_port + j].reason);
                }
        }
        p2p_acs_verify_free(v);
        builder_free(&b);
}

#define EXPECT(release, line, c0, c1, c2, ...)                                                     \
        do {                                                                                       \
                static const struct want list[] = {__VA_ARGS__};                                   \
                const uint16_t control[3] = {c0, c1, c2};                                          \
                expect(release, line, control, list, sizeof(list) / sizeof(list[0]));              \
        } while (0)

#define TOOK P2P_ACS_EFFECT_TOOK
#define PARTLY P2P_ACS_EFFECT_PARTLY
#define NOT P2P_ACS_EFFECT_NOT
#define ABSENT P2P_ACS_EFFECT_ABSENT
#define NO_ACS P2P_ACS_EFFECT_NO_CAPABILITY
#define NOT_UNDERSTOOD P2P_ACS_EFFECT_NOT_UNDERSTOOD
#define NOT_REACHED P2P_ACS_EFFECT_NOT_REACHED

static void test_entries(void **state)
{
        (void)state;
        /* disable_acs_redir */
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0", 0x11, 0x1d, 0x1d, {TOOK, 1});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0", 0x1d, 0x1d, 0x1d, {NOT, 1});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0", 0x15, 0x1d, 0x1d, {PARTLY, 1});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0;0000:00:01.0/00.0/01.0;09:00.0", 0x11, 0x1d, 0,
               {TOOK, 1}, {NOT, 1}, {ABSENT, 0});
        EXPECT("7.3", "pci=disable_acs_redir=pci:10b5:8796", 0x11, 0, 0x1d, {PARTLY, 3});
        EXPECT("7.3", "pci=disable_acs_redir=pci:10b5:8796", 0x11, 0, 0x11, {TOOK, 3});
        EXPECT("7.3", "pci=disable_acs_redir=pci:10b5:8796", 0x1d, 0x1d, 0x1d, {NOT, 3});
        EXPECT("7.3", "pci=disable_acs_redir=03:00.0", 0, 0, 0, {NO_ACS, 1});
        EXPECT("7.3", "pci=disable_acs_redir=pci:1b36:10", 0, 0, 0, {NO_ACS, 0});
        /* Everything: what has no ACS is no failure. */
        EXPECT("7.3", "pci=disable_acs_redir=pci:0:0", 0, 0, 0, {TOOK, 3});
        /* What cannot be read, and what comes too late. */
        EXPECT("7.3", "pci=disable_acs_redir=zz;02:00.0", 0x1d, 0, 0, {NOT_UNDERSTOOD, 0},
               {NOT_REACHED, 0});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0;02:00.0;pci:10b5:8796", 0, 0, 0x1d, {TOOK, 1},
               {NOT_REACHED, 0}, {PARTLY, 2});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0;zz", 0x1d, 0, 0, {NOT, 1},
               {NOT_UNDERSTOOD, 0});
        /* config_acs */
        EXPECT("7.3", "pci=config_acs=xx1001x@02:00.0", 0x12, 0, 0, {TOOK, 1});
        EXPECT("7.3", "pci=config_acs=xx1001x@02:00.0", 0x1d, 0, 0, {PARTLY, 1});
        EXPECT("7.3", "pci=config_acs=xx011xx@02:00.0", 0x11, 0, 0, {NOT, 1});
        EXPECT("7.3", "pci=config_acs=x1xxxxx@02:00.0", 0x1d, 0, 0, {NOT, 1}); /* no EC there */
        EXPECT("7.3", "pci=config_acs=x0xxxxx@02:00.0", 0x1d, 0, 0, {TOOK, 1});
        EXPECT("7.3", "pci=config_acs=x@02:00.0", 0x1d, 0, 0, {TOOK, 1});
        EXPECT("7.3", "pci=config_acs=02:00.0", 0x1d, 0, 0, {NOT_UNDERSTOOD, 0});
        EXPECT("7.3", "pci=config_acs=12@02:00.0;0@02:01.0", 0x1d, 0, 0, {NOT_UNDERSTOOD, 0},
               {NOT_REACHED, 0});
        EXPECT("7.3", "pci=config_acs=10000000@02:00.0", 0x1d, 0, 0, {NOT_UNDERSTOOD, 0});
        /* Both: config_acs has the last word. */
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0,config_acs=xxxx1xx@02:00.0", 0x04, 0, 0,
               {NOT_REACHED, 1}, {TOOK, 1});
        EXPECT("7.3", "pci=disable_acs_redir=02:00.0,config_acs=xxxxxx1@02:00.0", 0x01, 0, 0,
               {TOOK, 1}, {TOOK, 1});
        /* Kernels */
        EXPECT("6.10.3", "pci=config_acs=xxx00xx@02:00.0", 0, 0, 0, {NOT_UNDERSTOOD, 0});
        EXPECT("4.18", "pci=disable_acs_redir=02:00.0", 0, 0, 0, {NOT_UNDERSTOOD, 0});
        EXPECT("6.11.2", "pci=config_acs=xxx00xx@02:00.0;xxx00xx@02:01.0", 0x11, 0x1d, 0, {TOOK, 1},
               {NOT_UNDERSTOOD, 0});
        EXPECT("6.15", "pci=config_acs=xxx00xx@02:00.0;xxx00xx@02:01.0", 0x11, 0x1d, 0, {TOOK, 1},
               {NOT, 1});
}

static bool has_note(const struct p2p_acs_verify *v, const char *text)
{
        for (uint32_t i = 0; i < v->n_notes; i++)
                if (strstr(v->notes[i], text))
                        return true;
        return false;
}

static void test_reasons(void **state)
{
        static const uint16_t control[3] = {0x1d, 0x1d, 0x1d};
        struct p2p_acs_verify *v;
        struct builder b;

        (void)state;
        b = sample_new("6.13.1", "pci=disable_acs_redir=02:00.0 pci=disable_acs_redir=02:01.0",
                       control);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_int_equal(v->n_entries, 1);
        assert_int_equal(v->n_differing, 1);
        assert_int_equal(v->worst, NOT);
        assert_int_equal(v->ports[0].function, builder_at(&b, "02:01.0"));
        assert_int_equal(v->ports[0].mask, P2P_ACS_REDIRECT);
        assert_int_equal(v->ports[0].asked, 0);
        assert_int_equal(v->ports[0].control, 0x1d);
        assert_string_equal(v->ports[0].reason,
                            "The ACS control of switch downstream port 0000:02:01.0 is 0x001d: of "
                            "the bits asked for, 0x000c are not so; this kernel clears only the "
                            "bits that firmware left clear.");
        assert_string_equal(v->entries[0].reason, "0 of 1 functions are as asked.");
        assert_true(has_note(v, "given 2 times"));
        assert_true(has_note(v, "misreads"));
        p2p_acs_verify_free(v);
        builder_free(&b);

        b = sample_new("7.3", "pci=config_acs=x1xxxxx@02:00.0", control);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_non_null(strstr(v->ports[0].reason, "its capability does not list them"));
        p2p_acs_verify_free(v);
        builder_free(&b);

        b = sample_new("7.3", "pci=config_acs=xxxx0xx@02:00.0", control);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_non_null(strstr(v->ports[0].reason, "changed after the boot"));
        p2p_acs_verify_free(v);
        builder_free(&b);
}

static void test_nothing_asked(void **state)
{
        static const uint16_t control[3] = {0x1d, 0x1d, 0x1d};
        struct p2p_acs_verify *v;
        struct builder b;

        (void)state;
        b = sample_new("7.3", "quiet pcie_acs_override=downstream", control);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_int_equal(v->n_entries, 0);
        assert_int_equal(v->worst, TOOK);
        assert_true(has_note(v, "asks for no change"));
        assert_true(has_note(v, "pcie_acs_override"));
        p2p_acs_verify_free(v);
        builder_free(&b);

        b = sample_new("7.3", NULL, control);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_false(v->command_line_known);
        assert_int_equal(v->worst, P2P_ACS_EFFECT_UNKNOWN);
        assert_true(has_note(v, "not known"));
        p2p_acs_verify_free(v);
        builder_free(&b);
}

static void test_unknown_facts(void **state)
{
        struct builder b = builder_new();
        uint32_t port = builder_root_port(&b, "00:01.0"), lost;
        struct p2p_acs_verify *v;

        (void)state;
        lost = builder_downstream(&b, "02:00.0", port);
        parent_missing(&b, lost, P2P_WHY_NOT_CAPTURED);
        acs(&b, lost, 0);
        acs_unknown(&b, port, P2P_WHY_NO_PRIVILEGE);
        b.m->kernel_command_line = "pci=disable_acs_redir=00:01.0;00:05.0/00.0/00.0";
        kernel(&b, NULL);
        builder_finish(&b);
        assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
        assert_int_equal(v->n_entries, 2);
        assert_int_equal(v->entries[0].effect, P2P_ACS_EFFECT_UNKNOWN);
        assert_non_null(strstr(v->ports[0].reason, "takes privilege"));
        assert_int_equal(v->entries[1].effect, P2P_ACS_EFFECT_UNKNOWN);
        assert_int_equal(v->ports[1].function, builder_at(&b, "02:00.0"));
        assert_non_null(strstr(v->ports[1].reason, "cannot be told"));
        assert_int_equal(v->n_differing, 0);
        assert_int_equal(v->worst, P2P_ACS_EFFECT_UNKNOWN);
        assert_true(has_note(v, "release is not known"));
        p2p_acs_verify_free(v);
        builder_free(&b);
}

/* Boots with random entries and then verifies: all that a kernel without the fault can read takes
 * effect; on random registers nothing is claimed that they do not say. */
static void test_boots(void **state)
{
        uint32_t n_took = 0, n_not = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed * 3};
                struct p2p_boot_match matches[P2P_BOOT_PARAMETER_MAX] = {0};
                struct p2p_boot_kernel traits;
                struct p2p_acs_verify *v;
                const bool booted = seed % 2;
                struct p2p_boot_line parsed;
                char line[256] = "pci=config_acs=";

                kernel(&b, "7.3.4");
                builder_finish(&b);
                for (unsigned i = 0; i < 4; i++) {
                        char address[P2P_ADDRESS_STRING_MAX], entry[64];
                        uint32_t f = random_below(&r, b.m->n_functions);

                        (void)snprintf(entry, sizeof(entry), "%s%u%ux%u@%s", i > 0 ? ";" : "",
                                       random_below(&r, 2), random_below(&r, 2),
                                       random_below(&r, 2),
                                       p2p_address_format(b.m->functions[f].address, address));
                        strcat(line, entry);
                }
                b.m->kernel_command_line = line;
                traits = p2p_boot_kernel_for(b.m);
                assert_int_equal(p2p_boot_line_parse(line, &parsed), 0);
                for (uint32_t i = 0; booted && i < b.m->n_functions; i++) {
                        struct p2p_function *f = &b.m->functions[i];

                        if (!p2p_fact_is_known(f->acs_control))
                                continue;
                        matches[P2P_BOOT_CONFIG_ACS] =
                                p2p_boot_match_function(b.m, &traits, P2P_BOOT_CONFIG_ACS,
                                                        parsed.value[P2P_BOOT_CONFIG_ACS], i);
                        f->acs_control.val = p2p_boot_acs_control(
                                &traits, 0x7f, (uint16_t)f->acs_control.val, false, matches);
                }
                p2p_boot_line_deinit(&parsed);
                assert_int_equal(p2p_acs_verify_new(b.m, &v), 0);
                for (uint32_t i = 0; i < v->n_ports; i++) {
                        const struct p2p_acs_verify_port *port = &v->ports[i];
                        bool same = (port->control & port->mask) == port->asked;

                        assert_int_equal(port->control,
                                         b.m->functions[port->function].acs_control.val);
                        if (!p2p_fact_is_known(b.m->functions[port->function].acs_control))
                                continue;
                        assert_int_equal(port->effect == TOOK, same);
                        assert_true(same || !booted);
                        n_took += same;
                        n_not += !same;
                }
                p2p_acs_verify_free(v);
                builder_free(&b);
        }
        assert_true(n_took > 50 && n_not > 20);
}

static void test_names(void **state)
{
        (void)state;
        for (unsigned i = 0; i < P2P_ACS_EFFECT_MAX; i++)
                assert_non_null(p2p_acs_effect_to_string(i));
        assert_null(p2p_acs_effect_to_string(P2P_ACS_EFFECT_MAX));
        assert_null(p2p_acs_verify_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_entries),       cmocka_unit_test(test_reasons),
                cmocka_unit_test(test_nothing_asked), cmocka_unit_test(test_unknown_facts),
                cmocka_unit_test(test_boots),         cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
