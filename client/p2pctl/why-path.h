/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The path of an explanation, drawn from the provider up and down to the client, a line for each
 * function on it. */

#include "session.h"

/* explanation: as the daemon's Explain gives it; its path is not empty. */
void why_print_path(const struct session *s, struct json_object *explanation);
