/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "show-acs-plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "speak.h"
#include "table.h"

/* So many functions of a list are named; the rest is counted. --json has all. */
#define NAMED_MAX 8

struct plan {
        struct session *s;
        struct json_object *plan;
        struct json_object *functions; /* those that have names to show; may be NULL */
};

static enum style style_of_state(const char *state)
{
        if (strcmp(state, "already") == 0 || strcmp(state, "helped") == 0)
                return STYLE_GOOD;
        return strcmp(state, "unknown") == 0 ? STYLE_UNKNOWN : STYLE_BAD;
}

/* Why the plan does not help a pair: what decides with all cleared on its way that can be. */
static void add_why(struct table *table, struct json_object *pair, const char *state)
{
        const char *at = field_string(pair, "at");
        struct text t = {0};

        if (style_of_state(state) != STYLE_GOOD) {
                if (strcmp(state, "not-clearable") == 0)
                        text_add(&t, "a bit is set that its capability does not list");
                else
                        text_add(&t, field_string_or(field_object(pair, "after"), "reason", "?"));
                if (at)
                        text_addf(&t, ", at %s", at);
        }
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

static void add_map(struct table *table, struct json_object *pair, const char *when)
{
        const char *map = field_string_or(field_object(pair, when), "map", "unknown");

        table_add(table, style_of_map(map), map_word(map));
}

static void add_described(const struct plan *p, struct table *table, const char *address)
{
        struct text t = {0};

        describe_function(p->s, &t, p->functions, address);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

static void print_pairs(const struct plan *p)
{
        static const struct table_column columns[] = {
                {"PROVIDER"}, {"CLIENT"}, {"STATE"},
                {"BEFORE"},   {"AFTER"},  {"BECAUSE", .omit_empty = true, .cut = true},
        };
        struct json_object *pairs = field_array(p->plan, "pairs");
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &p->s->terminal);

        for (size_t i = 0; i < array_length(pairs); i++) {
                struct json_object *pair = array_at(pairs, i);
                const char *state = field_string_or(pair, "state", "unknown");

                add_described(p, table, field_string_or(pair, "provider", "?"));
                add_described(p, table, field_string_or(pair, "client", "?"));
                table_add(table, style_of_state(state), state);
                add_map(table, pair, "before");
                add_map(table, pair, "after");
                add_why(table, pair, state);
        }
        table_print(table, stdout);
        table_free(table);
}

static void add_bits(struct text *t, struct json_object *bits)
{
        for (size_t i = 0; i < array_length(bits); i++)
                text_addf(t, "%s%s", i ? " " : "", array_string_at(bits, i));
}

static void print_ports(const struct plan *p)
{
        static const struct table_column columns[] = {
                {"PORT"},
                {"CLEAR"},
                {"FOR PAIRS", .right = true},
                {"PATH", .dispensable = 1},
        };
        struct json_object *ports = field_array(p->plan, "ports");
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &p->s->terminal);
        char heading[96];

        snprintf(heading, sizeof(heading), "Ports to change: %zu, ACS bits to clear: %" PRId64,
                 array_length(ports), field_int_or(p->plan, "bits", 0));
        print_heading(p->s, heading);
        for (size_t i = 0; i < array_length(ports); i++) {
                struct json_object *port = array_at(ports, i);
                struct text t = {0};

                table_add(table, STYLE_STRONG, field_string_or(port, "function", "?"));
                add_bits(&t, field_array(port, "clear"));
                table_add(table, STYLE_CAUTION, text_get(&t));
                text_reset(&t);
                text_addf(&t, "%" PRId64, field_int_or(port, "pairs", 0));
                table_add(table, STYLE_PLAIN, text_get(&t));
                table_add(table, STYLE_PLAIN, field_string_or(port, "path", "?"));
                text_clear(&t);
        }
        table_print(table, stdout);
        table_free(table);
}

static void print_bullet(const struct plan *p, const struct text *t)
{
        fputs("  - ", stdout);
        print_sentence(p->s, 4, 4, text_get(t));
}

static void print_merge(const struct plan *p, struct json_object *merge)
{
        struct json_object *groups = field_array(merge, "groups");
        struct json_object *functions = field_array(merge, "functions");
        struct text t = {0};

        text_add(&t, "IOMMU groups ");
        for (size_t i = 0; i < array_length(groups); i++)
                text_addf(&t, "%s%" PRId64,
                          i == 0                          ? ""
                          : i + 1 == array_length(groups) ? " and "
                                                          : ", ",
                          json_object_get_int64(array_at(groups, i)));
        text_addf(&t,
                  " become one with the next boot, by %s: ", field_string_or(merge, "port", "?"));
        describe_functions(p->s, &t, p->functions, functions, NAMED_MAX);
        text_add(&t, " can then only be given away together");
        print_bullet(p, &t);
        text_clear(&t);
}

static void add_virtual(struct text *t, int64_t n)
{
        if (n > 0)
                text_addf(t, " (and %" PRId64 " virtual function%s)", n, n == 1 ? "" : "s");
}

static void print_exposure(const struct plan *p, struct json_object *e)
{
        struct json_object *from = field_array(e, "from"), *to = field_array(e, "to");
        struct text t = {0};

        text_addf(&t, "by %s: ", field_string_or(e, "port", "?"));
        describe_functions(p->s, &t, p->functions, from, NAMED_MAX);
        add_virtual(&t, field_int_or(e, "from_virtual", 0));
        if (field_is_true(e, "among")) {
                text_add(&t, " can reach each other past the IOMMU");
        } else {
                text_add(&t, " can reach, past the IOMMU, ");
                describe_functions(p->s, &t, p->functions, to, NAMED_MAX);
                add_virtual(&t, field_int_or(e, "to_virtual", 0));
        }
        if (field_is_true(e, "root_port"))
                text_add(&t, ", if the root complex carries it, which is not known");
        print_bullet(p, &t);
        text_clear(&t);
}

static void print_given_up(const struct plan *p)
{
        struct json_object *merges = field_array(p->plan, "merges");
        struct json_object *exposures = field_array(p->plan, "exposures");
        struct text t = {0};

        print_heading(p->s, "Isolation that this gives up");
        for (size_t i = 0; i < array_length(exposures); i++)
                print_exposure(p, array_at(exposures, i));
        for (size_t i = 0; i < array_length(merges); i++)
                print_merge(p, array_at(merges, i));
        if (array_length(exposures) == 0) {
                text_add(&t, "no function reaches others past the IOMMU that it does not reach so"
                             " now: nothing else enters where these ports do, or only answers"
                             " are redirected less");
                print_bullet(p, &t);
                text_reset(&t);
        }
        if (!field_is_true(p->plan, "groups_known"))
                text_add(&t, "which IOMMU groups merge cannot be told: no groups are known");
        else if (array_length(merges) == 0)
                text_add(&t, "no IOMMU groups merge for certain");
        if (t.length > 0)
                print_bullet(p, &t);
        text_clear(&t);
}

/* The lines of one kind: never broken, they are there to be copied. */
static void print_commands(const struct plan *p, const char *kind, const char *heading)
{
        struct json_object *commands = field_array(p->plan, "commands");
        bool first = true;

        for (size_t i = 0; i < array_length(commands); i++) {
                struct json_object *command = array_at(commands, i);
                struct text safe = {0};

                if (strcmp(field_string_or(command, "kind", ""), kind) != 0)
                        continue;
                if (first)
                        print_heading(p->s, heading);
                first = false;
                text_add_safe(&safe, field_string_or(command, "text", ""), p->s->terminal.utf8);
                puts(text_get(&safe));
                text_clear(&safe);
        }
}

static void print_all_commands(const struct plan *p)
{
        const char *parameter = field_string(p->plan, "parameter");
        struct text safe = {0};

        print_commands(p, "setpci", "Now, until the next reset (as root)");
        print_commands(p, "setpci-undo", "To undo that");
        if (!parameter)
                return;
        print_heading(p->s, "Kernel parameter");
        text_add_safe(&safe, parameter, p->s->terminal.utf8);
        puts(text_get(&safe));
        text_clear(&safe);
        print_commands(p, "grub-debian", "For every boot: Debian, Ubuntu with GRUB (as root)");
        print_commands(p, "grub-debian-undo", "To undo that, from the next boot on");
        print_commands(p, "grub-redhat",
                       "For every boot: Red Hat, Fedora, SUSE with grubby (as root)");
        print_commands(p, "grub-redhat-undo", "To undo that, from the next boot on");
        print_commands(p, "systemd-boot", "For every boot: systemd-boot (as root)");
        print_commands(p, "systemd-boot-undo", "To undo that, from the next boot on");
}

static void print_notes(const struct plan *p)
{
        struct json_object *notes = field_array(p->plan, "notes");

        if (array_length(notes) == 0)
                return;
        print_heading(p->s, "Before use");
        for (size_t i = 0; i < array_length(notes); i++) {
                struct text t = {0};

                text_add(&t, array_string_at(notes, i));
                print_bullet(p, &t);
                text_clear(&t);
        }
}

static void add_first(struct json_object *to, struct json_object *from)
{
        for (size_t i = 0; i < array_length(from) && i < NAMED_MAX + 1; i++)
                json_object_array_add(to, json_object_get(array_at(from, i)));
}

/* Everything that is shown with its names. */
static struct json_object *look_up(struct plan *p)
{
        struct json_object *addresses = must_have(json_object_new_array()), *answer;
        struct json_object *pairs = field_array(p->plan, "pairs");
        struct json_object *merges = field_array(p->plan, "merges");
        struct json_object *exposures = field_array(p->plan, "exposures");

        for (size_t i = 0; i < array_length(pairs); i++) {
                json_object_array_add(addresses,
                                      json_object_get(field(array_at(pairs, i), "provider")));
                json_object_array_add(addresses,
                                      json_object_get(field(array_at(pairs, i), "client")));
        }
        for (size_t i = 0; i < array_length(merges); i++)
                add_first(addresses, field_array(array_at(merges, i), "functions"));
        for (size_t i = 0; i < array_length(exposures); i++) {
                add_first(addresses, field_array(array_at(exposures, i), "from"));
                add_first(addresses, field_array(array_at(exposures, i), "to"));
        }
        p->functions = functions_look_up(p->s, addresses, &answer);
        json_object_put(addresses);
        return answer;
}

static void print_outcome(const struct plan *p)
{
        struct json_object *pairs = field_array(p->plan, "pairs");
        size_t n_bus = 0;

        for (size_t i = 0; i < array_length(pairs); i++)
                n_bus += style_of_state(field_string_or(array_at(pairs, i), "state", "unknown")) ==
                         STYLE_GOOD;
        printf("\n%zu of %zu pairs are bus %s. p2pd and p2pctl change nothing themselves.\n", n_bus,
               array_length(pairs),
               array_length(field_array(p->plan, "ports")) > 0 ? "with this plan"
                                                               : "as things are; nothing to do");
}

void show_acs_plan(struct session *s, struct json_object *plan)
{
        struct plan p = {.s = s, .plan = plan};
        struct json_object *answer;

        if (array_length(field_array(plan, "pairs")) == 0) {
                puts("No pairs: there is no GPU with a NIC below a common bridge. Name the pairs:"
                     "\np2pctl acs plan PROVIDER CLIENT [PROVIDER CLIENT]...");
                return;
        }
        answer = look_up(&p);
        print_pairs(&p);
        print_outcome(&p);
        if (array_length(field_array(plan, "ports")) > 0) {
                print_ports(&p);
                print_given_up(&p);
                print_all_commands(&p);
        }
        print_notes(&p);
        json_object_put(answer);
}
