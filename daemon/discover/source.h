/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a machine comes from: this machine (libudev, sysfs, libpci), a captured root (--root DIR)
 * or an lspci dump
 * (--lspci FILE). All three give the same record.
 */

#include "machine.h"

struct p2pd_scope;
struct p2pd_source;
struct p2pd_config_reader;

/* reader: live only, may be NULL (then config space is read in this process with the privilege it
 * has); it stays the caller's and must outlive the source. path: the directory or file; NULL for
 * live. Opens, does not scan. 0 or a negative errno (-ENOENT: no such root or file; -ENOTDIR;
 * -EFBIG). */
int p2pd_source_new(enum p2p_source_kind kind, const char *path, struct p2pd_config_reader *reader,
                    struct p2pd_source **ret);
struct p2pd_source *p2pd_source_free(struct p2pd_source *s);

/*
 * Reads the machine and builds a finished record. scope: what is read of a live machine or captured
 * root; facts of other functions are copied from previous, see sysfs-keep.h. NULL: everything; so
 * is it without previous, and of an lspci dump. Blocks for as long as the files take. What cannot
 * be read is unknown in the machine, with a warning where that is not ordinary; only memory, or a
 * source that is not there at all (no sys/bus/pci; not a dump), makes it fail, with a sentence in
 * *ret_error (static or in the source, never NULL then). previous: the machine before, or NULL;
 * functions that are runtime suspended keep their former config facts instead of being woken up.
 */
int p2pd_source_scan(struct p2pd_source *s, const struct p2p_machine *previous,
                     const struct p2pd_scope *scope, struct p2p_machine **ret,
                     const char **ret_error);
