/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What server.c, listener.c, connection.c and the methods share. Not for anybody else. */

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "serve/buffer.h"
#include "serve/function-index.h"
#include "serve/server.h"
#include "serve/user.h"

struct p2pd_connection;
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
        void *userdata;
        bool has_group;
        gid_t group; /* whose members may change state */

        struct p2pd_snapshot *snapshot;    /* the current one; NULL before the first publish */
        struct p2pd_function_index *index; /* of snapshot; NULL until somebody asks */
        struct p2pd_verifications *verifications;
        struct p2pd_counters counters;
        struct p2pd_users users;

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

/* Asks for a turn of the loop: closed connections are freed, those that wait get their share. */
void p2pd_server_request_turn(struct p2pd_server *s);

/* Accepts again, if accepting paused for want of descriptors or memory. */
void p2pd_server_resume_accepting(struct p2pd_server *s);

/* Stops and closes; returns NULL. */
struct p2pd_listener *p2pd_listener_free(struct p2pd_listener *l);

/* Accept from now on; all listeners. */
void p2pd_listeners_start(struct p2pd_server *s);
