/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The path of a pair, element by element, and the narrowest link on it. */

#include <stdbool.h>
#include <stdint.h>

#include "decide/decide.h"
#include "machine.h"

enum p2p_side { P2P_SIDE_PROVIDER, P2P_SIDE_COMMON, P2P_SIDE_CLIENT, P2P_SIDE_MAX };

const char *p2p_side_to_string(enum p2p_side side); /* "provider", "common", "client" */

struct p2p_path_element {
        uint32_t function;
        enum p2p_side side;
        uint32_t acs_redirect_bits; /* known set redirect bits of its ACS control; 0: none known */
        bool acs_unknown;           /* could not be read */
        bool counts;                /* part of the kernel's ACS walk for this pair */
};

/* Does a redirect, or the lack of a common element, send this pair to its host bridge. */
bool p2p_path_is_through_host_bridge(const struct p2p_machine *m, uint32_t provider,
                                     uint32_t client);

/*
 * The elements from the provider up to the common one (or to the root bus), then down to the
 * client. A function with itself is one common element. Where a redirect sends the traffic on to
 * the host bridge, the elements above the common one follow it, of side COMMON too, and do not
 * count. The caller frees *ret with free(). 0 or -ENOMEM.
 */
int p2p_path_elements_new(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                          struct p2p_path_element **ret, uint32_t *ret_n);

/*
 * The narrowest link that the traffic takes, MB/s in one direction: unknown as soon as one link on
 * the way is, ABSENT if there is none. *ret_function: whose uplink decides, or P2P_NONE.
 */
struct p2p_fact p2p_path_bottleneck_mbps(const struct p2p_machine *m,
                                         const struct p2p_path_element *path, uint32_t n_path,
                                         uint32_t *ret_function);
