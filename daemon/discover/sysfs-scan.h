/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine from a tree, live or captured. */

#include "machine.h"
#include "scope.h"
#include "sysfs.h"
#include "tree.h"

struct p2pd_sysfs_scan_params {
        const struct p2pd_tree *tree;
        /* Live: where config space comes from, and the machine before or NULL. NULL: a captured
         * root. */
        p2pd_config_fn config_fn;
        void *config_userdata;
        const struct p2p_machine *previous;
        /* What is read; all other facts are those of previous, as sysfs-keep.h says. NULL, without
         * previous, or where functions are not listed in sys/bus/pci/devices: everything. */
        const struct p2pd_scope *scope;
};

/* Reads and finishes the machine. 0, or a negative errno with *ret_error saying what in
 * a static sentence. */
int p2pd_sysfs_scan(const struct p2pd_sysfs_scan_params *params, struct p2p_machine **ret,
                    const char **ret_error);
