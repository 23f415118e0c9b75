/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD 3

/* Next to ourselves in the build tree. 0 or -ENOENT. */
static int find_in_build_tree(char path[PATH_MAX])
{
        static const char beside[] = "/../../daemon/p2pd";
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(beside));
        char *slash;

        if (n < 0)
                return -ENOENT;
        path[n] = '\0';
        slash = strrchr(path, '/');
        if (!slash)
                return -ENOENT;
        memcpy(slash, beside, sizeof(beside));
        return access(path, X_OK) == 0 ? 0 : -ENOENT;
}

static const char *find_daemon(char path[PATH_MAX])
{
        const char *chosen = secure_getenv("P2PD");

        if (chosen && *chosen)
                return chosen;
        return find_in_build_tree(path) == 0 ? path : P2PD_DAEMON_PATH;
}

/* In the child: hands the socket over as systemd does with a connected one. Tells by error_fd
 * (which closes by itself when the program starts) why it could not. */
static void __attribute__((noreturn))
run(const char *program, const char *option, const char *argument, int fd, int error_fd)
{
        char pid[16], *name = strrchr(program, '/') ? strrchr(program, '/') + 1 : NULL;
        char *arguments[] = {name ? name : (char *)program, (char *)option, (char *)argument, NULL};
        int error;

        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        if (fd == LISTEN_FD)
                fcntl(fd, F_SETFD, 0);
        /* The daemon's words, if any, must not mix with our answers. */
        if ((fd != LISTEN_FD && dup2(fd, LISTEN_FD) < 0) ||
            dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || setenv("LISTEN_PID", pid, 1) < 0 ||
            setenv("LISTEN_FDS", "1", 1) < 0 || setenv("LISTEN_FDNAMES", "varlink", 1) < 0 ||
            unsetenv("NOTIFY_SOCKET") < 0 || unsetenv("WATCHDOG_USEC") < 0)
                error = errno;
        else {
                execv(program, arguments);
                error = errno;
        }
        (void)!write(error_fd, &error, sizeof(error));
        _exit(127);
}

/* Waits for the start of the program: 0, or the errno that kept it from starting. */
static int read_exec_error(int fd)
{
        int error = 0;
        ssize_t n;

        do {
                n = read(fd, &error, sizeof(error));
        } while (n < 0 && errno == EINTR);
        return n == sizeof(error) ? error : 0;
}

static int start(const char *program, const char *option, const char *argument, int sockets[2],
                 pid_t *ret_pid)
{
        int pipe_fds[2], error_fd, error;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        /* Out of the way of descriptor 3. */
        error_fd = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, 10);
        close(pipe_fds[1]);
        pid = error_fd < 0 ? -1 : fork();
        if (pid < 0) {
                error = errno;
                close(pipe_fds[0]);
                if (error_fd >= 0)
                        close(error_fd);
                return -error;
        }
        if (pid == 0)
                run(program, option, argument, sockets[1], error_fd);
        close(error_fd);
        error = read_exec_error(pipe_fds[0]);
        close(pipe_fds[0]);
        if (error) {
                waitpid(pid, NULL, 0);
                return -error;
        }
        *ret_pid = pid;
        return 0;
}

int offline_start(const char *option, const char *argument, int *ret_fd, pid_t *ret_pid)
{
        char path[PATH_MAX];
        const char *program = find_daemon(path);
        int sockets[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
                r = -errno;
                fprintf(stderr, "p2pctl: cannot make a socket pair: %s\n", strerror(-r));
                return r;
        }
        r = start(program, option, argument, sockets, ret_pid);
        close(sockets[1]);
        if (r < 0) {
                close(sockets[0]);
                fprintf(stderr,
                        "p2pctl: cannot start %s: %s\n"
                        "%s needs the daemon's program; set P2PD to where it is.\n",
                        program, strerror(-r), option);
                return r;
        }
        *ret_fd = sockets[0];
        return 0;
}

int offline_reap(pid_t pid, int wait_msec)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0;
        struct pollfd p = {fd, POLLIN, 0};

        if (fd >= 0) {
                if (poll(&p, 1, wait_msec) == 0)
                        kill(pid, SIGTERM);
                close(fd);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -1;
        return status;
}
