/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"

/*
 * Providers in rows, clients in columns. Three layouts, the first that fits: names and words;
 * numbers and signs; the same in blocks of columns.
 */

struct label {
        char *name;    /* what people call it, or the address */
        char *address; /* short */
};

struct matrix {
        struct session *session;
        struct json_object *functions; /* of ListFunctions, for names */
        struct json_object *clients;   /* the array of addresses */
        struct json_object *rows;      /* rows of all replies */
        struct label *columns, *lines;
        size_t n_columns, n_lines;
        bool without_segment;
        bool compact;
        unsigned int seen_paths, seen_maps; /* bits by the order of the tables below */
};

static const struct {
        const char *name, *meaning;
} paths[] = {
        {"PIX", "one common switch (or one device), at most 4 hops"},
        {"PXB", "a common upstream bridge, more than 4 hops"},
        {"PHB", "the same host bridge"},
        {"NODE", "another host bridge of the same NUMA node"},
        {"SYS", "another NUMA node"},
        {"LOC", "the same function"},
        {"unknown", "a NUMA node or a parent is unknown, so the path cannot be told"},
};

static const struct {
        const char *name, *word, *sign, *ascii_sign, *meaning;
} maps[] = {
        {"bus", "bus", "✓", "+", "peer-to-peer by bus address"},
        {"host_bridge", "host", "~", "~", "peer-to-peer through the host bridge"},
        {"none", "none", "✗", "x", "not possible: bounce"},
        {"unknown", "?", "?", "?", "unknown: treat as not possible"},
};

#define N_PATHS (sizeof(paths) / sizeof(paths[0]))
#define N_MAPS (sizeof(maps) / sizeof(maps[0]))

static size_t map_index(struct json_object *cell)
{
        const char *map = field_string_or(cell, "map", "unknown");

        for (size_t i = 0; i < N_MAPS; i++)
                if (strcmp(maps[i].name, map) == 0)
                        return i;
        return N_MAPS - 1;
}

static size_t path_index(struct json_object *cell)
{
        const char *path = field_string_or(cell, "path", "unknown");

        for (size_t i = 0; i < N_PATHS; i++)
                if (strcmp(paths[i].name, path) == 0)
                        return i;
        return N_PATHS - 1;
}

static bool is_self(const struct matrix *m, size_t line, size_t column)
{
        return strcmp(m->lines[line].address, m->columns[column].address) == 0;
}

static struct json_object *cell_at(const struct matrix *m, size_t line, size_t column)
{
        return array_at(field_array(array_at(m->rows, line), "cells"), column);
}

static void add_cell(struct matrix *m, struct text *t, size_t line, size_t column)
{
        struct json_object *cell = cell_at(m, line, column);
        size_t map = map_index(cell), path = path_index(cell);
        bool utf8 = m->session->terminal.utf8;
        int64_t hops;

        text_reset(t);
        if (is_self(m, line, column)) {
                text_add(t, "X");
                return;
        }
        m->seen_paths |= 1U << path;
        m->seen_maps |= 1U << map;
        text_add(t, path == N_PATHS - 1 ? "?" : paths[path].name);
        if (m->compact)
                text_add(t, utf8 ? maps[map].sign : maps[map].ascii_sign);
        else
                text_addf(t, " %s", maps[map].word);
        if (!m->session->distance)
                return;
        if (field_int(cell, "distance_hops", &hops))
                text_addf(t, m->compact ? "%" PRId64 : " %" PRId64, hops);
        else
                text_add(t, m->compact ? "?" : " ?");
}

static enum style cell_style(const struct matrix *m, size_t line, size_t column)
{
        if (is_self(m, line, column))
                return STYLE_FAINT;
        return style_of_map(field_string_or(cell_at(m, line, column), "map", "unknown"));
}

/* Number or name above a column. */
static void add_heading(const struct matrix *m, struct text *t, size_t column)
{
        text_reset(t);
        if (m->compact)
                text_addf(t, "%zu", column);
        else
                text_add(t, m->columns[column].name);
}

static size_t number_of_line(const struct matrix *m, size_t line)
{
        for (size_t i = 0; i < m->n_columns; i++)
                if (is_self(m, line, i))
                        return i;
        return m->n_columns;
}

static void add_line_label(const struct matrix *m, struct text *t, size_t line)
{
        const struct label *l = &m->lines[line];
        size_t number = number_of_line(m, line);

        text_reset(t);
        if (m->compact && number < m->n_columns)
                text_addf(t, "%2zu ", number);
        else if (m->compact)
                text_add(t, "   ");
        text_add(t, l->address);
        if (strcmp(l->name, l->address) != 0)
                text_addf(t, " %s", l->name);
}

static size_t column_width(struct matrix *m, size_t column)
{
        bool utf8 = m->session->terminal.utf8;
        struct text t = {0};
        size_t width;

        add_heading(m, &t, column);
        width = text_width(text_get(&t), utf8);
        for (size_t i = 0; i < m->n_lines; i++) {
                size_t w;

                add_cell(m, &t, i, column);
                w = text_width(text_get(&t), utf8);
                width = w > width ? w : width;
        }
        text_clear(&t);
        return width;
}

static size_t label_width(const struct matrix *m)
{
        struct text t = {0};
        size_t width = 0;

        for (size_t i = 0; i < m->n_lines; i++) {
                size_t w;

                add_line_label(m, &t, i);
                w = text_width(text_get(&t), m->session->terminal.utf8);
                width = w > width ? w : width;
        }
        text_clear(&t);
        return width;
}

static void print_padded(const struct matrix *m, const char *text, enum style style, size_t width)
{
        const struct terminal *terminal = &m->session->terminal;
        size_t used = text_width(text, terminal->utf8);

        fputs(style == STYLE_PLAIN ? "" : terminal_style(terminal, style), stdout);
        fputs(text, stdout);
        fputs(style == STYLE_PLAIN ? "" : terminal_style(terminal, STYLE_PLAIN), stdout);
        if (used < width)
                printf("%*s", (int)(width - used), "");
}

/* Columns from first to end (not included). */
static void print_block(struct matrix *m, const size_t *widths, size_t label, size_t first,
                        size_t end)
{
        const size_t gap = m->compact ? 1 : 2;
        struct text t = {0};

        printf("%*s", (int)label, "");
        for (size_t c = first; c < end; c++) {
                printf("%*s", (int)gap, "");
                add_heading(m, &t, c);
                print_padded(m, text_get(&t), STYLE_STRONG, c + 1 < end ? widths[c] : 0);
        }
        putchar('\n');
        for (size_t l = 0; l < m->n_lines; l++) {
                add_line_label(m, &t, l);
                print_padded(m, text_get(&t), STYLE_STRONG, label);
                for (size_t c = first; c < end; c++) {
                        printf("%*s", (int)gap, "");
                        add_cell(m, &t, l, c);
                        print_padded(m, text_get(&t), cell_style(m, l, c),
                                     c + 1 < end ? widths[c] : 0);
                }
                putchar('\n');
        }
        text_clear(&t);
}

/* How many columns from first fit, at least one. */
static size_t fitting(const struct matrix *m, const size_t *widths, size_t label, size_t first)
{
        const size_t gap = m->compact ? 1 : 2, columns = m->session->terminal.columns;
        size_t used = label, n = 0;

        while (first + n < m->n_columns) {
                used += gap + widths[first + n];
                if (columns > 0 && used > columns && n > 0)
                        break;
                n++;
        }
        return n;
}

static void print_legend(const struct matrix *m)
{
        const struct terminal *t = &m->session->terminal;

        printf("\nRows provide memory, columns do DMA to it.\n");
        for (size_t i = 0; i < N_MAPS; i++)
                if (m->seen_maps & (1U << i)) {
                        const char *sign = !m->compact ? maps[i].word
                                           : t->utf8   ? maps[i].sign
                                                       : maps[i].ascii_sign;

                        printf("  ");
                        print_padded(m, sign, style_of_map(maps[i].name), 4);
                        printf("  %s\n", maps[i].meaning);
                }
        for (size_t i = 0; i < N_PATHS; i++)
                if (m->seen_paths & (1U << i))
                        printf("  %-4s  %s\n", i == N_PATHS - 1 ? "?" : paths[i].name,
                               paths[i].meaning);
}

static void print_matrix(struct matrix *m)
{
        size_t *widths = must_have(calloc(m->n_columns + 1, sizeof(*widths)));
        size_t label, n;

        for (int attempt = 0; attempt < 2; attempt++) {
                m->compact = attempt > 0;
                label = label_width(m);
                for (size_t i = 0; i < m->n_columns; i++)
                        widths[i] = column_width(m, i);
                if (fitting(m, widths, label, 0) == m->n_columns)
                        break;
        }
        for (size_t first = 0; first < m->n_columns; first += n) {
                n = fitting(m, widths, label, first);
                if (first > 0)
                        putchar('\n');
                print_block(m, widths, label, first, first + n);
        }
        free(widths);
        print_legend(m);
}

static struct label make_label(const struct matrix *m, const char *address)
{
        const struct terminal *t = &m->session->terminal;
        const char *name = NULL;
        struct text text = {0};
        struct label l;

        for (size_t i = 0; i < array_length(m->functions) && !name; i++) {
                struct json_object *f = array_at(m->functions, i);
                struct json_object *names = field_array(f, "names");

                if (strcmp(field_string_or(f, "address", ""), address) == 0 &&
                    array_length(names) > 0)
                        name = array_string_at(names, 0);
        }
        text_add_safe(&text, short_address(address, m->without_segment), t->utf8);
        l.address = must_have(strdup(text_get(&text)));
        if (name) {
                text_reset(&text);
                text_add_safe(&text, name, t->utf8);
        }
        l.name = must_have(strdup(text_get(&text)));
        text_clear(&text);
        return l;
}

static void labels_free(struct label *labels, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(labels[i].name);
                free(labels[i].address);
        }
        free(labels);
}

static bool collect(struct session *s, struct json_object *part, void *userdata)
{
        struct json_object *rows = field_array(part, "rows"), *clients;
        struct matrix *m = userdata;

        (void)s;
        clients = field_array(part, "clients");
        if (!m->clients || array_length(clients) > 0) {
                json_object_put(m->clients);
                m->clients = json_object_get(clients);
        }
        for (size_t i = 0; i < array_length(rows); i++)
                json_object_array_add(m->rows, json_object_get(array_at(rows, i)));
        return true;
}

static bool print_part(struct session *s, struct json_object *part, void *userdata)
{
        (void)userdata;
        session_print_json(s, part);
        return !ferror(stdout);
}

static void show(struct matrix *m)
{
        m->n_columns = array_length(m->clients);
        m->n_lines = array_length(m->rows);
        if (m->n_columns == 0 || m->n_lines == 0) {
                puts("No functions to compare here; name some, or see `p2pctl list --all`.");
                return;
        }
        m->without_segment = all_in_segment_0(m->clients);
        m->columns = must_have(calloc(m->n_columns, sizeof(*m->columns)));
        m->lines = must_have(calloc(m->n_lines, sizeof(*m->lines)));
        for (size_t i = 0; i < m->n_columns; i++)
                m->columns[i] = make_label(m, array_string_at(m->clients, i));
        for (size_t i = 0; i < m->n_lines; i++)
                m->lines[i] = make_label(m, field_string_or(array_at(m->rows, i), "provider", "?"));
        print_matrix(m);
        labels_free(m->columns, m->n_columns);
        labels_free(m->lines, m->n_lines);
}

int command_matrix(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = session_parameters(s), *answer;
        struct matrix m = {.session = s};
        int r;

        if (n > 0) {
                json_object_object_add(parameters, "providers", json_strings(n, arguments));
                json_object_object_add(parameters, "clients", json_strings(n, arguments));
        }
        if (s->json)
                return session_stream(s, "io.p2pd.GetMatrix", parameters, print_part, NULL) < 0
                               ? EXIT_FAILED
                               : EXIT_OK;
        m.rows = json_object_new_array();
        r = session_stream(s, "io.p2pd.GetMatrix", parameters, collect, &m);
        if (r == 0)
                r = session_ask(s, "io.p2pd.ListFunctions", NULL, &answer);
        if (r == 0) {
                m.functions = field_array(answer, "functions");
                show(&m);
                json_object_put(answer);
        }
        json_object_put(m.rows);
        json_object_put(m.clients);
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}
