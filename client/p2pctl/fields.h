/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes replies apart. A member that is missing, null or of another type reads as "not there":
 * what is not known is never made up here. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* The member, or NULL. */
struct json_object *field(struct json_object *object, const char *name);

/* The member as an array or object; NULL if it is none. */
struct json_object *field_array(struct json_object *object, const char *name);
struct json_object *field_object(struct json_object *object, const char *name);

/* The member's text, or NULL; and with something else in place of NULL. */
const char *field_string(struct json_object *object, const char *name);
const char *field_string_or(struct json_object *object, const char *name, const char *otherwise);

/* True and *ret if the member is an integer, or a string of "0x" and hexadecimal digits. */
bool field_int(struct json_object *object, const char *name, int64_t *ret);
bool field_hex(struct json_object *object, const char *name, uint64_t *ret);

/* The integer, or otherwise. */
int64_t field_int_or(struct json_object *object, const char *name, int64_t otherwise);

/* True only if the member is true. */
bool field_is_true(struct json_object *object, const char *name);

/* 1 true, 0 false, -1 not there. */
int field_truth(struct json_object *object, const char *name);

/* Elements of an array (0 for NULL), and one of them. */
size_t array_length(struct json_object *array);
struct json_object *array_at(struct json_object *array, size_t i);
const char *array_string_at(struct json_object *array, size_t i);

static inline void json_object_putp(struct json_object **object)
{
        json_object_put(*object);
}
