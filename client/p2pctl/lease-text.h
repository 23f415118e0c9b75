/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A lease in words. */

#include <json-c/json.h>

#include "session.h"
#include "text.h"

/* "job7", or its number; what the commands take. Safe for the terminal. */
void describe_lease_name(const struct session *s, struct text *out, struct json_object *lease);

/* Prints a lease that was taken or renewed: number, name, devices, how long, and how to end it. */
void print_held(const struct session *s, struct json_object *lease);

/* How long it lasts from now on: "2 h 5 min", "expired", "connection" where it ends with one (with
 * both, "2 h 5 min or connection"); "-" for ever. */
void describe_time_left(struct text *out, struct json_object *lease);
