/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/connection-private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/descriptor.h"
#include "serve/job.h"
#include "serve/notice.h"
#include "serve/server-private.h"

int p2pd_connection_watch(struct event *event, bool want, bool *now)
{
        if (want == *now)
                return 0;
        if ((want ? event_add(event, NULL) : event_del(event)) < 0)
                return -ENOMEM;
        *now = want;
        return 0;
}

void p2pd_connection_end_call(struct p2pd_connection *c)
{
        c->stream = p2pd_stream_free(c->stream);
        p2pd_jobs_cancel(c->server->jobs, c->job);
        c->job = NULL;
        if (c->call_charged)
                p2pd_user_discharge(c->user, P2PD_CHARGE_CALLS, 1);
        c->call_charged = false;
}

void p2pd_connection_close(struct p2pd_connection *c)
{
        struct p2pd_server *s = c->server;

        if (c->state == CONNECTION_CLOSED)
                return;
        c->state = CONNECTION_CLOSED;
        (void)p2pd_connection_watch(&c->read_event, false, &c->reads);
        (void)p2pd_connection_watch(&c->write_event, false, &c->writes);
        (void)close(c->fd);
        c->fd = -1;
        p2pd_connection_end_call(c);
        c->passed = p2pd_descriptor_unref(c->passed);
        if (c->input == INPUT_ENDED)
                p2pd_server_detach_reader(s, &c->table_use.reader);
        else
                p2pd_server_lose_reader(s, &c->table_use.reader);
        while (!STAILQ_EMPTY(&c->notices))
                p2pd_connection_drop_notice(c);
        p2pd_buffer_deinit(&c->in);
        p2pd_buffer_deinit(&c->out);
        p2pd_user_discharge(c->user, P2PD_CHARGE_BYTES, c->bytes_charged);
        p2pd_user_discharge(c->user, P2PD_CHARGE_CONNECTIONS, 1);
        c->user = p2pd_user_unref(c->user);

        if (c->has_turn) {
                TAILQ_REMOVE(&s->turns, c, turn_node);
                s->n_turns--;
        }
        TAILQ_REMOVE(&s->connections, c, node);
        TAILQ_INSERT_TAIL(&s->closed, c, node);
        s->n_connections--;
        if (c->is_private && --s->n_private == 0)
                s->private_closed = true;
        p2pd_server_request_turn(s);
        p2pd_server_resume_accepting(s);
}

void p2pd_connection_close_over_limit(struct p2pd_connection *c)
{
        if (c->state == CONNECTION_CLOSED)
                return;
        c->server->counters.over_limit++;
        p2pd_connection_close(c);
}

void p2pd_connection_free(struct p2pd_connection *c)
{
        assert(c->state == CONNECTION_CLOSED);
        TAILQ_REMOVE(&c->server->closed, c, node);
        free(c);
}

/*
 * From outside
 */

struct p2pd_connection *p2pd_connection_next(const struct p2pd_connection *c)
{
        return TAILQ_NEXT(c, node);
}

enum p2pd_events p2pd_connection_follows(const struct p2pd_connection *c)
{
        if (c->state == CONNECTION_MONITORING)
                return c->told_of;
        return c->state == CONNECTION_STREAMING ? c->stream->then_events : P2PD_EVENTS_NONE;
}

void p2pd_connection_notify(struct p2pd_connection *c, struct p2pd_notice *notice)
{
        struct p2pd_queued_notice *queued;

        assert(p2pd_connection_follows(c) != P2PD_EVENTS_NONE);

        if (p2pd_connection_unsent(c) > c->server->limits.unsent_bytes) {
                p2pd_connection_close_over_limit(c);
                return;
        }
        queued = malloc(sizeof(*queued));
        if (!queued) {
                p2pd_connection_close(c);
                return;
        }
        queued->notice = p2pd_notice_ref(notice);
        STAILQ_INSERT_TAIL(&c->notices, queued, node);
        c->notices_size += p2pd_buffer_size(&notice->text);
        if (c->state != CONNECTION_MONITORING)
                return;
        p2pd_connection_flush(c);
        p2pd_connection_settle(c, P2PD_SHARE_IDLE);
}

uint64_t p2pd_connection_held_generation(const struct p2pd_connection *c)
{
        if (c->stream)
                return c->stream->snapshot->generation;
        return c->job && c->job->snapshot ? c->job->snapshot->generation : 0;
}

enum p2pd_wait p2pd_connection_waits_for(const struct p2pd_connection *c)
{
        return c->state == CONNECTION_WAITING ? c->waits_for : P2PD_WAIT_NOTHING;
}

void p2pd_connection_wait_on(struct p2pd_connection *c, enum p2pd_wait wait)
{
        assert(c->state == CONNECTION_WAITING);

        c->waits_for = wait;
}

struct p2pd_job *p2pd_connection_job(const struct p2pd_connection *c)
{
        return c->job;
}

struct p2pd_writer *p2pd_connection_begin_answer(struct p2pd_connection *c)
{
        assert(c->state == CONNECTION_WAITING);

        return &c->writer;
}

void p2pd_connection_end_answer(struct p2pd_connection *c)
{
        p2pd_connection_end_call(c);
        c->state = CONNECTION_SERVING;
        if (c->writer.failed)
                p2pd_connection_close(c);
        else
                p2pd_connection_request_turn(c);
}

struct p2pd_table_use *p2pd_connection_table_use(struct p2pd_connection *c)
{
        return &c->table_use;
}

struct p2pd_lease_use *p2pd_connection_lease_use(struct p2pd_connection *c)
{
        return &c->lease_use;
}

static bool is_in_group(int fd, gid_t group)
{
        gid_t *groups = NULL;
        socklen_t size = 0;
        bool found = false;

        /* The first call tells the size. */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
                return false;
        groups = malloc(size);
        if (!groups)
                return false;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
                for (size_t i = 0; i < size / sizeof(*groups); i++)
                        found |= groups[i] == group;
        free(groups);
        return found;
}

uid_t p2pd_connection_uid(const struct p2pd_connection *c)
{
        return c->user->uid;
}

bool p2pd_connection_may_change(const struct p2pd_connection *c)
{
        const struct p2pd_server *s = c->server;

        if (c->user->uid == 0 || c->is_private)
                return true;
        return s->has_group && (c->gid == s->group || is_in_group(c->fd, s->group));
}

/*
 * Coming
 */

static int admit(struct p2pd_server *s, uid_t uid, struct p2pd_user **ret)
{
        struct p2pd_user *user;

        if (s->n_connections >= s->limits.connections)
                return P2PD_USER_E_LIMIT;
        user = p2pd_users_get(&s->users, uid);
        if (!user)
                return -ENOMEM;
        if (p2pd_user_charge(&s->users, user, P2PD_CHARGE_CONNECTIONS, 1) != 0) {
                p2pd_user_unref(user);
                return P2PD_USER_E_LIMIT;
        }
        *ret = user;
        return 0;
}

int p2pd_connection_new(struct p2pd_server *s, int fd, bool is_private)
{
        struct ucred peer;
        socklen_t size = sizeof(peer);
        struct p2pd_connection *c;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        r = admit(s, peer.uid, &c->user);
        if (r != 0) {
                free(c);
                if (r < 0)
                        return r;
                s->counters.connections++;
                s->counters.over_limit++;
                (void)close(fd);
                return 0;
        }
        s->counters.connections++;
        c->server = s;
        c->fd = fd;
        c->gid = peer.gid;
        c->is_private = is_private;
        c->lease_use = (struct p2pd_lease_use){
                .connection = ++s->last_connection,
                .uid = is_private ? 0 : peer.uid,
                .pid = peer.pid,
        };
        c->writer = p2pd_writer(&c->out);
        STAILQ_INIT(&c->notices);
        (void)event_assign(&c->read_event, s->base, fd, EV_READ | EV_PERSIST,
                           p2pd_connection_on_readable, c);
        (void)event_assign(&c->write_event, s->base, fd, EV_WRITE | EV_PERSIST,
                           p2pd_connection_on_writable, c);
        TAILQ_INSERT_TAIL(&s->connections, c, node);
        s->n_connections++;
        s->n_private += is_private;
        if (s->snapshot)
                p2pd_connection_start(c);
        return 0;
}

void p2pd_connection_start(struct p2pd_connection *c)
{
        p2pd_connection_settle(c, P2PD_SHARE_IDLE);
}
