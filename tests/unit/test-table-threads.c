/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One writer that changes generations without pause, and readers that look all the time. Every
 * generation says its own number in many places: a torn answer would mix two. Runs for a second;
 * give seconds as the argument for longer. Meant to be run under the thread sanitizer as well.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "decide/rules.h"
#include "table-fixture.h"

#define READERS 8U
#define VARIANTS 4U
#define BASE UINT64_C(0x200000000000)
#define STEP UINT64_C(0x100000)
#define KILLS 20U

static unsigned run_seconds = 1;

/*
 * The machine of a variant: `count` BARs of 64 KiB, each variant's elsewhere. Generation g
 * publishes variant g % VARIANTS, with `since` g for all ids, and bus addresses that tell the
 * variant.
 */
struct variant {
        struct builder b;
        struct p2p_verdicts *v;
        struct p2pd_table_bar bars[32];
        uint32_t n_bars;
};

struct stage {
        struct variant variants[VARIANTS];
        struct p2pd_table *writer;
        const void *memory;
        uint64_t bytes;
        bool stop;
};

static uint64_t place_of(unsigned variant, unsigned n)
{
        return BASE + n * STEP + variant * STEP / VARIANTS;
}

static void variant_init(struct variant *v, unsigned number)
{
        uint32_t port, up;

        v->b = builder_new();
        port = builder_root_port(&v->b, "00:01.0");
        up = builder_upstream(&v->b, "01:00.0", port);
        v->n_bars = 20 + number * 3;
        for (unsigned i = 0; i < v->n_bars; i++) {
                struct p2p_address a = {.bus = 2, .devfn = (uint8_t)i};
                char buf[P2P_ADDRESS_STRING_MAX];
                uint32_t down = builder_downstream(&v->b, p2p_address_format(a, buf), up), end;

                a = (struct p2p_address){.bus = (uint8_t)(3 + i)};
                end = builder_endpoint(&v->b, p2p_address_format(a, buf), down);
                bar(&v->b, end, 0, place_of(number, i), 0x10000)->bus_start.val =
                        place_of(number, i) + number;
        }
        builder_finish(&v->b);
        for (unsigned i = 0; i < v->n_bars; i++) {
                struct p2p_address a = {.bus = (uint8_t)(3 + i)};

                v->bars[i].function = p2p_machine_find(v->b.m, a);
                v->bars[i].id = (uint16_t)(i + 1);
        }
        v->v = p2p_verdicts_new(v->b.m, p2p_rules_for(v->b.m, P2P_RULES_NEWEST));
        assert_non_null(v->v);
}

static bool publish(struct stage *s, uint64_t generation)
{
        struct variant *v = &s->variants[generation % VARIANTS];
        bool moved;

        for (unsigned i = 0; i < v->n_bars; i++)
                v->bars[i].since = generation;
        assert_int_equal(
                p2pd_table_publish(s->writer, v->b.m, v->v, generation, v->bars, v->n_bars, &moved),
                0);
        return moved;
}

static void stage_init(struct stage *s)
{
        *s = (struct stage){.stop = false};
        for (unsigned i = 0; i < VARIANTS; i++)
                variant_init(&s->variants[i], i);
        assert_int_equal(p2pd_table_new(8, &s->writer), 0);
        /* All have been there once: the table does not move any more. */
        for (unsigned i = 0; i < VARIANTS; i++)
                (void)publish(s, 1 + i);
        s->bytes = p2pd_table_get_size(s->writer);
        s->memory = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, p2pd_table_get_fd(s->writer), 0);
        assert_true(s->memory != MAP_FAILED);
}

static void stage_deinit(struct stage *s)
{
        munmap((void *)(uintptr_t)s->memory, s->bytes);
        p2pd_table_free(s->writer);
        for (unsigned i = 0; i < VARIANTS; i++) {
                p2p_verdicts_free(s->variants[i].v);
                builder_free(&s->variants[i].b);
        }
}

/* Counters of one reader; a problem ends it. */
struct reader {
        struct stage *stage;
        struct p2p_table table;
        uint64_t seed, answers, stale, last_generation;
        const char *problem;
};

#define EXPECT(r, condition)                                                                       \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        (r)->problem = #condition;                                                 \
                        return;                                                                    \
                }                                                                                  \
        } while (0)

/* Many answers in one generation agree with it. */
static void look_at_a_generation(struct reader *r, unsigned n)
{
        struct p2p_table_client client = {0, 0, 0};
        struct p2p_table_segment segments[3];
        struct p2p_table_record record = {.id = 0};
        struct p2p_table_pair pair = {0}, many = {.map = P2P_TABLE_MAP_NONE};
        struct p2p_table_view view;
        struct p2p_table_hit hits[VARIANTS];
        struct p2p_table *t = &r->table;
        uint32_t n_segments = 0;
        int found, mapped;
        uint64_t g;
        unsigned v;

        if (p2p_table_begin(t) != P2P_TABLE_OK) {
                r->stale++;
                return;
        }
        g = p2p_table_generation(t);
        for (unsigned i = 0; i < VARIANTS; i++)
                p2p_table_find_address(t, place_of(i, n) + 5, &hits[i]);
        v = g % VARIANTS;
        found = p2p_table_find_record(t, hits[v].record, &record);
        if (p2p_table_find_client(t, 0, 3, 0, &client) != P2P_TABLE_OK)
                client.sequence = ~0U;
        if (p2p_table_find_pair(t, hits[v].id, client, &pair) != P2P_TABLE_OK)
                pair.map = P2P_TABLE_MAP_NONE;
        if (p2p_table_find_view(t, client, &view) == P2P_TABLE_OK)
                (void)p2p_table_find_reach(&view, hits[v].id, &many);
        mapped = p2p_table_find_segments(t, client, place_of(v, n) - 1, 0x10002, segments, 3,
                                         &n_segments);
        if (p2p_table_retry(t)) {
                r->stale++;
                return;
        }
        r->answers++;
        EXPECT(r, g >= r->last_generation);
        r->last_generation = g;
        for (unsigned i = 0; i < VARIANTS; i++)
                EXPECT(r, (hits[i].place == P2P_TABLE_BAR) == (i == v));
        EXPECT(r, hits[v].id == n + 1 && hits[v].offset == 5 && found == P2P_TABLE_OK);
        EXPECT(r, record.since == g && record.id == n + 1 && record.bus == 3 + n);
        EXPECT(r, record.first == place_of(v, n) && record.bus_start == place_of(v, n) + v);
        EXPECT(r, pair.map == P2P_TABLE_MAP_BUS && mapped == P2P_TABLE_OK && n_segments == 3);
        EXPECT(r, many.map == P2P_TABLE_MAP_BUS && many.distance == pair.distance);
        EXPECT(r, segments[1].bytes == 0x10000 && segments[1].bus_start == record.bus_start);
}

static void look_once(struct reader *r, unsigned n)
{
        struct p2p_table_record record = {.id = 0};
        int got = p2p_table_get_bar(&r->table, n + 1, &record);

        if (got == P2P_TABLE_STALE) {
                r->stale++;
                return;
        }
        r->answers++;
        EXPECT(r, got == P2P_TABLE_OK && record.id == n + 1);
        EXPECT(r, record.first == place_of(record.since % VARIANTS, n));
        EXPECT(r, record.since >= r->last_generation);
        r->last_generation = record.since;
}

static void *read_all_the_time(void *argument)
{
        struct reader *r = argument;
        struct random random = {.state = r->seed};

        /* Who was given no time before the end still looks once. */
        while (!r->problem &&
               (r->answers == 0 || !__atomic_load_n(&r->stage->stop, __ATOMIC_RELAXED))) {
                look_at_a_generation(r, random_below(&random, 20));
                if (!r->problem)
                        look_once(r, random_below(&random, 20));
        }
        return NULL;
}

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_a_writer_without_pause(void **state)
{
        const double end = now() + run_seconds;
        struct reader readers[READERS];
        pthread_t threads[READERS];
        uint64_t generation = VARIANTS;
        uint64_t answers = 0, stale = 0;
        struct stage s;

        (void)state;
        stage_init(&s);
        for (unsigned i = 0; i < READERS; i++) {
                readers[i] = (struct reader){.stage = &s, .seed = i + 1};
                assert_int_equal(p2p_table_attach(&readers[i].table, s.memory, s.bytes), 0);
                assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readers[i]),
                                 0);
        }
        while (now() < end)
                assert_false(publish(&s, ++generation));
        __atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
        for (unsigned i = 0; i < READERS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                if (readers[i].problem)
                        fail_msg("reader %u: %s", i, readers[i].problem);
                answers += readers[i].answers;
                stale += readers[i].stale;
                assert_true(readers[i].answers > 0);
        }
        print_message("%llu generations, %llu answers, %llu stale\n",
                      (unsigned long long)generation, (unsigned long long)answers,
                      (unsigned long long)stale);
        stage_deinit(&s);
}

/* A writer killed anywhere leaves a table that answers. */
static void test_a_writer_that_is_killed(void **state)
{
        struct random random = {.state = 1};

        (void)state;
        for (unsigned i = 0; i < KILLS; i++) {
                struct reader r = {.seed = i};
                struct timespec wait = {.tv_nsec = 1000 + random_below(&random, 5000000)};
                struct stage s;
                pid_t child;

                stage_init(&s);
                r.stage = &s;
                assert_int_equal(p2p_table_attach(&r.table, s.memory, s.bytes), 0);
                child = fork();
                assert_true(child >= 0);
                if (child == 0)
                        for (uint64_t g = VARIANTS + 1;; g++)
                                (void)publish(&s, g);
                (void)nanosleep(&wait, NULL);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, NULL, 0), child);
                for (unsigned n = 0; n < 20; n++) {
                        look_at_a_generation(&r, n);
                        if (!r.problem)
                                look_once(&r, n);
                }
                if (r.problem)
                        fail_msg("after kill %u: %s", i, r.problem);
                assert_int_equal(r.stale, 0);
                assert_int_equal(r.answers, 40);
                stage_deinit(&s);
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_writer_without_pause),
                cmocka_unit_test(test_a_writer_that_is_killed),
        };

        if (argc > 1)
                run_seconds = (unsigned)strtoul(argv[1], NULL, 10);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
