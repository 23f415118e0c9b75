/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "decide/bar-index.h"
#include "decide/rules.h"
#include "decide/segments.h"
#include "random-machine.h"

#define TOP UINT64_MAX

struct piece {
        uint64_t start, length;
        enum p2p_map map;
        const char *provider; /* NULL: none */
        uint32_t bar_index;
        uint64_t offset;
};

/* Endpoints 02, 03 and 04 below one root port each; 02 and 03 reach each other over a switch. */
static struct builder three_endpoints(void)
{
        struct builder b = builder_new();
        uint32_t up;

        builder_host_bridge(&b, "00:00.0", 0x8086, 0x29c0);
        up = builder_upstream(&b, "01:00.0", builder_root_port(&b, "00:01.0"));
        builder_endpoint(&b, "03:00.0", builder_downstream(&b, "02:00.0", up));
        builder_endpoint(&b, "04:00.0", builder_downstream(&b, "02:01.0", up));
        builder_endpoint(&b, "05:00.0", builder_root_port(&b, "00:02.0"));
        return b;
}

enum { FIRST = 4, SECOND = 6, THIRD = 8 };

static struct p2p_verdicts *verdicts_of(const struct p2p_machine *m)
{
        struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_NEWEST));

        assert_non_null(v);
        return v;
}

static void expect_pieces(struct builder *b, const char *client, uint64_t start, uint64_t length,
                          const struct piece *want, uint32_t n)
{
        struct p2p_verdicts *v = verdicts_of(b->m);
        struct p2p_segments *s;

        assert_int_equal(p2p_segments_new(b->m, v, builder_at(b, client),
                                          (struct p2p_phys_addr){start}, length, &s),
                         0);
        assert_int_equal(s->n_segments, n);
        for (uint32_t i = 0; i < n; i++) {
                const struct p2p_segment *got = &s->segments[i];

                assert_true(got->start.val == want[i].start);
                assert_true(got->length_bytes == want[i].length);
                assert_int_equal(got->map, want[i].map);
                assert_int_equal(got->provider,
                                 want[i].provider ? builder_at(b, want[i].provider) : P2P_NONE);
                if (!want[i].provider)
                        continue;
                assert_int_equal(got->bar_index, want[i].bar_index);
                assert_true(got->bar_offset_bytes == want[i].offset);
        }
        p2p_segments_free(s);
        p2p_verdicts_free(v);
}

#define EXPECT(b, client, start, length, ...)                                                      \
        do {                                                                                       \
                const struct piece list[] = {__VA_ARGS__};                                         \
                expect_pieces(b, client, start, length, list, sizeof(list) / sizeof(list[0]));     \
        } while (0)

static void test_borders(void **state)
{
        struct builder b = three_endpoints();

        (void)state;
        bar(&b, FIRST, 0, 0x1000, 0x1000);
        bar(&b, FIRST, 2, 0x2000, 0x1000);
        bar(&b, THIRD, 4, 0x4000, 0x100);
        builder_finish(&b);
        EXPECT(&b, "04:00.0", 0x0ff0, 0x10, {0x0ff0, 0x10, P2P_MAP_REGULAR});
        EXPECT(&b, "04:00.0", 0x0fff, 1, {0x0fff, 1, P2P_MAP_REGULAR});
        EXPECT(&b, "04:00.0", 0x1000, 1, {0x1000, 1, P2P_MAP_BUS, "03:00.0", 0, 0});
        EXPECT(&b, "04:00.0", 0x1fff, 1, {0x1fff, 1, P2P_MAP_BUS, "03:00.0", 0, 0xfff});
        EXPECT(&b, "04:00.0", 0x1fff, 2, {0x1fff, 1, P2P_MAP_BUS, "03:00.0", 0, 0xfff},
               {0x2000, 1, P2P_MAP_BUS, "03:00.0", 2, 0});
        EXPECT(&b, "04:00.0", 0, 0x5000, {0, 0x1000, P2P_MAP_REGULAR},
               {0x1000, 0x1000, P2P_MAP_BUS, "03:00.0", 0, 0},
               {0x2000, 0x1000, P2P_MAP_BUS, "03:00.0", 2, 0}, {0x3000, 0x1000, P2P_MAP_REGULAR},
               {0x4000, 0x100, P2P_MAP_NONE, "05:00.0", 4, 0}, {0x4100, 0xf00, P2P_MAP_REGULAR});
        EXPECT(&b, "04:00.0", 0, TOP, {0, 0x1000, P2P_MAP_REGULAR},
               {0x1000, 0x1000, P2P_MAP_BUS, "03:00.0", 0, 0},
               {0x2000, 0x1000, P2P_MAP_BUS, "03:00.0", 2, 0}, {0x3000, 0x1000, P2P_MAP_REGULAR},
               {0x4000, 0x100, P2P_MAP_NONE, "05:00.0", 4, 0},
               {0x4100, TOP - 0x4100, P2P_MAP_REGULAR});
        builder_free(&b);
}

static void test_both_ends_of_the_address_space(void **state)
{
        struct builder b = three_endpoints();

        (void)state;
        bar(&b, FIRST, 0, 0, 0x1000);
        bar(&b, FIRST, 2, TOP - 0xfff, 0x1000);
        builder_finish(&b);
        EXPECT(&b, "04:00.0", 0, 1, {0, 1, P2P_MAP_BUS, "03:00.0", 0, 0});
        EXPECT(&b, "04:00.0", TOP, 1, {TOP, 1, P2P_MAP_BUS, "03:00.0", 2, 0xfff});
        EXPECT(&b, "04:00.0", TOP - 0x1000, 0x1001, {TOP - 0x1000, 1, P2P_MAP_REGULAR},
               {TOP - 0xfff, 0x1000, P2P_MAP_BUS, "03:00.0", 2, 0});
        EXPECT(&b, "04:00.0", 1, TOP, {1, 0xfff, P2P_MAP_BUS, "03:00.0", 0, 1},
               {0x1000, TOP - 0x1fff, P2P_MAP_REGULAR},
               {TOP - 0xfff, 0x1000, P2P_MAP_BUS, "03:00.0", 2, 0});
        builder_free(&b);
}

static void test_refused_ranges(void **state)
{
        static const struct {
                uint64_t start, length;
                int r;
        } cases[] = {
                {0, 0, P2P_SEGMENTS_E_RANGE},
                {0x1000, 0, P2P_SEGMENTS_E_RANGE},
                {TOP, 2, P2P_SEGMENTS_E_RANGE},
                {2, TOP, P2P_SEGMENTS_E_RANGE},
                {TOP, TOP, P2P_SEGMENTS_E_RANGE},
                {TOP, 1, 0},
                {0, TOP, 0},
                {1, TOP, 0},
        };
        struct builder b = three_endpoints();
        const struct p2p_machine *m = builder_finish(&b);
        struct p2p_verdicts *v = verdicts_of(m);

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_segments *s = NULL;

                assert_int_equal(p2p_segments_new(m, v, 0, (struct p2p_phys_addr){cases[i].start},
                                                  cases[i].length, &s),
                                 cases[i].r);
                assert_int_equal(s == NULL, cases[i].r != 0);
                p2p_segments_free(s);
        }
        p2p_verdicts_free(v);
        builder_free(&b);
}

static void test_own_bar_and_bus_addresses(void **state)
{
        struct builder b = three_endpoints();
        struct p2p_verdicts *v;
        struct p2p_segments *s;

        (void)state;
        bar(&b, FIRST, 0, 0x1000, 0x1000)->bus_start.val = 0x90000000;
        bar(&b, SECOND, 0, 0x2000, 0x1000)->bus_start.val = 0xa0000000;
        bar(&b, THIRD, 0, 0x3000, 0x1000)->bus_start.val = 0xb0000000;
        builder_finish(&b);
        v = verdicts_of(b.m);
        assert_int_equal(p2p_segments_new(b.m, v, builder_at(&b, "03:00.0"),
                                          (struct p2p_phys_addr){0x1010}, 0x2000, &s),
                         0);
        assert_int_equal(s->n_segments, 3);
        assert_true(s->segments[0].own && s->segments[0].has_bus_addr);
        assert_true(s->segments[0].bus_addr.val == 0x90000010);
        assert_int_equal(s->segments[0].reason, P2P_REASON_SAME_FUNCTION);
        assert_true(!s->segments[1].own && s->segments[1].has_bus_addr);
        assert_true(s->segments[1].bus_addr.val == 0xa0000000);
        assert_int_equal(s->segments[1].reason, P2P_REASON_COMMON_BRIDGE);
        assert_false(s->segments[2].has_bus_addr);
        assert_int_equal(s->segments[2].reason, P2P_REASON_HOST_BRIDGE_NOT_LISTED);
        p2p_segments_free(s);
        p2p_verdicts_free(v);
        builder_free(&b);
}

static void test_bus_address_unknown(void **state)
{
        struct builder b = three_endpoints();
        struct p2p_verdicts *v;
        struct p2p_segments *s;

        (void)state;
        bar(&b, FIRST, 0, 0x1000, 0x1000)->bus_why = P2P_WHY_NO_PRIVILEGE;
        bar(&b, SECOND, 0, 0x2000, 0x1000)->bus_start.val = TOP - 0xf;
        builder_finish(&b);
        EXPECT(&b, "04:00.0", 0x1000, 1, {0x1000, 1, P2P_MAP_UNKNOWN, "03:00.0", 0, 0});
        /* A bus address that wraps is none. */
        EXPECT(&b, "03:00.0", 0x2010, 1, {0x2010, 1, P2P_MAP_UNKNOWN, "04:00.0", 0, 0x10});
        v = verdicts_of(b.m);
        assert_int_equal(p2p_segments_new(b.m, v, builder_at(&b, "04:00.0"),
                                          (struct p2p_phys_addr){0x1000}, 1, &s),
                         0);
        assert_int_equal(s->segments[0].reason, P2P_REASON_BAR_RANGE_UNKNOWN);
        p2p_segments_free(s);
        p2p_verdicts_free(v);
        builder_free(&b);
}

static void test_overlapping_bars(void **state)
{
        struct builder b = three_endpoints();

        (void)state;
        bar(&b, FIRST, 0, 0x1000, 0x1000);
        bar(&b, SECOND, 0, 0x1800, 0x1000);
        builder_finish(&b);
        EXPECT(&b, "05:00.0", 0x0800, 0x2800, {0x0800, 0x800, P2P_MAP_REGULAR},
               {0x1000, 0x800, P2P_MAP_NONE, "03:00.0", 0, 0}, {0x1800, 0x800, P2P_MAP_UNKNOWN},
               {0x2000, 0x800, P2P_MAP_NONE, "04:00.0", 0, 0x800},
               {0x2800, 0x800, P2P_MAP_REGULAR});
        builder_free(&b);
}

static void test_overlap_within_and_at_the_top(void **state)
{
        struct builder b = three_endpoints();

        (void)state;
        bar(&b, FIRST, 0, TOP - 0xfff, 0x1000);
        bar(&b, SECOND, 0, TOP - 0x7ff, 0x100);
        bar(&b, THIRD, 0, TOP - 0xff, 0x100);
        builder_finish(&b);
        EXPECT(&b, "04:00.0", TOP - 0xfff, 0x1000,
               {TOP - 0xfff, 0x800, P2P_MAP_BUS, "03:00.0", 0, 0},
               {TOP - 0x7ff, 0x100, P2P_MAP_UNKNOWN},
               {TOP - 0x6ff, 0x600, P2P_MAP_BUS, "03:00.0", 0, 0x900},
               {TOP - 0xff, 0x100, P2P_MAP_UNKNOWN});
        builder_free(&b);
}

static void test_bars_without_known_addresses(void **state)
{
        static const struct {
                enum p2p_bar_kind kind;
                bool assigned;
                enum p2p_why phys_why, size_why;
                enum p2p_map outside;
        } cases[] = {
                {P2P_BAR_MEMORY, true, P2P_WHY_NOT_IN_SOURCE, P2P_WHY_KNOWN, P2P_MAP_UNKNOWN},
                {P2P_BAR_MEMORY, true, P2P_WHY_KNOWN, P2P_WHY_NO_PRIVILEGE, P2P_MAP_UNKNOWN},
                {P2P_BAR_UNKNOWN, false, P2P_WHY_KNOWN, P2P_WHY_KNOWN, P2P_MAP_UNKNOWN},
                {P2P_BAR_MEMORY, false, P2P_WHY_KNOWN, P2P_WHY_KNOWN, P2P_MAP_REGULAR},
                {P2P_BAR_IO, true, P2P_WHY_KNOWN, P2P_WHY_KNOWN, P2P_MAP_REGULAR},
                {P2P_BAR_ABSENT, false, P2P_WHY_KNOWN, P2P_WHY_KNOWN, P2P_MAP_REGULAR},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct builder b = three_endpoints();
                struct p2p_bar *odd = bar(&b, FIRST, 0, 0x1000, 0x1000);

                bar(&b, SECOND, 0, 0x8000, 0x1000);
                odd->kind = cases[i].kind;
                odd->assigned = cases[i].assigned;
                odd->phys_why = cases[i].phys_why;
                odd->size_bytes.why = cases[i].size_why;
                builder_finish(&b);
                EXPECT(&b, "03:00.0", 0x1000, 0x10, {0x1000, 0x10, cases[i].outside});
                /* What is known to be a BAR stays one. */
                EXPECT(&b, "03:00.0", 0x8000, 1, {0x8000, 1, P2P_MAP_BUS, "04:00.0", 0, 0});
                builder_free(&b);
        }
}

static void test_bar_that_wraps_has_no_addresses(void **state)
{
        struct builder b = three_endpoints();

        (void)state;
        bar(&b, FIRST, 0, TOP - 0xfff, 0x2000);
        builder_finish(&b);
        EXPECT(&b, "04:00.0", TOP - 0xfff, 1, {TOP - 0xfff, 1, P2P_MAP_UNKNOWN});
        builder_free(&b);
}

#define SPACE 64U

/* Who claims one address, asked of every BAR in turn. */
static unsigned claims(const struct p2p_machine *m, uint64_t address, uint32_t *ret_function,
                       uint32_t *ret_bar)
{
        unsigned n = 0;

        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        const struct p2p_bar *a = &m->functions[i].bars[j];

                        if (a->kind != P2P_BAR_MEMORY || address < a->phys_start.val ||
                            address - a->phys_start.val >= a->size_bytes.val)
                                continue;
                        n++;
                        *ret_function = i;
                        *ret_bar = j;
                }
        return n;
}

static void check_pieces(const struct p2p_machine *m, const struct p2p_verdicts *v, uint32_t client,
                         const struct p2p_segments *s, uint64_t start, uint64_t length)
{
        uint64_t at = start;

        for (uint32_t i = 0; i < s->n_segments; i++) {
                const struct p2p_segment *piece = &s->segments[i];

                assert_true(piece->start.val == at);
                for (uint64_t a = at; a - at < piece->length_bytes; a++) {
                        uint32_t function = P2P_NONE, index = P2P_NONE;
                        unsigned n = claims(m, a, &function, &index);

                        if (n == 0) {
                                assert_int_equal(piece->map, P2P_MAP_REGULAR);
                        } else if (n > 1) {
                                assert_int_equal(piece->map, P2P_MAP_UNKNOWN);
                                assert_int_equal(piece->provider, P2P_NONE);
                        } else {
                                assert_int_equal(piece->provider, function);
                                assert_int_equal(piece->bar_index, index);
                                assert_int_equal(piece->map,
                                                 p2p_verdicts_get(v, function, client).map);
                                assert_true(piece->bar_offset_bytes + (a - at) ==
                                            a - m->functions[function].bars[index].phys_start.val);
                        }
                }
                at += piece->length_bytes;
        }
        assert_true(at == start + length);
}

static void test_against_every_byte(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct random r = {.state = seed};
                struct builder b = three_endpoints();
                const uint64_t base = seed % 2 ? 0 : TOP - SPACE + 1;
                struct p2p_verdicts *v;
                uint32_t client;

                for (unsigned n = random_below(&r, 8); n > 0; n--) {
                        uint64_t at = random_below(&r, SPACE);

                        bar(&b, FIRST + 2 * random_below(&r, 3), random_below(&r, 6), base + at,
                            1 + random_below(&r, (uint32_t)(SPACE - at)));
                }
                builder_finish(&b);
                v = verdicts_of(b.m);
                client = builder_at(&b, "04:00.0");
                for (uint64_t start = 0; start < SPACE; start++)
                        for (uint64_t length = 1; length <= SPACE - start; length += 5) {
                                struct p2p_segments *s;

                                assert_int_equal(
                                        p2p_segments_new(b.m, v, client,
                                                         (struct p2p_phys_addr){base + start},
                                                         length, &s),
                                        0);
                                check_pieces(b.m, v, client, s, base + start, length);
                                p2p_segments_free(s);
                        }
                p2p_verdicts_free(v);
                builder_free(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_borders),
                cmocka_unit_test(test_both_ends_of_the_address_space),
                cmocka_unit_test(test_refused_ranges),
                cmocka_unit_test(test_own_bar_and_bus_addresses),
                cmocka_unit_test(test_bus_address_unknown),
                cmocka_unit_test(test_overlapping_bars),
                cmocka_unit_test(test_overlap_within_and_at_the_top),
                cmocka_unit_test(test_bars_without_known_addresses),
                cmocka_unit_test(test_bar_that_wraps_has_no_addresses),
                cmocka_unit_test(test_against_every_byte),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
