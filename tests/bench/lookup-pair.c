/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-pair.h"

#include <errno.h>
#include <stdlib.h>

#include "decide/verdicts.h"
#include "lookup-layout.h"
#include "lookup-table.h"
#include "machine.h"

#define QUESTIONS 4096U
#define ROUNDS 301U
#define IDS_MAX 64U
#define CLIENTS_MAX 512U

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

#define PAIR_LOOPS(NAME, ASK)                                                                      \
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
        }                                                                                          \
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

PAIR_LOOPS(table, ask_table)
PAIR_LOOPS(arrays, ask_arrays)

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
        static pair_loop *const loops[] = {table_throughput, arrays_throughput, table_latency,
                                           arrays_latency};
        static double samples[4][ROUNDS];
        uint32_t state = 1;

        for (unsigned round = 0; round < ROUNDS; round++) {
                draw(p, p->warming, &state);
                draw(p, p->timed, &state);
                for (unsigned i = 0; i < 4; i++)
                        samples[(i + round) % 4][round] = time_loop(loops[(i + round) % 4], p);
        }
        *ret = (struct lookup_pair_times){
                .n_functions = p->table->machine.m->n_functions,
                .table_bytes = p->table->bytes,
                .table_nsec = lookup_time_of(samples[0], ROUNDS),
                .array_nsec = lookup_time_of(samples[1], ROUNDS),
                .table_latency_nsec = lookup_time_of(samples[2], ROUNDS),
                .array_latency_nsec = lookup_time_of(samples[3], ROUNDS),
        };
}

int lookup_pair_measure(size_t n_bars, uint32_t n_functions, struct lookup_pair_times *ret)
{
        static struct span spans[LOOKUP_BARS_MAX];
        struct pairs *p = calloc(1, sizeof(*p));
        int r = -ENOMEM;

        if (!p)
                return r;
        lookup_layout(spans, n_bars);
        p->table = n_bars < IDS_MAX ? table_new_functions(spans, n_bars, n_functions) : NULL;
        if (p->table) {
                r = find_clients(p);
                if (r == 0) {
                        fill_arrays(p);
                        r = check(p);
                }
                if (r == 0)
                        run(p, ret);
        }
        table_free(p->table);
        free(p);
        return r;
}
