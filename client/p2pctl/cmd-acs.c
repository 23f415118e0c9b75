/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "show-acs-plan.h"
#include "speak.h"
#include "table.h"

/* acs plan, acs verify: what to change for pairs to become bus, and whether the kernel did. */

static int exit_code_of_plan(struct json_object *plan)
{
        struct json_object *pairs = field_array(plan, "pairs");
        int code = array_length(pairs) > 0 ? EXIT_OK : EXIT_UNKNOWN;

        for (size_t i = 0; i < array_length(pairs); i++) {
                const char *state = field_string_or(array_at(pairs, i), "state", "unknown");

                if (strcmp(state, "unknown") == 0 && code == EXIT_OK)
                        code = EXIT_UNKNOWN;
                else if (strcmp(state, "beyond-acs") == 0 || strcmp(state, "not-clearable") == 0)
                        code = EXIT_FAILED;
        }
        return code;
}

static int plan(struct session *s, int n, char **arguments)
{
        struct json_object *parameters, *answer, *pairs;
        int r;

        if (n % 2 != 0) {
                fputs("p2pctl: acs plan takes pairs: PROVIDER CLIENT, and again\n", stderr);
                return EXIT_USAGE;
        }
        parameters = session_parameters(s);
        if (n > 0) {
                pairs = must_have(json_object_new_array());
                for (int i = 0; i < n; i += 2) {
                        struct json_object *pair = must_have(json_object_new_object());

                        json_object_object_add(pair, "provider",
                                               json_object_new_string(arguments[i]));
                        json_object_object_add(pair, "client",
                                               json_object_new_string(arguments[i + 1]));
                        json_object_array_add(pairs, pair);
                }
                json_object_object_add(parameters, "pairs", pairs);
        }
        if (wishes_have(&s->wishes, WISH_ONE_WAY))
                json_object_object_add(parameters, "both_directions", json_object_new_boolean(0));
        if (session_ask(s, "io.p2pd.PlanAcs", parameters, &answer) < 0)
                return EXIT_FAILED;
        if (s->json)
                session_print_json(s, answer);
        else
                show_acs_plan(s, field_object(answer, "plan"));
        r = exit_code_of_plan(field_object(answer, "plan"));
        json_object_put(answer);
        return r;
}

static enum style style_of_effect(const char *effect)
{
        if (strcmp(effect, "took-effect") == 0)
                return STYLE_GOOD;
        if (strcmp(effect, "unknown") == 0)
                return STYLE_UNKNOWN;
        return strcmp(effect, "not-reached") == 0 ? STYLE_FAINT : STYLE_BAD;
}

/* "effect     sentence", in from the left. */
static void print_effect(const struct session *s, const char *effect, const char *reason)
{
        printf("    %s%-14s%s  ", terminal_style(&s->terminal, style_of_effect(effect)), effect,
               terminal_style(&s->terminal, STYLE_PLAIN));
        print_sentence(s, 20, 20, reason);
}

static void print_entry(const struct session *s, struct json_object *entry)
{
        static const struct table_column columns[] = {
                {"    PORT"},
                {"EFFECT"},
                {"TO SET", .omit_empty = true},
                {"TO CLEAR", .omit_empty = true},
                {"CONTROL", .omit_empty = true},
                {"BECAUSE", .dispensable = 1, .cut = true},
        };
        struct json_object *ports = field_array(entry, "ports");
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);
        struct text t = {0};

        text_addf(&t, "pci=%s=", field_string_or(entry, "parameter", "?"));
        text_add_safe(&t, field_string_or(entry, "text", "?"), s->terminal.utf8);
        print_heading(s, text_get(&t));
        print_effect(s, field_string_or(entry, "effect", "unknown"),
                     field_string_or(entry, "reason", "?"));
        for (size_t i = 0; i < array_length(ports); i++) {
                struct json_object *port = array_at(ports, i);
                const char *effect = field_string_or(port, "effect", "unknown");

                text_reset(&t);
                text_addf(&t, "    %s", field_string_or(port, "function", "?"));
                table_add(table, STYLE_STRONG, text_get(&t));
                table_add(table, style_of_effect(effect), effect);
                for (int which = 0; which < 2; which++) {
                        struct json_object *bits =
                                field_array(port, which ? "want_clear" : "want_set");

                        text_reset(&t);
                        for (size_t b = 0; b < array_length(bits); b++)
                                text_addf(&t, "%s%s", b ? " " : "", array_string_at(bits, b));
                        table_add(table, STYLE_PLAIN, text_get(&t));
                }
                table_add(table, STYLE_PLAIN, field_string_or(port, "control", "-"));
                table_add(table, STYLE_PLAIN, field_string_or(port, "reason", ""));
        }
        if (array_length(ports) > 0)
                table_print(table, stdout);
        table_free(table);
        text_clear(&t);
}

static int exit_code_of_verification(struct json_object *v)
{
        const char *effect = field_string_or(v, "effect", "unknown");

        if (strcmp(effect, "took-effect") == 0)
                return EXIT_OK;
        return strcmp(effect, "unknown") == 0 ? EXIT_UNKNOWN : EXIT_FAILED;
}

static void print_result(const struct session *s, struct json_object *v)
{
        const char *effect = field_string_or(v, "effect", "unknown");
        size_t n = array_length(field_array(v, "entries"));
        struct text t = {0};

        if (!field_is_true(v, "command_line_known"))
                text_add(&t, "the kernel's command line is not known: there is nothing to hold the"
                             " registers against");
        else if (n == 0)
                text_add(&t, "no pci=disable_acs_redir= or pci=config_acs= is on the kernel's"
                             " command line");
        else if (strcmp(effect, "took-effect") == 0)
                text_addf(&t, "%zu of %zu entries took effect", n, n);
        else
                text_addf(&t,
                          "not every entry took effect; ports that are not as was asked: %" PRId64,
                          field_int_or(v, "differing", 0));
        printf("%s%s%s: ", terminal_style(&s->terminal, style_of_effect(effect)), effect,
               terminal_style(&s->terminal, STYLE_PLAIN));
        print_sentence(s, strlen(effect) + 2, 0, text_get(&t));
        text_clear(&t);
}

static int show_verification(struct session *s, struct json_object *answer)
{
        struct json_object *v = field_object(answer, "verification");
        struct json_object *entries = field_array(v, "entries"), *notes = field_array(v, "notes");

        print_result(s, v);
        for (size_t i = 0; i < array_length(entries); i++)
                print_entry(s, array_at(entries, i));
        if (array_length(notes) > 0)
                print_heading(s, "Also");
        for (size_t i = 0; i < array_length(notes); i++) {
                fputs("  - ", stdout);
                print_sentence(s, 4, 4, array_string_at(notes, i));
        }
        return exit_code_of_verification(v);
}

static int verify(struct session *s, int n)
{
        struct json_object *answer;
        int r;

        if (n > 0 || wishes_have(&s->wishes, WISH_ONE_WAY)) {
                fputs("p2pctl: acs verify takes no arguments: it looks at the whole command line\n",
                      stderr);
                return EXIT_USAGE;
        }
        if (session_ask(s, "io.p2pd.VerifyAcs", NULL, &answer) < 0)
                return EXIT_FAILED;
        if (s->json) {
                session_print_json(s, answer);
                r = exit_code_of_verification(field_object(answer, "verification"));
        } else {
                r = show_verification(s, answer);
        }
        json_object_put(answer);
        return r;
}

int command_acs(struct session *s, int n, char **arguments)
{
        if (strcmp(arguments[0], "plan") == 0)
                return plan(s, n - 1, arguments + 1);
        if (strcmp(arguments[0], "verify") == 0)
                return verify(s, n - 1);
        fprintf(stderr, "p2pctl: acs plan or acs verify, not acs %s\nTry `p2pctl --help`.\n",
                arguments[0]);
        return EXIT_USAGE;
}
