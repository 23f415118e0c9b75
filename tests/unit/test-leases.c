/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lease-fixture.h"

/* The lease, which must be had. */
static const struct p2pd_lease *take(struct p2pd_leases *l,
                                     const struct p2pd_lease_request *request)
{
        struct p2pd_lease_obstacle obstacle;
        const struct p2pd_lease *lease = NULL;

        assert_int_equal(p2pd_leases_take(l, request, &lease, &obstacle), 0);
        return lease;
}

static struct p2pd_lease_obstacle refused(struct p2pd_leases *l,
                                          const struct p2pd_lease_request *request, int refusal)
{
        struct p2pd_lease_obstacle obstacle;
        const struct p2pd_lease *lease = NULL;
        const uint32_t n = p2pd_leases_n(l);

        assert_int_equal(p2pd_leases_take(l, request, &lease, &obstacle), refusal);
        assert_null(lease);
        assert_int_equal(p2pd_leases_n(l), n);
        return obstacle;
}

static void test_take_and_release(void **state)
{
        const struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        const uint32_t gpus[] = {index_of(&b, 0x11, 0), index_of(&b, 0x10, 0)};
        struct p2pd_lease_request request = request_of(&b, "job/a", gpus, 2);
        const struct p2pd_lease *lease = take(l, &request), *found;
        struct p2pd_lease_obstacle obstacle;

        (void)state;
        assert_int_equal(lease->number, 1);
        assert_string_equal(lease->name, "job/a");
        assert_string_equal(lease->owner, "a job");
        assert_int_equal(lease->connection, 0);
        assert_int_equal(lease->uid, 1000);
        assert_int_equal(lease->pid, 77);
        assert_int_equal(lease->taken_usec, BOOT_NOW + WALL_AHEAD);
        assert_int_equal(lease->n_devices, 2);
        assert_int_equal(lease->devices[0].function, gpus[0]);
        assert_string_equal(lease->devices[1].slot.text, "0000:00:01.0/00.0");
        assert_true(is_held(l, &b, 0, gpus[1]));
        assert_false(is_held(l, &b, 1, gpus[1]));
        assert_false(is_held(l, &b, 0, index_of(&b, 0x12, 0)));

        /* All or nothing, and said by whom. */
        request.name = "job/b";
        request.uid = 1001;
        request.functions = (const uint32_t[]){index_of(&b, 0x12, 0), gpus[1]};
        obstacle = refused(l, &request, P2PD_LEASE_E_HELD);
        assert_int_equal(obstacle.function, gpus[1]);
        assert_ptr_equal(obstacle.lease, lease);
        assert_ptr_equal(obstacle.device, &lease->devices[1]);
        assert_false(is_held(l, &b, 0, index_of(&b, 0x12, 0)));
        request.name = "job/a";
        request.n_functions = 1;
        obstacle = refused(l, &request, P2PD_LEASE_E_NAME_TAKEN);
        assert_ptr_equal(obstacle.lease, lease);
        request.name = "job/b";
        assert_int_equal(take(l, &request)->number, 2);

        /* Only its user, or root. */
        assert_int_equal(p2pd_leases_find_for(l, "job/a", 1001, &found), P2PD_LEASE_E_NOT_OWNER);
        assert_int_equal(p2pd_leases_find_for(l, "1", 1001, &found), P2PD_LEASE_E_NOT_OWNER);
        assert_int_equal(p2pd_leases_find_for(l, "job/c", 0, &found), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_find_for(l, "3", 0, &found), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_find_for(l, "1x", 0, &found), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_find_for(l, "18446744073709551617", 0, &found),
                         P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_find_for(l, "", 0, &found), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_find_for(l, "2", 1001, &found), 0);
        assert_string_equal(found->name, "job/b");
        assert_int_equal(p2pd_leases_find_for(l, "job/a", 0, &found), 0);
        assert_int_equal(p2pd_leases_release(l, found->number), 0);
        assert_int_equal(p2pd_leases_release(l, 1), P2PD_LEASE_E_UNKNOWN);
        assert_false(is_held(l, &b, 0, gpus[1]));
        assert_int_equal(p2pd_leases_n(l), 1);
        /* No number comes again. */
        request.name = NULL;
        request.functions = gpus;
        assert_int_equal(take(l, &request)->number, 3);
        assert_int_equal(p2pd_leases_last_number(l), 3);
        p2pd_leases_free(l);
        assert_null(p2pd_leases_free(NULL));
        builder_free(&b);
}

static void test_names(void **state)
{
        static const char *const good[] = {"a", "job-7", "ns/pod:gpu@node_1+x.y", "Z9"};
        static const char *const bad[] = {"", "7", "-a", "a b", "a\n", "\xc3\xa4", "_a", "a,b"};
        char name[P2PD_LEASE_NAME_MAX + 2];

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(p2pd_lease_name_is_valid(good[i], strlen(good[i])));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(p2pd_lease_name_is_valid(bad[i], strlen(bad[i])));
        assert_false(p2pd_lease_name_is_valid("a\0b", 3));
        memset(name, 'n', sizeof(name));
        assert_true(p2pd_lease_name_is_valid(name, P2PD_LEASE_NAME_MAX));
        assert_false(p2pd_lease_name_is_valid(name, P2PD_LEASE_NAME_MAX + 1));
        assert_null(p2pd_lease_event_to_string(P2PD_LEASE_EVENT_MAX));
}

static void test_limits(void **state)
{
        const struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        const struct p2pd_leases_params params = {.max = 3, .max_per_user = 1, .max_devices = 4};
        struct p2pd_leases *l = p2pd_leases_new(&params);
        const uint32_t gpus[] = {index_of(&b, 0x10, 0), index_of(&b, 0x11, 0),
                                 index_of(&b, 0x12, 0), index_of(&b, 0x14, 0),
                                 index_of(&b, 0x15, 0)};
        struct p2pd_lease_request request = request_of(&b, NULL, gpus, 1);

        (void)state;
        assert_int_equal(p2pd_leases_follow(l, b.m, NULL, NULL), 0);
        take(l, &request);
        request.functions = gpus + 1;
        assert_int_equal(refused(l, &request, P2PD_LEASE_E_TOO_MANY).limit, 1);
        request.uid = 0;
        request.n_functions = 4;
        assert_int_equal(refused(l, &request, P2PD_LEASE_E_TOO_MANY).limit, 4);
        request.n_functions = 1;
        take(l, &request);
        request.functions = gpus + 2;
        take(l, &request);
        request.functions = gpus + 3;
        assert_int_equal(refused(l, &request, P2PD_LEASE_E_TOO_MANY).limit, 3);
        p2pd_leases_free(l);
        builder_free(&b);
}

static void test_expiry_and_connections(void **state)
{
        const struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        const uint32_t gpus[] = {index_of(&b, 0x10, 0), index_of(&b, 0x11, 0),
                                 index_of(&b, 0x12, 0)};
        struct p2pd_lease_request request = request_of(&b, NULL, gpus, 1);
        const struct p2pd_lease_term term = p2pd_lease_term_of(request.now, 5000);
        struct told told = {0};

        (void)state;
        assert_int_equal(p2pd_leases_next_expiry(l), 0);
        request.duration_usec = 4000;
        take(l, &request);
        request.functions = gpus + 1;
        request.name = "kept";
        request.duration_usec = 3000;
        take(l, &request);
        request.functions = gpus + 2;
        request.name = NULL;
        request.connection = 6;
        request.duration_usec = 0;
        take(l, &request);
        assert_int_equal(p2pd_leases_next_expiry(l), 4000);
        assert_int_equal(p2pd_leases_expire(l, 3999, tell, &told), 0);
        assert_int_equal(p2pd_leases_renew(l, 2, term), 0);
        assert_int_equal(p2pd_leases_renew(l, 9, term), P2PD_LEASE_E_UNKNOWN);
        assert_int_equal(p2pd_leases_next_expiry(l), 5000);
        assert_int_equal(p2pd_leases_expire(l, 5000, tell, &told), 1);
        assert_int_equal(told.n, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_EXPIRED);
        assert_int_equal(told.numbers[0], 1);
        assert_false(is_held(l, &b, 0, gpus[0]));
        /* A named one was taken over connection 5 and does not end with it. */
        assert_int_equal(p2pd_leases_disconnect(l, 5, tell, &told), 0);
        assert_int_equal(p2pd_leases_disconnect(l, 6, tell, &told), 1);
        assert_int_equal(told.kinds[1], P2PD_LEASE_DISCONNECTED);
        assert_int_equal(told.numbers[1], 3);
        assert_int_equal(p2pd_leases_expire(l, UINT64_MAX, NULL, NULL), 1);
        assert_int_equal(p2pd_leases_n(l), 0);
        p2pd_leases_free(l);
        builder_free(&b);
}

static void test_virtual_functions(void **state)
{
        const struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        const uint32_t pf = index_of(&b, 0x13, 0);
        const uint32_t vf[] = {index_of(&b, 0x13, 1), index_of(&b, 0x13, 2)};
        struct p2pd_lease_request request = request_of(&b, "pf", &pf, 1);
        const struct p2pd_lease *lease = take(l, &request);
        struct p2pd_lease_obstacle obstacle;

        (void)state;
        assert_true(is_held(l, &b, 0, vf[0]));
        assert_false(is_held(l, &b, 1, vf[0]));
        assert_false(is_held(l, &b, 0, index_of(&b, 0x17, 1)));
        request.name = NULL;
        request.functions = vf;
        obstacle = refused(l, &request, P2PD_LEASE_E_HELD);
        assert_int_equal(obstacle.function, vf[0]);
        assert_ptr_equal(obstacle.device, &lease->devices[0]);
        assert_int_equal(p2pd_leases_release(l, 1), 0);

        lease = take(l, &request);
        assert_true(is_held(l, &b, 0, pf));
        assert_false(is_held(l, &b, lease->number, pf));
        assert_false(is_held(l, &b, 0, vf[1]));
        request.functions = &pf;
        obstacle = refused(l, &request, P2PD_LEASE_E_HELD);
        assert_int_equal(obstacle.function, pf);
        assert_ptr_equal(obstacle.device, &lease->devices[0]);
        request.functions = vf + 1;
        take(l, &request);
        assert_int_equal(p2pd_leases_disconnect(l, 5, NULL, NULL), 2);

        /* Both in one lease; what is named twice is meant once. */
        request.functions = (const uint32_t[]){pf, vf[0], pf};
        request.n_functions = 3;
        lease = take(l, &request);
        assert_int_equal(lease->n_devices, 2);
        assert_int_equal(lease->devices[1].function, vf[0]);
        p2pd_leases_free(l);
        builder_free(&b);
}

/* What is there in the next generation. */
static void step(struct p2pd_leases *l, struct builder *b, const struct layout *layout,
                 struct told *told, int n_events)
{
        struct builder next = machine_of(layout);

        told->n = 0;
        assert_int_equal(p2pd_leases_follow(l, next.m, tell, told), n_events);
        assert_int_equal(told->n, n_events);
        builder_free(b);
        *b = next;
}

static void test_unplugged(void **state)
{
        struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        const uint32_t gpus[] = {index_of(&b, 0x10, 0), index_of(&b, 0x11, 0)};
        struct p2pd_lease_request request = request_of(&b, "two", gpus, 2);
        const struct p2pd_lease *lease = take(l, &request);
        struct told told;

        (void)state;
        step(l, &b, &layout, &told, 0);
        layout.kinds[1] = EMPTY;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        assert_int_equal(told.devices[0].bus, 0x11);
        assert_true(lease->devices[1].is_lost);
        assert_int_equal(lease->devices[1].function, P2P_NONE);
        step(l, &b, &layout, &told, 0);

        /* Another one in its place is free, also to be taken. */
        layout.kinds[1] = OTHER_GPU;
        step(l, &b, &layout, &told, 0);
        assert_false(is_held(l, &b, 0, index_of(&b, 0x11, 0)));
        request = request_of(&b, "other", (const uint32_t[]){index_of(&b, 0x11, 0)}, 1);
        take(l, &request);
        layout.kinds[1] = GPU;
        step(l, &b, &layout, &told, 2);
        assert_int_equal(told.kinds[0], P2PD_LEASE_BACK);
        assert_int_equal(told.numbers[0], 1);
        assert_int_equal(told.kinds[1], P2PD_LEASE_LOST);
        assert_int_equal(told.numbers[1], 2);
        assert_int_equal(p2pd_leases_release(l, 2), 0);
        assert_true(is_held(l, &b, 0, index_of(&b, 0x11, 0)));

        /* What cannot be read may be it. */
        layout.kinds[1] = UNREADABLE;
        step(l, &b, &layout, &told, 0);
        assert_true(is_held(l, &b, 0, index_of(&b, 0x11, 0)));
        layout.kinds[1] = EMPTY;
        step(l, &b, &layout, &told, 1);
        layout.kinds[1] = UNREADABLE;
        step(l, &b, &layout, &told, 0);
        assert_true(lease->devices[1].is_lost);
        assert_true(is_held(l, &b, 0, index_of(&b, 0x11, 0)));
        request.functions = (const uint32_t[]){index_of(&b, 0x11, 0)};
        request.machine = b.m;
        assert_int_equal(refused(l, &request, P2PD_LEASE_E_UNRECOGNISABLE).function,
                         index_of(&b, 0x11, 0));

        /* Buses are numbered anew. */
        layout.first_bus = 0x40;
        layout.kinds[1] = GPU;
        step(l, &b, &layout, &told, 2);
        assert_int_equal(told.kinds[0], P2PD_LEASE_MOVED);
        assert_int_equal(told.devices[0].bus, 0x40);
        assert_int_equal(told.kinds[1], P2PD_LEASE_BACK);
        assert_int_equal(lease->devices[1].address.bus, 0x41);
        assert_int_equal(lease->devices[1].function, index_of(&b, 0x41, 0));
        p2pd_leases_free(l);
        builder_free(&b);
}

/* Two of one kind take turns in the slot. */
static void test_twins(void **state)
{
        struct layout layout = layout_of(0x10);
        const struct p2pd_lease *lease;
        struct p2pd_lease_request request;
        struct p2pd_leases *l;
        struct builder b;
        struct told told;
        uint32_t gpu;

        (void)state;
        layout.serials[1] = 0x1111;
        b = machine_of(&layout);
        l = table_new(&b);
        gpu = index_of(&b, 0x11, 0);
        request = request_of(&b, "first", &gpu, 1);
        lease = take(l, &request);
        layout.serials[1] = 0x2222;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        assert_false(is_held(l, &b, 0, gpu));
        request = request_of(&b, "second", &gpu, 1);
        assert_int_equal(take(l, &request)->number, 2);
        layout.serials[1] = 0x1111;
        step(l, &b, &layout, &told, 2);
        assert_int_equal(told.kinds[0], P2PD_LEASE_BACK);
        assert_int_equal(told.numbers[0], 1);
        assert_int_equal(told.kinds[1], P2PD_LEASE_LOST);
        assert_int_equal(p2pd_leases_release(l, 2), 0);

        /* There all along, it may be it; after an absence it is withheld and not told to be back.
         */
        layout.serials[1] = SERIAL_HIDDEN;
        step(l, &b, &layout, &told, 0);
        assert_false(lease->devices[0].is_lost);
        assert_true(is_held(l, &b, 0, gpu));
        layout.kinds[1] = EMPTY;
        step(l, &b, &layout, &told, 1);
        layout.kinds[1] = GPU;
        step(l, &b, &layout, &told, 0);
        assert_true(lease->devices[0].is_lost);
        assert_true(is_held(l, &b, 0, gpu));
        layout.serials[1] = 0x1111;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_BACK);
        /* One that has none is another one. */
        layout.serials[1] = 0;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        assert_false(is_held(l, &b, 0, gpu));
        assert_int_equal(p2pd_leases_n_learned(l), 0);
        p2pd_leases_free(l);
        builder_free(&b);
}

/* A lease that was taken, or written by an older version, without the serial number. */
static void test_learns_the_serial(void **state)
{
        struct layout layout = layout_of(0x10);
        const struct p2pd_lease *lease;
        struct p2pd_lease_request request;
        struct p2pd_leases *l;
        struct builder b;
        struct told told;
        uint32_t gpu;

        (void)state;
        layout.serials[1] = SERIAL_HIDDEN;
        b = machine_of(&layout);
        l = table_new(&b);
        gpu = index_of(&b, 0x11, 0);
        request = request_of(&b, "one", &gpu, 1);
        lease = take(l, &request);
        layout.kinds[1] = EMPTY;
        step(l, &b, &layout, &told, 1);
        layout.kinds[1] = GPU;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_BACK);
        layout.serials[1] = 0x1111;
        step(l, &b, &layout, &told, 0);
        assert_int_equal(p2pd_leases_n_learned(l), 1);
        assert_int_equal(lease->devices[0].identity.serial.val, 0x1111);
        layout.serials[1] = 0x2222;
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        p2pd_leases_free(l);
        builder_free(&b);
}

/* A lost virtual function is still its physical function's hardware. */
static void test_lost_virtual_function(void **state)
{
        struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout), without;
        struct p2pd_leases *l = table_new(&b);
        const uint32_t vf = index_of(&b, 0x13, 1);
        struct p2pd_lease_request request = request_of(&b, "vf", &vf, 1);
        struct told told = {0};
        uint32_t pf;

        (void)state;
        take(l, &request);
        /* The same device, with its virtual functions off. */
        layout.kinds[3] = EMPTY;
        without = machine_of(&layout);
        builder_free(&without);
        without = builder_new();
        ids(&without, builder_endpoint(&without, "13:00.0", builder_root_port(&without, "00:04.0")),
            0x10de, 0x1021);
        builder_finish(&without);
        assert_int_equal(p2pd_leases_follow(l, without.m, tell, &told), 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        pf = builder_at(&without, "13:00.0");
        assert_true(is_held(l, &without, 0, pf));
        request = request_of(&without, "pf", &pf, 1);
        assert_string_equal(refused(l, &request, P2PD_LEASE_E_HELD).lease->name, "vf");
        assert_int_equal(p2pd_leases_follow(l, b.m, tell, &told), 1);
        assert_int_equal(told.kinds[1], P2PD_LEASE_BACK);
        assert_true(is_held(l, &b, 0, vf));
        p2pd_leases_free(l);
        builder_free(&without);
        builder_free(&b);
}

static void test_state_file(void **state)
{
        const struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        struct p2pd_leases_params params = P2PD_LEASES_PARAMS_DEFAULT;
        const uint32_t gpus[] = {index_of(&b, 0x10, 0), index_of(&b, 0x11, 0),
                                 index_of(&b, 0x12, 0)};
        struct p2pd_lease_request request = request_of(&b, "one", gpus, 2);
        struct p2pd_state_lease saved[2], twice;
        const struct p2pd_lease *lease;
        struct told told = {0};
        const struct p2pd_lease_import how = {request.now, true, tell, &told};
        const struct p2pd_lease_import silent = {request.now, true, NULL, NULL};

        (void)state;
        request.duration_usec = 6000;
        saved[0] = exported(take(l, &request));
        request.name = "two";
        request.functions = gpus + 2;
        request.n_functions = 1;
        request.owner = NULL;
        saved[1] = exported(take(l, &request));
        p2pd_leases_free(l);

        params.last_number = 9;
        params.max = 1; /* what was promised stays */
        l = p2pd_leases_new(&params);
        assert_int_equal(p2pd_leases_import(l, &saved[0], &how), 0);
        assert_int_equal(p2pd_leases_import(l, &saved[1], &how), 0);
        assert_int_equal(p2pd_leases_follow(l, b.m, tell, &told), 0);
        assert_int_equal(told.n, 0);
        lease = p2pd_leases_find_name(l, "one");
        assert_int_equal(lease->number, 1);
        assert_int_equal(lease->uid, 1000);
        assert_int_equal(lease->pid, 77);
        assert_int_equal(lease->taken_usec, BOOT_NOW + WALL_AHEAD);
        assert_int_equal(lease->term.deadline_usec, 7000);
        assert_int_equal(lease->term.duration_usec, 6000);
        assert_string_equal(lease->owner, "a job");
        assert_int_equal(lease->devices[1].function, gpus[1]);
        assert_string_equal(p2pd_leases_find_number(l, 2)->owner, "");
        assert_int_equal(p2pd_leases_last_number(l), 9);
        for (int i = 0; i < 3; i++)
                assert_true(is_held(l, &b, 0, gpus[i]));

        /* What a damaged file says twice: the first has it. */
        twice = saved[0];
        twice.number = 10;
        assert_int_equal(p2pd_leases_import(l, &twice, &how), P2PD_LEASE_E_NAME_TAKEN);
        strcpy(twice.name, "three");
        assert_int_equal(p2pd_leases_import(l, &twice, &how), P2PD_LEASE_E_HELD);
        assert_int_equal(told.n, 2);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        assert_int_equal(told.numbers[0], 10);
        strcpy(twice.name, "7");
        assert_int_equal(p2pd_leases_import(l, &twice, &silent), P2PD_LEASE_E_INVALID);
        strcpy(twice.name, "four");
        twice.n_devices = 0;
        assert_int_equal(p2pd_leases_import(l, &twice, &silent), P2PD_LEASE_E_INVALID);
        /* Two devices, one of them new: another kind had the slot before. */
        twice.n_devices = 2;
        twice.devices[1].identity.device = 0x9999;
        assert_int_equal(p2pd_leases_import(l, &twice, &how), 0);
        assert_int_equal(told.n, 3);
        assert_int_equal(p2pd_leases_find_name(l, "four")->n_devices, 1);
        assert_int_equal(p2pd_leases_n(l), 3);
        free(saved[0].devices);
        free(saved[1].devices);
        p2pd_leases_free(l);
        builder_free(&b);
}

/* A file in which one lease has a physical function and another a virtual one of it: the earlier
 * has it, the other has lost it until that one ends, and nobody else gets it. */
static void overlap(uint32_t first, uint32_t second)
{
        struct layout layout = layout_of(0x10);
        struct builder b = machine_of(&layout);
        struct p2pd_leases *l = table_new(&b);
        const uint32_t both[2] = {index_of(&b, 0x13, first), index_of(&b, 0x13, second)};
        struct p2pd_leases_params params = P2PD_LEASES_PARAMS_DEFAULT;
        struct p2pd_lease_request request = request_of(&b, "first", &both[0], 1);
        struct p2pd_state_lease saved[2];
        const struct p2pd_lease *later;
        struct told told = {0};
        const struct p2pd_lease_import how = {request.now, true, tell, &told};

        saved[0] = exported(take(l, &request));
        assert_int_equal(p2pd_leases_release(l, 1), 0);
        request = request_of(&b, "second", &both[1], 1);
        saved[1] = exported(take(l, &request));
        p2pd_leases_free(l);

        l = p2pd_leases_new(&params);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(p2pd_leases_import(l, &saved[i], &how), 0);
                free(saved[i].devices);
        }
        assert_int_equal(p2pd_leases_follow(l, b.m, tell, &told), 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_LOST);
        assert_int_equal(told.numbers[0], 2);
        later = p2pd_leases_find_name(l, "second");
        assert_true(later->devices[0].is_lost);
        assert_false(p2pd_leases_find_name(l, "first")->devices[0].is_lost);
        assert_true(is_held(l, &b, 0, both[0]) && is_held(l, &b, 0, both[1]));
        step(l, &b, &layout, &told, 0);
        assert_int_equal(p2pd_leases_release(l, 1), 0);
        assert_true(is_held(l, &b, 0, both[1]));
        step(l, &b, &layout, &told, 1);
        assert_int_equal(told.kinds[0], P2PD_LEASE_BACK);
        assert_false(later->devices[0].is_lost);
        p2pd_leases_free(l);
        builder_free(&b);
}

static void test_overlap(void **state)
{
        (void)state;
        overlap(0, 1);
        overlap(1, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_take_and_release),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_expiry_and_connections),
                cmocka_unit_test(test_virtual_functions),
                cmocka_unit_test(test_unplugged),
                cmocka_unit_test(test_twins),
                cmocka_unit_test(test_learns_the_serial),
                cmocka_unit_test(test_lost_virtual_function),
                cmocka_unit_test(test_state_file),
                cmocka_unit_test(test_overlap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
