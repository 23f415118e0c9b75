/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is so for the whole machine: processor, kernel, NUMA nodes, IOMMU and its groups. */

#include "machine.h"
#include "tree.h"

struct p2pd_platform_params {
        const struct p2pd_tree *tree;
        /* A machine of the same running kernel, whose processor, release and command line are taken
         * over as far as they are known; or NULL. */
        const struct p2p_machine *previous;
        bool has_p2pmem; /* a function was seen with a p2pmem directory: the kernel has P2PDMA */
        const char *iommu_device; /* name of an IOMMU that a function links to, or "" */
};

/* Fills the machine wide facts from proc, sys and boot of the tree. 0 or -ENOMEM. */
int p2pd_platform_read(const struct p2pd_platform_params *params, struct p2p_machine *m);

/* Reads type and reserved regions of n of the groups that the machine has, by their indices; NULL:
 * of all n. 0 or -ENOMEM. */
int p2pd_groups_read(const struct p2pd_tree *t, struct p2p_machine *m, const uint32_t *which,
                     uint32_t n);
