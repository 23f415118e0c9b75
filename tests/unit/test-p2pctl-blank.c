/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "p2pctl/blank.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void put_header(uint8_t *config, size_t at, uint32_t id, uint32_t next)
{
        uint32_t v = id | 1U << 16 | next << 20;

        for (int i = 0; i < 4; i++)
                config[at + (size_t)i] = (uint8_t)(v >> (8 * i));
}

static void test_serial_number(void **state)
{
        uint8_t config[4096], before[4096];

        (void)state;
        memset(config, 0xab, sizeof(config));
        put_header(config, 0x100, 0x000d, 0x148);
        put_header(config, 0x148, 0x0003, 0x200);
        put_header(config, 0x200, 0x0001, 0);
        memcpy(before, config, sizeof(config));
        assert_true(blank_config(config, sizeof(config)));
        for (size_t i = 0; i < sizeof(config); i++)
                assert_int_equal(config[i], i >= 0x14c && i < 0x154 ? 0 : before[i]);
        /* Nothing left to take out. */
        assert_false(blank_config(config, sizeof(config)));
}

static void test_bad_lists(void **state)
{
        uint8_t config[4096] = {0};

        (void)state;
        assert_false(blank_config(config, 64));
        assert_false(blank_config(config, 0x102));
        assert_false(blank_config(config, sizeof(config)));
        memset(config, 0xff, sizeof(config));
        assert_false(blank_config(config, sizeof(config)));
        /* In a circle. */
        put_header(config, 0x100, 0x000d, 0x140);
        put_header(config, 0x140, 0x000b, 0x100);
        assert_false(blank_config(config, sizeof(config)));
        /* The number passes the end: what is there goes. */
        put_header(config, 0x100, 0x0003, 0xffc);
        put_header(config, 0xffc, 0x0003, 0);
        assert_true(blank_config(config, sizeof(config)));
        assert_int_equal(config[0x104], 0);
        put_header(config, 0x100, 0x0003, 0);
        memset(config + 0x104, 1, 8);
        assert_true(blank_config(config, 0x108));
        assert_int_equal(config[0x107], 0);
        assert_int_equal(config[0x108], 1);
}

static void test_any_config(void **state)
{
        unsigned int seed = 1;

        (void)state;
        for (int round = 0; round < 2000; round++) {
                size_t n = (size_t)rand_r(&seed) % 4097;
                uint8_t *config = malloc(n + 1);

                for (size_t i = 0; i < n; i++)
                        config[i] = (uint8_t)(rand_r(&seed) % 4 * 0x41);
                (void)blank_config(config, n);
                free(config);
        }
}

static void test_command_line(void **state)
{
        static const struct {
                const char *before, *after;
                bool blanked;
        } cases[] = {
                {"root=UUID=1234-5678 ro pci=noacs,realloc quiet iommu=pt\n",
                 "pci=noacs,realloc iommu=pt\n", true},
                {"  pci=a   intel_iommu=on\n", "pci=a intel_iommu=on\n", false},
                {"dyndbg=\"file pci.c +p\" pcie_aspm=off\n", "pcie_aspm=off\n", true},
                {"rd.luks.uuid=x pci=\"a b\"\n", "pci=\"a b\"\n", true},
                {"\n", "\n", false},
                {"", "", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *text = strdup(cases[i].before);
                bool blanked = !cases[i].blanked;
                size_t n = blank_command_line(text, strlen(text), &blanked);

                assert_int_equal(n, strlen(cases[i].after));
                assert_memory_equal(text, cases[i].after, n);
                assert_int_equal(blanked, cases[i].blanked);
                free(text);
        }
}

static void test_cpuinfo(void **state)
{
        char text[] = "processor : 0\nSerial : 10000000abcd\nModel : x\nSerialLast";
        bool blanked = false;
        size_t n = blank_cpuinfo(text, strlen(text), &blanked);

        (void)state;
        assert_true(blanked);
        assert_int_equal(n, strlen("processor : 0\nModel : x\n"));
        assert_memory_equal(text, "processor : 0\nModel : x\n", n);
}

static void test_mac_names(void **state)
{
        (void)state;
        assert_true(is_mac_name("enx0011aabbccdd"));
        assert_true(is_mac_name("wlx0011aabbccdd"));
        assert_false(is_mac_name("enp3s0f1"));
        assert_false(is_mac_name("enx0011aabbccd"));
        assert_false(is_mac_name("enx0011aabbccdz"));
        assert_false(is_mac_name(""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_serial_number), cmocka_unit_test(test_bad_lists),
                cmocka_unit_test(test_any_config),    cmocka_unit_test(test_command_line),
                cmocka_unit_test(test_cpuinfo),       cmocka_unit_test(test_mac_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
