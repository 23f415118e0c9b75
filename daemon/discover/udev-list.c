/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-list.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

static void udev_unrefp(struct udev **u)
{
        if (*u)
                udev_unref(*u);
}

static void enumerate_unrefp(struct udev_enumerate **e)
{
        if (*e)
                udev_enumerate_unref(*e);
}

int p2pd_udev_list_pci(int (*name_fn)(const char *name, void *userdata), void *userdata)
{
        __attribute__((cleanup(udev_unrefp))) struct udev *udev = udev_new();
        __attribute__((cleanup(enumerate_unrefp))) struct udev_enumerate *list = NULL;
        struct udev_list_entry *entry;
        int r;

        if (!udev)
                return -ENOMEM;
        list = udev_enumerate_new(udev);
        if (!list)
                return -ENOMEM;
        r = udev_enumerate_add_match_subsystem(list, "pci");
        if (r < 0)
                return r;
        r = udev_enumerate_scan_devices(list);
        if (r < 0)
                return r;
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
        {
                const char *path = udev_list_entry_get_name(entry);
                const char *slash = strrchr(path, '/');

                r = name_fn(slash ? slash + 1 : path, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}
