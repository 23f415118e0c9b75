/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "discover/config-reader.h"
#include "discover/privilege.h"
#include "discover/source.h"
#include "discover/udev-monitor.h"
#include "lease-log.h"
#include "log.h"
#include "publisher.h"
#include "scan-job.h"
#include "schedule.h"
#include "serve/server.h"
#include "service.h"
#include "verification.h"

/* How many flipped pairs an event carries and the log names; all of them are counted. */
#define FLIPS_MAX 256U
#define FLIPS_LOGGED_MAX 16U
#define WARNINGS_LOGGED_MAX 16U
/* How long the loop stays awake after a call. */
#define LINGER_USEC 50U

/* A client's Rescan must be answered by a reading that began after it: the one under way, or the
 * next one. */
enum rescan { RESCAN_NONE, RESCAN_UNDER_WAY, RESCAN_NEXT };

enum event_slot {
        EVENT_TERM,
        EVENT_INT,
        EVENT_HUP,
        EVENT_SCAN_DONE,
        EVENT_SETTLE,
        EVENT_RECHECK,
        EVENT_WATCHDOG,
        EVENT_UDEV,
        EVENT_SLOTS,
};

struct p2pd_manager {
        struct p2pd_manager_params params;
        struct event_base *base;
        struct event *events[EVENT_SLOTS];
        struct p2pd_source *source;
        struct p2pd_udev_monitor *monitor;
        struct p2pd_server *server;
        struct p2pd_publisher *publisher;
        struct p2pd_scan_job *job;
        struct p2pd_snapshot *scan_before; /* what the job compares with, held */
        struct p2pd_status status;
        struct p2pd_schedule schedule;
        enum rescan rescan;
        bool reloading;       /* READY is owed for a reload */
        bool scan_is_all;     /* the reading under way is one of everything */
        bool scan_is_recheck; /* no event asked for the reading under way */
        bool reader_was_alive;
        int scan_done_fd;
};

static uint64_t now_usec(clockid_t clock)
{
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* NULL before the first reading. */
static struct p2pd_snapshot *current(const struct p2pd_manager *m)
{
        return p2pd_publisher_snapshot(m->publisher);
}

static void arm(struct p2pd_manager *m, enum event_slot slot, uint64_t usec)
{
        struct timeval tv = {
                .tv_sec = (time_t)(usec / 1000000U),
                .tv_usec = (suseconds_t)(usec % 1000000U),
        };

        (void)event_add(m->events[slot], &tv);
}

static void say_ready(struct p2pd_manager *m)
{
        const struct p2pd_snapshot *snapshot = current(m);
        const struct p2p_machine *machine = snapshot->machine;
        unsigned n_candidates = 0;
        char text[160];

        for (uint32_t i = 0; i < machine->n_functions; i++)
                n_candidates += p2p_function_is_candidate(&machine->functions[i]);
        (void)snprintf(text, sizeof(text), "Generation %" PRIu64 ": %u functions, %u candidates",
                       snapshot->generation, machine->n_functions, n_candidates);
        p2pd_service_ready(text);
}

static void update_status(struct p2pd_manager *m)
{
        struct p2pd_config_reader *reader = m->params.reader;

        m->status.capabilities = p2pd_get_capabilities();
        if (!reader)
                return;
        m->status.has_reader = true;
        m->status.reader_alive = p2pd_config_reader_is_alive(reader);
        m->status.reader_pid = p2pd_config_reader_pid(reader);
        m->status.reader_capabilities = p2pd_config_reader_capabilities(reader);
        if (m->reader_was_alive && !m->status.reader_alive)
                p2pd_log(LOG_ERR, &(struct p2pd_log_fields){.message_id = P2PD_MESSAGE_READER_LOST},
                         "bug: the config space reader (process %d) is gone; ACS is unknown until "
                         "p2pd is restarted",
                         m->status.reader_pid);
        m->reader_was_alive = m->status.reader_alive;
}

static bool had_warning(const struct p2p_machine *m, const struct p2p_warning *w)
{
        for (uint32_t i = 0; m && i < m->n_warnings; i++) {
                const struct p2p_warning *o = &m->warnings[i];

                if (o->has_address == w->has_address &&
                    p2p_address_compare(o->address, w->address) == 0 &&
                    strcmp(o->text, w->text) == 0)
                        return true;
        }
        return false;
}

static void log_warnings(const struct p2p_machine *before, const struct p2p_machine *after)
{
        unsigned n = 0;

        for (uint32_t i = 0; i < after->n_warnings; i++) {
                const struct p2p_warning *w = &after->warnings[i];

                if (had_warning(before, w) || n++ >= WARNINGS_LOGGED_MAX)
                        continue;
                p2pd_log(LOG_WARNING,
                         &(struct p2pd_log_fields){.address = w->has_address ? &w->address : NULL},
                         "%s", w->text);
        }
        if (n > WARNINGS_LOGGED_MAX)
                p2pd_log(LOG_WARNING, NULL, "%u more warnings: see p2pctl status",
                         n - WARNINGS_LOGGED_MAX);
}

static void log_generation(const struct p2pd_snapshot *s, const struct p2p_diff *diff)
{
        char client[P2P_ADDRESS_STRING_MAX];
        uint32_t n[P2P_CHANGE_KIND_MAX] = {0};

        for (uint32_t i = 0; i < diff->n_changes; i++)
                n[diff->changes[i].kind]++;
        p2pd_log(LOG_INFO,
                 &(struct p2pd_log_fields){.generation = s->generation,
                                           .message_id = P2PD_MESSAGE_GENERATION},
                 "Generation %" PRIu64 ": %u added, %u removed, %u changed; %" PRIu64
                 " verdicts flipped",
                 s->generation, n[P2P_CHANGE_ADDED], n[P2P_CHANGE_REMOVED], n[P2P_CHANGE_CHANGED],
                 diff->n_flips_total);
        for (uint32_t i = 0; i < diff->n_flips && i < FLIPS_LOGGED_MAX; i++) {
                const struct p2p_flip *f = &diff->flips[i];

                p2pd_log(LOG_NOTICE,
                         &(struct p2pd_log_fields){.address = &f->provider,
                                                   .generation = s->generation,
                                                   .message_id = P2PD_MESSAGE_FLIP},
                         "for client %s: %s, was %s", p2p_address_format(f->client, client),
                         p2p_map_to_string(f->after.map), p2p_map_to_string(f->before.map));
        }
}

/* Makes a finished reading the current generation, if it differs. 0 or the reading's error. */
static int take_result(struct p2pd_manager *m, struct p2pd_scan_result *result)
{
        int r = 0;

        m->status.last_scan_duration_usec = result->duration_usec;
        m->status.n_rescans++;
        update_status(m);
        m->status.last_scan_error = result->error < 0 ? result->error_text : NULL;
        if (result->error < 0) {
                p2pd_log(LOG_ERR, &(struct p2pd_log_fields){.message_id = P2PD_MESSAGE_SCAN_FAILED},
                         "cannot read the machine: %s (%s)%s", result->error_text,
                         strerror(-result->error),
                         current(m) ? "; the generation before still stands" : "");
                return result->error;
        }
        if (result->snapshot) {
                log_warnings(m->scan_before ? m->scan_before->machine : NULL,
                             result->snapshot->machine);
                r = p2pd_publisher_publish(m->publisher, result->snapshot, result->diff);
                if (r < 0)
                        p2pd_log(LOG_ERR, NULL, "cannot publish what was read: %s", strerror(-r));
                else if (result->diff)
                        log_generation(current(m), result->diff);
                p2p_diff_free(result->diff);
                (void)malloc_trim(0);
        }
        return r;
}

/* Of a reading of everything. */
static struct p2pd_scan_params scan_params(const struct p2pd_manager *m)
{
        return (struct p2pd_scan_params){
                .source = m->source,
                .before = m->scan_before,
                .rules = m->params.rules,
                .flips_max = FLIPS_MAX,
                .done_fd = m->scan_done_fd,
        };
}

static int start_scan(struct p2pd_manager *m, const struct p2pd_schedule_step *step)
{
        struct p2pd_scan_params params;
        int r;

        assert(!m->job && !m->scan_before);
        m->scan_before = p2pd_snapshot_ref(current(m));
        params = scan_params(m);
        params.reads_some = step->read == P2PD_READ_SOME;
        params.scope = step->scope;
        m->scan_is_all = !params.reads_some;
        r = p2pd_scan_job_start(&params, &m->job);
        if (r < 0) {
                m->scan_before = p2pd_snapshot_unref(m->scan_before);
                p2pd_log(LOG_ERR, NULL, "cannot start reading the machine: %s", strerror(-r));
        }
        return r;
}

/* Does what the schedule wants. 0, or why the reading could not be started. */
static int carry_out(struct p2pd_manager *m, struct p2pd_schedule_step step)
{
        int r = 0;

        if (step.read == P2PD_READ_ALL)
                (void)event_del(m->events[EVENT_SETTLE]);
        if (step.read != P2PD_READ_NOTHING) {
                r = start_scan(m, &step);
                if (r < 0)
                        step = p2pd_schedule_failed(&m->schedule);
        }
        if (step.arms)
                arm(m, EVENT_SETTLE, step.arm_usec);
        return r;
}

/* After a reload READY waits for the reading of everything that the reload asked for. */
static void tell_service(struct p2pd_manager *m, bool is_new, bool dirty)
{
        if (m->reloading ? !m->scan_is_all || dirty : !is_new)
                return;
        m->reloading = false;
        say_ready(m);
}

static void finish_scan(struct p2pd_manager *m)
{
        const bool dirty = m->schedule.state == P2PD_SCHEDULE_DIRTY;
        struct p2pd_schedule_step step;
        struct p2pd_scan_result result;
        bool is_new;
        int r;

        p2pd_scan_job_finish(m->job, &result);
        m->job = NULL;
        r = take_result(m, &result);
        is_new = r == 0 && result.snapshot;
        m->scan_before = p2pd_snapshot_unref(m->scan_before);
        if (m->scan_is_recheck && is_new)
                m->status.n_drifts++;
        m->scan_is_recheck = false;
        tell_service(m, is_new, dirty);
        if (m->rescan == RESCAN_UNDER_WAY) {
                m->rescan = RESCAN_NONE;
                p2pd_server_rescan_finished(m->server, r);
        }
        step = p2pd_schedule_finished(&m->schedule, m->rescan == RESCAN_NEXT,
                                      now_usec(CLOCK_MONOTONIC));
        /* Lost for want of memory: no event would bring it back. */
        if (r == -ENOMEM && m->schedule.state == P2PD_SCHEDULE_IDLE)
                step = p2pd_schedule_failed(&m->schedule);
        r = carry_out(m, step);
        if (m->rescan == RESCAN_NEXT) {
                m->rescan = r < 0 ? RESCAN_NONE : RESCAN_UNDER_WAY;
                if (r < 0)
                        p2pd_server_rescan_finished(m->server, -EAGAIN);
        }
}

static void on_scan_done(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_manager *m = userdata;
        uint64_t n;

        (void)what;
        if (read(fd, &n, sizeof(n)) == sizeof(n) && m->job)
                finish_scan(m);
}

static void on_settle(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_manager *m = userdata;

        (void)fd;
        (void)what;
        (void)carry_out(m, p2pd_schedule_settled(&m->schedule));
}

/* ACS bits, links and BARs change without a uevent. */
static void on_recheck(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_manager *m = userdata;

        (void)fd;
        (void)what;
        if (m->schedule.state == P2PD_SCHEDULE_IDLE)
                m->scan_is_recheck = carry_out(m, p2pd_schedule_all(&m->schedule)) == 0;
}

static void on_watchdog(evutil_socket_t fd, short what, void *userdata)
{
        (void)fd;
        (void)what;
        (void)userdata;
        p2pd_service_watchdog();
}

static void on_udev(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_manager *m = userdata;
        struct p2pd_udev_events events;
        int r;

        (void)fd;
        (void)what;
        r = p2pd_udev_monitor_receive(m->monitor, &events);
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "kernel: the udev monitor broke: %s; %s", strerror(-r),
                         "changes are seen on the recheck timer only");
                (void)event_del(m->events[EVENT_UDEV]);
                /* What was received before it broke is not known. */
                (void)carry_out(m, p2pd_schedule_change(&m->schedule, now_usec(CLOCK_MONOTONIC)));
                return;
        }
        m->status.n_uevents += events.n_events;
        m->status.n_overruns += events.overrun;
        if (events.overrun)
                p2pd_log(LOG_NOTICE, NULL, "kernel: uevents were lost, reading everything again");
        events.scope.everything |= events.overrun;
        if (!p2pd_scope_is_empty(&events.scope))
                (void)carry_out(m, p2pd_schedule_uevents(&m->schedule, &events.scope,
                                                         now_usec(CLOCK_MONOTONIC)));
}

static void on_signal(evutil_socket_t signo, short what, void *userdata)
{
        struct p2pd_manager *m = userdata;

        (void)what;
        if (signo == SIGHUP) {
                m->reloading = true;
                p2pd_service_reloading();
                (void)carry_out(m, p2pd_schedule_change(&m->schedule, now_usec(CLOCK_MONOTONIC)));
                return;
        }
        (void)event_base_loopbreak(m->base);
}

static int rescan_now(void *userdata)
{
        struct p2pd_manager *m = userdata;

        if (m->job) {
                m->rescan = RESCAN_NEXT;
                return P2PD_RESCAN_STARTED;
        }
        if (carry_out(m, p2pd_schedule_all(&m->schedule)) < 0)
                return -EAGAIN;
        m->rescan = RESCAN_UNDER_WAY;
        return P2PD_RESCAN_STARTED;
}

static void on_verified(const struct p2pd_verification *v, void *userdata)
{
        const bool alarming = p2pd_verification_is_alarming(v);
        char text[P2PD_VERIFICATION_TEXT_MAX];

        (void)userdata;
        p2pd_log(alarming ? LOG_WARNING : LOG_INFO,
                 &(struct p2pd_log_fields){
                         .address = &v->provider,
                         .generation = v->generation,
                         .message_id = alarming ? P2PD_MESSAGE_CONTRADICTED : NULL,
                 },
                 "%s", p2pd_verification_format(v, text, sizeof(text)));
}

static int on_wish(const struct p2pd_bar_wish *wish, void *userdata)
{
        struct p2pd_manager *m = userdata;

        return p2pd_publisher_wish(m->publisher, wish);
}

static void on_readers_changed(void *userdata)
{
        struct p2pd_manager *m = userdata;

        p2pd_publisher_readers_changed(m->publisher);
}

static void on_leases_changed(void *userdata)
{
        struct p2pd_manager *m = userdata;

        p2pd_publisher_save_leases(m->publisher);
}

static void on_last_private_closed(void *userdata)
{
        struct p2pd_manager *m = userdata;

        (void)event_base_loopbreak(m->base);
}

static int add_event(struct p2pd_manager *m, enum event_slot slot, int fd, short what,
                     event_callback_fn callback)
{
        m->events[slot] = event_new(m->base, fd, what, callback, m);
        return m->events[slot] ? 0 : -ENOMEM;
}

static int add_events(struct p2pd_manager *m)
{
        const uint64_t watchdog_usec = p2pd_service_watchdog_usec();
        int r = 0;

        m->scan_done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->scan_done_fd < 0)
                return -errno;
        r |= add_event(m, EVENT_TERM, SIGTERM, EV_SIGNAL | EV_PERSIST, on_signal);
        r |= add_event(m, EVENT_INT, SIGINT, EV_SIGNAL | EV_PERSIST, on_signal);
        r |= add_event(m, EVENT_HUP, SIGHUP, EV_SIGNAL | EV_PERSIST, on_signal);
        r |= add_event(m, EVENT_SCAN_DONE, m->scan_done_fd, EV_READ | EV_PERSIST, on_scan_done);
        r |= add_event(m, EVENT_SETTLE, -1, EV_TIMEOUT, on_settle);
        r |= add_event(m, EVENT_RECHECK, -1, EV_TIMEOUT | EV_PERSIST, on_recheck);
        r |= add_event(m, EVENT_WATCHDOG, -1, EV_TIMEOUT | EV_PERSIST, on_watchdog);
        if (r != 0)
                return -ENOMEM;
        for (enum event_slot s = EVENT_TERM; s <= EVENT_SCAN_DONE; s++)
                if (event_add(m->events[s], NULL) < 0)
                        return -ENOMEM;
        if (m->params.recheck_usec > 0)
                arm(m, EVENT_RECHECK, m->params.recheck_usec);
        if (watchdog_usec > 0)
                arm(m, EVENT_WATCHDOG, watchdog_usec);
        return 0;
}

/* Watches before the first reading, so that nothing falls between the two. */
static int add_monitor(struct p2pd_manager *m)
{
        int r;

        if (m->params.source != P2P_SOURCE_LIVE)
                return 0;
        r = p2pd_udev_monitor_new(&m->monitor);
        if (r < 0) {
                p2pd_log(LOG_WARNING, NULL,
                         "no udev monitor (%s): changes are seen on the recheck timer only",
                         strerror(-r));
                return 0;
        }
        r = add_event(m, EVENT_UDEV, p2pd_udev_monitor_get_fd(m->monitor), EV_READ | EV_PERSIST,
                      on_udev);
        if (r == 0 && event_add(m->events[EVENT_UDEV], NULL) < 0)
                r = -ENOMEM;
        return r;
}

static int add_sockets(struct p2pd_manager *m)
{
        int r;

        for (unsigned i = 0; i < m->params.n_sockets; i++) {
                int fd = P2PD_SERVICE_FDS_START + (int)i;

                r = p2pd_service_socket_listens(fd);
                if (r < 0)
                        p2pd_log(LOG_ERR, NULL, "descriptor %d is no Unix stream socket", fd);
                else if (r > 0)
                        r = p2pd_server_add_listener(m->server, fd);
                else
                        r = p2pd_server_add_connection(m->server, fd);
                if (r < 0)
                        return r;
        }
        if (!m->params.socket_path)
                return 0;
        r = p2pd_server_listen(m->server, m->params.socket_path);
        if (r < 0)
                p2pd_log(LOG_ERR, NULL, "cannot listen on %s: %s", m->params.socket_path,
                         strerror(-r));
        return r;
}

static int add_server(struct p2pd_manager *m)
{
        const struct p2pd_server_params params = {
                .base = m->base,
                .limits = &p2pd_server_limits_default,
                .status = &m->status,
                .rescan = rescan_now,
                .last_private_closed = on_last_private_closed,
                .verified = on_verified,
                .wish = on_wish,
                .readers_changed = on_readers_changed,
                .leases_changed = on_leases_changed,
                .lease_event = p2pd_log_lease,
                .userdata = m,
                .group = "p2pd",
        };
        int r = p2pd_server_new(&params, &m->server);

        if (r == 0)
                r = p2pd_publisher_set_server(m->publisher, m->server, &m->status);
        return r;
}

static int add_publisher(struct p2pd_manager *m)
{
        const struct p2pd_publisher_params params = {
                .base = m->base,
                .state_directory = m->params.state_directory,
                .id_bits = m->params.id_bits,
        };

        return p2pd_publisher_new(&params, &m->publisher);
}

int p2pd_manager_new(const struct p2pd_manager_params *params, struct p2pd_manager **ret)
{
        struct p2pd_manager *m = calloc(1, sizeof(*m));
        struct p2pd_scan_result result;
        struct p2pd_scan_params first;
        int r;

        if (!m)
                return -ENOMEM;
        m->params = *params;
        m->schedule.settle_usec = params->settle_usec;
        m->scan_done_fd = -1;
        m->reader_was_alive = true;
        m->status.started_usec = now_usec(CLOCK_REALTIME);
        m->status.source_path = params->path;
        m->status.rules = params->rules;
        m->base = event_base_new();
        r = m->base ? p2pd_source_new(params->source, params->path, params->reader, &m->source)
                    : -ENOMEM;
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot open %s: %s",
                         params->path ? params->path : "this machine", strerror(-r));
                goto fail;
        }
        r = add_publisher(m);
        if (r < 0)
                goto fail;
        r = add_server(m);
        if (r == 0)
                r = add_events(m);
        if (r == 0)
                r = add_monitor(m);
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot set up the event loop: %s", strerror(-r));
                goto fail;
        }
        first = scan_params(m);
        p2pd_scan_run(&first, &result);
        r = take_result(m, &result);
        if (r == 0)
                r = add_sockets(m);
        if (r < 0)
                goto fail;
        *ret = m;
        return 0;
fail:
        p2pd_manager_free(m);
        return r;
}

/* libevent gives signals their old meaning back, and a second SIGTERM would end us half torn down.
 */
static void block_signals(void)
{
        sigset_t stopping;

        (void)sigemptyset(&stopping);
        (void)sigaddset(&stopping, SIGTERM);
        (void)sigaddset(&stopping, SIGINT);
        (void)sigaddset(&stopping, SIGHUP);
        (void)pthread_sigmask(SIG_BLOCK, &stopping, NULL);
}

struct p2pd_manager *p2pd_manager_free(struct p2pd_manager *m)
{
        if (!m)
                return NULL;
        block_signals();
        if (m->job) {
                struct p2pd_scan_result result;

                p2pd_scan_job_finish(m->job, &result);
                p2pd_snapshot_unref(result.snapshot);
                p2p_diff_free(result.diff);
        }
        p2pd_snapshot_unref(m->scan_before);
        for (unsigned i = 0; i < EVENT_SLOTS; i++)
                if (m->events[i])
                        event_free(m->events[i]);
        p2pd_publisher_free(m->publisher);
        p2pd_server_free(m->server);
        p2pd_udev_monitor_free(m->monitor);
        p2pd_source_free(m->source);
        if (m->scan_done_fd >= 0)
                (void)close(m->scan_done_fd);
        if (m->base)
                event_base_free(m->base);
        free(m);
        return NULL;
}

/*
 * A client that asks one question after the other sends the next one some microseconds after its
 * answer; to sleep and be woken in between costs several times that. So after a call the loop looks
 * again for a moment before it sleeps.
 */
static int linger(struct p2pd_manager *m)
{
        uint64_t calls = p2pd_server_get_calls(m->server), since = now_usec(CLOCK_MONOTONIC);
        int r = 0;

        while (r == 0 && !event_base_got_break(m->base) &&
               now_usec(CLOCK_MONOTONIC) - since < LINGER_USEC) {
                r = event_base_loop(m->base, EVLOOP_NONBLOCK);
                if (calls == p2pd_server_get_calls(m->server))
                        continue;
                calls = p2pd_server_get_calls(m->server);
                since = now_usec(CLOCK_MONOTONIC);
        }
        return r;
}

int p2pd_manager_run(struct p2pd_manager *m)
{
        /* On a single CPU the client could not run meanwhile. */
        const bool may_linger = sysconf(_SC_NPROCESSORS_ONLN) > 1;
        int r = 0;

        say_ready(m);
        while (r == 0 && !event_base_got_break(m->base)) {
                const uint64_t calls = p2pd_server_get_calls(m->server);

                r = event_base_loop(m->base, EVLOOP_ONCE);
                if (r == 0 && may_linger && calls != p2pd_server_get_calls(m->server) &&
                    !event_base_got_break(m->base))
                        r = linger(m);
        }
        p2pd_service_stopping();
        return r < 0 ? -EIO : 0;
}
