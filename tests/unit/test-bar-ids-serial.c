/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BAR ids and serial numbers: devices of one kind that take turns in one slot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "decide/bar-ids.h"
#include "machine-builder.h"

static void follow(struct p2p_bar_ids *ids, const struct builder *b, uint64_t generation)
{
        const struct p2p_bar_ids_update update = {.machine = b->m, .generation = generation};

        assert_int_equal(p2p_bar_ids_update(ids, &update), 0);
}

/* One NVMe with a BAR below a root port, changed. */
static struct builder machine_with(void (*change)(struct p2p_function *f))
{
        struct builder b = builder_new();
        const uint32_t at = builder_function(&b, "01:00.0", builder_root_port(&b, "00:01.0"),
                                             P2P_PORT_ENDPOINT, 0x010802);

        bar(&b, at, 0, 0x100000, 0x1000);
        change(builder_edit(&b, at));
        builder_finish(&b);
        return b;
}

/* Its id when the registry has followed. */
static uint32_t id_after(struct p2p_bar_ids *ids, uint64_t generation,
                         void (*change)(struct p2p_function *f))
{
        struct builder b = machine_with(change);
        uint32_t id;

        follow(ids, &b, generation);
        id = p2p_bar_ids_find(ids, builder_at(&b, "01:00.0"), 0);
        builder_free(&b);
        return id;
}

static void as_it_is(struct p2p_function *f)
{
        (void)f;
}

static void unreadable(struct p2p_function *f)
{
        f->device = p2p_fact_without(P2P_WHY_IO_ERROR);
}

static void not_assigned(struct p2p_function *f)
{
        f->bars[0].assigned = false;
}

static void serial_1(struct p2p_function *f)
{
        f->serial = p2p_fact_known(0x1111);
}

static void serial_2(struct p2p_function *f)
{
        f->serial = p2p_fact_known(0x2222);
}

static void serial_hidden(struct p2p_function *f)
{
        f->serial = p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
}

static void serial_hidden_elsewhere(struct p2p_function *f)
{
        serial_hidden(f);
        f->bars[0].phys_start.val = 0x700000;
}

static void test_twins_in_one_slot(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint64_t g = 0;

        (void)state;
        assert_int_equal(id_after(ids, ++g, serial_1), 1);
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        assert_int_equal(id_after(ids, ++g, serial_1), 1);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        /* One without a serial number is neither. */
        assert_int_equal(id_after(ids, ++g, as_it_is), 3);
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        /* One that cannot be read leaves the id where it is, and tells them apart once it can. */
        assert_int_equal(id_after(ids, ++g, serial_hidden), 2);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->identity.serial.val, 0x2222);
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        assert_int_equal(id_after(ids, ++g, serial_hidden), 2);
        assert_int_equal(id_after(ids, ++g, serial_1), 1);
        /* After a break, or elsewhere, what was recorded must be met. */
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, serial_hidden), 4);
        assert_int_equal(id_after(ids, ++g, serial_hidden_elsewhere), 4);
        /* What was not recorded cannot be asked for, and is recorded as soon as it is known. */
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, serial_hidden), 4);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        /* Id 4 was retired last, but of just this device was id 1. */
        assert_int_equal(id_after(ids, ++g, serial_1), 1);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, serial_hidden), 4);
        {
                const uint64_t revision = p2p_bar_ids_revision(ids);

                assert_int_equal(id_after(ids, ++g, serial_1), 4);
                assert_true(p2p_bar_ids_revision(ids) > revision);
        }
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        /* Behind a gap in which nothing could be read. */
        assert_int_equal(id_after(ids, ++g, unreadable), 2);
        assert_int_equal(id_after(ids, ++g, serial_hidden), 2);
        assert_int_equal(id_after(ids, ++g, serial_2), 2);
        assert_int_equal(id_after(ids, ++g, unreadable), 2);
        assert_int_equal(id_after(ids, ++g, serial_1), 4);
        p2p_bar_ids_free(ids);
}

/* Restored is what was recorded, with the serial number or, by an older version, without. */
static uint32_t id_after_restart(const struct p2p_bar_ids *before, bool with_serial,
                                 void (*change)(struct p2p_function *f))
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint32_t id;

        for (id = 1; id < 16; id++) {
                struct p2p_bar_id record;

                if (!p2p_bar_ids_get(before, id))
                        continue;
                record = *p2p_bar_ids_get(before, id);
                if (!with_serial)
                        record.identity.serial = p2p_fact_without(P2P_WHY_NOT_REPORTED);
                assert_int_equal(p2p_bar_ids_restore(ids, &record), 0);
        }
        id = id_after(ids, 1, change);
        p2p_bar_ids_free(ids);
        return id;
}

static void test_twins_after_a_restart(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        assert_int_equal(id_after(ids, 1, serial_1), 1);
        assert_int_equal(id_after_restart(ids, true, serial_1), 1);
        assert_int_equal(id_after_restart(ids, true, serial_2), 2);
        assert_int_equal(id_after_restart(ids, true, as_it_is), 2);
        assert_int_equal(id_after_restart(ids, true, serial_hidden), 2);
        assert_int_equal(id_after_restart(ids, false, serial_1), 1);
        assert_int_equal(id_after_restart(ids, false, serial_2), 1);
        assert_int_equal(id_after_restart(ids, false, serial_hidden), 1);
        assert_int_equal(id_after(ids, 2, serial_hidden), 1);
        assert_int_equal(id_after_restart(ids, true, serial_2), 2);
        p2p_bar_ids_free(ids);
}

/* A function whose BARs get no id unasked. */
static void other_class(struct p2p_function *f)
{
        f->class_code = p2p_fact_known(0x088000);
}

static void other_class_1(struct p2p_function *f)
{
        other_class(f);
        serial_1(f);
}

static void other_class_2(struct p2p_function *f)
{
        other_class(f);
        serial_2(f);
}

static void other_class_hidden(struct p2p_function *f)
{
        other_class(f);
        serial_hidden(f);
}

static int register_it(struct p2p_bar_ids *ids, uint64_t generation,
                       void (*change)(struct p2p_function *f))
{
        struct builder b = machine_with(change);
        const struct p2p_bar_ids_update update = {.machine = b.m, .generation = generation};
        uint32_t id;
        int r = p2p_bar_ids_register(ids, &update, builder_at(&b, "01:00.0"), 0, &id);

        builder_free(&b);
        return r;
}

static void test_registration_is_for_one_of_them(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint64_t g = 0;

        (void)state;
        assert_int_equal(register_it(ids, ++g, other_class_1), 0);
        assert_int_equal(id_after(ids, ++g, other_class_1), 1);
        assert_int_equal(id_after(ids, ++g, other_class_2), 0);
        assert_int_equal(id_after(ids, ++g, other_class), 0);
        assert_int_equal(id_after(ids, ++g, other_class_1), 1);
        /* In doubt it has an id; another one after a break. */
        assert_int_equal(id_after(ids, ++g, other_class_hidden), 1);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, other_class_hidden), 2);
        /* Registered again, it is still for the one that is known. */
        assert_int_equal(register_it(ids, ++g, other_class_hidden), 0);
        assert_int_equal(p2p_bar_ids_registration(ids, 0)->identity.serial.val, 0x1111);
        assert_int_equal(id_after(ids, ++g, other_class_2), 0);
        assert_int_equal(register_it(ids, ++g, other_class_2), 0);
        assert_int_equal(id_after(ids, ++g, other_class_1), 0);
        assert_int_equal(p2p_bar_ids_status(ids).n_registrations, 1);
        p2p_bar_ids_free(ids);
}

static void test_registration_learns(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint64_t revision;

        (void)state;
        assert_int_equal(register_it(ids, 1, other_class_hidden), 0);
        assert_int_equal(id_after(ids, 2, other_class_hidden), 1);
        revision = p2p_bar_ids_revision(ids);
        assert_int_equal(id_after(ids, 3, other_class_2), 1);
        assert_true(p2p_bar_ids_revision(ids) > revision);
        assert_int_equal(p2p_bar_ids_registration(ids, 0)->identity.serial.val, 0x2222);
        revision = p2p_bar_ids_revision(ids);
        assert_int_equal(id_after(ids, 4, other_class_2), 1);
        assert_int_equal(p2p_bar_ids_revision(ids), revision);
        assert_int_equal(id_after(ids, 5, other_class_1), 0);
        p2p_bar_ids_free(ids);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_twins_in_one_slot),
                cmocka_unit_test(test_twins_after_a_restart),
                cmocka_unit_test(test_registration_is_for_one_of_them),
                cmocka_unit_test(test_registration_learns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
