/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells that something happened to a PCI function, or below one, and to which; never what. Reading
 * is the truth. */

#include <stdbool.h>

#include "scope.h"

struct p2pd_udev_monitor;

/* Subscribes to subsystem pci, net, nvme, infiniband, drm, accel of udev's own events (after its
 * rules ran). */
int p2pd_udev_monitor_new(struct p2pd_udev_monitor **ret);
struct p2pd_udev_monitor *p2pd_udev_monitor_free(struct p2pd_udev_monitor *m);

/* Poll this for reading. */
int p2pd_udev_monitor_get_fd(const struct p2pd_udev_monitor *m);

struct p2pd_udev_events {
        /* That matter: udev action add, remove, change, bind, unbind or move of a PCI function or
         * of what is below one. A network device that is none's, as each container has, is not. */
        unsigned n_events;
        struct p2pd_scope scope; /* these functions */
        bool overrun;            /* ENOBUFS: some were lost */
};

/* Drains what is pending; does not block. 0 or a negative errno for a broken monitor. */
int p2pd_udev_monitor_receive(struct p2pd_udev_monitor *m, struct p2pd_udev_events *ret);
