/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "lease-text.h"
#include "speak.h"
#include "table.h"

/* lease, renew, release, leases: who holds which devices. */

/* The user's name here; the number where there is none. */
static void add_user(struct table *table, struct json_object *lease)
{
        int64_t uid = field_int_or(lease, "uid", -1);
        struct passwd *user = uid >= 0 ? getpwuid((uid_t)uid) : NULL;
        char number[24];

        snprintf(number, sizeof(number), "%" PRId64, uid);
        table_add(table, STYLE_PLAIN, user ? user->pw_name : number);
}

static void add_lease_cells(struct table *table, struct json_object *lease)
{
        struct text t = {0};

        text_addf(&t, "%" PRId64, field_int_or(lease, "number", 0));
        table_add(table, STYLE_STRONG, text_get(&t));
        table_add(table, STYLE_STRONG, field_string_or(lease, "name", "-"));
        table_add(table, STYLE_PLAIN, field_string_or(lease, "owner", "-"));
        add_user(table, lease);
        text_reset(&t);
        text_addf(&t, "%" PRId64, field_int_or(lease, "pid", 0));
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_reset(&t);
        text_add_time(&t, field_int_or(lease, "taken_usec", 0));
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_reset(&t);
        describe_time_left(&t, lease);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

/* A row for each device; the lease stands in the first of them. */
static void add_lease(struct session *s, struct table *table, struct json_object *lease)
{
        struct json_object *devices = field_array(lease, "devices");

        for (size_t i = 0; i < array_length(devices); i++) {
                struct json_object *device = array_at(devices, i);
                const bool lost = field_is_true(device, "lost");
                const enum style style = lost ? STYLE_BAD : STYLE_PLAIN;
                struct text names = {0};

                if (i == 0)
                        add_lease_cells(table, lease);
                for (int c = 0; i > 0 && c < 7; c++)
                        table_add(table, STYLE_PLAIN, "");
                describe_names(&s->terminal, &names, field_array(device, "names"), 2);
                table_add(table, style, field_string_or(device, "function", "?"));
                table_add(table, style, text_get(&names));
                table_add(table, style, lost ? "LOST" : "");
                table_add(table, STYLE_PLAIN, field_string_or(device, "slot", "-"));
                text_clear(&names);
        }
}

static void print_leases(struct session *s, struct json_object *leases)
{
        static const struct table_column columns[] = {
                {"LEASE", .right = true},
                {"NAME", .omit_empty = true},
                {"OWNER", .dispensable = 3, .omit_empty = true},
                {"USER", .dispensable = 2},
                {"PID", .right = true, .dispensable = 4},
                {"TAKEN", .dispensable = 5},
                {"LEFT", .omit_empty = true},
                {"DEVICE"},
                {"NAMES", .dispensable = 1, .omit_empty = true},
                {"STATE", .omit_empty = true},
                {"SLOT", .dispensable = 6, .omit_empty = true},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(leases); i++)
                add_lease(s, table, array_at(leases, i));
        table_print(table, stdout);
        table_free(table);
}

static int show_leases(struct session *s, struct json_object *answer)
{
        struct json_object *leases = field_array(answer, "leases");

        if (array_length(leases) == 0)
                puts("Nothing is held.");
        else
                print_leases(s, leases);
        return EXIT_OK;
}

static bool on_event(struct session *s, struct json_object *part, void *userdata)
{
        struct json_object *lease = field_object(part, "lease");
        const char *event = field_string(part, "event"), *function = field_string(part, "function");
        struct text t = {0};

        (void)userdata;
        if (s->json) {
                session_print_json(s, part);
                return true;
        }
        if (!event) {
                show_leases(s, part);
                return true;
        }
        text_addf(&t, "lease %" PRId64, field_int_or(lease, "number", 0));
        if (field_string(lease, "name")) {
                text_add(&t, " (");
                describe_lease_name(s, &t, lease);
                text_add(&t, ")");
        }
        text_addf(&t, ": %s", event);
        if (function) {
                text_add(&t, " ");
                text_add_safe(&t, function, s->terminal.utf8);
        }
        puts(text_get(&t));
        text_clear(&t);
        return true;
}

int command_leases(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = json_object_new_object();

        if (!wishes_have(&s->wishes, WISH_WATCH)) {
                if (n == 0)
                        return session_show(s, "io.p2pd.ListLeases", parameters, show_leases);
                fputs("p2pctl: leases shows all of them; a name belongs to --watch\n", stderr);
                json_object_put(parameters);
                return EXIT_USAGE;
        }
        if (n > 0)
                json_object_object_add(parameters, "lease", json_object_new_string(arguments[0]));
        return session_stream(s, "io.p2pd.WatchLeases", parameters, on_event, NULL) < 0
                       ? EXIT_FAILED
                       : EXIT_OK;
}

static int refuse_offline(const struct session *s)
{
        if (!s->root && !s->lspci)
                return EXIT_OK;
        fputs("p2pctl: the machine of --root and --lspci ends with the answer: nothing can be held"
              " on it\n",
              stderr);
        return EXIT_USAGE;
}

static int show_held(struct session *s, struct json_object *answer)
{
        print_held(s, field_object(answer, "lease"));
        return EXIT_OK;
}

static int show_released(struct session *s, struct json_object *answer)
{
        struct json_object *lease = field_object(answer, "lease");
        const size_t n = array_length(field_array(lease, "devices"));
        struct text t = {0};

        text_addf(&t, "lease %" PRId64 ", %zu device%s", field_int_or(lease, "number", 0), n,
                  n == 1 ? "" : "s");
        print_fact(s, "released", text_get(&t));
        text_clear(&t);
        return EXIT_OK;
}

int command_lease(struct session *s, int n, char **arguments)
{
        struct json_object *parameters;

        if (refuse_offline(s) != EXIT_OK)
                return EXIT_USAGE;
        parameters = json_object_new_object();
        json_object_object_add(parameters, "functions", json_strings(n - 1, arguments + 1));
        wishes_add_hold(&s->wishes, parameters, arguments[0]);
        return session_show(s, "io.p2pd.TakeLease", parameters, show_held);
}

int command_renew(struct session *s, int n, char **arguments)
{
        struct json_object *parameters;

        (void)n;
        if (refuse_offline(s) != EXIT_OK)
                return EXIT_USAGE;
        parameters = json_object_new_object();
        json_object_object_add(parameters, "lease", json_object_new_string(arguments[0]));
        if (wishes_have(&s->wishes, WISH_FOR))
                json_object_object_add(parameters, "seconds",
                                       json_object_new_int64((int64_t)s->wishes.seconds));
        return session_show(s, "io.p2pd.RenewLease", parameters, show_held);
}

int command_release(struct session *s, int n, char **arguments)
{
        struct json_object *parameters;

        (void)n;
        if (refuse_offline(s) != EXIT_OK)
                return EXIT_USAGE;
        parameters = json_object_new_object();
        json_object_object_add(parameters, "lease", json_object_new_string(arguments[0]));
        return session_show(s, "io.p2pd.ReleaseLease", parameters, show_released);
}
