/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Parent and child talk over a pair of SEQPACKET sockets in records of fixed layout: one request,
 * one answer. The child speaks first, once, to tell what it holds. Neither believes the other: a
 * record of the wrong length or number ends the connection, and with it the child.
 */

#include "config-reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config-space.h"
#include "privilege.h"
#include "tree.h"

#define ANSWER_TIMEOUT_MSEC 5000
#define DEATH_TIMEOUT_MSEC 1000

struct hello {
        uint64_t capabilities;
};

struct request {
        uint32_t number;
        uint32_t segment;
        uint8_t bus, devfn;
        uint8_t zero[2];
};

struct answer {
        uint32_t number;
        uint32_t why;
        uint32_t n_bytes; /* that follow */
};

struct p2pd_config_reader {
        int fd;
        pid_t pid;
        uint64_t capabilities;
        uint32_t number; /* of the last request */
        int timeout_msec;
        atomic_bool is_alive;
};

static int send_record(int fd, const struct iovec *iov, size_t n)
{
        const struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n};
        ssize_t sent;
        size_t total = 0;

        for (size_t i = 0; i < n; i++)
                total += iov[i].iov_len;
        do
                sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0)
                return -errno;
        return (size_t)sent == total ? 0 : -EPROTO;
}

/* Length of the record; 0: the other side has gone. */
static ssize_t receive_record(int fd, const struct iovec *iov, size_t n)
{
        struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n};
        ssize_t got;

        do
                got = recvmsg(fd, &msg, 0);
        while (got < 0 && errno == EINTR);
        if (got < 0)
                return -errno;
        return msg.msg_flags & MSG_TRUNC ? -EPROTO : got;
}

static void answer_one(struct p2pd_config_space *space, int fd, const struct request *q)
{
        uint8_t bytes[P2P_CONFIG_MAX];
        struct answer a = {.number = q->number};
        const struct p2p_address address = {
                .segment = q->segment, .bus = q->bus, .devfn = q->devfn};
        struct iovec iov[] = {{&a, sizeof(a)}, {bytes, 0}};

        a.why = p2pd_config_space_read(space, address, bytes, &a.n_bytes);
        if (a.why != P2P_WHY_KNOWN)
                a.n_bytes = 0;
        iov[1].iov_len = a.n_bytes;
        if (send_record(fd, iov, 2) < 0)
                _exit(1);
}

/* Everything the parent had open, its sockets above all, is none of the child's business. */
static void close_all_but(int keep)
{
        int null = open("/dev/null", O_RDWR);

        for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++)
                if (fd != keep)
                        (void)dup2(null, fd);
        if (keep > STDERR_FILENO + 1)
                (void)syscall(SYS_close_range, STDERR_FILENO + 1, keep - 1, 0);
        (void)syscall(SYS_close_range, keep < STDERR_FILENO ? STDERR_FILENO + 1 : keep + 1, ~0U, 0);
}

/* A terminal's or a service manager's signals are for the parent; the child ends with it. */
static void settle_signals(void)
{
        static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                      SIGUSR1, SIGUSR2, SIGPIPE, SIGTSTP};
        sigset_t none;

        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                (void)signal(ignored[i], SIG_IGN);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void run_child(int fd, pid_t parent)
{
        struct p2pd_config_space *space;
        struct hello hello;
        struct request q;
        struct iovec iov;

        (void)prctl(PR_SET_NAME, "p2pd-config", 0, 0, 0);
        settle_signals();
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(1);
        close_all_but(fd);
        if (p2pd_keep_capability(CAP_SYS_ADMIN) < 0 || p2pd_config_space_new(&space) < 0)
                _exit(1);
        hello.capabilities = p2pd_get_capabilities();
        iov = (struct iovec){&hello, sizeof(hello)};
        if (send_record(fd, &iov, 1) < 0)
                _exit(1);
        iov = (struct iovec){&q, sizeof(q)};
        for (;;) {
                ssize_t n = receive_record(fd, &iov, 1);

                if (n != sizeof(q) || q.zero[0] || q.zero[1])
                        _exit(n == 0 ? 0 : 1);
                answer_one(space, fd, &q);
        }
}

/* Ends the child and reaps it. One that hangs in a device dies later, and is left to init then. */
static void end_child(struct p2pd_config_reader *r)
{
        __attribute__((cleanup(p2pd_closep))) int pidfd = -1;

        if (!atomic_exchange(&r->is_alive, false))
                return;
        (void)kill(r->pid, SIGKILL);
        pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
        if (pidfd >= 0) {
                struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};

                while (poll(&pollfd, 1, DEATH_TIMEOUT_MSEC) < 0 && errno == EINTR)
                        ;
        }
        while (waitpid(r->pid, NULL, pidfd >= 0 ? WNOHANG : 0) < 0 && errno == EINTR)
                ;
}

/* Waits for a record of the child. */
static ssize_t await_record(struct p2pd_config_reader *r, const struct iovec *iov, size_t n)
{
        struct pollfd pollfd = {.fd = r->fd, .events = POLLIN};
        int ready;

        do
                ready = poll(&pollfd, 1, r->timeout_msec);
        while (ready < 0 && errno == EINTR);
        if (ready <= 0)
                return ready < 0 ? -errno : -ETIMEDOUT;
        return receive_record(r->fd, iov, n);
}

struct p2pd_config_reader *p2pd_config_reader_free(struct p2pd_config_reader *r)
{
        if (!r)
                return NULL;
        p2pd_closep(&r->fd);
        end_child(r);
        free(r);
        return NULL;
}

static void reader_freep(struct p2pd_config_reader **r)
{
        if (*r)
                (void)p2pd_config_reader_free(*r);
}

int p2pd_config_reader_new(struct p2pd_config_reader **ret)
{
        __attribute__((cleanup(reader_freep))) struct p2pd_config_reader *r = calloc(1, sizeof(*r));
        pid_t parent = getpid();
        struct hello hello;
        struct iovec iov = {&hello, sizeof(hello)};
        int fds[2];
        ssize_t n;

        if (!r)
                return -ENOMEM;
        r->fd = -1;
        r->timeout_msec = ANSWER_TIMEOUT_MSEC;
        atomic_init(&r->is_alive, false);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        r->pid = fork();
        if (r->pid == 0) {
                (void)close(fds[0]);
                run_child(fds[1], parent);
        }
        r->fd = fds[0];
        (void)close(fds[1]);
        if (r->pid < 0)
                return -errno;
        atomic_store(&r->is_alive, true);
        n = await_record(r, &iov, 1);
        if (n != sizeof(hello))
                return n < 0 ? (int)n : -EPROTO;
        r->capabilities = hello.capabilities;
        *ret = r;
        r = NULL;
        return 0;
}

/* 0, or a negative errno after which the reader is lost. */
static int read_one(struct p2pd_config_reader *r, struct p2pd_config_read *read)
{
        struct request q = {
                .number = ++r->number,
                .segment = read->address.segment,
                .bus = read->address.bus,
                .devfn = read->address.devfn,
        };
        struct answer a;
        const struct iovec out = {&q, sizeof(q)};
        const struct iovec in[] = {{&a, sizeof(a)}, {read->bytes, P2P_CONFIG_MAX}};
        ssize_t n;
        int error;

        error = send_record(r->fd, &out, 1);
        if (error < 0)
                return error;
        n = await_record(r, in, 2);
        if (n < 0)
                return (int)n;
        if ((size_t)n < sizeof(a) || a.number != q.number || a.why >= P2P_WHY_MAX ||
            a.n_bytes != (size_t)n - sizeof(a) || (a.why == P2P_WHY_KNOWN) != (a.n_bytes > 0))
                return -EPROTO;
        read->why = a.why;
        read->n_bytes = a.n_bytes;
        return 0;
}

void p2pd_config_reader_read(struct p2pd_config_reader *r, struct p2pd_config_read *reads,
                             size_t n_reads)
{
        for (size_t i = 0; i < n_reads; i++) {
                if (atomic_load(&r->is_alive) && read_one(r, &reads[i]) == 0)
                        continue;
                end_child(r);
                reads[i].why = P2P_WHY_READER_LOST;
                reads[i].n_bytes = 0;
        }
}

bool p2pd_config_reader_is_alive(const struct p2pd_config_reader *r)
{
        struct pollfd pollfd = {.fd = r->fd};

        /* A child that has ended has closed its end, also before somebody reaps it. */
        return atomic_load(&r->is_alive) && poll(&pollfd, 1, 0) == 0;
}

int p2pd_config_reader_pid(const struct p2pd_config_reader *r)
{
        return (int)r->pid;
}

uint64_t p2pd_config_reader_capabilities(const struct p2pd_config_reader *r)
{
        return r->capabilities;
}

void p2pd_config_reader_set_timeout(struct p2pd_config_reader *r, int msec)
{
        r->timeout_msec = msec;
}
