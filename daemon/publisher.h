/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Makes generations current: gives the BARs their ids, writes the shared table, hands the snapshot
 * to the server, in this order. Knows which ids may be shown (bar-keeper.h), has the state file
 * written, and carries out what clients wish for.
 *
 * There is one number of generations, for the machine and for the ids: when only ids change, the
 * same machine and decisions become the next generation.
 */

#include <stdbool.h>
#include <stdint.h>

#include "serve/server.h"
#include "snapshot.h"

struct event_base;
struct p2pd_publisher;

struct p2pd_publisher_params {
        struct event_base *base;
        const char *state_directory; /* or NULL: ids live in memory */
        unsigned id_bits;            /* 4 to 16; 0: chosen by the first machine */
};

/* Reads the state file, blocks for that. Logs what fails. 0 or a negative errno. */
int p2pd_publisher_new(const struct p2pd_publisher_params *params, struct p2pd_publisher **ret);
/* Waits for a save under way. Accepts NULL; returns NULL. Before the server is freed. */
struct p2pd_publisher *p2pd_publisher_free(struct p2pd_publisher *p);

/* Whom to publish to; both stay the caller's. Gives the server's keeper of leases what the state
 * file says. Before the first publish. 0 or -ENOMEM. */
int p2pd_publisher_set_server(struct p2pd_publisher *p, struct p2pd_server *server,
                              struct p2pd_status *status);

/*
 * Makes a finished reading the current generation, the next one. Takes the snapshot; nobody else
 * has seen it. diff: NULL for the first one. The first one blocks until the state file is written.
 * 0, or -ENOMEM: then the generation before still stands.
 */
int p2pd_publisher_publish(struct p2pd_publisher *p, struct p2pd_snapshot *snapshot,
                           const struct p2p_diff *diff);

/* The current generation, lent; NULL before the first. */
struct p2pd_snapshot *p2pd_publisher_snapshot(const struct p2pd_publisher *p);

/* For struct p2pd_server_params: the publisher is the userdata. */
int p2pd_publisher_wish(struct p2pd_publisher *p, const struct p2pd_bar_wish *wish);
void p2pd_publisher_save_leases(struct p2pd_publisher *p);
void p2pd_publisher_readers_changed(struct p2pd_publisher *p);
