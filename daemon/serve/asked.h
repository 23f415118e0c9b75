/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a question about free devices needs of the state that it is answered in: its clients, and
 * what leases hold. Kept by address from the call on, looked up when the job begins. */

#include <stdbool.h>
#include <stdint.h>

#include "serve/call.h"
#include "serve/job.h"

struct p2pd_asked {
        struct p2p_address *clients;
        uint32_t n_clients;
        uint32_t *functions; /* of the clients; set by prepare */
        bool *held;          /* by function; likewise */
};

/* Reads names of functions that must be endpoints; at most max of them. Otherwise FunctionNotFound,
 * FunctionAmbiguous, TooMuch, or InvalidParameter with this name. 0, P2PD_CALL_REFUSED or -ENOMEM.
 * Deinit in any case. */
int p2pd_asked_read(struct p2pd_call *call, const struct p2pd_argument *argument, const char *name,
                    uint32_t max, struct p2pd_asked *ret);

/* For p2pd_job_type.prepare: makes the job speak of the current snapshot. with_held: what leases
 * hold counts as held, else nothing does. 0; P2PD_CALL_REFUSED with an error in the job's text: a
 * client is gone; or -ENOMEM. */
int p2pd_asked_prepare(struct p2pd_asked *asked, struct p2pd_job *job, struct p2pd_server *s,
                       bool with_held);

/* Accepts a zeroed one. */
void p2pd_asked_deinit(struct p2pd_asked *asked);
