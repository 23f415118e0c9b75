/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-monitor.h"

#include <errno.h>
#include <libudev.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs-text.h"

/* Events come in bursts: room for a few thousand, where the system lets us have it. */
#define RECEIVE_BUFFER_BYTES (4 * 1024 * 1024)

struct p2pd_udev_monitor {
        struct udev *udev;
        struct udev_monitor *monitor;
};

static const char *const subsystems[] = {"pci", "net", "nvme", "infiniband", "drm", "accel"};

static const char *const actions[] = {"add", "remove", "change", "bind", "unbind", "move"};

struct p2pd_udev_monitor *p2pd_udev_monitor_free(struct p2pd_udev_monitor *m)
{
        if (!m)
                return NULL;
        if (m->monitor)
                udev_monitor_unref(m->monitor);
        if (m->udev)
                udev_unref(m->udev);
        free(m);
        return NULL;
}

static int subscribe(struct p2pd_udev_monitor *m)
{
        m->udev = udev_new();
        if (!m->udev)
                return -ENOMEM;
        m->monitor = udev_monitor_new_from_netlink(m->udev, "udev");
        if (!m->monitor)
                return errno > 0 ? -errno : -ENOMEM;
        for (size_t i = 0; i < sizeof(subsystems) / sizeof(subsystems[0]); i++) {
                int r = udev_monitor_filter_add_match_subsystem_devtype(m->monitor, subsystems[i],
                                                                        NULL);

                if (r < 0)
                        return r;
        }
        /* More than the system allows needs CAP_NET_ADMIN; an overrun is noticed anyway. */
        (void)udev_monitor_set_receive_buffer_size(m->monitor, RECEIVE_BUFFER_BYTES);
        return udev_monitor_enable_receiving(m->monitor);
}

int p2pd_udev_monitor_new(struct p2pd_udev_monitor **ret)
{
        struct p2pd_udev_monitor *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        r = subscribe(m);
        if (r < 0) {
                (void)p2pd_udev_monitor_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

int p2pd_udev_monitor_get_fd(const struct p2pd_udev_monitor *m)
{
        return udev_monitor_get_fd(m->monitor);
}

static bool matters(struct udev_device *device)
{
        const char *action = udev_device_get_action(device);

        for (size_t i = 0; action && i < sizeof(actions) / sizeof(actions[0]); i++)
                if (!strcmp(action, actions[i]))
                        return true;
        return false;
}

/* The innermost function in the path of a device; that of one which is gone names its function as
 * well. */
static bool find_function(const char *path, struct p2p_address *ret)
{
        bool found = false;

        while (path && *path) {
                const size_t length = strcspn(path, "/");

                found |= p2p_text_address(path, length, ret) == 0;
                path += length + (path[length] == '/');
        }
        return found;
}

static void note_event(struct udev_device *device, struct p2pd_udev_events *events)
{
        const char *subsystem = udev_device_get_subsystem(device);
        struct p2p_address address;

        if (!matters(device))
                return;
        if (find_function(udev_device_get_devpath(device), &address))
                p2pd_scope_add(&events->scope, address);
        else if (subsystem && !strcmp(subsystem, "pci"))
                events->scope.everything = true;
        else
                return;
        events->n_events++;
}

int p2pd_udev_monitor_receive(struct p2pd_udev_monitor *m, struct p2pd_udev_events *ret)
{
        struct p2pd_udev_events events = {0};

        for (;;) {
                struct udev_device *device;
                int error;

                errno = 0;
                device = udev_monitor_receive_device(m->monitor);
                error = errno;
                if (device) {
                        note_event(device, &events);
                        udev_device_unref(device);
                        continue;
                }
                if (error == ENOBUFS) {
                        events.overrun = true;
                        continue;
                }
                /* A message that is filtered out, or from nobody who may send it, ends up here as
                 * well, and leaves the rest for the next turn. */
                if (error && error != EAGAIN && error != EINTR && error != ENODEV &&
                    error != ENOMEM && error != EINVAL && error != EBADMSG)
                        return -error;
                break;
        }
        *ret = events;
        return 0;
}
