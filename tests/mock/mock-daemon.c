/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "mock-daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16
#define START_MSEC 60000
#define REPLY_MSEC 60000

struct mock_daemon {
        pid_t pid;
        int notify_fd;
        char directory[64];
        char socket_path[96];
        char notify_path[96];
};

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "mock-daemon: %s: %s\n", what, strerror(errno));
        abort();
}

static int64_t now_msec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct sockaddr_un address_of(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        return address;
}

static void run(struct mock_daemon *d, const char *const *arguments)
{
        const char *argv[ARGUMENTS_MAX] = {getenv("P2PD"), "--socket", d->socket_path};
        int n = 3;

        for (; *arguments && n < ARGUMENTS_MAX - 1; arguments++)
                argv[n++] = *arguments;
        (void)setenv("NOTIFY_SOCKET", d->notify_path, 1);
        execv(argv[0], (char *const *)argv);
        die("cannot run P2PD");
}

static void wait_ready(struct mock_daemon *d)
{
        int64_t end = now_msec() + START_MSEC;
        char text[1024];

        while (now_msec() < end) {
                struct pollfd p = {.fd = d->notify_fd, .events = POLLIN};
                ssize_t n;

                if (waitpid(d->pid, NULL, WNOHANG) == d->pid)
                        die("the daemon ended at once");
                if (poll(&p, 1, 50) <= 0)
                        continue;
                n = recv(d->notify_fd, text, sizeof(text) - 1, 0);
                if (n < 0)
                        die("notify socket");
                text[n] = '\0';
                if (strstr(text, "READY=1"))
                        return;
        }
        die("not READY in time");
}

struct mock_daemon *mock_daemon_start(const char *const *arguments)
{
        struct mock_daemon *d = calloc(1, sizeof(*d));
        struct sockaddr_un address;

        if (!d)
                die("out of memory");
        snprintf(d->directory, sizeof(d->directory), "/tmp/p2pd-mock-XXXXXX");
        if (!mkdtemp(d->directory))
                die("mkdtemp");
        snprintf(d->socket_path, sizeof(d->socket_path), "%s/socket", d->directory);
        snprintf(d->notify_path, sizeof(d->notify_path), "%s/notify", d->directory);
        address = address_of(d->notify_path);
        d->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (d->notify_fd < 0 ||
            bind(d->notify_fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                die("notify socket");
        d->pid = fork();
        if (d->pid < 0)
                die("fork");
        if (d->pid == 0)
                run(d, arguments);
        wait_ready(d);
        /* Nobody reads what it tells later, of each generation; a full socket would stop it. */
        (void)close(d->notify_fd);
        (void)unlink(d->notify_path);
        return d;
}

struct mock_daemon *mock_daemon_stop(struct mock_daemon *d)
{
        int status;

        if (kill(d->pid, SIGTERM) < 0 || waitpid(d->pid, &status, 0) != d->pid)
                die("the daemon was gone");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                errno = 0;
                die("the daemon did not end well");
        }
        (void)unlink(d->socket_path);
        (void)rmdir(d->directory);
        free(d);
        return NULL;
}

int mock_daemon_connect(const struct mock_daemon *d)
{
        struct sockaddr_un address = address_of(d->socket_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                die("connect");
        return fd;
}

void mock_daemon_send(int fd, const char *call)
{
        size_t left = strlen(call) + 1;

        while (left > 0) {
                ssize_t n = send(fd, call, left, MSG_NOSIGNAL);

                if (n < 0)
                        die("send");
                call += n;
                left -= (size_t)n;
        }
}

struct json_object *mock_daemon_receive(int fd, int timeout_msec)
{
        int64_t end = now_msec() + timeout_msec;
        struct json_object *object;
        size_t used = 0, size = 4096;
        char *text = malloc(size);

        /* Byte by byte, so that what follows stays in the socket. */
        while (text && (used == 0 || text[used - 1] != '\0')) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                int64_t left = end - now_msec();

                if (left < 0 || poll(&p, 1, (int)left) <= 0) {
                        free(text);
                        return NULL;
                }
                if (used == size)
                        text = realloc(text, size *= 2);
                if (text && recv(fd, text + used++, 1, 0) != 1)
                        die("the daemon closed the connection");
        }
        if (!text)
                die("out of memory");
        object = json_tokener_parse(text);
        if (!object)
                die("a reply is not JSON");
        free(text);
        return object;
}

struct json_object *mock_daemon_call(const struct mock_daemon *d, const char *call)
{
        struct json_object *reply;
        int fd = mock_daemon_connect(d);

        mock_daemon_send(fd, call);
        reply = mock_daemon_receive(fd, REPLY_MSEC);
        if (!reply)
                die("no reply");
        (void)close(fd);
        return reply;
}

struct json_object *mock_json_at(struct json_object *object, const char *path)
{
        char name[64];

        while (object && *path) {
                size_t n = strcspn(path, ".");
                struct json_object *inner = NULL;

                if (n >= sizeof(name))
                        die("path too long");
                memcpy(name, path, n);
                name[n] = '\0';
                if (name[0] >= '0' && name[0] <= '9')
                        inner = json_object_array_get_idx(object, strtoul(name, NULL, 10));
                else
                        json_object_object_get_ex(object, name, &inner);
                object = inner;
                path += n + (path[n] == '.');
        }
        return object;
}

const char *mock_json_text(struct json_object *object, const char *path)
{
        struct json_object *found = mock_json_at(object, path);

        return found ? json_object_get_string(found) : "";
}
