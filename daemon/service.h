/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What p2pd says to and takes from the service manager. Without one, all of it does nothing. */

#include <stdbool.h>
#include <stdint.h>

/* READY=1 (also after a reload) with a line of status for `systemctl status`. */
void p2pd_service_ready(const char *status);

/* RELOADING=1; p2pd_service_ready() ends it. */
void p2pd_service_reloading(void);

void p2pd_service_stopping(void);

/* How often the watchdog wants to be fed, half of its timeout; 0: not at all. */
uint64_t p2pd_service_watchdog_usec(void);
void p2pd_service_watchdog(void);

/* Sockets handed over by the service manager, or by `p2pctl --root` (a connected one): how many
 * from P2PD_SERVICE_FDS_START on. Takes the variables out of the environment. 0, or a negative
 * errno. */
#define P2PD_SERVICE_FDS_START 3
int p2pd_service_take_sockets(unsigned *ret_n);

/* 1: the descriptor is a listening Unix stream socket; 0: a connected one; negative errno: neither.
 */
int p2pd_service_socket_listens(int fd);
