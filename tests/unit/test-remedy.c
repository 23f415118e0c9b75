/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/explain.h"
#include "machine-builder.h"

#define MIB (UINT64_C(1) << 20)

/* pci0000:40: root port 40:01.0, a switch with endpoints 43 and 44; root port 40:02.0 with 45. */
struct sample {
        struct builder b;
        uint32_t host_bridge, root_port, upstream, port[2], first, second, third;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};

        s.host_bridge = builder_host_bridge(&s.b, "40:00.0", 0x8086, 0x29c0);
        s.root_port = builder_root_port(&s.b, "40:01.0");
        s.upstream = builder_upstream(&s.b, "41:00.0", s.root_port);
        s.port[0] = builder_downstream(&s.b, "42:00.0", s.upstream);
        s.port[1] = builder_downstream(&s.b, "42:1f.0", s.upstream);
        s.first = builder_endpoint(&s.b, "43:00.0", s.port[0]);
        s.second = builder_endpoint(&s.b, "44:00.1", s.port[1]);
        s.third = builder_endpoint(&s.b, "45:00.0", builder_root_port(&s.b, "40:02.0"));
        bar(&s.b, s.first, 0, 0x80000000, 0x10000);
        return s;
}

struct want {
        enum p2p_remedy_kind kind;
        enum p2p_map map_after;
        const char *command;
};

static void expect(const struct builder *b, const char *provider, const char *client,
                   const struct want *want, uint32_t n)
{
        const struct p2p_rules rules = p2p_rules_for(b->m, P2P_RULES_RUNNING);
        struct p2p_explanation *e;

        assert_int_equal(p2p_explanation_new(b->m, &rules, builder_at(b, provider),
                                             builder_at(b, client), &e),
                         0);
        for (uint32_t i = 0; i < e->n_remedies; i++)
                if (i >= n || e->remedies[i].kind != want[i].kind)
                        fail_msg("%s: %s", p2p_remedy_to_string(e->remedies[i].kind),
                                 e->remedies[i].command);
        assert_int_equal(e->n_remedies, n);
        for (uint32_t i = 0; i < n; i++) {
                const bool costs = want[i].kind == P2P_REMEDY_SETPCI ||
                                   want[i].kind == P2P_REMEDY_DISABLE_ACS_REDIR ||
                                   want[i].kind == P2P_REMEDY_CONFIG_ACS;

                assert_string_equal(e->remedies[i].command, want[i].command);
                assert_int_equal(e->remedies[i].map_after, want[i].map_after);
                assert_int_equal(e->remedies[i].gives_up != NULL, costs);
        }
        p2p_explanation_free(e);
}

#define EXPECT(b, provider, client, ...)                                                           \
        do {                                                                                       \
                const struct want list[] = {__VA_ARGS__};                                          \
                expect(b, provider, client, list, sizeof(list) / sizeof(list[0]));                 \
        } while (0)

#define MOVE "put both below one PCIe switch whose ports do not redirect"

static void test_one_redirecting_port(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[1], 0x1d);
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1",
               {P2P_REMEDY_SETPCI, P2P_MAP_BUS, "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0000:000c"},
               {P2P_REMEDY_CONFIG_ACS, P2P_MAP_BUS,
                "pci=config_acs=0010001@0000:40:01.0/00.0/1f.0"});
        expect(&s.b, "43:00.0", "43:00.0", NULL, 0);
        builder_free(&s.b);
}

/* Everything that counts and redirects is named, and nothing above the common element. */
static void test_all_offenders(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.first, P2P_ACS_RR);
        acs(&s.b, s.upstream, P2P_ACS_EC);
        acs(&s.b, s.port[1], P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_EC | P2P_ACS_SV);
        acs(&s.b, s.root_port, 0x1d);
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1",
               {P2P_REMEDY_SETPCI, P2P_MAP_BUS,
                "setpci -s 0000:41:00.0 ECAP_ACS+6.w=0000:0020 && "
                "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0000:002c && "
                "setpci -s 0000:43:00.0 ECAP_ACS+6.w=0000:0004"},
               {P2P_REMEDY_CONFIG_ACS, P2P_MAP_BUS,
                "pci=config_acs=0000000@0000:40:01.0/00.0;0000001@0000:40:01.0/00.0/1f.0;"
                "0000000@0000:40:01.0/00.0/00.0/00.0"});
        builder_free(&s.b);
}

/* Where another fact on the way is unknown, no command makes the pair work for certain: none is
 * given. */
static void test_nothing_where_it_may_not_help(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[1], P2P_ACS_CR);
        acs_unknown(&s.b, s.port[0], P2P_WHY_IO_ERROR);
        kernel(&s.b, "4.20.1");
        builder_finish(&s.b);
        expect(&s.b, "43:00.0", "44:00.1", NULL, 0);
        builder_free(&s.b);
}

static void test_parameters_exist_for_the_kernel(void **state)
{
        static const struct {
                const char *release;
                bool disable, config;
        } cases[] = {
                {"4.18.0", false, false}, {"4.19", true, false}, {"6.10.14", true, false},
                {"6.11.0", false, true},  {"7.3", false, true},  {NULL, false, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_explanation *e;
                struct p2p_rules rules;
                bool disable = false, config = false;

                acs(&s.b, s.port[1], P2P_ACS_RR);
                kernel(&s.b, cases[i].release);
                builder_finish(&s.b);
                rules = p2p_rules_for(s.b.m, P2P_RULES_NEWEST);
                assert_int_equal(p2p_explanation_new(s.b.m, &rules, builder_at(&s.b, "43:00.0"),
                                                     builder_at(&s.b, "44:00.1"), &e),
                                 0);
                assert_int_equal(e->remedies[0].kind, P2P_REMEDY_SETPCI);
                for (uint32_t j = 0; j < e->n_remedies; j++) {
                        disable |= e->remedies[j].kind == P2P_REMEDY_DISABLE_ACS_REDIR;
                        config |= e->remedies[j].kind == P2P_REMEDY_CONFIG_ACS;
                }
                assert_int_equal(disable, cases[i].disable);
                assert_int_equal(config, cases[i].config);
                p2p_explanation_free(e);
                builder_free(&s.b);
        }
}

static void test_misreading_kernels_are_warned_of(void **state)
{
        static const struct {
                const char *release;
                bool two, warns;
        } cases[] = {
                {"6.10.1", true, false},  {"6.11.1", true, true},  {"6.12.22", false, true},
                {"6.12.23", true, false}, {"6.14.1", false, true}, {"6.15.0", true, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_explanation *e;
                struct p2p_rules rules;

                acs(&s.b, s.port[1], P2P_ACS_RR);
                if (cases[i].two)
                        acs(&s.b, s.port[0], P2P_ACS_RR);
                kernel(&s.b, cases[i].release);
                builder_finish(&s.b);
                rules = p2p_rules_for(s.b.m, P2P_RULES_RUNNING);
                assert_int_equal(p2p_explanation_new(s.b.m, &rules, builder_at(&s.b, "43:00.0"),
                                                     builder_at(&s.b, "44:00.1"), &e),
                                 0);
                assert_null(strstr(e->remedies[0].gives_up, "misread"));
                assert_int_equal(strstr(e->remedies[1].gives_up, "misread") != NULL,
                                 cases[i].warns);
                p2p_explanation_free(e);
                builder_free(&s.b);
        }
}

/* The last parameter of its name wins: what is there already must stay. */
static void test_present_parameters_are_kept(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[1], P2P_ACS_RR);
        kernel(&s.b, "6.1");
        s.b.m->kernel_command_line = "quiet pci=disable_acs_redir=0000:00:01.0 "
                                     "\"pci=noaer,disable_acs_redir=0000:00:02.0;0000:00:03.0\" ro";
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1",
               {P2P_REMEDY_SETPCI, P2P_MAP_BUS, "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0000:0004"},
               {P2P_REMEDY_DISABLE_ACS_REDIR, P2P_MAP_BUS,
                "pci=noaer,disable_acs_redir=0000:40:01.0/00.0/1f.0;0000:00:02.0;0000:00:03.0"});
        builder_free(&s.b);
}

static void test_path_is_an_address_where_a_parent_is_missing(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port[1], P2P_ACS_RR);
        parent_missing(&s.b, s.upstream, P2P_WHY_NOT_CAPTURED);
        kernel(&s.b, "6.1");
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1",
               {P2P_REMEDY_SETPCI, P2P_MAP_BUS, "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0000:0004"},
               {P2P_REMEDY_DISABLE_ACS_REDIR, P2P_MAP_BUS, "pci=disable_acs_redir=0000:42:1f.0"});
        builder_free(&s.b);
}

static void test_newer_kernel_and_move(void **state)
{
        struct sample s = sample_new();

        (void)state;
        ids(&s.b, s.host_bridge, 0x8086, 0x09a2);
        kernel(&s.b, "5.15.0");
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "45:00.0",
               {P2P_REMEDY_NEWER_KERNEL, P2P_MAP_HOST_BRIDGE, "Linux 5.18 or newer"},
               {P2P_REMEDY_MOVE, P2P_MAP_UNKNOWN, MOVE});
        builder_free(&s.b);

        /* No kernel lists it: only the place can change. */
        s = sample_new();
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "45:00.0", {P2P_REMEDY_MOVE, P2P_MAP_UNKNOWN, MOVE});
        builder_free(&s.b);

        s = sample_new();
        kernel(&s.b, "4.18.0");
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1",
               {P2P_REMEDY_NEWER_KERNEL, P2P_MAP_BUS, "Linux 4.20 or newer"});
        builder_free(&s.b);
}

static void test_how_to_learn_more(void **state)
{
        static const struct {
                enum p2p_source_kind source;
                enum p2p_why why;
                enum p2p_remedy_kind kind; /* MAX: none */
        } cases[] = {
                {P2P_SOURCE_LIVE, P2P_WHY_NO_PRIVILEGE, P2P_REMEDY_PRIVILEGE},
                {P2P_SOURCE_LIVE, P2P_WHY_READER_LOST, P2P_REMEDY_PRIVILEGE},
                {P2P_SOURCE_LIVE, P2P_WHY_ALL_ONES, P2P_REMEDY_MAX},
                {P2P_SOURCE_LIVE, P2P_WHY_HIDDEN, P2P_REMEDY_MAX},
                {P2P_SOURCE_ROOT, P2P_WHY_NOT_CAPTURED, P2P_REMEDY_RECAPTURE},
                {P2P_SOURCE_ROOT, P2P_WHY_ALL_ONES, P2P_REMEDY_MAX},
                {P2P_SOURCE_LSPCI, P2P_WHY_NOT_CAPTURED, P2P_REMEDY_RECAPTURE},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_explanation *e;
                struct p2p_rules rules;

                s.b.m->source = cases[i].source;
                acs_unknown(&s.b, s.port[0], cases[i].why);
                builder_finish(&s.b);
                rules = p2p_rules_for(s.b.m, P2P_RULES_RUNNING);
                assert_int_equal(p2p_explanation_new(s.b.m, &rules, builder_at(&s.b, "43:00.0"),
                                                     builder_at(&s.b, "44:00.1"), &e),
                                 0);
                if (cases[i].kind == P2P_REMEDY_MAX) {
                        assert_int_equal(e->n_remedies, 0);
                } else {
                        assert_int_equal(e->n_remedies, 1);
                        assert_int_equal(e->remedies[0].kind, cases[i].kind);
                        assert_int_equal(e->remedies[0].map_after, P2P_MAP_UNKNOWN);
                }
                p2p_explanation_free(e);
                builder_free(&s.b);
        }
}

static void test_remedies_for_constraints(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.first, 2, 0, 0x1000)->assigned = false;
        bar(&s.b, s.first, 3, 0, 0x1000)->assigned = false;
        bar(&s.b, s.first, 4, 0x90000000, 256 * MIB)->resize_now_bytes = p2p_fact_known(256 * MIB);
        builder_edit(&s.b, s.first)->bars[4].resize_max_bytes = p2p_fact_known(131072 * MIB);
        builder_edit(&s.b, s.first)->memory_decoding = p2p_fact_known(0);
        builder_finish(&s.b);
        EXPECT(&s.b, "43:00.0", "44:00.1", {P2P_REMEDY_REASSIGN_BAR, P2P_MAP_BUS, "pci=realloc"},
               {P2P_REMEDY_ENABLE_DECODING, P2P_MAP_BUS,
                "bind its driver, or echo 1 > /sys/bus/pci/devices/0000:43:00.0/enable"},
               {P2P_REMEDY_RESIZE_BAR, P2P_MAP_BUS,
                "echo 17 > /sys/bus/pci/devices/0000:43:00.0/resource4_resize (no driver bound)"});
        builder_free(&s.b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_redirecting_port),
                cmocka_unit_test(test_all_offenders),
                cmocka_unit_test(test_nothing_where_it_may_not_help),
                cmocka_unit_test(test_parameters_exist_for_the_kernel),
                cmocka_unit_test(test_misreading_kernels_are_warned_of),
                cmocka_unit_test(test_present_parameters_are_kept),
                cmocka_unit_test(test_path_is_an_address_where_a_parent_is_missing),
                cmocka_unit_test(test_newer_kernel_and_move),
                cmocka_unit_test(test_how_to_learn_more),
                cmocka_unit_test(test_remedies_for_constraints),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
