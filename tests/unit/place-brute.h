/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Placement by looking at every choice there is: written against the description in place.h, with
 * nothing of how place.c does it. Verdicts come from p2p_decide(), link bandwidths from link.h; the
 * ways of flows and their shares are worked out here.
 */

#include "decide/place.h"

#define BRUTE_FUNCTIONS_MAX 24U

struct brute_choice {
        uint32_t functions[BRUTE_FUNCTIONS_MAX]; /* items, then companions item by item */
        bool bad;
        enum p2p_path path;
        uint32_t link_mbps, n_flows; /* n_flows 0: nothing limits */
        uint32_t n_numa;
        uint32_t n_different[P2P_PLACE_RULES_MAX];
};

struct brute {
        struct brute_choice *choices; /* best first */
        uint32_t n;
        bool too_many;                    /* gave up: the rest says nothing */
        struct p2p_place_refusal refusal; /* n_wanted, n_found not filled */
};

/* All choices that the request lets through, in order, or why there are none. */
void brute_place(const struct p2p_machine *m, const struct p2p_rules *rules,
                 const struct p2p_place_request *request, uint32_t n_max, struct brute *ret);
void brute_free(struct brute *b);
