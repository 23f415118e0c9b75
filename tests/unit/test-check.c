/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/check.h"
#include "machine-builder.h"
#include "random-machine.h"

/* Provider 03 and client 04 below one switch, client 05 below another root port. */
struct sample {
        struct builder b;
        uint32_t host_bridge, up, port, provider, near, far;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};
        const uint32_t root_port[2] = {builder_root_port(&s.b, "00:01.0"),
                                       builder_root_port(&s.b, "00:02.0")};
        uint32_t near_port;

        s.host_bridge = builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x2020);
        s.up = builder_upstream(&s.b, "01:00.0", root_port[0]);
        s.port = builder_downstream(&s.b, "02:00.0", s.up);
        near_port = builder_downstream(&s.b, "02:01.0", s.up);
        s.provider = builder_endpoint(&s.b, "03:00.0", s.port);
        s.near = builder_endpoint(&s.b, "04:00.0", near_port);
        s.far = builder_endpoint(&s.b, "05:00.0", root_port[1]);
        bar(&s.b, s.provider, 0, 0x80000000, 0x10000);
        driver(&s.b, s.near, "nvme", 64);
        driver(&s.b, s.far, "nvme", 64);
        /* The root ports could do more than what hangs on them. */
        link_is(&s.b, root_port[0], 16000, 16, 32000, 16);
        link_is(&s.b, root_port[1], 16000, 16, 32000, 16);
        link_is(&s.b, s.up, 16000, 16, 16000, 16);
        link_is(&s.b, s.port, 16000, 4, 16000, 16);
        link_is(&s.b, near_port, 16000, 4, 16000, 16);
        link_is(&s.b, s.provider, 16000, 4, 32000, 4);
        link_is(&s.b, s.near, 16000, 4, 16000, 4);
        link_is(&s.b, s.far, 16000, 16, 16000, 16);
        return s;
}

/* One letter a gate: p passed, f failed, u unknown, r not reached, n not needed. */
static void expect_of(struct p2p_check_params params, const char *gates,
                      enum p2p_gate_state overall, enum p2p_gate stopped_at, const char *because)
{
        static const char letters[] = {
                [P2P_GATE_PASSED] = 'p',      [P2P_GATE_FAILED] = 'f',     [P2P_GATE_UNKNOWN] = 'u',
                [P2P_GATE_NOT_REACHED] = 'r', [P2P_GATE_NOT_NEEDED] = 'n',
        };
        const struct p2p_rules rules = p2p_rules_for(params.machine, P2P_RULES_RUNNING);
        char got[P2P_GATE_MAX + 1] = "";
        struct p2p_check check;

        if (!params.rules)
                params.rules = &rules;
        p2p_check_pair(&params, &check);
        for (int i = 0; i < P2P_GATE_MAX; i++)
                got[i] = letters[check.gates[i]];
        if (strcmp(got, gates) != 0)
                fail_msg("%s, not %s: %s", got, gates, check.because);
        assert_int_equal(check.overall, overall);
        assert_int_equal(check.stopped_at, stopped_at);
        assert_int_equal(check.because[0] == '\0', stopped_at == P2P_GATE_MAX);
        if (because && !strstr(check.because, because))
                fail_msg("%s", check.because);
}

static struct p2p_check_params pair_of(const struct builder *b, const char *client)
{
        return (struct p2p_check_params){
                .machine = b->m,
                .provider = builder_at(b, "03:00.0"),
                .client = builder_at(b, client),
        };
}

static void expect(const struct builder *b, const char *client, const char *gates,
                   enum p2p_gate_state overall, enum p2p_gate stopped_at, const char *because)
{
        expect_of(pair_of(b, client), gates, overall, stopped_at, because);
}

#define YES P2P_GATE_PASSED, P2P_GATE_MAX, NULL

static void test_yes(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        expect(&s.b, "05:00.0", "ppppnpppn", YES);
        builder_free(&s.b);
}

static void test_present(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.near)->header_type = p2p_fact_without(P2P_WHY_ALL_ONES);
        builder_edit(&s.b, s.far)->header_type = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "frrrrrrrr", P2P_GATE_FAILED, P2P_GATE_PRESENT, "04:00.0 does not");
        expect(&s.b, "05:00.0", "upppnpppn", P2P_GATE_UNKNOWN, P2P_GATE_PRESENT,
               "05:00.0 does not");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->header_type = p2p_fact_without(P2P_WHY_GONE);
        builder_edit(&s.b, s.near)->header_type = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "frrrrrrrr", P2P_GATE_FAILED, P2P_GATE_PRESENT, "03:00.0 does not");
        builder_free(&s.b);
}

static void test_bar(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.provider)->bars[0].assigned = false;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pfrrrrrrr", P2P_GATE_FAILED, P2P_GATE_BAR, "has no address");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_ABSENT;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pfrrrrrrr", P2P_GATE_FAILED, P2P_GATE_BAR, "has no memory BAR");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_UNKNOWN;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pupppnppn", P2P_GATE_UNKNOWN, P2P_GATE_BAR, NULL);
        builder_free(&s.b);
}

static void test_decoding(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_known(0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppfrrrrrr", P2P_GATE_FAILED, P2P_GATE_DECODING, "is off");
        builder_free(&s.b);

        /* Unknown does not end the check: what fails later is said. */
        s = sample_new();
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_without(P2P_WHY_ALL_ONES);
        s.b.m->kernel_has_p2pdma = p2p_fact_known(0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppuppnpfr", P2P_GATE_FAILED, P2P_GATE_KERNEL, "PCI_P2PDMA");
        builder_free(&s.b);
}

static void test_acs_and_host_bridge(void **state)
{
        struct sample s = sample_new();

        (void)state;
        acs(&s.b, s.port, P2P_ACS_RR);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppppppn", YES);
        builder_free(&s.b);

        s = sample_new();
        acs(&s.b, s.port, P2P_ACS_RR);
        ids(&s.b, s.host_bridge, 0x8086, 0x29c0);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppfrrrr", P2P_GATE_FAILED, P2P_GATE_ACS, "RR set");
        expect(&s.b, "05:00.0", "ppppnfrrr", P2P_GATE_FAILED, P2P_GATE_HOST_BRIDGE, "not on the");
        builder_free(&s.b);

        s = sample_new();
        acs_unknown(&s.b, s.port, P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "ppppunppn", P2P_GATE_UNKNOWN, P2P_GATE_ACS, "is unknown");
        builder_free(&s.b);

        s = sample_new();
        cpu(&s.b, P2P_CPU_UNKNOWN, 0, 0);
        ids(&s.b, s.host_bridge, 0x8086, 0x29c0);
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "ppppnuppn", P2P_GATE_UNKNOWN, P2P_GATE_HOST_BRIDGE, "the CPU");
        builder_free(&s.b);
}

static void test_parent_missing(void **state)
{
        struct sample s = sample_new();

        (void)state;
        parent_missing(&s.b, s.far, P2P_WHY_NOT_CAPTURED);
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "ppppuuppn", P2P_GATE_UNKNOWN, P2P_GATE_ACS, "hangs on");
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
        expect(&s.b, "04:00.0", "pppppnfrr", P2P_GATE_FAILED, P2P_GATE_IOMMU, "is blocked");
        expect(&s.b, "05:00.0", "ppppnpfrr", P2P_GATE_FAILED, P2P_GATE_IOMMU, "32 bits");
        builder_free(&s.b);

        s = sample_new();
        bar(&s.b, s.provider, 0, UINT64_C(1) << 40, 0x1000);
        builder_edit(&s.b, s.near)->driver_why = P2P_WHY_ABSENT;
        builder_edit(&s.b, s.far)->dma_mask_bits = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        expect(&s.b, "05:00.0", "ppppnpupn", P2P_GATE_UNKNOWN, P2P_GATE_IOMMU, "is unknown");
        builder_free(&s.b);
}

static void test_kernel(void **state)
{
        struct sample s = sample_new();

        (void)state;
        s.b.m->kernel_has_p2pdma = p2p_fact_without(P2P_WHY_NO_FILE);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnpun", P2P_GATE_UNKNOWN, P2P_GATE_KERNEL, "PCI_P2PDMA");
        builder_free(&s.b);

        s = sample_new();
        kernel(&s.b, "4.19.1");
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnpfr", P2P_GATE_FAILED, P2P_GATE_KERNEL, "4.20");
        expect(&s.b, "05:00.0", "ppppnnpfr", P2P_GATE_FAILED, P2P_GATE_KERNEL, "4.20");
        builder_free(&s.b);

        s = sample_new();
        kernel(&s.b, "5.3.0");
        builder_finish(&s.b);
        expect(&s.b, "05:00.0", "ppppnfrrr", P2P_GATE_FAILED, P2P_GATE_HOST_BRIDGE, "5.4");
        builder_free(&s.b);
}

/* With a smallest size: 64 KiB are there. */
static void expect_size(const struct builder *b, uint64_t min_bytes, enum p2p_gate_state bar_gate,
                        const char *because)
{
        struct p2p_check_params params = pair_of(b, "04:00.0");

        params.min_bar_bytes = min_bytes;
        if (bar_gate == P2P_GATE_PASSED)
                expect_of(params, "pppppnppn", YES);
        else if (bar_gate == P2P_GATE_FAILED)
                expect_of(params, "pfrrrrrrr", bar_gate, P2P_GATE_BAR, because);
        else
                expect_of(params, "pupppnppn", bar_gate, P2P_GATE_BAR, because);
}

static void test_bar_size(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        expect_size(&s.b, 0, P2P_GATE_PASSED, NULL);
        expect_size(&s.b, 0x10000, P2P_GATE_PASSED, NULL);
        expect_size(&s.b, 0x10001, P2P_GATE_FAILED,
                    "the largest BAR of endpoint 0000:03:00.0, BAR 0, has 64 KiB, where 65537 "
                    "bytes is asked for; "
                    "none can be resized");
        builder_free(&s.b);

        /* Resizable. */
        s = sample_new();
        bar(&s.b, s.provider, 2, 0xc0000000, UINT64_C(256) << 20)->resize_max_bytes =
                p2p_fact_known(UINT64_C(32) << 30);
        builder_finish(&s.b);
        expect_size(&s.b, UINT64_C(256) << 20, P2P_GATE_PASSED, NULL);
        expect_size(&s.b, UINT64_C(16) << 30, P2P_GATE_FAILED,
                    "BAR 2, has 256 MiB, where 16 GiB is asked for; BAR 2 can be resized to 32 GiB "
                    "at most");
        builder_free(&s.b);

        /* Large enough, but without an address. */
        s = sample_new();
        bar(&s.b, s.provider, 4, 0, UINT64_C(16) << 30)->assigned = false;
        builder_finish(&s.b);
        expect_size(&s.b, UINT64_C(16) << 30, P2P_GATE_FAILED,
                    "BAR 0, has 64 KiB, where 16 GiB is asked for; BAR 4, 16 GiB, has no address");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].resize_max_bytes =
                p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        builder_finish(&s.b);
        expect_size(&s.b, 1 << 20, P2P_GATE_FAILED, "whether one can be resized is unknown");
        builder_free(&s.b);
}

static void test_bar_size_unknown(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.provider, 2, 0xc0000000, 0)->size_bytes =
                p2p_fact_without(P2P_WHY_NOT_IN_SOURCE);
        builder_finish(&s.b);
        expect_size(&s.b, 0x10000, P2P_GATE_PASSED, NULL);
        expect_size(&s.b, 0x20000, P2P_GATE_UNKNOWN, "whether a BAR of endpoint 0000:03:00.0 has");
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[3].kind = P2P_BAR_UNKNOWN;
        builder_finish(&s.b);
        expect_size(&s.b, 0x10000, P2P_GATE_PASSED, NULL);
        expect_size(&s.b, 0x20000, P2P_GATE_UNKNOWN, "is unknown");
        builder_free(&s.b);
}

#define SLOW P2P_GATE_FAILED, P2P_GATE_LINK
#define NOT_TOLD P2P_GATE_UNKNOWN, P2P_GATE_LINK

static void test_link_slow(void **state)
{
        struct sample s = sample_new();
        struct p2p_check_params params;

        (void)state;
        link_is(&s.b, s.near, 8000, 2, 16000, 4);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppfrrrrr", SLOW,
               "the link of endpoint 0000:04:00.0 runs at 8 GT/s x2, both of its ends can do "
               "16 GT/s x4: trained down, or saving power");
        params = pair_of(&s.b, "04:00.0");
        params.allow_slow_link = true;
        expect_of(params, "pppnpnppn", YES);
        builder_free(&s.b);

        /* Width alone. */
        s = sample_new();
        link_is(&s.b, s.provider, 16000, 1, 32000, 4);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppfrrrrr", SLOW,
               "16 GT/s x1, both of its ends can do 16 GT/s x4");
        builder_free(&s.b);

        /* The link above the switch is on the way through the host bridge only. */
        s = sample_new();
        link_is(&s.b, s.up, 2500, 16, 16000, 16);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        expect(&s.b, "05:00.0", "pppfrrrrr", SLOW, "0000:01:00.0 runs at 2.5 GT/s x16");
        builder_free(&s.b);

        s = sample_new();
        link_is(&s.b, s.up, 2500, 16, 16000, 16);
        acs(&s.b, s.port, P2P_ACS_RR);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppfrrrrr", SLOW, "0000:01:00.0 runs at 2.5 GT/s x16");
        builder_free(&s.b);
}

static void test_link_unknown(void **state)
{
        const struct p2p_fact unknown = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.near)->link_speed_max_mts = unknown;
        builder_finish(&s.b);
        /* The port above can no more. */
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->link_width_max_lanes = unknown;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppupnppn", NOT_TOLD, "takes privilege");
        /* A later link that is known to be slow says more. */
        builder_free(&s.b);
        s = sample_new();
        builder_edit(&s.b, s.provider)->link_width_max_lanes = unknown;
        link_is(&s.b, s.near, 16000, 2, 16000, 4);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppfrrrrr", SLOW, "0000:04:00.0 runs at 16 GT/s x2");
        builder_free(&s.b);

        /* The port tells what the function does not; neither tells. */
        s = sample_new();
        builder_edit(&s.b, s.provider)->link_width_lanes = unknown;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        builder_free(&s.b);
        s = sample_new();
        builder_edit(&s.b, s.provider)->link_width_lanes = p2p_fact_known(0);
        builder_edit(&s.b, s.port)->link_width_lanes = unknown;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppupnppn", NOT_TOLD, "0000:03:00.0 runs at its best is unknown");
        builder_free(&s.b);
}

static void test_link_none(void **state)
{
        struct builder b = builder_new();
        const uint32_t provider = builder_integrated(&b, "00:03.0");
        struct p2p_check_params params;

        (void)state;
        builder_host_bridge(&b, "00:00.0", 0x8086, 0x2020);
        driver(&b, builder_integrated(&b, "00:04.0"), "x", 64);
        bar(&b, provider, 0, 0x80000000, 0x10000);
        builder_finish(&b);
        params = (struct p2p_check_params){
                .machine = b.m,
                .provider = builder_at(&b, "00:03.0"),
                .client = builder_at(&b, "00:04.0"),
        };
        expect_of(params, "pppnnpppn", YES);
        builder_free(&b);
}

/* A virtual machine shows the device without the port above it. */
static void test_link_without_port(void **state)
{
        struct builder b = builder_new();
        const uint32_t host_bridge = builder_host_bridge(&b, "00:00.0", 0x8086, 0x2020);
        const uint32_t provider =
                builder_function(&b, "00:03.0", ON_ROOT_BUS, P2P_PORT_ENDPOINT, 0x030200);
        const uint32_t client =
                builder_function(&b, "00:04.0", ON_ROOT_BUS, P2P_PORT_ENDPOINT, 0x020700);
        struct p2p_check_params params = {.machine = b.m, .provider = provider, .client = client};

        (void)state;
        assert_true(host_bridge < provider && provider < client);
        bar(&b, provider, 0, 0x80000000, 0x10000);
        driver(&b, client, "x", 64);
        link_is(&b, provider, 32000, 16, 32000, 16);
        link_is(&b, client, 32000, 8, 32000, 16);
        builder_finish(&b);
        expect_of(params, "pppunpppn", NOT_TOLD, "0000:00:04.0 runs at its best is unknown");
        b.m->functions[client].link_width_lanes = p2p_fact_known(16);
        expect_of(params, "ppppnpppn", YES);
        builder_free(&b);
}

/* Before a driver is bound config space says enough. */
static void test_without_drivers(void **state)
{
        struct sample s = sample_new();

        (void)state;
        for (uint32_t i = 0; i < s.b.m->n_functions; i++) {
                struct p2p_function *f = builder_edit(&s.b, i);

                f->driver = NULL;
                f->driver_why = P2P_WHY_ABSENT;
                f->dma_mask_bits = p2p_fact_known(32);
                f->p2pmem_size_bytes = f->p2pmem_published = p2p_fact_without(P2P_WHY_ABSENT);
        }
        bar(&s.b, s.provider, 0, UINT64_C(1) << 40, UINT64_C(1) << 34);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        expect(&s.b, "05:00.0", "ppppnpppn", YES);
        builder_free(&s.b);
}

static void test_reads_and_regions(void **state)
{
        struct sample s = sample_new();
        struct p2p_group *g;

        (void)state;
        cpu(&s.b, P2P_CPU_INTEL, 6, 0x9e);
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnppn", YES);
        expect(&s.b, "05:00.0", "ppppnfrrr", P2P_GATE_FAILED, P2P_GATE_HOST_BRIDGE, "reads from");
        builder_free(&s.b);

        s = sample_new();
        g = group(&s.b, s.near, 4, P2P_GROUP_IDENTITY);
        g->regions = p2p_machine_alloc(s.b.m, 1, sizeof(*g->regions));
        g->regions[0] = (struct p2p_region){0x80008000, 0x80008fff, P2P_REGION_RESERVED};
        g->n_regions = 1;
        builder_finish(&s.b);
        expect(&s.b, "04:00.0", "pppppnfrr", P2P_GATE_FAILED, P2P_GATE_IOMMU, "reserved region");
        builder_free(&s.b);
}

/* The port redirected, then did not any more; the host bridge takes what is redirected. */
static void test_kernel_cache(void **state)
{
        struct sample before = sample_new(), after = sample_new();
        struct p2p_kernel_cache_params step = {.pairs_max = P2P_KERNEL_CACHE_PAIRS_MAX};
        struct p2p_verdicts *v[2];
        struct p2p_check_params params;
        struct p2p_kernel_cache *cache;
        struct p2p_rules newest;

        (void)state;
        acs(&before.b, before.port, P2P_ACS_RR);
        acs(&after.b, after.port, 0);
        driver(&before.b, before.provider, "nvme", 64);
        driver(&after.b, after.provider, "nvme", 64);
        step.before = builder_finish(&before.b);
        step.after = builder_finish(&after.b);
        v[0] = p2p_verdicts_new(step.before, p2p_rules_for(step.before, P2P_RULES_RUNNING));
        v[1] = p2p_verdicts_new(step.after, p2p_rules_for(step.after, P2P_RULES_RUNNING));
        step.before_verdicts = v[0];
        step.after_verdicts = v[1];
        assert_int_equal(p2p_kernel_cache_new(&step, &cache), 0);

        params = pair_of(&after.b, "04:00.0");
        expect_of(params, "pppppnppn", YES);
        params.kernel_cache = cache;
        expect_of(params, "pppppnpun", P2P_GATE_UNKNOWN, P2P_GATE_KERNEL, "host-bridge) until");
        newest = p2p_rules_for(step.after, P2P_RULES_NEWEST);
        params.rules = &newest;
        expect_of(params, "pppppnppn", YES);
        /* A pair whose verdict never was another. */
        params = pair_of(&after.b, "05:00.0");
        params.kernel_cache = cache;
        expect_of(params, "ppppnpppn", YES);

        p2p_kernel_cache_free(cache);
        p2p_verdicts_free(v[0]);
        p2p_verdicts_free(v[1]);
        builder_free(&before.b);
        builder_free(&after.b);
}

/* What was tried outweighs what is computed: never "yes" behind data that was wrong. */
static void test_transfer(void **state)
{
        static const struct {
                enum p2p_check_transfer transfer;
                enum p2p_map then;
                char gate, newest; /* of "verified": under the running rules, and the newest */
        } cases[] = {
                {P2P_CHECK_TRANSFER_NONE, P2P_MAP_UNKNOWN, 'n', 'n'},
                {P2P_CHECK_TRANSFER_ARRIVED, P2P_MAP_BUS, 'p', 'p'},
                {P2P_CHECK_TRANSFER_ARRIVED, P2P_MAP_NONE, 'p', 'p'},
                {P2P_CHECK_TRANSFER_WRONG_DATA, P2P_MAP_BUS, 'f', 'f'},
                {P2P_CHECK_TRANSFER_WRONG_DATA, P2P_MAP_HOST_BRIDGE, 'u', 'u'},
                {P2P_CHECK_TRANSFER_WRONG_DATA, P2P_MAP_NONE, 'u', 'u'},
                {P2P_CHECK_TRANSFER_WRONG_DATA, P2P_MAP_UNKNOWN, 'u', 'u'},
                {P2P_CHECK_TRANSFER_REFUSED, P2P_MAP_BUS, 'f', 'n'},
                {P2P_CHECK_TRANSFER_REFUSED, P2P_MAP_HOST_BRIDGE, 'u', 'n'},
                {P2P_CHECK_TRANSFER_REFUSED, P2P_MAP_NONE, 'n', 'n'},
                {P2P_CHECK_TRANSFER_REFUSED, P2P_MAP_UNKNOWN, 'n', 'n'},
                {P2P_CHECK_TRANSFER_FAILED, P2P_MAP_BUS, 'f', 'f'},
                {P2P_CHECK_TRANSFER_FAILED, P2P_MAP_NONE, 'u', 'u'},
        };
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_check_params params = pair_of(&s.b, "04:00.0");
                const struct p2p_rules newest = p2p_rules_for(s.b.m, P2P_RULES_NEWEST);

                params.transfer = cases[i].transfer;
                params.transfer_map = cases[i].then;
                for (int j = 0; j < 2; j++) {
                        char gates[] = "pppppnpp?";

                        gates[P2P_GATE_VERIFIED] = j ? cases[i].newest : cases[i].gate;
                        params.rules = j ? &newest : NULL;
                        if (strchr("pn", gates[P2P_GATE_VERIFIED]))
                                expect_of(params, gates, YES);
                        else if (gates[P2P_GATE_VERIFIED] == 'f')
                                expect_of(params, gates, P2P_GATE_FAILED, P2P_GATE_VERIFIED,
                                          "04:00.0 to the memory of endpoint 0000:03:00.0");
                        else
                                expect_of(params, gates, P2P_GATE_UNKNOWN, P2P_GATE_VERIFIED,
                                          "another one then");
                }
        }
        builder_free(&s.b);
}

/* Whatever is unknown or forbidden, one of the gates says so: no pair passes all of them that the
 * verdict does not allow. */
static void test_random(void **state)
{
        uint32_t n_passed = 0, n_other = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 200; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed};
                struct p2p_rules rules;

                random_acs(&b, &r);
                for (uint32_t i = 0; i < b.m->n_functions; i++) {
                        bar(&b, i, 0, 0x80000000 + i * 0x10000, 0x10000);
                        driver(&b, i, "nvme", 64);
                }
                builder_finish(&b);
                b.m->kernel_has_p2pdma = p2p_fact_known(1);
                rules = p2p_rules_for(b.m, P2P_RULES_NEWEST);
                for (uint32_t i = 0; i < 2000 && b.m->n_functions > 1; i++) {
                        const struct p2p_check_params params = {
                                .machine = b.m,
                                .rules = &rules,
                                .provider = random_below(&r, b.m->n_functions),
                                .client = random_below(&r, b.m->n_functions),
                                .allow_slow_link = true,
                        };
                        struct p2p_check check;

                        p2p_check_pair(&params, &check);
                        if (check.overall != P2P_GATE_PASSED) {
                                n_other++;
                                continue;
                        }
                        n_passed++;
                        assert_true(check.decision.map == P2P_MAP_BUS ||
                                    check.decision.map == P2P_MAP_HOST_BRIDGE);
                }
                builder_free(&b);
        }
        print_message("%u pairs pass, %u do not\n", n_passed, n_other);
        assert_true(n_passed > 100 && n_other > 1000);
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
                cmocka_unit_test(test_bar_size),
                cmocka_unit_test(test_bar_size_unknown),
                cmocka_unit_test(test_link_slow),
                cmocka_unit_test(test_link_unknown),
                cmocka_unit_test(test_link_none),
                cmocka_unit_test(test_link_without_port),
                cmocka_unit_test(test_without_drivers),
                cmocka_unit_test(test_reads_and_regions),
                cmocka_unit_test(test_kernel_cache),
                cmocka_unit_test(test_transfer),
                cmocka_unit_test(test_random),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
