/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands: each gets the arguments behind its name and returns the exit code. */

#include "session.h"

typedef int (*command_fn)(struct session *s, int n_arguments, char **arguments);

int command_status(struct session *s, int n, char **arguments);
int command_list(struct session *s, int n, char **arguments);
int command_tree(struct session *s, int n, char **arguments);
int command_matrix(struct session *s, int n, char **arguments);
int command_pairs(struct session *s, int n, char **arguments);
int command_why(struct session *s, int n, char **arguments);
int command_map(struct session *s, int n, char **arguments);
int command_bars(struct session *s, int n, char **arguments);
int command_register(struct session *s, int n, char **arguments);
int command_unregister(struct session *s, int n, char **arguments);
int command_table(struct session *s, int n, char **arguments);
int command_check(struct session *s, int n, char **arguments);
int command_monitor(struct session *s, int n, char **arguments);
int command_rescan(struct session *s, int n, char **arguments);
int command_verify(struct session *s, int n, char **arguments);
int command_place(struct session *s, int n, char **arguments);
int command_lease(struct session *s, int n, char **arguments);
int command_renew(struct session *s, int n, char **arguments);
int command_release(struct session *s, int n, char **arguments);
int command_leases(struct session *s, int n, char **arguments);
int command_find_provider(struct session *s, int n, char **arguments);
int command_acs(struct session *s, int n, char **arguments);
int command_what_if(struct session *s, int n, char **arguments);
int command_capture(struct session *s, int n, char **arguments);
