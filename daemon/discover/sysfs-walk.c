/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs-walk.h"

#include <errno.h>
#include <string.h>

/* Hyper-V puts its root buses six directories deep, and nothing else puts them deeper. */
#define DEPTH_OUTSIDE_MAX 8U
#define DEPTH_MAX 64U

struct walk {
        p2pd_walk_fn walk_fn;
        void *userdata;
        int dir;
        unsigned depth;
        bool in_root; /* at or below a root bus */
        size_t length;
        char path[1024];
};

static int visit(const struct p2pd_listed *entry, void *userdata);

static int list(struct walk *w, int dir)
{
        _Alignas(uint64_t) char entries[2048];
        int outer = w->dir, r;

        w->dir = dir;
        w->depth++;
        r = p2pd_dir_list(dir, entries, sizeof(entries), visit, w);
        w->depth--;
        w->dir = outer;
        return r;
}

static int visit(const struct p2pd_listed *entry, void *userdata)
{
        const char *name = entry->name;
        __attribute__((cleanup(p2pd_closep))) int dir = -1;
        struct walk *w = userdata;
        const size_t length = w->length, n = strlen(name);
        const bool in_root = w->in_root, is_root = !strncmp(name, "pci", 3) && strchr(name, ':');
        struct p2p_address address;
        const bool is_function = in_root && p2p_text_address(name, n, &address) == 0;
        int r = 0;

        if (entry->type != P2PD_ENTRY_DIR || (in_root && !is_root && !is_function) ||
            w->depth > (in_root ? DEPTH_MAX : DEPTH_OUTSIDE_MAX) ||
            n + 2 > sizeof(w->path) - length)
                return 0;
        dir = p2pd_dir_open_dir(w->dir, name);
        if (length)
                w->path[w->length++] = '/';
        memcpy(w->path + w->length, name, n + 1);
        w->length += n;
        w->in_root |= is_root;
        if (is_function)
                r = w->walk_fn(w->path, address, w->userdata);
        if (r == 0 && dir >= 0)
                r = list(w, dir);
        w->in_root = in_root;
        w->length = length;
        w->path[length] = '\0';
        /* A directory that cannot be listed to its end hides no more than one that is not there. */
        return r < 0 && r != -ENOMEM ? 0 : r;
}

int p2pd_sysfs_walk(const struct p2pd_tree *tree, p2pd_walk_fn walk_fn, void *userdata)
{
        __attribute__((cleanup(p2pd_closep))) int dir = p2pd_tree_open_dir(tree, "sys/devices");
        struct walk w = {.walk_fn = walk_fn, .userdata = userdata, .dir = -1};

        return dir < 0 ? dir : list(&w, dir);
}
