/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From a uevent to the published table, the real daemon in live mode on a big machine that umockdev
 * pretends: uevent-bench MAKE-MACHINE ROUNDS [OPTION...] under umockdev-wrapper, with the program
 * in the environment variable P2PD. The last NVMe is unplugged and plugged again; it disappears
 * from the kernel's list before the event, and the settle time is so long that no full reading
 * falls into the measurement. Prints "NAME MILLISECONDS" for bench.py: medians, and the worst.
 */

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <umockdev.h>
#include <unistd.h>

#include "../mock/mock-daemon.h"

#define ANSWER_MSEC 60000
#define ROUNDS_MAX 200

struct bench {
        UMockdevTestbed *testbed;
        struct mock_daemon *daemon;
        int fd; /* follows the table */
        int64_t generation;
        char listed[512]; /* the function's entry in the list, and where it is kept when unplugged
                           */
        char hidden[512];
        char *device; /* "/sys/devices/..." */
};

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "uevent-bench: %s: %s\n", what, strerror(errno));
        exit(1);
}

static double now_msec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void make_machine(const char *script, char *root)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                (void)unsetenv("LD_PRELOAD");
                (void)dup2(STDERR_FILENO, STDOUT_FILENO);
                (void)execlp("python3", "python3", script, "--groups", root, (char *)NULL);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                die("cannot make the machine");
}

/* The last NVMe of the machine in address order. */
static void choose(struct bench *b, const char *root)
{
        char directory[256], path[600], text[32], best[64] = "", target[512];
        struct dirent *entry;
        ssize_t n;
        DIR *dir;

        (void)snprintf(directory, sizeof(directory), "%s/sys/bus/pci/devices", root);
        dir = opendir(directory);
        if (!dir)
                die(directory);
        while ((entry = readdir(dir))) {
                FILE *file;

                (void)snprintf(path, sizeof(path), "%s/%.60s/class", directory, entry->d_name);
                file = fopen(path, "r");
                if (!file)
                        continue;
                if (fgets(text, sizeof(text), file) && !strcmp(text, "0x010802\n") &&
                    strcmp(entry->d_name, best) > 0)
                        (void)snprintf(best, sizeof(best), "%.60s", entry->d_name);
                (void)fclose(file);
        }
        (void)closedir(dir);
        (void)snprintf(b->listed, sizeof(b->listed), "%s/%s", directory, best);
        (void)snprintf(b->hidden, sizeof(b->hidden), "%s/unplugged", root);
        n = readlink(b->listed, target, sizeof(target) - 1);
        if (n < 0)
                die(b->listed);
        target[n] = '\0';
        b->device = g_strdup_printf("/sys/%s", strstr(target, "devices/"));
}

static int64_t count_functions(const struct bench *b)
{
        struct json_object *reply =
                mock_daemon_call(b->daemon, "{\"method\":\"io.p2pd.GetStatus\"}");
        int64_t n = json_object_get_int64(mock_json_at(reply, "parameters.status.functions"));

        json_object_put(reply);
        return n;
}

/* Reads everything now, so that nothing is owed any more. */
static double rescan(const struct bench *b)
{
        double since = now_msec();

        json_object_put(mock_daemon_call(b->daemon, "{\"method\":\"io.p2pd.Rescan\"}"));
        return now_msec() - since;
}

/* Moves the entry, sends the event, waits for the generation in the table. */
static double step(struct bench *b, const char *from, const char *to, const char *action)
{
        struct json_object *reply;
        char call[128];
        double since;

        snprintf(call, sizeof(call),
                 "{\"method\":\"io.p2pd.FollowTable\",\"parameters\":{\"confirmed\":%lld}}",
                 (long long)b->generation);
        mock_daemon_send(b->fd, call);
        json_object_put(mock_daemon_call(b->daemon, "{\"method\":\"io.p2pd.GetStatus\"}"));
        if (rename(from, to) < 0)
                die(from);
        since = now_msec();
        umockdev_testbed_uevent(b->testbed, b->device, action);
        reply = mock_daemon_receive(b->fd, ANSWER_MSEC);
        if (!reply)
                die("no generation came");
        since = now_msec() - since;
        b->generation = json_object_get_int64(mock_json_at(reply, "parameters.generation"));
        json_object_put(reply);
        return since;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void print(const char *name, double *msec, int n)
{
        qsort(msec, (size_t)n, sizeof(*msec), compare);
        printf("%s_msec %.3f\n%s_worst_msec %.3f\n", name, msec[n / 2], name, msec[n - 1]);
}

static void measure(struct bench *b, int rounds)
{
        double removed[ROUNDS_MAX], added[ROUNDS_MAX], all[ROUNDS_MAX];

        for (int i = 0; i < rounds; i++) {
                removed[i] = step(b, b->listed, b->hidden, "remove");
                all[i] = rescan(b);
                added[i] = step(b, b->hidden, b->listed, "add");
                (void)rescan(b);
        }
        print("remove", removed, rounds);
        print("add", added, rounds);
        print("rescan", all, rounds);
        printf("functions %lld\n", (long long)count_functions(b));
}

int main(int argc, char **argv)
{
        static const char *const arguments[] = {"--settle-msec", "60000", "--recheck-msec", "0",
                                                NULL};
        struct bench b = {.generation = 1};
        int rounds = argc == 3 ? atoi(argv[2]) : 0;
        char *root;

        if (rounds < 1 || rounds > ROUNDS_MAX) {
                fprintf(stderr, "usage: uevent-bench MAKE-MACHINE ROUNDS\n");
                return 2;
        }
        b.testbed = umockdev_testbed_new();
        root = umockdev_testbed_get_root_dir(b.testbed);
        make_machine(argv[1], root);
        choose(&b, root);
        b.daemon = mock_daemon_start(arguments);
        b.fd = mock_daemon_connect(b.daemon);
        mock_daemon_send(b.fd, "{\"method\":\"io.p2pd.AttachTable\"}");
        json_object_put(mock_daemon_receive(b.fd, ANSWER_MSEC));
        measure(&b, rounds);
        (void)close(b.fd);
        (void)mock_daemon_stop(b.daemon);
        g_free(b.device);
        g_free(root);
        g_object_unref(b.testbed);
        return 0;
}
