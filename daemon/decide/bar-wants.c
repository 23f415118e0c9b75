/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/bar-wants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-index.h"

/* Who gets ids first. */
enum rank {
        RANK_P2PMEM,
        RANK_ACCELERATOR, /* and GPUs */
        RANK_MEMORY,
        RANK_NVME,
        RANK_NIC,
        RANK_STORAGE,
        RANK_REGISTERED,
        RANK_NONE, /* gets none */
};

/* What one function is to have. */
struct share {
        uint8_t rank;
        uint8_t bars; /* bit j: BAR j */
};

int p2p_bar_place_compare(const struct p2p_slot *a, uint32_t a_bar_index, const struct p2p_slot *b,
                          uint32_t b_bar_index)
{
        int c = strcmp(a->text, b->text);

        return c != 0 ? c : (a_bar_index > b_bar_index) - (a_bar_index < b_bar_index);
}

static enum rank rank_of(const struct p2p_function *f)
{
        if (p2p_fact_is_known(f->p2pmem_size_bytes))
                return RANK_P2PMEM;
        if (!p2p_function_is_candidate(f))
                return RANK_NONE;
        switch (p2p_function_kind(f)) {
        case P2P_KIND_GPU:
        case P2P_KIND_ACCELERATOR:
                return RANK_ACCELERATOR;
        case P2P_KIND_MEMORY:
                return RANK_MEMORY;
        case P2P_KIND_NVME:
                return RANK_NVME;
        case P2P_KIND_NIC:
                return RANK_NIC;
        case P2P_KIND_STORAGE:
                return RANK_STORAGE;
        default:
                return RANK_NONE;
        }
}

/* Bit j: BAR j has known addresses. */
static unsigned bars_with_range(const struct p2p_function *f)
{
        uint64_t first, last;
        unsigned bars = 0;

        for (uint32_t j = 0; j < P2P_BARS_MAX; j++)
                if (p2p_bar_range(&f->bars[j], &first, &last) == 0)
                        bars |= 1U << j;
        return bars;
}

uint32_t p2p_bar_wants_count_unasked(const struct p2p_machine *m)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < m->n_functions; i++)
                if (rank_of(&m->functions[i]) != RANK_NONE)
                        n += (uint32_t)__builtin_popcount(bars_with_range(&m->functions[i]));
        return n;
}

/* Bit j: BAR j of this function is registered. Where the serial number cannot be read the wish is
 * honoured: whether the BAR gets the id of the one before is not decided by it. */
static unsigned registered_bars(const struct p2p_machine *m, uint32_t function,
                                const struct p2p_bar_registration *registrations, uint32_t n)
{
        const struct p2p_identity identity = p2p_function_identity(m, function);
        uint32_t low = 0, high = n;
        struct p2p_slot slot;
        unsigned bars = 0;

        if (n == 0 || p2p_slot_compute(m, function, &slot) != 0)
                return 0;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (strcmp(registrations[middle].slot.text, slot.text) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < n && strcmp(registrations[low].slot.text, slot.text) == 0; low++)
                if (p2p_identity_may_be(&registrations[low].identity, &identity))
                        bars |= 1U << registrations[low].bar_index;
        return bars;
}

static void add_wants(struct p2p_bar_wants *w, const struct p2p_machine *m, uint32_t function,
                      unsigned bars)
{
        const struct p2p_function *f = &m->functions[function];
        struct p2p_bar_want want = {.function = function,
                                    .identity = p2p_function_identity(m, function)};

        if (p2p_slot_compute(m, function, &want.slot) != 0)
                want.slot.text[0] = '\0';
        for (want.bar_index = 0; want.bar_index < P2P_BARS_MAX; want.bar_index++)
                if ((bars >> want.bar_index & 1U) != 0 &&
                    p2p_bar_range(&f->bars[want.bar_index], &want.first, &want.last) == 0)
                        w->wants[w->n++] = want;
}

static int compare_wants(const void *a, const void *b)
{
        const struct p2p_bar_want *const *v = a, *const *w = b;

        return p2p_bar_place_compare(&(*v)->slot, (*v)->bar_index, &(*w)->slot, (*w)->bar_index);
}

/* Where several functions are in one slot, which cannot be, the slot of none is known. */
static void sort_by_slot(struct p2p_bar_wants *w)
{
        uint32_t n = 0, end;

        for (uint32_t i = 0; i < w->n; i++)
                if (w->wants[i].slot.text[0] != '\0')
                        w->by_slot[w->n_by_slot++] = &w->wants[i];
        qsort(w->by_slot, w->n_by_slot, sizeof(w->by_slot[0]), compare_wants);
        for (uint32_t i = 0; i < w->n_by_slot; i = end) {
                for (end = i + 1; end < w->n_by_slot; end++)
                        if (compare_wants(&w->by_slot[i], &w->by_slot[end]) != 0)
                                break;
                if (end == i + 1)
                        w->by_slot[n++] = w->by_slot[i];
                else
                        for (uint32_t j = i; j < end; j++)
                                w->by_slot[j]->slot.text[0] = '\0';
        }
        w->n_by_slot = n;
}

int p2p_bar_wants_init(struct p2p_bar_wants *w, const struct p2p_machine *m,
                       const struct p2p_bar_registration *registrations, uint32_t n_registrations)
{
        struct share *shares = calloc((size_t)m->n_functions + 1, sizeof(*shares));
        struct p2p_bar_wants wants = {0};
        uint32_t n = 0;

        if (!shares)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct share *s = &shares[i];

                s->rank = rank_of(&m->functions[i]);
                s->bars = (uint8_t)bars_with_range(&m->functions[i]);
                if (s->rank == RANK_NONE && s->bars != 0) {
                        s->rank = RANK_REGISTERED;
                        s->bars &= (uint8_t)registered_bars(m, i, registrations, n_registrations);
                }
                n += (uint32_t)__builtin_popcount(s->bars);
        }
        wants.wants = calloc((size_t)n + 1, sizeof(*wants.wants));
        wants.by_slot = calloc((size_t)n + 1, sizeof(struct p2p_bar_want *));
        if (!wants.wants || !wants.by_slot) {
                p2p_bar_wants_deinit(&wants);
                free(shares);
                return -ENOMEM;
        }
        for (unsigned rank = 0; rank < RANK_NONE; rank++)
                for (uint32_t i = 0; i < m->n_functions; i++)
                        if (shares[i].rank == rank && shares[i].bars != 0)
                                add_wants(&wants, m, i, shares[i].bars);
        free(shares);
        sort_by_slot(&wants);
        *w = wants;
        return 0;
}

void p2p_bar_wants_deinit(struct p2p_bar_wants *w)
{
        free(w->wants);
        free(w->by_slot);
        *w = (struct p2p_bar_wants){0};
}

struct p2p_bar_want *p2p_bar_wants_find(const struct p2p_bar_wants *w, const struct p2p_slot *slot,
                                        uint32_t bar_index)
{
        uint32_t low = 0, high = w->n_by_slot;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                struct p2p_bar_want *want = w->by_slot[middle];
                int c = p2p_bar_place_compare(&want->slot, want->bar_index, slot, bar_index);

                if (c == 0)
                        return want;
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}
