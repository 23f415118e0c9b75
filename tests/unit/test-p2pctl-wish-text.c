/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "p2pctl/wish-text.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "p2pctl/text.h"

static void test_durations(void **state)
{
        static const struct {
                const char *text;
                int result;
                uint64_t seconds;
        } cases[] = {
                {"1", 0, 1},
                {"90", 0, 90},
                {"90s", 0, 90},
                {"15m", 0, 900},
                {"8h", 0, 28800},
                {"1h30m", 0, 5400},
                {"2d", 0, 172800},
                {"1w", 0, 604800},
                {"1w1d1h1m1s", 0, 604800 + 86400 + 3600 + 60 + 1},
                {"0d5m", 0, 300},
                {"007s", 0, 7},
                {"3155760000", 0, 3155760000},
                {"3155760001", -ERANGE, 0},
                {"876601h", -ERANGE, 0},
                {"99999999999999999999999", -ERANGE, 0},
                {"99999999999999999999999w", -ERANGE, 0},
                {"18446744073709551617s", -ERANGE, 0},
                {"5218w1s", -ERANGE, 0},
                {"0", -ERANGE, 0},
                {"0s", -ERANGE, 0},
                {"", -EINVAL, 0},
                {"s", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"1 h", -EINVAL, 0},
                {"1h ", -EINVAL, 0},
                {"1.5h", -EINVAL, 0},
                {"1x", -EINVAL, 0},
                {"1H", -EINVAL, 0},
                {"30m1h", -EINVAL, 0},
                {"1h1h", -EINVAL, 0},
                {"1h30", -EINVAL, 0},
                {"0h30", -EINVAL, 0},
                {"1hm", -EINVAL, 0},
                {"forever", -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint64_t v = 77;
                int r = duration_parse(cases[i].text, &v);

                if (r != cases[i].result)
                        fail_msg("'%s': %d, not %d", cases[i].text, r, cases[i].result);
                /* Written only on success. */
                assert_int_equal(v, r == 0 ? cases[i].seconds : 77);
        }
}

static void test_durations_told(void **state)
{
        static const struct {
                uint64_t seconds;
                const char *text;
        } cases[] = {
                {0, "0 s"},          {1, "1 s"},
                {59, "59 s"},        {60, "1 min"},
                {61, "1 min 1 s"},   {3599, "59 min 59 s"},
                {3600, "1 h"},       {3601, "1 h"},
                {7260, "2 h 1 min"}, {86399, "23 h 59 min"},
                {86400, "1 d"},      {90000, "1 d 1 h"},
                {1209600, "14 d"},   {3155760000, "36525 d"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct text t = {0};

                duration_add(&t, cases[i].seconds);
                assert_string_equal(text_get(&t), cases[i].text);
                text_clear(&t);
        }
}

static void test_companions(void **state)
{
        static const struct {
                const char *text, *selector; /* NULL: refused */
                unsigned int count;
        } cases[] = {
                {"nic:1", "nic", 1},
                {"nvme,vendor=144d:2", "nvme,vendor=144d", 2},
                {"vendor=10de:2330:1", "vendor=10de:2330", 1},
                {"0000:03:00.0:1", "0000:03:00.0", 1},
                {"name=mlx5_*:999", "name=mlx5_*", 999},
                {"a::5", "a:", 5},
                /* A device id, and no count. */
                {"vendor=10de:2330", NULL, 0},
                {"0000:03:00.0", NULL, 0},
                {"nic", NULL, 0},
                {"nic:", NULL, 0},
                {":1", NULL, 0},
                {"", NULL, 0},
                {":", NULL, 0},
                {"nic:0", NULL, 0},
                {"nic:01", NULL, 0},
                {"nic:1000", NULL, 0},
                {"nic:-1", NULL, 0},
                {"nic: 1", NULL, 0},
                {"nic:1 ", NULL, 0},
                {"nic:1x", NULL, 0},
                {"nic:99999999999999999999", NULL, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                size_t bytes = 77;
                unsigned int count = 77;
                int r = companion_parse(cases[i].text, &bytes, &count);

                if (r != (cases[i].selector ? 0 : -EINVAL))
                        fail_msg("'%s': %d", cases[i].text, r);
                assert_int_equal(count, r == 0 ? cases[i].count : 77);
                assert_int_equal(bytes, r == 0 ? strlen(cases[i].selector) : 77);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_durations),
                cmocka_unit_test(test_durations_told),
                cmocka_unit_test(test_companions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
