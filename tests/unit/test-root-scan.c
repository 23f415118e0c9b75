/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discover/attributes.h"
#include "discover/source.h"
#include "discover/sysfs-reading.h"
#include "root-builder.h"

static const char bar_lines[] = "0x0000200000000000 0x00002000000fffff 0x000000000014220c\n"
                                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                                "0x0000000000000000 0x000000000000ffff 0x0000000020040200\n"
                                "0x000000000000e000 0x000000000000e01f 0x0000000000040101\n"
                                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                                "0x00000000fe000000 0x00000000fdffffff 0x0000000000040200\n";

static int setup(void **state)
{
        struct root *r = malloc(sizeof(*r));

        assert_non_null(r);
        *r = root_new();
        *state = r;
        return 0;
}

static int teardown(void **state)
{
        root_free(*state);
        free(*state);
        return 0;
}

static int try_scan(const struct root *r, struct p2p_machine **ret, const char **ret_error)
{
        struct p2pd_source *source;
        int result;

        result = p2pd_source_new(P2P_SOURCE_ROOT, r->path, NULL, &source);
        assert_int_equal(result, 0);
        result = p2pd_source_scan(source, NULL, NULL, ret, ret_error);
        assert_null(p2pd_source_free(source));
        return result;
}

static struct p2p_machine *scan(const struct root *r)
{
        struct p2p_machine *m = NULL;
        const char *error;

        if (try_scan(r, &m, &error) < 0)
                fail_msg("%s", error);
        assert_int_equal(m->source, P2P_SOURCE_ROOT);
        return m;
}

static const struct p2p_function *at(const struct p2p_machine *m, const char *text)
{
        struct p2p_address address;
        uint32_t i;

        assert_int_equal(p2p_address_parse(text, &address), 0);
        i = p2p_machine_find(m, address);
        if (i == P2P_NONE)
                fail_msg("no %s", text);
        return &m->functions[i];
}

static void assert_parent(const struct p2p_machine *m, const char *child, const char *parent)
{
        const struct p2p_function *f = at(m, child);

        assert_string_equal(p2p_why_to_string(f->parent_why), "known");
        if (!parent)
                assert_int_equal(f->parent, P2P_NONE);
        else if (f->parent == P2P_NONE || &m->functions[f->parent] != at(m, parent))
                fail_msg("%s does not hang below %s", child, parent);
}

static void assert_known(struct p2p_fact f, uint64_t val)
{
        assert_string_equal(p2p_why_to_string(f.why), "known");
        assert_int_equal(f.val, val);
}

static void assert_why(struct p2p_fact f, enum p2p_why why)
{
        assert_string_equal(p2p_why_to_string(f.why), p2p_why_to_string(why));
}

static bool has_warning(const struct p2p_machine *m, const char *piece)
{
        for (uint32_t i = 0; i < m->n_warnings; i++)
                if (strstr(m->warnings[i].text, piece))
                        return true;
        return false;
}

static struct config root_port(uint8_t secondary, uint16_t acs)
{
        struct config c = config_bridge(0x060400, secondary, secondary);

        add_express(&c, P2P_PORT_ROOT_PORT);
        add_acs(&c, 0x5f, acs);
        return c;
}

static struct config endpoint(uint32_t class_code)
{
        struct config c = config_new(0x8086, 0x0a54, class_code);

        add_express(&c, P2P_PORT_ENDPOINT);
        return c;
}

static void test_facts(void **state)
{
        const struct root *r = *state;
        const char *place = "pci0000:00/0000:00:01.0/0000:01:00.0";
        const char *base = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
        struct config port = root_port(1, 0x1d), nvme = endpoint(0x010802);
        const struct p2p_function *f;
        struct p2p_machine *m;
        char path[128];

        put32(&nvme, 0x10, 0x0000000c);
        put32(&nvme, 0x14, 0x00000080);
        put32(&nvme, 0x1c, 0x0000e001);
        root_function(r, "pci0000:00/0000:00:01.0", &port);
        root_function(r, place, &nvme);
        root_attribute(r, place, "resource", bar_lines);
        root_attribute(r, place, "p2pmem/size", "2097152\n");
        root_attribute(r, place, "p2pmem/available", "4096\n");
        root_attribute(r, place, "p2pmem/published", "1\n");
        for (size_t i = 0; i < 4; i++) {
                static const char *const names[] = {"nvme/nvme3", "net/eth2", "net/eth10",
                                                    "virtio4/net/eth1"};

                (void)snprintf(path, sizeof(path), "%s/%s", base, names[i]);
                root_dir(r, path);
        }
        (void)snprintf(path, sizeof(path), "%s/driver", base);
        root_link(r, path, "../../../../bus/pci/drivers/nvme");
        (void)snprintf(path, sizeof(path), "%s/iommu_group", base);
        root_link(r, path, "../../../../kernel/iommu_groups/17");
        root_text(r, "sys/kernel/iommu_groups/17/type", "DMA-FQ\n");
        root_text(r, "sys/kernel/iommu_groups/17/reserved_regions",
                  "0x00000000fee00000 0x00000000feefffff msi\n");
        root_dir(r, "sys/class/iommu/dmar0");
        root_dir(r, "sys/devices/system/node/node0");
        root_dir(r, "sys/devices/system/node/node1");
        root_text(r, "proc/cpuinfo", "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t: 143\n");
        root_text(r, "proc/version", "Linux version 7.3.4 (x) #1\n");
        root_text(r, "proc/cmdline", "quiet iommu=pt\n");
        m = scan(r);
        assert_int_equal(m->n_functions, 2);
        assert_int_equal(m->n_roots, 1);
        assert_parent(m, "0000:00:01.0", NULL);
        assert_parent(m, "0000:01:00.0", "0000:00:01.0");
        assert_known(at(m, "0000:00:01.0")->acs_control, 0x1d);
        f = at(m, "0000:01:00.0");
        assert_int_equal(f->root, 0);
        assert_known(f->vendor, 0x8086);
        assert_known(f->class_code, 0x010802);
        assert_string_equal(f->driver, "nvme");
        assert_int_equal(f->n_names, 4);
        assert_string_equal(f->names[0], "eth1");
        assert_string_equal(f->names[1], "eth10");
        assert_string_equal(f->names[2], "eth2");
        assert_string_equal(f->names[3], "nvme3");
        assert_known(f->p2pmem_size_bytes, 2097152);
        assert_known(f->p2pmem_available_bytes, 4096);
        assert_known(f->p2pmem_published, 1);
        assert_why(at(m, "0000:00:01.0")->p2pmem_size_bytes, P2P_WHY_ABSENT);
        assert_known(f->numa_node, 0);
        assert_known(f->dma_mask_bits, 64);
        assert_string_equal(f->cpulist, "0-7");
        assert_known(f->ari, 0);
        assert_why(f->acs_control, P2P_WHY_ABSENT);
        assert_int_equal(f->bars[0].kind, P2P_BAR_MEMORY);
        assert_true(f->bars[0].is_64bit && f->bars[0].prefetchable && f->bars[0].assigned);
        assert_int_equal(f->bars[0].phys_start.val, 0x200000000000);
        assert_int_equal(f->bars[0].bus_why, P2P_WHY_KNOWN);
        assert_int_equal(f->bars[0].bus_start.val, 0x8000000000);
        assert_known(f->bars[0].size_bytes, 0x100000);
        assert_int_equal(f->bars[1].kind, P2P_BAR_ABSENT);
        assert_false(f->bars[2].assigned);
        assert_known(f->bars[2].size_bytes, 0x10000);
        assert_int_equal(f->bars[2].phys_why, P2P_WHY_NOT_REPORTED);
        assert_int_equal(f->bars[2].bus_why, P2P_WHY_NOT_REPORTED);
        assert_int_equal(f->bars[3].kind, P2P_BAR_IO);
        assert_int_equal(f->bars[3].bus_start.val, 0xe000);
        assert_int_equal(f->bars[5].kind, P2P_BAR_UNKNOWN);
        assert_true(has_warning(m, "resource: a line does not parse"));
        assert_int_equal(m->n_groups, 1);
        assert_int_equal(m->groups[f->group].number, 17);
        assert_int_equal(m->groups[f->group].type, P2P_GROUP_TRANSLATED);
        assert_int_equal(m->groups[f->group].n_regions, 1);
        assert_int_equal(m->groups[f->group].regions[0].start, 0xfee00000);
        assert_int_equal(m->cpu_vendor, P2P_CPU_INTEL);
        assert_known(m->cpu_model, 143);
        assert_string_equal(m->kernel_release, "7.3.4");
        assert_string_equal(m->kernel_command_line, "quiet iommu=pt");
        assert_known(m->kernel_has_p2pdma, 1);
        assert_known(m->numa_nodes, 2);
        assert_string_equal(m->iommu_kind, "intel");
        (void)p2p_machine_free(m);
}

static void test_places(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(0xe1, 0), nvme = endpoint(0x010802), one = root_port(1, 0);
        const struct p2p_function *f;
        struct p2p_machine *m;

        root_function(r, "pci0000:00/0000:00:0e.0", &nvme);
        root_function(r, "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", &port);
        root_function(r, "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0", &nvme);
        root_function(r, "pcifedcba98:40/fedcba98:40:00.0", &one);
        root_function(r, "pci0000:80/0000:80:01.0/0000:81:00.0", &nvme);
        root_dir(r, "sys/bus/pci/devices/0000:00:00");
        m = scan(r);
        assert_int_equal(m->n_functions, 5);
        assert_int_equal(m->n_roots, 3);
        assert_parent(m, "0000:00:0e.0", NULL);
        assert_parent(m, "10000:e0:06.0", NULL);
        assert_parent(m, "10000:e1:00.0", "10000:e0:06.0");
        assert_parent(m, "fedcba98:40:00.0", NULL);
        f = at(m, "10000:e1:00.0");
        assert_int_equal(m->roots[f->root].segment, 0x10000);
        assert_int_equal(m->roots[f->root].bus, 0xe0);
        /* The bridge that the path names is not among the functions. */
        f = at(m, "0000:81:00.0");
        assert_int_equal(f->parent, P2P_NONE);
        assert_int_equal(f->root, P2P_NONE);
        assert_int_equal(f->parent_why, P2P_WHY_NO_FILE);
        assert_true(has_warning(m, "\"0000:00:00\" is no address"));
        (void)p2p_machine_free(m);
}

static void test_virtual_functions(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(1, 0), pf = endpoint(0x020000), vf = config_vf();
        const struct p2p_function *f;
        struct p2p_machine *m;

        add_express(&vf, P2P_PORT_ENDPOINT);
        add_sriov(&pf, 8, 2, 0x80, 0x100, 0x4000000000);
        root_function(r, "pci0000:00/0000:00:01.0", &port);
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:00.0", &pf);
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:10.0", &vf);
        root_function(r, "pci0000:00/0000:00:01.0/0000:02:10.0", &vf);
        root_function(r, "pci0000:00/0000:00:01.0/0000:03:00.0", &vf);
        for (unsigned i = 0; i < 3; i++) {
                static const char *const vfs[] = {"0000:01:10.0", "0000:02:10.0", "0000:03:00.0"};
                char place[64], path[128];

                (void)snprintf(place, sizeof(place), "pci0000:00/0000:00:01.0/%s", vfs[i]);
                root_attribute(r, place, "uevent", "PCI_CLASS=20000\nPCI_ID=8086:154C\n");
                root_attribute(r, place, "resource", bar_lines);
                (void)snprintf(path, sizeof(path), "sys/devices/%s/physfn", place);
                root_link(r, path, i == 2 ? "../0000:07:00.0" : "../0000:01:00.0");
        }
        root_dir(r, "sys/devices/pci0000:00/0000:00:01.0/0000:02:10.0/net/eth7");
        m = scan(r);
        f = at(m, "0000:02:10.0");
        assert_true(f->is_vf);
        assert_known(f->vendor, 0x8086);
        assert_known(f->device, 0x154c);
        assert_parent(m, "0000:02:10.0", "0000:00:01.0");
        assert_ptr_equal(&m->functions[f->physfn], at(m, "0000:01:00.0"));
        assert_known(f->memory_decoding, 1);
        assert_known(f->link_speed_mts, 8000);
        assert_string_equal(f->names[0], "eth7");
        assert_int_equal(f->bars[0].bus_why, P2P_WHY_KNOWN);
        assert_int_equal(f->bars[0].bus_start.val, 0x4000000000 + 0x100000);
        assert_int_equal(at(m, "0000:01:10.0")->bars[0].bus_start.val, 0x4000000000);
        assert_why(f->sriov_total_vfs, P2P_WHY_ABSENT);
        assert_known(at(m, "0000:01:00.0")->sriov_num_vfs, 2);
        /* A VF whose PF is not there. */
        f = at(m, "0000:03:00.0");
        assert_true(f->is_vf);
        assert_int_equal(f->physfn, P2P_NONE);
        assert_int_equal(f->bars[0].bus_why, P2P_WHY_NO_FILE);
        assert_why(f->memory_decoding, P2P_WHY_NO_FILE);
        (void)p2p_machine_free(m);
}

/* Config space behind bridges that do not carry the extended part. */
static void test_hidden(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(1, 0), bridge = config_bridge(0x060400, 2, 2);
        struct config reverse = config_bridge(0x060400, 3, 3), conventional,
                      nvme = endpoint(0x010802);
        struct config short_port = root_port(4, 0x1d), pcix = config_bridge(0x060400, 5, 5);
        struct p2p_machine *m;

        add_express(&bridge, P2P_PORT_PCIE_TO_PCI);
        add_express(&reverse, P2P_PORT_PCI_TO_PCIE);
        conventional = config_bridge(0x060400, 6, 6);
        put32(&pcix, add_capability(&pcix, 0x07, 8) + 4, 0x80000000);
        reverse.n_bytes = nvme.n_bytes = short_port.n_bytes = conventional.n_bytes = 256;
        root_function(r, "pci0000:00/0000:00:01.0", &port);
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:00.0", &bridge);
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0", &reverse);
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0", &nvme);
        root_function(r, "pci0000:00/0000:00:02.0", &short_port);
        root_function(r, "pci0000:00/0000:00:02.0/0000:04:00.0", &nvme);
        root_function(r, "pci0000:00/0000:00:03.0", &pcix);
        root_function(r, "pci0000:00/0000:00:03.0/0000:05:00.0", &nvme);
        root_function(r, "pci0000:00/0000:00:04.0", &conventional);
        root_function(r, "pci0000:00/0000:00:04.0/0000:06:00.0", &nvme);
        m = scan(r);
        assert_why(at(m, "0000:02:00.0")->acs_control, P2P_WHY_ABSENT);
        assert_why(at(m, "0000:03:00.0")->acs_control, P2P_WHY_ABSENT);
        assert_known(at(m, "0000:03:00.0")->config_size_bytes, 256);
        assert_why(at(m, "0000:00:02.0")->acs_control, P2P_WHY_HIDDEN);
        assert_why(at(m, "0000:04:00.0")->acs_control, P2P_WHY_HIDDEN);
        assert_why(at(m, "0000:05:00.0")->acs_control, P2P_WHY_HIDDEN);
        assert_why(at(m, "0000:00:04.0")->acs_control, P2P_WHY_ABSENT);
        assert_why(at(m, "0000:06:00.0")->acs_control, P2P_WHY_ABSENT);
        (void)p2p_machine_free(m);
}

/* Config files of every odd kind: the length, or what stands in its place, tells why. */
static void test_config_files(void **state)
{
        static const struct {
                uint32_t n_bytes;
                enum p2p_why acs;
        } rows[] = {
                {4096, P2P_WHY_KNOWN},     {64, P2P_WHY_NO_PRIVILEGE},
                {0, P2P_WHY_NOT_CAPTURED}, {128, P2P_WHY_NOT_CAPTURED},
                {300, P2P_WHY_KNOWN},      {260, P2P_WHY_NOT_CAPTURED},
                {4095, P2P_WHY_KNOWN},     {63, P2P_WHY_NOT_CAPTURED},
                {256, P2P_WHY_HIDDEN},
        };
        const struct root *r = *state;
        struct config port = root_port(1, 0x1d);
        struct p2p_machine *m;
        uint8_t *junk = calloc(1, 1 << 20);

        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char place[64];

                port.n_bytes = rows[i].n_bytes;
                (void)snprintf(place, sizeof(place), "pci0000:00/0000:00:%02x.0", i);
                root_function(r, place, &port);
        }
        port.n_bytes = 64;
        root_function(r, "pci0000:00/0000:00:10.0", &port);
        root_file(r, "sys/devices/pci0000:00/0000:00:10.0/config", junk, 1 << 20);
        free(junk);
        root_function(r, "pci0000:00/0000:00:11.0", &port);
        root_remove(r, "sys/devices/pci0000:00/0000:00:11.0/config");
        root_function(r, "pci0000:00/0000:00:12.0", &port);
        root_remove(r, "sys/devices/pci0000:00/0000:00:12.0/config");
        root_fifo(r, "sys/devices/pci0000:00/0000:00:12.0/config");
        root_function(r, "pci0000:00/0000:00:13.0", &port);
        root_remove(r, "sys/devices/pci0000:00/0000:00:13.0/config");
        root_dir(r, "sys/devices/pci0000:00/0000:00:13.0/config");
        root_function(r, "pci0000:00/0000:00:14.0", &port);
        root_remove(r, "sys/devices/pci0000:00/0000:00:14.0/config");
        root_link(r, "sys/devices/pci0000:00/0000:00:14.0/config", "../0000:00:00.0/config");
        root_link(r, "sys/bus/pci/devices/0000:00:1f.7",
                  "../../../devices/pci0000:00/0000:00:1f.7");
        m = scan(r);
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char address[32];

                (void)snprintf(address, sizeof(address), "0000:00:%02x.0", i);
                assert_why(at(m, address)->acs_control, rows[i].acs);
        }
        assert_why(at(m, "0000:00:10.0")->acs_control, P2P_WHY_MALFORMED);
        assert_true(has_warning(m, "longer than 4096 bytes"));
        assert_why(at(m, "0000:00:11.0")->acs_control, P2P_WHY_NO_FILE);
        assert_known(at(m, "0000:00:11.0")->vendor, 0x1b36);
        assert_why(at(m, "0000:00:12.0")->acs_control, P2P_WHY_MALFORMED);
        assert_why(at(m, "0000:00:13.0")->acs_control, P2P_WHY_MALFORMED);
        assert_why(at(m, "0000:00:14.0")->acs_control, P2P_WHY_MALFORMED);
        /* A link that leads nowhere: a function is there, nothing is known of it but its place. */
        assert_why(at(m, "0000:00:1f.7")->vendor, P2P_WHY_NO_FILE);
        assert_parent(m, "0000:00:1f.7", NULL);
        assert_true(has_warning(m, "its directory cannot be opened"));
        (void)p2p_machine_free(m);
}

/* Nothing outside of the directory is read, whatever stands inside. */
static void test_escapes(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(1, 0x1d);
        const struct p2p_function *f;
        struct p2p_machine *m;
        char outside[512];

        root_function(r, "pci0000:00/0000:00:01.0", &port);
        (void)snprintf(outside, sizeof(outside), "%s-outside", r->path);
        /* The same function under another address, by a link that leaves the directory. */
        (void)snprintf(outside, sizeof(outside),
                       "../../../../../../../../../../../../%s/sys/devices/pci0000:00/0000:00:01.0",
                       r->path);
        root_link(r, "sys/bus/pci/devices/0000:00:02.0", outside);
        (void)snprintf(outside, sizeof(outside), "%s/sys/devices/pci0000:00/0000:00:01.0", r->path);
        root_link(r, "sys/bus/pci/devices/0000:00:03.0", outside);
        root_link(r, "sys/bus/pci/devices/0000:00:04.0", "0000:00:04.0");
        root_link(r, "sys/bus/pci/devices/0000:00:05.0", "0000:00:06.0");
        root_link(r, "sys/bus/pci/devices/0000:00:06.0", "0000:00:05.0");
        root_link(r, "sys/bus/pci/devices/0000:00:07.0", "../../../devices/../../../../../../etc");
        /* This one stays inside: an absolute link counts from the directory. */
        root_link(r, "sys/bus/pci/devices/0000:00:08.0",
                  "/sys/devices/pci0000:00/0000:00:01.0/../0000:00:01.0");
        root_link(r, "proc/cpuinfo", "/proc/cpuinfo");
        root_link(r, "proc/version", "../../../../../../../../../proc/version");
        root_link(r, "proc/cmdline", "/dev/zero");
        root_link(r, "boot", "/boot");
        root_link(r, "sys/kernel/iommu_groups", "/sys/kernel/iommu_groups");
        root_link(r, "sys/devices/pci0000:00/0000:00:01.0/iommu_group", "/");
        root_link(r, "sys/devices/pci0000:00/0000:00:01.0/driver", "/etc/passwd");
        root_link(r, "sys/devices/pci0000:00/0000:00:01.0/net", "/sys/class/net");
        root_link(r, "sys/devices/pci0000:00/0000:00:01.0/p2pmem", "/proc");
        root_remove(r, "sys/devices/pci0000:00/0000:00:01.0/uevent");
        root_link(r, "sys/devices/pci0000:00/0000:00:01.0/uevent", "/etc/passwd");
        m = scan(r);
        assert_int_equal(m->n_functions, 8);
        f = at(m, "0000:00:01.0");
        assert_known(f->acs_control, 0x1d);
        assert_int_equal(f->group_why, P2P_WHY_MALFORMED);
        assert_int_equal(f->n_names, 0);
        /* Where a link points is a fact; it is not followed. */
        assert_string_equal(f->driver, "passwd");
        assert_int_not_equal(f->p2pmem_size_bytes.why, P2P_WHY_KNOWN);
        assert_int_not_equal(f->p2pmem_size_bytes.why, P2P_WHY_ABSENT);
        for (unsigned i = 2; i < 8; i++) {
                char address[32];

                (void)snprintf(address, sizeof(address), "0000:00:%02x.0", i);
                assert_int_not_equal(at(m, address)->vendor.why, P2P_WHY_KNOWN);
                assert_int_equal(at(m, address)->config_bytes, 0);
        }
        assert_known(at(m, "0000:00:08.0")->vendor, 0x1b36);
        assert_int_not_equal(m->cpu_why, P2P_WHY_KNOWN);
        assert_int_not_equal(m->kernel_why, P2P_WHY_KNOWN);
        assert_null(m->kernel_command_line);
        (void)p2p_machine_free(m);
}

/* A root copied with its links followed: directories instead of links. Bus numbers must tell. */
static void test_directories_for_links(void **state)
{
        static const char *const names[] = {"0000:00:01.0", "0000:01:00.0", "0000:01:00.1"};
        const struct root *r = *state;
        struct config configs[3] = {root_port(1, 0x1d), endpoint(0x010802), config_vf()};
        struct p2p_machine *m;

        add_sriov(&configs[1], 4, 1, 1, 1, 0x4000000000);
        for (unsigned i = 0; i < 3; i++) {
                char path[128];

                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", names[i]);
                root_file(r, path, configs[i].bytes, 4096);
        }
        root_dir(r, "sys/bus/pci/devices/0000:01:00.1/physfn");
        m = scan(r);
        assert_parent(m, "0000:00:01.0", NULL);
        assert_parent(m, "0000:01:00.0", "0000:00:01.0");
        assert_parent(m, "0000:01:00.1", "0000:00:01.0");
        assert_ptr_equal(&m->functions[at(m, "0000:01:00.1")->physfn], at(m, "0000:01:00.0"));
        assert_true(has_warning(m, "does not say where it hangs"));
        (void)p2p_machine_free(m);
}

/* No file but the directory, empty files, texts that are huge or none. */
static void test_bare(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(1, 0x1d);
        const struct p2p_function *f;
        struct p2p_machine *m;
        char *junk = malloc(100001);

        assert_non_null(junk);
        memset(junk, '7', 100000);
        junk[100000] = '\0';
        root_link(r, "sys/bus/pci/devices/0000:00:01.0",
                  "../../../devices/pci0000:00/0000:00:01.0");
        root_dir(r, "sys/devices/pci0000:00");
        root_dir(r, "sys/devices/pci0000:00/0000:00:01.0");
        root_function(r, "pci0000:00/0000:00:02.0", &port);
        root_attribute(r, "pci0000:00/0000:00:02.0", "uevent", "");
        root_attribute(r, "pci0000:00/0000:00:02.0", "resource", "");
        root_attribute(r, "pci0000:00/0000:00:02.0", "numa_node", "");
        root_attribute(r, "pci0000:00/0000:00:02.0", "dma_mask_bits", junk);
        root_attribute(r, "pci0000:00/0000:00:02.0", "local_cpulist", junk);
        root_text(r, "proc/cpuinfo", junk);
        root_text(r, "proc/version", "");
        free(junk);
        m = scan(r);
        f = at(m, "0000:00:01.0");
        assert_why(f->vendor, P2P_WHY_NO_FILE);
        assert_why(f->numa_node, P2P_WHY_NO_FILE);
        assert_int_equal(f->driver_why, P2P_WHY_ABSENT);
        assert_int_equal(f->bars[0].kind, P2P_BAR_UNKNOWN);
        assert_int_equal(f->bars[0].phys_why, P2P_WHY_NO_FILE);
        f = at(m, "0000:00:02.0");
        assert_known(f->vendor, 0x1b36);
        assert_why(f->numa_node, P2P_WHY_MALFORMED);
        assert_why(f->dma_mask_bits, P2P_WHY_MALFORMED);
        assert_null(f->cpulist);
        assert_int_equal(f->bars[0].kind, P2P_BAR_UNKNOWN);
        assert_int_equal(m->cpu_why, P2P_WHY_MALFORMED);
        assert_int_equal(m->kernel_why, P2P_WHY_MALFORMED);
        assert_null(m->iommu_kind);
        (void)p2p_machine_free(m);
}

/* Debian has a kernel's configuration in /boot, or beside its modules. */
static void test_kernel_configuration(void **state)
{
        static const struct {
                const char *path, *text;
                struct p2p_fact has_p2pdma;
        } steps[] = {
                {NULL, NULL, {0, P2P_WHY_NO_FILE}},
                {"usr/lib/modules/7.3.4/config", "CONFIG_PCI=y\n", {0, P2P_WHY_NOT_REPORTED}},
                {"usr/lib/modules/7.3.4/config", "CONFIG_PCI_P2PDMA=y\n", {1, P2P_WHY_KNOWN}},
                {"usr/lib/modules/7.3.5/config", "", {1, P2P_WHY_KNOWN}},
                {"boot/config-7.3.4", "# CONFIG_PCI_P2PDMA is not set\n", {0, P2P_WHY_KNOWN}},
        };
        const struct root *r = *state;

        root_dir(r, "sys/bus/pci/devices");
        root_text(r, "proc/sys/kernel/osrelease", "7.3.4\n");
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                struct p2p_machine *m;

                if (steps[i].path)
                        root_text(r, steps[i].path, steps[i].text);
                m = scan(r);
                assert_int_equal(m->kernel_has_p2pdma.why, steps[i].has_p2pdma.why);
                assert_int_equal(m->kernel_has_p2pdma.val, steps[i].has_p2pdma.val);
                (void)p2p_machine_free(m);
        }
}

/* A copy of sys/devices alone, with nested segments and directories that are no functions. */
static void test_no_bus(void **state)
{
        const struct root *r = *state;
        struct p2p_machine *m;
        const char *error = NULL;
        const struct config c = endpoint(0x010802);

        root_dir(r, "sys/devices/system/cpu/cpu0");
        root_link(r, "sys/devices/loop", "../devices");
        root_dir(r, "sys/devices/0000:09:00.0");
        assert_int_equal(try_scan(r, &m, &error), -ENOENT);
        assert_non_null(strstr(error, "sys/devices"));
        root_function(r, "pci0000:00/0000:00:01.0/0000:01:00.0", &c);
        root_function(r, "pci0000:00/0000:00:01.0", &c);
        root_function(r, "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:1d.0", &c);
        root_function(r, "platform/soc/4000.pcie/pci0001:00/0001:00:00.0", &c);
        root_dir(r, "sys/devices/pci0000:00/0000:00:01.0/0000:00:01.0:pcie001/0000:07:00.0");
        root_link(r, "sys/devices/pci0000:00/0000:08:00.0", "0000:00:01.0");
        root_remove(r, "sys/bus/pci/devices/0000:00:01.0");
        root_remove(r, "sys/bus/pci/devices/0000:01:00.0");
        root_remove(r, "sys/bus/pci/devices/0001:00:00.0");
        root_remove(r, "sys/bus/pci/devices/10000:e0:1d.0");
        root_remove(r, "sys/bus/pci/devices");
        m = scan(r);
        assert_int_equal(m->n_functions, 5);
        assert_parent(m, "0000:01:00.0", "0000:00:01.0");
        assert_int_equal(m->n_roots, 3);
        assert_int_equal(m->roots[at(m, "10000:e0:1d.0")->root].bus, 0xe0);
        assert_int_equal(m->roots[at(m, "0001:00:00.0")->root].segment, 1);
        assert_int_equal(at(m, "0000:01:00.0")->vendor.why, P2P_WHY_KNOWN);
        (void)p2p_machine_free(m);
}

static void test_no_root(void **state)
{
        const struct root *r = *state;
        struct p2pd_source *source;
        struct p2p_machine *m;
        const char *error = NULL;
        char path[128];

        assert_int_equal(try_scan(r, &m, &error), -ENOENT);
        assert_non_null(error);
        /* An empty machine is one without functions. */
        root_dir(r, "sys/bus/pci/devices");
        m = scan(r);
        assert_int_equal(m->n_functions, 0);
        (void)p2p_machine_free(m);
        (void)snprintf(path, sizeof(path), "%s/none", r->path);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_ROOT, path, NULL, &source), -ENOENT);
        root_text(r, "file", "");
        (void)snprintf(path, sizeof(path), "%s/file", r->path);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_ROOT, path, NULL, &source), -ENOTDIR);
}

/* Enough functions for several threads: the same machine as function by function. */
static void test_many(void **state)
{
        const struct root *r = *state;
        struct config port = root_port(1, 0x1d), nvme = endpoint(0x010802);
        struct p2p_machine *m;

        for (unsigned i = 0; i < 300; i++) {
                char place[96];

                (void)snprintf(place, sizeof(place), "pci0000:%02x/0000:%02x:%02x.0", i / 30,
                               i / 30, i % 30);
                put8(&port, 0x19, 0xff);
                root_function(r, place, i % 2 ? &nvme : &port);
                (void)snprintf(place, sizeof(place),
                               "sys/devices/pci0000:%02x/0000:%02x:%02x.0/net/eth%u", i / 30,
                               i / 30, i % 30, i);
                root_dir(r, place);
        }
        m = scan(r);
        assert_int_equal(m->n_functions, 300);
        assert_int_equal(m->n_roots, 10);
        for (unsigned i = 0; i < 300; i++) {
                const struct p2p_function *f = &m->functions[i];
                char name[16];

                (void)snprintf(name, sizeof(name), "eth%u", i);
                assert_int_equal(f->n_names, 1);
                assert_string_equal(f->names[0], name);
                assert_string_equal(f->cpulist, "0-7");
                assert_int_equal(f->acs_control.why, i % 2 ? P2P_WHY_ABSENT : P2P_WHY_KNOWN);
        }
        (void)p2p_machine_free(m);
}

/* Every name that a scan looks for is in the table that captures go by. */
static void test_table(void **state)
{
        (void)state;
        for (unsigned e = 0; e < P2PD_ENTRY_MAX; e++) {
                const char *name = p2pd_entry_names[e];
                size_t n = strlen(name);
                bool is_listed = false;

                for (size_t i = 0;
                     i < sizeof(p2p_function_attributes) / sizeof(p2p_function_attributes[0]);
                     i++) {
                        const char *path = p2p_function_attributes[i].path;

                        is_listed |= !strncmp(path, name, n) && (!path[n] || path[n] == '/');
                }
                if (!is_listed)
                        fail_msg("%s", name);
        }
        assert_string_equal(p2p_machine_attributes[0].path, "sys/bus/pci/devices/*");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_places, setup, teardown),
                cmocka_unit_test_setup_teardown(test_virtual_functions, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
                cmocka_unit_test_setup_teardown(test_config_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_directories_for_links, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bare, setup, teardown),
                cmocka_unit_test_setup_teardown(test_kernel_configuration, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_bus, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_root, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
