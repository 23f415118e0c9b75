/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The functions of a captured root that lacks sys/bus/pci/devices, from the names of the
 * directories below sys/devices. */

#include "sysfs-text.h"
#include "tree.h"

/* Told of each function: its path below sys/devices, which holds only during the call. Anything but
 * 0 ends the walk. */
typedef int (*p2pd_walk_fn)(const char *path, struct p2p_address address, void *userdata);

/* Follows no links; what cannot be opened is passed over. Blocks while it reads directories. 0, a
 * negative errno if sys/devices cannot be listed, or what walk_fn returned. */
int p2pd_sysfs_walk(const struct p2pd_tree *tree, p2pd_walk_fn walk_fn, void *userdata);
