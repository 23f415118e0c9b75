/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Branch-free binary searches for the last span that begins at or below an address, two ways: over
 * the sorted array, and over the same in the order of a breadth-first walk (Eytzinger), where both
 * possible next steps are neighbours. Both are padded to a power of two, so that every search takes
 * the same steps, and those steps are written out: a search jumps once, to where it begins.
 */

#include <stddef.h>
#include <stdint.h>

#include "lookup-layout.h"

#define SEARCH_LEVELS_MAX 12U

struct search_end {
        uint64_t first;
        uint64_t last_offset;
        uint32_t index;
};

struct search {
        unsigned levels;         /* 2 to this power is how many ends there are, padding included */
        uint64_t *firsts;        /* first addresses: sorted, or breadth first from [1] */
        struct search_end *ends; /* by rank */
        size_t bytes;            /* what a search may read */
};

/* NULL: no memory. Keep nothing of `spans`. */
struct search *search_new_sorted(const struct span *spans, size_t n);
struct search *search_new_breadth_first(const struct span *spans, size_t n);

struct search *search_free(struct search *s);

/* Without a jump here too: what the caller does with a miss, the caller may predict. */
static inline int32_t search_check(const struct search *s, size_t rank, uint64_t address,
                                   uint64_t *ret_offset)
{
        const struct search_end *end = &s->ends[rank];
        uint64_t offset = address - end->first;
        /* Below the first span the difference wraps, to more than any span has. */
        uint64_t miss = -(uint64_t)(offset > end->last_offset);

        *ret_offset = offset & ~miss;
        return (int32_t)(end->index | (uint32_t)miss);
}

/* The same with a jump, for callers that nearly always hit, or nearly never. */
static inline int32_t search_guess(const struct search *s, size_t rank, uint64_t address,
                                   uint64_t *ret_offset)
{
        const struct search_end *end = &s->ends[rank];
        uint64_t offset = address - end->first;

        if (offset > end->last_offset)
                return -1;
        *ret_offset = offset;
        return (int32_t)end->index;
}

#define SEARCH_STEPS(levels, step)                                                                 \
        switch (levels) {                                                                          \
        case 12:                                                                                   \
                step(11);                                                                          \
                __attribute__((fallthrough));                                                      \
        case 11:                                                                                   \
                step(10);                                                                          \
                __attribute__((fallthrough));                                                      \
        case 10:                                                                                   \
                step(9);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 9:                                                                                    \
                step(8);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 8:                                                                                    \
                step(7);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 7:                                                                                    \
                step(6);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 6:                                                                                    \
                step(5);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 5:                                                                                    \
                step(4);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 4:                                                                                    \
                step(3);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 3:                                                                                    \
                step(2);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 2:                                                                                    \
                step(1);                                                                           \
                __attribute__((fallthrough));                                                      \
        case 1:                                                                                    \
                step(0);                                                                           \
                __attribute__((fallthrough));                                                      \
        default:                                                                                   \
                break;                                                                             \
        }

/* `next` if what it points to is at or below the address, else `at`. Compilers like to make a jump
 * of it, which costs a misprediction every other time. */
static inline const uint64_t *search_step(const uint64_t *at, const uint64_t *next,
                                          uint64_t address)
{
#ifdef __x86_64__
        __asm__("cmp %[next], %[address]\n\tcmovae %[to], %[at]"
                : [at] "+r"(at)
                : [next] "m"(*next), [to] "r"(next), [address] "r"(address)
                : "cc");
        return at;
#else
        return *next <= address ? next : at;
#endif
}

static inline size_t search_rank_sorted(const struct search *s, uint64_t address)
{
        const uint64_t *at = s->firsts;

#define STEP(level) at = search_step(at, at + (1U << (level)), address)
        SEARCH_STEPS(s->levels, STEP)
#undef STEP
        return (size_t)(at - s->firsts);
}

static inline size_t search_rank_breadth_first(const struct search *s, uint64_t address)
{
        size_t at = 1;

#define STEP(level) at = 2 * at + (s->firsts[at] <= address)
        SEARCH_STEPS(s->levels, STEP)
#undef STEP
        return at - ((size_t)1 << s->levels);
}

/* The index of the span that contains the address, with the offset in it; -1, none. */
static inline int32_t search_lookup_sorted(const struct search *s, uint64_t address,
                                           uint64_t *ret_offset)
{
        return search_check(s, search_rank_sorted(s, address), address, ret_offset);
}

static inline int32_t search_lookup_sorted_guess(const struct search *s, uint64_t address,
                                                 uint64_t *ret_offset)
{
        return search_guess(s, search_rank_sorted(s, address), address, ret_offset);
}

/* The same over an array of search_new_breadth_first(). */
static inline int32_t search_lookup_breadth_first(const struct search *s, uint64_t address,
                                                  uint64_t *ret_offset)
{
        return search_check(s, search_rank_breadth_first(s, address), address, ret_offset);
}

static inline int32_t search_lookup_breadth_first_guess(const struct search *s, uint64_t address,
                                                        uint64_t *ret_offset)
{
        return search_guess(s, search_rank_breadth_first(s, address), address, ret_offset);
}
