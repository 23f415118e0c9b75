/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shared table as a consumer has it: published by the daemon's own code, mapped for reading,
 * looked into with the public header.
 */

#include <stddef.h>
#include <stdint.h>

#include "lookup-layout.h"
#include "lookup-machine.h"
#include "p2pd/table.h"

struct table {
        struct p2p_table reader;
        struct lookup_machine machine;
        struct p2pd_table *published;
        void *memory;
        size_t bytes; /* all of it: both generations, and what else it says */
};

/* A table of the machine of lookup-machine.h; NULL: no memory, or refused. Keeps nothing of
 * `spans`. */
struct table *table_new(const struct span *spans, size_t n);
struct table *table_new_functions(const struct span *spans, size_t n, uint32_t n_functions);

struct table *table_free(struct table *t);

/* The index of the span that contains the address, with the offset in it; -1, none. */
static inline int32_t table_lookup(struct table *t, uint64_t address, uint64_t *ret_offset)
{
        struct p2p_table_hit hit;

        if (p2p_table_lookup(&t->reader, address, &hit) != P2P_TABLE_OK)
                return -1;
        *ret_offset = hit.offset;
        return (int32_t)hit.id - 1;
}
