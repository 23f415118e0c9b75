/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UTF-8: every character comes back, and of all sequences of bytes only characters are taken. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/utf8.h"

static size_t length_of(uint32_t character)
{
        return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

static void test_every_character(void **state)
{
        char out[4];

        (void)state;
        for (uint32_t c = 0; c <= 0x10ffff; c++) {
                size_t n;

                if (c >= 0xd800 && c <= 0xdfff)
                        continue;
                n = p2p_utf8_encode(c, out);
                assert_int_equal(n, length_of(c));
                assert_int_equal(p2p_utf8_length(out, n), n);
                for (size_t less = 0; less < n; less++)
                        assert_int_equal(p2p_utf8_length(out, less), 0);
        }
        assert_int_equal(p2p_utf8_encode(0x20ac, out), 3);
        assert_memory_equal(out, "\xe2\x82\xac", 3);
}

/* As many sequences of each length are taken as there are characters of that length: with what
 * test_every_character shows, these and no others. */
static void test_every_sequence(void **state)
{
        size_t taken[5] = {0};

        (void)state;
        for (unsigned i = 0; i < 1U << 8; i++) {
                const char b[] = {(char)i};

                taken[1] += p2p_utf8_length(b, 1) == 1;
        }
        for (unsigned i = 0; i < 1U << 16; i++) {
                const char b[] = {(char)(i >> 8), (char)i};

                taken[2] += p2p_utf8_length(b, 2) == 2;
        }
        for (unsigned i = 0; i < 1U << 24; i++) {
                const char b[] = {(char)(i >> 16), (char)(i >> 8), (char)i};

                taken[3] += p2p_utf8_length(b, 3) == 3;
        }
        /* Of the fourth byte a few from each side of its range. */
        for (unsigned i = 0xf0U << 16; i < 1U << 24; i++) {
                static const unsigned char lasts[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

                for (size_t k = 0; k < sizeof(lasts); k++) {
                        const char b[] = {(char)(i >> 16), (char)(i >> 8), (char)i, (char)lasts[k]};

                        taken[4] += p2p_utf8_length(b, 4) == 4;
                }
        }
        assert_int_equal(taken[1], 0x80);
        assert_int_equal(taken[2], 0x800 - 0x80);
        assert_int_equal(taken[3], 0x10000 - 0x800 - 0x800);
        assert_int_equal(taken[4], 0x100000 / 64 * 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_character),
                cmocka_unit_test(test_every_sequence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
