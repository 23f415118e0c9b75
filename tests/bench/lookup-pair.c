/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-pair.h"

#include <errno.h>
#include <stdlib.h>

#include "decide/verdicts.h"
#include "lookup-layout.h"
#include "lookup-table.h"
#include "machine.h"

#define QUESTIONS 4096U
#define ROUNDS 3001U
#define IDS_MAX 64U
#define CLIENTS_MAX 512U
#define MANY 64U /* BARs that one client asks about at once */

/* One pair, as the table and as the arrays want to be asked. */
struct question {
        uint32_t id;
        uint32_t column;
        struct p2p_table_client client;
};

struct arrays {
        uint16_t rows[IDS_MAX]; /* by id */
        uint16_t cells[IDS_MAX * CLIENTS_MAX];
};

struct pairs {
        struct table *table;
        struct arrays arrays;
        struct p2p_table_client clients[CLIENTS_MAX];
        uint32_t n_clients;
        struct question warming[QUESTIONS];
        struct question timed[QUESTIONS];
};

typedef uint32_t pair_loop(struct pairs *p, const struct question *questions);

static volatile uint32_t sink;

struct answer {
        uint32_t map;
        uint32_t distance;
};

static inline struct answer ask_table(struct pairs *p, uint32_t id, const struct question *q)
{
        struct p2p_table_pair pair;

        if (p2p_table_get_pair(&p->table->reader, id, q->client, &pair) != P2P_TABLE_OK)
                return (struct answer){UINT32_MAX, UINT32_MAX};
        return (struct answer){pair.map, pair.distance};
}

static inline struct answer ask_arrays(struct pairs *p, uint32_t id, const struct question *q)
{
        uint32_t cell = p->arrays.cells[p->arrays.rows[id] + q->column];

        return (struct answer){cell & 3, cell >> 2};
}

/* Not what anybody would do: it shows what the check alone adds. */
static inline struct answer ask_checked(struct pairs *p, uint32_t id, const struct question *q)
{
        struct answer answer = ask_arrays(p, id, q);

        return p2p_table_is_current(&p->table->reader) ? answer
                                                       : (struct answer){UINT32_MAX, UINT32_MAX};
}

#define THROUGHPUT_LOOP(NAME, ASK)                                                                 \
        __attribute__((flatten)) static uint32_t NAME##_throughput(struct pairs *p,                \
                                                                   const struct question *q)       \
        {                                                                                          \
                uint32_t sum = 0;                                                                  \
                                                                                                   \
                for (size_t i = 0; i < QUESTIONS; i++) {                                           \
                        struct answer answer = ASK(p, q[i].id, &q[i]);                             \
                                                                                                   \
                        sum += answer.map + answer.distance;                                       \
                }                                                                                  \
                return sum;                                                                        \
        }

#define LATENCY_LOOP(NAME, ASK)                                                                    \
        __attribute__((flatten)) static uint32_t NAME##_latency(struct pairs *p,                   \
                                                                const struct question *q)          \
        {                                                                                          \
                uint32_t sum = 0, nothing = 0;                                                     \
                                                                                                   \
                /* The compiler is not to know that it is 0. */                                    \
                __asm__ volatile("" : "+r"(nothing));                                              \
                for (size_t i = 0; i < QUESTIONS; i++) {                                           \
                        struct answer answer = ASK(p, q[i].id + (sum & nothing), &q[i]);           \
                                                                                                   \
                        sum += answer.map + answer.distance;                                       \
                }                                                                                  \
                return sum;                                                                        \
        }

THROUGHPUT_LOOP(table, ask_table)
THROUGHPUT_LOOP(arrays, ask_arrays)
THROUGHPUT_LOOP(checked, ask_checked)
LATENCY_LOOP(table, ask_table)
LATENCY_LOOP(arrays, ask_arrays)

/* The client of the first question asks about the BARs of all. UINT32_MAX: no answer. */
static inline uint32_t ask_table_many(struct pairs *p, const struct question *questions)
{
        struct p2p_table *t = &p->table->reader;
        struct p2p_table_view view;
        struct p2p_table_pair pair;
        uint32_t sum = 0;

        if (p2p_table_begin(t) != P2P_TABLE_OK ||
            p2p_table_find_view(t, questions->client, &view) != P2P_TABLE_OK)
                return UINT32_MAX;
        for (size_t i = 0; i < MANY; i++) {
                if (p2p_table_find_reach(&view, questions[i].id, &pair) != P2P_TABLE_OK)
                        return UINT32_MAX;
                sum += (uint32_t)pair.map + pair.distance;
        }
        return p2p_table_retry(t) ? UINT32_MAX : sum;
}

static inline uint32_t ask_arrays_many(struct pairs *p, const struct question *questions)
{
        const uint16_t *cells = p->arrays.cells + questions->column;
        uint32_t sum = 0;

        for (size_t i = 0; i < MANY; i++) {
                uint32_t cell = cells[p->arrays.rows[questions[i].id]];

                sum += (cell & 3) + (cell >> 2);
        }
        return sum;
}

#define MANY_LOOP(NAME, ASK)                                                                       \
        __attribute__((flatten)) static uint32_t NAME(struct pairs *p, const struct question *q)   \
        {                                                                                          \
                uint32_t sum = 0;                                                                  \
                                                                                                   \
                for (size_t i = 0; i < QUESTIONS; i += MANY)                                       \
                        sum += ASK(p, q + i);                                                      \
                return sum;                                                                        \
        }

MANY_LOOP(table_many, ask_table_many)
MANY_LOOP(arrays_many, ask_arrays_many)

static int find_clients(struct pairs *p)
{
        const struct p2p_machine *m = p->table->machine.m;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_address a = m->functions[i].address;

                if (!p2p_function_is_endpoint(&m->functions[i]))
                        continue;
                if (p->n_clients == CLIENTS_MAX)
                        return -E2BIG;
                if (p2p_table_get_client(&p->table->reader, a.segment, a.bus, a.devfn,
                                         &p->clients[p->n_clients++]) != P2P_TABLE_OK)
                        return -EPROTO;
        }
        return 0;
}

/* From the verdicts themselves, not from the table. */
static void fill_arrays(struct pairs *p)
{
        const struct lookup_machine *machine = &p->table->machine;
        uint32_t column = 0;

        for (uint32_t client = 0; client < machine->m->n_functions; client++) {
                if (!p2p_function_is_endpoint(&machine->m->functions[client]))
                        continue;
                for (uint32_t i = 0; i < machine->n_bars; i++) {
                        struct p2p_verdict v =
                                p2p_verdicts_get(machine->v, machine->bars[i].function, client);
                        uint16_t row = (uint16_t)(i * p->n_clients);

                        p->arrays.rows[machine->bars[i].id] = row;
                        p->arrays.cells[row + column] =
                                (uint16_t)(v.map | (uint16_t)(v.distance_hops << 2));
                }
                column++;
        }
}

static void draw(struct pairs *p, struct question *ret, uint32_t *state)
{
        for (size_t i = 0; i < QUESTIONS; i++) {
                *state = *state * 1664525U + 1013904223U;
                ret[i].column = (*state >> 8) % p->n_clients;
                *state = *state * 1664525U + 1013904223U;
                ret[i].id = 1 + (*state >> 8) % p->table->machine.n_bars;
                ret[i].client = p->clients[ret[i].column];
        }
}

static int check(struct pairs *p)
{
        for (size_t i = 0; i < QUESTIONS; i += MANY)
                if (ask_table_many(p, p->timed + i) != ask_arrays_many(p, p->timed + i))
                        return -EPROTO;
        for (uint32_t column = 0; column < p->n_clients; column++)
                for (uint32_t id = 1; id <= p->table->machine.n_bars; id++) {
                        struct question q = {id, column, p->clients[column]};

                        struct answer table = ask_table(p, id, &q);
                        struct answer arrays = ask_arrays(p, id, &q);

                        if (table.map != arrays.map || table.distance != arrays.distance)
                                return -EPROTO;
                }
        return 0;
}

static double time_loop(pair_loop *loop, struct pairs *p)
{
        double start;

        sink += loop(p, p->warming);
        start = lookup_now_nsec();
        sink += loop(p, p->timed);
        return (lookup_now_nsec() - start) / QUESTIONS;
}

static void run(struct pairs *p, struct lookup_pair_times *ret)
{
        static const struct {
                pair_loop *loop;
                size_t to; /* in struct lookup_pair_times */
        } loops[] = {
                {table_throughput, offsetof(struct lookup_pair_times, table_nsec)},
                {arrays_throughput, offsetof(struct lookup_pair_times, array_nsec)},
                {checked_throughput, offsetof(struct lookup_pair_times, checked_nsec)},
                {table_latency, offsetof(struct lookup_pair_times, table_latency_nsec)},
                {arrays_latency, offsetof(struct lookup_pair_times, array_latency_nsec)},
                {table_many, offsetof(struct lookup_pair_times, table_many_nsec)},
                {arrays_many, offsetof(struct lookup_pair_times, array_many_nsec)},
        };
        enum { N_LOOPS = sizeof(loops) / sizeof(loops[0]) };
        static double samples[N_LOOPS][ROUNDS];
        uint32_t state = 1;

        for (unsigned round = 0; round < ROUNDS; round++) {
                draw(p, p->warming, &state);
                draw(p, p->timed, &state);
                for (unsigned i = 0; i < N_LOOPS; i++) {
                        const unsigned n = (i + round) % N_LOOPS;

                        samples[n][round] = time_loop(loops[n].loop, p);
                }
        }
        ret->n_functions = p->table->machine.m->n_functions;
        ret->table_bytes = p->table->bytes;
        for (unsigned i = 0; i < N_LOOPS; i++)
                *(struct lookup_time *)((char *)ret + loops[i].to) =
                        lookup_time_of(samples[i], ROUNDS);
}

int lookup_pair_measure(size_t n_bars, uint32_t n_functions, struct lookup_pair_times *ret)
{
        static struct span spans[LOOKUP_BARS_MAX];
        struct pairs *p = calloc(1, sizeof(*p));
        uint32_t state = 2;
        int r = -ENOMEM;

        if (!p)
                return r;
        lookup_layout(spans, n_bars);
        p->table = n_bars < IDS_MAX ? table_new_functions(spans, n_bars, n_functions) : NULL;
        if (p->table) {
                r = find_clients(p);
                if (r == 0) {
                        fill_arrays(p);
                        draw(p, p->timed, &state);
                        r = check(p);
                }
                if (r == 0)
                        run(p, ret);
        }
        table_free(p->table);
        free(p);
        return r;
}
