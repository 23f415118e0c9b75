/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which BARs of a machine are to have an id, in the order in which ids are given to them. Says
 * nothing about which id. */

#include <stdint.h>

#include "decide/bar-ids.h"
#include "decide/slot.h"
#include "machine.h"

struct p2p_bar_want {
        uint32_t function;
        uint32_t bar_index;
        uint64_t first, last; /* CPU physical addresses, both included */
        struct p2p_slot slot; /* "": not known; otherwise no two share slot and bar_index */
        struct p2p_identity identity;
};

struct p2p_bar_wants {
        struct p2p_bar_want *wants; /* by rank, address, bar_index */
        uint32_t n;
        struct p2p_bar_want **by_slot; /* those with a slot, by slot and bar_index */
        uint32_t n_by_slot;
};

/* registrations: sorted as p2p_bar_place_compare() says. 0 or -ENOMEM. */
int p2p_bar_wants_init(struct p2p_bar_wants *w, const struct p2p_machine *m,
                       const struct p2p_bar_registration *registrations, uint32_t n_registrations);
void p2p_bar_wants_deinit(struct p2p_bar_wants *w);

/* The one in this slot, or NULL. O(log n). */
struct p2p_bar_want *p2p_bar_wants_find(const struct p2p_bar_wants *w, const struct p2p_slot *slot,
                                        uint32_t bar_index);

/* How many BARs of the machine get an id unasked. */
uint32_t p2p_bar_wants_count_unasked(const struct p2p_machine *m);

/* By slot, then bar_index: <0, 0, >0. */
int p2p_bar_place_compare(const struct p2p_slot *a, uint32_t a_bar_index, const struct p2p_slot *b,
                          uint32_t b_bar_index);
