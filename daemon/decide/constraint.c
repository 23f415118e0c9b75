/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/constraint.h"

#include <assert.h>

#include "decide/link.h"
#include "decide/stale-groups.h"

struct collecting {
        const struct p2p_machine *m;
        const struct p2p_constraints_params *params;
        const struct p2p_function *provider, *client;
        bool through_host_bridge;
        struct p2p_constraint *list;
        uint32_t n;
};

/* Both directions, no BAR; the caller changes what differs. */
static struct p2p_constraint *add(struct collecting *c, enum p2p_constraint_kind kind,
                                  uint32_t function)
{
        struct p2p_constraint *constraint = &c->list[c->n++];

        *constraint = (struct p2p_constraint){
                .kind = kind,
                .reads = true,
                .writes = true,
                .function = function,
                .bar_index = P2P_NONE,
        };
        return constraint;
}

static const struct p2p_group *client_group(const struct collecting *c)
{
        return c->client->group == P2P_NONE ? NULL : &c->m->groups[c->client->group];
}

enum dma { DMA_BUS, DMA_PHYSICAL, DMA_IOVA, DMA_UNKNOWN };

/* Which kind of address the client's transactions will carry. */
static enum dma dma_kind(const struct collecting *c)
{
        const struct p2p_group *group = client_group(c);

        if (!c->through_host_bridge)
                return DMA_BUS;
        if (!group)
                return c->client->group_why == P2P_WHY_ABSENT ? DMA_PHYSICAL : DMA_UNKNOWN;
        switch (group->type) {
        case P2P_GROUP_IDENTITY:
                return DMA_PHYSICAL;
        case P2P_GROUP_TRANSLATED:
        case P2P_GROUP_UNMANAGED:
        case P2P_GROUP_BLOCKED:
                return DMA_IOVA;
        case P2P_GROUP_TYPE_UNKNOWN:
        case P2P_GROUP_TYPE_MAX:
                break;
        }
        return DMA_UNKNOWN;
}

/* First and last address of the BAR as the client will use it. */
static bool dma_range(enum dma dma, const struct p2p_bar *bar, uint64_t *ret_first,
                      uint64_t *ret_last)
{
        const bool bus = dma == DMA_BUS;
        uint64_t first = bus ? bar->bus_start.val : bar->phys_start.val, last;

        if (bar->kind != P2P_BAR_MEMORY || !bar->assigned ||
            (bus ? bar->bus_why : bar->phys_why) != P2P_WHY_KNOWN ||
            !p2p_fact_is_known(bar->size_bytes) || bar->size_bytes.val == 0 ||
            __builtin_add_overflow(first, bar->size_bytes.val - 1, &last))
                return false;
        *ret_first = first;
        *ret_last = last;
        return true;
}

/* The mask counts once a driver has set it: before, it is the kernel's default of 32 bits. */
static void collect_dma_mask(struct collecting *c, enum dma dma)
{
        const struct p2p_fact mask = c->client->dma_mask_bits;
        const bool unset = c->client->driver_why == P2P_WHY_ABSENT;

        if (dma == DMA_IOVA || p2p_fact_is_absent(mask) || c->provider == c->client)
                return;
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                struct p2p_constraint *constraint;
                uint64_t first, last;

                if (!dma_range(dma, &c->provider->bars[i], &first, &last))
                        continue;
                if (p2p_fact_is_known(mask) && !unset) {
                        if (mask.val >= 64 || last >> mask.val == 0)
                                continue;
                } else if (last >> 32 == 0) {
                        continue; /* every mask that drivers set reaches this far */
                }
                constraint = add(c, P2P_CONSTRAINT_DMA_MASK, c->params->client);
                constraint->bar_index = i;
                constraint->is_unknown = !p2p_fact_is_known(mask) || unset || dma == DMA_UNKNOWN;
                constraint->blocks = !constraint->is_unknown;
                constraint->detail = constraint->is_unknown ? 0 : mask.val;
        }
}

static void collect_bars(struct collecting *c)
{
        const uint32_t provider = c->params->provider;
        uint32_t n_memory = 0, n_unknown = 0;

        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                const struct p2p_bar *bar = &c->provider->bars[i];
                struct p2p_constraint *constraint;

                n_unknown += bar->kind == P2P_BAR_UNKNOWN;
                if (bar->kind != P2P_BAR_MEMORY)
                        continue;
                n_memory++;
                if (bar->assigned)
                        continue;
                constraint = add(c, P2P_CONSTRAINT_BAR_UNASSIGNED, provider);
                constraint->bar_index = i;
                constraint->blocks = true;
        }
        if (n_memory > 0) {
                const struct p2p_fact decoding = c->provider->memory_decoding;

                if (p2p_fact_is_known(decoding) && decoding.val != 0)
                        return;
                add(c, P2P_CONSTRAINT_DECODING_OFF, provider)->blocks = p2p_fact_is_known(decoding);
                c->list[c->n - 1].is_unknown = !p2p_fact_is_known(decoding);
        } else {
                add(c, P2P_CONSTRAINT_NO_BAR, provider)->blocks = n_unknown == 0;
                c->list[c->n - 1].is_unknown = n_unknown > 0;
        }
}

static void collect_iommu(struct collecting *c, enum dma dma)
{
        const struct p2p_group *group = client_group(c);
        struct p2p_constraint *constraint;

        if (!group) {
                if (dma == DMA_UNKNOWN)
                        add(c, P2P_CONSTRAINT_IOMMU_TRANSLATES, c->params->client)->is_unknown =
                                true;
                return;
        }
        if (group->type == P2P_GROUP_BLOCKED) {
                constraint = add(c, P2P_CONSTRAINT_IOMMU_BLOCKED, c->params->client);
                constraint->blocks = true;
        } else if (dma == DMA_BUS) {
                return; /* does not pass the IOMMU */
        } else if (group->type == P2P_GROUP_IDENTITY) {
                constraint = add(c, P2P_CONSTRAINT_IOMMU_PASSTHROUGH, c->params->client);
        } else {
                constraint = add(c, P2P_CONSTRAINT_IOMMU_TRANSLATES, c->params->client);
                constraint->is_unknown = group->type == P2P_GROUP_TYPE_UNKNOWN;
        }
        constraint->detail = group->number;
}

/* An address in a reserved window does not reach the BAR: for example what looks like an MSI is
 * taken for one. One finding per BAR is enough. */
static void collect_reserved(struct collecting *c, enum dma dma)
{
        const struct p2p_group *group = client_group(c);

        if (!group || (dma != DMA_BUS && dma != DMA_PHYSICAL) || c->provider == c->client)
                return;
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                struct p2p_constraint *constraint;
                uint64_t first, last;

                if (!dma_range(dma, &c->provider->bars[i], &first, &last))
                        continue;
                for (uint32_t j = 0; j < group->n_regions; j++) {
                        const struct p2p_region *region = &group->regions[j];

                        if (region->end < first || region->start > last)
                                continue;
                        constraint = add(c, P2P_CONSTRAINT_RESERVED_REGION, c->params->provider);
                        constraint->bar_index = i;
                        constraint->detail = region->start;
                        constraint->blocks = region->kind != P2P_REGION_DIRECT_RELAXABLE;
                        break;
                }
        }
}

static void collect_small_bars(struct collecting *c)
{
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                const struct p2p_bar *bar = &c->provider->bars[i];
                struct p2p_constraint *constraint;

                if (bar->kind != P2P_BAR_MEMORY || !p2p_fact_is_known(bar->resize_now_bytes) ||
                    !p2p_fact_is_known(bar->resize_max_bytes) ||
                    bar->resize_max_bytes.val <= bar->resize_now_bytes.val)
                        continue;
                constraint = add(c, P2P_CONSTRAINT_SMALL_BAR, c->params->provider);
                constraint->bar_index = i;
                constraint->detail = bar->resize_max_bytes.val;
        }
}

/*
 * Intel's client CPUs, family 6, route writes between their root ports and not reads (vendor's
 * statement and measurement: NVIDIA open-gpu-kernel-modules issue 1253). Models as in Linux
 * arch/x86/include/asm/intel-family.h, desktop parts: those with several root ports for cards.
 */
static bool is_writes_only_platform(const struct p2p_machine *m)
{
        static const uint8_t models[] = {
                0x5e, /* Skylake */
                0x9e, /* Kaby Lake, Coffee Lake */
                0xa5, /* Comet Lake */
                0xa7, /* Rocket Lake */
                0x97, /* Alder Lake */
                0xb7, /* Raptor Lake */
                0xbf, /* Raptor Lake S */
                0xc6, /* Arrow Lake */
        };

        if (m->cpu_vendor != P2P_CPU_INTEL || !p2p_fact_is_known(m->cpu_family) ||
            m->cpu_family.val != 6 || !p2p_fact_is_known(m->cpu_model))
                return false;
        for (unsigned i = 0; i < sizeof(models); i++)
                if (m->cpu_model.val == models[i])
                        return true;
        return false;
}

static void collect_platform(struct collecting *c)
{
        const struct p2p_fact p2pdma = c->m->kernel_has_p2pdma;
        uint32_t port = P2P_NONE;

        if (c->through_host_bridge && is_writes_only_platform(c->m)) {
                struct p2p_constraint *constraint =
                        add(c, P2P_CONSTRAINT_WRITES_ONLY, c->params->provider);

                constraint->writes = false;
                constraint->blocks = true;
        }
        for (uint32_t i = 0; i < c->params->n_path; i++) {
                enum p2p_stale stale =
                        p2p_stale_groups_at(c->m, c->params->path[i].function, &port);

                if (stale == P2P_STALE_NO)
                        continue;
                add(c, P2P_CONSTRAINT_STALE_GROUPS, port)->detail = stale == P2P_STALE_ISOLATES_NOW;
                break;
        }
        if (p2p_fact_is_known(p2pdma) && p2pdma.val == 0)
                add(c, P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA, P2P_NONE)->blocks = true;
}

static void collect_links(struct collecting *c)
{
        for (uint32_t i = 0; i < c->params->n_path; i++) {
                const struct p2p_path_element *e = &c->params->path[i];
                struct p2p_fact now, best;

                if (e->side == P2P_SIDE_COMMON && !c->through_host_bridge)
                        continue;
                now = p2p_function_uplink_mbps(c->m, e->function);
                best = p2p_function_uplink_best_mbps(c->m, e->function);
                if (p2p_fact_is_known(now) && p2p_fact_is_known(best) && now.val < best.val)
                        add(c, P2P_CONSTRAINT_LINK_BELOW_BEST, e->function)->detail = best.val;
        }
}

uint32_t p2p_constraints_collect(const struct p2p_constraints_params *params,
                                 struct p2p_constraint *list)
{
        struct collecting c = {
                .m = params->m,
                .params = params,
                .provider = &params->m->functions[params->provider],
                .client = &params->m->functions[params->client],
                .through_host_bridge = p2p_path_is_through_host_bridge(params->m, params->provider,
                                                                       params->client),
                .list = list,
        };
        enum dma dma = dma_kind(&c);

        /* At most: four kinds per BAR, one per element of the path, and the rest once. */
        collect_dma_mask(&c, dma);
        collect_bars(&c);
        if (c.provider != c.client)
                collect_iommu(&c, dma);
        collect_reserved(&c, dma);
        collect_small_bars(&c);
        collect_platform(&c);
        collect_links(&c);
        assert(c.n <= P2P_CONSTRAINTS_MAX + params->n_path);
        return c.n;
}
