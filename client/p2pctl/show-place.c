/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "show-place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "fields.h"
#include "lease-text.h"
#include "speak.h"
#include "table.h"

/* Pairs whose paths are asked for to tell who shares a link. */
#define SHARERS_PAIRS_MAX 64

/* One answer, and what is asked about its functions: who they are, and how they reach each other.
 * Each of the three is NULL if it could not be had. */
struct shown {
        struct session *s;
        struct json_object *placement, *clients;
        struct json_object *chosen; /* addresses of items and companions */
        struct json_object *functions, *functions_answer;
        struct json_object *there, *back; /* GetMatrix, items to others and others to items */
};

static void add_all(struct json_object *array, struct json_object *more)
{
        for (size_t i = 0; i < array_length(more); i++)
                json_object_array_add(array, json_object_get(array_at(more, i)));
}

static struct json_object *ask_matrix(struct session *s, struct json_object *providers,
                                      struct json_object *clients)
{
        struct json_object *parameters = session_parameters(s);

        json_object_object_add(parameters, "providers", json_object_get(providers));
        json_object_object_add(parameters, "clients", json_object_get(clients));
        return ask_quietly(s, "io.p2pd.GetMatrix", parameters);
}

/* A machine that has changed since is another one: its verdicts are not those of the answer. */
static struct json_object *of_generation(struct json_object *answer, int64_t generation)
{
        if (answer && field_int_or(answer, "generation", -1) == generation)
                return answer;
        json_object_put(answer);
        return NULL;
}

/* The addresses of functions that were named in some way; who cannot be found keeps its name. */
static struct json_object *resolve(struct session *s, struct json_object *named)
{
        struct json_object *addresses = must_have(json_object_new_array());

        for (size_t i = 0; i < array_length(named); i++) {
                struct json_object *one = must_have(json_object_new_array()), *answer, *address;

                json_object_array_add(one, json_object_get(array_at(named, i)));
                address = field(array_at(functions_look_up(s, one, &answer), 0), "address");
                json_object_array_add(addresses,
                                      json_object_get(address ? address : array_at(named, i)));
                json_object_put(answer);
                json_object_put(one);
        }
        return addresses;
}

static void look_closer(struct shown *v, int64_t generation)
{
        struct json_object *groups = field_array(v->placement, "groups");
        struct json_object *items = must_have(json_object_new_array());
        struct json_object *others = must_have(json_object_new_array()), *all;

        for (size_t i = 0; i < array_length(groups); i++) {
                json_object_array_add(items,
                                      json_object_get(field(array_at(groups, i), "provider")));
                add_all(others, field_array(array_at(groups, i), "companions"));
        }
        v->chosen = must_have(json_object_new_array());
        add_all(v->chosen, items);
        add_all(v->chosen, others);
        all = must_have(json_object_new_array());
        add_all(all, v->chosen);
        add_all(all, v->clients);
        v->functions = functions_look_up(v->s, all, &v->functions_answer);
        add_all(others, v->clients);
        if (array_length(others) > 0) {
                v->there = of_generation(ask_matrix(v->s, items, others), generation);
                v->back = of_generation(ask_matrix(v->s, others, items), generation);
        }
        json_object_put(items);
        json_object_put(others);
        json_object_put(all);
}

static void shown_clear(struct shown *v)
{
        json_object_put(v->chosen);
        json_object_put(v->functions_answer);
        json_object_put(v->there);
        json_object_put(v->back);
}

/* The index of the function in a list of addresses, which the daemon gives in full. -1: not there,
 * as one that was named otherwise. */
static int find_address(struct json_object *addresses, const char *address)
{
        for (size_t i = 0; i < array_length(addresses); i++)
                if (strcmp(array_string_at(addresses, i), address) == 0)
                        return (int)i;
        return -1;
}

static struct json_object *find_cell(struct json_object *matrix, const char *provider,
                                     const char *client)
{
        struct json_object *rows = field_array(matrix, "rows");
        int at = find_address(field_array(matrix, "clients"), client);

        for (size_t i = 0; at >= 0 && i < array_length(rows); i++)
                if (strcmp(field_string_or(array_at(rows, i), "provider", ""), provider) == 0)
                        return array_at(field_array(array_at(rows, i), "cells"), (size_t)at);
        return NULL;
}

/* The two last cells of a row: path, and map in both directions. */
static void add_verdicts(const struct shown *v, struct table *table, const char *item,
                         const char *other)
{
        struct json_object *there = find_cell(v->there, item, other);
        struct json_object *back = find_cell(v->back, other, item);
        const char *map = map_word(field_string_or(there, "map", "-"));
        const char *map_back = map_word(field_string_or(back, "map", "-"));
        enum style style = style_of_map(map);
        struct text t = {0};

        text_add(&t, map);
        if (strcmp(map, map_back) != 0) {
                text_addf(&t, ", back %s", map_back);
                if (style == STYLE_GOOD)
                        style = style_of_map(map_back);
        }
        table_add(table, STYLE_PLAIN, field_string_or(there, "path", "-"));
        table_add(table, there ? style : STYLE_FAINT, text_get(&t));
        text_clear(&t);
}

static void add_function_cells(const struct shown *v, struct table *table, enum style style,
                               const char *address)
{
        struct json_object *function = functions_find(v->functions, address);
        struct text t = {0};

        describe_names(&v->s->terminal, &t, field_array(function, "names"), 2);
        table_add(table, style, address);
        table_add(table, style, text_get(&t));
        text_clear(&t);
}

/* A row for each pair of an item; the item stands in the first of them. */
static void add_group(const struct shown *v, struct table *table, struct json_object *group)
{
        const char *item = field_string_or(group, "provider", "?");
        struct json_object *companions = field_array(group, "companions");
        size_t n = array_length(companions), n_clients = array_length(v->clients);

        for (size_t i = 0; i < n + n_clients || i == 0; i++) {
                const bool is_client = i >= n;
                const char *other = is_client ? array_string_at(v->clients, i - n)
                                              : array_string_at(companions, i);

                if (i == 0) {
                        add_function_cells(v, table, STYLE_STRONG, item);
                } else {
                        table_add(table, STYLE_PLAIN, "");
                        table_add(table, STYLE_PLAIN, "");
                }
                if (n + n_clients == 0) {
                        for (int c = 0; c < 5; c++)
                                table_add(table, STYLE_PLAIN, "");
                        return;
                }
                table_add(table, STYLE_FAINT, is_client ? "for" : "with");
                add_function_cells(v, table, STYLE_PLAIN, other);
                add_verdicts(v, table, item, other);
        }
}

static void print_groups(const struct shown *v)
{
        static const struct table_column columns[] = {
                {"ITEM"},
                {"NAMES", .dispensable = 1, .omit_empty = true},
                {"", .dispensable = 3, .omit_empty = true},
                {"COMPANION", .omit_empty = true},
                {"NAMES", .dispensable = 2, .omit_empty = true},
                {"PATH", .omit_empty = true},
                {"MAP", .omit_empty = true},
        };
        struct json_object *groups = field_array(v->placement, "groups");
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &v->s->terminal);

        for (size_t i = 0; i < array_length(groups); i++)
                add_group(v, table, array_at(groups, i));
        table_print(table, stdout);
        table_free(table);
}

static void print_worst(const struct shown *v)
{
        struct json_object *p = v->placement;
        const char *provider = field_string(p, "worst_provider");
        const char *client = field_string(p, "worst_client");
        struct text t = {0};

        if (!provider || !client)
                return;
        describe_function(v->s, &t, v->functions, client);
        text_add(&t, " to the memory of ");
        describe_function(v->s, &t, v->functions, provider);
        text_addf(&t, ": %s, %s, by %s", field_string_or(p, "worst_path", "?"),
                  map_word(field_string_or(p, "worst_map", "unknown")),
                  field_string_or(p, "worst_reason", "?"));
        print_fact(v->s, "worst pair", text_get(&t));
        text_clear(&t);
}

/* Both are functions of one device, or the same: they hang on one link. */
static bool same_device(const char *a, const char *b)
{
        const char *dot = strrchr(a, '.');

        return dot && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

/* Does the traffic of the pair pass the link above the function: a common element counts where the
 * traffic climbs past the first of them. */
static bool uses_link(struct json_object *explanation, const char *function)
{
        struct json_object *path = field_array(explanation, "path");
        bool at_common = false, beside = false;
        size_t n_common = 0;

        for (size_t i = 0; i < array_length(path); i++) {
                const char *address = field_string_or(array_at(path, i), "function", "");
                const bool is_common =
                        strcmp(field_string_or(array_at(path, i), "side", ""), "common") == 0;

                n_common += is_common;
                if (same_device(function, address)) {
                        at_common = at_common || is_common;
                        beside = beside || !is_common;
                }
        }
        return beside || (at_common && n_common > 1);
}

static struct json_object *explain(const struct shown *v, const char *provider, const char *client)
{
        struct json_object *parameters = session_parameters(v->s);

        json_object_object_add(parameters, "provider", json_object_new_string(provider));
        json_object_object_add(parameters, "client", json_object_new_string(client));
        return ask_quietly(v->s, "io.p2pd.Explain", parameters);
}

/* Adds the item, and those of its others that it reaches over the link, if there are any, behind
 * the separator. True if there are. */
static bool add_sharing_group(const struct shown *v, struct text *out, struct json_object *group,
                              const char *function, const char *separator)
{
        const char *item = field_string_or(group, "provider", "?");
        struct json_object *others = must_have(json_object_new_array());
        size_t n_sharing = 0;

        add_all(others, field_array(group, "companions"));
        add_all(others, v->clients);
        for (size_t i = 0; i < array_length(others); i++) {
                const char *other = array_string_at(others, i);
                struct json_object *answer = explain(v, item, other);

                if (uses_link(field_object(answer, "explanation"), function)) {
                        text_add(out, n_sharing == 0 ? separator : ", ");
                        if (n_sharing++ == 0) {
                                describe_function(v->s, out, v->functions, item);
                                text_add(out, " with ");
                        }
                        describe_function(v->s, out, v->functions, other);
                }
                json_object_put(answer);
        }
        json_object_put(others);
        return n_sharing > 0;
}

/* Whose traffic passes the link above the function; nothing where that takes too many questions. */
static void add_sharers(const struct shown *v, struct text *out, const char *function)
{
        struct json_object *groups = field_array(v->placement, "groups");
        const size_t n = array_length(groups), n_chosen = array_length(v->chosen);
        const char *separator = " (";

        if (n_chosen - n + n * array_length(v->clients) > SHARERS_PAIRS_MAX)
                return;
        for (size_t i = 0; i < n; i++)
                if (add_sharing_group(v, out, array_at(groups, i), function, separator))
                        separator = "; ";
        text_add(out, *separator == ';' ? ")" : "");
}

static void add_mbps(struct text *t, int64_t mbps)
{
        if (mbps >= 1000)
                text_addf(t, "%.1f GB/s", (double)mbps / 1000.0);
        else
                text_addf(t, "%" PRId64 " MB/s", mbps);
}

static void print_bottleneck(const struct shown *v)
{
        struct json_object *p = v->placement;
        const char *function = field_string(p, "bottleneck_function");
        int64_t mbps, flows = field_int_or(p, "bottleneck_flows", 1);
        struct text t = {0};

        if (array_length(v->chosen) == array_length(field_array(p, "groups")) &&
            array_length(v->clients) == 0)
                return; /* no pairs, no flows */
        if (!field_int(p, "bottleneck_mbps", &mbps)) {
                text_add(&t, "no link of known bandwidth limits it");
        } else {
                add_mbps(&t, mbps);
                text_add(&t, " for each flow when all run both ways: the link above ");
                text_add_safe(&t, function ? function : "?", v->s->terminal.utf8);
                if (flows > 1)
                        text_addf(&t, ", which %" PRId64 " flows share", flows);
                if (function)
                        add_sharers(v, &t, function);
        }
        if (field_is_true(p, "bottleneck_unknown"))
                text_add(&t, "; some flow uses a link of unknown bandwidth");
        print_fact(v->s, "bottleneck", text_get(&t));
        text_clear(&t);
}

static void print_numa_nodes(const struct shown *v)
{
        struct json_object *nodes = field_array(v->placement, "numa_nodes");
        struct text t = {0};

        for (size_t i = 0; i < array_length(nodes); i++)
                text_addf(&t, "%s%" PRId64, i ? ", " : "",
                          json_object_get_int64(array_at(nodes, i)));
        print_fact(v->s, "NUMA nodes", t.length ? text_get(&t) : "not known");
        text_clear(&t);
}

static void print_proven(const struct shown *v)
{
        struct json_object *p = v->placement;
        const char *proven = field_string_or(p, "proven", "nothing");
        struct text t = {0};
        int64_t mbps;

        if (strcmp(proven, "all") == 0) {
                text_add(&t, "it is the best: no other choice is better");
        } else if (strcmp(proven, "numa") == 0) {
                text_add(&t, "paths, bottleneck and NUMA nodes are the best there are; among those"
                             " with the same, the order of addresses is not");
        } else if (strcmp(proven, "bottleneck") == 0) {
                text_add(&t, "paths and bottleneck are the best there are; fewer NUMA nodes may be"
                             " possible");
        } else {
                text_addf(&t, "the search was cut off; no choice has a better worst path than %s",
                          field_string_or(p, "bound_path", "LOC"));
                if (field_int(p, "bound_mbps", &mbps)) {
                        text_add(&t, ", nor with it more than ");
                        add_mbps(&t, mbps);
                        text_add(&t, " for each flow");
                }
        }
        print_fact(v->s, "proven", text_get(&t));
        text_clear(&t);
}

static void print_placement(const struct shown *v)
{
        print_groups(v);
        putchar('\n');
        if (field_is_true(v->placement, "has_bad")) {
                printf("%sWARNING%s     ", terminal_style(&v->s->terminal, STYLE_BAD),
                       terminal_style(&v->s->terminal, STYLE_PLAIN));
                print_sentence(v->s, 12, 12,
                               "some pairs cannot reach each other, or it cannot be told: every"
                               " choice has such pairs");
        }
        print_worst(v);
        print_bottleneck(v);
        print_numa_nodes(v);
        print_proven(v);
}

void show_place(struct session *s, struct json_object *answer, struct json_object *clients)
{
        struct json_object *answers = field_array(answer, "answers");
        struct json_object *lease = field_object(answer, "lease");
        struct json_object *addresses = resolve(s, clients);
        size_t n = array_length(answers);

        for (size_t i = 0; i < n; i++) {
                struct shown v = {.s = s, .placement = array_at(answers, i), .clients = addresses};

                if (n > 1)
                        printf("%s%sAnswer %zu%s\n", i ? "\n" : "",
                               terminal_style(&s->terminal, STYLE_STRONG), i + 1,
                               terminal_style(&s->terminal, STYLE_PLAIN));
                look_closer(&v, field_int_or(answer, "generation", 0));
                print_placement(&v);
                shown_clear(&v);
        }
        if (lease)
                print_held(s, lease);
        json_object_put(addresses);
}
