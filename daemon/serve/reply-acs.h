/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* AcsPlan and AcsVerification, as values. m: the machine that they were made from. */

#include "decide/acs-plan.h"
#include "decide/acs-verify.h"
#include "serve/json-writer.h"

void p2pd_write_acs_plan(struct p2pd_writer *w, const struct p2p_machine *m,
                         const struct p2p_acs_plan *plan);
void p2pd_write_acs_verification(struct p2pd_writer *w, const struct p2p_machine *m,
                                 const struct p2p_acs_verify *verify);
