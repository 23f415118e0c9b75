/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of the lease table, for leases.c, lease-follow.c and lease-state.c. */

#include "leases.h"

struct p2pd_leases {
        struct p2pd_leases_params params;
        struct p2pd_lease **items; /* in the order of their numbers */
        uint32_t n, size;
        uint32_t n_devices;   /* of all leases */
        uint64_t last_number; /* that was given */

        const struct p2p_machine *machine; /* followed last; only compared */
        uint64_t n_learned; /* how often more became known of what a held device is */
        uint32_t n_functions;
        /* By function of it: the lease that holds the function, and one that holds a virtual
         * function of it; or NULL. */
        struct p2pd_lease **holders, **vf_holders;
};

/* With room for so many devices, and no number yet. name, owner: or NULL. NULL: out of memory. */
struct p2pd_lease *p2pd_lease_new(uint32_t n_devices, const char *name, const char *owner);
/* Accepts NULL. */
void p2pd_lease_free(struct p2pd_lease *lease);

/* Room for one more lease: 0 or -ENOMEM. And puts it there, the last one by its number. */
int p2pd_leases_reserve(struct p2pd_leases *l);
void p2pd_leases_append(struct p2pd_leases *l, struct p2pd_lease *lease);

/* Fills holders and vf_holders anew from the devices' indices. */
void p2pd_leases_index(struct p2pd_leases *l);
