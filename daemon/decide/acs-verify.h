/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Did the boot parameters take effect: the command line of the running kernel, entry by entry, held
 * against the ACS control registers as they are now.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/boot-parameter.h"
#include "machine.h"

enum p2p_acs_effect {
        P2P_ACS_EFFECT_TOOK,           /* all bits are as asked */
        P2P_ACS_EFFECT_PARTLY,         /* some bits (or some ports) are, some are not */
        P2P_ACS_EFFECT_NOT,            /* no bit is as asked */
        P2P_ACS_EFFECT_ABSENT,         /* there is no such function on this machine */
        P2P_ACS_EFFECT_NO_CAPABILITY,  /* the function has no ACS: there is nothing to change */
        P2P_ACS_EFFECT_NOT_UNDERSTOOD, /* this kernel cannot read the entry, or not the parameter */
        P2P_ACS_EFFECT_NOT_REACHED,    /* an earlier entry or another parameter came first */
        P2P_ACS_EFFECT_UNKNOWN,        /* a register or fact is not known */
        P2P_ACS_EFFECT_MAX,
};

/* "took-effect", "partly", "no-effect", "absent", "no-capability", "not-understood",
 * "not-reached", "unknown". */
const char *p2p_acs_effect_to_string(enum p2p_acs_effect effect);

/* One function that an entry names. */
struct p2p_acs_verify_port {
        uint32_t function;
        uint32_t entry; /* index into entries */
        enum p2p_acs_effect effect;
        uint16_t mask, asked; /* the bits that the entry names, and the values it wants */
        uint16_t control;     /* as read; meaningful unless the effect is UNKNOWN or lack of ACS */
        char *reason;         /* one English sentence; never NULL */
};

struct p2p_acs_verify_entry {
        enum p2p_boot_parameter parameter;
        char *text; /* as it stands on the command line */
        enum p2p_acs_effect effect;
        char *reason;                 /* one English sentence; never NULL */
        uint32_t first_port, n_ports; /* its part of ports */
};

struct p2p_acs_verify {
        bool command_line_known; /* false: there is nothing to hold the registers against */
        struct p2p_boot_kernel kernel;
        struct p2p_acs_verify_entry *entries; /* disable_acs_redir first, then config_acs */
        uint32_t n_entries;
        struct p2p_acs_verify_port *ports; /* by entry, then by address */
        uint32_t n_ports;
        uint32_t n_differing; /* ports whose registers are not what was asked for (PARTLY, NOT) */
        char **notes;         /* one English sentence each */
        uint32_t n_notes;
        /* Of all entries, from TOOK by UNKNOWN to NOT; TOOK when there are none, UNKNOWN when the
         * command line is not known. */
        enum p2p_acs_effect worst;
};

/* Holds the machine's command line against its registers. Costs the entries times the functions.
 * The result keeps no pointer into m. 0 or -ENOMEM. */
int p2p_acs_verify_new(const struct p2p_machine *m, struct p2p_acs_verify **ret);

/* Accepts NULL; returns NULL. */
struct p2p_acs_verify *p2p_acs_verify_free(struct p2p_acs_verify *verify);
