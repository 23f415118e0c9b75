/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "number.h"
#include "table.h"

/* bars, register, unregister: memory BARs, and the ids that stand for them. */

static void add_number_or_dash(struct table *table, struct json_object *o, const char *name)
{
        char text[24] = "-";
        int64_t v;

        if (field_int(o, name, &v))
                snprintf(text, sizeof(text), "%" PRId64, v);
        table_add(table, STYLE_PLAIN, text);
}

static void add_flags(struct table *table, struct json_object *record, struct json_object *bar)
{
        struct text t = {0};
        uint64_t now, max;

        text_addf(&t, "%s-bit%s%s%s", field_is_true(bar, "is_64bit") ? "64" : "32",
                  field_is_true(bar, "prefetchable") ? " prefetchable" : "",
                  field_is_true(record, "registered") ? " registered" : "",
                  field_is_true(bar, "assigned") ? "" : " UNASSIGNED");
        if (field_hex(bar, "resize_now_bytes", &now) && field_hex(bar, "resize_max_bytes", &max) &&
            now < max) {
                text_add(&t, ", can be ");
                text_add_size(&t, max);
        }
        table_add(table, field_is_true(bar, "assigned") ? STYLE_PLAIN : STYLE_BAD, text_get(&t));
        text_clear(&t);
}

static void add_row(struct session *s, struct table *table, struct json_object *record)
{
        struct json_object *bar = field_object(record, "bar");
        struct text t = {0};

        add_number_or_dash(table, record, "id");
        add_number_or_dash(table, record, "id_since");
        table_add(table, STYLE_STRONG, field_string_or(record, "function", "?"));
        add_number_or_dash(table, bar, "bar_index");
        table_add(table, STYLE_PLAIN, field_string_or(bar, "phys_start", "-"));
        table_add(table, STYLE_PLAIN, field_string_or(bar, "bus_start", "-"));
        describe_size(&t, bar, "size_bytes");
        table_add(table, STYLE_PLAIN, text_get(&t));
        table_add(table, STYLE_PLAIN, field_string_or(record, "kind", "?"));
        text_reset(&t);
        describe_names(&s->terminal, &t, field_array(record, "names"), 3);
        table_add(table, STYLE_PLAIN, text_get(&t));
        add_flags(table, record, bar);
        text_clear(&t);
}

/* How many of these have no id, and why. */
struct without {
        int64_t rows, ids, unassigned;
};

static struct without count(struct json_object *bars)
{
        struct without w = {.rows = (int64_t)array_length(bars)};

        for (size_t i = 0; i < array_length(bars); i++) {
                struct json_object *record = array_at(bars, i);
                int64_t id;

                if (field_int(record, "id", &id))
                        w.ids++;
                else if (!field_is_true(field_object(record, "bar"), "assigned"))
                        w.unassigned++;
        }
        return w;
}

static void print_reason(struct session *s, int64_t n, const char *sentence)
{
        struct text t = {0};
        char number[32];

        if (n <= 0)
                return;
        snprintf(number, sizeof(number), "  %5" PRId64 "  ", n);
        text_add(&t, number);
        terminal_add_wrapped(&s->terminal, &t, strlen(number), strlen(number), sentence);
        puts(text_get(&t));
        text_clear(&t);
}

/* What is promised to devices that are not there. */
static void print_absent(struct session *s, struct json_object *absent)
{
        static const struct table_column columns[] = {
                {"ID", .right = true}, {"LAST SEEN AT"}, {"BAR", .right = true}, {"SLOT"}};
        struct table *table;

        if (array_length(absent) == 0)
                return;
        table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);
        for (size_t i = 0; i < array_length(absent); i++) {
                struct json_object *bar = array_at(absent, i);

                add_number_or_dash(table, bar, "id");
                table_add(table, STYLE_STRONG, field_string_or(bar, "function", "-"));
                add_number_or_dash(table, bar, "bar_index");
                table_add(table, STYLE_PLAIN, field_string_or(bar, "slot", "?"));
        }
        printf("\n%zu registered BAR%s of devices that are not there; `p2pctl unregister` ends the"
               " promise:\n",
               array_length(absent), array_length(absent) == 1 ? "" : "s");
        table_print(table, stdout);
        table_free(table);
}

/* Below the table. all: it shows every BAR of the machine, so that the daemon's count of those who
 * should have an id tells how many of them are among these. */
static void print_summary(struct session *s, struct json_object *bars, struct json_object *status,
                          bool all)
{
        const struct without w = count(bars);
        const int64_t bits = field_int_or(status, "id_bits", 0);
        const int64_t waiting = field_int_or(status, "bars_without_id", 0);
        const char *state_error = field_string(status, "state_error");
        int64_t rest = w.rows - w.ids - w.unassigned;
        char mixed[192];

        printf("\n%" PRId64 " of %" PRId64 " BARs with an id (%" PRId64 " bits: 1 to %" PRId64 ")",
               w.ids, w.rows, bits, (INT64_C(1) << (bits & 31)) - 1);
        printf(rest + w.unassigned > 0 ? ", without:\n" : ".\n");
        print_reason(s, w.unassigned, "unassigned: no address, so no id");
        if (all && waiting > 0 && waiting <= rest) {
                print_reason(s, waiting,
                             "should have one, but all ids are used or held back: see `p2pctl"
                             " status`");
                rest -= waiting;
        }
        if (!all && waiting > 0) {
                snprintf(mixed, sizeof(mixed),
                         "by request only: `p2pctl register FUNCTION BAR`; or none was left, on the"
                         " whole machine %" PRId64 " BARs should have one: see `p2pctl status`",
                         waiting);
                print_reason(s, rest, mixed);
        } else if (state_error)
                print_reason(s, rest,
                             "by request only, or new: no new id is shown while the state file"
                             " cannot be written");
        else
                print_reason(s, rest, "by request only: `p2pctl register FUNCTION BAR`");
}

int command_bars(struct session *s, int n, char **arguments)
{
        static const struct table_column columns[] = {
                {"ID", .right = true},
                {"SINCE", .right = true, .dispensable = 5},
                {"FUNCTION"},
                {"BAR", .right = true},
                {"ADDRESS", .right = true},
                {"BUS ADDRESS", .right = true, .dispensable = 1},
                {"SIZE", .right = true},
                {"KIND", .dispensable = 3},
                {"NAMES", .dispensable = 4, .omit_empty = true},
                {"FLAGS", .dispensable = 2},
        };
        struct json_object *parameters = json_object_new_object(), *answer, *status, *bars;
        struct table *table;

        if (n > 0)
                json_object_object_add(parameters, "functions", json_strings(n, arguments));
        if (session_ask(s, "io.p2pd.ListBars", parameters, &answer) < 0)
                return EXIT_FAILED;
        if (s->json) {
                session_print_json(s, answer);
                json_object_put(answer);
                return EXIT_OK;
        }
        if (session_ask(s, "io.p2pd.GetStatus", NULL, &status) < 0) {
                json_object_put(answer);
                return EXIT_FAILED;
        }
        bars = field_array(answer, "bars");
        table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);
        for (size_t i = 0; i < array_length(bars); i++)
                add_row(s, table, array_at(bars, i));
        table_print(table, stdout);
        table_free(table);
        print_summary(s, bars, field_object(status, "status"), n == 0);
        print_absent(s, field_array(answer, "absent"));
        json_object_put(status);
        json_object_put(answer);
        return EXIT_OK;
}

/* "FUNCTION BAR" as a call's parameters; NULL after the user was told. */
static struct json_object *wish(char **arguments)
{
        struct json_object *parameters;
        uint64_t bar_index;

        if (number_parse(arguments[1], &bar_index) < 0 || bar_index > 5) {
                fprintf(stderr,
                        "p2pctl: '%s' is no BAR: it is the number of the register, 0 to 5;"
                        " `p2pctl bars %s` shows those there are\n",
                        arguments[1], arguments[0]);
                return NULL;
        }
        parameters = json_object_new_object();
        json_object_object_add(parameters, "function", json_object_new_string(arguments[0]));
        json_object_object_add(parameters, "bar_index", json_object_new_int64((int64_t)bar_index));
        return parameters;
}

static int show_registered(struct session *s, struct json_object *answer)
{
        int64_t id;

        (void)s;
        if (field_int(answer, "id", &id))
                printf("registered: BAR id %" PRId64 "\n", id);
        else
                puts("registered, but it has no id now: see `p2pctl bars`");
        return EXIT_OK;
}

static int show_unregistered(struct session *s, struct json_object *answer)
{
        int64_t id;

        (void)s;
        if (field_int(answer, "id", &id))
                printf("no longer registered; BAR id %" PRId64
                       " stays: its function is of a kind that has ids unasked\n",
                       id);
        else
                puts("no longer registered: it has no BAR id");
        return EXIT_OK;
}

int command_register(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = wish(arguments);

        (void)n;
        return parameters ? session_show(s, "io.p2pd.RegisterBar", parameters, show_registered)
                          : EXIT_USAGE;
}

/* "ID" as a call's parameters; NULL after the user was told. */
static struct json_object *wish_by_id(const char *argument)
{
        struct json_object *parameters;
        uint64_t id;

        if (number_parse(argument, &id) < 0 || id < 1 || id > UINT16_MAX) {
                fprintf(stderr,
                        "p2pctl: '%s' is no BAR id; without one, name the function and the BAR\n",
                        argument);
                return NULL;
        }
        parameters = json_object_new_object();
        json_object_object_add(parameters, "id", json_object_new_int64((int64_t)id));
        return parameters;
}

int command_unregister(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = n == 1 ? wish_by_id(arguments[0]) : wish(arguments);

        return parameters ? session_show(s, "io.p2pd.UnregisterBar", parameters, show_unregistered)
                          : EXIT_USAGE;
}
