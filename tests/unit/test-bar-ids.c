/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "decide/bar-ids.h"
#include "machine-builder.h"

#define GPU 0x030200
#define NVME 0x010802
#define NIC 0x020000
#define STORAGE 0x010700
#define MEMORY 0x050200
#define OTHER 0x088000

#define NOBODY UINT64_MAX

/* A function with BAR 0 in a slot of its own; the n-th slot has bus n. */
static uint32_t add(struct builder *b, unsigned n, uint32_t class_code)
{
        char address[P2P_ADDRESS_STRING_MAX];
        uint32_t port, at;

        (void)snprintf(address, sizeof(address), "00:%02x.0", n & 0x1fU);
        port = builder_root_port(b, address);
        (void)snprintf(address, sizeof(address), "%02x:00.0", n);
        at = builder_function(b, address, port, P2P_PORT_ENDPOINT, class_code);
        ids(b, at, 0x1000, (uint16_t)n);
        bar(b, at, 0, n * UINT64_C(0x100000), 0x1000);
        return at;
}

/* The slots of the text, each with an NVMe: "1 2 5". */
static struct builder machine_of(const char *slots)
{
        struct builder b = builder_new();
        unsigned n;
        int length;

        for (; sscanf(slots, " %u%n", &n, &length) == 1; slots += length)
                add(&b, n, NVME);
        builder_finish(&b);
        return b;
}

static uint32_t id_at(const struct p2p_bar_ids *ids, const struct builder *b, unsigned n,
                      uint32_t bar_index)
{
        char address[P2P_ADDRESS_STRING_MAX];

        (void)snprintf(address, sizeof(address), "%02x:00.0", n);
        return p2p_bar_ids_find(ids, builder_at(b, address), bar_index);
}

static void follow(struct p2p_bar_ids *ids, const struct builder *b, uint64_t generation,
                   uint64_t oldest_confirmed)
{
        const struct p2p_bar_ids_update update = {
                .machine = b->m,
                .generation = generation,
                .oldest_confirmed = oldest_confirmed,
        };

        assert_int_equal(p2p_bar_ids_update(ids, &update), 0);
}

/* Follows a machine of machine_of(); the ids of its slots, in their order, as text: "1 2 -". */
static void expect(struct p2p_bar_ids *ids, const char *slots, uint64_t generation,
                   uint64_t oldest_confirmed, const char *want)
{
        struct builder b = machine_of(slots);
        char got[128] = "";
        unsigned n;
        int length;

        follow(ids, &b, generation, oldest_confirmed);
        for (; sscanf(slots, " %u%n", &n, &length) == 1; slots += length) {
                const uint32_t id = id_at(ids, &b, n, 0);
                char text[16];

                (void)snprintf(text, sizeof(text), id == 0 ? "%s-" : "%s%u", got[0] ? " " : "",
                               (unsigned)id);
                strcat(got, text);
        }
        assert_string_equal(got, want);
        builder_free(&b);
}

#define FULL "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"

static void test_order_by_class(void **state)
{
        struct builder b = builder_new();
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        struct p2p_function *provider;

        (void)state;
        add(&b, 1, OTHER);
        add(&b, 2, STORAGE);
        add(&b, 3, NIC);
        bar(&b, add(&b, 4, NVME), 2, 0x400000000, 0x1000);
        add(&b, 5, MEMORY);
        add(&b, 6, GPU);
        add(&b, 7, 0x120000);
        bar(&b, add(&b, 8, GPU), 2, 0x800000000, 0x1000);
        provider = builder_edit(&b, add(&b, 9, OTHER));
        provider->p2pmem_size_bytes = p2p_fact_known(0x1000);
        builder_finish(&b);
        follow(ids, &b, 1, NOBODY);
        assert_int_equal(id_at(ids, &b, 9, 0), 1);
        assert_int_equal(id_at(ids, &b, 6, 0), 2);
        assert_int_equal(id_at(ids, &b, 7, 0), 3);
        assert_int_equal(id_at(ids, &b, 8, 0), 4);
        assert_int_equal(id_at(ids, &b, 8, 2), 5);
        assert_int_equal(id_at(ids, &b, 5, 0), 6);
        assert_int_equal(id_at(ids, &b, 4, 0), 7);
        assert_int_equal(id_at(ids, &b, 4, 2), 8);
        assert_int_equal(id_at(ids, &b, 3, 0), 9);
        assert_int_equal(id_at(ids, &b, 2, 0), 10);
        assert_int_equal(id_at(ids, &b, 1, 0), 0);
        assert_int_equal(p2p_bar_ids_get(ids, 5)->bar_index, 2);
        assert_int_equal(p2p_bar_ids_get(ids, 5)->first, 0x800000000);
        assert_int_equal(p2p_bar_ids_get(ids, 5)->last, 0x800000fff);
        assert_null(p2p_bar_ids_get(ids, 0));
        assert_null(p2p_bar_ids_get(ids, 11));
        assert_null(p2p_bar_ids_get(ids, 1U << 20));
        assert_int_equal(p2p_bar_ids_find(ids, b.m->n_functions, 0), 0);
        assert_int_equal(p2p_bar_ids_find(ids, 0, P2P_BARS_MAX), 0);
        p2p_bar_ids_free(ids);
        builder_free(&b);
}

static void test_only_memory_bars_with_addresses(void **state)
{
        struct builder b = builder_new();
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint32_t at = add(&b, 1, NVME);

        (void)state;
        bar(&b, at, 1, 0x400000000, 0x1000)->kind = P2P_BAR_IO;
        bar(&b, at, 2, 0x400000000, 0x1000)->assigned = false;
        bar(&b, at, 3, 0x400000000, 0x1000)->phys_why = P2P_WHY_NO_PRIVILEGE;
        bar(&b, at, 4, 0x400000000, 0x1000)->size_bytes = p2p_fact_without(P2P_WHY_IO_ERROR);
        bar(&b, at, 5, 0x400000000, 0x1000)->kind = P2P_BAR_UNKNOWN;
        builder_finish(&b);
        follow(ids, &b, 1, NOBODY);
        assert_int_equal(p2p_bar_ids_status(ids).n_in_use, 1);
        assert_int_equal(p2p_bar_ids_status(ids).n_without, 0);
        assert_int_equal(id_at(ids, &b, 1, 0), 1);
        p2p_bar_ids_free(ids);
        builder_free(&b);
}

static void test_default_width(void **state)
{
        static const struct {
                unsigned n_bars, width;
        } cases[] = {{0, 4}, {7, 4}, {8, 5}, {15, 5}, {16, 6}, {24, 6}, {31, 6}, {32, 7}, {127, 8}};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct builder b = builder_new();

                for (unsigned n = 1; n <= cases[i].n_bars; n++)
                        add(&b, n, NVME);
                add(&b, 200, OTHER);
                assert_int_equal(p2p_bar_ids_default_width(b.m), cases[i].width);
                builder_free(&b);
        }
}

static void test_widest_default(void **state)
{
        struct builder b = builder_new();

        (void)state;
        for (unsigned i = 0; i < 40000; i++) {
                struct p2p_function *f =
                        p2p_machine_add_function(b.m, (struct p2p_address){.segment = i >> 16,
                                                                           .bus = (uint8_t)(i >> 8),
                                                                           .devfn = (uint8_t)i});

                f->class_code = p2p_fact_known(NVME);
                bar(&b, i, 0, i * UINT64_C(0x1000), 0x1000);
        }
        assert_int_equal(p2p_bar_ids_default_width(b.m), 16);
        builder_free(&b);
}

static void test_keeps_and_returns(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint64_t revision;

        (void)state;
        expect(ids, "1 2 3", 1, NOBODY, "1 2 3");
        revision = p2p_bar_ids_revision(ids);
        expect(ids, "1 2 3", 2, NOBODY, "1 2 3");
        assert_int_equal(p2p_bar_ids_revision(ids), revision);
        assert_int_equal(p2p_bar_ids_get(ids, 3)->since, 1);
        expect(ids, "1 3", 3, NOBODY, "1 3");
        assert_true(p2p_bar_ids_revision(ids) > revision);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->state, P2P_BAR_ID_RETIRED);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->gone_since, 3);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->function, P2P_NONE);
        /* Another one does not take it while there are ids that were never given. */
        expect(ids, "1 3 4", 4, NOBODY, "1 3 4");
        expect(ids, "1 2 3 4", 5, NOBODY, "1 2 3 4");
        assert_int_equal(p2p_bar_ids_get(ids, 2)->since, 5);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->gone_since, 0);
        assert_int_equal(p2p_bar_ids_get(ids, 1)->since, 1);
        p2p_bar_ids_free(ids);
}

static void test_survives_renumbering_and_resizing(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        struct builder b = builder_new();

        (void)state;
        expect(ids, "1 2", 1, 0, "1 2");
        bar(&b, builder_endpoint(&b, "77:00.0", builder_root_port(&b, "00:02.0")), 0, 0x900000000,
            0x80000000);
        builder_edit(&b, 1)->vendor = p2p_fact_known(0x1000);
        builder_edit(&b, 1)->device = p2p_fact_known(2);
        builder_finish(&b);
        follow(ids, &b, 2, 0);
        assert_int_equal(id_at(ids, &b, 0x77, 0), 2);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->since, 1);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->first, 0x900000000);
        builder_free(&b);
        p2p_bar_ids_free(ids);
}

/* Follows a machine with one NVMe in slot 1 after a change to it; its id. */
static uint32_t id_after(struct p2p_bar_ids *ids, uint64_t generation,
                         void (*change)(struct p2p_function *f))
{
        struct builder b = builder_new();
        uint32_t id;

        change(builder_edit(&b, add(&b, 1, NVME)));
        builder_finish(&b);
        follow(ids, &b, generation, 0);
        id = id_at(ids, &b, 1, 0);
        builder_free(&b);
        return id;
}

static void as_it_is(struct p2p_function *f)
{
        (void)f;
}

static void other_device(struct p2p_function *f)
{
        f->device = p2p_fact_known(0x77);
}

static void unreadable(struct p2p_function *f)
{
        f->device = p2p_fact_without(P2P_WHY_IO_ERROR);
}

static void unreadable_elsewhere(struct p2p_function *f)
{
        f->device = p2p_fact_without(P2P_WHY_IO_ERROR);
        f->bars[0].phys_start.val = 0x700000;
}

static void unreadable_and_resized(struct p2p_function *f)
{
        f->device = p2p_fact_without(P2P_WHY_IO_ERROR);
        f->bars[0].size_bytes.val = 0x2000;
}

static void no_slot(struct p2p_function *f)
{
        f->parent_why = P2P_WHY_NOT_CAPTURED;
        f->parent = P2P_NONE;
}

static void no_slot_elsewhere(struct p2p_function *f)
{
        no_slot(f);
        f->bars[0].phys_start.val = 0x700000;
}

static void not_assigned(struct p2p_function *f)
{
        f->bars[0].assigned = false;
}

static void test_who_is_the_same(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        uint64_t g = 0;

        (void)state;
        assert_int_equal(id_after(ids, ++g, as_it_is), 1);
        assert_int_equal(id_after(ids, ++g, other_device), 2);
        assert_int_equal(id_after(ids, ++g, as_it_is), 1);
        assert_int_equal(id_after(ids, ++g, other_device), 2);
        /* What cannot be read is the same only while it stays where it is. */
        assert_int_equal(id_after(ids, ++g, unreadable), 2);
        assert_int_equal(id_after(ids, ++g, other_device), 2);
        assert_int_equal(id_after(ids, ++g, unreadable), 2);
        assert_int_equal(id_after(ids, ++g, unreadable_elsewhere), 3);
        assert_int_equal(id_after(ids, ++g, unreadable_and_resized), 4);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, unreadable_and_resized), 5);
        /* Without a slot likewise, and by address. */
        assert_int_equal(id_after(ids, ++g, no_slot), 6);
        assert_int_equal(id_after(ids, ++g, no_slot), 6);
        assert_int_equal(id_after(ids, ++g, no_slot_elsewhere), 7);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, no_slot_elsewhere), 8);
        /* The device of id 2 was last seen unreadable. */
        assert_int_equal(id_after(ids, ++g, other_device), 9);
        assert_int_equal(id_after(ids, ++g, as_it_is), 1);
        assert_int_equal(id_after(ids, ++g, not_assigned), 0);
        assert_int_equal(id_after(ids, ++g, as_it_is), 1);
        p2p_bar_ids_free(ids);
}

static void test_two_in_one_slot_have_ids_of_their_own(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        for (uint64_t generation = 1; generation < 4; generation++) {
                struct builder b = builder_new();
                uint32_t port = builder_root_port(&b, "00:01.0");

                bar(&b, builder_endpoint(&b, "01:00.0", port), 0, 0x100000, 0x1000);
                bar(&b, builder_endpoint(&b, "02:00.0", port), 0, 0x200000, 0x1000);
                builder_finish(&b);
                follow(ids, &b, generation, 0);
                assert_int_equal(id_at(ids, &b, 1, 0), 1);
                assert_int_equal(id_at(ids, &b, 2, 0), 2);
                builder_free(&b);
        }
        p2p_bar_ids_free(ids);
}

static void test_exhaustion_and_reuse(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        struct p2p_bar_ids_status status;

        (void)state;
        expect(ids, FULL, 1, NOBODY, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
        expect(ids, FULL " 16 17", 2, NOBODY, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 - -");
        status = p2p_bar_ids_status(ids);
        assert_int_equal(status.width, 4);
        assert_int_equal(status.n_in_use, 15);
        assert_int_equal(status.n_never_used, 0);
        assert_int_equal(status.n_without, 2);
        assert_int_equal(status.without[0].bar_index, 0);
        assert_true(status.without[0].function < status.without[1].function);
        /* 4 and 2 go, in this order; a reader has confirmed what came before only. */
        expect(ids, "1 2 3 5 6 7 8 9 10 11 12 13 14 15", 3, 2, "1 2 3 5 6 7 8 9 10 11 12 13 14 15");
        expect(ids, "1 3 5 6 7 8 9 10 11 12 13 14 15 18", 4, 2,
               "1 3 5 6 7 8 9 10 11 12 13 14 15 -");
        assert_int_equal(p2p_bar_ids_status(ids).n_retired, 2);
        /* It confirms 3: the id of slot 4 is free, that of slot 2 is not. */
        expect(ids, "1 3 5 6 7 8 9 10 11 12 13 14 15 18 19", 4, 3,
               "1 3 5 6 7 8 9 10 11 12 13 14 15 4 -");
        /* Its owner comes too late, and waits for the other one with it. */
        expect(ids, "1 3 4 5 6 7 8 9 10 11 12 13 14 15 18 19", 5, 4,
               "1 3 2 5 6 7 8 9 10 11 12 13 14 15 4 -");
        p2p_bar_ids_free(ids);
}

static void test_the_one_retired_longest_ago_goes_first(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        expect(ids, FULL, 1, NOBODY, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
        expect(ids, "1 2 3 4 5 6 8 9 10 11 12 13 14 15", 2, NOBODY,
               "1 2 3 4 5 6 8 9 10 11 12 13 14 15");
        expect(ids, "1 2 4 5 6 8 10 11 12 13 14 15", 3, NOBODY, "1 2 4 5 6 8 10 11 12 13 14 15");
        /* 5 goes now, and nobody can have seen that. */
        expect(ids, "1 2 4 6 8 10 11 12 13 14 15 17 18 19 20 21", 4, NOBODY,
               "1 2 4 6 8 10 11 12 13 14 15 7 3 9 5 -");
        p2p_bar_ids_free(ids);
}

static void test_ranks_when_ids_are_few(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        struct builder b = builder_new();

        (void)state;
        for (unsigned n = 1; n <= 14; n++)
                add(&b, n, NIC);
        add(&b, 15, NVME);
        add(&b, 16, GPU);
        builder_finish(&b);
        follow(ids, &b, 1, NOBODY);
        assert_int_equal(id_at(ids, &b, 16, 0), 1);
        assert_int_equal(id_at(ids, &b, 15, 0), 2);
        assert_int_equal(id_at(ids, &b, 13, 0), 15);
        assert_int_equal(id_at(ids, &b, 14, 0), 0);
        assert_int_equal(p2p_bar_ids_status(ids).n_without, 1);
        assert_int_equal(p2p_bar_ids_status(ids).without[0].function, builder_at(&b, "0e:00.0"));
        builder_free(&b);
        p2p_bar_ids_free(ids);
}

struct registering {
        struct builder b;
        struct p2p_bar_ids *ids;
        struct p2p_bar_ids_update update;
};

/* Candidates in slots 1 to n, functions of no kind in slots 20 and 21. */
static struct registering registering_new(unsigned n)
{
        struct registering r = {.b = builder_new(), .ids = p2p_bar_ids_new(4)};

        for (unsigned i = 1; i <= n; i++)
                add(&r.b, i, NVME);
        add(&r.b, 20, OTHER);
        bar(&r.b, add(&r.b, 21, OTHER), 2, 0x800000000, 0x1000);
        builder_finish(&r.b);
        r.update = (struct p2p_bar_ids_update){
                .machine = r.b.m,
                .generation = 1,
                .oldest_confirmed = NOBODY,
        };
        assert_int_equal(p2p_bar_ids_update(r.ids, &r.update), 0);
        return r;
}

static void registering_free(struct registering *r)
{
        p2p_bar_ids_free(r->ids);
        builder_free(&r->b);
}

static int register_bar(struct registering *r, const char *address, uint32_t bar_index,
                        uint32_t *ret_id)
{
        r->update.generation++;
        return p2p_bar_ids_register(r->ids, &r->update, builder_at(&r->b, address), bar_index,
                                    ret_id);
}

static int unregister_bar(struct registering *r, const char *slot, uint32_t bar_index)
{
        struct p2p_slot s = {""};

        strcpy(s.text, slot);
        r->update.generation++;
        return p2p_bar_ids_unregister(r->ids, &r->update, &s, bar_index);
}

static void test_register(void **state)
{
        struct registering r = registering_new(2);
        struct p2p_identity identity;
        struct p2p_slot slot;
        uint64_t revision;
        uint32_t id = 99;

        (void)state;
        identity = p2p_function_identity(r.b.m, builder_at(&r.b, "15:00.0"));
        strcpy(slot.text, "0000:00:15.0/00.0");
        assert_int_equal(register_bar(&r, "15:00.0", 1, &id), P2P_BAR_IDS_E_NO_MEMORY_BAR);
        assert_int_equal(id, 99);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_registrations, 0);
        assert_int_equal(register_bar(&r, "15:00.0", 2, &id), 0);
        assert_int_equal(id, 3);
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), 0);
        assert_int_equal(id, 4);
        assert_int_equal(id_at(r.ids, &r.b, 21, 0), 0);
        assert_int_equal(id_at(r.ids, &r.b, 21, 2), 3);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_registrations, 2);
        assert_string_equal(p2p_bar_ids_registration(r.ids, 0)->slot.text, "0000:00:14.0/00.0");
        assert_true(p2p_bar_ids_is_registered(r.ids, &slot, &identity, 2));
        assert_false(p2p_bar_ids_is_registered(r.ids, &slot, &identity, 0));
        revision = p2p_bar_ids_revision(r.ids);
        assert_int_equal(register_bar(&r, "15:00.0", 2, &id), 0);
        assert_int_equal(id, 3);
        assert_int_equal(p2p_bar_ids_revision(r.ids), revision);

        assert_int_equal(unregister_bar(&r, "0000:00:15.0/00.0", 0), P2P_BAR_IDS_E_NOT_REGISTERED);
        assert_int_equal(unregister_bar(&r, "0000:00:15.0/00.0", 2), 0);
        assert_int_equal(id_at(r.ids, &r.b, 21, 2), 0);
        assert_int_equal(p2p_bar_ids_get(r.ids, 3)->state, P2P_BAR_ID_RETIRED);
        assert_int_equal(p2p_bar_ids_get(r.ids, 3)->gone_since, r.update.generation);
        assert_true(p2p_bar_ids_revision(r.ids) > revision);
        assert_int_equal(register_bar(&r, "15:00.0", 2, &id), 0);
        assert_int_equal(id, 3);
        registering_free(&r);
}

static void test_register_what_has_an_id(void **state)
{
        struct registering r = registering_new(2);
        uint64_t revision = p2p_bar_ids_revision(r.ids);
        uint32_t id;

        (void)state;
        assert_int_equal(register_bar(&r, "02:00.0", 0, &id), 0);
        assert_int_equal(id, 2);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_registrations, 1);
        assert_true(p2p_bar_ids_revision(r.ids) > revision);
        revision = p2p_bar_ids_revision(r.ids);
        assert_int_equal(unregister_bar(&r, "0000:00:02.0/00.0", 0), 0);
        assert_int_equal(id_at(r.ids, &r.b, 2, 0), 2);
        assert_true(p2p_bar_ids_revision(r.ids) > revision);
        registering_free(&r);
}

static void test_register_refusals(void **state)
{
        struct registering r = registering_new(15);
        struct p2p_function *f = &r.b.m->functions[builder_at(&r.b, "14:00.0")];
        const struct p2p_fact device = f->device;
        uint64_t revision = p2p_bar_ids_revision(r.ids);
        uint32_t id;

        (void)state;
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), P2P_BAR_IDS_E_EXHAUSTED);
        f->device = p2p_fact_without(P2P_WHY_IO_ERROR);
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), P2P_BAR_IDS_E_UNRECOGNISABLE);
        f->device = device;
        f->parent_why = P2P_WHY_NOT_CAPTURED;
        f->parent = P2P_NONE;
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), P2P_BAR_IDS_E_UNRECOGNISABLE);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_registrations, 0);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_without, 0);
        assert_int_equal(p2p_bar_ids_revision(r.ids), revision);
        registering_free(&r);
}

static void test_registration_follows_the_device(void **state)
{
        struct registering r = registering_new(1);
        struct p2p_function *f = &r.b.m->functions[builder_at(&r.b, "14:00.0")];
        const struct p2p_fact device = f->device;
        uint32_t id;

        (void)state;
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), 0);
        f->device = p2p_fact_known(0x77);
        r.update.generation++;
        assert_int_equal(p2p_bar_ids_update(r.ids, &r.update), 0);
        assert_int_equal(id_at(r.ids, &r.b, 20, 0), 0);
        f->device = device;
        r.update.generation++;
        assert_int_equal(p2p_bar_ids_update(r.ids, &r.update), 0);
        assert_int_equal(id_at(r.ids, &r.b, 20, 0), id);
        /* The other one takes its place when it is registered there. */
        f->device = p2p_fact_known(0x77);
        assert_int_equal(register_bar(&r, "14:00.0", 0, &id), 0);
        assert_int_equal(p2p_bar_ids_status(r.ids).n_registrations, 1);
        f->device = device;
        r.update.generation++;
        assert_int_equal(p2p_bar_ids_update(r.ids, &r.update), 0);
        assert_int_equal(id_at(r.ids, &r.b, 20, 0), 0);
        registering_free(&r);
}

static void test_too_many_registrations(void **state)
{
        struct registering r = registering_new(0);
        struct p2p_bar_ids *again = p2p_bar_ids_new(4);
        struct p2p_bar_registration registration = {.identity = {.is_known = true}};
        uint32_t id;

        (void)state;
        for (unsigned i = 0; i < P2P_BAR_IDS_REGISTRATIONS_MAX; i++) {
                (void)snprintf(registration.slot.text, sizeof(registration.slot.text),
                               "%04x:00:01.0", (i * 7919U) & 0xffffU);
                assert_int_equal(p2p_bar_ids_restore_registration(again, &registration), 0);
                assert_int_equal(p2p_bar_ids_restore_registration(again, &registration),
                                 P2P_BAR_IDS_E_INVALID);
        }
        for (uint32_t i = 1; i < P2P_BAR_IDS_REGISTRATIONS_MAX; i++)
                assert_true(strcmp(p2p_bar_ids_registration(again, i - 1)->slot.text,
                                   p2p_bar_ids_registration(again, i)->slot.text) < 0);
        assert_int_equal(
                p2p_bar_ids_register(again, &r.update, builder_at(&r.b, "14:00.0"), 0, &id),
                P2P_BAR_IDS_E_TOO_MANY);
        strcpy(registration.slot.text, "12345:00:01.0");
        assert_int_equal(p2p_bar_ids_restore_registration(again, &registration),
                         P2P_BAR_IDS_E_TOO_MANY);
        p2p_bar_ids_free(again);
        registering_free(&r);
}

/* Another registry with what a file would have kept of this one, which is freed. */
static struct p2p_bar_ids *restarted(struct p2p_bar_ids *ids, unsigned width)
{
        struct p2p_bar_ids *again = p2p_bar_ids_new(width);

        for (uint32_t id = 1; id <= P2P_BAR_IDS_LAST; id++)
                if (p2p_bar_ids_get(ids, id))
                        assert_int_equal(p2p_bar_ids_restore(again, p2p_bar_ids_get(ids, id)), 0);
        p2p_bar_ids_free(ids);
        return again;
}

static void follow_older_gone(struct p2p_bar_ids *ids, const char *slots, uint64_t generation)
{
        struct builder b = machine_of(slots);
        const struct p2p_bar_ids_update update = {
                .machine = b.m,
                .generation = generation,
                .oldest_confirmed = NOBODY,
                .older_instances_gone = true,
        };

        assert_int_equal(p2p_bar_ids_update(ids, &update), 0);
        builder_free(&b);
}

static void test_restart(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        expect(ids, "1 2 3 4 5 6 7 8", 5, NOBODY, "1 2 3 4 5 6 7 8");
        expect(ids, "1 2 3 4 5 6 7", 6, NOBODY, "1 2 3 4 5 6 7");
        expect(ids, "1 2 4 5 6 7", 7, NOBODY, "1 2 4 5 6 7");
        ids = restarted(ids, 4);
        /* 2 has gone meanwhile, 3 has come back. */
        expect(ids, "1 3 4 5 6 7", 1, NOBODY, "1 3 4 5 6 7");
        assert_int_equal(p2p_bar_ids_get(ids, 2)->state, P2P_BAR_ID_RETIRED);
        assert_int_equal(p2p_bar_ids_get(ids, 2)->gone_since, 0);
        assert_int_equal(p2p_bar_ids_get(ids, 1)->since, 1);
        /* 2 and 8 are held back for readers that nobody knows; so is 1 when it goes. */
        expect(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28", 2, NOBODY,
               "3 4 5 6 7 9 10 11 12 13 14 15 -");
        follow_older_gone(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28", 3);
        /* The one that was retired first of all. */
        expect(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28", 3, 0, "3 4 5 6 7 9 10 11 12 13 14 15 8");
        expect(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28 29", 4, 1,
               "3 4 5 6 7 9 10 11 12 13 14 15 8 2");
        expect(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28 29 30", 5, 1,
               "3 4 5 6 7 9 10 11 12 13 14 15 8 2 -");
        expect(ids, "3 4 5 6 7 21 22 23 24 25 26 27 28 29 30", 6, 2,
               "3 4 5 6 7 9 10 11 12 13 14 15 8 2 1");
        p2p_bar_ids_free(ids);
}

static void test_restart_recognises_nothing_by_halves(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        assert_int_equal(id_after(ids, 1, unreadable), 1);
        ids = restarted(ids, 4);
        assert_int_equal(id_after(ids, 1, unreadable), 2);
        ids = restarted(ids, 4);
        assert_int_equal(id_after(ids, 1, no_slot), 3);
        ids = restarted(ids, 4);
        assert_int_equal(id_after(ids, 1, no_slot), 4);
        p2p_bar_ids_free(ids);
}

static void test_restart_with_another_width(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(5);

        (void)state;
        expect(ids, FULL " 16 17", 1, NOBODY, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17");
        ids = restarted(ids, 4);
        expect(ids, "2 3 16 17", 1, NOBODY, "2 3 - -");
        assert_int_equal(p2p_bar_ids_get(ids, 16)->state, P2P_BAR_ID_RETIRED);
        assert_int_equal(p2p_bar_ids_status(ids).n_retired, 13);
        assert_int_equal(p2p_bar_ids_status(ids).n_without, 2);
        ids = restarted(ids, 5);
        expect(ids, "2 3 16 17", 1, NOBODY, "2 3 16 17");
        p2p_bar_ids_free(ids);
}

static void test_lost_ids_are_held_back(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);

        (void)state;
        for (uint32_t id = 2; id <= 15; id++)
                assert_int_equal(
                        p2p_bar_ids_restore(
                                ids, &(struct p2p_bar_id){.id = id, .state = P2P_BAR_ID_LOST}),
                        0);
        assert_int_equal(p2p_bar_ids_status(ids).n_lost, 14);
        expect(ids, "1 2", 1, NOBODY, "1 -");
        assert_int_equal(p2p_bar_ids_get(ids, 7)->state, P2P_BAR_ID_LOST);
        follow_older_gone(ids, "1 2", 2);
        assert_int_equal(p2p_bar_ids_status(ids).n_lost, 0);
        assert_int_equal(p2p_bar_ids_status(ids).n_never_used, 13);
        expect(ids, "1 2 3", 3, 0, "1 2 3");
        p2p_bar_ids_free(ids);
}

static void test_nothing_is_given_while_nothing_is_known(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        struct p2p_bar_id record = {.id = 9, .identity = {.is_known = true}};
        struct builder b = machine_of("1");
        uint64_t revision;

        (void)state;
        record.identity = p2p_function_identity(b.m, builder_at(&b, "01:00.0"));
        strcpy(record.slot.text, "0000:00:01.0/00.0");
        builder_free(&b);
        assert_int_equal(p2p_bar_ids_restore(ids, &record), 0);
        p2p_bar_ids_restore_none_known(ids);
        assert_int_equal(p2p_bar_ids_status(ids).n_lost, 14);
        assert_int_equal(p2p_bar_ids_status(ids).n_never_used, 0);
        expect(ids, "1 2", 1, NOBODY, "9 -");
        assert_true(p2p_bar_ids_never_recorded_lost(ids));
        revision = p2p_bar_ids_revision(ids);
        follow_older_gone(ids, "1 2", 2);
        assert_false(p2p_bar_ids_never_recorded_lost(ids));
        assert_true(p2p_bar_ids_revision(ids) > revision);
        expect(ids, "1 2", 3, 0, "9 1");
        p2p_bar_ids_free(ids);
}

static void test_restore_refuses(void **state)
{
        struct p2p_bar_ids *ids = p2p_bar_ids_new(4);
        const struct p2p_bar_id good = {.id = 3, .slot = {"0000:00:01.0"}};
        struct p2p_bar_id wrong[] = {good, good, good, good, good, good};

        (void)state;
        wrong[0].id = 0;
        wrong[1].id = 65536;
        wrong[2].state = P2P_BAR_ID_STATE_MAX;
        wrong[3].bar_index = P2P_BARS_MAX;
        strcpy(wrong[4].slot.text, "0000:00:01.9");
        wrong[5].retired_order = UINT64_MAX;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(p2p_bar_ids_restore(ids, &wrong[i]), P2P_BAR_IDS_E_INVALID);
        assert_int_equal(p2p_bar_ids_restore(ids, &good), 0);
        assert_int_equal(p2p_bar_ids_restore(ids, &good), P2P_BAR_IDS_E_INVALID);
        p2p_bar_ids_free(ids);
}

static void test_names_of_states(void **state)
{
        (void)state;
        for (unsigned i = 0; i < P2P_BAR_ID_STATE_MAX; i++)
                assert_non_null(p2p_bar_id_state_to_string(i));
        assert_null(p2p_bar_id_state_to_string(P2P_BAR_ID_STATE_MAX));
        assert_null(p2p_bar_ids_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order_by_class),
                cmocka_unit_test(test_only_memory_bars_with_addresses),
                cmocka_unit_test(test_default_width),
                cmocka_unit_test(test_widest_default),
                cmocka_unit_test(test_keeps_and_returns),
                cmocka_unit_test(test_survives_renumbering_and_resizing),
                cmocka_unit_test(test_who_is_the_same),
                cmocka_unit_test(test_two_in_one_slot_have_ids_of_their_own),
                cmocka_unit_test(test_exhaustion_and_reuse),
                cmocka_unit_test(test_the_one_retired_longest_ago_goes_first),
                cmocka_unit_test(test_ranks_when_ids_are_few),
                cmocka_unit_test(test_register),
                cmocka_unit_test(test_register_what_has_an_id),
                cmocka_unit_test(test_register_refusals),
                cmocka_unit_test(test_registration_follows_the_device),
                cmocka_unit_test(test_too_many_registrations),
                cmocka_unit_test(test_restart),
                cmocka_unit_test(test_restart_recognises_nothing_by_halves),
                cmocka_unit_test(test_restart_with_another_width),
                cmocka_unit_test(test_lost_ids_are_held_back),
                cmocka_unit_test(test_nothing_is_given_while_nothing_is_known),
                cmocka_unit_test(test_restore_refuses),
                cmocka_unit_test(test_names_of_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
