/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's refusals around placement, leases and what-if, in words. */

#include <json-c/json.h>
#include <stdbool.h>

#include "text.h"

/* Adds what the error means and what to do; false if the name is none of these. parameters: of the
 * error, or NULL. */
bool describe_place_refusal(const char *name, struct json_object *parameters, struct text *t);

/* Adds what the value of a parameter would have to be, in a line of its own, for those that people
 * choose freely. */
void add_parameter_hint(const char *parameter, struct text *t);
