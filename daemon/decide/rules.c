/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/rules.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/*
 * Source: Linux drivers/pci/p2pdma.c, table pci_p2pdma_whitelist and cpu_supports_p2pdma(), with
 * the mainline commit that brought each row. All AMD rows left when the CPU rule came
 * (dea286bb71ba, Linux 5.9).
 */

#define VENDOR_AMD 0x1022
#define VENDOR_INTEL 0x8086
#define VENDOR_GOOGLE 0x1ae0
#define VENDOR_NVIDIA 0x10de
#define VENDOR_ZHAOXIN 0x1d17

#define XEON_E5 "Intel Xeon E5, Core i7"
#define XEON_V3 "Intel Xeon E7 v3, Xeon E5 v3, Core i7"
#define SKYLAKE_E "Intel Skylake-E"
#define XEON_ICE_LAKE "Intel Xeon since Ice Lake"
#define XEON_DSA "Intel Xeon, DSA first on the root bus"
#define XEON_IAA "Intel Xeon, IAA first on the root bus"
#define XEON_QAT "Intel Xeon, QAT first on the root bus"

/* 0ba76b19fd4c came with 7.2 and went into the stable series 7.1 with 7.1.3. */
#define ACCELERATOR(device_id, what)                                                               \
        {                                                                                          \
                .vendor = VENDOR_INTEL, .device = (device_id), .since = P2P_RELEASE(7, 2),         \
                .stable = P2P_RELEASE(7, 1), .patch = 3, .name = (what),                           \
        }

static const struct p2p_host_bridge_rule table[] = {
        /* 0f97da831026 in 5.2 as a special case; a row of the list since 5.4. 7d5b10fcb81e. */
        {VENDOR_AMD, 0x1450, .since = P2P_RELEASE(5, 4), .until = P2P_RELEASE(5, 9),
         .name = "AMD Zen"},
        {VENDOR_AMD, 0x15d0, .since = P2P_RELEASE(5, 8), .until = P2P_RELEASE(5, 9),
         .name = "AMD Zen, Raven"},
        {VENDOR_AMD, 0x1630, .since = P2P_RELEASE(5, 8), .until = P2P_RELEASE(5, 9),
         .name = "AMD Zen, Renoir"},
        /* 494d63b0d5d0 */
        {VENDOR_INTEL, 0x3c00, .same_only = true, .since = P2P_RELEASE(5, 4), .name = XEON_E5},
        {VENDOR_INTEL, 0x3c01, .same_only = true, .since = P2P_RELEASE(5, 4), .name = XEON_E5},
        {VENDOR_INTEL, 0x2f00, .same_only = true, .since = P2P_RELEASE(5, 4), .name = XEON_V3},
        {VENDOR_INTEL, 0x2f01, .same_only = true, .since = P2P_RELEASE(5, 4), .name = XEON_V3},
        /* bc123a515cb7; ports B, C and D: 7b94b53db34f */
        {VENDOR_INTEL, 0x2030, .since = P2P_RELEASE(5, 6), .name = SKYLAKE_E " root port A"},
        {VENDOR_INTEL, 0x2031, .since = P2P_RELEASE(5, 7), .name = SKYLAKE_E " root port B"},
        {VENDOR_INTEL, 0x2032, .since = P2P_RELEASE(5, 7), .name = SKYLAKE_E " root port C"},
        {VENDOR_INTEL, 0x2033, .since = P2P_RELEASE(5, 7), .name = SKYLAKE_E " root port D"},
        {VENDOR_INTEL, 0x2020, .since = P2P_RELEASE(5, 6), .name = SKYLAKE_E},
        /* feaea1fe8b36 */
        {VENDOR_INTEL, 0x09a2, .since = P2P_RELEASE(5, 18), .name = XEON_ICE_LAKE},
        ACCELERATOR(0x0b25, XEON_DSA),
        ACCELERATOR(0x0cfe, XEON_IAA),
        ACCELERATOR(0x11fb, XEON_DSA),
        ACCELERATOR(0x1212, XEON_DSA),
        ACCELERATOR(0x1216, XEON_IAA),
        ACCELERATOR(0x4940, XEON_QAT),
        ACCELERATOR(0x4942, XEON_QAT),
        ACCELERATOR(0x4944, XEON_QAT),
        ACCELERATOR(0x4946, XEON_QAT),
        ACCELERATOR(0x4948, XEON_QAT),
        /* 70cf146a674c */
        {VENDOR_GOOGLE, P2P_DEVICE_ANY, .since = P2P_RELEASE(7, 1), .name = "Google SoC"},
        /* 894a78088fc3 */
        {VENDOR_NVIDIA, 0x2f95, .since = P2P_RELEASE(7, 3), .name = "NVIDIA Vera"},
        {VENDOR_NVIDIA, 0x2f96, .since = P2P_RELEASE(7, 3), .name = "NVIDIA Vera"},
        {VENDOR_NVIDIA, 0x2f97, .since = P2P_RELEASE(7, 3), .name = "NVIDIA Vera"},
        {VENDOR_NVIDIA, 0x2f98, .since = P2P_RELEASE(7, 3), .name = "NVIDIA Vera"},
        /* f7c220404700, applied after 7.3-rc1 */
        {VENDOR_ZHAOXIN, 0x1003, .same_only = true, .since = P2P_RELEASE(7, 4),
         .name = "Zhaoxin KX-6000"},
        {VENDOR_ZHAOXIN, 0x1005, .same_only = true, .since = P2P_RELEASE(7, 4),
         .name = "Zhaoxin KH-40000"},
        {VENDOR_ZHAOXIN, 0x1006, .same_only = true, .since = P2P_RELEASE(7, 4),
         .name = "Zhaoxin KX-6000G"},
        {VENDOR_ZHAOXIN, 0x1007, .same_only = true, .since = P2P_RELEASE(7, 4),
         .name = "Zhaoxin KX-7000"},
        {VENDOR_ZHAOXIN, 0x1008, .since = P2P_RELEASE(7, 4), .name = "Zhaoxin KH-50000"},
};

#define N_ROWS ((uint32_t)(sizeof(table) / sizeof(table[0])))

const char *p2p_rules_choice_to_string(enum p2p_rules_choice choice)
{
        static const char *const names[P2P_RULES_MAX] = {
                [P2P_RULES_RUNNING] = "running",
                [P2P_RULES_NEWEST] = "newest",
        };

        return choice < P2P_RULES_MAX ? names[choice] : NULL;
}

/* At most five digits; moves *text behind them. */
static int parse_number(const char **text, uint32_t *ret)
{
        uint32_t val = 0;
        unsigned n = 0;

        for (; **text >= '0' && **text <= '9'; n++, (*text)++) {
                if (n == 5)
                        return -EINVAL;
                val = val * 10 + (uint32_t)(**text - '0');
        }
        if (n == 0 || val > UINT16_MAX)
                return -EINVAL;
        *ret = val;
        return 0;
}

static int release_and_patch_parse(const char *text, uint32_t *ret, uint32_t *ret_patch)
{
        uint32_t major, minor, patch = 0;

        if (parse_number(&text, &major) < 0 || *text++ != '.' || parse_number(&text, &minor) < 0)
                return -EINVAL;
        if (*text == '.') {
                text++;
                if (parse_number(&text, &patch) < 0)
                        patch = 0;
        }
        *ret = P2P_RELEASE(major, minor);
        *ret_patch = patch;
        return 0;
}

int p2p_release_parse(const char *text, uint32_t *ret)
{
        uint32_t patch;

        return release_and_patch_parse(text, ret, &patch);
}

const char *p2p_release_format(uint32_t release, char buf[static P2P_RELEASE_STRING_MAX])
{
        if (release == UINT32_MAX) {
                release = 0;
                for (uint32_t i = 0; i < N_ROWS; i++)
                        if (table[i].since > release)
                                release = table[i].since;
        }
        (void)snprintf(buf, P2P_RELEASE_STRING_MAX, "%" PRIu32 ".%" PRIu32, release >> 16,
                       release & 0xffffU);
        return buf;
}

struct p2p_rules p2p_rules_for(const struct p2p_machine *m, enum p2p_rules_choice choice)
{
        struct p2p_rules rules = {.choice = choice, .release = UINT32_MAX, .release_known = true};

        assert(choice < P2P_RULES_MAX);
        if (choice == P2P_RULES_NEWEST)
                return rules;
        if (!m->kernel_release ||
            release_and_patch_parse(m->kernel_release, &rules.release, &rules.patch) < 0)
                rules.release_known = false;
        return rules;
}

const struct p2p_host_bridge_rule *p2p_host_bridge_rules(uint32_t *ret_n)
{
        *ret_n = N_ROWS;
        return table;
}

static bool row_counts(const struct p2p_host_bridge_rule *row, const struct p2p_rules *rules)
{
        if (row->until != 0 && rules->release >= row->until)
                return false;
        return rules->release >= row->since ||
               (rules->release == row->stable && rules->patch >= row->patch);
}

uint32_t p2p_rules_match_host_bridge(const struct p2p_rules *rules, uint16_t vendor,
                                     uint16_t device)
{
        for (uint32_t i = 0; i < N_ROWS; i++)
                if (table[i].vendor == vendor &&
                    (table[i].device == P2P_DEVICE_ANY || table[i].device == device) &&
                    row_counts(&table[i], rules))
                        return i;
        return P2P_NONE;
}

struct p2p_fact p2p_rules_cpu_allows(const struct p2p_rules *rules, const struct p2p_machine *m)
{
        if (rules->release < P2P_RELEASE_CPU_RULE)
                return p2p_fact_known(0);
        if (m->cpu_vendor == P2P_CPU_UNKNOWN)
                return p2p_fact_without(m->cpu_why > P2P_WHY_ABSENT ? m->cpu_why
                                                                    : P2P_WHY_NOT_REPORTED);
        /* Hygon's family 0x18 descends from Zen, yet has its own vendor and does not count. */
        if (!m->is_x86 || m->cpu_vendor != P2P_CPU_AMD)
                return p2p_fact_known(0);
        if (!p2p_fact_is_known(m->cpu_family))
                return p2p_fact_without(p2p_fact_is_unknown(m->cpu_family) ? m->cpu_family.why
                                                                           : P2P_WHY_NOT_REPORTED);
        return p2p_fact_known(m->cpu_family.val >= 0x17);
}
