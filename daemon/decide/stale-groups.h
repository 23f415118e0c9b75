/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * IOMMU groups are made when a function is discovered, from the ACS bits of that moment. Later
 * changes of the bits leave groups that do not describe the hardware any more. Reported only where
 * it is certain: for an endpoint directly below a switch downstream port.
 */

#include <stdint.h>

#include "machine.h"

enum p2p_stale {
        P2P_STALE_NO,
        P2P_STALE_ISOLATED_THEN, /* grouped apart from its port, yet the port does not isolate */
        P2P_STALE_ISOLATES_NOW,  /* grouped with its port, yet all ports above isolate */
};

/* Looks at one function of a path. *ret_port: the port, if it is not P2P_STALE_NO. */
enum p2p_stale p2p_stale_groups_at(const struct p2p_machine *m, uint32_t function,
                                   uint32_t *ret_port);
