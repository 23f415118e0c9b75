/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A server with a made machine in the process of the test, and clients that speak to it: the test
 * turns the loop itself, so nothing depends on time.
 */

#include <event2/event.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/server.h"

/* The text of a call, parameters being JSON text; MORE asks for every reply of a stream. */
#define CALL(method, parameters) "{\"method\":\"" method "\",\"parameters\":" parameters "}"
#define MORE(method, parameters)                                                                   \
        "{\"method\":\"" method "\",\"parameters\":" parameters ",\"more\":true}"
#define DISTANCE CALL("io.p2pd.GetDistance", "{\"provider\":\"card0\",\"client\":\"nvme0\"}")

struct serve_fixture {
        struct event_base *base;
        struct p2pd_server *server;
        struct p2pd_status status;
        struct p2pd_server_limits limits;
        char directory[64];
        char path[96]; /* of the socket */
        uint64_t generation;
        struct p2pd_snapshot *snapshot; /* the one that was published last */
        int rescan_result;              /* what the rescan callback returns */
        unsigned n_rescans, n_private_closed, n_readers_changed;
        struct p2pd_bar_wish wishes[8]; /* the first ones */
        unsigned n_wishes;
};

/* The machine: below host bridge pci0000:00 a switch with a GPU at 03:00.0 ("card0", "renderD128"),
 * an NVMe at 04:00.0 ("nvme0") and a network card at 05:00.0 ("mlx5_0", "eth2"); on pci0000:80 a
 * GPU at 81:00.0 ("card1", and "eth2" again) without readable ACS. more endpoints follow on further
 * root ports of pci0000:80. */
struct p2p_machine *serve_fixture_machine(unsigned more);

/* limits NULL: the defaults. Publishes generation 1 with so many more endpoints and listens. */
void serve_fixture_setup(struct serve_fixture *f, const struct p2pd_server_limits *limits,
                         unsigned more);
void serve_fixture_teardown(struct serve_fixture *f);

/* Makes this machine the next generation and tells the monitors. */
void serve_fixture_publish(struct serve_fixture *f, struct p2p_machine *machine);

/* Turns the loop until nothing is left to do. */
void serve_fixture_turn(struct serve_fixture *f);

/* A client of the listening socket; non-blocking. */
int serve_fixture_connect(struct serve_fixture *f);

/* Sends as much as the socket takes (with turns of the loop between, if it takes no more). */
void serve_fixture_send(struct serve_fixture *f, int fd, const void *bytes, size_t n);

/* Sends one message and its NUL byte. */
void serve_fixture_ask(struct serve_fixture *f, int fd, const char *message);

/* The next reply, without its NUL byte, to be freed; NULL: the peer is closed. Fails the test if
 * neither comes. */
char *serve_fixture_receive(struct serve_fixture *f, int fd);

/* Asks and receives, parsed; to be put. */
json_object *serve_fixture_call(struct serve_fixture *f, int fd, const char *message);

/* The peer has closed this socket (after whatever it still sent). */
bool serve_fixture_is_closed(struct serve_fixture *f, int fd);

/* What stands at a path of member names and array indices ("parameters.rows.0.cells"), borrowed;
 * NULL: nothing. */
json_object *reply_member(json_object *object, const char *path);

/* The same as a string, borrowed; "(nothing)" where there is nothing. */
const char *reply_string(json_object *object, const char *path);

/* The same as an integer; 0 where there is nothing. */
int64_t reply_int(json_object *object, const char *path);

/* The number of elements; fails the test if it is no array. */
size_t reply_length(json_object *object, const char *path);

/* Fails the test unless the reply has at top level only what Varlink knows, and parameters of the
 * type of the method's result, or of the error if it is one (method is not looked at then). */
void reply_check(json_object *reply, const char *interface, const char *method);
