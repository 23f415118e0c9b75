/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/server.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/connection.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/notice.h"
#include "serve/server-private.h"
#include "verification.h"

/* An unfinished answer keeps its generation in memory; one that falls so many behind is given up.
 */
#define GENERATIONS_HELD_MAX 8U

const struct p2pd_server_limits p2pd_server_limits_default = {
        /* A call that names every function of a machine with 4,200 of them takes 70 KiB. */
        .message_bytes = 256U * 1024U,
        /* The deepest call of the interface has 4 levels. */
        .depth = 16,
        .connections = 4096,
        /* One user may run a program for every device, and not shut the others out. */
        .connections_per_uid = 2048,
        /* A monitor for every connection of a big machine's tools, and some answers under way. */
        .pending_calls_per_uid = 1024,
        /* 128 KiB for each of 512 connections that do not read; most hold nothing. */
        .bytes_per_uid = 64U * 1024U * 1024U,
        /* One whole change of a machine with 4,200 functions takes 6 MiB, and goes out whatever
         * its size. */
        .unsent_bytes = 8U * 1024U * 1024U,
        /* A program that waits for its connection sees the end at once. */
        .reader_grace_sec = 60,
};

/* Asked for whenever a connection is closed or wants another share of time. */
static void on_turn(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_server *s = userdata;
        struct p2pd_connection *c;

        (void)fd;
        (void)what;
        while ((c = TAILQ_FIRST(&s->closed))) {
                p2pd_server_end_leases(s, p2pd_connection_lease_use(c)->connection);
                p2pd_connection_free(c);
        }
        /* Who asks again meanwhile is served on the next turn. */
        for (uint32_t n = s->n_turns; n > 0 && (c = TAILQ_FIRST(&s->turns)); n--)
                p2pd_connection_turn(c);
        if (s->leases_changed)
                p2pd_server_leases_turn(s);
        if (s->readers_changed) {
                s->readers_changed = false;
                if (s->readers_changed_callback)
                        s->readers_changed_callback(s->userdata);
        }
        if (s->private_closed) {
                s->private_closed = false;
                s->last_private_closed(s->userdata);
        }
}

static void on_accept_retry(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_server *s = userdata;

        (void)fd;
        (void)what;
        p2pd_listeners_start(s);
}

static void on_lost_gone(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_server *s = userdata;

        (void)fd;
        (void)what;
        p2pd_server_detach_reader(s, &s->lost_reader);
}

void p2pd_server_request_turn(struct p2pd_server *s)
{
        const struct timeval now = {0};

        if (!evtimer_pending(s->turn_event, NULL))
                (void)evtimer_add(s->turn_event, &now);
}

const struct p2pd_function_index *p2pd_server_index(struct p2pd_server *s)
{
        if (!s->index)
                (void)p2pd_function_index_new(s->snapshot->machine, &s->index);
        return s->index;
}

/* Asks the user database: only when starting, for that may block. */
static void find_group(struct p2pd_server *s, const char *name)
{
        const struct group *group = name ? getgrnam(name) : NULL;

        s->has_group = group;
        s->group = group ? group->gr_gid : 0;
}

int p2pd_server_new(const struct p2pd_server_params *params, struct p2pd_server **ret)
{
        struct p2pd_server *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->base = params->base;
        s->limits = *params->limits;
        s->status = params->status;
        s->rescan = params->rescan;
        s->last_private_closed = params->last_private_closed;
        s->verified = params->verified;
        s->wish = params->wish;
        s->readers_changed_callback = params->readers_changed;
        s->leases_changed_callback = params->leases_changed;
        s->lease_event = params->lease_event;
        s->userdata = params->userdata;
        TAILQ_INIT(&s->connections);
        TAILQ_INIT(&s->closed);
        TAILQ_INIT(&s->turns);
        LIST_INIT(&s->listeners);
        LIST_INIT(&s->users.list);
        p2pd_readers_init(&s->readers);
        s->users.limits[P2PD_CHARGE_CONNECTIONS] = s->limits.connections_per_uid;
        s->users.limits[P2PD_CHARGE_CALLS] = s->limits.pending_calls_per_uid;
        s->users.limits[P2PD_CHARGE_BYTES] = s->limits.bytes_per_uid;
        find_group(s, params->group);
        s->verifications = p2pd_verifications_new(P2PD_VERIFICATIONS_MAX);
        s->turn_event = evtimer_new(s->base, on_turn, s);
        s->accept_retry_event = evtimer_new(s->base, on_accept_retry, s);
        s->lost_event = evtimer_new(s->base, on_lost_gone, s);
        s->jobs = p2pd_jobs_new(s->base, s, p2pd_server_deliver);
        if (!s->verifications || !s->turn_event || !s->accept_retry_event || !s->lost_event ||
            !s->jobs || p2pd_server_leases_init(s) < 0) {
                p2pd_server_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

/* Only the file that we made: another daemon may have taken the path over. */
static void remove_socket(struct p2pd_server *s)
{
        struct stat st;

        if (s->socket_path && lstat(s->socket_path, &st) == 0 && st.st_dev == s->socket_device &&
            st.st_ino == s->socket_inode)
                (void)unlink(s->socket_path);
        free(s->socket_path);
}

struct p2pd_server *p2pd_server_free(struct p2pd_server *s)
{
        struct p2pd_connection *c;

        if (!s)
                return NULL;
        remove_socket(s);
        while (!LIST_EMPTY(&s->listeners))
                p2pd_listener_free(LIST_FIRST(&s->listeners));
        while ((c = TAILQ_FIRST(&s->connections)))
                p2pd_connection_close(c);
        while ((c = TAILQ_FIRST(&s->closed)))
                p2pd_connection_free(c);
        p2pd_jobs_free(s->jobs);
        p2pd_server_leases_deinit(s);
        if (s->turn_event)
                event_free(s->turn_event);
        if (s->accept_retry_event)
                event_free(s->accept_retry_event);
        if (s->lost_event)
                event_free(s->lost_event);
        p2pd_function_index_free(s->index);
        p2pd_verifications_free(s->verifications);
        p2pd_descriptor_unref(s->table_descriptor);
        p2pd_snapshot_unref(s->snapshot);
        p2pd_buffer_deinit(&s->scratch);
        free(s);
        return NULL;
}

int p2pd_server_add_connection(struct p2pd_server *s, int fd)
{
        if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0)
                return -errno;
        return p2pd_connection_new(s, fd, true);
}

static void notify_monitors(struct p2pd_server *s, const struct p2p_diff *diff)
{
        struct p2pd_connection *c, *next;
        struct p2pd_notice *notice = NULL;

        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                next = p2pd_connection_next(c);
                if (p2pd_connection_follows(c) != P2PD_EVENTS_MACHINE)
                        continue;
                /* A monitor that cannot be told must not believe that nothing happened. */
                if (!notice && p2pd_notice_new(s->snapshot, diff, &notice) < 0)
                        p2pd_connection_close(c);
                else
                        p2pd_connection_notify(c, notice);
        }
        p2pd_notice_unref(notice);
}

static void give_up_old_answers(struct p2pd_server *s)
{
        struct p2pd_connection *c, *next;

        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                uint64_t held = p2pd_connection_held_generation(c);

                next = p2pd_connection_next(c);
                if (held > 0 && held + GENERATIONS_HELD_MAX < s->snapshot->generation)
                        p2pd_connection_close_over_limit(c);
        }
}

static void start(struct p2pd_server *s)
{
        struct p2pd_connection *c, *next;

        p2pd_listeners_start(s);
        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                next = p2pd_connection_next(c);
                p2pd_connection_start(c);
        }
}

void p2pd_server_publish(struct p2pd_server *s, struct p2pd_snapshot *snapshot,
                         const struct p2p_diff *diff)
{
        const bool is_first = !s->snapshot;
        const bool is_same = !is_first && s->snapshot->machine == snapshot->machine;

        (void)p2pd_snapshot_ref(snapshot);
        s->index = p2pd_function_index_free(s->index);
        p2pd_snapshot_unref(s->snapshot);
        s->snapshot = snapshot;
        if (!is_same)
                p2pd_server_leases_follow(s);
        if (diff)
                p2pd_verifications_follow(s->verifications, diff);
        if (is_first) {
                start(s);
                return;
        }
        give_up_old_answers(s);
        if (diff)
                notify_monitors(s, diff);
}

void p2pd_server_rescan_finished(struct p2pd_server *s, int result)
{
        struct p2pd_connection *c, *next;

        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                next = p2pd_connection_next(c);
                if (p2pd_connection_waits_for(c) != P2PD_WAIT_RESCAN)
                        continue;
                p2pd_reply_rescan(s, p2pd_connection_begin_answer(c), result);
                p2pd_connection_end_answer(c);
        }
}

void p2pd_server_deliver(struct p2pd_job *job, struct p2pd_server *s)
{
        struct p2pd_connection *c = job->connection;
        struct p2pd_writer *w;

        if (job->result == 0 && job->type->finish)
                job->result = job->type->finish(job, s);
        if (job->result == P2PD_JOB_AGAIN) {
                p2pd_jobs_submit(s->jobs, job, p2pd_connection_uid(c), true);
                return;
        }
        if (job->result == P2PD_JOB_WAITS) {
                p2pd_connection_wait_on(c, P2PD_WAIT_LEASE);
                return;
        }
        s->counters.errors += job->result == P2PD_CALL_REFUSED;
        w = p2pd_connection_begin_answer(c);
        p2pd_write_raw(w, p2pd_buffer_bytes(&job->text), p2pd_buffer_size(&job->text));
        w->failed = w->failed || job->writer.failed || job->result < 0;
        p2pd_connection_end_answer(c);
}

void p2pd_server_note_readers(struct p2pd_server *s)
{
        s->readers_changed = true;
        p2pd_server_request_turn(s);
}

void p2pd_server_detach_reader(struct p2pd_server *s, struct p2pd_reader *reader)
{
        if (!reader->attached)
                return;
        p2pd_readers_detach(&s->readers, reader);
        p2pd_server_note_readers(s);
}

void p2pd_server_lose_reader(struct p2pd_server *s, struct p2pd_reader *reader)
{
        const struct timeval grace = {.tv_sec = (time_t)s->limits.reader_grace_sec};
        struct p2pd_reader *lost = &s->lost_reader;
        const uint64_t confirmed = reader->confirmed;

        if (!reader->attached)
                return;
        if (!lost->attached || confirmed < lost->confirmed) {
                p2pd_readers_attach(&s->readers, lost);
                lost->confirmed = confirmed;
                lost->uid = reader->uid;
                lost->pid = reader->pid;
        }
        (void)evtimer_add(s->lost_event, &grace);
        p2pd_server_detach_reader(s, reader);
}

uint64_t p2pd_server_oldest_confirmed(const struct p2pd_server *s)
{
        return p2pd_readers_oldest_confirmed(&s->readers);
}

static void answer_followers(struct p2pd_server *s)
{
        struct p2pd_connection *c, *next;

        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                next = p2pd_connection_next(c);
                if (p2pd_connection_waits_for(c) != P2PD_WAIT_TABLE)
                        continue;
                p2pd_reply_follow_table(s, p2pd_connection_begin_answer(c),
                                        p2pd_connection_table_use(c));
                p2pd_connection_end_answer(c);
        }
}

int p2pd_server_offer_table(struct p2pd_server *s, const struct p2pd_table_offer *offer)
{
        if (!offer || offer->moved)
                s->table_descriptor = p2pd_descriptor_unref(s->table_descriptor);
        if (!offer)
                return 0;
        if (!s->table_descriptor) {
                int r = p2pd_descriptor_new(offer->fd, &s->table_descriptor);

                if (r < 0)
                        return r;
                s->table_number++;
        }
        s->table = *offer;
        answer_followers(s);
        return 0;
}

void p2pd_server_wishes_done(struct p2pd_server *s, const struct p2pd_bar_wish *wishes, size_t n)
{
        struct p2pd_connection *c, *next;

        for (c = TAILQ_FIRST(&s->connections); n > 0 && c; c = next) {
                uint64_t number = p2pd_connection_table_use(c)->wish;

                next = p2pd_connection_next(c);
                if (p2pd_connection_waits_for(c) != P2PD_WAIT_BAR || number < wishes[0].number ||
                    number - wishes[0].number >= n)
                        continue;
                p2pd_reply_wish(s, p2pd_connection_begin_answer(c),
                                &wishes[number - wishes[0].number]);
                p2pd_connection_end_answer(c);
        }
}

uint64_t p2pd_server_get_calls(const struct p2pd_server *s)
{
        return s->counters.calls;
}
