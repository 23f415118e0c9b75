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

/* Decides a machine that differs from the one before, and follows up on the difference. Takes the
 * machine; the diff stays the caller's. */
static int decide(const struct p2pd_scan_params *params, struct p2p_machine *machine,
                  struct p2p_diff *diff, struct p2pd_snapshot **ret)
{
        struct p2pd_snapshot *before = params->before, *s = NULL;
        int r = p2pd_snapshot_new(machine, before ? before->generation + 1 : 1,
                                  now_usec(CLOCK_REALTIME), &s);

        if (r == 0 && before)
                r = p2p_diff_add_flips(diff, before->verdicts[params->rules],
                                       s->verdicts[params->rules], params->flips_max);
        if (r == 0 && before)
                r = p2pd_snapshot_follow(
                        s, before, params->rules == P2P_RULES_RUNNING && diff->n_flips_total == 0);
        if (r < 0)
                (void)p2pd_snapshot_unref(s);
        else
                *ret = s;
        return r;
}

/* Takes the machine. The generation counts on only if something is different. */
static int compare(const struct p2pd_scan_params *params, struct p2p_machine *machine,
                   struct p2pd_scan_result *result)
{
        struct p2p_diff *d = NULL;
        int r = 0;

        if (params->before)
                r = p2p_diff_new(params->before->machine, NULL, machine, NULL, 0, &d);
        if (r < 0 || (d && p2p_diff_is_empty(d))) {
                p2p_machine_free(machine);
                p2p_diff_free(d);
                return r;
        }
        r = decide(params, machine, d, &result->snapshot);
        result->diff = r < 0 ? p2p_diff_free(d) : d;
        return r;
}

void p2pd_scan_run(const struct p2pd_scan_params *params, struct p2pd_scan_result *ret)
{
        uint64_t start = now_usec(CLOCK_MONOTONIC);
        struct p2pd_scan_result result = {0};
        struct p2p_machine *machine;

        result.error = p2pd_source_scan(
                params->source, params->before ? params->before->machine : NULL,
                params->reads_some ? &params->scope : NULL, &machine, &result.error_text);
        if (result.error == 0) {
                result.error = compare(params, machine, &result);
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
