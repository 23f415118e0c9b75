/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of the lease table, for leases.c and lease-follow.c. */

#include "leases.h"

struct p2pd_leases {
        struct p2pd_leases_params params;
        struct p2pd_lease **items; /* in the order of their numbers */
        uint32_t n, size;
        uint32_t n_devices;   /* of all leases */
        uint64_t last_number; /* that was given */

        const struct p2p_machine *machine; /* followed last; only compared */
        uint32_t n_functions;
        /* By function of it: the lease that holds the function, and one that holds a virtual
         * function of it; or NULL. */
        struct p2pd_lease **holders, **vf_holders;
};

/* Fills holders and vf_holders anew from the devices' indices. */
void p2pd_leases_index(struct p2pd_leases *l);
