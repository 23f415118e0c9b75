/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease-log.h"

#include <inttypes.h>

#include "log.h"

void p2pd_log_lease(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                    const struct p2pd_lease_device *device, void *userdata)
{
        const struct p2pd_log_fields fields = {
                .address = device ? &device->address : NULL,
                .message_id = P2PD_MESSAGE_LEASE,
        };
        const int priority = kind == P2PD_LEASE_LOST ? LOG_WARNING
                             : lease->name[0]        ? LOG_INFO
                                                     : LOG_DEBUG;

        (void)userdata;
        p2pd_log(priority, &fields, "lease %" PRIu64 "%s%s of user %u: %s", lease->number,
                 lease->name[0] ? " " : "", lease->name, lease->uid,
                 p2pd_lease_event_to_string(kind));
}
