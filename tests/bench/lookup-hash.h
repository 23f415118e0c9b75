/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A plain hash: every BAR is naturally aligned and a power of two long, so the address without its
 * low bits names it, if the number of low bits is known. All sizes that exist are tried, the most
 * frequent one first; slots are probed one after the other. A span that is no such block is found
 * by looking at all of those.
 */

#include <stddef.h>
#include <stdint.h>

#include "lookup-layout.h"

#define HASH_SIZES_MAX 64U

struct hash_slot {
        uint64_t first;
        uint64_t last_offset;
        int32_t index; /* -1: empty, a chain ends here */
};

struct hash {
        unsigned n_sizes;
        unsigned slots_shift; /* 64 less the bits of a slot's number */
        uint8_t size_shifts[HASH_SIZES_MAX];
        struct hash_slot *slots;
        struct hash_slot *odd; /* spans that are no blocks */
        size_t n_odd;
        size_t bytes;
};

/* NULL: no memory. Keeps nothing of `spans`. */
struct hash *hash_new(const struct span *spans, size_t n);

struct hash *hash_free(struct hash *h);

static inline size_t hash_slot_number(const struct hash *h, uint64_t address, unsigned size_shift)
{
        return (size_t)((((address >> size_shift) + size_shift) * UINT64_C(0x9e3779b97f4a7c15)) >>
                        h->slots_shift);
}

/* The index of the span that contains the address, with the offset in it; -1, none. */
static inline int32_t hash_lookup(const struct hash *h, uint64_t address, uint64_t *ret_offset)
{
        size_t mask = ((size_t)1 << (64 - h->slots_shift)) - 1;

        for (unsigned i = 0; i < h->n_sizes; i++) {
                size_t at = hash_slot_number(h, address, h->size_shifts[i]);

                for (; h->slots[at].index >= 0; at = (at + 1) & mask)
                        if (address - h->slots[at].first <= h->slots[at].last_offset) {
                                *ret_offset = address - h->slots[at].first;
                                return h->slots[at].index;
                        }
        }
        for (size_t i = 0; i < h->n_odd; i++)
                if (address - h->odd[i].first <= h->odd[i].last_offset) {
                        *ret_offset = address - h->odd[i].first;
                        return h->odd[i].index;
                }
        return -1;
}
