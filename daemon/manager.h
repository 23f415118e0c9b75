/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ties the four together: what moves (uevents, timers, signals, requests) has the machine read, in
 * part at once and as a whole after a settle time (schedule.h); a changed one becomes the next
 * generation, which the server publishes. Owns the loop's events and the current generation; knows
 * nothing about hardware or the protocol.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/rules.h"
#include "machine.h"

struct p2pd_config_reader;
struct p2pd_manager;

struct p2pd_manager_params {
        enum p2p_source_kind source;
        const char *path;        /* of --root and --lspci */
        const char *socket_path; /* to bind, or NULL */
        enum p2p_rules_choice rules;
        uint64_t settle_usec;  /* quiet time after the last uevent before all is read */
        uint64_t recheck_usec; /* how often ACS, links and BARs are compared; 0: never */
        unsigned n_sockets;    /* handed over, from P2PD_SERVICE_FDS_START on */
        struct p2pd_config_reader *reader; /* or NULL; stays the caller's */
        const char *state_directory;       /* or NULL: BAR ids live in memory */
        unsigned id_bits;                  /* width of BAR ids, 4 to 16; 0: what fits the machine */
};

/* Reads the machine for the first time, decides it and opens the sockets. Logs what fails.
 * 0 or a negative errno. */
int p2pd_manager_new(const struct p2pd_manager_params *params, struct p2pd_manager **ret);
struct p2pd_manager *p2pd_manager_free(struct p2pd_manager *m);

/* Tells the service manager that we are ready and serves until SIGTERM, SIGINT, or the end of a
 * private connection. 0 or a negative errno. */
int p2pd_manager_run(struct p2pd_manager *m);
