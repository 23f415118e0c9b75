/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What clients wish for BARs, in the order in which they did: carried out together, answered when
 * what that changed is in the state file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bar-keeper.h"
#include "serve/server.h"

struct p2pd_pending_wish {
        struct p2pd_bar_wish wish;
        bool is_carried_out;
        uint64_t revision; /* of the registry; 0: nothing was changed for it */
};

/* {0} is an empty one. */
struct p2pd_wish_queue {
        struct p2pd_pending_wish *wishes;
        size_t n, capacity;
};

void p2pd_wish_queue_deinit(struct p2pd_wish_queue *q);

/* Takes a copy. 0 or -ENOMEM. */
int p2pd_wish_queue_add(struct p2pd_wish_queue *q, const struct p2pd_bar_wish *wish);

/* Carries out those that are not yet. */
void p2pd_wish_queue_carry_out(struct p2pd_wish_queue *q, struct p2pd_bar_keeper *keeper,
                               const struct p2pd_bar_keeper_now *now);

/* Takes the first ones out, as many as are carried out and saved; with an error (a negative errno,
 * else 0) all that are carried out, those not saved with this error as their result. The result is
 * the caller's, NULL if there are none. 0; or -ENOMEM: they stay. */
int p2pd_wish_queue_take_done(struct p2pd_wish_queue *q, const struct p2pd_bar_keeper *keeper,
                              int error, struct p2pd_bar_wish **ret, size_t *ret_n);
