/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-publish.h"

#include <errno.h>

#include "decide/verdicts.h"
#include "lookup-machine.h"
#include "machine.h"
#include "publish/table.h"

#define ROUNDS 31U
#define GENERATIONS 3U

struct samples {
        double decide[ROUNDS];
        double publish[ROUNDS];
        double first[ROUNDS];
};

/* A table of its own. Its first generation is one sample; the second still fills the other area's
 * pages for the first time; the third is what every later one is like. */
static int run_round(struct lookup_machine *machine, struct samples *s, unsigned round,
                     size_t *ret_bytes)
{
        struct p2pd_table *table = NULL;
        struct p2p_verdicts *v;
        double start = lookup_now_nsec(), times[1 + GENERATIONS];
        bool moved;
        int r = 0;

        v = p2p_verdicts_new(machine->m, p2p_rules_for(machine->m, P2P_RULES_NEWEST));
        if (!v)
                return -ENOMEM;
        s->decide[round] = (lookup_now_nsec() - start) / 1e6;
        times[0] = lookup_now_nsec();
        r = p2pd_table_new(machine->id_bits, &table);
        for (unsigned i = 1; i <= GENERATIONS && r == 0; i++) {
                r = p2pd_table_publish(table, machine->m, v, i, machine->bars, machine->n_bars,
                                       &moved);
                times[i] = lookup_now_nsec();
        }
        if (r == 0) {
                s->first[round] = (times[1] - times[0]) / 1e6;
                s->publish[round] = (times[GENERATIONS] - times[GENERATIONS - 1]) / 1e6;
                *ret_bytes = p2pd_table_get_size(table);
        }
        p2pd_table_free(table);
        p2p_verdicts_free(v);
        return r;
}

int lookup_publish_measure(size_t n_bars, uint32_t n_functions, struct lookup_publish_times *ret)
{
        static struct span spans[LOOKUP_BARS_MAX];
        struct lookup_machine machine;
        struct samples s;
        size_t bytes = 0;
        int r;

        lookup_layout(spans, n_bars);
        r = lookup_machine_init(&machine, spans, n_bars, n_functions);
        if (r < 0)
                return r;
        for (unsigned round = 0; round < ROUNDS && r == 0; round++)
                r = run_round(&machine, &s, round, &bytes);
        if (r == 0)
                *ret = (struct lookup_publish_times){
                        .n_functions = machine.m->n_functions,
                        .table_bytes = bytes,
                        .decide_msec = lookup_time_of(s.decide, ROUNDS),
                        .publish_msec = lookup_time_of(s.publish, ROUNDS),
                        .first_msec = lookup_time_of(s.first, ROUNDS),
                };
        lookup_machine_deinit(&machine);
        return r;
}
