/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-idl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
        const char *at;
        bool comment; /* the space that was passed last held one */
        bool failed;
};

static void *must(void *memory)
{
        if (!memory)
                abort();
        return memory;
}

static void skip(struct cursor *c)
{
        c->comment = false;
        for (;;) {
                if (*c->at == '#') {
                        c->comment = true;
                        c->at += strcspn(c->at, "\n");
                } else if (*c->at && strchr(" \t\r\n", *c->at)) {
                        c->at++;
                } else {
                        return;
                }
        }
}

static bool take(struct cursor *c, const char *token)
{
        skip(c);
        if (strncmp(c->at, token, strlen(token)) != 0)
                return false;
        c->at += strlen(token);
        return true;
}

static bool take_word(struct cursor *c, const char *word)
{
        struct cursor before = *c;

        if (take(c, word) && !isalnum((unsigned char)*c->at) && *c->at != '_')
                return true;
        *c = before;
        return false;
}

static void expect(struct cursor *c, const char *token)
{
        if (!c->failed && !take(c, token))
                c->failed = true;
}

/* [A-Z][A-Za-z0-9]* */
static char *take_type_name(struct cursor *c)
{
        const char *start;

        skip(c);
        start = c->at;
        if (!isupper((unsigned char)*c->at)) {
                c->failed = true;
                return must(strdup(""));
        }
        while (isalnum((unsigned char)*c->at))
                c->at++;
        return must(strndup(start, (size_t)(c->at - start)));
}

/* [A-Za-z](_?[A-Za-z0-9])* */
static char *take_field_name(struct cursor *c)
{
        const char *start;

        skip(c);
        start = c->at;
        if (!isalpha((unsigned char)*c->at)) {
                c->failed = true;
                return must(strdup(""));
        }
        while (isalnum((unsigned char)*c->at) ||
               (*c->at == '_' && isalnum((unsigned char)c->at[1])))
                c->at++;
        return must(strndup(start, (size_t)(c->at - start)));
}

static struct idl_type *take_type(struct cursor *c);

static struct idl_type *new_type(enum idl_kind kind)
{
        struct idl_type *type = must(calloc(1, sizeof(*type)));

        type->kind = kind;
        return type;
}

/* What stands in parentheses: a struct if a colon follows the first name (or nothing is there),
 * otherwise an enum. */
static struct idl_type *take_struct_or_enum(struct cursor *c)
{
        struct idl_type *type = new_type(IDL_STRUCT);

        expect(c, "(");
        if (take(c, ")"))
                return type;
        while (!c->failed) {
                bool has_type;

                type->names = must(realloc(type->names, (type->n + 1) * sizeof(*type->names)));
                type->types = must(realloc(type->types, (type->n + 1) * sizeof(*type->types)));
                type->types[type->n] = NULL;
                type->names[type->n++] = take_field_name(c);
                has_type = take(c, ":");
                if (type->n == 1 && !has_type)
                        type->kind = IDL_ENUM;
                if (has_type != (type->kind == IDL_STRUCT))
                        c->failed = true;
                if (has_type)
                        type->types[type->n - 1] = take_type(c);
                if (take(c, ")"))
                        break;
                expect(c, ",");
        }
        for (size_t i = 0; i < type->n; i++)
                for (size_t k = 0; k < i; k++)
                        if (strcmp(type->names[i], type->names[k]) == 0)
                                c->failed = true;
        return type;
}

static struct idl_type *take_inner(struct cursor *c, enum idl_kind kind)
{
        struct idl_type *type = new_type(kind);

        type->inner = take_type(c);
        if (kind == IDL_OPTIONAL && type->inner->kind == IDL_OPTIONAL)
                c->failed = true;
        return type;
}

static struct idl_type *take_type(struct cursor *c)
{
        static const struct {
                const char *word;
                enum idl_kind kind;
        } simple[] = {{"bool", IDL_BOOL},
                      {"int", IDL_INT},
                      {"float", IDL_FLOAT},
                      {"string", IDL_STRING},
                      {"object", IDL_OBJECT}};
        struct idl_type *type;

        if (take(c, "?"))
                return take_inner(c, IDL_OPTIONAL);
        if (take(c, "[string]"))
                return take_inner(c, IDL_MAP);
        if (take(c, "[]"))
                return take_inner(c, IDL_ARRAY);
        for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
                if (take_word(c, simple[i].word))
                        return new_type(simple[i].kind);
        skip(c);
        if (*c->at == '(')
                return take_struct_or_enum(c);
        type = new_type(IDL_NAMED);
        type->name = take_type_name(c);
        return type;
}

static struct idl_type *free_type(struct idl_type *type)
{
        if (!type)
                return NULL;
        free(type->name);
        free_type(type->inner);
        for (size_t i = 0; i < type->n; i++) {
                free(type->names[i]);
                free_type(type->types[i]);
        }
        free(type->names);
        free(type->types);
        free(type);
        return NULL;
}

static bool take_member(struct cursor *c, struct idl_member *member)
{
        skip(c);
        member->documented = c->comment;
        if (take_word(c, "type"))
                member->kind = IDL_TYPE;
        else if (take_word(c, "method"))
                member->kind = IDL_METHOD;
        else if (take_word(c, "error"))
                member->kind = IDL_ERROR;
        else
                return false;
        member->name = take_type_name(c);
        member->type = take_struct_or_enum(c);
        if (member->kind != IDL_TYPE && member->type->kind != IDL_STRUCT)
                c->failed = true;
        if (member->kind == IDL_METHOD) {
                expect(c, "->");
                member->out = take_struct_or_enum(c);
                if (member->out->kind != IDL_STRUCT)
                        c->failed = true;
        }
        return true;
}

static bool names_exist(const struct idl *idl, const struct idl_type *type)
{
        if (!type)
                return true;
        if (type->kind == IDL_NAMED && !idl_find(idl, IDL_TYPE, type->name))
                return false;
        for (size_t i = 0; i < type->n; i++)
                if (!names_exist(idl, type->types[i]))
                        return false;
        return names_exist(idl, type->inner);
}

static bool is_consistent(const struct idl *idl)
{
        for (size_t i = 0; i < idl->n_members; i++) {
                const struct idl_member *member = &idl->members[i];

                if (!names_exist(idl, member->type) || !names_exist(idl, member->out))
                        return false;
                for (size_t k = 0; k < i; k++)
                        if (strcmp(member->name, idl->members[k].name) == 0)
                                return false;
        }
        return true;
}

struct idl *idl_parse(const char *text, const char **ret_error_at)
{
        struct idl *idl = must(calloc(1, sizeof(*idl)));
        struct cursor c = {.at = text};
        const char *start;

        if (!take_word(&c, "interface"))
                c.failed = true;
        skip(&c);
        start = c.at;
        while (islower((unsigned char)*c.at) || isdigit((unsigned char)*c.at) || *c.at == '.' ||
               *c.at == '-')
                c.at++;
        idl->name = must(strndup(start, (size_t)(c.at - start)));
        if (!strchr(idl->name, '.'))
                c.failed = true;
        while (!c.failed) {
                struct idl_member member = {0};

                if (!take_member(&c, &member))
                        break;
                idl->members =
                        must(realloc(idl->members, (idl->n_members + 1) * sizeof(*idl->members)));
                idl->members[idl->n_members++] = member;
        }
        skip(&c);
        if (c.failed || *c.at || !is_consistent(idl)) {
                *ret_error_at = c.at;
                return idl_free(idl);
        }
        return idl;
}

struct idl *idl_free(struct idl *idl)
{
        if (!idl)
                return NULL;
        for (size_t i = 0; i < idl->n_members; i++) {
                free(idl->members[i].name);
                free_type(idl->members[i].type);
                free_type(idl->members[i].out);
        }
        free(idl->members);
        free(idl->name);
        free(idl);
        return NULL;
}

const struct idl_member *idl_find(const struct idl *idl, enum idl_member_kind kind,
                                  const char *name)
{
        for (size_t i = 0; i < idl->n_members; i++)
                if (idl->members[i].kind == kind && strcmp(idl->members[i].name, name) == 0)
                        return &idl->members[i];
        return NULL;
}

static char *wrong(json_object *value, const char *expected)
{
        char *text;

        if (asprintf(&text, ": %s expected: %.200s", expected, json_object_to_json_string(value)) <
            0)
                abort();
        return text;
}

/* Puts the place before the message. */
static char *at(const char *place, char *message)
{
        char *text;

        if (!message)
                return NULL;
        if (asprintf(&text, ".%s%s", place, message) < 0)
                abort();
        free(message);
        return text;
}

static char *check_struct(const struct idl *idl, const struct idl_type *type, json_object *value)
{
        if (!json_object_is_type(value, json_type_object))
                return wrong(value, "struct");
        json_object_object_foreach(value, key, unused)
        {
                size_t i = 0;

                (void)unused;
                while (i < type->n && strcmp(type->names[i], key) != 0)
                        i++;
                if (i == type->n)
                        return at(key, wrong(value, "no such member"));
        }
        for (size_t i = 0; i < type->n; i++) {
                json_object *member = NULL;
                char *message;

                if (!json_object_object_get_ex(value, type->names[i], &member) &&
                    type->types[i]->kind != IDL_OPTIONAL)
                        return at(type->names[i], wrong(value, "a value"));
                message = idl_check(idl, type->types[i], member);
                if (message)
                        return at(type->names[i], message);
        }
        return NULL;
}

static char *check_container(const struct idl *idl, const struct idl_type *type, json_object *value)
{
        if (type->kind == IDL_ARRAY) {
                if (!json_object_is_type(value, json_type_array))
                        return wrong(value, "array");
                for (size_t i = 0; i < json_object_array_length(value); i++) {
                        char *message =
                                idl_check(idl, type->inner, json_object_array_get_idx(value, i));

                        if (message)
                                return at("[]", message);
                }
                return NULL;
        }
        if (!json_object_is_type(value, json_type_object))
                return wrong(value, "map");
        json_object_object_foreach(value, key, element)
        {
                char *message = idl_check(idl, type->inner, element);

                if (message)
                        return at(key, message);
        }
        return NULL;
}

static char *check_enum(const struct idl_type *type, json_object *value)
{
        if (json_object_is_type(value, json_type_string))
                for (size_t i = 0; i < type->n; i++)
                        if (strcmp(json_object_get_string(value), type->names[i]) == 0)
                                return NULL;
        return wrong(value, "one of the enum's values");
}

char *idl_check(const struct idl *idl, const struct idl_type *type, json_object *value)
{
        switch (type->kind) {
        case IDL_BOOL:
                return json_object_is_type(value, json_type_boolean) ? NULL : wrong(value, "bool");
        case IDL_INT:
                return json_object_is_type(value, json_type_int) ? NULL : wrong(value, "int");
        case IDL_FLOAT:
                return json_object_is_type(value, json_type_double) ? NULL : wrong(value, "float");
        case IDL_STRING:
                return json_object_is_type(value, json_type_string) ? NULL : wrong(value, "string");
        case IDL_OBJECT:
                return json_object_is_type(value, json_type_object) ? NULL : wrong(value, "object");
        case IDL_NAMED:
                return idl_check(idl, idl_find(idl, IDL_TYPE, type->name)->type, value);
        case IDL_STRUCT:
                return check_struct(idl, type, value);
        case IDL_ENUM:
                return check_enum(type, value);
        case IDL_ARRAY:
        case IDL_MAP:
                return check_container(idl, type, value);
        case IDL_OPTIONAL:
                return value ? idl_check(idl, type->inner, value) : NULL;
        }
        abort();
}
