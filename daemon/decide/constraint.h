/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What can still go wrong, or what the caller must do, beyond the kernel's verdict. The kernel's
 * p2pdma looks at none of this.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide/path.h"
#include "machine.h"

enum p2p_constraint_kind {
        P2P_CONSTRAINT_DMA_MASK, /* function: the client; the mask (detail: bits) does not reach the
                                    end of the provider's BAR. Unknown mask: detail 0 */
        P2P_CONSTRAINT_BAR_UNASSIGNED,    /* function, bar: without an address */
        P2P_CONSTRAINT_DECODING_OFF,      /* function: the provider */
        P2P_CONSTRAINT_NO_BAR,            /* provider has no memory BAR */
        P2P_CONSTRAINT_IOMMU_TRANSLATES,  /* function: the client; detail: group number. An IOVA
                                             must be mapped. Only where the traffic passes the host
                                             bridge */
        P2P_CONSTRAINT_IOMMU_PASSTHROUGH, /* likewise: physical addresses are used */
        P2P_CONSTRAINT_IOMMU_BLOCKED,     /* function: the client; detail: group number */
        P2P_CONSTRAINT_RESERVED_REGION, /* provider's BAR overlaps a reserved region of the client's
                                           group; detail: start of the region */
        P2P_CONSTRAINT_SMALL_BAR,       /* bar could be larger; detail: bytes */
        P2P_CONSTRAINT_WRITES_ONLY,     /* platform known for one direction only: reads fail */
        P2P_CONSTRAINT_STALE_GROUPS,    /* function: a port whose ACS control is not what the IOMMU
                                           groups were made from; detail: 1 if it isolates now and
                                           did not then, 0 the other way round */
        P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA,
        P2P_CONSTRAINT_LINK_BELOW_BEST,    /* function: whose uplink; detail: MB/s it could do */
        P2P_CONSTRAINT_STALE_KERNEL_CACHE, /* function: the provider; detail: maps, as bits, that
                                              the kernel may still hold. Not collected here: it
                                              takes the generations before (kernel-cache.h) */
        P2P_CONSTRAINT_MAX,
};

const char *p2p_constraint_to_string(enum p2p_constraint_kind kind); /* "dma-mask" */

struct p2p_constraint {
        enum p2p_constraint_kind kind;
        bool reads,
                writes; /* which direction it touches: client reads from / writes to the provider */
        bool blocks;    /* the transfer cannot work as things are (else: a condition or a loss) */
        bool is_unknown; /* the fact behind it could not be read; then never blocks */
        uint32_t function;
        uint32_t bar_index; /* or P2P_NONE */
        uint64_t detail;    /* see the kind; 0 without */
};

struct p2p_constraints_params {
        const struct p2p_machine *m;
        uint32_t provider, client;
        const struct p2p_path_element *path; /* of p2p_path_elements_new(), or NULL */
        uint32_t n_path;
};

/* Room for the constraints of a pair, and one more for each element of the path. */
#define P2P_CONSTRAINTS_MAX (4 * P2P_BARS_MAX + (uint32_t)P2P_CONSTRAINT_MAX)

/* The constraints of a pair, in the order of the enumeration except where several BARs take turns.
 * list has room for P2P_CONSTRAINTS_MAX + n_path. Returns how many. Without a path, what looks at
 * it (stale groups, links) is left out. */
uint32_t p2p_constraints_collect(const struct p2p_constraints_params *params,
                                 struct p2p_constraint *list);

/* One English sentence (no newline) that names the function and the value, into buf (cut at
 * size). */
const char *p2p_constraint_format(const struct p2p_machine *m,
                                  const struct p2p_constraint *constraint, char *buf, size_t size);
