/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One generation: a machine and its verdicts under every rule set, never changed once made.
 * Counted, because a stream that is still being sent holds the generation it began with.
 */

#include <stdint.h>

#include "decide/kernel-cache.h"
#include "decide/verdicts.h"
#include "machine.h"

struct p2pd_snapshot {
        uint64_t generation;   /* 1, 2, ... */
        uint64_t scanned_usec; /* CLOCK_REALTIME when it was made */
        struct p2p_machine *machine;
        struct p2p_verdicts *verdicts[P2P_RULES_MAX];
        struct p2p_kernel_cache
                *kernel_cache; /* what the kernel may still hold; or NULL: nothing */
        unsigned n_refs;
};

/* Takes the machine (also on failure: then it is freed) and decides it. 0 or -ENOMEM. */
int p2pd_snapshot_new(struct p2p_machine *machine, uint64_t generation, uint64_t scanned_usec,
                      struct p2pd_snapshot **ret);

/* Makes a new snapshot the successor of another one: remembers what the kernel may have kept of the
 * verdicts till then. no_flips: it is known that no map has changed. Before anybody else has seen
 * it. 0 or -ENOMEM. */
int p2pd_snapshot_follow(struct p2pd_snapshot *s, const struct p2pd_snapshot *before,
                         bool no_flips);

struct p2pd_snapshot *p2pd_snapshot_ref(struct p2pd_snapshot *s);
struct p2pd_snapshot *p2pd_snapshot_unref(struct p2pd_snapshot *s);
