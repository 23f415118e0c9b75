/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "speak.h"
#include "table.h"

/* find-provider: peer-to-peer memory that all of some clients reach, nearest first. */

static void add_hops(struct table *table, struct json_object *o)
{
        char text[24] = "-";
        int64_t hops;

        if (field_int(o, "distance_hops", &hops))
                snprintf(text, sizeof(text), "%" PRId64, hops);
        table_add(table, STYLE_PLAIN, text);
}

/* "bus 4, host-bridge 6": for the clients, in their order. */
static void add_ways(struct table *table, struct json_object *to)
{
        enum style style = STYLE_GOOD;
        struct text t = {0};

        for (size_t i = 0; i < array_length(to); i++) {
                struct json_object *verdict = array_at(to, i);
                const char *map = map_word(field_string_or(verdict, "map", "unknown"));

                text_addf(&t, "%s%s", i ? ", " : "", map);
                text_addf(&t, " %" PRId64, field_int_or(verdict, "distance_hops", 0));
                if (style_of_map(map) != STYLE_GOOD)
                        style = style_of_map(map);
        }
        table_add(table, style, text_get(&t));
        text_clear(&t);
}

static void add_function(struct session *s, struct table *table, struct json_object *near)
{
        struct text names = {0};

        describe_names(&s->terminal, &names, field_array(near, "names"), 3);
        table_add(table, STYLE_STRONG, field_string_or(near, "function", "?"));
        table_add(table, STYLE_PLAIN, text_get(&names));
        text_clear(&names);
}

static void print_providers(struct session *s, struct json_object *providers)
{
        static const struct table_column columns[] = {
                {"PROVIDER"},
                {"NAMES", .dispensable = 1, .omit_empty = true},
                {"HOPS", .right = true},
                {"FOR EACH CLIENT", .cut = true},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(providers); i++) {
                struct json_object *near = array_at(providers, i);

                add_function(s, table, near);
                add_hops(table, near);
                add_ways(table, field_array(near, "to"));
        }
        table_print(table, stdout);
        table_free(table);
}

static const char *why_sentence(const char *why)
{
        static const struct {
                const char *why, *sentence;
        } sentences[] = {
                {"unknown", "whether it has published peer-to-peer memory is not known"},
                {"unpublished", "its peer-to-peer memory is its driver's own"},
                {"no-memory", "not enough of its peer-to-peer memory is free"},
                {"client-none", "a client cannot reach it:"},
                {"client-unknown", "whether a client can reach it is not known:"},
                {"held", "a lease holds it; the kernel might take it all the same"},
        };

        for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
                if (strcmp(sentences[i].why, why) == 0)
                        return sentences[i].sentence;
        return why;
}

static void print_excluded(struct session *s, struct json_object *excluded)
{
        static const struct table_column columns[] = {
                {"LEFT OUT"},
                {"NAMES", .dispensable = 1, .omit_empty = true},
                {"BECAUSE", .cut = true},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(excluded); i++) {
                struct json_object *e = array_at(excluded, i);
                struct text t = {0};

                add_function(s, table, e);
                text_add(&t, why_sentence(field_string_or(e, "why", "?")));
                if (field_string(e, "client"))
                        text_addf(&t, " %s", field_string(e, "client"));
                table_add(table, STYLE_PLAIN, text_get(&t));
                text_clear(&t);
        }
        table_print(table, stdout);
        table_free(table);
}

static int exit_code(struct json_object *answer)
{
        return array_length(field_array(answer, "providers")) > 0 ? EXIT_OK : EXIT_FAILED;
}

static void show(struct session *s, struct json_object *answer)
{
        struct json_object *providers = field_array(answer, "providers");
        struct json_object *excluded = field_array(answer, "excluded");
        int64_t equal = field_int_or(answer, "equal", 0), found = field_int_or(answer, "found", 0);
        struct text t = {0};

        if (array_length(providers) > 0)
                print_providers(s, providers);
        else if (array_length(excluded) == 0)
                puts("No provider: no driver has given peer-to-peer memory to the kernel here.");
        else
                puts("No provider that all the clients reach.");
        if (found > (int64_t)array_length(providers))
                text_addf(&t, "%" PRId64 " in all: --answers shows more. ", found);
        if (equal > 1)
                text_addf(&t, "%" PRId64 " are equally near: the kernel draws lots among them.",
                          equal);
        if (t.length > 0) {
                putchar('\n');
                print_sentence(s, 0, 0, text_get(&t));
        }
        if (array_length(excluded) > 0) {
                putchar('\n');
                print_excluded(s, excluded);
        }
        text_clear(&t);
}

int command_find_provider(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = session_parameters(s), *answer;
        const struct wishes *w = &s->wishes;
        int r;

        json_object_object_add(parameters, "clients", json_strings(n, arguments));
        if (wishes_have(w, WISH_ANSWERS))
                json_object_object_add(parameters, "count", json_object_new_int64(w->answers));
        if (wishes_have(w, WISH_INCLUDE_HELD))
                json_object_object_add(parameters, "include_held", json_object_new_boolean(1));
        if (wishes_have(w, WISH_FREE)) {
                char hex[24];

                snprintf(hex, sizeof(hex), "0x%" PRIx64, w->free_bytes);
                json_object_object_add(parameters, "min_available_bytes",
                                       json_object_new_string(hex));
        }
        if (session_ask(s, "io.p2pd.FindProvider", parameters, &answer) < 0)
                return EXIT_FAILED;
        if (s->json)
                session_print_json(s, answer);
        else
                show(s, answer);
        r = exit_code(answer);
        json_object_put(answer);
        return r;
}
