/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is so for the whole machine: processor, kernel, NUMA nodes, IOMMU and its groups. */

#include "machine.h"
#include "tree.h"

/* Fills the machine wide facts from proc, sys and boot of the tree. has_p2pmem: a function was seen
 * with a p2pmem directory, so the kernel has P2PDMA. iommu_device: name of an IOMMU that a function
 * links to, or "". 0 or -ENOMEM. */
int p2pd_platform_read(const struct p2pd_tree *t, bool has_p2pmem, const char *iommu_device,
                       struct p2p_machine *m);

/* Reads type and reserved regions of the groups that the machine has. 0 or -ENOMEM. */
int p2pd_groups_read(const struct p2pd_tree *t, struct p2p_machine *m);
