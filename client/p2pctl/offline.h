/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A p2pd of our own, on a socket pair, for a captured machine. */

#include <sys/types.h>

/*
 * Starts p2pd with the option ("--root") and its argument. The program: of environment variable
 * P2PD, of the build tree we run from, or the installed one. It ends when the connection is closed.
 * 0 with the connected socket and its pid; negative after the user was told.
 */
int offline_start(const char *option, const char *argument, int *ret_fd, pid_t *ret_pid);

/* Waits for it to end, at most wait_msec, then ends it. Its wait status, or -1. */
int offline_reap(pid_t pid, int wait_msec);
