/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Times of rounds, and what is said of them. */

#include <stddef.h>

/* Of the monotonic clock. */
double lookup_now_nsec(void);

/* Of all samples; the least is what a core does that shares nothing with anybody. */
struct lookup_time {
        double median;
        double least;
};

/* Of n samples (of two in the middle, the greater counts). Sorts them. */
struct lookup_time lookup_time_of(double *samples, size_t n);
