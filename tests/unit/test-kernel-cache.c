/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/kernel-cache.h"
#include "random-machine.h"

#define BUS (1U << P2P_MAP_BUS)
#define HOST_BRIDGE (1U << P2P_MAP_HOST_BRIDGE)
#define NONE (1U << P2P_MAP_NONE)
#define UNKNOWN (1U << P2P_MAP_UNKNOWN)
#define SEEDS 60

/* A generation: two endpoints below one switch, a third one below another root port of a host
 * bridge that the kernel accepts or not. */
struct state {
        uint16_t acs; /* of the port above 03:00.0 */
        const char *provider_driver, *kernel;
        bool refuses;       /* the host bridge is not on the list */
        bool acs_hidden;    /* it cannot be read */
        bool without_04;    /* unplugged */
        bool driver_hidden; /* cannot be read */
        bool without_p2pmem;
        uint16_t device; /* of 03:00.0, 0: as ever */
        uint64_t serial; /* likewise; 0: it cannot be read */
};

static const struct state usual = {.provider_driver = "nvme", .kernel = "7.3.4"};

static struct builder machine(const struct state *s)
{
        struct builder b = builder_new();
        uint32_t up, port, first;

        builder_host_bridge(&b, "00:00.0", 0x8086, s->refuses ? 0x29c0 : 0x09a2);
        up = builder_upstream(&b, "01:00.0", builder_root_port(&b, "00:01.0"));
        port = builder_downstream(&b, "02:00.0", up);
        acs(&b, port, s->acs);
        if (s->acs_hidden)
                acs_unknown(&b, port, P2P_WHY_NO_PRIVILEGE);
        first = builder_endpoint(&b, "03:00.0", port);
        if (s->provider_driver)
                driver(&b, first, s->provider_driver, 64);
        if (s->driver_hidden) {
                builder_edit(&b, first)->driver = NULL;
                builder_edit(&b, first)->driver_why = P2P_WHY_GONE;
        }
        if (s->device)
                ids(&b, first, 0x144d, s->device);
        else
                ids(&b, first, 0x144d, 0xa824);
        builder_edit(&b, first)->serial =
                s->serial ? p2p_fact_known(s->serial) : p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        builder_edit(&b, first)->p2pmem_size_bytes =
                s->without_p2pmem ? p2p_fact_without(P2P_WHY_ABSENT) : p2p_fact_known(65536);
        port = builder_downstream(&b, "02:01.0", up);
        if (!s->without_04)
                driver(&b, builder_endpoint(&b, "04:00.0", port), "nvme", 64);
        driver(&b, builder_endpoint(&b, "05:00.0", builder_root_port(&b, "00:02.0")), "nvme", 64);
        kernel(&b, s->kernel);
        return b;
}

static struct p2p_verdicts *decided(const struct p2p_machine *m)
{
        struct p2p_verdicts *v = p2p_verdicts_new(m, p2p_rules_for(m, P2P_RULES_RUNNING));

        assert_non_null(v);
        return v;
}

static struct p2p_kernel_cache *step(struct p2p_kernel_cache *older,
                                     const struct p2p_machine *before,
                                     const struct p2p_machine *after, bool no_flips,
                                     uint32_t pairs_max)
{
        struct p2p_verdicts *v = decided(before), *w = decided(after);
        const struct p2p_kernel_cache_params params = {
                .older = older,
                .before = before,
                .after = after,
                .before_verdicts = v,
                .after_verdicts = w,
                .no_flips = no_flips,
                .pairs_max = pairs_max,
        };
        struct p2p_kernel_cache *c = NULL;

        assert_int_equal(p2p_kernel_cache_new(&params, &c), 0);
        assert_non_null(c);
        p2p_verdicts_free(v);
        p2p_verdicts_free(w);
        p2p_kernel_cache_free(older);
        return c;
}

/* Goes through the states and gives what is left at the end. */
static struct p2p_kernel_cache *run(const struct state *states, size_t n, uint32_t pairs_max)
{
        struct p2p_kernel_cache *c = NULL;

        for (size_t i = 1; i < n; i++) {
                struct builder a = machine(&states[i - 1]), b = machine(&states[i]);

                c = step(c, builder_finish(&a), builder_finish(&b), false, pairs_max);
                builder_free(&a);
                builder_free(&b);
        }
        return c;
}

static struct p2p_address at(const char *text)
{
        struct p2p_address a = {0};

        assert_int_equal(p2p_address_parse(text, &a), 0);
        return a;
}

static uint32_t older(const struct p2p_kernel_cache *c, const char *provider, const char *client,
                      enum p2p_map now)
{
        return p2p_kernel_cache_older_maps(c, at(provider), at(client), now);
}

static void expect(const struct state *states, size_t n, enum p2p_map now, uint32_t want)
{
        struct p2p_kernel_cache *c = run(states, n, P2P_KERNEL_CACHE_PAIRS_MAX);

        assert_int_equal(older(c, "03:00.0", "04:00.0", now), want);
        p2p_kernel_cache_free(c);
}

#define N(states) (sizeof(states) / sizeof((states)[0]))

static void test_nothing_before(void **state)
{
        const struct state same[] = {usual, usual};

        (void)state;
        assert_int_equal(older(NULL, "03:00.0", "04:00.0", P2P_MAP_BUS), 0);
        expect(same, N(same), P2P_MAP_BUS, 0);
}

static void test_flip_leaves_the_older_map(void **state)
{
        struct state states[] = {usual, usual};
        struct p2p_kernel_cache *c;

        (void)state;
        states[1].acs = P2P_ACS_RR;
        c = run(states, N(states), P2P_KERNEL_CACHE_PAIRS_MAX);
        assert_int_equal(older(c, "03:00.0", "04:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        assert_int_equal(older(c, "04:00.0", "03:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        /* These did not flip, and these are not there. */
        assert_int_equal(older(c, "03:00.0", "05:00.0", P2P_MAP_HOST_BRIDGE), 0);
        assert_int_equal(older(c, "05:00.0", "03:00.0", P2P_MAP_HOST_BRIDGE), 0);
        assert_int_equal(older(c, "09:00.0", "04:00.0", P2P_MAP_HOST_BRIDGE), 0);
        assert_int_equal(older(c, "03:00.0", "09:00.0", P2P_MAP_HOST_BRIDGE), 0);
        p2p_kernel_cache_free(c);
}

/* The kernel may have been asked in the middle: there and back is not nothing. */
static void test_there_and_back(void **state)
{
        struct state states[] = {usual, usual, usual, usual};

        (void)state;
        states[0].refuses = states[1].refuses = states[2].refuses = states[3].refuses = true;
        states[0].acs = states[2].acs = P2P_ACS_RR | P2P_ACS_CR;
        expect(states, 3, P2P_MAP_NONE, BUS);
        expect(states, 4, P2P_MAP_BUS, NONE);
}

static void test_maps_add_up(void **state)
{
        struct state states[] = {usual, usual, usual, usual};

        (void)state;
        states[1].acs = P2P_ACS_RR;
        states[2] = states[1];
        states[2].refuses = true;
        states[3] = states[2];
        states[3].acs_hidden = true;
        expect(states, 3, P2P_MAP_NONE, BUS | HOST_BRIDGE);
        expect(states, 4, P2P_MAP_UNKNOWN, BUS | HOST_BRIDGE | NONE);
}

static void test_unknown_verdict_is_one(void **state)
{
        struct state states[] = {usual, usual, usual};

        (void)state;
        states[1].acs_hidden = true;
        expect(states, 2, P2P_MAP_UNKNOWN, BUS);
        expect(states, 3, P2P_MAP_BUS, UNKNOWN);
}

static void test_unbinding_clears(void **state)
{
        struct state states[] = {usual, usual, usual, usual};

        (void)state;
        states[1].acs = states[2].acs = states[3].acs = P2P_ACS_RR;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, BUS);
        /* Without a driver, and with one again. */
        states[2].provider_driver = NULL;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, 0);
        expect(states, 4, P2P_MAP_HOST_BRIDGE, 0);
        /* Another driver; memory taken back; another device in the slot. */
        states[2] = states[1];
        states[2].provider_driver = "vfio-pci";
        expect(states, 3, P2P_MAP_HOST_BRIDGE, 0);
        states[2] = states[1];
        states[2].without_p2pmem = true;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, 0);
        states[2] = states[1];
        states[2].device = 0xa80a;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, 0);
        /* Another one of its kind. */
        states[0].serial = states[1].serial = 0x1111;
        states[2] = states[1];
        states[2].serial = 0x2222;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, 0);
        /* Also when the verdict flips in the same step: nothing asked the new driver before. */
        states[1].provider_driver = "vfio-pci";
        expect(states, 2, P2P_MAP_HOST_BRIDGE, 0);
}

static void test_what_cannot_be_read_clears_nothing(void **state)
{
        struct state states[] = {usual, usual, usual};

        (void)state;
        states[1].acs = states[2].acs = P2P_ACS_RR;
        states[2].driver_hidden = true;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, BUS);
        states[2].driver_hidden = false;
        states[2].serial = 0x1111;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, BUS);
}

static void test_who_keeps_nothing(void **state)
{
        struct state states[] = {usual, usual};

        (void)state;
        states[1].acs = P2P_ACS_RR;
        states[0].provider_driver = states[1].provider_driver = NULL;
        expect(states, 2, P2P_MAP_HOST_BRIDGE, 0);
        /* Before 6.19 only who gave memory to the kernel is a provider. */
        states[0] = states[1] = usual;
        states[1].acs = P2P_ACS_RR;
        states[0].without_p2pmem = states[1].without_p2pmem = true;
        expect(states, 2, P2P_MAP_HOST_BRIDGE, BUS);
        states[0].kernel = states[1].kernel = "6.18.2";
        expect(states, 2, P2P_MAP_HOST_BRIDGE, 0);
        states[0].kernel = states[1].kernel = "strange";
        expect(states, 2, P2P_MAP_HOST_BRIDGE, BUS);
}

/* The kernel knows a client by its address: one that comes back is the same to it. */
static void test_client_goes_and_comes(void **state)
{
        struct state states[] = {usual, usual, usual};

        (void)state;
        states[1].without_04 = true;
        expect(states, 3, P2P_MAP_BUS, 0);
        states[2].acs = P2P_ACS_RR;
        expect(states, 3, P2P_MAP_HOST_BRIDGE, BUS);
        /* As a provider it begins anew. */
        struct p2p_kernel_cache *c = run(states, N(states), P2P_KERNEL_CACHE_PAIRS_MAX);

        assert_int_equal(older(c, "04:00.0", "03:00.0", P2P_MAP_HOST_BRIDGE), 0);
        p2p_kernel_cache_free(c);
}

/* Never less than what is so. */
static void test_without_room_more_is_possible(void **state)
{
        struct state states[] = {usual, usual};
        struct p2p_kernel_cache *c;

        (void)state;
        states[1].acs = P2P_ACS_RR;
        c = run(states, N(states), 0);
        assert_int_equal(older(c, "03:00.0", "04:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        assert_int_equal(older(c, "03:00.0", "05:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        assert_int_equal(older(c, "04:00.0", "03:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        assert_int_equal(older(c, "05:00.0", "04:00.0", P2P_MAP_HOST_BRIDGE), 0);
        p2p_kernel_cache_free(c);
}

/*
 * Against the definition, pair by pair, on random machines with random ACS: what the pair had in
 * any generation, with and without room.
 */
static void set_acs(struct builder *b, uint64_t seed)
{
        for (uint32_t i = 0; i < b->m->n_functions; i++) {
                struct p2p_function *f = &b->m->functions[i];

                if (i % 3 != 0)
                        driver(b, i, "nvme", 64);
                if (p2p_fact_is_known(f->acs_control))
                        f->acs_control = p2p_fact_known((seed * 2654435761U >> (i % 24)) & 0x7f);
        }
}

/* How many pairs have an older map. */
static unsigned follow_random(uint64_t seed, uint32_t pairs_max, bool exact)
{
        enum { STEPS = 4 };
        struct builder b[STEPS];
        struct p2p_verdicts *v[STEPS];
        struct p2p_kernel_cache *c = NULL;
        unsigned n = 0;

        for (unsigned i = 0; i < STEPS; i++) {
                b[i] = random_machine(seed);
                set_acs(&b[i], seed * STEPS + i);
                (void)builder_finish(&b[i]);
                v[i] = decided(b[i].m);
                if (i > 0)
                        c = step(c, b[i - 1].m, b[i].m, false, pairs_max);
        }
        for (uint32_t p = 0; p < b[0].m->n_functions; p++)
                for (uint32_t q = 0; q < b[0].m->n_functions; q++) {
                        const struct p2p_function *f = b[0].m->functions;
                        enum p2p_map now = p2p_verdicts_get(v[STEPS - 1], p, q).map;
                        uint32_t want = 0, got;

                        for (unsigned i = 0; i < STEPS; i++)
                                want |= 1U << p2p_verdicts_get(v[i], p, q).map;
                        want &= ~(1U << now);
                        if (!p2p_function_is_endpoint(&f[p]) || !p2p_function_is_endpoint(&f[q]) ||
                            f[p].driver_why == P2P_WHY_ABSENT)
                                want = 0;
                        got = p2p_kernel_cache_older_maps(c, f[p].address, f[q].address, now);
                        n += want != 0;
                        assert_int_equal(got & want, want);
                        if (exact)
                                assert_int_equal(got, want);
                }
        for (unsigned i = 0; i < STEPS; i++) {
                p2p_verdicts_free(v[i]);
                builder_free(&b[i]);
        }
        p2p_kernel_cache_free(c);
        return n;
}

static void test_equals_the_definition(void **state)
{
        unsigned n = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                n += follow_random(seed, P2P_KERNEL_CACHE_PAIRS_MAX, true);
                n += follow_random(seed, (uint32_t)(seed % 7), false);
        }
        print_message("%u pairs with an older map\n", n);
        assert_true(n > 1000);
}

static void test_no_flips_keeps_what_is_there(void **state)
{
        struct state states[] = {usual, usual};
        struct builder b;
        struct p2p_kernel_cache *c;

        (void)state;
        states[1].acs = P2P_ACS_RR;
        c = run(states, N(states), P2P_KERNEL_CACHE_PAIRS_MAX);
        b = machine(&states[1]);
        (void)builder_finish(&b);
        c = step(c, b.m, b.m, true, P2P_KERNEL_CACHE_PAIRS_MAX);
        assert_int_equal(older(c, "03:00.0", "04:00.0", P2P_MAP_HOST_BRIDGE), BUS);
        builder_free(&b);
        p2p_kernel_cache_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_before),
                cmocka_unit_test(test_flip_leaves_the_older_map),
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_maps_add_up),
                cmocka_unit_test(test_unknown_verdict_is_one),
                cmocka_unit_test(test_unbinding_clears),
                cmocka_unit_test(test_what_cannot_be_read_clears_nothing),
                cmocka_unit_test(test_who_keeps_nothing),
                cmocka_unit_test(test_client_goes_and_comes),
                cmocka_unit_test(test_without_room_more_is_possible),
                cmocka_unit_test(test_equals_the_definition),
                cmocka_unit_test(test_no_flips_keeps_what_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
