/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Place: the question as it was asked, and how its answers are written. */

#include "decide/place.h"
#include "serve/asked.h"
#include "serve/hold.h"
#include "serve/job.h"

#define P2PD_PLACE_AVOID_MAX 64U

/* A selector and its text, for errors. */
struct p2pd_place_selector {
        struct p2p_selector *selector;
        char *text;
};

struct p2pd_place_job {
        struct p2pd_job job;
        struct p2p_place_request request; /* pointers are set when it is run */
        struct p2pd_place_selector of;
        struct p2pd_place_selector companions[P2P_PLACE_RULES_MAX];
        struct p2p_place_rule rules[P2P_PLACE_RULES_MAX];
        struct p2pd_place_selector avoid[P2PD_PLACE_AVOID_MAX];
        struct p2pd_asked asked;
        bool include_held;
        enum p2p_rules_choice rules_choice;

        bool holds; /* the first answer is to become this lease */
        struct p2pd_hold hold;
        uint32_t *chosen; /* its functions */
        uint32_t n_chosen;
        unsigned n_attempts; /* to take what was computed */
};

/* Reads the call's parameters. 0; P2PD_CALL_REFUSED; or -ENOMEM. */
int p2pd_place_read(struct p2pd_call *call, struct p2pd_place_job *x);

/* Writes the answers; for a job that holds without the end, which follows with the lease. */
void p2pd_write_placements(const struct p2pd_place_job *x, const struct p2p_place *place,
                           struct p2pd_writer *w);

/* NoPlacement */
void p2pd_write_no_placement(const struct p2pd_place_job *x, const struct p2p_place *place,
                             struct p2pd_writer *w);
