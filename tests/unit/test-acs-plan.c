/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/acs-plan.h"
#include "decide/rules.h"
#include "machine-builder.h"

#define MIB (UINT64_C(1) << 20)

/* pci0000:40: root port 40:01.0, a switch with endpoints 43:00.0 and 44:00.0 below two ports, and
 * 45:00.0 below root port 40:02.0. */
struct sample {
        struct builder b;
        uint32_t root_port, upstream, port[2], first, second, third;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};

        s.root_port = builder_root_port(&s.b, "40:01.0");
        s.upstream = builder_upstream(&s.b, "41:00.0", s.root_port);
        s.port[0] = builder_downstream(&s.b, "42:00.0", s.upstream);
        s.port[1] = builder_downstream(&s.b, "42:1f.0", s.upstream);
        s.first = builder_endpoint(&s.b, "43:00.0", s.port[0]);
        s.second = builder_endpoint(&s.b, "44:00.0", s.port[1]);
        s.third = builder_endpoint(&s.b, "45:00.0", builder_root_port(&s.b, "40:02.0"));
        return s;
}

static struct p2p_acs_plan *plan_new(const struct p2p_machine *m, const struct p2p_acs_pair *pairs,
                                     uint32_t n_pairs, bool both_directions)
{
        const struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        const struct p2p_acs_plan_params params = {
                .m = m,
                .rules = &rules,
                .pairs = pairs,
                .n_pairs = n_pairs,
                .both_directions = both_directions,
        };
        struct p2p_acs_plan *plan;

        assert_int_equal(p2p_acs_plan_new(&params, &plan), 0);
        return plan;
}

static struct p2p_acs_plan *plan_pair(const struct builder *b, const char *provider,
                                      const char *client)
{
        const struct p2p_acs_pair pair = {builder_at(b, provider), builder_at(b, client)};

        return plan_new(b->m, &pair, 1, false);
}

static void expect_lines(const struct p2p_acs_plan *plan, enum p2p_acs_command command,
                         const char *const *want, uint32_t n)
{
        uint32_t found = 0;

        for (uint32_t i = 0; i < plan->n_lines; i++) {
                if (plan->lines[i].command != command)
                        continue;
                assert_true(found < n);
                assert_string_equal(plan->lines[i].text, want[found++]);
        }
        assert_int_equal(found, n);
}

#define EXPECT_LINES(plan, command, ...)                                                           \
        do {                                                                                       \
                static const char *const list[] = {__VA_ARGS__};                                   \
                expect_lines(plan, command, list, sizeof(list) / sizeof(list[0]));                 \
        } while (0)

static bool has_note(const struct p2p_acs_plan *plan, const char *text)
{
        for (uint32_t i = 0; i < plan->n_notes; i++)
                if (strstr(plan->notes[i], text))
                        return true;
        return false;
}

static void test_plan(void **state)
{
        struct sample s = sample_new();
        struct p2p_acs_plan *plan;

        (void)state;
        acs(&s.b, s.root_port, 0x1d);
        acs(&s.b, s.port[0], 0x1d);
        acs(&s.b, s.port[1], P2P_ACS_EC | P2P_ACS_RR | P2P_ACS_SV);
        builder_finish(&s.b);
        plan = plan_pair(&s.b, "43:00.0", "44:00.0");
        assert_int_equal(plan->n_by_state[P2P_ACS_PAIR_HELPED], 1);
        assert_int_equal(plan->pairs[0].before.map, P2P_MAP_NONE);
        assert_int_equal(plan->pairs[0].after.map, P2P_MAP_BUS);
        assert_int_equal(plan->n_ports, 2);
        assert_int_equal(plan->n_bits, 4);
        assert_int_equal(plan->ports[0].function, builder_at(&s.b, "42:00.0"));
        assert_int_equal(plan->ports[0].clear, P2P_ACS_RR | P2P_ACS_CR);
        assert_int_equal(plan->ports[1].clear, P2P_ACS_RR | P2P_ACS_EC);
        assert_string_equal(plan->ports[1].path, "0000:40:01.0/00.0/1f.0");
        assert_string_equal(plan->parameter, "pci=config_acs=0010001@0000:40:01.0/00.0/00.0;"
                                             "0000001@0000:40:01.0/00.0/1f.0");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_SETPCI, "setpci -s 0000:42:00.0 ECAP_ACS+6.w=0000:000c",
                     "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0000:0024");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_SETPCI_UNDO,
                     "setpci -s 0000:42:00.0 ECAP_ACS+6.w=000c:000c",
                     "setpci -s 0000:42:1f.0 ECAP_ACS+6.w=0024:0024");
        EXPECT_LINES(
                plan, P2P_ACS_COMMAND_GRUB_REDHAT,
                "grubby --update-kernel=ALL --args='pci=\"config_acs=0010001@0000:40:01.0/00.0/"
                "00.0;0000001@0000:40:01.0/00.0/1f.0\"'");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_GRUB_DEBIAN, "mkdir -p /etc/default/grub.d",
                     "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT "
                     "pci=\\\"config_acs=0010001@0000:40:01.0/00.0/00.0;0000001@0000:40:01.0/00.0/"
                     "1f.0\\\"\"' > /etc/default/grub.d/p2pd-acs.cfg",
                     "update-grub");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_GRUB_DEBIAN_UNDO,
                     "rm -f /etc/default/grub.d/p2pd-acs.cfg", "update-grub");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_GRUB_REDHAT_UNDO,
                     "grubby --update-kernel=ALL --remove-args=pci");
        EXPECT_LINES(plan, P2P_ACS_COMMAND_SYSTEMD_BOOT_UNDO,
                     "sed -i '1s| pci=\"config_acs=0010001@0000:40:01.0/00.0/00.0;"
                     "0000001@0000:40:01.0/00.0/1f.0\"||' /etc/kernel/cmdline",
                     "sed -i '/^options/s| pci=\"config_acs=0010001@0000:40:01.0/00.0/00.0;"
                     "0000001@0000:40:01.0/00.0/1f.0\"||' \"$(bootctl --print-boot-path)\"/loader/"
                     "entries/*.conf");
        assert_false(plan->groups_known);
        assert_true(has_note(plan, "No IOMMU groups are known"));
        p2p_acs_plan_free(plan);
        builder_free(&s.b);
}

static void expect_state(const struct builder *b, const char *provider, const char *client,
                         enum p2p_acs_pair_state want, enum p2p_reason_kind reason, const char *at)
{
        struct p2p_acs_plan *plan = plan_pair(b, provider, client);
        const struct p2p_acs_plan_pair *pair = &plan->pairs[0];

        assert_string_equal(p2p_acs_pair_state_to_string(pair->state),
                            p2p_acs_pair_state_to_string(want));
        assert_int_equal(pair->after.decisive.kind, reason);
        assert_int_equal(pair->at, at ? builder_at(b, at) : P2P_NONE);
        /* Isolation is given up only for a pair that wins by it. */
        if (want != P2P_ACS_PAIR_HELPED) {
                assert_int_equal(plan->n_ports, 0);
                assert_int_equal(plan->n_lines, 0);
                assert_null(plan->parameter);
                assert_int_equal(plan->no_parameter, P2P_ACS_PARAMETER_NOT_NEEDED);
        }
        p2p_acs_plan_free(plan);
}

static void test_states(void **state)
{
        struct sample s = sample_new();
        uint32_t wired, dark;

        (void)state;
        wired = builder_endpoint(&s.b, "46:00.0", builder_downstream(&s.b, "42:02.0", s.upstream));
        dark = builder_downstream(&s.b, "42:03.0", s.upstream);
        builder_endpoint(&s.b, "47:00.0", dark);
        acs(&s.b, s.port[1], 0x1d);
        acs(&s.b, wired, P2P_ACS_RR | P2P_ACS_CR);
        builder_edit(&s.b, wired)->acs_capability = p2p_fact_known(P2P_ACS_RR);
        acs_unknown(&s.b, dark, P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        expect_state(&s.b, "43:00.0", "43:00.0", P2P_ACS_PAIR_ALREADY, P2P_REASON_SAME_FUNCTION,
                     NULL);
        expect_state(&s.b, "43:00.0", "44:00.0", P2P_ACS_PAIR_HELPED, P2P_REASON_COMMON_BRIDGE,
                     "41:00.0");
        expect_state(&s.b, "44:00.0", "45:00.0", P2P_ACS_PAIR_BEYOND_ACS,
                     P2P_REASON_HOST_BRIDGE_NOT_LISTED, "40:01.0");
        expect_state(&s.b, "46:00.0", "43:00.0", P2P_ACS_PAIR_NOT_CLEARABLE,
                     P2P_REASON_ACS_REDIRECT, "46:00.0");
        expect_state(&s.b, "44:00.0", "47:00.0", P2P_ACS_PAIR_UNKNOWN, P2P_REASON_ACS_UNREADABLE,
                     "42:03.0");
        builder_free(&s.b);

        s = sample_new();
        acs(&s.b, s.port[1], 0x1d);
        kernel(&s.b, "4.19.7");
        builder_finish(&s.b);
        expect_state(&s.b, "43:00.0", "44:00.0", P2P_ACS_PAIR_BEYOND_ACS, P2P_REASON_KERNEL_TOO_OLD,
                     NULL);
        builder_free(&s.b);
}

static void test_repeats_and_directions(void **state)
{
        struct sample s = sample_new();
        struct p2p_acs_plan *plan;
        struct p2p_acs_pair pairs[3];

        (void)state;
        builder_finish(&s.b);
        pairs[0] = (struct p2p_acs_pair){builder_at(&s.b, "44:00.0"), builder_at(&s.b, "43:00.0")};
        pairs[1] = (struct p2p_acs_pair){pairs[0].client, pairs[0].provider};
        pairs[2] = (struct p2p_acs_pair){pairs[0].client, pairs[0].client};
        plan = plan_new(s.b.m, pairs, 3, true);
        assert_int_equal(plan->n_pairs, 3);
        assert_int_equal(plan->pairs[0].provider, pairs[0].provider);
        assert_int_equal(plan->pairs[1].provider, pairs[1].provider);
        assert_int_equal(plan->pairs[2].client, pairs[2].client);
        p2p_acs_plan_free(plan);
        plan = plan_new(s.b.m, NULL, 0, true);
        assert_int_equal(plan->n_pairs, 0);
        p2p_acs_plan_free(plan);
        builder_free(&s.b);
}

/* Which parameter, for which kernel, beside what is on the command line. */
static void test_parameters(void **state)
{
#define P0 "0000:40:01.0/00.0/00.0"
#define P1 "0000:40:01.0/00.0/1f.0"
        static const struct {
                const char *release, *line;
                bool two;
                const char *parameter, *note;
        } cases[] = {
                {"5.10.0", NULL, true, "pci=disable_acs_redir=" P0 ";" P1, NULL},
                {"5.10.0", "ro pci=noaer,disable_acs_redir=0000:03:00.0 pci=nomsi", false,
                 "pci=noaer,nomsi,disable_acs_redir=" P1 ";0000:03:00.0", "takes their place"},
                {"6.12.5", NULL, false, "pci=config_acs=xxx00xx@" P1,
                 "only the bits that firmware"},
                {"6.12.5", NULL, true, "pci=disable_acs_redir=" P0 ";" P1, "Translation Blocking"},
                {"6.12.5", "pci=config_acs=1@0000:03:00.0", false,
                 "pci=disable_acs_redir=" P1 ",config_acs=1@0000:03:00.0", "Translation Blocking"},
                {"6.12.5", "pci=config_acs=xx1@" P1, false,
                 "pci=disable_acs_redir=" P1 ",config_acs=xx1@" P1, NULL},
                {"6.12.5", "pci=config_acs=xxxx1xx@pci:0:0", false,
                 "pci=disable_acs_redir=" P1 ",config_acs=xxxx1xx@pci:0:0", "sets RR at switch"},
                {"6.12.23", NULL, true, "pci=config_acs=0010001@" P0 ";0010001@" P1, NULL},
                {"7.3", "pci=disable_acs_redir=" P1, false,
                 "pci=disable_acs_redir=" P1 ",config_acs=0010001@" P1, "takes their place"},
                {"7.3", "pci=config_acs=1111111@pci:0:0;0@0000:03:00.0", false,
                 "pci=config_acs=0010001@" P1 ";1111111@pci:0:0;0@0000:03:00.0", NULL},
                /* Its own entry from the last time does not stay. */
                {"7.3", "pci=config_acs=0010001@" P1 ";0@0000:03:00.0", false,
                 "pci=config_acs=0010001@" P1 ";0@0000:03:00.0", NULL},
                {"7.3", "pci=config_acs=", false, "pci=config_acs=0010001@" P1, NULL},
                {NULL, NULL, false, "pci=config_acs=0010001@" P1, "release is not known"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_acs_plan *plan;

                acs(&s.b, s.port[1], 0x1d);
                if (cases[i].two)
                        acs(&s.b, s.port[0], 0x1d);
                kernel(&s.b, cases[i].release);
                s.b.m->kernel_command_line = cases[i].line;
                builder_finish(&s.b);
                plan = plan_pair(&s.b, "43:00.0", "44:00.0");
                assert_string_equal(plan->parameter, cases[i].parameter);
                if (cases[i].note && !has_note(plan, cases[i].note))
                        fail_msg("no note about: %s", cases[i].note);
                p2p_acs_plan_free(plan);
                builder_free(&s.b);
        }
}

static void test_no_parameter(void **state)
{
        static const struct {
                const char *release, *line;
                enum p2p_acs_no_parameter why;
        } cases[] = {
                {"7.3", "pci=x';reboot;'", P2P_ACS_PARAMETER_UNSAFE_TEXT},
                {"7.3", "pci=$(reboot)", P2P_ACS_PARAMETER_UNSAFE_TEXT},
                {"7.3", "\"pci=disable_acs_redir=a b\"", P2P_ACS_PARAMETER_UNSAFE_TEXT},
                {"7.3", "pci=config_acs=1@a|b", P2P_ACS_PARAMETER_UNSAFE_TEXT},
                {"7.3", "pci=a\"b", P2P_ACS_PARAMETER_UNSAFE_TEXT},
                {"7.3", "x=$(reboot)", P2P_ACS_PARAMETER_GIVEN},
                {"4.18", NULL, P2P_ACS_PARAMETER_KERNEL_TOO_OLD},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_rules rules = {.release = UINT32_MAX, .release_known = true};
                struct p2p_acs_plan_params params = {.rules = &rules, .n_pairs = 1};
                struct p2p_acs_plan *plan;
                struct p2p_acs_pair pair;

                acs(&s.b, s.port[1], 0x1d);
                kernel(&s.b, cases[i].release);
                s.b.m->kernel_command_line = cases[i].line;
                params.m = builder_finish(&s.b);
                pair = (struct p2p_acs_pair){builder_at(&s.b, "43:00.0"),
                                             builder_at(&s.b, "44:00.0")};
                params.pairs = &pair;
                assert_int_equal(p2p_acs_plan_new(&params, &plan), 0);
                assert_int_equal(plan->no_parameter, cases[i].why);
                assert_int_equal(plan->parameter == NULL, cases[i].why != P2P_ACS_PARAMETER_GIVEN);
                for (uint32_t j = 0; j < plan->n_lines; j++) {
                        assert_null(strstr(plan->lines[j].text, "reboot"));
                        if (!plan->parameter)
                                assert_true(plan->lines[j].command <= P2P_ACS_COMMAND_SETPCI_UNDO);
                }
                assert_true(plan->n_lines >= 2);
                p2p_acs_plan_free(plan);
                builder_free(&s.b);
        }
}

static void test_long_command_line(void **state)
{
        struct sample s = sample_new();
        struct p2p_acs_plan *plan;
        char line[2020];

        (void)state;
        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        acs(&s.b, s.port[1], 0x1d);
        s.b.m->kernel_command_line = line;
        builder_finish(&s.b);
        plan = plan_pair(&s.b, "43:00.0", "44:00.0");
        assert_true(has_note(plan, "2047 characters"));
        p2p_acs_plan_free(plan);
        builder_free(&s.b);
}

static void test_merges_and_exposures(void **state)
{
        struct sample s = sample_new();
        const struct p2p_acs_exposure *x;
        struct p2p_acs_plan *plan;

        (void)state;
        builder_vf(&s.b, "44:00.4", s.second);
        for (uint32_t i = 0; i < s.b.m->n_functions; i++)
                group(&s.b, i, 10 + i, P2P_GROUP_TRANSLATED);
        acs(&s.b, s.root_port, 0x1d);
        acs(&s.b, s.port[0], 0x1d);
        acs(&s.b, s.port[1], 0x1d);
        builder_finish(&s.b);
        plan = plan_pair(&s.b, "43:00.0", "44:00.0");
        assert_true(plan->groups_known);
        assert_int_equal(plan->n_merges, 2);
        assert_int_equal(plan->merges[0].n_groups, 2);
        assert_int_equal(plan->merges[0].port, builder_at(&s.b, "42:00.0"));
        assert_int_equal(plan->merges[0].functions[0], builder_at(&s.b, "42:00.0"));
        assert_int_equal(plan->merges[0].functions[1], builder_at(&s.b, "43:00.0"));
        assert_int_equal(plan->merges[1].n_functions, 3);
        assert_int_equal(plan->merges[1].functions[2], builder_at(&s.b, "44:00.4"));
        assert_int_equal(plan->n_exposures, 3);
        /* A physical function and its virtual one meet at the port above them. */
        x = &plan->exposures[2];
        assert_true(x->among);
        assert_int_equal(x->n_from, 1);
        assert_int_equal(x->n_from_vfs, 1);
        x = &plan->exposures[0];
        assert_int_equal(x->n_from, 1);
        assert_int_equal(x->from[0], builder_at(&s.b, "43:00.0"));
        assert_int_equal(x->n_to, 1);
        assert_int_equal(x->to[0], builder_at(&s.b, "44:00.0"));
        assert_int_equal(x->n_from_vfs, 0);
        assert_int_equal(x->n_to_vfs, 1);
        assert_false(x->among || x->root_port);
        p2p_acs_plan_free(plan);
        builder_free(&s.b);

        /* A card with two functions below a redirecting root port. */
        s = sample_new();
        builder_endpoint(&s.b, "45:00.1", builder_edit(&s.b, s.third)->parent);
        acs(&s.b, builder_edit(&s.b, s.third)->parent, 0x1d);
        builder_finish(&s.b);
        plan = plan_pair(&s.b, "45:00.0", "45:00.1");
        assert_int_equal(plan->n_merges, 0);
        assert_int_equal(plan->n_exposures, 2);
        assert_true(plan->exposures[0].root_port);
        assert_int_equal(plan->exposures[0].n_from, 2);
        assert_int_equal(plan->exposures[0].n_to, 2);
        assert_true(plan->exposures[1].among);
        assert_int_equal(plan->exposures[1].n_to, 2);
        p2p_acs_plan_free(plan);
        builder_free(&s.b);
}

/* grubby takes every pci= away for the new one, so undoing is writing what they said. */
static void test_undo_restores_options(void **state)
{
        struct sample s = sample_new();
        struct p2p_acs_plan *plan;

        (void)state;
        s.b.m->kernel_command_line = "quiet pci=noaer pci=disable_acs_redir=0000:40:01.0/00.0/1f.0 "
                                     "pci=nomsi,config_acs=xxxxxx1@0000:45:00.0";
        acs(&s.b, s.port[0], 0x1d);
        builder_finish(&s.b);
        plan = plan_pair(&s.b, "43:00.0", "44:00.0");
        EXPECT_LINES(
                plan, P2P_ACS_COMMAND_GRUB_REDHAT_UNDO,
                "grubby --update-kernel=ALL --args='pci=\"noaer,nomsi,disable_acs_redir=0000:40:"
                "01.0/00.0/1f.0,config_acs=xxxxxx1@0000:45:00.0\"'");
        p2p_acs_plan_free(plan);
        builder_free(&s.b);
}

static void expect_reach(const struct builder *b, const char *client, bool root_port,
                         const char *const *to)
{
        struct p2p_acs_plan *plan = plan_pair(b, "47:00.0", client);
        const struct p2p_acs_exposure *x = &plan->exposures[0];
        uint32_t n = 0;

        assert_int_equal(plan->n_by_state[P2P_ACS_PAIR_HELPED], 1);
        assert_int_equal(plan->n_exposures, 1);
        assert_int_equal(x->root_port, root_port);
        assert_int_equal(x->n_from, 1);
        assert_int_equal(x->from[0], builder_at(b, "47:00.0"));
        for (; to[n]; n++)
                assert_int_equal(x->to[n], builder_at(b, to[n]));
        assert_int_equal(x->n_to, n);
        p2p_acs_plan_free(plan);
}

/* A root port below a switch has nothing beside it, and is the edge of nothing that can be seen:
 * what it lets go reaches as far up as nothing redirects, and that is said. */
static void test_nested_root_port(void **state)
{
        struct sample s = sample_new();
        uint32_t down, nested;

        (void)state;
        down = builder_downstream(&s.b, "42:02.0", builder_edit(&s.b, s.port[0])->parent);
        nested = builder_root_port(&s.b, "46:00.0");
        builder_edit(&s.b, nested)->parent = down;
        builder_endpoint(&s.b, "47:00.0", nested);
        acs(&s.b, nested, 0x1d);
        acs(&s.b, s.root_port, 0x1d);
        builder_finish(&s.b);
        expect_reach(&s.b, "44:00.0", true, (const char *const[]){"43:00.0", "44:00.0", NULL});
        builder_free(&s.b);

        /* The same with a root port above that lets pass: all that is on the root bus. */
        s = sample_new();
        down = builder_downstream(&s.b, "42:02.0", builder_edit(&s.b, s.port[0])->parent);
        nested = builder_root_port(&s.b, "46:00.0");
        builder_edit(&s.b, nested)->parent = down;
        builder_endpoint(&s.b, "47:00.0", nested);
        acs(&s.b, nested, 0x1d);
        acs(&s.b, s.root_port, 0x11);
        builder_finish(&s.b);
        expect_reach(&s.b, "44:00.0", true,
                     (const char *const[]){"43:00.0", "44:00.0", "45:00.0", NULL});
        builder_free(&s.b);
}

static void test_default_pairs(void **state)
{
        struct sample s = sample_new();
        struct p2p_acs_pair *pairs;
        uint32_t n, gpu;

        (void)state;
        builder_edit(&s.b, s.first)->class_code = p2p_fact_known(0x030200);
        builder_edit(&s.b, s.second)->class_code = p2p_fact_known(0x020000);
        builder_edit(&s.b, s.third)->class_code = p2p_fact_known(0x020000);
        bar(&s.b, s.first, 0, 0x80000000, MIB);
        bar(&s.b, s.second, 0, 0x90000000, MIB);
        bar(&s.b, s.third, 0, 0xa0000000, MIB);
        /* A GPU without a NIC below a common bridge, and a NIC farther away than another. */
        gpu = builder_endpoint(&s.b, "48:00.0", builder_root_port(&s.b, "40:03.0"));
        builder_edit(&s.b, gpu)->class_code = p2p_fact_known(0x120000);
        bar(&s.b, gpu, 0, 0xb0000000, MIB);
        builder_finish(&s.b);
        assert_int_equal(p2p_acs_pairs_gpu_nic_new(s.b.m, &pairs, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(pairs[0].provider, builder_at(&s.b, "43:00.0"));
        assert_int_equal(pairs[0].client, builder_at(&s.b, "44:00.0"));
        free(pairs);
        builder_free(&s.b);
}

static void test_names(void **state)
{
        (void)state;
        for (unsigned i = 0; i < P2P_ACS_PAIR_STATE_MAX; i++)
                assert_non_null(p2p_acs_pair_state_to_string(i));
        for (unsigned i = 0; i < P2P_ACS_COMMAND_MAX; i++)
                assert_non_null(p2p_acs_command_to_string(i));
        for (unsigned i = 0; i < P2P_ACS_PARAMETER_MAX; i++)
                assert_non_null(p2p_acs_no_parameter_to_string(i));
        assert_null(p2p_acs_pair_state_to_string(P2P_ACS_PAIR_STATE_MAX));
        assert_null(p2p_acs_command_to_string(P2P_ACS_COMMAND_MAX));
        assert_null(p2p_acs_plan_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plan),
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_repeats_and_directions),
                cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_no_parameter),
                cmocka_unit_test(test_long_command_line),
                cmocka_unit_test(test_merges_and_exposures),
                cmocka_unit_test(test_undo_restores_options),
                cmocka_unit_test(test_nested_root_port),
                cmocka_unit_test(test_default_pairs),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
