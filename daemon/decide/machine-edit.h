/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Copies of machines for what-if: everything is copied, so that the copy outlives its model and can
 * be changed. */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

/*
 * A copy with the same indices, not finished: the caller edits it, then calls p2p_machine_finish().
 * Fails with -ENOMEM only. The caller frees *ret with p2p_machine_free().
 */
int p2p_machine_copy(const struct p2p_machine *m, struct p2p_machine **ret);

/* Is `function` the bridge itself, or anywhere below it (a virtual function: below what its
 * physical one is below). */
bool p2p_machine_is_below(const struct p2p_machine *m, uint32_t function, uint32_t bridge);
