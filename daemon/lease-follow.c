/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step of the lease table from one generation to the next: which function is which held device
 * now. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lease-table.h"

/* A slot that somebody asks about, and what stands in it. */
struct place {
        struct p2p_slot slot;
        uint32_t function;
};

static int compare_place(const void *a, const void *b)
{
        return strcmp(((const struct place *)a)->slot.text, ((const struct place *)b)->slot.text);
}

/* The slot of the physical function, if this is that of a virtual one. */
static bool physical_slot(const struct p2p_slot *slot, struct p2p_slot *ret)
{
        const char *end = strchr(slot->text, '+');

        if (!end)
                return false;
        *ret = (struct p2p_slot){""};
        memcpy(ret->text, slot->text, (size_t)(end - slot->text));
        return true;
}

static void add_place(struct place *places, uint32_t *n, const struct p2p_slot *slot)
{
        places[(*n)++] = (struct place){.slot = *slot, .function = P2P_NONE};
}

/* All slots of interest, sorted, each once. */
static uint32_t collect_places(const struct p2pd_leases *l, struct place *places)
{
        uint32_t n = 0, kept = 0;

        for (uint32_t i = 0; i < l->n; i++) {
                for (uint32_t j = 0; j < l->items[i]->n_devices; j++) {
                        const struct p2p_slot *slot = &l->items[i]->devices[j].slot;
                        struct p2p_slot physical;

                        add_place(places, &n, slot);
                        if (physical_slot(slot, &physical))
                                add_place(places, &n, &physical);
                }
        }
        if (n > 1)
                qsort(places, n, sizeof(*places), compare_place);
        for (uint32_t i = 0; i < n; i++)
                if (kept == 0 || compare_place(&places[kept - 1], &places[i]) != 0)
                        places[kept++] = places[i];
        return kept;
}

static struct place *find_place(struct place *places, uint32_t n, const struct p2p_slot *slot)
{
        struct place key = {.slot = *slot};

        return n > 0 ? bsearch(&key, places, n, sizeof(*places), compare_place) : NULL;
}

/* Every function of the machine into its place; of two with one slot the first. */
static void fill_places(const struct p2p_machine *m, struct place *places, uint32_t n)
{
        for (uint32_t i = 0; i < m->n_functions && n > 0; i++) {
                struct p2p_slot slot;
                struct place *place;

                if (p2p_slot_compute(m, i, &slot) != 0)
                        continue;
                place = find_place(places, n, &slot);
                if (place && place->function == P2P_NONE)
                        place->function = i;
        }
}

/* What stands in the slot; P2P_NONE: nothing. */
static uint32_t stands_in(struct place *places, uint32_t n, const struct p2p_slot *slot)
{
        return find_place(places, n, slot)->function;
}

/* Has the lease this function, or (by_vf) a virtual function of it, and has not lost it. */
static bool has_now(const struct p2pd_lease *lease, uint32_t function, bool by_vf)
{
        for (uint32_t i = 0; lease && i < lease->n_devices; i++) {
                const struct p2pd_lease_device *d = &lease->devices[i];

                if (!d->is_lost && (by_vf ? d->physfn : d->function) == function)
                        return true;
        }
        return false;
}

/* Has a lease that was followed already the physical function, or a virtual one. Two leases come to
 * that when a card returns under the virtual functions of another of its kind that had its slot, or
 * by a damaged file: the earlier one has it. */
static bool is_in_earlier(const struct p2pd_leases *l, uint32_t function)
{
        const struct p2p_function *f = &l->machine->functions[function];

        return (f->is_vf && f->physfn != P2P_NONE &&
                has_now(l->holders[f->physfn], f->physfn, false)) ||
               has_now(l->vf_holders[function], function, true);
}

/* For is_in_earlier(): the whole lease was followed. */
static void note_followed(struct p2pd_leases *l, struct p2pd_lease *lease)
{
        for (uint32_t i = 0; i < lease->n_devices; i++) {
                const struct p2pd_lease_device *d = &lease->devices[i];

                if (!d->is_lost)
                        l->holders[d->function] = lease;
                if (!d->is_lost && d->physfn != P2P_NONE)
                        l->vf_holders[d->physfn] = lease;
        }
}

/* True with the event that is to be told. */
static bool follow_device(struct p2pd_leases *l, struct place *places, uint32_t n,
                          struct p2pd_lease_device *d, enum p2pd_lease_event_kind *ret)
{
        const struct p2p_machine *m = l->machine;
        const uint32_t found = stands_in(places, n, &d->slot);
        const bool was_lost = d->is_lost;
        struct p2p_identity identity = {.is_known = false};
        struct p2p_slot physical;

        d->physfn = physical_slot(&d->slot, &physical) ? stands_in(places, n, &physical) : P2P_NONE;
        d->function = found;
        if (found != P2P_NONE)
                identity = p2p_function_identity(m, found);
        if (found == P2P_NONE || p2p_identity_is_other(&identity, &d->identity)) {
                d->function = P2P_NONE;
                d->is_lost = true;
                *ret = P2PD_LEASE_LOST;
                return !was_lost;
        }
        /* What cannot be read, or lacks the serial number that was recorded, may be the device: it
         * is withheld, and nothing is told of it. */
        if (was_lost && !p2p_identity_is_same(&d->identity, &identity))
                return false;
        /* It is that lease's now; it stays withheld from everybody else in this one's name too. */
        if (is_in_earlier(l, found)) {
                d->is_lost = true;
                *ret = P2PD_LEASE_LOST;
                return !was_lost;
        }
        d->is_lost = false;
        l->n_learned += p2p_identity_learn(&d->identity, &identity);
        *ret = was_lost ? P2PD_LEASE_BACK : P2PD_LEASE_MOVED;
        if (p2p_address_compare(d->address, m->functions[found].address) == 0)
                return was_lost;
        d->address = m->functions[found].address;
        return true;
}

int p2pd_leases_follow(struct p2pd_leases *l, const struct p2p_machine *m,
                       p2pd_lease_event_fn on_event, void *userdata)
{
        /* Twice the devices: a virtual function asks for its physical one as well. */
        struct place *places = calloc(2 * (size_t)l->n_devices + 1, sizeof(*places));
        struct p2pd_lease **holders =
                calloc((size_t)m->n_functions + 1, sizeof(struct p2pd_lease *));
        struct p2pd_lease **vf_holders =
                calloc((size_t)m->n_functions + 1, sizeof(struct p2pd_lease *));
        uint32_t n;
        int n_events = 0;

        if (!places || !holders || !vf_holders) {
                free(places);
                free(holders);
                free(vf_holders);
                return -ENOMEM;
        }
        n = collect_places(l, places);
        fill_places(m, places, n);
        free(l->holders);
        free(l->vf_holders);
        l->holders = holders;
        l->vf_holders = vf_holders;
        l->n_functions = m->n_functions;
        l->machine = m;
        for (uint32_t i = 0; i < l->n; i++) {
                for (uint32_t j = 0; j < l->items[i]->n_devices; j++) {
                        struct p2pd_lease_device *d = &l->items[i]->devices[j];
                        enum p2pd_lease_event_kind kind;

                        if (!follow_device(l, places, n, d, &kind))
                                continue;
                        n_events++;
                        if (on_event)
                                on_event(kind, l->items[i], d, userdata);
                }
                note_followed(l, l->items[i]);
        }
        p2pd_leases_index(l);
        free(places);
        return n_events;
}
