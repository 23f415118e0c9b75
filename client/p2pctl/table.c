/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

#define GAP 2
/* A cut column says nothing below this. */
#define CUT_MIN 16U

struct cell {
        char *text;
        enum style style;
};

struct table {
        const struct terminal *terminal;
        const struct table_column *columns;
        size_t n_columns;
        struct cell *cells;
        size_t n_cells, size;
};

struct table *table_new(const struct table_column *columns, size_t n_columns,
                        const struct terminal *terminal)
{
        struct table *t = must_have(calloc(1, sizeof(*t)));

        t->terminal = terminal;
        t->columns = columns;
        t->n_columns = n_columns;
        return t;
}

struct table *table_free(struct table *t)
{
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

void table_add(struct table *t, enum style style, const char *text)
{
        struct text safe = {0};

        text_add_safe(&safe, text, t->terminal->utf8);
        if (t->n_cells == t->size) {
                t->size = t->size ? t->size * 2 : 64;
                t->cells = must_have(reallocarray(t->cells, t->size, sizeof(*t->cells)));
        }
        t->cells[t->n_cells++] = (struct cell){must_have(strdup(text_get(&safe))), style};
        text_clear(&safe);
}

static size_t total_width(const struct table *t, const size_t *widths)
{
        size_t total = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i] > 0)
                        total += widths[i] + (total > 0 ? GAP : 0);
        return total;
}

static void measure(const struct table *t, bool utf8, size_t *widths)
{
        size_t n_rows = t->n_cells / t->n_columns;

        for (size_t c = 0; c < t->n_columns; c++) {
                bool any = !t->columns[c].omit_empty;

                widths[c] = text_width(t->columns[c].title, utf8);
                for (size_t r = 0; r < n_rows; r++) {
                        const char *text = t->cells[r * t->n_columns + c].text;
                        size_t width = text_width(text, utf8);

                        any = any || (*text != '\0' && strcmp(text, "-") != 0);
                        if (width > widths[c])
                                widths[c] = width;
                }
                if (!any)
                        widths[c] = 0;
        }
}

/* Takes columns out until it fits; their titles go to left_out. */
static void fit(const struct table *t, size_t columns, size_t *widths, struct text *left_out)
{
        while (columns > 0 && total_width(t, widths) > columns) {
                size_t victim = t->n_columns, last = t->n_columns - 1;
                size_t others = total_width(t, widths) - widths[last];

                if (t->columns[last].cut && widths[last] > 0 && others + CUT_MIN <= columns) {
                        widths[last] = columns - others;
                        return;
                }
                for (size_t i = 0; i < t->n_columns; i++)
                        if (widths[i] > 0 && t->columns[i].dispensable > 0 &&
                            (victim == t->n_columns ||
                             t->columns[i].dispensable > t->columns[victim].dispensable))
                                victim = i;
                if (victim == t->n_columns)
                        return;
                widths[victim] = 0;
                text_addf(left_out, "%s%s", left_out->length ? ", " : "", t->columns[victim].title);
        }
}

static void print_cell(const struct terminal *terminal, FILE *f, const struct cell *cell,
                       size_t width, bool right, bool last)
{
        size_t used = text_width(cell->text, terminal->utf8);
        int padding = used < width ? (int)(width - used) : 0;
        struct text shown = {0};

        text_add_cut(&shown, cell->text, terminal->utf8, width);

        if (right)
                fprintf(f, "%*s", padding, "");
        if (cell->style != STYLE_PLAIN)
                fputs(terminal_style(terminal, cell->style), f);
        fputs(text_get(&shown), f);
        if (cell->style != STYLE_PLAIN)
                fputs(terminal_style(terminal, STYLE_PLAIN), f);
        if (!right && !last)
                fprintf(f, "%*s", padding, "");
        text_clear(&shown);
}

static void print_row(const struct table *t, const struct terminal *terminal, FILE *f,
                      const struct cell *cells, const size_t *widths)
{
        size_t last = 0;
        bool first = true;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i] > 0)
                        last = i;
        for (size_t i = 0; i < t->n_columns; i++) {
                if (widths[i] == 0)
                        continue;
                if (!first)
                        fprintf(f, "%*s", GAP, "");
                first = false;
                print_cell(terminal, f, &cells[i], widths[i], t->columns[i].right, i == last);
        }
        fputc('\n', f);
}

void table_print(const struct table *t, FILE *f)
{
        const struct terminal *terminal = t->terminal;
        size_t *widths = must_have(calloc(t->n_columns, sizeof(*widths)));
        struct cell *titles = must_have(calloc(t->n_columns, sizeof(*titles)));
        struct text left_out = {0};

        measure(t, terminal->utf8, widths);
        fit(t, terminal->columns, widths, &left_out);
        for (size_t i = 0; i < t->n_columns; i++) {
                titles[i].text = must_have(strdup(t->columns[i].title));
                titles[i].style = STYLE_STRONG;
        }
        print_row(t, terminal, f, titles, widths);
        for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
                print_row(t, terminal, f, t->cells + i, widths);
        if (left_out.length > 0)
                fprintf(f, "%s(no room for %s)%s\n", terminal_style(terminal, STYLE_FAINT),
                        text_get(&left_out), terminal_style(terminal, STYLE_PLAIN));
        for (size_t i = 0; i < t->n_columns; i++)
                free(titles[i].text);
        free(titles);
        free(widths);
        text_clear(&left_out);
}
