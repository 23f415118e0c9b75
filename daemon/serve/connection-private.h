/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of a connection, for connection.c (how it comes, goes and is asked about) and
 * connection-turn.c (what it does: reads, answers, sends). */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#include "serve/connection.h"

/*
 *  state       message            last piece sent to buffer   what it waits for
 *  SERVING     answered: SERVING  -                           -
 *              stream: STREAMING
 *              later: WAITING
 *  STREAMING   stays in the       SERVING, or MONITORING      -
 *  WAITING     input buffer       -                           SERVING
 *  MONITORING                     -                           -
 *
 * Every state ends in CLOSED.
 */
enum p2pd_connection_state {
        CONNECTION_SERVING,    /* reads calls and answers them */
        CONNECTION_STREAMING,  /* an answer is being produced in pieces */
        CONNECTION_WAITING,    /* an answer comes later */
        CONNECTION_MONITORING, /* sends changes as they come */
        CONNECTION_CLOSED,
};

/* The transport's side of the matter. */
enum p2pd_input_state {
        INPUT_OPEN,
        INPUT_ENDED,   /* the peer sends no more; what came is answered */
        INPUT_REFUSED, /* it sent what cannot be answered: nothing more is looked at */
};

/* A change that waits to be sent. */
struct p2pd_queued_notice {
        STAILQ_ENTRY(p2pd_queued_notice) node;
        struct p2pd_notice *notice;
};

struct p2pd_connection {
        TAILQ_ENTRY(p2pd_connection) node;      /* of the server's connections, or closed ones */
        TAILQ_ENTRY(p2pd_connection) turn_node; /* of those that wait for their turn */
        bool has_turn;
        struct p2pd_server *server;
        struct p2pd_user *user;
        enum p2pd_connection_state state;
        int fd;
        gid_t gid;
        bool is_private;
        enum p2pd_input_state input;

        struct event read_event, write_event;
        bool reads, writes; /* these are added */

        struct p2pd_buffer in;
        size_t scanned; /* bytes at the start of the input that hold no NUL byte */
        struct p2pd_buffer out;
        struct p2pd_writer writer; /* to out */
        struct p2pd_stream *stream;

        struct p2pd_descriptor *passed; /* goes with the byte at passed_at of out; or NULL */
        size_t passed_at;

        enum p2pd_wait waits_for; /* while WAITING */
        struct p2pd_job *job;     /* likewise, or NULL */
        enum p2pd_events told_of; /* while MONITORING */
        struct p2pd_table_use table_use;
        struct p2pd_lease_use lease_use;

        STAILQ_HEAD(, p2pd_queued_notice) notices;
        size_t notice_sent;  /* bytes of the first one that are sent */
        size_t notices_size; /* unsent bytes of all */

        size_t bytes_charged;
        bool call_charged;
};

/* Where a share of a turn of the loop has ended. */
enum p2pd_share_end {
        P2PD_SHARE_IDLE, /* there is nothing to do until the peer or an event does something */
        P2PD_SHARE_FULL, /* too much waits to be sent */
        P2PD_SHARE_OVER, /* the time is over */
};

/* Adds or removes an event. 0 or -ENOMEM. */
int p2pd_connection_watch(struct event *event, bool want, bool *now);

/* What is written and not sent, in bytes. */
size_t p2pd_connection_unsent(const struct p2pd_connection *c);

/* Sends what goes; may close it. */
void p2pd_connection_flush(struct p2pd_connection *c);

/* Frees the first of the changes that wait to be sent. */
void p2pd_connection_drop_notice(struct p2pd_connection *c);

/* Frees what the call that is being answered holds. */
void p2pd_connection_end_call(struct p2pd_connection *c);

/* It gets a share of the next turn. */
void p2pd_connection_request_turn(struct p2pd_connection *c);

/* After everything that may have changed what the connection waits for; may close it. */
void p2pd_connection_settle(struct p2pd_connection *c, enum p2pd_share_end end);

/* Of its two events; userdata is the connection. */
void p2pd_connection_on_readable(evutil_socket_t fd, short what, void *userdata);
void p2pd_connection_on_writable(evutil_socket_t fd, short what, void *userdata);
