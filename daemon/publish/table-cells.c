/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-cells.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/verdicts.h"
#include "p2pd/table.h"

#define CELLS_MAX (1U << 26)

static_assert((int)P2P_TABLE_MAP_REGULAR == (int)P2P_MAP_REGULAR &&
                      (int)P2P_TABLE_MAP_BUS == (int)P2P_MAP_BUS &&
                      (int)P2P_TABLE_MAP_HOST_BRIDGE == (int)P2P_MAP_HOST_BRIDGE &&
                      (int)P2P_TABLE_MAP_NONE == (int)P2P_MAP_NONE,
              "the table's two bits are those of the decision");

int p2pd_table_cells_new(const struct p2p_machine *m, const struct p2p_verdicts *v,
                         struct p2pd_table_cells **ret)
{
        struct p2pd_table_cells *c = calloc(1, sizeof(*c));
        const uint32_t n = p2p_verdicts_n_classes(v);

        if (!c)
                return -ENOMEM;
        *c = (struct p2pd_table_cells){.m = m, .v = v, .n_columns = n, .bridge = P2P_NONE};
        c->members = malloc(((size_t)n + 1) * sizeof(*c->members));
        c->rows = malloc(2 * ((size_t)n + 1) * sizeof(*c->rows));
        if (!c->members || !c->rows) {
                p2pd_table_cells_free(c);
                return -ENOMEM;
        }
        memset(c->rows, 0xff, 2 * ((size_t)n + 1) * sizeof(*c->rows));
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (p2p_verdicts_class(v, i) != P2P_NONE)
                        c->members[p2p_verdicts_class(v, i)] = i;
        *ret = c;
        return 0;
}

struct p2pd_table_cells *p2pd_table_cells_free(struct p2pd_table_cells *c)
{
        if (!c)
                return NULL;
        free(c->members);
        free(c->rows);
        free(c->cells);
        free(c);
        return NULL;
}

static uint16_t cell_of(struct p2p_verdict verdict, bool has_bus)
{
        uint32_t distance = verdict.distance_hops, map = verdict.map;

        if (map == P2P_MAP_UNKNOWN || (map == P2P_MAP_BUS && !has_bus))
                map = P2P_MAP_NONE;
        if (distance > P2P_TABLE_DISTANCE_UNKNOWN)
                distance = P2P_TABLE_DISTANCE_UNKNOWN;
        return (uint16_t)(distance << 2 | map);
}

/* Room for one more row. */
static int grow(struct p2pd_table_cells *c)
{
        const uint64_t want = (uint64_t)c->n_cells + c->n_columns + 1;
        uint16_t *p;

        if (want > CELLS_MAX)
                return -E2BIG;
        if (want <= c->room)
                return 0;
        p = reallocarray(c->cells, want * 2, sizeof(*p));
        if (!p)
                return -ENOMEM;
        c->cells = p;
        c->room = (uint32_t)want * 2;
        return 0;
}

static void fill(struct p2pd_table_cells *c, uint16_t *row, uint32_t function, bool has_bus)
{
        const uint32_t class = p2p_verdicts_class(c->v, function);

        for (uint32_t i = 0; i < c->n_columns; i++)
                row[i] =
                        cell_of(class != P2P_NONE ? p2p_verdicts_get_classes(c->v, class, i, false)
                                                  : p2p_verdicts_get(c->v, function, c->members[i]),
                                has_bus);
        row[c->n_columns] = cell_of(p2p_verdicts_get(c->v, function, function), has_bus);
}

int p2pd_table_cells_row(struct p2pd_table_cells *c, uint32_t function, bool has_bus, uint32_t *ret)
{
        const uint32_t class = p2p_verdicts_class(c->v, function);
        uint32_t *row;
        int r;

        if (class == P2P_NONE && function != c->bridge) {
                c->bridge = function;
                c->bridge_rows[0] = c->bridge_rows[1] = P2P_NONE;
        }
        row = class == P2P_NONE ? &c->bridge_rows[has_bus] : &c->rows[2 * class + has_bus];
        if (*row == P2P_NONE) {
                r = grow(c);
                if (r < 0)
                        return r;
                fill(c, c->cells + c->n_cells, function, has_bus);
                *row = c->n_cells;
                c->n_cells += c->n_columns + 1;
        }
        *ret = *row;
        return 0;
}
