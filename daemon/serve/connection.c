/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/connection.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve/call.h"
#include "serve/descriptor.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/notice.h"
#include "serve/refusal.h"
#include "serve/server-private.h"

/* How much is read at once. */
#define READ_BYTES 65536U
/* With this much unsent, nothing more is answered or produced; with no more than LOW, again. */
#define UNSENT_HIGH_BYTES 65536U
#define UNSENT_LOW_BYTES 16384U
/* What one connection may take of a turn of the loop before the others get theirs. */
#define TURN_NSEC 100000U

/*
 *  state       message            last piece sent to buffer   what it waits for
 *  SERVING     answered: SERVING  -                           -
 *              stream: STREAMING
 *              later: WAITING
 *  STREAMING   stays in the       SERVING, or MONITORING      -
 *  WAITING     input buffer       -                           SERVING
 *  MONITORING                     -                           -
 *
 * Every state ends in CLOSED.
 */
enum connection_state {
        CONNECTION_SERVING,    /* reads calls and answers them */
        CONNECTION_STREAMING,  /* an answer is being produced in pieces */
        CONNECTION_WAITING,    /* an answer comes later */
        CONNECTION_MONITORING, /* sends changes as they come */
        CONNECTION_CLOSED,
};

/* The transport's side of the matter. */
enum input_state {
        INPUT_OPEN,
        INPUT_ENDED,   /* the peer sends no more; what came is answered */
        INPUT_REFUSED, /* it sent what cannot be answered: nothing more is looked at */
};

/* A change that waits to be sent. */
struct queued_notice {
        STAILQ_ENTRY(queued_notice) node;
        struct p2pd_notice *notice;
};

struct p2pd_connection {
        TAILQ_ENTRY(p2pd_connection) node;      /* of the server's connections, or closed ones */
        TAILQ_ENTRY(p2pd_connection) turn_node; /* of those that wait for their turn */
        bool has_turn;
        struct p2pd_server *server;
        struct p2pd_user *user;
        enum connection_state state;
        int fd;
        gid_t gid;
        bool is_private;
        enum input_state input;

        struct event read_event, write_event;
        bool reads, writes; /* these are added */

        struct p2pd_buffer in;
        size_t scanned; /* bytes at the start of the input that hold no NUL byte */
        struct p2pd_buffer out;
        struct p2pd_writer writer; /* to out */
        struct p2pd_stream *stream;

        struct p2pd_descriptor *passed; /* goes with the byte at passed_at of out; or NULL */
        size_t passed_at;

        enum p2pd_wait waits_for; /* while WAITING */
        struct p2pd_job *job;     /* likewise, or NULL */
        enum p2pd_events told_of; /* while MONITORING */
        struct p2pd_table_use table_use;
        struct p2pd_lease_use lease_use;

        STAILQ_HEAD(, queued_notice) notices;
        size_t notice_sent;  /* bytes of the first one that are sent */
        size_t notices_size; /* unsent bytes of all */

        size_t bytes_charged;
        bool call_charged;
};

static uint64_t now_nsec(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static size_t unsent(const struct p2pd_connection *c)
{
        return p2pd_buffer_size(&c->out) + c->notices_size;
}

/* Adds or removes an event. 0 or -ENOMEM. */
static int watch(struct event *event, bool want, bool *now)
{
        if (want == *now)
                return 0;
        if ((want ? event_add(event, NULL) : event_del(event)) < 0)
                return -ENOMEM;
        *now = want;
        return 0;
}

static void drop_first_notice(struct p2pd_connection *c)
{
        struct queued_notice *first = STAILQ_FIRST(&c->notices);

        STAILQ_REMOVE_HEAD(&c->notices, node);
        p2pd_notice_unref(first->notice);
        free(first);
        c->notice_sent = 0;
}

static void end_call(struct p2pd_connection *c)
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
        (void)watch(&c->read_event, false, &c->reads);
        (void)watch(&c->write_event, false, &c->writes);
        (void)close(c->fd);
        c->fd = -1;
        end_call(c);
        c->passed = p2pd_descriptor_unref(c->passed);
        if (c->input == INPUT_ENDED)
                p2pd_server_detach_reader(s, &c->table_use.reader);
        else
                p2pd_server_lose_reader(s, &c->table_use.reader);
        while (!STAILQ_EMPTY(&c->notices))
                drop_first_notice(c);
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

/* The peer is told, and closed when it has got the answers to what it sent before. Varlink has no
 * error of its own for this: the parameter that is invalid is the whole message. */
static void refuse_input(struct p2pd_connection *c, uint64_t *counter)
{
        const struct p2pd_refusal_value value = {.text = p2pd_text("message")};

        (*counter)++;
        c->server->counters.errors++;
        p2pd_refusal_write(&c->writer, P2PD_REFUSED_INVALID_PARAMETER, &value);
        c->input = INPUT_REFUSED;
        p2pd_buffer_deinit(&c->in);
        if (c->writer.failed)
                p2pd_connection_close(c);
}

/*
 * Sending
 */

/* An error that says: the peer is gone, by itself. */
static void note_end(struct p2pd_connection *c, int error)
{
        if (error == EPIPE || error == ECONNRESET)
                c->input = INPUT_ENDED;
}

/* As much of these bytes as the socket takes, with the descriptor (-1: none) on the first of them.
 * How many; closes on an error, then 0. */
static size_t send_some(struct p2pd_connection *c, const char *bytes, size_t n, int fd)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {0};
        struct iovec part = {.iov_base = (char *)bytes, .iov_len = n};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t sent;

        if (fd >= 0) {
                struct cmsghdr *header;

                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(fd));
                memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        }
        do
                sent = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (sent < 0 && errno == EINTR);
        if (sent >= 0)
                return (size_t)sent;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
                note_end(c, errno);
                p2pd_connection_close(c);
        }
        return 0;
}

static void send_notices(struct p2pd_connection *c)
{
        while (!STAILQ_EMPTY(&c->notices)) {
                const struct p2pd_buffer *text = &STAILQ_FIRST(&c->notices)->notice->text;
                size_t left = p2pd_buffer_size(text) - c->notice_sent;
                size_t n = send_some(c, p2pd_buffer_bytes(text) + c->notice_sent, left, -1);

                if (c->state == CONNECTION_CLOSED)
                        return;
                c->notice_sent += n;
                c->notices_size -= n;
                if (n < left)
                        return;
                drop_first_notice(c);
        }
}

/* What stands before a descriptor's message goes on its own, then the message with it: so whoever
 * receives the descriptor has not passed the message's first byte. */
static void send_output(struct p2pd_connection *c)
{
        while (p2pd_buffer_size(&c->out) > 0) {
                const bool passes = c->passed && c->passed_at == 0;
                const bool before = c->passed && !passes;
                size_t left = before ? c->passed_at : p2pd_buffer_size(&c->out);
                size_t n =
                        send_some(c, p2pd_buffer_bytes(&c->out), left, passes ? c->passed->fd : -1);

                if (c->state == CONNECTION_CLOSED)
                        return;
                p2pd_buffer_consume(&c->out, n);
                if (before)
                        c->passed_at -= n;
                else if (passes && n > 0)
                        c->passed = p2pd_descriptor_unref(c->passed);
                if (n < left)
                        return;
        }
}

static void flush(struct p2pd_connection *c)
{
        send_output(c);
        if (c->state == CONNECTION_CLOSED)
                return;
        /* A change must not come between the pieces of the first reply. */
        if (p2pd_buffer_size(&c->out) == 0 && c->state == CONNECTION_MONITORING)
                send_notices(c);
}

/*
 * Answering
 */

static void begin_long_call(struct p2pd_connection *c, enum connection_state state)
{
        if (p2pd_user_charge(&c->server->users, c->user, P2PD_CHARGE_CALLS, 1) != 0) {
                p2pd_connection_close_over_limit(c);
                return;
        }
        c->call_charged = true;
        c->state = state;
}

static void answer(struct p2pd_connection *c, char *message, size_t n)
{
        struct p2pd_server *s = c->server;
        struct p2pd_call call = {
                .server = s,
                .connection = c,
                .writer = &c->writer,
                .snapshot = s->snapshot,
        };
        size_t before = p2pd_buffer_size(&c->out);
        int r;

        if (p2pd_varlink_parse_call(message, n, s->limits.depth, &call.message) != 0) {
                refuse_input(c, &s->counters.malformed);
                return;
        }
        s->counters.calls++;
        r = p2pd_call_run(&call);
        if (call.message.oneway) {
                /* Done, and nobody wants to hear of it. */
                p2pd_stream_free(call.stream);
                p2pd_jobs_cancel(s->jobs, call.job);
                p2pd_descriptor_unref(call.passed);
                p2pd_buffer_truncate(&c->out, before);
                c->writer = p2pd_writer(&c->out);
                return;
        }
        c->stream = call.stream;
        c->job = call.job;
        c->passed = call.passed;
        c->passed_at = before;
        if (r < 0 || c->writer.failed)
                p2pd_connection_close(c);
        else if (c->stream)
                begin_long_call(c, CONNECTION_STREAMING);
        else if (call.waits_for != P2PD_WAIT_NOTHING) {
                c->waits_for = call.waits_for;
                begin_long_call(c, CONNECTION_WAITING);
        }
}

/* The next call of the input, if it is complete. */
static bool answer_next(struct p2pd_connection *c, struct p2pd_buffer *in)
{
        char *bytes = p2pd_buffer_bytes(in);
        size_t size;

        if (p2pd_buffer_size(in) == 0 || c->input == INPUT_REFUSED)
                return false;
        switch (p2pd_frame_next(bytes, p2pd_buffer_size(in), c->server->limits.message_bytes,
                                &c->scanned, &size)) {
        case P2PD_FRAME_MESSAGE:
                break;
        case P2PD_FRAME_INCOMPLETE:
                return false;
        case P2PD_FRAME_OVERSIZED:
                refuse_input(c, &c->server->counters.over_limit);
                return false;
        case P2PD_FRAME_EMPTY:
                refuse_input(c, &c->server->counters.malformed);
                return false;
        }
        answer(c, bytes, size);
        /* Who closed or refused has dropped the input. */
        if (c->state == CONNECTION_CLOSED || c->input == INPUT_REFUSED)
                return false;
        p2pd_buffer_consume(in, size);
        return true;
}

static void produce(struct p2pd_connection *c)
{
        int r = c->stream->produce(c->stream, &c->writer);

        if (r < 0 || c->writer.failed) {
                p2pd_connection_close(c);
                return;
        }
        if (r == P2PD_STREAM_MORE)
                return;
        if (c->stream->then_events != P2PD_EVENTS_NONE) {
                c->told_of = c->stream->then_events;
                c->stream = p2pd_stream_free(c->stream);
                c->state = CONNECTION_MONITORING;
                return;
        }
        end_call(c);
        c->state = CONNECTION_SERVING;
}

enum share_end {
        SHARE_IDLE, /* there is nothing to do until the peer or an event does something */
        SHARE_FULL, /* too much waits to be sent */
        SHARE_OVER, /* the time is over */
};

static enum share_end use_share(struct p2pd_connection *c, struct p2pd_buffer *in)
{
        uint64_t start = now_nsec();

        do {
                if (p2pd_buffer_size(&c->out) >= UNSENT_HIGH_BYTES || c->passed)
                        return SHARE_FULL;
                if (c->state == CONNECTION_STREAMING)
                        produce(c);
                else if (c->state != CONNECTION_SERVING || !answer_next(c, in))
                        return SHARE_IDLE;
        } while (now_nsec() - start < TURN_NSEC);
        return SHARE_OVER;
}

/*
 * Between turns
 */

/* Buffers and the stream are charged to the user by what they take in memory; an empty buffer takes
 * none. 0, or P2PD_USER_E_LIMIT. */
static int charge_bytes(struct p2pd_connection *c)
{
        size_t bytes;

        if (p2pd_buffer_size(&c->in) == 0)
                p2pd_buffer_deinit(&c->in);
        if (p2pd_buffer_size(&c->out) == 0)
                p2pd_buffer_deinit(&c->out);
        bytes = c->in.capacity + c->out.capacity + (c->stream ? c->stream->bytes : 0) +
                (c->job ? c->job->bytes : 0);
        if (bytes > c->bytes_charged &&
            p2pd_user_charge(&c->server->users, c->user, P2PD_CHARGE_BYTES,
                             bytes - c->bytes_charged) != 0)
                return P2PD_USER_E_LIMIT;
        if (bytes < c->bytes_charged)
                p2pd_user_discharge(c->user, P2PD_CHARGE_BYTES, c->bytes_charged - bytes);
        c->bytes_charged = bytes;
        return 0;
}

static void request_turn(struct p2pd_connection *c)
{
        if (c->has_turn)
                return;
        c->has_turn = true;
        TAILQ_INSERT_TAIL(&c->server->turns, c, turn_node);
        c->server->n_turns++;
        p2pd_server_request_turn(c->server);
}

/* Nothing will ever be sent to this peer any more. Who has ended its side cannot confirm what it
 * waits for: it is no reader of the table any longer. */
static bool is_finished(const struct p2pd_connection *c)
{
        return c->input != INPUT_OPEN && unsent(c) == 0 &&
               (c->state == CONNECTION_SERVING || c->state == CONNECTION_MONITORING ||
                (c->state == CONNECTION_WAITING && c->waits_for == P2PD_WAIT_TABLE));
}

/* Behind a call that is not over, others may wait, but not without end: we stop to read. Behind
 * Monitor, which never ends, they wait in vain. */
static bool has_too_much_input(const struct p2pd_connection *c)
{
        return c->state != CONNECTION_SERVING &&
               p2pd_buffer_size(&c->in) >= c->server->limits.message_bytes;
}

/* After everything that may have changed what the connection waits for. */
static void settle(struct p2pd_connection *c, enum share_end end)
{
        bool want_input = end == SHARE_IDLE && c->input == INPUT_OPEN && !has_too_much_input(c);
        bool want_output;

        if (c->state == CONNECTION_CLOSED)
                return;
        if (charge_bytes(c) != 0 || (c->state == CONNECTION_MONITORING && has_too_much_input(c))) {
                p2pd_connection_close_over_limit(c);
                return;
        }
        if (end == SHARE_IDLE && is_finished(c)) {
                p2pd_connection_close(c);
                return;
        }
        /* With a descriptor under way nothing is done before the socket takes it. */
        if (end != SHARE_IDLE && p2pd_buffer_size(&c->out) <= UNSENT_LOW_BYTES && !c->passed)
                request_turn(c);
        want_output = p2pd_buffer_size(&c->out) > 0 ||
                      (c->state == CONNECTION_MONITORING && c->notices_size > 0);
        if (watch(&c->read_event, want_input, &c->reads) < 0 ||
            watch(&c->write_event, want_output, &c->writes) < 0)
                p2pd_connection_close(c);
}

/* in: the connection's own input buffer, or, while that is empty, the server's. */
static void run(struct p2pd_connection *c, struct p2pd_buffer *in)
{
        enum share_end end = use_share(c, in);

        if (c->state != CONNECTION_CLOSED)
                flush(c);
        if (in != &c->in && p2pd_buffer_size(in) > 0) {
                if (c->state != CONNECTION_CLOSED && c->input != INPUT_REFUSED &&
                    p2pd_buffer_append(&c->in, p2pd_buffer_bytes(in), p2pd_buffer_size(in)) < 0)
                        p2pd_connection_close(c);
                p2pd_buffer_consume(in, p2pd_buffer_size(in));
        }
        settle(c, end);
}

void p2pd_connection_turn(struct p2pd_connection *c)
{
        assert(c->has_turn);

        c->has_turn = false;
        TAILQ_REMOVE(&c->server->turns, c, turn_node);
        c->server->n_turns--;
        run(c, &c->in);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_connection *c = userdata;
        struct p2pd_buffer *in = &c->server->scratch;
        ssize_t n;

        (void)what;
        assert(p2pd_buffer_size(in) == 0);

        if (p2pd_buffer_reserve(in, READ_BYTES) < 0) {
                p2pd_connection_close(c);
                return;
        }
        n = recv(fd, in->data, READ_BYTES, MSG_DONTWAIT);
        if (n < 0) {
                if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
                        note_end(c, errno);
                        p2pd_connection_close(c);
                }
                return;
        }
        if (n == 0)
                c->input = INPUT_ENDED;
        in->end = (size_t)n;
        if (n > 0 && p2pd_buffer_size(&c->in) > 0) {
                int r = p2pd_buffer_append(&c->in, in->data, (size_t)n);

                p2pd_buffer_consume(in, (size_t)n);
                if (r < 0) {
                        p2pd_connection_close(c);
                        return;
                }
        }
        run(c, p2pd_buffer_size(in) > 0 ? in : &c->in);
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_connection *c = userdata;

        (void)fd;
        (void)what;
        flush(c);
        if (c->state != CONNECTION_CLOSED)
                run(c, &c->in);
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
        struct queued_notice *queued;

        assert(p2pd_connection_follows(c) != P2PD_EVENTS_NONE);

        if (unsent(c) > c->server->limits.unsent_bytes) {
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
        flush(c);
        settle(c, SHARE_IDLE);
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
        end_call(c);
        c->state = CONNECTION_SERVING;
        if (c->writer.failed)
                p2pd_connection_close(c);
        else
                request_turn(c);
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
        (void)event_assign(&c->read_event, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
        (void)event_assign(&c->write_event, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
        TAILQ_INSERT_TAIL(&s->connections, c, node);
        s->n_connections++;
        s->n_private += is_private;
        if (s->snapshot)
                p2pd_connection_start(c);
        return 0;
}

void p2pd_connection_start(struct p2pd_connection *c)
{
        settle(c, SHARE_IDLE);
}
