/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The JSON cursor: what is well-formed and what is not, every prefix, types, values, and many texts
 * held against json-c. */

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json-cursor.h"

#define DEPTH 8U

static struct p2p_json at(const char *text)
{
        return p2p_json(text, strlen(text), DEPTH);
}

/* On memory of exactly this size, so that a sanitizer sees a step too far. */
static bool is_json(const char *text, size_t n, unsigned depth)
{
        char *copy = malloc(n + 1);
        struct p2p_json j;
        bool yes;

        assert_non_null(copy);
        /* What stands before the text ends nothing, either. */
        copy[0] = '"';
        memcpy(copy + 1, text, n);
        j = p2p_json(copy + 1, n, depth);
        yes = p2p_json_skip(&j) == 0 && p2p_json_at_end(&j);
        assert_true(!yes || j.depth_left == depth);
        free(copy);
        return yes;
}

static void test_accepts(void **state)
{
        static const char *const good[] = {
                "null",
                " true ",
                "false",
                "0",
                "-0",
                "-1.5e+10",
                "1E5",
                "0.25",
                "\"\"",
                "\"a\"",
                "[]",
                "{}",
                "[ ]",
                "{ }",
                "[1,2 , 3]",
                "{\"a\":1,\"b\":{\"c\":[null]}}",
                "\"\\u0000\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
                "[[[[[[[[]]]]]]]]",
                "\t\r\n{}\n",
                "\"\x7f\"",
                "\"\xef\xbf\xbf\"",
                "\"\xf4\x8f\xbf\xbf\"",
                "1E-2",
                "[[],{},[{}]]",
                "{\"a\":[],\"b\":{}}",
                "[\"]\",\"}\"]",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                if (!is_json(good[i], strlen(good[i]), DEPTH))
                        fail_msg("refused: %s", good[i]);
}

static void test_refuses(void **state)
{
        static const char *const bad[] = {
                "",
                " ",
                "nul",
                "nulll",
                "True",
                "NaN",
                "Infinity",
                "-",
                "+1",
                "01",
                "-01",
                ".5",
                "1.",
                "1e",
                "1e+",
                "0x10",
                "\"",
                "\"a",
                "'a'",
                "\"\\\"",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u123g\"",
                "\"\\ud800\"",
                "\"\\ud800\\u0041\"",
                "\"\\udc00\"",
                "\"\\ud800\\",
                "\"\n\"",
                "\"\x1f\"",
                "[",
                "]",
                "[1",
                "[1,",
                "[1,]",
                "[,1]",
                "[1 2]",
                "{",
                "}",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{,}",
                "{a:1}",
                "{1:1}",
                "{\"a\" 1}",
                "[}",
                "{]",
                "{} {}",
                "1 1",
                "// a\n1",
                "[[[[[[[[[]]]]]]]]]",
                "\"\x80\"",
                "\"\xc0\x80\"",
                "\"\xc1\xbf\"",
                "\"\xe0\x80\x80\"",
                "\"\xed\xa0\x80\"",
                "\"\xf0\x80\x80\x80\"",
                "\"\xf4\x90\x80\x80\"",
                "\"\xf5\x80\x80\x80\"",
                "\"\xe2\x82\"",
                "\"\xff\"",
                "\xef\xbb\xbf{}",
                "tru",
                "\"\\u12",
                "\"a\\",
                "\"\\ud83d\\",
                "\"\\ud83d\\ude0\"",
                "\"\\ud83dxude00\"",
                "[1]]",
                "{\"a\":1]",
                "[{\"a\":1],}",
                "{\"a\":[1}",
                "{\"\\ud800\":1}",
                "{\"\xff\":1}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (is_json(bad[i], strlen(bad[i]), DEPTH))
                        fail_msg("taken: %s", bad[i]);
}

static void test_prefixes(void **state)
{
        static const char text[] = "{\"method\":\"io.p2pd.Map\",\"parameters\":{\"a\":["
                                   "\"\\u00e4\\ud83d\\ude00\xe2\x82\xac\",-1.5e3,true,"
                                   "false,null,{}],\"b\":{\"c\":[]}}}";

        (void)state;
        assert_true(is_json(text, sizeof(text) - 1, DEPTH));
        for (size_t n = 0; n < sizeof(text) - 1; n++)
                assert_false(is_json(text, n, DEPTH));
}

/* A NUL byte ends nothing: it is a control character like any other. */
static void test_nul(void **state)
{
        static const char in_string[] = "\"a\0b\"", behind[] = "1\0", between[] = "[1,\0 2]";

        (void)state;
        assert_false(is_json(in_string, sizeof(in_string) - 1, DEPTH));
        assert_false(is_json(behind, sizeof(behind) - 1, DEPTH));
        assert_false(is_json(between, sizeof(between) - 1, DEPTH));
}

/* Every byte at every place of strings of many lengths. */
static void test_every_byte(void **state)
{
        (void)state;
        for (size_t size = 1; size < 20; size++) {
                for (size_t place = 0; place < size; place++) {
                        for (unsigned c = 0; c < 256; c++) {
                                bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                                char text[22];

                                text[0] = '"';
                                /* Around it what is next to the borders. */
                                for (size_t i = 1; i <= size; i++)
                                        text[i] = "! #[]\x7f"[i % 6];
                                text[place + 1] = (char)c;
                                text[size + 1] = '"';
                                if (c == '"') /* the end, with something behind it */
                                        assert_int_equal(is_json(text, place + 2, DEPTH), true);
                                if (is_json(text, size + 2, DEPTH) != plain)
                                        fail_msg("%#x at %zu of %zu", c, place, size);
                        }
                }
        }
}

/* Exact, and the same whether containers are passed or gone into, empty ones included. */
static void test_depth(void **state)
{
        char text[2 * (P2P_JSON_DEPTH_MAX + 1)];

        (void)state;
        for (unsigned depth = 1; depth <= P2P_JSON_DEPTH_MAX + 1; depth++) {
                struct p2p_json_items items = {0};
                struct p2p_json j;

                memset(text, '[', depth);
                memset(text + depth, ']', depth);
                assert_false(is_json(text, 2 * (size_t)depth, depth - 1));
                if (depth > P2P_JSON_DEPTH_MAX)
                        break;
                assert_true(is_json(text, 2 * (size_t)depth, depth));

                j = p2p_json(text, 2 * (size_t)depth, depth - 1);
                for (unsigned i = 1; i < depth; i++)
                        assert_int_equal(p2p_json_enter_array(&j), 0);
                assert_int_equal(p2p_json_enter_array(&j), -EBADMSG);
                assert_int_equal(p2p_json_skip(&j), -EBADMSG);

                j = p2p_json(text, 2 * (size_t)depth, depth);
                assert_int_equal(p2p_json_enter_array(&j), 0);
                if (depth > 1) {
                        assert_int_equal(p2p_json_next_element(&j, &items), 1);
                        assert_int_equal(p2p_json_skip(&j), 0);
                }
                assert_int_equal(p2p_json_next_element(&j, &items), 0);
                assert_int_equal(j.depth_left, depth);
        }
        /* Objects and arrays at every level. */
        for (unsigned i = 0; i < P2P_JSON_DEPTH_MAX; i++) {
                char mixed[7 * P2P_JSON_DEPTH_MAX] = "";
                size_t n = 0;

                for (unsigned k = 0; k <= i; k++)
                        n += (size_t)sprintf(mixed + n, k % 3 == 0 ? "{\"a\":" : "[");
                mixed[n++] = '1';
                for (unsigned k = i + 1; k-- > 0;)
                        mixed[n++] = k % 3 == 0 ? '}' : ']';
                assert_true(is_json(mixed, n, i + 1));
                assert_false(is_json(mixed, n, i));
                mixed[n - 1 - i / 2] ^= '}' ^ ']';
                assert_false(is_json(mixed, n, i + 1));
        }
}

/* A value of another type is told apart, and still stands there to be read as what it is. */
static void test_types(void **state)
{
        static const struct {
                const char *text;
                enum p2p_json_type type;
        } cases[] = {
                {" null", P2P_JSON_NULL},      {"true", P2P_JSON_BOOL},
                {"\nfalse", P2P_JSON_BOOL},    {"-1", P2P_JSON_NUMBER},
                {"0", P2P_JSON_NUMBER},        {"9", P2P_JSON_NUMBER},
                {"\"null\"", P2P_JSON_STRING}, {"[true]", P2P_JSON_ARRAY},
                {"\t{}", P2P_JSON_OBJECT},     {"", P2P_JSON_NOTHING},
                {" ", P2P_JSON_NOTHING},       {"]", P2P_JSON_NOTHING},
                {"+1", P2P_JSON_NOTHING},      {"x", P2P_JSON_NOTHING},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_json j = at(cases[i].text), copy;
                struct p2p_json_slice s;
                char *new_string = NULL;
                enum p2p_json_type type = cases[i].type;
                char buf[8];
                uint64_t hex;
                int64_t n;
                bool b;

                assert_int_equal(p2p_json_peek(&j), type);
                if (type != P2P_JSON_NULL)
                        assert_false(p2p_json_take_null(&j));
                if (type != P2P_JSON_BOOL)
                        assert_int_equal(p2p_json_read_bool(&j, &b), -EBADMSG);
                if (type != P2P_JSON_NUMBER)
                        assert_int_equal(p2p_json_read_int(&j, &n), -EBADMSG);
                if (type != P2P_JSON_STRING) {
                        assert_int_equal(p2p_json_read_slice(&j, &s), -EBADMSG);
                        assert_int_equal(p2p_json_read_string(&j, buf, 8), -EBADMSG);
                        assert_int_equal(p2p_json_read_new_string(&j, &new_string), -EBADMSG);
                        assert_null(new_string);
                        assert_int_equal(p2p_json_read_hex(&j, &hex), -EBADMSG);
                }
                if (type != P2P_JSON_ARRAY)
                        assert_int_equal(p2p_json_enter_array(&j), -EBADMSG);
                if (type != P2P_JSON_OBJECT)
                        assert_int_equal(p2p_json_enter_object(&j), -EBADMSG);
                assert_int_equal(p2p_json_peek(&j), type);
                assert_int_equal(j.depth_left, DEPTH);
                copy = j;
                assert_int_equal(p2p_json_skip(&copy), type == P2P_JSON_NOTHING ? -EBADMSG : 0);
                switch (type) {
                case P2P_JSON_NULL:
                        assert_true(p2p_json_take_null(&j));
                        break;
                case P2P_JSON_BOOL:
                        assert_int_equal(p2p_json_read_bool(&j, &b), 0);
                        assert_int_equal(b, j.end[-2] == 'u');
                        break;
                case P2P_JSON_NUMBER:
                        assert_int_equal(p2p_json_read_int(&j, &n), 0);
                        break;
                case P2P_JSON_STRING:
                        assert_int_equal(p2p_json_read_string(&j, buf, 8), 0);
                        break;
                case P2P_JSON_ARRAY:
                        assert_int_equal(p2p_json_enter_array(&j), 0);
                        break;
                case P2P_JSON_OBJECT:
                        assert_int_equal(p2p_json_enter_object(&j), 0);
                        break;
                case P2P_JSON_NOTHING:
                        break;
                }
        }
}

static void test_integers(void **state)
{
        static const struct {
                const char *text;
                int result;
                int64_t value;
        } cases[] = {
                {"0", 0, 0},
                {"-1", 0, -1},
                {"9223372036854775807", 0, INT64_MAX},
                {"-9223372036854775808", 0, INT64_MIN},
                {"9223372036854775808", -EBADMSG, 0},
                {"-9223372036854775809", -EBADMSG, 0},
                {"18446744073709551616", -EBADMSG, 0},
                {"-", -EBADMSG, 0},
                {"1.0", -EBADMSG, 0},
                {"1e3", -EBADMSG, 0},
                {"\"1\"", -EBADMSG, 0},
                {"", -EBADMSG, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_json j = at(cases[i].text);
                int64_t v = 0;

                assert_int_equal(p2p_json_read_int(&j, &v), cases[i].result);
                assert_int_equal(v, cases[i].value);
        }
}

static void test_strings(void **state)
{
        static const struct {
                const char *text;
                size_t size;
                int result;
                const char *value;
        } cases[] = {
                {"\"abc\"", 16, 0, "abc"},
                {"\"abc\"", 3, 0, "ab"},
                {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 16, 0, "a\"\\/\b\f\n\r\t"},
                {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", 16, 0, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
                /* cut between characters, never inside one */
                {"\"a\\u20ac\"", 4, 0, "a"},
                {"\"a\xe2\x82\xac\"", 4, 0, "a"},
                {"\"a\xe2\x82\xac\"", 5, 0, "a\xe2\x82\xac"},
                /* nothing behind a cut, even where it would fit */
                {"\"\\u20acb\"", 3, 0, ""},
                {"\"abc\"", 1, 0, ""},
                {"\"\\ud800x\"", 16, -EBADMSG, NULL},
                {"\"\\udc00x\"", 16, -EBADMSG, NULL},
                {"\"\xc3\"", 16, -EBADMSG, NULL},
                {"\"\\u0000\"", 16, -EBADMSG, NULL},
                {"\"abc\\u0000\"", 3, -EBADMSG, NULL},
                {"12", 16, -EBADMSG, NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_json j = at(cases[i].text);
                char buf[16];

                assert_int_equal(p2p_json_read_string(&j, buf, cases[i].size), cases[i].result);
                if (cases[i].value)
                        assert_string_equal(buf, cases[i].value);
        }
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_json j = at(cases[i].text);
                char *text = NULL;

                assert_int_equal(p2p_json_read_new_string(&j, &text), cases[i].result);
                assert_int_equal(!text, !cases[i].value);
                if (cases[i].value) {
                        assert_memory_equal(text, cases[i].value, strlen(cases[i].value));
                        assert_true(strlen(text) < cases[i].size || strlen(text) > 2);
                        assert_true(p2p_json_at_end(&j));
                }
                free(text);
        }
}

static void test_hex(void **state)
{
        struct p2p_json j;
        uint64_t v;

        (void)state;
        j = at("\"0xffffffffffffffff\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), 0);
        assert_int_equal(v, UINT64_MAX);
        j = at("\"0x10000000000000000\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), -EBADMSG);
        j = at("\"0x\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), -EBADMSG);
        j = at("\"0xaBcDeF\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), 0);
        assert_int_equal(v, 0xabcdef);
        j = at("\"0xg\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), -EBADMSG);
        j = at("\"12\"");
        assert_int_equal(p2p_json_read_hex(&j, &v), -EBADMSG);
}

static void test_members(void **state)
{
        struct p2p_json j = at("{ \"a\" : 1 , \"b\" : [ 2 , 3 ] }");
        struct p2p_json_items members = {0}, elements = {0};
        struct p2p_json_slice key;
        int64_t v;

        (void)state;
        assert_int_equal(p2p_json_enter_object(&j), 0);
        assert_int_equal(p2p_json_next_member(&j, &members, &key), 1);
        assert_true(p2p_json_is(&key, "a"));
        assert_int_equal(p2p_json_read_int(&j, &v), 0);
        assert_int_equal(p2p_json_next_member(&j, &members, &key), 1);
        assert_true(p2p_json_is(&key, "b"));
        assert_int_equal(p2p_json_enter_array(&j), 0);
        assert_int_equal(p2p_json_next_element(&j, &elements), 1);
        assert_int_equal(p2p_json_read_int(&j, &v), 0);
        assert_int_equal(p2p_json_next_element(&j, &elements), 1);
        assert_int_equal(p2p_json_read_int(&j, &v), 0);
        assert_int_equal(v, 3);
        assert_int_equal(p2p_json_next_element(&j, &elements), 0);
        assert_int_equal(p2p_json_next_member(&j, &members, &key), 0);
        assert_true(p2p_json_at_end(&j));
}

/* Keys and values with every kind of escape, decoded where they stand. */
static void test_decodes(void **state)
{
        char text[] = " {\"k\\u0065y\" : \"a\\u00e4\\u20ac\\ud83d\\ude00\\u0000z\\n\\/\xc3\xa4\", "
                      "\"b\":[\"x\",\"\"] }";
        static const char expected[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\0z\n/\xc3\xa4";
        struct p2p_json j = p2p_json(text, sizeof(text) - 1, 2);
        struct p2p_json_items members = {0}, elements = {0};
        struct p2p_json_slice s;
        char *to;

        (void)state;
        assert_int_equal(p2p_json_enter_array(&j), -EBADMSG);
        assert_int_equal(p2p_json_enter_object(&j), 0);
        assert_int_equal(p2p_json_next_member(&j, &members, &s), 1);
        assert_true(s.escaped);
        to = text + (s.text - text);
        assert_int_equal(p2p_json_decode(&s, to), 3);
        assert_memory_equal(to, "key", 3);
        assert_int_equal(p2p_json_read_slice(&j, &s), 0);
        to = text + (s.text - text);
        assert_int_equal(p2p_json_decode(&s, to), sizeof(expected) - 1);
        assert_memory_equal(to, expected, sizeof(expected) - 1);
        assert_int_equal(p2p_json_next_member(&j, &members, &s), 1);
        assert_true(!s.escaped && p2p_json_is(&s, "b"));
        assert_int_equal(p2p_json_enter_array(&j), 0);
        assert_int_equal(p2p_json_next_element(&j, &elements), 1);
        assert_int_equal(p2p_json_read_slice(&j, &s), 0);
        to = text + (s.text - text);
        assert_int_equal(p2p_json_decode(&s, to), 1);
        assert_memory_equal(to, "x\"", 2);
        assert_int_equal(p2p_json_next_element(&j, &elements), 1);
        assert_int_equal(p2p_json_read_slice(&j, &s), 0);
        assert_int_equal(s.length, 0);
        assert_true(p2p_json_is(&s, ""));
        assert_int_equal(p2p_json_next_element(&j, &elements), 0);
        assert_int_equal(p2p_json_next_member(&j, &members, &s), 0);
        assert_true(p2p_json_at_end(&j));
        assert_int_equal(j.depth_left, 2);
}

static void test_is(void **state)
{
        static const struct {
                const char *text, *with;
                bool same;
        } cases[] = {
                {"\"key\"", "key", true},
                {"\"key\"", "ke", false},
                {"\"ke\"", "key", false},
                {"\"kez\"", "key", false},
                {"\"k\\u0065y\"", "key", true},
                {"\"k\\u0065\"", "key", false},
                {"\"k\\u0065yx\"", "key", false},
                {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", true},
                {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98", false},
                {"\"key\\u0000\"", "key", false},
                {"\"\\u0000\"", "", false},
                {"\"\\n\"", "\n", true},
                {"\"\\n\"", "\\n", false},
                {"\"\"", "", true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_json j = at(cases[i].text);
                struct p2p_json_slice s;

                assert_int_equal(p2p_json_read_slice(&j, &s), 0);
                assert_int_equal(p2p_json_is(&s, cases[i].with), cases[i].same);
        }
}

/* json-c is the second opinion: what it takes in strict mode and without too much depth, so do we,
 * and the other way round. */
static void test_pieces_against_json_c(void **state)
{
        static const char *const pieces[] = {"{",    "}",     "[",       "]",      ":",
                                             ",",    "\"a\"", "1",       "-2.5e3", "true",
                                             "null", " ",     "\"\\n\"", "0.5",    "\"b\":"};
        unsigned int seed = 7;
        int n_good = 0;

        (void)state;
        for (int round = 0; round < 200000; round++) {
                char text[128] = "";
                int n = 1 + rand_r(&seed) % 8;
                struct json_tokener *t;
                struct json_object *o;
                bool theirs;

                for (int i = 0; i < n; i++)
                        strcat(text, pieces[(size_t)rand_r(&seed) %
                                            (sizeof(pieces) / sizeof(pieces[0]))]);
                t = json_tokener_new();
                json_tokener_set_flags(t, JSON_TOKENER_STRICT);
                o = json_tokener_parse_ex(t, text, (int)strlen(text) + 1);
                theirs = json_tokener_get_error(t) == json_tokener_success;
                if (is_json(text, strlen(text), DEPTH) != theirs)
                        fail_msg("%s: json-c says %d", text, theirs);
                n_good += theirs;
                json_object_put(o);
                json_tokener_free(t);
        }
        assert_true(n_good > 1000);
}

static bool is_ascii(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] >= 0x80)
                        return false;
        return true;
}

static bool json_c_takes(const char *text, size_t n)
{
        struct json_tokener *tokener = json_tokener_new_ex((int)DEPTH + 1);
        json_object *object;
        bool yes;

        assert_non_null(tokener);
        /* The strict mode of json-c 0.18 takes no character beyond ASCII in a string. */
        json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8 |
                                                (is_ascii(text, n) ? JSON_TOKENER_STRICT : 0));
        object = json_tokener_parse_ex(tokener, text, (int)n + 1);
        yes = json_tokener_get_error(tokener) == json_tokener_success;
        json_object_put(object);
        json_tokener_free(tokener);
        return yes;
}

/* json-c takes what is no JSON, and so do these texts: control characters in strings, its names of
 * numbers, escapes of lone surrogates, numbers of forms that are not in the grammar, what its UTF-8
 * check lets pass. Whatever we take it must take, though. */
static void test_changed_against_json_c(void **state)
{
        static const char *const seeds[] = {
                "{\"method\":\"a.B\",\"parameters\":{\"x\":[1,-2.5e3,\"\\u00e4\\n\",null,true,{}]},"
                "\"more\":true}",
                "[[],{\"a\":{\"b\":\"\\ud83d\\ude00\"}},\"\xe2\x82\xac\",0,1E5]",
        };
        static const char alphabet[] = "{}[]\",:\\u0d8eE+-.1 truefalsn/\x01\x80\xe2\xff";
        unsigned n_taken = 0;
        uint32_t random = 12345;

        (void)state;
        for (unsigned i = 0; i < 60000; i++) {
                char text[128];
                size_t n = strlen(seeds[i & 1]);

                memcpy(text, seeds[i & 1], n + 1);
                for (unsigned k = 0; k <= i % 3; k++) {
                        random = random * 1664525U + 1013904223U;
                        text[(random >> 8) % n] = alphabet[(random >> 20) % (sizeof(alphabet) - 1)];
                }
                if (!is_json(text, n, DEPTH))
                        continue;
                n_taken++;
                if (!json_c_takes(text, n))
                        fail_msg("only we take %s", text);
        }
        assert_true(n_taken > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepts),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_prefixes),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_every_byte),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_types),
                cmocka_unit_test(test_integers),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_hex),
                cmocka_unit_test(test_members),
                cmocka_unit_test(test_decodes),
                cmocka_unit_test(test_is),
                cmocka_unit_test(test_pieces_against_json_c),
                cmocka_unit_test(test_changed_against_json_c),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
