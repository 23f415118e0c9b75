/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What if: the same decisions on an edited copy of a machine, answered as the difference. What an
 * edit does not model, it says in a note; what cannot be told after it is unknown, never assumed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/diff.h"
#include "decide/rules.h"
#include "machine.h"

enum p2p_edit_kind {
        P2P_EDIT_ACS,    /* "acs=off@PORT", "acs=on@PORT", "acs=RR,CR@PORT", "acs=-RR,+EC@PORT" */
        P2P_EDIT_IOMMU,  /* "iommu=off", "iommu=translated", "iommu=passthrough" */
        P2P_EDIT_KERNEL, /* "kernel=6.8" */
        P2P_EDIT_MOVE,   /* "move=FUNCTION@PORT" */
        P2P_EDIT_LINK,   /* "link=16GT/sx8@FUNCTION", "link=x8@FUNCTION", "link=16GT/s@FUNCTION" */
        P2P_EDIT_KIND_MAX,
};

const char *p2p_edit_kind_to_string(enum p2p_edit_kind kind); /* "acs" */

enum p2p_edit_iommu {
        P2P_EDIT_IOMMU_OFF,
        P2P_EDIT_IOMMU_TRANSLATED,
        P2P_EDIT_IOMMU_PASSTHROUGH,
        P2P_EDIT_IOMMU_MAX,
};

#define P2P_EDIT_RELEASE_MAX 20U

struct p2p_edit {
        enum p2p_edit_kind kind;
        uint32_t function; /* ACS: the port, P2P_NONE for "all"; MOVE, LINK: the function */
        uint32_t port;     /* MOVE: the port to hang it on */
        uint16_t acs_clear, acs_set; /* bits; on: acs_default */
        bool acs_default;            /* ACS: "on": the bits of the kernel's default it can do */
        enum p2p_edit_iommu iommu;
        char release[P2P_EDIT_RELEASE_MAX]; /* KERNEL: "6.8" or "6.8.12" */
        uint32_t speed_mts;                 /* LINK: 0 leaves it */
        uint32_t width_lanes;               /* LINK: 0 leaves it */
};

/* Refusals of parsing and of applying. */
enum p2p_what_if_error {
        P2P_WHAT_IF_E_SYNTAX = 1,       /* not KEY=VALUE, or the value has another form */
        P2P_WHAT_IF_E_UNKNOWN_KEY,      /* no such edit */
        P2P_WHAT_IF_E_UNKNOWN_BIT,      /* no such ACS bit */
        P2P_WHAT_IF_E_UNKNOWN_MODE,     /* no such IOMMU mode */
        P2P_WHAT_IF_E_BAD_RELEASE,      /* not MAJOR.MINOR[.PATCH] */
        P2P_WHAT_IF_E_BAD_LINK,         /* no speed or width of PCI Express */
        P2P_WHAT_IF_E_NO_SUCH_FUNCTION, /* the resolver does not know the name */
        P2P_WHAT_IF_E_AMBIGUOUS,        /* the resolver knows several */
        P2P_WHAT_IF_E_NO_ACS,           /* bits are to be set where there is no ACS capability */
        P2P_WHAT_IF_E_NOT_CAPABLE,      /* a bit is to be set that the capability does not list */
        P2P_WHAT_IF_E_NOT_A_PORT,       /* the target of a move is no root or downstream port */
        P2P_WHAT_IF_E_NOT_MOVABLE,      /* virtual, integrated, or its place is not known */
        P2P_WHAT_IF_E_OCCUPIED,         /* another device hangs on that port */
        P2P_WHAT_IF_E_LOOP,             /* the port is below what is to be moved */
        P2P_WHAT_IF_E_NO_LINK,          /* the function has no PCI Express link of its own */
        P2P_WHAT_IF_E_NO_BUS,           /* no bus number is left in the segment */
        P2P_WHAT_IF_E_TOO_MANY,         /* more than P2P_WHAT_IF_EDITS_MAX edits */
        P2P_WHAT_IF_E_MAX,
};

#define P2P_WHAT_IF_EDITS_MAX 64U

/* "syntax", "unknown-key", ... NULL for anything else. */
const char *p2p_what_if_error_to_string(int error);

/* One English sentence (no newline) for the refusal. Never NULL for a valid one. */
const char *p2p_what_if_error_text(int error);

/* Where a text was refused: its bytes from `at`, `len` of them (0: the end). */
struct p2p_edit_fault {
        uint32_t at, len;
};

/* Finds a function by what a user calls it: len bytes, not terminated. 0 and *ret_function;
 * P2P_WHAT_IF_E_NO_SUCH_FUNCTION, P2P_WHAT_IF_E_AMBIGUOUS; or a negative errno, passed up. */
typedef int (*p2p_edit_resolve_fn)(const char *name, uint32_t len, uint32_t *ret_function,
                                   void *userdata);

/* Parses one edit. 0; a P2P_WHAT_IF_E_ with *ret_fault telling the bad part (may be NULL); or what
 * the resolver failed with. Links libc only, does not allocate. */
int p2p_edit_parse(const char *text, p2p_edit_resolve_fn resolve, void *userdata,
                   struct p2p_edit *ret, struct p2p_edit_fault *ret_fault);

/* A function that hangs somewhere else in the edited machine, and the address that it would likely
 * have. In all else that is told here it keeps its present address, as its name. */
struct p2p_what_if_move {
        struct p2p_address before, after;
};

/* A pair of candidates whose bandwidth or constraints change by a move, a link or the IOMMU. */
struct p2p_what_if_pair {
        struct p2p_address provider, client;
        struct p2p_fact before_mbps, after_mbps;        /* p2p_path_bottleneck_mbps() */
        uint32_t before_constraints, after_constraints; /* bits: 1 << enum p2p_constraint_kind */
};

struct p2p_what_if {
        struct p2p_machine *after; /* edited and finished; same functions, same indices */
        struct p2p_rules before_rules, after_rules;
        struct p2p_diff *diff; /* what changed, and the pairs that flip */
        struct p2p_what_if_move *moves;
        uint32_t n_moves;
        struct p2p_what_if_pair *pairs; /* at most pairs_max; n_pairs_total counts all */
        uint32_t n_pairs;
        uint64_t n_pairs_total;
        char **notes; /* what is assumed, and what is not modelled: one English sentence each */
        uint32_t n_notes;
};

struct p2p_what_if_params {
        const struct p2p_machine *m;
        const struct p2p_verdicts *verdicts; /* of m, or NULL: decided here by `rules` */
        enum p2p_rules_choice rules;         /* for both sides, unless a kernel edit is there */
        const struct p2p_edit *edits;        /* applied one after the other */
        uint32_t n_edits;
        uint32_t flips_max, pairs_max;
};

/* Edits, decides, compares. 0; a P2P_WHAT_IF_E_ with *ret_edit the index of the edit refused (may
 * be NULL); or -ENOMEM. The result does not refer to params. */
int p2p_what_if_new(const struct p2p_what_if_params *params, struct p2p_what_if **ret,
                    uint32_t *ret_edit);

/* Accepts NULL; returns NULL. */
struct p2p_what_if *p2p_what_if_free(struct p2p_what_if *w);
