/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One structure under test: what the benchmark calls, and the loops it is timed in. The loops are
 * written out for each structure, and each lookup is compiled into its own: what a call would cost
 * is no property of a structure.
 */

#include <stddef.h>
#include <stdint.h>

#include "lookup-layout.h"

/* Every loop's answer is a sum of all it found, so that nothing is left out. */
typedef uint64_t lookup_loop(void *structure, const uint64_t *addresses, size_t n);

struct structure_type {
        const char *name;
        void *(*build)(const struct span *spans, size_t n); /* NULL: no memory */
        void (*release)(void *structure);
        size_t (*bytes)(void *structure);
        int32_t (*lookup)(void *structure, uint64_t address, uint64_t *ret_offset);
        lookup_loop *throughput; /* lookups that do not wait for one another */
        lookup_loop *latency;    /* each address hangs on the answer before */
};

/* Defines NAME##_type. LOOKUP(struct TYPE *, uint64_t address, uint64_t *ret_offset) is
 * inline and gives the index, or -1. The structure has a member `bytes`. */
#define LOOKUP_STRUCTURE(NAME, TEXT, TYPE, BUILD, FREE, LOOKUP)                                    \
        static void *NAME##_type_build(const struct span *spans, size_t n)                         \
        {                                                                                          \
                return BUILD(spans, n);                                                            \
        }                                                                                          \
        static void NAME##_type_release(void *structure)                                           \
        {                                                                                          \
                (void)FREE(structure);                                                             \
        }                                                                                          \
        static size_t NAME##_type_bytes(void *structure)                                           \
        {                                                                                          \
                return ((struct TYPE *)structure)->bytes;                                          \
        }                                                                                          \
        static int32_t NAME##_type_lookup(void *structure, uint64_t address, uint64_t *ret_offset) \
        {                                                                                          \
                return LOOKUP((struct TYPE *)structure, address, ret_offset);                      \
        }                                                                                          \
        __attribute__((flatten)) static uint64_t NAME##_type_throughput(                           \
                void *structure, const uint64_t *addresses, size_t n)                              \
        {                                                                                          \
                struct TYPE *s = structure;                                                        \
                uint64_t sum = 0;                                                                  \
                                                                                                   \
                for (size_t i = 0; i < n; i++) {                                                   \
                        uint64_t offset = 0;                                                       \
                                                                                                   \
                        sum += (uint64_t)(int64_t)LOOKUP(s, addresses[i], &offset);                \
                        sum += offset;                                                             \
                }                                                                                  \
                return sum;                                                                        \
        }                                                                                          \
        __attribute__((flatten)) static uint64_t NAME##_type_latency(                              \
                void *structure, const uint64_t *addresses, size_t n)                              \
        {                                                                                          \
                struct TYPE *s = structure;                                                        \
                uint64_t sum = 0, nothing = 0;                                                     \
                                                                                                   \
                /* The compiler is not to know that it is 0. */                                    \
                __asm__ volatile("" : "+r"(nothing));                                              \
                for (size_t i = 0; i < n; i++) {                                                   \
                        uint64_t offset = 0;                                                       \
                                                                                                   \
                        sum += (uint64_t)(int64_t)LOOKUP(s, addresses[i] + (sum & nothing),        \
                                                         &offset);                                 \
                        sum += offset;                                                             \
                }                                                                                  \
                return sum;                                                                        \
        }                                                                                          \
        static const struct structure_type NAME##_type = {                                         \
                .name = TEXT,                                                                      \
                .build = NAME##_type_build,                                                        \
                .release = NAME##_type_release,                                                    \
                .bytes = NAME##_type_bytes,                                                        \
                .lookup = NAME##_type_lookup,                                                      \
                .throughput = NAME##_type_throughput,                                              \
                .latency = NAME##_type_latency,                                                    \
        }
