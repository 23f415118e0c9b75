/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state of a search, for place-search.c, place-key.c and place-begin.c alone. */

#include "decide/place-private.h"

/* 128 bits, so that two different states with one key need not be thought of. */
struct place_key {
        uint64_t half[2];
};

/* What changes of a class when one of it is taken. */
struct place_saved {
        uint32_t n_free, n_items_free;
};

struct place_pick {
        uint32_t class;
        uint32_t group; /* number of the item, in the order of picking */
        uint32_t rule;
        uint32_t uses;     /* of a companion: how many items it served before */
        uint32_t function; /* or P2P_NONE: any of the class */
        bool is_item;
};

/* Whose turn it is. group n_groups: the next item's, from the class of that row on. */
struct place_position {
        uint32_t group, rule, n_left, row;
};

/* Companions of one rule: n_different_max of them serve uses_each items or, n_over_max of them, one
 * more. */
struct place_rule_state {
        uint32_t n;      /* for each item */
        uint32_t n_left; /* picks to come */
        uint32_t n_different, n_different_max;
        uint32_t uses_each, n_over, n_over_max;
        uint32_t n_levels; /* uses of those that may serve one more are below this */
};

/* The best choice that was found without going back, place-greedy.c. */
struct place_greedy {
        bool is_made;  /* with the bounds of now, but for share and numa_max */
        bool is_found; /* the rest is set */
        uint32_t *best, *now;
        uint32_t n_functions;
        struct place_share share;
        uint32_t n_numa;
        bool *has_failed; /* by class: scratch */
};

/* See place-cut.c. */
struct place_side;
struct place_cuts {
        uint32_t n;
        uint32_t *link;           /* by cut */
        uint32_t *of;             /* by class: the cut above it, or n */
        bool *is_outside;         /* by class: as an item it is served from outside only */
        bool *is_far;             /* by class: as a companion it serves outside only */
        struct place_side *sides; /* by cut, and one more: scratch */
};

struct place_search {
        const struct place_model *model;
        uint64_t work, work_max, work_end;

        struct place_bounds bounds;
        bool is_bound;        /* bounds were set before, what hangs on them is ready */
        uint64_t bounds_hash; /* of all that no key holds: which pairs are allowed */
        uint32_t n_items, n_clients;
        uint32_t *limit;    /* by link: most flows in one direction */
        bool *is_usable;    /* by row: can be an item at all */
        uint32_t *last_row; /* by class: the last row that may have it as a companion; P2P_NONE:
                               none */

        struct place_rule_state rules[P2P_PLACE_RULES_MAX];
        uint32_t *n_serving[P2P_PLACE_RULES_MAX]; /* by class and uses; NULL: not shared */
        uint32_t *load;                           /* by link: flows in either direction */
        uint32_t *n_free;                         /* by class: members without a role */
        uint32_t *n_items_free;                   /* by class: those that may still become items */
        uint32_t *n_on_numa;                      /* by NUMA node: those chosen there */
        uint32_t n_numa;
        uint32_t *group_class;
        uint32_t n_groups;
        struct place_pick *picks;
        uint32_t n_picks;
        struct place_position at;

        struct place_greedy greedy;
        struct place_cuts cuts;

        /* By function: what the beginning of the choice does with it. */
        uint32_t *role; /* 0: nothing; else one PLACE_ROLE_... */
        uint32_t *uses; /* of a companion */

        struct place_key *noted; /* by the low bits of the key; a later one takes the place */
        uint32_t noted_mask, n_noted;
        struct place_key *sums, *link_sums; /* by node: scratch of place_key_compute() */
        uint32_t *link_most;                /* by link, of end links: likewise */
};

bool place_pair_allowed(const struct place_search *s, const struct place_pair *pair);
bool place_numa_blocked(const struct place_search *s, uint32_t numa);
bool place_use_allowed(const struct place_search *s, uint32_t rule, uint32_t uses);
uint32_t place_n_serving(const struct place_search *s, uint32_t rule, uint32_t class,
                         uint32_t uses);

/* No item before this row needs companions any more. n_rows: no item does. */
uint32_t place_first_row(const struct place_search *s);

/* Each take_ is undone by its return_, also if it says that a link carries too much. */
bool place_take_item(struct place_search *s, uint32_t class, struct place_saved *ret);
void place_return_item(struct place_search *s, const struct place_saved *saved);
bool place_take_companion(struct place_search *s, const struct place_pick *pick,
                          struct place_saved *ret);
void place_return_companion(struct place_search *s, const struct place_pick *pick,
                            const struct place_saved *saved);

/* The parts of these that can be undone in any order. A pair's flows, one each way, are added (n 1)
 * or taken off (n -1): returns if all links still carry theirs. uses: before it serves one more
 * (change 1), or after it serves one less (-1). */
bool place_load_pair(struct place_search *s, uint32_t item, uint32_t other, int32_t n);
void place_enter_numa(struct place_search *s, uint32_t numa);
void place_leave_numa(struct place_search *s, uint32_t numa);
void place_note_use(struct place_search *s, uint32_t rule, uint32_t uses, int32_t change);

/* The lowest member above `after` (P2P_NONE: of all) that serves so many by s->at.rule, and none of
 * mine. */
uint32_t place_find_member(const struct place_search *s, uint32_t class, uint32_t after,
                           uint32_t uses, const uint32_t *mine, uint32_t n_mine);

/* Completes the choice from where it stands. Yes: the picks stay as they are. */
enum place_found place_go_on(struct place_search *s);

/* Sets what a run has to keep to, and forgets the choice of the run before. */
void place_search_set_bounds(struct place_search *s, const struct place_bounds *bounds);
void place_search_clear(struct place_search *s);

/* After a yes: which functions the picks stand for. */
void place_search_end(struct place_search *s, const struct place_choice *begin,
                      struct place_found_choice *ret);

/* Parts of a whole choice: a group's companions of a rule; what it leaves to each flow. */
uint32_t *place_companions_of(const struct place_search *s, uint32_t *functions, uint32_t group,
                              uint32_t rule);
struct place_share place_share_of(const struct place_search *s);
/* Items ascending, each with its companions; companions ascending within their rule. */
void place_put_in_order(const struct place_search *s, uint32_t *functions);

/* Can an item be taken from that row; it could carry all its flows, were it alone. */
bool place_may_take_item(const struct place_search *s, uint32_t row);
/* How many new companions of a class can carry a flow for items from first_row on. */
uint32_t place_n_companions(const struct place_search *s, uint32_t class, uint32_t first_row);

/* Of s->cuts. 0 or -ENOMEM, deinit in any case. */
int place_cuts_init(struct place_search *s);
void place_cuts_deinit(struct place_cuts *cuts);
/* False: what is still to come cannot go over the uplinks, whatever is picked. */
bool place_cuts_allow(struct place_search *s);

/* Makes s->greedy for the bounds that are set; the state of the search is spoilt. Takes more work
 * than is left only for what is never left out: two choices by address. */
void place_greedy_make(struct place_search *s);
bool place_greedy_meets_bounds(const struct place_search *s);

#define PLACE_NOTED_MIN 4096U   /* powers of two, */
#define PLACE_NOTED_MAX 262144U /* the second 8 * 8 times the first */

/* The key of what is left to choose from: equal for states of which one turns into the other when
 * alike subtrees change places. */
struct place_key place_key_compute(struct place_search *s);
bool place_key_is_noted(const struct place_search *s, struct place_key key);
void place_key_note(struct place_search *s, struct place_key key);
