/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The pairs of the shared table: a row for each class of functions that own BARs, a column for each
 * class of clients, and one more for a function with itself. A cell is the map in its low two bits
 * and the distance in the other fourteen.
 */

#include <stdbool.h>
#include <stdint.h>

struct p2p_machine;
struct p2p_verdicts;

struct p2pd_table_cells {
        const struct p2p_machine *m;
        const struct p2p_verdicts *v;
        uint32_t n_columns;
        uint32_t *members;       /* by class: some function of it */
        uint32_t *rows;          /* by class * 2 + has_bus; P2P_NONE: not made */
        uint32_t bridge;         /* the function without class whose rows were made last */
        uint32_t bridge_rows[2]; /* by has_bus; P2P_NONE: not made */
        uint16_t *cells;         /* host order */
        uint32_t n_cells, room;
};

/* No rows yet. v: made from m; both outlive the result. 0 or -ENOMEM. */
int p2pd_table_cells_new(const struct p2p_machine *m, const struct p2p_verdicts *v,
                         struct p2pd_table_cells **ret);
struct p2pd_table_cells *p2pd_table_cells_free(struct p2pd_table_cells *c);

/* Where the row begins for the BARs of a function, made when it is first asked for; functions of
 * one class share it. Without a known bus address nobody can be told to use it: what would be BUS
 * is NONE, as is UNKNOWN always. 0, -ENOMEM, or -E2BIG: 2^26 cells are not enough. */
int p2pd_table_cells_row(struct p2pd_table_cells *c, uint32_t function, bool has_bus,
                         uint32_t *ret);
