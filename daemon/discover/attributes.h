/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every file that discover reads, in one place: the scan takes its facts from these and from no
 * others, and a capture that copies these (links as links) answers as the machine itself. Depends
 * on nothing, so that the capturing client can include it.
 */

#include <stddef.h>

enum p2p_attribute_kind {
        P2P_ATTRIBUTE_TEXT,          /* a text file */
        P2P_ATTRIBUTE_BINARY,        /* config space */
        P2P_ATTRIBUTE_LINK,          /* a symbolic link; where it points is the fact */
        P2P_ATTRIBUTE_NAMES,         /* a directory; only the names of its entries are read */
        P2P_ATTRIBUTE_KERNEL_CONFIG, /* a kernel's build configuration; '*' is the release that
                                        osrelease or version tells */
};

/* The text or bytes can hold something that tells this one machine from its twins: the Device
 * Serial Number capability (extended id 0x0003) in config space, a MAC address in a network name,
 * a root UUID in the kernel command line, the "Serial" line of an ARM cpuinfo. */
#define P2P_ATTRIBUTE_SERIAL 0x1U
/* Only there on some functions; a capture need not remark that it is missing. */
#define P2P_ATTRIBUTE_OPTIONAL 0x2U
/* More bytes for those with privilege (CAP_SYS_ADMIN): 64 without, CardBus bridges 128. */
#define P2P_ATTRIBUTE_PRIVILEGED 0x4U

struct p2p_attribute {
        const char *path; /* relative, see the arrays; '*' stands for any one name and 'N' of
                             "virtioN" for a number */
        enum p2p_attribute_kind kind;
        unsigned flags;
        size_t max_bytes; /* what is past this is not read; 0 for links and names */
};

#define P2P_ATTRIBUTE_TEXT_MAX 4096U
#define P2P_ATTRIBUTE_LONG_TEXT_MAX 65536U
/* A kernel's build configuration; read in pieces, no more than this of it. */
#define P2P_ATTRIBUTE_KERNEL_CONFIG_MAX (1024U * 1024U)

/* Relative to the directory of a function, sys/bus/pci/devices/SSSS:BB:DD.F/ (which is itself a
 * link: its target places the function in the tree, so a capture keeps it). */
static const struct p2p_attribute p2p_function_attributes[] = {
        {"config", P2P_ATTRIBUTE_BINARY, P2P_ATTRIBUTE_SERIAL | P2P_ATTRIBUTE_PRIVILEGED, 4096},
        {"uevent", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"vendor", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"device", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"subsystem_vendor", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"subsystem_device", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"class", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"revision", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"resource", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"numa_node", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"dma_mask_bits", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"local_cpulist", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"ari_enabled", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"current_link_speed", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"current_link_width", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"max_link_speed", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"max_link_width", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"secondary_bus_number", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_TEXT_MAX},
        {"subordinate_bus_number", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_TEXT_MAX},
        {"sriov_totalvfs", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"sriov_numvfs", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"power/runtime_status", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_TEXT_MAX},
        {"p2pmem/size", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"p2pmem/available", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"p2pmem/published", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"driver", P2P_ATTRIBUTE_LINK, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"iommu_group", P2P_ATTRIBUTE_LINK, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"iommu", P2P_ATTRIBUTE_LINK, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"physfn", P2P_ATTRIBUTE_LINK, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"net", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_SERIAL | P2P_ATTRIBUTE_OPTIONAL, 0},
        {"nvme", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"infiniband", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"drm", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"accel", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"virtioN/net", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_SERIAL | P2P_ATTRIBUTE_OPTIONAL, 0},
};

/* Relative to the root of the tree (/ on the live machine). */
static const struct p2p_attribute p2p_machine_attributes[] = {
        {"sys/bus/pci/devices/*", P2P_ATTRIBUTE_LINK, 0, 0},
        {"proc/cpuinfo", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_SERIAL, P2P_ATTRIBUTE_LONG_TEXT_MAX},
        {"proc/cmdline", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_SERIAL, P2P_ATTRIBUTE_TEXT_MAX},
        {"proc/version", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"proc/sys/kernel/osrelease", P2P_ATTRIBUTE_TEXT, 0, P2P_ATTRIBUTE_TEXT_MAX},
        {"boot/config-*", P2P_ATTRIBUTE_KERNEL_CONFIG, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_KERNEL_CONFIG_MAX},
        {"usr/lib/modules/*/config", P2P_ATTRIBUTE_KERNEL_CONFIG, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_KERNEL_CONFIG_MAX},
        {"sys/devices/system/node", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        /* An empty directory is a fact as well (no IOMMU): a capture keeps it. */
        {"sys/class/iommu", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"sys/kernel/iommu_groups", P2P_ATTRIBUTE_NAMES, P2P_ATTRIBUTE_OPTIONAL, 0},
        {"sys/kernel/iommu_groups/*/type", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_TEXT_MAX},
        {"sys/kernel/iommu_groups/*/reserved_regions", P2P_ATTRIBUTE_TEXT, P2P_ATTRIBUTE_OPTIONAL,
         P2P_ATTRIBUTE_LONG_TEXT_MAX},
};
