/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reads a Varlink interface definition (varlink.org, Interface-Definition) and holds JSON values
 * against its types, as strictly as it can be read: no member that is not in the definition, none
 * missing that is not marked with "?".
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum idl_kind {
        IDL_BOOL,
        IDL_INT,
        IDL_FLOAT,
        IDL_STRING,
        IDL_OBJECT, /* of any content */
        IDL_NAMED,
        IDL_STRUCT,
        IDL_ENUM,
        IDL_ARRAY,
        IDL_MAP,
        IDL_OPTIONAL,
};

struct idl_type {
        enum idl_kind kind;
        char *name;              /* of a NAMED one */
        struct idl_type *inner;  /* of ARRAY, MAP, OPTIONAL */
        char **names;            /* fields of a STRUCT, values of an ENUM */
        struct idl_type **types; /* of the fields */
        size_t n;
};

enum idl_member_kind { IDL_TYPE, IDL_METHOD, IDL_ERROR };

struct idl_member {
        enum idl_member_kind kind;
        char *name;
        struct idl_type *type; /* of a type or error; what a method takes */
        struct idl_type *out;  /* what a method gives */
        bool documented;       /* a comment stands before it */
};

struct idl {
        char *name;
        struct idl_member *members;
        size_t n_members;
};

/* NULL, with the place in *ret_error_at, if the text is no interface definition: grammar, names,
 * and that every named type exists and no member exists twice. */
struct idl *idl_parse(const char *text, const char **ret_error_at);
struct idl *idl_free(struct idl *idl);

const struct idl_member *idl_find(const struct idl *idl, enum idl_member_kind kind,
                                  const char *name);

/* NULL: the value is of this type; otherwise what is wrong and where, to be freed. */
char *idl_check(const struct idl *idl, const struct idl_type *type, json_object *value);
