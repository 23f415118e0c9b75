/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

/*
 * The last step of building a machine: from "in the order they were found, with whatever
 * references" to "sorted, without loops, every function with its root bus". After it nothing
 * changes any more.
 */

static uint32_t renumbered(const uint32_t *new_index, uint32_t n, uint32_t old)
{
        assert(old == P2P_NONE || old < n);
        (void)n;
        return old == P2P_NONE ? P2P_NONE : new_index[old];
}

static int compare_functions(const void *a, const void *b, void *functions)
{
        const struct p2p_function *f = functions;
        uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
        int c = p2p_address_compare(f[i].address, f[j].address);

        return c != 0 ? c : (i > j) - (i < j);
}

static bool is_sorted(const struct p2p_machine *m)
{
        for (uint32_t i = 1; i < m->n_functions; i++)
                if (p2p_address_compare(m->functions[i - 1].address, m->functions[i].address) >= 0)
                        return false;
        return true;
}

/* Sorts, drops the later one of two with the same address, and gives parent and physfn their new
 * indices. */
static int sort_functions(struct p2p_machine *m)
{
        uint32_t n = m->n_functions, kept = 0;
        uint32_t *order, *new_index;
        struct p2p_function *sorted;

        /* A scan adds them in order: nothing moves then, and thousands need no second copy. */
        if (is_sorted(m))
                return 0;
        order = calloc((size_t)n + 1, sizeof(*order));
        new_index = calloc((size_t)n + 1, sizeof(*new_index));
        sorted = calloc((size_t)n + 1, sizeof(*sorted));
        if (!order || !new_index || !sorted) {
                free(order);
                free(new_index);
                free(sorted);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < n; i++)
                order[i] = i;
        if (n > 1)
                qsort_r(order, n, sizeof(*order), compare_functions, m->functions);
        for (uint32_t i = 0; i < n; i++) {
                const struct p2p_function *f = &m->functions[order[i]];

                if (kept > 0 && p2p_address_compare(sorted[kept - 1].address, f->address) == 0) {
                        p2p_machine_warn(m, &f->address,
                                         "appears twice: only the first one counts");
                        new_index[order[i]] = kept - 1;
                        continue;
                }
                new_index[order[i]] = kept;
                sorted[kept++] = *f;
        }
        for (uint32_t i = 0; i < kept; i++) {
                sorted[i].parent = renumbered(new_index, n, sorted[i].parent);
                sorted[i].physfn = renumbered(new_index, n, sorted[i].physfn);
        }
        free(m->functions);
        m->functions = sorted;
        m->n_functions = kept;
        free(order);
        free(new_index);
        return 0;
}

static int compare_roots(const void *a, const void *b)
{
        const struct p2p_root *r = a, *s = b;

        if (r->segment != s->segment)
                return r->segment < s->segment ? -1 : 1;
        return (r->bus > s->bus) - (r->bus < s->bus);
}

static int compare_groups(const void *a, const void *b)
{
        const struct p2p_group *g = a, *h = b;

        return (g->number > h->number) - (g->number < h->number);
}

static int sort_roots(struct p2p_machine *m)
{
        uint32_t n = m->n_roots;
        struct p2p_root *before;
        uint32_t *new_index;

        if (n == 0)
                return 0;
        before = calloc(n, sizeof(*before));
        new_index = calloc(n, sizeof(*new_index));
        if (!before || !new_index) {
                free(before);
                free(new_index);
                return -ENOMEM;
        }
        memcpy(before, m->roots, n * sizeof(*before));
        qsort(m->roots, n, sizeof(*m->roots), compare_roots);
        for (uint32_t i = 0; i < n; i++)
                for (uint32_t j = 0; j < n; j++)
                        if (compare_roots(&before[i], &m->roots[j]) == 0)
                                new_index[i] = j;
        for (uint32_t i = 0; i < m->n_functions; i++)
                m->functions[i].root = renumbered(new_index, n, m->functions[i].root);
        free(before);
        free(new_index);
        return 0;
}

static int sort_groups(struct p2p_machine *m)
{
        uint32_t *numbers;

        if (m->n_groups == 0)
                return 0;
        numbers = calloc(m->n_groups, sizeof(*numbers));
        if (!numbers)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_groups; i++)
                numbers[i] = m->groups[i].number;
        qsort(m->groups, m->n_groups, sizeof(*m->groups), compare_groups);
        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_function *f = &m->functions[i];
                struct p2p_group key;

                if (f->group == P2P_NONE)
                        continue;
                key.number = numbers[f->group];
                f->group = (uint32_t)((struct p2p_group *)bsearch(&key, m->groups, m->n_groups,
                                                                  sizeof(key), compare_groups) -
                                      m->groups);
        }
        free(numbers);
        return 0;
}

enum { UNSEEN, ON_THE_WAY, DONE };

/* A function that reaches itself by its parents has none that can be told. */
static void break_loop(struct p2p_machine *m, uint8_t *state, uint32_t start)
{
        uint32_t at = start;

        do {
                struct p2p_function *f = &m->functions[at];

                state[at] = DONE;
                at = f->parent;
                f->parent = P2P_NONE;
                f->root = P2P_NONE;
                f->parent_why = P2P_WHY_MALFORMED;
                p2p_machine_warn(
                        m, &f->address,
                        "is its own upstream bridge, by way of others: its place is unknown");
        } while (at != start);
}

/* Climbs from every function to one that is done or at the top, then gives the chain that one's
 * root. */
static int place_functions(struct p2p_machine *m)
{
        uint8_t *state = calloc((size_t)m->n_functions + 1, 1);

        if (!state)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++) {
                uint32_t at = i, root;

                while (state[at] == UNSEEN) {
                        state[at] = ON_THE_WAY;
                        if (m->functions[at].parent == P2P_NONE)
                                break;
                        at = m->functions[at].parent;
                        if (state[at] == ON_THE_WAY)
                                break_loop(m, state, at);
                }
                if (m->functions[at].parent_why != P2P_WHY_KNOWN)
                        m->functions[at].root = P2P_NONE;
                root = m->functions[at].root;
                for (uint32_t j = i; j != P2P_NONE && state[j] == ON_THE_WAY;
                     j = m->functions[j].parent) {
                        state[j] = DONE;
                        m->functions[j].root = root;
                }
        }
        free(state);
        return 0;
}

/* Virtual functions of an integrated PF can hang on the root bus with another bus number: they are
 * not on its list. */
static void find_first_functions(struct p2p_machine *m)
{
        for (uint32_t i = m->n_functions; i > 0; i--) {
                const struct p2p_function *f = &m->functions[i - 1];
                struct p2p_root *r = f->root == P2P_NONE ? NULL : &m->roots[f->root];

                if (r && f->parent == P2P_NONE && f->address.segment == r->segment &&
                    f->address.bus == r->bus)
                        r->first_function = i - 1;
        }
}

int p2p_machine_finish(struct p2p_machine *m)
{
        int r;

        r = sort_functions(m);
        if (r == 0)
                r = sort_roots(m);
        if (r == 0)
                r = sort_groups(m);
        if (r == 0)
                r = place_functions(m);
        if (r < 0)
                return r;
        find_first_functions(m);
        return 0;
}
