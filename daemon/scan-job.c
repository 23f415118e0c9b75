/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan-job.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct p2pd_scan_job {
        struct p2pd_scan_params params;
        struct p2pd_scan_result result;
        pthread_t thread;
};

static uint64_t now_usec(clockid_t clock)
{
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* Takes the machine. The generation counts on only if something is different. */
static int decide(const struct p2pd_scan_params *params, struct p2p_machine *machine,
                  struct p2pd_scan_result *result)
{
        struct p2pd_snapshot *before = params->before;
        int r;

        if (before) {
                struct p2p_diff *d = NULL;
                bool same;

                r = p2p_diff_new(before->machine, NULL, machine, NULL, 0, &d);
                if (r < 0) {
                        p2p_machine_free(machine);
                        return r;
                }
                same = p2p_diff_is_empty(d);
                p2p_diff_free(d);
                if (same) {
                        p2p_machine_free(machine);
                        return 0;
                }
        }
        r = p2pd_snapshot_new(machine, before ? before->generation + 1 : 1,
                              now_usec(CLOCK_REALTIME), &result->snapshot);
        if (r < 0 || !before)
                return r;
        r = p2p_diff_new(before->machine, before->verdicts[params->rules],
                         result->snapshot->machine, result->snapshot->verdicts[params->rules],
                         params->flips_max, &result->diff);
        if (r == 0)
                r = p2pd_snapshot_follow(result->snapshot, before,
                                         params->rules == P2P_RULES_RUNNING &&
                                                 result->diff->n_flips_total == 0);
        if (r < 0) {
                result->diff = p2p_diff_free(result->diff);
                result->snapshot = p2pd_snapshot_unref(result->snapshot);
        }
        return r;
}

void p2pd_scan_run(const struct p2pd_scan_params *params, struct p2pd_scan_result *ret)
{
        uint64_t start = now_usec(CLOCK_MONOTONIC);
        struct p2pd_scan_result result = {0};
        struct p2p_machine *machine;

        result.error =
                p2pd_source_scan(params->source, params->before ? params->before->machine : NULL,
                                 &machine, &result.error_text);
        if (result.error == 0) {
                result.error = decide(params, machine, &result);
                result.error_text = result.error < 0 ? "out of memory" : NULL;
        }
        result.duration_usec = now_usec(CLOCK_MONOTONIC) - start;
        *ret = result;
}

static void *scan_thread(void *userdata)
{
        struct p2pd_scan_job *job = userdata;
        const uint64_t one = 1;

        p2pd_scan_run(&job->params, &job->result);
        if (job->params.done_fd >= 0)
                (void)!write(job->params.done_fd, &one, sizeof(one));
        return NULL;
}

int p2pd_scan_job_start(const struct p2pd_scan_params *params, struct p2pd_scan_job **ret)
{
        struct p2pd_scan_job *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return -ENOMEM;
        job->params = *params;
        r = pthread_create(&job->thread, NULL, scan_thread, job);
        if (r != 0) {
                free(job);
                return -r;
        }
        *ret = job;
        return 0;
}

void p2pd_scan_job_finish(struct p2pd_scan_job *job, struct p2pd_scan_result *ret)
{
        (void)pthread_join(job->thread, NULL);
        *ret = job->result;
        free(job);
}
