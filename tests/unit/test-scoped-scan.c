/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading what uevents named gives the machine that reading everything gives. Random trees on disk,
 * random steps of hotplug with what a kernel changes along with them, among them lists that are
 * torn and directories that are gone while they are read; each result is what the next step begins
 * with, so that nothing wrong is washed out. As a captured root, and as the live machine.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/diff.h"
#include "discover/scope.h"
#include "discover/source.h"
#include "discover/sysfs-scan.h"
#include "scoped-world.h"

#define MACHINES 12U
#define STEPS 24U

static void assert_same_facts(const struct p2p_function *a, const struct p2p_function *b)
{
        assert_int_equal(a->parent, b->parent);
        assert_int_equal(a->root, b->root);
        assert_int_equal(a->physfn, b->physfn);
        assert_int_equal(a->group, b->group);
        assert_int_equal(a->incarnation, b->incarnation);
        assert_int_equal(a->p2pmem_available_bytes.why, b->p2pmem_available_bytes.why);
        assert_int_equal(a->p2pmem_available_bytes.val, b->p2pmem_available_bytes.val);
}

/* p2p_diff looks at the facts; here is the rest of the record. */
static void assert_same(const struct p2p_machine *a, const struct p2p_machine *b)
{
        struct p2p_diff *d;

        assert_int_equal(p2p_diff_new(a, NULL, b, NULL, 0, &d), 0);
        for (uint32_t i = 0; i < d->n_changes; i++) {
                char name[P2P_ADDRESS_STRING_MAX];

                print_message("%s %s: %x\n", p2p_address_format(d->changes[i].address, name),
                              p2p_change_kind_to_string(d->changes[i].kind), d->changes[i].what);
        }
        assert_true(p2p_diff_is_empty(d));
        p2p_diff_free(d);
        assert_int_equal(a->n_functions, b->n_functions);
        for (uint32_t i = 0; i < a->n_functions; i++)
                assert_same_facts(&a->functions[i], &b->functions[i]);
        assert_int_equal(a->n_roots, b->n_roots);
        for (uint32_t i = 0; i < a->n_roots; i++)
                assert_int_equal(a->roots[i].first_function, b->roots[i].first_function);
        assert_int_equal(a->n_groups, b->n_groups);
        for (uint32_t i = 0; i < a->n_groups; i++)
                assert_int_equal(a->groups[i].number, b->groups[i].number);
        assert_int_equal(a->n_warnings, b->n_warnings);
        for (uint32_t i = 0; i < a->n_warnings; i++)
                assert_string_equal(a->warnings[i].text, b->warnings[i].text);
}

/* Config space of the live machine. */
static enum p2p_why read_config(struct p2p_address address, uint8_t *bytes, uint32_t *ret_n_bytes,
                                void *userdata)
{
        const struct world *w = userdata;

        for (uint32_t i = 0; i < w->n; i++) {
                const struct node *x = &w->nodes[i];
                struct config c;

                if (!x->is_there || p2p_address_compare(x->address, address) != 0)
                        continue;
                if (x->is_deaf)
                        return P2P_WHY_READER_LOST;
                c = world_config(w, x);
                memcpy(bytes, c.bytes, c.n_bytes);
                *ret_n_bytes = c.n_bytes;
                return P2P_WHY_KNOWN;
        }
        return P2P_WHY_GONE;
}

static struct p2p_machine *scan_live(struct world *w, const struct p2pd_tree *tree,
                                     const struct p2p_machine *previous,
                                     const struct p2pd_scope *scope)
{
        const struct p2pd_sysfs_scan_params params = {
                .tree = tree,
                .config_fn = read_config,
                .config_userdata = w,
                .previous = previous,
                .scope = scope,
        };
        struct p2p_machine *m;
        const char *error;

        if (p2pd_sysfs_scan(&params, &m, &error) < 0)
                fail_msg("%s", error);
        return m;
}

static struct p2p_machine *scan(struct p2pd_source *source, const struct p2p_machine *previous,
                                const struct p2pd_scope *scope)
{
        struct p2p_machine *m;
        const char *error;

        if (p2pd_source_scan(source, previous, scope, &m, &error) < 0)
                fail_msg("%s", error);
        return m;
}

static struct p2pd_source *open_source(const struct world *w)
{
        struct p2pd_source *source;

        assert_int_equal(p2pd_source_new(P2P_SOURCE_ROOT, w->root.path, NULL, &source), 0);
        return source;
}

static void test_random_steps(void **state)
{
        (void)state;
        for (uint32_t seed = 0; seed < MACHINES; seed++) {
                struct world *w = world_new_random(seed);
                struct p2pd_source *source = open_source(w);
                struct p2p_machine *before = scan(source, NULL, NULL), *all, *some;

                for (uint32_t n = 0; n < STEPS; n++) {
                        struct p2pd_scope scope;

                        world_random_steps(w, &scope);
                        all = scan(source, NULL, NULL);
                        some = scan(source, before, &scope);
                        p2p_machine_free(before);
                        assert_same(all, some);
                        p2p_machine_free(all);
                        before = some;
                }
                p2p_machine_free(before);
                assert_null(p2pd_source_free(source));
                root_free(&w->root);
                free(w);
        }
}

/* Then functions may be gone when they are read, asleep, or without config space. */
static void test_random_steps_live(void **state)
{
        const struct p2pd_scope everything = {.everything = true};

        (void)state;
        for (uint32_t seed = 0; seed < MACHINES; seed++) {
                struct world *w = world_new_random(1000 + seed);
                struct p2p_machine *before, *all, *some;
                struct p2pd_tree *tree;

                assert_int_equal(p2pd_tree_new_root(w->root.path, &tree), 0);
                before = scan_live(w, tree, NULL, &everything);
                for (uint32_t n = 0; n < STEPS; n++) {
                        struct p2pd_scope scope;

                        world_random_steps(w, &scope);
                        all = scan_live(w, tree, before, &everything);
                        some = scan_live(w, tree, before, &scope);
                        p2p_machine_free(before);
                        assert_same(all, some);
                        p2p_machine_free(all);
                        before = some;
                }
                p2p_machine_free(before);
                assert_null(p2pd_tree_free(tree));
                root_free(&w->root);
                free(w);
        }
}

static const struct p2p_function *at(const struct p2p_machine *m, const struct node *x)
{
        const uint32_t i = p2p_machine_find(m, x->address);

        assert_int_not_equal(i, P2P_NONE);
        return &m->functions[i];
}

/* What nobody named, and what has nothing to do with it, is not looked at. */
static void test_others_are_kept(void **state)
{
        struct p2pd_scope scope = {0};
        struct p2p_machine *before, *some, *all;
        struct p2pd_source *source;
        uint32_t near, far;
        struct world w;

        (void)state;
        world_build_fixed(&w, &near, &far);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        root_attribute(&w.root, w.nodes[near].place, "dma_mask_bits", "40\n");
        root_attribute(&w.root, w.nodes[far].place, "dma_mask_bits", "40\n");
        p2pd_scope_add(&scope, w.nodes[near].address);
        some = scan(source, before, &scope);
        assert_int_equal(at(some, &w.nodes[near])->dma_mask_bits.val, 40);
        assert_int_equal(at(some, &w.nodes[far])->dma_mask_bits.val, 64);
        /* The record lives on its own. */
        p2p_machine_free(before);
        assert_string_equal(at(some, &w.nodes[far])->cpulist, "0-7");
        scope.everything = true;
        all = scan(source, some, &scope);
        assert_int_equal(at(all, &w.nodes[far])->dma_mask_bits.val, 40);
        p2p_machine_free(all);
        p2p_machine_free(some);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

/* Removed and added again before anybody said so: the entry in the list is another one. */
static void test_another_one_at_the_address(void **state)
{
        struct p2pd_scope scope = {0};
        struct p2p_machine *before, *some;
        struct p2pd_source *source;
        char link[128], target[256], from[256], to[256], name[P2P_ADDRESS_STRING_MAX];
        uint32_t near, far;
        struct world w;

        (void)state;
        world_build_fixed(&w, &near, &far);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        (void)snprintf(link, sizeof(link), "sys/bus/pci/devices/%s",
                       p2p_address_format(w.nodes[far].address, name));
        (void)snprintf(target, sizeof(target), "../../../devices/%s", w.nodes[far].place);
        root_attribute(&w.root, w.nodes[far].place, "dma_mask_bits", "40\n");
        /* Moved away, so that its inode cannot be used again. */
        (void)snprintf(from, sizeof(from), "%s/%s", w.root.path, link);
        (void)snprintf(to, sizeof(to), "%s/sys/moved", w.root.path);
        assert_int_equal(rename(from, to), 0);
        root_link(&w.root, link, target);
        p2pd_scope_add(&scope, w.nodes[near].address);
        some = scan(source, before, &scope);
        assert_int_equal(at(some, &w.nodes[far])->dma_mask_bits.val, 40);
        p2p_machine_free(before);
        p2p_machine_free(some);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

/* A list read while the PF went: its VF still stands in it, and nobody has named either. */
static void test_virtual_outlives_physical(void **state)
{
        struct p2pd_scope scope = {0}, named = {0};
        struct p2p_machine *before, *some, *all;
        struct p2pd_source *source;
        uint32_t near, far, pf;
        struct world w;

        (void)state;
        world_build_fixed(&w, &near, &far);
        pf = world_add(&w, NIC, world_add(&w, ROOT_PORT, UINT32_MAX, 24), 0);
        world_write(&w, w.nodes[pf].parent, true);
        world_write(&w, pf, true);
        world_enable_virtual(&w, pf, &scope);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        assert_int_equal(at(before, &w.nodes[pf + 1])->physfn,
                         p2p_machine_find(before, w.nodes[pf].address));
        world_list(&w, &w.nodes[pf], false);
        p2pd_scope_add(&named, w.nodes[near].address);
        all = scan(source, NULL, NULL);
        some = scan(source, before, &named);
        assert_int_equal(at(some, &w.nodes[pf + 1])->physfn, P2P_NONE);
        assert_false(p2p_fact_is_known(at(some, &w.nodes[pf + 1])->memory_decoding));
        assert_same(all, some);
        p2p_machine_free(before);
        p2p_machine_free(some);
        p2p_machine_free(all);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

/* A port that is read because of its neighbour has vanished since it was listed: what is below it,
 * which nobody named, is looked at as well. */
static void test_vanishes_while_it_is_read(void **state)
{
        const struct p2pd_scope everything = {.everything = true};
        struct p2p_machine *before, *some, *all;
        struct p2pd_scope scope = {0};
        struct p2pd_tree *tree;
        uint32_t near, far;
        struct world w;

        (void)state;
        world_build_fixed(&w, &near, &far);
        assert_int_equal(p2pd_tree_new_root(w.root.path, &tree), 0);
        before = scan_live(&w, tree, NULL, &everything);
        world_remove_files(&w, w.nodes[w.nodes[far].parent].place);
        p2pd_scope_add(&scope, w.nodes[0].address);
        all = scan_live(&w, tree, before, &everything);
        some = scan_live(&w, tree, before, &scope);
        assert_int_equal(p2p_machine_find(some, w.nodes[far].address), P2P_NONE);
        assert_same(all, some);
        p2p_machine_free(before);
        p2p_machine_free(some);
        p2p_machine_free(all);
        assert_null(p2pd_tree_free(tree));
        root_free(&w.root);
}

/* It came and went before anybody looked: the port above is looked at all the same. */
static void test_came_and_went(void **state)
{
        struct p2pd_scope scope = {0};
        struct p2p_machine *before, *some;
        struct p2pd_source *source;
        uint32_t near, far, port;
        struct world w;

        (void)state;
        world_build_fixed(&w, &near, &far);
        port = w.nodes[far].parent;
        world_unplug(&w, far);
        world_list(&w, &w.nodes[far], false);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        root_attribute(&w.root, w.nodes[port].place, "dma_mask_bits", "40\n");
        p2pd_scope_add(&scope, w.nodes[far].address);
        some = scan(source, before, &scope);
        assert_int_equal(at(some, &w.nodes[port])->dma_mask_bits.val, 40);
        p2p_machine_free(before);
        p2p_machine_free(some);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

static void test_scope(void **state)
{
        struct p2pd_scope s = {0}, more = {0};

        (void)state;
        assert_true(p2pd_scope_is_empty(&s));
        for (unsigned i = 0; i < 2 * P2PD_SCOPE_MAX; i++)
                p2pd_scope_add(&s, (struct p2p_address){.bus = (uint8_t)(i / 2)});
        assert_int_equal(s.n, P2PD_SCOPE_MAX);
        assert_false(s.everything);
        p2pd_scope_add(&more, (struct p2p_address){.bus = 200});
        assert_false(p2pd_scope_is_empty(&more));
        p2pd_scope_merge(&more, &s);
        assert_int_equal(more.n, P2PD_SCOPE_MAX);
        assert_true(more.everything);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scope),
                cmocka_unit_test(test_others_are_kept),
                cmocka_unit_test(test_another_one_at_the_address),
                cmocka_unit_test(test_virtual_outlives_physical),
                cmocka_unit_test(test_vanishes_while_it_is_read),
                cmocka_unit_test(test_came_and_went),
                cmocka_unit_test(test_random_steps),
                cmocka_unit_test(test_random_steps_live),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
