/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An ACS plan in words: pairs, ports, what isolation is given up, commands, how to undo. */

#include "session.h"

void show_acs_plan(struct session *s, struct json_object *plan);
