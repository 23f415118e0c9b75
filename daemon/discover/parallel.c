/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parallel.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Below this a thread costs more than it brings. */
#define ITEMS_PER_WORKER_MIN 64U
/* Neighbours are alike: taken in runs, so that what a worker has cached serves. */
#define RUN 16U
#define STACK_BYTES (256U * 1024U)

struct work {
        atomic_uint next;
        uint32_t n;
        p2pd_work_fn fn;
        void *userdata;
};

struct worker {
        struct work *work;
        unsigned number;
};

unsigned p2pd_workers_for(uint32_t n)
{
        cpu_set_t set;
        unsigned n_cpus = 1, n_workers = n / ITEMS_PER_WORKER_MIN;

        if (sched_getaffinity(0, sizeof(set), &set) == 0)
                n_cpus = (unsigned)CPU_COUNT(&set);
        if (n_workers > n_cpus)
                n_workers = n_cpus;
        if (n_workers > P2PD_WORKERS_MAX)
                n_workers = P2PD_WORKERS_MAX;
        return n_workers ? n_workers : 1;
}

static void *run(void *userdata)
{
        const struct worker *me = userdata;
        struct work *w = me->work;

        for (;;) {
                uint32_t begin = atomic_fetch_add_explicit(&w->next, RUN, memory_order_relaxed);
                uint32_t end;

                if (begin >= w->n)
                        return NULL;
                end = w->n - begin < RUN ? w->n : begin + RUN;
                for (uint32_t i = begin; i < end; i++)
                        w->fn(i, me->number, w->userdata);
        }
}

void p2pd_parallel(uint32_t n, unsigned n_workers, p2pd_work_fn fn, void *userdata)
{
        struct work work = {.n = n, .fn = fn, .userdata = userdata};
        struct worker workers[P2PD_WORKERS_MAX];
        pthread_t threads[P2PD_WORKERS_MAX];
        bool started[P2PD_WORKERS_MAX] = {false};
        pthread_attr_t attr;

        assert(n_workers >= 1 && n_workers <= P2PD_WORKERS_MAX);
        assert(n <= UINT32_MAX - P2PD_WORKERS_MAX * RUN);
        for (unsigned i = 0; i < n_workers; i++)
                workers[i] = (struct worker){.work = &work, .number = i};
        if (n_workers > 1 && pthread_attr_init(&attr) == 0) {
                (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
                for (unsigned i = 1; i < n_workers; i++)
                        started[i] = pthread_create(&threads[i], &attr, run, &workers[i]) == 0;
                (void)pthread_attr_destroy(&attr);
        }
        (void)run(&workers[0]);
        for (unsigned i = 1; i < n_workers; i++)
                if (started[i])
                        (void)pthread_join(threads[i], NULL);
}
