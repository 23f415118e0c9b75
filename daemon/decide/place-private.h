/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of placement share: the model of a request (who may be chosen, which of them are
 * alike, what each pair means), the search that answers "is there a choice within these bounds
 * that begins so", and the stages above it. Only place*.c include this.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/flows.h"
#include "decide/place.h"

/* ---- the model ---- */

#define PLACE_ROLE_ITEM 1U
#define PLACE_ROLE_RULE(rule) (2U << (rule))

/*
 * A class: candidates with equal verdicts, link, roles and NUMA node. Its members can stand for
 * each other in everything but their addresses. A client is in a class of its own.
 */
struct place_class {
        uint32_t members, n_members; /* range of place_model.members, ascending */
        uint32_t function;           /* a member, or the client */
        uint32_t roles;
        uint32_t row;    /* of an item class: its row of pairs; else P2P_NONE */
        uint32_t client; /* number of the client, or P2P_NONE */
        uint32_t numa;   /* index into numa_nodes, or P2P_NONE: unknown */
        uint32_t node;   /* where it hangs; its own node if others hang below it */
        uint32_t link;   /* of its own on the way to that node, or P2P_NONE */
        bool redirects;  /* itself, on the way to that node */
        uint64_t type;   /* see place-model.c */
};

enum place_node_kind {
        PLACE_NODE_ELEMENT,
        PLACE_NODE_ROOT_BUS, /* or the bus of those whose parent is missing */
        PLACE_NODE_NUMA, /* root buses whose classes are all on one node, or all on an unknown one
                          */
        PLACE_NODE_MACHINE,
};

/* The tree above the classes. Only elements can be the common element of a pair. */
struct place_node {
        enum place_node_kind kind;
        uint32_t parent;   /* P2P_NONE: the machine */
        uint32_t function; /* of an element; else P2P_NONE */
        uint32_t link;     /* towards the parent, or P2P_NONE */
        uint32_t depth;
        uint32_t n_redirects; /* on the way from here to the root bus, itself included */
        uint64_t type;
};

enum {
        PLACE_PAIR_NONE = 1U,          /* a direction's map is none */
        PLACE_PAIR_UNKNOWN = 2U,       /* a direction's map is unknown */
        PLACE_PAIR_NOT_BUS = 4U,       /* a direction's map is not bus */
        PLACE_PAIR_REDIRECTED = 8U,    /* a common element, but the traffic goes to the root bus */
        PLACE_PAIR_LINK_UNKNOWN = 16U, /* takes a link of unknown bandwidth */
        PLACE_PAIR_SAME = 32U,         /* one function, the common element is itself */
};

struct place_pair {
        uint32_t common; /* node */
        uint8_t path;
        uint8_t flags;
};

/* Which filters candidates have passed; each includes those before it. */
enum place_filter {
        PLACE_FILTER_PRESENT,
        PLACE_FILTER_AVOIDED,
        PLACE_FILTER_TAKEN,
        PLACE_FILTER_NUMA_NODE,
};

struct place_model {
        const struct p2p_machine *m;
        const struct p2p_verdicts *verdicts;
        const struct p2p_place_request *request;
        struct p2p_links links;

        uint32_t *roles;             /* by function; 0: no candidate */
        uint32_t *class_of;          /* by function; P2P_NONE: neither candidate nor client */
        struct place_class *classes; /* ascending by first member */
        uint32_t n_classes;
        uint32_t *members;
        uint32_t n_members;
        uint32_t *rows; /* class of each row */
        uint32_t n_rows;
        uint32_t *client_classes; /* each client once */
        uint32_t n_clients;
        uint64_t *numa_nodes; /* ascending, those of candidates */
        uint32_t n_numa_nodes;

        struct place_node *nodes;
        uint32_t n_nodes;
        uint32_t *order;      /* of nodes, the deepest first */
        uint32_t *used_links; /* those with a known bandwidth that a class or node has */
        uint32_t n_used_links;
        uint32_t *link_node; /* by link: the node on which all that share it hang; P2P_NONE: several
                              */
        bool *is_end_link;   /* by link: nothing is on it but companions that serve one item each */
        bool *has_links;     /* by node: several links hang on it */

        struct place_pair *pairs; /* n_rows * n_classes */
        uint32_t *near;           /* n_rows * n_classes: classes by what a pair with them costs */
        uint32_t n_per_item;
};

/* Returns 0, -ENOMEM or P2P_PLACE_E_TOO_LARGE. The caller deinits, on success only. */
int place_model_init(struct place_model *model, const struct p2p_machine *m,
                     const struct p2p_verdicts *verdicts, const struct p2p_place_request *request,
                     enum place_filter filter);
void place_model_deinit(struct place_model *model);

static inline const struct place_pair *place_pair(const struct place_model *model, uint32_t item,
                                                  uint32_t other)
{
        return &model->pairs[(uint64_t)model->classes[item].row * model->n_classes + other];
}

/* The steps of place_model_init() that have files of their own; the classes are there. The tree:
 * nodes, and where classes hang; numbers the NUMA nodes. 0 or -ENOMEM. */
int place_tree_make(struct place_model *model);
/* The pairs. 0, -ENOMEM or P2P_PLACE_E_TOO_LARGE. */
int place_pairs_make(struct place_model *model);
/* The types of nodes and classes. 0 or -ENOMEM. */
int place_types_make(struct place_model *model);

/* Adds words to a 64-bit hash; both halves of a key begin with another h. */
static inline uint64_t place_mix(uint64_t h, uint64_t word)
{
        h = (h ^ word) * 0x9e3779b97f4a7c15U;
        h ^= h >> 32;
        h *= 0xd6e8feb86659fd93U;
        return h ^ h >> 29;
}

/* ---- the search ---- */

/* At least link_mbps / n_flows for every flow; n_flows 0: any, or no link at all if unlimited. */
struct place_share {
        bool unlimited;
        uint32_t link_mbps, n_flows;
};

/* What a choice has to keep to. */
struct place_bounds {
        uint8_t flags_refused; /* PLACE_PAIR_..., of pairs */
        uint8_t path_max;
        struct place_share share;
        uint32_t numa_max; /* different nodes; P2P_NONE: any number */
        /* The part of the request that counts: to name what stands in the way. */
        uint32_t n_rules;
        bool without_clients;
        uint32_t n_different[P2P_PLACE_RULES_MAX]; /* companions in use, of each rule */
};

/* A choice, or the beginning of one: items, then companions item by item. */
struct place_choice {
        uint32_t *functions;
        uint32_t n; /* how many of them are set */
};

enum place_found { PLACE_FOUND_NO, PLACE_FOUND_YES, PLACE_FOUND_GAVE_UP };

struct place_found_choice {
        uint32_t *functions;      /* the whole choice; room for all of it is the caller's */
        struct place_share share; /* what it has, exactly */
        uint32_t n_numa;
};

struct place_search;

/* All runs together stay near work_max. 0 or -ENOMEM. */
int place_search_new(const struct place_model *model, uint64_t work_max, struct place_search **ret);
struct place_search *place_search_free(struct place_search *s);

/*
 * Is there a choice within the bounds that begins with these functions (whose order must be that of
 * a choice)? Yes: *ret is one. Gave up: a third of the work that was left was not enough, and, if
 * begin is empty, no choice of place-greedy.c is within the bounds.
 */
enum place_found place_search_run(struct place_search *s, const struct place_bounds *bounds,
                                  const struct place_choice *begin, struct place_found_choice *ret);

uint64_t place_search_work(const struct place_search *s);
bool place_search_is_out(const struct place_search *s); /* no work is left */

/* <0, 0, >0: a leaves each flow less, as much, more. */
int place_share_compare(const struct place_share *a, const struct place_share *b);
