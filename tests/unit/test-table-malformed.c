/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tables that no daemon wrote. The copy lies in memory of exactly its size, so that the address
 * sanitizer and valgrind see a read beside it; whatever a look answers is right, as long as it
 * ends.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "table-fixture.h"

struct copy {
        unsigned char *memory;
        uint64_t bytes;
};

static struct copy copy_of(const struct fixture *f, uint64_t bytes)
{
        struct copy c = {.memory = malloc(bytes), .bytes = bytes};

        assert_non_null(c.memory);
        memcpy(c.memory, f->memory, bytes < f->bytes ? bytes : f->bytes);
        return c;
}

static struct fixture valid_of(uint64_t seed, enum layout layout, uint32_t max_bars)
{
        struct random r = {.state = seed};
        struct builder b = random_machine(seed);
        struct fixture f;

        random_bars(&b, &r, layout, seed % 2, max_bars);
        fixture_init(&f, b, &r);
        return f;
}

static struct fixture valid(uint64_t seed, enum layout layout)
{
        return valid_of(seed, layout, UINT32_MAX);
}

static struct p2p_table_header *header_of(const struct copy *c)
{
        return (struct p2p_table_header *)c->memory;
}

static struct p2p_table_live *live_of(const struct copy *c)
{
        return (struct p2p_table_live *)(c->memory + sizeof(struct p2p_table_header));
}

static struct p2p_table_area *area_of(const struct copy *c)
{
        uint32_t i = (uint32_t)live_of(c)->state & 1;

        return (struct p2p_table_area *)(c->memory + header_of(c)->area_offset[i]);
}

/* A hostile writer knows the checksum as well. */
static void seal_header(const struct copy *c)
{
        struct p2p_table_header *h = header_of(c);

        h->checksum = p2p_table_checksum(0, h, offsetof(struct p2p_table_header, checksum));
}

static void seal_area(const struct copy *c)
{
        struct p2p_table_area *a = area_of(c);

        a->checksum = p2p_table_checksum(0, &a->data_checksum, sizeof(*a) - 8);
}

/* Asks everything that can be asked. */
static void look(struct p2p_table *t, struct random *r)
{
        struct p2p_table_client client = {0, random_below(r, UINT32_MAX), 0};
        struct p2p_table_segment segments[4];
        struct p2p_table_record record;
        struct p2p_table_view view;
        struct p2p_table_pair pair;
        struct p2p_table_hit hit;
        uint32_t n;

        for (unsigned i = 0; i < 24; i++) {
                uint64_t address = (uint64_t)random_below(r, UINT32_MAX) << random_below(r, 40);

                (void)p2p_table_lookup(t, address, &hit);
                p2p_table_find_address(t, ~address, &hit);
                (void)p2p_table_find_record(t, random_below(r, 64), &record);
                (void)p2p_table_get_bar(t, random_below(r, 1U << random_below(r, 18)), &record);
                (void)p2p_table_get_client(t, random_below(r, 2), (uint8_t)random_below(r, 16),
                                           (uint8_t)random_below(r, 16), &client);
                client.sequence = t->sequence;
                (void)p2p_table_get_pair(t, random_below(r, 64), client, &pair);
                (void)p2p_table_find_pair(t, random_below(r, 64), client, &pair);
                if (p2p_table_find_view(t, client, &view) == P2P_TABLE_OK)
                        (void)p2p_table_find_reach(
                                &view, random_below(r, 1U << random_below(r, 18)), &pair);
                (void)p2p_table_map(t, client, address, UINT64_MAX - address, segments, 4, &n);
                client.slot = random_below(r, 64);
        }
        (void)p2p_table_verify(t);
}

static int attach_and_look(const struct copy *c, struct random *random)
{
        struct p2p_table t;
        int r = p2p_table_attach(&t, c->memory, c->bytes);

        if (r == P2P_TABLE_OK)
                look(&t, random);
        return r;
}

static void test_truncated(void **state)
{
        struct fixture f = valid(3, LAYOUT_WINDOWS);
        struct random r = {.state = 1};

        (void)state;
        for (uint64_t bytes = 0; bytes < f.bytes; bytes += bytes < 600 ? 1 : 509) {
                struct copy c = copy_of(&f, bytes);

                assert_int_equal(attach_and_look(&c, &r), P2P_TABLE_SIZE);
                free(c.memory);
        }
        fixture_deinit(&f);
}

static void test_header_without_its_checksum(void **state)
{
        struct fixture f = valid(4, LAYOUT_WINDOWS);
        struct random r = {.state = 2};

        (void)state;
        for (unsigned i = 0; i < sizeof(struct p2p_table_header) * 8; i++) {
                struct copy c = copy_of(&f, f.bytes);
                int got;

                c.memory[i / 8] ^= (unsigned char)(1U << i % 8);
                got = attach_and_look(&c, &r);
                assert_int_equal(got, i / 64 == 1 && i < 96 ? P2P_TABLE_VERSION_UNKNOWN
                                                            : P2P_TABLE_FORMAT);
                free(c.memory);
        }
        fixture_deinit(&f);
}

/* Values that are wrong in a way one may forget. */
static uint32_t evil(struct random *r, uint32_t was)
{
        static const uint32_t values[] = {0,          1,          3,          63,
                                          64,         0x7fffffff, 0x80000000, 0xffffffff,
                                          0xffffffc0, 0x04000000, 0x10000000, 4096};

        switch (random_below(r, 4)) {
        case 0:
                return was + 1 + random_below(r, 64);
        case 1:
                return was * 2;
        case 2:
                return was ^ 1U << random_below(r, 32);
        default:
                return values[random_below(r, sizeof(values) / sizeof(values[0]))];
        }
}

/* Changes some words of a struct of `bytes` bytes. */
static void spoil(void *p, size_t bytes, struct random *r)
{
        uint32_t *words = p;

        for (unsigned n = 1 + random_below(r, 3); n > 0; n--) {
                uint32_t i = random_below(r, (uint32_t)(bytes / 4));

                words[i] = evil(r, words[i]);
        }
}

static void test_hostile_header(void **state)
{
        unsigned accepted = 0, refused = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct fixture f = valid(seed, (enum layout)(seed % LAYOUT_MAX));
                struct random r = {.state = seed};

                for (unsigned i = 0; i < 200; i++) {
                        struct copy c = copy_of(&f, f.bytes);
                        const size_t at = offsetof(struct p2p_table_header, header_bytes);

                        spoil(c.memory + at, offsetof(struct p2p_table_header, checksum) - at, &r);
                        seal_header(&c);
                        if (attach_and_look(&c, &r) == P2P_TABLE_OK)
                                accepted++;
                        else
                                refused++;
                        free(c.memory);
                }
                fixture_deinit(&f);
        }
        assert_true(accepted > 100 && refused > 100);
}

static void test_hostile_area(void **state)
{
        unsigned accepted = 0, refused = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct fixture f = valid(seed, (enum layout)(seed % LAYOUT_MAX));
                struct random r = {.state = seed};

                for (unsigned i = 0; i < 200; i++) {
                        struct copy c = copy_of(&f, f.bytes);
                        struct p2p_table t;

                        spoil(area_of(&c), sizeof(struct p2p_table_area), &r);
                        seal_area(&c);
                        assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
                        if (p2p_table_begin(&t) == P2P_TABLE_OK)
                                accepted++;
                        else
                                refused++;
                        look(&t, &r);
                        free(c.memory);
                }
                fixture_deinit(&f);
        }
        assert_true(accepted > 100 && refused > 100);
}

static void test_hostile_arrays(void **state)
{
        unsigned damaged = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct fixture f = valid(seed, (enum layout)(seed % LAYOUT_MAX));
                struct random r = {.state = seed};
                struct p2p_table t;

                for (unsigned i = 0; i < 60; i++) {
                        struct copy c = copy_of(&f, f.bytes);
                        const size_t begin =
                                sizeof(struct p2p_table_header) + sizeof(struct p2p_table_live);

                        for (unsigned n = 1 + random_below(&r, 400); n > 0; n--)
                                c.memory[begin + random_below(&r, (uint32_t)(c.bytes - begin))] =
                                        (unsigned char)random_below(&r, 256);
                        memcpy(area_of(&c),
                               (unsigned char *)f.memory +
                                       ((unsigned char *)area_of(&c) - c.memory),
                               sizeof(struct p2p_table_area));
                        assert_int_equal(attach_and_look(&c, &r), P2P_TABLE_OK);
                        assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
                        damaged += p2p_table_verify(&t) == P2P_TABLE_DAMAGED;
                        free(c.memory);
                }
                fixture_deinit(&f);
        }
        assert_true(damaged > 1000);
}

/* The area's own checksum: any flipped bit is found before anything is looked up. */
static void test_flipped_area(void **state)
{
        struct fixture f = valid(5, LAYOUT_WINDOWS);
        struct p2p_table_hit hit;
        struct p2p_table t;

        (void)state;
        for (unsigned i = 0; i < sizeof(struct p2p_table_area) * 8; i++) {
                struct copy c = copy_of(&f, f.bytes);

                ((unsigned char *)area_of(&c))[i / 8] ^= (unsigned char)(1U << i % 8);
                assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
                assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_DAMAGED);
                free(c.memory);
        }
        fixture_deinit(&f);
}

/* Each bit of one array of a valid table, one after the other. */
static void flip_array(const struct fixture *f, enum p2p_table_array array, struct random *r)
{
        struct copy c = copy_of(f, f->bytes);
        const struct p2p_table_area *a = area_of(&c);
        unsigned char *at = (unsigned char *)a + header_of(&c)->arrays[array].offset;
        const uint32_t bits = a->count[array] * p2p_table_element_bytes(array) * 8;

        for (uint32_t i = 0; i < bits; i++) {
                at[i / 8] ^= (unsigned char)(1U << i % 8);
                assert_int_equal(attach_and_look(&c, r), P2P_TABLE_OK);
                at[i / 8] ^= (unsigned char)(1U << i % 8);
        }
        free(c.memory);
}

/* What a reader takes over of few ranges, and where it finds the pairs. */
static void test_flipped_arrays(void **state)
{
        (void)state;
        for (uint32_t n = 1; n <= P2P_TABLE_FEW; n += 5) {
                struct fixture f = valid_of(n, n % 2 ? LAYOUT_WINDOWS : LAYOUT_OVERLAP, n);
                struct random r = {.state = n};

                flip_array(&f, P2P_TABLE_RANGES, &r);
                flip_array(&f, P2P_TABLE_IDS, &r);
                fixture_deinit(&f);
        }
}

/* One range, or none, with nothing behind it: a reader that takes over a few reads no more. */
static void test_ranges_at_the_end(void **state)
{
        (void)state;
        for (uint32_t n = 0; n <= 1; n++) {
                struct fixture f = valid_of(8, LAYOUT_WINDOWS, 1);
                struct random r = {.state = n};
                struct p2p_table_header *h = f.memory;
                struct p2p_table_hit hit;
                struct p2p_table t;
                struct copy c;

                /* The later area ends the memory. */
                if (((uint32_t)live_of(&(struct copy){f.memory, f.bytes})->state & 1) == 0)
                        fixture_publish(&f);
                c = copy_of(&f, (uint64_t)h->area_offset[1] + h->area_bytes);
                h = header_of(&c);
                h->total_bytes = c.bytes;
                h->arrays[P2P_TABLE_RANGES] = (struct p2p_table_array_data){h->area_bytes - 64, 1};
                seal_header(&c);
                area_of(&c)->count[P2P_TABLE_RANGES] = n;
                area_of(&c)->depth = 0;
                seal_area(&c);
                assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
                assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_OK);
                assert_int_equal(t.depth, P2P_TABLE_DEPTH_MAX + 1);
                look(&t, &r);
                free(c.memory);
                fixture_deinit(&f);
        }
}

/* A reader bounds what it kept with what it kept: the memory may change behind its back. */
static void test_arrays_that_change_later(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct fixture f = valid_of(seed, (enum layout)(seed % LAYOUT_MAX),
                                            seed % 2 ? P2P_TABLE_FEW : UINT32_MAX);
                struct copy c = copy_of(&f, f.bytes);
                const uint64_t kept = sizeof(struct p2p_table_header) + 16;
                struct random r = {.state = seed};
                struct p2p_table t;

                assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
                assert_int_equal(p2p_table_begin(&t), P2P_TABLE_OK);
                for (unsigned i = 0; i < 20; i++) {
                        for (uint64_t at = kept; at < c.bytes; at++)
                                c.memory[at] = (unsigned char)random_below(&r, 256);
                        look(&t, &r);
                }
                free(c.memory);
                fixture_deinit(&f);
        }
}

static void set_state(const struct copy *c, uint32_t published, uint32_t begun)
{
        live_of(c)->state = (uint64_t)begun << 32 | published;
}

/* A writer that stopped between begun and published does no harm; one that seems to be always
 * ahead gives up the reader, and not the other way round. */
static void test_writer_stopped(void **state)
{
        struct fixture f = valid(6, LAYOUT_WINDOWS);
        struct copy c = copy_of(&f, f.bytes);
        uint32_t published = (uint32_t)live_of(&c)->state;
        struct p2p_table_hit hit;
        struct p2p_table t;

        (void)state;
        set_state(&c, published, published + 1);
        memset(c.memory + header_of(&c)->area_offset[~published & 1], 0xaa,
               header_of(&c)->area_bytes);
        assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
        assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_OK);
        assert_int_equal(p2p_table_verify(&t), P2P_TABLE_OK);
        set_state(&c, published, published + 2);
        assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_STALE);
        assert_int_equal(p2p_table_begin(&t), P2P_TABLE_STALE);
        assert_int_equal(p2p_table_verify(&t), P2P_TABLE_STALE);
        set_state(&c, published, published);
        assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_OK);
        free(c.memory);
        fixture_deinit(&f);
}

/* Nothing was begun, and the writer says that this is the newest. */
static void test_state_of_no_writer(void **state)
{
        struct fixture f = valid(7, LAYOUT_WINDOWS);
        struct copy c = copy_of(&f, f.bytes);
        struct random r = {.state = 3};
        struct p2p_table_hit hit;
        struct p2p_table t;

        (void)state;
        live_of(&c)->state = P2P_TABLE_SEEN_NONE;
        assert_int_equal(p2p_table_attach(&t, c.memory, c.bytes), P2P_TABLE_OK);
        assert_int_equal(p2p_table_lookup(&t, 0, &hit), P2P_TABLE_OK);
        assert_int_equal(hit.place, P2P_TABLE_UNKNOWN);
        look(&t, &r);
        free(c.memory);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_header_without_its_checksum),
                cmocka_unit_test(test_hostile_header),
                cmocka_unit_test(test_hostile_area),
                cmocka_unit_test(test_hostile_arrays),
                cmocka_unit_test(test_flipped_area),
                cmocka_unit_test(test_flipped_arrays),
                cmocka_unit_test(test_ranges_at_the_end),
                cmocka_unit_test(test_arrays_that_change_later),
                cmocka_unit_test(test_writer_stopped),
                cmocka_unit_test(test_state_of_no_writer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
