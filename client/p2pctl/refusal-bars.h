/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's refusals around BAR ids and the shared table, in words. */

#include <json-c/json.h>
#include <stdbool.h>

#include "text.h"

/* Adds what the error means and what to do; false if the name is none of these. parameters: of the
 * error, or NULL. */
bool describe_bar_refusal(const char *name, struct json_object *parameters, struct text *t);
