/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config-reader.h"
#include "config-space.h"
#include "lspci-dump.h"
#include "sysfs-scan.h"
#include "tree.h"

struct p2pd_source {
        enum p2p_source_kind kind;
        struct p2pd_tree *tree;            /* live, captured root */
        struct p2pd_config_reader *reader; /* not owned */
        struct p2pd_config_space *space;   /* live without a reader */
        char *path;                        /* lspci dump: opened anew for each scan */
};

struct p2pd_source *p2pd_source_free(struct p2pd_source *s)
{
        if (!s)
                return NULL;
        (void)p2pd_tree_free(s->tree);
        (void)p2pd_config_space_free(s->space);
        free(s->path);
        free(s);
        return NULL;
}

static int open_source(struct p2pd_source *s, const char *path)
{
        int r;

        switch (s->kind) {
        case P2P_SOURCE_LIVE:
                r = p2pd_tree_new_live(&s->tree);
                if (r == 0 && !s->reader)
                        r = p2pd_config_space_new(&s->space);
                return r;
        case P2P_SOURCE_ROOT:
                return p2pd_tree_new_root(path, &s->tree);
        case P2P_SOURCE_LSPCI:
                s->path = strdup(path);
                return s->path ? p2pd_lspci_dump_check(path) : -ENOMEM;
        default:
                return -EINVAL;
        }
}

int p2pd_source_new(enum p2p_source_kind kind, const char *path, struct p2pd_config_reader *reader,
                    struct p2pd_source **ret)
{
        struct p2pd_source *s;
        int r;

        assert(path || kind == P2P_SOURCE_LIVE);
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->kind = kind;
        s->reader = reader;
        r = open_source(s, path);
        if (r < 0) {
                (void)p2pd_source_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

static enum p2p_why read_config(struct p2p_address address, uint8_t *bytes, uint32_t *ret_n_bytes,
                                void *userdata)
{
        struct p2pd_source *s = userdata;
        struct p2pd_config_read read = {.address = address, .bytes = bytes};

        if (!s->reader)
                return p2pd_config_space_read(s->space, address, bytes, ret_n_bytes);
        p2pd_config_reader_read(s->reader, &read, 1);
        *ret_n_bytes = read.n_bytes;
        return read.why;
}

int p2pd_source_scan(struct p2pd_source *s, const struct p2p_machine *previous,
                     const struct p2pd_scope *scope, struct p2p_machine **ret,
                     const char **ret_error)
{
        struct p2pd_sysfs_scan_params params = {
                .tree = s->tree,
                .previous = previous,
                .scope = scope,
        };

        if (s->kind == P2P_SOURCE_LSPCI)
                return p2pd_lspci_dump_scan(s->path, ret, ret_error);
        if (s->kind == P2P_SOURCE_LIVE) {
                params.config_fn = read_config;
                params.config_userdata = s;
        }
        return p2pd_sysfs_scan(&params, ret, ret_error);
}
