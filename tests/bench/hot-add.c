/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From a named function to the published table, as the daemon goes, without its loop: hot-add DIR
 * ADDRESS. The function of a captured root is taken out of the kernel's list and put back, in
 * turns; each time what it concerns is read, compared and decided, ids are given, and a generation
 * is written. Prints medians of the wall clock in milliseconds, for bench.py.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bar-keeper.h"
#include "discover/source.h"
#include "publish/table.h"
#include "scan-job.h"

#define ROUNDS 201 /* odd */

struct bench {
        struct p2pd_scan_params params;
        struct p2pd_bar_keeper *keeper;
        struct p2pd_table *table;
        struct p2pd_table_bar *bars;
        uint32_t n_bars;
};

struct times {
        double read[ROUNDS], publish[ROUNDS], all[ROUNDS];
};

static double now_msec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *of)
{
        qsort(of, ROUNDS, sizeof(*of), compare);
        return of[ROUNDS / 2];
}

/* Gives ids and writes the generation, as the publisher does. */
static int publish(struct bench *b, const struct p2pd_snapshot *s)
{
        const struct p2pd_bar_keeper_now now = {
                .machine = s->machine,
                .generation = s->generation,
                .oldest_confirmed = s->generation - 1,
        };
        struct p2pd_snapshot_bar *bars;
        bool moved;
        uint32_t n;

        if (p2pd_bar_keeper_follow(b->keeper, &now) < 0 ||
            p2pd_bar_keeper_list(b->keeper, s->machine, &bars, &n) < 0)
                return -1;
        if (!b->table && p2pd_table_new(p2pd_bar_keeper_id_bits(b->keeper), &b->table) < 0)
                return -1;
        free(b->bars);
        b->n_bars = 0;
        b->bars = calloc((size_t)n + 1, sizeof(*b->bars));
        for (uint32_t i = 0; b->bars && i < n; i++)
                if (bars[i].id)
                        b->bars[b->n_bars++] = (struct p2pd_table_bar){
                                .function = bars[i].function,
                                .bar_index = bars[i].bar_index,
                                .id = bars[i].id,
                                .since = bars[i].since,
                        };
        free(bars);
        if (!b->bars)
                return -1;
        return p2pd_table_publish(b->table, s->machine, s->verdicts[P2P_RULES_RUNNING],
                                  s->generation, b->bars, b->n_bars, &moved);
}

/* Reads what the parameters say, and goes on from there. */
static int step(struct bench *b, double *ret_read, double *ret_publish)
{
        struct p2pd_scan_result result;
        double start = now_msec(), between;

        p2pd_scan_run(&b->params, &result);
        between = now_msec();
        if (result.error < 0 || !result.snapshot || publish(b, result.snapshot) < 0) {
                fprintf(stderr, "hot-add: %s\n",
                        result.error_text ? result.error_text : "nothing has changed");
                return -1;
        }
        *ret_read = between - start;
        *ret_publish = now_msec() - between;
        p2p_diff_free(result.diff);
        p2pd_snapshot_unref(b->params.before);
        b->params.before = result.snapshot;
        return 0;
}

static int measure(struct bench *b, const char *listed, const char *hidden, struct times *t)
{
        double unused[2];

        if (step(b, &unused[0], &unused[1]) < 0)
                return -1;
        b->params.reads_some = true;
        /* An even number of renames: it is there in the end as it was before. */
        for (int i = 0; i <= ROUNDS; i++) {
                const int at = i % ROUNDS;

                if (rename(i % 2 ? hidden : listed, i % 2 ? listed : hidden) < 0) {
                        perror(listed);
                        return -1;
                }
                if (step(b, &t->read[at], &t->publish[at]) < 0)
                        return -1;
                t->all[at] = t->read[at] + t->publish[at];
        }
        return 0;
}

int main(int argc, char **argv)
{
        const struct p2pd_bar_keeper_params keeper = {0};
        struct bench b = {.params = {.rules = P2P_RULES_RUNNING, .flips_max = 256, .done_fd = -1}};
        char listed[512], hidden[512];
        struct p2p_address address;
        struct times t;

        if (argc != 3 || p2p_address_parse(argv[2], &address) < 0) {
                fprintf(stderr, "usage: hot-add DIR ADDRESS\n");
                return 2;
        }
        (void)snprintf(listed, sizeof(listed), "%s/sys/bus/pci/devices/%s", argv[1], argv[2]);
        (void)snprintf(hidden, sizeof(hidden), "%s/unplugged", argv[1]);
        p2pd_scope_add(&b.params.scope, address);
        if (p2pd_source_new(P2P_SOURCE_ROOT, argv[1], NULL, &b.params.source) < 0 ||
            p2pd_bar_keeper_new(&keeper, &b.keeper) < 0) {
                fprintf(stderr, "hot-add: %s cannot be read\n", argv[1]);
                return 1;
        }
        if (measure(&b, listed, hidden, &t) < 0)
                return 1;
        printf("functions %" PRIu32 "\nbars %" PRIu32 "\n", b.params.before->machine->n_functions,
               b.n_bars);
        printf("read_msec %.3f\npublish_msec %.3f\nall_msec %.3f\n", median(t.read),
               median(t.publish), median(t.all));
        printf("least_msec %.3f\nworst_msec %.3f\n", t.all[0], t.all[ROUNDS - 1]);
        p2pd_snapshot_unref(b.params.before);
        p2pd_table_free(b.table);
        p2pd_bar_keeper_free(b.keeper);
        p2pd_source_free(b.params.source);
        free(b.bars);
        return 0;
}
