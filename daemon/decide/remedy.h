/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What would change the verdict or lift a constraint: a command or kernel parameter that exists for
 * the machine's kernel, and what isolation it gives up. Nothing here is executed.
 */

#include <stdint.h>

#include "decide/constraint.h"
#include "decide/decide.h"
#include "decide/rules.h"
#include "machine.h"

enum p2p_remedy_kind {
        P2P_REMEDY_DISABLE_ACS_REDIR, /* pci=disable_acs_redir= (since 4.19) */
        P2P_REMEDY_CONFIG_ACS,   /* pci=config_acs= (since 6.11; list parsing broken until fixed) */
        P2P_REMEDY_SETPCI,       /* now, until reset */
        P2P_REMEDY_NEWER_KERNEL, /* release that lists the host bridge */
        P2P_REMEDY_MOVE,         /* put both below one switch or host bridge */
        P2P_REMEDY_PRIVILEGE,    /* run the daemon with CAP_SYS_ADMIN to read ACS */
        P2P_REMEDY_ENABLE_DECODING,
        P2P_REMEDY_REASSIGN_BAR, /* pci=realloc */
        P2P_REMEDY_RESIZE_BAR,
        P2P_REMEDY_RECAPTURE, /* lspci -xxxx as root, or p2pctl capture as root */
        P2P_REMEDY_MAX,
};

const char *p2p_remedy_to_string(enum p2p_remedy_kind kind); /* "disable-acs-redir" */

struct p2p_remedy {
        enum p2p_remedy_kind kind;
        char *command;          /* what to type or add to the kernel command line; never NULL */
        char *gives_up;         /* the isolation or cost; NULL: nothing */
        enum p2p_map map_after; /* the verdict with it; P2P_MAP_UNKNOWN: cannot be told */
};

struct p2p_remedies_params {
        const struct p2p_machine *m;
        const struct p2p_rules *rules;
        uint32_t provider, client;
        const struct p2p_decision *decision;
        const struct p2p_path_element *path;
        uint32_t n_path;
        const struct p2p_constraint *constraints;
        uint32_t n_constraints;
};

/* The remedies of a pair, best first: what works at once, what works after a boot, then the rest.
 * 0 or -ENOMEM. */
int p2p_remedies_new(const struct p2p_remedies_params *params, struct p2p_remedy **ret,
                     uint32_t *ret_n);

/* Frees the list and its texts; accepts NULL. */
void p2p_remedies_free(struct p2p_remedy *remedies, uint32_t n);
