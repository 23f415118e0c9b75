/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs-keep.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is to be read is a list that grows while it is worked off: a function that was read names
 * its port, the port names the next one. When the list is done, all kept functions are looked at
 * once more for what was learned meanwhile, until nothing is added.
 */

static void want(struct p2pd_keep *k, uint32_t i)
{
        if (i == P2P_NONE || !k->scan->scratch[i].is_kept)
                return;
        k->scan->scratch[i].is_kept = false;
        k->wanted[k->n_wanted++] = i;
}

static void want_all(struct p2pd_keep *k)
{
        for (uint32_t i = 0; i < k->scan->machine->n_functions; i++)
                want(k, i);
}

/* Everything on the bus but virtual functions that were there before: those hang on their PF. */
static void want_bus(struct p2pd_keep *k, struct p2p_address address)
{
        const struct p2p_machine *m = k->scan->machine;
        const struct p2p_address first = {.segment = address.segment, .bus = address.bus};
        uint32_t low = 0, high = m->n_functions;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (p2p_address_compare(m->functions[middle].address, first) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (uint32_t i = low; i < m->n_functions; i++) {
                const uint32_t was = k->scan->scratch[i].was;

                if (m->functions[i].address.segment != address.segment ||
                    m->functions[i].address.bus != address.bus)
                        break;
                if (was == P2P_NONE || !k->previous->functions[was].is_vf)
                        want(k, i);
        }
}

/* Something happened to the function at this address; was: where it is in the machine before, or
 * P2P_NONE. */
static void touch(struct p2pd_keep *k, struct p2p_address address, uint32_t was)
{
        const struct p2p_function *f;

        want_bus(k, address);
        if (was == P2P_NONE)
                return;
        f = &k->previous->functions[was];
        k->touched[was] = 1;
        if (f->parent != P2P_NONE)
                want(k, k->now[f->parent]);
        if (f->physfn != P2P_NONE)
                want(k, k->now[f->physfn]);
}

/* What leads to the bus of a function that came and went: neither machine knows where it hung. */
static void want_port(struct p2pd_keep *k, struct p2p_address address)
{
        const struct p2p_machine *a = k->previous;
        uint32_t nearest = P2P_NONE;

        for (uint32_t i = 0; i < a->n_functions; i++) {
                const struct p2p_function *f = &a->functions[i];

                if (f->address.segment == address.segment && p2p_fact_is_known(f->secondary_bus) &&
                    p2p_fact_is_known(f->subordinate_bus) &&
                    f->secondary_bus.val > f->address.bus && f->secondary_bus.val <= address.bus &&
                    f->subordinate_bus.val >= address.bus &&
                    (nearest == P2P_NONE ||
                     f->secondary_bus.val > a->functions[nearest].secondary_bus.val))
                        nearest = i;
        }
        if (nearest != P2P_NONE)
                want(k, k->now[nearest]);
}

/* Both lists are sorted by address: one pass over both. */
static void match(struct p2pd_keep *k)
{
        const struct p2p_machine *a = k->previous, *b = k->scan->machine;
        uint32_t i = 0, j = 0;

        while (i < a->n_functions || j < b->n_functions) {
                int order = i == a->n_functions   ? 1
                            : j == b->n_functions ? -1
                                                  : p2p_address_compare(a->functions[i].address,
                                                                        b->functions[j].address);

                if (order < 0) {
                        k->now[i++] = P2P_NONE;
                        continue;
                }
                k->scan->scratch[j].is_kept = true;
                k->scan->scratch[j].was = order == 0 ? i : P2P_NONE;
                if (order == 0)
                        k->now[i++] = j;
                j++;
        }
}

static bool is_same(const struct p2p_function *before, const struct p2p_function *now)
{
        return before->incarnation != 0 && before->incarnation == now->incarnation;
}

/* A function whose place or PF could not be told may have them now. */
static bool is_settled(const struct p2p_function *f)
{
        return f->parent_why == P2P_WHY_KNOWN && (!f->is_vf || f->physfn != P2P_NONE);
}

static void begin(struct p2pd_keep *k, const struct p2pd_scope *scope)
{
        const struct p2p_machine *a = k->previous, *b = k->scan->machine;

        for (uint32_t i = 0; i < b->n_functions; i++) {
                const uint32_t was = k->scan->scratch[i].was;

                if (was != P2P_NONE && is_same(&a->functions[was], &b->functions[i])) {
                        if (!is_settled(&a->functions[was])) {
                                want(k, i);
                                /* Nor did what is below it know what is above. */
                                k->touched[was] = 1;
                        }
                        continue;
                }
                want(k, i);
                touch(k, b->functions[i].address, was);
        }
        for (uint32_t j = 0; j < a->n_functions; j++)
                if (k->now[j] == P2P_NONE)
                        touch(k, a->functions[j].address, j);
        for (uint32_t n = 0; n < scope->n; n++) {
                const uint32_t was = p2p_machine_find(a, scope->addresses[n]);
                const uint32_t now = p2p_machine_find(b, scope->addresses[n]);

                want(k, now);
                touch(k, scope->addresses[n], was);
                if (was == P2P_NONE && now == P2P_NONE)
                        want_port(k, scope->addresses[n]);
        }
        for (uint32_t n = 0; n < a->n_warnings; n++)
                if (a->warnings[n].has_address)
                        want(k, p2p_machine_find(b, a->warnings[n].address));
        if (a->n_warnings_dropped > 0)
                want_all(k);
}

int p2pd_keep_init(struct p2pd_keep *k, struct p2pd_scan *scan, const struct p2p_machine *previous,
                   const struct p2pd_scope *scope)
{
        assert(!scope->everything);
        *k = (struct p2pd_keep){.previous = previous, .scan = scan};
        k->now = calloc((size_t)previous->n_functions + 1, sizeof(*k->now));
        k->touched = calloc((size_t)previous->n_functions + 1, sizeof(*k->touched));
        k->roots = malloc(((size_t)previous->n_roots + 1) * sizeof(*k->roots));
        k->wanted = calloc((size_t)scan->machine->n_functions + 1, sizeof(*k->wanted));
        if (!k->now || !k->touched || !k->roots || !k->wanted)
                return -ENOMEM;
        match(k);
        begin(k, scope);
        return 0;
}

void p2pd_keep_deinit(struct p2pd_keep *k)
{
        free(k->now);
        free(k->touched);
        free(k->roots);
        free(k->wanted);
        *k = (struct p2pd_keep){0};
}

/* Below a function of the machine before that was touched. No loops: that one is finished. */
static bool is_below_touched(const struct p2pd_keep *k, uint32_t parent)
{
        for (uint32_t at = parent; at != P2P_NONE; at = k->previous->functions[at].parent)
                if (k->touched[at])
                        return true;
        return false;
}

/* It was read anew, and is where it was: its index in the scan. */
static uint32_t read_anew(const struct p2pd_keep *k, uint32_t was)
{
        const uint32_t now = was == P2P_NONE ? P2P_NONE : k->now[was];

        return now != P2P_NONE && !k->scan->scratch[now].is_kept ? now : P2P_NONE;
}

/* What p2pd_settle() would make of ARI now. */
static bool has_other_ari(const struct p2pd_keep *k, const struct p2p_function *f)
{
        const uint32_t port = read_anew(k, f->parent);
        struct p2p_fact above;

        if (port == P2P_NONE)
                return false;
        above = k->scan->scratch[port].extra->ari_forwarding;
        return p2p_fact_is_unknown(above) || !p2p_fact_is_known(f->ari) || f->ari.val != above.val;
}

/* Facts that a VF has from its PF, apart from those that p2pd_settle() gives it in any case. */
static bool has_other_physfn(const struct p2pd_keep *k, const struct p2p_function *f)
{
        const uint32_t now = read_anew(k, f->physfn);
        const struct p2p_function *before, *after;

        /* Also of one that is gone, while the VF is still listed. */
        if (f->physfn != P2P_NONE && k->touched[f->physfn])
                return true;
        if (now == P2P_NONE)
                return false;
        before = &k->previous->functions[f->physfn];
        after = &k->scan->machine->functions[now];
        return before->config_bytes != after->config_bytes ||
               before->numa_node.why != after->numa_node.why ||
               before->numa_node.val != after->numa_node.val;
}

/* Looks for kept functions that what was read so far concerns. */
static void spread(struct p2pd_keep *k)
{
        uint32_t parent = P2P_NONE;
        bool is_below = false;

        for (uint32_t i = 0; i < k->scan->machine->n_functions; i++) {
                const struct p2p_function *f;

                if (!k->scan->scratch[i].is_kept)
                        continue;
                f = &k->previous->functions[k->scan->scratch[i].was];
                /* Neighbours mostly hang on one port. */
                if (f->parent != parent) {
                        parent = f->parent;
                        is_below = is_below_touched(k, parent);
                }
                if (is_below || has_other_ari(k, f) || has_other_physfn(k, f))
                        want(k, i);
        }
}

uint32_t p2pd_keep_next(struct p2pd_keep *k)
{
        if (k->n_read == k->n_wanted)
                spread(k);
        return k->n_read == k->n_wanted ? P2P_NONE : k->wanted[k->n_read++];
}

/* A bridge other than the ports of PCI Express: what is below it may be without extended config
 * space because of it. */
static bool may_hide(const struct p2p_function *f)
{
        if (p2p_fact_is_known(f->header_type) && f->header_type.val == 0)
                return false;
        if (p2p_fact_is_unknown(f->port_type))
                return false;
        return p2p_fact_is_absent(f->port_type) ||
               (f->port_type.val != P2P_PORT_ROOT_PORT && f->port_type.val != P2P_PORT_UPSTREAM &&
                f->port_type.val != P2P_PORT_DOWNSTREAM);
}

void p2pd_keep_follow(struct p2pd_keep *k, uint32_t i)
{
        const struct p2p_machine *m = k->scan->machine;
        const struct p2p_function *f = &m->functions[i];
        const struct p2pd_scratch *x = &k->scan->scratch[i];
        uint32_t parent = P2P_NONE;

        if (x->is_gone) {
                touch(k, f->address, x->was);
                return;
        }
        if (x->place_why == P2P_WHY_KNOWN && x->place.has_parent)
                parent = p2p_machine_find(m, x->place.parent);
        /* Then the bus numbers of all bridges, or the capabilities of all PFs, have to tell. Or the
         * list is not whole, and the ports above the missing one cannot be told. */
        if (x->place_why != P2P_WHY_KNOWN || (f->is_vf && !x->has_physfn) ||
            (x->place.has_parent && parent == P2P_NONE))
                want_all(k);
        want(k, parent);
        if (x->has_physfn)
                want(k, p2p_machine_find(m, x->physfn));
        if (x->was != P2P_NONE && (may_hide(f) || may_hide(&k->previous->functions[x->was])))
                k->touched[x->was] = 1;
}

static int take_names(struct p2p_machine *m, struct p2p_function *f)
{
        const char **names;

        if (f->n_names == 0)
                return 0;
        names = p2p_machine_alloc(m, f->n_names, sizeof(*names));
        if (!names)
                return -ENOMEM;
        for (uint32_t i = 0; i < f->n_names; i++) {
                names[i] = p2p_machine_strndup(m, f->names[i], SIZE_MAX);
                if (!names[i])
                        return -ENOMEM;
        }
        f->names = names;
        return 0;
}

static int take_root(struct p2pd_keep *k, struct p2p_function *f)
{
        const struct p2p_root *root = &k->previous->roots[f->root];
        uint32_t *now = &k->roots[f->root];

        if (*now == P2P_NONE)
                *now = p2p_machine_add_root(k->scan->machine, root->segment, root->bus);
        f->root = *now;
        return *now == P2P_NONE ? -ENOMEM : 0;
}

static int take_function(struct p2pd_keep *k, struct p2pd_strings *strings, uint32_t i)
{
        struct p2p_machine *m = k->scan->machine;
        struct p2pd_scratch *x = &k->scan->scratch[i];
        struct p2p_function *f = &m->functions[i];
        int r = 0;

        *f = k->previous->functions[x->was];
        if (f->driver && !(f->driver = p2pd_strings_copy(strings, m, f->driver)))
                return -ENOMEM;
        if (f->cpulist && !(f->cpulist = p2pd_strings_copy(strings, m, f->cpulist)))
                return -ENOMEM;
        if (f->group != P2P_NONE)
                x->group_number = k->previous->groups[f->group].number;
        f->group = P2P_NONE;
        if (f->physfn != P2P_NONE)
                f->physfn = k->now[f->physfn];
        /* Whose port or PF is gone was read. */
        assert(!f->is_vf || f->physfn != P2P_NONE);
        if (f->parent != P2P_NONE) {
                f->parent = k->now[f->parent];
                assert(f->parent != P2P_NONE);
                f->root = P2P_NONE;
        } else if (f->root != P2P_NONE) {
                r = take_root(k, f);
        }
        return r < 0 ? r : take_names(m, f);
}

int p2pd_keep_take(struct p2pd_keep *k, struct p2pd_strings *strings)
{
        const uint32_t n = k->scan->machine->n_functions;

        /* Some of those that were read may have turned out to be gone. */
        memset(k->now, 0xff, k->previous->n_functions * sizeof(*k->now));
        memset(k->roots, 0xff, k->previous->n_roots * sizeof(*k->roots));
        for (uint32_t i = 0; i < n; i++)
                if (k->scan->scratch[i].was != P2P_NONE)
                        k->now[k->scan->scratch[i].was] = i;
        for (uint32_t i = 0; i < n; i++)
                if (k->scan->scratch[i].is_kept) {
                        int r = take_function(k, strings, i);

                        if (r < 0)
                                return r;
                }
        return 0;
}

static int compare_groups(const void *key, const void *group)
{
        const uint32_t number = *(const uint32_t *)key;
        const struct p2p_group *g = group;

        return (number > g->number) - (number < g->number);
}

/* In a machine whose groups are sorted by number. */
static struct p2p_group *find_group(const struct p2p_machine *m, uint32_t number)
{
        return m->n_groups ? bsearch(&number, m->groups, m->n_groups, sizeof(*m->groups),
                                     compare_groups)
                           : NULL;
}

/* Groups that a function which was read is in, or was in, or one that is gone: their regions are
 * those of all members. */
static void find_changed_groups(const struct p2pd_keep *k, bool *changed)
{
        const struct p2p_machine *a = k->previous, *b = k->scan->machine;

        for (uint32_t i = 0; i < b->n_functions; i++)
                if (!k->scan->scratch[i].is_kept && b->functions[i].group != P2P_NONE)
                        changed[b->functions[i].group] = true;
        for (uint32_t j = 0; j < a->n_functions; j++) {
                const struct p2p_group *g;

                if (a->functions[j].group == P2P_NONE ||
                    (k->now[j] != P2P_NONE && k->scan->scratch[k->now[j]].is_kept))
                        continue;
                g = find_group(b, a->groups[a->functions[j].group].number);
                if (g)
                        changed[g - b->groups] = true;
        }
}

static int take_group(struct p2p_machine *m, struct p2p_group *g, const struct p2p_group *before)
{
        struct p2p_region *regions = NULL;

        if (before->n_regions > 0) {
                regions = p2p_machine_alloc(m, before->n_regions, sizeof(*regions));
                if (!regions)
                        return -ENOMEM;
                memcpy(regions, before->regions, before->n_regions * sizeof(*regions));
        }
        *g = *before;
        g->regions = regions;
        return 0;
}

int p2pd_keep_groups(struct p2pd_keep *k, uint32_t *ret, uint32_t *ret_n)
{
        struct p2p_machine *m = k->scan->machine;
        bool *changed = calloc((size_t)m->n_groups + 1, sizeof(*changed));
        uint32_t n = 0;
        int r = 0;

        if (!changed)
                return -ENOMEM;
        find_changed_groups(k, changed);
        for (uint32_t i = 0; i < m->n_groups && r == 0; i++) {
                const struct p2p_group *before = find_group(k->previous, m->groups[i].number);

                /* Of malformed ones there is a warning, which only reading repeats. */
                if (changed[i] || !before || before->type_why == P2P_WHY_MALFORMED ||
                    before->regions_why == P2P_WHY_MALFORMED)
                        ret[n++] = i;
                else
                        r = take_group(m, &m->groups[i], before);
        }
        free(changed);
        if (r == 0)
                *ret_n = n;
        return r;
}
