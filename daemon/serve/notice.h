/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A reply that goes to every client who follows: written once, shared, counted. */

#include <stddef.h>

#include "decide/diff.h"
#include "leases.h"
#include "serve/buffer.h"
#include "snapshot.h"

struct p2pd_notice {
        unsigned n_refs;
        struct p2pd_buffer text; /* a whole message with its NUL byte; never consumed */
};

/* What changed with this snapshot, as a reply of Monitor. 0 or -ENOMEM. */
int p2pd_notice_new(const struct p2pd_snapshot *snapshot, const struct p2p_diff *diff,
                    struct p2pd_notice **ret);
struct p2pd_lease_news {
        enum p2pd_lease_event_kind kind;
        const struct p2pd_lease *lease;
        const struct p2pd_lease_device *device; /* of LOST, BACK and MOVED, else NULL */
        struct p2pd_lease_time now;
};

/* What happened to a lease, as a reply of WatchLeases. 0 or -ENOMEM. */
int p2pd_notice_new_lease(const struct p2pd_snapshot *snapshot, const struct p2pd_lease_news *news,
                          struct p2pd_notice **ret);
struct p2pd_notice *p2pd_notice_ref(struct p2pd_notice *n);
/* Accepts NULL; returns NULL. */
struct p2pd_notice *p2pd_notice_unref(struct p2pd_notice *n);
