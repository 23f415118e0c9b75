/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Safe access to the files of a machine: the live /sys, /proc, /boot and /usr, or the same below a
 * directory (a captured root), which nothing in it can leave: whatever symbolic links stand there,
 * absolute, with "..", looping, they are resolved inside the directory or not at all. Only regular
 * files are read, so that a pipe or a device node in a captured root neither blocks nor acts.
 *
 * Buffers are the caller's. Lengths and counts are bytes. Functions that return a count return a
 * negative errno on failure; -ELOOP, -ENOTDIR, -EISDIR and -EINVAL stand for something of the wrong
 * kind in a file's place.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine.h"

struct p2pd_tree;

/* The running machine. 0, -ENOMEM, or why /sys cannot be opened. */
int p2pd_tree_new_live(struct p2pd_tree **ret);

/* A captured root. 0, -ENOMEM, or why dir cannot be opened (-ENOENT, -ENOTDIR, -EACCES). */
int p2pd_tree_new_root(const char *dir, struct p2pd_tree **ret);

/* Accepts NULL; returns NULL. */
struct p2pd_tree *p2pd_tree_free(struct p2pd_tree *t);

static inline void p2pd_tree_freep(struct p2pd_tree **t)
{
        if (*t)
                p2pd_tree_free(*t);
}

/* Resolve links ourselves, as on kernels without openat2(2). For tests. */
void p2pd_tree_set_manual(struct p2pd_tree *t, bool manual);

/* Opens a directory; path is relative and begins with "sys", "proc", "boot" or "usr". The
 * descriptor is the caller's. */
int p2pd_tree_open_dir(const struct p2pd_tree *t, const char *path);

/* Reads a file from its start until its end or until the buffer is full. */
ssize_t p2pd_tree_read(const struct p2pd_tree *t, const char *path, void *buf, size_t size);

/* The same as text: at most size - 1 bytes, always NUL-terminated on success. */
ssize_t p2pd_tree_read_text(const struct p2pd_tree *t, const char *path, char *buf, size_t size);

/* Opens a file for reading that is read in pieces. */
int p2pd_tree_open_file(const struct p2pd_tree *t, const char *path);

/*
 * Inside an open directory; name has no slash, and a symbolic link of that name is refused.
 */
int p2pd_dir_open_dir(int dir, const char *name);
/* known_regular: a directory listing said so, which saves asking again. */
ssize_t p2pd_dir_read(int dir, const char *name, bool known_regular, void *buf, size_t size);
ssize_t p2pd_dir_read_text(int dir, const char *name, bool known_regular, char *buf, size_t size);
/* Where a link points, NUL-terminated. -EINVAL: no link. -ENAMETOOLONG: does not fit. */
ssize_t p2pd_dir_read_link(int dir, const char *name, char *buf, size_t size);

enum p2pd_entry_type {
        P2PD_ENTRY_FILE,
        P2PD_ENTRY_DIR,
        P2PD_ENTRY_LINK,
        P2PD_ENTRY_OTHER,
};

struct p2pd_listed {
        const char *name; /* holds during the call */
        enum p2pd_entry_type type;
        uint64_t inode; /* of the entry itself, also of a link */
};

/* Called for each entry but "." and "..". Return 0 to go on, anything else ends the listing and is
 * returned by it. */
typedef int (*p2pd_entry_fn)(const struct p2pd_listed *entry, void *userdata);

/* Lists a directory that was just opened. buf: room for the system's entries, at least 1 KiB,
 * aligned for uint64_t. 0, a negative errno, or what entry_fn returned. */
int p2pd_dir_list(int dir, void *buf, size_t size, p2pd_entry_fn entry_fn, void *userdata);

/* What a negative errno of these functions means for a fact. */
enum p2p_why p2pd_why_from_errno(int r);

/* close() for owned locals. */
void p2pd_closep(int *fd);
