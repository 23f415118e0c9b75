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

struct p2pd_connection;
struct p2pd_notice;
struct p2pd_server;

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

/* Is it (or will it be, behind its first reply) told of changes. */
bool p2pd_connection_is_monitor(const struct p2pd_connection *c);

/* Queues a change for a monitor and sends what goes; closes it when too much waits already. */
void p2pd_connection_notify(struct p2pd_connection *c, struct p2pd_notice *notice);

/* The generation that an unfinished answer holds on to; 0: none. */
uint64_t p2pd_connection_held_generation(const struct p2pd_connection *c);

/* Waits for the end of a rescan. */
bool p2pd_connection_waits(const struct p2pd_connection *c);

/* The rescan is over: answers, and goes on with what the client asked meanwhile. */
void p2pd_connection_answer_rescan(struct p2pd_connection *c, int result);

/* Who the peer is, by the same credentials. */
uid_t p2pd_connection_uid(const struct p2pd_connection *c);

/* May the peer change state: root, a member of the server's group, or the owner of a private
 * daemon. By the credentials the socket had when it was connected. */
bool p2pd_connection_may_change(const struct p2pd_connection *c);
