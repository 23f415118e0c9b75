/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From an address to its BAR: the shared table beside the structures that one could use instead, on
 * the same BARs and the same random addresses, in turns. Then the decision of a pair out of the
 * table, and the making of a table. Prints JSON, all times in nanoseconds unless named otherwise.
 *
 * Every structure has to give the right answers before it is timed. Each time is that of addresses
 * that were not seen before, after others of the same kind have filled the caches: else the branch
 * predictor learns the addresses, or who comes first pays for all. Only "repeated" is the other way
 * round: a few addresses, again and again.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup-hash.h"
#include "lookup-judy.h"
#include "lookup-layout.h"
#include "lookup-measure.h"
#include "lookup-pair.h"
#include "lookup-publish.h"
#include "lookup-search.h"
#include "lookup-statistics.h"
#include "lookup-table.h"
#include "lookup-tree.h"

#define ADDRESSES 16384U
/* The timed ones in pieces so short that few of them are interrupted. */
#define PIECES 8U
#define PIECE_ADDRESSES (ADDRESSES / PIECES)
/* Few enough for the branch predictor to learn. */
#define REPEATED_ADDRESSES 64U
#define ROUNDS 61U

LOOKUP_STRUCTURE(table, "table", table, table_new, table_free, table_lookup);
LOOKUP_STRUCTURE(tree, "tree", tree, tree_new, tree_free, tree_lookup);
LOOKUP_STRUCTURE(judy, "judy", judy, judy_new, judy_free, judy_lookup);
LOOKUP_STRUCTURE(sorted, "sorted", search, search_new_sorted, search_free, search_lookup_sorted);
LOOKUP_STRUCTURE(breadth_first, "breadth-first", search, search_new_breadth_first, search_free,
                 search_lookup_breadth_first);
LOOKUP_STRUCTURE(sorted_guess, "sorted-guess", search, search_new_sorted, search_free,
                 search_lookup_sorted_guess);
LOOKUP_STRUCTURE(breadth_first_guess, "breadth-first-guess", search, search_new_breadth_first,
                 search_free, search_lookup_breadth_first_guess);
LOOKUP_STRUCTURE(hash, "hash", hash, hash_new, hash_free, hash_lookup);

static const struct structure_type *const types[] = {
        &table_type,
        &tree_type,
        &judy_type,
        &sorted_type,
        &breadth_first_type,
        &sorted_guess_type,
        &breadth_first_guess_type,
        &hash_type,
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

static const size_t sizes[] = {4, 8, 16, 24, 64, 256, 1024, 4096};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

enum mode { HIT, MISS, REPEATED, HIT_LATENCY, MISS_LATENCY, MODE_MAX };

static const char *const mode_names[] = {
        [HIT] = "hit",
        [MISS] = "miss",
        [REPEATED] = "repeated",
        [HIT_LATENCY] = "hit_latency",
        [MISS_LATENCY] = "miss_latency",
};

/* All structures over the same BARs. */
struct contest {
        size_t n;
        struct span spans[LOOKUP_BARS_MAX];
        struct span sorted[LOOKUP_BARS_MAX];
        void *structures[N_TYPES];
        double samples[N_TYPES][MODE_MAX][ROUNDS * PIECES];
};

struct addresses {
        uint64_t warming[ADDRESSES];
        uint64_t timed[ADDRESSES];
};

/* Whatever the loops found; the compiler must suppose that somebody reads it. */
static volatile uint64_t sink;

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "lookup: %s\n", what);
        exit(EXIT_FAILURE);
}

static struct contest *contest_new(size_t n)
{
        struct contest *c = calloc(1, sizeof(*c));

        if (!c)
                die("no memory");
        c->n = n;
        lookup_layout(c->spans, n);
        memcpy(c->sorted, c->spans, sizeof(c->spans));
        lookup_layout_sort(c->sorted, n);
        for (size_t i = 0; i < N_TYPES; i++) {
                c->structures[i] = types[i]->build(c->spans, n);
                if (!c->structures[i])
                        die("a structure could not be built");
        }
        return c;
}

static void contest_free(struct contest *c)
{
        for (size_t i = 0; i < N_TYPES; i++)
                types[i]->release(c->structures[i]);
        free(c);
}

static void check_address(const struct contest *c, uint64_t address)
{
        int32_t index = (int32_t)c->n - 1;

        while (index >= 0 && (address < c->spans[index].first || address > c->spans[index].last))
                index--;
        for (size_t i = 0; i < N_TYPES; i++) {
                uint64_t offset = 0;

                if (types[i]->lookup(c->structures[i], address, &offset) != index)
                        die(types[i]->name);
                if (index >= 0 && offset != address - c->spans[index].first)
                        die(types[i]->name);
        }
}

/* Both ends of every BAR and what is beside them, random hits and misses, and the ends of it all.
 */
static void check(const struct contest *c, struct addresses *a)
{
        lookup_hits(c->spans, c->n, a->timed, ADDRESSES, 1);
        lookup_misses(c->sorted, c->n, a->warming, ADDRESSES, 2);
        for (size_t i = 0; i < ADDRESSES; i++) {
                check_address(c, a->timed[i]);
                check_address(c, a->warming[i]);
        }
        for (size_t i = 0; i < c->n; i++) {
                check_address(c, c->spans[i].first - 1);
                check_address(c, c->spans[i].first);
                check_address(c, c->spans[i].last);
                check_address(c, c->spans[i].last + 1);
        }
        check_address(c, 0);
        check_address(c, UINT64_MAX - 1);
}

static void time_loop(lookup_loop *loop, void *structure, const struct addresses *a,
                      double ret_samples[static PIECES])
{
        sink += loop(structure, a->warming, ADDRESSES);
        for (size_t i = 0; i < PIECES; i++) {
                const uint64_t *addresses = a->timed + i * PIECE_ADDRESSES;
                double start = lookup_now_nsec();

                sink += loop(structure, addresses, PIECE_ADDRESSES);
                ret_samples[i] = (lookup_now_nsec() - start) / PIECE_ADDRESSES;
        }
}

static void draw_addresses(const struct contest *c, enum mode mode, uint64_t seed,
                           uint64_t ret[static ADDRESSES])
{
        switch (mode) {
        case HIT:
        case HIT_LATENCY:
                lookup_hits(c->spans, c->n, ret, ADDRESSES, seed);
                break;
        case MISS:
        case MISS_LATENCY:
                lookup_misses(c->sorted, c->n, ret, ADDRESSES, seed);
                break;
        case REPEATED:
                lookup_hits(c->spans, c->n, ret, REPEATED_ADDRESSES, seed);
                for (size_t i = REPEATED_ADDRESSES; i < ADDRESSES; i++)
                        ret[i] = ret[i - REPEATED_ADDRESSES];
                break;
        case MODE_MAX:
                break;
        }
}

static void run_round(struct contest *c, struct addresses *a, unsigned round)
{
        for (enum mode mode = 0; mode < MODE_MAX; mode++) {
                uint64_t seed = 3 + 2 * (round * MODE_MAX + mode);

                draw_addresses(c, mode, seed, a->warming);
                draw_addresses(c, mode, mode == REPEATED ? seed : seed + 1, a->timed);
                /* Another one begins in each round. */
                for (size_t i = 0; i < N_TYPES; i++) {
                        size_t t = (i + round) % N_TYPES;
                        lookup_loop *loop = mode == HIT_LATENCY || mode == MISS_LATENCY
                                                    ? types[t]->latency
                                                    : types[t]->throughput;

                        time_loop(loop, c->structures[t], a, &c->samples[t][mode][round * PIECES]);
                }
        }
}

static void print_time(const char *name, struct lookup_time time)
{
        printf(", \"%s\": %.3f, \"%s_least\": %.3f", name, time.median, name, time.least);
}

static void print_contest(struct contest *c, bool is_last)
{
        printf("  {\"bars\": %zu, \"structures\": [\n", c->n);
        for (size_t t = 0; t < N_TYPES; t++) {
                printf("    {\"name\": \"%s\", \"bytes\": %zu", types[t]->name,
                       types[t]->bytes(c->structures[t]));
                for (enum mode mode = 0; mode < MODE_MAX; mode++)
                        print_time(mode_names[mode],
                                   lookup_time_of(c->samples[t][mode], ROUNDS * PIECES));
                printf("}%s\n", t + 1 < N_TYPES ? "," : "");
        }
        printf("  ]}%s\n", is_last ? "" : ",");
}

static void run_contests(void)
{
        struct addresses *a = malloc(sizeof(*a));
        struct contest *contests[N_SIZES];

        if (!a)
                die("no memory");
        for (size_t i = 0; i < N_SIZES; i++) {
                contests[i] = contest_new(sizes[i]);
                check(contests[i], a);
        }
        for (unsigned round = 0; round < ROUNDS; round++)
                for (size_t i = 0; i < N_SIZES; i++)
                        run_round(contests[i], a, round);
        printf("\"sizes\": [\n");
        for (size_t i = 0; i < N_SIZES; i++) {
                print_contest(contests[i], i + 1 == N_SIZES);
                contest_free(contests[i]);
        }
        printf("],\n");
        free(a);
}

static void run_pairs(void)
{
        struct lookup_pair_times times;

        if (lookup_pair_measure(24, 256, &times) < 0)
                die("pairs");
        printf("\"pair\": {\"bars\": 24, \"functions\": %u, \"table_bytes\": %zu",
               times.n_functions, times.table_bytes);
        print_time("table", times.table_nsec);
        print_time("array", times.array_nsec);
        print_time("checked", times.checked_nsec);
        print_time("table_latency", times.table_latency_nsec);
        print_time("array_latency", times.array_latency_nsec);
        print_time("table_many", times.table_many_nsec);
        print_time("array_many", times.array_many_nsec);
        printf("},\n");
}

static void run_publishing(void)
{
        struct lookup_publish_times times;

        if (lookup_publish_measure(1024, 4096, &times) < 0)
                die("publishing");
        printf("\"publish\": {\"bars\": 1024, \"functions\": %u, \"table_bytes\": %zu",
               times.n_functions, times.table_bytes);
        print_time("decide_msec", times.decide_msec);
        print_time("publish_msec", times.publish_msec);
        print_time("first_msec", times.first_msec);
        printf("}\n");
}

int main(void)
{
        printf("{\"rounds\": %u, \"addresses\": %u,\n", ROUNDS, ADDRESSES);
        run_contests();
        run_pairs();
        run_publishing();
        printf("}\n");
        return EXIT_SUCCESS;
}
