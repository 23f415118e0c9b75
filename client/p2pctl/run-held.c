/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run-held.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fields.h"
#include "text.h"

#define EXIT_NOT_FOUND 127
#define EXIT_NOT_RUNNABLE 126

static void set_variable(const char *name, const char *value)
{
        if (setenv(name, value, 1) < 0)
                must_have(NULL);
}

static void set_number(const char *name, int64_t value)
{
        char text[24];

        snprintf(text, sizeof(text), "%" PRId64, value);
        set_variable(name, text);
}

static void set_groups(struct json_object *answer)
{
        struct json_object *groups =
                field_array(array_at(field_array(answer, "answers"), 0), "groups");

        set_number("P2PD_LEASE", field_int_or(field_object(answer, "lease"), "number", 0));
        set_number("P2PD_GROUPS", (int64_t)array_length(groups));
        for (size_t i = 0; i < array_length(groups); i++) {
                struct json_object *group = array_at(groups, i);
                struct json_object *companions = field_array(group, "companions");
                struct text value = {0};
                char name[40];

                snprintf(name, sizeof(name), "P2PD_GROUP_%zu", i);
                text_add(&value, field_string_or(group, "provider", ""));
                for (size_t c = 0; c < array_length(companions); c++)
                        text_addf(&value, " %s", array_string_at(companions, c));
                set_variable(name, text_get(&value));
                text_clear(&value);
        }
}

static void __attribute__((noreturn))
become(struct json_object *answer, char **command, const sigset_t *mask)
{
        int error;

        set_groups(answer);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(command[0], command);
        error = errno;
        fprintf(stderr, "p2pctl: cannot run %s: %s\n", command[0], strerror(error));
        fflush(stderr);
        _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE);
}

/* Told by the daemon while the command runs. */
static void on_event(struct p2pd_client *client, const struct p2pd_lease_event *event, int status,
                     void *userdata)
{
        (void)client;
        (void)status; /* the end of the connection is told where it is processed */
        (void)userdata;
        if (!event)
                return;
        if (event->kind == P2PD_LEASE_LOST)
                fprintf(stderr, "p2pctl: %s was unplugged; it stays held\n", event->function);
        else if (event->kind == P2PD_LEASE_BACK)
                fprintf(stderr, "p2pctl: %s is there again\n", event->function);
        else if (event->kind == P2PD_LEASE_MOVED)
                fprintf(stderr,
                        "p2pctl: a device that is held has another address now, %s: the command"
                        " was told the one before\n",
                        event->function);
        else if (event->kind == P2PD_LEASE_EXPIRED || event->kind == P2PD_LEASE_RELEASED)
                fprintf(stderr,
                        "p2pctl: the lease %s: its devices are held no longer, and the command"
                        " still runs\n",
                        event->kind == P2PD_LEASE_EXPIRED ? "has expired" : "was released");
}

/* What came in by signal. True when the command has ended, with its exit code. */
static bool take_signal(int fd, pid_t pid, int *ret_code)
{
        struct signalfd_siginfo info;
        int status;

        if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return false;
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
                kill(pid, (int)info.ssi_signo);
        if (waitpid(pid, &status, WNOHANG) != pid)
                return false;
        *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
}

static int wait_for(struct session *s, int signals, pid_t pid)
{
        bool connected = true;
        int code = EXIT_FAILED;

        for (;;) {
                struct pollfd p[2] = {
                        {signals, POLLIN, 0},
                        {connected ? p2pd_client_get_fd(s->client) : -1,
                         p2pd_client_get_events(s->client), 0},
                };

                if (poll(p, 2, -1) < 0)
                        continue;
                if (connected && p[1].revents && p2pd_client_process(s->client) < 0) {
                        connected = false;
                        fputs("p2pctl: p2pd has closed the connection: the devices are held no"
                              " longer, and the command still runs\n",
                              stderr);
                }
                if (p[0].revents && take_signal(signals, pid, &code))
                        return code;
        }
}

static void watch(struct session *s, struct json_object *answer)
{
        char lease[24];

        snprintf(lease, sizeof(lease), "%" PRId64,
                 field_int_or(field_object(answer, "lease"), "number", 0));
        if (p2pd_client_watch_leases(s->client, lease, on_event, NULL) < 0)
                fputs("p2pctl: what happens to the devices meanwhile will not be told\n", stderr);
}

int run_held(struct session *s, struct json_object *answer, char **command)
{
        sigset_t caught, before;
        int fd, code;
        pid_t pid;

        sigemptyset(&caught);
        sigaddset(&caught, SIGCHLD);
        sigaddset(&caught, SIGTERM);
        sigaddset(&caught, SIGHUP);
        sigaddset(&caught, SIGINT);
        sigaddset(&caught, SIGQUIT);
        sigprocmask(SIG_BLOCK, &caught, &before);
        fd = signalfd(-1, &caught, SFD_CLOEXEC);
        fflush(stdout);
        pid = fd < 0 ? -1 : fork();
        if (pid == 0)
                become(answer, command, &before);
        if (pid < 0) {
                perror("p2pctl: cannot start the command");
                code = EXIT_FAILED;
        } else {
                watch(s, answer);
                code = wait_for(s, fd, pid);
        }
        if (fd >= 0)
                close(fd);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return code;
}
