/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel may still believe. It computes a pair's map when it is first asked and keeps it,
 * by the client's bus number and devfn, until the provider's driver is unbound; nothing shows which
 * pairs it was asked about. So every map that a pair had since the provider's driver was bound is
 * one that the kernel may hold today, also when the verdict has returned to what it was before.
 *
 * Made anew for each generation from the one before, never changed: part of the generation. It
 * knows no more than the generations it has followed: what was before the first is not in it, and a
 * driver that was unbound and bound again between two readings still counts as bound.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/verdicts.h"

struct p2p_kernel_cache;

/* How many pairs are told apart. The providers for which there is no room get one set of maps for
 * all their clients: more is then held possible, never less. */
#define P2P_KERNEL_CACHE_PAIRS_MAX 65536U

struct p2p_kernel_cache_params {
        const struct p2p_kernel_cache *older; /* of the generation before; NULL: nothing in it */
        const struct p2p_machine *before, *after;
        /* Under the rules of the running kernel: it is that one's cache. */
        const struct p2p_verdicts *before_verdicts, *after_verdicts;
        bool no_flips;      /* it is known that no pair of both machines has another map now */
        uint32_t pairs_max; /* P2P_KERNEL_CACHE_PAIRS_MAX, or less */
};

/* Follows the step from one generation to the next. The result keeps no pointer into the params. A
 * step looks at every pair, unless no_flips. 0 or -ENOMEM. */
int p2p_kernel_cache_new(const struct p2p_kernel_cache_params *params,
                         struct p2p_kernel_cache **ret);

/* Accepts NULL; returns NULL. */
struct p2p_kernel_cache *p2p_kernel_cache_free(struct p2p_kernel_cache *c);

/* The maps, bits 1 << enum p2p_map, that the kernel may hold for this pair and that are not what
 * the verdict is now. UNKNOWN among them: at some time the verdict could not be told. cache may be
 * NULL: none. */
uint32_t p2p_kernel_cache_older_maps(const struct p2p_kernel_cache *cache,
                                     struct p2p_address provider, struct p2p_address client,
                                     enum p2p_map now);
