/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the shared table finds a function by its address: a perfect hash over all endpoint functions
 * of a machine, as p2p_table_find_client() of p2pd/table.h asks it.
 */

#include <stdint.h>

struct p2p_machine;

struct p2pd_table_clients {
        uint16_t *multipliers; /* by bucket, in host order */
        uint32_t n_buckets;    /* a power of two */
        uint32_t *functions;   /* by slot: index into the machine, or P2P_NONE */
        uint32_t n_slots;      /* a power of two, more than there are endpoints */
        uint32_t *slots;       /* by function: its slot; P2P_NONE: no endpoint */
};

/* The same machine gives the same hash. 0, -ENOMEM, or -E2BIG: no perfect hash was found (more
 * endpoints than PCI addresses a few segments hold). */
int p2pd_table_clients_new(const struct p2p_machine *m, struct p2pd_table_clients **ret);
struct p2pd_table_clients *p2pd_table_clients_free(struct p2pd_table_clients *c);
