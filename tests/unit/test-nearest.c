/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "decide/nearest.h"
#include "random-machine.h"

#define CLIENTS_MAX 6U

static void p2pmem(struct p2p_function *f, uint64_t size_bytes, uint64_t available_bytes,
                   bool published)
{
        f->p2pmem_size_bytes = p2p_fact_known(size_bytes);
        f->p2pmem_available_bytes = p2p_fact_known(available_bytes);
        f->p2pmem_published = p2p_fact_known(published);
}

static void no_p2pmem(struct p2p_machine *m)
{
        const struct p2p_fact absent = p2p_fact_without(P2P_WHY_ABSENT);

        for (uint32_t i = 0; i < m->n_functions; i++)
                m->functions[i].p2pmem_size_bytes = m->functions[i].p2pmem_available_bytes =
                        m->functions[i].p2pmem_published = absent;
}

/* Two switches below one host bridge that no kernel lets pass: 03 04 05 below one, 08 09 below the
 * other. */
struct sample {
        struct builder b;
        uint32_t at[10];
        struct p2p_verdicts *verdicts;
};

static struct sample sample_new(void)
{
        static const char *const endpoints[] = {"03:00.0", "04:00.0", "05:00.0", "08:00.0",
                                                "09:00.0"};
        static const char *const ports[] = {"02:00.0", "02:01.0", "02:02.0", "07:00.0", "07:01.0"};
        struct sample s = {.b = builder_new()};
        const uint32_t root_port[2] = {builder_root_port(&s.b, "00:01.0"),
                                       builder_root_port(&s.b, "00:02.0")};
        const uint32_t up[2] = {builder_upstream(&s.b, "01:00.0", root_port[0]),
                                builder_upstream(&s.b, "06:00.0", root_port[1])};

        builder_host_bridge(&s.b, "00:00.0", 0x8086, 0x29c0);
        for (uint32_t i = 0; i < 5; i++) {
                s.at[i] = builder_endpoint(&s.b, endpoints[i],
                                           builder_downstream(&s.b, ports[i], up[i >= 3]));
                bar(&s.b, s.at[i], 0, 0x80000000 + i * 0x100000, 0x100000);
        }
        no_p2pmem(s.b.m);
        return s;
}

/* After finishing, at[i] are indices. */
static void sample_finish(struct sample *s)
{
        static const char *const endpoints[] = {"03:00.0", "04:00.0", "05:00.0", "08:00.0",
                                                "09:00.0"};

        builder_finish(&s->b);
        for (uint32_t i = 0; i < 5; i++)
                s->at[i] = builder_at(&s->b, endpoints[i]);
        s->verdicts = p2p_verdicts_new(s->b.m, p2p_rules_for(s->b.m, P2P_RULES_RUNNING));
        assert_non_null(s->verdicts);
}

static void sample_free(struct sample *s)
{
        p2p_verdicts_free(s->verdicts);
        builder_free(&s->b);
}

static struct p2p_nearest *search(const struct p2p_nearest_params *params)
{
        struct p2p_nearest *n = NULL;

        assert_int_equal(p2p_nearest_new(params, &n), 0);
        return n;
}

static struct p2p_nearest_params of(const struct sample *s, const uint32_t *clients,
                                    uint32_t n_clients)
{
        return (struct p2p_nearest_params){
                .machine = s->b.m,
                .verdicts = s->verdicts,
                .clients = clients,
                .n_clients = n_clients,
                .max = 8,
        };
}

static void test_nearest_first(void **state)
{
        struct sample s = sample_new();
        struct p2p_nearest_params params;
        struct p2p_nearest *n;
        uint32_t clients[2];

        (void)state;
        for (uint32_t i = 0; i < 5; i++)
                p2pmem(builder_edit(&s.b, s.at[i]), 0x10000, 0x8000, true);
        sample_finish(&s);

        /* A client is its own nearest provider; the others are as far as one another. */
        clients[0] = s.at[1];
        params = of(&s, clients, 1);
        n = search(&params);
        assert_int_equal(n->n_list, 3);
        assert_int_equal(n->n_found, 3);
        assert_int_equal(n->n_equal, 1);
        assert_int_equal(n->list[0].function, s.at[1]);
        assert_int_equal(n->list[0].distance_hops, 0);
        assert_int_equal(n->list[1].function, s.at[0]);
        assert_int_equal(n->list[1].distance_hops, 4);
        assert_int_equal(n->list[1].to[0].map, P2P_MAP_BUS);
        assert_int_equal(n->list[2].function, s.at[2]);
        assert_int_equal(n->n_excluded, 2);
        assert_int_equal(n->excluded[0].function, s.at[3]);
        assert_int_equal(n->excluded[0].why, P2P_NEAREST_CLIENT_NONE);
        assert_int_equal(n->excluded[0].client, s.at[1]);
        p2p_nearest_free(n);

        /* Of equals the lowest address, and so many as were asked for. */
        clients[1] = s.at[0];
        params = of(&s, clients, 2);
        params.max = 1;
        n = search(&params);
        assert_int_equal(n->n_list, 1);
        assert_int_equal(n->n_found, 3);
        assert_int_equal(n->n_equal, 2);
        assert_int_equal(n->list[0].function, s.at[0]);
        assert_int_equal(n->list[0].distance_hops, 4);
        assert_int_equal(n->list[0].to[0].distance_hops, 4);
        assert_int_equal(n->list[0].to[1].distance_hops, 0);
        p2p_nearest_free(n);

        /* Nobody reaches both switches. */
        clients[1] = s.at[4];
        params = of(&s, clients, 2);
        n = search(&params);
        assert_int_equal(n->n_list, 0);
        assert_int_equal(n->n_equal, 0);
        assert_int_equal(n->n_excluded, 5);
        p2p_nearest_free(n);
        assert_null(p2p_nearest_free(NULL));
        sample_free(&s);
}

static void test_held(void **state)
{
        struct sample s = sample_new();
        struct p2p_nearest_params params;
        struct p2p_nearest *n;
        bool held[32] = {false};

        (void)state;
        for (uint32_t i = 0; i < 3; i++)
                p2pmem(builder_edit(&s.b, s.at[i]), 0x10000, 0x8000, true);
        sample_finish(&s);
        held[s.at[1]] = true;
        params = of(&s, &s.at[1], 1);
        params.held = held;
        n = search(&params);
        assert_int_equal(n->n_list, 2);
        assert_int_equal(n->n_equal, 2);
        assert_int_equal(n->list[0].function, s.at[0]);
        assert_int_equal(n->n_excluded, 1);
        assert_int_equal(n->excluded[0].function, s.at[1]);
        assert_int_equal(n->excluded[0].why, P2P_NEAREST_HELD);
        assert_int_equal(n->excluded[0].distance_hops, 0);
        p2p_nearest_free(n);
        params.clients = &s.at[0];
        n = search(&params);
        assert_int_equal(n->excluded[0].distance_hops, 4);
        p2p_nearest_free(n);
        sample_free(&s);
}

static void expect_why(struct p2p_fact size, struct p2p_fact available, struct p2p_fact published,
                       uint64_t min_bytes, enum p2p_nearest_why why)
{
        struct sample s = sample_new();
        struct p2p_function *f = builder_edit(&s.b, s.at[0]);
        struct p2p_nearest_params params;
        struct p2p_nearest *n;

        f->p2pmem_size_bytes = size;
        f->p2pmem_available_bytes = available;
        f->p2pmem_published = published;
        sample_finish(&s);
        params = of(&s, &s.at[1], 1);
        params.min_available_bytes = min_bytes;
        n = search(&params);
        assert_int_equal(n->n_list, why == P2P_NEAREST_WHY_MAX);
        assert_int_equal(n->n_excluded, why != P2P_NEAREST_WHY_MAX);
        if (n->n_excluded > 0)
                assert_int_equal(n->excluded[0].why, why);
        p2p_nearest_free(n);
        sample_free(&s);
}

static void test_memory(void **state)
{
        const struct p2p_fact yes = p2p_fact_known(1), no = p2p_fact_known(0);
        const struct p2p_fact unknown = p2p_fact_without(P2P_WHY_NO_FILE);
        const struct p2p_fact size = p2p_fact_known(0x10000), half = p2p_fact_known(0x8000);

        (void)state;
        expect_why(size, half, yes, 0, P2P_NEAREST_WHY_MAX);
        expect_why(size, half, yes, 0x8000, P2P_NEAREST_WHY_MAX);
        expect_why(size, half, yes, 0x8001, P2P_NEAREST_NO_MEMORY);
        /* The kernel does not look at what is free. */
        expect_why(size, no, yes, 0, P2P_NEAREST_WHY_MAX);
        expect_why(size, unknown, yes, 0, P2P_NEAREST_WHY_MAX);
        expect_why(size, unknown, yes, 1, P2P_NEAREST_UNKNOWN);
        expect_why(size, unknown, yes, 0x10001, P2P_NEAREST_NO_MEMORY);
        expect_why(no, no, yes, 0, P2P_NEAREST_NO_MEMORY);
        expect_why(size, half, no, 0, P2P_NEAREST_UNPUBLISHED);
        expect_why(unknown, unknown, unknown, 0, P2P_NEAREST_UNKNOWN);
        for (int i = 0; i < P2P_NEAREST_WHY_MAX; i++)
                assert_non_null(p2p_nearest_why_to_string((enum p2p_nearest_why)i));
        assert_null(p2p_nearest_why_to_string(P2P_NEAREST_WHY_MAX));
}

/* A refused client is said before one that cannot be told, whatever their order; a bridge is no
 * provider that anybody asks about. */
static void test_unknown_client(void **state)
{
        struct sample s = sample_new();
        struct p2p_nearest_params params;
        struct p2p_nearest *n;
        uint32_t clients[2];

        (void)state;
        p2pmem(builder_edit(&s.b, s.at[0]), 0x10000, 0x8000, true);
        acs_unknown(&s.b, builder_edit(&s.b, s.at[1])->parent, P2P_WHY_NO_PRIVILEGE);
        builder_edit(&s.b, 0)->p2pmem_published = p2p_fact_without(P2P_WHY_NO_FILE);
        sample_finish(&s);
        clients[0] = s.at[1];
        clients[1] = s.at[3];
        params = of(&s, clients, 1);
        n = search(&params);
        assert_int_equal(n->n_excluded, 1);
        assert_int_equal(n->excluded[0].why, P2P_NEAREST_CLIENT_UNKNOWN);
        assert_int_equal(n->excluded[0].client, s.at[1]);
        p2p_nearest_free(n);
        params.n_clients = 2;
        n = search(&params);
        assert_int_equal(n->excluded[0].why, P2P_NEAREST_CLIENT_NONE);
        assert_int_equal(n->excluded[0].client, s.at[3]);
        assert_int_equal(n->excluded[0].distance_hops, 0);
        p2p_nearest_free(n);
        sample_free(&s);
}

static void random_p2pmem(struct p2p_machine *m, struct random *r)
{
        no_p2pmem(m);
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (random_below(r, 3) == 0)
                        p2pmem(&m->functions[i], random_below(r, 4) * 0x1000,
                               random_below(r, 4) * 0x1000, random_below(r, 4) != 0);
}

/* The kernel's sum for one provider, by the definition: -1 if a client cannot or may not. */
static int64_t sum_of(const struct p2p_nearest_params *p, uint32_t provider)
{
        int64_t sum = 0;

        for (uint32_t i = 0; i < p->n_clients; i++) {
                struct p2p_decision d;

                p2p_decide(p->machine, p2p_verdicts_rules(p->verdicts), provider, p->clients[i],
                           NULL, NULL, &d);
                if (d.map != P2P_MAP_BUS && d.map != P2P_MAP_HOST_BRIDGE)
                        return -1;
                sum += d.distance_hops;
        }
        return sum;
}

/* The next best behind the last one: nearer to the clients, then the lower address. */
static uint32_t next_best(const struct p2p_nearest_params *p, int64_t *sum, uint32_t last)
{
        const int64_t last_sum = *sum;
        uint32_t best = P2P_NONE;

        for (uint32_t i = 0; i < p->machine->n_functions; i++) {
                const struct p2p_function *f = &p->machine->functions[i];
                int64_t this;

                if (f->p2pmem_published.val == 0 || f->p2pmem_size_bytes.val == 0 ||
                    f->p2pmem_size_bytes.val < p->min_available_bytes ||
                    f->p2pmem_available_bytes.val < p->min_available_bytes || p->held[i])
                        continue;
                this = sum_of(p, i);
                if (this < 0 || this < last_sum ||
                    (this == last_sum && last != P2P_NONE && i <= last) ||
                    (best != P2P_NONE && this >= *sum))
                        continue;
                best = i;
                *sum = this;
        }
        return best;
}

static uint32_t compare_with_brute_force(const struct p2p_nearest_params *params)
{
        struct p2p_nearest *n = search(params);
        uint32_t last = P2P_NONE, found = n->n_found;
        int64_t sum = 0;

        for (uint32_t i = 0; i < n->n_list; i++) {
                last = next_best(params, &sum, last);
                assert_int_equal(n->list[i].function, last);
                assert_true((int64_t)n->list[i].distance_hops == sum);
                assert_true((i < n->n_equal) == (sum == (int64_t)n->list[0].distance_hops));
        }
        if (n->n_list == n->n_found)
                assert_int_equal(next_best(params, &sum, last), P2P_NONE);
        assert_int_equal(n->n_list, n->n_found < params->max ? n->n_found : params->max);
        p2p_nearest_free(n);
        return found;
}

static void test_random(void **state)
{
        uint64_t n_found = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct random r = {seed};
                struct builder b = random_machine(seed);
                struct p2p_nearest_params params = {.max = 0};
                struct p2p_verdicts *v;
                bool *held;

                random_p2pmem(b.m, &r);
                params.machine = builder_finish(&b);
                v = p2p_verdicts_new(b.m, p2p_rules_for(b.m, P2P_RULES_RUNNING));
                held = calloc(b.m->n_functions + 1, sizeof(*held));
                assert_non_null(held);
                params.verdicts = v;
                params.held = held;
                for (int i = 0; i < 10; i++) {
                        uint32_t clients[CLIENTS_MAX];

                        params.clients = clients;
                        params.n_clients = 1 + random_below(&r, i < 5 ? 2 : CLIENTS_MAX);
                        params.max = 1 + random_below(&r, 6);
                        params.min_available_bytes = random_below(&r, 2) * 0x1800;
                        for (uint32_t j = 0; j < params.n_clients; j++)
                                clients[j] = random_below(&r, b.m->n_functions);
                        for (uint32_t j = 0; j < b.m->n_functions; j++)
                                held[j] = random_below(&r, 4) == 0;
                        n_found += compare_with_brute_force(&params);
                }
                free(held);
                p2p_verdicts_free(v);
                builder_free(&b);
        }
        /* The question was not always in vain. */
        assert_true(n_found > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nearest_first), cmocka_unit_test(test_held),
                cmocka_unit_test(test_memory),        cmocka_unit_test(test_unknown_client),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
