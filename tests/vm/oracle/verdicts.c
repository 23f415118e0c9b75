// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/debugfs.h>
#include <linux/dma-map-ops.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "oracle.h"

/*
 * The public function gives the distance or -1. The map type, and the distance of a refused pair,
 * are seen by a return probe on the function inside:
 *
 *   calc_map_type_and_dist(provider, client, int *dist, bool verbose) -> map type
 */

#define FUNCTIONS_MAX 4096U
/* Two addresses with 32-bit segments, two numbers, a word. */
#define LINE_MAX_BYTES 80U

struct seen {
        struct task_struct *asker; /* only this task's calls are looked at */
        unsigned int calls;
        int distance;
        int map;
};

struct answer {
        size_t n, size;
        char text[];
};

static DEFINE_MUTEX(lock); /* one reader computes at a time; guards seen */
static struct seen seen;

static int on_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
        if (READ_ONCE(seen.asker) != current)
                return 1;
        *(int **)instance->data = (int *)regs_get_kernel_argument(regs, 2);
        return 0;
}

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
        seen.map = (int)regs_return_value(regs);
        seen.distance = **(int **)instance->data;
        seen.calls++;
        return 0;
}

static struct kretprobe probe = {
        .kp.symbol_name = "calc_map_type_and_dist",
        .entry_handler = on_entry,
        .handler = on_return,
        .data_size = sizeof(int *),
};

static const char *map_name(int map)
{
        switch (map) {
        case PCI_P2PDMA_MAP_BUS_ADDR:
                return "bus";
        case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
                return "host-bridge";
        case PCI_P2PDMA_MAP_NOT_SUPPORTED:
                return "none";
        default:
                return "?";
        }
}

static int collect(struct pci_dev **functions, unsigned int *ret_n)
{
        struct pci_dev *dev = NULL;
        unsigned int n = 0;

        for_each_pci_dev(dev)
        {
                if (!oracle_is_endpoint(dev))
                        continue;
                if (n == FUNCTIONS_MAX) {
                        pci_dev_put(dev);
                        break;
                }
                functions[n++] = pci_dev_get(dev);
        }
        *ret_n = n;
        return n == FUNCTIONS_MAX ? -E2BIG : 0;
}

static int ask(struct pci_dev *provider, struct pci_dev *client, struct answer *answer)
{
        struct device *clients[] = {&client->dev};
        int distance;

        seen.calls = 0;
        distance = pci_p2pdma_distance_many(provider, clients, 1, false);
        if (seen.calls != 1)
                return -EIO;
        answer->n += scnprintf(answer->text + answer->n, answer->size - answer->n,
                               "%s\t%s\t%d\t%s\t%d\n", pci_name(provider), pci_name(client),
                               seen.distance, map_name(seen.map), distance);
        return 0;
}

static int ask_all(struct pci_dev *const *functions, unsigned int n, struct answer **ret)
{
        size_t size = (size_t)n * n * LINE_MAX_BYTES + 1;
        struct answer *answer;
        int r = 0;

        answer = kvmalloc(struct_size(answer, text, size), GFP_KERNEL);
        if (!answer)
                return -ENOMEM;
        answer->n = 0;
        answer->size = size;
        for (unsigned int i = 0; i < n && r == 0; i++) {
                for (unsigned int j = 0; j < n && r == 0; j++)
                        r = ask(functions[i], functions[j], answer);
                cond_resched();
        }
        if (r < 0) {
                kvfree(answer);
                return r;
        }
        *ret = answer;
        return 0;
}

static int verdicts_open(struct inode *inode, struct file *file)
{
        struct pci_dev **functions;
        struct answer *answer = NULL;
        unsigned int n = 0;
        int r;

        functions = kvcalloc(FUNCTIONS_MAX, sizeof(*functions), GFP_KERNEL);
        if (!functions)
                return -ENOMEM;
        mutex_lock(&lock);
        WRITE_ONCE(seen.asker, current);
        r = collect(functions, &n);
        if (r == 0)
                r = ask_all(functions, n, &answer);
        WRITE_ONCE(seen.asker, NULL);
        mutex_unlock(&lock);
        while (n > 0)
                pci_dev_put(functions[--n]);
        kvfree(functions);
        file->private_data = answer;
        return r;
}

static ssize_t verdicts_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
        const struct answer *answer = file->private_data;

        return simple_read_from_buffer(buf, n, pos, answer->text, answer->n);
}

static int verdicts_release(struct inode *inode, struct file *file)
{
        kvfree(file->private_data);
        return 0;
}

static const struct file_operations verdicts_operations = {
        .owner = THIS_MODULE,
        .open = verdicts_open,
        .read = verdicts_read,
        .release = verdicts_release,
        .llseek = default_llseek,
};

int oracle_verdicts_init(struct dentry *directory)
{
        int r = register_kretprobe(&probe);

        if (r < 0)
                return r;
        debugfs_create_file("verdicts", 0400, directory, NULL, &verdicts_operations);
        return 0;
}

void oracle_verdicts_exit(void)
{
        unregister_kretprobe(&probe);
}
