/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease-keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "publish/state-file.h"

struct p2pd_lease_keeper {
        struct p2pd_leases *table;
        enum p2pd_lease_storage storage;
        p2pd_lease_event_fn on_event;
        void *userdata;
        struct p2pd_lease_operation *operations; /* in the order of their numbers */
        size_t n_operations, capacity;
        uint64_t last_operation;
        uint64_t revision, revision_begun, revision_saved; /* of what belongs into the file */
        int64_t clock_offset; /* with which the file is written, or is to be */
};

/* The wall clock was set if it is farther than this from where it was; being slewed does not count.
 */
#define CLOCK_SET_USEC 1000000

/* From CLOCK_BOOTTIME to CLOCK_REALTIME: moves when the latter is set. */
static int64_t clock_offset(struct p2pd_lease_time now)
{
        return (int64_t)(now.wall_usec - now.boot_usec);
}

static struct p2pd_leases *make_table(uint64_t last_number)
{
        struct p2pd_leases_params params = P2PD_LEASES_PARAMS_DEFAULT;

        params.last_number = last_number;
        return p2pd_leases_new(&params);
}

struct p2pd_lease_keeper *p2pd_lease_keeper_new(p2pd_lease_event_fn on_event, void *userdata)
{
        struct p2pd_lease_keeper *k = calloc(1, sizeof(*k));

        if (!k)
                return NULL;
        k->on_event = on_event;
        k->userdata = userdata;
        k->table = make_table(0);
        if (!k->table)
                return p2pd_lease_keeper_free(k);
        return k;
}

struct p2pd_lease_keeper *p2pd_lease_keeper_free(struct p2pd_lease_keeper *k)
{
        if (!k)
                return NULL;
        p2pd_leases_free(k->table);
        free(k->operations);
        free(k);
        return NULL;
}

const struct p2pd_leases *p2pd_lease_keeper_table(const struct p2pd_lease_keeper *k)
{
        return k->table;
}

/* A release that is done and not settled is under way still: what it releases is about to end. */
static bool is_under_way(const struct p2pd_lease_keeper *k, uint64_t lease,
                         enum p2pd_lease_operation_kind kind)
{
        for (size_t i = 0; i < k->n_operations; i++) {
                const struct p2pd_lease_operation *o = &k->operations[i];

                if (o->lease == lease && o->kind == kind &&
                    (!o->is_done || (kind == P2PD_LEASE_OPERATION_RELEASE && o->result == 0)))
                        return true;
        }
        return false;
}

bool p2pd_lease_keeper_is_shown(const struct p2pd_lease_keeper *k, const struct p2pd_lease *lease)
{
        return !is_under_way(k, lease->number, P2PD_LEASE_OPERATION_TAKE);
}

/* What the table tells: a lease that is nobody's yet is no news. */
static void on_table_event(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                           const struct p2pd_lease_device *device, void *userdata)
{
        struct p2pd_lease_keeper *k = userdata;

        if (lease->connection == 0)
                k->revision++;
        if (k->on_event && p2pd_lease_keeper_is_shown(k, lease))
                k->on_event(kind, lease, device, k->userdata);
}

/* Does the file say another time by either clock, after a reboot or because the wall clock was set.
 */
static bool is_outdated(const struct p2pd_state_lease *state, const struct p2pd_lease_import *how)
{
        const struct p2pd_lease_term term = p2pd_lease_restored_term(state, how);
        const uint64_t expires = p2pd_lease_term_expires(term, how->now);

        return term.deadline_usec != state->deadline_usec ||
               expires > state->expires_usec + CLOCK_SET_USEC ||
               state->expires_usec > expires + CLOCK_SET_USEC;
}

int p2pd_lease_keeper_load(struct p2pd_lease_keeper *k, const struct p2pd_lease_keeper_file *file,
                           struct p2pd_lease_time now)
{
        const struct p2pd_lease_import how = {now, file->is_same_boot, on_table_event, k};
        struct p2pd_leases *table = make_table(file->last_number);
        int n_left_out = 0;

        assert(p2pd_leases_n(k->table) == 0 && k->n_operations == 0);
        if (!table)
                return -ENOMEM;
        p2pd_leases_free(k->table);
        k->table = table;
        k->storage = file->storage;
        k->clock_offset = clock_offset(now);
        for (uint32_t i = 0; i < file->n; i++) {
                int r = p2pd_leases_import(k->table, &file->leases[i], &how);

                if (r < 0)
                        return r;
                n_left_out += r != 0;
                k->revision += r == 0 && is_outdated(&file->leases[i], &how);
        }
        return n_left_out;
}

/* Events of a machine that is being followed. */
struct followed {
        struct told {
                enum p2pd_lease_event_kind kind;
                const struct p2pd_lease *lease;
                const struct p2pd_lease_device *device;
        } * events;
        uint32_t n;
};

static void remember(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
                     const struct p2pd_lease_device *device, void *userdata)
{
        struct followed *f = userdata;

        f->events[f->n++] = (struct told){kind, lease, device};
}

/* Told when all devices have been followed: who is told may look at the whole lease. */
int p2pd_lease_keeper_follow(struct p2pd_lease_keeper *k, const struct p2p_machine *m)
{
        /* At most one for each device. */
        struct followed f = {calloc(p2pd_leases_n_devices(k->table) + 1U, sizeof(*f.events)), 0};
        const uint64_t learned = p2pd_leases_n_learned(k->table);
        int r = f.events ? p2pd_leases_follow(k->table, m, remember, &f) : -ENOMEM;

        k->revision += p2pd_leases_n_learned(k->table) != learned;
        for (uint32_t i = 0; i < f.n; i++)
                on_table_event(f.events[i].kind, f.events[i].lease, f.events[i].device, k);
        free(f.events);
        return r < 0 ? r : 0;
}

/* Is there a lease in the file that expires. */
static bool has_expiry_in_file(const struct p2pd_lease_keeper *k)
{
        for (uint32_t i = 0; i < p2pd_leases_n(k->table); i++) {
                const struct p2pd_lease *lease = p2pd_leases_get(k->table, i);

                if (lease->connection == 0 && lease->term.deadline_usec != 0)
                        return true;
        }
        return false;
}

uint64_t p2pd_lease_keeper_expire(struct p2pd_lease_keeper *k, struct p2pd_lease_time now)
{
        const int64_t offset = clock_offset(now);

        (void)p2pd_leases_expire(k->table, now.boot_usec, on_table_event, k);
        if (offset - k->clock_offset > CLOCK_SET_USEC ||
            k->clock_offset - offset > CLOCK_SET_USEC) {
                k->clock_offset = offset;
                k->revision += has_expiry_in_file(k);
        }
        return p2pd_leases_next_expiry(k->table);
}

void p2pd_lease_keeper_disconnect(struct p2pd_lease_keeper *k, uint64_t connection)
{
        (void)p2pd_leases_disconnect(k->table, connection, on_table_event, k);
}

int p2pd_lease_keeper_find_for(const struct p2pd_lease_keeper *k, const char *which, uint32_t uid,
                               const struct p2pd_lease **ret)
{
        const struct p2pd_lease *lease;
        int r = p2pd_leases_find_for(k->table, which, uid, &lease);

        if (r != 0)
                return r;
        if (is_under_way(k, lease->number, P2PD_LEASE_OPERATION_TAKE) ||
            is_under_way(k, lease->number, P2PD_LEASE_OPERATION_RELEASE))
                return P2PD_LEASE_E_UNKNOWN;
        *ret = lease;
        return 0;
}

/*
 * Operations
 */

static int reserve(struct p2pd_lease_keeper *k)
{
        size_t capacity = k->capacity ? 2 * k->capacity : 16;
        struct p2pd_lease_operation *operations;

        if (k->n_operations < k->capacity)
                return 0;
        operations = reallocarray(k->operations, capacity, sizeof(*operations));
        if (!operations)
                return -ENOMEM;
        k->operations = operations;
        k->capacity = capacity;
        return 0;
}

/* Into the room that was reserved. It waits for the file if it changes what belongs there. */
static uint64_t begin(struct p2pd_lease_keeper *k, enum p2pd_lease_operation_kind kind,
                      const struct p2pd_lease *lease, struct p2pd_lease_term before)
{
        const bool belongs_there = lease->connection == 0;

        k->operations[k->n_operations++] = (struct p2pd_lease_operation){
                .number = ++k->last_operation,
                .kind = kind,
                .lease = lease->number,
                .before = before,
                .is_done = !belongs_there || k->storage != P2PD_LEASES_IN_FILE,
        };
        k->revision += belongs_there;
        return k->last_operation;
}

int p2pd_lease_keeper_take(struct p2pd_lease_keeper *k, const struct p2pd_lease_request *request,
                           uint64_t *ret_operation, struct p2pd_lease_obstacle *ret_obstacle)
{
        const struct p2pd_lease *lease;
        int r;

        if (k->storage == P2PD_LEASES_LOST)
                return P2PD_LEASE_E_LOST;
        r = reserve(k);
        if (r == 0)
                r = p2pd_leases_take(k->table, request, &lease, ret_obstacle);
        if (r == 0)
                *ret_operation = begin(k, P2PD_LEASE_OPERATION_TAKE, lease, lease->term);
        return r;
}

int p2pd_lease_keeper_renew(struct p2pd_lease_keeper *k, const struct p2pd_lease *lease,
                            struct p2pd_lease_term term, uint64_t *ret_operation)
{
        const struct p2pd_lease_term before = lease->term;
        int r = reserve(k);

        if (r < 0)
                return r;
        (void)p2pd_leases_renew(k->table, lease->number, term);
        *ret_operation = begin(k, P2PD_LEASE_OPERATION_RENEW, lease, before);
        return 0;
}

int p2pd_lease_keeper_release(struct p2pd_lease_keeper *k, const struct p2pd_lease *lease,
                              uint64_t *ret_operation)
{
        int r = reserve(k);

        if (r == 0)
                *ret_operation = begin(k, P2PD_LEASE_OPERATION_RELEASE, lease, lease->term);
        return r;
}

static int compare_number(const void *key, const void *element)
{
        const uint64_t number = *(const uint64_t *)key;
        const struct p2pd_lease_operation *o = element;

        return (number > o->number) - (number < o->number);
}

const struct p2pd_lease_operation *p2pd_lease_keeper_find(const struct p2pd_lease_keeper *k,
                                                          uint64_t operation)
{
        if (k->n_operations == 0)
                return NULL;
        return bsearch(&operation, k->operations, k->n_operations, sizeof(*k->operations),
                       compare_number);
}

/* A lease may have expired, or ended with its connection, while its operation was under way. */
static void complete(struct p2pd_lease_keeper *k, const struct p2pd_lease_operation *o)
{
        static const enum p2pd_lease_event_kind events[] = {
                [P2PD_LEASE_OPERATION_TAKE] = P2PD_LEASE_TAKEN,
                [P2PD_LEASE_OPERATION_RENEW] = P2PD_LEASE_RENEWED,
                [P2PD_LEASE_OPERATION_RELEASE] = P2PD_LEASE_RELEASED,
        };
        const struct p2pd_lease *lease = p2pd_leases_find_number(k->table, o->lease);

        if (o->result != 0 || !lease)
                return;
        if (k->on_event)
                k->on_event(events[o->kind], lease, NULL, k->userdata);
        if (o->kind == P2PD_LEASE_OPERATION_RELEASE)
                (void)p2pd_leases_release(k->table, o->lease);
}

void p2pd_lease_keeper_settle(struct p2pd_lease_keeper *k)
{
        size_t kept = 0;

        for (size_t i = 0; i < k->n_operations; i++) {
                const struct p2pd_lease_operation o = k->operations[i];

                if (o.is_done)
                        complete(k, &o);
                else
                        k->operations[kept++] = o;
        }
        k->n_operations = kept;
}

/*
 * Saving
 */

bool p2pd_lease_keeper_is_dirty(const struct p2pd_lease_keeper *k)
{
        return k->storage == P2PD_LEASES_IN_FILE && k->revision != k->revision_saved;
}

static void free_leases(struct p2pd_state *state)
{
        for (uint32_t i = 0; i < state->n_leases; i++)
                p2pd_state_lease_deinit(&state->leases[i]);
        free(state->leases);
        state->leases = NULL;
        state->n_leases = 0;
}

int p2pd_lease_keeper_begin_save(struct p2pd_lease_keeper *k, struct p2pd_lease_time now,
                                 struct p2pd_state *state)
{
        const uint32_t n = p2pd_leases_n(k->table);

        state->n_leases = 0;
        state->last_lease = p2pd_leases_last_number(k->table);
        state->leases = calloc(n + 1U, sizeof(*state->leases));
        if (!state->leases)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                const struct p2pd_lease *lease = p2pd_leases_get(k->table, i);
                int r;

                if (lease->connection != 0 ||
                    is_under_way(k, lease->number, P2PD_LEASE_OPERATION_RELEASE))
                        continue;
                r = p2pd_lease_export(lease, now, &state->leases[state->n_leases]);
                if (r < 0) {
                        free_leases(state);
                        return r;
                }
                state->n_leases++;
        }
        for (size_t i = 0; i < k->n_operations; i++)
                k->operations[i].is_saving = true;
        k->clock_offset = clock_offset(now);
        k->revision_begun = k->revision;
        return 0;
}

static void take_back(struct p2pd_lease_keeper *k, const struct p2pd_lease_operation *o)
{
        switch (o->kind) {
        case P2PD_LEASE_OPERATION_TAKE:
                (void)p2pd_leases_release(k->table, o->lease);
                break;
        case P2PD_LEASE_OPERATION_RENEW:
                (void)p2pd_leases_renew(k->table, o->lease, o->before);
                break;
        case P2PD_LEASE_OPERATION_RELEASE:
                break; /* it is still there */
        }
        k->revision++;
}

void p2pd_lease_keeper_end_save(struct p2pd_lease_keeper *k, struct p2pd_state *state, int result)
{
        free_leases(state);
        if (result == 0)
                k->revision_saved = k->revision_begun;
        for (size_t i = k->n_operations; i-- > 0;) {
                struct p2pd_lease_operation *o = &k->operations[i];

                if (o->is_done || (result == 0 && !o->is_saving))
                        continue;
                o->is_done = true;
                /* A file of a newer version must not be replaced. */
                o->result = result > 0 ? -EPERM : result;
                if (result != 0)
                        take_back(k, o);
        }
}
