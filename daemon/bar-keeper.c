/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar-keeper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/server.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define ERROR_MAX 160U

/* What may be done with the state file. */
enum file_use {
        FILE_NONE,     /* no state directory */
        FILE_KEPT,     /* it is read and replaced */
        FILE_FORBIDDEN /* it could not be read: it stays as it is, and no id is shown */
};

struct p2pd_bar_keeper {
        struct p2p_bar_ids *ids; /* NULL before the first follow */
        unsigned id_bits;        /* wished, or settled; 0: not yet */
        enum file_use use;
        int directory;
        char *path;
        char error[ERROR_MAX]; /* or "" */
        char *warnings[P2PD_STATE_REPORTS_MAX];
        size_t n_warnings;
        char boot_id[P2PD_STATE_BOOT_SIZE];
        bool had_older_instances, is_same_boot;

        struct p2pd_state loaded; /* its leases until they are taken, its ids until the first
                                     follow */
        struct p2p_bar_id *saved; /* what the file says, by id */
        uint32_t n_saved;
        uint64_t revision_begun, revision_saved; /* of the registry */
        bool is_saved_once;                      /* in this boot: then the file says so */

        struct p2pd_absent_finder absent;
};

static void report(const char *line, void *userdata)
{
        struct p2pd_bar_keeper *k = userdata;

        if (k->n_warnings == P2PD_STATE_REPORTS_MAX)
                return;
        k->warnings[k->n_warnings] = strdup(line);
        k->n_warnings += k->warnings[k->n_warnings] != NULL;
}

static void set_error(struct p2pd_bar_keeper *k, const char *what, int r)
{
        if (r == P2PD_STATE_E_NEWER)
                (void)snprintf(k->error, sizeof(k->error), "%s: written by a newer p2pd", what);
        else
                (void)snprintf(k->error, sizeof(k->error), "%s: %s", what, strerror(-r));
}

/* "" if it cannot be read. */
static void read_boot_id(char boot_id[static P2PD_STATE_BOOT_SIZE])
{
        FILE *file = fopen(BOOT_ID_PATH, "re");

        boot_id[0] = '\0';
        if (!file)
                return;
        if (!fgets(boot_id, P2PD_STATE_BOOT_SIZE, file))
                boot_id[0] = '\0';
        boot_id[strcspn(boot_id, "\n")] = '\0';
        (void)fclose(file);
}

static int open_directory(struct p2pd_bar_keeper *k, const char *path)
{
        k->path = strdup(path);
        if (!k->path)
                return -ENOMEM;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        k->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (k->directory < 0)
                return -errno;
        /* Two that give ids would give one of them twice. */
        if (flock(k->directory, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return 0;
}

/* Could a p2pd of this boot have written the file: a boot that is not known may be this one. */
static bool may_be_of_this_boot(const struct p2pd_bar_keeper *k)
{
        return k->boot_id[0] == '\0' || k->loaded.boot_id[0] == '\0' ||
               strcmp(k->boot_id, k->loaded.boot_id) == 0;
}

static void load(struct p2pd_bar_keeper *k)
{
        int r = p2pd_state_load(k->directory, report, k, &k->loaded);

        read_boot_id(k->boot_id);
        if (r != 0) {
                k->loaded = (struct p2pd_state)P2PD_STATE_NULL;
                k->use = FILE_FORBIDDEN;
                k->had_older_instances = true;
                set_error(k, "cannot read the state file", r);
                return;
        }
        k->use = FILE_KEPT;
        /* After another boot nobody is left. */
        k->had_older_instances =
                (k->loaded.n_ids > 0 || k->loaded.is_id_set_lost) && may_be_of_this_boot(k);
        k->is_same_boot = k->boot_id[0] != '\0' && strcmp(k->boot_id, k->loaded.boot_id) == 0;
        k->is_saved_once = strcmp(k->boot_id, k->loaded.boot_id) == 0;
}

int p2pd_bar_keeper_new(const struct p2pd_bar_keeper_params *params, struct p2pd_bar_keeper **ret)
{
        struct p2pd_bar_keeper *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        k->directory = -1;
        k->id_bits = params->id_bits;
        if (params->state_directory) {
                r = open_directory(k, params->state_directory);
                if (r < 0) {
                        p2pd_bar_keeper_free(k);
                        return r;
                }
                load(k);
        }
        *ret = k;
        return 0;
}

struct p2pd_bar_keeper *p2pd_bar_keeper_free(struct p2pd_bar_keeper *k)
{
        if (!k)
                return NULL;
        p2p_bar_ids_free(k->ids);
        p2pd_state_deinit(&k->loaded);
        for (size_t i = 0; i < k->n_warnings; i++)
                free(k->warnings[i]);
        if (k->directory >= 0)
                (void)close(k->directory);
        p2pd_absent_finder_deinit(&k->absent);
        free(k->saved);
        free(k->path);
        free(k);
        return NULL;
}

enum p2pd_lease_storage p2pd_bar_keeper_lease_storage(const struct p2pd_bar_keeper *k)
{
        switch (k->use) {
        case FILE_KEPT:
                return P2PD_LEASES_IN_FILE;
        case FILE_FORBIDDEN:
                return P2PD_LEASES_LOST;
        default:
                return P2PD_LEASES_IN_MEMORY;
        }
}

bool p2pd_bar_keeper_is_same_boot(const struct p2pd_bar_keeper *k)
{
        return k->is_same_boot;
}

uint64_t p2pd_bar_keeper_take_leases(struct p2pd_bar_keeper *k, struct p2pd_state_lease **ret,
                                     uint32_t *ret_n)
{
        *ret = k->loaded.leases;
        *ret_n = k->loaded.n_leases;
        k->loaded.leases = NULL;
        k->loaded.n_leases = 0;
        return k->loaded.last_lease;
}

/*
 * The registry
 */

/* With the first machine: the width, and what was given before. */
static int make_registry(struct p2pd_bar_keeper *k, const struct p2p_machine *m)
{
        unsigned bits = k->id_bits ? k->id_bits : p2p_bar_ids_default_width(m);
        struct p2p_bar_ids *ids;
        int r;

        /* One that was chosen does not shrink by itself: ids in use stay ids. */
        if (k->id_bits == 0 && k->loaded.id_width > bits)
                bits = k->loaded.id_width;
        ids = p2p_bar_ids_new(bits);
        if (!ids)
                return -ENOMEM;
        if (k->use == FILE_FORBIDDEN)
                p2p_bar_ids_restore_none_known(ids);
        r = p2pd_state_to_bar_ids(&k->loaded, report, k, ids);
        if (r < 0) {
                p2p_bar_ids_free(ids);
                return r;
        }
        k->ids = ids;
        k->id_bits = bits;
        k->revision_saved = p2p_bar_ids_revision(ids);
        k->saved = k->loaded.ids;
        k->n_saved = k->loaded.n_ids;
        k->loaded.ids = NULL;
        k->loaded.n_ids = 0;
        return 0;
}

static struct p2p_bar_ids_update update_of(const struct p2pd_bar_keeper_now *now)
{
        return (struct p2p_bar_ids_update){
                .machine = now->machine,
                .generation = now->generation,
                .oldest_confirmed = now->oldest_confirmed,
                .older_instances_gone = now->older_instances_gone,
        };
}

int p2pd_bar_keeper_follow(struct p2pd_bar_keeper *k, const struct p2pd_bar_keeper_now *now)
{
        const struct p2p_bar_ids_update update = update_of(now);
        int r = 0;

        if (!k->ids)
                r = make_registry(k, now->machine);
        if (r == 0)
                r = p2pd_absent_finder_reserve(&k->absent,
                                               p2p_bar_ids_status(k->ids).n_registrations);
        if (r == 0)
                r = p2p_bar_ids_update(k->ids, &update);
        if (r == 0)
                p2pd_absent_finder_update(&k->absent, k->ids, now->machine);
        return r;
}

static int carry_out(struct p2pd_bar_keeper *k, const struct p2p_bar_ids_update *update,
                     const struct p2pd_bar_wish *wish)
{
        const struct p2p_machine *m = update->machine;
        struct p2p_slot slot = wish->absent_slot;
        uint32_t function, id;

        if (slot.text[0] == '\0') {
                function = p2p_machine_find(m, wish->function);
                if (function == P2P_NONE)
                        return P2P_BAR_IDS_E_NO_MEMORY_BAR;
                if (wish->registered)
                        return p2p_bar_ids_register(k->ids, update, function, wish->bar_index, &id);
                if (p2p_slot_compute(m, function, &slot) != 0)
                        return P2P_BAR_IDS_E_NOT_REGISTERED;
        }
        return p2p_bar_ids_unregister(k->ids, update, &slot, wish->bar_index);
}

int p2pd_bar_keeper_wish(struct p2pd_bar_keeper *k, const struct p2pd_bar_keeper_now *now,
                         const struct p2pd_bar_wish *wish)
{
        const struct p2p_bar_ids_update update = update_of(now);
        int r;

        assert(k->ids);
        r = p2pd_absent_finder_reserve(&k->absent, p2p_bar_ids_status(k->ids).n_registrations + 1);
        if (r == 0)
                r = carry_out(k, &update, wish);
        if (r == 0)
                p2pd_absent_finder_update(&k->absent, k->ids, now->machine);
        return r;
}

const struct p2pd_absent_bars *p2pd_bar_keeper_absent(const struct p2pd_bar_keeper *k)
{
        return &k->absent.found;
}

bool p2pd_bar_keeper_is_waiting(const struct p2pd_bar_keeper *k)
{
        struct p2p_bar_ids_status status;

        if (!k->ids)
                return false;
        status = p2p_bar_ids_status(k->ids);
        return status.n_without > 0 && status.n_retired + status.n_lost > 0;
}

bool p2pd_bar_keeper_had_older_instances(const struct p2pd_bar_keeper *k)
{
        return k->had_older_instances;
}

unsigned p2pd_bar_keeper_id_bits(const struct p2pd_bar_keeper *k)
{
        return k->id_bits;
}

struct p2p_bar_ids_status p2pd_bar_keeper_status(const struct p2pd_bar_keeper *k)
{
        return k->ids ? p2p_bar_ids_status(k->ids) : (struct p2p_bar_ids_status){0};
}

/*
 * What may be shown
 */

static int compare_ids(const void *a, const void *b)
{
        const struct p2p_bar_id *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

/* The file says that the id was given to this BAR: after a crash no other one gets it unnoticed.
 * And it says so as of this boot: otherwise the p2pd after the crash would think that nobody is
 * left who was shown the id. */
static bool may_be_shown(const struct p2pd_bar_keeper *k, const struct p2p_bar_id *id)
{
        const struct p2p_bar_id *saved;

        if (k->use == FILE_NONE)
                return true;
        if (!k->is_saved_once || k->n_saved == 0)
                return false;
        saved = bsearch(id, k->saved, k->n_saved, sizeof(*k->saved), compare_ids);
        return saved && saved->bar_index == id->bar_index &&
               strcmp(saved->slot.text, id->slot.text) == 0 &&
               p2p_identity_is_equal(&saved->identity, &id->identity);
}

static struct p2pd_snapshot_bar describe(const struct p2pd_bar_keeper *k, uint32_t function,
                                         uint32_t bar_index)
{
        uint32_t number = p2p_bar_ids_find(k->ids, function, bar_index);
        const struct p2p_bar_id *id = number ? p2p_bar_ids_get(k->ids, number) : NULL;
        struct p2pd_snapshot_bar bar = {.function = function, .bar_index = (uint8_t)bar_index};

        if (id && may_be_shown(k, id)) {
                bar.id = (uint16_t)id->id;
                bar.since = id->since;
        }
        return bar;
}

static bool is_registered(const struct p2pd_bar_keeper *k, const struct p2p_machine *m,
                          uint32_t function, uint32_t bar_index)
{
        const struct p2p_identity identity = p2p_function_identity(m, function);
        struct p2p_slot slot;

        return p2p_slot_compute(m, function, &slot) == 0 &&
               p2p_bar_ids_is_registered(k->ids, &slot, &identity, bar_index);
}

bool p2pd_bar_keeper_still_holds(const struct p2pd_bar_keeper *k,
                                 const struct p2pd_snapshot_bar *bars, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                if (bars[i].id != 0 &&
                    p2p_bar_ids_find(k->ids, bars[i].function, bars[i].bar_index) != bars[i].id)
                        return false;
        return true;
}

struct bar_list {
        struct p2pd_snapshot_bar *bars;
        uint32_t n, capacity;
};

static int append(struct bar_list *list, const struct p2pd_snapshot_bar *bar)
{
        if (list->n == list->capacity) {
                uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
                struct p2pd_snapshot_bar *bars = reallocarray(list->bars, capacity, sizeof(*bars));

                if (!bars)
                        return -ENOMEM;
                list->bars = bars;
                list->capacity = capacity;
        }
        list->bars[list->n++] = *bar;
        return 0;
}

int p2pd_bar_keeper_list(const struct p2pd_bar_keeper *k, const struct p2p_machine *m,
                         struct p2pd_snapshot_bar **ret, uint32_t *ret_n)
{
        const bool has_registrations = p2p_bar_ids_status(k->ids).n_registrations > 0;
        struct bar_list list = {0};
        int r = 0;

        for (uint32_t f = 0; r == 0 && f < m->n_functions; f++)
                for (uint32_t i = 0; r == 0 && i < P2P_BARS_MAX; i++) {
                        struct p2pd_snapshot_bar bar;

                        if (m->functions[f].bars[i].kind != P2P_BAR_MEMORY)
                                continue;
                        bar = describe(k, f, i);
                        bar.registered = has_registrations && is_registered(k, m, f, i);
                        if (bar.id != 0 || bar.registered)
                                r = append(&list, &bar);
                }
        if (r < 0) {
                free(list.bars);
                return r;
        }
        *ret = list.bars;
        *ret_n = list.n;
        return 0;
}

/*
 * Saving
 */

bool p2pd_bar_keeper_is_dirty(const struct p2pd_bar_keeper *k)
{
        return k->use == FILE_KEPT && k->ids &&
               (!k->is_saved_once || k->revision_saved != p2p_bar_ids_revision(k->ids));
}

int p2pd_bar_keeper_directory(const struct p2pd_bar_keeper *k)
{
        return k->directory;
}

int p2pd_bar_keeper_begin_save(struct p2pd_bar_keeper *k, struct p2pd_state *ret)
{
        struct p2pd_state state = P2PD_STATE_NULL;
        int r;

        assert(k->ids);

        r = p2pd_state_from_bar_ids(&state, k->ids);
        if (r < 0) {
                p2pd_state_deinit(&state);
                return r;
        }
        memcpy(state.boot_id, k->boot_id, sizeof(state.boot_id));
        state.last_lease = k->loaded.last_lease;
        state.leases = k->loaded.leases; /* lent */
        state.n_leases = k->loaded.n_leases;
        k->revision_begun = p2p_bar_ids_revision(k->ids);
        *ret = state;
        return 0;
}

void p2pd_bar_keeper_end_save(struct p2pd_bar_keeper *k, struct p2pd_state *state, int result)
{
        state->leases = NULL;
        state->n_leases = 0;
        if (result == 0) {
                free(k->saved);
                k->saved = state->ids;
                k->n_saved = state->n_ids;
                state->ids = NULL;
                state->n_ids = 0;
                k->revision_saved = k->revision_begun;
                k->is_saved_once = true;
                k->error[0] = '\0';
        } else {
                set_error(k, "cannot write the state file", result);
        }
        p2pd_state_deinit(state);
}

uint64_t p2pd_bar_keeper_revision(const struct p2pd_bar_keeper *k)
{
        return k->ids ? p2p_bar_ids_revision(k->ids) : 0;
}

bool p2pd_bar_keeper_is_saved(const struct p2pd_bar_keeper *k, uint64_t revision)
{
        return k->use == FILE_NONE || (k->use == FILE_KEPT && revision <= k->revision_saved);
}

const char *p2pd_bar_keeper_path(const struct p2pd_bar_keeper *k)
{
        return k->path;
}

const char *p2pd_bar_keeper_error(const struct p2pd_bar_keeper *k)
{
        return k->error[0] ? k->error : NULL;
}

const char *p2pd_bar_keeper_warning(const struct p2pd_bar_keeper *k, size_t i)
{
        return i < k->n_warnings ? k->warnings[i] : NULL;
}
