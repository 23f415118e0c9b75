/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "speak.h"

#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "fields.h"

#define LABEL_COLUMNS 12
#define QUIET_MSEC 60000
#define LOOK_UP_MAX 2048

void print_heading(const struct session *s, const char *heading)
{
        printf("\n%s%s%s\n", terminal_style(&s->terminal, STYLE_STRONG), heading,
               terminal_style(&s->terminal, STYLE_PLAIN));
}

void print_sentence(const struct session *s, size_t at, size_t indent, const char *sentence)
{
        struct text safe = {0}, wrapped = {0};

        text_add_safe(&safe, sentence, s->terminal.utf8);
        terminal_add_wrapped(&s->terminal, &wrapped, at, indent, text_get(&safe));
        puts(text_get(&wrapped));
        text_clear(&safe);
        text_clear(&wrapped);
}

void print_fact(const struct session *s, const char *label, const char *sentence)
{
        printf("%-*s", LABEL_COLUMNS, label);
        print_sentence(s, LABEL_COLUMNS, LABEL_COLUMNS, sentence);
}

const char *map_word(const char *map)
{
        return strcmp(map, "host_bridge") == 0 ? "host-bridge" : map;
}

struct json_object *ask_quietly(struct session *s, const char *method,
                                struct json_object *parameters)
{
        struct p2pd_reply *reply = NULL;
        struct json_object *answer = NULL;
        int r;

        r = p2pd_client_call_wait(s->client, method,
                                  parameters ? json_object_to_json_string(parameters) : NULL,
                                  QUIET_MSEC, &reply);
        json_object_put(parameters);
        if (r < 0)
                return NULL;
        if (p2pd_reply_get_errno(reply) == 0)
                answer = json_tokener_parse(p2pd_reply_get_parameters(reply, NULL));
        p2pd_reply_free(reply);
        return answer;
}

struct json_object *functions_look_up(struct session *s, struct json_object *addresses,
                                      struct json_object **ret_answer)
{
        struct json_object *parameters = must_have(json_object_new_object());
        struct json_object *seen = must_have(json_object_new_object());
        struct json_object *each = must_have(json_object_new_array());

        for (size_t i = 0; i < array_length(addresses); i++) {
                const char *address = array_string_at(addresses, i);

                if (json_object_object_get_ex(seen, address, NULL))
                        continue;
                json_object_object_add(seen, address, NULL);
                json_object_array_add(each, json_object_get(array_at(addresses, i)));
        }
        json_object_put(seen);
        *ret_answer = NULL;
        /* More than a call can carry are shown without names. */
        if (array_length(each) > LOOK_UP_MAX) {
                json_object_put(each);
                json_object_put(parameters);
                return NULL;
        }
        json_object_object_add(parameters, "functions", each);
        *ret_answer = ask_quietly(s, "io.p2pd.ListFunctions", parameters);
        return field_array(*ret_answer, "functions");
}

struct json_object *functions_find(struct json_object *functions, const char *address)
{
        for (size_t i = 0; i < array_length(functions); i++)
                if (strcmp(field_string_or(array_at(functions, i), "address", ""), address) == 0)
                        return array_at(functions, i);
        return NULL;
}

void describe_function(const struct session *s, struct text *out, struct json_object *functions,
                       const char *address)
{
        struct json_object *names = field_array(functions_find(functions, address), "names");

        text_add_safe(out, address, s->terminal.utf8);
        if (array_length(names) > 0) {
                text_add(out, " (");
                describe_names(&s->terminal, out, names, 2);
                text_add(out, ")");
        }
}

void describe_functions(const struct session *s, struct text *out, struct json_object *functions,
                        struct json_object *addresses, size_t max)
{
        size_t n = array_length(addresses);

        for (size_t i = 0; i < n; i++) {
                if (max > 0 && i == max && n > max + 1) {
                        text_addf(out, " and %zu more", n - max);
                        return;
                }
                text_add(out, i ? ", " : "");
                describe_function(s, out, functions, array_string_at(addresses, i));
        }
}
