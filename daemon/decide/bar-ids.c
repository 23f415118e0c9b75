/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/bar-ids.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-ids-private.h"
#include "decide/bar-index.h"
#include "decide/bar-wants.h"

const char *p2p_bar_id_state_to_string(enum p2p_bar_id_state state)
{
        static const char *const names[P2P_BAR_ID_STATE_MAX] = {
                [P2P_BAR_ID_IN_USE] = "in-use",
                [P2P_BAR_ID_RETIRED] = "retired",
                [P2P_BAR_ID_LOST] = "lost",
        };

        return state < P2P_BAR_ID_STATE_MAX ? names[state] : NULL;
}

unsigned p2p_bar_ids_default_width(const struct p2p_machine *m)
{
        const uint64_t wanted = 2 * (uint64_t)p2p_bar_wants_count_unasked(m);
        unsigned width = P2P_BAR_IDS_WIDTH_MIN;

        while (width < P2P_BAR_IDS_WIDTH_MAX && (UINT64_C(1) << width) - 1 < wanted)
                width++;
        return width;
}

struct p2p_bar_ids *p2p_bar_ids_new(unsigned width)
{
        struct p2p_bar_ids *ids;

        assert(width >= P2P_BAR_IDS_WIDTH_MIN && width <= P2P_BAR_IDS_WIDTH_MAX);
        ids = calloc(1, sizeof(*ids));
        if (!ids)
                return NULL;
        ids->width = width;
        ids->by_id = calloc(P2P_BAR_IDS_LAST + 1, sizeof(struct p2p_bar_id *));
        if (!ids->by_id)
                return p2p_bar_ids_free(ids);
        return ids;
}

struct p2p_bar_ids *p2p_bar_ids_free(struct p2p_bar_ids *ids)
{
        if (!ids)
                return NULL;
        for (uint32_t id = 1; ids->by_id && id <= P2P_BAR_IDS_LAST; id++)
                free(ids->by_id[id]);
        free(ids->by_id);
        free(ids->registrations);
        free(ids->found);
        free(ids->without);
        free(ids);
        return NULL;
}

uint32_t p2p_bar_ids_find(const struct p2p_bar_ids *ids, uint32_t function, uint32_t bar_index)
{
        if (function >= ids->n_functions || bar_index >= P2P_BARS_MAX)
                return 0;
        return ids->found[function * P2P_BARS_MAX + bar_index];
}

const struct p2p_bar_id *p2p_bar_ids_get(const struct p2p_bar_ids *ids, uint32_t id)
{
        return id <= P2P_BAR_IDS_LAST ? ids->by_id[id] : NULL;
}

uint64_t p2p_bar_ids_revision(const struct p2p_bar_ids *ids)
{
        return ids->revision;
}

struct p2p_bar_ids_status p2p_bar_ids_status(const struct p2p_bar_ids *ids)
{
        struct p2p_bar_ids_status s = {
                .width = ids->width,
                .without = ids->without,
                .n_without = ids->n_without,
                .n_registrations = ids->n_registrations,
        };

        for (uint32_t id = 1; id <= p2p_bar_ids_greatest(ids); id++) {
                const struct p2p_bar_id *record = ids->by_id[id];

                s.n_in_use += record && record->state == P2P_BAR_ID_IN_USE;
                s.n_retired += record && record->state == P2P_BAR_ID_RETIRED;
                s.n_lost += record ? record->state == P2P_BAR_ID_LOST : ids->never_recorded_lost;
                s.n_never_used += !record && !ids->never_recorded_lost;
        }
        return s;
}

/*
 * Registrations
 */

/* Where it is, or where it belongs. */
static uint32_t registration_position(const struct p2p_bar_ids *ids, const struct p2p_slot *slot,
                                      uint32_t bar_index)
{
        uint32_t low = 0, high = ids->n_registrations;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                const struct p2p_bar_registration *r = &ids->registrations[middle];

                if (p2p_bar_place_compare(&r->slot, r->bar_index, slot, bar_index) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct p2p_bar_registration *
find_registration(const struct p2p_bar_ids *ids, const struct p2p_slot *slot, uint32_t bar_index)
{
        const uint32_t at = registration_position(ids, slot, bar_index);
        struct p2p_bar_registration *r;

        if (at == ids->n_registrations)
                return NULL;
        r = &ids->registrations[at];
        return p2p_bar_place_compare(&r->slot, r->bar_index, slot, bar_index) == 0 ? r : NULL;
}

const struct p2p_bar_registration *p2p_bar_ids_registration(const struct p2p_bar_ids *ids,
                                                            uint32_t i)
{
        assert(i < ids->n_registrations);
        return &ids->registrations[i];
}

uint32_t p2p_bar_ids_find_registration(const struct p2p_bar_ids *ids, const struct p2p_slot *slot,
                                       uint32_t bar_index)
{
        const struct p2p_bar_registration *r = find_registration(ids, slot, bar_index);

        return r ? (uint32_t)(r - ids->registrations) : P2P_NONE;
}

bool p2p_bar_ids_is_registered(const struct p2p_bar_ids *ids, const struct p2p_slot *slot,
                               const struct p2p_identity *identity, uint32_t bar_index)
{
        const struct p2p_bar_registration *r = find_registration(ids, slot, bar_index);

        return r && p2p_identity_may_be(&r->identity, identity);
}

/* Room for one more, so that putting one in cannot fail. */
static int reserve_registration(struct p2p_bar_ids *ids)
{
        struct p2p_bar_registration *grown;

        if (ids->n_registrations == P2P_BAR_IDS_REGISTRATIONS_MAX)
                return P2P_BAR_IDS_E_TOO_MANY;
        grown = reallocarray(ids->registrations, (size_t)ids->n_registrations + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        ids->registrations = grown;
        return 0;
}

static void insert_registration(struct p2p_bar_ids *ids, const struct p2p_bar_registration *r)
{
        const uint32_t at = registration_position(ids, &r->slot, r->bar_index);

        memmove(&ids->registrations[at + 1], &ids->registrations[at],
                (ids->n_registrations - at) * sizeof(*r));
        ids->registrations[at] = *r;
        ids->n_registrations++;
}

static void remove_registration(struct p2p_bar_ids *ids, const struct p2p_bar_registration *r)
{
        const uint32_t at = registration_position(ids, &r->slot, r->bar_index);

        ids->n_registrations--;
        memmove(&ids->registrations[at], &ids->registrations[at + 1],
                (ids->n_registrations - at) * sizeof(*r));
}

int p2p_bar_ids_register(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                         uint32_t function, uint32_t bar_index, uint32_t *ret_id)
{
        const struct p2p_machine *m = update->machine;
        struct p2p_bar_registration registration = {.bar_index = bar_index, .has_address = true};
        struct p2p_bar_registration before, *old;
        uint64_t first, last;
        int r;

        assert(function < m->n_functions && bar_index < P2P_BARS_MAX);
        if (p2p_bar_range(&m->functions[function].bars[bar_index], &first, &last) < 0)
                return P2P_BAR_IDS_E_NO_MEMORY_BAR;
        registration.address = m->functions[function].address;
        registration.identity = p2p_function_identity(m, function);
        if (!registration.identity.is_known ||
            p2p_slot_compute(m, function, &registration.slot) != 0)
                return P2P_BAR_IDS_E_UNRECOGNISABLE;
        old = find_registration(ids, &registration.slot, bar_index);
        if (old) {
                before = *old;
                if (p2p_identity_is_other(&old->identity, &registration.identity))
                        *old = registration;
                else
                        (void)p2p_identity_learn(&old->identity, &registration.identity);
        } else {
                r = reserve_registration(ids);
                if (r != 0)
                        return r;
                insert_registration(ids, &registration);
        }
        r = p2p_bar_ids_update_for(ids, update, function, bar_index);
        if (r == 0) {
                ids->revision += !old || !p2p_identity_is_equal(&before.identity, &old->identity);
                *ret_id = p2p_bar_ids_find(ids, function, bar_index);
        } else if (old) {
                *old = before;
        } else {
                remove_registration(ids, &registration);
        }
        return r;
}

int p2p_bar_ids_unregister(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                           const struct p2p_slot *slot, uint32_t bar_index)
{
        const struct p2p_bar_registration *found = find_registration(ids, slot, bar_index);
        struct p2p_bar_registration before;
        int r;

        if (!found)
                return P2P_BAR_IDS_E_NOT_REGISTERED;
        before = *found;
        remove_registration(ids, &before);
        r = p2p_bar_ids_update(ids, update);
        if (r == 0)
                ids->revision++;
        else
                insert_registration(ids, &before);
        return r;
}

/*
 * After a restart
 */

static bool is_slot_or_unknown(const struct p2p_slot *slot)
{
        return slot->text[0] == '\0' || p2p_slot_is_valid(slot->text);
}

int p2p_bar_ids_restore(struct p2p_bar_ids *ids, const struct p2p_bar_id *record)
{
        struct p2p_bar_id *copy;

        assert(ids->generation == 0);
        if (record->id == 0 || record->id > P2P_BAR_IDS_LAST || ids->by_id[record->id] ||
            record->state >= P2P_BAR_ID_STATE_MAX || record->bar_index >= P2P_BARS_MAX ||
            !is_slot_or_unknown(&record->slot) || record->retired_order > INT64_MAX)
                return P2P_BAR_IDS_E_INVALID;
        copy = calloc(1, sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        copy->id = record->id;
        copy->state = record->state;
        copy->function = P2P_NONE;
        copy->known_to_older_instances = true;
        if (record->state != P2P_BAR_ID_LOST) {
                copy->slot = record->slot;
                copy->identity = copy->seen = record->identity;
                copy->bar_index = record->bar_index;
                copy->address = record->address;
        }
        if (record->state == P2P_BAR_ID_RETIRED)
                copy->retired_order = record->retired_order;
        if (copy->retired_order > ids->retired_order)
                ids->retired_order = copy->retired_order;
        ids->by_id[copy->id] = copy;
        ids->has_older_instances = true;
        return 0;
}

void p2p_bar_ids_restore_none_known(struct p2p_bar_ids *ids)
{
        assert(ids->generation == 0);
        ids->never_recorded_lost = true;
        ids->has_older_instances = true;
}

bool p2p_bar_ids_never_recorded_lost(const struct p2p_bar_ids *ids)
{
        return ids->never_recorded_lost;
}

int p2p_bar_ids_restore_registration(struct p2p_bar_ids *ids,
                                     const struct p2p_bar_registration *registration)
{
        int r;

        assert(ids->generation == 0);
        if (!p2p_slot_is_valid(registration->slot.text) || !registration->identity.is_known ||
            registration->bar_index >= P2P_BARS_MAX ||
            find_registration(ids, &registration->slot, registration->bar_index))
                return P2P_BAR_IDS_E_INVALID;
        r = reserve_registration(ids);
        if (r == 0)
                insert_registration(ids, registration);
        return r;
}
