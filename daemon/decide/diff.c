/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/diff.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The serial number that virtual functions of one physical function have. */
struct vf_serial {
        uint32_t physfn; /* P2P_NONE: of none */
        struct p2p_fact serial;
};

/* Two machines and, of each function of the later one, where it was in the earlier one. */
struct comparing {
        const struct p2p_machine *before, *after;
        const struct p2p_verdicts *before_verdicts, *after_verdicts;
        struct p2p_diff *d;
        uint32_t *was;                        /* by index in after: index in before, or P2P_NONE */
        struct vf_serial vf_before, vf_after; /* those asked for last */
};

const char *p2p_change_kind_to_string(enum p2p_change_kind kind)
{
        static const char *const names[P2P_CHANGE_KIND_MAX] = {
                [P2P_CHANGE_ADDED] = "added",
                [P2P_CHANGE_REMOVED] = "removed",
                [P2P_CHANGE_CHANGED] = "changed",
        };

        return kind < P2P_CHANGE_KIND_MAX ? names[kind] : NULL;
}

const char *p2p_changed_to_string(uint32_t bit)
{
        static const char *const names[] = {
                "acs",    "link",  "bars",  "driver",   "decoding", "group",
                "p2pmem", "names", "place", "identity", "other",
        };
        uint32_t i = 0;

        if (bit == 0 || (bit & (bit - 1)) != 0)
                return NULL;
        while ((bit >> i) != 1)
                i++;
        return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static bool fact_differs(struct p2p_fact a, struct p2p_fact b)
{
        return a.why != b.why || (a.why == P2P_WHY_KNOWN && a.val != b.val);
}

static bool text_differs(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool bar_differs(const struct p2p_bar *a, const struct p2p_bar *b)
{
        if (a->kind == P2P_BAR_ABSENT && b->kind == P2P_BAR_ABSENT)
                return false;
        return a->kind != b->kind || a->is_64bit != b->is_64bit ||
               a->prefetchable != b->prefetchable || a->assigned != b->assigned ||
               a->phys_why != b->phys_why || a->bus_why != b->bus_why ||
               (a->phys_why == P2P_WHY_KNOWN && a->phys_start.val != b->phys_start.val) ||
               (a->bus_why == P2P_WHY_KNOWN && a->bus_start.val != b->bus_start.val) ||
               fact_differs(a->size_bytes, b->size_bytes) ||
               fact_differs(a->resize_now_bytes, b->resize_now_bytes) ||
               fact_differs(a->resize_max_bytes, b->resize_max_bytes);
}

static bool bars_differ(const struct p2p_function *a, const struct p2p_function *b)
{
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                if (bar_differs(&a->bars[i], &b->bars[i]))
                        return true;
        return false;
}

static bool names_differ(const struct p2p_function *a, const struct p2p_function *b)
{
        if (a->n_names != b->n_names)
                return true;
        for (uint32_t i = 0; i < a->n_names; i++)
                if (strcmp(a->names[i], b->names[i]) != 0)
                        return true;
        return false;
}

static bool link_differs(const struct p2p_function *a, const struct p2p_function *b)
{
        return fact_differs(a->link_speed_mts, b->link_speed_mts) ||
               fact_differs(a->link_width_lanes, b->link_width_lanes) ||
               fact_differs(a->link_speed_max_mts, b->link_speed_max_mts) ||
               fact_differs(a->link_width_max_lanes, b->link_width_max_lanes);
}

static bool acs_differs(const struct p2p_function *a, const struct p2p_function *b)
{
        return fact_differs(a->acs_capability, b->acs_capability) ||
               fact_differs(a->acs_control, b->acs_control) ||
               fact_differs(a->acs_offset, b->acs_offset);
}

/* The serial number of the device. Virtual functions come by the thousand, those of one physical
 * function side by side, and without one of their own they have the same: it is asked for once. */
static struct p2p_fact serial_of(const struct p2p_machine *m, const struct p2p_function *f,
                                 struct vf_serial *vf)
{
        const uint32_t function = (uint32_t)(f - m->functions);

        if (!f->is_vf || f->physfn == P2P_NONE || !p2p_fact_is_absent(f->serial))
                return p2p_machine_serial(m, function);
        if (vf->physfn != f->physfn)
                *vf = (struct vf_serial){f->physfn, p2p_machine_serial(m, function)};
        return vf->serial;
}

/* That of a function without one of its own changes with another function's. */
static bool serial_differs(struct comparing *c, const struct p2p_function *a,
                           const struct p2p_function *b)
{
        return fact_differs(serial_of(c->before, a, &c->vf_before),
                            serial_of(c->after, b, &c->vf_after));
}

static bool identity_differs(struct comparing *c, const struct p2p_function *a,
                             const struct p2p_function *b)
{
        return serial_differs(c, a, b) || fact_differs(a->class_code, b->class_code) ||
               fact_differs(a->vendor, b->vendor) || fact_differs(a->device, b->device) ||
               fact_differs(a->subsystem_vendor, b->subsystem_vendor) ||
               fact_differs(a->subsystem_device, b->subsystem_device) ||
               fact_differs(a->revision, b->revision) ||
               fact_differs(a->header_type, b->header_type) ||
               fact_differs(a->port_type, b->port_type) || a->is_vf != b->is_vf;
}

/* How much is free moves with every allocation: that alone is no other machine. */
static bool p2pmem_differs(const struct p2p_function *a, const struct p2p_function *b)
{
        return fact_differs(a->p2pmem_size_bytes, b->p2pmem_size_bytes) ||
               fact_differs(a->p2pmem_published, b->p2pmem_published);
}

static bool other_differs(const struct p2p_function *a, const struct p2p_function *b)
{
        return fact_differs(a->secondary_bus, b->secondary_bus) ||
               fact_differs(a->subordinate_bus, b->subordinate_bus) ||
               fact_differs(a->bus_master, b->bus_master) || fact_differs(a->ari, b->ari) ||
               fact_differs(a->ats, b->ats) || fact_differs(a->pri, b->pri) ||
               fact_differs(a->pasid, b->pasid) ||
               fact_differs(a->sriov_total_vfs, b->sriov_total_vfs) ||
               fact_differs(a->sriov_num_vfs, b->sriov_num_vfs) ||
               fact_differs(a->numa_node, b->numa_node) ||
               fact_differs(a->dma_mask_bits, b->dma_mask_bits) ||
               fact_differs(a->config_size_bytes, b->config_size_bytes) ||
               a->config_bytes != b->config_bytes || text_differs(a->cpulist, b->cpulist);
}

static bool same_function(const struct p2p_machine *a, uint32_t i, const struct p2p_machine *b,
                          uint32_t j)
{
        if (i == P2P_NONE || j == P2P_NONE)
                return i == j;
        return p2p_address_compare(a->functions[i].address, b->functions[j].address) == 0;
}

static bool place_differs(const struct comparing *c, const struct p2p_function *a,
                          const struct p2p_function *b)
{
        if (a->parent_why != b->parent_why ||
            !same_function(c->before, a->parent, c->after, b->parent) ||
            !same_function(c->before, a->physfn, c->after, b->physfn))
                return true;
        if (a->root == P2P_NONE || b->root == P2P_NONE)
                return a->root != b->root;
        return c->before->roots[a->root].segment != c->after->roots[b->root].segment ||
               c->before->roots[a->root].bus != c->after->roots[b->root].bus;
}

static bool regions_differ(const struct p2p_group *a, const struct p2p_group *b)
{
        if (a->regions_why != b->regions_why || a->n_regions != b->n_regions)
                return true;
        for (uint32_t i = 0; i < a->n_regions; i++)
                if (a->regions[i].start != b->regions[i].start ||
                    a->regions[i].end != b->regions[i].end ||
                    a->regions[i].kind != b->regions[i].kind)
                        return true;
        return false;
}

static bool group_differs(const struct comparing *c, const struct p2p_function *a,
                          const struct p2p_function *b)
{
        const struct p2p_group *g, *h;

        if (a->group_why != b->group_why)
                return true;
        if (a->group == P2P_NONE || b->group == P2P_NONE)
                return a->group != b->group;
        g = &c->before->groups[a->group];
        h = &c->after->groups[b->group];
        return g->number != h->number || g->type != h->type || g->type_why != h->type_why ||
               regions_differ(g, h);
}

static uint32_t what_differs(struct comparing *c, const struct p2p_function *a,
                             const struct p2p_function *b)
{
        uint32_t what = 0;

        what |= acs_differs(a, b) ? P2P_CHANGED_ACS : 0;
        what |= link_differs(a, b) ? P2P_CHANGED_LINK : 0;
        what |= bars_differ(a, b) ? P2P_CHANGED_BARS : 0;
        what |= text_differs(a->driver, b->driver) || a->driver_why != b->driver_why
                        ? P2P_CHANGED_DRIVER
                        : 0;
        what |= fact_differs(a->memory_decoding, b->memory_decoding) ? P2P_CHANGED_DECODING : 0;
        what |= group_differs(c, a, b) ? P2P_CHANGED_GROUP : 0;
        what |= p2pmem_differs(a, b) ? P2P_CHANGED_P2PMEM : 0;
        what |= names_differ(a, b) ? P2P_CHANGED_NAMES : 0;
        what |= place_differs(c, a, b) ? P2P_CHANGED_PLACE : 0;
        what |= identity_differs(c, a, b) ? P2P_CHANGED_IDENTITY : 0;
        what |= other_differs(a, b) ? P2P_CHANGED_OTHER : 0;
        return what;
}

static bool machine_differs(const struct p2p_machine *a, const struct p2p_machine *b)
{
        return a->cpu_vendor != b->cpu_vendor || a->cpu_why != b->cpu_why ||
               a->is_x86 != b->is_x86 || text_differs(a->cpu_vendor_text, b->cpu_vendor_text) ||
               fact_differs(a->cpu_family, b->cpu_family) ||
               fact_differs(a->cpu_model, b->cpu_model) ||
               text_differs(a->kernel_release, b->kernel_release) ||
               a->kernel_why != b->kernel_why ||
               text_differs(a->kernel_command_line, b->kernel_command_line) ||
               fact_differs(a->kernel_has_p2pdma, b->kernel_has_p2pdma) ||
               fact_differs(a->numa_nodes, b->numa_nodes) ||
               text_differs(a->iommu_kind, b->iommu_kind);
}

static void add_change(struct comparing *c, enum p2p_change_kind kind, struct p2p_address address,
                       uint32_t what)
{
        c->d->changes[c->d->n_changes++] = (struct p2p_change){
                .kind = kind,
                .address = address,
                .what = what,
        };
}

/* Both lists are sorted by address: one pass over both. */
static void match_functions(struct comparing *c)
{
        const struct p2p_machine *a = c->before, *b = c->after;
        uint32_t i = 0;

        for (uint32_t j = 0; j < b->n_functions; j++) {
                int order = -1;

                while (i < a->n_functions &&
                       (order = p2p_address_compare(a->functions[i].address,
                                                    b->functions[j].address)) < 0)
                        i++;
                c->was[j] = i < a->n_functions && order == 0 ? i++ : P2P_NONE;
        }
}

static void compare_functions(struct comparing *c)
{
        const struct p2p_machine *a = c->before, *b = c->after;
        uint32_t i = 0;

        c->vf_before.physfn = c->vf_after.physfn = P2P_NONE;
        for (uint32_t j = 0; j < b->n_functions; j++) {
                const uint32_t was = c->was[j];
                uint32_t what;

                for (; i < a->n_functions &&
                       p2p_address_compare(a->functions[i].address, b->functions[j].address) < 0;
                     i++)
                        add_change(c, P2P_CHANGE_REMOVED, a->functions[i].address, 0);
                if (was == P2P_NONE) {
                        add_change(c, P2P_CHANGE_ADDED, b->functions[j].address, 0);
                        continue;
                }
                i = was + 1;
                what = what_differs(c, &a->functions[was], &b->functions[j]);
                if (what != 0)
                        add_change(c, P2P_CHANGE_CHANGED, b->functions[j].address, what);
        }
        for (; i < a->n_functions; i++)
                add_change(c, P2P_CHANGE_REMOVED, a->functions[i].address, 0);
}

/*
 * Flips are counted by kind, not by function: endpoints that were in one class and are in one class
 * now flip together.
 */
struct kind {
        uint32_t before, after; /* classes */
        uint32_t n;             /* how many endpoints */
};

struct kinds {
        struct kind *list;
        uint32_t n;
        uint32_t *of; /* by index in after: number of the kind, or P2P_NONE */
};

static int compare_kinds(const void *a, const void *b)
{
        const struct kind *k = a, *l = b;

        if (k->before != l->before)
                return k->before < l->before ? -1 : 1;
        return (k->after > l->after) - (k->after < l->after);
}

static struct kind kind_of(const struct comparing *c, uint32_t function)
{
        struct kind k = {P2P_NONE, P2P_NONE, 0};

        if (c->was[function] == P2P_NONE)
                return k;
        k.before = p2p_verdicts_class(c->before_verdicts, c->was[function]);
        k.after = p2p_verdicts_class(c->after_verdicts, function);
        return k;
}

static int find_kinds(const struct comparing *c, struct kinds *ks)
{
        const uint32_t n = c->after->n_functions;
        uint32_t n_all = 0;

        ks->of = calloc((size_t)n + 1, sizeof(*ks->of));
        ks->list = calloc((size_t)n + 1, sizeof(*ks->list));
        if (!ks->of || !ks->list)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                struct kind k = kind_of(c, i);

                /* An endpoint now and before. */
                if (k.before != P2P_NONE && k.after != P2P_NONE)
                        ks->list[n_all++] = k;
        }
        qsort(ks->list, n_all, sizeof(*ks->list), compare_kinds);
        for (uint32_t i = 0; i < n_all; i++) {
                if (ks->n == 0 || compare_kinds(&ks->list[ks->n - 1], &ks->list[i]) != 0)
                        ks->list[ks->n++] = ks->list[i];
                ks->list[ks->n - 1].n++;
        }
        for (uint32_t i = 0; i < n; i++) {
                struct kind k = kind_of(c, i), *found;

                ks->of[i] = P2P_NONE;
                if (k.before == P2P_NONE || k.after == P2P_NONE)
                        continue;
                found = bsearch(&k, ks->list, ks->n, sizeof(k), compare_kinds);
                ks->of[i] = (uint32_t)(found - ks->list);
        }
        return 0;
}

static bool flips(const struct comparing *c, const struct kind *provider, const struct kind *client,
                  bool same_function)
{
        struct p2p_verdict a, b;

        a = p2p_verdicts_get_classes(c->before_verdicts, provider->before, client->before,
                                     same_function);
        b = p2p_verdicts_get_classes(c->after_verdicts, provider->after, client->after,
                                     same_function);
        return a.map != b.map || a.distance_hops != b.distance_hops;
}

/* Fills the row of one kind of providers; the last entry is a function with itself. Returns how
 * many pairs flip. */
static uint64_t flip_row(const struct comparing *c, const struct kinds *ks, uint32_t provider,
                         bool *row)
{
        const struct kind *p = &ks->list[provider];
        uint64_t total = 0;

        for (uint32_t i = 0; i < ks->n; i++) {
                const struct kind *other = &ks->list[i];
                uint32_t others = other->n - (i == provider);

                row[i] = others > 0 && flips(c, p, other, false);
                if (row[i])
                        total += (uint64_t)p->n * others;
        }
        row[ks->n] = flips(c, p, p, true);
        if (row[ks->n])
                total += p->n;
        return total;
}

static void list_flips(const struct comparing *c, const struct kinds *ks, uint32_t provider,
                       const bool *row, uint32_t flips_max)
{
        const struct p2p_machine *b = c->after;

        for (uint32_t j = 0; j < b->n_functions && c->d->n_flips < flips_max; j++) {
                if (ks->of[j] == P2P_NONE || !row[j == provider ? ks->n : ks->of[j]])
                        continue;
                c->d->flips[c->d->n_flips++] = (struct p2p_flip){
                        .provider = b->functions[provider].address,
                        .client = b->functions[j].address,
                        .before = p2p_verdicts_get(c->before_verdicts, c->was[provider], c->was[j]),
                        .after = p2p_verdicts_get(c->after_verdicts, provider, j),
                };
        }
}

static int compare_pairs(struct comparing *c, uint32_t flips_max)
{
        struct kinds ks = {0};
        uint64_t total = 0;
        bool *row = NULL;
        int r;

        r = find_kinds(c, &ks);
        if (r < 0)
                goto out;
        r = -ENOMEM;
        row = calloc((size_t)ks.n + 1, sizeof(*row));
        if (!row)
                goto out;
        for (uint32_t i = 0; i < ks.n; i++)
                total += flip_row(c, &ks, i, row);
        c->d->n_flips_total = total;
        if (total < flips_max)
                flips_max = (uint32_t)total;
        c->d->flips = calloc((size_t)flips_max + 1, sizeof(*c->d->flips));
        if (!c->d->flips)
                goto out;
        for (uint32_t i = 0; i < c->after->n_functions && c->d->n_flips < flips_max; i++)
                if (ks.of[i] != P2P_NONE && flip_row(c, &ks, ks.of[i], row) > 0)
                        list_flips(c, &ks, i, row, flips_max);
        r = 0;
out:
        free(row);
        free(ks.of);
        free(ks.list);
        return r;
}

int p2p_diff_new(const struct p2p_machine *before, const struct p2p_verdicts *before_verdicts,
                 const struct p2p_machine *after, const struct p2p_verdicts *after_verdicts,
                 uint32_t flips_max, struct p2p_diff **ret)
{
        struct comparing c = {
                .before = before,
                .after = after,
                .before_verdicts = before_verdicts,
                .after_verdicts = after_verdicts,
        };
        size_t n = (size_t)before->n_functions + after->n_functions + 1;
        int r = -ENOMEM;

        c.d = calloc(1, sizeof(*c.d));
        c.was = calloc((size_t)after->n_functions + 1, sizeof(*c.was));
        if (c.d)
                c.d->changes = calloc(n, sizeof(*c.d->changes));
        if (!c.d || !c.was || !c.d->changes)
                goto out;
        c.d->machine_wide = machine_differs(before, after);
        match_functions(&c);
        compare_functions(&c);
        r = before_verdicts && after_verdicts ? compare_pairs(&c, flips_max) : 0;
out:
        free(c.was);
        if (r < 0)
                c.d = p2p_diff_free(c.d);
        else
                *ret = c.d;
        return r;
}

int p2p_diff_add_flips(struct p2p_diff *d, const struct p2p_verdicts *before,
                       const struct p2p_verdicts *after, uint32_t flips_max)
{
        struct comparing c = {
                .before = p2p_verdicts_machine(before),
                .after = p2p_verdicts_machine(after),
                .before_verdicts = before,
                .after_verdicts = after,
                .d = d,
        };
        int r;

        assert(!d->flips);
        c.was = calloc((size_t)c.after->n_functions + 1, sizeof(*c.was));
        if (!c.was)
                return -ENOMEM;
        match_functions(&c);
        r = compare_pairs(&c, flips_max);
        free(c.was);
        if (r < 0)
                d->n_flips_total = 0;
        return r;
}

struct p2p_diff *p2p_diff_free(struct p2p_diff *d)
{
        if (!d)
                return NULL;
        free(d->changes);
        free(d->flips);
        free(d);
        return NULL;
}

bool p2p_diff_is_empty(const struct p2p_diff *d)
{
        return d->n_changes == 0 && d->n_flips_total == 0 && !d->machine_wide;
}
