/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* place --run: a command that runs while the placement is held. */

#include "session.h"

/*
 * Runs the command (NULL-terminated) with the best answer of Place in its environment: P2PD_LEASE,
 * the lease's number; P2PD_GROUPS, how many groups; P2PD_GROUP_0 and so on, each "PROVIDER
 * COMPANION ...". The lease ends with this program, so with the command. Interrupts from the
 * terminal are the command's; SIGTERM and SIGHUP are passed on to it. What happens to the devices
 * meanwhile is told on standard error. Returns the command's exit status, 128 and the signal that
 * ended it, 127 if it is not there, 126 if it cannot be run.
 */
int run_held(struct session *s, struct json_object *answer, char **command);
