/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why there is no choice. For place.c. */

#include "decide/place-private.h"

/* Finds the first limit with which no choice is left, for a request that has none. model: with all
 * filters. Takes work_max of work at most for each filter. 0 or -ENOMEM. */
int place_refuse(const struct place_model *model, uint64_t work_max, struct p2p_place_refusal *ret);
