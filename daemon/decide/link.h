/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bandwidth of PCI Express links, one direction, in MB/s (10^6 bytes). */

#include "machine.h"

/* Lane rate of the speed (MT/s) times the width (lanes). Unknown if either is; NOT_REPORTED for a
 * speed that PCI Express does not have; ABSENT if either is absent. */
struct p2p_fact p2p_link_mbps(struct p2p_fact speed_mts, struct p2p_fact width_lanes);

/* The link between a function and what it hangs on. A virtual function has its physical one's; if
 * the function itself does not tell, the port above, which is the link's other end, is asked.
 * ABSENT: a port whose own registers describe the link below it (root port, downstream port), or an
 * integrated function: no link of its own on the way up. Conventional PCI is NOT_REPORTED. */
struct p2p_fact p2p_function_uplink_mbps(const struct p2p_machine *m, uint32_t function);

/* The same link at the best speed and width that both of its ends can do. */
struct p2p_fact p2p_function_uplink_best_mbps(const struct p2p_machine *m, uint32_t function);

/* The functions at the two ends of the link towards the root whose registers tell of it: the
 * function itself, or of a virtual one its physical one; and the port above, or NULL where that is
 * none that tells. An endpoint on a root bus, as virtual machines show them, has a link whose other
 * end cannot be seen. false: there is no PCI Express link on the way up. */
bool p2p_function_uplink_ends(const struct p2p_machine *m, uint32_t function,
                              const struct p2p_function **ret_own,
                              const struct p2p_function **ret_port);
