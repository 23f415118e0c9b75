/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The gate "link": does every link that the traffic of a pair takes run at its best. */

#include "decide/check.h"

/* The links from both functions up to where they meet, or up to the root bus where the traffic
 * passes the host bridge. At its best is what both ends can. FAILED for the first that is below,
 * else UNKNOWN for the first that cannot be told, with a sentence in buf; NOT_NEEDED where there is
 * no link. */
enum p2p_gate_state p2p_check_links(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                                    char *buf, size_t size);
