/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The envelope: cutting at NUL bytes, in pieces of every size, and reading calls. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/varlink-message.h"

static void test_frames_in_pieces(void **state)
{
        static const char stream[] = "{\"a\":1}\0{}\0{\"b\":2}";
        static const size_t ends[] = {8, 11, sizeof(stream)};

        (void)state;
        for (size_t piece = 1; piece <= sizeof(stream); piece++) {
                size_t start = 0, got = 0, scanned = 0, size = 0, found = 0;

                while (got < sizeof(stream)) {
                        got = got + piece < sizeof(stream) ? got + piece : sizeof(stream);
                        while (p2pd_frame_next(stream + start, got - start, 64, &scanned, &size) ==
                               P2PD_FRAME_MESSAGE) {
                                start += size;
                                assert_int_equal(start, ends[found]);
                                assert_int_equal(scanned, 0);
                                found++;
                        }
                        assert_int_equal(scanned, got - start);
                }
                assert_int_equal(found, 3);
        }
}

static void test_frame_limits(void **state)
{
        static const char ten[10] = "123456789", long_one[] = "12345678901234567890";
        size_t scanned = 0, size = 77;

        (void)state;
        assert_int_equal(p2pd_frame_next(ten, 10, 10, &scanned, &size), P2PD_FRAME_MESSAGE);
        assert_int_equal(size, 10);
        scanned = 0;
        assert_int_equal(p2pd_frame_next(ten, 10, 9, &scanned, &size), P2PD_FRAME_OVERSIZED);
        scanned = 0;
        assert_int_equal(p2pd_frame_next(ten, 9, 9, &scanned, &size), P2PD_FRAME_OVERSIZED);
        scanned = 0;
        assert_int_equal(p2pd_frame_next(ten, 8, 9, &scanned, &size), P2PD_FRAME_INCOMPLETE);
        scanned = 0;
        assert_int_equal(p2pd_frame_next(long_one, 20, 10, &scanned, &size), P2PD_FRAME_OVERSIZED);
        scanned = 0;
        assert_int_equal(p2pd_frame_next("\0{}", 3, 10, &scanned, &size), P2PD_FRAME_EMPTY);
        scanned = 0;
        assert_int_equal(p2pd_frame_next("", 0, 10, &scanned, &size), P2PD_FRAME_INCOMPLETE);
}

/* On memory of exactly this size. The call's texts are not to be used. */
static int parse(const char *text, size_t n, struct p2pd_varlink_call *ret)
{
        char *copy = malloc(n + 1);
        int r;

        assert_non_null(copy);
        memcpy(copy, text, n);
        copy[n] = '\0';
        r = p2pd_varlink_parse_call(copy, n + 1, 4, ret);
        free(copy);
        return r;
}

static void test_calls(void **state)
{
        static const struct {
                const char *text;
                bool has_parameters, oneway, more, upgrade;
        } good[] = {
                {"{\"method\":\"a.B\"}", false, false, false, false},
                {" { \"method\" : \"\" } ", false, false, false, false},
                {"{\"method\":\"a.B\",\"parameters\":null,\"more\":null}", false, false, false,
                 false},
                {"{\"method\":\"a.B\",\"parameters\":{}}", true, false, false, false},
                {"{\"parameters\":{\"x\":[{}]},\"method\":\"a.B\",\"oneway\":true}", true, true,
                 false, false},
                {"{\"more\":true,\"method\":\"a.B\",\"oneway\":false}", false, false, true, false},
                {"{\"upgrade\":true,\"method\":\"a.B\"}", false, false, false, true},
                {"{\"x\":[1,{\"y\":null}],\"method\":\"a.B\",\"z\":1,\"z\":2}", false, false, false,
                 false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct p2pd_varlink_call call;

                if (parse(good[i].text, strlen(good[i].text), &call) != 0)
                        fail_msg("refused: %s", good[i].text);
                assert_int_equal(call.has_parameters, good[i].has_parameters);
                assert_int_equal(call.oneway, good[i].oneway);
                assert_int_equal(call.more, good[i].more);
                assert_int_equal(call.upgrade, good[i].upgrade);
                /* Shorter is never a call. */
                for (size_t n = 0; n + 2 < strlen(good[i].text); n++)
                        assert_int_equal(parse(good[i].text, n, &call), P2PD_VARLINK_E_MALFORMED);
        }
}

static void test_malformed(void **state)
{
        static const char *const bad[] = {
                "",
                " ",
                "[]",
                "null",
                "\"method\"",
                "{}",
                "{\"parameters\":{}}",
                "{\"method\":null}",
                "{\"method\":1}",
                "{\"method\":[\"a.B\"]}",
                "{\"method\":\"a.B\"",
                "{\"method\":\"a.B\"}x",
                "{\"method\":\"a.B\"}{}",
                "{\"method\":\"a.B\",\"parameters\":[]}",
                "{\"method\":\"a.B\",\"parameters\":\"x\"}",
                "{\"method\":\"a.B\",\"parameters\":{\"a\"}}",
                "{\"method\":\"a.B\",\"oneway\":1}",
                "{\"method\":\"a.B\",\"more\":\"true\"}",
                "{\"method\":\"a.B\",\"upgrade\":{}}",
                "{\"method\":\"a.B\",\"method\":\"a.B\"}",
                "{\"method\":\"a.B\",\"parameters\":{},\"parameters\":null}",
                "{\"method\":\"a.B\xff\"}",
                "{\"method\":\"a.B\",\"more\":tru}",
                "{\"method\":\"a.B\",\"parameters\":{\"a\":[[[]]]}}",
                "{\"method\":\"a.B\",\"x\":[[[[]]]]}",
                "{method:\"a.B\"}",
        };
        struct p2pd_varlink_call call = {.oneway = true};

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (parse(bad[i], strlen(bad[i]), &call) != P2PD_VARLINK_E_MALFORMED)
                        fail_msg("taken: %s", bad[i]);
        assert_true(call.oneway); /* untouched */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_in_pieces),
                cmocka_unit_test(test_frame_limits),
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_malformed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
