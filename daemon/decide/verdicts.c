/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/verdicts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-index.h"

/*
 * A verdict depends on an endpoint only through what p2p_decide() reads of it: its parent, its
 * root bus, its own ACS state and its NUMA node. Endpoints without children that are alike in those
 * form a class, and one pair of members decides for all. A class cell does not hold the verdict but
 * the number of one: a machine has few different ones.
 */

/* A cell whose verdict did not fit into the list of different ones: decided when asked. */
#define CELL_ASK UINT16_MAX

enum acs_state { ACS_CLEAR, ACS_REDIRECTS, ACS_UNREADABLE, ACS_HIDDEN };

/* Compared as bytes: words only, so that there is no padding. What cannot tell its parent has no
 * root bus either. */
struct key {
        uint32_t parent, root;
        uint32_t numa;  /* UINT32_MAX: unknown, of whatever kind */
        uint32_t alone; /* the function itself if it has children, else P2P_NONE */
        uint32_t acs;   /* enum acs_state */
};

struct endpoint_class {
        struct key key;
        uint32_t members[2]; /* the first two; the second is P2P_NONE if there is one only */
};

struct p2p_verdicts {
        const struct p2p_machine *m;
        struct p2p_rules rules;
        uint32_t *class_of; /* by function; P2P_NONE: not an endpoint */
        struct endpoint_class *classes;
        uint32_t n_classes;
        uint16_t *cells;  /* n_classes * n_classes, provider by provider */
        uint16_t *itself; /* n_classes: a member with itself */
        struct p2p_verdict *distinct;
        uint32_t n_distinct, distinct_room;
        struct p2p_bar_index *bars;
};

static enum acs_state acs_state(struct p2p_fact control)
{
        if (p2p_fact_is_known(control))
                return control.val & P2P_ACS_REDIRECT ? ACS_REDIRECTS : ACS_CLEAR;
        if (p2p_fact_is_absent(control))
                return ACS_CLEAR;
        return control.why == P2P_WHY_HIDDEN ? ACS_HIDDEN : ACS_UNREADABLE;
}

static struct key key_of(const struct p2p_machine *m, uint32_t function, bool has_children)
{
        const struct p2p_function *f = &m->functions[function];

        return (struct key){
                .parent = f->parent,
                .root = f->root,
                .numa = p2p_fact_is_known(f->numa_node) && f->numa_node.val < UINT32_MAX
                                ? (uint32_t)f->numa_node.val
                                : UINT32_MAX,
                .alone = has_children ? function : P2P_NONE,
                .acs = acs_state(f->acs_control),
        };
}

static uint32_t key_hash(const struct key *k)
{
        const uint32_t words[] = {k->parent, k->root, k->numa, k->alone, k->acs};
        uint32_t h = 2166136261U;

        for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                h = (h ^ words[i]) * 16777619U;
        return h ^ h >> 15;
}

/* Puts every endpoint into its class. slots: an open hash table of class numbers. */
static void classify(struct p2p_verdicts *v, const bool *has_children, uint32_t *slots,
                     uint32_t mask)
{
        memset(slots, 0xff, ((size_t)mask + 1) * sizeof(*slots));
        for (uint32_t i = 0; i < v->m->n_functions; i++) {
                struct key k;
                uint32_t at;

                v->class_of[i] = P2P_NONE;
                if (!p2p_function_is_endpoint(&v->m->functions[i]))
                        continue;
                k = key_of(v->m, i, has_children[i]);
                for (at = key_hash(&k) & mask; slots[at] != P2P_NONE; at = (at + 1) & mask)
                        if (memcmp(&v->classes[slots[at]].key, &k, sizeof(k)) == 0)
                                break;
                if (slots[at] == P2P_NONE) {
                        slots[at] = v->n_classes++;
                        v->classes[slots[at]] = (struct endpoint_class){.members = {i, P2P_NONE}};
                        v->classes[slots[at]].key = k;
                } else if (v->classes[slots[at]].members[1] == P2P_NONE) {
                        v->classes[slots[at]].members[1] = i;
                }
                v->class_of[i] = slots[at];
        }
}

static int make_classes(struct p2p_verdicts *v)
{
        const struct p2p_machine *m = v->m;
        bool *has_children = NULL;
        uint32_t *slots = NULL, mask = 15;
        struct endpoint_class *fit;
        int r = -1;

        while (mask / 2 < m->n_functions && mask < UINT32_MAX / 2)
                mask = mask * 2 + 1;
        has_children = calloc((size_t)m->n_functions + 1, sizeof(*has_children));
        slots = malloc(((size_t)mask + 1) * sizeof(*slots));
        v->class_of = calloc((size_t)m->n_functions + 1, sizeof(*v->class_of));
        v->classes = calloc((size_t)m->n_functions + 1, sizeof(*v->classes));
        if (!has_children || !slots || !v->class_of || !v->classes)
                goto out;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].parent != P2P_NONE)
                        has_children[m->functions[i].parent] = true;
        classify(v, has_children, slots, mask);
        fit = reallocarray(v->classes, (size_t)v->n_classes + 1, sizeof(*fit));
        if (fit)
                v->classes = fit;
        r = 0;
out:
        free(has_children);
        free(slots);
        return r;
}

static struct p2p_verdict decide(const struct p2p_verdicts *v, uint32_t provider, uint32_t client)
{
        struct p2p_decision d;

        p2p_decide(v->m, &v->rules, provider, client, NULL, NULL, &d);
        return (struct p2p_verdict){
                .distance_hops = d.distance_hops,
                .map = (uint8_t)d.map,
                .path = (uint8_t)d.path,
                .reason = (uint8_t)d.decisive.kind,
        };
}

static bool verdict_is(const struct p2p_verdict *a, const struct p2p_verdict *b)
{
        return a->distance_hops == b->distance_hops && a->map == b->map && a->path == b->path &&
               a->reason == b->reason;
}

/* The number of the verdict among the different ones. Few enough to look at one after the other;
 * neighbouring cells mostly hold the one found last. */
static int number_of(struct p2p_verdicts *v, struct p2p_verdict verdict, uint16_t *number)
{
        if (*number < v->n_distinct && verdict_is(&v->distinct[*number], &verdict))
                return 0;
        for (uint32_t i = 0; i < v->n_distinct; i++)
                if (verdict_is(&v->distinct[i], &verdict)) {
                        *number = (uint16_t)i;
                        return 0;
                }
        if (v->n_distinct == CELL_ASK) {
                *number = CELL_ASK;
                return 0;
        }
        if (v->n_distinct == v->distinct_room) {
                uint32_t room = v->distinct_room * 2 + 16;
                struct p2p_verdict *p = reallocarray(v->distinct, room, sizeof(*p));

                if (!p)
                        return -1;
                v->distinct = p;
                v->distinct_room = room;
        }
        *number = (uint16_t)v->n_distinct;
        v->distinct[v->n_distinct++] = verdict;
        return 0;
}

static int fill_cells(struct p2p_verdicts *v)
{
        const uint32_t n = v->n_classes;
        uint16_t number = 0;
        size_t n_cells;

        if (__builtin_mul_overflow((size_t)n, (size_t)n, &n_cells))
                return -1;
        v->cells = calloc(n_cells + 1, sizeof(*v->cells));
        v->itself = calloc((size_t)n + 1, sizeof(*v->itself));
        if (!v->cells || !v->itself)
                return -1;
        for (uint32_t p = 0; p < n; p++) {
                const uint32_t provider = v->classes[p].members[0];

                for (uint32_t c = 0; c < n; c++) {
                        /* Within a class two different members stand for all; a class of one has
                         * nobody else, and its cell repeats the function with itself. */
                        uint32_t client = v->classes[c].members[p == c];

                        if (client == P2P_NONE)
                                client = provider;
                        if (number_of(v, decide(v, provider, client), &number) < 0)
                                return -1;
                        v->cells[(size_t)p * n + c] = number;
                }
                if (number_of(v, decide(v, provider, provider), &number) < 0)
                        return -1;
                v->itself[p] = number;
        }
        return 0;
}

struct p2p_verdicts *p2p_verdicts_new(const struct p2p_machine *m, struct p2p_rules rules)
{
        struct p2p_verdicts *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->m = m;
        v->rules = rules;
        v->bars = p2p_bar_index_new(m);
        if (!v->bars || make_classes(v) < 0 || fill_cells(v) < 0)
                return p2p_verdicts_free(v);
        return v;
}

struct p2p_verdicts *p2p_verdicts_free(struct p2p_verdicts *v)
{
        if (!v)
                return NULL;
        p2p_bar_index_free(v->bars);
        free(v->class_of);
        free(v->classes);
        free(v->cells);
        free(v->itself);
        free(v->distinct);
        free(v);
        return NULL;
}

struct p2p_verdict p2p_verdicts_get_classes(const struct p2p_verdicts *v, uint32_t provider,
                                            uint32_t client, bool same_function)
{
        uint16_t number;

        assert(provider < v->n_classes && client < v->n_classes);
        assert(!same_function || provider == client);
        number = same_function ? v->itself[provider]
                               : v->cells[(size_t)provider * v->n_classes + client];
        if (number == CELL_ASK) {
                uint32_t other = v->classes[client].members[provider == client && !same_function];

                return decide(v, v->classes[provider].members[0],
                              other == P2P_NONE ? v->classes[client].members[0] : other);
        }
        return v->distinct[number];
}

struct p2p_verdict p2p_verdicts_get(const struct p2p_verdicts *v, uint32_t provider,
                                    uint32_t client)
{
        uint32_t p, c;

        assert(provider < v->m->n_functions && client < v->m->n_functions);
        p = v->class_of[provider];
        c = v->class_of[client];
        if (p == P2P_NONE || c == P2P_NONE)
                return decide(v, provider, client);
        return p2p_verdicts_get_classes(v, p, c, provider == client);
}

const struct p2p_machine *p2p_verdicts_machine(const struct p2p_verdicts *v)
{
        return v->m;
}

const struct p2p_rules *p2p_verdicts_rules(const struct p2p_verdicts *v)
{
        return &v->rules;
}

uint32_t p2p_verdicts_n_classes(const struct p2p_verdicts *v)
{
        return v->n_classes;
}

uint32_t p2p_verdicts_class(const struct p2p_verdicts *v, uint32_t function)
{
        assert(function < v->m->n_functions);
        return v->class_of[function];
}

const struct p2p_bar_index *p2p_verdicts_bars(const struct p2p_verdicts *v)
{
        return v->bars;
}
