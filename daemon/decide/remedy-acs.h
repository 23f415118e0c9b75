/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Remedies against ACS redirect: the commands that clear exactly the bits that redirect a pair. */

#include "decide/remedy.h"

/*
 * The remedy of one of the kinds SETPCI, DISABLE_ACS_REDIR and CONFIG_ACS, with the verdict decided
 * anew on a copy of the facts in which those bits are clear. 0; 1 if nothing redirects the pair or
 * the machine's kernel does not have the parameter; or -ENOMEM. On 0 *ret owns its texts.
 */
int p2p_remedy_acs_compute(const struct p2p_remedies_params *params, enum p2p_remedy_kind kind,
                           struct p2p_remedy *ret);
