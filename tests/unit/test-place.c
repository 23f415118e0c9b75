/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Placement by examples; test-place-random.c holds it against a look at every choice. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place.h"
#include "machine-builder.h"

/*
 * Two host bridges, one switch each (x16 uplink), bridge 0 on node 0 and 1 on node 1: GPUs at
 * x3:00.0 and following buses, then NICs, then NVMe, all x8 at 16 GT/s. The CPU lets everything
 * cross.
 */
struct shape {
        uint32_t n_gpus[2], n_nics[2], n_nvmes[2];
};

struct fixture {
        struct builder b;
        const struct p2p_machine *m;
        struct p2p_verdicts *v;
        struct p2p_selector *gpu, *nic, *nvme;
};

static uint32_t add_some(struct builder *b, uint32_t up, uint32_t bus, uint32_t *slot, uint32_t n,
                         uint32_t class_code)
{
        char text[32];
        uint32_t f = 0;

        for (; n > 0; n--, ++*slot) {
                (void)snprintf(text, sizeof(text), "%02x:%02x.0", bus + 2, *slot);
                f = builder_downstream(b, text, up);
                (void)snprintf(text, sizeof(text), "%02x:00.0", bus + 3 + *slot);
                f = builder_function(b, text, f, P2P_PORT_ENDPOINT, class_code);
                link_is(b, f, 16000, 8, 16000, 8);
                numa(b, f, bus >> 7);
        }
        return f;
}

static void begin(struct fixture *x, const struct shape *shape)
{
        char text[32];

        *x = (struct fixture){.b = builder_new()};
        cpu(&x->b, P2P_CPU_AMD, 0x19, 1);
        for (uint32_t i = 0; i < 2; i++) {
                uint32_t bus = i * 0x80, up, slot = 0;

                (void)snprintf(text, sizeof(text), "%02x:01.0", bus);
                up = builder_root_port(&x->b, text);
                (void)snprintf(text, sizeof(text), "%02x:00.0", bus + 1);
                up = builder_upstream(&x->b, text, up);
                link_is(&x->b, up, 16000, 16, 16000, 16);
                add_some(&x->b, up, bus, &slot, shape->n_gpus[i], 0x030200);
                add_some(&x->b, up, bus, &slot, shape->n_nics[i], 0x020000);
                add_some(&x->b, up, bus, &slot, shape->n_nvmes[i], 0x010802);
        }
        assert_int_equal(p2p_selector_parse("gpu", 3, &x->gpu, NULL), 0);
        assert_int_equal(p2p_selector_parse("nic", 3, &x->nic, NULL), 0);
        assert_int_equal(p2p_selector_parse("nvme", 4, &x->nvme, NULL), 0);
}

static void finish(struct fixture *x)
{
        x->m = builder_finish(&x->b);
        x->v = p2p_verdicts_new(x->m, p2p_rules_for(x->m, P2P_RULES_RUNNING));
        assert_non_null(x->v);
}

static void end(struct fixture *x)
{
        p2p_selector_free(x->gpu);
        p2p_selector_free(x->nic);
        p2p_selector_free(x->nvme);
        p2p_verdicts_free(x->v);
        builder_free(&x->b);
}

static struct p2p_place *ask(const struct fixture *x, const struct p2p_place_request *request)
{
        struct p2p_place *place = NULL;

        assert_int_equal(p2p_place_new(x->m, x->v, request, &place), 0);
        assert_non_null(place);
        assert_int_equal(place->refusal.gate == P2P_PLACE_GATE_NONE, place->n_answers > 0);
        return place;
}

static void assert_at(const struct fixture *x, uint32_t function, const char *address)
{
        char got[P2P_ADDRESS_STRING_MAX];

        assert_string_equal(p2p_address_format(x->m->functions[function].address, got) + 5,
                            address);
}

static void test_own_companions(void **state)
{
        const struct shape shape = {{2, 2}, {1, 2}, {2, 4}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place_rule rules[2];
        struct p2p_place *place;
        struct fixture x;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        rules[0] = (struct p2p_place_rule){.of = x.nic, .n = 1};
        rules[1] = (struct p2p_place_rule){.of = x.nvme, .n = 2};
        request.of = x.gpu;
        request.n_items = 2;
        request.rules = rules;
        request.n_rules = 2;
        place = ask(&x, &request);
        assert_int_equal(place->n_answers, 1);
        assert_int_equal(place->n_items, 2);
        assert_int_equal(place->n_per_item, 3);
        assert_true(place->complete);
        /* PIX below one switch; there all on one node beats one GPU below each switch. */
        assert_int_equal(place->answers[0].worst_path, P2P_PATH_PIX);
        assert_int_equal(place->answers[0].n_numa_nodes, 1);
        assert_int_equal(place->answers[0].numa_nodes[0], 1);
        assert_at(&x, place->answers[0].items[0], "83:00.0");
        assert_at(&x, place->answers[0].items[1], "84:00.0");
        assert_at(&x, place->answers[0].companions[0], "85:00.0");
        assert_at(&x, place->answers[0].companions[1], "87:00.0");
        assert_at(&x, place->answers[0].companions[2], "88:00.0");
        assert_at(&x, place->answers[0].companions[3], "86:00.0");
        /* Three pairs leave through each GPU's link. */
        assert_int_equal(place->answers[0].bottleneck.mbps, 15752 / 3);
        assert_int_equal(place->answers[0].bottleneck.n_flows, 3);
        assert_at(&x, place->answers[0].bottleneck.function, "83:00.0");
        assert_int_equal(place->answers[0].proven, P2P_PLACE_PROVEN_ALL);
        p2p_place_free(place);
        end(&x);
}

/* How many items each of the companions serves, in the order of their addresses. */
static uint32_t count_uses(const struct p2p_place *place, uint32_t *uses)
{
        const struct p2p_place_answer *a = &place->answers[0];
        uint32_t seen[64], n = 0, i;

        for (uint32_t k = 0; k < place->n_items * place->n_per_item; k++) {
                for (i = 0; i < n && seen[i] != a->companions[k];)
                        i++;
                if (i == n) {
                        seen[n] = a->companions[k];
                        uses[n++] = 0;
                }
                uses[i]++;
        }
        return n;
}

static void check_shared(const struct shape *shape, uint32_t n_items, uint32_t n_each,
                         uint32_t n_different, uint32_t least, uint32_t most)
{
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place_rule rule;
        struct p2p_place *place;
        struct fixture x;
        uint32_t uses[64];

        begin(&x, shape);
        finish(&x);
        rule = (struct p2p_place_rule){.of = x.nic, .n = n_each, .shared = true};
        request.of = x.gpu;
        request.n_items = n_items;
        request.rules = &rule;
        request.n_rules = 1;
        place = ask(&x, &request);
        assert_int_equal(place->n_answers, 1);
        assert_int_equal(count_uses(place, uses), n_different);
        for (uint32_t i = 0; i < n_different; i++)
                assert_in_range(uses[i], least, most);
        p2p_place_free(place);
        end(&x);
}

static void test_shared_companions(void **state)
{
        /* Eight GPUs, four NICs: two each. */
        const struct shape few = {{4, 4}, {2, 2}, {0, 0}};
        /* Eight NICs, four of them far from every GPU: none stays idle. */
        const struct shape far = {{8, 0}, {4, 4}, {0, 0}};
        const struct shape odd = {{4, 3}, {2, 1}, {0, 0}};

        (void)state;
        check_shared(&few, 8, 1, 4, 2, 2);
        check_shared(&far, 8, 1, 8, 1, 1);
        check_shared(&odd, 7, 1, 3, 2, 3);
        check_shared(&odd, 7, 2, 3, 4, 5);
        check_shared(&odd, 2, 1, 2, 1, 1);
}

/* With a limit that leaves only some of them in reach, as many as then can be. */
static void test_shared_within_limits(void **state)
{
        const struct shape shape = {{3, 0}, {2, 2}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place_rule rule;
        struct p2p_place *place;
        struct fixture x;
        uint32_t uses[64];

        (void)state;
        begin(&x, &shape);
        finish(&x);
        rule = (struct p2p_place_rule){.of = x.nic, .n = 1, .shared = true};
        request.of = x.gpu;
        request.n_items = 3;
        request.rules = &rule;
        request.n_rules = 1;
        place = ask(&x, &request);
        assert_int_equal(count_uses(place, uses), 3);
        assert_int_equal(place->answers[0].worst_path, P2P_PATH_SYS);
        p2p_place_free(place);
        request.path_max = P2P_PATH_PXB;
        place = ask(&x, &request);
        assert_int_equal(count_uses(place, uses), 2);
        assert_int_equal(place->answers[0].worst_path, P2P_PATH_PIX);
        p2p_place_free(place);
        end(&x);
}

static void test_clients_and_the_best(void **state)
{
        const struct shape shape = {{2, 2}, {1, 1}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        const struct p2p_place_answer *a;
        struct p2p_place *place;
        struct fixture x;
        uint32_t client;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        client = builder_at(&x.b, "85:00.0");
        request.of = x.gpu;
        request.clients = &client;
        request.n_clients = 1;
        request.n_best = 8;
        place = ask(&x, &request);
        assert_int_equal(place->n_answers, 4);
        assert_true(place->complete);
        a = place->answers;
        assert_at(&x, a[0].items[0], "83:00.0");
        assert_at(&x, a[1].items[0], "84:00.0");
        assert_at(&x, a[2].items[0], "03:00.0");
        assert_at(&x, a[3].items[0], "04:00.0");
        assert_int_equal(a[1].worst_path, P2P_PATH_PIX);
        assert_int_equal(a[2].worst_path, P2P_PATH_SYS);
        assert_int_equal(a[2].worst_provider, a[2].items[0]);
        assert_int_equal(a[2].worst_client, client);
        assert_int_equal(a[2].worst.map, P2P_MAP_HOST_BRIDGE);
        p2p_place_free(place);
        end(&x);
}

/* An item may be the client itself. */
static void test_item_is_client(void **state)
{
        const struct shape shape = {{2, 0}, {0, 0}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place *place;
        struct fixture x;
        uint32_t client;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        client = builder_at(&x.b, "04:00.0");
        request.of = x.gpu;
        request.clients = &client;
        request.n_clients = 1;
        place = ask(&x, &request);
        assert_int_equal(place->answers[0].items[0], client);
        assert_int_equal(place->answers[0].worst_path, P2P_PATH_LOC);
        assert_false(place->answers[0].bottleneck.is_limited);
        p2p_place_free(place);
        end(&x);
}

static void test_virtual_functions(void **state)
{
        const struct shape shape = {{1, 0}, {1, 0}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place_rule rule;
        struct p2p_selector *named;
        struct p2p_place *place;
        struct fixture x;

        (void)state;
        begin(&x, &shape);
        for (uint32_t i = x.b.m->n_functions; i-- > 0;)
                if (x.b.m->functions[i].address.bus == 4)
                        builder_vf(&x.b, "04:00.1", i);
        finish(&x);
        rule = (struct p2p_place_rule){.of = x.nic, .n = 2};
        request.of = x.gpu;
        request.rules = &rule;
        request.n_rules = 1;
        place = ask(&x, &request);
        assert_int_equal(place->refusal.gate, P2P_PLACE_GATE_PRESENT);
        assert_int_equal(place->refusal.part, P2P_PLACE_PART_RULE);
        assert_int_equal(place->refusal.rule, 0);
        assert_int_equal(place->refusal.n_wanted, 2);
        assert_int_equal(place->refusal.n_found, 1);
        p2p_place_free(place);
        assert_int_equal(p2p_selector_parse("04:00.*", 7, &named, NULL), 0);
        rule.of = named;
        place = ask(&x, &request);
        assert_at(&x, place->answers[0].companions[1], "04:00.1");
        assert_int_equal(place->answers[0].bottleneck.n_flows, 2);
        p2p_place_free(place);
        p2p_selector_free(named);
        end(&x);
}

static void check_gate(const struct fixture *x, const struct p2p_place_request *request,
                       enum p2p_place_gate gate, enum p2p_place_part part, uint32_t rule)
{
        struct p2p_place *place = ask(x, request);

        assert_int_equal(place->n_answers, 0);
        assert_string_equal(p2p_place_gate_to_string(place->refusal.gate),
                            p2p_place_gate_to_string(gate));
        assert_int_equal(place->refusal.part, part);
        assert_int_equal(place->refusal.rule, rule);
        p2p_place_free(place);
}

/* Each limit comes after the one before it, which still leaves a choice. */
static void test_the_limit_that_fails_first(void **state)
{
        const struct shape shape = {{2, 2}, {1, 1}, {1, 1}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        const struct p2p_selector *avoid;
        struct p2p_place_rule rules[2];
        bool taken[64] = {false};
        struct fixture x;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        rules[0] = (struct p2p_place_rule){.of = x.nvme, .n = 1};
        rules[1] = (struct p2p_place_rule){.of = x.nic, .n = 1};
        request.of = x.gpu;
        request.n_items = 2;
        request.rules = rules;
        request.n_rules = 2;
        request.bottleneck_min_mbps = 7877;
        check_gate(&x, &request, P2P_PLACE_GATE_BOTTLENECK, P2P_PLACE_PART_RULE, 1);
        request.path_max = P2P_PATH_PIX;
        request.numa_node = 1;
        check_gate(&x, &request, P2P_PLACE_GATE_NUMA_NODE, P2P_PLACE_PART_RULE, 0);
        request.numa_node = P2P_NONE;
        request.must_be_bus = true;
        request.n_items = 3;
        rules[0].shared = rules[1].shared = true;
        /* Two of three GPUs share one NVMe. */
        check_gate(&x, &request, P2P_PLACE_GATE_BOTTLENECK, P2P_PLACE_PART_RULE, 0);
        taken[builder_at(&x.b, "85:00.0")] = taken[builder_at(&x.b, "05:00.0")] = true;
        request.taken = taken;
        check_gate(&x, &request, P2P_PLACE_GATE_TAKEN, P2P_PLACE_PART_RULE, 1);
        avoid = x.gpu;
        request.avoid = &avoid;
        request.n_avoid = 1;
        check_gate(&x, &request, P2P_PLACE_GATE_AVOIDED, P2P_PLACE_PART_ITEMS, P2P_NONE);
        request.n_items = 5;
        check_gate(&x, &request, P2P_PLACE_GATE_PRESENT, P2P_PLACE_PART_ITEMS, P2P_NONE);
        end(&x);
}

static void test_bad_pairs(void **state)
{
        const struct shape shape = {{1, 0}, {0, 1}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_place_rule rule;
        struct p2p_place *place;
        struct fixture x;

        (void)state;
        begin(&x, &shape);
        cpu(&x.b, P2P_CPU_INTEL, 6, 0x8f);
        finish(&x);
        rule = (struct p2p_place_rule){.of = x.nic, .n = 1};
        request.of = x.gpu;
        request.rules = &rule;
        request.n_rules = 1;
        check_gate(&x, &request, P2P_PLACE_GATE_MAP_NONE, P2P_PLACE_PART_RULE, 0);
        request.allow_bad = true;
        place = ask(&x, &request);
        assert_true(place->answers[0].has_bad);
        assert_int_equal(place->answers[0].worst.map, P2P_MAP_NONE);
        assert_int_equal(place->answers[0].worst_provider, place->answers[0].items[0]);
        p2p_place_free(place);
        request.must_be_bus = true;
        check_gate(&x, &request, P2P_PLACE_GATE_BUS, P2P_PLACE_PART_RULE, 0);
        end(&x);
}

static void test_requests_that_are_none(void **state)
{
        const struct shape shape = {{1, 0}, {1, 0}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT, good;
        struct p2p_place *place = NULL;
        struct p2p_place_rule rule;
        struct fixture x;
        uint32_t client;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        request.of = x.gpu;
        good = request;
        request.n_items = 0;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        request.n_items = P2P_PLACE_FUNCTIONS_MAX + 1;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        request = good;
        request.n_best = 0;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        request.n_best = P2P_PLACE_BEST_MAX + 1;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        request = good;
        rule = (struct p2p_place_rule){.of = x.nic, .n = 0};
        request.rules = &rule;
        request.n_rules = 1;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        rule.n = UINT32_MAX;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        request = good;
        client = builder_at(&x.b, "00:01.0");
        request.clients = &client;
        request.n_clients = 1;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        client = x.m->n_functions;
        assert_int_equal(p2p_place_new(x.m, x.v, &request, &place), P2P_PLACE_E_REQUEST);
        assert_null(place);
        assert_null(p2p_place_free(NULL));
        end(&x);
}

/* No work is allowed to be done without saying so. */
static void test_work_is_bounded(void **state)
{
        const struct shape shape = {{6, 6}, {5, 4}, {8, 8}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        unsigned by_proven[P2P_PLACE_PROVEN_MAX] = {0};
        struct p2p_place_rule rules[2];
        struct p2p_place *best, *got;
        struct fixture x;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        rules[0] = (struct p2p_place_rule){.of = x.nic, .n = 1};
        rules[1] = (struct p2p_place_rule){.of = x.nvme, .n = 2};
        request.of = x.gpu;
        request.n_items = 7;
        request.rules = rules;
        request.n_rules = 2;
        request.n_best = 2;
        best = ask(&x, &request);
        assert_true(best->complete);
        for (request.work_max = 1; request.work_max < 2 * best->work;
             request.work_max += 1 + request.work_max / 16) {
                const struct p2p_place_answer *a;

                got = ask(&x, &request);
                /* What is begun is ended: the first run here takes about 5,500. */
                assert_true(got->work < request.work_max + 8000);
                /* Nearest companions are a choice here, which takes no search. */
                assert_true(got->n_answers > 0);
                a = &got->answers[0];
                by_proven[a->proven]++;
                assert_true(got->complete || a->proven < P2P_PLACE_PROVEN_ALL ||
                            got->n_answers < 2 || got->answers[1].proven < P2P_PLACE_PROVEN_ALL);
                assert_true(a->bound_path <= best->answers[0].worst_path);
                if (a->proven >= P2P_PLACE_PROVEN_PATH)
                        assert_int_equal(a->worst_path, best->answers[0].worst_path);
                if (a->bound_is_limited && a->bound_path == best->answers[0].worst_path)
                        assert_true(a->bound_mbps >= best->answers[0].bottleneck.mbps);
                if (a->proven >= P2P_PLACE_PROVEN_BOTTLENECK)
                        assert_int_equal(p2p_bottleneck_compare(&a->bottleneck,
                                                                &best->answers[0].bottleneck),
                                         0);
                if (a->proven == P2P_PLACE_PROVEN_ALL)
                        assert_memory_equal(a->items, best->answers[0].items, 7 * sizeof(uint32_t));
                p2p_place_free(got);
        }
        assert_true(by_proven[P2P_PLACE_PROVEN_ALL] > 0);
        assert_true(by_proven[P2P_PLACE_PROVEN_NOTHING] > 0);
        p2p_place_free(best);
        end(&x);
}

/* Whoever takes the nearest companion for the first rule has none for the second. */
static void test_no_work_no_proof(void **state)
{
        const struct shape shape = {{1, 0}, {2, 0}, {0, 0}};
        struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
        struct p2p_selector *first = NULL;
        struct p2p_place_rule rules[2];
        struct p2p_place *got;
        struct fixture x;
        uint32_t lowest = 0;

        (void)state;
        begin(&x, &shape);
        finish(&x);
        while (!p2p_selector_wants(x.nic, x.m, lowest))
                lowest++;
        assert_int_equal(p2p_selector_new_list(&lowest, 1, &first), 0);
        rules[0] = (struct p2p_place_rule){.of = x.nic, .n = 1};
        rules[1] = (struct p2p_place_rule){.of = first, .n = 1};
        request.of = x.gpu;
        request.rules = rules;
        request.n_rules = 2;
        request.work_max = 1;
        got = ask(&x, &request);
        assert_int_equal(got->n_answers, 0);
        assert_int_equal(got->refusal.gate, P2P_PLACE_GATE_WORK);
        p2p_place_free(got);
        request.work_max = P2P_PLACE_WORK_DEFAULT;
        got = ask(&x, &request);
        assert_int_equal(got->n_answers, 1);
        assert_int_equal(got->answers[0].companions[1], lowest);
        p2p_place_free(got);
        p2p_selector_free(first);
        end(&x);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_own_companions),
                cmocka_unit_test(test_shared_companions),
                cmocka_unit_test(test_shared_within_limits),
                cmocka_unit_test(test_clients_and_the_best),
                cmocka_unit_test(test_item_is_client),
                cmocka_unit_test(test_virtual_functions),
                cmocka_unit_test(test_the_limit_that_fails_first),
                cmocka_unit_test(test_bad_pairs),
                cmocka_unit_test(test_requests_that_are_none),
                cmocka_unit_test(test_work_is_bounded),
                cmocka_unit_test(test_no_work_no_proof),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
