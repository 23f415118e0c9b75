/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Placement: which items (GPUs, say) to take, and which companions (NICs, NVMe) each of them gets,
 * so that they reach one another best. A pure function of machine, verdicts, request and of what is
 * taken; it holds nothing, that is what leases do.
 *
 * Choice. n_items different items; for each companion rule, each item has n companions of it. A
 * function has one role in a choice: item, or companion of one rule. A companion that is not shared
 * belongs to one item. Shared companions go round as evenly as can be: as many different ones are
 * used as an answer allows, and the items they serve differ by at most one. "As an answer allows":
 * the first shared rule comes before the second; a number counts as possible if all limits can be
 * met with it without a bad pair, or with one if that is allowed and cannot be helped.
 *
 * Pairs. (item, its companion) and (item, client), each in both directions. Companions of one item
 * are no pair with each other, items neither.
 *
 * Order of choices, best first, compared from left to right:
 *   1. a pair is bad if its map is none or unknown. A choice with a bad pair counts only with
 *      allow_bad, and only if every choice has one;
 *   2. the worst path class of all pairs, LOC < PIX < PXB < PHB < NODE < SYS < unknown; LOC is an
 *      item that is itself a client;
 *   3. the larger bottleneck: every pair carries a flow each way at once, all of them share the
 *      links (flows.h); compared exactly, not in rounded MB/s; no limiting link is best;
 *   4. fewer different NUMA nodes of items and companions, those that are unknown not counted;
 *   5. lower addresses: the items in ascending order, compared one by one; then the companions,
 *      item by item in that order, rule by rule in the order of the request, ascending within a
 *      rule.
 * Two choices differ if an item differs or a companion of an item does. So the order is total, and
 * the same question on the same machine has the same answer.
 *
 * Work. What is proven is exact. An answer that is not, because work_max was used up, is the best
 * that was found; the first one is then, if no rule is shared, by points 1 to 4 no worse than these
 * two choices, where they exist and the limits let them through: the items by address, upwards and
 * downwards, and each in its turn with the companions that are left, rule by rule, with which
 * traffic takes the fewest hops (verdicts.h), the lower address among equals. This holds for any
 * work_max, also if that is too small for any search.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/decide.h"
#include "decide/flows.h"
#include "decide/selector.h"
#include "decide/verdicts.h"
#include "machine.h"

#define P2P_PLACE_RULES_MAX 8U /* companion rules */
#define P2P_PLACE_CLIENTS_MAX 256U
#define P2P_PLACE_FUNCTIONS_MAX 1024U /* items and companions of one choice together */
#define P2P_PLACE_BEST_MAX 64U
/* Units of work, see work_max: about half a second on a machine of 2020. */
#define P2P_PLACE_WORK_DEFAULT 60000000U

struct p2p_place_rule {
        const struct p2p_selector *of;
        uint32_t n; /* companions of this rule that each item has; at least 1 */
        bool shared;
};

struct p2p_place_request {
        const struct p2p_selector *of; /* what an item may be */
        uint32_t n_items;              /* at least 1 */
        const struct p2p_place_rule *rules;
        uint32_t n_rules;
        const uint32_t *clients; /* functions that each item must reach and be reached by */
        uint32_t n_clients;
        const struct p2p_selector *const *avoid; /* not to be chosen; clients are not chosen */
        uint32_t n_avoid;
        const bool *taken; /* by function: held by somebody, not to be chosen. NULL: nothing is */

        /* Limits. An unknown path, NUMA node or link bandwidth does not meet a limit on it. */
        enum p2p_path path_max;       /* worst path of a pair; P2P_PATH_UNKNOWN: no limit */
        uint32_t bottleneck_min_mbps; /* 0: no limit */
        uint32_t numa_node;           /* of every item and companion; P2P_NONE: no limit */
        bool must_be_bus;             /* every pair's map, both ways */
        bool allow_bad;               /* rather a choice with none and unknown pairs than nothing */

        uint32_t n_best;   /* answers wanted, 1 to P2P_PLACE_BEST_MAX */
        uint64_t work_max; /* then the best so far is the answer */
};

#define P2P_PLACE_REQUEST_INIT                                                                     \
        {                                                                                          \
                .n_items = 1, .path_max = P2P_PATH_UNKNOWN, .numa_node = P2P_NONE, .n_best = 1,    \
                .work_max = P2P_PLACE_WORK_DEFAULT,                                                \
        }

/* How much of an answer is proven to be the best. Each includes those before it. */
enum p2p_place_proven {
        P2P_PLACE_PROVEN_NOTHING,
        P2P_PLACE_PROVEN_PATH,       /* points 1 and 2 of the order */
        P2P_PLACE_PROVEN_BOTTLENECK, /* and 3 */
        P2P_PLACE_PROVEN_NUMA,       /* and 4 */
        P2P_PLACE_PROVEN_ALL,        /* exact */
        P2P_PLACE_PROVEN_MAX,
};

/* "nothing", "path", "bottleneck", "numa", "all" */
const char *p2p_place_proven_to_string(enum p2p_place_proven proven);

struct p2p_place_answer {
        uint32_t *items; /* n_items, ascending */
        uint32_t
                *companions; /* n_per_item for each item, in the order of the items and the rules */

        bool has_bad; /* a pair is none or unknown */
        /* The first pair, in the order of items, then clients, then companions, that decides: a bad
         * one if there is one, of those the one with the worst path. P2P_NONE: there is no pair.
         * The direction is item to other, or back if only that is bad. */
        uint32_t worst_provider, worst_client;
        struct p2p_verdict worst;
        enum p2p_path worst_path; /* of all pairs; P2P_PATH_LOC without one */
        struct p2p_bottleneck bottleneck;
        uint32_t *numa_nodes; /* the known ones, ascending */
        uint32_t n_numa_nodes;

        enum p2p_place_proven proven;
        /* How far from the best this can be. Apart from better answers of the same list, no choice
         * has a better worst path than bound_path, and none whose worst path is this answer's or
         * better has a larger bottleneck than bound_mbps (without bound_is_limited nothing is known
         * of it). The answer's own values as far as they are proven. */
        enum p2p_path bound_path;
        bool bound_is_limited;
        uint32_t bound_mbps;
};

/* What stands in the way, in the order in which limits are added. The first one with which no
 * choice is left is named. */
enum p2p_place_gate {
        P2P_PLACE_GATE_NONE,        /* there is an answer */
        P2P_PLACE_GATE_PRESENT,     /* too few functions that the selector means */
        P2P_PLACE_GATE_AVOIDED,     /* too few without those to be avoided */
        P2P_PLACE_GATE_TAKEN,       /* too few that nobody holds */
        P2P_PLACE_GATE_NUMA_NODE,   /* too few on the node */
        P2P_PLACE_GATE_MAP_NONE,    /* some pair's map is always none */
        P2P_PLACE_GATE_MAP_UNKNOWN, /* some pair's map is always unknown, or else none */
        P2P_PLACE_GATE_BUS,         /* some pair's map is never bus */
        P2P_PLACE_GATE_PATH,        /* some pair's path is always worse */
        P2P_PLACE_GATE_BOTTLENECK,  /* some flow always gets less, or uses a link that is unknown */
        P2P_PLACE_GATE_WORK,        /* work_max is used up, and none of the others is proven */
        P2P_PLACE_GATE_MAX,
};

/* "none", "present", "avoided", "taken", "numa-node", "map-none", "map-unknown", "bus", "path",
 * "bottleneck", "work" */
const char *p2p_place_gate_to_string(enum p2p_place_gate gate);

/* Whom a gate speaks of: the first part of the request that cannot be met beside those before it,
 * in the order items, clients, rules. */
enum p2p_place_part {
        P2P_PLACE_PART_ITEMS,
        P2P_PLACE_PART_CLIENTS,
        P2P_PLACE_PART_RULE, /* number rule */
};

struct p2p_place_refusal {
        enum p2p_place_gate gate;
        enum p2p_place_part part;
        uint32_t rule; /* index, or P2P_NONE */
        /* For the gates PRESENT to NUMA_NODE: functions that this part needs at least (a shared
         * rule: n), and how many there are at this gate. found can reach wanted: then others need
         * the same ones. */
        uint32_t n_wanted, n_found;
};

struct p2p_place {
        struct p2p_place_answer *answers; /* best first; fewer than n_best: there are no more, or */
        uint32_t n_answers;               /* !complete */
        bool complete;                /* false: work_max was used up; the list is the best so far */
        uint32_t n_items, n_per_item; /* companions of one item, all rules */
        uint64_t work;                /* what it took */
        struct p2p_place_refusal refusal; /* gate NONE if and only if n_answers > 0 */
};

/* Refusals of p2p_place_new(). */
enum {
        P2P_PLACE_E_REQUEST = 1, /* a number is 0 or over its maximum, or a client is no endpoint */
        P2P_PLACE_E_TOO_LARGE,   /* more kinds of candidates than can be weighed against each other
                                  */
};

/*
 * Answers the request on m with its verdicts, which were made from m. Allocates, does not block;
 * its time is bounded by work_max and the size of the machine. A request that nothing can meet is
 * no refusal: it gives a result without answers, and says why. The caller frees *ret. 0, -ENOMEM or
 * a refusal.
 */
int p2p_place_new(const struct p2p_machine *m, const struct p2p_verdicts *verdicts,
                  const struct p2p_place_request *request, struct p2p_place **ret);

/* Accepts NULL; returns NULL. */
struct p2p_place *p2p_place_free(struct p2p_place *p);
