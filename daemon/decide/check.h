/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Is a pair fit for use: the gates in order. The first one that fails is named, later ones are not
 * reached. A gate that is unknown does not end the check: a later one that fails is the clearer
 * answer. Nothing here needs a driver: before one is bound, the facts of config space decide.
 */

#include "decide.h"
#include "kernel-cache.h"
#include "rules.h"

enum p2p_gate {
        P2P_GATE_PRESENT,  /* both functions answer config reads */
        P2P_GATE_BAR,      /* provider has a memory BAR, assigned, and as large as asked for */
        P2P_GATE_DECODING, /* provider's memory decoding is on */
        P2P_GATE_LINK, /* every link that the traffic takes runs as fast and as wide as both of its
                          ends can; not needed where the caller allows less, or without a link */
        P2P_GATE_ACS,  /* nothing redirects, or the host bridge takes what is redirected; not needed
                          without a common bridge */
        P2P_GATE_HOST_BRIDGE, /* only asked where traffic goes there: it takes reads and writes */
        P2P_GATE_IOMMU,  /* client's group not blocked, DMA mask reaches, no reserved region in the
                            way */
        P2P_GATE_KERNEL, /* the kernel has P2PDMA: built in, and not older than that; unknown where
                            it may still hold another verdict from before */
        P2P_GATE_VERIFIED, /* the last real transfer, if there was one, did not go against it;
                              unknown where it did, but under another verdict than today's */
        P2P_GATE_MAX,
};

const char *p2p_gate_to_string(enum p2p_gate gate);

enum p2p_gate_state {
        P2P_GATE_PASSED,
        P2P_GATE_FAILED,
        P2P_GATE_UNKNOWN,
        P2P_GATE_NOT_REACHED,
        P2P_GATE_NOT_NEEDED,
        P2P_GATE_STATE_MAX,
};

const char *p2p_gate_state_to_string(enum p2p_gate_state state);

struct p2p_check {
        enum p2p_gate_state gates[P2P_GATE_MAX];
        enum p2p_gate_state overall; /* PASSED, FAILED or UNKNOWN */
        enum p2p_gate stopped_at; /* the gate that failed, else the first unknown one; P2P_GATE_MAX:
                                     none */
        char because[320];        /* one sentence on stopped_at, or "" */
        struct p2p_decision decision;
};

/* What came of the last real transfer that was tried. */
enum p2p_check_transfer {
        P2P_CHECK_TRANSFER_NONE, /* none was tried, or what it says is no longer known */
        P2P_CHECK_TRANSFER_ARRIVED,
        P2P_CHECK_TRANSFER_WRONG_DATA, /* it was reported as done */
        P2P_CHECK_TRANSFER_REFUSED,    /* by the kernel, under its own rules */
        P2P_CHECK_TRANSFER_FAILED,     /* it was begun */
};

struct p2p_check_params {
        const struct p2p_machine *machine;
        const struct p2p_rules *rules;
        uint32_t provider, client; /* indices into the machine (asserted) */
        uint64_t min_bar_bytes;    /* of one BAR of the provider; 0: any size will do */
        bool allow_slow_link;      /* nobody asks how the links are trained */
        /* What the running kernel may still hold; NULL: nothing. Counts under its own rules only:
         * another kernel begins without. */
        const struct p2p_kernel_cache *kernel_cache;
        enum p2p_check_transfer transfer;
        enum p2p_map transfer_map; /* the running kernel's verdict at that time */
};

void p2p_check_pair(const struct p2p_check_params *params, struct p2p_check *ret);
