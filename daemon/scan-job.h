/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One reading of the machine, or of a part of it, in a thread of its own, with everything that
 * follows from it: the comparison with the generation before and the decisions. The loop goes on
 * serving meanwhile, and takes the finished generation over in one step.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/diff.h"
#include "discover/scope.h"
#include "discover/source.h"
#include "snapshot.h"

struct p2pd_scan_job;

struct p2pd_scan_params {
        struct p2pd_source *source;   /* used by this job alone until it is finished */
        struct p2pd_snapshot *before; /* or NULL; the caller keeps its reference until finish */
        enum p2p_rules_choice rules;  /* under which flips are counted */
        uint32_t flips_max;
        bool reads_some; /* only what the scope names, with what goes with it; needs before */
        struct p2pd_scope scope;
        int done_fd; /* an eventfd, written when the result is there; -1: none */
};

struct p2pd_scan_result {
        int error;                      /* negative errno: nothing below is set but error_text */
        const char *error_text;         /* lives as long as the source */
        struct p2pd_snapshot *snapshot; /* NULL: nothing has changed */
        struct p2p_diff *diff;          /* NULL when there was nothing before */
        uint64_t duration_usec;
};

/* Starts the thread. 0 or a negative errno. */
int p2pd_scan_job_start(const struct p2pd_scan_params *params, struct p2pd_scan_job **ret);

/* Waits for the thread, gives the result (the caller owns what is in it) and frees the job. */
void p2pd_scan_job_finish(struct p2pd_scan_job *job, struct p2pd_scan_result *ret);

/* The same without a thread, for the first reading. */
void p2pd_scan_run(const struct p2pd_scan_params *params, struct p2pd_scan_result *ret);
