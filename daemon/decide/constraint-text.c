/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "decide/constraint.h"
#include "decide/decide.h"
#include "decide/link.h"
#include "decide/text.h"

const char *p2p_constraint_to_string(enum p2p_constraint_kind kind)
{
        static const char *const names[P2P_CONSTRAINT_MAX] = {
                [P2P_CONSTRAINT_DMA_MASK] = "dma-mask",
                [P2P_CONSTRAINT_BAR_UNASSIGNED] = "bar-unassigned",
                [P2P_CONSTRAINT_DECODING_OFF] = "decoding-off",
                [P2P_CONSTRAINT_NO_BAR] = "no-bar",
                [P2P_CONSTRAINT_IOMMU_TRANSLATES] = "iommu-translates",
                [P2P_CONSTRAINT_IOMMU_PASSTHROUGH] = "iommu-passthrough",
                [P2P_CONSTRAINT_IOMMU_BLOCKED] = "iommu-blocked",
                [P2P_CONSTRAINT_RESERVED_REGION] = "reserved-region",
                [P2P_CONSTRAINT_SMALL_BAR] = "small-bar",
                [P2P_CONSTRAINT_WRITES_ONLY] = "writes-only",
                [P2P_CONSTRAINT_STALE_GROUPS] = "stale-groups",
                [P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA] = "kernel-without-p2pdma",
                [P2P_CONSTRAINT_LINK_BELOW_BEST] = "link-below-best",
                [P2P_CONSTRAINT_STALE_KERNEL_CACHE] = "stale-kernel-cache",
        };

        return kind < P2P_CONSTRAINT_MAX ? names[kind] : NULL;
}

static void format_dma_mask(const char *function, const struct p2p_function *f,
                            const struct p2p_constraint *c, char *buf, size_t size)
{
        if (!c->is_unknown)
                (void)snprintf(buf, size,
                               "the DMA mask of %s, %" PRIu64
                               " bits, does not reach the end of BAR "
                               "%" PRIu32,
                               function, c->detail, c->bar_index);
        else if (f->driver_why == P2P_WHY_ABSENT)
                (void)snprintf(buf, size,
                               "no driver has set the DMA mask of %s yet, and BAR %" PRIu32
                               " ends above 4 GiB",
                               function, c->bar_index);
        else
                (void)snprintf(buf, size,
                               "whether the DMA mask of %s reaches BAR %" PRIu32
                               ", which ends above 4 GiB, is unknown",
                               function, c->bar_index);
}

static void format_bars(const char *function, const struct p2p_constraint *c, char *buf,
                        size_t size)
{
        char text[P2P_TEXT_SIZE_MAX];

        switch (c->kind) {
        case P2P_CONSTRAINT_BAR_UNASSIGNED:
                (void)snprintf(buf, size, "BAR %" PRIu32 " of %s has no address", c->bar_index,
                               function);
                break;
        case P2P_CONSTRAINT_DECODING_OFF:
                (void)snprintf(buf, size,
                               c->is_unknown
                                       ? "whether memory decoding of %s is on is unknown"
                                       : "memory decoding of %s is off: its BARs do not answer",
                               function);
                break;
        case P2P_CONSTRAINT_NO_BAR:
                (void)snprintf(buf, size,
                               c->is_unknown ? "whether %s has a memory BAR is unknown"
                                             : "%s has no memory BAR",
                               function);
                break;
        case P2P_CONSTRAINT_SMALL_BAR:
                (void)snprintf(buf, size, "BAR %" PRIu32 " of %s could be as large as %s",
                               c->bar_index, function, p2p_text_size(c->detail, text));
                break;
        default:
                (void)snprintf(buf, size,
                               "BAR %" PRIu32 " of %s overlaps the reserved region at 0x%" PRIx64
                               " of the client's IOMMU group",
                               c->bar_index, function, c->detail);
        }
}

static void format_iommu(const struct p2p_machine *m, const char *function,
                         const struct p2p_constraint *c, char *buf, size_t size)
{
        const struct p2p_function *f = &m->functions[c->function];
        bool vfio = f->group != P2P_NONE && m->groups[f->group].type == P2P_GROUP_UNMANAGED;

        if (c->is_unknown)
                (void)snprintf(buf, size, "whether an IOMMU translates what %s sends is unknown",
                               function);
        else if (c->kind == P2P_CONSTRAINT_IOMMU_BLOCKED)
                (void)snprintf(buf, size, "IOMMU group %" PRIu64 " of %s is blocked: no DMA at all",
                               c->detail, function);
        else if (c->kind == P2P_CONSTRAINT_IOMMU_PASSTHROUGH)
                (void)snprintf(buf, size,
                               "IOMMU group %" PRIu64 " of %s passes through: it uses physical "
                               "addresses",
                               c->detail, function);
        else if (vfio)
                (void)snprintf(buf, size,
                               "IOMMU group %" PRIu64 " of %s belongs to user space (VFIO): that "
                               "must map an IOVA",
                               c->detail, function);
        else
                (void)snprintf(buf, size,
                               "IOMMU group %" PRIu64
                               " of %s is translated: an IOVA must be mapped",
                               c->detail, function);
}

static void format_link(const struct p2p_machine *m, const char *function,
                        const struct p2p_constraint *c, char *buf, size_t size)
{
        (void)snprintf(buf, size,
                       "the link of %s runs at %" PRIu64 " of %" PRIu64
                       " MB/s: trained down, or saving power",
                       function, p2p_function_uplink_mbps(m, c->function).val, c->detail);
}

static void format_kernel_cache(const char *function, uint64_t maps, char *buf, size_t size)
{
        char older[96] = "";
        size_t used = 0;

        for (unsigned map = 0; map < P2P_MAP_MAX; map++) {
                if (!(maps & 1U << map) || used >= sizeof(older))
                        continue;
                used += (size_t)snprintf(older + used, sizeof(older) - used, "%s%s",
                                         used > 0 ? " or " : "",
                                         map == P2P_MAP_UNKNOWN ? "one that could not be told"
                                                                : p2p_map_to_string(map));
        }
        (void)snprintf(buf, size,
                       "the kernel still holds the older verdict (%s) until a driver is bound to "
                       "%s anew, if it was asked about this pair before",
                       older, function);
}

const char *p2p_constraint_format(const struct p2p_machine *m,
                                  const struct p2p_constraint *constraint, char *buf, size_t size)
{
        char function[P2P_TEXT_FUNCTION_MAX];

        p2p_text_function(m, constraint->function, function);
        switch (constraint->kind) {
        case P2P_CONSTRAINT_DMA_MASK:
                format_dma_mask(function, &m->functions[constraint->function], constraint, buf,
                                size);
                break;
        case P2P_CONSTRAINT_BAR_UNASSIGNED:
        case P2P_CONSTRAINT_DECODING_OFF:
        case P2P_CONSTRAINT_NO_BAR:
        case P2P_CONSTRAINT_SMALL_BAR:
        case P2P_CONSTRAINT_RESERVED_REGION:
                format_bars(function, constraint, buf, size);
                break;
        case P2P_CONSTRAINT_IOMMU_TRANSLATES:
        case P2P_CONSTRAINT_IOMMU_PASSTHROUGH:
        case P2P_CONSTRAINT_IOMMU_BLOCKED:
                format_iommu(m, function, constraint, buf, size);
                break;
        case P2P_CONSTRAINT_WRITES_ONLY:
                (void)snprintf(buf, size,
                               "Intel client CPUs pass only writes between root ports: reads from "
                               "%s fail",
                               function);
                break;
        case P2P_CONSTRAINT_STALE_GROUPS:
                (void)snprintf(buf, size,
                               constraint->detail
                                       ? "the IOMMU groups below %s are older than its ACS bits, "
                                         "which isolate now"
                                       : "the IOMMU groups below %s are older than its ACS bits, "
                                         "which do not isolate any more",
                               function);
                break;
        case P2P_CONSTRAINT_KERNEL_WITHOUT_P2PDMA:
                (void)snprintf(buf, size, "the running kernel was built without PCI_P2PDMA");
                break;
        case P2P_CONSTRAINT_LINK_BELOW_BEST:
                format_link(m, function, constraint, buf, size);
                break;
        case P2P_CONSTRAINT_STALE_KERNEL_CACHE:
                format_kernel_cache(function, constraint->detail, buf, size);
                break;
        case P2P_CONSTRAINT_MAX:
                (void)snprintf(buf, size, "no constraint");
        }
        return buf;
}
