/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-statistics.h"

#include <stdlib.h>
#include <time.h>

double lookup_now_nsec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

struct lookup_time lookup_time_of(double *samples, size_t n)
{
        qsort(samples, n, sizeof(*samples), compare);
        return (struct lookup_time){.median = samples[n / 2], .least = samples[0]};
}
