/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Remedies against ACS redirect: the ACS plan (acs-plan.h) of the one pair. */

#include "decide/remedy.h"

#define P2P_REMEDIES_ACS_MAX 2U

/*
 * What clears the bits that redirect the pair: now (SETPCI), and for every boot (DISABLE_ACS_REDIR
 * or CONFIG_ACS, whichever is right for the machine's kernel; none if it has neither). Only where
 * that makes the pair `bus` for certain; otherwise *ret_n is 0. 0 or -ENOMEM. The texts of
 * list[0..*ret_n) are the caller's.
 */
int p2p_remedies_acs(const struct p2p_remedies_params *params,
                     struct p2p_remedy list[static P2P_REMEDIES_ACS_MAX], uint32_t *ret_n);
