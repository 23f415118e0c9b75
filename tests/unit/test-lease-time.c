/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long leases last: clocks that are set, restarts, reboots. The clocks are the test's. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lease-fixture.h"
#include "lease-keeper.h"
#include "random-machine.h"

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)
#define YEAR_2026 (UINT64_C(1770000000) * SECOND)

static struct p2pd_lease_time when(uint64_t boot_usec, uint64_t wall_usec)
{
        return (struct p2pd_lease_time){boot_usec, wall_usec};
}

static void test_terms(void **state)
{
        struct p2pd_lease_term term = p2pd_lease_term_of(when(50, 1000), 7);

        (void)state;
        assert_int_equal(term.deadline_usec, 57);
        assert_int_equal(term.duration_usec, 7);
        assert_int_equal(p2pd_lease_term_expires(term, when(50, 1000)), 1007);
        assert_int_equal(p2pd_lease_term_expires(term, when(55, 1005)), 1007);
        /* The wall clock is set to and fro. */
        assert_int_equal(p2pd_lease_term_expires(term, when(55, 9000)), 9002);
        assert_int_equal(p2pd_lease_term_expires(term, when(55, 3)), 5);
        /* Over already. */
        assert_int_equal(p2pd_lease_term_expires(term, when(60, 1010)), 1007);
        assert_int_equal(p2pd_lease_term_expires(term, when(60, 2)), 1);
        term = p2pd_lease_term_of(when(50, 1000), 0);
        assert_int_equal(term.deadline_usec, 0);
        assert_int_equal(p2pd_lease_term_expires(term, when(60, 1010)), 0);
        term = p2pd_lease_term_of(when(50, 1000), UINT64_MAX);
        assert_true(term.deadline_usec == UINT64_MAX);
        assert_true(p2pd_lease_term_expires(term, when(50, 1000)) == UINT64_MAX);
}

static void test_restored(void **state)
{
        static const struct {
                uint64_t expires, deadline, duration; /* as written */
                bool is_same_boot;
                uint64_t boot, wall; /* now */
                uint64_t left, duration_after;
        } rows[] = {
                /* Never. */
                {0, 0, 0, true, 500, 5000, 0, 0},
                {0, 0, 0, false, 500, 5000, 0, 0},
                /* In the same boot the wall clock says nothing. */
                {6000, 900, 700, true, 500, 5000, 400, 700},
                {6000, 900, 700, true, 500, 99000, 400, 700},
                {6000, 900, 700, true, 500, 1, 400, 700},
                {6000, 900, 700, true, 901, 5000, 1, 700},
                {6000, 900, 300, true, 500, 5000, 300, 300},
                /* After a reboot it tells what is left. */
                {6000, 900, 2000, false, 10, 5000, 1000, 2000},
                {6000, 900, 2000, false, 10, 5999, 1, 2000},
                {6000, 900, 2000, false, 10, 6000, 1, 2000},
                {6000, 900, 2000, false, 10, 99000, 1, 2000},
                /* It is behind: never more than the whole, never less than was left. */
                {6000, 900, 2000, false, 10, 3000, 2000, 2000},
                {6000, 900, 2000, false, 10, 0, 2000, 2000},
                /* An older version wrote no deadline: the wall clock, in any boot; and a duration
                 * that was not known is what is left. */
                {6000, 0, 2000, true, 500, 5000, 1000, 2000},
                {6000, 0, 2000, true, 500, 100, 2000, 2000},
                {6000, 0, 0, true, 500, 5000, 1000, 1000},
                {6000, 0, 0, false, 500, 7000, 1, 1},
                /* At the beginning of time. */
                {6000, 900, 2000, false, 0, 7000, 1, 2000},
                {UINT64_MAX, 0, UINT64_MAX, false, 500, 0, UINT64_MAX - 500, UINT64_MAX},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct p2pd_state_lease lease = {
                        .expires_usec = rows[i].expires,
                        .deadline_usec = rows[i].deadline,
                        .duration_usec = rows[i].duration,
                };
                const struct p2pd_lease_import how = {
                        .now = when(rows[i].boot, rows[i].wall),
                        .is_same_boot = rows[i].is_same_boot,
                };
                const struct p2pd_lease_term term = p2pd_lease_restored_term(&lease, &how);

                if (term.deadline_usec != (rows[i].left ? rows[i].boot + rows[i].left : 0) ||
                    term.duration_usec != rows[i].duration_after)
                        fail_msg("row %zu: until %llu, of %llu", i,
                                 (unsigned long long)term.deadline_usec,
                                 (unsigned long long)term.duration_usec);
        }
}

/* A keeper with its machine, and the file that it writes. */
struct world {
        struct builder b;
        struct p2pd_lease_keeper *k;
        struct p2pd_state file;
        struct p2pd_lease_time now;
};

static void forget_file(struct world *w)
{
        for (uint32_t i = 0; i < w->file.n_leases; i++)
                p2pd_state_lease_deinit(&w->file.leases[i]);
        free(w->file.leases);
        w->file = (struct p2pd_state)P2PD_STATE_NULL;
}

/* p2pd starts, in the boot in which the file was written or in another one. */
static void start(struct world *w, bool is_same_boot)
{
        const struct p2pd_lease_keeper_file file = {
                .storage = P2PD_LEASES_IN_FILE,
                .leases = w->file.leases,
                .n = w->file.n_leases,
                .is_same_boot = is_same_boot,
        };

        p2pd_lease_keeper_free(w->k);
        w->k = p2pd_lease_keeper_new(NULL, NULL);
        assert_non_null(w->k);
        assert_int_equal(p2pd_lease_keeper_load(w->k, &file, w->now), 0);
        assert_int_equal(p2pd_lease_keeper_follow(w->k, w->b.m), 0);
}

static struct world world_new(struct p2pd_lease_time now)
{
        const struct layout layout = layout_of(0x10);
        struct world w = {.b = machine_of(&layout), .now = now};

        start(&w, false);
        return w;
}

static void world_free(struct world *w)
{
        forget_file(w);
        p2pd_lease_keeper_free(w->k);
        builder_free(&w->b);
}

/* Writes the file. */
static void save(struct world *w)
{
        struct p2pd_state saving = P2PD_STATE_NULL;

        forget_file(w);
        assert_int_equal(p2pd_lease_keeper_begin_save(w->k, w->now, &w->file), 0);
        assert_int_equal(p2pd_lease_keeper_begin_save(w->k, w->now, &saving), 0);
        p2pd_lease_keeper_end_save(w->k, &saving, 0);
        p2pd_lease_keeper_settle(w->k);
}

static void take(struct world *w, const char *name, unsigned slot, uint64_t duration_usec)
{
        const uint32_t gpu = index_of(&w->b, 0x10 + slot, 0);
        struct p2pd_lease_request request = request_of(&w->b, name, &gpu, 1);
        struct p2pd_lease_obstacle obstacle;
        uint64_t operation;

        request.now = w->now;
        request.duration_usec = duration_usec;
        assert_int_equal(p2pd_lease_keeper_take(w->k, &request, &operation, &obstacle), 0);
        save(w);
}

static void pass(struct world *w, uint64_t usec)
{
        w->now.boot_usec += usec;
        w->now.wall_usec += usec;
}

static uint32_t n_leases(struct world *w)
{
        (void)p2pd_lease_keeper_expire(w->k, w->now);
        return p2pd_leases_n(p2pd_lease_keeper_table(w->k));
}

static void test_clock_is_set_within_a_boot(void **state)
{
        /* A machine without a clock that keeps its time: the network sets it. */
        struct world w = world_new(when(20 * SECOND, 0));

        (void)state;
        take(&w, "job", 0, HOUR);
        assert_int_equal(w.file.leases[0].expires_usec, HOUR);
        pass(&w, 5 * SECOND);
        w.now.wall_usec = YEAR_2026;
        assert_int_equal(n_leases(&w), 1);
        /* What the file says would end it at a reboot: it is to be written anew. */
        assert_true(p2pd_lease_keeper_is_dirty(w.k));
        save(&w);
        assert_false(p2pd_lease_keeper_is_dirty(w.k));
        assert_int_equal(w.file.leases[0].expires_usec, YEAR_2026 + HOUR - 5 * SECOND);
        assert_int_equal(w.file.leases[0].deadline_usec, 20 * SECOND + HOUR);
        assert_int_equal(w.file.leases[0].duration_usec, HOUR);
        /* A restart of p2pd, and a clock that is set back by a day. */
        w.now.wall_usec -= 24 * HOUR;
        start(&w, true);
        assert_true(p2pd_lease_keeper_is_dirty(w.k));
        pass(&w, HOUR - 5 * SECOND - 1);
        assert_int_equal(n_leases(&w), 1);
        assert_int_equal(p2pd_lease_keeper_expire(w.k, w.now), w.now.boot_usec + 1);
        pass(&w, 1);
        assert_int_equal(n_leases(&w), 0);
        world_free(&w);
}

static void test_clock_that_is_slewed(void **state)
{
        struct world w = world_new(when(20 * SECOND, YEAR_2026));

        (void)state;
        take(&w, "job", 0, HOUR);
        w.now.wall_usec += SECOND;
        assert_int_equal(n_leases(&w), 1);
        assert_false(p2pd_lease_keeper_is_dirty(w.k));
        w.now.wall_usec += 1;
        assert_int_equal(n_leases(&w), 1);
        assert_true(p2pd_lease_keeper_is_dirty(w.k));
        save(&w);
        w.now.wall_usec -= SECOND + 1;
        assert_int_equal(n_leases(&w), 1);
        assert_true(p2pd_lease_keeper_is_dirty(w.k));
        world_free(&w);
}

/* Where nothing in the file would change, it is not written. */
static void test_clock_is_set_and_nothing_expires(void **state)
{
        struct world w = world_new(when(20 * SECOND, 0));

        (void)state;
        take(&w, "job", 0, 0);
        w.now.wall_usec = YEAR_2026;
        assert_int_equal(n_leases(&w), 1);
        assert_false(p2pd_lease_keeper_is_dirty(w.k));
        start(&w, true);
        assert_false(p2pd_lease_keeper_is_dirty(w.k));
        start(&w, false);
        assert_false(p2pd_lease_keeper_is_dirty(w.k));
        world_free(&w);
}

static void test_reboot(void **state)
{
        struct world w = world_new(when(20 * SECOND, YEAR_2026));

        (void)state;
        take(&w, "job", 0, HOUR);
        pass(&w, HOUR / 4);
        /* Off for a quarter of an hour. */
        w.now = when(SECOND, YEAR_2026 + HOUR / 2);
        start(&w, false);
        assert_true(p2pd_lease_keeper_is_dirty(w.k));
        save(&w);
        assert_int_equal(w.file.leases[0].deadline_usec, SECOND + HOUR / 2);
        assert_int_equal(w.file.leases[0].duration_usec, HOUR);
        assert_int_equal(w.file.leases[0].expires_usec, YEAR_2026 + HOUR);
        /* Once more, the clock has lost its time: the whole hour again, and not 56 years. */
        w.now = when(SECOND, 0);
        start(&w, false);
        pass(&w, HOUR - 1);
        assert_int_equal(n_leases(&w), 1);
        pass(&w, 1);
        assert_int_equal(n_leases(&w), 0);
        world_free(&w);
}

/*
 * At random: true time goes on, and only the test knows it. Each lease must end when its duration
 * is over in true time, off time included, if the clock was right whenever it was asked after a
 * reboot; if it was behind then, not earlier than that, and not later than its duration after the
 * boot.
 */

#define JOBS 6U

struct job {
        bool is_held;
        uint64_t earliest, latest; /* true time */
        uint64_t duration;
};

static void check_jobs(struct world *w, struct job *jobs, uint64_t now)
{
        (void)p2pd_lease_keeper_expire(w->k, w->now);
        for (unsigned i = 0; i < JOBS; i++) {
                const char name[] = {'j', (char)('0' + i), '\0'};
                const struct p2pd_lease *lease =
                        p2pd_leases_find_name(p2pd_lease_keeper_table(w->k), name);

                if (!jobs[i].is_held) {
                        assert_null(lease);
                } else if (lease) {
                        assert_true(now <= jobs[i].latest);
                } else {
                        assert_true(now >= jobs[i].earliest);
                        jobs[i].is_held = false;
                }
        }
}

/* The machine is off for a while; the clock is right afterwards, or behind. */
static void reboot(struct world *w, struct job *jobs, uint64_t *now, struct random *r)
{
        const uint64_t before = w->now.wall_usec, off = random_below(r, 100) * SECOND;
        const bool is_behind = random_below(r, 3) == 0;

        *now += off;
        w->now.boot_usec = 1 + random_below(r, 50) * SECOND;
        w->now.wall_usec = is_behind ? random_below(r, 1000) * SECOND % before : before + off;
        start(w, false);
        for (unsigned i = 0; i < JOBS; i++)
                if (jobs[i].is_held && is_behind)
                        jobs[i].latest = *now + jobs[i].duration;
                else if (jobs[i].is_held && jobs[i].latest < *now)
                        jobs[i].latest = *now; /* it ends with the first look */
        pass(w, 1);
        *now += 1;
        save(w);
}

static void random_step(struct world *w, struct job *jobs, uint64_t *now, struct random *r)
{
        const unsigned i = random_below(r, JOBS);
        const uint64_t seconds = random_below(r, 20) * SECOND;
        const char name[] = {'j', (char)('0' + i), '\0'};

        switch (random_below(r, 12)) {
        case 0:
                w->now.wall_usec = YEAR_2026 + random_below(r, 1000000) * SECOND;
                break;
        case 1:
                save(w);
                start(w, true);
                break;
        case 2:
                reboot(w, jobs, now, r);
                break;
        case 3:
        case 4:
        case 5:
                if (jobs[i].is_held)
                        break;
                jobs[i].duration = (1 + random_below(r, 300)) * SECOND;
                take(w, name, i < 3 ? i : i + 1, jobs[i].duration);
                jobs[i].is_held = true;
                jobs[i].earliest = jobs[i].latest = *now + jobs[i].duration;
                break;
        default:
                pass(w, seconds);
                *now += seconds;
                for (unsigned j = 0; j < JOBS; j++)
                        if (jobs[j].is_held && jobs[j].latest < *now)
                                jobs[j].latest = *now; /* nobody looked meanwhile */
        }
}

static void test_random(void **state)
{
        struct world w = world_new(when(SECOND, YEAR_2026));
        struct random r = {.state = 5};
        struct job jobs[JOBS] = {{false}};
        uint64_t now = 1;
        unsigned n_ended = 0;

        (void)state;
        for (unsigned step = 0; step < 20000; step++) {
                unsigned n = 0;

                for (unsigned i = 0; i < JOBS; i++)
                        n += jobs[i].is_held;
                random_step(&w, jobs, &now, &r);
                check_jobs(&w, jobs, now);
                if (p2pd_lease_keeper_is_dirty(w.k))
                        save(&w);
                for (unsigned i = 0; i < JOBS; i++)
                        n -= jobs[i].is_held;
                n_ended += n > 0 && n <= JOBS;
        }
        assert_true(n_ended > 1000);
        world_free(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_terms),
                cmocka_unit_test(test_restored),
                cmocka_unit_test(test_clock_is_set_within_a_boot),
                cmocka_unit_test(test_clock_that_is_slewed),
                cmocka_unit_test(test_clock_is_set_and_nothing_expires),
                cmocka_unit_test(test_reboot),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
