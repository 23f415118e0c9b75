/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Taking a lease on behalf of a client: what TakeLease and Place share. */

#include "leases.h"
#include "serve/call.h"

/* The longest time a lease may be asked for: a hundred years. */
#define P2PD_HOLD_SECONDS_MAX 3155760000

/* The type Hold of the interface. */
struct p2pd_hold {
        char name[P2PD_LEASE_NAME_MAX + 1]; /* "": tied to the connection */
        char owner[P2PD_LEASE_OWNER_MAX + 1];
        uint64_t seconds; /* 0: never expires */
};

/* Reads a parameter of that type; otherwise InvalidParameter. 0 or P2PD_CALL_REFUSED. */
int p2pd_call_hold(struct p2pd_call *call, const struct p2pd_argument *argument,
                   struct p2pd_hold *ret);

/* Begins to take these functions of the current machine for the client, whose connection then waits
 * with P2PD_WAIT_LEASE for what p2pd_reply_lease() answers. 0; -ENOMEM; or what
 * p2pd_lease_keeper_take() refuses with. */
int p2pd_hold_begin(struct p2pd_server *s, struct p2pd_connection *c, const struct p2pd_hold *hold,
                    const uint32_t *functions, uint32_t n, struct p2pd_lease_obstacle *ret);

/* Writes the error for such a refusal, and leaves it to the caller to count it; returns
 * P2PD_CALL_REFUSED. */
int p2pd_hold_refuse(struct p2pd_server *s, struct p2pd_writer *w, int refusal,
                     const struct p2pd_lease_obstacle *obstacle);
