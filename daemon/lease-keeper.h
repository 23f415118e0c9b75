/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps the leases as promises: what is told to a client as done is in the state file first. Holds
 * the table (leases.h) and the operations on it that wait for the file, and takes back what could
 * not be written. Where there is no state file, and for leases that are tied to a connection,
 * operations are done at once.
 *
 * A lease on its way into the file holds its devices already, and is nobody's yet: it is not found
 * by name or number. One that is being released holds them until the file says so: nothing is given
 * to somebody else that a crash would give back.
 *
 * No clock, no thread, no I/O: who uses it says what time it is and when a state was saved.
 */

#include <stdbool.h>
#include <stdint.h>

#include "leases.h"

struct p2pd_lease_keeper;
struct p2pd_state;
struct p2pd_state_lease;

/* What becomes of leases with a name when p2pd ends. */
enum p2pd_lease_storage {
        P2PD_LEASES_IN_MEMORY,
        P2PD_LEASES_IN_FILE,
        P2PD_LEASES_LOST, /* the file could not be read: who holds what is not known, nothing is
                             given */
};

/* A refusal beyond those of leases.h: storage is LOST. */
#define P2PD_LEASE_E_LOST 100

enum p2pd_lease_operation_kind {
        P2PD_LEASE_OPERATION_TAKE,
        P2PD_LEASE_OPERATION_RENEW,
        P2PD_LEASE_OPERATION_RELEASE,
};

struct p2pd_lease_operation {
        uint64_t number; /* 1, 2, ... */
        enum p2pd_lease_operation_kind kind;
        uint64_t lease;                /* its number */
        struct p2pd_lease_term before; /* RENEW: what it was */
        bool is_saving;                /* what is being saved has it */
        bool is_done;
        int result; /* when done: 0, or the negative errno with which the file could not be written:
                       then it was taken back */
};

/* A keeper without leases, in memory. on_event is told everything that becomes of a lease once it
 * is somebody's, as p2pd_lease_event_fn says; may be NULL. NULL: out of memory. */
struct p2pd_lease_keeper *p2pd_lease_keeper_new(p2pd_lease_event_fn on_event, void *userdata);
/* Accepts NULL; returns NULL. */
struct p2pd_lease_keeper *p2pd_lease_keeper_free(struct p2pd_lease_keeper *k);

/* What the file says. */
struct p2pd_lease_keeper_file {
        enum p2pd_lease_storage storage;
        const struct p2pd_state_lease *leases; /* in the order of numbers */
        uint32_t n;
        uint64_t last_number; /* the greatest that was ever given */
        bool is_same_boot;    /* it was certainly written in this boot */
};

/* Takes it up, before anything else. How many leases had to be left out, being invalid or holding
 * only what another one holds; or -ENOMEM. */
int p2pd_lease_keeper_load(struct p2pd_lease_keeper *k, const struct p2pd_lease_keeper_file *file,
                           struct p2pd_lease_time now);

/* For reading. */
const struct p2pd_leases *p2pd_lease_keeper_table(const struct p2pd_lease_keeper *k);

/* Follows a machine. 0 or -ENOMEM: then the table must not be asked about it. */
int p2pd_lease_keeper_follow(struct p2pd_lease_keeper *k, const struct p2p_machine *m);

/* Ends what has expired; when the next one will (CLOCK_BOOTTIME), 0: none. If the wall clock was
 * set since the file was written, what it says about expiry is to be saved anew: call it every now
 * and then while leases expire. */
uint64_t p2pd_lease_keeper_expire(struct p2pd_lease_keeper *k, struct p2pd_lease_time now);

/* Ends the leases that are tied to the connection. */
void p2pd_lease_keeper_disconnect(struct p2pd_lease_keeper *k, uint64_t connection);

/* Is the lease somebody's: false while it is on its way into the file. */
bool p2pd_lease_keeper_is_shown(const struct p2pd_lease_keeper *k, const struct p2pd_lease *lease);

/* The same as p2pd_leases_find_for(); what is being taken or released is UNKNOWN. */
int p2pd_lease_keeper_find_for(const struct p2pd_lease_keeper *k, const char *which, uint32_t uid,
                               const struct p2pd_lease **ret);

/*
 * Begin an operation, *ret_operation is its number. Answer it when it is done. The lease of renew
 * and release comes from find_for. 0; -ENOMEM; and for take what p2pd_leases_take() refuses with,
 * or P2PD_LEASE_E_LOST.
 */
int p2pd_lease_keeper_take(struct p2pd_lease_keeper *k, const struct p2pd_lease_request *request,
                           uint64_t *ret_operation, struct p2pd_lease_obstacle *ret_obstacle);
int p2pd_lease_keeper_renew(struct p2pd_lease_keeper *k, const struct p2pd_lease *lease,
                            struct p2pd_lease_term term, uint64_t *ret_operation);
int p2pd_lease_keeper_release(struct p2pd_lease_keeper *k, const struct p2pd_lease *lease,
                              uint64_t *ret_operation);

/* The operation with this number, until it is settled; or NULL. */
const struct p2pd_lease_operation *p2pd_lease_keeper_find(const struct p2pd_lease_keeper *k,
                                                          uint64_t operation);

/* Completes what is done, and forgets it: released leases end now, and what was done is told. So
 * answer before. */
void p2pd_lease_keeper_settle(struct p2pd_lease_keeper *k);

/*
 * Saving. One at a time: begin gives what is to be saved, end takes it back.
 */

/* Something is to be saved. False unless storage is IN_FILE. */
bool p2pd_lease_keeper_is_dirty(const struct p2pd_lease_keeper *k);
/* Puts leases and last number into the state in place of what stands there. 0 or -ENOMEM. */
int p2pd_lease_keeper_begin_save(struct p2pd_lease_keeper *k, struct p2pd_lease_time now,
                                 struct p2pd_state *state);
/* result: what p2pd_state_save() returned, or the errno with which it came to nothing. On failure
 * everything that waits is taken back, newest first. Frees the state's leases. */
void p2pd_lease_keeper_end_save(struct p2pd_lease_keeper *k, struct p2pd_state *state, int result);
