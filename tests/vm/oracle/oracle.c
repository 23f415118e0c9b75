// SPDX-License-Identifier: LGPL-2.1-or-later
#include "oracle.h"

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>

static struct dentry *directory;

static int __init oracle_init(void)
{
        int r;

        directory = debugfs_create_dir("p2pd-oracle", NULL);
        if (IS_ERR(directory))
                return PTR_ERR(directory);
        r = oracle_verdicts_init(directory);
        if (r < 0) {
                debugfs_remove(directory);
                return r;
        }
        oracle_hosts_init(directory);
        oracle_table_init(directory);
        return 0;
}

static void __exit oracle_exit(void)
{
        debugfs_remove(directory);
        oracle_hosts_exit();
        oracle_verdicts_exit();
        oracle_table_exit();
}

module_init(oracle_init);
module_exit(oracle_exit);
MODULE_DESCRIPTION("Asks p2pdma for its verdicts, plays PCI host bridges, reads a p2pd table");
/* LGPL-2.1 section 3 lets it be taken under the GPL, and the symbols used are for GPL modules. */
MODULE_LICENSE("GPL");
