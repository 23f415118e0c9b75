/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "decide/acs-plan.h"
#include "decide/rules.h"
#include "decide/walk.h"
#include "random-machine.h"

/*
 * Properties of plans, on random machines: the set is the smallest, the boot parameter does what it
 * should, and the consequences are those that the kernel's and the specification's rules give when
 * they are followed pair by pair and function by function.
 */

static struct p2p_acs_plan *plan_new(const struct p2p_machine *m, const struct p2p_acs_pair *pairs,
                                     uint32_t n_pairs)
{
        const struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        const struct p2p_acs_plan_params params = {
                .m = m,
                .rules = &rules,
                .pairs = pairs,
                .n_pairs = n_pairs,
        };
        struct p2p_acs_plan *plan;

        assert_int_equal(p2p_acs_plan_new(&params, &plan), 0);
        return plan;
}

static bool is_bus(const struct p2p_machine *m, const struct p2p_acs_pair *pair)
{
        const struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        struct p2p_decision d;

        p2p_decide(m, &rules, pair->provider, pair->client, NULL, NULL, &d);
        return d.map == P2P_MAP_BUS;
}

struct bit {
        uint32_t function;
        uint16_t mask;
};

/* Clears the chosen bits, counts the pairs that are `bus`, and sets the bits again. */
static uint32_t count_bus(struct p2p_machine *m, const struct p2p_acs_pair *pairs, uint32_t n_pairs,
                          const struct bit *bits, uint32_t n_bits, uint32_t chosen)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < n_bits; i++)
                if (chosen >> i & 1U)
                        m->functions[bits[i].function].acs_control.val &= ~(uint64_t)bits[i].mask;
        for (uint32_t i = 0; i < n_pairs; i++)
                n += is_bus(m, &pairs[i]);
        for (uint32_t i = 0; i < n_bits; i++)
                if (chosen >> i & 1U)
                        m->functions[bits[i].function].acs_control.val |= bits[i].mask;
        return n;
}

/* All redirect bits that are set at the pairs' functions and above them. */
static uint32_t list_bits(const struct p2p_machine *m, const struct p2p_acs_pair *pairs,
                          uint32_t n_pairs, struct bit *bits, uint32_t max)
{
        bool seen[512] = {false};
        uint32_t n = 0;

        for (uint32_t i = 0; i < 2 * n_pairs; i++) {
                uint32_t at = i % 2 ? pairs[i / 2].client : pairs[i / 2].provider;

                for (; at != P2P_NONE; at = m->functions[at].parent) {
                        if (seen[at] || !p2p_fact_is_known(m->functions[at].acs_control))
                                continue;
                        seen[at] = true;
                        for (uint16_t mask = P2P_ACS_RR; mask <= P2P_ACS_EC; mask <<= 1) {
                                if (!(m->functions[at].acs_control.val & P2P_ACS_REDIRECT & mask))
                                        continue;
                                if (n == max)
                                        return max + 1;
                                bits[n++] = (struct bit){at, mask};
                        }
                }
        }
        return n;
}

static uint32_t count_functions(const struct bit *bits, uint32_t n_bits, uint32_t chosen)
{
        uint32_t n = 0, last = P2P_NONE;

        for (uint32_t i = 0; i < n_bits; i++)
                if (chosen >> i & 1U && bits[i].function != last) {
                        last = bits[i].function;
                        n++;
                }
        return n;
}

#define BITS_MAX 10U

/* Every set of bits is tried: none with fewer ports or bits makes as many pairs `bus`. */
static bool check_minimal(struct p2p_machine *m, const struct p2p_acs_pair *pairs, uint32_t n_pairs)
{
        struct bit bits[BITS_MAX];
        const uint32_t n_bits = list_bits(m, pairs, n_pairs, bits, BITS_MAX);
        uint32_t best_ports = UINT32_MAX, best_bits = UINT32_MAX, all;
        struct p2p_acs_plan *plan;

        if (n_bits == 0 || n_bits > BITS_MAX)
                return false;
        all = count_bus(m, pairs, n_pairs, bits, n_bits, UINT32_MAX);
        for (uint32_t chosen = 0; chosen < 1U << n_bits; chosen++) {
                uint32_t ports = count_functions(bits, n_bits, chosen);
                uint32_t ones = (uint32_t)__builtin_popcount(chosen);

                if (count_bus(m, pairs, n_pairs, bits, n_bits, chosen) != all)
                        continue;
                best_ports = ports < best_ports ? ports : best_ports;
                best_bits = ones < best_bits ? ones : best_bits;
        }
        plan = plan_new(m, pairs, n_pairs);
        assert_int_equal(plan->n_ports, best_ports);
        assert_int_equal(plan->n_bits, best_bits);
        assert_int_equal(plan->n_by_state[P2P_ACS_PAIR_ALREADY] +
                                 plan->n_by_state[P2P_ACS_PAIR_HELPED],
                         all);
        for (uint32_t i = 0; i < plan->n_ports; i++)
                m->functions[plan->ports[i].function].acs_control.val &=
                        ~(uint64_t)plan->ports[i].clear;
        for (uint32_t i = 0; i < plan->n_pairs; i++)
                assert_int_equal(is_bus(m, &pairs[i]), plan->pairs[i].state <= P2P_ACS_PAIR_HELPED);
        p2p_acs_plan_free(plan);
        return true;
}

/* Different pairs of functions below the same root bus, mostly. */
static uint32_t random_pairs(struct random *r, const struct p2p_machine *m,
                             struct p2p_acs_pair *pairs, uint32_t max)
{
        uint32_t n = 1 + random_below(r, max), found = 0;

        for (uint32_t tries = 0; found < n && tries < 200; tries++) {
                struct p2p_acs_pair pair = {random_below(r, m->n_functions),
                                            random_below(r, m->n_functions)};
                bool again = false;
                struct p2p_walk w;

                p2p_walk_compute(m, pair.provider, pair.client, &w);
                for (uint32_t i = 0; i < found; i++)
                        again |= pairs[i].provider == pair.provider &&
                                 pairs[i].client == pair.client;
                if (!again && (w.common != P2P_NONE || random_below(r, 20) == 0))
                        pairs[found++] = pair;
        }
        return found;
}

static void test_is_minimal(void **state)
{
        uint32_t n_checked = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 1500; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed ^ 0xacc5};
                struct p2p_acs_pair pairs[4];

                builder_finish(&b);
                n_checked += check_minimal(b.m, pairs, random_pairs(&r, b.m, pairs, 4));
                builder_free(&b);
        }
        assert_true(n_checked > 300);
}

/*
 * Boots a kernel with the planned parameter: registers as it writes them, firmware's values as they
 * may be. Helped pairs are `bus`, and no bit but the planned ones is another.
 */
static void check_boot(struct p2p_machine *m, const struct p2p_acs_plan *plan, struct random *r)
{
        const struct p2p_boot_kernel kernel_traits = p2p_boot_kernel_for(m);
        struct p2p_boot_line line;

        assert_int_equal(p2p_boot_line_parse(plan->parameter, &line), 0);
        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_function *f = &m->functions[i];
                struct p2p_boot_match matches[P2P_BOOT_PARAMETER_MAX] = {0};
                uint16_t clear = 0, firmware, control;

                if (!p2p_fact_is_known(f->acs_control))
                        continue;
                for (uint32_t j = 0; j < plan->n_ports; j++)
                        if (plan->ports[j].function == i)
                                clear = plan->ports[j].clear;
                for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++)
                        if (line.value[kind])
                                matches[kind] = p2p_boot_match_function(m, &kernel_traits, kind,
                                                                        line.value[kind], i);
                for (unsigned kind = 0; kind < P2P_BOOT_PARAMETER_MAX; kind++)
                        assert_true(clear != 0 || matches[kind].kind != P2P_BOOT_MATCH_ENTRY);
                firmware = (uint16_t)f->acs_control.val;
                if (clear != 0 && kernel_traits.has[P2P_BOOT_CONFIG_ACS])
                        firmware = (uint16_t)random_below(r, 0x80);
                control = p2p_boot_acs_control(&kernel_traits, 0x7f, firmware, false, matches);
                assert_int_equal(control & P2P_ACS_REDIRECT,
                                 f->acs_control.val & P2P_ACS_REDIRECT & ~clear);
                assert_int_equal(control, f->acs_control.val & ~(uint64_t)clear);
                f->acs_control.val = control;
        }
        p2p_boot_line_deinit(&line);
        for (uint32_t i = 0; i < plan->n_pairs; i++) {
                struct p2p_acs_pair pair = {plan->pairs[i].provider, plan->pairs[i].client};

                if (plan->pairs[i].state == P2P_ACS_PAIR_HELPED)
                        assert_true(is_bus(m, &pair));
        }
}

/* With the parameter on the command line, and the bits not cleared yet, the plan is the same. */
static void check_stable(struct p2p_machine *m, const struct p2p_acs_plan *plan,
                         const struct p2p_acs_pair *pairs, uint32_t n_pairs)
{
        struct p2p_acs_plan *again;

        m->kernel_command_line = plan->parameter;
        again = plan_new(m, pairs, n_pairs);
        assert_string_equal(again->parameter, plan->parameter);
        p2p_acs_plan_free(again);
        m->kernel_command_line = NULL;
}

static void test_parameter_works(void **state)
{
        uint32_t n_checked = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 600; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed};
                struct p2p_acs_pair pairs[6];
                struct p2p_acs_plan *plan;
                uint32_t n_pairs;

                builder_finish(&b);
                n_pairs = random_pairs(&r, b.m, pairs, 6);
                plan = plan_new(b.m, pairs, n_pairs);
                if (plan->n_ports > 0) {
                        check_stable(b.m, plan, pairs, n_pairs);
                        check_boot(b.m, plan, &r);
                        n_checked++;
                }
                p2p_acs_plan_free(plan);
                builder_free(&b);
        }
        assert_true(n_checked > 100);
}

/* The element of a's path just below where the paths meet, or a's topmost one. */
static uint32_t entry_of(const struct p2p_machine *m, uint32_t a, uint32_t b, uint32_t *ret_common)
{
        struct p2p_walk w;

        p2p_walk_compute(m, a, b, &w);
        *ret_common = w.common;
        if (w.common == P2P_NONE)
                return w.provider_top;
        while (a != w.common && m->functions[a].parent != w.common)
                a = m->functions[a].parent;
        return a;
}

static bool covers(const struct p2p_acs_exposure *x, uint32_t a, uint32_t b)
{
        bool from = false, to = false;

        for (uint32_t i = 0; i < x->n_from; i++)
                from |= x->from[i] == a;
        for (uint32_t i = 0; i < x->n_to; i++)
                to |= x->to[i] == b;
        return from && to;
}

/* Pair by pair: exposed are those whose requests enter at a cleared port, or turn around at one. */
static void check_exposures(const struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        for (uint32_t a = 0; a < m->n_functions; a++)
                for (uint32_t b = 0; b < m->n_functions; b++) {
                        const struct p2p_function *f = &m->functions[a], *g = &m->functions[b];
                        bool want = false, got = false;
                        uint32_t common, entry;

                        if (a == b || f->is_vf || g->is_vf || !p2p_function_is_endpoint(f) ||
                            !p2p_function_is_endpoint(g))
                                continue;
                        entry = entry_of(m, a, b, &common);
                        /* Bridges that call themselves endpoints: not within themselves. */
                        if (common == a || common == b)
                                continue;
                        for (uint32_t i = 0; i < plan->n_ports; i++) {
                                const struct p2p_acs_plan_port *port = &plan->ports[i];

                                if (!(port->clear & (P2P_ACS_RR | P2P_ACS_EC)))
                                        continue;
                                want |= port->function == common ||
                                        (port->function == entry &&
                                         (common != P2P_NONE ||
                                          (f->root != P2P_NONE && f->root == g->root)));
                        }
                        for (uint32_t i = 0; i < plan->n_exposures; i++)
                                got |= covers(&plan->exposures[i], a, b) &&
                                       (!plan->exposures[i].among ||
                                        plan->exposures[i].port == common);
                        assert_int_equal(got, want);
                }
}

/* ---- IOMMU groups: the kernel's way of making them, function by function ---- */

#define REQUIRED (P2P_ACS_SV | P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_UF)

static bool in_slot(const struct p2p_function *f, const struct p2p_function *g)
{
        return !f->is_vf && !g->is_vf && f->parent == g->parent && f->parent_why == g->parent_why &&
               f->address.segment == g->address.segment && f->address.bus == g->address.bus &&
               f->address.devfn / 8 == g->address.devfn / 8;
}

static bool multifunction(const struct p2p_machine *m, uint32_t function)
{
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (i != function && in_slot(&m->functions[i], &m->functions[function]))
                        return true;
        return false;
}

static bool enabled(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        if (!p2p_fact_is_known(f->port_type))
                return false;
        if (f->port_type.val != P2P_PORT_ROOT_PORT && f->port_type.val != P2P_PORT_DOWNSTREAM &&
            !multifunction(m, function))
                return true;
        return p2p_fact_is_known(f->acs_control) &&
               (~f->acs_control.val & f->acs_capability.val & REQUIRED) == 0;
}

static bool path_enabled(const struct p2p_machine *m, uint32_t from)
{
        for (; from != P2P_NONE; from = m->functions[from].parent)
                if (!enabled(m, from))
                        return false;
        return true;
}

/* The number of the group: the lowest index among what the function is grouped with upwards. */
static uint32_t group_of(const struct p2p_machine *m, uint32_t function)
{
        const uint32_t parent = m->functions[function].parent;

        if (parent != P2P_NONE && !path_enabled(m, parent))
                return group_of(m, parent);
        if (multifunction(m, function) && !enabled(m, function))
                for (uint32_t i = 0; i < function; i++)
                        if (in_slot(&m->functions[i], &m->functions[function]) && !enabled(m, i))
                                return i;
        return function;
}

static void check_merges(struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        uint32_t merged[512], after[512];

        for (uint32_t i = 0; i < m->n_groups; i++)
                merged[i] = i;
        for (uint32_t i = 0; i < plan->n_merges; i++)
                for (uint32_t j = 0; j < plan->merges[i].n_groups; j++)
                        merged[plan->merges[i].groups[j]] = plan->merges[i].groups[0];
        for (uint32_t i = 0; i < plan->n_ports; i++)
                m->functions[plan->ports[i].function].acs_control.val &=
                        ~(uint64_t)plan->ports[i].clear;
        for (uint32_t i = 0; i < m->n_functions; i++)
                after[i] = group_of(m, i);
        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < i; j++)
                        assert_int_equal(merged[m->functions[i].group] ==
                                                 merged[m->functions[j].group],
                                         after[i] == after[j]);
}

/* Everything has readable ACS: then all merges follow, and the model is complete. */
static void give_groups(struct builder *b, struct random *r)
{
        uint32_t *numbers;

        for (uint32_t i = 0; i < b->m->n_functions; i++)
                if (!builder_edit(b, i)->is_vf && p2p_fact_is_known(b->m->functions[i].port_type) &&
                    !p2p_fact_is_known(b->m->functions[i].acs_control))
                        acs(b, i, random_below(r, 3) ? 0x1d : 0);
        builder_finish(b);
        numbers = calloc(b->m->n_functions, sizeof(*numbers));
        assert_non_null(numbers);
        for (uint32_t i = 0; i < b->m->n_functions; i++)
                numbers[i] = group_of(b->m, i);
        for (uint32_t i = 0; i < b->m->n_functions; i++)
                group(b, i, numbers[i], P2P_GROUP_TRANSLATED);
        free(numbers);
        builder_finish(b);
}

static void test_consequences(void **state)
{
        uint32_t n_merges = 0, n_exposures = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 400; seed++) {
                struct builder b = random_machine(seed);
                struct random r = {.state = seed * 7};
                struct p2p_acs_pair pairs[6];
                struct p2p_acs_plan *plan;

                give_groups(&b, &r);
                assert_true(b.m->n_functions < 512);
                plan = plan_new(b.m, pairs, random_pairs(&r, b.m, pairs, 6));
                n_merges += plan->n_merges;
                n_exposures += plan->n_exposures;
                check_exposures(b.m, plan);
                check_merges(b.m, plan);
                p2p_acs_plan_free(plan);
                builder_free(&b);
        }
        assert_true(n_merges > 100 && n_exposures > 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_is_minimal),
                cmocka_unit_test(test_parameter_works),
                cmocka_unit_test(test_consequences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
