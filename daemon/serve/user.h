/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the clients of one user id make the daemon hold. Everything a client can make us keep is
 * charged to its uid here before it is kept, and discharged when it is gone; a charge that would
 * pass the limit is refused, and the peer is closed.
 */

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

enum p2pd_charge {
        P2PD_CHARGE_CONNECTIONS,
        P2PD_CHARGE_CALLS, /* accepted and not answered to the end */
        P2PD_CHARGE_BYTES, /* memory of buffers and of answers under way */
        P2PD_CHARGE_MAX,
};

struct p2pd_user {
        LIST_ENTRY(p2pd_user) node;
        uid_t uid;
        unsigned n_refs;
        uint64_t used[P2PD_CHARGE_MAX];
};

struct p2pd_users {
        LIST_HEAD(, p2pd_user) list; /* those with a reference; at most one per connection */
        uint64_t limits[P2PD_CHARGE_MAX];
};

/* Refusal of p2pd_user_charge(). */
enum { P2PD_USER_E_LIMIT = 1 };

/* The user with this uid, made if there is none, with a reference. NULL: out of memory. */
struct p2pd_user *p2pd_users_get(struct p2pd_users *users, uid_t uid);

/* Drops a reference; with the last (everything discharged: asserted) the user is forgotten. Accepts
 * NULL; returns NULL. */
struct p2pd_user *p2pd_user_unref(struct p2pd_user *user);

/* Charges n more, or nothing: 0 or P2PD_USER_E_LIMIT. */
int p2pd_user_charge(const struct p2pd_users *users, struct p2pd_user *user, enum p2pd_charge what,
                     uint64_t n);

/* n must have been charged (asserted). */
void p2pd_user_discharge(struct p2pd_user *user, enum p2pd_charge what, uint64_t n);
