/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two climbs of a pair, from provider and from client towards the root bus, and where they
 * meet. What Linux does with two nested loops, done in one pass; it says nothing about ACS.
 */

#include <stdint.h>

#include "machine.h"

struct p2p_walk {
        uint32_t common; /* the first common element, or P2P_NONE */
        /* Steps up to the common element; without one, all elements of the path. */
        uint32_t provider_hops, client_hops;
        uint32_t provider_top, client_top; /* the last element, without a parent */
};

/* Climbs from both functions (indices into m, asserted). Costs the depth of the deeper one. */
void p2p_walk_compute(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                      struct p2p_walk *ret);
