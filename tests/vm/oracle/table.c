// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <p2pd/table.h>

#include "oracle.h"

/* More segments than one BAR can be cut into here. */
#define SEGMENTS_MAX 4U
#define TABLE_BYTES_MAX (64U << 20)

static DEFINE_MUTEX(lock); /* guards memory and reader */
static void *memory;
static struct p2p_table reader;

/* One BAR as one client reaches it by the table, beside what the kernel knows of the BAR itself. */
static void show_bar(struct seq_file *s, struct pci_dev *provider, unsigned int bar,
                     struct pci_dev *client)
{
        const u64 start = pci_resource_start(provider, bar),
                  bytes = pci_resource_len(provider, bar);
        struct p2p_table_segment segments[SEGMENTS_MAX];
        struct p2p_table_client at;
        struct p2p_table_pair pair = {};
        struct p2p_table_hit hit = {};
        u32 n = 0;
        int r;

        r = p2p_table_get_client(&reader, pci_domain_nr(client->bus), client->bus->number,
                                 client->devfn, &at);
        if (r == P2P_TABLE_OK)
                r = p2p_table_lookup(&reader, start + bytes - 1, &hit);
        if (r == P2P_TABLE_OK)
                r = p2p_table_map(&reader, at, start, bytes, segments, SEGMENTS_MAX, &n);
        if (r == P2P_TABLE_OK && hit.id)
                r = p2p_table_get_pair(&reader, hit.id, at, &pair);
        seq_printf(s, "%s\t%u\t%s\t%d", pci_name(provider), bar, pci_name(client), r);
        if (r != P2P_TABLE_OK) {
                seq_putc(s, '\n');
                return;
        }
        seq_printf(s, "\t%u\t%llu\t%u\t%u\t%u", hit.place, hit.offset, hit.id, pair.map,
                   pair.distance);
        seq_printf(s, "\t%llu\t%u\t%u\t%llu\t%u\t%llu\t%llu\n", bytes, n, segments[0].map,
                   segments[0].bytes, segments[0].has_bus, segments[0].bus_start,
                   (u64)pci_bus_address(provider, bar));
}

static void show_provider(struct seq_file *s, struct pci_dev *provider)
{
        struct pci_dev *client = NULL;

        for (unsigned int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
                if (!(pci_resource_flags(provider, bar) & IORESOURCE_MEM) ||
                    !pci_resource_len(provider, bar))
                        continue;
                for_each_pci_dev(client) if (oracle_is_endpoint(client))
                        show_bar(s, provider, bar, client);
        }
}

static int table_show(struct seq_file *s, void *unused)
{
        struct pci_dev *provider = NULL;

        guard(mutex)(&lock);
        if (!memory)
                return -ENODATA;
        seq_printf(s, "%d\n", p2p_table_verify(&reader));
        for_each_pci_dev(provider) if (oracle_is_endpoint(provider)) show_provider(s, provider);
        return 0;
}

static int table_open(struct inode *inode, struct file *file)
{
        return single_open(file, table_show, NULL);
}

static ssize_t table_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
        void *copy;
        int r;

        if (n > TABLE_BYTES_MAX)
                return -EFBIG;
        copy = vmalloc(n);
        if (!copy)
                return -ENOMEM;
        guard(mutex)(&lock);
        r = copy_from_user(copy, from, n) ? -EFAULT : 0;
        if (r == 0 && p2p_table_attach(&reader, copy, n) != P2P_TABLE_OK)
                r = -EINVAL;
        if (r < 0) {
                vfree(copy);
                return r;
        }
        vfree(memory);
        memory = copy;
        return n;
}

static const struct file_operations table_operations = {
        .owner = THIS_MODULE,
        .open = table_open,
        .read = seq_read,
        .write = table_write,
        .llseek = seq_lseek,
        .release = single_release,
};

void oracle_table_init(struct dentry *directory)
{
        debugfs_create_file("table", 0600, directory, NULL, &table_operations);
}

void oracle_table_exit(void)
{
        vfree(memory);
}
