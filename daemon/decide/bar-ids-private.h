/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What bar-ids.c and bar-ids-update.c share. */

#include "decide/bar-ids.h"

struct p2p_bar_ids {
        unsigned width;
        uint64_t generation; /* of the last update; 0: there was none */
        uint64_t revision;
        uint64_t retired_order;    /* the greatest that was given */
        bool never_recorded_lost;  /* an id without a record may have been given in an earlier
                                      instance of the daemon */
        bool has_older_instances;  /* something was restored, and may be known to readers */
        struct p2p_bar_id **by_id; /* P2P_BAR_IDS_LAST + 1 of them; NULL: never given */

        struct p2p_bar_registration *registrations; /* sorted as p2p_bar_place_compare() says */
        uint32_t n_registrations;

        /* Of the last update. */
        uint16_t *found; /* id of BAR j of function i: found[i * P2P_BARS_MAX + j] */
        uint32_t n_functions;
        struct p2p_bar_without_id *without;
        uint32_t n_without;
};

static inline uint32_t p2p_bar_ids_greatest(const struct p2p_bar_ids *ids)
{
        return (1U << ids->width) - 1;
}

/* As p2p_bar_ids_update(), if after it the BAR has an id; else P2P_BAR_IDS_E_EXHAUSTED, and nothing
 * has changed. The BAR is one that is to have an id. */
int p2p_bar_ids_update_for(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                           uint32_t function, uint32_t bar_index);
