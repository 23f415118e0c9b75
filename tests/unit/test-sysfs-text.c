/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "discover/sysfs-text.h"

static void assert_fact(const char *text, struct p2p_fact f, enum p2p_why why, uint64_t val)
{
        if (f.why != why || f.val != val)
                fail_msg("\"%s\": %s %llu", text, p2p_why_to_string(f.why),
                         (unsigned long long)f.val);
}

static void assert_slice(struct p2p_slice s, const char *text)
{
        assert_int_equal(s.length, strlen(text));
        assert_memory_equal(s.text, text, s.length);
}

static void test_numbers(void **state)
{
        static const struct {
                const char *text;
                unsigned base;
                uint64_t max;
                enum p2p_why why;
                uint64_t val;
        } rows[] = {
                {"0x8086\n", 16, 0xffff, P2P_WHY_KNOWN, 0x8086},
                {"8086", 16, 0xffff, P2P_WHY_KNOWN, 0x8086},
                {"0X00AB \t\n", 16, 0xffff, P2P_WHY_KNOWN, 0xab},
                {"64\n", 10, 64, P2P_WHY_KNOWN, 64},
                {"65\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"", 10, 64, P2P_WHY_MALFORMED, 0},
                {"\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"-1\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"+1\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {" 1\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"1 2\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"0x\n", 16, 64, P2P_WHY_MALFORMED, 0},
                {"0x10\n", 10, 64, P2P_WHY_MALFORMED, 0},
                {"18446744073709551615", 10, UINT64_MAX, P2P_WHY_KNOWN, UINT64_MAX},
                {"18446744073709551616", 10, UINT64_MAX, P2P_WHY_MALFORMED, 0},
                {"0xffffffffffffffff", 16, UINT64_MAX, P2P_WHY_KNOWN, UINT64_MAX},
                {"0x10000000000000000", 16, UINT64_MAX, P2P_WHY_MALFORMED, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_fact(rows[i].text, p2p_text_number(rows[i].text, rows[i].base, rows[i].max),
                            rows[i].why, rows[i].val);
}

static void test_numa_node(void **state)
{
        (void)state;
        assert_fact("-1", p2p_text_numa_node("-1\n"), P2P_WHY_NOT_REPORTED, 0);
        assert_fact("3", p2p_text_numa_node("3\n"), P2P_WHY_KNOWN, 3);
        assert_fact("-2", p2p_text_numa_node("-2\n"), P2P_WHY_MALFORMED, 0);
        assert_fact("", p2p_text_numa_node(""), P2P_WHY_MALFORMED, 0);
}

static void test_links(void **state)
{
        static const struct {
                const char *text;
                enum p2p_why why;
                uint64_t mts;
        } speeds[] = {
                {"2.5 GT/s PCIe\n", P2P_WHY_KNOWN, 2500},
                {"5.0 GT/s PCIe\n", P2P_WHY_KNOWN, 5000},
                {"8.0 GT/s PCIe\n", P2P_WHY_KNOWN, 8000},
                {"16.0 GT/s PCIe\n", P2P_WHY_KNOWN, 16000},
                {"32.0 GT/s PCIe\n", P2P_WHY_KNOWN, 32000},
                {"64.0 GT/s PCIe\n", P2P_WHY_KNOWN, 64000},
                {"128.0 GT/s PCIe\n", P2P_WHY_KNOWN, 128000},
                {"8 GT/s\n", P2P_WHY_KNOWN, 8000},
                {"2.5 GT/s\n", P2P_WHY_KNOWN, 2500},
                {"5 GT/s\n", P2P_WHY_KNOWN, 5000},
                {"Unknown\n", P2P_WHY_NOT_REPORTED, 0},
                {"Unknown speed\n", P2P_WHY_NOT_REPORTED, 0},
                {"2,5 GT/s PCIe\n", P2P_WHY_MALFORMED, 0},
                {"0 GT/s\n", P2P_WHY_MALFORMED, 0},
                {"16.0\n", P2P_WHY_MALFORMED, 0},
                {"99999999999999999999 GT/s\n", P2P_WHY_MALFORMED, 0},
                {"", P2P_WHY_MALFORMED, 0},
        };
        const char *before = setlocale(LC_ALL, "");

        (void)state;
        (void)before;
        for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
                assert_fact(speeds[i].text, p2p_text_link_speed_mts(speeds[i].text), speeds[i].why,
                            speeds[i].mts);
        assert_fact("16", p2p_text_link_width("16\n"), P2P_WHY_KNOWN, 16);
        assert_fact("0", p2p_text_link_width("0\n"), P2P_WHY_NOT_REPORTED, 0);
        assert_fact("255", p2p_text_link_width("255\n"), P2P_WHY_NOT_REPORTED, 0);
        assert_fact("63", p2p_text_link_width("63\n"), P2P_WHY_MALFORMED, 0);
        assert_fact("x16", p2p_text_link_width("x16\n"), P2P_WHY_MALFORMED, 0);
}

static void test_resources(void **state)
{
        struct p2p_resource lines[6];
        size_t n;

        (void)state;
        n = p2p_text_resources("0x0000100000000000 0x0000101fffffffff 0x000000000014220c\n"
                               "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                               "0x0000000000002000 0x0000000000001fff 0x0000000000040200\n"
                               "0x00000000fe000000 0x00000000fe003fff\n"
                               "nonsense\n"
                               "0x0 0xffffffffffffffff 0x200",
                               lines, 6);
        assert_int_equal(n, 6);
        assert_false(lines[0].is_malformed);
        assert_int_equal(lines[0].start, 0x100000000000);
        assert_int_equal(lines[0].end, 0x101fffffffff);
        assert_int_equal(lines[0].flags, 0x14220c);
        assert_false(lines[1].is_malformed);
        assert_true(lines[2].is_malformed);
        assert_true(lines[3].is_malformed);
        assert_true(lines[4].is_malformed);
        assert_false(lines[5].is_malformed);
        assert_int_equal(p2p_text_resources("", lines, 6), 0);
        assert_int_equal(p2p_text_resources("0 0 0\n0 0 0\n0 0 0\n", lines, 2), 2);
}

static void test_uevent(void **state)
{
        struct p2p_uevent u;

        (void)state;
        p2p_text_uevent("DRIVER=nvme\nPCI_CLASS=10802\nPCI_ID=8086:0A54\nPCI_SUBSYS_ID=8086:4702\n"
                        "PCI_SLOT_NAME=0000:01:00.0\nMODALIAS=pci:v00008086d00000A54\n",
                        &u);
        assert_slice(u.driver, "nvme");
        assert_fact("class", u.class_code, P2P_WHY_KNOWN, 0x010802);
        assert_fact("vendor", u.vendor, P2P_WHY_KNOWN, 0x8086);
        assert_fact("device", u.device, P2P_WHY_KNOWN, 0x0a54);
        assert_fact("subsystem", u.subsystem_device, P2P_WHY_KNOWN, 0x4702);
        p2p_text_uevent("PCI_ID=8086\nPCI_CLASS=1000000\nPCI_SUBSYS_ID=8086:\nDRIVER", &u);
        assert_null(u.driver.text);
        assert_fact("class", u.class_code, P2P_WHY_MALFORMED, 0);
        assert_fact("vendor", u.vendor, P2P_WHY_MALFORMED, 0);
        assert_fact("subsystem", u.subsystem_device, P2P_WHY_MALFORMED, 0);
        p2p_text_uevent("", &u);
        assert_fact("class", u.class_code, P2P_WHY_NO_FILE, 0);
}

static void test_cpuinfo(void **state)
{
        static const struct {
                const char *text, *name;
                enum p2p_cpu_vendor vendor;
                enum p2p_why why;
                bool is_x86;
                uint64_t family, model;
        } rows[] = {
                {"processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n"
                 "model name\t: AMD EPYC\n\nprocessor\t: 1\nvendor_id\t: Other\n",
                 "AuthenticAMD", P2P_CPU_AMD, P2P_WHY_KNOWN, true, 25, 1},
                {"vendor_id\t: HygonGenuine\ncpu family\t: 24\nmodel\t: 1\n", "HygonGenuine",
                 P2P_CPU_HYGON, P2P_WHY_KNOWN, true, 24, 1},
                {"vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t: 207\n", "GenuineIntel",
                 P2P_CPU_INTEL, P2P_WHY_KNOWN, true, 6, 207},
                {"vendor_id\t:   Shanghai  \ncpu family\t: 7\nmodel\t: 91\n", "Shanghai",
                 P2P_CPU_ZHAOXIN, P2P_WHY_KNOWN, true, 7, 91},
                {"vendor_id\t: CentaurHauls\ncpu family\t: 7\nmodel\t: 59\n", "CentaurHauls",
                 P2P_CPU_OTHER, P2P_WHY_KNOWN, true, 7, 59},
                {"processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
                 "0x41", P2P_CPU_OTHER, P2P_WHY_KNOWN, false, 0, 0},
                {"processor\t: 0\nhart\t: 1\nisa\t: rv64imafdc\n", NULL, P2P_CPU_OTHER,
                 P2P_WHY_KNOWN, false, 0, 0},
                /* cut inside a value: it may be another one's beginning */
                {"processor\t: 0\nvendor_id\t: Authentic", NULL, P2P_CPU_UNKNOWN, P2P_WHY_MALFORMED,
                 false, 0, 0},
                {"", NULL, P2P_CPU_UNKNOWN, P2P_WHY_MALFORMED, false, 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct p2p_cpu cpu;

                p2p_text_cpuinfo(rows[i].text, &cpu);
                if (cpu.vendor != rows[i].vendor || cpu.why != rows[i].why ||
                    cpu.is_x86 != rows[i].is_x86 || cpu.family.val != rows[i].family ||
                    cpu.model.val != rows[i].model)
                        fail_msg("row %zu", i);
                if (rows[i].name)
                        assert_slice(cpu.vendor_text, rows[i].name);
                else
                        assert_null(cpu.vendor_text.text);
        }
}

static void test_release(void **state)
{
        (void)state;
        assert_slice(p2p_text_version_release("Linux version 7.3.4+deb13-amd64 (debian) #1\n"),
                     "7.3.4+deb13-amd64");
        assert_null(p2p_text_version_release("Linux version 7.3").text);
        assert_null(p2p_text_version_release("Linux version ").text);
        assert_null(p2p_text_version_release("FreeBSD 14\n").text);
        assert_null(p2p_text_version_release("").text);
}

static void test_groups(void **state)
{
        const char *text = "0x00000000fee00000 0x00000000feefffff msi\n"
                           "0x0000000000000000 0x0000000000ffffff direct\n\n"
                           "0x10 0x20 direct-relaxable\n0x30 0x3f something new\n"
                           "0x20 0x10 reserved\n0x20 0x30\n0x40 0x4f reserved";
        struct p2p_region r;
        enum p2p_why why;

        (void)state;
        assert_int_equal(p2p_text_next_region(&text, &r), 1);
        assert_int_equal(r.start, 0xfee00000);
        assert_int_equal(r.end, 0xfeefffff);
        assert_int_equal(r.kind, P2P_REGION_MSI);
        assert_int_equal(p2p_text_next_region(&text, &r), 1);
        assert_int_equal(r.kind, P2P_REGION_DIRECT);
        assert_int_equal(p2p_text_next_region(&text, &r), 1);
        assert_int_equal(r.kind, P2P_REGION_DIRECT_RELAXABLE);
        assert_int_equal(p2p_text_next_region(&text, &r), 1);
        assert_int_equal(r.kind, P2P_REGION_OTHER);
        assert_true(p2p_text_next_region(&text, &r) < 0);
        assert_true(p2p_text_next_region(&text, &r) < 0);
        assert_int_equal(p2p_text_next_region(&text, &r), 1);
        assert_int_equal(r.kind, P2P_REGION_RESERVED);
        assert_int_equal(p2p_text_next_region(&text, &r), 0);

        assert_int_equal(p2p_text_group_type("DMA\n", &why), P2P_GROUP_TRANSLATED);
        assert_int_equal(p2p_text_group_type("DMA-FQ\n", &why), P2P_GROUP_TRANSLATED);
        assert_int_equal(p2p_text_group_type("identity\n", &why), P2P_GROUP_IDENTITY);
        assert_int_equal(p2p_text_group_type("blocked\n", &why), P2P_GROUP_BLOCKED);
        assert_int_equal(p2p_text_group_type("unmanaged\n", &why), P2P_GROUP_UNMANAGED);
        assert_int_equal(why, P2P_WHY_KNOWN);
        assert_int_equal(p2p_text_group_type("DM", &why), P2P_GROUP_TYPE_UNKNOWN);
        assert_int_equal(why, P2P_WHY_MALFORMED);
}

static void test_kernel_option(void **state)
{
        static const char name[] = "CONFIG_PCI_P2PDMA";

        (void)state;
        assert_fact("y", p2p_text_kernel_option("CONFIG_PCI_P2PDMA=y", name), P2P_WHY_KNOWN, 1);
        assert_fact("not set", p2p_text_kernel_option("# CONFIG_PCI_P2PDMA is not set", name),
                    P2P_WHY_KNOWN, 0);
        assert_fact("other", p2p_text_kernel_option("CONFIG_PCI_P2PDMA_TEST=y", name),
                    P2P_WHY_NO_FILE, 0);
        assert_fact("comment", p2p_text_kernel_option("# CONFIG_PCI_P2PDMA_X is not set", name),
                    P2P_WHY_NO_FILE, 0);
        assert_fact("empty", p2p_text_kernel_option("", name), P2P_WHY_NO_FILE, 0);
        assert_fact("odd", p2p_text_kernel_option("CONFIG_PCI_P2PDMA=maybe", name),
                    P2P_WHY_MALFORMED, 0);
}

static void test_place(void **state)
{
        static const struct {
                const char *path, *self;
                int r;
                uint32_t root_segment;
                uint8_t root_bus;
                const char *parent; /* NULL: on the root bus */
        } rows[] = {
                {"pci0000:00/0000:00:1f.3", "0000:00:1f.3", 0, 0, 0, NULL},
                {"pci0000:40/0000:40:01.1/0000:41:00.0", "0000:41:00.0", 0, 0, 0x40,
                 "0000:40:01.1"},
                /* VMD: a root bus inside of a function */
                {"pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0", "10000:e1:00.0",
                 0, 0x10000, 0xe0, "10000:e0:06.0"},
                {"pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", "10000:e0:06.0", 0, 0x10000,
                 0xe0, NULL},
                {"platform/soc/fe000000.pcie/pci0001:00/0001:00:00.0", "0001:00:00.0", 0, 1, 0,
                 NULL},
                {"LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/x/pci8a1c:00/8a1c:00:02.0", "8a1c:00:02.0", 0,
                 0x8a1c, 0, NULL},
                {"pciffffffff:ff/ffffffff:ff:1f.7", "ffffffff:ff:1f.7", 0, 0xffffffff, 0xff, NULL},
                {"pci0000:00/0000:00:1f.3", "0000:00:1f.4", -1, 0, 0, NULL},
                {"pci0000:00/something/0000:01:00.0", "0000:01:00.0", -1, 0, 0, NULL},
                {"pci0000:00", "0000:00:00.0", -1, 0, 0, NULL},
                {"0000:00:00.0", "0000:00:00.0", -1, 0, 0, NULL},
                {"pci0000:0/0000:00:00.0", "0000:00:00.0", -1, 0, 0, NULL},
                {"", "0000:00:00.0", -1, 0, 0, NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct p2p_address self, parent;
                struct p2p_place place;
                int r;

                assert_int_equal(p2p_address_parse(rows[i].self, &self), 0);
                r = p2p_text_place(rows[i].path, self, &place);
                if ((r < 0) != (rows[i].r < 0))
                        fail_msg("%s: %d", rows[i].path, r);
                if (r < 0)
                        continue;
                assert_int_equal(place.root_segment, rows[i].root_segment);
                assert_int_equal(place.root_bus, rows[i].root_bus);
                assert_int_equal(place.has_parent, rows[i].parent != NULL);
                if (!rows[i].parent)
                        continue;
                assert_int_equal(p2p_address_parse(rows[i].parent, &parent), 0);
                assert_int_equal(p2p_address_compare(place.parent, parent), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),       cmocka_unit_test(test_numa_node),
                cmocka_unit_test(test_links),         cmocka_unit_test(test_resources),
                cmocka_unit_test(test_uevent),        cmocka_unit_test(test_cpuinfo),
                cmocka_unit_test(test_release),       cmocka_unit_test(test_groups),
                cmocka_unit_test(test_kernel_option), cmocka_unit_test(test_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
