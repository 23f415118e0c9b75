/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decide/bar-index.h"
#include "decide/rules.h"
#include "decide/segments.h"
#include "table-fixture.h"

/* On request the number of the first generation is not random, but so close to its end. */
static uint32_t generations_left;

ssize_t __real_getrandom(void *bytes, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags)
{
        const uint32_t sequence = ~generations_left;

        if (generations_left == 0 || n != sizeof(sequence))
                return __real_getrandom(bytes, n, flags);
        memcpy(bytes, &sequence, sizeof(sequence));
        return (ssize_t)n;
}

#define TOP UINT64_MAX
#define KIB UINT64_C(1024)
#define GIB (KIB * KIB * KIB)

static void expect_address(struct fixture *f, uint64_t address)
{
        const struct p2p_machine *m = f->b.m;
        uint32_t function = 0, bar_index = 0;
        const unsigned n = claims_of(m, address, &function, &bar_index);
        const struct p2p_address *a = &m->functions[function].address;
        struct p2p_table_record record;
        struct p2p_table_hit hit;

        assert_int_equal(p2p_table_lookup(&f->table, address, &hit), P2P_TABLE_OK);
        if (n != 1) {
                assert_int_equal(hit.place, n > 1 ? P2P_TABLE_CONTESTED
                                            : p2p_verdicts_bars(f->v)->has_unknown
                                                    ? P2P_TABLE_UNKNOWN
                                                    : P2P_TABLE_REGULAR);
                assert_int_equal(hit.id, 0);
                assert_int_equal(hit.record, P2P_TABLE_NONE);
                return;
        }
        assert_int_equal(hit.place, P2P_TABLE_BAR);
        assert_int_equal(hit.id, fixture_id(f, function, bar_index));
        assert_true(hit.offset == address - m->functions[function].bars[bar_index].phys_start.val);
        assert_int_equal(p2p_table_find_record(&f->table, hit.record, &record), P2P_TABLE_OK);
        assert_int_equal(record.segment, a->segment);
        assert_int_equal(record.bus, a->bus);
        assert_int_equal(record.devfn, a->devfn);
        assert_int_equal(record.bar_index, bar_index);
        assert_int_equal(record.id, hit.id);
}

static void expect_borders(struct fixture *f)
{
        const struct p2p_machine *m = f->b.m;

        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        uint64_t first, last;

                        if (p2p_bar_range(&m->functions[i].bars[j], &first, &last) < 0)
                                continue;
                        expect_address(f, first - 1);
                        expect_address(f, first);
                        expect_address(f, first + (last - first) / 2);
                        expect_address(f, last);
                        expect_address(f, last + 1);
                }
        expect_address(f, 0);
        expect_address(f, TOP);
}

/* An endpoint below a root port each. */
static struct builder endpoints(unsigned n)
{
        struct builder b = builder_new();

        for (unsigned i = 0; i < n; i++) {
                char buf[P2P_ADDRESS_STRING_MAX];
                struct p2p_address a = {.bus = 0, .devfn = (uint8_t)(i + 1)};
                uint32_t port = builder_root_port(&b, p2p_address_format(a, buf));

                a = (struct p2p_address){.bus = (uint8_t)(i + 1)};
                builder_endpoint(&b, p2p_address_format(a, buf), port);
        }
        return b;
}

#define ENDPOINT(n) (2 * (n) + 1)

static void test_small_and_large_side_by_side(void **state)
{
        (void)state;
        for (unsigned n = 1; n <= 6; n++) {
                const struct {
                        uint64_t start, bytes;
                } bars[] = {
                        {0x1000 * GIB, 256 * GIB},         {0x1100 * GIB, 4 * KIB},
                        {0x1000 * GIB - 4 * KIB, 4 * KIB}, {0, 4 * KIB},
                        {TOP - 4 * KIB + 1, 4 * KIB},      {TOP / 2 + 1 - 256 * GIB, 512 * GIB},
                };
                struct random r = {.state = n};
                struct builder b = endpoints(n);
                struct fixture f;

                for (unsigned i = 0; i < n; i++)
                        bar(&b, ENDPOINT(i), i, bars[i].start, bars[i].bytes);
                fixture_init(&f, b, &r);
                expect_borders(&f);
                fixture_deinit(&f);
        }
}

static void test_without_bars(void **state)
{
        struct p2p_table_client client;
        struct p2p_table_segment s = {.start = 1};
        struct random r = {.state = 1};
        struct fixture f;
        uint32_t n;

        (void)state;
        fixture_init(&f, endpoints(1), &r);
        expect_borders(&f);
        assert_int_equal(p2p_table_get_client(&f.table, 0, 1, 0, &client), P2P_TABLE_OK);
        assert_int_equal(p2p_table_map(&f.table, client, 0, TOP, &s, 1, &n), P2P_TABLE_OK);
        assert_int_equal(n, 1);
        assert_true(s.start == 0 && s.bytes == TOP && s.map == P2P_TABLE_MAP_REGULAR);
        fixture_deinit(&f);
}

static enum p2p_table_map_kind published(enum p2p_map map)
{
        return map == P2P_MAP_UNKNOWN ? P2P_TABLE_MAP_NONE : (enum p2p_table_map_kind)map;
}

static void expect_pairs(struct fixture *f, uint32_t function, struct p2p_table_client client)
{
        struct p2p_table_view view = {.client = {0}};

        assert_int_equal(p2p_table_begin(&f->table), P2P_TABLE_OK);
        assert_int_equal(p2p_table_find_view(&f->table, client, &view), P2P_TABLE_OK);
        for (uint32_t i = 0; i < f->n_bars; i++) {
                const struct p2pd_table_bar *b = &f->bars[i];
                const struct p2p_bar *bar = &f->b.m->functions[b->function].bars[b->bar_index];
                const struct p2p_verdict want = p2p_verdicts_get(f->v, b->function, function);
                enum p2p_table_map_kind map = published(want.map);
                struct p2p_table_record record;
                struct p2p_table_pair pair, many;
                uint64_t first, last;

                if (b->id == 0 || p2p_bar_range(bar, &first, &last) < 0) {
                        assert_int_equal(p2p_table_get_pair(&f->table, b->id, client, &pair),
                                         P2P_TABLE_ABSENT);
                        assert_int_equal(p2p_table_find_reach(&view, b->id, &pair),
                                         P2P_TABLE_ABSENT);
                        assert_int_equal(p2p_table_get_bar(&f->table, b->id, &record),
                                         P2P_TABLE_ABSENT);
                        continue;
                }
                if (map == P2P_TABLE_MAP_BUS && bar->bus_why != P2P_WHY_KNOWN)
                        map = P2P_TABLE_MAP_NONE;
                assert_int_equal(p2p_table_get_pair(&f->table, b->id, client, &pair), P2P_TABLE_OK);
                assert_int_equal(pair.map, map);
                assert_int_equal(pair.own, b->function == function);
                assert_int_equal(pair.distance, want.distance_hops > P2P_TABLE_DISTANCE_UNKNOWN
                                                        ? P2P_TABLE_DISTANCE_UNKNOWN
                                                        : want.distance_hops);
                assert_int_equal(p2p_table_find_reach(&view, b->id, &many), P2P_TABLE_OK);
                assert_memory_equal(&many, &pair, sizeof(pair));
                assert_int_equal(p2p_table_get_bar(&f->table, b->id, &record), P2P_TABLE_OK);
                assert_true(record.first == first && record.last == last);
                assert_true(record.since == b->since && record.id == b->id);
                assert_int_equal(record.kind, p2p_function_kind(&f->b.m->functions[b->function]));
                assert_int_equal((record.flags & P2P_TABLE_HAS_BUS) != 0,
                                 bar->bus_why == P2P_WHY_KNOWN);
        }
}

static void expect_segment(const struct fixture *f, const struct p2p_table_segment *got,
                           const struct p2p_segment *want)
{
        assert_true(got->start == want->start.val && got->bytes == want->length_bytes);
        assert_int_equal(got->map, published(want->map));
        assert_int_equal(got->own != 0, want->own);
        assert_int_equal(got->has_bus != 0, want->has_bus_addr);
        assert_true(got->bus_start == want->bus_addr.val);
        if (want->provider == P2P_NONE) {
                assert_int_equal(got->record, P2P_TABLE_NONE);
                assert_int_equal(got->place, want->map == P2P_MAP_REGULAR ? P2P_TABLE_REGULAR
                                             : want->reason == P2P_REASON_BAR_OVERLAP
                                                     ? P2P_TABLE_CONTESTED
                                                     : P2P_TABLE_UNKNOWN);
                return;
        }
        assert_int_equal(got->place, P2P_TABLE_BAR);
        assert_int_equal(got->id, fixture_id(f, want->provider, want->bar_index));
        assert_true(got->bar_offset == want->bar_offset_bytes);
}

/* The table's map, asked in portions, against the daemon's own. */
static void expect_map(struct fixture *f, uint32_t function, struct p2p_table_client client,
                       uint64_t start, uint64_t length, uint32_t portion)
{
        struct p2p_table_segment got[8];
        struct p2p_segments *want;
        uint32_t done = 0, n;
        int r = P2P_TABLE_MORE;

        if (p2p_segments_new(f->b.m, f->v, function, (struct p2p_phys_addr){start}, length,
                             &want) == P2P_SEGMENTS_E_RANGE) {
                assert_int_equal(p2p_table_map(&f->table, client, start, length, got, 8, &n),
                                 P2P_TABLE_RANGE);
                return;
        }
        while (r == P2P_TABLE_MORE) {
                r = p2p_table_map(&f->table, client, start, length, got, portion, &n);
                assert_true(r == P2P_TABLE_OK || (r == P2P_TABLE_MORE && n == portion));
                assert_true(n > 0 && n <= portion && done + n <= want->n_segments);
                for (uint32_t i = 0; i < n; i++)
                        expect_segment(f, &got[i], &want->segments[done + i]);
                done += n;
                length -= got[n - 1].start + got[n - 1].bytes - start;
                start = got[n - 1].start + got[n - 1].bytes;
        }
        assert_int_equal(done, want->n_segments);
        p2p_segments_free(want);
}

static void expect_client(struct fixture *f, struct random *r, uint32_t function)
{
        const struct p2p_address a = f->b.m->functions[function].address;
        struct p2p_table_client client;
        int want = p2p_function_is_endpoint(&f->b.m->functions[function]) ? P2P_TABLE_OK
                                                                          : P2P_TABLE_ABSENT;

        assert_int_equal(p2p_table_get_client(&f->table, a.segment, a.bus, a.devfn, &client), want);
        if (want != P2P_TABLE_OK)
                return;
        expect_pairs(f, function, client);
        for (unsigned i = 0; i < 8; i++) {
                uint64_t start = random_address(f->b.m, r), end = random_address(f->b.m, r);

                expect_map(f, function, client, start, end - start, 1 + random_below(r, 8));
                expect_map(f, function, client, start, 1 + random_below(r, 0x4000),
                           1 + random_below(r, 8));
        }
        expect_map(f, function, client, 0, TOP, 8);
        expect_map(f, function, client, 1, TOP, 3);
}

static void expect_everything(struct fixture *f, struct random *r)
{
        struct p2p_table_client client;

        assert_int_equal(p2p_table_verify(&f->table), P2P_TABLE_OK);
        assert_true(p2p_table_generation(&f->table) == f->generation);
        expect_borders(f);
        for (unsigned i = 0; i < 200; i++)
                expect_address(f, random_address(f->b.m, r));
        for (uint32_t i = 0; i < f->b.m->n_functions; i++)
                expect_client(f, r, i);
        assert_int_equal(p2p_table_get_client(&f->table, 77, 0, 0, &client), P2P_TABLE_ABSENT);
}

static void test_random_tables(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct random r = {.state = seed};
                struct builder b = random_machine(seed);
                struct fixture f;

                random_bars(&b, &r, (enum layout)(seed % LAYOUT_MAX), seed % 5 == 0, UINT32_MAX);
                fixture_init(&f, b, &r);
                expect_everything(&f, &r);
                /* The other area. */
                fixture_publish(&f);
                assert_int_equal(p2p_table_verify(&f.table), P2P_TABLE_OK);
                expect_borders(&f);
                fixture_deinit(&f);
        }
}

/* Every way to look an address up is used, by tables of every size. */
static void test_every_depth(void **state)
{
        unsigned seen[P2P_TABLE_DEPTH_MAX + 4] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= 240; seed++) {
                const uint32_t n = 1 + (uint32_t)(seed * seed) % 300;
                struct random r = {.state = seed};
                struct builder b = endpoints(60);
                struct fixture f;

                random_bars(&b, &r, (enum layout)(seed % LAYOUT_MAX), false, n);
                fixture_init(&f, b, &r);
                assert_int_equal(p2p_table_begin(&f.table), P2P_TABLE_OK);
                /* Some of each: the comparison is linear, and what costs time here. */
                if (seen[f.table.depth]++ < 5)
                        expect_borders(&f);
                fixture_deinit(&f);
        }
        for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
                assert_true(seen[i] > 0);
}

/* n BARs of one page to 2^35 of them: the first from 0 on, the last up to the top, the others in no
 * order and some of them without a gap. */
static struct builder scattered(unsigned n, struct random *r)
{
        struct builder b = endpoints(n);
        uint64_t at = 0;

        for (unsigned i = 0; i < n; i++) {
                const uint64_t bytes = UINT64_C(4096) << random_below(r, 36);

                if (i == n - 1 && n > 1)
                        at = TOP - bytes + 1;
                /* An odd number as a stride comes to each endpoint once. */
                bar(&b, ENDPOINT(i * 19 % n), i % 6, at, bytes);
                at += bytes + (random_below(r, 2) ? UINT64_C(4096) << random_below(r, 40) : 0);
        }
        return b;
}

/* Few ranges are held in the reader, with one, two or three steps to the only one that matters. */
static void test_few(void **state)
{
        (void)state;
        for (unsigned n = 1; n <= P2P_TABLE_FEW + 2; n++)
                for (uint64_t seed = 0; seed < 20; seed++) {
                        struct random r = {.state = seed * 64 + n};
                        struct fixture f;

                        fixture_init(&f, scattered(n, &r), &r);
                        assert_int_equal(p2p_table_begin(&f.table), P2P_TABLE_OK);
                        if (n <= P2P_TABLE_FEW)
                                assert_int_equal(f.table.depth,
                                                 P2P_TABLE_DEPTH_MAX + 1 + (n > 4) + (n > 8));
                        else
                                assert_true(f.table.depth <= P2P_TABLE_DEPTH_MAX);
                        expect_everything(&f, &r);
                        /* The other area, and once more the first one. */
                        fixture_publish(&f);
                        expect_borders(&f);
                        fixture_publish(&f);
                        expect_borders(&f);
                        fixture_deinit(&f);
                }
}

/* Where one of few ranges is the end of a BAR, the offset is still that in the BAR. */
static void test_few_with_a_piece(void **state)
{
        struct random r = {.state = 5};
        struct builder b = endpoints(2);
        struct p2p_table_hit hit;
        struct fixture f;

        (void)state;
        bar(&b, ENDPOINT(0), 0, 0x10000, 0x4000);
        bar(&b, ENDPOINT(1), 0, 0x12000, 0x8000);
        fixture_init(&f, b, &r);
        expect_everything(&f, &r);
        assert_int_equal(f.table.depth, 0);
        assert_int_equal(p2p_table_lookup(&f.table, 0x15000, &hit), P2P_TABLE_OK);
        assert_true(hit.place == P2P_TABLE_BAR && hit.offset == 0x3000);
        assert_int_equal(p2p_table_lookup(&f.table, 0x13000, &hit), P2P_TABLE_OK);
        assert_int_equal(hit.place, P2P_TABLE_CONTESTED);
        fixture_deinit(&f);
}

/* Before the first generation was begun nothing is known, rather than nothing there. */
static void test_not_begun(void **state)
{
        struct random r = {.state = 6};
        struct p2p_table_client client = {0, 0, 0};
        struct builder b = endpoints(1);
        struct p2p_table_pair pair;
        struct p2p_table_view view = {.client = {0}};
        struct p2p_table_hit hit;
        struct fixture f;

        (void)state;
        bar(&b, ENDPOINT(0), 0, 0, 0x1000);
        fixture_init(&f, b, &r);
        fixture_attach(&f);
        p2p_table_find_address(&f.table, 0, &hit);
        assert_int_equal(hit.place, P2P_TABLE_UNKNOWN);
        assert_int_equal(p2p_table_find_view(&f.table, client, &view), P2P_TABLE_OK);
        assert_int_equal(p2p_table_find_reach(&view, 0, &pair), P2P_TABLE_ABSENT);
        assert_true(p2p_table_retry(&f.table));
        fixture_deinit(&f);
}

static void test_client_of_another_generation(void **state)
{
        struct random r = {.state = 2};
        struct builder b = endpoints(2);
        struct p2p_table_client client;
        struct p2p_table_segment s;
        struct p2p_table_view view = {.client = {0}};
        struct p2p_table_pair pair;
        struct fixture f;
        uint32_t n = 7, id = 0;

        (void)state;
        for (unsigned i = 0; i < 4; i++)
                bar(&b, ENDPOINT(i % 2), i, 0x1000 + 0x1000 * i, 0x1000);
        fixture_init(&f, b, &r);
        for (uint32_t i = 0; i < f.n_bars; i++)
                id = f.bars[i].id ? f.bars[i].id : id;
        assert_int_not_equal(id, 0);
        assert_int_equal(p2p_table_get_client(&f.table, 0, 1, 0, &client), P2P_TABLE_OK);
        assert_int_equal(p2p_table_get_pair(&f.table, id, client, &pair), P2P_TABLE_OK);
        fixture_publish(&f);
        assert_int_equal(p2p_table_get_pair(&f.table, id, client, &pair), P2P_TABLE_CLIENT);
        /* The reader turned to the newest generation, but the client did not. */
        assert_int_equal(p2p_table_get_pair(&f.table, id, client, &pair), P2P_TABLE_CLIENT);
        assert_int_equal(p2p_table_find_view(&f.table, client, &view), P2P_TABLE_CLIENT);
        assert_int_equal(p2p_table_map(&f.table, client, 0, 1, &s, 1, &n), P2P_TABLE_CLIENT);
        assert_int_equal(n, 7);
        assert_int_equal(p2p_table_get_client(&f.table, 0, 1, 0, &client), P2P_TABLE_OK);
        assert_int_equal(p2p_table_map(&f.table, client, 0, 1, &s, 1, &n), P2P_TABLE_OK);
        fixture_deinit(&f);
}

/* A batch is of one generation, or says that it is not. */
static void test_batch(void **state)
{
        struct random r = {.state = 4};
        struct builder b = endpoints(1);
        struct p2p_table_hit hit;
        struct fixture f;

        (void)state;
        bar(&b, ENDPOINT(0), 0, 0x1000, 0x1000);
        fixture_init(&f, b, &r);
        assert_int_equal(p2p_table_begin(&f.table), P2P_TABLE_OK);
        p2p_table_find_address(&f.table, 0x1000, &hit);
        assert_int_equal(hit.place, P2P_TABLE_BAR);
        assert_false(p2p_table_retry(&f.table));
        /* The next generation goes elsewhere, the one after it comes here. */
        fixture_publish(&f);
        assert_false(p2p_table_retry(&f.table));
        assert_true(p2p_table_generation(&f.table) == 1);
        fixture_publish(&f);
        assert_true(p2p_table_retry(&f.table));
        assert_int_equal(p2p_table_begin(&f.table), P2P_TABLE_OK);
        assert_true(p2p_table_generation(&f.table) == 3);
        fixture_deinit(&f);
}

/* The counters have 32 bits. A reader that is there while they begin anew sees every generation,
 * and no earlier one is whole for it. */
static void test_counters_wrap_around(void **state)
{
        struct random r = {.state = 9};
        struct p2p_table_client client = {0, 0, 0};
        struct p2p_table_pair pair;
        struct builder b = endpoints(2);
        struct fixture f;

        (void)state;
        (void)bar(&b, ENDPOINT(0), 0, 0x1000, 0x1000);
        generations_left = 4;
        fixture_init(&f, b, &r);
        generations_left = 0;
        for (uint32_t sequence = ~3U; sequence != 6; sequence += 2) {
                struct p2p_table late = f.table;

                assert_int_equal(p2p_table_begin(&late), P2P_TABLE_OK);
                assert_int_equal(late.sequence, sequence);
                assert_int_equal(p2p_table_get_client(&late, 0, 2, 0, &client), P2P_TABLE_OK);
                fixture_publish(&f);
                assert_false(p2p_table_retry(&late));
                expect_everything(&f, &r);
                fixture_publish(&f);
                assert_true(p2p_table_retry(&late));
                assert_int_equal(p2p_table_get_pair(&f.table, 1, client, &pair), P2P_TABLE_CLIENT);
                expect_everything(&f, &r);
        }
        fixture_deinit(&f);
}

static void test_nothing_published(void **state)
{
        struct p2pd_table *writer;
        struct p2p_table_hit hit;
        struct p2p_table table;
        void *memory;

        (void)state;
        assert_int_equal(p2pd_table_new(4, &writer), 0);
        memory = mmap(NULL, p2pd_table_get_size(writer), PROT_READ, MAP_SHARED,
                      p2pd_table_get_fd(writer), 0);
        assert_true(memory != MAP_FAILED);
        assert_int_equal(p2p_table_attach(&table, memory, p2pd_table_get_size(writer)),
                         P2P_TABLE_OK);
        assert_int_equal(p2p_table_lookup(&table, 0, &hit), P2P_TABLE_STALE);
        assert_int_equal(p2p_table_begin(&table), P2P_TABLE_STALE);
        munmap(memory, p2pd_table_get_size(writer));
        assert_null(p2pd_table_free(writer));
        assert_null(p2pd_table_free(NULL));
}

static void test_growing_moves_the_table(void **state)
{
        struct random r = {.state = 5};
        struct builder small = endpoints(1), large = endpoints(50);
        struct p2p_table_hit hit;
        struct fixture f, g;
        bool moved = false;

        (void)state;
        bar(&small, ENDPOINT(0), 0, 0x1000, 0x1000);
        random_bars(&large, &r, LAYOUT_WINDOWS, false, 100);
        fixture_init(&f, small, &r);
        fixture_init(&g, large, &r);
        assert_int_equal(p2p_table_lookup(&f.table, 0x1000, &hit), P2P_TABLE_OK);
        assert_int_equal(p2pd_table_publish(f.writer, f.b.m, f.v, 2, NULL, 0, &moved), 0);
        assert_false(moved);
        assert_int_equal(p2pd_table_publish(f.writer, g.b.m, g.v, 3, NULL, 0, &moved), 0);
        assert_true(moved);
        assert_int_equal(p2p_table_lookup(&f.table, 0x1000, &hit), P2P_TABLE_MOVED);
        assert_int_equal(p2p_table_begin(&f.table), P2P_TABLE_MOVED);
        fixture_attach(&f);
        assert_int_equal(p2p_table_lookup(&f.table, 0x1000, &hit), P2P_TABLE_OK);
        assert_int_equal(hit.place, P2P_TABLE_REGULAR);
        assert_true(f.table.instance[0] != g.table.instance[0]);
        fixture_deinit(&g);
        fixture_deinit(&f);
}

static void test_the_end_of_the_writer_is_told(void **state)
{
        struct random r = {.state = 6};
        struct p2p_table_hit hit;
        struct fixture f;

        (void)state;
        fixture_init(&f, endpoints(1), &r);
        assert_int_equal(p2p_table_lookup(&f.table, 0, &hit), P2P_TABLE_OK);
        f.writer = p2pd_table_free(f.writer);
        assert_int_equal(p2p_table_lookup(&f.table, 0, &hit), P2P_TABLE_MOVED);
        fixture_deinit(&f);
}

static void test_consumers_cannot_write(void **state)
{
        struct random r = {.state = 7};
        struct fixture f;
        int fd;

        (void)state;
        fixture_init(&f, endpoints(1), &r);
        fd = p2pd_table_get_fd(f.writer);
        assert_true(mmap(NULL, f.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
        assert_int_equal(errno, EPERM);
        assert_int_equal(mprotect(f.memory, f.bytes, PROT_READ | PROT_WRITE), -1);
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(ftruncate(fd, (off_t)f.bytes * 2), -1);
        assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        fixture_deinit(&f);
}

/* The memory is there from the beginning: the writer would be killed if it ran out later. */
static void test_memory_is_reserved(void **state)
{
        struct random r = {.state = 10};
        struct builder b = endpoints(200);
        struct fixture f;
        struct stat st;

        (void)state;
        random_bars(&b, &r, LAYOUT_WINDOWS, false, 300);
        fixture_init(&f, b, &r);
        assert_true(f.bytes > 64 * KIB);
        assert_int_equal(fstat(p2pd_table_get_fd(f.writer), &st), 0);
        assert_true((uint64_t)st.st_size == f.bytes);
        assert_true((uint64_t)st.st_blocks * 512 >= f.bytes);
        fixture_deinit(&f);
}

static void test_refused_facts(void **state)
{
        const struct {
                struct p2pd_table_bar bars[2];
                int r;
        } cases[] = {
                {{{.function = 9, .id = 1}}, -EINVAL},
                {{{.function = 1, .bar_index = 6, .id = 1}}, -EINVAL},
                {{{.function = 1, .id = 16}}, -EINVAL},
                {{{.function = 1, .id = 1}, {.function = 1, .id = 2}}, -EINVAL},
                {{{.function = 1, .id = 1}, {.function = 1, .bar_index = 2, .id = 1}}, -EINVAL},
                {{{.function = 1, .id = 15}, {.function = 1, .bar_index = 2, .id = 0}}, 0},
        };
        struct builder b = endpoints(1);
        struct p2p_verdicts *v;
        struct p2pd_table *writer;
        bool moved;

        (void)state;
        bar(&b, ENDPOINT(0), 0, 0x1000, 0x1000);
        bar(&b, ENDPOINT(0), 2, 0x2000, 0x1000);
        builder_finish(&b);
        v = p2p_verdicts_new(b.m, p2p_rules_for(b.m, P2P_RULES_NEWEST));
        assert_non_null(v);
        assert_int_equal(p2pd_table_new(4, &writer), 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(p2pd_table_publish(writer, b.m, v, i + 1, cases[i].bars,
                                                    cases[i].bars[1].function ? 2 : 1, &moved),
                                 cases[i].r);
        assert_int_equal(p2pd_table_publish(writer, b.m, v, 6, NULL, 0, &moved), -EINVAL);
        p2pd_table_free(writer);
        p2p_verdicts_free(v);
        builder_free(&b);
}

/* What the issue asks for: 24 BARs, 256 functions, no two alike. */
static void test_size(void **state)
{
        struct random r = {.state = 8};
        struct builder b = endpoints(255);
        struct fixture f;

        (void)state;
        for (unsigned i = 0; i < 24; i++)
                bar(&b, ENDPOINT(10 * i), 0, 0x200000000000 + i * 512 * GIB,
                    i % 2 ? 256 * GIB : 16 * KIB);
        fixture_init(&f, b, &r);
        assert_true(f.bytes < 64 * KIB);
        expect_everything(&f, &r);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_small_and_large_side_by_side),
                cmocka_unit_test(test_without_bars),
                cmocka_unit_test(test_random_tables),
                cmocka_unit_test(test_every_depth),
                cmocka_unit_test(test_few),
                cmocka_unit_test(test_few_with_a_piece),
                cmocka_unit_test(test_not_begun),
                cmocka_unit_test(test_client_of_another_generation),
                cmocka_unit_test(test_batch),
                cmocka_unit_test(test_counters_wrap_around),
                cmocka_unit_test(test_nothing_published),
                cmocka_unit_test(test_growing_moves_the_table),
                cmocka_unit_test(test_the_end_of_the_writer_is_told),
                cmocka_unit_test(test_consumers_cannot_write),
                cmocka_unit_test(test_memory_is_reserved),
                cmocka_unit_test(test_refused_facts),
                cmocka_unit_test(test_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
