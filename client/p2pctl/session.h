/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every command works with: the options, the terminal, and the daemon that answers (the one of
 * this machine, or a private one for --root and --lspci). The daemon is connected when the first
 * question is asked.
 */

#include <json-c/json.h>
#include <p2pd/p2pd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "terminal.h"
#include "wishes.h"

/* Exit codes. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNKNOWN = 3 };

struct session {
        const char *socket_path; /* NULL: the default one */
        const char *root, *lspci;
        bool json;
        enum p2pd_rules rules;
        bool all, distance, no_serials; /* options of single commands */
        const char *from;
        uint64_t min_bar_bytes; /* of check; 0: any size */
        bool allow_slow_link;
        struct wishes wishes; /* of place, leases and the like */

        struct terminal terminal;
        struct p2pd_client *client;
        pid_t daemon_pid; /* of the private daemon, or 0 */
};

/* Connects if that is not done yet. 0, or a negative errno after the user was told. */
int session_connect(struct session *s);

/* Ends the connection, and with it the private daemon. */
void session_close(struct session *s);

/* Parameters for a call, with the rules of the command line. */
struct json_object *session_parameters(const struct session *s);

/* One question and its answer. parameters (may be NULL) is used up. 0 with the parameters of the
 * reply, to be put; negative after the user was told. */
int session_ask(struct session *s, const char *method, struct json_object *parameters,
                struct json_object **ret);

/*
 * A stream: on_part gets every reply's parameters, still its caller's; returning false ends the
 * stream. 0 when the stream ended well or was ended; negative after the user was told.
 */
typedef bool (*session_part_fn)(struct session *s, struct json_object *part, void *userdata);
int session_stream(struct session *s, const char *method, struct json_object *parameters,
                   session_part_fn on_part, void *userdata);

/* Runs the connection until *done is set by a callback. 0, or negative after the user was told. */
int session_run_until(struct session *s, const bool *done);

/* Tells the user on standard error what went wrong with this connection or call, and what to do.
 * error_name, parameters: as libp2pd gives them, or NULL. */
void session_tell_error(struct session *s, int error, const char *error_name,
                        const char *parameters);

/* Prints JSON as the user asked for: pretty on a terminal, else in one line. */
void session_print_json(const struct session *s, struct json_object *object);

/*
 * The common command: asks, and prints the answer as JSON or by show(), whose result is the exit
 * code.
 */
typedef int (*session_show_fn)(struct session *s, struct json_object *answer);
int session_show(struct session *s, const char *method, struct json_object *parameters,
                 session_show_fn show);

/* A JSON array of one string; for lists of functions. */
struct json_object *json_strings(int n, char *const *strings);
