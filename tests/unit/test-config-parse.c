/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config-builder.h"
#include "discover/config-parse.h"

struct parsed {
        struct p2p_function f;
        struct p2p_config_extra x;
};

static struct p2p_config_input whole(const struct config *c)
{
        return (struct p2p_config_input){
                .bytes = c->bytes,
                .n_bytes = c->n_bytes,
                .size_bytes = c->n_bytes,
                .short_why = P2P_WHY_KNOWN,
                .conventional_why = P2P_WHY_HIDDEN,
        };
}

/* Parses a copy that ends where the bytes end, so that a sanitizer sees every step past them. */
static struct parsed parse_input(struct p2p_config_input in)
{
        struct parsed p;
        uint8_t *copy = malloc(in.n_bytes ? in.n_bytes : 1);

        assert_non_null(copy);
        memcpy(copy, in.bytes, in.n_bytes);
        in.bytes = copy;
        memset(&p, 0xa5, sizeof(p));
        p2p_config_parse(&in, &p.f, &p.x);
        free(copy);
        return p;
}

static struct parsed parse(const struct config *c)
{
        return parse_input(whole(c));
}

static void assert_known(struct p2p_fact f, uint64_t val)
{
        assert_int_equal(f.why, P2P_WHY_KNOWN);
        assert_int_equal(f.val, val);
}

static void assert_why(struct p2p_fact f, enum p2p_why why)
{
        assert_string_equal(p2p_why_to_string(f.why), p2p_why_to_string(why));
        assert_int_equal(f.val, 0);
}

static void assert_warning(const struct parsed *p, enum p2p_config_warning_kind kind)
{
        for (unsigned i = 0; i < p->x.n_warnings; i++)
                if (p->x.warnings[i].kind == kind)
                        return;
        fail_msg("no warning \"%s\"", p2p_config_warning_format(kind));
}

static void test_port(void **state)
{
        struct config c = config_bridge(0x060400, 3, 7);
        struct parsed p;
        uint32_t at = add_express(&c, P2P_PORT_ROOT_PORT);

        (void)state;
        put16(&c, at + 0x28, 0x0020);
        add_extended(&c, 0x0001, 2, 0x48);
        at = add_acs(&c, 0x005f, 0x001d);
        p = parse(&c);
        assert_known(p.f.vendor, 0x1b36);
        assert_known(p.f.device, 0x000c);
        assert_known(p.f.class_code, 0x060400);
        assert_known(p.f.revision, 2);
        assert_known(p.f.header_type, 1);
        assert_known(p.f.port_type, P2P_PORT_ROOT_PORT);
        assert_known(p.f.secondary_bus, 3);
        assert_known(p.f.subordinate_bus, 7);
        assert_known(p.f.acs_capability, 0x005f);
        assert_known(p.f.acs_control, 0x001d);
        assert_known(p.f.acs_offset, at);
        assert_known(p.f.memory_decoding, 1);
        assert_known(p.f.bus_master, 1);
        assert_known(p.f.link_speed_mts, 8000);
        assert_known(p.f.link_width_lanes, 4);
        assert_known(p.f.link_speed_max_mts, 16000);
        assert_known(p.f.link_width_max_lanes, 8);
        assert_known(p.f.config_size_bytes, 4096);
        assert_known(p.x.ari_forwarding, 1);
        assert_why(p.f.ats, P2P_WHY_ABSENT);
        assert_why(p.f.sriov_total_vfs, P2P_WHY_ABSENT);
        assert_why(p.f.subsystem_vendor, P2P_WHY_ABSENT);
        assert_int_equal(p.x.n_warnings, 0);
}

static void test_endpoint_capabilities(void **state)
{
        struct config c = config_new(0x15b3, 0x101d, 0x020000);
        struct parsed p;
        uint32_t at;

        (void)state;
        put16(&c, 0x2c, 0x15b3);
        put16(&c, 0x2e, 0x0016);
        put32(&c, 0x10, 0xe000000c);
        put32(&c, 0x14, 0x00000020);
        put32(&c, 0x18, 0xf0000000);
        put32(&c, 0x1c, 0x0000e001);
        add_capability(&c, 0x01, 8);
        add_express(&c, P2P_PORT_ENDPOINT);
        at = add_extended(&c, 0x000f, 1, 8);
        put16(&c, at + 6, 0x8000);
        at = add_extended(&c, 0x0013, 1, 16);
        put16(&c, at + 4, 0x0001);
        at = add_extended(&c, 0x001b, 1, 8);
        put16(&c, at + 6, 0x0000);
        add_sriov(&c, 16, 4, 2, 1, 0x2000000000);
        at = add_extended(&c, 0x0015, 1, 12);
        put32(&c, at + 4, 0x00007ff0 << 4); /* 16 MiB to 16 GiB */
        put32(&c, at + 8, 0 | 1 << 5 | 8 << 8);
        p = parse(&c);
        assert_known(p.f.subsystem_vendor, 0x15b3);
        assert_known(p.f.subsystem_device, 0x0016);
        assert_known(p.f.ats, 1);
        assert_known(p.f.pri, 1);
        assert_known(p.f.pasid, 0);
        assert_known(p.f.sriov_total_vfs, 16);
        assert_known(p.f.sriov_num_vfs, 4);
        assert_known(p.x.sriov_first_offset, 2);
        assert_known(p.x.sriov_stride, 1);
        assert_known(p.x.sriov_vf_device, 0x1234);
        assert_known(p.x.vf_bars[0].bus_start, 0x2000000000);
        assert_int_equal(p.x.vf_bars[0].kind, P2P_BAR_MEMORY);
        assert_int_equal(p.x.vf_bars[1].kind, P2P_BAR_ABSENT);
        assert_known(p.f.bars[0].resize_now_bytes, 256U << 20);
        assert_known(p.f.bars[0].resize_max_bytes, UINT64_C(1) << 34);
        assert_why(p.f.bars[1].resize_now_bytes, P2P_WHY_ABSENT);
        assert_int_equal(p.x.bars_why, P2P_WHY_KNOWN);
        assert_known(p.x.bars[0].bus_start, 0x20e0000000);
        assert_true(p.x.bars[0].is_64bit && p.x.bars[0].prefetchable);
        assert_int_equal(p.x.bars[1].kind, P2P_BAR_ABSENT);
        assert_known(p.x.bars[2].bus_start, 0xf0000000);
        assert_int_equal(p.x.bars[3].kind, P2P_BAR_IO);
        assert_known(p.x.bars[3].bus_start, 0xe000);
        assert_int_equal(p.x.bars[4].kind, P2P_BAR_ABSENT);
        assert_why(p.f.acs_control, P2P_WHY_ABSENT);
        assert_why(p.f.secondary_bus, P2P_WHY_ABSENT);
}

/* What 64, 128, 256 and odd lengths say about ACS and the port type. */
static void test_sizes(void **state)
{
        static const struct {
                bool express, list, pcix2;
                uint8_t header_type;
                uint32_t n_bytes, size_bytes;
                enum p2p_why short_why, conventional_why, acs, port;
        } rows[] = {
                /* conventional: 256 bytes are all there are */
                {false, true, false, 0, 256, 256, P2P_WHY_KNOWN, P2P_WHY_HIDDEN, P2P_WHY_ABSENT,
                 P2P_WHY_ABSENT},
                {false, false, false, 0, 64, 0, P2P_WHY_NO_PRIVILEGE, P2P_WHY_HIDDEN,
                 P2P_WHY_ABSENT, P2P_WHY_ABSENT},
                {false, true, false, 0, 64, 0, P2P_WHY_NO_PRIVILEGE, P2P_WHY_HIDDEN,
                 P2P_WHY_NO_PRIVILEGE, P2P_WHY_NO_PRIVILEGE},
                {false, true, false, 0, 256, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_NOT_CAPTURED,
                 P2P_WHY_ABSENT, P2P_WHY_ABSENT},
                /* PCI Express with 256 bytes: the kernel cannot see further, or the dump ends */
                {true, true, false, 0, 256, 256, P2P_WHY_KNOWN, P2P_WHY_HIDDEN, P2P_WHY_HIDDEN,
                 P2P_WHY_KNOWN},
                {true, true, false, 1, 256, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_NOT_CAPTURED,
                 P2P_WHY_NOT_CAPTURED, P2P_WHY_KNOWN},
                {true, true, false, 0, 64, 4096, P2P_WHY_NO_PRIVILEGE, P2P_WHY_HIDDEN,
                 P2P_WHY_NO_PRIVILEGE, P2P_WHY_NO_PRIVILEGE},
                {true, true, false, 0, 200, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_HIDDEN,
                 P2P_WHY_NOT_CAPTURED, P2P_WHY_KNOWN},
                /* extended space that ends before the list does */
                {true, true, false, 0, 0x102, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_HIDDEN,
                 P2P_WHY_NOT_CAPTURED, P2P_WHY_KNOWN},
                {true, true, false, 0, 0x106, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_HIDDEN,
                 P2P_WHY_NOT_CAPTURED, P2P_WHY_KNOWN},
                {true, true, false, 0, 0x108, 0, P2P_WHY_NOT_CAPTURED, P2P_WHY_HIDDEN,
                 P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                /* PCI-X in mode 2 has extended space, so 256 bytes are not all */
                {false, true, true, 0, 256, 256, P2P_WHY_KNOWN, P2P_WHY_HIDDEN, P2P_WHY_HIDDEN,
                 P2P_WHY_ABSENT},
                {false, true, true, 0, 4096, 4096, P2P_WHY_KNOWN, P2P_WHY_HIDDEN, P2P_WHY_KNOWN,
                 P2P_WHY_ABSENT},
                /* nothing at all */
                {true, true, false, 0, 0, 0, P2P_WHY_NO_FILE, P2P_WHY_HIDDEN, P2P_WHY_NO_FILE,
                 P2P_WHY_NO_FILE},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct config c = config_new(0x8086, 0x1234, 0x020000);
                struct p2p_config_input in;
                struct parsed p;

                put8(&c, 0x0e, rows[i].header_type);
                if (rows[i].list)
                        add_capability(&c, 0x01, 8);
                if (rows[i].express)
                        add_express(&c, P2P_PORT_ENDPOINT);
                if (rows[i].pcix2)
                        put32(&c, add_capability(&c, 0x07, 8) + 4, 0x40000000);
                add_acs(&c, 0x5f, 0x1d);
                in = whole(&c);
                in.n_bytes = rows[i].n_bytes;
                in.size_bytes = rows[i].size_bytes;
                in.short_why = rows[i].short_why;
                in.conventional_why = rows[i].conventional_why;
                p = parse_input(in);
                if (p.f.acs_control.why != rows[i].acs || p.f.acs_capability.why != rows[i].acs ||
                    p.f.port_type.why != rows[i].port)
                        fail_msg("row %zu: acs %s, port type %s", i,
                                 p2p_why_to_string(p.f.acs_control.why),
                                 p2p_why_to_string(p.f.port_type.why));
                assert_int_equal(p.f.config_bytes, rows[i].n_bytes);
        }
}

static void test_all_ones(void **state)
{
        struct config c = config_new(0x8086, 0x1234, 0x020000);
        struct p2p_config_input in;
        struct parsed p;

        (void)state;
        memset(c.bytes, 0xff, sizeof(c.bytes));
        p = parse(&c);
        assert_why(p.f.vendor, P2P_WHY_ALL_ONES);
        assert_why(p.f.header_type, P2P_WHY_ALL_ONES);
        assert_why(p.f.port_type, P2P_WHY_ALL_ONES);
        assert_why(p.f.acs_control, P2P_WHY_ALL_ONES);
        assert_why(p.f.memory_decoding, P2P_WHY_ALL_ONES);
        assert_why(p.f.link_speed_mts, P2P_WHY_ALL_ONES);
        assert_why(p.f.bars[0].resize_now_bytes, P2P_WHY_ALL_ONES);
        assert_int_equal(p.x.bars_why, P2P_WHY_ALL_ONES);
        assert_warning(&p, P2P_CONFIG_WARNING_ALL_ONES);

        /* Only the vendor id of a VF is ffff for good reason. */
        in = whole(&c);
        in.is_vf = true;
        p = parse_input(in);
        assert_why(p.f.acs_control, P2P_WHY_ALL_ONES);

        /* A register that reads ones while the rest does not. */
        c = config_bridge(0x060400, 1, 1);
        add_express(&c, P2P_PORT_DOWNSTREAM);
        add_acs(&c, 0x5f, 0xffff);
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_ALL_ONES);
        assert_why(p.f.acs_capability, P2P_WHY_ALL_ONES);

        /* The extended list. */
        c = config_bridge(0x060400, 1, 1);
        add_express(&c, P2P_PORT_DOWNSTREAM);
        put32(&c, 0x100, 0xffffffff);
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_ALL_ONES);
        assert_warning(&p, P2P_CONFIG_WARNING_EXTENDED_ALL_ONES);
}

static void test_vf(void **state)
{
        struct config c = config_vf();
        struct p2p_config_input in = whole(&c);
        struct parsed p;

        (void)state;
        add_express(&c, P2P_PORT_ENDPOINT);
        add_acs(&c, 0x5f, 0x0004);
        in = whole(&c);
        in.is_vf = true;
        p = parse_input(in);
        assert_known(p.f.port_type, P2P_PORT_ENDPOINT);
        assert_known(p.f.acs_control, 0x0004);
        assert_known(p.f.revision, 2);
        assert_int_equal(p.x.bars_why, P2P_WHY_ABSENT);
        /* The same bytes of no VF mean that it does not answer. */
        in.is_vf = false;
        p = parse_input(in);
        assert_why(p.f.acs_control, P2P_WHY_ALL_ONES);
}

static void test_serial(void **state)
{
        static const struct {
                uint32_t low, high;
                enum p2p_why why;
        } rows[] = {
                {0x44556677, 0x00112233, P2P_WHY_KNOWN},
                {1, 0, P2P_WHY_KNOWN},
                {0, 0x80000000, P2P_WHY_KNOWN},
                {0xffffffff, 0, P2P_WHY_KNOWN},
                {0, 0, P2P_WHY_NOT_REPORTED},
                {0xffffffff, 0xffffffff, P2P_WHY_NOT_REPORTED},
        };
        struct config c = config_new(0x8086, 0x1234, 0x020000);
        struct p2p_config_input in;
        uint32_t at;

        (void)state;
        add_express(&c, P2P_PORT_ENDPOINT);
        assert_why(parse(&c).f.serial, P2P_WHY_ABSENT);
        add_acs(&c, 0x5f, 0);
        at = add_extended(&c, 0x0003, 1, 12);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                put32(&c, at + 4, rows[i].low);
                put32(&c, at + 8, rows[i].high);
                if (rows[i].why == P2P_WHY_KNOWN)
                        assert_known(parse(&c).f.serial,
                                     (uint64_t)rows[i].high << 32 | rows[i].low);
                else
                        assert_why(parse(&c).f.serial, rows[i].why);
        }
        /* Cut within, and without privilege. */
        put32(&c, at + 4, 7);
        in = whole(&c);
        in.n_bytes = at + 11;
        in.short_why = P2P_WHY_NOT_CAPTURED;
        assert_why(parse_input(in).f.serial, P2P_WHY_NOT_CAPTURED);
        in.n_bytes = at + 12;
        assert_known(parse_input(in).f.serial, UINT64_C(0xffffffff00000007));
        in.n_bytes = 64;
        in.short_why = P2P_WHY_NO_PRIVILEGE;
        assert_why(parse_input(in).f.serial, P2P_WHY_NO_PRIVILEGE);
        memset(c.bytes, 0xff, sizeof(c.bytes));
        assert_why(parse(&c).f.serial, P2P_WHY_ALL_ONES);
}

/* The kernel takes a capability by its id alone. */
static void test_version_0(void **state)
{
        struct config c = config_bridge(0x060400, 1, 1);
        struct parsed p;
        uint32_t at;

        (void)state;
        add_express(&c, P2P_PORT_DOWNSTREAM);
        at = add_extended(&c, 0x000d, 0, 8);
        put16(&c, at + 4, 0x5f);
        put16(&c, at + 6, 0x0c);
        p = parse(&c);
        assert_known(p.f.acs_control, 0x0c);
        assert_warning(&p, P2P_CONFIG_WARNING_VERSION_0);
}

static void test_broken_extended_lists(void **state)
{
        struct config base = config_bridge(0x060400, 1, 1), c;
        struct parsed p;
        uint32_t first;

        (void)state;
        add_express(&base, P2P_PORT_DOWNSTREAM);
        first = add_extended(&base, 0x0001, 1, 0x40);

        /* A loop: everything that can be reached was seen, as by the kernel. */
        c = base;
        put16(&c, first + 2, (uint16_t)(1 | first << 4));
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_ABSENT);
        assert_warning(&p, P2P_CONFIG_WARNING_EXTENDED_LOOPS);

        /* A loop after the capability: it is found. */
        c = base;
        add_acs(&c, 0x5f, 0x10);
        put16(&c, c.last_ext + 2, (uint16_t)(1 | first << 4));
        p = parse(&c);
        assert_known(p.f.acs_control, 0x10);
        assert_why(p.f.ats, P2P_WHY_ABSENT);
        assert_warning(&p, P2P_CONFIG_WARNING_EXTENDED_LOOPS);

        /* A pointer into the first 256 bytes ends the list, as it does for the kernel. */
        c = base;
        put16(&c, first + 2, 1 | 0x0f0 << 4);
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_ABSENT);
        assert_warning(&p, P2P_CONFIG_WARNING_EXTENDED_POINTER);

        /* A capability that does not fit. */
        c = base;
        put16(&c, first + 2, 1 | 0xffc << 4);
        put32(&c, 0xffc, 0x0001000d);
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_MALFORMED);
        assert_warning(&p, P2P_CONFIG_WARNING_TRUNCATED);

        /* Two: the first counts. */
        c = base;
        add_acs(&c, 0x5f, 0x04);
        add_acs(&c, 0x5f, 0x00);
        p = parse(&c);
        assert_known(p.f.acs_control, 0x04);

        /* None at all. */
        c = base;
        put32(&c, first, 0);
        p = parse(&c);
        assert_why(p.f.acs_control, P2P_WHY_ABSENT);
        assert_int_equal(p.x.n_warnings, 0);
}

static void test_broken_standard_lists(void **state)
{
        struct config base = config_new(0x8086, 0x1234, 0x010802), c;
        struct parsed p;
        uint32_t at;

        (void)state;
        at = add_capability(&base, 0x05, 8);

        c = base;
        put8(&c, at + 1, (uint8_t)at);
        p = parse(&c);
        assert_why(p.f.port_type, P2P_WHY_ABSENT);
        assert_warning(&p, P2P_CONFIG_WARNING_LIST_LOOPS);

        c = base;
        put8(&c, at + 1, 0x10);
        p = parse(&c);
        assert_why(p.f.port_type, P2P_WHY_ABSENT);
        assert_warning(&p, P2P_CONFIG_WARNING_LIST_POINTER);

        c = base;
        put8(&c, at + 1, 0x80);
        put16(&c, 0x80, 0xffff);
        p = parse(&c);
        assert_why(p.f.port_type, P2P_WHY_ALL_ONES);
        assert_warning(&p, P2P_CONFIG_WARNING_LIST_ALL_ONES);

        /* The two low bits of a pointer are reserved. */
        c = base;
        add_express(&c, P2P_PORT_ENDPOINT);
        put8(&c, at + 1, c.bytes[at + 1] | 3);
        p = parse(&c);
        assert_known(p.f.port_type, P2P_PORT_ENDPOINT);
}

static void test_links(void **state)
{
        static const struct {
                uint16_t status;
                uint64_t mts, lanes; /* 0: by why */
                enum p2p_why mts_why, lanes_why;
        } rows[] = {
                {1 | 1 << 4, 2500, 1, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {2 | 2 << 4, 5000, 2, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {3 | 4 << 4, 8000, 4, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {4 | 8 << 4, 16000, 8, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {5 | 12 << 4, 32000, 12, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {6 | 16 << 4, 64000, 16, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {7 | 32 << 4, 128000, 32, P2P_WHY_KNOWN, P2P_WHY_KNOWN},
                {0, 0, 0, P2P_WHY_NOT_REPORTED, P2P_WHY_NOT_REPORTED},
                {15 | 63 << 4, 0, 0, P2P_WHY_MALFORMED, P2P_WHY_MALFORMED},
                {0xffff, 0, 0, P2P_WHY_ALL_ONES, P2P_WHY_ALL_ONES},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct config c = config_new(0x10de, 0x2330, 0x030200);
                struct parsed p;

                put16(&c, add_express(&c, P2P_PORT_ENDPOINT) + 0x12, rows[i].status);
                p = parse(&c);
                assert_int_equal(p.f.link_speed_mts.why, rows[i].mts_why);
                assert_int_equal(p.f.link_speed_mts.val, rows[i].mts);
                assert_int_equal(p.f.link_width_lanes.why, rows[i].lanes_why);
                assert_int_equal(p.f.link_width_lanes.val, rows[i].lanes);
        }
}

static void test_integrated_has_no_link(void **state)
{
        struct config c = config_new(0x8086, 0x0b25, 0x088000);
        struct parsed p;

        (void)state;
        add_express(&c, P2P_PORT_INTEGRATED_ENDPOINT);
        p = parse(&c);
        assert_why(p.f.link_speed_mts, P2P_WHY_ABSENT);
        assert_why(p.f.link_width_max_lanes, P2P_WHY_ABSENT);
}

static void test_cardbus(void **state)
{
        struct config c = config_new(0x104c, 0xac56, 0x060700);
        struct p2p_config_input in;
        struct parsed p;

        (void)state;
        put8(&c, 0x0e, 2);
        put16(&c, 0x06, 0x0010);
        put8(&c, 0x14, 0xa0);
        put8(&c, 0x19, 5);
        put8(&c, 0x1a, 8);
        put16(&c, 0x40, 0x1014);
        put8(&c, 0xa0, 0x01);
        in = whole(&c);
        in.n_bytes = 128;
        in.size_bytes = 0;
        in.short_why = P2P_WHY_NO_PRIVILEGE;
        p = parse_input(in);
        assert_known(p.f.header_type, 2);
        assert_known(p.f.secondary_bus, 5);
        assert_known(p.f.subsystem_vendor, 0x1014);
        assert_why(p.f.acs_control, P2P_WHY_NO_PRIVILEGE);
        p = parse_input((struct p2p_config_input){.bytes = c.bytes,
                                                  .n_bytes = 256,
                                                  .size_bytes = 256,
                                                  .short_why = P2P_WHY_KNOWN,
                                                  .conventional_why = P2P_WHY_HIDDEN});
        assert_why(p.f.acs_control, P2P_WHY_ABSENT);
}

/* Every length of a full function, with every kind of "no more": no fact is known that the bytes do
 * not say, and none is absent that a longer read would find. */
static void test_every_length(void **state)
{
        struct config c = config_bridge(0x060400, 1, 9);
        struct parsed all;

        (void)state;
        add_capability(&c, 0x01, 8);
        add_express(&c, P2P_PORT_UPSTREAM);
        add_extended(&c, 0x0001, 2, 0x48);
        add_acs(&c, 0x5f, 0x1d);
        add_sriov(&c, 8, 8, 1, 1, 0x100000000);
        put32(&c, add_extended(&c, 0x0003, 1, 12) + 4, 0x1234);
        all = parse(&c);
        assert_known(all.f.acs_control, 0x1d);
        for (uint32_t n = 0; n < 0x400; n++) {
                struct p2p_config_input in = whole(&c);
                struct parsed p;

                in.n_bytes = n;
                in.size_bytes = 0;
                in.short_why = P2P_WHY_NOT_CAPTURED;
                in.conventional_why = P2P_WHY_NOT_CAPTURED;
                p = parse_input(in);
                assert_int_not_equal(p.f.acs_control.why, P2P_WHY_ABSENT);
                assert_int_not_equal(p.f.port_type.why, P2P_WHY_ABSENT);
                assert_int_not_equal(p.f.sriov_num_vfs.why, P2P_WHY_ABSENT);
                assert_int_not_equal(p.f.serial.why, P2P_WHY_ABSENT);
                if (p2p_fact_is_known(p.f.serial))
                        assert_int_equal(p.f.serial.val, 0x1234);
                if (p2p_fact_is_known(p.f.acs_control))
                        assert_int_equal(p.f.acs_control.val, all.f.acs_control.val);
                if (p2p_fact_is_known(p.f.port_type))
                        assert_int_equal(p.f.port_type.val, all.f.port_type.val);
        }
}

/* Any bytes: no crash, no endless walk, no value beside its range. */
static void test_random(void **state)
{
        uint32_t seed = 12345;

        (void)state;
        for (unsigned round = 0; round < 3000; round++) {
                struct config c = config_new(0x8086, 0x1234, 0x060400);
                struct p2p_config_input in;
                struct parsed p;

                for (uint32_t i = round % 2 ? 0x10 : 0; i < sizeof(c.bytes); i++) {
                        seed = seed * 1664525 + 1013904223;
                        c.bytes[i] = (uint8_t)(seed >> 24);
                }
                put8(&c, 0x06, 0x10);
                in = whole(&c);
                in.n_bytes = round % 3 ? 4096 : seed % 4097;
                in.is_vf = round % 5 == 0;
                p = parse_input(in);
                assert_true(p.f.acs_control.val <= 0xffff);
                assert_true(p.x.n_warnings <= P2P_CONFIG_WARNINGS_MAX);
                assert_true(p.f.acs_control.why < P2P_WHY_MAX);
        }
}

struct sparse {
        const struct config *from;
        uint8_t bytes[4096];
        uint32_t n_dwords;
};

static bool read_sparse(uint32_t offset, uint32_t n_bytes, void *userdata)
{
        struct sparse *s = userdata;

        assert_true(offset + n_bytes <= s->from->n_bytes);
        memcpy(s->bytes + offset, s->from->bytes + offset, n_bytes);
        s->n_dwords += n_bytes / 4;
        return true;
}

/* What a sparing reader reads gives the same facts as the whole. */
static void test_visit(void **state)
{
        struct config c = config_bridge(0x060400, 1, 9);
        struct sparse sparse = {.from = &c};
        struct p2p_config_input in;
        struct parsed all, some;

        (void)state;
        add_capability(&c, 0x05, 24);
        put32(&c, add_capability(&c, 0x0d, 8) + 4, 0x12341af4);
        add_express(&c, P2P_PORT_DOWNSTREAM);
        add_extended(&c, 0x0001, 2, 0x48);
        add_acs(&c, 0x5f, 0x1d);
        add_sriov(&c, 8, 8, 1, 1, 0x100000000);
        add_extended(&c, 0x000f, 1, 8);
        memset(c.bytes + 0xf00, 0x77, 16);
        all = parse(&c);
        p2p_config_visit(sparse.bytes, 4096, read_sparse, &sparse);
        assert_true(sparse.n_dwords < 100);
        assert_memory_not_equal(sparse.bytes, c.bytes, sizeof(sparse.bytes));
        in = whole(&c);
        in.bytes = sparse.bytes;
        some = parse_input(in);
        memset(&all.f.address, 0, sizeof(all.f.address));
        memset(&some.f.address, 0, sizeof(some.f.address));
        assert_memory_equal(&all.f, &some.f, sizeof(all.f));
        assert_memory_equal(&all.x, &some.x, sizeof(all.x));
        assert_known(some.f.subsystem_device, 0x1234);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_port),
                cmocka_unit_test(test_endpoint_capabilities),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_all_ones),
                cmocka_unit_test(test_vf),
                cmocka_unit_test(test_serial),
                cmocka_unit_test(test_version_0),
                cmocka_unit_test(test_broken_extended_lists),
                cmocka_unit_test(test_broken_standard_lists),
                cmocka_unit_test(test_links),
                cmocka_unit_test(test_integrated_has_no_link),
                cmocka_unit_test(test_cardbus),
                cmocka_unit_test(test_every_length),
                cmocka_unit_test(test_random),
                cmocka_unit_test(test_visit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
