/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a reading is about: everything, or the few functions that uevents named and what may have
 * changed with them. Plain data, copied by value; { 0 } is nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

/* More than these are a storm: then everything is read, once it is over. */
#define P2PD_SCOPE_MAX 32U

struct p2pd_scope {
        struct p2p_address addresses[P2PD_SCOPE_MAX]; /* no two alike, in any order */
        uint32_t n;
        bool everything; /* they were too many, or it is not known which */
};

/* Names one function more. */
void p2pd_scope_add(struct p2pd_scope *s, struct p2p_address address);

/* Names what more names, too. */
void p2pd_scope_merge(struct p2pd_scope *s, const struct p2pd_scope *more);

/* It names nothing. */
bool p2pd_scope_is_empty(const struct p2pd_scope *s);
