/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A Judy array of the spans' first addresses; the greatest key up to the address is searched. */

#include <stddef.h>
#include <stdint.h>

#include <Judy.h>

#include "lookup-layout.h"

struct judy {
        Pvoid_t array; /* first address -> index */
        uint64_t *lasts;
        size_t bytes;
};

/* NULL: no memory. Keeps nothing of `spans`. */
struct judy *judy_new(const struct span *spans, size_t n);

struct judy *judy_free(struct judy *j);

/* The index of the span that contains the address, with the offset in it; -1, none. */
static inline int32_t judy_lookup(const struct judy *j, uint64_t address, uint64_t *ret_offset)
{
        Word_t first = address;
        const Word_t *index = (const Word_t *)JudyLLast(j->array, &first, PJE0);

        if (!index || j->lasts[*index] < address)
                return -1;
        *ret_offset = address - first;
        return (int32_t)*index;
}
