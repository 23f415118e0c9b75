/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Offsets and bits are those of the PCI Local Bus specification 3.0 (chapter 6), PCIe chapter 7
 * and PCI-X 2.0. Multi-byte registers are little-endian.
 */

#include "config-parse.h"

#include <string.h>

#include "config-bytes.h"
#include "config-list.h"

#define COMMAND 0x04U

struct parser {
        const struct p2p_config_input *in;
        struct p2p_function *f;
        struct p2p_config_extra *extra;
        struct p2p_standard_list standard;
        struct p2p_extended_list extended;
};

const char *p2p_config_warning_format(enum p2p_config_warning_kind kind)
{
        static const char *const formats[P2P_CONFIG_WARNING_KIND_MAX] = {
                [P2P_CONFIG_WARNING_LIST_LOOPS] = "config: capability list loops at 0x%02x",
                [P2P_CONFIG_WARNING_LIST_POINTER] =
                        "config: capability list points into the header (0x%02x)",
                [P2P_CONFIG_WARNING_LIST_ALL_ONES] =
                        "config: capability list reads all ones at 0x%02x",
                [P2P_CONFIG_WARNING_EXTENDED_LOOPS] =
                        "config: extended capability list loops at 0x%03x",
                [P2P_CONFIG_WARNING_EXTENDED_POINTER] =
                        "config: extended capability list points below 0x100 (0x%03x)",
                [P2P_CONFIG_WARNING_EXTENDED_ALL_ONES] =
                        "config: extended capability list reads all ones at 0x%03x",
                [P2P_CONFIG_WARNING_VERSION_0] =
                        "config: capability at 0x%03x has version 0, taken by its id",
                [P2P_CONFIG_WARNING_TRUNCATED] =
                        "config: capability at 0x%03x passes the end of config space",
                [P2P_CONFIG_WARNING_ALL_ONES] = "config: reads all ones (from 0x%02x)",
                [P2P_CONFIG_WARNING_BUS_NUMBERS] =
                        "config: bridge's secondary bus 0x%02x is beyond its subordinate bus",
        };

        return formats[kind];
}

/* Every fact of config space without a value, for the same reason. */
static void set_all(struct parser *p, enum p2p_why why)
{
        const struct p2p_fact fact = p2p_fact_without(why);
        struct p2p_function *f = p->f;
        struct p2p_config_extra *x = p->extra;

        if (!p->in->is_vf)
                f->vendor = f->device = f->class_code = f->subsystem_vendor = f->subsystem_device =
                        fact;
        f->revision = f->header_type = f->port_type = f->serial = fact;
        f->config_size_bytes = fact;
        f->secondary_bus = f->subordinate_bus = fact;
        f->acs_capability = f->acs_control = f->acs_offset = fact;
        f->memory_decoding = f->bus_master = fact;
        f->ats = f->pri = f->pasid = fact;
        f->sriov_total_vfs = f->sriov_num_vfs = fact;
        f->link_speed_mts = f->link_width_lanes = fact;
        f->link_speed_max_mts = f->link_width_max_lanes = fact;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                f->bars[i].resize_now_bytes = f->bars[i].resize_max_bytes = fact;
        x->pcix_mode2 = x->ari_forwarding = fact;
        x->bars_why = why;
        x->sriov_control = x->sriov_first_offset = x->sriov_stride = x->sriov_vf_device = fact;
}

/* A function that is powered down or gone answers every read with ones. */
static bool is_all_ones(const struct p2p_config_input *in)
{
        if (in->is_vf)
                return p2p_config_has_bytes(in, 0, 8) &&
                       p2p_config_get32(in->bytes, COMMAND) == UINT32_MAX;
        return p2p_config_has_bytes(in, 0, 2) && p2p_config_get16(in->bytes, 0) == UINT16_MAX;
}

static void parse_identity(struct parser *p)
{
        const struct p2p_config_input *in = p->in;
        struct p2p_function *f = p->f;

        f->header_type = p2p_config_bits(p2p_config_read8(in, P2P_CONFIG_HEADER_TYPE), 0, 0x7f);
        f->revision = p2p_config_read8(in, 0x08);
        if (in->is_vf)
                return;
        f->vendor = p2p_config_read16(in, 0x00);
        f->device = p2p_config_read16(in, 0x02);
        f->class_code = p2p_config_has_bytes(in, 0x08, 4)
                                ? p2p_fact_known(p2p_config_get32(in->bytes, 0x08) >> 8)
                                : p2p_fact_without(p2p_config_missing_why(in));
}

/* A bridge of type 1 has its subsystem ids in a capability (PCI-to-PCI Bridge 1.2, 3.2.5.15). */
static void parse_subsystem(struct parser *p)
{
        struct p2p_function *f = p->f;
        uint32_t at = p->standard.at[P2P_STANDARD_SUBSYSTEM];

        if (p->in->is_vf)
                return;
        if (!p2p_fact_is_known(f->header_type)) {
                f->subsystem_vendor = f->subsystem_device = f->header_type;
        } else if (f->header_type.val == 0) {
                f->subsystem_vendor = p2p_config_read16(p->in, 0x2c);
                f->subsystem_device = p2p_config_read16(p->in, 0x2e);
        } else if (f->header_type.val == 2) {
                f->subsystem_vendor = p2p_config_read16(p->in, 0x40);
                f->subsystem_device = p2p_config_read16(p->in, 0x42);
        } else if (at) {
                f->subsystem_vendor = p2p_config_read16(p->in, at + 4);
                f->subsystem_device = p2p_config_read16(p->in, at + 6);
        } else {
                f->subsystem_vendor = f->subsystem_device =
                        p2p_fact_without(p->standard.missing_why);
        }
}

static void parse_command(struct parser *p)
{
        struct p2p_fact command = p2p_config_read16(p->in, COMMAND);

        p->f->memory_decoding = p2p_config_bits(command, 1, 1);
        p->f->bus_master = p2p_config_bits(command, 2, 1);
}

static void parse_bus_numbers(struct parser *p)
{
        struct p2p_function *f = p->f;

        if (!p2p_fact_is_known(f->header_type)) {
                f->secondary_bus = f->subordinate_bus = f->header_type;
                return;
        }
        if (f->header_type.val == 0) {
                f->secondary_bus = f->subordinate_bus = p2p_fact_without(P2P_WHY_ABSENT);
                return;
        }
        f->secondary_bus = p2p_config_read8(p->in, 0x19);
        f->subordinate_bus = p2p_config_read8(p->in, 0x1a);
        if (p2p_fact_is_known(f->subordinate_bus) && f->secondary_bus.val > f->subordinate_bus.val)
                p2p_config_warn(p->extra, P2P_CONFIG_WARNING_BUS_NUMBERS,
                                (uint32_t)f->secondary_bus.val);
}

/* Decodes n BAR registers from offset on (PCI 6.2.5.1; SR-IOV's VF BARs likewise). */
static void parse_bar_registers(const uint8_t *bytes, uint32_t offset, unsigned n,
                                struct p2p_config_bar bars[P2P_BARS_MAX])
{
        for (unsigned i = 0; i < n; i++) {
                uint32_t low = p2p_config_get32(bytes, offset + 4 * i);
                struct p2p_config_bar *bar = &bars[i];
                uint64_t start;

                if (low & 1U) {
                        bar->kind = P2P_BAR_IO;
                        start = low & ~3U;
                } else {
                        bar->kind = P2P_BAR_MEMORY;
                        bar->prefetchable = low & 8U;
                        bar->is_64bit = (low & 6U) == 4U;
                        start = low & ~0xfU;
                        if (bar->is_64bit && i + 1 < n)
                                start |= (uint64_t)p2p_config_get32(bytes, offset + 4 * i + 4)
                                         << 32;
                        if (start == 0 && low == 0)
                                bar->kind = P2P_BAR_ABSENT;
                }
                /* Zero is where nobody put it: a BAR register holds no address then. */
                bar->bus_start =
                        start ? p2p_fact_known(start) : p2p_fact_without(P2P_WHY_NOT_REPORTED);
                if (bar->is_64bit && i + 1 < n)
                        i++;
        }
}

static void parse_bars(struct parser *p)
{
        static const uint8_t n_bars[] = {6, 2, 1};
        const struct p2p_fact type = p->f->header_type;

        if (p->in->is_vf) {
                p->extra->bars_why = P2P_WHY_ABSENT;
                return;
        }
        if (!p2p_fact_is_known(type) || type.val >= sizeof(n_bars)) {
                p->extra->bars_why = p2p_fact_is_known(type) ? P2P_WHY_MALFORMED : type.why;
                return;
        }
        if (!p2p_config_has_bytes(p->in, 0x10, 4U * n_bars[type.val])) {
                p->extra->bars_why = p2p_config_missing_why(p->in);
                return;
        }
        parse_bar_registers(p->in->bytes, 0x10, n_bars[type.val], p->extra->bars);
        p->extra->bars_why = P2P_WHY_KNOWN;
}

/* PCI-X 2.0 7.2.4: a function or bridge in mode 2 (266 or 533 MHz) has 4096 bytes. */
static void parse_pcix(struct parser *p)
{
        uint32_t at = p->standard.at[P2P_STANDARD_PCIX];

        if (!at)
                p->extra->pcix_mode2 = p2p_fact_without(p->standard.missing_why);
        else if (!p2p_config_has_bytes(p->in, at, 8))
                p->extra->pcix_mode2 = p2p_fact_without(p2p_config_missing_why(p->in));
        else
                p->extra->pcix_mode2 =
                        p2p_fact_known((p2p_config_get32(p->in->bytes, at + 4) & 0xc0000000U) != 0);
}

/* PCIe 7.5.3.6: the code is an index into the speeds, from 2.5 GT/s on. */
static struct p2p_fact speed_from_code(uint64_t code)
{
        static const uint32_t speeds_mts[] = {0, 2500, 5000, 8000, 16000, 32000, 64000, 128000};

        if (code == 0)
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        if (code >= sizeof(speeds_mts) / sizeof(speeds_mts[0]))
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return p2p_fact_known(speeds_mts[code]);
}

static struct p2p_fact width_from_code(uint64_t lanes)
{
        if (lanes == 0)
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        if (lanes > 32)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return p2p_fact_known(lanes);
}

/* The Supported Link Speeds Vector (PCIe 7.5.3.18) is newer and decides where it is there. */
static struct p2p_fact speed_max(const struct p2p_config_input *in, uint32_t at, uint32_t link)
{
        unsigned version = in->bytes[at + 2] & 0xf;

        if (version >= 2 && p2p_config_has_bytes(in, at + 0x2c, 4)) {
                uint32_t vector = p2p_config_get32(in->bytes, at + 0x2c) >> 1 & 0x7f;

                for (unsigned code = 7; code > 0; code--)
                        if (vector & 1U << (code - 1))
                                return speed_from_code(code);
        }
        return speed_from_code(link & 0xf);
}

static void parse_link(struct parser *p, uint32_t at)
{
        const struct p2p_config_input *in = p->in;
        struct p2p_function *f = p->f;
        uint32_t capability;
        uint16_t status;

        if (!p2p_config_has_bytes(in, at, 0x14)) {
                f->link_speed_mts = f->link_width_lanes = f->link_speed_max_mts =
                        f->link_width_max_lanes = p2p_fact_without(p2p_config_missing_why(in));
                return;
        }
        capability = p2p_config_get32(in->bytes, at + 0x0c);
        status = p2p_config_get16(in->bytes, at + 0x12);
        if (capability == UINT32_MAX || status == UINT16_MAX) {
                f->link_speed_mts = f->link_width_lanes = f->link_speed_max_mts =
                        f->link_width_max_lanes = p2p_fact_without(P2P_WHY_ALL_ONES);
                return;
        }
        f->link_speed_mts = speed_from_code(status & 0xf);
        f->link_width_lanes = width_from_code(status >> 4 & 0x3f);
        f->link_speed_max_mts = speed_max(in, at, capability);
        f->link_width_max_lanes = width_from_code(capability >> 4 & 0x3f);
}

static void parse_express(struct parser *p)
{
        const struct p2p_config_input *in = p->in;
        struct p2p_function *f = p->f;
        uint32_t at = p->standard.at[P2P_STANDARD_EXPRESS];
        struct p2p_fact flags =
                at ? p2p_config_read16(in, at + 2) : p2p_fact_without(p->standard.missing_why);

        f->port_type = p2p_config_bits(flags, 4, 0xf);
        p->extra->ari_forwarding =
                p2p_fact_without(p2p_fact_is_known(flags) ? P2P_WHY_ABSENT : flags.why);
        if (!p2p_fact_is_known(flags)) {
                f->link_speed_mts = f->link_width_lanes = f->link_speed_max_mts =
                        f->link_width_max_lanes = p2p_fact_without(flags.why);
                return;
        }
        if (f->port_type.val == P2P_PORT_INTEGRATED_ENDPOINT ||
            f->port_type.val == P2P_PORT_EVENT_COLLECTOR)
                f->link_speed_mts = f->link_width_lanes = f->link_speed_max_mts =
                        f->link_width_max_lanes = p2p_fact_without(P2P_WHY_ABSENT);
        else
                parse_link(p, at);
        /* Device Control 2, ARI Forwarding Enable (PCIe 7.5.3.16). */
        if ((flags.val & 0xf) >= 2)
                p->extra->ari_forwarding = p2p_config_bits(p2p_config_read16(in, at + 0x28), 5, 1);
}

/* What 256 bytes or fewer say about extended capabilities, and about the size itself. */
static enum p2p_why judge_conventional(struct parser *p)
{
        const struct p2p_config_input *in = p->in;
        struct p2p_function *f = p->f;
        bool pcix2 = p2p_fact_is_known(p->extra->pcix_mode2) && p->extra->pcix_mode2.val;
        bool conventional = p2p_fact_is_absent(f->port_type) && !pcix2 &&
                            !p2p_fact_is_unknown(p->extra->pcix_mode2);
        /* The kernel looks for extended space on every host bridge, PCI Express or not. */
        bool host = p2p_fact_is_known(f->class_code) && f->class_code.val >> 8 == 0x0600;

        if (conventional && host && in->n_bytes < P2P_CONFIG_CONVENTIONAL_BYTES &&
            in->size_bytes != P2P_CONFIG_CONVENTIONAL_BYTES)
                conventional = false;
        if (conventional || in->size_bytes == P2P_CONFIG_CONVENTIONAL_BYTES)
                f->config_size_bytes = p2p_fact_known(P2P_CONFIG_CONVENTIONAL_BYTES);
        if (conventional)
                return P2P_WHY_ABSENT;
        if (in->n_bytes == P2P_CONFIG_CONVENTIONAL_BYTES &&
            (in->short_why == P2P_WHY_KNOWN || in->conventional_why == P2P_WHY_NOT_CAPTURED))
                return in->conventional_why;
        return p2p_config_missing_why(in);
}

static void find_extended(struct parser *p)
{
        const struct p2p_config_input *in = p->in;

        if (in->n_bytes > P2P_CONFIG_CONVENTIONAL_BYTES) {
                p->f->config_size_bytes = p2p_fact_known(P2P_CONFIG_EXTENDED_BYTES);
                p2p_config_find_extended(in, &p->extended, p->extra);
                return;
        }
        p->extended.missing_why = judge_conventional(p);
        if (!p2p_fact_is_known(p->f->config_size_bytes))
                p->f->config_size_bytes = in->size_bytes == P2P_CONFIG_EXTENDED_BYTES
                                                  ? p2p_fact_known(P2P_CONFIG_EXTENDED_BYTES)
                                                  : p2p_fact_without(p->extended.missing_why);
}

/* Offset of a capability of which n bytes can be read; else 0 and why in *ret_why. */
static uint32_t extended_at(struct parser *p, enum p2p_extended which, uint32_t n,
                            enum p2p_why *ret_why)
{
        uint32_t at = p->extended.at[which];

        if (!at) {
                *ret_why = p->extended.missing_why;
                return 0;
        }
        if (p2p_config_has_bytes(p->in, at, n)) {
                *ret_why = P2P_WHY_KNOWN;
                return at;
        }
        *ret_why = p2p_config_missing_why(p->in);
        if (*ret_why == P2P_WHY_MALFORMED)
                p2p_config_warn(p->extra, P2P_CONFIG_WARNING_TRUNCATED, at);
        return 0;
}

/* PCIe 7.9.3, the lower half first. A device whose maker put none in answers zeros or ones: many
 * such devices would seem to be one. */
static void parse_serial(struct parser *p)
{
        enum p2p_why why;
        uint32_t at = extended_at(p, P2P_EXTENDED_SERIAL, 12, &why);
        uint64_t serial;

        if (!at) {
                p->f->serial = p2p_fact_without(why);
                return;
        }
        serial = p2p_config_get32(p->in->bytes, at + 4) |
                 (uint64_t)p2p_config_get32(p->in->bytes, at + 8) << 32;
        p->f->serial = serial == 0 || serial == UINT64_MAX ? p2p_fact_without(P2P_WHY_NOT_REPORTED)
                                                           : p2p_fact_known(serial);
}

static void parse_acs(struct parser *p)
{
        struct p2p_function *f = p->f;
        enum p2p_why why;
        uint32_t at = extended_at(p, P2P_EXTENDED_ACS, 8, &why);

        if (at) {
                uint16_t capability = p2p_config_get16(p->in->bytes, at + 4);
                uint16_t control = p2p_config_get16(p->in->bytes, at + 6);

                if (capability != UINT16_MAX && control != UINT16_MAX) {
                        f->acs_capability = p2p_fact_known(capability);
                        f->acs_control = p2p_fact_known(control);
                        f->acs_offset = p2p_fact_known(at);
                        return;
                }
                why = P2P_WHY_ALL_ONES;
        }
        f->acs_capability = f->acs_control = f->acs_offset = p2p_fact_without(why);
}

/* The enable bit of a capability's control register. */
static struct p2p_fact extended_enable(struct parser *p, enum p2p_extended which, uint32_t offset,
                                       unsigned bit)
{
        enum p2p_why why;
        uint32_t at = extended_at(p, which, offset + 2, &why);

        if (!at)
                return p2p_fact_without(why);
        if (p2p_config_get16(p->in->bytes, at + offset) == UINT16_MAX)
                return p2p_fact_without(P2P_WHY_ALL_ONES);
        return p2p_fact_known(p2p_config_get16(p->in->bytes, at + offset) >> bit & 1U);
}

/* PCIe 9.3.3. */
static void parse_sriov(struct parser *p)
{
        struct p2p_config_extra *x = p->extra;
        struct p2p_function *f = p->f;
        enum p2p_why why;
        uint32_t at = extended_at(p, P2P_EXTENDED_SRIOV, 64, &why);

        if (at && p2p_config_get16(p->in->bytes, at + 0x08) == UINT16_MAX)
                why = P2P_WHY_ALL_ONES;
        if (why != P2P_WHY_KNOWN) {
                f->sriov_total_vfs = f->sriov_num_vfs = x->sriov_control = x->sriov_first_offset =
                        x->sriov_stride = x->sriov_vf_device = p2p_fact_without(why);
                return;
        }
        x->sriov_control = p2p_config_read16(p->in, at + 0x08);
        f->sriov_total_vfs = p2p_config_read16(p->in, at + 0x0e);
        /* Without VF Enable the number is only what would be, and no function answers. */
        f->sriov_num_vfs =
                x->sriov_control.val & 1U ? p2p_config_read16(p->in, at + 0x10) : p2p_fact_known(0);
        x->sriov_first_offset = p2p_config_read16(p->in, at + 0x14);
        x->sriov_stride = p2p_config_read16(p->in, at + 0x16);
        x->sriov_vf_device = p2p_config_read16(p->in, at + 0x1a);
        parse_bar_registers(p->in->bytes, at + 0x24, P2P_BARS_MAX, x->vf_bars);
}

static void parse_resizable_entry(struct parser *p, uint32_t at)
{
        uint32_t capability = p2p_config_get32(p->in->bytes, at),
                 control = p2p_config_get32(p->in->bytes, at + 4);
        unsigned now = control >> 8 & 0x3f, index = control & 7U;
        struct p2p_bar *bar;

        if (index >= P2P_BARS_MAX)
                return;
        bar = &p->f->bars[index];
        if (capability == UINT32_MAX && control == UINT32_MAX) {
                bar->resize_now_bytes = bar->resize_max_bytes = p2p_fact_without(P2P_WHY_ALL_ONES);
                return;
        }
        bar->resize_now_bytes = now < 44 ? p2p_fact_known(UINT64_C(1) << (20 + now))
                                         : p2p_fact_without(P2P_WHY_MALFORMED);
        bar->resize_max_bytes = p2p_fact_without(P2P_WHY_NOT_REPORTED);
        /* Supported sizes: bits 31:4 from 1 MiB up, then bits 31:16 of the control register. */
        for (unsigned i = 0; i < 44; i++) {
                uint32_t supported = i < 28 ? capability >> (4 + i) : control >> (16 + i - 28);

                if (supported & 1U)
                        bar->resize_max_bytes = p2p_fact_known(UINT64_C(1) << (20 + i));
        }
}

/* PCIe 7.8.6. The first entry says how many there are. */
static void parse_resizable(struct parser *p)
{
        enum p2p_why why;
        uint32_t at = extended_at(p, P2P_EXTENDED_RESIZABLE_BAR, 12, &why);
        unsigned n;

        if (why == P2P_WHY_KNOWN)
                why = P2P_WHY_ABSENT;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                p->f->bars[i].resize_now_bytes = p->f->bars[i].resize_max_bytes =
                        p2p_fact_without(why);
        if (!at)
                return;
        n = p2p_config_get32(p->in->bytes, at + 8) >> 5 & 7U;
        for (unsigned i = 0; i < n && i < P2P_BARS_MAX; i++)
                if (p2p_config_has_bytes(p->in, at + 4 + 8 * i, 8))
                        parse_resizable_entry(p, at + 4 + 8 * i);
}

void p2p_config_parse(const struct p2p_config_input *in, struct p2p_function *f,
                      struct p2p_config_extra *ret)
{
        struct parser p = {.in = in, .f = f, .extra = ret};

        memset(ret, 0, sizeof(*ret));
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                ret->bars[i].bus_start = ret->vf_bars[i].bus_start =
                        p2p_fact_without(P2P_WHY_ABSENT);
        f->config_bytes = in->n_bytes;
        if (in->n_bytes == 0) {
                set_all(&p, p2p_config_missing_why(in));
                return;
        }
        if (is_all_ones(in)) {
                set_all(&p, P2P_WHY_ALL_ONES);
                p2p_config_warn(ret, P2P_CONFIG_WARNING_ALL_ONES, 0);
                return;
        }
        parse_identity(&p);
        parse_command(&p);
        parse_bus_numbers(&p);
        parse_bars(&p);
        p2p_config_find_standard(in, &p.standard, ret);
        parse_subsystem(&p);
        parse_pcix(&p);
        parse_express(&p);
        find_extended(&p);
        parse_serial(&p);
        parse_acs(&p);
        f->ats = extended_enable(&p, P2P_EXTENDED_ATS, 6, 15);
        f->pri = extended_enable(&p, P2P_EXTENDED_PRI, 4, 0);
        f->pasid = extended_enable(&p, P2P_EXTENDED_PASID, 6, 0);
        parse_sriov(&p);
        parse_resizable(&p);
}
