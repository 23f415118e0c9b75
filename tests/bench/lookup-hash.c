/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-hash.h"

#include <stdlib.h>

#define NO_BLOCK 64U

/* How many low bits of an address are offset; NO_BLOCK, the span is no aligned power of two. */
static unsigned size_shift_of(const struct span *s)
{
        uint64_t last_offset = s->last - s->first;

        if ((last_offset & (last_offset + 1)) != 0 || (s->first & last_offset) != 0 ||
            last_offset == UINT64_MAX)
                return NO_BLOCK;
        return last_offset == 0 ? 0 : 64U - (unsigned)__builtin_clzll(last_offset);
}

static void sort_sizes(struct hash *h, const size_t *counts)
{
        for (unsigned i = 1; i < h->n_sizes; i++)
                for (unsigned k = i; k > 0; k--) {
                        uint8_t size = h->size_shifts[k];

                        if (counts[h->size_shifts[k - 1]] >= counts[size])
                                break;
                        h->size_shifts[k] = h->size_shifts[k - 1];
                        h->size_shifts[k - 1] = size;
                }
}

static void insert(struct hash *h, const struct span *s, size_t index)
{
        size_t n_slots = (size_t)1 << (64 - h->slots_shift);
        struct hash_slot slot = {s->first, s->last - s->first, (int32_t)index};
        unsigned size_shift = size_shift_of(s);
        size_t at;

        if (size_shift == NO_BLOCK) {
                h->odd[h->n_odd++] = slot;
                return;
        }
        at = hash_slot_number(h, s->first, size_shift);
        while (h->slots[at].index >= 0)
                at = (at + 1) % n_slots;
        h->slots[at] = slot;
}

struct hash *hash_new(const struct span *spans, size_t n)
{
        struct hash *h = calloc(1, sizeof(*h));
        size_t counts[NO_BLOCK + 1] = {0}, n_slots = 4;

        if (!h)
                return NULL;
        for (h->slots_shift = 62; n_slots < 2 * n; n_slots *= 2)
                h->slots_shift--;
        for (size_t i = 0; i < n; i++)
                counts[size_shift_of(&spans[i])]++;
        for (unsigned i = 0; i < NO_BLOCK; i++)
                if (counts[i] > 0)
                        h->size_shifts[h->n_sizes++] = (uint8_t)i;
        sort_sizes(h, counts);
        h->slots = malloc(n_slots * sizeof(*h->slots));
        h->odd = malloc((counts[NO_BLOCK] + 1) * sizeof(*h->odd));
        if (!h->slots || !h->odd)
                return hash_free(h);
        for (size_t i = 0; i < n_slots; i++)
                h->slots[i].index = -1;
        for (size_t i = 0; i < n; i++)
                insert(h, &spans[i], i);
        h->bytes = (n_slots + h->n_odd) * sizeof(*h->slots);
        return h;
}

struct hash *hash_free(struct hash *h)
{
        if (h) {
                free(h->slots);
                free(h->odd);
        }
        free(h);
        return NULL;
}
