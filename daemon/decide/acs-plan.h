/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ACS plan: the smallest set of ports and bits to clear so that wanted pairs become `bus`, what
 * isolation that gives up, and the commands for it. Nothing is written: p2pd prints.
 *
 * The set is forced, so it is the smallest: a pair is `bus` only if no element that counts on its
 * path redirects (decide.h), so each of these has to be cleared of all of RR, CR and EC that are
 * set, and nothing else matters. The plan is the union over the pairs that this helps for certain.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/boot-parameter.h"
#include "decide/decide.h"
#include "machine.h"

struct p2p_rules;

struct p2p_acs_pair {
        uint32_t provider, client;
};

enum p2p_acs_pair_state {
        P2P_ACS_PAIR_ALREADY,       /* `bus` as things are */
        P2P_ACS_PAIR_HELPED,        /* `bus` with the plan */
        P2P_ACS_PAIR_BEYOND_ACS,    /* no clearing makes it `bus`; after.decisive says why */
        P2P_ACS_PAIR_NOT_CLEARABLE, /* `at` has a bit set that its capability does not list */
        P2P_ACS_PAIR_UNKNOWN,       /* a fact is missing; after.decisive says which */
        P2P_ACS_PAIR_STATE_MAX,
};

/* "already", "helped", "beyond-acs", "not-clearable", "unknown". */
const char *p2p_acs_pair_state_to_string(enum p2p_acs_pair_state state);

struct p2p_acs_plan_pair {
        uint32_t provider, client;
        enum p2p_acs_pair_state state;
        struct p2p_decision before;
        /* HELPED, ALREADY: with the whole plan. Else: with everything cleared on this pair's path
         * that can be. decisive is the first reason against it. */
        struct p2p_decision after;
        uint32_t at; /* of NOT_CLEARABLE and where decisive names a function; or P2P_NONE */
};

struct p2p_acs_plan_port {
        uint32_t function;
        uint16_t capability, control; /* as they are */
        uint16_t clear;               /* the bits of RR, CR, EC to clear; never 0 */
        uint32_t n_pairs;             /* how many helped pairs need it */
        char *path;                   /* the kernel's name that survives renumbering */
};

/* Present IOMMU groups that become one when the kernel makes groups anew (at boot). At least these:
 * only what follows for certain is told. */
struct p2p_acs_merge {
        uint32_t *groups; /* indices into m->groups, ascending; at least two */
        uint32_t n_groups;
        uint32_t *functions; /* all functions of these groups, ascending */
        uint32_t n_functions;
        uint32_t port; /* a port of the plan that causes it */
};

/*
 * What reaches what past the IOMMU once a port is cleared: each of `from` (below the port, or the
 * port's function itself) each of `to`. Requests, by PCIe 6.12: they are redirected where they
 * enter a switch, so the port on the sender's side decides.
 */
struct p2p_acs_exposure {
        uint32_t port;
        uint32_t *from; /* endpoints, without virtual functions; ascending */
        uint32_t n_from;
        uint32_t *to;
        uint32_t n_to;
        uint32_t n_from_vfs, n_to_vfs; /* virtual functions of these, not listed */
        bool among;     /* from and to are the same: what hangs below the port, among each other */
        bool root_port; /* the port is one of a root complex, or may be one: whether that carries
                           anything to `to` is not known */
};

enum p2p_acs_command {
        P2P_ACS_COMMAND_SETPCI,           /* now, until the next reset */
        P2P_ACS_COMMAND_SETPCI_UNDO,      /* sets the same bits again */
        P2P_ACS_COMMAND_GRUB_DEBIAN,      /* for every boot */
        P2P_ACS_COMMAND_GRUB_DEBIAN_UNDO, /* for every boot from then on as it is now */
        P2P_ACS_COMMAND_GRUB_REDHAT,
        P2P_ACS_COMMAND_GRUB_REDHAT_UNDO,
        P2P_ACS_COMMAND_SYSTEMD_BOOT,
        P2P_ACS_COMMAND_SYSTEMD_BOOT_UNDO,
        P2P_ACS_COMMAND_MAX,
};

const char *p2p_acs_command_to_string(enum p2p_acs_command command); /* "grub-debian" */

struct p2p_acs_plan_line {
        enum p2p_acs_command command;
        char *text; /* one line for a shell, without newline */
};

/* Why there is no boot parameter. */
enum p2p_acs_no_parameter {
        P2P_ACS_PARAMETER_GIVEN,          /* there is one */
        P2P_ACS_PARAMETER_NOT_NEEDED,     /* nothing to clear */
        P2P_ACS_PARAMETER_KERNEL_TOO_OLD, /* before 4.19 */
        P2P_ACS_PARAMETER_UNSAFE_TEXT,    /* the present pci= options hold characters that are not
                                             safe to print into a command */
        P2P_ACS_PARAMETER_MAX,
};

const char *p2p_acs_no_parameter_to_string(enum p2p_acs_no_parameter why);

struct p2p_acs_plan {
        struct p2p_acs_plan_pair *pairs; /* in the order of the question, without repeats */
        uint32_t n_pairs;
        uint32_t n_by_state[P2P_ACS_PAIR_STATE_MAX];
        struct p2p_acs_plan_port *ports; /* in address order */
        uint32_t n_ports, n_bits;
        struct p2p_acs_merge *merges;
        uint32_t n_merges;
        bool groups_known; /* false: the machine has no IOMMU groups, or they are not known */
        struct p2p_acs_exposure *exposures;
        uint32_t n_exposures;

        /* The whole pci= parameter, present options included ("pci=noaer,config_acs=..."): it
         * takes the place of every pci= on the command line. NULL: see no_parameter. */
        char *parameter;
        enum p2p_boot_parameter parameter_kind;
        enum p2p_acs_no_parameter no_parameter;
        struct p2p_acs_plan_line *lines; /* by command, each in the order to type them */
        uint32_t n_lines;
        char **notes; /* what to know before use: one English sentence each */
        uint32_t n_notes;
};

struct p2p_acs_plan_params {
        const struct p2p_machine *m;
        const struct p2p_rules *rules;
        const struct p2p_acs_pair *pairs; /* indices into m, asserted */
        uint32_t n_pairs;
        bool both_directions; /* each pair the other way round as well */
};

/* Makes the plan. Pure; costs the pairs times the depth, and the functions times the ports of the
 * plan. The result keeps no pointer into m. 0 or -ENOMEM. */
int p2p_acs_plan_new(const struct p2p_acs_plan_params *params, struct p2p_acs_plan **ret);

/* Accepts NULL; returns NULL. */
struct p2p_acs_plan *p2p_acs_plan_free(struct p2p_acs_plan *plan);

/*
 * The pairs somebody most likely wants: each GPU (or accelerator) as provider with each of the NICs
 * that are nearest to it of those below a common bridge. A GPU without such a NIC has none. The
 * caller frees *ret with free(). 0 or -ENOMEM.
 */
int p2p_acs_pairs_gpu_nic_new(const struct p2p_machine *m, struct p2p_acs_pair **ret,
                              uint32_t *ret_n);
