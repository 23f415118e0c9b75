/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "speak.h"
#include "table.h"

/* what-if: the pairs that flip on an edited machine, before and after. */

/* More pairs than these, whose bandwidth or constraints change, are counted by what changes. */
#define PAIRS_EACH_MAX 16

static void add_described(struct session *s, struct table *table, struct json_object *functions,
                          const char *address)
{
        struct text t = {0};

        describe_function(s, &t, functions, address);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

/* "PIX bus 4 hops" */
static void add_verdict(struct table *table, struct json_object *verdict)
{
        const char *map = field_string_or(verdict, "map", "unknown");
        struct text t = {0};
        int64_t hops;

        text_addf(&t, "%-4s %s", field_string_or(verdict, "path", "?"), map_word(map));
        if (field_int(verdict, "distance_hops", &hops))
                text_addf(&t, ", %" PRId64 " hops", hops);
        table_add(table, style_of_map(map), text_get(&t));
        text_clear(&t);
}

static void print_flips(struct session *s, struct json_object *flips, struct json_object *functions)
{
        static const struct table_column columns[] = {
                {"PROVIDER"}, {"CLIENT"}, {"BEFORE"}, {"AFTER"}, {"BECAUSE", .dispensable = 1},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(flips); i++) {
                struct json_object *flip = array_at(flips, i);

                add_described(s, table, functions, field_string_or(flip, "provider", "?"));
                add_described(s, table, functions, field_string_or(flip, "client", "?"));
                add_verdict(table, field_object(flip, "before"));
                add_verdict(table, field_object(flip, "after"));
                table_add(table, STYLE_PLAIN,
                          field_string_or(field_object(flip, "after"), "reason", "-"));
        }
        table_print(table, stdout);
        table_free(table);
}

/* How many of the flips that are shown go from what to what. */
static void print_sums(const struct session *s, struct json_object *flips)
{
        static const char *const maps[] = {"bus", "host_bridge", "none", "unknown"};
        bool any = false;

        for (size_t from = 0; from < 4; from++)
                for (size_t to = 0; to < 4; to++) {
                        size_t n = 0;

                        for (size_t i = 0; i < array_length(flips); i++) {
                                struct json_object *flip = array_at(flips, i);
                                struct json_object *before = field_object(flip, "before");
                                struct json_object *after = field_object(flip, "after");

                                n += strcmp(field_string_or(before, "map", ""), maps[from]) == 0 &&
                                     strcmp(field_string_or(after, "map", ""), maps[to]) == 0;
                        }
                        if (n == 0)
                                continue;
                        if (!any)
                                putchar('\n');
                        any = true;
                        printf("%5zu  %s%s%s to %s%s%s%s\n", n,
                               terminal_style(&s->terminal, style_of_map(maps[from])),
                               map_word(maps[from]), terminal_style(&s->terminal, STYLE_PLAIN),
                               terminal_style(&s->terminal, style_of_map(maps[to])),
                               map_word(maps[to]), terminal_style(&s->terminal, STYLE_PLAIN),
                               from == to ? ", by another way or for another reason" : "");
                }
}

static void add_mbps(struct table *table, struct json_object *pair, const char *name)
{
        char text[32] = "?";
        int64_t mbps;

        if (field_int(pair, name, &mbps))
                snprintf(text, sizeof(text), "%.1f GB/s", (double)mbps / 1000.0);
        table_add(table, STYLE_PLAIN, text);
}

static bool has_word(struct json_object *words, const char *word)
{
        for (size_t i = 0; i < array_length(words); i++)
                if (strcmp(array_string_at(words, i), word) == 0)
                        return true;
        return false;
}

/* "+iommu-translates -dma-mask": what is there after and not before, and the other way round. */
static void describe_constraints(struct text *t, struct json_object *pair)
{
        struct json_object *before = field_array(pair, "before_constraints");
        struct json_object *after = field_array(pair, "after_constraints");

        for (size_t i = 0; i < array_length(after); i++)
                if (!has_word(before, array_string_at(after, i)))
                        text_addf(t, "%s+%s", t->length ? " " : "", array_string_at(after, i));
        for (size_t i = 0; i < array_length(before); i++)
                if (!has_word(after, array_string_at(before, i)))
                        text_addf(t, "%s-%s", t->length ? " " : "", array_string_at(before, i));
}

/* The last three cells of a row. */
static void add_effect(struct table *table, struct json_object *pair)
{
        struct text t = {0};

        add_mbps(table, pair, "before_mbps");
        add_mbps(table, pair, "after_mbps");
        describe_constraints(&t, pair);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

static void print_each_pair(struct session *s, struct json_object *pairs,
                            struct json_object *functions)
{
        static const struct table_column columns[] = {
                {"PROVIDER"},
                {"CLIENT"},
                {"BEFORE", .right = true},
                {"AFTER", .right = true},
                {"CONSTRAINTS", .omit_empty = true, .cut = true},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(pairs); i++) {
                struct json_object *pair = array_at(pairs, i);

                add_described(s, table, functions, field_string_or(pair, "provider", "?"));
                add_described(s, table, functions, field_string_or(pair, "client", "?"));
                add_effect(table, pair);
        }
        table_print(table, stdout);
        table_free(table);
}

static bool same_effect(struct json_object *a, struct json_object *b)
{
        struct text of_a = {0}, of_b = {0};
        bool same = field_int_or(a, "before_mbps", -1) == field_int_or(b, "before_mbps", -1) &&
                    field_int_or(a, "after_mbps", -1) == field_int_or(b, "after_mbps", -1);

        if (same) {
                describe_constraints(&of_a, a);
                describe_constraints(&of_b, b);
                same = strcmp(text_get(&of_a), text_get(&of_b)) == 0;
        }
        text_clear(&of_a);
        text_clear(&of_b);
        return same;
}

/* Many pairs: those with the same effect are counted, and the first of them named. */
static void print_effects(struct session *s, struct json_object *pairs)
{
        static const struct table_column columns[] = {
                {"PAIRS", .right = true},     {"SUCH AS PROVIDER", .dispensable = 1},
                {"CLIENT", .dispensable = 1}, {"BEFORE", .right = true},
                {"AFTER", .right = true},     {"CONSTRAINTS", .omit_empty = true, .cut = true},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);
        const size_t n = array_length(pairs);
        bool *done = must_have(calloc(n + 1, sizeof(*done)));

        for (size_t i = 0; i < n; i++) {
                struct json_object *pair = array_at(pairs, i);
                char count[24];
                size_t like = 0;

                if (done[i])
                        continue;
                for (size_t k = i; k < n; k++)
                        if (!done[k] && same_effect(pair, array_at(pairs, k))) {
                                done[k] = true;
                                like++;
                        }
                snprintf(count, sizeof(count), "%zu", like);
                table_add(table, STYLE_PLAIN, count);
                table_add(table, STYLE_PLAIN, field_string_or(pair, "provider", "?"));
                table_add(table, STYLE_PLAIN, field_string_or(pair, "client", "?"));
                add_effect(table, pair);
        }
        table_print(table, stdout);
        table_free(table);
        free(done);
}

static void print_pairs(struct session *s, struct json_object *pairs, struct json_object *functions)
{
        if (array_length(pairs) == 0)
                return;
        print_heading(s, "Bandwidth of the narrowest link; constraints that come (+) and go (-)");
        if (array_length(pairs) <= PAIRS_EACH_MAX)
                print_each_pair(s, pairs, functions);
        else
                print_effects(s, pairs);
}

static void print_changes(struct session *s, struct json_object *answer)
{
        struct json_object *changes = field_array(answer, "changes");
        struct json_object *moves = field_array(answer, "moves");
        const char *before = field_string_or(answer, "before_release", "?");
        const char *after = field_string_or(answer, "after_release", "?");
        struct text t = {0};

        if (strcmp(before, after) != 0) {
                text_addf(&t, "%s, before %s", after, before);
                print_fact(s, "kernel", text_get(&t));
        }
        for (size_t i = 0; i < array_length(moves); i++) {
                text_reset(&t);
                text_addf(&t, "%s would likely be %s; below it keeps its present address as a name",
                          field_string_or(array_at(moves, i), "before", "?"),
                          field_string_or(array_at(moves, i), "after", "?"));
                print_fact(s, "moved", text_get(&t));
        }
        text_reset(&t);
        for (size_t i = 0; i < array_length(changes); i++) {
                struct json_object *what = field_array(array_at(changes, i), "what");

                text_addf(&t, "%s%s", i ? "; " : "",
                          field_string_or(array_at(changes, i), "function", "?"));
                for (size_t w = 0; w < array_length(what); w++)
                        text_addf(&t, "%s%s", w ? ", " : " ", array_string_at(what, w));
        }
        if (t.length > 0)
                print_fact(s, "changed", text_get(&t));
        else if (array_length(moves) == 0 && strcmp(before, after) == 0 &&
                 !field_is_true(answer, "machine_wide"))
                print_fact(s, "changed", "nothing: the machine is like that");
        text_clear(&t);
}

static void add_ends(struct json_object *addresses, struct json_object *pairs)
{
        for (size_t i = 0; i < array_length(pairs); i++) {
                json_object_array_add(addresses,
                                      json_object_get(field(array_at(pairs, i), "provider")));
                json_object_array_add(addresses,
                                      json_object_get(field(array_at(pairs, i), "client")));
        }
}

static void print_notes(const struct session *s, struct json_object *notes)
{
        if (array_length(notes) > 0)
                print_heading(s, "Assumed, or not modelled");
        for (size_t i = 0; i < array_length(notes); i++) {
                fputs("  - ", stdout);
                print_sentence(s, 4, 4, array_string_at(notes, i));
        }
}

static int show(struct session *s, struct json_object *answer)
{
        struct json_object *flips = field_array(answer, "flips");
        struct json_object *pairs = field_array(answer, "pairs");
        struct json_object *addresses = must_have(json_object_new_array());
        struct json_object *functions_answer, *functions;
        int64_t total = field_int_or(answer, "flips_total", 0);
        int64_t pairs_total = field_int_or(answer, "pairs_total", 0);

        add_ends(addresses, flips);
        add_ends(addresses, pairs);
        functions = functions_look_up(s, addresses, &functions_answer);
        print_changes(s, answer);
        if (total == 0)
                print_fact(s, "flips", "none: no verdict changes");
        if (array_length(flips) > 0) {
                printf("%-12s%" PRId64 " verdicts of ordered pairs\n", "flips", total);
                putchar('\n');
                print_flips(s, flips, functions);
                print_sums(s, flips);
        }
        if (total > (int64_t)array_length(flips))
                printf("(the first %zu of %" PRId64 " flips)\n", array_length(flips), total);
        print_pairs(s, pairs, functions);
        if (pairs_total > (int64_t)array_length(pairs))
                printf("(the first %zu of %" PRId64 " pairs)\n", array_length(pairs), pairs_total);
        print_notes(s, field_array(answer, "notes"));
        json_object_put(functions_answer);
        json_object_put(addresses);
        return EXIT_OK;
}

int command_what_if(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = session_parameters(s);

        json_object_object_add(parameters, "edits", json_strings(n, arguments));
        return session_show(s, "io.p2pd.WhatIf", parameters, show);
}
