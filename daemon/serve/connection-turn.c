/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a connection does in its share of a turn: reads calls, answers them, sends. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "serve/connection-private.h"
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

static uint64_t now_nsec(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
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

size_t p2pd_connection_unsent(const struct p2pd_connection *c)
{
        return p2pd_buffer_size(&c->out) + c->notices_size;
}

void p2pd_connection_drop_notice(struct p2pd_connection *c)
{
        struct p2pd_queued_notice *first = STAILQ_FIRST(&c->notices);

        STAILQ_REMOVE_HEAD(&c->notices, node);
        p2pd_notice_unref(first->notice);
        free(first);
        c->notice_sent = 0;
}

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
                p2pd_connection_drop_notice(c);
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

void p2pd_connection_flush(struct p2pd_connection *c)
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

static void begin_long_call(struct p2pd_connection *c, enum p2pd_connection_state state)
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
        p2pd_connection_end_call(c);
        c->state = CONNECTION_SERVING;
}

static enum p2pd_share_end use_share(struct p2pd_connection *c, struct p2pd_buffer *in)
{
        uint64_t start = now_nsec();

        do {
                if (p2pd_buffer_size(&c->out) >= UNSENT_HIGH_BYTES || c->passed)
                        return P2PD_SHARE_FULL;
                if (c->state == CONNECTION_STREAMING)
                        produce(c);
                else if (c->state != CONNECTION_SERVING || !answer_next(c, in))
                        return P2PD_SHARE_IDLE;
        } while (now_nsec() - start < TURN_NSEC);
        return P2PD_SHARE_OVER;
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

void p2pd_connection_request_turn(struct p2pd_connection *c)
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
        return c->input != INPUT_OPEN && p2pd_connection_unsent(c) == 0 &&
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
void p2pd_connection_settle(struct p2pd_connection *c, enum p2pd_share_end end)
{
        bool want_input =
                end == P2PD_SHARE_IDLE && c->input == INPUT_OPEN && !has_too_much_input(c);
        bool want_output;

        if (c->state == CONNECTION_CLOSED)
                return;
        if (charge_bytes(c) != 0 || (c->state == CONNECTION_MONITORING && has_too_much_input(c))) {
                p2pd_connection_close_over_limit(c);
                return;
        }
        if (end == P2PD_SHARE_IDLE && is_finished(c)) {
                p2pd_connection_close(c);
                return;
        }
        /* With a descriptor under way nothing is done before the socket takes it. */
        if (end != P2PD_SHARE_IDLE && p2pd_buffer_size(&c->out) <= UNSENT_LOW_BYTES && !c->passed)
                p2pd_connection_request_turn(c);
        want_output = p2pd_buffer_size(&c->out) > 0 ||
                      (c->state == CONNECTION_MONITORING && c->notices_size > 0);
        if (p2pd_connection_watch(&c->read_event, want_input, &c->reads) < 0 ||
            p2pd_connection_watch(&c->write_event, want_output, &c->writes) < 0)
                p2pd_connection_close(c);
}

/* in: the connection's own input buffer, or, while that is empty, the server's. */
static void run(struct p2pd_connection *c, struct p2pd_buffer *in)
{
        enum p2pd_share_end end = use_share(c, in);

        if (c->state != CONNECTION_CLOSED)
                p2pd_connection_flush(c);
        if (in != &c->in && p2pd_buffer_size(in) > 0) {
                if (c->state != CONNECTION_CLOSED && c->input != INPUT_REFUSED &&
                    p2pd_buffer_append(&c->in, p2pd_buffer_bytes(in), p2pd_buffer_size(in)) < 0)
                        p2pd_connection_close(c);
                p2pd_buffer_consume(in, p2pd_buffer_size(in));
        }
        p2pd_connection_settle(c, end);
}

void p2pd_connection_turn(struct p2pd_connection *c)
{
        assert(c->has_turn);

        c->has_turn = false;
        TAILQ_REMOVE(&c->server->turns, c, turn_node);
        c->server->n_turns--;
        run(c, &c->in);
}

void p2pd_connection_on_readable(evutil_socket_t fd, short what, void *userdata)
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

void p2pd_connection_on_writable(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_connection *c = userdata;

        (void)fd;
        (void)what;
        p2pd_connection_flush(c);
        if (c->state != CONNECTION_CLOSED)
                run(c, &c->in);
}
