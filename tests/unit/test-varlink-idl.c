/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The interface files that are embedded: they parse, and say what the tables of methods and errors
 * say. And the checker itself refuses what it should. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/interface-text.h"
#include "serve/json-writer.h"
#include "serve/methods.h"
#include "serve/refusal.h"
#include "varlink-idl.h"

static struct idl *parse(const char *text)
{
        const char *where = NULL;
        struct idl *idl = idl_parse(text, &where);

        if (!idl)
                fail_msg("no interface definition from here: %.60s", where);
        return idl;
}

static void test_methods_match(void **state)
{
        const struct p2pd_interface *interfaces;
        size_t n, n_methods;

        (void)state;
        interfaces = p2pd_interfaces(&n);
        assert_int_equal(n, 2);
        for (size_t i = 0; i < n; i++) {
                struct idl *idl = parse(interfaces[i].description);

                assert_string_equal(idl->name, interfaces[i].name);
                n_methods = 0;
                for (size_t k = 0; k < idl->n_members; k++) {
                        assert_true(idl->members[k].documented);
                        if (idl->members[k].kind != IDL_METHOD)
                                continue;
                        n_methods++;
                        assert_non_null(
                                p2pd_method_find(&interfaces[i], p2pd_text(idl->members[k].name)));
                }
                assert_int_equal(n_methods, interfaces[i].n_methods);
                idl_free(idl);
        }
}

/* Writes every refusal with values, and holds it against the error's definition. */
static void test_errors_match(void **state)
{
        struct idl *own = parse(p2pd_interface_text_io_p2pd);
        struct idl *service = parse(p2pd_interface_text_org_varlink_service);
        size_t n_errors = 0;

        (void)state;
        for (enum p2pd_refused kind = 0; kind < P2PD_REFUSED_MAX; kind++) {
                const struct p2pd_text texts[] = {{"\"\\\n\x01\xff\0z", 7}, {"b", 1}};
                const struct p2pd_refusal_value value = {
                        .text = texts[0],
                        .texts = texts,
                        .n_texts = 2,
                        .number = INT64_MAX,
                };
                const struct p2pd_refusal_value values[P2PD_REFUSAL_PARAMETERS_MAX] = {
                        value, value, value, value, value, value};
                const struct idl_member *error;
                struct p2pd_buffer buffer = {0};
                struct p2pd_writer w = p2pd_writer(&buffer);
                json_object *reply, *parameters;
                const char *name, *dot;
                struct idl *idl;
                char *message;

                p2pd_refusal_write(&w, kind, values);
                assert_false(w.failed);
                assert_int_equal(p2pd_buffer_bytes(&buffer)[p2pd_buffer_size(&buffer) - 1], 0);
                assert_int_equal(strlen(p2pd_buffer_bytes(&buffer)) + 1, p2pd_buffer_size(&buffer));
                reply = json_tokener_parse(p2pd_buffer_bytes(&buffer));
                assert_non_null(reply);
                assert_int_equal(json_object_object_length(reply), 2);
                name = json_object_get_string(json_object_object_get(reply, "error"));
                assert_string_equal(name, p2pd_refusal_get(kind)->error);
                dot = strrchr(name, '.');
                idl = strncmp(name, "io.p2pd.", 8) == 0 ? own : service;
                assert_memory_equal(name, idl->name, (size_t)(dot - name));
                error = idl_find(idl, IDL_ERROR, dot + 1);
                if (!error)
                        fail_msg("%s is not in the interface file", name);
                assert_true(json_object_object_get_ex(reply, "parameters", &parameters));
                message = idl_check(idl, error->type, parameters);
                if (message)
                        fail_msg("%s%s", name, message);
                json_object_put(reply);
                p2pd_buffer_deinit(&buffer);
                n_errors++;
        }
        for (size_t i = 0; i < own->n_members; i++)
                n_errors -= own->members[i].kind == IDL_ERROR;
        for (size_t i = 0; i < service->n_members; i++)
                n_errors -= service->members[i].kind == IDL_ERROR;
        assert_int_equal(n_errors, 0);
        idl_free(own);
        idl_free(service);
}

static void test_checker(void **state)
{
        static const struct {
                const char *json;
                bool fits;
        } cases[] = {
                {"{\"a\":1,\"b\":[{\"c\":\"x\"}]}", true},
                {"{\"a\":1,\"b\":[{}]}", true},
                {"{\"a\":1,\"b\":[{\"c\":null}]}", true},
                {"{\"a\":1}", false},
                {"{\"a\":1.5,\"b\":[]}", false},
                {"{\"a\":null,\"b\":[]}", false},
                {"{\"a\":1,\"b\":[{\"c\":\"z\"}]}", false},
                {"{\"a\":1,\"b\":[{\"d\":1}]}", false},
                {"{\"a\":1,\"b\":{}}", false},
                {"{\"a\":1,\"b\":[],\"e\":1}", false},
                {"[]", false},
        };
        struct idl *idl =
                parse("interface a.b\ntype T (a: int, b: []U)\n# c\ntype U (c: ?(x, y))\n");

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_object *value = json_tokener_parse(cases[i].json);
                char *message = idl_check(idl, idl_find(idl, IDL_TYPE, "T")->type, value);

                if (!message != cases[i].fits)
                        fail_msg("%s: %s", cases[i].json, message ? message : "fits");
                free(message);
                json_object_put(value);
        }
        idl_free(idl);
}

static void test_parser_refuses(void **state)
{
        static const char *const bad[] = {
                "",
                "interface a\n",
                "interface a.b type t (a: int)",
                "interface a.b type T (a: int, b)",
                "interface a.b type T (a, b: int)",
                "interface a.b type T (a: Missing)",
                "interface a.b type T (a: int) type T (b: int)",
                "interface a.b type T (a: int, a: int)",
                "interface a.b type T (a: ??int)",
                "interface a.b type T (a_: int)",
                "interface a.b type T (a: int",
                "interface a.b method M (a: int)",
                "interface a.b method M () -> (a, b)",
                "interface a.b junk",
        };
        const char *where;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (idl_parse(bad[i], &where))
                        fail_msg("taken: %s", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_methods_match),
                cmocka_unit_test(test_errors_match),
                cmocka_unit_test(test_checker),
                cmocka_unit_test(test_parser_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
