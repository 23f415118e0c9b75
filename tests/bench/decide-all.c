/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times the reading of a captured root and the deciding of all its ordered pairs, apart. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decide/verdicts.h"
#include "discover/source.h"

#define ROUNDS 9

static double now_msec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
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

static int run_round(struct p2pd_source *source, double *ret_read, double *ret_decide)
{
        struct p2p_machine *m = NULL;
        struct p2p_verdicts *v;
        const char *error = NULL;
        double start = now_msec(), between;

        if (p2pd_source_scan(source, NULL, NULL, &m, &error) < 0) {
                fprintf(stderr, "decide-all: %s\n", error ? error : "scan failed");
                return -1;
        }
        between = now_msec();
        v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_RUNNING));
        if (!v)
                return -1;
        *ret_decide = now_msec() - between;
        *ret_read = between - start;
        printf("functions %" PRIu32 "\nclasses %" PRIu32 "\n", m->n_functions,
               p2p_verdicts_n_classes(v));
        p2p_verdicts_free(v);
        p2p_machine_free(m);
        return 0;
}

int main(int argc, char **argv)
{
        double read[ROUNDS], decide[ROUNDS];
        struct p2pd_source *source = NULL;
        int r;

        if (argc != 2) {
                fprintf(stderr, "decide-all DIR\n");
                return 2;
        }
        r = p2pd_source_new(P2P_SOURCE_ROOT, argv[1], NULL, &source);
        if (r < 0) {
                fprintf(stderr, "decide-all: %s: %s\n", argv[1], strerror(-r));
                return 1;
        }
        for (int i = 0; i < ROUNDS && r == 0; i++)
                r = run_round(source, &read[i], &decide[i]);
        if (r == 0)
                printf("read_msec %.2f\ndecide_msec %.2f\n", median(read), median(decide));
        p2pd_source_free(source);
        return r < 0;
}
