/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts that an ACS plan is put together from, once its ports are known. */

#include "decide/acs-plan.h"

/* IOMMU groups that merge: fills merges and groups_known. 0 or -ENOMEM. */
int p2p_acs_plan_add_merges(const struct p2p_machine *m, struct p2p_acs_plan *plan);

/* Who reaches whom: fills exposures. 0 or -ENOMEM. */
int p2p_acs_plan_add_exposures(const struct p2p_machine *m, struct p2p_acs_plan *plan);

/* The boot parameter and all lines, and the notes that belong to them. 0 or -ENOMEM. */
int p2p_acs_plan_add_commands(const struct p2p_machine *m, struct p2p_acs_plan *plan);

/* The bits that the plan clears at this function; 0: it is not in the plan. */
uint16_t p2p_acs_plan_clears(const struct p2p_acs_plan *plan, uint32_t function);
