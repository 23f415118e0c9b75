/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every ordered pair of a machine decided at once. Functions on one port with the same facts share
 * a class, so that sixteen network cards with 255 virtual functions each cost one row per card, not
 * per function.
 */

#include "decide.h"
#include "rules.h"

struct p2p_verdicts;

/* What a matrix cell holds; the details come from p2p_decide() on request. */
struct p2p_verdict {
        uint32_t distance_hops;
        uint8_t map;    /* enum p2p_map */
        uint8_t path;   /* enum p2p_path */
        uint8_t reason; /* enum p2p_reason_kind of the decisive reason */
};

struct p2p_bar_index;

/* Decides all pairs of endpoint functions, and sorts the BARs by address. m must outlive the
 * result. NULL: out of memory. */
struct p2p_verdicts *p2p_verdicts_new(const struct p2p_machine *m, struct p2p_rules rules);
struct p2p_verdicts *p2p_verdicts_free(struct p2p_verdicts *v);

/* Indices of the machine that v was made from (asserted). O(1) for two endpoint functions; a pair
 * with a bridge in it costs two walks to the root. */
struct p2p_verdict p2p_verdicts_get(const struct p2p_verdicts *v, uint32_t provider,
                                    uint32_t client);

/* The machine that v was made from; not v's. */
const struct p2p_machine *p2p_verdicts_machine(const struct p2p_verdicts *v);

const struct p2p_rules *p2p_verdicts_rules(const struct p2p_verdicts *v);

/* How many classes of endpoint functions there are, and the class of one (0 to n - 1); P2P_NONE for
 * a function that is no endpoint. Equal class: equal row and column, except that a function with
 * itself is not like a function with another one of its class. */
uint32_t p2p_verdicts_n_classes(const struct p2p_verdicts *v);
uint32_t p2p_verdicts_class(const struct p2p_verdicts *v, uint32_t function);

/* The verdict between a function of class `provider` and another function of class `client`; if
 * same_function, of a function with itself (then both classes must be equal). Meaningless, but
 * harmless, for two different functions of a class that has one member. */
struct p2p_verdict p2p_verdicts_get_classes(const struct p2p_verdicts *v, uint32_t provider,
                                            uint32_t client, bool same_function);

/* The machine's BARs by address, for segments. Never NULL; belongs to v. */
const struct p2p_bar_index *p2p_verdicts_bars(const struct p2p_verdicts *v);
