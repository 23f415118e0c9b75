/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One client: bytes in, calls in their order, bytes out.
 *
 * Each connection gets a bounded share of a turn of the loop, so that a client that floods gets no
 * more than one that asks politely. Nothing is read while answers wait to be sent: who does not
 * read, is not read from. A connection is never freed inside the call chain that closed it, but on
 * the next turn.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "readers.h"
#include "serve/call.h"

struct p2pd_connection;
struct p2pd_notice;
struct p2pd_server;

/* What a connection has to do with the shared table and the BAR ids. */
struct p2pd_table_use {
        struct p2pd_reader reader;
        uint64_t sent; /* number of the table whose descriptor it was sent last; 0: none yet */
        uint64_t wish; /* number of the wish it waits for with P2PD_WAIT_BAR */
};

/* What it has to do with leases. */
struct p2pd_lease_use {
        uint64_t connection; /* its own number, from 1 on: what a lease without a name is tied to */
        uint64_t operation;  /* it waits for, with P2PD_WAIT_LEASE */
        uint64_t watched;    /* number of the only lease it is told of; 0: of all */
        uid_t uid;           /* as whom it may change leases */
        pid_t pid;           /* of the peer */
};

/* Takes a connected socket, non-blocking and close-on-exec. Refused, closed and counted when a
 * limit is reached: then 0 as well. Negative errno: not taken. */
int p2pd_connection_new(struct p2pd_server *s, int fd, bool is_private);

/* Begins to read, once there is a snapshot to answer from. */
void p2pd_connection_start(struct p2pd_connection *c);

/* Closes the socket and gives everything back but the structure itself, which goes to the server's
 * list of closed ones. Does nothing when it is closed already. */
void p2pd_connection_close(struct p2pd_connection *c);

/* Closes and counts a peer that passed a limit. */
void p2pd_connection_close_over_limit(struct p2pd_connection *c);

/* Takes a closed one off the server's list and frees it. */
void p2pd_connection_free(struct p2pd_connection *c);

/* The next one in the server's list of open connections, or NULL. */
struct p2pd_connection *p2pd_connection_next(const struct p2pd_connection *c);

/* Its share of this turn: answers what waits, produces, sends. */
void p2pd_connection_turn(struct p2pd_connection *c);

/* What it is (or will be, behind its first reply) told of. */
enum p2pd_events p2pd_connection_follows(const struct p2pd_connection *c);

/* Queues what happened for one that follows (asserted) and sends what goes; closes it when too much
 * waits already. */
void p2pd_connection_notify(struct p2pd_connection *c, struct p2pd_notice *notice);

/* The generation that an unfinished answer holds on to; 0: none. */
uint64_t p2pd_connection_held_generation(const struct p2pd_connection *c);

/* What an answer that comes later waits for. */
enum p2pd_wait p2pd_connection_waits_for(const struct p2pd_connection *c);

/* It waits for this from now on, in place of what it waited for (asserted: something). */
void p2pd_connection_wait_on(struct p2pd_connection *c, enum p2pd_wait wait);

/* The job whose answer it waits for, or NULL; end_answer frees it. */
struct p2pd_job *p2pd_connection_job(const struct p2pd_connection *c);

/* What it waited for (asserted: something) is there. The reply is written to what begin gives; end
 * goes on with what the client asked meanwhile. */
struct p2pd_writer *p2pd_connection_begin_answer(struct p2pd_connection *c);
void p2pd_connection_end_answer(struct p2pd_connection *c);

struct p2pd_table_use *p2pd_connection_table_use(struct p2pd_connection *c);
struct p2pd_lease_use *p2pd_connection_lease_use(struct p2pd_connection *c);

/* Who the peer is, by the same credentials. */
uid_t p2pd_connection_uid(const struct p2pd_connection *c);

/* May the peer change state: root, a member of the server's group, or the owner of a private
 * daemon. By the credentials the socket had when it was connected. */
bool p2pd_connection_may_change(const struct p2pd_connection *c);
