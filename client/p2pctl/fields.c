/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fields.h"

#include <string.h>

#include "number.h"

struct json_object *field(struct json_object *object, const char *name)
{
        struct json_object *value = NULL;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, name, &value))
                return NULL;
        return value;
}

struct json_object *field_array(struct json_object *object, const char *name)
{
        struct json_object *value = field(object, name);

        return json_object_is_type(value, json_type_array) ? value : NULL;
}

struct json_object *field_object(struct json_object *object, const char *name)
{
        struct json_object *value = field(object, name);

        return json_object_is_type(value, json_type_object) ? value : NULL;
}

const char *field_string(struct json_object *object, const char *name)
{
        struct json_object *value = field(object, name);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

const char *field_string_or(struct json_object *object, const char *name, const char *otherwise)
{
        const char *string = field_string(object, name);

        return string ? string : otherwise;
}

bool field_int(struct json_object *object, const char *name, int64_t *ret)
{
        struct json_object *value = field(object, name);

        if (!json_object_is_type(value, json_type_int))
                return false;
        *ret = json_object_get_int64(value);
        return true;
}

bool field_hex(struct json_object *object, const char *name, uint64_t *ret)
{
        const char *string = field_string(object, name);

        return string && strncmp(string, "0x", 2) == 0 && number_parse(string, ret) == 0;
}

int64_t field_int_or(struct json_object *object, const char *name, int64_t otherwise)
{
        int64_t v;

        return field_int(object, name, &v) ? v : otherwise;
}

bool field_is_true(struct json_object *object, const char *name)
{
        return field_truth(object, name) == 1;
}

int field_truth(struct json_object *object, const char *name)
{
        struct json_object *value = field(object, name);

        if (!json_object_is_type(value, json_type_boolean))
                return -1;
        return json_object_get_boolean(value) ? 1 : 0;
}

size_t array_length(struct json_object *array)
{
        return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *array_at(struct json_object *array, size_t i)
{
        return json_object_array_get_idx(array, i);
}

const char *array_string_at(struct json_object *array, size_t i)
{
        struct json_object *value = json_object_array_get_idx(array, i);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}
