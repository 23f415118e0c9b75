/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The provider nearest to a set of clients, as the kernel's own search would find it: among the
 * functions with published p2pmem that every client can reach, the one with the smallest sum of
 * distances. The kernel draws lots among equals and knows no leases; here the lowest address wins
 * and what is held is left out. Rule source: Linux drivers/pci/p2pdma.c, pci_p2pmem_find_many() and
 * pci_p2pdma_distance_many(). The kernel does not look at how much memory is free.
 *
 * The search takes p2pmem and verdicts from the facts, so an unknown one excludes: the kernel,
 * which knows, might take that provider.
 */

#include "decide/verdicts.h"

enum p2p_nearest_why {
        P2P_NEAREST_UNKNOWN,        /* whether it has published p2pmem is unknown */
        P2P_NEAREST_UNPUBLISHED,    /* its p2pmem is its driver's own */
        P2P_NEAREST_NO_MEMORY,      /* less p2pmem is free than was asked for, or none there is */
        P2P_NEAREST_CLIENT_NONE,    /* a client cannot reach it */
        P2P_NEAREST_CLIENT_UNKNOWN, /* whether a client can reach it is unknown */
        P2P_NEAREST_HELD,           /* a lease holds it; the kernel might take it all the same */
        P2P_NEAREST_WHY_MAX,
};

/* "unknown", "unpublished", "no-memory", "client-none", "client-unknown", "held". NULL for another
 * value. */
const char *p2p_nearest_why_to_string(enum p2p_nearest_why why);

struct p2p_nearest_params {
        const struct p2p_machine *machine;
        const struct p2p_verdicts *verdicts; /* of the machine, under the rules that count */
        const uint32_t *clients;             /* indices, at least 1 (asserted) */
        uint32_t n_clients;
        const bool *held;             /* by function: not to be offered. NULL: nothing is */
        uint64_t min_available_bytes; /* of free p2pmem; 0: like the kernel, does not ask */
        uint32_t max;                 /* how many to list */
};

struct p2p_near {
        uint32_t function;
        uint64_t distance_hops;       /* summed over the clients */
        const struct p2p_verdict *to; /* for each client, in their order; map BUS or HOST_BRIDGE */
};

/* A function that has p2pmem, or an endpoint with a memory BAR of which that is unknown. */
struct p2p_not_near {
        uint32_t function;
        enum p2p_nearest_why why; /* the first, in the order of the enumeration */
        uint32_t client;          /* CLIENT_NONE, CLIENT_UNKNOWN: the first such; else P2P_NONE */
        uint64_t distance_hops;   /* HELD: summed over the clients; else 0 */
};

struct p2p_nearest {
        struct p2p_near *list; /* nearest first, then by address; at most max */
        uint32_t n_list;
        uint32_t n_found;              /* without that limit */
        uint32_t n_equal;              /* how many are as near as the first: the kernel's lot */
        struct p2p_not_near *excluded; /* in the order of addresses */
        uint32_t n_excluded;
        struct p2p_verdict *verdicts; /* what the lists point into */
};

/* Costs one verdict per provider and client. 0 or -ENOMEM. */
int p2p_nearest_new(const struct p2p_nearest_params *params, struct p2p_nearest **ret);
/* Accepts NULL; returns NULL. */
struct p2p_nearest *p2p_nearest_free(struct p2p_nearest *n);
