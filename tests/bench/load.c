/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loads a Varlink server with one call, repeated: one at a time, pipelined, or from many busy
 * clients. Prints numbers for bench.py. It counts replies by their NUL and parses nothing, so that
 * the server is what is measured.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 1024U
#define SAMPLES_MAX (1U << 24)
#define PIPELINE_BYTES (1U << 20)

struct options {
        const char *socket_path;
        const char *call;
        size_t call_bytes; /* NUL included */
        double seconds;
        unsigned count; /* calls in flight, or clients */
};

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static uint64_t now_nsec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int connect_to(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                die(path);
        return fd;
}

static void send_all(int fd, const char *data, size_t n)
{
        while (n > 0) {
                ssize_t r = send(fd, data, n, MSG_NOSIGNAL);

                if (r < 0)
                        die("send");
                data += r;
                n -= (size_t)r;
        }
}

/* How many replies end in what is readable now. Blocks for at least one byte. */
static unsigned receive_replies(int fd)
{
        static char buffer[1 << 18];
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        unsigned replies = 0;

        if (n <= 0) {
                errno = n == 0 ? ECONNRESET : errno;
                die("receive");
        }
        for (const char *at = buffer; (at = memchr(at, '\0', (size_t)(buffer + n - at))); at++)
                replies++;
        return replies;
}

/* The first reply is looked at, so that nobody measures how fast errors are. */
static void check_call(const struct options *o)
{
        char reply[65536];
        size_t used = 0;
        int fd = connect_to(o->socket_path);

        send_all(fd, o->call, o->call_bytes);
        while (used == 0 || reply[used - 1] != '\0') {
                ssize_t n = recv(fd, reply + used, sizeof(reply) - used, 0);

                if (n <= 0)
                        die("the first reply");
                used += (size_t)n;
        }
        if (strstr(reply, "\"error\"")) {
                errno = EPROTO;
                die(reply);
        }
        (void)close(fd);
}

static void run_one_by_one(const struct options *o)
{
        int fd = connect_to(o->socket_path);
        uint64_t start = now_nsec(), end = start + (uint64_t)(o->seconds * 1e9), now = start;
        uint64_t calls = 0;

        while (now < end) {
                send_all(fd, o->call, o->call_bytes);
                while (receive_replies(fd) == 0)
                        ;
                calls++;
                now = now_nsec();
        }
        printf("calls_per_second %.0f\n", (double)calls * 1e9 / (double)(now - start));
        (void)close(fd);
}

static void run_pipelined(const struct options *o)
{
        uint64_t start = now_nsec(), end = start + (uint64_t)(o->seconds * 1e9), now = start;
        uint64_t calls = 0;
        unsigned batch = o->count;
        char *data;
        int fd;

        if (o->call_bytes * batch > PIPELINE_BYTES) {
                errno = E2BIG;
                die("pipeline");
        }
        data = malloc(o->call_bytes * batch);
        if (!data)
                die("memory");
        for (unsigned i = 0; i < batch; i++)
                memcpy(data + i * o->call_bytes, o->call, o->call_bytes);
        fd = connect_to(o->socket_path);
        while (now < end) {
                send_all(fd, data, o->call_bytes * batch);
                for (unsigned left = batch; left > 0;)
                        left -= receive_replies(fd);
                calls += batch;
                now = now_nsec();
        }
        printf("calls_per_second %.0f\n", (double)calls * 1e9 / (double)(now - start));
        free(data);
        (void)close(fd);
}

static int compare_samples(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

struct busy {
        int epoll_fd;
        int fds[CLIENTS_MAX];
        uint64_t sent_nsec[CLIENTS_MAX];
        uint32_t *samples;
        size_t n_samples;
};

static void busy_turn(struct busy *b, const struct options *o)
{
        struct epoll_event events[CLIENTS_MAX];
        int n = epoll_wait(b->epoll_fd, events, CLIENTS_MAX, 1000);

        for (int i = 0; i < n; i++) {
                unsigned c = events[i].data.u32;
                uint64_t now;

                if (receive_replies(b->fds[c]) == 0)
                        continue;
                now = now_nsec();
                if (b->n_samples < SAMPLES_MAX)
                        b->samples[b->n_samples++] = (uint32_t)(now - b->sent_nsec[c]);
                b->sent_nsec[c] = now;
                send_all(b->fds[c], o->call, o->call_bytes);
        }
}

/* Every client asks again as soon as it has its answer. */
static void run_busy(const struct options *o)
{
        struct busy *b = calloc(1, sizeof(*b));
        uint64_t start, end;

        if (!b || !(b->samples = malloc(SAMPLES_MAX * sizeof(*b->samples))))
                die("memory");
        b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        for (unsigned c = 0; c < o->count; c++) {
                struct epoll_event event = {.events = EPOLLIN, .data.u32 = c};

                b->fds[c] = connect_to(o->socket_path);
                if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, b->fds[c], &event) < 0)
                        die("epoll");
        }
        start = now_nsec();
        end = start + (uint64_t)(o->seconds * 1e9);
        for (unsigned c = 0; c < o->count; c++) {
                b->sent_nsec[c] = now_nsec();
                send_all(b->fds[c], o->call, o->call_bytes);
        }
        while (now_nsec() < end)
                busy_turn(b, o);
        if (b->n_samples == 0) {
                errno = ETIMEDOUT;
                die("no answers");
        }
        qsort(b->samples, b->n_samples, sizeof(*b->samples), compare_samples);
        printf("calls_per_second %.0f\n", (double)b->n_samples / o->seconds);
        printf("p50_usec %.1f\n", b->samples[b->n_samples / 2] / 1e3);
        printf("p99_usec %.1f\n", b->samples[b->n_samples - 1 - b->n_samples / 100] / 1e3);
        printf("max_usec %.1f\n", b->samples[b->n_samples - 1] / 1e3);
        free(b->samples);
        free(b);
}

int main(int argc, char **argv)
{
        struct options o;

        if (argc != 6) {
                fprintf(stderr, "load SOCKET CALL one|pipelined|busy COUNT SECONDS\n");
                return 2;
        }
        o = (struct options){
                .socket_path = argv[1],
                .call = argv[2],
                .call_bytes = strlen(argv[2]) + 1,
                .seconds = strtod(argv[5], NULL),
                .count = (unsigned)strtoul(argv[4], NULL, 10),
        };
        if (o.count == 0 || o.count > CLIENTS_MAX || !(o.seconds > 0)) {
                fprintf(stderr, "load: COUNT is 1 to %u, SECONDS more than 0\n", CLIENTS_MAX);
                return 2;
        }
        check_call(&o);
        if (strcmp(argv[3], "one") == 0)
                run_one_by_one(&o);
        else if (strcmp(argv[3], "pipelined") == 0)
                run_pipelined(&o);
        else if (strcmp(argv[3], "busy") == 0)
                run_busy(&o);
        else
                return 2;
        return 0;
}
