/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The directories are opened once, through libc's open(), so that a test bed which redirects /sys
 * is honoured; everything below them goes through descriptors. openat2(2) with RESOLVE_IN_ROOT
 * makes the kernel keep every lookup inside. Where the kernel does not have it (before 5.6, or a
 * filter that answers EPERM or ENOSYS), walk() does the same in steps, one component at a time,
 * never following a link by itself and never going above the first descriptor.
 */

#include "tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WALK_DEPTH_MAX 64U
#define WALK_LINKS_MAX 40U
/* openat2 answers EAGAIN when something was renamed or mounted meanwhile. */
#define TRIES_MAX 8U

#define FILE_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

enum part { PART_SYS, PART_PROC, PART_BOOT, PART_USR, PART_MAX };

static const char *const part_names[PART_MAX] = {"sys", "proc", "boot", "usr"};

struct p2pd_tree {
        int root; /* of a captured root; -1: live */
        int parts[PART_MAX];
        bool manual;
};

static struct p2pd_tree *take_tree(struct p2pd_tree **t)
{
        struct p2pd_tree *taken = *t;

        *t = NULL;
        return taken;
}

void p2pd_closep(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd);
}

static struct p2pd_tree *tree_alloc(void)
{
        struct p2pd_tree *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->root = -1;
        for (unsigned i = 0; i < PART_MAX; i++)
                t->parts[i] = -1;
        return t;
}

int p2pd_tree_new_live(struct p2pd_tree **ret)
{
        __attribute__((cleanup(p2pd_tree_freep))) struct p2pd_tree *t = tree_alloc();

        if (!t)
                return -ENOMEM;
        t->parts[PART_SYS] = open("/sys", DIR_FLAGS);
        if (t->parts[PART_SYS] < 0)
                return -errno;
        /* Without these some facts are unknown, and that is all. */
        t->parts[PART_PROC] = open("/proc", DIR_FLAGS);
        t->parts[PART_BOOT] = open("/boot", DIR_FLAGS);
        t->parts[PART_USR] = open("/usr", DIR_FLAGS);
        *ret = take_tree(&t);
        return 0;
}

int p2pd_tree_new_root(const char *dir, struct p2pd_tree **ret)
{
        __attribute__((cleanup(p2pd_tree_freep))) struct p2pd_tree *t = tree_alloc();

        if (!t)
                return -ENOMEM;
        t->root = open(dir, DIR_FLAGS);
        if (t->root < 0)
                return -errno;
        *ret = take_tree(&t);
        return 0;
}

struct p2pd_tree *p2pd_tree_free(struct p2pd_tree *t)
{
        if (!t)
                return NULL;
        p2pd_closep(&t->root);
        for (unsigned i = 0; i < PART_MAX; i++)
                p2pd_closep(&t->parts[i]);
        free(t);
        return NULL;
}

void p2pd_tree_set_manual(struct p2pd_tree *t, bool manual)
{
        t->manual = manual;
}

/* The state of a lookup in steps: the directories from the root down to where it stands, and what
 * is left of the path. */
struct walk {
        int root;
        int stack[WALK_DEPTH_MAX];
        unsigned depth;
        unsigned n_links;
        char rest[PATH_MAX];
};

static void walk_pop(struct walk *w)
{
        if (w->depth > 0)
                (void)close(w->stack[--w->depth]);
}

static int walk_here(const struct walk *w)
{
        return w->depth > 0 ? w->stack[w->depth - 1] : w->root;
}

/* Puts the target of a link in front of what is left. fd is the link itself. */
static int walk_follow(struct walk *w, int fd)
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(fd, "", target, sizeof(target));
        size_t n_rest = strlen(w->rest);

        if (n < 0)
                return -errno;
        if (++w->n_links > WALK_LINKS_MAX)
                return -ELOOP;
        if ((size_t)n + 1 + n_rest + 1 > sizeof(w->rest))
                return -ENAMETOOLONG;
        memmove(w->rest + n + 1, w->rest, n_rest + 1);
        memcpy(w->rest, target, (size_t)n);
        w->rest[n] = '/';
        if (n > 0 && target[0] == '/')
                while (w->depth > 0)
                        walk_pop(w);
        return 0;
}

/* Cuts the next component off. The whole rest is used up when it returns false. */
static bool walk_next(struct walk *w, char component[static NAME_MAX + 1], int *ret_error)
{
        size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");

        *ret_error = 0;
        if (n == 0)
                return false;
        if (n > NAME_MAX) {
                *ret_error = -ENAMETOOLONG;
                return false;
        }
        memcpy(component, w->rest + skip, n);
        component[n] = '\0';
        memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
        return true;
}

static bool walk_is_last(const struct walk *w)
{
        return w->rest[strspn(w->rest, "/")] == '\0';
}

/* One component; 0 to go on, 1 when *ret_file is the regular file at the end of the path. */
static int walk_step(struct walk *w, const char *component, int *ret_file)
{
        __attribute__((cleanup(p2pd_closep))) int fd = -1;
        struct stat st;

        if (!strcmp(component, "."))
                return 0;
        if (!strcmp(component, "..")) {
                walk_pop(w);
                return 0;
        }
        fd = openat(walk_here(w), component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return walk_follow(w, fd);
        if (S_ISDIR(st.st_mode)) {
                if (w->depth == WALK_DEPTH_MAX)
                        return -ENAMETOOLONG;
                w->stack[w->depth++] = fd;
                fd = -1;
                return 0;
        }
        if (!walk_is_last(w))
                return -ENOTDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        *ret_file = openat(walk_here(w), component, FILE_FLAGS | O_NOFOLLOW);
        return *ret_file < 0 ? -errno : 1;
}

static int walk(int root, const char *path, int flags)
{
        struct walk w = {.root = root};
        char component[NAME_MAX + 1];
        int r = 0, file = -1;

        if (strlen(path) >= sizeof(w.rest))
                return -ENAMETOOLONG;
        strcpy(w.rest, path);
        while (r == 0 && walk_next(&w, component, &r))
                r = walk_step(&w, component, &file);
        if (r == 0) {
                file = flags & O_DIRECTORY ? openat(walk_here(&w), ".", flags) : -1;
                r = flags & O_DIRECTORY ? (file < 0 ? -errno : 1) : -EISDIR;
        } else if (r == 1 && flags & O_DIRECTORY) {
                (void)close(file);
                r = -ENOTDIR;
        }
        while (w.depth > 0)
                walk_pop(&w);
        return r < 0 ? r : file;
}

static int open_in_root(int root, const char *path, int flags)
{
        struct open_how how = {
                .flags = (uint64_t)flags,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };

        for (unsigned i = 0; i < TRIES_MAX; i++) {
                long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

                if (fd >= 0)
                        return (int)fd;
                if (errno != EAGAIN)
                        return -errno;
        }
        return -EAGAIN;
}

/* Splits "sys/bus/..." into the descriptor to start from and what is left of the path. */
static int tree_start(const struct p2pd_tree *t, const char **path)
{
        if (t->root >= 0)
                return t->root;
        for (unsigned i = 0; i < PART_MAX; i++) {
                size_t n = strlen(part_names[i]);

                if (strncmp(*path, part_names[i], n) || ((*path)[n] != '/' && (*path)[n]))
                        continue;
                *path += n + ((*path)[n] == '/');
                if (!**path)
                        *path = ".";
                return t->parts[i] < 0 ? -ENOENT : t->parts[i];
        }
        return -ENOENT;
}

static int tree_open(const struct p2pd_tree *t, const char *path, int flags)
{
        int start, fd;

        start = tree_start(t, &path);
        if (start < 0)
                return start;
        if (!t->manual) {
                fd = open_in_root(start, path, flags);
                if (fd != -ENOSYS && fd != -EPERM && fd != -EAGAIN)
                        return fd;
        }
        return walk(start, path, flags);
}

int p2pd_tree_open_dir(const struct p2pd_tree *t, const char *path)
{
        return tree_open(t, path, DIR_FLAGS);
}

static int check_regular(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

int p2pd_tree_open_file(const struct p2pd_tree *t, const char *path)
{
        __attribute__((cleanup(p2pd_closep))) int fd = -1;
        struct stat st;
        int r;

        /* A device node may act on being opened: look at what it is first. */
        fd = t->root >= 0 ? tree_open(t, path, O_PATH | O_CLOEXEC) : -1;
        if (fd >= 0 && (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))))
                return -EINVAL;
        p2pd_closep(&fd);
        fd = tree_open(t, path, FILE_FLAGS);
        if (fd < 0) {
                r = fd;
                fd = -1;
                return r;
        }
        r = check_regular(fd);
        if (r < 0)
                return r;
        r = fd;
        fd = -1;
        return r;
}

/* Files of /proc come in pieces; the end is a read of nothing. */
static ssize_t read_all(int fd, void *buf, size_t size)
{
        size_t n = 0;

        while (n < size) {
                ssize_t got = read(fd, (char *)buf + n, size - n);

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

ssize_t p2pd_tree_read(const struct p2pd_tree *t, const char *path, void *buf, size_t size)
{
        __attribute__((cleanup(p2pd_closep))) int fd = p2pd_tree_open_file(t, path);

        return fd < 0 ? fd : read_all(fd, buf, size);
}

ssize_t p2pd_tree_read_text(const struct p2pd_tree *t, const char *path, char *buf, size_t size)
{
        ssize_t n = p2pd_tree_read(t, path, buf, size - 1);

        if (n >= 0)
                buf[n] = '\0';
        return n;
}

int p2pd_dir_open_dir(int dir, const char *name)
{
        int fd = openat(dir, name, DIR_FLAGS | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

ssize_t p2pd_dir_read(int dir, const char *name, bool known_regular, void *buf, size_t size)
{
        __attribute__((cleanup(p2pd_closep))) int fd = openat(dir, name, FILE_FLAGS | O_NOFOLLOW);
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        /* What is no file gives nothing (a FIFO) or no end (a device): only then it is looked at,
         * for a call less on each of thousands of files. */
        if (!known_regular && (n == 0 || (size_t)n == size)) {
                r = check_regular(fd);
                if (r < 0)
                        return r;
        }
        return n;
}

ssize_t p2pd_dir_read_text(int dir, const char *name, bool known_regular, char *buf, size_t size)
{
        ssize_t n = p2pd_dir_read(dir, name, known_regular, buf, size - 1);

        if (n >= 0)
                buf[n] = '\0';
        return n;
}

ssize_t p2pd_dir_read_link(int dir, const char *name, char *buf, size_t size)
{
        ssize_t n = readlinkat(dir, name, buf, size);

        if (n < 0)
                return -errno;
        if ((size_t)n >= size)
                return -ENAMETOOLONG;
        buf[n] = '\0';
        return n;
}

static enum p2pd_entry_type entry_type(int dir, const struct dirent64 *d)
{
        struct stat st;

        switch (d->d_type) {
        case DT_REG:
                return P2PD_ENTRY_FILE;
        case DT_DIR:
                return P2PD_ENTRY_DIR;
        case DT_LNK:
                return P2PD_ENTRY_LINK;
        case DT_UNKNOWN:
                break;
        default:
                return P2PD_ENTRY_OTHER;
        }
        if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return P2PD_ENTRY_OTHER;
        return S_ISREG(st.st_mode)   ? P2PD_ENTRY_FILE
               : S_ISDIR(st.st_mode) ? P2PD_ENTRY_DIR
               : S_ISLNK(st.st_mode) ? P2PD_ENTRY_LINK
                                     : P2PD_ENTRY_OTHER;
}

int p2pd_dir_list(int dir, void *buf, size_t size, p2pd_entry_fn entry_fn, void *userdata)
{
        assert((uintptr_t)buf % sizeof(uint64_t) == 0);
        for (;;) {
                ssize_t n = getdents64(dir, buf, size);
                int r;

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                for (size_t at = 0; at < (size_t)n;) {
                        const struct dirent64 *d = (const void *)((const char *)buf + at);
                        struct p2pd_listed entry;

                        at += d->d_reclen;
                        if (d->d_name[0] == '.' &&
                            (!d->d_name[1] || (d->d_name[1] == '.' && !d->d_name[2])))
                                continue;
                        entry = (struct p2pd_listed){d->d_name, entry_type(dir, d), d->d_ino};
                        r = entry_fn(&entry, userdata);
                        if (r != 0)
                                return r;
                }
        }
}

enum p2p_why p2pd_why_from_errno(int r)
{
        switch (-r) {
        case ENOENT:
                return P2P_WHY_NO_FILE;
        case EACCES:
        case EPERM:
                return P2P_WHY_NO_PRIVILEGE;
        case ELOOP:
        case EINVAL:
        case EISDIR:
        case ENOTDIR:
        case ENAMETOOLONG:
                return P2P_WHY_MALFORMED;
        case ENODEV:
        case ENXIO:
                return P2P_WHY_GONE;
        default:
                return P2P_WHY_IO_ERROR;
        }
}
