/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One function's directory in sysfs, live or captured, into its slot of the scan. One listing tells
 * which files exist, so that nothing is opened in vain; each file is opened at most once. Virtual
 * functions, which come by the thousand and are all alike, are not listed: for them the few files
 * that count are tried.
 */

#include <stddef.h>
#include <stdint.h>

#include "scan.h"
#include "tree.h"

/*
 * Where config space of the live machine comes from. Reads into bytes (room for 4096); sets
 * *ret_n_bytes to what was read and returns KNOWN, or why nothing was.
 */
typedef enum p2p_why (*p2pd_config_fn)(struct p2p_address address, uint8_t *bytes,
                                       uint32_t *ret_n_bytes, void *userdata);

#define P2PD_NODES_MAX 64U

/* What one thread needs to read functions. */
struct p2pd_sysfs {
        const struct p2pd_tree *tree;
        int devices;              /* sys/bus/pci/devices, the owner's */
        p2pd_config_fn config_fn; /* NULL: the config files are read */
        void *config_userdata;
        const struct p2p_machine *previous; /* live: facts of suspended functions; or NULL */
        uint8_t number;                     /* of this reader, into scratch->reader */
        int error;                          /* -ENOMEM once there was no memory */

        /* Neighbours mostly hang below one port: its directory, kept open, or -1. */
        int port;
        struct p2p_place port_place; /* of what is directly in it */

        /* Strings of the functions read so far. */
        char *text;
        size_t n_text, text_room;
        /* local_cpulist belongs to a node: where in text the nodes' lists are, plus 1. */
        uint32_t node_cpulist[P2PD_NODES_MAX];

        _Alignas(uint64_t) char entries[8192];
        uint8_t config[4096 + 1]; /* one more byte than there can be, to notice it */
        char line[4096];
};

/* Prepares a reader. It is large: not for the stack of a small thread. */
void p2pd_sysfs_init(struct p2pd_sysfs *r, const struct p2pd_tree *tree, int devices,
                     uint8_t number);
void p2pd_sysfs_deinit(struct p2pd_sysfs *r);

/* Reads function i of the scan. Memory trouble is noted in r->error, all else in the facts. */
void p2pd_sysfs_read_function(struct p2pd_sysfs *r, struct p2pd_scan *s, uint32_t i);

/* Strings of a function that r has read, in this order. names are n_names strings, one after the
 * other's NUL. */
struct p2pd_sysfs_strings {
        const char *driver, *cpulist, *iommu; /* "" for none */
        const char *names;
};
struct p2pd_sysfs_strings p2pd_sysfs_get_strings(const struct p2pd_sysfs *r,
                                                 const struct p2pd_scratch *x);
