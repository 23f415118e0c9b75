/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A reading of a part of the machine: decides which functions are read anew and takes the facts of
 * all others from the machine before. The result is the one that reading everything would give, as
 * long as nothing has changed but what was named and what goes with it:
 *
 * - the functions that were named, that are new, or gone;
 * - every port from them up to the root; what is on the same bus (of virtual functions only those
 *   of a PF that was named or whose facts for them changed); the PF of a VF, and the VFs of a PF;
 *   everything below a port that was named, or is a bridge that can hide config space;
 * - a function that did not know its place or its PF, and one that a warning is about: so no
 *   warning is ever taken over;
 * - whose facts come from a function that was read anew and would be others now.
 *
 * A function at the same address is another one when the kernel lists it by another entry
 * (incarnation): then its place may be another, too, and it is new.
 */

#include "machine.h"
#include "scan.h"
#include "scope.h"

struct p2pd_keep {
        const struct p2p_machine *previous;
        struct p2pd_scan *scan;
        uint32_t *now;     /* by index in previous: index in the scan, or P2P_NONE */
        uint8_t *touched;  /* by index in previous: what hangs below it, or is its VF, is read */
        uint32_t *wanted;  /* functions to be read, by index in the scan */
        uint32_t n_wanted; /* of these */
        uint32_t n_read;   /* of these, from the first on */
        uint32_t *roots;   /* by index in previous: index in the scan's machine, or P2P_NONE */
};

/*
 * Begins: all functions are listed, none is read. Both machines are the caller's and outlive it.
 * 0; or -ENOMEM, with what p2pd_keep_deinit() frees.
 */
int p2pd_keep_init(struct p2pd_keep *k, struct p2pd_scan *scan, const struct p2p_machine *previous,
                   const struct p2pd_scope *scope);
void p2pd_keep_deinit(struct p2pd_keep *k);

/* The next function to be read; P2P_NONE when all others can be kept. */
uint32_t p2pd_keep_next(struct p2pd_keep *k);

/* It is read: notes what has to be read with it. */
void p2pd_keep_follow(struct p2pd_keep *k, uint32_t i);

/* After p2pd_scan_drop_gone(): gives the functions that were not read their facts, copied into the
 * new machine, apart from the group, whose number is noted in scratch. strings: the new machine's,
 * also for those that were read. 0 or -ENOMEM. */
int p2pd_keep_take(struct p2pd_keep *k, struct p2pd_strings *strings);

/* After the functions have their groups: takes over the groups that none of the functions read
 * belongs to, and none that is gone belonged to, and lists the others. ret: room for one number per
 * group. How many there are in *ret_n. 0 or -ENOMEM. */
int p2pd_keep_groups(struct p2pd_keep *k, uint32_t *ret, uint32_t *ret_n);
