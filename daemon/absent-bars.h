/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The BARs that are registered and whose device is not there: promises that wait for its return,
 * which an administrator can end. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "decide/bar-ids.h"
#include "decide/slot.h"
#include "machine.h"

struct p2pd_absent_bar {
        struct p2p_slot slot;
        uint8_t bar_index;
        uint16_t id; /* that waits for its return; 0: none */
        bool has_address;
        struct p2p_address address; /* where it was seen last */
};

struct p2pd_absent_bars {
        struct p2pd_absent_bar *bars; /* by slot and BAR, no two alike */
        uint32_t n;
};

/* Finds them. {0} is one that has found none. */
struct p2pd_absent_finder {
        struct p2pd_absent_bars found;
        bool *is_there; /* of each registration, while they are found */
        uint32_t room;  /* of both arrays */
};

void p2pd_absent_finder_deinit(struct p2pd_absent_finder *finder);

/* Room for n registrations: up to so many the update cannot fail. 0 or -ENOMEM. */
int p2pd_absent_finder_reserve(struct p2pd_absent_finder *finder, uint32_t n);

/* Those that have no memory BAR of their device in the machine, which the registry has followed. A
 * device whose serial number cannot be read may be theirs: it counts as there. */
void p2pd_absent_finder_update(struct p2pd_absent_finder *finder, const struct p2p_bar_ids *ids,
                               const struct p2p_machine *m);
