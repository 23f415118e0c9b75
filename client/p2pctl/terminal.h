/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What standard output can show, and how to say it there. */

#include <stdbool.h>
#include <stddef.h>

struct text;

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* What a piece of text means; how it looks is terminal.c's business. */
enum style {
        STYLE_PLAIN,
        STYLE_GOOD,    /* bus address */
        STYLE_CAUTION, /* through the host bridge */
        STYLE_BAD,     /* no way */
        STYLE_UNKNOWN, /* cannot be told */
        STYLE_FAINT,
        STYLE_STRONG,
        STYLE_MAX,
};

struct terminal {
        bool is_terminal;
        bool color;
        bool utf8;
        size_t columns; /* 0: no limit */
};

/* Looks at standard output, the locale, NO_COLOR, TERM and COLUMNS. Call after setlocale(). */
struct terminal terminal_detect(enum color_choice choice);

/* Switches the style on; STYLE_PLAIN switches back. "" without colour. */
const char *terminal_style(const struct terminal *t, enum style style);

/* The style for a map by its name in the protocol or as printed ("host_bridge"). */
enum style style_of_map(const char *map);

/* Symbols, with something of ASCII where there is no UTF-8. */
const char *terminal_yes(const struct terminal *t);
const char *terminal_no(const struct terminal *t);
const char *terminal_left_arrow(const struct terminal *t);

/* Adds words of a sentence, broken into lines that fit the columns (80 if there is no limit and the
 * output is no terminal), each after the first begun by indent spaces; at: columns already used. */
void terminal_add_wrapped(const struct terminal *t, struct text *out, size_t at, size_t indent,
                          const char *sentence);
