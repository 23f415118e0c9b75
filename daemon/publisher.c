/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publisher.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bar-keeper.h"
#include "log.h"
#include "publish/table.h"
#include "state-saver.h"
#include "wish-queue.h"

/* After a save that failed. */
#define RETRY_SEC 10U
enum event_slot { EVENT_SAVED, EVENT_RETRY, EVENT_WISHES, EVENT_OLDER_INSTANCES, EVENT_SLOTS };

struct p2pd_publisher {
        struct p2pd_server *server;
        struct p2pd_status *status;
        struct event *events[EVENT_SLOTS];
        struct p2pd_bar_keeper *keeper;
        struct p2pd_state_saver *saver; /* a save is under way */
        int saved_fd;
        bool save_failed; /* and was logged */
        size_t n_lost_logged;
        struct p2pd_table *table;
        bool table_failed; /* likewise */
        struct p2pd_snapshot *snapshot;
        bool older_instances_gone;
        uint64_t oldest_seen; /* of the readers, when the ids were last given out */
        struct p2pd_wish_queue wishes;
};

static struct p2pd_bar_keeper_now now_of(struct p2pd_publisher *p, const struct p2p_machine *m,
                                         uint64_t generation)
{
        p->oldest_seen = p2pd_server_oldest_confirmed(p->server);
        return (struct p2pd_bar_keeper_now){
                .machine = m,
                .generation = generation,
                .oldest_confirmed = p->oldest_seen,
                .older_instances_gone = p->older_instances_gone,
        };
}

static void arm(struct p2pd_publisher *p, enum event_slot slot, unsigned sec)
{
        const struct timeval tv = {.tv_sec = (time_t)sec};

        (void)event_add(p->events[slot], &tv);
}

/* What was lost of the state, when it was read and when it was put to use. */
static void log_lost(struct p2pd_publisher *p)
{
        const struct p2pd_log_fields fields = {.message_id = P2PD_MESSAGE_STATE};
        const char *line;

        while ((line = p2pd_bar_keeper_warning(p->keeper, p->n_lost_logged))) {
                p2pd_log(LOG_WARNING, &fields, "%s", line);
                p->n_lost_logged++;
        }
}

/*
 * The table
 */

static void update_status(struct p2pd_publisher *p)
{
        const struct p2p_bar_ids_status ids = p2pd_bar_keeper_status(p->keeper);
        struct p2pd_status *s = p->status;

        s->id_bits = p2pd_bar_keeper_id_bits(p->keeper);
        s->n_ids_used = ids.n_in_use;
        s->n_ids_retired = ids.n_retired;
        s->n_ids_lost = ids.n_lost;
        s->n_bars_without_id = ids.n_without;
        s->absent_bars = p2pd_bar_keeper_absent(p->keeper);
        s->state_path = p2pd_bar_keeper_path(p->keeper);
        s->state_error = p2pd_bar_keeper_error(p->keeper);
        for (size_t i = 0; i < P2PD_STATE_REPORTS_MAX; i++)
                s->state_warnings[i] = p2pd_bar_keeper_warning(p->keeper, i);
}

/* The table cannot show this generation. Its readers must not take the one before for it: they are
 * told to ask, until a table can be made. */
static void withdraw_table(struct p2pd_publisher *p, int r)
{
        const char *text = strerrordesc_np(-r);

        p->table = p2pd_table_free(p->table);
        (void)p2pd_server_offer_table(p->server, NULL);
        p->status->table_error = text ? text : "unknown error";
        if (!p->table_failed)
                p2pd_log(LOG_ERR, NULL,
                         "cannot write the shared table: %s; its readers have to ask",
                         p->status->table_error);
        p->table_failed = true;
        arm(p, EVENT_RETRY, RETRY_SEC);
}

static int write_table(struct p2pd_publisher *p, bool *ret_moved)
{
        const struct p2pd_snapshot *s = p->snapshot;
        struct p2pd_table_bar *bars = NULL;
        bool is_new = !p->table, moved = false;
        uint32_t n = 0;
        int r = 0;

        if (is_new)
                r = p2pd_table_new(p2pd_bar_keeper_id_bits(p->keeper), &p->table);
        if (r == 0)
                bars = calloc(s->n_bars + 1U, sizeof(*bars));
        if (!bars)
                return r < 0 ? r : -ENOMEM;
        for (uint32_t i = 0; i < s->n_bars; i++)
                if (s->bars[i].id != 0)
                        bars[n++] = (struct p2pd_table_bar){
                                .function = s->bars[i].function,
                                .bar_index = s->bars[i].bar_index,
                                .id = s->bars[i].id,
                                .since = s->bars[i].since,
                        };
        r = p2pd_table_publish(p->table, s->machine, s->verdicts[p->status->rules], s->generation,
                               bars, n, &moved);
        free(bars);
        *ret_moved = is_new || moved;
        return r;
}

static void publish_table(struct p2pd_publisher *p)
{
        struct p2pd_table_offer offer = {.generation = p->snapshot->generation};
        int r = write_table(p, &offer.moved);

        if (r == 0) {
                offer.fd = p2pd_table_get_fd(p->table);
                offer.size_bytes = p2pd_table_get_size(p->table);
                p2pd_table_get_instance(p->table, offer.instance);
                offer.id_bits = p2pd_bar_keeper_id_bits(p->keeper);
                r = p2pd_server_offer_table(p->server, &offer);
        }
        if (r < 0) {
                withdraw_table(p, r);
                return;
        }
        p->table_failed = false;
        p->status->table_error = NULL;
}

/* The snapshot becomes the current one. Nothing fails that could not be mended later. */
static void make_current(struct p2pd_publisher *p, struct p2pd_snapshot *snapshot,
                         const struct p2p_diff *diff)
{
        p2pd_snapshot_unref(p->snapshot);
        p->snapshot = snapshot;
        /* Whoever hears of a generation finds it in the table. */
        publish_table(p);
        p2pd_server_publish(p->server, snapshot, diff);
        update_status(p);
}

/* The ids that may be shown are others than those of the current generation: a new one. */
static void refresh(struct p2pd_publisher *p)
{
        static const struct p2p_diff nothing = {0};
        const struct p2pd_snapshot *s = p->snapshot;
        struct p2pd_snapshot *next = NULL;
        struct p2pd_snapshot_bar *bars;
        uint32_t n;
        int r = p2pd_bar_keeper_list(p->keeper, s->machine, &bars, &n);

        if (r == 0 && n == s->n_bars && (n == 0 || memcmp(bars, s->bars, n * sizeof(*bars)) == 0)) {
                free(bars);
                return;
        }
        if (r == 0) {
                r = p2pd_snapshot_renew(p->snapshot, s->generation + 1, &next);
                if (r < 0)
                        free(bars);
        }
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot publish new BAR ids: %s", strerror(-r));
                arm(p, EVENT_RETRY, RETRY_SEC);
                return;
        }
        p2pd_snapshot_take_bars(next, bars, n);
        make_current(p, next, &nothing);
        p2pd_log(LOG_INFO,
                 &(struct p2pd_log_fields){.generation = next->generation,
                                           .message_id = P2PD_MESSAGE_GENERATION},
                 "Generation %" PRIu64 ": other BAR ids", next->generation);
}

/* With an error (0: none) also those that could not be saved. */
static void answer_wishes(struct p2pd_publisher *p, int error)
{
        struct p2pd_bar_wish *done;
        size_t n;

        if (p2pd_wish_queue_take_done(&p->wishes, p->keeper, error, &done, &n) < 0)
                return; /* with the next ones */
        p2pd_server_wishes_done(p->server, done, n);
        free(done);
}

/*
 * Saving
 */

/* Ids and leases are in one file. */
static bool is_dirty(const struct p2pd_publisher *p)
{
        return p2pd_bar_keeper_is_dirty(p->keeper) ||
               p2pd_lease_keeper_is_dirty(p2pd_server_leases(p->server));
}

static int begin_save(struct p2pd_publisher *p, struct p2pd_state *ret)
{
        int r = p2pd_bar_keeper_begin_save(p->keeper, ret);

        if (r == 0)
                r = p2pd_lease_keeper_begin_save(p2pd_server_leases(p->server),
                                                 p2pd_server_lease_time(p->server), ret);
        return r;
}

static void end_save(struct p2pd_publisher *p, struct p2pd_state *state, int result)
{
        p2pd_lease_keeper_end_save(p2pd_server_leases(p->server), state, result);
        p2pd_bar_keeper_end_save(p->keeper, state, result);
}

static void after_save(struct p2pd_publisher *p, struct p2pd_state *state, int result)
{
        const int error = result > 0 ? -EPERM : result; /* a file of a newer version */

        end_save(p, state, result);
        if (result != 0) {
                if (!p->save_failed)
                        p2pd_log(LOG_ERR,
                                 &(struct p2pd_log_fields){.message_id = P2PD_MESSAGE_STATE},
                                 "%s in %s; BAR ids that it does not hold since the machine "
                                 "started are not shown, nor leases with a name given, until it "
                                 "can be written",
                                 p2pd_bar_keeper_error(p->keeper), p2pd_bar_keeper_path(p->keeper));
                p->save_failed = true;
                arm(p, EVENT_RETRY, RETRY_SEC);
        } else {
                if (p->save_failed)
                        p2pd_log(LOG_NOTICE, NULL, "the state file in %s is written again",
                                 p2pd_bar_keeper_path(p->keeper));
                p->save_failed = false;
        }
        if (p->snapshot)
                refresh(p);
        update_status(p);
        answer_wishes(p, error);
        p2pd_server_leases_saved(p->server);
}

static void save(struct p2pd_publisher *p)
{
        struct p2pd_state state = P2PD_STATE_NULL;
        int r;

        if (p->saver || !is_dirty(p))
                return;
        r = begin_save(p, &state);
        if (r < 0) {
                after_save(p, &state, r);
                return;
        }
        r = p2pd_state_saver_start(p2pd_bar_keeper_directory(p->keeper), &state, p->saved_fd,
                                   &p->saver);
        if (r < 0)
                after_save(p, &state, r);
}

/* For the first generation, which is to have its ids at once: nobody is served yet. */
static void save_and_wait(struct p2pd_publisher *p)
{
        struct p2pd_state state = P2PD_STATE_NULL;
        int r;

        if (!is_dirty(p))
                return;
        r = begin_save(p, &state);
        if (r == 0)
                r = p2pd_state_save(p2pd_bar_keeper_directory(p->keeper), &state);
        after_save(p, &state, r);
}

static void on_saved(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_publisher *p = userdata;
        struct p2pd_state state;
        uint64_t n;
        int r;

        (void)what;
        if (read(fd, &n, sizeof(n)) != sizeof(n) || !p->saver)
                return;
        r = p2pd_state_saver_finish(p->saver, &state);
        p->saver = NULL;
        after_save(p, &state, r);
        if (r == 0)
                save(p);
}

static void on_retry(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_publisher *p = userdata;

        (void)fd;
        (void)what;
        save(p);
        refresh(p);
        if (p->table_failed)
                publish_table(p);
}

/* What has changed in the registry is shown as soon as it may be: at once where nothing has to be
 * saved for it, else with what is saved, as one generation. But an id that was taken from its BAR
 * goes at once: who attaches from now on would not be asked before another BAR gets it. */
static void apply(struct p2pd_publisher *p)
{
        save(p);
        if (!p->saver ||
            !p2pd_bar_keeper_still_holds(p->keeper, p->snapshot->bars, p->snapshot->n_bars))
                refresh(p);
        update_status(p);
        answer_wishes(p, 0);
}

static void on_wishes(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_publisher *p = userdata;
        const struct p2pd_bar_keeper_now now =
                now_of(p, p->snapshot->machine, p->snapshot->generation + 1);

        (void)fd;
        (void)what;
        p2pd_wish_queue_carry_out(&p->wishes, p->keeper, &now);
        apply(p);
        /* A file that must not be replaced will not be, however long they wait. */
        if (p2pd_bar_keeper_error(p->keeper) && !p->saver)
                answer_wishes(p, -EIO);
}

int p2pd_publisher_wish(struct p2pd_publisher *p, const struct p2pd_bar_wish *wish)
{
        int r = p2pd_wish_queue_add(&p->wishes, wish);

        /* Those of one turn together; the answer comes when the caller has noted that it waits. */
        if (r == 0)
                arm(p, EVENT_WISHES, 0);
        return r;
}

/*
 * Readers
 */

/* Ids that were held back may be free now, for BARs that wait for one. */
static void give_again(struct p2pd_publisher *p)
{
        struct p2pd_bar_keeper_now now;

        if (!p->snapshot || !p2pd_bar_keeper_is_waiting(p->keeper))
                return;
        now = now_of(p, p->snapshot->machine, p->snapshot->generation + 1);
        if (p2pd_bar_keeper_follow(p->keeper, &now) < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot give BAR ids: out of memory");
                return;
        }
        apply(p);
}

void p2pd_publisher_readers_changed(struct p2pd_publisher *p)
{
        if (p2pd_server_oldest_confirmed(p->server) > p->oldest_seen)
                give_again(p);
}

static void on_older_instances(evutil_socket_t fd, short what, void *userdata)
{
        struct p2pd_publisher *p = userdata;

        (void)fd;
        (void)what;
        p->older_instances_gone = true;
        give_again(p);
}

/*
 * From outside
 */

int p2pd_publisher_publish(struct p2pd_publisher *p, struct p2pd_snapshot *snapshot,
                           const struct p2p_diff *diff)
{
        const bool is_first = !p->snapshot;
        const struct p2pd_bar_keeper_now now =
                now_of(p, snapshot->machine, is_first ? 1 : p->snapshot->generation + 1);
        struct p2pd_snapshot_bar *bars;
        uint32_t n;
        int r = p2pd_bar_keeper_follow(p->keeper, &now);

        if (r < 0) {
                p2pd_snapshot_unref(snapshot);
                return r;
        }
        if (is_first) {
                log_lost(p);
                save_and_wait(p);
        }
        /* The registry has followed, there is no way back: without memory the ids come later. */
        if (p2pd_bar_keeper_list(p->keeper, snapshot->machine, &bars, &n) < 0) {
                bars = NULL;
                n = 0;
                arm(p, EVENT_RETRY, RETRY_SEC);
        }
        snapshot->generation = now.generation;
        p2pd_snapshot_take_bars(snapshot, bars, n);
        make_current(p, snapshot, diff);
        save(p);
        return 0;
}

struct p2pd_snapshot *p2pd_publisher_snapshot(const struct p2pd_publisher *p)
{
        return p->snapshot;
}

/* What the file says about leases. */
static int load_leases(struct p2pd_publisher *p)
{
        const struct p2pd_log_fields fields = {.message_id = P2PD_MESSAGE_STATE};
        struct p2pd_state state = P2PD_STATE_NULL;
        struct p2pd_lease_keeper_file file = {
                .storage = p2pd_bar_keeper_lease_storage(p->keeper),
                .last_number =
                        p2pd_bar_keeper_take_leases(p->keeper, &state.leases, &state.n_leases),
                .is_same_boot = p2pd_bar_keeper_is_same_boot(p->keeper),
        };
        int r;

        file.leases = state.leases;
        file.n = state.n_leases;
        r = p2pd_lease_keeper_load(p2pd_server_leases(p->server), &file,
                                   p2pd_server_lease_time(p->server));
        p2pd_state_deinit(&state);
        if (r > 0)
                p2pd_log(LOG_WARNING, &fields,
                         "%d leases of the state file are left out: what they hold is held by "
                         "others",
                         r);
        return r < 0 ? r : 0;
}

int p2pd_publisher_set_server(struct p2pd_publisher *p, struct p2pd_server *server,
                              struct p2pd_status *status)
{
        p->server = server;
        p->status = status;
        update_status(p);
        return load_leases(p);
}

void p2pd_publisher_save_leases(struct p2pd_publisher *p)
{
        save(p);
}

static int add_events(struct p2pd_publisher *p, struct event_base *base)
{
        p->saved_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (p->saved_fd < 0)
                return -errno;
        p->events[EVENT_SAVED] = event_new(base, p->saved_fd, EV_READ | EV_PERSIST, on_saved, p);
        p->events[EVENT_RETRY] = event_new(base, -1, EV_TIMEOUT, on_retry, p);
        p->events[EVENT_WISHES] = event_new(base, -1, EV_TIMEOUT, on_wishes, p);
        p->events[EVENT_OLDER_INSTANCES] = event_new(base, -1, EV_TIMEOUT, on_older_instances, p);
        for (unsigned i = 0; i < EVENT_SLOTS; i++)
                if (!p->events[i])
                        return -ENOMEM;
        if (event_add(p->events[EVENT_SAVED], NULL) < 0)
                return -ENOMEM;
        p->older_instances_gone = !p2pd_bar_keeper_had_older_instances(p->keeper);
        if (!p->older_instances_gone)
                arm(p, EVENT_OLDER_INSTANCES, p2pd_server_limits_default.reader_grace_sec);
        return 0;
}

int p2pd_publisher_new(const struct p2pd_publisher_params *params, struct p2pd_publisher **ret)
{
        const struct p2pd_bar_keeper_params keeper = {
                .state_directory = params->state_directory,
                .id_bits = params->id_bits,
        };
        struct p2pd_publisher *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->saved_fd = -1;
        r = p2pd_bar_keeper_new(&keeper, &p->keeper);
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot use the state directory %s: %s",
                         params->state_directory ? params->state_directory : "(none)",
                         r == -EBUSY ? "another p2pd does" : strerror(-r));
                free(p);
                return r;
        }
        log_lost(p);
        if (p2pd_bar_keeper_error(p->keeper))
                p2pd_log(LOG_ERR, &(struct p2pd_log_fields){.message_id = P2PD_MESSAGE_STATE},
                         "%s in %s; no BAR ids are shown, nor leases given",
                         p2pd_bar_keeper_error(p->keeper), p2pd_bar_keeper_path(p->keeper));
        r = add_events(p, params->base);
        if (r < 0) {
                p2pd_publisher_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct p2pd_publisher *p2pd_publisher_free(struct p2pd_publisher *p)
{
        if (!p)
                return NULL;
        if (p->saver) {
                struct p2pd_state state;
                int r = p2pd_state_saver_finish(p->saver, &state);

                end_save(p, &state, r);
        }
        for (unsigned i = 0; i < EVENT_SLOTS; i++)
                if (p->events[i])
                        event_free(p->events[i]);
        p2pd_snapshot_unref(p->snapshot);
        p2pd_table_free(p->table);
        p2pd_bar_keeper_free(p->keeper);
        if (p->saved_fd >= 0)
                (void)close(p->saved_fd);
        p2pd_wish_queue_deinit(&p->wishes);
        free(p);
        return NULL;
}
