/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a pair (id, client) costs: the table's answer beside the least that could answer, two loads
 * that hang on one another in arrays that stay in the first cache: where the id's row begins, and
 * the cell of the client in it. "Many" are the BARs that one client asks about at once, with one
 * check that their generation is whole.
 */

#include <stddef.h>
#include <stdint.h>

#include "lookup-statistics.h"

struct lookup_pair_times {
        uint32_t n_functions;
        size_t table_bytes;
        struct lookup_time table_nsec; /* pairs that do not wait for one another */
        struct lookup_time array_nsec;
        struct lookup_time checked_nsec; /* the arrays, and the check of a generation for each */
        struct lookup_time table_latency_nsec; /* each pair hangs on the answer before */
        struct lookup_time array_latency_nsec;
        struct lookup_time table_many_nsec;
        struct lookup_time array_many_nsec;
};

/* On the machine of lookup-machine.h. Both have to give the same answers. 0, or a negative
 * errno (-EPROTO: they do not). */
int lookup_pair_measure(size_t n_bars, uint32_t n_functions, struct lookup_pair_times *ret);
