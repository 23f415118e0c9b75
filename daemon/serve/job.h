/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers that take longer than the loop may be kept from the other clients: each is computed in a
 * thread, one after the other, on a snapshot that nobody changes. Users take turns, so that the one
 * who asks for much waits for himself.
 *
 * A job is the first member of what a method allocates. Everything but run happens in the loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "serve/json-writer.h"

struct event_base;
struct p2pd_connection;
struct p2pd_job;
struct p2pd_jobs;
struct p2pd_server;
struct p2pd_snapshot;

/* What p2pd_job_type.finish may return besides 0 and what run may return. */
enum p2pd_job_finish {
        P2PD_JOB_AGAIN = 1001, /* the answer is out of date: compute it once more, next */
        P2PD_JOB_WAITS,        /* the rest of the reply depends on a lease: wait for that */
};

struct p2pd_job_type {
        /* Right before run: takes what it needs from the present state. May be NULL. 0;
         * P2PD_CALL_REFUSED, the text is an error reply; or a negative errno. */
        int (*prepare)(struct p2pd_job *job, struct p2pd_server *s);
        /* In the thread: writes the reply to the job's writer; may use the job and its snapshot,
         * nothing else, and must not count references. Likewise. */
        int (*run)(struct p2pd_job *job);
        /* After run gave 0, while somebody still waits for it. May be NULL: the reply is complete.
         * Likewise, or p2pd_job_finish. */
        int (*finish)(struct p2pd_job *job, struct p2pd_server *s);
        /* Frees what the method allocated. */
        void (*free)(struct p2pd_job *job);
};

struct p2pd_job {
        const struct p2pd_job_type *type;
        struct p2pd_snapshot *snapshot; /* what it speaks of, held; prepare may set it */
        size_t bytes;                   /* what the method allocated for it, charged to the user */
        struct p2pd_connection *connection; /* NULL: it does not wait any more */
        struct p2pd_buffer text;            /* the reply */
        struct p2pd_writer writer;          /* to text */
        int result;                         /* of prepare and run */

        /* For job.c alone. */
        TAILQ_ENTRY(p2pd_job) node;
        enum { P2PD_JOB_IDLE, P2PD_JOB_QUEUED, P2PD_JOB_RUNNING } state;
        uid_t uid;
        uint64_t round;
};

/* Makes a zeroed job one of this type. Takes a reference to the snapshot (may be NULL). */
void p2pd_job_init(struct p2pd_job *job, const struct p2pd_job_type *type,
                   struct p2pd_snapshot *snapshot, size_t bytes);
/* Of an idle one. Accepts NULL; returns NULL. */
struct p2pd_job *p2pd_job_free(struct p2pd_job *job);

/* Makes the job hold this snapshot in place of the one it holds. */
void p2pd_job_set_snapshot(struct p2pd_job *job, struct p2pd_snapshot *snapshot);

/* deliver gets every job that is over, idle, while its connection still waits; it is then the
 * callee's, who may submit it again. server goes to prepare and deliver. NULL: out of memory or
 * descriptors. */
struct p2pd_jobs *p2pd_jobs_new(struct event_base *base, struct p2pd_server *server,
                                void (*deliver)(struct p2pd_job *job, struct p2pd_server *server));
/* Waits for the one that runs. All others must have been cancelled. Accepts NULL; returns NULL. */
struct p2pd_jobs *p2pd_jobs_free(struct p2pd_jobs *jobs);

/* Queues an idle job of this user; at_once: before all others. It starts on the next turn of the
 * loop at the earliest. */
void p2pd_jobs_submit(struct p2pd_jobs *jobs, struct p2pd_job *job, uid_t uid, bool at_once);

/* Nobody waits for it any more: it is freed, now or when it has run. Accepts NULL. */
void p2pd_jobs_cancel(struct p2pd_jobs *jobs, struct p2pd_job *job);
