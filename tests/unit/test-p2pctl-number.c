/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "p2pctl/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void test_numbers(void **state)
{
        static const struct {
                const char *text;
                int result;
                uint64_t value;
        } cases[] = {
                {"0", 0, 0},
                {"4096", 0, 4096},
                {"0x1000", 0, 4096},
                {"0XdEaD", 0, 0xdead},
                {"1K", 0, 1024},
                {"1k", 0, 1024},
                {"2MiB", 0, 2U << 20},
                {"3GB", 0, 3ULL << 30},
                {"0x10M", 0, 16ULL << 20},
                {"16777215T", 0, 16777215ULL << 40},
                {"18446744073709551615", 0, UINT64_MAX},
                {"0xffffffffffffffff", 0, UINT64_MAX},
                {"18446744073709551616", -ERANGE, 0},
                {"0x10000000000000000", -ERANGE, 0},
                {"16777216T", -ERANGE, 0},
                {"", -EINVAL, 0},
                {"0x", -EINVAL, 0},
                {"K", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"1 ", -EINVAL, 0},
                {"1Q", -EINVAL, 0},
                {"1Ki", -EINVAL, 0},
                {"1KiBB", -EINVAL, 0},
                {"12abc", -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint64_t v = 77;

                assert_int_equal(number_parse(cases[i].text, &v), cases[i].result);
                /* Written only on success. */
                assert_int_equal(v, cases[i].result == 0 ? cases[i].value : 77);
        }
}

static void test_ranges(void **state)
{
        static const struct {
                const char *address, *length;
                int result;
                uint64_t start, bytes;
        } cases[] = {
                {"0x1000", "4K", 0, 0x1000, 4096},
                {"0x1000-0x1fff", NULL, 0, 0x1000, 0x1000},
                {"0x1000+4K", NULL, 0, 0x1000, 0x1000},
                {"5-5", NULL, 0, 5, 1},
                {"0xffffffffffffffff", "1", 0, UINT64_MAX, 1},
                {"1-0xffffffffffffffff", NULL, 0, 1, UINT64_MAX},
                {"0xffffffffffffffff", "2", -ERANGE, 0, 0},
                {"0-0xffffffffffffffff", NULL, -ERANGE, 0, 0},
                {"0x1000", "0", -ERANGE, 0, 0},
                {"0x2000-0x1fff", NULL, -ERANGE, 0, 0},
                {"0x1000", NULL, -EINVAL, 0, 0},
                {"-", NULL, -EINVAL, 0, 0},
                {"1-", NULL, -EINVAL, 0, 0},
                {"1-2-3", NULL, -EINVAL, 0, 0},
                {"00000000000000000000000000000000000000000000000000000000000000000001-2", NULL,
                 -EINVAL, 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint64_t start = 77, bytes = 78;

                assert_int_equal(range_parse(cases[i].address, cases[i].length, &start, &bytes),
                                 cases[i].result);
                assert_int_equal(start, cases[i].result == 0 ? cases[i].start : 77);
                assert_int_equal(bytes, cases[i].result == 0 ? cases[i].bytes : 78);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_ranges),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
