/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A table of text: columns as wide as their widest cell, two spaces between. Where it is wider than
 * the terminal, the columns of the largest "dispensable" go first.
 */

#include <stdbool.h>
#include <stdio.h>

#include "terminal.h"

struct table_column {
        const char *title;
        bool right;               /* aligned */
        unsigned int dispensable; /* 0: always shown */
        bool omit_empty;          /* not shown if every cell is empty or "-" */
        bool cut;                 /* the last one only: cut short before it goes */
};

struct table;

/* The columns and the terminal must outlive the table. */
struct table *table_new(const struct table_column *columns, size_t n_columns,
                        const struct terminal *terminal);
struct table *table_free(struct table *t);

/* Fills the cells one after the other, row by row. The text is copied and made safe for the
 * terminal. */
void table_add(struct table *t, enum style style, const char *text);

/* Prints titles and rows; an incomplete last row is not shown. Tells in a line at the end which
 * columns were left out for want of room. */
void table_print(const struct table *t, FILE *f);

static inline void table_freep(struct table **t)
{
        table_free(*t);
}
