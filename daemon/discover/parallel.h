/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work on many slots that do not touch each other, by as many threads as there are processors (up
 * to P2PD_WORKERS_MAX). */

#include <stdint.h>

#define P2PD_WORKERS_MAX 4U

/* How many workers are worth it for n items: at least 1. */
unsigned p2pd_workers_for(uint32_t n);

/* Handles item; worker (below n_workers) tells the callers apart: two calls with the same worker
 * never run at once. */
typedef void (*p2pd_work_fn)(uint32_t item, unsigned worker, void *userdata);

/* Calls fn for every item below n and returns when all are done. The calling thread is worker 0. A
 * thread that cannot be started is done without. */
void p2pd_parallel(uint32_t n, unsigned n_workers, p2pd_work_fn fn, void *userdata);
