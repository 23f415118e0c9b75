/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets: how they come to be, and how connections come in. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/connection.h"
#include "serve/server-private.h"

/* How many connections are accepted at once, before those that are there get their turn. */
#define ACCEPTS_MAX 64U

struct p2pd_listener {
        LIST_ENTRY(p2pd_listener) node;
        struct p2pd_server *server;
        int fd;
        struct event *event;
};

/* Without descriptors or memory, the waiting connection would wake us again at once: look away,
 * until a connection is closed or this time has passed. */
static void pause_accepting(struct p2pd_server *s)
{
        const struct timeval retry = {.tv_usec = 100000};
        struct p2pd_listener *l;

        LIST_FOREACH(l, &s->listeners, node)
        (void)event_del(l->event);
        (void)event_add(s->accept_retry_event, &retry);
}

void p2pd_listeners_start(struct p2pd_server *s)
{
        struct p2pd_listener *l;

        LIST_FOREACH(l, &s->listeners, node)
        (void)event_add(l->event, NULL);
}

void p2pd_server_resume_accepting(struct p2pd_server *s)
{
        if (!event_pending(s->accept_retry_event, EV_TIMEOUT, NULL))
                return;
        (void)event_del(s->accept_retry_event);
        p2pd_listeners_start(s);
}

/* A connection that was gone before we came, or a network's trouble: the next one may do. */
static bool is_of_one_connection(int error)
{
        return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM;
}

static void on_acceptable(evutil_socket_t listener, short what, void *userdata)
{
        struct p2pd_listener *l = userdata;

        (void)what;
        for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd < 0 && is_of_one_connection(errno))
                        continue;
                if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        return;
                if (fd < 0) {
                        pause_accepting(l->server);
                        return;
                }
                if (p2pd_connection_new(l->server, fd, false) < 0)
                        (void)close(fd);
        }
}

int p2pd_server_add_listener(struct p2pd_server *s, int fd)
{
        struct p2pd_listener *l;

        if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0)
                return -errno;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->server = s;
        l->fd = fd;
        l->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
        if (!l->event || (s->snapshot && event_add(l->event, NULL) < 0)) {
                if (l->event)
                        event_free(l->event);
                free(l);
                return -ENOMEM;
        }
        LIST_INSERT_HEAD(&s->listeners, l, node);
        return 0;
}

struct p2pd_listener *p2pd_listener_free(struct p2pd_listener *l)
{
        LIST_REMOVE(l, node);
        event_free(l->event);
        (void)close(l->fd);
        free(l);
        return NULL;
}

/* 0: nobody serves there, and what is there, if anything, may be replaced. */
static int probe(const char *path, const struct sockaddr_un *address)
{
        struct stat st;
        int fd, r;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
        (void)close(fd);
        if (r == -ECONNREFUSED || r == -ENOENT)
                return 0;
        /* Connected, or its backlog is full: somebody is there. */
        return r == 0 || r == -EAGAIN ? -EADDRINUSE : r;
}

static int fill_address(struct sockaddr_un *address, const char *path)
{
        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (path[0] == '\0')
                return -EINVAL;
        if (strlen(path) >= sizeof(address->sun_path))
                return -ENAMETOOLONG;
        (void)strcpy(address->sun_path, path);
        return 0;
}

/* Bound beside the path and moved there when it listens: who finds the file finds us. */
static int bind_and_move(int fd, const char *temporary, const char *path)
{
        struct sockaddr_un address;
        int r;

        r = fill_address(&address, temporary);
        if (r < 0)
                return r;
        if (unlink(temporary) < 0 && errno != ENOENT)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        if (chmod(temporary, 0666) < 0 || listen(fd, SOMAXCONN) < 0 ||
            rename(temporary, path) < 0) {
                r = -errno;
                (void)unlink(temporary);
                return r;
        }
        return 0;
}

static void remember_socket(struct p2pd_server *s, const char *path)
{
        struct stat st;

        if (s->socket_path || lstat(path, &st) < 0)
                return;
        s->socket_path = strdup(path);
        s->socket_device = st.st_dev;
        s->socket_inode = st.st_ino;
}

int p2pd_server_listen(struct p2pd_server *s, const char *path)
{
        char temporary[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 16];
        struct sockaddr_un address;
        int fd, r;

        r = fill_address(&address, path);
        if (r == 0)
                r = probe(path, &address);
        if (r < 0)
                return r;
        (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = bind_and_move(fd, temporary, path);
        if (r == 0) {
                remember_socket(s, path);
                r = p2pd_server_add_listener(s, fd);
        }
        if (r < 0)
                (void)close(fd);
        return r;
}
