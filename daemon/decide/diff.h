/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What changed from one machine to the next: functions that came, went or changed, and the pairs of
 * endpoints whose verdict (map or distance) flipped. Matched by address.
 */

#include "verdicts.h"

enum p2p_change_kind {
        P2P_CHANGE_ADDED,
        P2P_CHANGE_REMOVED,
        P2P_CHANGE_CHANGED,
        P2P_CHANGE_KIND_MAX
};

const char *p2p_change_kind_to_string(enum p2p_change_kind kind);

/* Which facts differ, as bits. */
#define P2P_CHANGED_ACS 0x0001U
#define P2P_CHANGED_LINK 0x0002U
#define P2P_CHANGED_BARS 0x0004U
#define P2P_CHANGED_DRIVER 0x0008U
#define P2P_CHANGED_DECODING 0x0010U
#define P2P_CHANGED_GROUP 0x0020U
#define P2P_CHANGED_P2PMEM 0x0040U
#define P2P_CHANGED_NAMES 0x0080U
#define P2P_CHANGED_PLACE 0x0100U    /* parent or root bus */
#define P2P_CHANGED_IDENTITY 0x0200U /* ids, class, serial: another device there */
#define P2P_CHANGED_OTHER 0x0400U

/* Name of one bit: "acs", "link", ... NULL for 0 or several bits. */
const char *p2p_changed_to_string(uint32_t bit);

struct p2p_change {
        enum p2p_change_kind kind;
        struct p2p_address address;
        uint32_t what; /* P2P_CHANGED_ bits of a CHANGED one */
};

struct p2p_flip {
        struct p2p_address provider, client;
        struct p2p_verdict before, after; /* both functions exist in both machines */
};

struct p2p_diff {
        struct p2p_change *changes;
        uint32_t n_changes;
        struct p2p_flip *flips; /* at most flips_max; n_flips_total counts all */
        uint32_t n_flips;
        uint64_t n_flips_total;
        bool machine_wide; /* CPU, kernel, IOMMU facts differ */
};

/* Compares. Changes come in address order. Flips: ordered pairs of functions that are endpoints in
 * both machines, in address order of the provider, then of the client; the first flips_max are
 * listed, all are counted. NULL verdicts (either) compare machines only (cheap: for the drift
 * timer). The result keeps no pointer into the machines. 0 or -ENOMEM. */
int p2p_diff_new(const struct p2p_machine *before, const struct p2p_verdicts *before_verdicts,
                 const struct p2p_machine *after, const struct p2p_verdicts *after_verdicts,
                 uint32_t flips_max, struct p2p_diff **ret);

/* The second half of it, for a diff of the machines that these verdicts are about and that was made
 * without: adds the flips. 0 or -ENOMEM; then there are none in it. */
int p2p_diff_add_flips(struct p2p_diff *d, const struct p2p_verdicts *before,
                       const struct p2p_verdicts *after, uint32_t flips_max);

struct p2p_diff *p2p_diff_free(struct p2p_diff *d);

/* Nothing differs. */
bool p2p_diff_is_empty(const struct p2p_diff *d);
