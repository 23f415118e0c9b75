/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-table.h"

#include <stdlib.h>
#include <sys/mman.h>

static int publish(struct table *t)
{
        bool moved;
        int r;

        r = p2pd_table_new(t->machine.id_bits, &t->published);
        if (r < 0)
                return r;
        return p2pd_table_publish(t->published, t->machine.m, t->machine.v, 1, t->machine.bars,
                                  t->machine.n_bars, &moved);
}

struct table *table_new_functions(const struct span *spans, size_t n, uint32_t n_functions)
{
        struct table *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->memory = MAP_FAILED;
        if (lookup_machine_init(&t->machine, spans, n, n_functions) < 0 || publish(t) < 0)
                return table_free(t);
        t->bytes = p2pd_table_get_size(t->published);
        t->memory = mmap(NULL, t->bytes, PROT_READ, MAP_SHARED, p2pd_table_get_fd(t->published), 0);
        if (t->memory == MAP_FAILED ||
            p2p_table_attach(&t->reader, t->memory, t->bytes) != P2P_TABLE_OK ||
            p2p_table_begin(&t->reader) != P2P_TABLE_OK)
                return table_free(t);
        return t;
}

struct table *table_new(const struct span *spans, size_t n)
{
        return table_new_functions(spans, n, 0);
}

struct table *table_free(struct table *t)
{
        if (!t)
                return NULL;
        if (t->memory != MAP_FAILED)
                (void)munmap(t->memory, t->bytes);
        p2pd_table_free(t->published);
        lookup_machine_deinit(&t->machine);
        free(t);
        return NULL;
}
