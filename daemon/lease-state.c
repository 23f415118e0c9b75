/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long leases are held, and what of them is in the state file. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lease-table.h"
#include "publish/state-file.h"

static_assert(P2PD_LEASE_NAME_MAX < P2PD_STATE_NAME_SIZE &&
                      P2PD_LEASE_OWNER_MAX < P2PD_STATE_OWNER_SIZE,
              "what a lease holds fits into the state file");

static uint64_t sum(uint64_t a, uint64_t b)
{
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct p2pd_lease_term p2pd_lease_term_of(struct p2pd_lease_time now, uint64_t duration_usec)
{
        return (struct p2pd_lease_term){
                .deadline_usec = duration_usec != 0 ? sum(now.boot_usec, duration_usec) : 0,
                .duration_usec = duration_usec,
        };
}

uint64_t p2pd_lease_term_expires(struct p2pd_lease_term term, struct p2pd_lease_time now)
{
        uint64_t past;

        if (term.deadline_usec == 0)
                return 0;
        if (term.deadline_usec >= now.boot_usec)
                return sum(now.wall_usec, term.deadline_usec - now.boot_usec);
        past = now.boot_usec - term.deadline_usec;
        /* Never 0, which is another word. */
        return now.wall_usec > past ? now.wall_usec - past : 1;
}

/* At least 1: what is over ends at once, and is not without an end. */
static uint64_t until(uint64_t end_usec, uint64_t now_usec)
{
        return end_usec > now_usec ? end_usec - now_usec : 1;
}

struct p2pd_lease_term p2pd_lease_restored_term(const struct p2pd_state_lease *state,
                                                const struct p2pd_lease_import *how)
{
        const struct p2pd_lease_time now = how->now;
        uint64_t left, duration = state->duration_usec;

        if (state->expires_usec == 0)
                return (struct p2pd_lease_term){0};
        if (how->is_same_boot && state->deadline_usec != 0)
                left = until(state->deadline_usec, now.boot_usec);
        else
                left = until(state->expires_usec, now.wall_usec);
        /* Not known, written by an older version: what is left is all there is to go by. */
        if (duration == 0)
                duration = left;
        return (struct p2pd_lease_term){
                .deadline_usec = sum(now.boot_usec, left < duration ? left : duration),
                .duration_usec = duration,
        };
}

int p2pd_lease_export(const struct p2pd_lease *lease, struct p2pd_lease_time now,
                      struct p2pd_state_lease *ret)
{
        struct p2pd_state_lease state = {
                .number = lease->number,
                .uid = lease->uid,
                .pid = lease->pid,
                .taken_usec = lease->taken_usec,
                .expires_usec = p2pd_lease_term_expires(lease->term, now),
                .deadline_usec = lease->term.deadline_usec,
                .duration_usec = lease->term.duration_usec,
                .n_devices = lease->n_devices,
        };

        assert(lease->name[0] && lease->connection == 0);
        state.devices = calloc(lease->n_devices, sizeof(*state.devices));
        if (!state.devices)
                return -ENOMEM;
        strcpy(state.name, lease->name);
        strcpy(state.owner, lease->owner);
        for (uint32_t i = 0; i < lease->n_devices; i++) {
                const struct p2pd_lease_device *d = &lease->devices[i];

                state.devices[i] = (struct p2pd_state_device){
                        .slot = d->slot, .identity = d->identity, .address = d->address};
        }
        *ret = state;
        return 0;
}

/* Is the device in a lease already: two different ones may have had the slot, one after the other.
 */
static bool is_claimed(const struct p2pd_lease *lease, const struct p2pd_state_device *device)
{
        for (uint32_t i = 0; i < lease->n_devices; i++)
                if (strcmp(lease->devices[i].slot.text, device->slot.text) == 0 &&
                    !p2p_identity_is_other(&lease->devices[i].identity, &device->identity))
                        return true;
        return false;
}

static void import_device(const struct p2pd_leases *l, const struct p2pd_state_device *device,
                          struct p2pd_lease *lease, const struct p2pd_lease_import *how)
{
        const struct p2pd_lease_device d = {
                .address = device->address,
                .slot = device->slot,
                .identity = device->identity,
                .is_lost = true,
                .function = P2P_NONE,
                .physfn = P2P_NONE,
        };

        if (is_claimed(lease, device))
                return;
        for (uint32_t i = 0; i < l->n; i++) {
                if (!is_claimed(l->items[i], device))
                        continue;
                if (how->on_event)
                        how->on_event(P2PD_LEASE_LOST, lease, &d, how->userdata);
                return;
        }
        lease->devices[lease->n_devices] = d;
        lease->devices[lease->n_devices++].is_lost = false;
}

int p2pd_leases_import(struct p2pd_leases *l, const struct p2pd_state_lease *state,
                       const struct p2pd_lease_import *how)
{
        struct p2pd_lease *lease;

        assert(l->n == 0 || state->number > l->items[l->n - 1]->number);
        if (state->n_devices == 0 || state->number == 0 ||
            !p2pd_lease_name_is_valid(state->name, strnlen(state->name, sizeof(state->name))))
                return P2PD_LEASE_E_INVALID;
        if (p2pd_leases_find_name(l, state->name))
                return P2PD_LEASE_E_NAME_TAKEN;
        lease = p2pd_lease_new(state->n_devices, state->name, state->owner);
        if (!lease || p2pd_leases_reserve(l) < 0) {
                p2pd_lease_free(lease);
                return -ENOMEM;
        }
        lease->number = state->number;
        lease->uid = state->uid;
        lease->pid = state->pid;
        lease->taken_usec = state->taken_usec;
        lease->term = p2pd_lease_restored_term(state, how);
        for (uint32_t i = 0; i < state->n_devices; i++)
                import_device(l, &state->devices[i], lease, how);
        if (lease->n_devices == 0) {
                p2pd_lease_free(lease);
                return P2PD_LEASE_E_HELD;
        }
        p2pd_leases_append(l, lease);
        return 0;
}
