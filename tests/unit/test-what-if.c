/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/constraint.h"
#include "decide/what-if.h"
#include "random-machine.h"

#define MIB (UINT64_C(1) << 20)

/* Names are addresses; "two" is ambiguous, "broken" fails. */
static int resolve(const char *name, uint32_t len, uint32_t *ret_function, void *userdata)
{
        const struct p2p_machine *m = userdata;
        struct p2p_address address;
        char text[64];
        uint32_t function;

        assert_true(len > 0);
        if (len >= sizeof(text))
                return P2P_WHAT_IF_E_NO_SUCH_FUNCTION;
        memcpy(text, name, len);
        text[len] = '\0';
        if (strcmp(text, "two") == 0)
                return P2P_WHAT_IF_E_AMBIGUOUS;
        if (strcmp(text, "broken") == 0)
                return -EIO;
        if (p2p_address_parse(text, &address) < 0)
                return P2P_WHAT_IF_E_NO_SUCH_FUNCTION;
        function = p2p_machine_find(m, address);
        if (function == P2P_NONE)
                return P2P_WHAT_IF_E_NO_SUCH_FUNCTION;
        *ret_function = function;
        return 0;
}

/*
 * pci0000:40: root port 40:01.0, switch 41:00.0 with ports 42:00.0 and 42:1f.0, below them 43:00.0
 * with a virtual function, and 44:00.0; root port 40:02.0 with 45:00.0; root port 40:03.0, empty.
 */
struct sample {
        struct builder b;
        uint32_t root_port[3], upstream, port[2], first, vf, second, third;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};

        for (unsigned i = 0; i < 3; i++) {
                char address[16];

                (void)snprintf(address, sizeof(address), "40:%02x.0", i + 1);
                s.root_port[i] = builder_root_port(&s.b, address);
                link_is(&s.b, s.root_port[i], 16000, 16, 32000, 16);
                acs(&s.b, s.root_port[i], 0);
                numa(&s.b, s.root_port[i], i);
        }
        builder_edit(&s.b, s.root_port[2])->secondary_bus = p2p_fact_known(0x4f);
        s.upstream = builder_upstream(&s.b, "41:00.0", s.root_port[0]);
        s.port[0] = builder_downstream(&s.b, "42:00.0", s.upstream);
        s.port[1] = builder_downstream(&s.b, "42:1f.0", s.upstream);
        s.first = builder_endpoint(&s.b, "43:00.0", s.port[0]);
        s.vf = builder_vf(&s.b, "43:00.4", s.first);
        s.second = builder_endpoint(&s.b, "44:00.0", s.port[1]);
        s.third = builder_endpoint(&s.b, "45:00.0", s.root_port[1]);
        for (unsigned i = 0; i < 2; i++)
                link_is(&s.b, s.port[i], 16000, 16, 16000, 16);
        link_is(&s.b, s.upstream, 16000, 16, 16000, 16);
        link_is(&s.b, s.first, 16000, 16, 32000, 16);
        link_is(&s.b, s.second, 16000, 16, 16000, 16);
        link_is(&s.b, s.third, 16000, 8, 16000, 8);
        bar(&s.b, s.first, 0, 0x80000000, MIB);
        bar(&s.b, s.second, 0, 0x90000000, MIB);
        bar(&s.b, s.third, 0, 0xa0000000, MIB);
        return s;
}

static int parse(const struct builder *b, const char *text, struct p2p_edit *ret,
                 struct p2p_edit_fault *ret_fault)
{
        return p2p_edit_parse(text, resolve, b->m, ret, ret_fault);
}

/* Texts that are edits, and what is wrong with others. */
static void test_parse(void **state)
{
        static const struct {
                const char *text;
                int error;
                const char *fault; /* the bad part */
        } cases[] = {
                {"acs=off@40:01.0", 0, NULL},
                {"ACS=OFF@ALL", 0, NULL},
                {"acs=on@all", 0, NULL},
                {"acs=RR,cr@40:01.0", 0, NULL},
                {"acs=-RR,+EC@40:01.0", 0, NULL},
                {"iommu=off", 0, NULL},
                {"iommu=Passthrough", 0, NULL},
                {"kernel=6.8", 0, NULL},
                {"kernel=65535.65535.65535", 0, NULL},
                {"move=43:00.0@40:03.0", 0, NULL},
                {"link=2.5GT/sx1@43:00.0", 0, NULL},
                {"link=16x8@43:00.0", 0, NULL},
                {"link=x8@43:00.0", 0, NULL},
                {"link=64gt@43:00.0", 0, NULL},
                {"", P2P_WHAT_IF_E_SYNTAX, ""},
                {"acs", P2P_WHAT_IF_E_SYNTAX, "acs"},
                {"=off@all", P2P_WHAT_IF_E_UNKNOWN_KEY, ""},
                {"asc=off@all", P2P_WHAT_IF_E_UNKNOWN_KEY, "asc"},
                {"acs=off", P2P_WHAT_IF_E_SYNTAX, "off"},
                {"acs=off@", P2P_WHAT_IF_E_SYNTAX, ""},
                {"acs=@all", P2P_WHAT_IF_E_UNKNOWN_BIT, ""},
                {"acs=RR,@all", 0, NULL},
                {"acs=,RR@all", P2P_WHAT_IF_E_UNKNOWN_BIT, ""},
                {"acs=RR,XX@all", P2P_WHAT_IF_E_UNKNOWN_BIT, "XX"},
                {"acs=+@all", P2P_WHAT_IF_E_UNKNOWN_BIT, "+"},
                {"acs=+R@all", P2P_WHAT_IF_E_UNKNOWN_BIT, "+R"},
                {"acs=RR,+CR@all", P2P_WHAT_IF_E_SYNTAX, "+CR"},
                {"acs=+RR,-RR@all", P2P_WHAT_IF_E_SYNTAX, "-RR"},
                {"acs=off@99:00.0", P2P_WHAT_IF_E_NO_SUCH_FUNCTION, "99:00.0"},
                {"acs=off@two", P2P_WHAT_IF_E_AMBIGUOUS, "two"},
                {"acs=off@broken", -EIO, NULL},
                {"iommu=on", P2P_WHAT_IF_E_UNKNOWN_MODE, "on"},
                {"iommu=", P2P_WHAT_IF_E_UNKNOWN_MODE, ""},
                {"iommu=off@all", P2P_WHAT_IF_E_SYNTAX, "off@all"},
                {"kernel=6", P2P_WHAT_IF_E_BAD_RELEASE, "6"},
                {"kernel=6.", P2P_WHAT_IF_E_BAD_RELEASE, "6."},
                {"kernel=6.8-rc1", P2P_WHAT_IF_E_BAD_RELEASE, "6.8-rc1"},
                {"kernel=6.8.1.2", P2P_WHAT_IF_E_BAD_RELEASE, "6.8.1.2"},
                {"kernel=65536.1", P2P_WHAT_IF_E_BAD_RELEASE, "65536.1"},
                {"kernel=123456.1", P2P_WHAT_IF_E_BAD_RELEASE, "123456.1"},
                {"kernel=", P2P_WHAT_IF_E_BAD_RELEASE, ""},
                {"move=43:00.0", P2P_WHAT_IF_E_SYNTAX, "43:00.0"},
                {"move=@40:03.0", P2P_WHAT_IF_E_SYNTAX, ""},
                {"move=43:00.0@x@y", P2P_WHAT_IF_E_NO_SUCH_FUNCTION, "x@y"},
                {"move=zz@40:03.0", P2P_WHAT_IF_E_NO_SUCH_FUNCTION, "zz"},
                {"link=@43:00.0", P2P_WHAT_IF_E_BAD_LINK, ""},
                {"link=15GT/sx8@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "15GT/sx8"},
                {"link=16.0GT/sx8@43:00.0", 0, NULL},
                {"link=16.5GT/sx8@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "16.5GT/sx8"},
                {"link=16GT/sx3@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "16GT/sx3"},
                {"link=16GT/sx@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "16GT/sx"},
                {"link=16GT/sx8 @43:00.0", P2P_WHAT_IF_E_BAD_LINK, "16GT/sx8 "},
                {"link=99999x8@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "99999x8"},
                {"link=fast@43:00.0", P2P_WHAT_IF_E_BAD_LINK, "fast"},
                {"link=x8@all", P2P_WHAT_IF_E_NO_SUCH_FUNCTION, "all"},
        };
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct p2p_edit untouched = {.kind = 99};
                struct p2p_edit_fault fault = {99, 99};
                struct p2p_edit edit = untouched;
                int r = parse(&s.b, cases[i].text, &edit, &fault);

                if (r != cases[i].error)
                        fail_msg("%s: %d", cases[i].text, r);
                if (r != 0)
                        assert_int_equal(edit.kind, 99);
                if (r <= 0)
                        continue;
                assert_int_equal(fault.len, strlen(cases[i].fault));
                assert_memory_equal(cases[i].text + fault.at, cases[i].fault, fault.len);
                assert_non_null(p2p_what_if_error_to_string(r));
                assert_non_null(p2p_what_if_error_text(r));
                assert_int_equal(parse(&s.b, cases[i].text, &edit, NULL), r);
        }
        builder_free(&s.b);
}

/* Whatever a user types: an edit, or a refusal that points into the text. */
static void test_parse_damaged(void **state)
{
        static const char *const texts[] = {
                "acs=-RR,+EC@40:01.0",  "iommu=passthrough",       "kernel=6.8.12",
                "move=43:00.0@40:03.0", "link=2.5GT/sx12@43:00.0",
        };
        static const char alphabet[] = "acsRRx=@,+-.:0189 /\xff";
        struct random r = {.state = 5};
        struct sample s = sample_new();
        uint32_t n_good = 0;

        (void)state;
        builder_finish(&s.b);
        for (unsigned round = 0; round < 20000; round++) {
                struct p2p_edit_fault fault = {UINT32_MAX, UINT32_MAX};
                char *text = strdup(texts[round % 5]);
                size_t len = strlen(text);
                struct p2p_edit edit;
                int result;

                for (uint32_t i = random_below(&r, 4); i > 0 && len > 0; i--) {
                        size_t at = random_below(&r, (uint32_t)len);

                        if (random_below(&r, 3) > 0) {
                                text[at] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
                        } else {
                                memmove(text + at, text + at + 1, len - at);
                                len--;
                        }
                }
                result = parse(&s.b, text, &edit, &fault);
                n_good += result == 0;
                if (result == 0)
                        assert_true(edit.kind < P2P_EDIT_KIND_MAX);
                else
                        assert_true(result > 0 && result < P2P_WHAT_IF_E_MAX &&
                                    (uint64_t)fault.at + fault.len <= len);
                free(text);
        }
        assert_true(n_good > 4000 && n_good < 16000);
        builder_free(&s.b);
}

static void test_parsed_values(void **state)
{
        struct sample s = sample_new();
        struct p2p_edit e;

        (void)state;
        builder_finish(&s.b);
        assert_int_equal(parse(&s.b, "acs=RR,EC@40:01.0", &e, NULL), 0);
        assert_int_equal(e.kind, P2P_EDIT_ACS);
        assert_int_equal(e.acs_set, P2P_ACS_RR | P2P_ACS_EC);
        assert_int_equal(e.acs_clear, 0x7f & ~(P2P_ACS_RR | P2P_ACS_EC));
        assert_int_equal(e.function, builder_at(&s.b, "40:01.0"));
        assert_int_equal(parse(&s.b, "acs=-RR,+DT@all", &e, NULL), 0);
        assert_int_equal(e.acs_set, P2P_ACS_DT);
        assert_int_equal(e.acs_clear, P2P_ACS_RR);
        assert_int_equal(e.function, P2P_NONE);
        assert_int_equal(parse(&s.b, "kernel=6.8.12", &e, NULL), 0);
        assert_string_equal(e.release, "6.8.12");
        assert_int_equal(parse(&s.b, "move=43:00.0@40:03.0", &e, NULL), 0);
        assert_int_equal(e.function, builder_at(&s.b, "43:00.0"));
        assert_int_equal(e.port, builder_at(&s.b, "40:03.0"));
        assert_int_equal(parse(&s.b, "link=2.5GT/sx12@43:00.0", &e, NULL), 0);
        assert_int_equal(e.speed_mts, 2500);
        assert_int_equal(e.width_lanes, 12);
        assert_int_equal(parse(&s.b, "link=x4@43:00.0", &e, NULL), 0);
        assert_int_equal(e.speed_mts, 0);
        assert_int_equal(e.width_lanes, 4);
        builder_free(&s.b);
}

/* Parses the texts (up to NULL) and applies them. */
static int wonder(const struct builder *b, const char *const *texts, struct p2p_what_if **ret,
                  uint32_t *ret_edit)
{
        struct p2p_edit edits[8];
        struct p2p_what_if_params params = {
                .m = b->m,
                .edits = edits,
                .flips_max = UINT32_MAX,
                .pairs_max = UINT32_MAX,
        };

        for (; texts[params.n_edits]; params.n_edits++)
                assert_int_equal(parse(b, texts[params.n_edits], &edits[params.n_edits], NULL), 0);
        return p2p_what_if_new(&params, ret, ret_edit);
}

#define WONDER(b, ret, ...)                                                                        \
        do {                                                                                       \
                static const char *const texts[] = {__VA_ARGS__, NULL};                            \
                assert_int_equal(wonder(b, texts, ret, NULL), 0);                                  \
        } while (0)

#define EXPECT_REFUSED(b, error, index, ...)                                                       \
        do {                                                                                       \
                static const char *const texts[] = {__VA_ARGS__, NULL};                            \
                struct p2p_what_if *none = NULL;                                                   \
                uint32_t which = 99;                                                               \
                assert_int_equal(wonder(b, texts, &none, &which), error);                          \
                assert_int_equal(which, index);                                                    \
                assert_null(none);                                                                 \
        } while (0)

static bool has_note(const struct p2p_what_if *w, const char *text)
{
        for (uint32_t i = 0; i < w->n_notes; i++)
                if (strstr(w->notes[i], text))
                        return true;
        return false;
}

static enum p2p_map map_of(const struct p2p_machine *m, const struct p2p_rules *rules,
                           const char *provider, const char *client)
{
        struct p2p_address p, c;
        struct p2p_decision d;

        assert_int_equal(p2p_address_parse(provider, &p), 0);
        assert_int_equal(p2p_address_parse(client, &c), 0);
        p2p_decide(m, rules, p2p_machine_find(m, p), p2p_machine_find(m, c), NULL, NULL, &d);
        return d.map;
}

static void test_refusals(void **state)
{
        struct sample s = sample_new();
        uint32_t few;

        (void)state;
        builder_integrated(&s.b, "40:05.0");
        few = builder_downstream(&s.b, "42:02.0", s.upstream);
        acs(&s.b, few, 0);
        builder_edit(&s.b, few)->acs_capability = p2p_fact_known(P2P_ACS_SV);
        builder_finish(&s.b);
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NO_ACS, 1, "iommu=off", "acs=on@43:00.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_CAPABLE, 0, "acs=+RR@42:02.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_A_PORT, 0, "move=43:00.0@45:00.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_A_PORT, 0, "move=43:00.0@41:00.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_MOVABLE, 0, "move=43:00.4@40:03.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_MOVABLE, 0, "move=40:05.0@40:03.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_MOVABLE, 0, "move=42:00.0@40:03.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NOT_MOVABLE, 0, "move=40:01.0@40:03.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_OCCUPIED, 0, "move=43:00.0@40:02.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_LOOP, 0, "move=41:00.0@42:1f.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NO_LINK, 0, "link=x8@40:05.0");
        EXPECT_REFUSED(&s.b, P2P_WHAT_IF_E_NO_LINK, 0, "link=x8@40:03.0");
        builder_free(&s.b);
}

static void test_acs(void **state)
{
        struct sample s = sample_new();
        struct p2p_what_if *w;

        (void)state;
        acs(&s.b, s.port[0], 0x1d);
        acs(&s.b, s.port[1], 0x1d);
        builder_finish(&s.b);
        WONDER(&s.b, &w, "acs=off@42:00.0");
        assert_int_equal(w->diff->n_flips_total, 2); /* 43:00.0 with its virtual function */
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:00.0")].acs_control.val, 0);
        assert_int_equal(s.b.m->functions[builder_at(&s.b, "42:00.0")].acs_control.val, 0x1d);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "acs=-RR,-CR@42:00.0", "acs=off@42:1f.0");
        assert_int_equal(w->diff->n_flips_total, 6);
        assert_int_equal(w->diff->flips[0].before.map, P2P_MAP_NONE);
        assert_int_equal(w->diff->flips[0].after.map, P2P_MAP_BUS);
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:00.0")].acs_control.val, 0x11);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "acs=off@all");
        assert_int_equal(w->diff->n_flips_total, 6);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "acs=TB@42:00.0", "acs=on@all");
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:00.0")].acs_control.val, 0x1f);
        assert_int_equal(w->after->functions[builder_at(&s.b, "40:03.0")].acs_control.val, 0x1d);
        assert_true(
                p2p_fact_is_absent(w->after->functions[builder_at(&s.b, "43:00.0")].acs_control));
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static void test_acs_unread(void **state)
{
        struct sample s = sample_new();
        struct p2p_what_if *w;

        (void)state;
        acs_unknown(&s.b, s.port[0], P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        assert_int_equal(
                map_of(s.b.m, &(struct p2p_rules){.release = UINT32_MAX}, "43:00.0", "44:00.0"),
                P2P_MAP_UNKNOWN);
        /* Some bits cleared: the others decide, and are not known. */
        WONDER(&s.b, &w, "acs=-RR,-CR@42:00.0");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_UNKNOWN);
        assert_true(has_note(w, "stays unknown"));
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "acs=+RR@42:00.0");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_NONE);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "acs=off@42:00.0");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_BUS);
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static void test_iommu(void **state)
{
        struct sample s = sample_new();
        struct p2p_what_if *w;

        (void)state;
        /* Without one: turned on, the kernel sets ACS, and obeys the command line. */
        s.b.m->iommu_kind = "none";
        acs(&s.b, s.port[0], 0);
        acs(&s.b, s.port[1], 0);
        builder_finish(&s.b);
        WONDER(&s.b, &w, "iommu=translated");
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:00.0")].acs_control.val, 0x1d);
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_NONE);
        assert_true(w->diff->n_flips_total > 0);
        assert_null(w->after->iommu_kind);
        assert_true(has_note(w, "not modelled"));
        p2p_what_if_free(w);
        s.b.m->kernel_command_line =
                "pci=disable_acs_redir=0000:40:01.0/00.0/00.0;0000:40:01.0/00.0/1f.0";
        WONDER(&s.b, &w, "iommu=passthrough");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_BUS);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "iommu=off");
        assert_true(p2p_diff_is_empty(w->diff));
        assert_int_equal(w->n_notes, 0);
        p2p_what_if_free(w);
        builder_free(&s.b);

        /* With one: groups change their type; off, what firmware leaves is not known. */
        s = sample_new();
        acs(&s.b, s.port[0], 0x1d);
        acs(&s.b, s.port[1], 0x11);
        for (uint32_t i = 0; i < s.b.m->n_functions; i++)
                group(&s.b, i, i, P2P_GROUP_TRANSLATED);
        s.b.m->groups[s.third].type = P2P_GROUP_UNMANAGED;
        builder_finish(&s.b);
        WONDER(&s.b, &w, "iommu=passthrough");
        assert_int_equal(w->diff->n_flips_total, 0);
        assert_int_equal(w->after->groups[0].type, P2P_GROUP_IDENTITY);
        assert_int_equal(
                w->after->groups[w->after->functions[builder_at(&s.b, "45:00.0")].group].type,
                P2P_GROUP_UNMANAGED);
        /* To 43 and 44 from the others, but not to 45, which VFIO holds. */
        assert_int_equal(w->n_pairs_total, 4);
        assert_true(w->pairs[0].before_constraints & 1U << P2P_CONSTRAINT_IOMMU_TRANSLATES);
        assert_true(w->pairs[0].after_constraints & 1U << P2P_CONSTRAINT_IOMMU_PASSTHROUGH);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "iommu=off");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_UNKNOWN);
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:1f.0")].acs_control.val, 0x11);
        assert_true(has_note(w, "acs=off@all"));
        assert_int_equal(w->after->n_groups, 0);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "iommu=off", "acs=off@all");
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_BUS);
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static void test_kernel(void **state)
{
        struct sample s = sample_new();
        struct p2p_what_if *w;

        (void)state;
        ids(&s.b, builder_host_bridge(&s.b, "40:00.0", 0x8086, 0x09a2), 0x8086, 0x09a2);
        builder_finish(&s.b);
        WONDER(&s.b, &w, "kernel=5.10");
        assert_int_equal(map_of(s.b.m, &w->before_rules, "43:00.0", "45:00.0"),
                         P2P_MAP_HOST_BRIDGE);
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "45:00.0"), P2P_MAP_NONE);
        assert_int_equal(w->diff->n_flips_total, 6);
        assert_true(w->diff->machine_wide);
        assert_true(has_note(w, "rules only"));
        assert_string_equal(w->after->kernel_release, "5.10");
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "kernel=4.19.3");
        assert_int_equal(w->after->kernel_has_p2pdma.val, 0);
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_NONE);
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static const struct p2p_what_if_pair *find_pair(const struct p2p_what_if *w, const char *provider,
                                                const char *client)
{
        struct p2p_address p, c;

        assert_int_equal(p2p_address_parse(provider, &p), 0);
        assert_int_equal(p2p_address_parse(client, &c), 0);
        for (uint32_t i = 0; i < w->n_pairs; i++)
                if (p2p_address_compare(w->pairs[i].provider, p) == 0 &&
                    p2p_address_compare(w->pairs[i].client, c) == 0)
                        return &w->pairs[i];
        return NULL;
}

static void test_link(void **state)
{
        struct sample s = sample_new();
        const struct p2p_what_if_pair *pair;
        struct p2p_what_if *w;

        (void)state;
        builder_finish(&s.b);
        WONDER(&s.b, &w, "link=8GT/sx4@43:00.0");
        assert_int_equal(w->diff->n_flips_total, 0);
        assert_int_equal(w->n_pairs_total, 4);
        pair = find_pair(w, "43:00.0", "44:00.0");
        assert_non_null(pair);
        assert_true(pair->after_mbps.val < pair->before_mbps.val / 7);
        assert_null(find_pair(w, "44:00.0", "45:00.0"));
        assert_int_equal(w->after->functions[builder_at(&s.b, "42:00.0")].link_width_lanes.val, 4);
        assert_false(has_note(w, "faster or wider"));
        p2p_what_if_free(w);
        /* Named by a virtual function, or the port above it, it is the same link. */
        WONDER(&s.b, &w, "link=8GT/sx4@43:00.4");
        assert_int_equal(w->n_pairs_total, 4);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "link=x4@42:00.0");
        assert_int_equal(w->n_pairs_total, 4);
        assert_int_equal(w->after->functions[builder_at(&s.b, "43:00.0")].link_width_lanes.val, 4);
        assert_int_equal(w->after->functions[builder_at(&s.b, "43:00.0")].link_speed_mts.val,
                         16000);
        p2p_what_if_free(w);
        /* An uplink that pairs below the switch do not use. */
        WONDER(&s.b, &w, "link=x1@41:00.0");
        assert_null(find_pair(w, "43:00.0", "44:00.0"));
        assert_non_null(find_pair(w, "43:00.0", "45:00.0"));
        assert_int_equal(w->n_pairs_total, 4);
        p2p_what_if_free(w);
        WONDER(&s.b, &w, "link=64GT/s@43:00.0");
        assert_true(has_note(w, "faster or wider"));
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static void expect_move(const struct p2p_what_if *w, uint32_t i, const char *before,
                        const char *after)
{
        char text[P2P_ADDRESS_STRING_MAX];

        assert_true(i < w->n_moves);
        assert_string_equal(p2p_address_format(w->moves[i].before, text), before);
        assert_string_equal(p2p_address_format(w->moves[i].after, text), after);
}

static void test_move(void **state)
{
        struct sample s = sample_new();
        const struct p2p_function *f;
        struct p2p_what_if *w;

        (void)state;
        group(&s.b, s.first, 7, P2P_GROUP_TRANSLATED);
        builder_finish(&s.b);
        /* Out of the switch: the pairs with what stays behind flip, the address is the port's. */
        WONDER(&s.b, &w, "move=43:00.0@40:03.0");
        assert_int_equal(w->n_moves, 2);
        expect_move(w, 0, "0000:43:00.0", "0000:4f:00.0");
        expect_move(w, 1, "0000:43:00.4", "0000:4f:00.4");
        assert_int_equal(w->diff->n_flips_total, 4 + 4); /* and those with 45 are nearer */
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_NONE);
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "43:00.4"), P2P_MAP_BUS);
        f = &w->after->functions[builder_at(&s.b, "43:00.0")];
        assert_int_equal(f->numa_node.val, 2);
        assert_int_equal(f->link_speed_mts.val, 32000); /* the port can do more than the switch */
        assert_int_equal(f->group, P2P_NONE);
        assert_int_equal(f->group_why, P2P_WHY_NOT_REPORTED);
        assert_int_equal(f->bars[0].phys_why, P2P_WHY_NOT_REPORTED);
        assert_true(has_note(w, "BAR addresses"));
        p2p_what_if_free(w);

        /* A whole switch, onto the empty port. */
        WONDER(&s.b, &w, "move=41:00.0@40:03.0");
        assert_int_equal(w->n_moves, 6);
        expect_move(w, 0, "0000:41:00.0", "0000:4f:00.0");
        expect_move(w, 5, "0000:44:00.0", "0000:44:00.0");
        assert_int_equal(w->diff->n_flips_total, 0);
        p2p_what_if_free(w);

        /* Where it is already. */
        WONDER(&s.b, &w, "move=43:00.0@42:00.0");
        assert_int_equal(w->n_moves, 0);
        assert_true(p2p_diff_is_empty(w->diff));
        p2p_what_if_free(w);

        /* One after the other: a place is free once its device has left it. */
        WONDER(&s.b, &w, "move=45:00.0@40:03.0", "move=43:00.0@40:02.0", "move=45:00.0@42:00.0");
        assert_int_equal(map_of(w->after, &w->after_rules, "45:00.0", "44:00.0"), P2P_MAP_BUS);
        assert_int_equal(map_of(w->after, &w->after_rules, "43:00.0", "44:00.0"), P2P_MAP_NONE);
        p2p_what_if_free(w);
        builder_free(&s.b);
}

static void test_move_to_another_segment(void **state)
{
        struct builder b = builder_new();
        uint32_t up, port;
        struct p2p_what_if *w;

        (void)state;
        builder_root_port(&b, "0001:01:00.0");
        builder_endpoint(&b, "0001:02:00.0", builder_root_port(&b, "0001:01:01.0"));
        up = builder_upstream(&b, "0000:01:00.0", builder_root_port(&b, "0000:00:01.0"));
        port = builder_downstream(&b, "0000:02:00.0", up);
        builder_endpoint(&b, "0000:03:00.0", port);
        builder_finish(&b);
        WONDER(&b, &w, "move=01:00.0@0001:01:00.0");
        assert_int_equal(w->n_moves, 3);
        /* Bus 1 and 2 are taken there; 3 is free, but the upstream port comes first. */
        expect_move(w, 0, "0000:01:00.0", "0001:03:00.0");
        expect_move(w, 1, "0000:02:00.0", "0001:04:00.0");
        expect_move(w, 2, "0000:03:00.0", "0001:05:00.0");
        p2p_what_if_free(w);
        builder_free(&b);
}

static void test_too_many(void **state)
{
        struct p2p_edit edits[P2P_WHAT_IF_EDITS_MAX + 1];
        struct p2p_what_if_params params = {.edits = edits};
        struct sample s = sample_new();
        struct p2p_what_if *w;
        uint32_t which;

        (void)state;
        params.m = builder_finish(&s.b);
        for (uint32_t i = 0; i <= P2P_WHAT_IF_EDITS_MAX; i++)
                assert_int_equal(parse(&s.b, "acs=off@all", &edits[i], NULL), 0);
        params.n_edits = P2P_WHAT_IF_EDITS_MAX;
        assert_int_equal(p2p_what_if_new(&params, &w, NULL), 0);
        p2p_what_if_free(w);
        params.n_edits++;
        assert_int_equal(p2p_what_if_new(&params, &w, &which), P2P_WHAT_IF_E_TOO_MANY);
        assert_int_equal(which, P2P_WHAT_IF_EDITS_MAX);
        builder_free(&s.b);
}

static void test_names(void **state)
{
        (void)state;
        for (unsigned i = 0; i < P2P_EDIT_KIND_MAX; i++)
                assert_non_null(p2p_edit_kind_to_string(i));
        for (int i = 1; i < P2P_WHAT_IF_E_MAX; i++) {
                assert_non_null(p2p_what_if_error_to_string(i));
                assert_non_null(p2p_what_if_error_text(i));
        }
        assert_null(p2p_what_if_error_to_string(0));
        assert_null(p2p_what_if_error_to_string(-EIO));
        assert_null(p2p_what_if_error_text(P2P_WHAT_IF_E_MAX));
        assert_null(p2p_what_if_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_damaged),
                cmocka_unit_test(test_parsed_values),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_acs),
                cmocka_unit_test(test_acs_unread),
                cmocka_unit_test(test_iommu),
                cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_link),
                cmocka_unit_test(test_move),
                cmocka_unit_test(test_move_to_another_segment),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
