/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-ids-private.h"
#include "decide/bar-wants.h"

/*
 * An update is planned first, with all memory it takes, and then carried out, which cannot fail.
 *
 * Planning finds the BAR of each record: first for the ids in use, then for the retired ones that
 * were of just this device, then for those that may have been (their serial number was never
 * known), each the newest first, in case a place and an identity stand in several records. What is
 * left gets fresh ids, then retired ones, the oldest first.
 *
 * A serial number that cannot be read leaves an id where it is while the BAR is there without a
 * break at the same addresses. After a break or a restart an id is kept only for a device that
 * shows the serial number that was recorded: in doubt it gets another id, and what a reader or a
 * file remembers of the old one leads nowhere instead of to another device.
 */
struct plan {
        const struct p2p_bar_ids_update *update;
        struct p2p_bar_wants wants;
        uint32_t *want_ids; /* of each want: its id, or 0 */
        /* All records with an id within the width: those in use by id, then the retired ones, the
         * newest first, then the lost ones. */
        struct p2p_bar_id **records;
        struct p2p_bar_want **matches; /* of each record: what it stands for now, or NULL */
        uint32_t n_records, n_in_use, n_retired;
        struct p2p_bar_id **spare; /* one for each want that has no record yet */
        uint32_t n_spare;
        uint16_t *found;
        struct p2p_bar_without_id *without;
        uint32_t n_without;
};

static void plan_deinit(struct plan *p)
{
        for (uint32_t i = 0; p->spare && i < p->wants.n; i++)
                free(p->spare[i]);
        p2p_bar_wants_deinit(&p->wants);
        free(p->want_ids);
        free(p->records);
        free(p->matches);
        free(p->spare);
        free(p->found);
        free(p->without);
}

static int compare_records(const void *a, const void *b)
{
        const struct p2p_bar_id *const *r = a, *const *s = b;

        if ((*r)->state != (*s)->state)
                return (*r)->state < (*s)->state ? -1 : 1;
        if ((*r)->retired_order != (*s)->retired_order)
                return (*r)->retired_order > (*s)->retired_order ? -1 : 1;
        return ((*r)->id > (*s)->id) - ((*r)->id < (*s)->id);
}

static int plan_init(struct plan *p, const struct p2p_bar_ids *ids,
                     const struct p2p_bar_ids_update *update)
{
        const uint32_t greatest = p2p_bar_ids_greatest(ids);
        uint32_t n;
        int r;

        *p = (struct plan){.update = update};
        r = p2p_bar_wants_init(&p->wants, update->machine, ids->registrations,
                               ids->n_registrations);
        if (r < 0)
                return r;
        n = p->wants.n;
        p->want_ids = calloc((size_t)n + 1, sizeof(*p->want_ids));
        p->records = calloc((size_t)greatest + 1, sizeof(struct p2p_bar_id *));
        p->matches = calloc((size_t)greatest + 1, sizeof(struct p2p_bar_want *));
        p->spare = calloc((size_t)n + 1, sizeof(struct p2p_bar_id *));
        p->found =
                calloc((size_t)update->machine->n_functions * P2P_BARS_MAX + 1, sizeof(*p->found));
        p->without = calloc((size_t)n + 1, sizeof(*p->without));
        if (!p->want_ids || !p->records || !p->matches || !p->spare || !p->found || !p->without)
                return -ENOMEM;
        for (uint32_t id = 1; id <= greatest; id++) {
                struct p2p_bar_id *record = ids->by_id[id];

                if (!record)
                        continue;
                p->records[p->n_records++] = record;
                p->n_in_use += record->state == P2P_BAR_ID_IN_USE;
                p->n_retired += record->state == P2P_BAR_ID_RETIRED;
        }
        qsort(p->records, p->n_records, sizeof(p->records[0]), compare_records);
        return 0;
}

/* Is the BAR that was there in the update before the same one still? */
static bool continues(const struct p2p_bar_id *record, const struct p2p_bar_want *want)
{
        if (p2p_identity_is_other(&record->seen, &want->identity))
                return false;
        if (p2p_identity_is_same(&record->identity, &want->identity) &&
            record->slot.text[0] != '\0')
                return true;
        return record->first == want->first && record->last == want->last;
}

/* The want of a BAR whose slot is not known, by its address. */
static struct p2p_bar_want *find_by_address(const struct plan *p, const struct p2p_bar_id *record)
{
        const uint32_t function = p2p_machine_find(p->update->machine, record->address);

        for (uint32_t i = 0; function != P2P_NONE && i < p->wants.n; i++)
                if (p->wants.wants[i].function == function &&
                    p->wants.wants[i].bar_index == record->bar_index &&
                    p->wants.wants[i].slot.text[0] == '\0')
                        return &p->wants.wants[i];
        return NULL;
}

static struct p2p_bar_want *find_want(const struct plan *p, const struct p2p_bar_id *record)
{
        struct p2p_bar_want *want;

        if (record->slot.text[0] != '\0')
                want = p2p_bar_wants_find(&p->wants, &record->slot, record->bar_index);
        else if (record->function != P2P_NONE)
                want = find_by_address(p, record);
        else
                want = NULL;
        if (!want)
                return NULL;
        /* Only in an unbroken presence is a want taken for the same BAR without full evidence. */
        if (record->function != P2P_NONE ? continues(record, want)
                                         : p2p_identity_is_same(&record->identity, &want->identity))
                return want;
        return NULL;
}

/* Records from begin to end; exact: only of a device whose identity is the same to the last. */
static void match_records(struct plan *p, uint32_t begin, uint32_t end, bool exact)
{
        for (uint32_t i = begin; i < end; i++) {
                struct p2p_bar_want *want = p->matches[i] ? NULL : find_want(p, p->records[i]);

                if (!want || p->want_ids[want - p->wants.wants] != 0 ||
                    (exact && !p2p_identity_is_equal(&p->records[i]->identity, &want->identity)))
                        continue;
                p->want_ids[want - p->wants.wants] = p->records[i]->id;
                p->matches[i] = want;
        }
}

static void match(struct plan *p)
{
        const uint32_t n = p->n_in_use + p->n_retired;

        match_records(p, 0, p->n_in_use, false);
        match_records(p, p->n_in_use, n, true);
        match_records(p, p->n_in_use, n, false);
}

/* The generation in which the BAR was gone, if it is not there now. What an earlier instance of the
 * daemon gave and is not back was gone before all generations of this one. */
static uint64_t gone_since(const struct p2p_bar_id *record, uint64_t generation)
{
        if (record->state != P2P_BAR_ID_IN_USE)
                return record->gone_since;
        return record->function == P2P_NONE ? 0 : generation;
}

/* Can no reader take the id for what it stood for any more? */
static bool is_released(const struct plan *p, const struct p2p_bar_id *record)
{
        return (p->update->older_instances_gone || !record->known_to_older_instances) &&
               p->update->oldest_confirmed >= gone_since(record, p->update->generation);
}

/* The next id for a BAR that has none: *fresh and *left go through the ids that were never given,
 * and through the records from the one retired longest ago. 0: there is none. */
static uint32_t next_id(const struct plan *p, const struct p2p_bar_ids *ids, uint32_t *fresh,
                        uint32_t *left, uint32_t *gone_now)
{
        const bool older_gone = p->update->older_instances_gone;

        while (*fresh < p2p_bar_ids_greatest(ids) && (older_gone || !ids->never_recorded_lost)) {
                const struct p2p_bar_id *record = ids->by_id[++*fresh];

                if (!record || (record->state == P2P_BAR_ID_LOST && older_gone))
                        return *fresh;
        }
        while (*left > 0) {
                const uint32_t i = p->n_in_use + --*left;

                if (!p->matches[i] && is_released(p, p->records[i]))
                        return p->records[i]->id;
        }
        for (; *gone_now < p->n_in_use; ++*gone_now)
                if (!p->matches[*gone_now] && is_released(p, p->records[*gone_now]))
                        return p->records[(*gone_now)++]->id;
        return 0;
}

static int plan_new_ids(struct plan *p, const struct p2p_bar_ids *ids)
{
        uint32_t fresh = 0, left = p->n_retired, gone_now = 0;

        for (uint32_t i = 0; i < p->wants.n; i++) {
                const struct p2p_bar_want *want = &p->wants.wants[i];

                if (p->want_ids[i] == 0) {
                        p->want_ids[i] = next_id(p, ids, &fresh, &left, &gone_now);
                        if (p->want_ids[i] == 0) {
                                p->without[p->n_without++] = (struct p2p_bar_without_id){
                                        .function = want->function,
                                        .bar_index = want->bar_index,
                                };
                                continue;
                        }
                        p->spare[i] = calloc(1, sizeof(*p->spare[i]));
                        if (!p->spare[i])
                                return -ENOMEM;
                }
                p->found[want->function * P2P_BARS_MAX + want->bar_index] =
                        (uint16_t)p->want_ids[i];
        }
        return 0;
}

static void retire(struct p2p_bar_ids *ids, struct p2p_bar_id *record, uint64_t generation)
{
        record->gone_since = gone_since(record, generation);
        record->state = P2P_BAR_ID_RETIRED;
        record->function = P2P_NONE;
        record->retired_order = ++ids->retired_order;
        ids->revision++;
}

/* The record stands for this BAR in the update's machine. */
static void describe(struct p2p_bar_id *record, const struct plan *p,
                     const struct p2p_bar_want *want)
{
        record->bar_index = want->bar_index;
        record->slot = want->slot;
        (void)p2p_identity_learn(&record->seen, &want->identity);
        record->identity = want->identity.is_known ? record->seen : want->identity;
        record->address = p->update->machine->functions[want->function].address;
        record->function = want->function;
        record->first = want->first;
        record->last = want->last;
}

static bool is_written_alike(const struct p2p_bar_id *a, const struct p2p_bar_id *b)
{
        return a->state == b->state && strcmp(a->slot.text, b->slot.text) == 0 &&
               p2p_address_compare(a->address, b->address) == 0 &&
               p2p_identity_is_equal(&a->identity, &b->identity);
}

static void keep(struct p2p_bar_ids *ids, struct p2p_bar_id *record, const struct plan *p,
                 const struct p2p_bar_want *want)
{
        const struct p2p_bar_id before = *record;

        /* Not so for what was there in the update before: it has meant this BAR all along. */
        if (record->function == P2P_NONE)
                record->since = p->update->generation;
        record->state = P2P_BAR_ID_IN_USE;
        record->gone_since = 0;
        record->retired_order = 0;
        describe(record, p, want);
        ids->revision += !is_written_alike(record, &before);
}

static void give(struct p2p_bar_ids *ids, struct plan *p, uint32_t i)
{
        const uint32_t id = p->want_ids[i];
        struct p2p_bar_id *record = p->spare[i];

        p->spare[i] = NULL;
        *record = (struct p2p_bar_id){
                .id = id,
                .state = P2P_BAR_ID_IN_USE,
                .since = p->update->generation,
        };
        describe(record, p, &p->wants.wants[i]);
        free(ids->by_id[id]);
        ids->by_id[id] = record;
        ids->revision++;
}

static void forget_older_instances(struct p2p_bar_ids *ids)
{
        ids->revision += ids->never_recorded_lost;
        ids->never_recorded_lost = false;
        for (uint32_t id = 1; id <= P2P_BAR_IDS_LAST; id++) {
                struct p2p_bar_id *record = ids->by_id[id];

                if (!record)
                        continue;
                record->known_to_older_instances = false;
                if (record->state != P2P_BAR_ID_LOST)
                        continue;
                free(record);
                ids->by_id[id] = NULL;
                ids->revision++;
        }
        ids->has_older_instances = false;
}

static void note_address(struct p2p_bar_ids *ids, struct p2p_bar_registration *r,
                         struct p2p_address address)
{
        ids->revision += !r->has_address || p2p_address_compare(r->address, address) != 0;
        r->has_address = true;
        r->address = address;
}

/* What an older version did not write of a registration, its id may tell. */
static void recall_addresses(struct p2p_bar_ids *ids)
{
        for (uint32_t id = 1; ids->n_registrations > 0 && id <= P2P_BAR_IDS_LAST; id++) {
                const struct p2p_bar_id *record = ids->by_id[id];
                struct p2p_bar_registration *r;
                uint32_t i;

                if (!record || record->state == P2P_BAR_ID_LOST)
                        continue;
                i = p2p_bar_ids_find_registration(ids, &record->slot, record->bar_index);
                r = i == P2P_NONE ? NULL : &ids->registrations[i];
                if (r && !r->has_address && p2p_identity_may_be(&r->identity, &record->identity))
                        note_address(ids, r, record->address);
        }
}

/* Which device a registration was made for may show only now; and where it is. */
static void learn_registrations(struct p2p_bar_ids *ids, const struct plan *p)
{
        for (uint32_t i = 0; i < ids->n_registrations; i++) {
                struct p2p_bar_registration *r = &ids->registrations[i];
                const struct p2p_bar_want *want =
                        p2p_bar_wants_find(&p->wants, &r->slot, r->bar_index);

                if (!want || !p2p_identity_may_be(&r->identity, &want->identity))
                        continue;
                ids->revision += p2p_identity_learn(&r->identity, &want->identity);
                note_address(ids, r, p->update->machine->functions[want->function].address);
        }
}

static void carry_out(struct p2p_bar_ids *ids, struct plan *p)
{
        const uint64_t generation = p->update->generation;

        for (uint32_t i = 0; i < p->n_in_use + p->n_retired; i++)
                if (p->matches[i])
                        keep(ids, p->records[i], p, p->matches[i]);
                else if (i < p->n_in_use)
                        retire(ids, p->records[i], generation);
        /* Restored from a time with a greater width. */
        for (uint32_t id = p2p_bar_ids_greatest(ids) + 1;
             ids->generation == 0 && id <= P2P_BAR_IDS_LAST; id++)
                if (ids->by_id[id] && ids->by_id[id]->state == P2P_BAR_ID_IN_USE)
                        retire(ids, ids->by_id[id], generation);
        if (p->update->older_instances_gone && ids->has_older_instances)
                forget_older_instances(ids);
        for (uint32_t i = 0; i < p->wants.n; i++)
                if (p->spare[i])
                        give(ids, p, i);
        if (ids->generation == 0)
                recall_addresses(ids);
        learn_registrations(ids, p);
        free(ids->found);
        ids->found = p->found;
        p->found = NULL;
        ids->n_functions = p->update->machine->n_functions;
        free(ids->without);
        ids->without = p->without;
        p->without = NULL;
        ids->n_without = p->n_without;
        ids->generation = generation;
}

/* function: which must have an id, or P2P_NONE. */
static int update_for(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                      uint32_t function, uint32_t bar_index)
{
        struct plan p;
        int r;

        assert(update->generation != 0 && update->generation >= ids->generation);
        r = plan_init(&p, ids, update);
        if (r == 0) {
                match(&p);
                r = plan_new_ids(&p, ids);
        }
        if (r == 0 && function != P2P_NONE && p.found[function * P2P_BARS_MAX + bar_index] == 0)
                r = P2P_BAR_IDS_E_EXHAUSTED;
        if (r == 0)
                carry_out(ids, &p);
        plan_deinit(&p);
        return r;
}

int p2p_bar_ids_update(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update)
{
        return update_for(ids, update, P2P_NONE, 0);
}

int p2p_bar_ids_update_for(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                           uint32_t function, uint32_t bar_index)
{
        return update_for(ids, update, function, bar_index);
}
