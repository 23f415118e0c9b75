/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server's side of leases: when they are followed, expire and are settled, and who is told. */

#include <errno.h>
#include <time.h>

#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/notice.h"
#include "serve/server-private.h"

/* Neither does the timer see a suspended machine, nor that the wall clock was set, which changes
 * what the state file ought to say: look again after so long at the latest. */
#define EXPIRY_USEC_MAX 30000000U
/* Less than this, between two looks at the clocks, is no step of the wall clock: it is slewed, or
 * the two were not read in the same moment. What was answered once is answered again. */
#define CLOCK_JITTER_USEC 10000
/* After the machine could not be followed for want of memory. */
#define RETRY_USEC 1000000U

static uint64_t clock_usec(clockid_t clock)
{
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

struct p2pd_lease_time p2pd_server_lease_time(struct p2pd_server *s)
{
        const uint64_t boot_usec = clock_usec(CLOCK_BOOTTIME);
        const int64_t offset = (int64_t)(clock_usec(CLOCK_REALTIME) - boot_usec);

        if (offset - s->clock_offset > CLOCK_JITTER_USEC ||
            s->clock_offset - offset > CLOCK_JITTER_USEC)
                s->clock_offset = offset;
        return (struct p2pd_lease_time){
                .boot_usec = boot_usec,
                .wall_usec = boot_usec + (uint64_t)s->clock_offset,
        };
}

static void arm(struct p2pd_server *s, uint64_t usec)
{
        const struct timeval tv = {
                .tv_sec = (time_t)(usec / 1000000U),
                .tv_usec = (suseconds_t)(usec % 1000000U),
        };

        (void)evtimer_add(s->lease_event_timer, &tv);
}

static bool is_watcher(struct p2pd_connection *c, uint64_t lease)
{
        const uint64_t watched = p2pd_connection_lease_use(c)->watched;

        return p2pd_connection_follows(c) == P2PD_EVENTS_LEASES &&
               (watched == 0 || watched == lease);
}

static void on_event(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                     const struct p2pd_lease_device *device, void *userdata)
{
        struct p2pd_server *s = userdata;
        const struct p2pd_lease_news news = {kind, lease, device, p2pd_server_lease_time(s)};
        struct p2pd_notice *notice = NULL;
        struct p2pd_connection *c, *next;

        if (s->lease_event)
                s->lease_event(kind, lease, device, s->userdata);
        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                next = p2pd_connection_next(c);
                if (!is_watcher(c, lease->number))
                        continue;
                if (!notice && p2pd_notice_new_lease(s->snapshot, &news, &notice) < 0)
                        p2pd_connection_close(c);
                else
                        p2pd_connection_notify(c, notice);
        }
        p2pd_notice_unref(notice);
}

/* Ends what has expired, and sets the timer for the next. */
static void expire(struct p2pd_server *s)
{
        const struct p2pd_lease_time now = p2pd_server_lease_time(s);
        const uint64_t next = p2pd_lease_keeper_expire(s->leases, now);
        const uint64_t left = next - now.boot_usec;

        if (next != 0)
                arm(s, left < EXPIRY_USEC_MAX ? left : EXPIRY_USEC_MAX);
        if (p2pd_lease_keeper_is_dirty(s->leases))
                p2pd_server_note_leases(s);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_server *s = userdata;

        (void)fd;
        (void)what;
        if (!s->leases_followed && s->snapshot)
                p2pd_server_leases_follow(s);
        expire(s);
}

int p2pd_server_leases_init(struct p2pd_server *s)
{
        s->leases = p2pd_lease_keeper_new(on_event, s);
        s->lease_event_timer = evtimer_new(s->base, on_timer, s);
        return s->leases && s->lease_event_timer ? 0 : -ENOMEM;
}

void p2pd_server_leases_deinit(struct p2pd_server *s)
{
        p2pd_lease_keeper_free(s->leases);
        if (s->lease_event_timer)
                event_free(s->lease_event_timer);
}

void p2pd_server_leases_follow(struct p2pd_server *s)
{
        s->leases_followed = p2pd_lease_keeper_follow(s->leases, s->snapshot->machine) == 0;
        if (!s->leases_followed)
                arm(s, RETRY_USEC);
        else
                expire(s);
}

int p2pd_server_leases_ready(struct p2pd_server *s)
{
        if (!s->leases_followed)
                p2pd_server_leases_follow(s);
        else
                expire(s);
        return s->leases_followed ? 0 : -ENOMEM;
}

void p2pd_server_end_leases(struct p2pd_server *s, uint64_t connection)
{
        p2pd_lease_keeper_disconnect(s->leases, connection);
}

void p2pd_server_note_leases(struct p2pd_server *s)
{
        s->leases_changed = true;
        p2pd_server_request_turn(s);
}

void p2pd_server_leases_turn(struct p2pd_server *s)
{
        s->leases_changed = false;
        p2pd_server_leases_saved(s);
        if (s->leases_changed_callback && p2pd_lease_keeper_is_dirty(s->leases))
                s->leases_changed_callback(s->userdata);
}

struct p2pd_lease_keeper *p2pd_server_leases(struct p2pd_server *s)
{
        return s->leases;
}

void p2pd_server_leases_saved(struct p2pd_server *s)
{
        struct p2pd_connection *c, *next;

        for (c = TAILQ_FIRST(&s->connections); c; c = next) {
                const struct p2pd_lease_operation *operation;

                next = p2pd_connection_next(c);
                if (p2pd_connection_waits_for(c) != P2PD_WAIT_LEASE)
                        continue;
                operation =
                        p2pd_lease_keeper_find(s->leases, p2pd_connection_lease_use(c)->operation);
                /* It is there until it is settled. */
                if (!operation->is_done)
                        continue;
                p2pd_reply_lease(s, p2pd_connection_begin_answer(c), c);
                p2pd_connection_end_answer(c);
        }
        p2pd_lease_keeper_settle(s->leases);
}
