/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/job.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "snapshot.h"

struct p2pd_jobs {
        struct p2pd_server *server;
        void (*deliver)(struct p2pd_job *job, struct p2pd_server *server);
        TAILQ_HEAD(, p2pd_job) queue; /* by round, then in the order of coming */
        struct p2pd_job *running;
        uint64_t round; /* of the one that runs, or ran last */
        pthread_t thread;
        int done_fd;
        struct event *done_event, *start_event;
};

void p2pd_job_init(struct p2pd_job *job, const struct p2pd_job_type *type,
                   struct p2pd_snapshot *snapshot, size_t bytes)
{
        job->type = type;
        job->snapshot = snapshot ? p2pd_snapshot_ref(snapshot) : NULL;
        job->bytes = bytes;
        job->writer = p2pd_writer(&job->text);
}

struct p2pd_job *p2pd_job_free(struct p2pd_job *job)
{
        if (!job)
                return NULL;
        assert(job->state == P2PD_JOB_IDLE);
        p2pd_buffer_deinit(&job->text);
        p2pd_snapshot_unref(job->snapshot);
        job->type->free(job);
        return NULL;
}

void p2pd_job_set_snapshot(struct p2pd_job *job, struct p2pd_snapshot *snapshot)
{
        (void)p2pd_snapshot_ref(snapshot);
        p2pd_snapshot_unref(job->snapshot);
        job->snapshot = snapshot;
}

static void *job_thread(void *userdata)
{
        struct p2pd_jobs *jobs = userdata;
        const uint64_t one = 1;

        jobs->running->result = jobs->running->type->run(jobs->running);
        (void)!write(jobs->done_fd, &one, sizeof(one));
        return NULL;
}

static void deliver(struct p2pd_jobs *jobs, struct p2pd_job *job)
{
        job->state = P2PD_JOB_IDLE;
        if (job->connection)
                jobs->deliver(job, jobs->server);
        else
                p2pd_job_free(job);
}

static void start_next(struct p2pd_jobs *jobs)
{
        struct p2pd_job *job;

        while (!jobs->running && (job = TAILQ_FIRST(&jobs->queue))) {
                TAILQ_REMOVE(&jobs->queue, job, node);
                jobs->round = job->round;
                p2pd_buffer_deinit(&job->text);
                job->writer = p2pd_writer(&job->text);
                job->result = job->type->prepare ? job->type->prepare(job, jobs->server) : 0;
                if (job->result != 0) {
                        deliver(jobs, job);
                        continue;
                }
                job->state = P2PD_JOB_RUNNING;
                jobs->running = job;
                if (pthread_create(&jobs->thread, NULL, job_thread, jobs) == 0)
                        continue;
                /* Without a thread there is no answer. */
                jobs->running = NULL;
                job->result = -EAGAIN;
                deliver(jobs, job);
        }
}

static void on_start(evutil_socket_t fd, short what, void *userdata)
{
        (void)fd;
        (void)what;
        start_next(userdata);
}

static struct p2pd_job *join(struct p2pd_jobs *jobs)
{
        struct p2pd_job *job = jobs->running;

        (void)pthread_join(jobs->thread, NULL);
        jobs->running = NULL;
        return job;
}

static void on_done(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_jobs *jobs = userdata;
        uint64_t n;

        (void)what;
        if (read(fd, &n, sizeof(n)) != sizeof(n) || !jobs->running)
                return;
        deliver(jobs, join(jobs));
        start_next(jobs);
}

struct p2pd_jobs *p2pd_jobs_new(struct event_base *base, struct p2pd_server *server,
                                void (*deliver_job)(struct p2pd_job *job,
                                                    struct p2pd_server *server))
{
        struct p2pd_jobs *jobs = calloc(1, sizeof(*jobs));

        if (!jobs)
                return NULL;
        TAILQ_INIT(&jobs->queue);
        jobs->server = server;
        jobs->deliver = deliver_job;
        jobs->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (jobs->done_fd >= 0)
                jobs->done_event =
                        event_new(base, jobs->done_fd, EV_READ | EV_PERSIST, on_done, jobs);
        jobs->start_event = evtimer_new(base, on_start, jobs);
        if (!jobs->done_event || !jobs->start_event || event_add(jobs->done_event, NULL) < 0)
                return p2pd_jobs_free(jobs);
        return jobs;
}

struct p2pd_jobs *p2pd_jobs_free(struct p2pd_jobs *jobs)
{
        if (!jobs)
                return NULL;
        assert(TAILQ_EMPTY(&jobs->queue));
        if (jobs->running) {
                struct p2pd_job *job = join(jobs);

                job->state = P2PD_JOB_IDLE;
                p2pd_job_free(job);
        }
        if (jobs->done_event)
                event_free(jobs->done_event);
        if (jobs->start_event)
                event_free(jobs->start_event);
        if (jobs->done_fd >= 0)
                (void)close(jobs->done_fd);
        free(jobs);
        return NULL;
}

/* Each user has one job in every round. */
static uint64_t next_round(const struct p2pd_jobs *jobs, uid_t uid)
{
        const struct p2pd_job *job;
        uint64_t round = jobs->round;

        if (jobs->running && jobs->running->uid == uid)
                round++;
        TAILQ_FOREACH(job, &jobs->queue, node)
        if (job->uid == uid && job->round >= round)
                round = job->round + 1;
        return round;
}

void p2pd_jobs_submit(struct p2pd_jobs *jobs, struct p2pd_job *job, uid_t uid, bool at_once)
{
        const struct timeval now = {0};
        struct p2pd_job *before = TAILQ_FIRST(&jobs->queue);

        assert(job->state == P2PD_JOB_IDLE);
        job->state = P2PD_JOB_QUEUED;
        job->uid = uid;
        job->round = at_once ? jobs->round : next_round(jobs, uid);
        while (!at_once && before && before->round <= job->round)
                before = TAILQ_NEXT(before, node);
        if (before)
                TAILQ_INSERT_BEFORE(before, job, node);
        else
                TAILQ_INSERT_TAIL(&jobs->queue, job, node);
        (void)evtimer_add(jobs->start_event, &now);
}

void p2pd_jobs_cancel(struct p2pd_jobs *jobs, struct p2pd_job *job)
{
        if (!job)
                return;
        job->connection = NULL;
        if (job->state == P2PD_JOB_RUNNING)
                return;
        if (job->state == P2PD_JOB_QUEUED)
                TAILQ_REMOVE(&jobs->queue, job, node);
        job->state = P2PD_JOB_IDLE;
        p2pd_job_free(job);
}
