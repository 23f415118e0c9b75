/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "p2pctl/table.h"
#include "p2pctl/terminal.h"
#include "p2pctl/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void test_escaping(void **state)
{
        static const struct {
                const char *raw;
                bool utf8;
                const char *safe;
        } cases[] = {
                {"nvme0", true, "nvme0"},
                {"a\033[31mb", true, "a\\x1b[31mb"},
                {"line\nbreak\ttab\rret", true, "line\\x0abreak\\x09tab\\x0dret"},
                {"del\x7f", true, "del\\x7f"},
                {"gr\xc3\xbc\xc3\x9f", true, "gr\xc3\xbc\xc3\x9f"},
                {"gr\xc3\xbc", false, "gr\\xc3\\xbc"},
                /* U+009B, the eight-bit escape sequence introducer */
                {"\xc2\x9b"
                 "31m",
                 true, "\\xc2\\x9b31m"},
                {"\x9b"
                 "31m",
                 true, "\\x9b31m"},
                /* U+202E turns the rest of the line round */
                {"\xe2\x80\xae"
                 "abc",
                 true, "\\xe2\\x80\\xaeabc"},
                /* no shortest form, surrogate, past the end of Unicode, cut short */
                {"\xc0\x9b", true, "\\xc0\\x9b"},
                {"\xe0\x82\x9b", true, "\\xe0\\x82\\x9b"},
                {"\xed\xa0\x80", true, "\\xed\\xa0\\x80"},
                {"\xf4\x90\x80\x80", true, "\\xf4\\x90\\x80\\x80"},
                {"\xe2\x80", true, "\\xe2\\x80"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct text once = {0}, twice = {0};

                text_add_safe(&once, cases[i].raw, cases[i].utf8);
                assert_string_equal(text_get(&once), cases[i].safe);
                /* What is safe stays as it is. */
                text_add_safe(&twice, text_get(&once), cases[i].utf8);
                assert_string_equal(text_get(&twice), cases[i].safe);
                text_clear(&once);
                text_clear(&twice);
        }
}

/* Whatever comes in, no byte that a terminal acts upon comes out. */
static void test_escaping_any_bytes(void **state)
{
        unsigned int seed = 1;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                struct text t = {0};
                char raw[9] = {0};

                for (size_t i = 0; i < 8; i++)
                        raw[i] = (char)rand_r(&seed);
                text_add_safe(&t, raw, false);
                for (const char *c = text_get(&t); *c; c++)
                        assert_in_range((unsigned char)*c, 0x20, 0x7e);
                text_reset(&t);
                text_add_safe(&t, raw, true);
                for (const char *c = text_get(&t); *c; c++)
                        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
                text_clear(&t);
        }
}

static void test_sizes(void **state)
{
        static const struct {
                unsigned long long bytes;
                const char *text;
        } cases[] = {{0, "0 B"},           {512, "512 B"},       {1024, "1 KiB"},
                     {1536, "0x600"},      {16777216, "16 MiB"}, {137438953472ULL, "128 GiB"},
                     {1ULL << 63, "8 EiB"}};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct text t = {0};

                text_add_size(&t, cases[i].bytes);
                assert_string_equal(text_get(&t), cases[i].text);
                text_clear(&t);
        }
}

static void test_wrapping(void **state)
{
        const struct terminal t = {.columns = 20};
        struct text out = {0};

        (void)state;
        terminal_add_wrapped(&t, &out, 4, 4, "one two three four five sixsevenandeightnine ten");
        assert_string_equal(text_get(&out),
                            "one two three\n    four five\n    sixsevenandeightnine\n    ten");
        text_clear(&out);
}

static char *print_table(const struct terminal *terminal)
{
        static const struct table_column columns[] = {
                {"NAME"},
                {"SIZE", .right = true, .dispensable = 1},
                {"NEVER", .omit_empty = true},
                {"REST", .dispensable = 2},
        };
        struct table *table = table_new(columns, 4, terminal);
        static const char *const cells[] = {"a", "1", "-", "x\n", "longer", "22", "", "yy", "cut"};
        char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        for (size_t i = 0; i < 9; i++)
                table_add(table, i == 0 ? STYLE_BAD : STYLE_PLAIN, cells[i]);
        table_print(table, f);
        table_free(table);
        fclose(f);
        return text;
}

static void test_table(void **state)
{
        static const struct {
                struct terminal terminal;
                const char *text;
        } cases[] = {
                {{.columns = 0},
                 "NAME    SIZE  REST\n"
                 "a          1  x\\x0a\n"
                 "longer    22  yy\n"},
                {{.columns = 19},
                 "NAME    SIZE  REST\n"
                 "a          1  x\\x0a\n"
                 "longer    22  yy\n"},
                {{.columns = 18},
                 "NAME    SIZE\n"
                 "a          1\n"
                 "longer    22\n"
                 "(no room for REST)\n"},
                {{.columns = 11},
                 "NAME\n"
                 "a\n"
                 "longer\n"
                 "(no room for REST, SIZE)\n"},
                {{.columns = 11, .color = true},
                 "\033[1mNAME\033[0m\n"
                 "\033[31ma\033[0m\n"
                 "longer\n"
                 "\033[2m(no room for REST, SIZE)\033[0m\n"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *text = print_table(&cases[i].terminal);

                assert_string_equal(text, cases[i].text);
                free(text);
        }
}

/* Columns are terminal columns, not bytes. */
static void test_table_utf8(void **state)
{
        const struct terminal terminal = {.utf8 = true};
        static const struct table_column columns[] = {{"A"}, {"B"}};
        struct table *table;
        char *text = NULL;
        size_t n;
        FILE *f;

        (void)state;
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();
        table = table_new(columns, 2, &terminal);
        f = open_memstream(&text, &n);
        table_add(table, STYLE_PLAIN, "\xe2\x9c\x93");
        table_add(table, STYLE_PLAIN, "1");
        table_add(table, STYLE_PLAIN, "xx");
        table_add(table, STYLE_PLAIN, "2");
        table_print(table, f);
        fclose(f);
        assert_string_equal(text, "A   B\n\xe2\x9c\x93   1\nxx  2\n");
        table_free(table);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escaping), cmocka_unit_test(test_escaping_any_bytes),
                cmocka_unit_test(test_sizes),    cmocka_unit_test(test_wrapping),
                cmocka_unit_test(test_table),    cmocka_unit_test(test_table_utf8),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
