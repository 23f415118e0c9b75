/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "absent-bars.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void p2pd_absent_finder_deinit(struct p2pd_absent_finder *finder)
{
        free(finder->found.bars);
        free(finder->is_there);
        *finder = (struct p2pd_absent_finder){0};
}

int p2pd_absent_finder_reserve(struct p2pd_absent_finder *finder, uint32_t n)
{
        void *grown;

        if (n <= finder->room)
                return 0;
        grown = reallocarray(finder->found.bars, n, sizeof(*finder->found.bars));
        if (!grown)
                return -ENOMEM;
        finder->found.bars = grown;
        grown = reallocarray(finder->is_there, n, sizeof(*finder->is_there));
        if (!grown)
                return -ENOMEM;
        finder->is_there = grown;
        finder->room = n;
        return 0;
}

static void find_present(struct p2pd_absent_finder *finder, const struct p2p_bar_ids *ids,
                         const struct p2p_machine *m)
{
        for (uint32_t f = 0; f < m->n_functions; f++) {
                const struct p2p_identity identity = p2p_function_identity(m, f);
                struct p2p_slot slot;

                if (p2p_slot_compute(m, f, &slot) != 0)
                        continue;
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        const uint32_t i = p2p_bar_ids_find_registration(ids, &slot, j);

                        if (i != P2P_NONE && m->functions[f].bars[j].kind == P2P_BAR_MEMORY &&
                            p2p_identity_may_be(&p2p_bar_ids_registration(ids, i)->identity,
                                                &identity))
                                finder->is_there[i] = true;
                }
        }
}

static int compare(const void *a, const void *b)
{
        const struct p2pd_absent_bar *x = a, *y = b;
        const int c = strcmp(x->slot.text, y->slot.text);

        return c != 0 ? c : (x->bar_index > y->bar_index) - (x->bar_index < y->bar_index);
}

static void find_ids(struct p2pd_absent_bars *found, const struct p2p_bar_ids *ids)
{
        for (uint32_t id = 1; found->n > 0 && id <= P2P_BAR_IDS_LAST; id++) {
                const struct p2p_bar_id *record = p2p_bar_ids_get(ids, id);
                struct p2pd_absent_bar key, *bar;
                uint32_t i;

                if (!record || record->state != P2P_BAR_ID_RETIRED)
                        continue;
                key = (struct p2pd_absent_bar){
                        .slot = record->slot,
                        .bar_index = (uint8_t)record->bar_index,
                };
                bar = bsearch(&key, found->bars, found->n, sizeof(key), compare);
                if (!bar)
                        continue;
                i = p2p_bar_ids_find_registration(ids, &record->slot, record->bar_index);
                if (p2p_identity_is_same(&record->identity,
                                         &p2p_bar_ids_registration(ids, i)->identity))
                        bar->id = (uint16_t)id;
        }
}

void p2pd_absent_finder_update(struct p2pd_absent_finder *finder, const struct p2p_bar_ids *ids,
                               const struct p2p_machine *m)
{
        const uint32_t n = p2p_bar_ids_status(ids).n_registrations;

        assert(n <= finder->room);
        finder->found.n = 0;
        if (n == 0)
                return;
        memset(finder->is_there, 0, n * sizeof(*finder->is_there));
        find_present(finder, ids, m);
        for (uint32_t i = 0; i < n; i++) {
                const struct p2p_bar_registration *r = p2p_bar_ids_registration(ids, i);

                if (!finder->is_there[i])
                        finder->found.bars[finder->found.n++] = (struct p2pd_absent_bar){
                                .slot = r->slot,
                                .bar_index = (uint8_t)r->bar_index,
                                .has_address = r->has_address,
                                .address = r->address,
                        };
        }
        find_ids(&finder->found, ids);
}
