/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/check.h"
#include "machine-builder.h"

/* Provider 03 and client 04 below one switch, client 05 below another root port. */
struct sample {
        struct builder b;
        uint32_t host_bridge, port, provider, near, far;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};
        uint32_t up;

        s.host_bridge = builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x2020);
        up = builder_upstream(&s.b, "01:00.0", builder_root_port(&s.b, "00:01.0"));
        s.port = builder_downstream(&s.b, "02:00.0", up);
        s.provider = builder_endpoint(&s.b, "03:00.0", s.port);
        s.near = builder_endpoint(&s.b, "04:00.0", builder_downstream(&s.b, "02:01.0", up));
        s.far = builder_endpoint(&s.b, "05:00.0", builder_root_port(&s.b, "00:02.0"));
        bar(&s.b, s.provider, 0, 0x80000000, 0x10000);
        driver(&s.b, s.near, "nvme", 64);
        driver(&s.b, s.far, "nvme", 64);
        return s;
}

/* One letter a gate: p passed, f failed, u unknown, r not reached, n not needed. */
static void expect(const struct builder *b, const char *client, const char *gates,
                   enum p2p_gate_state overall, enum p2p_gate stopped_at, const char *because)
{
        static const char letters[] = {
                [P2P_GATE_PASSED] = 'p',      [P2P_GATE_FAILED] = 'f',     [P2P_GATE_UNKNOWN] = 'u',
                [P2P_GATE_NOT_REACHED] = 'r', [P2P_GATE_NOT_NEEDED] = 'n',
        };
        const struct p2p_rules rules = p2p_rules_for(b->m, P2P_RULES_RUNNING);
        char got[P2P_GATE_MAX + 1] = "";
        struct p2p_check check;

        p2p_check_pair(b->m, &rules, builder_at(b, "03:00.0"), builder_at(b, client), &check);
        for (int i = 0; i < P2P_GATE_MAX; i++)
                got[i] = letters[check.gates[i]];
        assert_string_equal(got, gates);
        assert_int_equal(check.overall, overall);
        assert_int_equal(check.stopped_at, stopped_at);
        assert_int_equal(check.because[0] == '\0', stopped_at == P2P_GATE_MAX);
        if (because && !strstr(check.because, because))
                fail_msg("%s", check.because);
}

#define YES P2P_GATE_PASSED, P2P_GATE_MAX, NULL

static void test_yes(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppnpp", YES);
        expect(&s.b, "05:00.0", "pppnppp", YES);
        builder_free(&s.b);
}

static void test_present(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.near)->header_type = p2p_fact_without(P2P_WHY_ALL_ONES);
        builder_edit(&s.b, s.far)->header_type = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "frrrrrr", P2P_GATE_FAILED, P2P_GATE_PRESENT, "04:00.0 does not");
        expect(&s.b, "05:00.0", "uppnppp", P2P_GATE_UNKNOWN, P2P_GATE_PRESENT, "05:00.0 does not");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->header_type = p2p_fact_without(P2P_WHY_GONE);
        builder_edit(&s.b, s.near)->header_type = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "frrrrrr", P2P_GATE_FAILED, P2P_GATE_PRESENT, "03:00.0 does not");
        builder_free(&s.b);
}

static void test_bar(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.provider)->bars[0].assigned = false;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pfrrrrr", P2P_GATE_FAILED, P2P_GATE_BAR, "has no address");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_ABSENT;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pfrrrrr", P2P_GATE_FAILED, P2P_GATE_BAR, "has no memory BAR");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_UNKNOWN;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "puppnpp", P2P_GATE_UNKNOWN, P2P_GATE_BAR, NULL);
        builder_free(&s.b);
}

static void test_decoding(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_known(0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppfrrrr", P2P_GATE_FAILED, P2P_GATE_DECODING, "is off");
        builder_free(&s.b);

        /* Unknown does not end the check: what fails later is said. */
        s = sample_new();
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_without(P2P_WHY_ALL_ONES);
        s.b.m->kernel_has_p2pdma = p2p_fact_known(0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppupnpf", P2P_GATE_FAILED, P2P_GATE_KERNEL, "PCI_P2PDMA");
        builder_free(&s.b);
}

static void test_acs_and_host_bridge(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port, P2P_ACS_RR);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppppp", YES);
        builder_free(&s.b);

        s = sample_new();
        acs(&s.b, s.port, P2P_ACS_RR);
        ids(&s.b, s.host_bridge, 0x8086, 0x29c0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppfrrr", P2P_GATE_FAILED, P2P_GATE_ACS, "RR set");
        expect(&s.b, "05:00.0", "pppnfrr", P2P_GATE_FAILED, P2P_GATE_HOST_BRIDGE, "not on the");
        builder_free(&s.b);

        s = sample_new();
        acs_unknown(&s.b, s.port, P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppunpp", P2P_GATE_UNKNOWN, P2P_GATE_ACS, "is unknown");
        builder_free(&s.b);

        s = sample_new();
        cpu(&s.b, P2P_CPU_UNKNOWN, 0, 0);
        ids(&s.b, s.host_bridge, 0x8086, 0x29c0);
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "pppnupp", P2P_GATE_UNKNOWN, P2P_GATE_HOST_BRIDGE, "the CPU");
        builder_free(&s.b);
}

static void test_parent_missing(void **state)
{
        struct sample s = sample_new();

        (void)state;
        parent_missing(&s.b, s.far, P2P_WHY_NOT_CAPTURED);
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "pppuupp", P2P_GATE_UNKNOWN, P2P_GATE_ACS, "hangs on");
        builder_free(&s.b);
}

static void test_iommu(void **state)
{
        struct sample s = sample_new();

        (void)state;
        group(&s.b, s.near, 4, P2P_GROUP_BLOCKED);
        bar(&s.b, s.provider, 0, UINT64_C(1) << 40, 0x1000);
        driver(&s.b, s.far, "x", 32);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppnfr", P2P_GATE_FAILED, P2P_GATE_IOMMU, "is blocked");
        expect(&s.b, "05:00.0", "pppnpfr", P2P_GATE_FAILED, P2P_GATE_IOMMU, "32 bits");
        builder_free(&s.b);

        s = sample_new();
        bar(&s.b, s.provider, 0, UINT64_C(1) << 40, 0x1000);
        builder_edit(&s.b, s.near)->driver_why = P2P_WHY_ABSENT;
        builder_edit(&s.b, s.far)->dma_mask_bits = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppnpp", YES);
        expect(&s.b, "05:00.0", "pppnpup", P2P_GATE_UNKNOWN, P2P_GATE_IOMMU, "is unknown");
        builder_free(&s.b);
}

static void test_kernel(void **state)
{
        struct sample s = sample_new();

        (void)state;
        s.b.m->kernel_has_p2pdma = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppnpu", P2P_GATE_UNKNOWN, P2P_GATE_KERNEL, "PCI_P2PDMA");
        builder_free(&s.b);

        s = sample_new();
        kernel(&s.b, "4.19.1");
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppnpf", P2P_GATE_FAILED, P2P_GATE_KERNEL, "4.20");
        expect(&s.b, "05:00.0", "pppnnpf", P2P_GATE_FAILED, P2P_GATE_KERNEL, "4.20");
        builder_free(&s.b);

        s = sample_new();
        kernel(&s.b, "5.3.0");
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "pppnfrr", P2P_GATE_FAILED, P2P_GATE_HOST_BRIDGE, "5.4");
        builder_free(&s.b);
}

static void test_names(void **state)
{
        (void)state;
        for (int i = 0; i < P2P_GATE_MAX; i++)
                assert_non_null(p2p_gate_to_string((enum p2p_gate)i));
        for (int i = 0; i < P2P_GATE_STATE_MAX; i++)
                assert_non_null(p2p_gate_state_to_string((enum p2p_gate_state)i));
        assert_string_equal(p2p_gate_state_to_string(P2P_GATE_NOT_NEEDED), "not-needed");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_yes),
                cmocka_unit_test(test_present),
                cmocka_unit_test(test_bar),
                cmocka_unit_test(test_decoding),
                cmocka_unit_test(test_acs_and_host_bridge),
                cmocka_unit_test(test_parent_missing),
                cmocka_unit_test(test_iommu),
                cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
