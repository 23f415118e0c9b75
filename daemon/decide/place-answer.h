/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a solution to the answer that is shown, with its reasons. For place.c. */

#include "decide/place-solve.h"

/* Fills *ret; the bottleneck is worked out once more from the flows of all pairs, with f as
 * scratch. 0 or -ENOMEM; on failure nothing is owned. */
int place_answer_init(struct p2p_place_answer *ret, const struct place_model *model,
                      const struct place_solution *solution, struct p2p_flows *f);
void place_answer_deinit(struct p2p_place_answer *a);
