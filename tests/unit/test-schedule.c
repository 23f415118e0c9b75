/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When the machine is read, and how much of it: the table of states, and random storms. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random-machine.h"
#include "schedule.h"

#define SETTLE 250000U

static struct p2pd_scope named(uint8_t first, unsigned n)
{
        struct p2pd_scope scope = {0};

        for (unsigned i = 0; i < n; i++)
                p2pd_scope_add(&scope, (struct p2p_address){.bus = (uint8_t)(first + i)});
        return scope;
}

static struct p2pd_schedule_step uevents(struct p2pd_schedule *s, uint8_t first, unsigned n,
                                         uint64_t now)
{
        const struct p2pd_scope scope = named(first, n);

        return p2pd_schedule_uevents(s, &scope, now);
}

static void assert_nothing(struct p2pd_schedule_step step)
{
        assert_int_equal(step.read, P2PD_READ_NOTHING);
        assert_false(step.arms);
}

static void test_one_plug(void **state)
{
        struct p2pd_schedule s = {.settle_usec = SETTLE};
        struct p2pd_schedule_step step = uevents(&s, 7, 1, 1000);

        (void)state;
        assert_int_equal(step.read, P2PD_READ_SOME);
        assert_int_equal(step.scope.n, 1);
        assert_int_equal(step.scope.addresses[0].bus, 7);
        assert_true(step.arms);
        assert_int_equal(step.arm_usec, SETTLE);
        assert_int_equal(s.state, P2PD_SCHEDULE_QUICK);
        assert_nothing(p2pd_schedule_finished(&s, false, 2000));
        assert_int_equal(s.state, P2PD_SCHEDULE_SETTLING);
        step = p2pd_schedule_settled(&s);
        assert_int_equal(step.read, P2PD_READ_ALL);
        assert_nothing(p2pd_schedule_finished(&s, false, 3000));
        assert_int_equal(s.state, P2PD_SCHEDULE_IDLE);
        assert_nothing(p2pd_schedule_settled(&s));
}

static void test_events_during_a_quick_reading(void **state)
{
        struct p2pd_schedule s = {.settle_usec = SETTLE};
        struct p2pd_schedule_step step;

        (void)state;
        (void)uevents(&s, 1, 1, 0);
        step = uevents(&s, 2, 1, 10);
        assert_int_equal(step.read, P2PD_READ_NOTHING);
        assert_true(step.arms);
        (void)uevents(&s, 3, 1, 20);
        step = p2pd_schedule_finished(&s, false, 30);
        assert_int_equal(step.read, P2PD_READ_SOME);
        assert_int_equal(step.scope.n, 2);
        assert_int_equal(step.scope.addresses[0].bus, 2);
        /* The timer runs out during the second one: all follows at once. */
        assert_nothing(p2pd_schedule_settled(&s));
        assert_int_equal(s.state, P2PD_SCHEDULE_QUICK_DUE);
        assert_int_equal(p2pd_schedule_finished(&s, false, SETTLE).read, P2PD_READ_ALL);
}

static void test_events_during_a_full_reading(void **state)
{
        struct p2pd_schedule s = {.settle_usec = SETTLE};
        struct p2pd_schedule_step step;

        (void)state;
        assert_int_equal(p2pd_schedule_all(&s).read, P2PD_READ_ALL);
        assert_nothing(uevents(&s, 4, 1, 10));
        assert_int_equal(s.state, P2PD_SCHEDULE_DIRTY);
        assert_nothing(p2pd_schedule_change(&s, 11));
        assert_nothing(p2pd_schedule_all(&s));
        step = p2pd_schedule_finished(&s, false, 20);
        assert_int_equal(step.read, P2PD_READ_SOME);
        assert_int_equal(step.scope.addresses[0].bus, 4);
        assert_true(step.arms);
        /* Somebody wants all: now, and what was named is in it. */
        (void)uevents(&s, 5, 1, 30);
        assert_int_equal(p2pd_schedule_finished(&s, true, 40).read, P2PD_READ_ALL);
        assert_nothing(p2pd_schedule_finished(&s, false, 50));
        assert_int_equal(s.state, P2PD_SCHEDULE_IDLE);
}

static void test_what_has_no_quick_reading(void **state)
{
        struct p2pd_schedule s = {.settle_usec = SETTLE};
        struct p2pd_scope lost = named(1, 1);
        struct p2pd_schedule_step step;

        (void)state;
        lost.everything = true;
        step = p2pd_schedule_uevents(&s, &lost, 0);
        assert_int_equal(step.read, P2PD_READ_NOTHING);
        assert_true(step.arms);
        /* Nor do those after it, until all was read. */
        assert_int_equal(uevents(&s, 2, 1, 10).read, P2PD_READ_NOTHING);
        assert_int_equal(p2pd_schedule_settled(&s).read, P2PD_READ_ALL);
        assert_nothing(p2pd_schedule_finished(&s, false, 20));
        step = p2pd_schedule_change(&s, 30);
        assert_int_equal(step.read, P2PD_READ_NOTHING);
        assert_true(step.arms);
        assert_int_equal(s.state, P2PD_SCHEDULE_SETTLING);
        assert_int_equal(uevents(&s, 2, 1, 10).read, P2PD_READ_SOME);
}

static void test_a_reading_that_cannot_start(void **state)
{
        struct p2pd_schedule s = {.settle_usec = SETTLE};
        struct p2pd_schedule_step step;

        (void)state;
        (void)uevents(&s, 1, 1, 0);
        step = p2pd_schedule_failed(&s);
        assert_true(step.arms && step.arm_usec > SETTLE);
        assert_int_equal(step.read, P2PD_READ_NOTHING);
        assert_int_equal(p2pd_schedule_settled(&s).read, P2PD_READ_ALL);
        /* What was read is lost: again. */
        assert_nothing(p2pd_schedule_finished(&s, false, 10));
        assert_true(p2pd_schedule_failed(&s).arms);
        assert_int_equal(p2pd_schedule_settled(&s).read, P2PD_READ_ALL);
}

/* The time of the settle timer, and whether every event is followed by a reading of everything that
 * began after it. */
struct storm {
        struct p2pd_schedule s;
        struct random dice;
        uint64_t now, timer, done; /* UINT64_MAX: none */
        uint64_t last_event, last_all;
        uint64_t waits_since; /* the first event that no reading of everything began after; 0: none
                               */
        unsigned n_some, n_all;
        bool fails; /* readings cannot be started now and then */
};

/* Ten settle times and the last one, a reading of everything that was under way, a quick one. */
#define WAIT_MAX (11 * SETTLE + 100000 + 5000)

static void follow(struct storm *t, struct p2pd_schedule_step step)
{
        if (step.arms)
                t->timer = t->now + step.arm_usec;
        if (step.read == P2PD_READ_NOTHING)
                return;
        assert_int_equal(t->done, UINT64_MAX);
        if (t->fails && random_below(&t->dice, 8) == 0) {
                step = p2pd_schedule_failed(&t->s);
                assert_int_equal(step.read, P2PD_READ_NOTHING);
                assert_true(step.arms);
                t->timer = t->now + step.arm_usec;
                return;
        }
        t->done = t->now + (step.read == P2PD_READ_ALL ? 100000 : 5000);
        if (step.read == P2PD_READ_ALL) {
                t->timer = UINT64_MAX;
                t->last_all = t->now;
                assert_true(t->fails || t->waits_since == 0 || t->now - t->waits_since <= WAIT_MAX);
                t->waits_since = 0;
                t->n_all++;
        } else {
                assert_false(p2pd_scope_is_empty(&step.scope) || step.scope.everything);
                t->n_some++;
        }
}

/* Lets the time pass until then, or until nothing is owed. */
static void pass(struct storm *t, uint64_t until)
{
        for (;;) {
                const uint64_t next = t->timer < t->done ? t->timer : t->done;

                if (next > until || next == UINT64_MAX)
                        break;
                t->now = next;
                if (next == t->timer) {
                        t->timer = UINT64_MAX;
                        follow(t, p2pd_schedule_settled(&t->s));
                } else {
                        t->done = UINT64_MAX;
                        follow(t, p2pd_schedule_finished(&t->s, random_below(&t->dice, 50) == 0,
                                                         t->now));
                }
        }
        if (until != UINT64_MAX)
                t->now = until;
}

static void name(struct storm *t, struct p2p_address address)
{
        const struct p2pd_scope scope = {.n = 1, .addresses[0] = address};

        t->last_event = t->now;
        if (t->waits_since == 0)
                t->waits_since = t->now;
        follow(t, p2pd_schedule_uevents(&t->s, &scope, t->now));
}

static void test_random_storms(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 200; seed++) {
                struct storm t = {
                        .s.settle_usec = SETTLE,
                        .now = 1,
                        .fails = seed > 150,
                        .dice.state = seed,
                        .timer = UINT64_MAX,
                        .done = UINT64_MAX,
                };

                for (unsigned i = 0; i < 300; i++) {
                        const uint32_t gap = random_below(&t.dice, 20) ? 3000 : 900000;

                        pass(&t, t.now + random_below(&t.dice, gap));
                        name(&t, (struct p2p_address){.bus = (uint8_t)i});
                }
                pass(&t, UINT64_MAX);
                assert_int_equal(t.s.state, P2PD_SCHEDULE_IDLE);
                assert_true(t.last_all >= t.last_event);
                assert_true(t.n_some > 0);
                /* A reading of everything ends each burst, and few quick ones are before it. */
                assert_true(t.n_some <= P2PD_SCOPE_MAX * t.n_all);
        }
}

/* 420 functions within two seconds. */
static void test_storm_collapses(void **state)
{
        struct storm t = {
                .s.settle_usec = SETTLE, .now = 1, .timer = UINT64_MAX, .done = UINT64_MAX};

        (void)state;
        t.dice.state = 1;
        for (unsigned i = 0; i < 420; i++) {
                pass(&t, t.now + 4761);
                name(&t, (struct p2p_address){.segment = i});
        }
        pass(&t, UINT64_MAX);
        assert_true(t.n_some <= P2PD_SCOPE_MAX);
        assert_true(t.n_all <= 2);
}

/* Three minutes without a pause: everything is read all the time, and a plug that comes after is
 * followed at once. */
static void test_storm_without_end(void **state)
{
        struct storm t = {
                .s.settle_usec = SETTLE, .now = 1, .timer = UINT64_MAX, .done = UINT64_MAX};

        (void)state;
        t.dice.state = 1;
        for (unsigned i = 0; i < 90000; i++) {
                pass(&t, t.now + 2000);
                name(&t, (struct p2p_address){.bus = (uint8_t)(i % 3)});
        }
        assert_true(t.n_all >= 180000000 / WAIT_MAX);
        pass(&t, UINT64_MAX);
        assert_int_equal(t.s.state, P2PD_SCHEDULE_IDLE);
        assert_true(t.last_all >= t.last_event);
        assert_int_equal(uevents(&t.s, 1, 1, t.now).read, P2PD_READ_SOME);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_plug),
                cmocka_unit_test(test_events_during_a_quick_reading),
                cmocka_unit_test(test_events_during_a_full_reading),
                cmocka_unit_test(test_what_has_no_quick_reading),
                cmocka_unit_test(test_a_reading_that_cannot_start),
                cmocka_unit_test(test_random_storms),
                cmocka_unit_test(test_storm_collapses),
                cmocka_unit_test(test_storm_without_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
