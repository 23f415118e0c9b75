/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What server.c, listener.c, connection.c and the methods share. Not for anybody else. */

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "lease-keeper.h"
#include "readers.h"
#include "serve/buffer.h"
#include "serve/descriptor.h"
#include "serve/function-index.h"
#include "serve/server.h"
#include "serve/user.h"

struct p2pd_connection;
struct p2pd_job;
struct p2pd_jobs;
struct p2pd_listener;
struct p2pd_verifications;

TAILQ_HEAD(p2pd_connection_list, p2pd_connection);
LIST_HEAD(p2pd_listener_list, p2pd_listener);

struct p2pd_counters {
        uint64_t connections; /* accepted ever, those closed at once included */
        uint64_t calls;
        uint64_t errors;     /* error replies */
        uint64_t over_limit; /* peers closed for passing a limit */
        uint64_t malformed;  /* peers closed because what they sent is no Varlink call */
};

struct p2pd_server {
        struct event_base *base;
        struct p2pd_server_limits limits;
        const struct p2pd_status *status;
        int (*rescan)(void *userdata);
        void (*last_private_closed)(void *userdata);
        void (*verified)(const struct p2pd_verification *v, void *userdata);
        int (*wish)(const struct p2pd_bar_wish *wish, void *userdata);
        void (*readers_changed_callback)(void *userdata);
        void (*leases_changed_callback)(void *userdata);
        p2pd_lease_event_fn lease_event;
        void *userdata;
        bool has_group;
        gid_t group; /* whose members may change state */

        struct p2pd_snapshot *snapshot;    /* the current one; NULL before the first publish */
        struct p2pd_function_index *index; /* of snapshot; NULL until somebody asks */
        struct p2pd_verifications *verifications;
        struct p2pd_counters counters;
        struct p2pd_users users;

        struct p2pd_readers readers;
        struct p2pd_reader lost_reader; /* stands for all whom we closed, until lost_event */
        struct event *lost_event;
        bool readers_changed;                     /* to be told */
        struct p2pd_table_offer table;            /* its fd is table_descriptor's */
        struct p2pd_descriptor *table_descriptor; /* NULL: no table at the moment */
        uint64_t table_number;                    /* counts up with each descriptor */
        uint64_t last_wish;                       /* number of the last one */

        struct p2pd_jobs *jobs;
        struct p2pd_lease_keeper *leases;
        bool leases_followed; /* the keeper has followed the current snapshot's machine */
        bool leases_changed;  /* operations to be answered, or something to be saved */
        struct event *lease_event_timer; /* the next one expires */
        int64_t clock_offset;     /* from CLOCK_BOOTTIME to CLOCK_REALTIME, in microseconds */
        uint64_t last_connection; /* number of the last one */

        struct p2pd_connection_list connections;
        uint32_t n_connections;
        struct p2pd_connection_list closed; /* to be freed on the next turn of the loop */
        struct p2pd_connection_list turns;  /* wait for their share of the next turn */
        uint32_t n_turns;
        struct event *turn_event;
        uint32_t n_private;
        bool private_closed; /* the last private connection is gone, to be told */

        struct p2pd_listener_list listeners;
        struct event *accept_retry_event; /* accepting pauses until then */
        char *socket_path;                /* which listen() made, or NULL */
        dev_t socket_device;
        ino_t socket_inode;

        /* Where input is read to, shared by all connections: what a connection keeps of it is
         * copied. Empty between two callbacks. */
        struct p2pd_buffer scratch;
};

/* The index of the current snapshot. NULL: out of memory. */
const struct p2pd_function_index *p2pd_server_index(struct p2pd_server *s);

/* A connection is a reader no more: the peer has left; or we closed it, and it may look into the
 * table still, for a moment. And: a reader has confirmed something. All are told on the next turn
 * of the loop. */
void p2pd_server_detach_reader(struct p2pd_server *s, struct p2pd_reader *reader);
void p2pd_server_lose_reader(struct p2pd_server *s, struct p2pd_reader *reader);
void p2pd_server_note_readers(struct p2pd_server *s);

/* Asks for a turn of the loop: closed connections are freed, those that wait get their share. */
void p2pd_server_request_turn(struct p2pd_server *s);

/* Answers with what a job has written, or makes it go on; for p2pd_jobs_new(). */
void p2pd_server_deliver(struct p2pd_job *job, struct p2pd_server *s);

/*
 * server-leases.c
 */

/* The keeper and its timer. 0 or -ENOMEM. */
int p2pd_server_leases_init(struct p2pd_server *s);
void p2pd_server_leases_deinit(struct p2pd_server *s);

/* To be called before anything is asked of the keeper: ends what has expired, and sees to it that
 * it has followed the current machine. 0, or -ENOMEM: it has not. */
int p2pd_server_leases_ready(struct p2pd_server *s);

/* The current machine is another one. */
void p2pd_server_leases_follow(struct p2pd_server *s);

/* An operation was begun; it is answered, or begins to be saved, on the next turn of the loop. */
void p2pd_server_note_leases(struct p2pd_server *s);
void p2pd_server_leases_turn(struct p2pd_server *s);

/* A connection is gone: what is tied to it ends. */
void p2pd_server_end_leases(struct p2pd_server *s, uint64_t connection);

/* Accepts again, if accepting paused for want of descriptors or memory. */
void p2pd_server_resume_accepting(struct p2pd_server *s);

/* Stops and closes; returns NULL. */
struct p2pd_listener *p2pd_listener_free(struct p2pd_listener *l);

/* Accept from now on; all listeners. */
void p2pd_listeners_start(struct p2pd_server *s);
