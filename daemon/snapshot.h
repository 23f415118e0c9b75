/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One generation: a machine, its verdicts under every rule set and its BAR ids, never changed once
 * made. Counted, because a stream that is still being sent holds the generation it began with.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "decide/kernel-cache.h"
#include "decide/verdicts.h"
#include "machine.h"

/* A memory BAR that has an id, or is registered and has none. */
struct p2pd_snapshot_bar {
        uint32_t function; /* index into the machine */
        uint8_t bar_index;
        bool registered;
        uint16_t id;    /* 0: none */
        uint64_t since; /* generation in which the id came to mean this BAR; 0: no id */
};

static_assert(sizeof(struct p2pd_snapshot_bar) == 16, "without padding: lists are compared");

struct p2pd_snapshot {
        uint64_t generation;   /* 1, 2, ... */
        uint64_t scanned_usec; /* CLOCK_REALTIME when it was made */
        struct p2p_machine *machine;
        struct p2p_verdicts *verdicts[P2P_RULES_MAX];
        struct p2p_kernel_cache
                *kernel_cache;          /* what the kernel may still hold; or NULL: nothing */
        struct p2pd_snapshot_bar *bars; /* sorted by function and register; may be NULL */
        uint32_t n_bars;
        struct p2pd_snapshot
                *owner; /* whose machine, verdicts and cache these are; NULL: its own */
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

/* The same machine and decisions as a later generation, for other BAR ids. Holds what it is made
 * from. 0 or -ENOMEM. */
int p2pd_snapshot_renew(struct p2pd_snapshot *before, uint64_t generation,
                        struct p2pd_snapshot **ret);

/* Gives a snapshot its BARs; they are its own from then on. Before anybody else has seen it. */
void p2pd_snapshot_take_bars(struct p2pd_snapshot *s, struct p2pd_snapshot_bar *bars, uint32_t n);

/* What is known of a BAR; NULL: it has no id and is not registered. O(log n). */
const struct p2pd_snapshot_bar *p2pd_snapshot_find_bar(const struct p2pd_snapshot *s,
                                                       uint32_t function, uint32_t bar_index);

struct p2pd_snapshot *p2pd_snapshot_ref(struct p2pd_snapshot *s);
struct p2pd_snapshot *p2pd_snapshot_unref(struct p2pd_snapshot *s);
