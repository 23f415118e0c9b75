/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A test module with three files in debugfs, below p2pd-oracle/:
 *
 *   verdicts  reading it asks the running kernel's p2pdma for every ordered pair of endpoint
 *             functions and gives a line each: provider, client, distance, map, and what
 *             pci_p2pdma_distance_many() returned, TAB separated.
 *   machine   writing a description (layout below) replaces the PCI host bridges that this module
 *             plays by those of the description; the magic alone takes them all away. One write
 *             holds the whole description.
 *   table     writing the bytes of p2pd's shared table attaches a copy of it with p2pd/table.h, as
 *             a driver would; reading gives the result of p2p_table_verify(), then a line for each
 *             memory BAR and each client, TAB separated: what the table says of them beside what
 *             the kernel knows of the BAR. The fields are those of show_bar() in table.c.
 *
 * The config space of such a host bridge lies in memory. The kernel enumerates it like any other.
 */

#include <linux/pci.h>
#include <linux/types.h>

struct dentry;

/* Who is asked about: p2pd's pairs are of the same functions. */
static inline bool oracle_is_endpoint(const struct pci_dev *dev)
{
        return dev->class >> 16 != PCI_BASE_CLASS_BRIDGE;
}

#define ORACLE_MAGIC "P2PDHB1\n"
#define ORACLE_CONFIG_MAX 4096U
#define ORACLE_WRITABLES_MAX 64U

/* All fields little-endian. */

struct oracle_head {
        char magic[8];
        __le32 n_hosts;
} __packed;

/* A host bridge; n_functions records follow. with_parent: it hangs below this function, which
 * exists already, as behind a VMD. node: -1 for none. */
struct oracle_host_record {
        __le32 segment;
        __le32 parent_segment;
        __u8 parent_bus;
        __u8 parent_devfn;
        __u8 with_parent;
        __u8 bus_start;
        __u8 bus_end;
        __u8 reserved;
        __le16 node;
        __le32 n_functions;
} __packed;

/* A function: config_bytes of config space follow, then n_writables records. n_vfs: how many
 * virtual functions are to be enabled; their config space is described by records of their own. */
struct oracle_function_record {
        __u8 bus;
        __u8 devfn;
        __le16 config_bytes;
        __le16 n_writables;
        __le16 n_vfs;
} __packed;

/* A dword of config space that keeps what is written to these bits; all others are read-only. */
struct oracle_writable_record {
        __le16 offset;
        __le16 reserved;
        __le32 mask;
} __packed;

/* Arms the probe. 0, or what register_kretprobe() says. */
int oracle_verdicts_init(struct dentry *directory);
void oracle_verdicts_exit(void);

/* May block; takes the lock against rescan and remove. */
void oracle_hosts_init(struct dentry *directory);
void oracle_hosts_exit(void);

/* May block. */
void oracle_table_init(struct dentry *directory);
void oracle_table_exit(void);
