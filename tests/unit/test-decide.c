/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/decide.h"
#include "decide/rules.h"
#include "machine-builder.h"

#define RR P2P_ACS_RR
#define CR P2P_ACS_CR
#define EC P2P_ACS_EC

static struct p2p_decision decided(const struct builder *b, const char *provider,
                                   const char *client)
{
        const struct p2p_rules rules = p2p_rules_for(b->m, P2P_RULES_RUNNING);
        struct p2p_decision d;

        p2p_decide(b->m, &rules, builder_at(b, provider), builder_at(b, client), NULL, NULL, &d);
        return d;
}

struct expectation {
        const char *provider, *client;
        uint32_t distance_hops;
        enum p2p_map map;
        enum p2p_path path;
        enum p2p_reason_kind reason;
};

static void expect(const struct builder *b, const struct expectation *e, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct p2p_decision d = decided(b, e[i].provider, e[i].client);

                if (d.distance_hops != e[i].distance_hops || d.map != e[i].map ||
                    d.path != e[i].path || d.decisive.kind != e[i].reason)
                        fail_msg("%s -> %s: %u %s %s %s, wanted %u %s %s %s", e[i].provider,
                                 e[i].client, d.distance_hops, p2p_map_to_string(d.map),
                                 p2p_path_to_string(d.path), p2p_reason_to_string(d.decisive.kind),
                                 e[i].distance_hops, p2p_map_to_string(e[i].map),
                                 p2p_path_to_string(e[i].path), p2p_reason_to_string(e[i].reason));
        }
}

#define EXPECT(b, ...)                                                                             \
        do {                                                                                       \
                const struct expectation list[] = {__VA_ARGS__};                                   \
                expect(b, list, sizeof(list) / sizeof(list[0]));                                   \
        } while (0)

/*
 * pci0000:00: host bridge, root port 01.0 with a switch whose two downstream ports carry an
 * endpoint (03, two functions) and a nested switch with one (07); root port 02.0 with an endpoint
 * (08); an integrated endpoint 03.0. pci0000:80: root port 00.0 with an endpoint (81).
 */
struct sample {
        struct builder b;
        uint32_t host_bridge, root_port, upstream, downstream[2], inner_upstream,
                inner_downstream[2], endpoint, endpoint_1, inner_endpoint, second_root_port,
                second_endpoint, other_root_port;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};
        struct builder *b = &s.b;

        s.host_bridge = builder_host_bridge(b, "00:00.0", 0x8086, 0x29c0);
        s.root_port = builder_root_port(b, "00:01.0");
        s.upstream = builder_upstream(b, "01:00.0", s.root_port);
        s.downstream[0] = builder_downstream(b, "02:00.0", s.upstream);
        s.downstream[1] = builder_downstream(b, "02:01.0", s.upstream);
        s.endpoint = builder_endpoint(b, "03:00.0", s.downstream[0]);
        s.endpoint_1 = builder_endpoint(b, "03:00.1", s.downstream[0]);
        s.inner_upstream = builder_upstream(b, "04:00.0", s.downstream[1]);
        s.inner_downstream[0] = builder_downstream(b, "05:00.0", s.inner_upstream);
        s.inner_downstream[1] = builder_downstream(b, "05:01.0", s.inner_upstream);
        s.inner_endpoint = builder_endpoint(b, "06:00.0", s.inner_downstream[0]);
        builder_endpoint(b, "07:00.0", s.inner_downstream[1]);
        s.second_root_port = builder_root_port(b, "00:02.0");
        s.second_endpoint = builder_endpoint(b, "08:00.0", s.second_root_port);
        builder_integrated(b, "00:03.0");
        s.other_root_port = builder_root_port(b, "80:00.0");
        builder_endpoint(b, "81:00.0", s.other_root_port);
        return s;
}

static void test_worked_values_without_host_bridge(void **state)
{
        struct sample s = sample_new();
        struct builder *b = &s.b;

        (void)state;
        builder_finish(b);
        EXPECT(b, {"03:00.0", "03:00.0", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION},
               {"03:00.0", "03:00.1", 2, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE},
               {"06:00.0", "07:00.0", 4, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE},
               {"03:00.0", "06:00.0", 6, P2P_MAP_BUS, P2P_PATH_PXB, P2P_REASON_COMMON_BRIDGE},
               {"06:00.0", "03:00.1", 6, P2P_MAP_BUS, P2P_PATH_PXB, P2P_REASON_COMMON_BRIDGE},
               {"03:00.0", "08:00.0", 6, P2P_MAP_NONE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"00:03.0", "08:00.0", 3, P2P_MAP_NONE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"08:00.0", "81:00.0", 4, P2P_MAP_NONE, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"06:00.0", "81:00.0", 8, P2P_MAP_NONE, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"02:00.0", "03:00.0", 1, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE});
        builder_free(b);
}

static void test_two_switches_below_one(void **state)
{
        struct builder b = builder_new();
        uint32_t rp, up, down[2];

        (void)state;
        rp = builder_root_port(&b, "00:01.0");
        up = builder_upstream(&b, "01:00.0", rp);
        down[0] = builder_downstream(&b, "02:00.0", up);
        down[1] = builder_downstream(&b, "02:01.0", up);
        up = builder_upstream(&b, "03:00.0", down[0]);
        builder_endpoint(&b, "05:00.0", builder_downstream(&b, "04:00.0", up));
        up = builder_upstream(&b, "13:00.0", down[1]);
        builder_endpoint(&b, "15:00.0", builder_downstream(&b, "14:00.0", up));
        builder_finish(&b);
        EXPECT(&b, {"05:00.0", "15:00.0", 8, P2P_MAP_BUS, P2P_PATH_PXB, P2P_REASON_COMMON_BRIDGE});
        builder_free(&b);
}

static void test_on_zen_every_crossing_is_accepted(void **state)
{
        struct sample s = sample_new();
        struct builder *b = &s.b;

        (void)state;
        cpu(b, P2P_CPU_AMD, 0x17, 0x31);
        acs(b, s.downstream[0], RR | CR);
        builder_finish(b);
        EXPECT(b,
               {"03:00.0", "06:00.0", 6, P2P_MAP_HOST_BRIDGE, P2P_PATH_PXB, P2P_REASON_CPU_ALLOWS},
               {"06:00.0", "03:00.0", 6, P2P_MAP_HOST_BRIDGE, P2P_PATH_PXB, P2P_REASON_CPU_ALLOWS},
               {"03:00.0", "03:00.1", 2, P2P_MAP_HOST_BRIDGE, P2P_PATH_PIX, P2P_REASON_CPU_ALLOWS},
               {"03:00.0", "03:00.0", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION},
               {"08:00.0", "81:00.0", 4, P2P_MAP_HOST_BRIDGE, P2P_PATH_UNKNOWN,
                P2P_REASON_CPU_ALLOWS});
        builder_free(b);
}

static void test_which_cpus_count(void **state)
{
        static const struct {
                enum p2p_cpu_vendor vendor;
                uint32_t family;
                const char *release;
                bool is_x86;
                enum p2p_map map;
                enum p2p_reason_kind reason;
        } cases[] = {
                {P2P_CPU_AMD, 0x17, "7.3.4", true, P2P_MAP_HOST_BRIDGE, P2P_REASON_CPU_ALLOWS},
                {P2P_CPU_AMD, 0x1a, "5.9", true, P2P_MAP_HOST_BRIDGE, P2P_REASON_CPU_ALLOWS},
                {P2P_CPU_AMD, 0x17, "5.8.18", true, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_AMD, 0x16, "7.3.4", true, P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_AMD, 0x0f, "7.3.4", true, P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_HYGON, 0x18, "7.3.4", true, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_AMD, 0x17, "7.3.4", false, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_INTEL, 0x17, "7.3.4", true, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_OTHER, 0x17, "7.3.4", true, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {P2P_CPU_UNKNOWN, 0x17, "7.3.4", true, P2P_MAP_UNKNOWN, P2P_REASON_CPU_UNKNOWN},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();

                cpu(&s.b, cases[i].vendor, cases[i].family, 1);
                s.b.m->is_x86 = cases[i].is_x86;
                kernel(&s.b, cases[i].release);
                builder_finish(&s.b);
                EXPECT(&s.b,
                       {"08:00.0", "00:03.0", 3, cases[i].map, P2P_PATH_PHB, cases[i].reason});
                builder_free(&s.b);
        }
}

static void test_amd_family_unknown(void **state)
{
        struct sample s = sample_new();

        (void)state;
        cpu(&s.b, P2P_CPU_AMD, 0, 0);
        s.b.m->cpu_family = p2p_fact_without(P2P_WHY_MALFORMED);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"08:00.0", "00:03.0", 3, P2P_MAP_UNKNOWN, P2P_PATH_PHB, P2P_REASON_CPU_UNKNOWN});
        builder_free(&s.b);
}

/* Who of the path counts, and which bits. The pair is 06:00.0 -> 07:00.0, common 04:00.0. */
static void test_whose_acs_counts(void **state)
{
        enum whose {
                PROVIDER,
                PROVIDER_PORT,
                COMMON,
                CLIENT_PORT,
                CLIENT,
                ABOVE,
                FAR_ABOVE,
                ROOT_PORT,
                BESIDE,
        };
        static const struct {
                enum whose whose;
                uint16_t control;
                bool redirects;
        } cases[] = {
                {PROVIDER, RR, true},
                {PROVIDER_PORT, RR, true},
                {COMMON, RR, true},
                {CLIENT_PORT, RR, true},
                {CLIENT, RR, true},
                {ABOVE, RR | CR | EC, false},
                {FAR_ABOVE, RR | CR | EC, false},
                {ROOT_PORT, RR | CR | EC, false},
                {BESIDE, RR | CR | EC, false},
                {PROVIDER_PORT, CR, true},
                {PROVIDER_PORT, EC, true},
                {CLIENT_PORT, CR, true},
                {CLIENT_PORT, EC, true},
                {PROVIDER_PORT, P2P_ACS_SV | P2P_ACS_TB | P2P_ACS_UF | P2P_ACS_DT, false},
                {PROVIDER_PORT, 0xffd3, false},
                {PROVIDER_PORT, 0, false},
                {COMMON, EC, true},
                {COMMON, 0x0053, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                const uint32_t handles[] = {
                        [PROVIDER] = s.inner_endpoint,
                        [PROVIDER_PORT] = s.inner_downstream[0],
                        [COMMON] = s.inner_upstream,
                        [CLIENT_PORT] = s.inner_downstream[1],
                        [CLIENT] = s.inner_downstream[1] + 2,
                        [ABOVE] = s.downstream[1],
                        [FAR_ABOVE] = s.upstream,
                        [ROOT_PORT] = s.root_port,
                        [BESIDE] = s.downstream[0],
                };
                struct p2p_decision d;

                acs(&s.b, handles[cases[i].whose], cases[i].control);
                builder_finish(&s.b);
                d = decided(&s.b, "06:00.0", "07:00.0");
                assert_int_equal(d.distance_hops, 4);
                assert_int_equal(d.map, cases[i].redirects ? P2P_MAP_NONE : P2P_MAP_BUS);
                assert_int_equal(d.decisive.kind, cases[i].redirects ? P2P_REASON_ACS_REDIRECT
                                                                     : P2P_REASON_COMMON_BRIDGE);
                if (cases[i].redirects)
                        assert_int_equal(d.decisive.detail, cases[i].control);
                builder_free(&s.b);
        }
}

static void test_own_redirect_of_a_function_with_itself(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.endpoint, CR);
        builder_finish(&s.b);
        EXPECT(&s.b, {"03:00.0", "03:00.0", 0, P2P_MAP_NONE, P2P_PATH_LOC, P2P_REASON_ACS_REDIRECT},
               {"03:00.1", "03:00.1", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION},
               {"03:00.1", "03:00.0", 2, P2P_MAP_NONE, P2P_PATH_PIX, P2P_REASON_ACS_REDIRECT},
               {"03:00.0", "03:00.1", 2, P2P_MAP_NONE, P2P_PATH_PIX, P2P_REASON_ACS_REDIRECT});
        builder_free(&s.b);
}

static void test_common_root_port_redirects(void **state)
{
        struct builder b = builder_new();
        uint32_t rp;

        (void)state;
        builder_host_bridge(&b, "00:00.0", 0x8086, 0x3c00);
        rp = builder_root_port(&b, "00:01.0");
        acs(&b, rp, RR);
        builder_endpoint(&b, "01:00.0", rp);
        builder_endpoint(&b, "01:00.1", rp);
        builder_finish(&b);
        /* "same host bridge only" is asked with the same one, also after a redirect. */
        EXPECT(&b, {"01:00.0", "01:00.1", 2, P2P_MAP_HOST_BRIDGE, P2P_PATH_PIX,
                    P2P_REASON_HOST_BRIDGE_LISTED});
        builder_free(&b);
}

static void test_redirect_without_common_bridge_is_irrelevant(void **state)
{
        struct sample s = sample_new();

        (void)state;
        ids(&s.b, s.host_bridge, 0x8086, 0x2020);
        acs(&s.b, s.root_port, RR | CR);
        acs_unknown(&s.b, s.second_root_port, P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        EXPECT(&s.b, {"03:00.0", "08:00.0", 6, P2P_MAP_HOST_BRIDGE, P2P_PATH_PHB,
                      P2P_REASON_HOST_BRIDGE_LISTED});
        builder_free(&s.b);
}

static void test_unknown_acs(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs_unknown(&s.b, s.downstream[0], P2P_WHY_NO_PRIVILEGE);
        acs_unknown(&s.b, s.inner_downstream[0], P2P_WHY_HIDDEN);
        acs(&s.b, s.inner_downstream[1], RR);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"03:00.0", "03:00.1", 2, P2P_MAP_UNKNOWN, P2P_PATH_PIX, P2P_REASON_ACS_UNREADABLE},
               /* Both unknown: the first on the way decides. */
               {"06:00.0", "03:00.0", 6, P2P_MAP_UNKNOWN, P2P_PATH_PXB,
                P2P_REASON_ACS_HIDDEN_FROM_KERNEL},
               {"03:00.0", "06:00.0", 6, P2P_MAP_UNKNOWN, P2P_PATH_PXB, P2P_REASON_ACS_UNREADABLE},
               /* A redirect that is known decides, whatever is unknown. */
               {"06:00.0", "07:00.0", 4, P2P_MAP_NONE, P2P_PATH_PIX, P2P_REASON_ACS_REDIRECT},
               {"03:00.0", "07:00.0", 6, P2P_MAP_NONE, P2P_PATH_PXB, P2P_REASON_ACS_REDIRECT},
               /* Unknown above the common element is not looked at. */
               {"03:00.0", "03:00.0", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION});
        builder_free(&s.b);
}

static void test_every_unknown_is_unknown(void **state)
{
        (void)state;
        for (enum p2p_why why = P2P_WHY_ABSENT + 1; why < P2P_WHY_MAX; why++) {
                struct sample s = sample_new();

                acs_unknown(&s.b, s.endpoint, why);
                builder_finish(&s.b);
                EXPECT(&s.b, {"03:00.0", "03:00.1", 2, P2P_MAP_UNKNOWN, P2P_PATH_PIX,
                              why == P2P_WHY_HIDDEN ? P2P_REASON_ACS_HIDDEN_FROM_KERNEL
                                                    : P2P_REASON_ACS_UNREADABLE});
                builder_free(&s.b);
        }
}

/* pci0000:00 and pci0000:80, one endpoint below a root port each, and what stands first. */
struct crossing {
        const char *first; /* on bus 00; a root port 00:1c.0 is always there */
        enum p2p_port_type type;
        uint16_t vendor, device;
        uint16_t other_device; /* Intel, at 80:00.0 */
        enum p2p_map same, across;
        enum p2p_reason_kind same_reason, across_reason;
};

static void test_host_bridge_representatives(void **state)
{
        static const struct crossing cases[] = {
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x2020, 0x09a2, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_HOST_BRIDGE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_LISTED},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x2020, 0x29c0, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x29c0, 0x2020, P2P_MAP_NONE, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED, P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x3c00, 0x2020, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_SAME_ONLY},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x2f01, 0x2f01, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_SAME_ONLY},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x8086, 0x2020, 0x3c01, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_SAME_ONLY},
                /* Not at 00.0: a root port counts, nothing else does. */
                {"00:02.0", P2P_PORT_ROOT_PORT, 0x8086, 0x2032, 0x2020, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_HOST_BRIDGE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_LISTED},
                {"00:00.1", P2P_PORT_INTEGRATED_ENDPOINT, 0x8086, 0x09a2, 0x2020, P2P_MAP_NONE,
                 P2P_MAP_NONE, P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE,
                 P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE},
                {"00:02.0", P2P_PORT_ENDPOINT, 0x8086, 0x2020, 0x2020, P2P_MAP_NONE, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE,
                 P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE},
                /* Vendors are compared as well as devices. */
                {"00:00.0", P2P_PORT_ENDPOINT, 0x1022, 0x2020, 0x2020, P2P_MAP_NONE, P2P_MAP_NONE,
                 P2P_REASON_HOST_BRIDGE_NOT_LISTED, P2P_REASON_HOST_BRIDGE_NOT_LISTED},
                {"00:00.0", P2P_PORT_ENDPOINT, 0x1ae0, 0xabcd, 0x2020, P2P_MAP_HOST_BRIDGE,
                 P2P_MAP_HOST_BRIDGE, P2P_REASON_HOST_BRIDGE_LISTED, P2P_REASON_HOST_BRIDGE_LISTED},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct crossing *c = &cases[i];
                struct builder b = builder_new();
                uint32_t rp;

                rp = builder_function(&b, c->first, ON_ROOT_BUS, c->type, 0x060000);
                ids(&b, rp, c->vendor, c->device);
                builder_endpoint(&b, "01:00.0", builder_root_port(&b, "00:1c.0"));
                builder_endpoint(&b, "02:00.0", builder_root_port(&b, "00:1d.0"));
                builder_host_bridge(&b, "80:00.0", 0x8086, c->other_device);
                builder_endpoint(&b, "81:00.0", builder_root_port(&b, "80:01.0"));
                builder_finish(&b);
                EXPECT(&b, {"01:00.0", "02:00.0", 4, c->same, P2P_PATH_PHB, c->same_reason},
                       {"01:00.0", "81:00.0", 4, c->across, P2P_PATH_UNKNOWN, c->across_reason},
                       {"81:00.0", "01:00.0", 4, c->across, P2P_PATH_UNKNOWN, c->across_reason});
                builder_free(&b);
        }
}

static void test_host_bridge_unreadable(void **state)
{
        struct builder b = builder_new();
        uint32_t first, other;

        (void)state;
        first = builder_root_port(&b, "00:02.0");
        ids(&b, first, 0x8086, 0x2031);
        builder_edit(&b, first)->port_type = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        builder_endpoint(&b, "01:00.0", first);
        builder_endpoint(&b, "02:00.0", builder_root_port(&b, "00:1d.0"));
        other = builder_host_bridge(&b, "80:00.0", 0x8086, 0x29c0);
        builder_endpoint(&b, "81:00.0", builder_root_port(&b, "80:01.0"));
        builder_host_bridge(&b, "a0:00.0", 0x8086, 0x2020);
        builder_endpoint(&b, "a1:00.0", builder_root_port(&b, "a0:01.0"));
        (void)other;
        builder_finish(&b);
        EXPECT(&b,
               {"01:00.0", "02:00.0", 4, P2P_MAP_UNKNOWN, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_UNREADABLE},
               /* One refusal is enough. */
               {"01:00.0", "81:00.0", 4, P2P_MAP_NONE, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"81:00.0", "01:00.0", 4, P2P_MAP_NONE, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"a1:00.0", "01:00.0", 4, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_UNREADABLE});
        builder_free(&b);
}

static void test_host_bridge_ids_unknown(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.host_bridge)->device = p2p_fact_without(P2P_WHY_ALL_ONES);
        acs(&s.b, s.downstream[0], RR);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"08:00.0", "00:03.0", 3, P2P_MAP_UNKNOWN, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_UNREADABLE},
               {"03:00.0", "03:00.1", 2, P2P_MAP_UNKNOWN, P2P_PATH_PIX,
                P2P_REASON_HOST_BRIDGE_UNREADABLE});
        builder_free(&s.b);
}

static void test_cpu_unknown_but_listed(void **state)
{
        struct sample s = sample_new();

        (void)state;
        cpu(&s.b, P2P_CPU_UNKNOWN, 0, 0);
        ids(&s.b, s.host_bridge, 0x8086, 0x09a2);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"08:00.0", "00:03.0", 3, P2P_MAP_HOST_BRIDGE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_LISTED},
               {"08:00.0", "81:00.0", 4, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                P2P_REASON_CPU_UNKNOWN});
        builder_free(&s.b);
}

static void test_segments_are_different_host_bridges(void **state)
{
        struct builder b = builder_new();

        (void)state;
        builder_host_bridge(&b, "0000:00:00.0", 0x8086, 0x3c00);
        builder_endpoint(&b, "0000:01:00.0", builder_root_port(&b, "0000:00:01.0"));
        builder_host_bridge(&b, "0001:00:00.0", 0x8086, 0x3c00);
        builder_endpoint(&b, "0001:01:00.0", builder_root_port(&b, "0001:00:01.0"));
        builder_finish(&b);
        EXPECT(&b, {"0000:01:00.0", "0001:01:00.0", 4, P2P_MAP_NONE, P2P_PATH_UNKNOWN,
                    P2P_REASON_HOST_BRIDGE_SAME_ONLY});
        builder_free(&b);
}

/* pci0000:00/0000:00:0e.0/pci10000:e0/...: the chain ends at the inner root bus. */
static void test_nested_root_bus(void **state)
{
        struct builder b = builder_new();
        uint32_t rp;

        (void)state;
        builder_host_bridge(&b, "0000:00:00.0", 0x8086, 0x09a2);
        builder_integrated(&b, "0000:00:0e.0");
        rp = builder_root_port(&b, "10000:e0:02.0");
        ids(&b, rp, 0x8086, 0x2030);
        builder_endpoint(&b, "10000:e1:00.0", rp);
        builder_endpoint(&b, "10000:e2:00.0", builder_root_port(&b, "10000:e0:04.0"));
        builder_finish(&b);
        EXPECT(&b,
               {"10000:e1:00.0", "10000:e2:00.0", 4, P2P_MAP_HOST_BRIDGE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_LISTED},
               {"10000:e1:00.0", "0000:00:0e.0", 3, P2P_MAP_HOST_BRIDGE, P2P_PATH_UNKNOWN,
                P2P_REASON_HOST_BRIDGE_LISTED});
        builder_free(&b);
}

static void test_virtual_functions(void **state)
{
        struct builder b = builder_new();
        uint32_t rp, pf, integrated;

        (void)state;
        builder_host_bridge(&b, "00:00.0", 0x8086, 0x29c0);
        rp = builder_root_port(&b, "00:01.0");
        pf = builder_endpoint(&b, "01:00.0", rp);
        builder_vf(&b, "01:10.0", pf);
        /* Its bus number is of another port's range; its place is beside its PF all the same. */
        builder_vf(&b, "02:00.2", pf);
        integrated = builder_integrated(&b, "00:04.0");
        builder_vf(&b, "00:05.0", integrated);
        builder_finish(&b);
        EXPECT(&b, {"01:00.0", "01:10.0", 2, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE},
               {"01:10.0", "01:00.0", 2, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE},
               {"01:10.0", "02:00.2", 2, P2P_MAP_BUS, P2P_PATH_PIX, P2P_REASON_COMMON_BRIDGE},
               {"02:00.2", "02:00.2", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION},
               {"00:04.0", "00:05.0", 2, P2P_MAP_NONE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED},
               {"00:04.0", "00:04.0", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION});
        builder_free(&b);
}

static void test_parent_missing(void **state)
{
        struct sample s = sample_new();

        (void)state;
        parent_missing(&s.b, s.upstream, P2P_WHY_NOT_CAPTURED);
        acs(&s.b, s.inner_downstream[0], EC);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"03:00.0", "08:00.0", P2P_DISTANCE_UNKNOWN, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                P2P_REASON_PARENT_MISSING},
               {"08:00.0", "03:00.0", P2P_DISTANCE_UNKNOWN, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                P2P_REASON_PARENT_MISSING},
               {"03:00.0", "03:00.0", 0, P2P_MAP_BUS, P2P_PATH_LOC, P2P_REASON_SAME_FUNCTION},
               /* They meet below the gap: nothing above is needed. */
               {"03:00.0", "07:00.0", 6, P2P_MAP_BUS, P2P_PATH_PXB, P2P_REASON_COMMON_BRIDGE},
               /* Redirected, and which host bridge is asked is unknown. */
               {"06:00.0", "07:00.0", 4, P2P_MAP_UNKNOWN, P2P_PATH_PIX, P2P_REASON_PARENT_MISSING},
               {"08:00.0", "00:03.0", 3, P2P_MAP_NONE, P2P_PATH_PHB,
                P2P_REASON_HOST_BRIDGE_NOT_LISTED});
        builder_free(&s.b);
}

/* On a root bus, and nobody says on which. */
static void test_root_bus_missing(void **state)
{
        struct sample s = sample_new();
        uint32_t lost = builder_integrated(&s.b, "00:04.0");

        (void)state;
        cpu(&s.b, P2P_CPU_AMD, 0x19, 1);
        builder_edit(&s.b, lost)->root = P2P_NONE;
        builder_finish(&s.b);
        EXPECT(&s.b, {"00:04.0", "08:00.0", P2P_DISTANCE_UNKNOWN, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                      P2P_REASON_PARENT_MISSING});
        builder_free(&s.b);
}

static void test_parent_missing_on_zen(void **state)
{
        struct sample s = sample_new();

        (void)state;
        cpu(&s.b, P2P_CPU_AMD, 0x19, 1);
        parent_missing(&s.b, s.upstream, P2P_WHY_NOT_CAPTURED);
        acs(&s.b, s.inner_downstream[0], EC);
        builder_finish(&s.b);
        EXPECT(&s.b,
               {"06:00.0", "07:00.0", 4, P2P_MAP_HOST_BRIDGE, P2P_PATH_PIX, P2P_REASON_CPU_ALLOWS},
               {"03:00.0", "08:00.0", P2P_DISTANCE_UNKNOWN, P2P_MAP_UNKNOWN, P2P_PATH_UNKNOWN,
                P2P_REASON_PARENT_MISSING});
        builder_free(&s.b);
}

static void test_path_class_by_numa_node(void **state)
{
        static const struct {
                int provider, client;
                uint64_t nodes; /* of the machine; 0: unknown */
                enum p2p_path path;
        } cases[] = {
                {0, 0, 2, P2P_PATH_NODE},     {0, 1, 2, P2P_PATH_SYS},
                {-1, 0, 2, P2P_PATH_UNKNOWN}, {-1, -1, 1, P2P_PATH_NODE},
                {-1, 0, 1, P2P_PATH_NODE},    {-1, -1, 0, P2P_PATH_UNKNOWN},
                {1, 1, 0, P2P_PATH_NODE},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                uint32_t far = s.other_root_port + 1;

                if (cases[i].provider >= 0)
                        numa(&s.b, s.second_endpoint, (uint32_t)cases[i].provider);
                if (cases[i].client >= 0)
                        numa(&s.b, far, (uint32_t)cases[i].client);
                if (cases[i].nodes > 0)
                        s.b.m->numa_nodes = p2p_fact_known(cases[i].nodes);
                builder_finish(&s.b);
                EXPECT(&s.b, {"08:00.0", "81:00.0", 4, P2P_MAP_NONE, cases[i].path,
                              P2P_REASON_HOST_BRIDGE_NOT_LISTED});
                builder_free(&s.b);
        }
}

static void test_old_kernels(void **state)
{
        static const struct {
                const char *release;
                enum p2p_map common, redirected, across;
                enum p2p_reason_kind common_reason, redirected_reason, across_reason;
        } cases[] = {
                {"4.19.300", P2P_MAP_NONE, P2P_MAP_NONE, P2P_MAP_NONE, P2P_REASON_KERNEL_TOO_OLD,
                 P2P_REASON_KERNEL_TOO_OLD, P2P_REASON_KERNEL_TOO_OLD},
                {"4.20.0", P2P_MAP_BUS, P2P_MAP_NONE, P2P_MAP_NONE, P2P_REASON_COMMON_BRIDGE,
                 P2P_REASON_ACS_REDIRECT, P2P_REASON_KERNEL_TOO_OLD},
                {"5.3.18", P2P_MAP_BUS, P2P_MAP_NONE, P2P_MAP_NONE, P2P_REASON_COMMON_BRIDGE,
                 P2P_REASON_ACS_REDIRECT, P2P_REASON_KERNEL_TOO_OLD},
                {"5.4.0", P2P_MAP_BUS, P2P_MAP_HOST_BRIDGE, P2P_MAP_HOST_BRIDGE,
                 P2P_REASON_COMMON_BRIDGE, P2P_REASON_HOST_BRIDGE_LISTED,
                 P2P_REASON_HOST_BRIDGE_LISTED},
                {"5.8.1", P2P_MAP_BUS, P2P_MAP_HOST_BRIDGE, P2P_MAP_HOST_BRIDGE,
                 P2P_REASON_COMMON_BRIDGE, P2P_REASON_HOST_BRIDGE_LISTED,
                 P2P_REASON_HOST_BRIDGE_LISTED},
                {"5.9.0", P2P_MAP_BUS, P2P_MAP_HOST_BRIDGE, P2P_MAP_HOST_BRIDGE,
                 P2P_REASON_COMMON_BRIDGE, P2P_REASON_CPU_ALLOWS, P2P_REASON_CPU_ALLOWS},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();

                /* First-generation Zen: by the list up to 5.8, by the CPU rule since. */
                cpu(&s.b, P2P_CPU_AMD, 0x17, 1);
                ids(&s.b, s.host_bridge, 0x1022, 0x1450);
                kernel(&s.b, cases[i].release);
                acs(&s.b, s.endpoint, RR);
                builder_finish(&s.b);
                EXPECT(&s.b,
                       {"06:00.0", "07:00.0", 4, cases[i].common, P2P_PATH_PIX,
                        cases[i].common_reason},
                       {"03:00.0", "03:00.1", 2, cases[i].redirected, P2P_PATH_PIX,
                        cases[i].redirected_reason},
                       {"08:00.0", "00:03.0", 3, cases[i].across, P2P_PATH_PHB,
                        cases[i].across_reason});
                builder_free(&s.b);
        }
}

static void test_root_port_elsewhere_needs_newer_kernel(void **state)
{
        static const struct {
                const char *release;
                enum p2p_map map;
        } cases[] = {{"5.18.19", P2P_MAP_NONE}, {"5.19", P2P_MAP_HOST_BRIDGE}};

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                struct builder b = builder_new();
                uint32_t rp = builder_root_port(&b, "00:02.0");

                kernel(&b, cases[i].release);
                ids(&b, rp, 0x8086, 0x2032);
                builder_endpoint(&b, "01:00.0", rp);
                builder_endpoint(&b, "02:00.0", builder_root_port(&b, "00:03.0"));
                builder_finish(&b);
                assert_int_equal(decided(&b, "01:00.0", "02:00.0").map, cases[i].map);
                builder_free(&b);
        }
}

struct told {
        enum p2p_reason_kind kinds[16];
        enum p2p_effect effects[16];
        unsigned n;
};

static void note(const struct p2p_reason *reason, void *userdata)
{
        struct told *t = userdata;

        assert_true(t->n < 16);
        t->kinds[t->n] = reason->kind;
        t->effects[t->n++] = reason->effect;
}

static void test_reasons_in_gate_order(void **state)
{
        static const enum p2p_reason_kind kinds[] = {
                P2P_REASON_COMMON_BRIDGE,    P2P_REASON_ACS_UNREADABLE,
                P2P_REASON_ACS_REDIRECT,     P2P_REASON_ACS_REDIRECT,
                P2P_REASON_SAME_HOST_BRIDGE, P2P_REASON_HOST_BRIDGE_NOT_LISTED,
        };
        static const enum p2p_effect effects[] = {
                P2P_EFFECT_INFORMS,   P2P_EFFECT_INFORMS, P2P_EFFECT_REDIRECTS,
                P2P_EFFECT_REDIRECTS, P2P_EFFECT_INFORMS, P2P_EFFECT_REFUSES,
        };
        struct sample s = sample_new();
        struct told told = {.n = 0};
        struct p2p_decision d;
        struct p2p_rules rules;

        (void)state;
        acs_unknown(&s.b, s.endpoint, P2P_WHY_IO_ERROR);
        acs(&s.b, s.downstream[0], RR);
        acs(&s.b, s.inner_downstream[0], CR);
        builder_finish(&s.b);
        rules = p2p_rules_for(s.b.m, P2P_RULES_RUNNING);
        p2p_decide(s.b.m, &rules, builder_at(&s.b, "03:00.0"), builder_at(&s.b, "06:00.0"), note,
                   &told, &d);
        assert_int_equal(told.n, 6);
        assert_memory_equal(told.kinds, kinds, sizeof(kinds));
        assert_memory_equal(told.effects, effects, sizeof(effects));
        assert_int_equal(d.common, builder_at(&s.b, "01:00.0"));
        assert_int_equal(d.decisive.function, builder_at(&s.b, "02:00.0"));
        builder_free(&s.b);
}

static void test_names(void **state)
{
        (void)state;
        for (int i = 0; i < P2P_MAP_MAX; i++)
                assert_non_null(p2p_map_to_string((enum p2p_map)i));
        for (int i = 0; i < P2P_PATH_MAX; i++)
                assert_non_null(p2p_path_to_string((enum p2p_path)i));
        for (int i = 0; i < P2P_REASON_MAX; i++)
                assert_non_null(p2p_reason_to_string((enum p2p_reason_kind)i));
        for (int i = 0; i < P2P_EFFECT_MAX; i++)
                assert_non_null(p2p_effect_to_string((enum p2p_effect)i));
        assert_string_equal(p2p_map_to_string(P2P_MAP_HOST_BRIDGE), "host-bridge");
        assert_string_equal(p2p_reason_to_string(P2P_REASON_ACS_REDIRECT), "acs-redirect");
        assert_null(p2p_map_to_string(P2P_MAP_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_worked_values_without_host_bridge),
                cmocka_unit_test(test_two_switches_below_one),
                cmocka_unit_test(test_on_zen_every_crossing_is_accepted),
                cmocka_unit_test(test_which_cpus_count),
                cmocka_unit_test(test_amd_family_unknown),
                cmocka_unit_test(test_whose_acs_counts),
                cmocka_unit_test(test_own_redirect_of_a_function_with_itself),
                cmocka_unit_test(test_common_root_port_redirects),
                cmocka_unit_test(test_redirect_without_common_bridge_is_irrelevant),
                cmocka_unit_test(test_unknown_acs),
                cmocka_unit_test(test_every_unknown_is_unknown),
                cmocka_unit_test(test_host_bridge_representatives),
                cmocka_unit_test(test_host_bridge_unreadable),
                cmocka_unit_test(test_host_bridge_ids_unknown),
                cmocka_unit_test(test_cpu_unknown_but_listed),
                cmocka_unit_test(test_segments_are_different_host_bridges),
                cmocka_unit_test(test_nested_root_bus),
                cmocka_unit_test(test_virtual_functions),
                cmocka_unit_test(test_parent_missing),
                cmocka_unit_test(test_root_bus_missing),
                cmocka_unit_test(test_parent_missing_on_zen),
                cmocka_unit_test(test_path_class_by_numa_node),
                cmocka_unit_test(test_old_kernels),
                cmocka_unit_test(test_root_port_elsewhere_needs_newer_kernel),
                cmocka_unit_test(test_reasons_in_gate_order),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
