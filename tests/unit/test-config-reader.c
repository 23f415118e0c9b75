/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "discover/config-reader.h"
#include "discover/privilege.h"

#define SYS_ADMIN_BIT (UINT64_C(1) << 21)

static struct p2pd_config_reader *new_reader(void)
{
        struct p2pd_config_reader *r = NULL;

        assert_int_equal(p2pd_config_reader_new(&r), 0);
        assert_true(p2pd_config_reader_is_alive(r));
        return r;
}

static enum p2p_why read_one(struct p2pd_config_reader *r, struct p2p_address address)
{
        static uint8_t bytes[P2P_CONFIG_MAX];
        struct p2pd_config_read read = {.address = address, .bytes = bytes, .n_bytes = 77};

        p2pd_config_reader_read(r, &read, 1);
        if (read.why != P2P_WHY_KNOWN)
                assert_int_equal(read.n_bytes, 0);
        return read.why;
}

/* No machine has a function in this segment. */
static const struct p2p_address nowhere = {.segment = 0xdeadbeef, .bus = 0xff, .devfn = 0xff};

static void test_no_such_function(void **state)
{
        struct p2pd_config_reader *r = new_reader();

        (void)state;
        assert_int_equal(read_one(r, nowhere), P2P_WHY_GONE);
        assert_true(p2pd_config_reader_is_alive(r));
        assert_int_equal(read_one(r, nowhere), P2P_WHY_GONE);
        assert_null(p2pd_config_reader_free(r));
}

/* What the kernel says about another process. */
static uint64_t capabilities_of(int pid, const char *set)
{
        char path[64], line[256];
        uint64_t val = UINT64_MAX;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        f = fopen(path, "r");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
                if (!strncmp(line, set, strlen(set)))
                        val = strtoull(line + strlen(set), NULL, 16);
        assert_int_equal(fclose(f), 0);
        return val;
}

static void test_privilege_of_child(void **state)
{
        static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"};
        struct p2pd_config_reader *r = new_reader();
        int pid = p2pd_config_reader_pid(r);

        (void)state;
        assert_int_equal(p2pd_config_reader_capabilities(r) & ~SYS_ADMIN_BIT, 0);
        assert_int_equal(p2pd_config_reader_capabilities(r), capabilities_of(pid, "CapEff:"));
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                assert_int_equal(capabilities_of(pid, sets[i]) & ~SYS_ADMIN_BIT, 0);
        assert_int_equal(capabilities_of(pid, "NoNewPrivs:"), 1);
        assert_null(p2pd_config_reader_free(r));
}

static void test_child_keeps_nothing_open(void **state)
{
        int secret = open("/etc/passwd", O_RDONLY);
        struct p2pd_config_reader *r = new_reader();
        char path[64], target[64];

        (void)state;
        assert_true(secret >= 3);
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", p2pd_config_reader_pid(r), secret);
        assert_true(readlink(path, target, sizeof(target)) < 0 ||
                    strncmp(target, "/etc/passwd", 11) != 0);
        assert_null(p2pd_config_reader_free(r));
        assert_int_equal(close(secret), 0);
}

static void test_killed(void **state)
{
        struct p2pd_config_reader *r = new_reader();

        (void)state;
        assert_int_equal(kill(p2pd_config_reader_pid(r), SIGKILL), 0);
        assert_int_equal(read_one(r, nowhere), P2P_WHY_READER_LOST);
        assert_false(p2pd_config_reader_is_alive(r));
        assert_int_equal(read_one(r, nowhere), P2P_WHY_READER_LOST);
        assert_null(p2pd_config_reader_free(r));
}

/* One that says nothing is given up, and does not stay. */
static void test_silent(void **state)
{
        struct p2pd_config_reader *r = new_reader();
        int pid = p2pd_config_reader_pid(r);

        (void)state;
        p2pd_config_reader_set_timeout(r, 50);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(read_one(r, nowhere), P2P_WHY_READER_LOST);
        assert_false(p2pd_config_reader_is_alive(r));
        assert_true(waitpid(pid, NULL, WNOHANG) < 0);
        assert_null(p2pd_config_reader_free(r));
}

/* Signals of the terminal or the service manager are not for it. */
static void test_ignores_signals(void **state)
{
        struct p2pd_config_reader *r = new_reader();
        int pid = p2pd_config_reader_pid(r);

        (void)state;
        assert_int_equal(kill(pid, SIGINT), 0);
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(kill(pid, SIGHUP), 0);
        assert_int_equal(read_one(r, nowhere), P2P_WHY_GONE);
        assert_null(p2pd_config_reader_free(r));
        /* Reaped as well. */
        assert_true(waitpid(pid, NULL, WNOHANG) < 0);
}

/* It does not outlive the process that started it. */
static void test_parent_dies(void **state)
{
        int fds[2], status;
        char byte;
        pid_t pid;

        (void)state;
        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct p2pd_config_reader *r;
                int reader;

                if (p2pd_config_reader_new(&r) < 0)
                        _exit(1);
                reader = p2pd_config_reader_pid(r);
                if (write(fds[1], &reader, sizeof(reader)) != sizeof(reader))
                        _exit(1);
                (void)kill(getpid(), SIGKILL);
        }
        assert_int_equal(close(fds[1]), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        {
                int reader;

                assert_int_equal(read(fds[0], &reader, sizeof(reader)), sizeof(reader));
                for (unsigned i = 0; i < 500 && kill(reader, 0) == 0; i++) {
                        char path[64], line[256] = "";
                        FILE *f;

                        /* A zombie that nobody reaps here has ended, too. */
                        (void)snprintf(path, sizeof(path), "/proc/%d/stat", reader);
                        f = fopen(path, "r");
                        if (!f || !fgets(line, sizeof(line), f) || strstr(line, ") Z")) {
                                if (f)
                                        (void)fclose(f);
                                break;
                        }
                        (void)fclose(f);
                        assert_int_not_equal(i, 499);
                        (void)usleep(10000);
                }
        }
        assert_int_equal(read(fds[0], &byte, 1), 0);
        assert_int_equal(close(fds[0]), 0);
}

static void test_drop_capabilities(void **state)
{
        int status;
        pid_t pid = fork();

        (void)state;
        assert_true(pid >= 0);
        if (pid == 0) {
                int r = p2pd_drop_capabilities();

                if (r < 0)
                        _exit(2);
                if (p2pd_get_capabilities() || capabilities_of(getpid(), "CapPrm:") ||
                    capabilities_of(getpid(), "CapInh:") || capabilities_of(getpid(), "CapAmb:"))
                        _exit(3);
                if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                        _exit(4);
                /* Twice does no harm. */
                _exit(p2pd_drop_capabilities() < 0 ? 5 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_such_function),
                cmocka_unit_test(test_privilege_of_child),
                cmocka_unit_test(test_child_keeps_nothing_open),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_silent),
                cmocka_unit_test(test_ignores_signals),
                cmocka_unit_test(test_parent_dies),
                cmocka_unit_test(test_drop_capabilities),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
