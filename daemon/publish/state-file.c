/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish/state-text.h"

void p2pd_state_lease_deinit(struct p2pd_state_lease *lease)
{
        free(lease->devices);
        lease->devices = NULL;
        lease->n_devices = 0;
}

void p2pd_state_deinit(struct p2pd_state *s)
{
        for (uint32_t i = 0; i < s->n_leases; i++)
                p2pd_state_lease_deinit(&s->leases[i]);
        free(s->leases);
        free(s->registrations);
        free(s->ids);
        *s = (struct p2pd_state)P2PD_STATE_NULL;
}

/* The state file, open for reading, or the errno of what failed; -EINVAL: it is no regular file. */
static int open_state(int dir_fd)
{
        int fd = openat(dir_fd, P2PD_STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat st;
        int r = 0;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode))
                r = -EINVAL;
        if (r == 0)
                return fd;
        (void)close(fd);
        return r;
}

/* Up to size bytes from the beginning; less only at the end. How many, or a negative errno. */
static ssize_t read_start(int fd, char *buf, size_t size)
{
        size_t n = 0;
        ssize_t got;

        while (n < size) {
                got = pread(fd, buf + n, size - n, (off_t)n);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t)got;
        }
        return (ssize_t)n;
}

/* What can be there of a file that p2pd wrote; what is beyond shows as damage. */
static int read_state(int fd, char **ret, size_t *ret_size)
{
        struct stat st;
        char *text;
        size_t size;
        ssize_t n;

        if (fstat(fd, &st) < 0)
                return -errno;
        size = st.st_size < P2PD_STATE_BYTES_MAX ? (size_t)st.st_size : P2PD_STATE_BYTES_MAX;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        n = read_start(fd, text, size);
        if (n < 0) {
                free(text);
                return (int)n;
        }
        *ret = text;
        *ret_size = (size_t)n;
        return 0;
}

static int read_from(int dir_fd, char **ret, size_t *ret_size)
{
        int fd = open_state(dir_fd), r;

        if (fd < 0)
                return fd;
        r = read_state(fd, ret, ret_size);
        (void)close(fd);
        return r;
}

/* A second name for it: the next save takes the first one away. */
static void keep_aside(int dir_fd, p2pd_state_report_fn report, void *userdata)
{
        char text[160];
        int e;

        if ((unlinkat(dir_fd, P2PD_STATE_FILE_DAMAGED, 0) < 0 && errno != ENOENT) ||
            linkat(dir_fd, P2PD_STATE_FILE, dir_fd, P2PD_STATE_FILE_DAMAGED, 0) < 0) {
                e = errno;
                (void)snprintf(text, sizeof(text),
                               "state file: the damaged one cannot be kept as %s: %s",
                               P2PD_STATE_FILE_DAMAGED, strerrordesc_np(e));
        } else {
                (void)snprintf(text, sizeof(text), "state file: the damaged one is kept as %s",
                               P2PD_STATE_FILE_DAMAGED);
        }
        if (report)
                report(text, userdata);
}

int p2pd_state_load(int dir_fd, p2pd_state_report_fn report, void *userdata, struct p2pd_state *ret)
{
        struct p2pd_state s = P2PD_STATE_NULL;
        char *text;
        size_t size;
        int r;

        r = read_from(dir_fd, &text, &size);
        if (r == -ENOENT) {
                *ret = s;
                return 0;
        }
        if (r < 0)
                return r;
        r = p2pd_state_parse(text, size, report, userdata, &s);
        free(text);
        if (r != 0)
                return r;
        if (s.is_damaged)
                keep_aside(dir_fd, report, userdata);
        *ret = s;
        return 0;
}

/* 0 if the file there may be replaced. */
static int check_replaceable(int dir_fd)
{
        static const char known[] = "p2pd-state 1 ";
        char start[sizeof(known) - 1], *text;
        size_t size;
        bool newer;
        ssize_t n;
        int fd, r;

        fd = open_state(dir_fd);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        n = read_start(fd, start, sizeof(start));
        if (n < 0 || (n == (ssize_t)sizeof(start) && memcmp(start, known, sizeof(start)) == 0)) {
                (void)close(fd);
                return n < 0 ? (int)n : 0;
        }
        r = read_state(fd, &text, &size);
        (void)close(fd);
        if (r < 0)
                return r;
        newer = p2pd_state_is_newer(text, size);
        free(text);
        return newer ? P2PD_STATE_E_NEWER : 0;
}

static int write_all(int fd, const char *text, size_t size)
{
        ssize_t n;

        while (size > 0) {
                n = write(fd, text, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                size -= (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(int dir_fd, const char *text, size_t size)
{
        int fd, r;

        if (unlinkat(dir_fd, P2PD_STATE_FILE_NEW, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, P2PD_STATE_FILE_NEW,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, size);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        return r;
}

int p2pd_state_save(int dir_fd, const struct p2pd_state *s)
{
        char *text;
        size_t size;
        int r;

        r = check_replaceable(dir_fd);
        if (r != 0)
                return r;
        r = p2pd_state_format(s, &text, &size);
        if (r < 0)
                return r;
        r = write_new(dir_fd, text, size);
        free(text);
        if (r == 0 && renameat(dir_fd, P2PD_STATE_FILE_NEW, dir_fd, P2PD_STATE_FILE) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir_fd, P2PD_STATE_FILE_NEW, 0);
                return r;
        }
        return fsync(dir_fd) < 0 ? -errno : 0;
}
