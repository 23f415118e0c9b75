/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * BARs laid out as firmware and kernel lay them out in host bridge windows, and random addresses
 * that hit them or miss them. What every structure of the lookup benchmark is built from.
 */

#include <stddef.h>
#include <stdint.h>

#define LOOKUP_BARS_MAX 4096U

/* One BAR, both ends included. Spans of a layout never overlap. */
struct span {
        uint64_t first;
        uint64_t last;
};

/* How many switches, each with a GPU, a NIC and NVMe, n BARs are shared out to, and how many of
 * them are below one host bridge. */
size_t lookup_layout_groups(size_t n);
size_t lookup_layout_groups_per_bridge(size_t n);

/*
 * n spans (a multiple of 4 up to LOOKUP_BARS_MAX, and of lookup_layout_groups(n)), group by group,
 * so not in the order of addresses. A group's are: GPU memory, GPU registers, NIC, NVMe, another
 * NVMe, its controller memory buffer, then the NIC's virtual functions. The same n gives the same
 * spans.
 */
void lookup_layout(struct span *ret_spans, size_t n);

/* Sorts spans by address. */
void lookup_layout_sort(struct span *spans, size_t n);

/* n_addresses addresses, each in a random span at a random offset. The seed says which. */
void lookup_hits(const struct span *spans, size_t n, uint64_t *ret_addresses, size_t n_addresses,
                 uint64_t seed);

/* n_addresses addresses that are in no span: one half anywhere in memory (which is what most
 * addresses are), one half in the gap above a random span, at most 1 GiB away from it. `sorted` is
 * sorted by address. */
void lookup_misses(const struct span *sorted, size_t n, uint64_t *ret_addresses, size_t n_addresses,
                   uint64_t seed);
