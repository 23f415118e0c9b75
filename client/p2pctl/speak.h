/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers in sentences, under headings. */

#include <stddef.h>

#include "session.h"
#include "text.h"

/* An empty line, then the heading in a line of its own. */
void print_heading(const struct session *s, const char *heading);

/* A sentence in lines, behind what the caller printed in at columns; lines after the first begin
 * with indent spaces. What a terminal would act upon is escaped. */
void print_sentence(const struct session *s, size_t at, size_t indent, const char *sentence);

/* "label        sentence", for answers in two columns. */
void print_fact(const struct session *s, const char *label, const char *sentence);

/* A map of the protocol as it is printed: "host-bridge". */
const char *map_word(const char *map);

/* Asks without a word when it fails: NULL. For what only adds to an answer. parameters is used up;
 * the answer is to be put. */
struct json_object *ask_quietly(struct session *s, const char *method,
                                struct json_object *parameters);

/* The functions (array of Function) of these addresses (array of strings, not used up), inside of
 * *ret_answer, which is to be put. NULL if they cannot be had: one of them may have gone, or they
 * are more than 2048. */
struct json_object *functions_look_up(struct session *s, struct json_object *addresses,
                                      struct json_object **ret_answer);

/* The one of that address, or NULL. */
struct json_object *functions_find(struct json_object *functions, const char *address);

/* "0000:03:00.0 (nvme0)" */
void describe_function(const struct session *s, struct text *out, struct json_object *functions,
                       const char *address);

/* The same for each of an array of addresses, up to max, with a count of the rest; 0: all. */
void describe_functions(const struct session *s, struct text *out, struct json_object *functions,
                        struct json_object *addresses, size_t max);
