/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keeper of leases: what waits for the state file, what is taken back when it cannot be
 * written; and, at random, that what was promised is in the last file that was written. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lease-fixture.h"
#include "lease-keeper.h"

struct fixture {
        struct builder b;
        struct told told;
        struct p2pd_lease_keeper *k;
        uint32_t gpus[4];
};

/* So long after request_of(). */
static struct p2pd_lease_time now_at(uint64_t later_usec)
{
        return time_at(BOOT_NOW + later_usec, WALL_AHEAD);
}

static void setup(struct fixture *f, enum p2pd_lease_storage storage)
{
        const struct layout layout = layout_of(0x10);
        const struct p2pd_lease_keeper_file file = {.storage = storage, .last_number = 40};

        *f = (struct fixture){.b = machine_of(&layout)};
        f->k = p2pd_lease_keeper_new(tell, &f->told);
        assert_non_null(f->k);
        assert_int_equal(p2pd_lease_keeper_load(f->k, &file, now_at(0)), 0);
        assert_int_equal(p2pd_lease_keeper_follow(f->k, f->b.m), 0);
        for (uint32_t i = 0; i < 4; i++)
                f->gpus[i] = index_of(&f->b, 0x10 + i, 0);
}

static void teardown(struct fixture *f)
{
        p2pd_lease_keeper_free(f->k);
        builder_free(&f->b);
}

/* Takes one GPU; the operation. */
static uint64_t take(struct fixture *f, const char *name, uint32_t gpu)
{
        const struct p2pd_lease_request request = request_of(&f->b, name, &f->gpus[gpu], 1);
        struct p2pd_lease_obstacle obstacle;
        uint64_t operation = 0;

        assert_int_equal(p2pd_lease_keeper_take(f->k, &request, &operation, &obstacle), 0);
        return operation;
}

static int try_take(struct fixture *f, const char *name, uint32_t gpu)
{
        const struct p2pd_lease_request request = request_of(&f->b, name, &f->gpus[gpu], 1);
        struct p2pd_lease_obstacle obstacle;
        uint64_t operation;

        return p2pd_lease_keeper_take(f->k, &request, &operation, &obstacle);
}

static const struct p2pd_lease *find(const struct fixture *f, const char *name)
{
        const struct p2pd_lease *lease = NULL;

        return p2pd_lease_keeper_find_for(f->k, name, 1000, &lease) == 0 ? lease : NULL;
}

static uint64_t renew(struct fixture *f, const char *name, uint64_t duration_usec)
{
        const struct p2pd_lease_term term = p2pd_lease_term_of(now_at(0), duration_usec);
        uint64_t operation = 0;

        assert_int_equal(p2pd_lease_keeper_renew(f->k, find(f, name), term, &operation), 0);
        return operation;
}

static uint64_t release(struct fixture *f, const char *name)
{
        uint64_t operation = 0;

        assert_int_equal(p2pd_lease_keeper_release(f->k, find(f, name), &operation), 0);
        return operation;
}

static bool is_done(const struct fixture *f, uint64_t operation, int result)
{
        const struct p2pd_lease_operation *o = p2pd_lease_keeper_find(f->k, operation);

        assert_non_null(o);
        if (o->is_done)
                assert_int_equal(o->result, result);
        return o->is_done;
}

/* A save that ends at once; how many leases it had. */
static uint32_t save(struct fixture *f, int result)
{
        struct p2pd_state state = P2PD_STATE_NULL;
        uint32_t n;

        assert_int_equal(p2pd_lease_keeper_begin_save(f->k, now_at(0), &state), 0);
        n = state.n_leases;
        p2pd_lease_keeper_end_save(f->k, &state, result);
        assert_null(state.leases);
        return n;
}

static void assert_told(struct fixture *f, enum p2pd_lease_event_kind kind)
{
        assert_int_equal(f->told.n, 1);
        assert_int_equal(f->told.kinds[0], kind);
        f->told.n = 0;
}

static void test_a_lease_waits_for_the_file(void **state)
{
        struct p2pd_state saving = P2PD_STATE_NULL;
        uint64_t a, b;
        struct fixture f;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        a = take(&f, "a", 0);
        assert_true(p2pd_lease_keeper_is_dirty(f.k));
        assert_false(is_done(&f, a, 0));
        assert_null(find(&f, "a"));
        assert_null(find(&f, "41"));
        assert_int_equal(try_take(&f, NULL, 0), P2PD_LEASE_E_HELD);
        assert_int_equal(p2pd_lease_keeper_begin_save(f.k, now_at(0), &saving), 0);
        assert_int_equal(saving.n_leases, 1);
        assert_int_equal(saving.last_lease, 41);
        assert_string_equal(saving.leases[0].name, "a");
        b = take(&f, "b", 1); /* not in this one */
        p2pd_lease_keeper_settle(f.k);
        assert_int_equal(f.told.n, 0);
        p2pd_lease_keeper_end_save(f.k, &saving, 0);
        assert_true(is_done(&f, a, 0));
        assert_false(is_done(&f, b, 0));
        assert_true(p2pd_lease_keeper_is_dirty(f.k));
        p2pd_lease_keeper_settle(f.k);
        assert_null(p2pd_lease_keeper_find(f.k, a));
        assert_told(&f, P2PD_LEASE_TAKEN);
        assert_non_null(find(&f, "a"));
        assert_null(find(&f, "b"));
        assert_int_equal(save(&f, 0), 2);
        assert_true(is_done(&f, b, 0));
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        teardown(&f);
}

static void test_a_release_waits_too(void **state)
{
        struct fixture f;
        uint64_t operation;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        take(&f, "a", 0);
        (void)save(&f, 0);
        p2pd_lease_keeper_settle(f.k);
        f.told.n = 0;
        operation = release(&f, "a");
        assert_false(is_done(&f, operation, 0));
        assert_null(find(&f, "a"));
        assert_int_equal(try_take(&f, NULL, 0), P2PD_LEASE_E_HELD);
        /* It cannot be written: everything is as it was. */
        assert_int_equal(save(&f, -EIO), 0);
        assert_true(is_done(&f, operation, -EIO));
        p2pd_lease_keeper_settle(f.k);
        assert_int_equal(f.told.n, 0);
        assert_non_null(find(&f, "a"));
        assert_true(p2pd_lease_keeper_is_dirty(f.k));
        operation = release(&f, "a");
        assert_int_equal(save(&f, 0), 0);
        assert_true(is_done(&f, operation, 0));
        assert_int_equal(try_take(&f, NULL, 0), P2PD_LEASE_E_HELD); /* until it is settled */
        p2pd_lease_keeper_settle(f.k);
        assert_told(&f, P2PD_LEASE_RELEASED);
        assert_int_equal(try_take(&f, NULL, 0), 0);
        teardown(&f);
}

static void test_what_cannot_be_written_is_taken_back(void **state)
{
        uint64_t operations[4];
        struct fixture f;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        take(&f, "a", 0);
        (void)save(&f, 0);
        p2pd_lease_keeper_settle(f.k);
        f.told.n = 0;
        operations[0] = renew(&f, "a", 5000);
        operations[1] = renew(&f, "a", 6000);
        operations[2] = take(&f, "b", 1);
        operations[3] = take(&f, "c", 2);
        assert_int_equal(save(&f, P2PD_STATE_E_NEWER), 3);
        for (unsigned i = 0; i < 4; i++)
                assert_true(is_done(&f, operations[i], -EPERM));
        p2pd_lease_keeper_settle(f.k);
        assert_int_equal(f.told.n, 0);
        assert_int_equal(find(&f, "a")->term.deadline_usec, 0);
        assert_int_equal(p2pd_leases_n(p2pd_lease_keeper_table(f.k)), 1);
        assert_int_equal(try_take(&f, "b", 1), 0);
        teardown(&f);
}

static void test_what_needs_no_file(void **state)
{
        struct fixture f;
        uint64_t operation;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        operation = take(&f, NULL, 0);
        assert_true(is_done(&f, operation, 0));
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        p2pd_lease_keeper_settle(f.k);
        assert_told(&f, P2PD_LEASE_TAKEN);
        assert_int_equal(save(&f, 0), 0);
        p2pd_lease_keeper_disconnect(f.k, 5);
        assert_told(&f, P2PD_LEASE_DISCONNECTED);
        /* It ends before anybody was told of it. */
        (void)take(&f, NULL, 0);
        f.told.n = 0;
        p2pd_lease_keeper_disconnect(f.k, 5);
        f.told.n = 0;
        p2pd_lease_keeper_settle(f.k);
        assert_int_equal(f.told.n, 0);
        teardown(&f);
        setup(&f, P2PD_LEASES_IN_MEMORY);
        operation = take(&f, "a", 0);
        assert_true(is_done(&f, operation, 0));
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        assert_non_null(find(&f, "a"));
        teardown(&f);
        setup(&f, P2PD_LEASES_LOST);
        assert_int_equal(try_take(&f, NULL, 0), P2PD_LEASE_E_LOST);
        assert_int_equal(try_take(&f, "a", 0), P2PD_LEASE_E_LOST);
        teardown(&f);
}

/* What is done at once is settled a turn later: until then nobody is promised what is about to
 * end. */
static void test_nothing_is_promised_of_a_released_lease(void **state)
{
        const struct p2pd_lease *lease = NULL;
        struct fixture f;
        uint64_t operation;

        (void)state;
        setup(&f, P2PD_LEASES_IN_MEMORY);
        (void)take(&f, "a", 0);
        p2pd_lease_keeper_settle(f.k);
        f.told.n = 0;
        operation = release(&f, "a");
        assert_true(is_done(&f, operation, 0));
        assert_int_equal(p2pd_lease_keeper_find_for(f.k, "a", 1000, &lease), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(try_take(&f, "b", 0), P2PD_LEASE_E_HELD);
        p2pd_lease_keeper_settle(f.k);
        assert_told(&f, P2PD_LEASE_RELEASED);
        assert_int_equal(try_take(&f, "a", 0), 0);
        teardown(&f);
        /* A release that could not be written did not happen. */
        setup(&f, P2PD_LEASES_IN_FILE);
        (void)take(&f, "a", 0);
        (void)save(&f, 0);
        p2pd_lease_keeper_settle(f.k);
        operation = release(&f, "a");
        assert_null(find(&f, "a"));
        (void)save(&f, -EIO);
        assert_true(is_done(&f, operation, -EIO));
        assert_non_null(find(&f, "a"));
        teardown(&f);
}

static void test_expiry_while_it_waits(void **state)
{
        struct p2pd_lease_request request;
        struct p2pd_lease_obstacle obstacle;
        struct fixture f;
        uint64_t operation;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        request = request_of(&f.b, "a", f.gpus, 1);
        request.duration_usec = 1000;
        assert_int_equal(p2pd_lease_keeper_take(f.k, &request, &operation, &obstacle), 0);
        assert_int_equal(p2pd_lease_keeper_expire(f.k, now_at(999)), BOOT_NOW + 1000);
        assert_int_equal(p2pd_lease_keeper_expire(f.k, now_at(1000)), 0);
        assert_int_equal(save(&f, 0), 0);
        assert_true(is_done(&f, operation, 0));
        p2pd_lease_keeper_settle(f.k);
        assert_int_equal(f.told.n, 0);
        /* One that is somebody's is told, and leaves the file. */
        request.duration_usec = 3000;
        assert_int_equal(p2pd_lease_keeper_take(f.k, &request, &operation, &obstacle), 0);
        assert_int_equal(save(&f, 0), 1);
        p2pd_lease_keeper_settle(f.k);
        f.told.n = 0;
        (void)p2pd_lease_keeper_expire(f.k, now_at(3000));
        assert_told(&f, P2PD_LEASE_EXPIRED);
        assert_true(p2pd_lease_keeper_is_dirty(f.k));
        assert_int_equal(save(&f, 0), 0);
        teardown(&f);
}

/* What becomes known of a device belongs into the file: a twin could pass for it after a restart.
 */
static void test_serial_that_comes_to_be_known(void **state)
{
        struct layout layout = layout_of(0x10);
        struct p2pd_state saving = P2PD_STATE_NULL;
        struct builder next;
        struct fixture f;

        (void)state;
        setup(&f, P2PD_LEASES_IN_FILE);
        layout.serials[0] = SERIAL_HIDDEN;
        next = machine_of(&layout);
        assert_int_equal(p2pd_lease_keeper_follow(f.k, next.m), 0);
        builder_free(&f.b);
        f.b = next;
        take(&f, "a", 0);
        (void)save(&f, 0);
        p2pd_lease_keeper_settle(f.k);
        f.told.n = 0;
        layout.serials[0] = 0x1111;
        next = machine_of(&layout);
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        assert_int_equal(p2pd_lease_keeper_follow(f.k, next.m), 0);
        assert_int_equal(f.told.n, 0);
        assert_true(p2pd_lease_keeper_is_dirty(f.k));
        assert_int_equal(p2pd_lease_keeper_begin_save(f.k, now_at(0), &saving), 0);
        assert_int_equal(saving.leases[0].devices[0].identity.serial.val, 0x1111);
        p2pd_lease_keeper_end_save(f.k, &saving, 0);
        assert_int_equal(p2pd_lease_keeper_follow(f.k, next.m), 0);
        assert_false(p2pd_lease_keeper_is_dirty(f.k));
        builder_free(&f.b);
        f.b = next;
        teardown(&f);
}

/*
 * At random
 */

#define NAMES 6U

struct model {
        bool promised[NAMES]; /* settled: taken, and not released */
        uint32_t gpu[NAMES];
        bool on_disk[NAMES]; /* in the last file that was written */
        uint32_t gpu_on_disk[NAMES];
        uint64_t operations[NAMES]; /* under way; 0: none */
        bool releasing[NAMES];
};

static void put_on_disk(struct model *m, const struct fixture *f, const struct p2pd_state *state)
{
        memset(m->on_disk, 0, sizeof(m->on_disk));
        for (uint32_t i = 0; i < state->n_leases; i++) {
                const unsigned name = (unsigned)(state->leases[i].name[1] - '0');

                assert_int_equal(state->leases[i].n_devices, 1);
                m->on_disk[name] = true;
                for (uint32_t gpu = 0; gpu < 4; gpu++) {
                        const struct p2p_address a = f->b.m->functions[f->gpus[gpu]].address;

                        if (p2p_address_compare(a, state->leases[i].devices[0].address) == 0)
                                m->gpu_on_disk[name] = gpu;
                }
        }
}

/* After everything that is done was settled: what a crash now would leave. */
static void check(const struct model *m)
{
        for (unsigned i = 0; i < NAMES; i++) {
                if (m->promised[i]) {
                        assert_true(m->on_disk[i] || (m->releasing[i] && m->operations[i]));
                        if (m->on_disk[i])
                                assert_int_equal(m->gpu_on_disk[i], m->gpu[i]);
                } else if (!m->operations[i]) {
                        assert_false(m->on_disk[i]);
                }
                for (unsigned j = 0; j < i; j++) {
                        if (m->on_disk[i] && m->on_disk[j])
                                assert_int_not_equal(m->gpu_on_disk[i], m->gpu_on_disk[j]);
                        if (m->promised[i] && m->promised[j])
                                assert_int_not_equal(m->gpu[i], m->gpu[j]);
                }
        }
}

static void answer(struct fixture *f, struct model *m)
{
        for (unsigned i = 0; i < NAMES; i++) {
                const struct p2pd_lease_operation *o;

                if (!m->operations[i])
                        continue;
                o = p2pd_lease_keeper_find(f->k, m->operations[i]);
                assert_non_null(o);
                if (!o->is_done)
                        continue;
                if (o->result == 0)
                        m->promised[i] = !m->releasing[i];
                m->operations[i] = 0;
        }
        p2pd_lease_keeper_settle(f->k);
        f->told.n = 0;
        check(m);
}

static void random_operation(struct fixture *f, struct model *m)
{
        const unsigned i = (unsigned)rand() % NAMES;
        const uint32_t gpu = (uint32_t)rand() % 4;
        char name[3] = {'n', (char)('0' + i), '\0'};
        struct p2pd_lease_request request = request_of(&f->b, name, &f->gpus[gpu], 1);
        struct p2pd_lease_obstacle obstacle;

        if (m->operations[i])
                return;
        m->releasing[i] = m->promised[i];
        if (m->promised[i]) {
                m->operations[i] = release(f, name);
        } else if (p2pd_lease_keeper_take(f->k, &request, &m->operations[i], &obstacle) == 0) {
                m->gpu[i] = gpu;
        }
}

static void test_random(void **state)
{
        struct p2pd_state saving = P2PD_STATE_NULL;
        struct model m = {{false}};
        bool is_saving = false;
        unsigned n_saves = 0, n_failures = 0;
        struct fixture f;

        (void)state;
        srand(7);
        setup(&f, P2PD_LEASES_IN_FILE);
        for (unsigned step = 0; step < 200000; step++) {
                const int dice = rand() % 8;

                if (dice < 4) {
                        random_operation(&f, &m);
                } else if (dice < 6 && !is_saving) {
                        assert_int_equal(p2pd_lease_keeper_begin_save(f.k, now_at(0), &saving), 0);
                        is_saving = true;
                } else if (dice >= 6 && is_saving) {
                        const bool fails = rand() % 4 == 0;

                        if (!fails)
                                put_on_disk(&m, &f, &saving);
                        p2pd_lease_keeper_end_save(f.k, &saving, fails ? -ENOSPC : 0);
                        is_saving = false;
                        n_saves++;
                        n_failures += fails;
                }
                answer(&f, &m);
        }
        assert_true(n_saves > 10000 && n_failures > 1000);
        if (is_saving)
                p2pd_lease_keeper_end_save(f.k, &saving, 0);
        teardown(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_lease_waits_for_the_file),
                cmocka_unit_test(test_a_release_waits_too),
                cmocka_unit_test(test_what_cannot_be_written_is_taken_back),
                cmocka_unit_test(test_what_needs_no_file),
                cmocka_unit_test(test_nothing_is_promised_of_a_released_lease),
                cmocka_unit_test(test_expiry_while_it_waits),
                cmocka_unit_test(test_serial_that_comes_to_be_known),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
