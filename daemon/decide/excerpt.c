/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/excerpt.h"

#include <assert.h>
#include <errno.h>

/* Adds the function and what is above it, as far as it is not there yet. Returns its index in the
 * order of adding, or P2P_NONE. */
static uint32_t add_path(struct p2p_machine *to, const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *from = &m->functions[function];
        uint32_t parent = P2P_NONE, root = P2P_NONE;
        struct p2p_function *f;

        for (uint32_t i = 0; i < to->n_functions; i++)
                if (p2p_address_compare(to->functions[i].address, from->address) == 0)
                        return i;
        if (from->parent != P2P_NONE) {
                parent = add_path(to, m, from->parent);
                if (parent == P2P_NONE)
                        return P2P_NONE;
        }
        if (from->root != P2P_NONE) {
                const struct p2p_root *r = &m->roots[from->root];

                root = p2p_machine_add_root(to, r->segment, r->bus);
                if (root == P2P_NONE)
                        return P2P_NONE;
        }
        f = p2p_machine_add_function(to, from->address);
        if (!f)
                return P2P_NONE;
        *f = *from;
        f->parent = parent;
        f->root = root;
        f->physfn = P2P_NONE;
        f->group = P2P_NONE;
        return to->n_functions - 1;
}

static int add_side(struct p2p_machine *to, const struct p2p_machine *m, uint32_t function)
{
        const uint32_t root = m->functions[function].root;

        if (add_path(to, m, function) == P2P_NONE)
                return -ENOMEM;
        if (root != P2P_NONE && m->roots[root].first_function != P2P_NONE &&
            add_path(to, m, m->roots[root].first_function) == P2P_NONE)
                return -ENOMEM;
        return 0;
}

int p2p_excerpt_init(struct p2p_excerpt *e, const struct p2p_machine *m, uint32_t provider,
                     uint32_t client)
{
        struct p2p_machine *to = p2p_machine_new(m->source);
        int r = -ENOMEM;

        if (!to)
                return r;
        to->cpu_vendor = m->cpu_vendor;
        to->cpu_why = m->cpu_why;
        to->cpu_vendor_text = m->cpu_vendor_text;
        to->is_x86 = m->is_x86;
        to->cpu_family = m->cpu_family;
        to->cpu_model = m->cpu_model;
        to->kernel_release = m->kernel_release;
        to->kernel_why = m->kernel_why;
        to->numa_nodes = m->numa_nodes;
        r = add_side(to, m, provider);
        if (r == 0)
                r = add_side(to, m, client);
        if (r == 0)
                r = p2p_machine_finish(to);
        if (r < 0) {
                p2p_machine_free(to);
                return r;
        }
        e->machine = to;
        e->provider = p2p_machine_find(to, m->functions[provider].address);
        e->client = p2p_machine_find(to, m->functions[client].address);
        assert(e->provider != P2P_NONE && e->client != P2P_NONE);
        return 0;
}

void p2p_excerpt_deinit(struct p2p_excerpt *e)
{
        e->machine = p2p_machine_free(e->machine);
}
