/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A placement in words: groups with the verdicts of their pairs, and what decides. */

#include "session.h"

/* Prints the answers of Place, and the lease if there is one. clients: those of the request, or
 * NULL. */
void show_place(struct session *s, struct json_object *answer, struct json_object *clients);
