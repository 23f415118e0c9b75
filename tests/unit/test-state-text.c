/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/state-line.h"
#include "publish/state-text.h"
#include "random-machine.h"
#include "state-builder.h"

/* Counts reports and keeps them, one per line. */
struct reports {
        unsigned n;
        char text[8192];
};

static void note(const char *line, void *userdata)
{
        struct reports *r = userdata;

        assert_null(strchr(line, '\n'));
        r->n++;
        if (strlen(r->text) + strlen(line) + 2 < sizeof(r->text)) {
                strcat(r->text, line);
                strcat(r->text, "\n");
        }
}

static char *format(const struct p2pd_state *s, size_t *ret_size)
{
        char *text;

        assert_int_equal(p2pd_state_format(s, &text, ret_size), 0);
        assert_int_equal(strlen(text), *ret_size);
        return text;
}

static struct p2pd_state parse(const char *text, size_t size, struct reports *reports)
{
        /* A copy without anything behind it, so that a sanitizer sees reads past the end. */
        char *copy = malloc(size == 0 ? 1 : size);
        struct p2pd_state s;

        assert_non_null(copy);
        memcpy(copy, text, size);
        *reports = (struct reports){0};
        assert_int_equal(p2pd_state_parse(copy, size, note, reports, &s), 0);
        free(copy);
        assert_int_equal(s.is_damaged, reports->n > 0);
        return s;
}

static void test_crc(void **state)
{
        struct random r = {.state = 1};
        char bytes[64];

        (void)state;
        assert_int_equal(p2pd_state_crc(0, "123456789", 9), 0xcbf43926);
        assert_int_equal(p2pd_state_crc(0, "", 0), 0);
        for (unsigned i = 0; i < 1000; i++) {
                const size_t n = random_below(&r, sizeof(bytes) + 1), half = n / 2;

                for (size_t j = 0; j < n; j++)
                        bytes[j] = (char)random_below(&r, 256);
                assert_int_equal(p2pd_state_crc(0, bytes, n), state_plain_crc(bytes, n));
                assert_int_equal(
                        p2pd_state_crc(p2pd_state_crc(0, bytes, half), bytes + half, n - half),
                        state_plain_crc(bytes, n));
        }
}

static const char sample_lines[] =
        "p2pd-state 2 6a2e8d0c-0000-4000-8000-123456789abc 6 77 1-3,5,7-8,15,300,310 2 2\n"
        "id 1 in-use 0 0000:00:01.0/00.0 0000:00:00.0 0 10de:0000:-:-:030200:-\n"
        "id 2 retired 1 0000:01:01.0/01.0+0010 0000:01:00.0 1 10de:0001:1234:0001:030200:?\n"
        "id 3 in-use 0 % 0000:02:00.0 2 10de:0002:1234:0002:030200:fedcba9800000002\n"
        "id 5 in-use 0 0000:03:01.0/03.0+0010 0000:03:00.0 3 unknown\n"
        "id 7 lost 0 % 0000:00:00.0 0 unknown\n"
        "id 8 in-use 0 0000:05:01.0/05.0+0010 10000:05:00.0 5 10de:0005:1234:0005:030200:?\n"
        "id 15 in-use 0 0000:06:01.0/06.0 0000:06:00.0 0 10de:0006:-:-:030200:fedcba9800000006\n"
        "id 300 retired 7 0000:07:01.0/07.0+0010 0000:07:00.0 1 "
        "10de:0007:1234:0007:030200:fedcba9800000007\n"
        "id 310 in-use 0 0000:08:01.0/08.0 0000:08:00.0 2 10de:0008:1234:0008:030200:-\n"
        "registration 0000:00:01.0/00.0 0 10de:0000:-:-:030200:-\n"
        "registration 0000:01:01.0/01.0+0010 1 10de:0001:1234:0001:030200:? 0000:05:00.0\n"
        "lease 12 training % 1000 4242 1700000000000000 0 0 0 1\n"
        "device 12 0000:0c:01.0/0c.0 10de:000c:-:-:030200:- 0000:0c:00.0\n"
        "lease 77 night-run a%20b%25%0a%c3%a9%01 1000 4242 1700000000000000 18446744073709551615 "
        "5000000000 7000000000 2\n"
        "device 77 0000:4d:01.0/0d.0+0010 10de:004d:1234:004d:030200:? 0000:4d:00.0\n"
        "device 77 0000:4e:01.0/0e.0 10de:004e:-:-:030200:fedcba980000004e 0000:4e:00.0\n";

/* The same, before there were serial numbers, deadlines and durations. */
static const char sample_lines_1[] =
        "p2pd-state 1 6a2e8d0c-0000-4000-8000-123456789abc 6 77 1-3,5,7-8,15,300,310 2 2\n"
        "id 1 in-use 0 0000:00:01.0/00.0 0000:00:00.0 0 10de:0000:-:-:030200\n"
        "id 2 retired 1 0000:01:01.0/01.0+0010 0000:01:00.0 1 10de:0001:1234:0001:030200\n"
        "id 3 in-use 0 % 0000:02:00.0 2 10de:0002:1234:0002:030200\n"
        "id 5 in-use 0 0000:03:01.0/03.0+0010 0000:03:00.0 3 unknown\n"
        "id 7 lost 0 % 0000:00:00.0 0 unknown\n"
        "id 8 in-use 0 0000:05:01.0/05.0+0010 10000:05:00.0 5 10de:0005:1234:0005:030200\n"
        "id 15 in-use 0 0000:06:01.0/06.0 0000:06:00.0 0 10de:0006:-:-:030200\n"
        "id 300 retired 7 0000:07:01.0/07.0+0010 0000:07:00.0 1 10de:0007:1234:0007:030200\n"
        "id 310 in-use 0 0000:08:01.0/08.0 0000:08:00.0 2 10de:0008:1234:0008:030200\n"
        "registration 0000:00:01.0/00.0 0 10de:0000:-:-:030200\n"
        "registration 0000:01:01.0/01.0+0010 1 10de:0001:1234:0001:030200\n"
        "lease 12 training % 1000 4242 1700000000000000 0 1\n"
        "device 12 0000:0c:01.0/0c.0 10de:000c:-:-:030200 0000:0c:00.0\n"
        "lease 77 night-run a%20b%25%0a%c3%a9%01 1000 4242 1700000000000000 18446744073709551615 "
        "2\n"
        "device 77 0000:4d:01.0/0d.0+0010 10de:004d:1234:004d:030200 0000:4d:00.0\n"
        "device 77 0000:4e:01.0/0e.0 10de:004e:-:-:030200 0000:4e:00.0\n";

/* Files of these versions must be read for ever. */
static void test_text_of_version_2(void **state)
{
        struct p2pd_state s = state_sample(0), again;
        struct reports reports;
        size_t size, want_size;
        char *text = format(&s, &size), *want = state_seal(sample_lines, true, &want_size);

        (void)state;
        assert_string_equal(text, want);
        again = parse(want, want_size, &reports);
        assert_true(state_is_equal(&again, &s));
        assert_int_equal(reports.n, 0);
        p2pd_state_deinit(&again);
        p2pd_state_deinit(&s);
        free(text);
        free(want);
}

/* What version 1 could not say. */
static void forget_serial(struct p2p_identity *identity)
{
        if (identity->is_known)
                identity->serial = p2p_fact_without(P2P_WHY_NOT_REPORTED);
}

static void make_version_1(struct p2pd_state *s)
{
        for (uint32_t i = 0; i < s->n_ids; i++)
                forget_serial(&s->ids[i].identity);
        for (uint32_t i = 0; i < s->n_registrations; i++) {
                forget_serial(&s->registrations[i].identity);
                s->registrations[i].has_address = false;
                s->registrations[i].address = (struct p2p_address){0};
        }
        for (uint32_t i = 0; i < s->n_leases; i++) {
                struct p2pd_state_lease *l = &s->leases[i];

                for (uint32_t j = 0; j < l->n_devices; j++)
                        forget_serial(&l->devices[j].identity);
                l->deadline_usec = 0;
                l->duration_usec =
                        l->expires_usec > l->taken_usec ? l->expires_usec - l->taken_usec : 0;
        }
}

static void test_text_of_version_1(void **state)
{
        struct p2pd_state s = state_sample(0), got, again;
        struct reports reports;
        size_t size;
        char *text = state_seal(sample_lines_1, true, &size);

        (void)state;
        make_version_1(&s);
        got = parse(text, size, &reports);
        assert_true(state_is_equal(&got, &s));
        assert_int_equal(reports.n, 0);
        assert_false(got.is_damaged);
        free(text);
        /* And is written as the version of today. */
        text = format(&got, &size);
        assert_memory_equal(text, "p2pd-state 2 ", 13);
        again = parse(text, size, &reports);
        assert_true(state_is_equal(&again, &s));
        assert_int_equal(reports.n, 0);
        free(text);
        p2pd_state_deinit(&again);
        p2pd_state_deinit(&got);
        p2pd_state_deinit(&s);
}

/* A registration says where its BAR was seen last, unless that was never written. */
static void test_address_of_registration(void **state)
{
        static const struct {
                const char *end;
                bool is_record, has_address;
        } rows[] = {
                {"", true, false},
                {" 0000:07:00.0", true, true},
                {" 0000:07:00.8", false, false},
                {" 0000:07:00.0 0000:07:00.0", false, false},
                {" %", false, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct p2pd_state s, again;
                struct reports reports;
                char lines[256], *text;
                size_t size;

                (void)snprintf(lines, sizeof(lines),
                               "p2pd-state 2 boot 6 9 none %d 0\n"
                               "registration 0000:00:01.0/00.0 3 10de:0001:-:-:030200:-%s\n",
                               rows[i].is_record, rows[i].end);
                text = state_seal(lines, true, &size);
                s = parse(text, size, &reports);
                free(text);
                assert_int_equal(s.n_registrations, rows[i].is_record);
                assert_int_equal(s.is_damaged, !rows[i].is_record);
                if (rows[i].is_record) {
                        assert_int_equal(s.registrations[0].has_address, rows[i].has_address);
                        assert_int_equal(s.registrations[0].address.bus, rows[i].has_address * 7);
                        text = format(&s, &size);
                        again = parse(text, size, &reports);
                        assert_true(state_is_equal(&again, &s));
                        p2pd_state_deinit(&again);
                        free(text);
                }
                p2pd_state_deinit(&s);
        }
}

static void test_empty_state(void **state)
{
        struct p2pd_state s = P2PD_STATE_NULL, again;
        struct reports reports;
        size_t size;
        char *text = format(&s, &size);

        (void)state;
        again = parse(text, size, &reports);
        assert_true(state_is_equal(&again, &s));
        assert_int_equal(reports.n, 0);
        p2pd_state_deinit(&again);
        free(text);
}

static void test_id_set_that_is_lost_stays_so(void **state)
{
        struct p2pd_state s = state_sample(0), again;
        struct reports reports;
        size_t size;
        char *text;

        (void)state;
        s.is_id_set_lost = true;
        text = format(&s, &size);
        again = parse(text, size, &reports);
        assert_true(again.is_id_set_lost);
        assert_int_equal(reports.n, 0);
        assert_true(state_is_equal(&again, &s));
        p2pd_state_deinit(&again);
        p2pd_state_deinit(&s);
        free(text);
}

static void test_cut_at_every_byte(void **state)
{
        struct p2pd_state s = state_sample(3);
        struct reports reports;
        size_t size;
        char *text = format(&s, &size);

        (void)state;
        for (size_t n = 0; n < size; n++) {
                struct p2pd_state got = parse(text, n, &reports);

                assert_true(got.is_damaged);
                state_expect_salvaged(&got, &s);
                assert_int_equal(got.is_id_set_lost, n <= (size_t)(strchr(text, '\n') - text));
                p2pd_state_deinit(&got);
        }
        p2pd_state_deinit(&s);
        free(text);
}

static void test_damage_at_every_byte(void **state)
{
        static const char values[] = {0, '\n', ' ', '0'};
        struct p2pd_state s = state_sample(2);
        struct reports reports;
        size_t size;
        char *text = format(&s, &size);

        (void)state;
        for (size_t at = 0; at < size; at++) {
                const char before = text[at];

                for (unsigned i = 0; i < sizeof(values) + 2; i++) {
                        struct p2pd_state got;

                        text[at] = i < 2 ? (char)(before ^ 1 << 6 * i) : values[i - 2];
                        if (text[at] == before)
                                continue;
                        got = parse(text, size, &reports);
                        assert_true(got.is_damaged);
                        state_expect_salvaged(&got, &s);
                        p2pd_state_deinit(&got);
                }
                text[at] = before;
        }
        p2pd_state_deinit(&s);
        free(text);
}

/* One damaged line costs one record. */
static void test_what_a_damaged_line_costs(void **state)
{
        struct p2pd_state s = state_sample(0);
        struct reports reports;
        unsigned line = 0;
        size_t size;
        char *text = format(&s, &size);

        (void)state;
        for (char *at = text; at < text + size; at = strchr(at, '\n') + 1, line++) {
                const char before = *at;
                struct p2pd_state got;
                uint32_t n_lost = 0, n_devices = 0;

                *at = '#';
                got = parse(text, size, &reports);
                *at = before;
                for (uint32_t i = 0; i < got.n_ids; i++)
                        n_lost += got.ids[i].state == P2P_BAR_ID_LOST;
                for (uint32_t i = 0; i < got.n_leases; i++)
                        n_devices += got.leases[i].n_devices;
                assert_int_equal(got.is_id_set_lost, line == 0);
                assert_int_equal(got.n_ids, 9);
                assert_int_equal(n_lost, line >= 1 && line <= 9 && line != 5 ? 2 : 1);
                assert_int_equal(got.n_registrations, line == 10 || line == 11 ? 1 : 2);
                assert_int_equal(got.n_leases, line >= 12 && line <= 14 ? 1 : 2);
                assert_int_equal(n_devices, line < 12 || line > 16 ? 3 : line == 14 ? 1 : 2);
                p2pd_state_deinit(&got);
        }
        assert_int_equal(line, 18);
        p2pd_state_deinit(&s);
        free(text);
}

static void expect_reports(const char *lines, bool with_end, const char *want)
{
        struct reports reports;
        struct p2pd_state got;
        size_t size;
        char *text = state_seal(lines, with_end, &size);

        got = parse(text, size, &reports);
        state_expect_sane(&got);
        assert_string_equal(reports.text, want);
        p2pd_state_deinit(&got);
        free(text);
}

#define HEADER "p2pd-state 2 boot 6 9 "
#define DEVICE " 0000:0c:01.0 10de:000c:-:-:030200 0000:0c:00.0\n"

static void test_reports(void **state)
{
        (void)state;
        expect_reports(HEADER "1-2,9 0 0\n"
                              "id 2 in-use 0 % 0000:02:00.0 2 unknown\n",
                       true,
                       "state file: whose BAR had these 2 ids is lost, they are held back: 1, 9\n");
        expect_reports(HEADER "10-1000,1002 2 1\n", false,
                       "state file: it ends too early\n"
                       "state file: 2 of 2 registrations are lost\n"
                       "state file: 1 of 1 leases are lost\n"
                       "state file: whose BAR had these 992 ids is lost, they are held back: "
                       "10-1000, 1002\n");
        expect_reports(HEADER "2 0 0\n"
                              "id 2 in-use 0 % 0000:02:00.0 2 unknown\n"
                              "id 2 retired 1 % 0000:02:00.0 3 unknown\n",
                       true, "state file: BAR id 2 has two records\n");
        expect_reports(HEADER "none 0 1\n"
                              "lease 7 a % 0 1 2 3 3\n"
                              "device 7" DEVICE "device 8" DEVICE,
                       true,
                       "state file: lease 8 is lost; it held 0000:0c:01.0\n"
                       "state file: lease 7 (a) has lost 2 of its 3 devices\n");
        expect_reports(HEADER "none 0 1\n"
                              "lease 7 a % 0 1 2 3 1\n",
                       true,
                       "state file: lease 7 (a) has lost 1 of its 1 devices\n"
                       "state file: 1 of 1 leases are lost\n");
        expect_reports(HEADER "none 0 0\n"
                              "whatever\n",
                       true, "state file: line 2 is damaged\n");
}

static void test_doubtful_records(void **state)
{
        struct reports reports;
        struct p2pd_state got;
        size_t size;
        char *text = state_seal(HEADER "none 0 2\n"
                                       "id 2 in-use 0 % 0000:02:00.0 2 unknown\n"
                                       "id 2 in-use 0 % 0000:03:00.0 2 unknown\n"
                                       "lease 7 a % 0 1 2 3 1\n"
                                       "device 7" DEVICE "device 7" DEVICE "lease 7 b % 0 1 2 3 1\n"
                                       "device 7" DEVICE,
                                true, &size);

        (void)state;
        got = parse(text, size, &reports);
        state_expect_sane(&got);
        assert_int_equal(got.n_ids, 1);
        assert_int_equal(got.ids[0].state, P2P_BAR_ID_LOST);
        assert_int_equal(got.n_leases, 1);
        assert_string_equal(got.leases[0].name, "a");
        assert_int_equal(got.leases[0].n_devices, 1);
        p2pd_state_deinit(&got);
        free(text);
}

static void expect_wrong_end(const char *lines)
{
        expect_reports(lines, false, "state file: it is not as a whole what was written\n");
}

static void test_last_line(void **state)
{
        char lines[256], *text;
        struct reports reports;
        struct p2pd_state got;
        uint32_t crc;
        size_t size;

        (void)state;
        text = state_seal(HEADER "none 0 0\n", false, &size);
        crc = state_plain_crc(text, size);
        free(text);
        (void)snprintf(lines, sizeof(lines), HEADER "none 0 0\nend 1 %08x\n", crc);
        expect_reports(lines, false, "");
        (void)snprintf(lines, sizeof(lines), HEADER "none 0 0\nend 2 %08x\n", crc);
        expect_wrong_end(lines);
        (void)snprintf(lines, sizeof(lines), HEADER "none 0 0\nend 1 %08x\n", crc ^ 1U);
        expect_wrong_end(lines);
        (void)snprintf(lines, sizeof(lines), HEADER "none 0 0\nend 1 %08x\nmore\n", crc);
        text = state_seal(lines, false, &size);
        got = parse(text, size, &reports);
        assert_string_equal(reports.text, "state file: line 3 is damaged\n");
        p2pd_state_deinit(&got);
        free(text);
}

static void test_reports_are_bounded(void **state)
{
        struct reports reports;
        struct p2pd_state got;
        char text[4000];

        (void)state;
        memset(text, '\n', sizeof(text));
        got = parse(text, sizeof(text), &reports);
        assert_int_equal(reports.n, P2PD_STATE_REPORTS_MAX);
        assert_non_null(strstr(reports.text, "more such findings\n"));
        p2pd_state_deinit(&got);
        assert_int_equal(p2pd_state_parse(text, sizeof(text), NULL, NULL, &got), 0);
        assert_true(got.is_damaged);
        p2pd_state_deinit(&got);
}

/* One byte more than there is room for. */
#define LONG_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_malformed_lines_with_right_checksums(void **state)
{
        static const char *const wrong[] = {
                "id 0 in-use 0 % 0000:02:00.0 2 unknown",
                "id 65536 in-use 0 % 0000:02:00.0 2 unknown",
                "id 07 in-use 0 % 0000:02:00.0 2 unknown",
                "id -7 in-use 0 % 0000:02:00.0 2 unknown",
                "id 18446744073709551623 in-use 0 % 0000:02:00.0 2 unknown",
                "id 7 in-us 0 % 0000:02:00.0 2 unknown",
                "id 7 in-use-for-ever 0 % 0000:02:00.0 2 unknown",
                "id 7 in-use 9223372036854775808 % 0000:02:00.0 2 unknown",
                "id 7 in-use 0 0000:00:01.9 0000:02:00.0 2 unknown",
                "id 7 in-use 0 % 0000:02:20.0 2 unknown",
                "id 7 in-use 0 % 0000:02:00.0 6 unknown",
                "id 7 in-use 0 % 0000:02:00.0 2 10de",
                "id 7 in-use 0 % 0000:02:00.0 2 unknown more",
                "id 7 in-use 0 % 0000:02:00.0 2",
                "id 7 in-use 0  0000:02:00.0 2 unknown",
                "id  7 in-use 0 % 0000:02:00.0 2 unknown",
                "registration % 0 10de:0000:-:-:030200",
                "registration 0000:00:01.0 0 unknown",
                "registration 0000:00:01.0 6 10de:0000:-:-:030200",
                "lease 0 a % 0 1 2 3 1",
                "lease 7 % % 0 1 2 3 1",
                "lease 7 a%20b % 0 1 2 3 1",
                "lease 7 a % 4294967296 1 2 3 1",
                "lease 7 a % 0 1 2 3 0",
                "lease 7 a % 0 1 2 3 65537",
                "lease 7 a % 0 1 2 3 4 1",
                "lease 7 a % 0 1 2 3 4 5 0",
                "lease 7 a % 0 1 2 3 4 5 65537",
                "lease 7 a % 0 1 2 3 4 5 1 1",
                "lease 7 a % 0 1 2 3 4 x 1",
                "lease 7 a %0 0 1 2 3 1",
                "lease 7 a %00 0 1 2 3 1",
                "lease 7 a %g0 0 1 2 3 1",
                "lease 7 a \xc3\xa9 0 1 2 3 1",
                "lease 7 " LONG_NAME " % 0 1 2 3 1",
                "device 7 % 10de:0000:-:-:030200 0000:02:00.0",
                "device 7 0000:00:01.0 unknown 0000:02:00.0",
                "device 7 0000:00:01.0 10de:0000:-:-:030200 nowhere",
                "end 1",
                "end 1 12345678 more",
                "end 1 1234567",
                "",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                char lines[512];

                (void)snprintf(lines, sizeof(lines), HEADER "none 0 0\n%s\n", wrong[i]);
                expect_reports(lines, true, "state file: line 2 is damaged\n");
        }
}

static void test_malformed_first_lines_with_right_checksums(void **state)
{
        static const char *const wrong[] = {
                "p2pd-state 0 boot 6 9 none 0 0",
                "p2pd-state one boot 6 9 none 0 0",
                "p2pd-state 1 boot 17 9 none 0 0",
                "p2pd-state 1 boot 6 9 none 4097 0",
                "p2pd-state 1 boot 6 9 none 0 65537",
                "p2pd-state 1 boot 6 9 none 0",
                "p2pd-state 1 boot 6 9 none 0 0 0",
                "p2pd-state 1 boot 6 9 nothing 0 0",
                "p2pd-state 1 boot 6 9 0 0 0",
                "p2pd-state 1 boot 6 9 0-3 0 0",
                "p2pd-state 1 boot 6 9 65536 0 0",
                "p2pd-state 1 boot 6 9 4294967297 0 0",
                "p2pd-state 1 boot 6 9 3-2 0 0",
                "p2pd-state 1 boot 6 9 1,1 0 0",
                "p2pd-state 1 boot 6 9 2,1 0 0",
                "p2pd-state 1 boot 6 9 1-3,3 0 0",
                "p2pd-state 1 boot 6 9 1- 0 0",
                "p2pd-state 1 boot 6 9 -1 0 0",
                "p2pd-state 1 boot 6 9 1--3 0 0",
                "p2pd-state 1 boot 6 9 1-2-3 0 0",
                "p2pd-state 1 boot 6 9 1, 0 0",
                "p2pd-state 1 boot 6 9 ,1 0 0",
                "p2pd-state 1 boot 6 9 1x 0 0",
                "other-state 1 boot 6 9 none 0 0",
                "id 7 in-use 0 % 0000:02:00.0 2 unknown",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                char lines[512];

                (void)snprintf(lines, sizeof(lines), "%s\n", wrong[i]);
                expect_reports(lines, true,
                               "state file: the first line is damaged: which BAR ids were given is "
                               "not known, and no other is given while readers of earlier may be "
                               "left\n");
        }
}

static void test_newer_version(void **state)
{
        struct p2pd_state s = {.id_width = 99};
        struct reports reports = {0};
        size_t size;
        char *text = state_seal("p2pd-state 3 all is different here\nand: here\n", false, &size);

        (void)state;
        assert_true(p2pd_state_is_newer(text, size));
        assert_int_equal(p2pd_state_parse(text, size, note, &reports, &s), P2PD_STATE_E_NEWER);
        assert_int_equal(s.id_width, 99);
        assert_int_equal(reports.n, 0);
        /* A damaged first line is no newer version. */
        text[11] = '4';
        assert_false(p2pd_state_is_newer(text, size));
        s = parse(text, size, &reports);
        assert_true(s.is_id_set_lost);
        p2pd_state_deinit(&s);
        free(text);
}

static void test_wide_set(void **state)
{
        struct p2pd_state s = P2PD_STATE_NULL, again;
        struct reports reports;
        size_t size;
        char *text;

        (void)state;
        s.ids = calloc(32768, sizeof(*s.ids));
        assert_non_null(s.ids);
        for (uint32_t id = 1; id <= 65535; id += 2)
                s.ids[s.n_ids++] = (struct p2p_bar_id){
                        .id = id,
                        .state = id % 4 == 1 ? P2P_BAR_ID_RETIRED : P2P_BAR_ID_IN_USE,
                };
        text = format(&s, &size);
        again = parse(text, size, &reports);
        assert_true(state_is_equal(&again, &s));
        assert_int_equal(reports.n, 0);
        p2pd_state_deinit(&again);
        p2pd_state_deinit(&s);
        free(text);
}

static void test_limits(void **state)
{
        struct p2pd_state s = P2PD_STATE_NULL;
        struct p2pd_state_lease lease = {.n_devices = P2PD_STATE_LEASE_DEVICES_MAX + 1};
        struct p2p_bar_registration *registrations =
                calloc(P2P_BAR_IDS_REGISTRATIONS_MAX + 1, sizeof(*registrations));
        size_t size = 7;
        char *text = NULL;

        (void)state;
        assert_non_null(registrations);
        s.leases = &lease;
        s.n_leases = 1;
        assert_int_equal(p2pd_state_format(&s, &text, &size), -EFBIG);
        s.n_leases = 0;
        s.registrations = registrations;
        s.n_registrations = P2P_BAR_IDS_REGISTRATIONS_MAX + 1;
        assert_int_equal(p2pd_state_format(&s, &text, &size), -EFBIG);
        assert_null(text);
        assert_int_equal(size, 7);
        free(registrations);
}

/* Changes some bytes, lines or words. */
static size_t mutate(struct random *r, char *text, size_t size, size_t room)
{
        for (unsigned n = 1 + random_below(r, 4); n > 0 && size > 0; n--) {
                const size_t at = random_below(r, (uint32_t)size);
                size_t length = 1 + random_below(r, 40), to = random_below(r, (uint32_t)size);

                if (length > size - at)
                        length = size - at;
                switch (random_below(r, 4)) {
                case 0:
                        text[at] = (char)random_below(r, 256);
                        break;
                case 1: /* take away */
                        memmove(text + at, text + at + length, size - at - length);
                        size -= length;
                        break;
                case 2: /* repeat elsewhere */
                        if (size + length > room || to > size)
                                break;
                        memmove(text + to + length, text + to, size - to);
                        memmove(text + to,
                                text + (at >= to ? at + length : at) % (size - length + 1), length);
                        size += length;
                        break;
                default:
                        text[at] = "0123456789 %-,/:.\n"[random_below(r, 18)];
                }
        }
        return size;
}

static void test_random_damage(void **state)
{
        struct p2pd_state s = state_sample(1);
        struct random r = {.state = 5};
        struct reports reports;
        size_t size;
        char *text = format(&s, &size), *changed = malloc(2 * size);

        (void)state;
        assert_non_null(changed);
        for (unsigned i = 0; i < 5000; i++) {
                struct p2pd_state got;
                size_t n;

                memcpy(changed, text, size);
                n = mutate(&r, changed, size, 2 * size);
                got = parse(changed, n, &reports);
                state_expect_salvaged(&got, &s);
                assert_true(got.is_damaged || (n == size && memcmp(changed, text, n) == 0));
                p2pd_state_deinit(&got);
        }
        p2pd_state_deinit(&s);
        free(changed);
        free(text);
}

/* The same with checksums that are right: what a hostile hand could write. */
static void test_random_lines(void **state)
{
        struct random r = {.state = 6};
        struct reports reports;
        char lines[2 * sizeof(sample_lines) + 2];

        (void)state;
        for (unsigned i = 0; i < 5000; i++) {
                struct p2pd_state got, again;
                size_t n, size;
                char *text;

                memcpy(lines, sample_lines, sizeof(sample_lines) - 1);
                n = mutate(&r, lines, sizeof(sample_lines) - 1, 2 * sizeof(sample_lines));
                for (size_t j = 0; j < n; j++)
                        if (lines[j] == '\0')
                                lines[j] = '#';
                lines[n] = '\n';
                lines[n + 1] = '\0';
                text = state_seal(lines, random_below(&r, 2) == 0, &size);
                if (p2pd_state_is_newer(text, size)) {
                        free(text);
                        continue;
                }
                got = parse(text, size, &reports);
                free(text);
                state_expect_sane(&got);
                /* What was taken is written and read back alike. */
                text = format(&got, &size);
                again = parse(text, size, &reports);
                assert_true(state_is_equal(&again, &got) || got.is_id_set_lost);
                free(text);
                p2pd_state_deinit(&again);
                p2pd_state_deinit(&got);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crc),
                cmocka_unit_test(test_text_of_version_2),
                cmocka_unit_test(test_text_of_version_1),
                cmocka_unit_test(test_address_of_registration),
                cmocka_unit_test(test_empty_state),
                cmocka_unit_test(test_id_set_that_is_lost_stays_so),
                cmocka_unit_test(test_cut_at_every_byte),
                cmocka_unit_test(test_damage_at_every_byte),
                cmocka_unit_test(test_what_a_damaged_line_costs),
                cmocka_unit_test(test_reports),
                cmocka_unit_test(test_doubtful_records),
                cmocka_unit_test(test_last_line),
                cmocka_unit_test(test_reports_are_bounded),
                cmocka_unit_test(test_malformed_lines_with_right_checksums),
                cmocka_unit_test(test_malformed_first_lines_with_right_checksums),
                cmocka_unit_test(test_newer_version),
                cmocka_unit_test(test_wide_set),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_random_damage),
                cmocka_unit_test(test_random_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
