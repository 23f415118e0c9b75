/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Varlink service: sockets, connections, limits and methods. It answers from the current
 * snapshot, and owns no rule about hardware.
 */

#include <stdbool.h>
#include <stdint.h>

#include "absent-bars.h"
#include "decide/diff.h"
#include "leases.h"
#include "publish/state-file.h"
#include "snapshot.h"

struct event_base;
struct p2pd_lease_keeper;
struct p2pd_server;
struct p2pd_verification;

/* What GetStatus tells beyond the snapshot, kept up to date by the manager. */
struct p2pd_status {
        uint64_t started_usec; /* CLOCK_REALTIME */
        uint64_t capabilities; /* effective ones of this process, as the kernel says now */
        bool has_reader;
        bool reader_alive;
        int reader_pid;
        uint64_t reader_capabilities;
        uint64_t n_rescans, n_uevents, n_overruns, n_drifts;
        uint64_t last_scan_duration_usec;
        const char *source_path;     /* of --root, --lspci; or NULL */
        enum p2p_rules_choice rules; /* what "rules" left out in a call means */
        const char *last_scan_error; /* or NULL; the generation before still stands then */

        unsigned id_bits; /* 0: there are no BAR ids */
        uint32_t n_ids_used, n_ids_retired, n_ids_lost, n_bars_without_id;
        const struct p2pd_absent_bars *absent_bars; /* as they are now; or NULL: none */
        const char *table_error;                    /* or NULL; readers have to ask then */
        const char *state_path;  /* of the state directory; NULL: ids live in memory */
        const char *state_error; /* or NULL; new BAR ids are not shown then, nor leases given */
        const char *state_warnings[P2PD_STATE_REPORTS_MAX]; /* what was lost; ends with NULL if
                                                               there are fewer */
};

/* The shared table as it is now, for AttachTable. */
struct p2pd_table_offer {
        int fd;
        bool moved; /* fd is another one than that of the last offer */
        uint64_t generation, size_bytes;
        uint64_t instance[2];
        unsigned id_bits;
};

/* A BAR that a client wants to be registered, or not any more. */
struct p2pd_bar_wish {
        uint64_t number;             /* counts up from 1 */
        struct p2p_address function; /* or, of one that is not there, its slot */
        struct p2p_slot absent_slot; /* "": the function is there */
        uint8_t bar_index;           /* to be registered: of a memory BAR when the wish was made */
        bool registered;             /* what is wanted */
        /* Of a wish carried out: 0; P2P_BAR_IDS_E_..., nothing was done; -ENOMEM, likewise; or
         * another negative errno, it was done and could not be written down. */
        int result;
};

/* Passing one of these closes the peer, which is counted (over_limit). Per uid means: of all the
 * connections whose peer has this uid. */
struct p2pd_server_limits {
        uint32_t message_bytes; /* of one call, NUL included */
        uint32_t depth;         /* JSON nesting; past it a message is malformed */
        uint32_t connections;   /* in all */
        uint32_t connections_per_uid;
        uint32_t pending_calls_per_uid; /* calls that are being answered piece by piece, monitors
                                           and waiting rescans */
        uint32_t bytes_per_uid;         /* memory of buffers and of answers under way */
        uint32_t reader_grace_sec; /* how long it counts as a reader of the shared table after it
                                      was closed for any of these; the same for an earlier p2pd's */
        uint32_t unsent_bytes; /* what may wait for a monitor when the next event comes. Answers to
                                  calls are produced only as fast as the client reads them. */
};

extern const struct p2pd_server_limits p2pd_server_limits_default;

/* What the rescan callback may return besides 0 and a negative errno: the machine is being read,
 * p2pd_server_rescan_finished() will tell. */
#define P2PD_RESCAN_STARTED 1

struct p2pd_server_params {
        struct event_base *base;
        const struct p2pd_server_limits *limits; /* copied */
        const struct p2pd_status *status;        /* read at each GetStatus */
        /* A client with the right asked for a rescan: do it now, publish, return 0 or a negative
         * errno (then status->last_scan_error says why); or see to it that one begins and return
         * P2PD_RESCAN_STARTED. */
        int (*rescan)(void *userdata);
        /* The last connection of a private daemon (added by add_connection) was closed. Called from
         * the loop; must not free the server. */
        void (*last_private_closed)(void *userdata);
        /* A client with the right told what came of a transfer, which is kept now: for the log. May
         * be NULL. */
        void (*verified)(const struct p2pd_verification *v, void *userdata);
        /* A client with the right wishes this; p2pd_server_wishes_done() tells what came of it. May
         * be NULL: then there are no BAR ids. 0 or a negative errno. */
        int (*wish)(const struct p2pd_bar_wish *wish, void *userdata);
        /* A reader of the shared table went or confirmed a generation. Called from the loop, once
         * for all that did in a turn. May be NULL. */
        void (*readers_changed)(void *userdata);
        /* The keeper of leases has something to be saved: p2pd_server_leases_saved() tells what
         * came of it. May be NULL. */
        void (*leases_changed)(void *userdata);
        /* What becomes of leases, for the log. May be NULL. */
        p2pd_lease_event_fn lease_event;
        void *userdata;
        const char
                *group; /* whose members may change state besides root, "p2pd"; NULL: root only */
};

/* Nothing is answered before the first publish. 0 or a negative errno. */
int p2pd_server_new(const struct p2pd_server_params *params, struct p2pd_server **ret);

/* Closes everything, removes the socket file that listen() made. Accepts NULL; returns NULL. */
struct p2pd_server *p2pd_server_free(struct p2pd_server *s);

/* Takes a listening UNIX stream socket (from socket activation, or p2pd_server_listen). 0 or a
 * negative errno, the descriptor is then still the caller's. */
int p2pd_server_add_listener(struct p2pd_server *s, int fd);

/* Binds a socket at path, mode 0666; replaces a stale socket file, refuses (-EADDRINUSE) a live
 * one and (-EEXIST) what is no socket. The file is there when the socket listens. 0 or a negative
 * errno. */
int p2pd_server_listen(struct p2pd_server *s, const char *path);

/* Takes a connected UNIX stream socket (the private daemon of `p2pctl --root`). Its peer may do
 * what root may. 0 or a negative errno, the descriptor is then still the caller's. */
int p2pd_server_add_connection(struct p2pd_server *s, int fd);

/* Makes the snapshot current (takes a reference); diff (may be NULL for the first one) goes to the
 * monitors. Never blocks on a client. */
void p2pd_server_publish(struct p2pd_server *s, struct p2pd_snapshot *snapshot,
                         const struct p2p_diff *diff);

/* A rescan that began after the last callback which returned P2PD_RESCAN_STARTED is over, what it
 * found is published: 0, or a negative errno. Answers every Rescan call that waits. */
void p2pd_server_rescan_finished(struct p2pd_server *s, int result);

/* Offers the table to readers from now on, and tells those who wait for a newer generation. NULL:
 * there is none at the moment, they wait on. Negative errno: not offered, there is none. */
int p2pd_server_offer_table(struct p2pd_server *s, const struct p2pd_table_offer *offer);

/* The generation before which no attached reader uses anything, see readers.h. */
uint64_t p2pd_server_oldest_confirmed(const struct p2pd_server *s);

/* These wishes (numbers without a gap) were carried out or refused, what came of it is published.
 * Answers those who wait for them. */
void p2pd_server_wishes_done(struct p2pd_server *s, const struct p2pd_bar_wish *wishes, size_t n);

/* The keeper of leases, in memory until it is told otherwise. Stays the server's. */
struct p2pd_lease_keeper *p2pd_server_leases(struct p2pd_server *s);

/* The moment, by the clocks that leases go by. The wall clock follows what is less than a step with
 * delay, so that the same lease is answered with the same time. */
struct p2pd_lease_time p2pd_server_lease_time(struct p2pd_server *s);

/* A save of the keeper's has ended, it knows how: answers those who waited for it. */
void p2pd_server_leases_saved(struct p2pd_server *s);

/* How many calls were taken since the server was made. */
uint64_t p2pd_server_get_calls(const struct p2pd_server *s);
