/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-layout.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* Where memory ends and a host bridge's windows begin: 32 bits below, 64 bits and prefetchable high
 * up, 4 TiB apart. */
#define LOW_WINDOWS (2304 * MIB)
#define LOW_WINDOWS_BYTES (1728 * MIB)
#define HIGH_WINDOWS (32 * TIB)
#define HIGH_WINDOW_BYTES (4 * TIB)
#define HOST_BRIDGES_MAX 8U
/* A bridge's window begins and ends at a multiple of this. */
#define BRIDGE_BYTES MIB

struct window {
        uint64_t low;  /* next free address below 4 GiB */
        uint64_t high; /* next free address of the prefetchable window */
};

static uint64_t align_up(uint64_t value, uint64_t to)
{
        return (value + to - 1) & ~(to - 1);
}

static struct span take(uint64_t *cursor, uint64_t bytes)
{
        uint64_t first = align_up(*cursor, bytes);

        *cursor = first + bytes;
        return (struct span){first, first + bytes - 1};
}

size_t lookup_layout_groups(size_t n)
{
        if (n <= 16)
                return n / 4;
        if (n <= 24)
                return 4;
        if (n <= 64)
                return 8;
        return n <= 1024 ? 16 : 32;
}

size_t lookup_layout_groups_per_bridge(size_t n)
{
        size_t n_groups = lookup_layout_groups(n);

        if (n_groups > 2 * HOST_BRIDGES_MAX)
                return n_groups / HOST_BRIDGES_MAX;
        return n_groups < 2 ? 1 : 2;
}

/* What is not prefetchable is below 4 GiB, behind a bridge, whatever the BAR could do. The slices
 * of virtual functions lie side by side. */
static void lay_out_group(struct window *w, size_t group, struct span *ret, size_t n)
{
        static const uint64_t gpu_gib[] = {256, 64, 128, 32};
        static const uint64_t vf_kib[] = {1024, 64, 16, 2048};
        static const uint64_t cmb_mib[] = {64, 512, 256, 1024};
        size_t kind = (group + group / 4) % 4;

        ret[0] = take(&w->high, gpu_gib[kind] * GIB);
        ret[1] = take(&w->high, 32 * MIB);
        for (size_t i = 6; i < n; i++)
                ret[i] = take(&w->high, vf_kib[kind] * KIB);
        w->high = align_up(w->high, BRIDGE_BYTES);
        ret[2] = take(&w->high, 32 * MIB);
        if (n > 5)
                ret[5] = take(&w->high, cmb_mib[kind] * MIB);
        /* Behind 16 MiB of the GPU's that are nobody's target. */
        w->low = align_up(w->low, 16 * MIB) + 16 * MIB;
        for (size_t i = 3; i < 5 && i < n; i++) {
                ret[i] = take(&w->low, 16 * KIB);
                w->low = align_up(w->low, BRIDGE_BYTES);
        }
}

void lookup_layout(struct span *ret_spans, size_t n)
{
        size_t n_groups = lookup_layout_groups(n), per_bridge = lookup_layout_groups_per_bridge(n);
        size_t n_bridges = n_groups / per_bridge, per_group = n / n_groups;
        struct window w = {0};

        assert(n >= 4 && n <= LOOKUP_BARS_MAX && n % n_groups == 0);
        for (size_t g = 0; g < n_groups; g++) {
                size_t bridge = g / per_bridge;

                if (g % per_bridge == 0)
                        w = (struct window){
                                .low = LOW_WINDOWS + bridge * (LOW_WINDOWS_BYTES / n_bridges),
                                .high = HIGH_WINDOWS + bridge * HIGH_WINDOW_BYTES,
                        };
                lay_out_group(&w, g, ret_spans + g * per_group, per_group);
        }
}

static int compare_spans(const void *a, const void *b)
{
        const struct span *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

void lookup_layout_sort(struct span *spans, size_t n)
{
        qsort(spans, n, sizeof(*spans), compare_spans);
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

void lookup_hits(const struct span *spans, size_t n, uint64_t *ret_addresses, size_t n_addresses,
                 uint64_t seed)
{
        for (size_t i = 0; i < n_addresses; i++) {
                const struct span *s = &spans[draw(&seed) % n];

                ret_addresses[i] = s->first + draw(&seed) % (s->last - s->first + 1);
        }
}

/* False if the next span begins where this one ends. */
static bool draw_above(const struct span *sorted, size_t n, size_t at, uint64_t *seed,
                       uint64_t *ret)
{
        uint64_t end = sorted[at].last + 1;
        uint64_t gap = at + 1 < n ? sorted[at + 1].first - end : GIB;

        if (gap == 0)
                return false;
        *ret = end + draw(seed) % (gap < GIB ? gap : GIB);
        return true;
}

/* Anywhere in the first TiB of memory, which goes on above the windows that are below 4 GiB. */
static uint64_t draw_memory(uint64_t *seed)
{
        uint64_t at = draw(seed) % (TIB - 2 * GIB);

        return at < 2 * GIB ? at : at + 2 * GIB;
}

void lookup_misses(const struct span *sorted, size_t n, uint64_t *ret_addresses, size_t n_addresses,
                   uint64_t seed)
{
        for (size_t i = 0; i < n_addresses;) {
                if (draw(&seed) & 1)
                        ret_addresses[i++] = draw_memory(&seed);
                else if (draw_above(sorted, n, draw(&seed) % n, &seed, &ret_addresses[i]))
                        i++;
        }
}
