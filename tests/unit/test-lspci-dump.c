/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config-builder.h"
#include "discover/lspci-dump.h"
#include "discover/source.h"

#define TEXT_MAX (256U * 1024U)

struct dump {
        char path[64];
        char *text;
};

static int setup(void **state)
{
        struct dump *d = calloc(1, sizeof(*d));
        int fd;

        assert_non_null(d);
        strcpy(d->path, "/tmp/p2pd-dump-XXXXXX");
        fd = mkstemp(d->path);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
        d->text = calloc(1, TEXT_MAX);
        assert_non_null(d->text);
        *state = d;
        return 0;
}

static int teardown(void **state)
{
        struct dump *d = *state;

        assert_int_equal(unlink(d->path), 0);
        free(d->text);
        free(d);
        return 0;
}

static void write_text(const struct dump *d, const char *text, size_t n)
{
        FILE *f = fopen(d->path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

static void add(struct dump *d, const char *address, const struct config *c, uint32_t n_bytes)
{
        config_print(c, address, n_bytes, d->text, TEXT_MAX);
}

static struct p2p_machine *scan_text(const struct dump *d, const char *text, size_t n)
{
        struct p2p_machine *m = NULL;
        const char *error = NULL;

        write_text(d, text, n);
        if (p2pd_lspci_dump_scan(d->path, &m, &error) < 0)
                fail_msg("%s", error);
        assert_int_equal(m->source, P2P_SOURCE_LSPCI);
        return m;
}

static struct p2p_machine *scan(const struct dump *d)
{
        return scan_text(d, d->text, strlen(d->text));
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

        assert_int_equal(f->parent_why, P2P_WHY_KNOWN);
        if (!parent)
                assert_int_equal(f->parent, P2P_NONE);
        else if (f->parent == P2P_NONE || &m->functions[f->parent] != at(m, parent))
                fail_msg("%s does not hang below %s", child, parent);
}

static bool has_warning(const struct p2p_machine *m, const char *piece)
{
        for (uint32_t i = 0; i < m->n_warnings; i++)
                if (strstr(m->warnings[i].text, piece))
                        return true;
        return false;
}

static struct config port(enum p2p_port_type type, uint8_t secondary, uint8_t subordinate,
                          uint16_t acs)
{
        struct config c = config_bridge(0x060400, secondary, subordinate);

        add_express(&c, type);
        add_acs(&c, 0x5f, acs);
        return c;
}

static struct config endpoint(uint32_t class_code)
{
        struct config c = config_new(0x8086, 0x0a54, class_code);

        add_express(&c, P2P_PORT_ENDPOINT);
        put32(&c, 0x10, 0x0000000c);
        put32(&c, 0x14, 0x00000080);
        return c;
}

/* Root port, switch with two ports, an endpoint below each. */
static void add_switch(struct dump *d)
{
        struct config c;

        c = config_new(0x8086, 0x09a2, 0x060000);
        add(d, "0000:40:00.0", &c, 256);
        c = port(P2P_PORT_ROOT_PORT, 0x41, 0x44, 0);
        add(d, "0000:40:01.0", &c, 4096);
        c = port(P2P_PORT_UPSTREAM, 0x42, 0x44, 0);
        add(d, "0000:41:00.0", &c, 4096);
        c = port(P2P_PORT_DOWNSTREAM, 0x43, 0x43, 0x1d);
        add(d, "0000:42:00.0", &c, 4096);
        c = port(P2P_PORT_DOWNSTREAM, 0x44, 0x44, 0);
        add(d, "0000:42:01.0", &c, 4096);
        c = endpoint(0x010802);
        add(d, "0000:43:00.0", &c, 4096);
        add(d, "0000:44:00.0", &c, 4096);
}

static void test_switch(void **state)
{
        struct dump *d = *state;
        struct p2p_machine *m;
        const struct p2p_function *f;

        add_switch(d);
        m = scan(d);
        assert_int_equal(m->n_functions, 7);
        assert_int_equal(m->n_roots, 1);
        assert_int_equal(m->roots[0].bus, 0x40);
        assert_parent(m, "0000:40:00.0", NULL);
        assert_parent(m, "0000:40:01.0", NULL);
        assert_parent(m, "0000:41:00.0", "0000:40:01.0");
        assert_parent(m, "0000:42:01.0", "0000:41:00.0");
        assert_parent(m, "0000:44:00.0", "0000:42:01.0");
        assert_ptr_equal(&m->functions[m->roots[0].first_function], at(m, "0000:40:00.0"));
        assert_int_equal(at(m, "0000:42:00.0")->acs_control.val, 0x1d);
        f = at(m, "0000:44:00.0");
        assert_int_equal(f->class_code.val, 0x010802);
        assert_int_equal(f->bars[0].kind, P2P_BAR_MEMORY);
        assert_int_equal(f->bars[0].bus_why, P2P_WHY_KNOWN);
        assert_int_equal(f->bars[0].bus_start.val, 0x8000000000);
        assert_int_equal(f->bars[0].phys_why, P2P_WHY_NOT_IN_SOURCE);
        assert_int_equal(f->bars[0].size_bytes.why, P2P_WHY_NOT_IN_SOURCE);
        assert_int_equal(f->numa_node.why, P2P_WHY_NOT_IN_SOURCE);
        assert_int_equal(f->group_why, P2P_WHY_NOT_IN_SOURCE);
        assert_int_equal(m->cpu_why, P2P_WHY_NOT_IN_SOURCE);
        assert_int_equal(m->kernel_why, P2P_WHY_NOT_IN_SOURCE);
        (void)p2p_machine_free(m);
}

static void test_lengths(void **state)
{
        struct dump *d = *state;
        struct config c = port(P2P_PORT_ROOT_PORT, 1, 1, 0x1d), plain;
        struct p2p_machine *m;

        plain = config_new(0x8086, 0x1234, 0x088000);
        add_capability(&plain, 0x01, 8);
        add(d, "00:01.0", &c, 64);
        add(d, "00:02.0", &c, 256);
        add(d, "00:03.0", &c, 4096);
        add(d, "00:04.0", &plain, 256);
        add(d, "00:05.0", &plain, 64);
        add(d, "00:06.0", &c, 0);
        m = scan(d);
        assert_int_equal(at(m, "00:01.0")->acs_control.why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "00:01.0")->port_type.why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "00:02.0")->acs_control.why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "00:02.0")->port_type.why, P2P_WHY_KNOWN);
        assert_int_equal(at(m, "00:03.0")->acs_control.why, P2P_WHY_KNOWN);
        assert_int_equal(at(m, "00:04.0")->acs_control.why, P2P_WHY_ABSENT);
        assert_int_equal(at(m, "00:05.0")->acs_control.why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "00:06.0")->vendor.why, P2P_WHY_NOT_CAPTURED);
        (void)p2p_machine_free(m);
}

/* Where the bus numbers do not make a tree. */
static void test_odd_bridges(void **state)
{
        struct dump *d = *state;
        struct config c, e = endpoint(0x010802);
        struct p2p_machine *m;

        c = port(P2P_PORT_ROOT_PORT, 0, 0, 0); /* never set up */
        add(d, "0000:00:01.0", &c, 4096);
        c = port(P2P_PORT_ROOT_PORT, 5, 9, 0);
        add(d, "0000:00:02.0", &c, 4096);
        c = port(P2P_PORT_UPSTREAM, 5, 5, 0); /* leads to its own bus */
        add(d, "0000:05:00.0", &c, 4096);
        c = port(P2P_PORT_UPSTREAM, 3, 3, 0); /* leads back */
        add(d, "0000:05:01.0", &c, 4096);
        c = port(P2P_PORT_DOWNSTREAM, 9, 9, 0); /* claims what the next one claims */
        add(d, "0000:05:02.0", &c, 4096);
        c = port(P2P_PORT_ROOT_PORT, 9, 9, 0);
        add(d, "0000:00:03.0", &c, 4096);
        add(d, "0000:03:00.0", &e, 4096);
        add(d, "0000:09:00.0", &e, 4096);
        add(d, "0001:07:00.0", &e, 4096);
        m = scan(d);
        assert_parent(m, "0000:05:00.0", "0000:00:02.0");
        assert_parent(m, "0000:09:00.0", "0000:05:02.0");
        assert_int_equal(at(m, "0000:03:00.0")->parent_why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "0001:07:00.0")->parent_why, P2P_WHY_NOT_CAPTURED);
        assert_int_equal(at(m, "0001:07:00.0")->root, P2P_NONE);
        assert_int_equal(m->n_roots, 1);
        assert_true(has_warning(m, "does not lie below its own bus"));
        assert_true(has_warning(m, "claims bus 0x09"));
        (void)p2p_machine_free(m);
}

static void test_root_buses(void **state)
{
        struct dump *d = *state;
        struct config c, e = endpoint(0x010802);
        struct p2p_machine *m;

        /* Bus 0 is a root bus whatever sits on it. */
        add(d, "0000:00:01.0", &e, 4096);
        c = port(P2P_PORT_ROOT_PORT, 0x81, 0x81, 0);
        add(d, "0000:80:00.0", &c, 4096);
        c = config_new(0x8086, 0x0b25, 0x088000);
        add_express(&c, P2P_PORT_INTEGRATED_ENDPOINT);
        add(d, "0000:c0:01.0", &c, 4096);
        c = config_new(0x8086, 0x1234, 0x020000);
        add(d, "0000:d0:01.0", &c, 256);
        add(d, "12345678:e0:01.0", &c, 256);
        m = scan(d);
        assert_int_equal(m->n_roots, 5);
        assert_int_equal(m->roots[4].segment, 0x12345678);
        assert_parent(m, "12345678:e0:01.0", NULL);
        (void)p2p_machine_free(m);
}

static void test_virtual_functions(void **state)
{
        struct dump *d = *state;
        struct config c, vf = config_vf(), dead;
        const struct p2p_function *f;
        struct p2p_machine *m;

        add_express(&vf, P2P_PORT_ENDPOINT);
        memset(&dead, 0, sizeof(dead));
        memset(dead.bytes, 0xff, sizeof(dead.bytes));
        c = port(P2P_PORT_ROOT_PORT, 1, 1, 0);
        add(d, "0000:00:01.0", &c, 4096);
        /* Another port has the bus on which some VFs are: that is no parent of theirs. */
        c = port(P2P_PORT_ROOT_PORT, 2, 2, 0);
        add(d, "0000:00:02.0", &c, 4096);
        c = endpoint(0x020000);
        add_sriov(&c, 8, 3, 0xf8, 8, 0x4000000000);
        add(d, "0000:01:00.0", &c, 4096);
        add(d, "0000:01:1f.0", &vf, 4096);
        add(d, "0000:02:00.0", &vf, 4096);
        add(d, "0000:02:01.0", &vf, 4096);
        add(d, "0000:02:02.0", &vf, 4096); /* one too many */
        add(d, "0000:02:03.0", &dead, 4096);
        m = scan(d);
        for (unsigned i = 0; i < 3; i++) {
                static const char *const names[] = {"0000:01:1f.0", "0000:02:00.0", "0000:02:01.0"};

                f = at(m, names[i]);
                assert_true(f->is_vf);
                assert_ptr_equal(&m->functions[f->physfn], at(m, "0000:01:00.0"));
                assert_parent(m, names[i], "0000:00:01.0");
                assert_int_equal(f->vendor.val, 0x8086);
                assert_int_equal(f->device.val, 0x1234);
                assert_int_equal(f->class_code.val, 0x020000);
                assert_int_equal(f->memory_decoding.val, 1);
                assert_int_equal(f->bars[0].kind, P2P_BAR_MEMORY);
        }
        assert_int_equal(at(m, "0000:01:1f.0")->bars[0].bus_start.val, 0x4000000000);
        assert_int_equal(at(m, "0000:02:00.0")->bars[0].bus_why, P2P_WHY_NOT_IN_SOURCE);
        f = at(m, "0000:02:02.0");
        assert_true(f->is_vf);
        assert_int_equal(f->physfn, P2P_NONE);
        assert_int_equal(f->parent_why, P2P_WHY_NOT_CAPTURED);
        assert_true(has_warning(m, "looks like a virtual function"));
        f = at(m, "0000:02:03.0");
        assert_false(f->is_vf);
        assert_int_equal(f->acs_control.why, P2P_WHY_ALL_ONES);
        assert_parent(m, "0000:02:03.0", "0000:00:02.0");
        (void)p2p_machine_free(m);
}

/* What people send: line ends of other systems, text of -v, long lines, mail quoting, gaps. */
static void test_other_text(void **state)
{
        struct dump *d = *state;
        struct config c = port(P2P_PORT_ROOT_PORT, 1, 1, 0x1d);
        struct p2p_machine *m;
        char *other = calloc(1, TEXT_MAX), *to = other;

        assert_non_null(other);
        add(d, "00:01.0", &c, 4096);
        for (const char *from = d->text; *from; from++) {
                if (*from == '\n')
                        *to++ = '\r';
                *to++ = *from;
        }
        m = scan_text(d, other, strlen(other));
        assert_int_equal(at(m, "00:01.0")->acs_control.val, 0x1d);
        (void)p2p_machine_free(m);

        memset(other, 0, TEXT_MAX);
        strcpy(other, "some words before\n\n00:01.0 PCI bridge\n\tControl: I/O+ Mem+\n\t");
        memset(other + strlen(other), 'x', 9000);
        strcat(other, "\n\tCapabilities: <access denied>\n");
        strcat(other, strchr(d->text, '\n') + 1);
        m = scan_text(d, other, strlen(other));
        assert_int_equal(at(m, "00:01.0")->acs_control.val, 0x1d);
        (void)p2p_machine_free(m);

        /* A row is missing: what comes after it is not known. */
        strcpy(other, d->text);
        to = strstr(other, "\nc0:");
        memmove(to, strstr(other, "\nd0:"), strlen(strstr(other, "\nd0:")) + 1);
        m = scan_text(d, other, strlen(other));
        assert_int_equal(at(m, "00:01.0")->config_bytes, 0xc0);
        assert_int_equal(at(m, "00:01.0")->acs_control.why, P2P_WHY_NOT_CAPTURED);
        assert_true(has_warning(m, "break off"));
        (void)p2p_machine_free(m);

        /* A row with rubbish. */
        strcpy(other, d->text);
        memcpy(strstr(other, "\n20:") + 8, "zz", 2);
        m = scan_text(d, other, strlen(other));
        assert_int_equal(at(m, "00:01.0")->config_bytes, 0x21);
        (void)p2p_machine_free(m);

        /* The same function twice. */
        strcpy(other, d->text);
        strcat(other, d->text);
        m = scan_text(d, other, strlen(other));
        assert_int_equal(m->n_functions, 1);
        assert_true(has_warning(m, "more than once"));
        (void)p2p_machine_free(m);
        free(other);
}

/* Cut at every byte: a machine or a typed error, and nothing is known that the whole does not say.
 */
static void test_every_prefix(void **state)
{
        struct dump *d = *state;
        struct config c = port(P2P_PORT_ROOT_PORT, 1, 1, 0x1d), e = endpoint(0x010802);
        unsigned n_machines = 0, n_errors = 0;
        size_t length;

        add(d, "0000:00:01.0", &c, 0x180);
        add(d, "0000:01:00.0", &e, 256);
        length = strlen(d->text);
        for (size_t n = 0; n <= length; n++) {
                struct p2p_machine *m = NULL;
                const char *error = NULL;
                int r;

                write_text(d, d->text, n);
                r = p2pd_lspci_dump_scan(d->path, &m, &error);
                if (r < 0) {
                        assert_int_equal(r, -EINVAL);
                        assert_non_null(error);
                        n_errors++;
                        continue;
                }
                n_machines++;
                assert_true(m->n_functions >= 1 && m->n_functions <= 2);
                for (uint32_t i = 0; i < m->n_functions; i++) {
                        const struct p2p_function *f = &m->functions[i];

                        assert_true(f->address.bus < 2);
                        if (p2p_fact_is_known(f->vendor))
                                assert_int_equal(f->vendor.val, i ? 0x8086 : 0x1b36);
                        if (p2p_fact_is_known(f->acs_control))
                                assert_int_equal(f->acs_control.val, 0x1d);
                        assert_false(p2p_fact_is_absent(f->acs_control));
                        assert_false(p2p_fact_is_absent(f->port_type));
                }
                (void)p2p_machine_free(m);
        }
        assert_true(n_machines > n_errors && n_errors > 10);
}

static void test_no_dump(void **state)
{
        struct dump *d = *state;
        struct p2pd_source *source;
        struct p2p_machine *m;
        const char *error;
        char path[128];

        write_text(d, "", 0);
        assert_int_equal(p2pd_lspci_dump_scan(d->path, &m, &error), -EINVAL);
        write_text(d, "00:01.0 PCI bridge\n", 19);
        assert_int_equal(p2pd_lspci_dump_scan(d->path, &m, &error), -EINVAL);
        assert_non_null(strstr(error, "-xxxx"));
        assert_int_equal(p2pd_source_new(P2P_SOURCE_LSPCI, "/tmp", NULL, &source), -EISDIR);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_LSPCI, "/dev/zero", NULL, &source), -EINVAL);
        (void)snprintf(path, sizeof(path), "%s.none", d->path);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_LSPCI, path, NULL, &source), -ENOENT);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_LSPCI, path, NULL, &source), -EINVAL);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(truncate(d->path, P2PD_DUMP_BYTES_MAX + 1), 0);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_LSPCI, d->path, NULL, &source), -EFBIG);
}

/* Lines of hexadecimal, colons and spaces in any order. */
static void test_random(void **state)
{
        static const char alphabet[] = "0123456789abcdef::: ..\n\n  0000";
        struct dump *d = *state;
        uint32_t seed = 99;

        for (unsigned round = 0; round < 300; round++) {
                struct p2p_machine *m = NULL;
                const char *error = NULL;
                size_t n = 0;
                int r;

                d->text[0] = '\0';
                if (round % 2) {
                        struct config c = port(P2P_PORT_ROOT_PORT, 1, 1, 0x1d);

                        add(d, "00:01.0", &c, 256);
                        n = strlen(d->text);
                }
                for (unsigned i = 0; i < 600; i++) {
                        size_t to;

                        seed = seed * 1664525 + 1013904223;
                        to = n && round % 4 < 2 ? seed / 7 % n : n++;
                        d->text[to] = alphabet[(seed >> 24) % (sizeof(alphabet) - 1)];
                }
                write_text(d, d->text, n);
                r = p2pd_lspci_dump_scan(d->path, &m, &error);
                assert_true(r == 0 || r == -EINVAL || r == -EIO);
                if (r == 0)
                        (void)p2p_machine_free(m);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_switch, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
                cmocka_unit_test_setup_teardown(test_odd_bridges, setup, teardown),
                cmocka_unit_test_setup_teardown(test_root_buses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_virtual_functions, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_text, setup, teardown),
                cmocka_unit_test_setup_teardown(test_every_prefix, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_dump, setup, teardown),
                cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
