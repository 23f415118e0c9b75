/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A function while its directory is open, for the files that read it (sysfs*.c). */

#include "sysfs.h"

#define P2PD_NAMES_MAX 64U
#define P2PD_NAMES_TEXT_MAX 1024U
#define P2PD_VIRTIO_MAX 4U

/* The entries of a function's directory that matter. */
enum p2pd_entry {
        P2PD_ENTRY_ARI,
        P2PD_ENTRY_CLASS,
        P2PD_ENTRY_CONFIG,
        P2PD_ENTRY_CURRENT_SPEED,
        P2PD_ENTRY_CURRENT_WIDTH,
        P2PD_ENTRY_DEVICE,
        P2PD_ENTRY_DMA_MASK,
        P2PD_ENTRY_DRIVER,
        P2PD_ENTRY_IOMMU,
        P2PD_ENTRY_GROUP,
        P2PD_ENTRY_CPULIST,
        P2PD_ENTRY_MAX_SPEED,
        P2PD_ENTRY_MAX_WIDTH,
        P2PD_ENTRY_NUMA_NODE,
        P2PD_ENTRY_P2PMEM,
        P2PD_ENTRY_PHYSFN,
        P2PD_ENTRY_POWER,
        P2PD_ENTRY_RESOURCE,
        P2PD_ENTRY_REVISION,
        P2PD_ENTRY_SECONDARY,
        P2PD_ENTRY_SRIOV_NUMVFS,
        P2PD_ENTRY_SRIOV_TOTALVFS,
        P2PD_ENTRY_SUBORDINATE,
        P2PD_ENTRY_SUBSYSTEM_DEVICE,
        P2PD_ENTRY_SUBSYSTEM_VENDOR,
        P2PD_ENTRY_UEVENT,
        P2PD_ENTRY_VENDOR,
        /* Directories whose entries are names of the function. */
        P2PD_ENTRY_ACCEL,
        P2PD_ENTRY_DRM,
        P2PD_ENTRY_INFINIBAND,
        P2PD_ENTRY_NET,
        P2PD_ENTRY_NVME,
        P2PD_ENTRY_MAX,
};

extern const char *const p2pd_entry_names[P2PD_ENTRY_MAX];

/* Beside enum p2pd_entry_type: not there, and not known because the directory was not listed. */
#define P2PD_ENTRY_MISSING 0xffU
#define P2PD_ENTRY_UNLISTED 0xfeU

/* A function while its directory is open. */
struct p2pd_reading {
        struct p2pd_sysfs *r;
        struct p2pd_scan *s;
        uint32_t index;
        struct p2p_function *f;
        struct p2pd_scratch *x;
        int dir;
        uint8_t type[P2PD_ENTRY_MAX]; /* enum p2pd_entry_type, or one of the above */
        uint32_t virtio[P2PD_VIRTIO_MAX];
        uint32_t n_virtio;
        char names[P2PD_NAMES_TEXT_MAX];
        uint16_t name_at[P2PD_NAMES_MAX];
        uint16_t n_names, names_used;
        char driver[64], cpulist[1024], iommu[32];
        bool uevent_tells_driver; /* it was read: without DRIVER no driver is bound */
};

/* Opens the function's directory and notes its place in the tree. The descriptor (the caller's) or
 * a negative errno. */
int p2pd_reading_open(struct p2pd_reading *g);

/* Whether this is a virtual function, and whose. Before the listing. */
bool p2pd_reading_is_vf(struct p2pd_reading *g);

/* Finds out which files there are. 0 or a negative errno. */
int p2pd_reading_list(struct p2pd_reading *g);

/* Is the entry there, or may it be. */
bool p2pd_reading_has(const struct p2pd_reading *g, enum p2pd_entry e);

/* Reads the text of a file into g->r->line: KNOWN, or why not. */
enum p2p_why p2pd_reading_text(struct p2pd_reading *g, enum p2pd_entry e);

/* Reads a file of one number; what does not parse, or is above max, is noted as a problem. */
struct p2p_fact p2pd_reading_number(struct p2pd_reading *g, enum p2pd_entry e, unsigned base,
                                    uint64_t max);

/* Last component of where a link points, in g->r->line: KNOWN, ABSENT without the link, or why. */
enum p2p_why p2pd_reading_link(struct p2pd_reading *g, enum p2pd_entry e, const char **ret);

/* Notes P2PD_PROBLEM_... if the fact is MALFORMED. */
void p2pd_reading_note_malformed(struct p2pd_reading *g, struct p2p_fact fact, uint32_t problem);

/* Reads and parses config space, or keeps what was read before of a suspended function. */
void p2pd_reading_config(struct p2pd_reading *g);
