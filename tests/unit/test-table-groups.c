/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "publish/table-groups.h"
#include "publish/table-lookup.h"
#include "random-machine.h"

#define SPANS_MAX 400U
#define ROW P2PD_TABLE_ROW_BYTES
#define NODE P2PD_TABLE_NODE_BYTES

/*
 * The slow way, straight from what the levels are: a window of addresses, all of its spans looked
 * at one by one, all of its regions one after the other.
 */

struct window {
        const struct p2p_bar_span *spans;
        uint32_t n;
        uint64_t first, last;
};

/* The window's part with spans, and how many they are. */
static struct window narrowed(struct window w, uint32_t *ret_n)
{
        uint64_t first = UINT64_MAX, last = 0;

        *ret_n = 0;
        for (uint32_t i = 0; i < w.n; i++) {
                const struct p2p_bar_span *s = &w.spans[i];

                if (s->last < w.first || s->first > w.last)
                        continue;
                (*ret_n)++;
                if (s->first < first)
                        first = s->first;
                if (s->last > last)
                        last = s->last;
        }
        w.first = first > w.first ? first : w.first;
        w.last = last < w.last ? last : w.last;
        return w;
}

static uint64_t n_regions(struct window w, unsigned shift)
{
        return (w.last >> shift) - (w.first >> shift) + 1;
}

static struct window region(struct window w, unsigned shift, uint64_t n)
{
        uint64_t first = ((w.first >> shift) + n) << shift;
        uint64_t last = first | ((UINT64_C(1) << shift) - 1);

        return (struct window){w.spans, w.n, first > w.first ? first : w.first,
                               last < w.last ? last : w.last};
}

static bool tells_apart(struct window w, unsigned shift)
{
        uint32_t n;

        for (uint64_t i = 0; i < n_regions(w, shift); i++) {
                (void)narrowed(region(w, shift, i), &n);
                if (n > 1)
                        return false;
        }
        return true;
}

static uint64_t slow_bytes(struct window w, unsigned levels);

static uint64_t slow_below(struct window w, unsigned shift, unsigned levels)
{
        uint64_t sum = 0;

        for (uint64_t i = 0; i < n_regions(w, shift); i++)
                sum += slow_bytes(region(w, shift, i), levels);
        return sum;
}

/* The spans are at multiples of 64 bytes, so that this shift tells any apart. */
#define SHIFT_LEAST 6U

static uint64_t slow_bytes(struct window w, unsigned levels)
{
        uint64_t best = UINT64_MAX;
        unsigned shift;
        uint32_t n;

        w = narrowed(w, &n);
        if (n < 2)
                return 0;
        shift = 63U - (unsigned)__builtin_clzll(w.first ^ w.last);
        for (; shift >= SHIFT_LEAST; shift--) {
                uint64_t nodes = n_regions(w, shift) * NODE, below;

                if (levels == 0) {
                        if (tells_apart(w, shift))
                                return n_regions(w, shift) * ROW;
                        continue;
                }
                if (nodes >= best)
                        break;
                below = slow_below(w, shift, levels - 1);
                if (best == UINT64_MAX || nodes + below + (below > 0 ? ROW : NODE) <= best)
                        best = nodes + below;
        }
        return best;
}

/* n spans at multiples of 64 bytes, in at most about 2^16 bytes. */
static uint32_t small_spans(struct random *r, struct p2p_bar_span *spans)
{
        const bool aligned = random_below(r, 2) == 0;
        const uint32_t n = 2 + random_below(r, 10);
        uint64_t at = UINT64_C(64) * random_below(r, 64);

        for (uint32_t i = 0; i < n; i++) {
                uint64_t bytes = aligned ? UINT64_C(64) << random_below(r, 6)
                                         : UINT64_C(64) * (1 + random_below(r, 20));

                if (aligned)
                        at = (at + bytes - 1) & ~(bytes - 1);
                spans[i] =
                        (struct p2p_bar_span){.first = at, .last = at + bytes - 1, .function = i};
                at += bytes + (random_below(r, 2) ? UINT64_C(64) * random_below(r, 30) : 0);
        }
        return n;
}

static void test_groups_against_slow(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 150; seed++) {
                struct random r = {.state = seed};
                struct p2p_bar_span spans[16];
                const uint32_t n = small_spans(&r, spans);
                const struct window all = {spans, n, spans[0].first, spans[n - 1].last};
                struct p2pd_table_groups *k;

                assert_int_equal(p2pd_table_groups_new(spans, n, &k), 0);
                for (unsigned levels = 0; levels < P2P_TABLE_DEPTH_MAX; levels++) {
                        assert_int_equal(p2pd_table_groups_weigh(k, levels), 0);
                        for (unsigned shift = SHIFT_LEAST; shift <= 20; shift++)
                                assert_true(p2pd_table_groups_bytes(k, shift, levels) ==
                                            slow_below(all, shift, levels));
                }
                for (unsigned shift = SHIFT_LEAST; shift <= P2PD_TABLE_SHIFT_MAX; shift++) {
                        uint64_t regions = 0;
                        uint32_t met;

                        for (uint64_t i = 0; i < n_regions(all, shift); i++) {
                                (void)narrowed(region(all, shift, i), &met);
                                regions += met > 0;
                        }
                        assert_true(p2pd_table_groups_regions(k, shift) == regions);
                }
                p2pd_table_groups_free(k);
        }
}

/* Of any size, anywhere: up to the top of the address space. */
static uint32_t large_spans(struct random *r, struct p2p_bar_span *spans)
{
        const uint32_t n = 17 + random_below(r, SPANS_MAX - 17), kind = random_below(r, 4);
        const unsigned bits = 8 + random_below(r, 24);
        uint64_t at = random_below(r, 2) ? UINT64_C(64) * random_below(r, 64) : UINT64_C(1) << 46;

        for (uint32_t i = 0; i < n; i++) {
                uint64_t bytes = UINT64_C(64) << random_below(r, bits);

                if (kind == 0)
                        bytes += UINT64_C(64) * random_below(r, 1000);
                else
                        at = (at + bytes - 1) & ~(bytes - 1);
                if (i == n - 1 && kind == 1)
                        at = UINT64_MAX - bytes + 1;
                spans[i] =
                        (struct p2p_bar_span){.first = at, .last = at + bytes - 1, .function = i};
                at += bytes;
                if (kind == 2 && random_below(r, 8) == 0)
                        at += UINT64_C(1) << (20 + random_below(r, 20));
        }
        return n;
}

/* As a reader does it, except that no element outside of the arrays is met. */
static uint32_t row_at(const struct p2pd_table_lookup *l, uint64_t address)
{
        const uint32_t node_mask = p2p_table_power_of_two(l->n_nodes) * NODE - 1;
        const uint32_t row_mask = l->n_rows * ROW - 1;
        uint32_t node = l->nodes[(uint32_t)(address >> l->root_shift) & l->root_mask];

        for (uint32_t level = 1; level < l->depth; level++) {
                uint32_t at = ((node >> 6) + (uint32_t)(address >> (node & 63))) & node_mask;

                assert_true(at / NODE < l->n_nodes);
                node = l->nodes[at / NODE];
        }
        return l->rows[(((node >> 6) + (uint32_t)(address >> (node & 63))) & row_mask) / ROW];
}

static void test_lookups_within_budget(void **state)
{
        unsigned seen[P2P_TABLE_DEPTH_MAX + 1] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= 400; seed++) {
                struct random r = {.state = seed};
                struct p2p_bar_span spans[SPANS_MAX];
                const uint32_t n = large_spans(&r, spans);
                struct p2pd_table_lookup *l;

                assert_int_equal(p2pd_table_lookup_new(spans, n, &l), 0);
                seen[l->depth]++;
                for (uint32_t i = 0; l->depth > 0 && i < n; i++) {
                        const uint64_t bytes = spans[i].last - spans[i].first + 1;

                        assert_int_equal(row_at(l, spans[i].first), i);
                        assert_int_equal(row_at(l, spans[i].last), i);
                        for (unsigned j = 0; j < 4; j++)
                                assert_int_equal(
                                        row_at(l, spans[i].first +
                                                          bytes / 1000 * random_below(&r, 1000)),
                                        i);
                }
                if (l->depth > 0) {
                        assert_true(p2p_table_is_power_of_two(l->n_rows));
                        assert_true((uint64_t)l->n_nodes * NODE <=
                                    p2pd_table_lookup_budget(l->depth, n) +
                                            (uint64_t)n * l->depth * NODE);
                        assert_true(
                                (uint64_t)l->n_rows * ROW <=
                                2 * (p2pd_table_lookup_budget(l->depth, n) + (uint64_t)n * ROW));
                }
                p2pd_table_lookup_free(l);
        }
        for (unsigned i = 0; i <= P2P_TABLE_DEPTH_MAX; i++)
                assert_true(seen[i] > 0);
}

/* Two spans so near each other that a row would have to be smaller than it is. */
static void test_too_near(void **state)
{
        struct p2p_bar_span spans[20];
        struct p2pd_table_groups *k = NULL;
        struct p2pd_table_lookup *l;

        (void)state;
        for (uint32_t i = 0; i < 20; i++)
                spans[i] = (struct p2p_bar_span){.first = 64 * i, .last = 64 * i + 31};
        assert_int_equal(p2pd_table_lookup_new(spans, 20, &l), 0);
        assert_true(l->depth > 0);
        p2pd_table_lookup_free(l);
        spans[7].first -= 32;
        assert_int_equal(p2pd_table_lookup_new(spans, 20, &l), 0);
        assert_true(l->depth > 0);
        p2pd_table_lookup_free(l);
        spans[7].first--;
        spans[6].last--;
        assert_int_equal(p2pd_table_groups_new(spans, 20, &k), -E2BIG);
        assert_null(k);
        assert_int_equal(p2pd_table_lookup_new(spans, 20, &l), 0);
        assert_int_equal(l->depth, 0);
        p2pd_table_lookup_free(l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_groups_against_slow),
                cmocka_unit_test(test_lookups_within_budget),
                cmocka_unit_test(test_too_near),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
