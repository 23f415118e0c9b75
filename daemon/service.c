/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void p2pd_service_ready(const char *status)
{
        (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void p2pd_service_reloading(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                         (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U);
}

void p2pd_service_stopping(void)
{
        (void)sd_notify(0, "STOPPING=1");
}

uint64_t p2pd_service_watchdog_usec(void)
{
        uint64_t usec;

        return sd_watchdog_enabled(0, &usec) > 0 ? usec / 2 : 0;
}

void p2pd_service_watchdog(void)
{
        (void)sd_notify(0, "WATCHDOG=1");
}

int p2pd_service_take_sockets(unsigned *ret_n)
{
        int n = sd_listen_fds(1);

        if (n < 0)
                return n;
        *ret_n = (unsigned)n;
        return 0;
}

int p2pd_service_socket_listens(int fd)
{
        int r = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);

        if (r != 0)
                return r;
        r = sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0);
        if (r < 0)
                return r;
        return r > 0 ? 0 : -ENOTSOCK;
}
