/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "why-path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "fields.h"

/*
 * Lines in columns: the wire, the function, what it is, a remark (its role, what it does to the
 * traffic), its link. Where that is too wide the link loses its maximum, and then goes.
 */

enum wire { WIRE_FIRST, WIRE_PASSES, WIRE_MEETS, WIRE_LAST, WIRE_ONLY };

struct line {
        enum wire wire;
        bool spans; /* what it is goes over all columns: a host bridge */
        char *address, *what, *remark, *link, *short_link;
        enum style style; /* of the remark */
};

struct drawing {
        const struct session *session;
        struct json_object *explanation, *path;
        const char *common;    /* the common element nearest to both, or NULL */
        const char *offending; /* the port that sends the traffic up, or NULL */
        struct line *lines;
        size_t n_lines;
};

static char *take_text(struct text *t)
{
        char *string = must_have(strdup(text_get(t)));

        text_reset(t);
        return string;
}

/* The function whose redirect, or whose unreadable ACS, sends the traffic up; NULL if none does. */
static const char *find_offending(struct json_object *explanation)
{
        struct json_object *reasons = field_array(explanation, "reasons");

        for (size_t i = 0; i < array_length(reasons); i++) {
                const char *name = field_string_or(array_at(reasons, i), "name", "");

                if (strncmp(name, "acs-", 4) == 0)
                        return field_string(array_at(reasons, i), "function");
        }
        return NULL;
}

static size_t count_side(struct json_object *path, const char *side)
{
        size_t n = 0;

        for (size_t i = 0; i < array_length(path); i++)
                n += strcmp(field_string_or(array_at(path, i), "side", ""), side) == 0;
        return n;
}

static const char *find_common(struct json_object *path)
{
        for (size_t i = 0; i < array_length(path); i++)
                if (strcmp(field_string_or(array_at(path, i), "side", ""), "common") == 0)
                        return field_string(array_at(path, i), "function");
        return NULL;
}

static const char *verdict_map(const struct drawing *d)
{
        return field_string_or(field_object(d->explanation, "verdict"), "map", "unknown");
}

/* Traffic that a port redirects climbs past the common element, and so does what has none. */
static bool reaches_host_bridge(const struct drawing *d)
{
        const char *map = verdict_map(d);

        return strcmp(map, "host_bridge") == 0 || strcmp(map, "none") == 0 || !d->common ||
               count_side(d->path, "common") > 1;
}

static const char *role_of(const struct drawing *d, struct json_object *element)
{
        const char *address = field_string_or(element, "function", "");

        if (strcmp(address, field_string_or(d->explanation, "provider", "")) == 0)
                return "provider";
        if (strcmp(address, field_string_or(d->explanation, "client", "")) == 0)
                return "client";
        if (d->common && strcmp(address, d->common) == 0)
                return "common";
        return strcmp(field_string_or(element, "side", ""), "common") == 0 ? "up and down" : "";
}

static enum style add_remark(const struct drawing *d, struct text *t, struct json_object *element)
{
        const struct terminal *terminal = &d->session->terminal;
        struct json_object *redirects = field_array(element, "redirects");
        const char *address = field_string_or(element, "function", "");
        bool offends = d->offending && strcmp(d->offending, address) == 0;
        const char *role = role_of(d, element);
        enum style style = STYLE_PLAIN;

        text_add(t, role);
        if (field_is_true(element, "acs_unknown") && field_is_true(element, "counts")) {
                text_addf(t, "%s? ACS unreadable", *role ? ", " : "");
                style = STYLE_UNKNOWN;
        } else if (array_length(redirects) > 0 && field_is_true(element, "counts")) {
                text_addf(t, "%s%s redirects:", *role ? ", " : "", terminal_no(terminal));
                for (size_t i = 0; i < array_length(redirects); i++)
                        text_addf(t, " %s", array_string_at(redirects, i));
                style = STYLE_BAD;
        }
        if (offends)
                text_addf(t, "  %s here", terminal_left_arrow(terminal));
        return style;
}

static void add_element(struct drawing *d, struct json_object *element)
{
        const struct terminal *terminal = &d->session->terminal;
        const char *kind = field_string_or(element, "kind", "?");
        const char *port = field_string(element, "port_type");
        struct json_object *link = field_object(element, "link");
        struct line *line = &d->lines[d->n_lines++];
        struct text t = {0};

        line->wire = d->common && strcmp(d->common, field_string_or(element, "function", "")) == 0
                             ? WIRE_MEETS
                             : WIRE_PASSES;
        text_add_safe(&t, field_string_or(element, "function", "?"), terminal->utf8);
        line->address = take_text(&t);
        text_add_safe(&t, strcmp(kind, "bridge") == 0 && port ? port : kind, terminal->utf8);
        if (array_length(field_array(element, "names")) > 0) {
                text_add(&t, " ");
                describe_names(terminal, &t, field_array(element, "names"), 2);
        }
        line->what = take_text(&t);
        line->style = add_remark(d, &t, element);
        line->remark = take_text(&t);
        if (link)
                describe_link(&t, link);
        line->link = take_text(&t);
        line->short_link = must_have(strdup(line->link));
        line->short_link[strcspn(line->short_link, "(")] = '\0';
        text_clear(&t);
}

/* The top of a path that climbs so far: with a common element the traffic turns round there and
 * comes back by the same ports, else it crosses to the client's side. */
static void add_host_bridges(struct drawing *d)
{
        struct json_object *bridges = field_array(d->explanation, "host_bridges");
        const char *first = array_length(bridges) > 0 ? array_string_at(bridges, 0) : "";
        const char *second = array_length(bridges) > 1 ? array_string_at(bridges, 1) : first;
        const struct terminal *terminal = &d->session->terminal;
        struct line *line = &d->lines[d->n_lines++];
        const char *map = verdict_map(d);
        struct text t = {0};

        line->wire = WIRE_MEETS;
        line->spans = true;
        text_add_safe(&t, *first ? first : "unknown", terminal->utf8);
        text_add(&t, " host bridge");
        if (strcmp(first, second) != 0) {
                text_add(&t, terminal->utf8 ? " ── " : " -- ");
                text_add_safe(&t, *second ? second : "unknown", terminal->utf8);
                text_add(&t, " host bridge");
        } else if (d->common) {
                text_add(&t, ", and back down");
        }
        line->what = take_text(&t);
        if (strcmp(map, "none") == 0) {
                text_addf(&t, "%s refused", terminal_no(terminal));
                if (!d->offending)
                        text_addf(&t, "  %s here", terminal_left_arrow(terminal));
                line->style = STYLE_BAD;
        } else if (strcmp(map, "host_bridge") == 0) {
                text_addf(&t, "%s accepted", terminal_yes(terminal));
                line->style = STYLE_GOOD;
        }
        line->remark = take_text(&t);
        text_clear(&t);
}

static void collect(struct drawing *d)
{
        bool climbs = reaches_host_bridge(d);
        const char *last_side = "provider";
        size_t n = array_length(d->path);

        d->lines = must_have(calloc(n + 1, sizeof(*d->lines)));
        for (size_t i = 0; i < n; i++) {
                struct json_object *element = array_at(d->path, i);
                const char *side = field_string_or(element, "side", "");

                if (climbs && strcmp(side, "client") == 0 && strcmp(last_side, "client") != 0)
                        add_host_bridges(d);
                add_element(d, element);
                last_side = side;
        }
        d->lines[0].wire = d->n_lines == 1 ? WIRE_ONLY : WIRE_FIRST;
        if (d->n_lines > 1)
                d->lines[d->n_lines - 1].wire = WIRE_LAST;
}

static size_t widest(const struct drawing *d, size_t column)
{
        size_t width = 0;

        for (size_t i = 0; i < d->n_lines; i++) {
                const struct line *l = &d->lines[i];
                const char *const texts[] = {l->address, l->what, l->remark, l->link,
                                             l->short_link};
                size_t w = l->spans ? 0 : text_width(texts[column], d->session->terminal.utf8);

                width = w > width ? w : width;
        }
        return width;
}

static void print_padded(const struct drawing *d, const char *text, size_t width)
{
        size_t used = text_width(text, d->session->terminal.utf8);

        printf("%s%*s", text, used < width ? (int)(width - used) : 0, "");
}

static const char *wire_text(const struct drawing *d, enum wire wire)
{
        static const char *const utf8[] = {"┌─", "│ ", "├─", "└─", "──"};
        static const char *const ascii[] = {"+-", "| ", "+-", "+-", "--"};

        return d->session->terminal.utf8 ? utf8[wire] : ascii[wire];
}

static void print_lines(const struct drawing *d)
{
        const struct terminal *t = &d->session->terminal;
        size_t address = widest(d, 0), what = widest(d, 1), remark = widest(d, 2);
        size_t fixed = 5 + address + 2 + what + 2 + remark + 2;
        bool link = t->columns == 0 || fixed + widest(d, 3) <= t->columns;
        bool short_link = !link && fixed + widest(d, 4) <= t->columns;

        for (size_t i = 0; i < d->n_lines; i++) {
                const struct line *l = &d->lines[i];
                const char *end = link ? l->link : short_link ? l->short_link : "";

                printf("  %s ", wire_text(d, l->wire));
                if (!l->spans) {
                        print_padded(d, l->address, address + 2);
                        print_padded(d, l->what, what);
                } else {
                        fputs(l->what, stdout);
                }
                if (*l->remark || (end && *end)) {
                        printf("  %s", l->style == STYLE_PLAIN ? "" : terminal_style(t, l->style));
                        print_padded(d, l->remark, !l->spans && end && *end ? remark : 0);
                        fputs(l->style == STYLE_PLAIN ? "" : terminal_style(t, STYLE_PLAIN),
                              stdout);
                }
                if (!l->spans && end && *end)
                        printf("  %s", end);
                putchar('\n');
        }
}

void why_print_path(const struct session *s, struct json_object *explanation)
{
        struct drawing d = {
                .session = s,
                .explanation = explanation,
                .path = field_array(explanation, "path"),
        };

        d.common = find_common(d.path);
        d.offending = find_offending(explanation);
        collect(&d);
        print_lines(&d);
        for (size_t i = 0; i < d.n_lines; i++) {
                free(d.lines[i].address);
                free(d.lines[i].what);
                free(d.lines[i].remark);
                free(d.lines[i].link);
                free(d.lines[i].short_link);
        }
        free(d.lines);
}
