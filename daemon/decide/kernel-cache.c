/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/kernel-cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* From this release on a driver can become a provider without giving memory to the kernel. */
#define RELEASE_WITHOUT_P2PMEM P2P_RELEASE(6, 19)

struct entry {
        struct p2p_address client;
        uint32_t maps;
};

/* The clients of one provider. */
struct row {
        struct p2p_address provider;
        uint32_t any; /* maps that hold for every client */
        uint32_t first, n;
};

struct p2p_kernel_cache {
        struct row *rows; /* sorted by provider; none that says nothing */
        uint32_t n_rows;
        struct entry *entries; /* those of a row sorted by client */
        uint32_t n_entries, size_entries;
};

struct following {
        const struct p2p_kernel_cache_params *params;
        struct p2p_kernel_cache *cache;
        uint32_t *now; /* by index in before: index in after, or P2P_NONE */
        /* By index in before: what the step leaves behind for these clients of this provider. */
        uint8_t *left;
        uint32_t first_left, end_left; /* outside of these it is 0 */
        uint32_t first_gone, end_gone; /* outside of these no client is gone */
        uint32_t provider, class_before, class_after;
};

static int compare_row(const void *key, const void *row)
{
        return p2p_address_compare(*(const struct p2p_address *)key,
                                   ((const struct row *)row)->provider);
}

static int compare_entry(const void *key, const void *entry)
{
        return p2p_address_compare(*(const struct p2p_address *)key,
                                   ((const struct entry *)entry)->client);
}

static const struct row *find_row(const struct p2p_kernel_cache *c, struct p2p_address provider)
{
        return c && c->n_rows > 0
                       ? bsearch(&provider, c->rows, c->n_rows, sizeof(*c->rows), compare_row)
                       : NULL;
}

static bool is_other_value(struct p2p_fact a, struct p2p_fact b)
{
        return p2p_fact_is_known(a) && p2p_fact_is_known(b) && a.val != b.val;
}

/* Can the kernel keep verdicts for this provider at all. */
static bool may_keep(const struct p2p_machine *m, const struct p2p_function *f)
{
        uint32_t release;

        if (!p2p_function_is_endpoint(f) || f->driver_why == P2P_WHY_ABSENT)
                return false;
        if (p2p_fact_is_known(m->kernel_has_p2pdma) && m->kernel_has_p2pdma.val == 0)
                return false;
        return !p2p_fact_is_absent(f->p2pmem_size_bytes) || !m->kernel_release ||
               p2p_release_parse(m->kernel_release, &release) < 0 ||
               release >= RELEASE_WITHOUT_P2PMEM;
}

/* Is it certain that the driver was unbound between the two: only then is what the kernel kept
 * gone. A fact that cannot be read any more proves nothing. */
static bool was_unbound(const struct p2p_function *before, const struct p2p_function *after)
{
        if (before->driver_why == P2P_WHY_KNOWN && after->driver_why == P2P_WHY_KNOWN &&
            strcmp(before->driver, after->driver) != 0)
                return true;
        if (p2p_fact_is_known(before->p2pmem_size_bytes) &&
            p2p_fact_is_absent(after->p2pmem_size_bytes))
                return true;
        return is_other_value(before->vendor, after->vendor) ||
               is_other_value(before->device, after->device) ||
               is_other_value(before->subsystem_vendor, after->subsystem_vendor) ||
               is_other_value(before->subsystem_device, after->subsystem_device);
}

/* Another card of the same kind: the driver was unbound from the one before. */
static bool has_other_serial(const struct following *f, uint32_t provider)
{
        return is_other_value(p2p_machine_serial(f->params->before, provider),
                              p2p_machine_serial(f->params->after, f->now[provider]));
}

static int add_entry(struct p2p_kernel_cache *c, struct p2p_address client, uint32_t maps)
{
        if (c->n_entries == c->size_entries) {
                uint32_t size = c->size_entries ? 2 * c->size_entries : 64;
                struct entry *entries = realloc(c->entries, size * sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                c->entries = entries;
                c->size_entries = size;
        }
        c->entries[c->n_entries++] = (struct entry){.client = client, .maps = maps};
        return 0;
}

/* For one client of a row; where there is no room left, for all of them. */
static int note(const struct following *f, struct row *row, struct p2p_address client,
                uint32_t maps)
{
        struct p2p_kernel_cache *c = f->cache;

        if (maps == 0 || (maps & ~row->any) == 0)
                return 0;
        if (c->n_entries < f->params->pairs_max)
                return add_entry(c, client, maps);
        while (c->n_entries > row->first)
                row->any |= c->entries[--c->n_entries].maps;
        row->any |= maps;
        return 0;
}

/* The map that this step leaves behind for the pair, as a bit; 0: none. A client that has gone may
 * be back at its address one day, and the kernel will take it for the same. */
static uint8_t left_behind(const struct following *f, uint32_t provider, uint32_t client)
{
        const struct p2p_kernel_cache_params *p = f->params;
        const uint32_t now = f->now[client];
        struct p2p_verdict was;

        if ((now != P2P_NONE && p->no_flips) ||
            !p2p_function_is_endpoint(&p->before->functions[client]))
                return 0;
        was = p2p_verdicts_get(p->before_verdicts, provider, client);
        if (now != P2P_NONE &&
            p2p_verdicts_get(p->after_verdicts, f->now[provider], now).map == was.map)
                return 0;
        return (uint8_t)(1U << was.map);
}

static void leave_behind(struct following *f, uint32_t provider, uint32_t client)
{
        f->left[client] = left_behind(f, provider, client);
        if (f->left[client] == 0)
                return;
        if (f->first_left == f->end_left)
                f->first_left = f->end_left = client;
        if (client < f->first_left)
                f->first_left = client;
        if (client >= f->end_left)
                f->end_left = client + 1;
}

/* What the step leaves behind for all clients. Without flips only those that are gone matter. */
static void prepare_class(struct following *f, uint32_t provider)
{
        const bool no_flips = f->params->no_flips;
        const uint32_t first = no_flips ? f->first_gone : 0;
        const uint32_t end = no_flips ? f->end_gone : f->params->before->n_functions;

        f->first_left = f->end_left = 0;
        for (uint32_t i = first; i < end; i++)
                leave_behind(f, provider, i);
}

/* Providers of one class before and of one class now leave the same behind, except with themselves
 * and among one another: those few pairs are looked at anew. Virtual functions come in such runs.
 */
static void prepare_row(struct following *f, uint32_t provider)
{
        const struct p2p_kernel_cache_params *p = f->params;
        const uint32_t before = p2p_verdicts_class(p->before_verdicts, provider);
        const uint32_t after = p2p_verdicts_class(p->after_verdicts, f->now[provider]);

        if (f->class_before != before || f->class_after != after) {
                prepare_class(f, provider);
                f->class_before = before;
                f->class_after = after;
        } else {
                leave_behind(f, provider, f->provider);
                leave_behind(f, provider, provider);
        }
        f->provider = provider;
}

/* Merges what was known of this provider with what the step adds. */
static int follow_row(const struct following *f, struct row *row)
{
        const struct p2p_machine *before = f->params->before;
        const struct row *old = find_row(f->params->older, row->provider);
        const struct entry *e = old && old->n > 0 ? f->params->older->entries + old->first : NULL;
        const struct entry *end = e ? e + old->n : NULL;
        int r = 0;

        row->any = old ? old->any : 0;
        for (uint32_t i = f->first_left; i < f->end_left && r == 0; i++) {
                const struct p2p_address client = before->functions[i].address;
                uint32_t maps = 0;

                for (; e < end && p2p_address_compare(e->client, client) < 0 && r == 0; e++)
                        r = note(f, row, e->client, e->maps);
                if (e < end && p2p_address_compare(e->client, client) == 0)
                        maps = (e++)->maps;
                if (r == 0)
                        r = note(f, row, client, maps | f->left[i]);
        }
        for (; e < end && r == 0; e++)
                r = note(f, row, e->client, e->maps);
        row->n = f->cache->n_entries - row->first;
        return r;
}

static int follow_rows(struct following *f)
{
        const struct p2p_machine *before = f->params->before, *after = f->params->after;
        struct p2p_kernel_cache *c = f->cache;

        for (uint32_t i = 0; i < before->n_functions; i++) {
                const struct p2p_function *was = &before->functions[i], *is;
                struct row row = {.provider = was->address, .first = c->n_entries};
                int r;

                if (f->now[i] == P2P_NONE)
                        continue;
                is = &after->functions[f->now[i]];
                if (!may_keep(before, was) || !may_keep(after, is) || was_unbound(was, is) ||
                    has_other_serial(f, i))
                        continue;
                prepare_row(f, i);
                r = follow_row(f, &row);
                if (r < 0)
                        return r;
                if (row.any != 0 || row.n > 0)
                        c->rows[c->n_rows++] = row;
        }
        return 0;
}

/* Both lists are sorted by address: one pass over both. */
static void match(struct following *f)
{
        const struct p2p_machine *before = f->params->before, *after = f->params->after;
        uint32_t j = 0;

        for (uint32_t i = 0; i < before->n_functions; i++) {
                int order = -1;

                while (j < after->n_functions &&
                       (order = p2p_address_compare(after->functions[j].address,
                                                    before->functions[i].address)) < 0)
                        j++;
                f->now[i] = j < after->n_functions && order == 0 ? j : P2P_NONE;
                if (f->now[i] != P2P_NONE)
                        continue;
                if (f->end_gone == 0)
                        f->first_gone = i;
                f->end_gone = i + 1;
        }
}

int p2p_kernel_cache_new(const struct p2p_kernel_cache_params *params,
                         struct p2p_kernel_cache **ret)
{
        const size_t n = (size_t)params->before->n_functions + 1;
        struct following f = {
                .params = params,
                .cache = calloc(1, sizeof(*f.cache)),
                .now = calloc(n, sizeof(*f.now)),
                .left = calloc(n, sizeof(*f.left)),
                .class_before = P2P_NONE,
                .class_after = P2P_NONE,
        };
        int r = -ENOMEM;

        if (f.cache)
                f.cache->rows = calloc(n, sizeof(*f.cache->rows));
        if (f.cache && f.cache->rows && f.now && f.left) {
                match(&f);
                r = follow_rows(&f);
        }
        free(f.now);
        free(f.left);
        if (r < 0)
                f.cache = p2p_kernel_cache_free(f.cache);
        else
                *ret = f.cache;
        return r;
}

struct p2p_kernel_cache *p2p_kernel_cache_free(struct p2p_kernel_cache *c)
{
        if (!c)
                return NULL;
        free(c->rows);
        free(c->entries);
        free(c);
        return NULL;
}

uint32_t p2p_kernel_cache_older_maps(const struct p2p_kernel_cache *cache,
                                     struct p2p_address provider, struct p2p_address client,
                                     enum p2p_map now)
{
        const struct row *row = find_row(cache, provider);
        const struct entry *entry = NULL;

        if (!row)
                return 0;
        if (row->n > 0)
                entry = bsearch(&client, cache->entries + row->first, row->n, sizeof(*entry),
                                compare_entry);
        return (row->any | (entry ? entry->maps : 0)) & ~(1U << now);
}
