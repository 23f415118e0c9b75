/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "publish/state-file.h"
#include "publish/state-text.h"
#include "state-builder.h"

/*
 * The system calls of a save pass through here (the linker's --wrap). Each is a step; one of them
 * can fail, or be the last thing the process does.
 */
enum call { CALL_OPEN, CALL_WRITE, CALL_FSYNC, CALL_CLOSE, CALL_RENAME, CALL_UNLINK };

static struct {
        bool armed;
        unsigned n;       /* steps so far */
        unsigned fail_at; /* this step fails with error, 1 is the first; 0: none */
        int error;
        unsigned die_at;    /* the process ends in this step; a write has written half by then */
        bool dies_after;    /* ... or has done it */
        size_t write_limit; /* of one call; 0: none */
        enum call log[64];
        int log_fd[64];
} steps;

int __real_openat(int dir_fd, const char *path, int flags, ...);
int __real_openat64(int dir_fd, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *buf, size_t n);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);

/* False: this call is to fail, errno is set. */
static bool step(enum call call, int fd)
{
        if (!steps.armed)
                return true;
        assert_true(steps.n < sizeof(steps.log) / sizeof(steps.log[0]));
        steps.log[steps.n] = call;
        steps.log_fd[steps.n] = fd;
        steps.n++;
        if (steps.n == steps.die_at && !steps.dies_after && call != CALL_WRITE)
                _exit(0);
        errno = steps.error;
        return steps.n != steps.fail_at;
}

static void after_step(void)
{
        if (steps.armed && steps.n == steps.die_at)
                _exit(0);
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
        int fd = step(CALL_OPEN, dir_fd) ? __real_openat(dir_fd, path, flags, 0600) : -1;

        after_step();
        return fd;
}

int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
        int fd = step(CALL_OPEN, dir_fd) ? __real_openat64(dir_fd, path, flags, 0600) : -1;

        after_step();
        return fd;
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
        ssize_t written;

        if (!step(CALL_WRITE, fd))
                return -1;
        if (steps.armed && steps.write_limit != 0 && n > steps.write_limit)
                n = steps.write_limit;
        if (steps.armed && steps.n == steps.die_at && !steps.dies_after)
                n /= 2;
        written = __real_write(fd, buf, n);
        after_step();
        return written;
}

int __wrap_fsync(int fd)
{
        int r = step(CALL_FSYNC, fd) ? __real_fsync(fd) : -1;

        after_step();
        return r;
}

int __wrap_close(int fd)
{
        bool passes = step(CALL_CLOSE, fd);
        int r = __real_close(fd);

        after_step();
        errno = steps.armed && !passes ? steps.error : errno;
        return passes ? r : -1;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
        int r = step(CALL_RENAME, from_fd) ? __real_renameat(from_fd, from, to_fd, to) : -1;

        after_step();
        return r;
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
        int r = step(CALL_UNLINK, dir_fd) ? __real_unlinkat(dir_fd, path, flags) : -1;

        after_step();
        return r;
}

struct directory {
        char path[64];
        int fd;
};

static int make_directory(void **state)
{
        struct directory *d = calloc(1, sizeof(*d));

        assert_non_null(d);
        /* In memory where that can be: some tests sync a thousand times. */
        (void)snprintf(d->path, sizeof(d->path), "%s/p2pd-state-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(d->path));
        d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(d->fd >= 0);
        steps = (typeof(steps)){0};
        *state = d;
        return 0;
}

static int remove_directory(void **state)
{
        static const char *const names[] = {P2PD_STATE_FILE, P2PD_STATE_FILE_NEW,
                                            P2PD_STATE_FILE_DAMAGED};
        struct directory *d = *state;

        steps.armed = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (unlinkat(d->fd, names[i], 0) < 0)
                        (void)unlinkat(d->fd, names[i], AT_REMOVEDIR);
        (void)close(d->fd);
        /* Nothing else was left there. */
        assert_int_equal(rmdir(d->path), 0);
        free(d);
        return 0;
}

static void put_file(const struct directory *d, const char *name, const char *bytes, size_t n)
{
        int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        assert_int_equal(close(fd), 0);
}

/* The whole file, with a NUL; NULL if there is none. */
static char *get_file(const struct directory *d, const char *name)
{
        int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
        char *text = calloc(1, 65536);

        assert_non_null(text);
        if (fd < 0) {
                free(text);
                return NULL;
        }
        assert_true(read(fd, text, 65535) >= 0);
        assert_int_equal(close(fd), 0);
        return text;
}

static void expect_no_file(const struct directory *d, const char *name)
{
        struct stat st;

        assert_int_equal(fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(errno, ENOENT);
}

static void count(const char *line, void *userdata)
{
        assert_true(strlen(line) > 0);
        (*(unsigned *)userdata)++;
}

/* Loads what is there; fails the test unless it is whole. */
static struct p2pd_state load(const struct directory *d)
{
        unsigned n_reports = 0;
        struct p2pd_state s;

        assert_int_equal(p2pd_state_load(d->fd, count, &n_reports, &s), 0);
        assert_int_equal(n_reports, 0);
        assert_false(s.is_damaged || s.is_id_set_lost);
        return s;
}

static void save(const struct directory *d, unsigned variant)
{
        struct p2pd_state s = state_sample(variant);

        assert_int_equal(p2pd_state_save(d->fd, &s), 0);
        p2pd_state_deinit(&s);
}

/* Is what is there, whole, that state? */
static bool holds(const struct directory *d, unsigned variant)
{
        struct p2pd_state s = load(d), want = state_sample(variant);
        bool same = state_is_equal(&s, &want);

        p2pd_state_deinit(&s);
        p2pd_state_deinit(&want);
        return same;
}

static void test_no_file(void **state)
{
        const struct directory *d = *state;
        const struct p2pd_state empty = P2PD_STATE_NULL;
        struct p2pd_state s = load(d);

        assert_true(state_is_equal(&s, &empty));
        p2pd_state_deinit(&s);
}

static void test_round_trip(void **state)
{
        const struct directory *d = *state;
        struct stat st;

        save(d, 1);
        assert_true(holds(d, 1));
        save(d, 2);
        assert_true(holds(d, 2));
        assert_int_equal(fstatat(d->fd, P2PD_STATE_FILE, &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        expect_no_file(d, P2PD_STATE_FILE_NEW);
        expect_no_file(d, P2PD_STATE_FILE_DAMAGED);
}

static void test_leftover_of_a_save(void **state)
{
        const struct directory *d = *state;

        save(d, 1);
        put_file(d, P2PD_STATE_FILE_NEW, "p2pd-state 1 half", 17);
        assert_true(holds(d, 1));
        save(d, 2);
        assert_true(holds(d, 2));
        expect_no_file(d, P2PD_STATE_FILE_NEW);
}

static void test_damaged_file_is_kept_aside(void **state)
{
        const struct directory *d = *state;

        for (unsigned round = 0; round < 3; round++) {
                unsigned n_reports = 0;
                struct p2pd_state s, want = state_sample(round);
                char *text, *aside;

                save(d, round);
                text = get_file(d, P2PD_STATE_FILE);
                strchr(text, '\n')[1] = '#';
                put_file(d, P2PD_STATE_FILE, text, strlen(text));
                assert_int_equal(p2pd_state_load(d->fd, count, &n_reports, &s), 0);
                assert_true(s.is_damaged && n_reports >= 2);
                state_expect_salvaged(&s, &want);
                p2pd_state_deinit(&s);
                /* A second start before anything was saved finds the same. */
                assert_int_equal(p2pd_state_load(d->fd, NULL, NULL, &s), 0);
                assert_true(s.is_damaged);
                assert_int_equal(p2pd_state_save(d->fd, &s), 0);
                p2pd_state_deinit(&s);
                s = load(d);
                state_expect_salvaged(&s, &want);
                p2pd_state_deinit(&s);
                aside = get_file(d, P2PD_STATE_FILE_DAMAGED);
                assert_string_equal(aside, text);
                free(aside);
                free(text);
                p2pd_state_deinit(&want);
        }
}

static void test_damaged_file_that_cannot_be_kept(void **state)
{
        const struct directory *d = *state;
        unsigned n_reports = 0;
        struct p2pd_state s;

        assert_int_equal(mkdirat(d->fd, P2PD_STATE_FILE_DAMAGED, 0700), 0);
        put_file(d, P2PD_STATE_FILE, "", 0);
        assert_int_equal(p2pd_state_load(d->fd, count, &n_reports, &s), 0);
        assert_true(s.is_id_set_lost);
        assert_int_equal(n_reports, 3);
        p2pd_state_deinit(&s);
}

static void test_newer_file_is_left_alone(void **state)
{
        /* "p2pd-state 3 anything" has this CRC-32. */
        static const char newer[] = "p2pd-state 3 anything a14fe250\nwhatever\n";
        const struct directory *d = *state;
        struct p2pd_state s = state_sample(0);
        unsigned n_reports = 0;
        char *text;

        put_file(d, P2PD_STATE_FILE, newer, sizeof(newer) - 1);
        assert_int_equal(p2pd_state_load(d->fd, count, &n_reports, &s), P2PD_STATE_E_NEWER);
        assert_int_equal(n_reports, 0);
        assert_int_equal(p2pd_state_save(d->fd, &s), P2PD_STATE_E_NEWER);
        text = get_file(d, P2PD_STATE_FILE);
        assert_string_equal(text, newer);
        expect_no_file(d, P2PD_STATE_FILE_NEW);
        expect_no_file(d, P2PD_STATE_FILE_DAMAGED);
        free(text);
        p2pd_state_deinit(&s);
}

static void test_what_is_no_file(void **state)
{
        const struct directory *d = *state;
        struct p2pd_state s = state_sample(0), got;

        assert_int_equal(mkdirat(d->fd, P2PD_STATE_FILE, 0700), 0);
        assert_int_equal(p2pd_state_load(d->fd, NULL, NULL, &got), -EINVAL);
        assert_int_equal(p2pd_state_save(d->fd, &s), -EINVAL);
        assert_int_equal(unlinkat(d->fd, P2PD_STATE_FILE, AT_REMOVEDIR), 0);
        /* Nobody writes into it: this must not wait. */
        assert_int_equal(mkfifoat(d->fd, P2PD_STATE_FILE, 0600), 0);
        assert_int_equal(p2pd_state_load(d->fd, NULL, NULL, &got), -EINVAL);
        assert_int_equal(unlinkat(d->fd, P2PD_STATE_FILE, 0), 0);
        assert_int_equal(symlinkat("/dev/zero", d->fd, P2PD_STATE_FILE), 0);
        assert_int_equal(p2pd_state_load(d->fd, NULL, NULL, &got), -ELOOP);
        assert_int_equal(p2pd_state_save(d->fd, &s), -ELOOP);
        p2pd_state_deinit(&s);
}

static void test_enormous_file(void **state)
{
        const struct directory *d = *state;
        struct p2pd_state s;
        int fd;

        save(d, 0);
        fd = openat(d->fd, P2PD_STATE_FILE, O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, (off_t)1 << 36), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(p2pd_state_load(d->fd, NULL, NULL, &s), 0);
        assert_true(s.is_damaged && !s.is_id_set_lost);
        assert_int_equal(s.n_leases, 2);
        p2pd_state_deinit(&s);
}

/* How many steps a save of variant 2 takes. */
static unsigned count_steps(const struct directory *d, size_t write_limit)
{
        steps = (typeof(steps)){.armed = true, .write_limit = write_limit};
        save(d, 2);
        steps.armed = false;
        return steps.n;
}

#define SMALL_WRITES 300

static void test_order_of_steps(void **state)
{
        const struct directory *d = *state;
        unsigned renamed = 0, n;
        int written = -1;

        save(d, 0);
        n = count_steps(d, SMALL_WRITES);
        for (unsigned i = 0; i < n; i++) {
                if (steps.log[i] == CALL_WRITE) {
                        assert_int_equal(renamed, 0);
                        written = steps.log_fd[i];
                }
                if (steps.log[i] == CALL_RENAME)
                        renamed = i;
        }
        /* The new file is synced after its last byte and before it has its name; the directory is
         * after that. */
        assert_true(written >= 0 && renamed >= 2);
        assert_int_equal(steps.log[renamed - 2], CALL_FSYNC);
        assert_int_equal(steps.log_fd[renamed - 2], written);
        assert_int_equal(steps.log[renamed - 1], CALL_CLOSE);
        assert_int_equal(n, renamed + 2);
        assert_int_equal(steps.log[n - 1], CALL_FSYNC);
        assert_int_equal(steps.log_fd[n - 1], d->fd);
}

static void test_every_step_fails(void **state)
{
        static const int errors[] = {ENOSPC, EIO, EROFS, EDQUOT};
        const struct directory *d = *state;
        unsigned n, n_failed = 0;

        save(d, 0);
        n = count_steps(d, SMALL_WRITES);
        for (unsigned i = 0; i < 4 * n; i++) {
                struct p2pd_state s = state_sample(2);
                bool is_last_sync;
                int r;

                save(d, 1);
                steps = (typeof(steps)){
                        .armed = true,
                        .fail_at = 1 + i / 4,
                        .error = errors[i % 4],
                        .write_limit = SMALL_WRITES,
                };
                r = p2pd_state_save(d->fd, &s);
                steps.armed = false;
                is_last_sync = i / 4 == n - 1;
                if (r == 0) {
                        /* Closing a file that was only read. */
                        assert_int_equal(steps.log[i / 4], CALL_CLOSE);
                        assert_true(holds(d, 2));
                } else {
                        n_failed++;
                        assert_int_equal(r, -errors[i % 4]);
                        assert_true(holds(d, is_last_sync ? 2 : 1));
                }
                expect_no_file(d, P2PD_STATE_FILE_NEW);
                p2pd_state_deinit(&s);
        }
        assert_true(n_failed >= 4 * (n - 1));
}

static void test_interrupted_writes(void **state)
{
        const struct directory *d = *state;
        unsigned n, n_interrupted = 0;

        save(d, 0);
        n = count_steps(d, SMALL_WRITES);
        for (unsigned i = 0; i < n; i++) {
                if (steps.log[i] != CALL_WRITE)
                        continue;
                n_interrupted++;
                steps = (typeof(steps)){
                        .armed = true,
                        .fail_at = i + 1,
                        .error = EINTR,
                        .write_limit = SMALL_WRITES,
                };
                save(d, 3);
                steps.armed = false;
                assert_true(holds(d, 3));
                (void)count_steps(d, SMALL_WRITES);
        }
        assert_true(n_interrupted > 3);
}

/* A process that saves variant 2 and ends in a step. */
static void save_and_die(const struct directory *d, unsigned at, bool after)
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                struct p2pd_state s = state_sample(2);

                steps = (typeof(steps)){
                        .armed = true,
                        .die_at = at,
                        .dies_after = after,
                        .write_limit = SMALL_WRITES,
                };
                (void)p2pd_state_save(d->fd, &s);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What a power cut may leave of a file that was not synced: nothing, a part, or zeros. */
static void lose_new_file(const struct directory *d, unsigned how)
{
        int fd = openat(d->fd, P2PD_STATE_FILE_NEW, O_WRONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(ftruncate(fd, how == 2 ? 0 : st.st_size * how / 2), 0);
        if (how == 2)
                assert_int_equal(ftruncate(fd, st.st_size), 0);
        assert_int_equal(close(fd), 0);
}

static void test_cut_at_every_step(void **state)
{
        const struct directory *d = *state;
        unsigned n, renamed = 0;

        save(d, 0);
        n = count_steps(d, SMALL_WRITES);
        for (unsigned i = 0; i < n; i++)
                if (steps.log[i] == CALL_RENAME)
                        renamed = i + 1;
        for (unsigned at = 1; at <= n; at++)
                for (unsigned how = 0; how < 6; how++) {
                        const bool after = how % 2 == 1;

                        save(d, 1);
                        save_and_die(d, at, after);
                        /* Synced is what was before the rename, so it can lose only this. */
                        if (at < renamed)
                                lose_new_file(d, how / 2);
                        assert_true(holds(d, at > renamed || (at == renamed && after) ? 2 : 1));
                        /* And life goes on. */
                        save(d, 3);
                        assert_true(holds(d, 3));
                        expect_no_file(d, P2PD_STATE_FILE_NEW);
                }
}

static void test_through_the_registry(void **state)
{
        const struct directory *d = *state;
        struct p2pd_state s = state_sample(4), again = P2PD_STATE_NULL;
        struct p2p_bar_ids *ids = p2p_bar_ids_new(6);
        unsigned n_reports = 0;

        (void)d;
        assert_int_equal(p2pd_state_to_bar_ids(&s, count, &n_reports, ids), 0);
        assert_int_equal(n_reports, 0);
        assert_int_equal(p2pd_state_from_bar_ids(&again, ids), 0);
        /* The rest does not come from there. */
        for (uint32_t i = 0; i < s.n_leases; i++)
                p2pd_state_lease_deinit(&s.leases[i]);
        s.n_leases = 0;
        s.last_lease = 0;
        s.boot_id[0] = '\0';
        assert_true(state_is_equal(&s, &again));
        p2pd_state_deinit(&again);
        p2p_bar_ids_free(ids);

        s.is_id_set_lost = true;
        ids = p2p_bar_ids_new(6);
        assert_int_equal(p2pd_state_to_bar_ids(&s, count, &n_reports, ids), 0);
        assert_true(p2p_bar_ids_never_recorded_lost(ids));
        assert_int_equal(p2pd_state_from_bar_ids(&again, ids), 0);
        assert_true(again.is_id_set_lost);
        p2pd_state_deinit(&again);
        p2p_bar_ids_free(ids);
        p2pd_state_deinit(&s);
}

static void test_registry_refuses(void **state)
{
        struct p2pd_state s = state_sample(4);
        struct p2p_bar_ids *ids = p2p_bar_ids_new(6);
        unsigned n_reports = 0;

        (void)state;
        s.ids[1].bar_index = P2P_BARS_MAX;
        s.registrations[1] = s.registrations[0];
        assert_int_equal(p2pd_state_to_bar_ids(&s, count, &n_reports, ids), 0);
        assert_int_equal(n_reports, 2);
        assert_true(p2p_bar_ids_never_recorded_lost(ids));
        assert_int_equal(p2p_bar_ids_status(ids).n_registrations, 1);
        p2p_bar_ids_free(ids);
        p2pd_state_deinit(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_no_file),
                TEST(test_round_trip),
                TEST(test_leftover_of_a_save),
                TEST(test_damaged_file_is_kept_aside),
                TEST(test_damaged_file_that_cannot_be_kept),
                TEST(test_newer_file_is_left_alone),
                TEST(test_what_is_no_file),
                TEST(test_enormous_file),
                TEST(test_order_of_steps),
                TEST(test_every_step_fails),
                TEST(test_interrupted_writes),
                TEST(test_cut_at_every_step),
                cmocka_unit_test(test_registry_refuses),
                TEST(test_through_the_registry),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
