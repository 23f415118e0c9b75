/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Varlink service: sockets, connections, limits and methods. It answers from the current
 * snapshot, and owns no rule about hardware.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/diff.h"
#include "snapshot.h"

struct event_base;
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

/* How many calls were taken since the server was made. */
uint64_t p2pd_server_get_calls(const struct p2pd_server *s);
