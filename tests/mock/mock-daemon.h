/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The real daemon in live mode on a private socket, in the same umockdev world as the test, and a
 * plain blocking Varlink client to ask it. What fails aborts the test program.
 */

#include <json-c/json.h>

struct mock_daemon;

/* Starts the program named by the environment variable P2PD with these further arguments (ends with
 * NULL) and waits until it is READY. */
struct mock_daemon *mock_daemon_start(const char *const *arguments);

/* SIGTERM; aborts when the exit status is not 0. Returns NULL. */
struct mock_daemon *mock_daemon_stop(struct mock_daemon *d);

/* A new connection's file descriptor; the caller closes it. */
int mock_daemon_connect(const struct mock_daemon *d);

/* Sends one call: the text of a JSON object. */
void mock_daemon_send(int fd, const char *call);

/* The next message on the connection, which the caller puts; NULL when none came within the time.
 * Reads nothing beyond it. */
struct json_object *mock_daemon_receive(int fd, int timeout_msec);

/* One call on a connection of its own: the reply, which the caller puts. */
struct json_object *mock_daemon_call(const struct mock_daemon *d, const char *call);

/* The member at a path of names ("parameters.status.functions"), or NULL; belongs to the object. */
struct json_object *mock_json_at(struct json_object *object, const char *path);

/* The text at a path; "" if there is none. */
const char *mock_json_text(struct json_object *object, const char *path);
