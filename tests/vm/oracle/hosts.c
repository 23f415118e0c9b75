// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/xarray.h>

#include "oracle.h"

#define DESCRIPTION_MAX (64U << 20)

struct function {
        u8 bus, devfn;
        u16 config_bytes;
        u16 n_vfs;
        u8 *config;
        u8 *writable; /* a mask per byte of config */
};

struct host {
        struct list_head node;
        struct pci_sysdata sysdata; /* what the architecture's code expects behind bus->sysdata */
        struct resource buses;
        struct pci_bus *bus;
        struct pci_dev *parent;  /* referenced, or NULL */
        struct xarray functions; /* bus << 8 | devfn -> struct function */
};

struct reader {
        const u8 *at;
        size_t left;
};

static DEFINE_MUTEX(lock); /* guards hosts */
static LIST_HEAD(hosts);

static struct function *function_at(struct pci_bus *bus, unsigned int devfn)
{
        struct host *host = container_of(bus->sysdata, struct host, sysdata);

        return xa_load(&host->functions, (unsigned long)bus->number << 8 | devfn);
}

static int config_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
        const struct function *f = function_at(bus, devfn);

        PCI_SET_ERROR_RESPONSE(value);
        if (!f)
                return PCIBIOS_DEVICE_NOT_FOUND;
        if (where + size > f->config_bytes)
                return PCIBIOS_BAD_REGISTER_NUMBER;
        *value = 0;
        for (int i = 0; i < size; i++)
                *value |= (u32)f->config[where + i] << 8 * i;
        return PCIBIOS_SUCCESSFUL;
}

static int config_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
        struct function *f = function_at(bus, devfn);

        if (!f)
                return PCIBIOS_DEVICE_NOT_FOUND;
        if (where + size > f->config_bytes)
                return PCIBIOS_BAD_REGISTER_NUMBER;
        for (int i = 0; i < size; i++) {
                u8 mask = f->writable[where + i];

                f->config[where + i] =
                        (f->config[where + i] & ~mask) | ((u8)(value >> 8 * i) & mask);
        }
        return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_operations = {.read = config_read, .write = config_write};

static const void *take(struct reader *reader, size_t n)
{
        const u8 *at = reader->at;

        if (n > reader->left)
                return NULL;
        reader->at += n;
        reader->left -= n;
        return at;
}

static void function_free(struct function *f)
{
        kfree(f->config);
        kfree(f->writable);
        kfree(f);
}

static int read_writables(struct function *f, unsigned int n, struct reader *reader)
{
        const struct oracle_writable_record *record = take(reader, (size_t)n * sizeof(*record));

        if (!record)
                return -EINVAL;
        for (; n > 0; n--, record++) {
                unsigned int offset = le16_to_cpu(record->offset);

                if (offset + 4 > f->config_bytes)
                        return -EINVAL;
                put_unaligned_le32(le32_to_cpu(record->mask), f->writable + offset);
        }
        return 0;
}

static int read_function(struct host *host, struct reader *reader)
{
        const struct oracle_function_record *record = take(reader, sizeof(*record));
        struct function *f;
        const u8 *config;
        unsigned int n;
        int r = -EINVAL;

        if (!record)
                return -EINVAL;
        n = le16_to_cpu(record->config_bytes);
        config = take(reader, n);
        if (n < 64 || n > ORACLE_CONFIG_MAX || !config ||
            le16_to_cpu(record->n_writables) > ORACLE_WRITABLES_MAX)
                return -EINVAL;
        f = kzalloc(sizeof(*f), GFP_KERNEL);
        if (!f)
                return -ENOMEM;
        f->bus = record->bus;
        f->devfn = record->devfn;
        f->config_bytes = (u16)n;
        f->n_vfs = le16_to_cpu(record->n_vfs);
        f->config = kmemdup(config, n, GFP_KERNEL);
        f->writable = kzalloc(n, GFP_KERNEL);
        if (f->config && f->writable)
                r = read_writables(f, le16_to_cpu(record->n_writables), reader);
        else
                r = -ENOMEM;
        if (r == 0)
                r = xa_insert(&host->functions, (unsigned long)f->bus << 8 | f->devfn, f,
                              GFP_KERNEL);
        if (r < 0)
                function_free(f);
        return r;
}

static void disable_virtual(struct host *host)
{
        struct function *f;
        unsigned long index;

        xa_for_each(&host->functions, index, f)
        {
                struct pci_dev *dev;

                if (f->n_vfs == 0)
                        continue;
                dev = pci_get_domain_bus_and_slot(host->sysdata.domain, f->bus, f->devfn);
                if (dev)
                        pci_disable_sriov(dev);
                pci_dev_put(dev);
        }
}

static void host_free(struct host *host)
{
        struct function *f;
        unsigned long index;

        if (host->bus) {
                disable_virtual(host);
                pci_lock_rescan_remove();
                pci_stop_root_bus(host->bus);
                pci_remove_root_bus(host->bus);
                pci_unlock_rescan_remove();
        }
        pci_dev_put(host->parent);
        xa_for_each(&host->functions, index, f) function_free(f);
        xa_destroy(&host->functions);
        kfree(host);
}

static int enable_virtual(struct host *host)
{
        struct function *f;
        unsigned long index;
        int r = 0;

        xa_for_each(&host->functions, index, f)
        {
                struct pci_dev *dev;

                if (f->n_vfs == 0)
                        continue;
                dev = pci_get_domain_bus_and_slot(host->sysdata.domain, f->bus, f->devfn);
                if (!dev)
                        return -ENODEV;
                r = pci_enable_sriov(dev, f->n_vfs);
                pci_dev_put(dev);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Enumeration as for any host bridge, save that no resources are assigned: nobody drives these
 * functions, and what their BARs hold is what the description put there. */
static int host_scan(struct host *host)
{
        LIST_HEAD(resources);

        pci_add_resource(&resources, &ioport_resource);
        pci_add_resource(&resources, &iomem_resource);
        pci_add_resource(&resources, &host->buses);
        pci_lock_rescan_remove();
        host->bus = pci_create_root_bus(host->parent ? &host->parent->dev : NULL,
                                        (int)host->buses.start, &config_operations, &host->sysdata,
                                        &resources);
        if (!host->bus) {
                pci_unlock_rescan_remove();
                pci_free_resource_list(&resources);
                return -EEXIST;
        }
        pci_scan_child_bus(host->bus);
        pci_bus_add_devices(host->bus);
        pci_unlock_rescan_remove();
        return enable_virtual(host);
}

static int find_parent(struct host *host, const struct oracle_host_record *record)
{
        if (!record->with_parent)
                return 0;
        host->parent = pci_get_domain_bus_and_slot((int)le32_to_cpu(record->parent_segment),
                                                   record->parent_bus, record->parent_devfn);
        return host->parent ? 0 : -ENODEV;
}

static int read_host(struct reader *reader)
{
        const struct oracle_host_record *record = take(reader, sizeof(*record));
        struct host *host;
        int r;

        if (!record)
                return -EINVAL;
        host = kzalloc(sizeof(*host), GFP_KERNEL);
        if (!host)
                return -ENOMEM;
        xa_init(&host->functions);
        host->sysdata.domain = (int)le32_to_cpu(record->segment);
        host->sysdata.node = (s16)le16_to_cpu(record->node);
        host->buses = (struct resource){
                .name = "p2pd-oracle",
                .start = record->bus_start,
                .end = record->bus_end,
                .flags = IORESOURCE_BUS,
        };
        r = find_parent(host, record);
        for (u32 n = le32_to_cpu(record->n_functions); n > 0 && r == 0; n--)
                r = read_function(host, reader);
        if (r == 0)
                r = host_scan(host);
        if (r < 0) {
                host_free(host);
                return r;
        }
        list_add(&host->node, &hosts);
        return 0;
}

/* The newest first: a host bridge may hang below a function of an older one. */
static void remove_hosts(void)
{
        struct host *host, *next;

        list_for_each_entry_safe(host, next, &hosts, node)
        {
                list_del(&host->node);
                host_free(host);
        }
}

static int replace_hosts(const u8 *data, size_t n)
{
        struct reader reader = {.at = data, .left = n};
        const struct oracle_head *head;
        int r = 0;

        if (n < sizeof(head->magic) || memcmp(data, ORACLE_MAGIC, sizeof(head->magic)) != 0)
                return -EINVAL;
        remove_hosts();
        if (n == sizeof(head->magic))
                return 0;
        head = take(&reader, sizeof(*head));
        if (!head)
                return -EINVAL;
        for (u32 left = le32_to_cpu(head->n_hosts); left > 0 && r == 0; left--)
                r = read_host(&reader);
        if (r == 0 && reader.left != 0)
                r = -EINVAL;
        if (r < 0)
                remove_hosts();
        return r;
}

static ssize_t machine_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
        u8 *data;
        int r;

        if (n > DESCRIPTION_MAX)
                return -E2BIG;
        data = kvmalloc(n, GFP_KERNEL);
        if (!data)
                return -ENOMEM;
        if (copy_from_user(data, buf, n) != 0) {
                kvfree(data);
                return -EFAULT;
        }
        mutex_lock(&lock);
        r = replace_hosts(data, n);
        mutex_unlock(&lock);
        kvfree(data);
        return r < 0 ? r : (ssize_t)n;
}

static const struct file_operations machine_operations = {
        .owner = THIS_MODULE,
        .open = simple_open,
        .write = machine_write,
};

void oracle_hosts_init(struct dentry *directory)
{
        debugfs_create_file("machine", 0200, directory, NULL, &machine_operations);
}

void oracle_hosts_exit(void)
{
        mutex_lock(&lock);
        remove_hosts();
        mutex_unlock(&lock);
}
