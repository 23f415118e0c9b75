/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "decide/machine-edit.h"
#include "decide/what-if.h"
#include "random-machine.h"

/* What-if on random machines, against machines that were built with the edit already made. */

static void expect_same_verdicts(const struct p2p_machine *a, const struct p2p_rules *a_rules,
                                 const struct p2p_machine *b, const struct p2p_rules *b_rules,
                                 const uint32_t *index_in_b)
{
        for (uint32_t p = 0; p < a->n_functions; p++)
                for (uint32_t c = 0; c < a->n_functions; c++) {
                        struct p2p_decision d, e;

                        p2p_decide(a, a_rules, p, c, NULL, NULL, &d);
                        p2p_decide(b, b_rules, index_in_b[p], index_in_b[c], NULL, NULL, &e);
                        assert_int_equal(d.map, e.map);
                        assert_int_equal(d.distance_hops, e.distance_hops);
                        assert_int_equal(d.path, e.path);
                        assert_int_equal(d.decisive.kind, e.decisive.kind);
                }
}

/* ACS edits against a machine that was built with those bits. */
static void test_acs_from_scratch(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 60; seed++) {
                struct builder before = random_machine(seed), want = random_machine(seed);
                struct p2p_what_if_params params = {.flips_max = UINT32_MAX};
                struct random r = {.state = seed};
                struct p2p_rules rules;
                struct p2p_edit edits[5];
                uint32_t *index, *handles;
                struct p2p_what_if *w;
                uint64_t flips = 0;

                params.m = builder_finish(&before);
                index = calloc(params.m->n_functions, sizeof(*index));
                handles = calloc(params.m->n_functions, sizeof(*handles));
                assert_true(index && handles);
                for (uint32_t i = 0; i < params.m->n_functions; i++) {
                        index[i] = i;
                        for (uint32_t j = 0; j < params.m->n_functions; j++)
                                if (p2p_address_compare(params.m->functions[i].address,
                                                        builder_edit(&want, j)->address) == 0)
                                        handles[i] = j;
                }
                for (; params.n_edits < 5; params.n_edits++) {
                        uint32_t at = random_below(&r, params.m->n_functions);
                        uint16_t bits = (uint16_t)random_below(&r, 0x80);

                        edits[params.n_edits] = (struct p2p_edit){
                                .kind = P2P_EDIT_ACS,
                                .function = at,
                                .acs_set = bits,
                                .acs_clear = 0x7f & (uint16_t)~bits,
                        };
                        if (p2p_fact_is_absent(params.m->functions[at].acs_control)) {
                                edits[params.n_edits].acs_set = 0;
                                continue;
                        }
                        builder_edit(&want, handles[at])->acs_control = p2p_fact_known(bits);
                }
                params.edits = edits;
                assert_int_equal(p2p_what_if_new(&params, &w, NULL), 0);
                builder_finish(&want);
                rules = p2p_rules_for(want.m, P2P_RULES_RUNNING);
                expect_same_verdicts(w->after, &w->after_rules, want.m, &rules, index);
                for (uint32_t p = 0; p < params.m->n_functions; p++)
                        for (uint32_t c = 0; c < params.m->n_functions; c++) {
                                struct p2p_decision d, e;

                                if (!p2p_function_is_endpoint(&params.m->functions[p]) ||
                                    !p2p_function_is_endpoint(&params.m->functions[c]))
                                        continue;
                                p2p_decide(params.m, &rules, p, c, NULL, NULL, &d);
                                p2p_decide(want.m, &rules, p, c, NULL, NULL, &e);
                                flips += d.map != e.map || d.distance_hops != e.distance_hops;
                        }
                assert_int_equal(w->diff->n_flips_total, flips);
                p2p_what_if_free(w);
                free(index);
                free(handles);
                builder_free(&before);
                builder_free(&want);
        }
}

/* Hangs the device below the port on another port of a machine that is being built, at the
 * addresses told. */
static void rebuild(struct builder *b, const struct p2p_what_if *w, struct p2p_address from,
                    struct p2p_address to)
{
        uint32_t from_handle = P2P_NONE, to_handle = P2P_NONE;

        for (uint32_t i = 0; i < b->m->n_functions; i++) {
                if (p2p_address_compare(builder_edit(b, i)->address, from) == 0)
                        from_handle = i;
                if (p2p_address_compare(builder_edit(b, i)->address, to) == 0)
                        to_handle = i;
        }
        assert_true(from_handle != P2P_NONE && to_handle != P2P_NONE);
        for (uint32_t i = 0; i < b->m->n_functions; i++) {
                struct p2p_function *f = builder_edit(b, i);

                for (uint32_t j = 0; j < w->n_moves; j++)
                        if (p2p_address_compare(w->moves[j].before, f->address) == 0) {
                                f->address = w->moves[j].after;
                                f->numa_node = builder_edit(b, to_handle)->numa_node;
                                break;
                        }
                if (f->parent == from_handle)
                        f->parent = to_handle;
        }
}

/* Moves against a machine that was built with the device there, at the addresses predicted. */
static void test_moves_from_scratch(void **state)
{
        uint32_t n_moved = 0, n_refused = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 400; seed++) {
                struct builder before = random_machine(seed), want = random_machine(seed);
                struct p2p_what_if_params params = {.flips_max = UINT32_MAX, .n_edits = 1};
                struct random r = {.state = seed};
                struct p2p_edit edit = {.kind = P2P_EDIT_MOVE};
                struct p2p_what_if *w;
                struct p2p_rules rules;
                uint32_t *index;
                char port[16];
                int result;

                /* An empty port to go to, the same in both. */
                (void)snprintf(port, sizeof(port), "00:1e.%u", (unsigned)(seed % 8));
                builder_root_port(&before, port);
                builder_root_port(&want, port);
                params.m = builder_finish(&before);
                edit.function = random_below(&r, params.m->n_functions);
                edit.port = builder_at(&before, port);
                params.edits = &edit;
                result = p2p_what_if_new(&params, &w, NULL);
                if (result != 0) {
                        assert_int_equal(result, P2P_WHAT_IF_E_NOT_MOVABLE);
                        n_refused++;
                        goto next;
                }
                assert_true(w->n_moves > 0);
                rebuild(&want, w,
                        params.m->functions[params.m->functions[edit.function].parent].address,
                        params.m->functions[edit.port].address);
                builder_finish(&want);
                /* No two got the same address. */
                assert_int_equal(want.m->n_functions, params.m->n_functions);
                index = calloc(params.m->n_functions, sizeof(*index));
                assert_non_null(index);
                for (uint32_t i = 0; i < params.m->n_functions; i++) {
                        struct p2p_address address = params.m->functions[i].address;

                        for (uint32_t j = 0; j < w->n_moves; j++)
                                if (p2p_address_compare(w->moves[j].before, address) == 0) {
                                        address = w->moves[j].after;
                                        break;
                                }
                        index[i] = p2p_machine_find(want.m, address);
                        assert_int_not_equal(index[i], P2P_NONE);
                }
                rules = p2p_rules_for(want.m, P2P_RULES_RUNNING);
                expect_same_verdicts(w->after, &w->after_rules, want.m, &rules, index);
                free(index);
                p2p_what_if_free(w);
                n_moved++;
        next:
                builder_free(&before);
                builder_free(&want);
        }
        assert_true(n_moved > 100 && n_refused > 50);
}

/* Nothing edited: nothing differs, and the copy owns what it holds. */
static void test_no_edit(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct builder b = random_machine(seed);
                struct p2p_what_if_params params = {.flips_max = 10, .pairs_max = 10};
                struct p2p_machine *copy;
                struct p2p_diff *diff;
                struct p2p_what_if *w;

                p2p_machine_warn(b.m, NULL, "a warning");
                group(&b, 0, 3, P2P_GROUP_TRANSLATED)->n_regions = 0;
                params.m = builder_finish(&b);
                assert_int_equal(p2p_what_if_new(&params, &w, NULL), 0);
                assert_true(p2p_diff_is_empty(w->diff));
                assert_int_equal(w->n_pairs_total + w->n_moves + w->n_notes, 0);
                p2p_what_if_free(w);

                assert_int_equal(p2p_machine_copy(params.m, &copy), 0);
                assert_int_equal(p2p_machine_finish(copy), 0);
                assert_int_equal(p2p_diff_new(params.m, NULL, copy, NULL, 0, &diff), 0);
                assert_true(p2p_diff_is_empty(diff));
                assert_int_equal(copy->n_warnings, params.m->n_warnings);
                p2p_diff_free(diff);
                builder_free(&b);
                assert_true(copy->n_functions > 0 &&
                            copy->functions[0].bars[0].kind < P2P_BAR_KIND_MAX);
                p2p_machine_free(copy);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_acs_from_scratch),
                cmocka_unit_test(test_moves_from_scratch),
                cmocka_unit_test(test_no_edit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
