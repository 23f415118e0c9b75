/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/boot-parameter.h"
#include "random-machine.h"

#define DISABLE P2P_BOOT_DISABLE_ACS_REDIR
#define CONFIG P2P_BOOT_CONFIG_ACS

static const struct p2p_boot_kernel fixed = {
        .release_known = true,
        .has = {true, true},
};
static const struct p2p_boot_kernel misreading = {
        .release_known = true,
        .has = {true, true},
        .misreads = true,
};
static const struct p2p_boot_kernel old = {.release_known = true, .has = {true, false}};

static void test_kernels(void **state)
{
        static const struct {
                const char *release;
                bool known, disable, config, misreads;
        } cases[] = {
                {"4.18.20", true, false, false, false},     {"4.19.0-5", true, true, false, false},
                {"6.10.14", true, true, false, false},      {"6.11", true, true, true, true},
                {"6.11.99", true, true, true, true},        {"6.12.22+bpo", true, true, true, true},
                {"6.12.23-amd64", true, true, true, false}, {"6.13.10", true, true, true, true},
                {"6.13.11", true, true, true, false},       {"6.14.1", true, true, true, true},
                {"6.14.2", true, true, true, false},        {"6.15.0-rc1", true, true, true, false},
                {"7.3.4", true, true, true, false},         {NULL, false, true, true, false},
                {"strange", false, true, true, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct builder b = builder_new();
                struct p2p_boot_kernel k;

                kernel(&b, cases[i].release);
                k = p2p_boot_kernel_for(builder_finish(&b));
                assert_int_equal(k.release_known, cases[i].known);
                assert_int_equal(k.has[DISABLE], cases[i].disable);
                assert_int_equal(k.has[CONFIG], cases[i].config);
                assert_int_equal(k.misreads, cases[i].misreads);
                builder_free(&b);
        }
}

static void assert_text(const char *got, const char *want)
{
        if (!want)
                assert_null(got);
        else if (!got)
                fail_msg("nothing, but wanted %s", want);
        else
                assert_string_equal(got, want);
}

static void test_lines(void **state)
{
        static const struct {
                const char *line, *disable, *config, *others;
                bool override;
        } cases[] = {
                {NULL, NULL, NULL, NULL, false},
                {"", NULL, NULL, NULL, false},
                {" \t\n", NULL, NULL, NULL, false},
                {"quiet pci=noaer ro\n", NULL, NULL, "noaer", false},
                {"pci=disable_acs_redir=a;b", "a;b", NULL, NULL, false},
                {"pci=disable_acs_redir=", "", NULL, NULL, false},
                /* The last one counts; others add up. */
                {"pci=noaer,disable_acs_redir=a,nomsi pci=realloc,disable_acs_redir=b", "b", NULL,
                 "noaer,nomsi,realloc", false},
                {"pci=,,config_acs=1@a,,x,", NULL, "1@a", "x", false},
                /* Quotes around the value, the argument, or a part. */
                {"pci=\"config_acs=1@a;0@b\" x", NULL, "1@a;0@b", NULL, false},
                {"\"pci=config_acs=1@a;0@b\" x", NULL, "1@a;0@b", NULL, false},
                {"pci=config_acs=\"1@a;0@b\" x", NULL, "\"1@a;0@b\"", NULL, false},
                {"pci=\"disable_acs_redir=a b\" pci=noaer", "a b", NULL, "noaer", false},
                {"pci=\"disable_acs_redir=a", "a", NULL, NULL, false},
                {"pci=\"", NULL, NULL, NULL, false},
                {"pci=\"\"", NULL, NULL, NULL, false},
                {"\"", NULL, NULL, NULL, false},
                {"\"\"", NULL, NULL, NULL, false},
                {"=pci=noaer", NULL, NULL, NULL, false},
                /* Other names, and what is for init. */
                {"xpci=noaer pcix=noaer pci PCI=noaer", NULL, NULL, NULL, false},
                {"pci=a -- pci=disable_acs_redir=b", NULL, NULL, "a", false},
                {"pci=a --=x pci=b", NULL, NULL, "a,b", false},
                {"pci=xdisable_acs_redir=a", NULL, NULL, "xdisable_acs_redir=a", false},
                {"pci=disable_acs_redir", NULL, NULL, "disable_acs_redir", false},
                {"pcie_acs_override=downstream", NULL, NULL, NULL, true},
                {"pcie-acs-override", NULL, NULL, NULL, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_boot_line line;

                assert_int_equal(p2p_boot_line_parse(cases[i].line, &line), 0);
                assert_text(line.value[DISABLE], cases[i].disable);
                assert_text(line.value[CONFIG], cases[i].config);
                assert_text(line.other_options, cases[i].others);
                assert_int_equal(line.has_acs_override, cases[i].override);
                p2p_boot_line_deinit(&line);
        }
}

/* Damaged lines: what is found is a part of the line, and one read again gives the same. */
static void test_damaged_lines(void **state)
{
        static const char good[] = "ro \"pci=noaer,disable_acs_redir=a;b\" pci=config_acs=1@c -- x";
        static const char alphabet[] = " \"=,;-pci@\t\xa0";
        struct random r = {.state = 77};
        uint32_t n_found = 0;

        (void)state;
        for (unsigned round = 0; round < 20000; round++) {
                char *text = strdup(good);
                struct p2p_boot_line line;

                for (uint32_t i = random_below(&r, 6); i > 0; i--)
                        text[random_below(&r, (uint32_t)strlen(good))] =
                                alphabet[random_below(&r, sizeof(alphabet) - 1)];
                assert_int_equal(p2p_boot_line_parse(text, &line), 0);
                for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++) {
                        if (!line.value[kind])
                                continue;
                        n_found++;
                        assert_non_null(strstr(text, line.value[kind]));
                        assert_null(strchr(line.value[kind], ','));
                        assert_true(line.n_given[kind] > 0);
                }
                p2p_boot_line_deinit(&line);
                free(text);
        }
        assert_true(n_found > 10000);
}

static void test_entries(void **state)
{
        size_t len;

        (void)state;
        assert_int_equal(p2p_boot_entries(""), 0);
        assert_int_equal(p2p_boot_entries(";"), 1);
        assert_int_equal(p2p_boot_entries("a"), 1);
        assert_int_equal(p2p_boot_entries("a;"), 1);
        assert_int_equal(p2p_boot_entries("a;;bc"), 3);
        assert_memory_equal(p2p_boot_entry("a;;bc", 2, &len), "bc", 2);
        assert_int_equal(len, 2);
        (void)p2p_boot_entry("a;;bc", 1, &len);
        assert_int_equal(len, 0);
}

/* pci0000:00: root port 01.0, switch, endpoints 03:00.0 and 04:00.0 (ids 10de:2330, 15b3:1021). */
static struct builder sample_new(void)
{
        struct builder b = builder_new();
        uint32_t rp = builder_root_port(&b, "00:01.0"), up = builder_upstream(&b, "01:00.0", rp);
        uint32_t first, second;

        first = builder_endpoint(&b, "03:00.0", builder_downstream(&b, "02:00.0", up));
        second = builder_endpoint(&b, "04:00.0", builder_downstream(&b, "02:1f.0", up));
        ids(&b, first, 0x10de, 0x2330);
        ids(&b, second, 0x15b3, 0x1021);
        builder_edit(&b, second)->subsystem_vendor = p2p_fact_known(0x15b3);
        builder_edit(&b, second)->subsystem_device = p2p_fact_known(0x0007);
        builder_edit(&b, first)->subsystem_vendor = p2p_fact_without(P2P_WHY_ABSENT);
        builder_finish(&b);
        return b;
}

#define NONE P2P_BOOT_MATCH_NONE
#define ENTRY P2P_BOOT_MATCH_ENTRY
#define STOPPED P2P_BOOT_MATCH_STOPPED

static void test_devices(void **state)
{
        static const struct {
                const char *value;
                enum p2p_boot_match_kind kind;
                uint32_t entry;
                enum p2p_boot_stop stop;
        } cases[] = {
                /* All of 0000:04:00.0. */
                {"0000:04:00.0", ENTRY, 0, 0},
                {"04:00.0", ENTRY, 0, 0},
                {"4:0.0", ENTRY, 0, 0},
                {"0x0:0x4:0x00.0x0", ENTRY, 0, 0},
                {" 4: 0. 0", ENTRY, 0, 0},
                {"1:04:00.0", NONE, 0, 0},
                {"104:00.0", NONE, 0, 0}, /* bus 0x104 is none, not 04 */
                {"0000:00:01.0/00.0/1f.0/00.0", ENTRY, 0, 0},
                {"00:01.0/0.0/1f.0/0.0", ENTRY, 0, 0},
                {"02:1f.0/00.0", ENTRY, 0, 0},
                {"00:01.0/00.0/00.0/00.0", NONE, 0, 0},
                {"00:01.0/1f.0/00.0", NONE, 0, 0},
                {"00:00.0/00:01.0/00.0/1f.0/00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"99:00.0/00.0/00.0/00.0/1f.0/00.0", NONE, 0, 0},
                {"04:00.0y", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"04:00.0x", ENTRY, 0, 0}, /* the kernel takes 0x without digits for 0 */
                {"04:00", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"zz/00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"zz/01.0", NONE, 0, 0}, /* its end names another function: never read */
                {"04:00.0;zz", ENTRY, 0, 0},
                {"zz;04:00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {";04:00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"", NONE, 0, 0},
                {"03:00.0;02:00.0;04:00.0;", ENTRY, 2, 0},
                {"pci:15b3:1021", ENTRY, 0, 0},
                {"pci:0:0", ENTRY, 0, 0},
                {"pci:15b3:0", ENTRY, 0, 0},
                {"pci:10015b3:1021", ENTRY, 0, 0}, /* what does not fit 16 bits is lost */
                {"pci:15b3:1021:15b3:7", ENTRY, 0, 0},
                {"pci:15b3:1021:0:7", ENTRY, 0, 0},
                {"pci:15b3:1021:15b3:8", NONE, 0, 0},
                {"pci:15b3:1021:15b3", ENTRY, 0, 0}, /* half a subsystem is no subsystem */
                {"pci:15b3:1021junk", ENTRY, 0, 0},
                {"pci:10de:2330:10de;04:00.0", STOPPED, 0, P2P_BOOT_STOP_TRAILING},
                {"pci:10de:2330junk;04:00.0", STOPPED, 0, P2P_BOOT_STOP_TRAILING},
                {"pci:10de:2330;04:00.0", ENTRY, 1, 0},
                {"pci:10de;04:00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"pci:;04:00.0", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"PCI:15b3:1021", STOPPED, 0, P2P_BOOT_STOP_BAD_DEVICE},
        };
        struct builder b = sample_new();
        const uint32_t function = builder_at(&b, "04:00.0");

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_boot_match match =
                        p2p_boot_match_function(b.m, &fixed, DISABLE, cases[i].value, function);

                if (match.kind != cases[i].kind || match.entry != cases[i].entry ||
                    match.stop != cases[i].stop)
                        fail_msg("%s: %u %u %u", cases[i].value, match.kind, match.entry,
                                 match.stop);
                if (match.kind == ENTRY)
                        assert_int_equal(match.mask, P2P_ACS_REDIRECT);
        }
        /* The first one has no subsystem ids that are read. */
        assert_int_equal(p2p_boot_match_function(b.m, &fixed, DISABLE, "pci:10de:0:10de:0",
                                                 builder_at(&b, "03:00.0"))
                                 .kind,
                         NONE);
        builder_free(&b);
}

static void test_flags(void **state)
{
        static const struct {
                const char *value;
                const struct p2p_boot_kernel *kernel;
                enum p2p_boot_match_kind kind;
                uint32_t entry, mask, flags, stop;
        } cases[] = {
                {"xx101x1@04:00.0", &fixed, ENTRY, 0, 0x1d, 0x15, 0},
                {"1@04:00.0", &fixed, ENTRY, 0, 1, 1, 0},
                {"@04:00.0", &fixed, ENTRY, 0, 0, 0, 0},
                {"XxX@04:00.0", &fixed, ENTRY, 0, 0, 0, 0},
                {"xxxx1111111@04:00.0", &fixed, ENTRY, 0, 0x7f, 0x7f, 0},
                {"10000000@04:00.0", &fixed, STOPPED, 0, 0, 0, P2P_BOOT_STOP_FLAGS_RANGE},
                {"12@04:00.0", &fixed, STOPPED, 0, 0, 0, P2P_BOOT_STOP_BAD_FLAGS},
                {"04:00.0", &fixed, STOPPED, 0, 0, 0, P2P_BOOT_STOP_NO_FLAGS},
                {"04:00.0;1@04:00.0", &fixed, STOPPED, 0, 0, 0, P2P_BOOT_STOP_BAD_FLAGS},
                {"1@03:00.0;04:00.0", &fixed, STOPPED, 1, 0, 0, P2P_BOOT_STOP_NO_FLAGS},
                {"1@2@04:00.0", &fixed, STOPPED, 0, 0, 0, P2P_BOOT_STOP_BAD_DEVICE},
                {"1@03:00.0;0@04:00.0", &fixed, ENTRY, 1, 1, 0, 0},
                /* The fault: later flags are taken for a part of the device. */
                {"1@03:00.0;0@04:00.0", &misreading, STOPPED, 1, 0, 0, P2P_BOOT_STOP_MISREAD},
                {"1@04:00.0;0@03:00.0", &misreading, ENTRY, 0, 1, 1, 0},
                {"1@03:00.0;04:00.0", &misreading, ENTRY, 1, 1, 1, 0},
                {"x@03:00.0;0@04:00.0", &misreading, ENTRY, 1, 1, 0, 0},
                {"1@03:00.0;zz", &misreading, STOPPED, 1, 0, 0, P2P_BOOT_STOP_BAD_DEVICE},
        };
        struct builder b = sample_new();

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_boot_match match = p2p_boot_match_function(
                        b.m, cases[i].kernel, CONFIG, cases[i].value, builder_at(&b, "04:00.0"));

                if (match.kind != cases[i].kind || match.entry != cases[i].entry ||
                    match.mask != cases[i].mask || match.flags != cases[i].flags ||
                    match.stop != cases[i].stop)
                        fail_msg("%s: %u entry %u 0x%x 0x%x stop %u", cases[i].value, match.kind,
                                 match.entry, match.mask, match.flags, match.stop);
                assert_non_null(p2p_boot_stop_text(match.stop));
        }
        builder_free(&b);
}

static void test_unknown_facts(void **state)
{
        struct builder b = builder_new();
        uint32_t lost = builder_endpoint(&b, "05:00.0", ON_ROOT_BUS);
        uint32_t blank = builder_endpoint(&b, "06:00.0", ON_ROOT_BUS);

        (void)state;
        parent_missing(&b, lost, P2P_WHY_NOT_CAPTURED);
        builder_edit(&b, blank)->device = p2p_fact_without(P2P_WHY_IO_ERROR);
        builder_finish(&b);
#define KIND(value, at)                                                                            \
        p2p_boot_match_function(b.m, &fixed, DISABLE, value, builder_at(&b, at)).kind
        assert_int_equal(KIND("05:00.0", "05:00.0"), ENTRY);
        assert_int_equal(KIND("00:01.0/00.0", "05:00.0"), P2P_BOOT_MATCH_UNKNOWN);
        assert_int_equal(KIND("00:01.0/00.0", "06:00.0"), NONE);
        assert_int_equal(KIND("pci:1b36:10", "06:00.0"), P2P_BOOT_MATCH_UNKNOWN);
        assert_int_equal(KIND("pci:1b36:0", "06:00.0"), ENTRY);
        assert_int_equal(KIND("pci:8086:10", "06:00.0"), NONE);
#undef KIND
        builder_free(&b);
}

/* The registers as the message of the fix reports them from a machine, before and after it. */
static void test_control(void **state)
{
        static const struct {
                const struct p2p_boot_kernel *kernel;
                enum p2p_boot_parameter parameter;
                uint16_t firmware, mask, flags, control;
                bool iommu;
        } cases[] = {
                {&fixed, CONFIG, 0x53, 0x7f, 0x7b, 0x7b, true},
                {&fixed, CONFIG, 0x00, 0x70, 0x50, 0x50, true},
                {&fixed, DISABLE, 0x7b, 0x2c, 0, 0x53, true},
                {&fixed, DISABLE, 0x5f, 0x2c, 0, 0x53, true},
                {&fixed, DISABLE, 0x00, 0x2c, 0, 0x00, true},
                {&misreading, DISABLE, 0x7b, 0x2c, 0, 0xfffb, true},
                {&misreading, DISABLE, 0x5f, 0x2c, 0, 0xffdf, true},
                {&misreading, DISABLE, 0x00, 0x2c, 0, 0xffd3, true},
                {&misreading, CONFIG, 0x53, 0x7f, 0x7b, 0x7b, true},
                {&old, DISABLE, 0x00, 0x2c, 0, 0x11, true},
                {&old, DISABLE, 0x2c, 0x2c, 0, 0x00, false},
                {&old, CONFIG, 0x00, 0x7f, 0x7f, 0x1d, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct p2p_boot_match matches[P2P_BOOT_PARAMETER_MAX] = {0};

                matches[cases[i].parameter] = (struct p2p_boot_match){
                        .kind = ENTRY,
                        .mask = cases[i].mask,
                        .flags = cases[i].flags,
                };
                assert_int_equal(p2p_boot_acs_control(cases[i].kernel, 0xffff, cases[i].firmware,
                                                      cases[i].iommu, matches),
                                 cases[i].control);
                /* What the function cannot do stays as it is. */
                assert_int_equal(p2p_boot_acs_control(cases[i].kernel, 0x0014, 0x0041,
                                                      cases[i].iommu, matches) &
                                         ~0x0014,
                                 0x0041);
        }
}

/*
 * The second opinion: the same rules with the C library's sscanf(), which the kernel's formats were
 * made after. 1, 0, -1: cannot be read. text is one entry.
 */
static int second_opinion(const struct p2p_machine *m, uint32_t function, const char *text)
{
        unsigned a, b, c, d, ids[4] = {0};
        char copy[256], *slash, extra;
        const struct p2p_function *f = &m->functions[function];

        if (strncmp(text, "pci:", 4) == 0) {
                int n = sscanf(text + 4, "%x:%x:%x:%x", &ids[0], &ids[1], &ids[2], &ids[3]);
                const uint64_t own[4] = {f->vendor.val, f->device.val, f->subsystem_vendor.val,
                                         f->subsystem_device.val};

                if (n < 2)
                        return -1;
                for (int i = 0; i < (n == 4 ? 4 : 2); i++)
                        if ((ids[i] & 0xffff) != 0 && (ids[i] & 0xffff) != own[i])
                                return 0;
                return 1;
        }
        (void)snprintf(copy, sizeof(copy), "%s", text);
        slash = strrchr(copy, '/');
        if (slash) {
                if (sscanf(slash, "/%x.%x%c", &a, &b, &extra) != 2)
                        return -1;
                if ((a % 32) * 8 + b % 8 != f->address.devfn || f->parent == P2P_NONE)
                        return 0;
                *slash = '\0';
                return second_opinion(m, f->parent, copy);
        }
        if (sscanf(copy, "%x:%x:%x.%x%c", &a, &b, &c, &d, &extra) != 4) {
                a = 0;
                if (sscanf(copy, "%x:%x.%x%c", &b, &c, &d, &extra) != 3)
                        return -1;
        }
        return a == f->address.segment && b == f->address.bus &&
               (c % 32) * 8 + d % 8 == f->address.devfn;
}

static struct p2p_boot_match second_match(const struct p2p_machine *m, const char *value,
                                          uint32_t function)
{
        struct p2p_boot_match match = {.kind = NONE};
        char copy[512], *entry, *rest = copy;
        uint32_t n = 0;

        (void)snprintf(copy, sizeof(copy), "%s", value);
        while (*rest) {
                char junk[4] = "";
                unsigned id;
                int answer, used = 0;

                entry = strsep(&rest, ";");
                answer = second_opinion(m, function, entry);
                if (answer != 0) {
                        match.kind = answer > 0 ? ENTRY : STOPPED;
                        match.entry = n;
                        return match;
                }
                if (strncmp(entry, "pci:", 4) == 0) {
                        if (sscanf(entry, "pci:%x:%x:%x:%x%n", &id, &id, &id, &id, &used) != 4)
                                (void)sscanf(entry, "pci:%x:%x%n", &id, &id, &used);
                        (void)sscanf(entry + used, "%1c", junk);
                        if (*junk) {
                                match.kind = STOPPED;
                                match.entry = n;
                                return match;
                        }
                }
                if (!rest)
                        break;
                n++;
        }
        return match;
}

/* Text near to what names a function, then damaged a little. */
static void random_value(struct random *r, const struct p2p_machine *m, char *buf, size_t size)
{
        static const char alphabet[] = "0123456789abf:/.;@ pcx";
        uint32_t n = 1 + random_below(r, 3);
        size_t len = 0;

        for (uint32_t i = 0; i < n; i++) {
                const struct p2p_function *f = &m->functions[random_below(r, m->n_functions)];
                char address[P2P_ADDRESS_STRING_MAX];

                if (i > 0)
                        buf[len++] = ';';
                if (random_below(r, 3) == 0) {
                        len += (size_t)snprintf(buf + len, size - len, "pci:%x:%x:%x:%x",
                                                (unsigned)f->vendor.val, (unsigned)f->device.val,
                                                (unsigned)f->subsystem_vendor.val,
                                                random_below(r, 2));
                        continue;
                }
                if (f->parent != P2P_NONE && random_below(r, 2) == 0)
                        len += (size_t)snprintf(
                                buf + len, size - len, "%s/%02x.%x",
                                p2p_address_format(m->functions[f->parent].address, address),
                                f->address.devfn >> 3, f->address.devfn & 7U);
                else
                        len += (size_t)snprintf(buf + len, size - len, "%s",
                                                p2p_address_format(f->address, address));
        }
        for (uint32_t i = random_below(r, 4); i > 0; i--) {
                size_t at = random_below(r, (uint32_t)len);

                if (random_below(r, 2) == 0)
                        buf[at] = alphabet[random_below(r, sizeof(alphabet) - 1)];
                else
                        memmove(buf + at, buf + at + 1, len-- - at);
        }
}

static void test_against_second_opinion(void **state)
{
        uint32_t n[P2P_BOOT_MATCH_KIND_MAX] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= 30; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed};
                char value[512];

                /* No missing parents: the second opinion does not know them. */
                builder_finish(&b);
                for (unsigned round = 0; round < 300; round++) {
                        memset(value, 0, sizeof(value));
                        random_value(&r, b.m, value, sizeof(value));
                        /* Libraries differ about a 0x without digits. */
                        if (strstr(value, "0x"))
                                continue;
                        for (uint32_t f = 0; f < b.m->n_functions; f++) {
                                struct p2p_boot_match got, want;

                                got = p2p_boot_match_function(b.m, &fixed, DISABLE, value, f);
                                if (got.kind == P2P_BOOT_MATCH_UNKNOWN)
                                        continue;
                                want = second_match(b.m, value, f);
                                n[got.kind]++;
                                if (got.kind != want.kind || got.entry != want.entry)
                                        fail_msg("seed %u, '%s': %u at %u, wanted %u at %u",
                                                 (unsigned)seed, value, got.kind, got.entry,
                                                 want.kind, want.entry);
                        }
                }
                builder_free(&b);
        }
        assert_true(n[NONE] > 1000 && n[ENTRY] > 1000 && n[STOPPED] > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kernels),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_damaged_lines),
                cmocka_unit_test(test_entries),
                cmocka_unit_test(test_devices),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_unknown_facts),
                cmocka_unit_test(test_control),
                cmocka_unit_test(test_against_second_opinion),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
