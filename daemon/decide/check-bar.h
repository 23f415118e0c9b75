/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The second half of the gate "bar": is one of the provider's BARs large enough. */

#include "decide/check.h"

/* For a function with at least one assigned memory BAR. On FAILED and UNKNOWN buf says how large
 * the largest is, and how large one could be made. min_bytes 0: any will do. */
enum p2p_gate_state p2p_check_bar_size(const struct p2p_machine *m, uint32_t function,
                                       uint64_t min_bytes, char *buf, size_t size);
