/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The JSON writer: commas, escapes, numbers, and that what it writes is what it was given. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/json-cursor.h"
#include "common/utf8.h"
#include "serve/json-writer.h"

static void assert_written(struct p2pd_buffer *buffer, const char *expected)
{
        assert_int_equal(p2pd_buffer_size(buffer), strlen(expected));
        assert_memory_equal(p2pd_buffer_bytes(buffer), expected, strlen(expected));
        p2pd_buffer_deinit(buffer);
}

static void test_structure(void **state)
{
        struct p2pd_buffer buffer = {0};
        struct p2pd_writer w = p2pd_writer(&buffer);

        (void)state;
        p2pd_write_open_object(&w);
        p2pd_write_key(&w, "a");
        p2pd_write_open_array(&w);
        p2pd_write_open_object(&w);
        p2pd_write_close_object(&w);
        p2pd_write_open_array(&w);
        p2pd_write_close_array(&w);
        p2pd_write_string(&w, "s");
        p2pd_write_bool(&w, true);
        p2pd_write_again(&w, "false", 5);
        p2pd_write_close_array(&w);
        p2pd_write_uint_field(&w, "b", 0);
        p2pd_write_optional_string_field(&w, "left-out", NULL);
        p2pd_write_optional_string_field(&w, "c", "");
        p2pd_write_close_object(&w);
        assert_false(w.failed);
        assert_written(&buffer, "{\"a\":[{},[],\"s\",true,false],\"b\":0,\"c\":\"\"}");
}

static void test_numbers(void **state)
{
        struct p2pd_buffer buffer = {0};
        struct p2pd_writer w = p2pd_writer(&buffer);

        (void)state;
        p2pd_write_open_array(&w);
        p2pd_write_uint(&w, 9);
        p2pd_write_uint(&w, 10);
        p2pd_write_uint(&w, INT64_MAX);
        p2pd_write_hex(&w, 0, 1);
        p2pd_write_hex(&w, 0xab, 6);
        p2pd_write_hex(&w, UINT64_MAX, 1);
        p2pd_write_hex(&w, 1, 16);
        p2pd_write_close_array(&w);
        assert_written(&buffer, "[9,10,9223372036854775807,\"0x0\",\"0x0000ab\","
                                "\"0xffffffffffffffff\",\"0x0000000000000001\"]");
}

/* Any two bytes: the text is JSON, and reads back as it was, but for what is no UTF-8. */
static void test_every_pair_of_bytes(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 0x10000; i++) {
                const char bytes[] = {'a', (char)(i >> 8), (char)i, 'z'};
                struct p2pd_buffer buffer = {0};
                struct p2pd_writer w = p2pd_writer(&buffer);
                struct p2p_json_slice back;
                char text[32];
                struct p2p_json j;
                size_t n;

                p2pd_write_text(&w, (struct p2pd_text){bytes, sizeof(bytes)});
                p2pd_write_raw(&w, "", 1);
                assert_false(w.failed);
                j = p2p_json(p2pd_buffer_bytes(&buffer), p2pd_buffer_size(&buffer) - 1, 1);
                assert_int_equal(p2p_json_read_slice(&j, &back), 0);
                assert_true(p2p_json_at_end(&j));
                assert_true(back.length <= sizeof(text));
                n = p2p_json_decode(&back, text);
                if ((i & 0x8080) == 0 || p2p_utf8_length(bytes + 1, 2) == 2) {
                        assert_int_equal(n, sizeof(bytes));
                        assert_memory_equal(text, bytes, sizeof(bytes));
                } else {
                        assert_non_null(memmem(text, n, "\xef\xbf\xbd", 3));
                }
                p2pd_buffer_deinit(&buffer);
        }
}

static void test_buffer(void **state)
{
        struct p2pd_buffer buffer = {0};
        char bytes[3000];
        unsigned char next_in = 0, next_out = 0;

        (void)state;
        assert_int_equal(p2pd_buffer_reserve(&buffer, SIZE_MAX), -12);
        for (size_t round = 0; round < 3000; round++) {
                size_t in = round * 7919 % sizeof(bytes), out;

                for (size_t i = 0; i < in; i++)
                        bytes[i] = (char)next_in++;
                assert_int_equal(p2pd_buffer_append(&buffer, bytes, in), 0);
                out = round * 104729 % (p2pd_buffer_size(&buffer) + 1);
                for (size_t i = 0; i < out; i++)
                        assert_int_equal((unsigned char)p2pd_buffer_bytes(&buffer)[i], next_out++);
                p2pd_buffer_consume(&buffer, out);
        }
        /* Memory follows what is held, not what has passed. */
        assert_true(buffer.capacity <= 65536);
        p2pd_buffer_truncate(&buffer, 0);
        assert_int_equal(p2pd_buffer_size(&buffer), 0);
        p2pd_buffer_deinit(&buffer);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_structure),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_every_pair_of_bytes),
                cmocka_unit_test(test_buffer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
