/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Map(client, CPU physical address, length): cuts the range at BAR borders and says for each piece
 * how the client is to reach it.
 *
 * It fails closed. What several BARs claim is UNKNOWN (bar-overlap), without an owner: which of
 * them answers cannot be told. As long as the addresses of one memory BAR of the machine are
 * unknown, what lies outside of all the others is UNKNOWN as well (bar-range-unknown), because it
 * may be that BAR; only without such a BAR it is REGULAR. "Regular" means "no BAR": whether there
 * is memory at the address is not looked at.
 */

#include "verdicts.h"

struct p2p_segment {
        struct p2p_phys_addr start;
        uint64_t length_bytes; /* at least 1 */
        enum p2p_map map;      /* REGULAR outside every BAR; the verdict of the pair inside one */
        uint32_t provider;     /* whose BAR, or P2P_NONE */
        uint32_t bar_index;
        uint64_t bar_offset_bytes; /* of start in the BAR */
        bool own;                  /* the client's own BAR: no DMA happens, use BAR and offset */
        bool has_bus_addr;
        struct p2p_bus_addr bus_addr; /* of start, for BUS; for own as well */
        enum p2p_reason_kind reason;  /* decisive one; NONE for REGULAR */
};

struct p2p_segments {
        struct p2p_segment *segments; /* in address order, without gaps */
        uint32_t n_segments;
};

/* Positive refusals. */
enum { P2P_SEGMENTS_E_RANGE = 1 }; /* length 0, or start + length passes 2^64 */

/* v: made from m. client: index into m (asserted). A BAR whose bus address is unknown makes a BUS
 * piece UNKNOWN (bar-range-unknown). Costs a binary search and the segments. 0,
 * P2P_SEGMENTS_E_RANGE, or -ENOMEM. */
int p2p_segments_new(const struct p2p_machine *m, const struct p2p_verdicts *v, uint32_t client,
                     struct p2p_phys_addr start, uint64_t length_bytes, struct p2p_segments **ret);
struct p2p_segments *p2p_segments_free(struct p2p_segments *s);
