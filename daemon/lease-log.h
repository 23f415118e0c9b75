/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What becomes of leases, for the administrator. */

#include "leases.h"

/* A p2pd_lease_event_fn without userdata: leases with a name, and whatever is lost; the rest is for
 * debugging. */
void p2pd_log_lease(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                    const struct p2pd_lease_device *device, void *userdata);
