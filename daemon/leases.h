/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who holds which devices. A lease holds all of its devices or does not exist; a device is in at
 * most one lease. A named lease is kept until it is released or expires, whatever becomes of the
 * process that took it; one without a name is tied to a connection and ends with it. The table
 * lives in memory and does no I/O: who calls it writes the state file and tells the holders.
 *
 * A device is one function, known by its slot and its identity, not by its address: it stays held
 * when it is unplugged (lost until it is back) and when buses are numbered anew. What stands in the
 * slot and may be the device, its identity or its serial number being unreadable, is not offered
 * either, nor told to be back; and what was there all along is not told to be lost.
 *
 * A physical function and its virtual ones are the same hardware: while a physical function is
 * held, nobody else gets one of its virtual functions; while a virtual function is held, be it lost
 * or not, nobody else gets what stands in its physical function's slot, but its siblings are free.
 * One lease may hold both. Where two leases come to that without anybody's doing (a card returns to
 * a slot in which another of its kind is in use), the later one has lost its part.
 *
 * Functions are named by their index in the machine that the table followed last; a new generation
 * is followed before anybody may ask about it.
 *
 * Leases end by CLOCK_BOOTTIME, which nobody sets: a wall clock that is set meanwhile ends none
 * early or late. The wall clock (CLOCK_REALTIME) is what people are shown, and the only one that
 * has a meaning after a reboot. All times are in microseconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide/slot.h"
#include "machine.h"

struct p2pd_leases;
struct p2pd_state_lease;

#define P2PD_LEASES_MAX 4096U
#define P2PD_LEASES_PER_USER_MAX 1024U /* root has no limit of its own */
#define P2PD_LEASE_DEVICES_MAX 65536U  /* of all leases together */

/* Bytes of the two texts, without their NUL. */
#define P2PD_LEASE_NAME_MAX 63U
#define P2PD_LEASE_OWNER_MAX 127U

/* What a request may be refused with. */
enum p2pd_lease_refusal {
        P2PD_LEASE_E_HELD = 1,       /* a device is held already */
        P2PD_LEASE_E_NAME_TAKEN,     /* another lease has the name */
        P2PD_LEASE_E_UNKNOWN,        /* there is no such lease */
        P2PD_LEASE_E_NOT_OWNER,      /* it belongs to another user */
        P2PD_LEASE_E_TOO_MANY,       /* leases in all, leases of this user, or devices in all */
        P2PD_LEASE_E_UNRECOGNISABLE, /* a device could not be recognised later: its place in the
                                        tree, or what it is, is unknown */
        P2PD_LEASE_E_INVALID,        /* of the state file: no valid name, or no device */
};

/* A moment, by both clocks. */
struct p2pd_lease_time {
        uint64_t boot_usec, wall_usec;
};

/* How long a lease is held. {0}: without an end. */
struct p2pd_lease_term {
        uint64_t deadline_usec; /* CLOCK_BOOTTIME; 0: never */
        uint64_t duration_usec; /* from when it was taken or renewed last; 0: never ends */
};

/* So long from now; 0: without an end. Cut at the end of time. */
struct p2pd_lease_term p2pd_lease_term_of(struct p2pd_lease_time now, uint64_t duration_usec);

/* When that is by the wall clock, as it is set now; 0: never. */
uint64_t p2pd_lease_term_expires(struct p2pd_lease_term term, struct p2pd_lease_time now);

struct p2pd_lease_device {
        struct p2p_address address; /* where it is, or was when it was lost */
        struct p2p_slot slot;
        struct p2p_identity identity;
        bool is_lost; /* unplugged, another device is in its slot, or an earlier lease has it */
        uint32_t function; /* its index, also of what may be it; P2P_NONE: lost, or not followed yet
                            */
        uint32_t physfn;   /* of a virtual function, lost or not: what stands in the slot of its
                              physical one; or P2P_NONE */
};

struct p2pd_lease {
        uint64_t number; /* 1, 2, ...; none is given twice while the table lives */
        char name[P2PD_LEASE_NAME_MAX + 1];   /* "": tied to a connection */
        char owner[P2PD_LEASE_OWNER_MAX + 1]; /* what the holder says of itself, or "" */
        uint32_t uid, pid;                    /* of the peer that took it */
        uint64_t connection;                  /* it is tied to; 0: named */
        uint64_t taken_usec;                  /* CLOCK_REALTIME, as it was set then */
        struct p2pd_lease_term term;
        struct p2pd_lease_device
                *devices; /* in the order in which they were asked for, at least 1 */
        uint32_t n_devices;
};

struct p2pd_leases_params {
        uint32_t max, max_per_user; /* leases; each at least 1 (asserted) */
        uint32_t max_devices;
        uint64_t last_number; /* the greatest number ever given; 0: none */
};

#define P2PD_LEASES_PARAMS_DEFAULT                                                                 \
        {                                                                                          \
                .max = P2PD_LEASES_MAX, .max_per_user = P2PD_LEASES_PER_USER_MAX,                  \
                .max_devices = P2PD_LEASE_DEVICES_MAX                                              \
        }

/* A table without leases, which has followed no machine. NULL: out of memory. */
struct p2pd_leases *p2pd_leases_new(const struct p2pd_leases_params *params);
/* Accepts NULL; returns NULL. */
struct p2pd_leases *p2pd_leases_free(struct p2pd_leases *l);

/* 1 to P2PD_LEASE_NAME_MAX ASCII letters, digits and "._:@/+-", a letter first: it is never
 * mistaken for a number or an option. */
bool p2pd_lease_name_is_valid(const char *name, size_t length);

struct p2pd_lease_request {
        const struct p2p_machine *machine; /* the one that was followed last (asserted) */
        const uint32_t *functions; /* at least 1, indices into it (asserted); twice is once */
        uint32_t n_functions;
        const char *name;  /* valid (asserted), or NULL: tied to the connection */
        const char *owner; /* at most P2PD_LEASE_OWNER_MAX bytes (asserted), or NULL */
        uint32_t uid, pid;
        uint64_t connection; /* the caller's, not 0 (asserted) */
        struct p2pd_lease_time now;
        uint64_t duration_usec; /* 0: without an end */
};

/* Why a request was refused. Valid until the table changes. */
struct p2pd_lease_obstacle {
        uint32_t function; /* HELD, UNRECOGNISABLE: the first one asked for that cannot be had; else
                              P2P_NONE */
        const struct p2pd_lease *lease;         /* HELD, NAME_TAKEN: the other one; else NULL */
        const struct p2pd_lease_device *device; /* HELD: what that one holds: the function, its
                                                   physical one, or a virtual one of it */
        uint32_t limit;                         /* TOO_MANY: how many there may be; else 0 */
};

/* Takes all or nothing. Who calls it ends what has expired first. 0: *ret is the lease, which
 * belongs to the table and stays until it is removed; HELD, NAME_TAKEN, TOO_MANY or UNRECOGNISABLE
 * with *ret_obstacle; or -ENOMEM. */
int p2pd_leases_take(struct p2pd_leases *l, const struct p2pd_lease_request *request,
                     const struct p2pd_lease **ret, struct p2pd_lease_obstacle *ret_obstacle);

/* The lease of that name or number, or NULL. */
const struct p2pd_lease *p2pd_leases_find_name(const struct p2pd_leases *l, const char *name);
const struct p2pd_lease *p2pd_leases_find_number(const struct p2pd_leases *l, uint64_t number);

/* By name ("name") or number ("17"), for a user who may change it: the one who took it, or root.
 * 0, UNKNOWN or NOT_OWNER. */
int p2pd_leases_find_for(const struct p2pd_leases *l, const char *which, uint32_t uid,
                         const struct p2pd_lease **ret);

/* Sets another end. To undo it, set the one before. UNKNOWN. */
int p2pd_leases_renew(struct p2pd_leases *l, uint64_t number, struct p2pd_lease_term term);

/* Ends a lease: its devices are free. UNKNOWN. */
int p2pd_leases_release(struct p2pd_leases *l, uint64_t number);

enum p2pd_lease_event_kind {
        P2PD_LEASE_EXPIRED,      /* its time is over: device is NULL */
        P2PD_LEASE_DISCONNECTED, /* the connection it was tied to has ended: likewise */
        P2PD_LEASE_LOST,         /* device was unplugged; it stays held */
        P2PD_LEASE_BACK,         /* device is in its slot again */
        P2PD_LEASE_MOVED,        /* device has another address now */
        P2PD_LEASE_TAKEN,        /* these three are told by who keeps the table (lease-keeper.h) */
        P2PD_LEASE_RENEWED,
        P2PD_LEASE_RELEASED,
        P2PD_LEASE_EVENT_MAX,
};

/* "expired", "disconnected", "lost", "back", "moved", "taken", "renewed", "released". NULL for
 * another value. */
const char *p2pd_lease_event_to_string(enum p2pd_lease_event_kind kind);

/* Told while the table changes, which must not be changed from here; both pointers hold for the
 * call. A lease that ends is removed after it was told. May be NULL where one is asked for. */
typedef void (*p2pd_lease_event_fn)(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                                    const struct p2pd_lease_device *device, void *userdata);

/* Ends the leases whose time of expiry is now or past; how many. */
uint32_t p2pd_leases_expire(struct p2pd_leases *l, uint64_t boot_usec, p2pd_lease_event_fn on_event,
                            void *userdata);
/* When the next one expires, by CLOCK_BOOTTIME; 0: none will. */
uint64_t p2pd_leases_next_expiry(const struct p2pd_leases *l);

/* Ends the leases that are tied to the connection; how many. */
uint32_t p2pd_leases_disconnect(struct p2pd_leases *l, uint64_t connection,
                                p2pd_lease_event_fn on_event, void *userdata);

/* A new generation, or the first after a restart: finds every held device in it. How many events
 * there were (LOST, BACK, MOVED), or -ENOMEM: then the table still speaks of the machine before. */
int p2pd_leases_follow(struct p2pd_leases *l, const struct p2p_machine *m,
                       p2pd_lease_event_fn on_event, void *userdata);

/* Which functions of the machine that was followed last (asserted) may not be offered: held, or a
 * physical or virtual function of a held one. Leases other than number `except` count; 0: all.
 * ret_held has room for m->n_functions and is written over. */
void p2pd_leases_held(const struct p2pd_leases *l, const struct p2p_machine *m, uint64_t except,
                      bool *ret_held);

/* The lease that holds the function of the machine that was followed last (asserted), or NULL. */
const struct p2pd_lease *p2pd_leases_holder(const struct p2pd_leases *l,
                                            const struct p2p_machine *m, uint32_t function);

/* How many devices all leases hold. */
uint32_t p2pd_leases_n_devices(const struct p2pd_leases *l);

/* How many there are, and the i-th in the order of their numbers (asserted). */
uint32_t p2pd_leases_n(const struct p2pd_leases *l);
const struct p2pd_lease *p2pd_leases_get(const struct p2pd_leases *l, uint32_t i);

/* Moves when more becomes known of what a held device is (its serial number, which could not be
 * read before): the state file ought to say it. */
uint64_t p2pd_leases_n_learned(const struct p2pd_leases *l);

/* The greatest number that was ever given. */
uint64_t p2pd_leases_last_number(const struct p2pd_leases *l);

/*
 * State file (publish/state-file.h)
 */

/* What is kept of a named lease (asserted), written now; to be freed by p2pd_state_lease_deinit().
 * 0 or -ENOMEM. */
int p2pd_lease_export(const struct p2pd_lease *lease, struct p2pd_lease_time now,
                      struct p2pd_state_lease *ret);

/* What surrounds leases that are taken up. */
struct p2pd_lease_import {
        struct p2pd_lease_time now;
        bool is_same_boot;            /* certainly the boot in which the file was written */
        p2pd_lease_event_fn on_event; /* or NULL */
        void *userdata;
};

/*
 * How long a lease of the file is still held. In the boot in which it was written, by its deadline,
 * however the wall clock was set since. After another boot by the wall clock: no longer than its
 * own duration from now, should the clock be behind; and a clock that is behind never shortens it.
 */
struct p2pd_lease_term p2pd_lease_restored_term(const struct p2pd_state_lease *state,
                                                const struct p2pd_lease_import *how);

/* Takes up a lease of the file, in the order of numbers (asserted), before anything is taken or
 * followed. Limits do not count: it was promised. What a damaged file says twice is the earlier
 * one's: the device is left out of this lease and told as LOST. 0; NAME_TAKEN, HELD (no device is
 * left) or INVALID, then the lease is left out as a whole; or -ENOMEM. */
int p2pd_leases_import(struct p2pd_leases *l, const struct p2pd_state_lease *state,
                       const struct p2pd_lease_import *how);
