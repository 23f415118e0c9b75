/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

#define COLUMNS_MIN 40
#define COLUMNS_MAX 10000
#define COLUMNS_DEFAULT 80
/* Longer lines are hard to read. */
#define SENTENCE_COLUMNS_MAX 100

static size_t detect_columns(void)
{
        const char *variable = getenv("COLUMNS");
        struct winsize size;
        char *end;
        long n;

        if (variable) {
                n = strtol(variable, &end, 10);
                if (end != variable && *end == '\0' && n >= COLUMNS_MIN && n <= COLUMNS_MAX)
                        return (size_t)n;
        }
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN)
                return size.ws_col;
        return COLUMNS_DEFAULT;
}

struct terminal terminal_detect(enum color_choice choice)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        struct terminal t = {0};

        t.is_terminal = isatty(STDOUT_FILENO);
        t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        if (t.is_terminal)
                t.columns = detect_columns();
        if (choice == COLOR_AUTO)
                t.color = t.is_terminal && !(no_color && *no_color) && term && *term &&
                          strcmp(term, "dumb") != 0;
        else
                t.color = choice == COLOR_ALWAYS;
        return t;
}

const char *terminal_style(const struct terminal *t, enum style style)
{
        static const char *const codes[STYLE_MAX] = {
                [STYLE_PLAIN] = "\033[0m",    [STYLE_GOOD] = "\033[32m",
                [STYLE_CAUTION] = "\033[33m", [STYLE_BAD] = "\033[31m",
                [STYLE_UNKNOWN] = "\033[35m", [STYLE_FAINT] = "\033[2m",
                [STYLE_STRONG] = "\033[1m",
        };

        return t->color ? codes[style] : "";
}

enum style style_of_map(const char *map)
{
        if (strcmp(map, "bus") == 0)
                return STYLE_GOOD;
        if (strcmp(map, "host_bridge") == 0 || strcmp(map, "host-bridge") == 0)
                return STYLE_CAUTION;
        if (strcmp(map, "none") == 0)
                return STYLE_BAD;
        if (strcmp(map, "regular") == 0)
                return STYLE_PLAIN;
        return STYLE_UNKNOWN;
}

const char *terminal_yes(const struct terminal *t)
{
        return t->utf8 ? "✓" : "+";
}

const char *terminal_no(const struct terminal *t)
{
        return t->utf8 ? "✗" : "x";
}

const char *terminal_left_arrow(const struct terminal *t)
{
        return t->utf8 ? "←" : "<-";
}

void terminal_add_wrapped(const struct terminal *t, struct text *out, size_t at, size_t indent,
                          const char *sentence)
{
        size_t columns = t->columns ? t->columns : COLUMNS_DEFAULT;
        bool first = true;

        if (columns > SENTENCE_COLUMNS_MAX)
                columns = SENTENCE_COLUMNS_MAX;
        while (*sentence) {
                size_t bytes = strcspn(sentence, " "), width;
                char *word = must_have(strndup(sentence, bytes));

                width = text_width(word, t->utf8);
                if (!first && at + 1 + width > columns) {
                        text_addf(out, "\n%*s", (int)indent, "");
                        at = indent;
                } else if (!first) {
                        text_add(out, " ");
                        at++;
                }
                text_add(out, word);
                at += width;
                first = false;
                free(word);
                sentence += bytes;
                sentence += strspn(sentence, " ");
        }
}
