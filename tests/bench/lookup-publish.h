/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long a generation takes: deciding all pairs, laying out the table and publishing it. */

#include <stddef.h>
#include <stdint.h>

#include "lookup-statistics.h"

struct lookup_publish_times {
        uint32_t n_functions;
        size_t table_bytes;
        struct lookup_time decide_msec;  /* every ordered pair */
        struct lookup_time publish_msec; /* the table, in memory that is there */
        struct lookup_time first_msec;   /* the table, with the making of its memory */
};

/* On the machine of lookup-machine.h. 0, or a negative errno. */
int lookup_publish_measure(size_t n_bars, uint32_t n_functions, struct lookup_publish_times *ret);
