/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "table.h"
#include "text.h"

static enum style style_of_result(const char *result)
{
        if (strcmp(result, "yes") == 0 || strcmp(result, "passed") == 0)
                return STYLE_GOOD;
        if (strcmp(result, "no") == 0 || strcmp(result, "failed") == 0)
                return STYLE_BAD;
        if (strcmp(result, "unknown") == 0)
                return STYLE_UNKNOWN;
        return STYLE_FAINT;
}

/* Where nothing was checked nothing is known, whatever an empty sum says. */
static int exit_code(struct json_object *answer)
{
        const char *result = field_string_or(answer, "result", "unknown");

        if (array_length(field_array(answer, "pairs")) == 0) {
                fputs("p2pctl: there are no pairs to check: name two different functions,"
                      " or use --all\n",
                      stderr);
                return EXIT_UNKNOWN;
        }
        if (strcmp(result, "yes") == 0)
                return EXIT_OK;
        return strcmp(result, "no") == 0 ? EXIT_FAILED : EXIT_UNKNOWN;
}

static void show_gates(struct session *s, struct json_object *pair)
{
        static const struct table_column columns[] = {{"GATE"}, {"STATE"}};
        const char *result = field_string_or(pair, "result", "unknown");
        const char *because = field_string_or(pair, "because", "");
        struct table *table = table_new(columns, 2, &s->terminal);
        struct json_object *gates = field_array(pair, "gates");
        struct text safe = {0}, wrapped = {0};

        for (size_t i = 0; i < array_length(gates); i++) {
                const char *state = field_string_or(array_at(gates, i), "state", "?");

                table_add(table, STYLE_PLAIN, field_string_or(array_at(gates, i), "name", "?"));
                table_add(table, style_of_result(state), state);
        }
        table_print(table, stdout);
        table_free(table);
        printf("\n%s%s%s", terminal_style(&s->terminal, style_of_result(result)), result,
               terminal_style(&s->terminal, STYLE_PLAIN));
        if (*because) {
                text_add_safe(&safe, because, s->terminal.utf8);
                terminal_add_wrapped(&s->terminal, &wrapped, strlen(result) + 2, 0,
                                     text_get(&safe));
                printf(": %s", text_get(&wrapped));
        }
        putchar('\n');
        text_clear(&safe);
        text_clear(&wrapped);
}

struct cause {
        const char *result, *stopped_at, *because;
        size_t n;
};

/* What stops how many: on a large machine a few causes stand behind all the lines. */
static void show_causes(struct session *s, struct json_object *pairs)
{
        static const struct table_column columns[] = {
                {"PAIRS", .right = true}, {"RESULT"}, {"STOPPED AT"}, {"BECAUSE", .cut = true}};
        struct table *table = table_new(columns, 4, &s->terminal);
        size_t n_causes = 0, n = array_length(pairs);
        struct cause *causes = must_have(calloc(n + 1, sizeof(*causes)));

        for (size_t i = 0; i < n; i++) {
                struct json_object *pair = array_at(pairs, i);
                struct cause this = {field_string_or(pair, "result", "unknown"),
                                     field_string_or(pair, "stopped_at", "-"),
                                     field_string_or(pair, "because", ""), 1};
                size_t c = 0;

                if (strcmp(this.result, "yes") == 0)
                        continue;
                while (c < n_causes && (strcmp(causes[c].because, this.because) != 0 ||
                                        strcmp(causes[c].result, this.result) != 0 ||
                                        strcmp(causes[c].stopped_at, this.stopped_at) != 0))
                        c++;
                if (c == n_causes)
                        causes[n_causes++] = this;
                else
                        causes[c].n++;
        }
        for (size_t c = 0; c < n_causes; c++) {
                char count[24];

                snprintf(count, sizeof(count), "%zu", causes[c].n);
                table_add(table, STYLE_PLAIN, count);
                table_add(table, style_of_result(causes[c].result), causes[c].result);
                table_add(table, STYLE_PLAIN, causes[c].stopped_at);
                table_add(table, STYLE_PLAIN, causes[c].because);
        }
        if (n_causes > 0) {
                putchar('\n');
                table_print(table, stdout);
        }
        free(causes);
        table_free(table);
}

/* Many pairs: those that are not fit, one a line, then the sum. */
static void show_pairs(struct session *s, struct json_object *pairs)
{
        static const struct table_column columns[] = {{"PROVIDER"},
                                                      {"CLIENT"},
                                                      {"RESULT"},
                                                      {"STOPPED AT"},
                                                      {"BECAUSE", .dispensable = 1, .cut = true}};
        struct table *table = table_new(columns, 5, &s->terminal);
        size_t n_yes = 0, n_no = 0, n = array_length(pairs);

        for (size_t i = 0; i < n; i++) {
                struct json_object *pair = array_at(pairs, i);
                const char *result = field_string_or(pair, "result", "unknown");

                n_yes += strcmp(result, "yes") == 0;
                n_no += strcmp(result, "no") == 0;
                if (strcmp(result, "yes") == 0)
                        continue;
                table_add(table, STYLE_PLAIN, field_string_or(pair, "provider", "?"));
                table_add(table, STYLE_PLAIN, field_string_or(pair, "client", "?"));
                table_add(table, style_of_result(result), result);
                table_add(table, STYLE_PLAIN, field_string_or(pair, "stopped_at", "-"));
                table_add(table, STYLE_PLAIN, field_string_or(pair, "because", ""));
        }
        if (n_yes < n) {
                table_print(table, stdout);
                putchar('\n');
        }
        printf("%zu pairs: %zu yes, %zu no, %zu unknown\n", n, n_yes, n_no, n - n_yes - n_no);
        show_causes(s, pairs);
        table_free(table);
}

static int show(struct session *s, struct json_object *answer)
{
        struct json_object *pairs = field_array(answer, "pairs");

        if (array_length(pairs) == 1)
                show_gates(s, array_at(pairs, 0));
        else if (array_length(pairs) > 1)
                show_pairs(s, pairs);
        return exit_code(answer);
}

/* Every endpoint, where the daemon by itself takes candidates only. 0, or negative after the user
 * was told. */
static int ask_endpoints(struct session *s, struct json_object **ret)
{
        struct json_object *answer, *functions, *endpoints;
        int r;

        r = session_ask(s, "io.p2pd.ListFunctions", NULL, &answer);
        if (r < 0)
                return r;
        functions = field_array(answer, "functions");
        endpoints = must_have(json_object_new_array());
        for (size_t i = 0; i < array_length(functions); i++) {
                struct json_object *f = array_at(functions, i);

                if (field_is_true(f, "endpoint"))
                        json_object_array_add(endpoints, json_object_get(field(f, "address")));
        }
        json_object_put(answer);
        *ret = endpoints;
        return 0;
}

static void add_wishes(const struct session *s, struct json_object *parameters)
{
        if (s->min_bar_bytes > 0) {
                char text[24];

                snprintf(text, sizeof(text), "0x%" PRIx64, s->min_bar_bytes);
                json_object_object_add(parameters, "min_bar_bytes", json_object_new_string(text));
        }
        if (s->allow_slow_link)
                json_object_object_add(parameters, "allow_slow_link", json_object_new_boolean(1));
}

int command_check(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = session_parameters(s), *answer, *endpoints;
        int r;

        add_wishes(s, parameters);
        if (s->all && n < 2) {
                if (ask_endpoints(s, &endpoints) < 0) {
                        json_object_put(parameters);
                        return EXIT_FAILED;
                }
                if (n < 1)
                        json_object_object_add(parameters, "providers", json_object_get(endpoints));
                json_object_object_add(parameters, "clients", endpoints);
        }
        if (n > 0)
                json_object_object_add(parameters, "providers", json_strings(1, arguments));
        if (n > 1)
                json_object_object_add(parameters, "clients", json_strings(1, arguments + 1));
        if (session_ask(s, "io.p2pd.Check", parameters, &answer) < 0)
                return EXIT_FAILED;
        if (s->json) {
                session_print_json(s, answer);
                r = exit_code(answer);
        } else {
                r = show(s, answer);
        }
        json_object_put(answer);
        return r;
}
