/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "decide/constraint.h"
#include "machine-builder.h"

#define GIB (UINT64_C(1) << 30)

/* Provider 03 and clients 04 (over a switch) and 05 (over the host bridge). */
struct sample {
        struct builder b;
        uint32_t root_port, upstream, port[2], provider, near, far;
};

static struct sample sample_new(void)
{
        struct sample s = {.b = builder_new()};

        builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x2020);
        s.root_port = builder_root_port(&s.b, "00:01.0");
        s.upstream = builder_upstream(&s.b, "01:00.0", s.root_port);
        s.port[0] = builder_downstream(&s.b, "02:00.0", s.upstream);
        s.port[1] = builder_downstream(&s.b, "02:01.0", s.upstream);
        s.provider = builder_endpoint(&s.b, "03:00.0", s.port[0]);
        s.near = builder_endpoint(&s.b, "04:00.0", s.port[1]);
        s.far = builder_endpoint(&s.b, "05:00.0", builder_root_port(&s.b, "00:02.0"));
        bar(&s.b, s.provider, 0, 0x80000000, 0x10000);
        driver(&s.b, s.near, "nvme", 64);
        driver(&s.b, s.far, "nvme", 64);
        return s;
}

struct want {
        enum p2p_constraint_kind kind;
        bool reads, writes, blocks, is_unknown;
        const char *function;
        uint32_t bar_index;
        uint64_t detail;
};

static void expect(const struct builder *b, const char *client, const struct want *want, uint32_t n)
{
        struct p2p_constraint list[P2P_CONSTRAINTS_MAX + 16];
        struct p2p_constraints_params params = {
                .m = b->m,
                .provider = builder_at(b, "03:00.0"),
                .client = builder_at(b, client),
        };
        struct p2p_path_element *path;
        uint32_t got;
        char buf[300];

        assert_int_equal(
                p2p_path_elements_new(b->m, params.provider, params.client, &path, &params.n_path),
                0);
        params.path = path;
        assert_true(params.n_path <= 16);
        got = p2p_constraints_collect(&params, list);
        for (uint32_t i = 0; i < got; i++)
                if (i >= n || list[i].kind != want[i].kind)
                        fail_msg("%s", p2p_constraint_format(b->m, &list[i], buf, sizeof(buf)));
        assert_int_equal(got, n);
        for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(list[i].reads, want[i].reads);
                assert_int_equal(list[i].writes, want[i].writes);
                assert_int_equal(list[i].blocks, want[i].blocks);
                assert_int_equal(list[i].is_unknown, want[i].is_unknown);
                assert_int_equal(list[i].function,
                                 want[i].function ? builder_at(b, want[i].function) : P2P_NONE);
                assert_int_equal(list[i].bar_index, want[i].bar_index);
                assert_true(list[i].detail == want[i].detail);
                assert_true(strlen(p2p_constraint_format(b->m, &list[i], buf, sizeof(buf))) > 20);
        }
        free(path);
}

#define EXPECT(b, client, ...)                                                                     \
        do {                                                                                       \
                const struct want wanted[] = {__VA_ARGS__};                                        \
                expect(b, client, wanted, sizeof(wanted) / sizeof(wanted[0]));                     \
        } while (0)

#define EXPECT_NONE(b, client) expect(b, client, NULL, 0)

static void test_nothing_in_the_way(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "04:00.0");
        EXPECT_NONE(&s.b, "05:00.0");
        EXPECT_NONE(&s.b, "03:00.0");
        builder_free(&s.b);
}

static void test_dma_mask(void **state)
{
        static const struct {
                uint64_t start, size;
                unsigned mask;
                bool found;
        } cases[] = {
                {0x80000000, 0x80000000, 32, false}, /* ends at 4 GiB - 1 */
                {0x80000001, 0x80000000, 32, true},
                {4 * GIB, 0x1000, 32, true},
                {4 * GIB, 0x1000, 33, false},
                {(UINT64_C(1) << 40) - 1, 2, 40, true},
                {(UINT64_C(1) << 40) - 1, 1, 40, false},
                {UINT64_MAX, 1, 64, false},
                {UINT64_MAX, 1, 63, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();

                bar(&s.b, s.provider, 0, cases[i].start, cases[i].size);
                driver(&s.b, s.near, "nvme", cases[i].mask);
                builder_finish(&s.b);
                if (cases[i].found)
                        EXPECT(&s.b, "04:00.0",
                               {P2P_CONSTRAINT_DMA_MASK, true, true, true, false, "04:00.0", 0,
                                cases[i].mask});
                else
                        EXPECT_NONE(&s.b, "04:00.0");
                builder_free(&s.b);
        }
}

/* Bus addresses count below a switch, physical ones through the host bridge. */
static void test_dma_mask_looks_at_the_right_address(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.provider, 0, 64 * GIB, 0x1000)->bus_start.val = 0x1000;
        driver(&s.b, s.near, "x", 32);
        driver(&s.b, s.far, "x", 32);
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "04:00.0");
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_DMA_MASK, true, true, true, false, "05:00.0", 0, 32});
        builder_free(&s.b);
}

static void test_dma_mask_unknown(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.provider, 2, 64 * GIB, 0x1000);
        builder_edit(&s.b, s.near)->dma_mask_bits = p2p_fact_without(P2P_WHY_NOT_IN_SOURCE);
        builder_edit(&s.b, s.far)->driver = NULL;
        builder_edit(&s.b, s.far)->driver_why = P2P_WHY_ABSENT;
        builder_edit(&s.b, s.far)->dma_mask_bits = p2p_fact_known(32);
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_DMA_MASK, true, true, false, true, "04:00.0", 2, 0});
        /* Without a driver, 32 is only the default. */
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_DMA_MASK, true, true, false, true, "05:00.0", 2, 0});
        builder_free(&s.b);
}

static void test_bars(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.provider, 2, 0, 0x1000)->assigned = false;
        bar(&s.b, s.provider, 4, 0x90000000, 0x10000000)->resize_now_bytes =
                p2p_fact_known(0x10000000);
        builder_edit(&s.b, s.provider)->bars[4].resize_max_bytes = p2p_fact_known(32 * GIB);
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_known(0);
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_BAR_UNASSIGNED, true, true, true, false, "03:00.0", 2, 0},
               {P2P_CONSTRAINT_DECODING_OFF, true, true, true, false, "03:00.0", P2P_NONE, 0},
               {P2P_CONSTRAINT_SMALL_BAR, true, true, false, false, "03:00.0", 4, 32 * GIB});
        builder_free(&s.b);
}

static void test_no_bar_and_unknown_facts(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_ABSENT;
        builder_edit(&s.b, s.provider)->bars[1].kind = P2P_BAR_IO;
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_NO_BAR, true, true, true, false, "03:00.0", P2P_NONE, 0});
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->bars[0].kind = P2P_BAR_UNKNOWN;
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_NO_BAR, true, true, false, true, "03:00.0", P2P_NONE, 0});
        builder_free(&s.b);

        s = sample_new();
        builder_edit(&s.b, s.provider)->memory_decoding = p2p_fact_without(P2P_WHY_ALL_ONES);
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_DECODING_OFF, true, true, false, true, "03:00.0", P2P_NONE, 0});
        builder_free(&s.b);
}

static void test_iommu(void **state)
{
        static const struct {
                enum p2p_group_type type;
                enum p2p_constraint_kind kind;
                bool blocks, is_unknown;
        } cases[] = {
                {P2P_GROUP_TRANSLATED, P2P_CONSTRAINT_IOMMU_TRANSLATES, false, false},
                {P2P_GROUP_UNMANAGED, P2P_CONSTRAINT_IOMMU_TRANSLATES, false, false},
                {P2P_GROUP_IDENTITY, P2P_CONSTRAINT_IOMMU_PASSTHROUGH, false, false},
                {P2P_GROUP_BLOCKED, P2P_CONSTRAINT_IOMMU_BLOCKED, true, false},
                {P2P_GROUP_TYPE_UNKNOWN, P2P_CONSTRAINT_IOMMU_TRANSLATES, false, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();

                group(&s.b, s.near, 11, cases[i].type);
                group(&s.b, s.far, 12, cases[i].type);
                builder_finish(&s.b);
                EXPECT(&s.b, "05:00.0",
                       {cases[i].kind, true, true, cases[i].blocks, cases[i].is_unknown, "05:00.0",
                        P2P_NONE, 12});
                /* Below a switch the IOMMU is not passed; blocked is blocked all the same. */
                if (cases[i].type == P2P_GROUP_BLOCKED)
                        EXPECT(&s.b, "04:00.0",
                               {P2P_CONSTRAINT_IOMMU_BLOCKED, true, true, true, false, "04:00.0",
                                P2P_NONE, 11});
                else
                        EXPECT_NONE(&s.b, "04:00.0");
                builder_free(&s.b);
        }
}

static void test_iommu_group_unknown(void **state)
{
        struct sample s = sample_new();

        (void)state;
        builder_edit(&s.b, s.far)->group_why = P2P_WHY_NOT_IN_SOURCE;
        builder_edit(&s.b, s.near)->group_why = P2P_WHY_NOT_IN_SOURCE;
        builder_finish(&s.b);
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_IOMMU_TRANSLATES, true, true, false, true, "05:00.0", P2P_NONE, 0});
        EXPECT_NONE(&s.b, "04:00.0");
        builder_free(&s.b);
}

static void test_translated_needs_no_mask(void **state)
{
        struct sample s = sample_new();

        (void)state;
        bar(&s.b, s.provider, 0, 64 * GIB, 0x1000);
        driver(&s.b, s.far, "x", 32);
        group(&s.b, s.far, 3, P2P_GROUP_TRANSLATED);
        builder_finish(&s.b);
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_IOMMU_TRANSLATES, true, true, false, false, "05:00.0", P2P_NONE, 3});
        builder_free(&s.b);
}

static void test_reserved_regions(void **state)
{
        static const struct {
                uint64_t start, end;
                enum p2p_region_kind kind;
                bool found, blocks;
        } cases[] = {
                {0xfee00000, 0xfeefffff, P2P_REGION_MSI, false, false},
                {0x80000000, 0x80000000, P2P_REGION_MSI, true, true},
                {0x8000ffff, 0x90000000, P2P_REGION_RESERVED, true, true},
                {0x7fff0000, 0x7fffffff, P2P_REGION_RESERVED, false, false},
                {0x80010000, 0x90000000, P2P_REGION_RESERVED, false, false},
                {0, UINT64_MAX, P2P_REGION_DIRECT, true, true},
                {0x80000000, 0x8000ffff, P2P_REGION_DIRECT_RELAXABLE, true, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();
                struct p2p_region region = {cases[i].start, cases[i].end, cases[i].kind};
                struct p2p_group *g = group(&s.b, s.near, 5, P2P_GROUP_TRANSLATED);

                g->regions = &region;
                g->n_regions = 1;
                builder_finish(&s.b);
                if (cases[i].found)
                        EXPECT(&s.b, "04:00.0",
                               {P2P_CONSTRAINT_RESERVED_REGION, true, true, cases[i].blocks, false,
                                "03:00.0", 0, cases[i].start});
                else
                        EXPECT_NONE(&s.b, "04:00.0");
                builder_free(&s.b);
        }
}

static void test_writes_only_platform(void **state)
{
        struct sample s = sample_new();

        (void)state;
        cpu(&s.b, P2P_CPU_INTEL, 6, 0xc6);
        builder_finish(&s.b);
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_WRITES_ONLY, true, false, true, false, "03:00.0", P2P_NONE, 0});
        EXPECT_NONE(&s.b, "04:00.0");
        builder_free(&s.b);

        s = sample_new();
        cpu(&s.b, P2P_CPU_INTEL, 19, 0xc6);
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "05:00.0");
        builder_free(&s.b);
}

static void test_kernel_without_p2pdma(void **state)
{
        struct sample s = sample_new();

        (void)state;
        s.b.m->kernel_has_p2pdma = p2p_fact_known(0);
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA, true, true, true, false, NULL, P2P_NONE, 0});
        builder_free(&s.b);
}

static void test_link_below_best(void **state)
{
        struct sample s = sample_new();

        (void)state;
        /* The slot is the limit: nothing is lost. */
        link_is(&s.b, s.provider, 16000, 8, 32000, 16);
        link_is(&s.b, s.port[0], 16000, 8, 16000, 8);
        link_is(&s.b, s.near, 8000, 2, 16000, 4);
        link_is(&s.b, s.port[1], 8000, 2, 32000, 16);
        link_is(&s.b, s.upstream, 2500, 16, 32000, 16);
        link_is(&s.b, s.root_port, 2500, 16, 32000, 16);
        builder_finish(&s.b);
        EXPECT(&s.b, "04:00.0",
               {P2P_CONSTRAINT_LINK_BELOW_BEST, true, true, false, false, "04:00.0", P2P_NONE,
                4 * 1969});
        EXPECT(&s.b, "05:00.0",
               {P2P_CONSTRAINT_LINK_BELOW_BEST, true, true, false, false, "01:00.0", P2P_NONE,
                16 * 3938});
        builder_free(&s.b);
}

/* All in group order 1..: ports with ACS, endpoints apart or not. */
static void group_all(struct sample *s, uint32_t port_group, uint32_t provider_group)
{
        group(&s->b, s->root_port, 1, P2P_GROUP_IDENTITY);
        group(&s->b, s->upstream, 2, P2P_GROUP_IDENTITY);
        group(&s->b, s->port[0], port_group, P2P_GROUP_IDENTITY);
        group(&s->b, s->provider, provider_group, P2P_GROUP_IDENTITY);
}

static void test_stale_groups(void **state)
{
        static const struct {
                uint16_t port_acs, root_acs;
                uint32_t port_group, provider_group;
                bool found, isolates;
        } cases[] = {
                {0x1d, 0x1d, 3, 4, false, false}, /* isolated then and now */
                {0x11, 0x1d, 3, 4, true, false},  /* isolated then, RR and CR cleared since */
                {0x11, 0x1d, 3, 3, false, false}, /* not then, not now */
                {0x1d, 0x1d, 3, 3, true, true},   /* not then, all ports isolate now */
                {0x1d, 0x11, 3, 3, false, false}, /* the root port does not */
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct sample s = sample_new();

                acs(&s.b, s.port[0], cases[i].port_acs);
                acs(&s.b, s.root_port, cases[i].root_acs);
                group_all(&s, cases[i].port_group, cases[i].provider_group);
                builder_finish(&s.b);
                if (cases[i].found)
                        EXPECT(&s.b, "04:00.0",
                               {P2P_CONSTRAINT_STALE_GROUPS, true, true, false, false, "02:00.0",
                                P2P_NONE, cases[i].isolates});
                else
                        EXPECT_NONE(&s.b, "04:00.0");
                builder_free(&s.b);
        }
}

static void test_stale_groups_only_where_certain(void **state)
{
        struct sample s = sample_new();

        (void)state;
        /* A kernel that was told to make groups without regard to ACS. */
        acs(&s.b, s.port[0], 0x11);
        group_all(&s, 3, 4);
        s.b.m->kernel_command_line = "quiet pcie_acs_override=downstream";
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "04:00.0");
        builder_free(&s.b);

        /* Two functions in one device share a group for other reasons. */
        s = sample_new();
        acs(&s.b, s.port[0], 0x1d);
        acs(&s.b, s.root_port, 0x1d);
        group_all(&s, 3, 3);
        builder_endpoint(&s.b, "03:00.1", s.port[0]);
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "04:00.0");
        builder_free(&s.b);

        /* Unknown ACS says nothing. */
        s = sample_new();
        acs_unknown(&s.b, s.port[0], P2P_WHY_NO_PRIVILEGE);
        group_all(&s, 3, 4);
        builder_finish(&s.b);
        EXPECT_NONE(&s.b, "04:00.0");
        builder_free(&s.b);
}

static void test_sentences(void **state)
{
        struct sample s = sample_new();
        struct p2p_constraint c = {.kind = P2P_CONSTRAINT_SMALL_BAR, .bar_index = 1};
        char buf[300];

        (void)state;
        builder_finish(&s.b);
        c.function = builder_at(&s.b, "03:00.0");
        c.detail = 128 * GIB;
        assert_string_equal(p2p_constraint_format(s.b.m, &c, buf, sizeof(buf)),
                            "BAR 1 of endpoint 0000:03:00.0 could be as large as 128 GiB");
        c.kind = P2P_CONSTRAINT_DMA_MASK;
        c.detail = 44;
        assert_string_equal(p2p_constraint_format(s.b.m, &c, buf, sizeof(buf)),
                            "the DMA mask of endpoint 0000:03:00.0, 44 bits, does not reach the "
                            "end of BAR 1");
        c.kind = P2P_CONSTRAINT_STALE_KERNEL_CACHE;
        c.detail = 1U << P2P_MAP_BUS;
        assert_string_equal(p2p_constraint_format(s.b.m, &c, buf, sizeof(buf)),
                            "the kernel still holds the older verdict (bus) until a driver is "
                            "bound to endpoint 0000:03:00.0 anew, if it was asked about this pair "
                            "before");
        c.detail = UINT64_MAX;
        assert_non_null(strstr(p2p_constraint_format(s.b.m, &c, buf, sizeof(buf)),
                               "(regular or bus or host-bridge or none or one that could not be "
                               "told)"));
        for (int i = 0; i < P2P_CONSTRAINT_MAX; i++)
                assert_non_null(p2p_constraint_to_string((enum p2p_constraint_kind)i));
        builder_free(&s.b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_in_the_way),
                cmocka_unit_test(test_dma_mask),
                cmocka_unit_test(test_dma_mask_looks_at_the_right_address),
                cmocka_unit_test(test_dma_mask_unknown),
                cmocka_unit_test(test_bars),
                cmocka_unit_test(test_no_bar_and_unknown_facts),
                cmocka_unit_test(test_iommu),
                cmocka_unit_test(test_iommu_group_unknown),
                cmocka_unit_test(test_translated_needs_no_mask),
                cmocka_unit_test(test_reserved_regions),
                cmocka_unit_test(test_writes_only_platform),
                cmocka_unit_test(test_kernel_without_p2pdma),
                cmocka_unit_test(test_link_below_best),
                cmocka_unit_test(test_stale_groups),
                cmocka_unit_test(test_stale_groups_only_where_certain),
                cmocka_unit_test(test_sentences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
