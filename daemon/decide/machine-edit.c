/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/machine-edit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* NULL stays NULL. 0 or -ENOMEM. */
static int copy_text(struct p2p_machine *to, const char **text)
{
        if (!*text)
                return 0;
        *text = p2p_machine_strndup(to, *text, SIZE_MAX);
        return *text ? 0 : -ENOMEM;
}

static int copy_names(struct p2p_machine *to, struct p2p_function *f)
{
        const char **names;

        if (f->n_names == 0) {
                f->names = NULL;
                return 0;
        }
        names = p2p_machine_alloc(to, f->n_names, sizeof(*names));
        if (!names)
                return -ENOMEM;
        for (uint32_t i = 0; i < f->n_names; i++) {
                names[i] = f->names[i];
                if (copy_text(to, &names[i]) < 0)
                        return -ENOMEM;
        }
        f->names = names;
        return 0;
}

static int copy_functions(struct p2p_machine *to, const struct p2p_machine *m)
{
        for (uint32_t i = 0; i < m->n_functions; i++) {
                struct p2p_function *f = p2p_machine_add_function(to, m->functions[i].address);

                if (!f)
                        return -ENOMEM;
                *f = m->functions[i];
                if (copy_text(to, &f->driver) < 0 || copy_text(to, &f->cpulist) < 0 ||
                    copy_names(to, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int copy_roots_and_groups(struct p2p_machine *to, const struct p2p_machine *m)
{
        for (uint32_t i = 0; i < m->n_roots; i++)
                if (p2p_machine_add_root(to, m->roots[i].segment, m->roots[i].bus) == P2P_NONE)
                        return -ENOMEM;
        for (uint32_t i = 0; i < m->n_groups; i++) {
                const struct p2p_group *from = &m->groups[i];
                struct p2p_group *g;

                if (p2p_machine_add_group(to, from->number) == P2P_NONE)
                        return -ENOMEM;
                g = &to->groups[to->n_groups - 1];
                *g = *from;
                if (from->n_regions == 0) {
                        g->regions = NULL;
                        continue;
                }
                g->regions = p2p_machine_alloc(to, from->n_regions, sizeof(*g->regions));
                if (!g->regions)
                        return -ENOMEM;
                memcpy(g->regions, from->regions, from->n_regions * sizeof(*g->regions));
        }
        return 0;
}

static int copy_machine_wide(struct p2p_machine *to, const struct p2p_machine *m)
{
        to->cpu_vendor = m->cpu_vendor;
        to->cpu_why = m->cpu_why;
        to->cpu_vendor_text = m->cpu_vendor_text;
        to->is_x86 = m->is_x86;
        to->cpu_family = m->cpu_family;
        to->cpu_model = m->cpu_model;
        to->kernel_release = m->kernel_release;
        to->kernel_why = m->kernel_why;
        to->kernel_command_line = m->kernel_command_line;
        to->kernel_has_p2pdma = m->kernel_has_p2pdma;
        to->numa_nodes = m->numa_nodes;
        to->iommu_kind = m->iommu_kind;
        if (copy_text(to, &to->cpu_vendor_text) < 0 || copy_text(to, &to->kernel_release) < 0 ||
            copy_text(to, &to->kernel_command_line) < 0 || copy_text(to, &to->iommu_kind) < 0)
                return -ENOMEM;
        return 0;
}

int p2p_machine_copy(const struct p2p_machine *m, struct p2p_machine **ret)
{
        struct p2p_machine *to = p2p_machine_new(m->source);

        if (!to)
                return -ENOMEM;
        if (copy_machine_wide(to, m) < 0 || copy_functions(to, m) < 0 ||
            copy_roots_and_groups(to, m) < 0) {
                p2p_machine_free(to);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < m->n_warnings; i++)
                p2p_machine_warn(to, m->warnings[i].has_address ? &m->warnings[i].address : NULL,
                                 "%s", m->warnings[i].text);
        to->n_warnings_dropped += m->n_warnings_dropped;
        *ret = to;
        return 0;
}

bool p2p_machine_is_below(const struct p2p_machine *m, uint32_t function, uint32_t bridge)
{
        assert(function < m->n_functions && bridge < m->n_functions);
        for (; function != P2P_NONE; function = m->functions[function].parent)
                if (function == bridge)
                        return true;
        return false;
}
