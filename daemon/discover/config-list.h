/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two capability lists of config space: which of the capabilities that matter are there, and
 * where. Walked as the Linux kernel walks them: by id alone, the first one counts, a bounded number
 * of steps.
 */

#include "config-parse.h"

enum p2p_standard {
        P2P_STANDARD_PCIX,
        P2P_STANDARD_SUBSYSTEM,
        P2P_STANDARD_EXPRESS,
        P2P_STANDARD_MAX,
};

enum p2p_extended {
        P2P_EXTENDED_SERIAL,
        P2P_EXTENDED_ACS,
        P2P_EXTENDED_ATS,
        P2P_EXTENDED_SRIOV,
        P2P_EXTENDED_PRI,
        P2P_EXTENDED_RESIZABLE_BAR,
        P2P_EXTENDED_PASID,
        P2P_EXTENDED_MAX,
};

/* at[] is 0 for those not found, and missing_why says whether they are absent or could not be
 * looked for. */
struct p2p_standard_list {
        uint32_t at[P2P_STANDARD_MAX];
        enum p2p_why missing_why;
};

struct p2p_extended_list {
        uint32_t at[P2P_EXTENDED_MAX];
        enum p2p_why missing_why;
};

/* Follows the list of the first 256 bytes, if there is one. What is odd goes to warnings. */
void p2p_config_find_standard(const struct p2p_config_input *in, struct p2p_standard_list *ret,
                              struct p2p_config_extra *warnings);

/* Follows the list from 0x100 on; there are more than 256 bytes. */
void p2p_config_find_extended(const struct p2p_config_input *in, struct p2p_extended_list *ret,
                              struct p2p_config_extra *warnings);

/* Notes a warning; past P2P_CONFIG_WARNINGS_MAX it is dropped. */
void p2p_config_warn(struct p2p_config_extra *warnings, enum p2p_config_warning_kind kind,
                     uint32_t offset);
