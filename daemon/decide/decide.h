/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The decision for one ordered pair (provider, client) of a machine: hop distance, map, path class
 * and the reason. Pure functions of the facts: no I/O, no globals, no clock. p2p_decide() is the
 * only place where a pair is decided; the matrix (verdicts.h), the explanation (explain.h),
 * segments and checks all call it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

struct p2p_rules;

/* The two-bit map of the shared table, and UNKNOWN, which is published as NONE. */
enum p2p_map {
        P2P_MAP_REGULAR =
                0,       /* ordinary memory, not a BAR: never the result for a pair of functions */
        P2P_MAP_BUS = 1, /* PCI bus address, the traffic stays below a common upstream bridge */
        P2P_MAP_HOST_BRIDGE = 2, /* through the host bridge (dma_map_resource) */
        P2P_MAP_NONE = 3,        /* not at all: bounce */
        P2P_MAP_UNKNOWN = 4,     /* a fact that decides is unknown */
        P2P_MAP_MAX,
};

const char *
p2p_map_to_string(enum p2p_map map); /* "regular", "bus", "host-bridge", "none", "unknown" */

enum p2p_path {
        P2P_PATH_LOC,     /* same function */
        P2P_PATH_PIX,     /* common upstream bridge, distance at most 4 */
        P2P_PATH_PXB,     /* common upstream bridge, farther */
        P2P_PATH_PHB,     /* same host bridge */
        P2P_PATH_NODE,    /* other host bridge, same NUMA node */
        P2P_PATH_SYS,     /* other NUMA node */
        P2P_PATH_UNKNOWN, /* parent missing, or other host bridge and a NUMA node unknown */
        P2P_PATH_MAX,
};

const char *p2p_path_to_string(enum p2p_path path); /* "LOC", ..., "unknown" */

/* Distance where a parent is missing and there is no common element below it. */
#define P2P_DISTANCE_UNKNOWN UINT32_MAX

/* Stable names (see p2p_reason_to_string) for what speaks for, against or about a verdict. In the
 * order of gates. */
enum p2p_reason_kind {
        P2P_REASON_NONE,
        P2P_REASON_PARENT_MISSING, /* function: whose parent cannot be told; detail: enum p2p_why */
        P2P_REASON_SAME_FUNCTION,
        P2P_REASON_COMMON_BRIDGE, /* function: the common upstream bridge */
        P2P_REASON_NO_COMMON_BRIDGE,
        P2P_REASON_ACS_REDIRECT,           /* function, detail: the redirect bits that are set */
        P2P_REASON_ACS_UNREADABLE,         /* function, detail: enum p2p_why */
        P2P_REASON_ACS_HIDDEN_FROM_KERNEL, /* function: the kernel sees no ACS, the port may have it
                                            */
        P2P_REASON_SAME_HOST_BRIDGE, /* function: first function of the root bus, or P2P_NONE */
        P2P_REASON_OTHER_HOST_BRIDGE,
        P2P_REASON_CPU_ALLOWS,         /* every host bridge crossing is accepted on this CPU */
        P2P_REASON_CPU_UNKNOWN,        /* detail: enum p2p_why */
        P2P_REASON_HOST_BRIDGE_LISTED, /* function: the root bus's first function; detail: row index
                                        */
        P2P_REASON_HOST_BRIDGE_SAME_ONLY, /* likewise; the row is for pairs below one host bridge */
        P2P_REASON_HOST_BRIDGE_NOT_LISTED,        /* function: the first function of the root bus */
        P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE, /* function: first one, neither 00.0 nor a root
                                                     port; or P2P_NONE */
        P2P_REASON_HOST_BRIDGE_UNREADABLE,        /* function: first one, detail: enum p2p_why */
        P2P_REASON_KERNEL_TOO_OLD, /* detail: P2P_RELEASE() that is needed at least */
        /* Only of segments (segments.h), never of a pair. */
        P2P_REASON_BAR_OVERLAP,       /* several BARs claim the same addresses */
        P2P_REASON_BAR_RANGE_UNKNOWN, /* a BAR's addresses are unknown */
        P2P_REASON_MAX,
};

const char *p2p_reason_to_string(enum p2p_reason_kind kind); /* "acs-redirect" */

enum p2p_effect {
        P2P_EFFECT_INFORMS, /* says what is so */
        P2P_EFFECT_ALLOWS,
        P2P_EFFECT_REDIRECTS, /* sends the traffic to the host bridge */
        P2P_EFFECT_REFUSES,
        P2P_EFFECT_UNKNOWN, /* the verdict hangs on a fact that is not known */
        P2P_EFFECT_MAX,
};

const char *p2p_effect_to_string(enum p2p_effect effect);

struct p2p_reason {
        enum p2p_reason_kind kind;
        enum p2p_effect effect;
        uint32_t function; /* index, or P2P_NONE */
        uint32_t detail;   /* see the kind */
};

struct p2p_decision {
        uint32_t distance_hops; /* as the kernel counts; P2P_DISTANCE_UNKNOWN */
        enum p2p_map map;       /* never REGULAR */
        enum p2p_path path;
        uint32_t common; /* the first common element of both paths, or P2P_NONE */
        /* What the verdict hangs on. BUS: same function or common bridge. HOST_BRIDGE: what allows
         * it. NONE: the first gate in order that is not passed; that is the ACS redirect where one
         * sends the traffic to a host bridge that refuses. UNKNOWN: the first fact that would
         * decide. */
        struct p2p_reason decisive;
};

/* Receives every reason in gate order; the pointer holds for the call. May be NULL. Called while
 * p2p_decide() runs. */
typedef void (*p2p_reason_fn)(const struct p2p_reason *reason, void *userdata);

/*
 * Decides the pair under the rules. provider and client are indices into m (asserted). Costs two
 * walks to the root. Rule source: Linux drivers/pci/p2pdma.c, calc_map_type_and_dist();
 * facts.md 2.1.
 */
void p2p_decide(const struct p2p_machine *m, const struct p2p_rules *rules, uint32_t provider,
                uint32_t client, p2p_reason_fn on_reason, void *userdata, struct p2p_decision *ret);
