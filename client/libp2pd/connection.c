/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/json-cursor.h"
#include "table-descriptor.h"

/*
 * A message is one JSON object and a NUL, replies come in the order of the calls. So a reply always
 * belongs to the first call that waits, and what has no NUL yet is incomplete.
 *
 * Callbacks run from two places only: dispatch() of complete messages, and fail() when the
 * connection has ended. Both run under "dispatching", so that a callback can neither enter the
 * dispatcher anew nor take the memory away under it.
 */

#define READ_BYTES (128U << 10)
#define READS_PER_PROCESS 16

static int connect_path(const char *path, int *ret)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t n = strlen(path);
        int fd, r;

        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

static struct p2pd_client *client_alloc(void)
{
        struct p2pd_client *c;

        c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        c->fd = -1;
        c->passed.fd = -1;
        c->last = &c->first;
        return c;
}

P2PD_PUBLIC int p2pd_client_new_path(const char *path, struct p2pd_client **ret)
{
        struct p2pd_client *c;
        int r;

        c = client_alloc();
        if (!c)
                return -ENOMEM;
        c->path = strdup(path ? path : P2PD_DEFAULT_PATH);
        if (!c->path) {
                p2pd_client_free(c);
                return -ENOMEM;
        }
        r = connect_path(c->path, &c->fd);
        if (r < 0) {
                p2pd_client_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

P2PD_PUBLIC int p2pd_client_new_fd(int fd, struct p2pd_client **ret)
{
        struct p2pd_client *c;
        int flags;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        c = client_alloc();
        if (!c)
                return -ENOMEM;
        c->fd = fd;
        *ret = c;
        return 0;
}

static void bytes_clear(struct p2pd_bytes *b)
{
        free(b->data);
        *b = (struct p2pd_bytes){0};
}

/* Makes room for n bytes behind end. 0 or -ENOMEM. */
static int bytes_reserve(struct p2pd_bytes *b, size_t n)
{
        size_t used = b->end - b->begin, size = b->size ? b->size : 4096;
        char *data;

        if (b->size - b->end >= n)
                return 0;
        if (b->begin > 0) {
                memmove(b->data, b->data + b->begin, used);
                b->begin = 0;
                b->end = used;
        }
        while (size - used < n)
                size *= 2;
        if (size == b->size)
                return 0;
        data = realloc(b->data, size);
        if (!data)
                return -ENOMEM;
        b->data = data;
        b->size = size;
        return 0;
}

static void bytes_append(struct p2pd_bytes *b, const char *text, size_t n)
{
        memcpy(b->data + b->end, text, n);
        b->end += n;
}

static struct p2pd_pending *take_first(struct p2pd_client *c)
{
        struct p2pd_pending *p = c->first;

        c->first = p->next;
        if (!c->first)
                c->last = &c->first;
        return p;
}

/* Ends the connection and tells everybody who waits. */
static void fail(struct p2pd_client *c, int error)
{
        static char no_parameters[] = "{}";
        const struct p2pd_reply reply = {
                .error = error, .parameters = no_parameters, .parameters_length = 2};
        bool nested = c->dispatching;

        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        c->broken = error;
        bytes_clear(&c->out);
        p2pd_passed_clear(&c->passed);
        c->dispatching = true;
        while (c->first) {
                struct p2pd_pending *p = take_first(c);

                if (p->callback)
                        p->callback(c, &reply, p->userdata);
                free(p);
        }
        c->dispatching = nested;
}

static void destroy(struct p2pd_client *c)
{
        c->closing = true;
        fail(c, -ECANCELED);
        bytes_clear(&c->in);
        p2pd_reply_free(c->last_error);
        free(c->path);
        free(c);
}

void p2pd_client_break(struct p2pd_client *c, int error)
{
        assert(!c->dispatching);
        fail(c, error);
}

P2PD_PUBLIC struct p2pd_client *p2pd_client_free(struct p2pd_client *client)
{
        if (!client || client->closing)
                return NULL;
        if (client->dispatching)
                client->freed = true;
        else
                destroy(client);
        return NULL;
}

P2PD_PUBLIC int p2pd_client_reconnect(struct p2pd_client *client)
{
        int r;

        if (client->dispatching)
                return -EBUSY;
        if (!client->path)
                return -EOPNOTSUPP;
        fail(client, -ENOTCONN);
        if (client->freed) {
                destroy(client);
                return -ECANCELED;
        }
        bytes_clear(&client->in);
        client->searched = 0;
        r = connect_path(client->path, &client->fd);
        if (r < 0)
                return r;
        client->broken = 0;
        return 0;
}

P2PD_PUBLIC int p2pd_client_get_fd(const struct p2pd_client *client)
{
        return client->fd;
}

P2PD_PUBLIC short p2pd_client_get_events(const struct p2pd_client *client)
{
        if (client->fd < 0)
                return 0;
        return client->out.end > client->out.begin ? POLLIN | POLLOUT : POLLIN;
}

P2PD_PUBLIC size_t p2pd_client_get_pending(const struct p2pd_client *client)
{
        size_t n = 0;

        for (const struct p2pd_pending *p = client->first; p; p = p->next)
                n++;
        return n;
}

static void flush(struct p2pd_client *c)
{
        struct p2pd_bytes *b = &c->out;

        while (b->end > b->begin) {
                ssize_t n = send(c->fd, b->data + b->begin, b->end - b->begin, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        return;
                /* The other end is gone. What it said before can still be read, and the end of
                 * that is what the caller shall see. */
                if (n < 0) {
                        bytes_clear(b);
                        return;
                }
                b->begin += (size_t)n;
        }
        bytes_clear(b);
}

static bool is_method_name(const char *method)
{
        size_t n = strspn(method, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-");

        return n > 0 && n < 256 && method[n] == '\0';
}

static bool is_object(const char *text)
{
        struct p2p_json j = p2p_json(text, strlen(text), P2P_JSON_DEPTH_MAX);

        return p2p_json_peek(&j) == P2P_JSON_OBJECT && p2p_json_skip(&j) == 0 &&
               p2p_json_at_end(&j);
}

/* Appends the message to what waits to be sent. */
static int queue(struct p2pd_client *c, const char *method, const char *parameters,
                 unsigned int flags)
{
        const char *more = flags & P2PD_CALL_MORE ? ",\"more\":true" : "";
        const char *oneway = flags & P2PD_CALL_ONEWAY ? ",\"oneway\":true" : "";
        const char *parts[] = {
                "{\"method\":\"", method, "\",\"parameters\":", parameters, more, oneway};
        size_t n = 2;

        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                n += strlen(parts[i]);
        if (n > P2PD_UNSENT_BYTES_MAX || c->out.end - c->out.begin > P2PD_UNSENT_BYTES_MAX - n)
                return -ENOBUFS;
        if (bytes_reserve(&c->out, n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                bytes_append(&c->out, parts[i], strlen(parts[i]));
        bytes_append(&c->out, "}", 2);
        return 0;
}

P2PD_PUBLIC int p2pd_client_call(struct p2pd_client *client, const char *method,
                                 const char *parameters, unsigned int flags, p2pd_reply_fn callback,
                                 void *userdata)
{
        bool oneway = flags & P2PD_CALL_ONEWAY;
        struct p2pd_pending *p = NULL;
        int r;

        if (client->closing)
                return -ECANCELED;
        if (!method || !is_method_name(method) || (parameters && !is_object(parameters)) ||
            (flags & ~(unsigned int)(P2PD_CALL_MORE | P2PD_CALL_ONEWAY)) ||
            (oneway && (callback || flags & P2PD_CALL_MORE)))
                return -EINVAL;
        if (client->broken)
                return client->broken;
        if (!oneway) {
                p = calloc(1, sizeof(*p));
                if (!p)
                        return -ENOMEM;
                p->callback = callback;
                p->userdata = userdata;
                p->more = flags & P2PD_CALL_MORE;
        }
        r = queue(client, method, parameters ? parameters : "{}", flags);
        if (r < 0) {
                free(p);
                return r;
        }
        if (p) {
                *client->last = p;
                client->last = &p->next;
        }
        flush(client);
        return 0;
}

/* One complete message. 1 if a callback ran, 0 if not, -EBADMSG. */
static int dispatch_message(struct p2pd_client *c, char *text, size_t length)
{
        struct p2pd_reply reply;
        struct p2pd_pending *p;
        p2pd_reply_fn callback;
        void *userdata;

        if (!c->first || p2pd_reply_parse(text, length, &reply) < 0)
                return -EBADMSG;
        p = c->first;
        if (reply.continues && (!p->more || reply.error_name))
                return -EBADMSG;
        callback = p->callback;
        userdata = p->userdata;
        if (!reply.continues)
                free(take_first(c));
        if (!callback)
                return 0;
        c->dispatching = true;
        callback(c, &reply, userdata);
        c->dispatching = false;
        return 1;
}

/* All complete messages of the buffer. How many callbacks ran, or a negative errno. */
static int dispatch(struct p2pd_client *c)
{
        int n = 0;

        while (!c->freed) {
                struct p2pd_bytes *b = &c->in;
                size_t used = b->end - b->begin;
                char *text = b->data + b->begin, *nul;
                int r;

                if (used == c->searched)
                        break;
                nul = memchr(text + c->searched, '\0', used - c->searched);
                if (!nul) {
                        c->searched = used;
                        if (used > P2PD_REPLY_BYTES_MAX)
                                return -EMSGSIZE;
                        break;
                }
                b->begin += (size_t)(nul - text) + 1;
                c->searched = 0;
                r = dispatch_message(c, text, (size_t)(nul - text));
                if (r < 0)
                        return r;
                n += r;
        }
        if (c->in.begin == c->in.end)
                c->in.begin = c->in.end = 0;
        return n;
}

/* Reads once. 1, 0 if nothing is there, or a negative errno. */
static int receive(struct p2pd_client *c)
{
        ssize_t n;

        if (bytes_reserve(&c->in, READ_BYTES) < 0)
                return -ENOMEM;
        do {
                n = p2pd_passed_receive(&c->passed, c->fd, c->in.data + c->in.end,
                                        c->in.size - c->in.end);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        c->in.end += (size_t)n;
        return 1;
}

P2PD_PUBLIC int p2pd_client_process(struct p2pd_client *client)
{
        int n = 0, r = 0;

        if (client->dispatching)
                return -EBUSY;
        if (client->broken)
                return client->broken;
        flush(client);
        for (int i = 0; i < READS_PER_PROCESS && !client->freed; i++) {
                r = receive(client);
                if (r <= 0)
                        break;
                r = dispatch(client);
                if (r < 0)
                        break;
                n += r;
        }
        if (r < 0 && !client->freed)
                fail(client, r);
        if (client->freed) {
                destroy(client);
                return -ECANCELED;
        }
        return r < 0 ? r : n;
}
