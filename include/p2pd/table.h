/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef P2PD_TABLE_H
#define P2PD_TABLE_H

/*
 * The shared table of p2pd: which PCI BAR an address belongs to, and how each function reaches it
 * by DMA. The daemon writes it into memory that it hands out for reading; this header, with
 * table-layout.h, is the whole reader. Looking costs no lock and no system call.
 *
 * It compiles as C11, as C++11, and in a kernel (__KERNEL__): it calls nothing and uses no floating
 * point. Everything in the table is little endian; nothing in it is a pointer.
 *
 * How a generation becomes visible. There are two areas. The live part counts generations twice:
 * "begun" before an area is touched, "published" when it is complete; generation n lies in area
 * n & 1. What is read from area n & 1 is whole as long as begun is at most n + 1, because only
 * generation n + 2 writes there again. So a writer that stops in the middle keeps nobody from
 * reading, and a reader looks again only if two generations passed it by; after P2P_TABLE_TRIES
 * times it gives up with P2P_TABLE_STALE, which means: ask the daemon.
 *
 * Who writes the table is not trusted. Offsets and sizes are checked when attaching, counts when a
 * generation is first looked at, and both are kept in the reader; what is loaded from the table
 * later is bounded by them before it is used. A damaged table gives wrong answers, but no read
 * outside of it.
 *
 * A reader (struct p2p_table) is used by one thread at a time; copy it to give another thread its
 * own. The memory must stay mapped and is never written by the reader.
 *
 * Everything here is there since version 0.1.0.
 */

#include "table-layout.h"

/* What the functions below return. 0: answered. */
enum p2p_table_result {
        P2P_TABLE_OK = 0,
        P2P_TABLE_STALE,   /* nothing is published, or the writer is too fast: ask the daemon */
        P2P_TABLE_MOVED,   /* this table is no longer written: get the new one and attach it */
        P2P_TABLE_DAMAGED, /* the generation contradicts itself: do not use the table */
        P2P_TABLE_FORMAT,  /* attach: this is no table, or its checksum is wrong */
        P2P_TABLE_VERSION_UNKNOWN, /* attach: a newer layout than this header's */
        P2P_TABLE_SIZE,            /* attach: cut short, or its parts do not fit into it */
        P2P_TABLE_ABSENT,          /* no such id, record or function */
        P2P_TABLE_CLIENT,          /* the client was found in another generation: find it again */
        P2P_TABLE_MORE,            /* map: there are more segments than fit */
        P2P_TABLE_RANGE /* map: length 0, or the range passes the top of the address space */
};

/* The answer for an address. */
struct p2p_table_hit {
        uint64_t offset; /* in the BAR; meaningful only with P2P_TABLE_BAR */
        uint32_t record; /* holds for this generation; P2P_TABLE_NONE if place is not _BAR */
        uint16_t id;     /* 0: regular memory, or a BAR without id: place tells */
        uint16_t place;  /* enum p2p_table_place */
};

/* One BAR. */
struct p2p_table_record {
        uint64_t first, last; /* CPU physical addresses, both included */
        uint64_t bus_start;   /* PCI bus address of first, with P2P_TABLE_HAS_BUS; else 0 */
        uint64_t since;       /* generation in which the id came to mean this BAR */
        uint32_t segment;     /* whose BAR */
        uint8_t bus, devfn;
        uint8_t bar_index;
        uint8_t flags; /* P2P_TABLE_HAS_BUS, ... */
        uint16_t id;   /* 0: none */
        uint16_t kind; /* of the function: 0 other, 1 bridge, 2 gpu, 3 nic, 4 nvme, 5 storage,
                          6 accelerator, 7 memory */
};

/* A function as a DMA client, in one generation. */
struct p2p_table_client {
        uint32_t slot, column, sequence;
};

/* How a client reaches a BAR. */
struct p2p_table_pair {
        uint16_t map;      /* enum p2p_table_map_kind, never REGULAR */
        uint16_t distance; /* hops, as the kernel counts; P2P_TABLE_DISTANCE_UNKNOWN: or more */
        uint32_t own;      /* not 0: the client's own BAR */
};

/* A piece of a range that is reached in one way. */
struct p2p_table_segment {
        uint64_t start, bytes;
        uint64_t bus_start;  /* PCI bus address of start, if has_bus; else 0 */
        uint64_t bar_offset; /* of start in its BAR; meaningful with P2P_TABLE_BAR */
        uint32_t record;     /* as in struct p2p_table_hit */
        uint16_t id;
        uint8_t place;   /* enum p2p_table_place */
        uint8_t map;     /* enum p2p_table_map_kind */
        uint8_t own;     /* not 0: the client's own BAR, no DMA is needed */
        uint8_t has_bus; /* set with MAP_BUS, and for an own BAR whose bus address is known */
};

/* So few ranges are compared one after the other. */
#define P2P_TABLE_FEW 4U

/* A reader: private copies of what bounds its look into the shared memory. Not to be looked into;
 * copying it is allowed. */
struct p2p_table {
        const void *state;
        uint64_t seen; /* state when the generation was looked at */
        const unsigned char *nodes, *rows;
        uint32_t node_mask, row_mask, root_mask; /* in bytes */
        uint32_t root_shift;                     /* to bytes */
        const unsigned char *ranges, *ids, *cells;
        uint64_t lasts[P2P_TABLE_FEW - 1]; /* of all ranges but the last one, if few */
        uint32_t depth;                    /* as in the area; P2P_TABLE_DEPTH_MAX + 1: few */
        uint32_t sequence;
        uint32_t outside; /* enum p2p_table_place where no range is */
        uint32_t count[P2P_TABLE_ARRAYS];
        uint32_t n_columns;
        uint64_t generation;
        const unsigned char *area;
        const unsigned char *memory;
        uint64_t total_bytes;
        uint64_t instance[2];
        uint32_t id_bits;
        uint32_t area_offset[2];
        struct p2p_table_array_data arrays[P2P_TABLE_ARRAYS];
};

/* A state that no writer sets, because begun is never so far ahead: nothing was looked at. */
#define P2P_TABLE_SEEN_NONE 0x8000000000000000ULL

/* How often a reader looks again before it says P2P_TABLE_STALE. */
#define P2P_TABLE_TRIES 16

/* Checks that every array lies in an area of area_bytes. */
static inline int p2p_table_arrays_fit(const struct p2p_table_array_data *arrays,
                                       uint32_t area_bytes)
{
        unsigned i;

        for (i = 0; i < P2P_TABLE_ARRAYS; i++) {
                const uint64_t used = (uint64_t)arrays[i].capacity * p2p_table_element_bytes(i);
                const uint64_t end = arrays[i].offset + ((used + 7) & ~7ULL);

                if (arrays[i].offset % 64 != 0 || arrays[i].capacity == 0 ||
                    arrays[i].offset < sizeof(struct p2p_table_area) || end > area_bytes)
                        return 0;
                if (i <= P2P_TABLE_ROWS &&
                    (!p2p_table_is_power_of_two(arrays[i].capacity) || end > 1U << 26))
                        return 0;
        }
        return 1;
}

/*
 * Makes a reader of a table that is mapped at memory (aligned to 8 bytes) in this many bytes. Says
 * nothing about what is published: the first look does. P2P_TABLE_OK, or FORMAT, VERSION_UNKNOWN,
 * SIZE; then *ret is untouched.
 */
P2P_TABLE_COLD int p2p_table_attach(struct p2p_table *ret, const void *memory, uint64_t bytes)
{
        const struct p2p_table_header *h = (const struct p2p_table_header *)memory;
        const unsigned char *base = (const unsigned char *)memory;
        uint64_t sum = 0;
        uint32_t area_bytes;
        struct p2p_table t;
        unsigned i;

        if (bytes < sizeof(*h) + sizeof(struct p2p_table_live))
                return P2P_TABLE_SIZE;
        if (p2p_table_load64(&h->magic) != P2P_TABLE_MAGIC)
                return P2P_TABLE_FORMAT;
        if (p2p_table_load32(&h->version) != P2P_TABLE_VERSION)
                return P2P_TABLE_VERSION_UNKNOWN;
        sum = p2p_table_checksum(0, h, __builtin_offsetof(struct p2p_table_header, checksum));
        if (p2p_table_load32(&h->header_bytes) != sizeof(*h) ||
            p2p_table_load64(&h->checksum) != sum)
                return P2P_TABLE_FORMAT;
        t.memory = base;
        t.state = base + sizeof(*h);
        t.total_bytes = p2p_table_load64(&h->total_bytes);
        t.id_bits = p2p_table_load32(&h->id_bits);
        area_bytes = p2p_table_load32(&h->area_bytes);
        if (t.total_bytes > bytes || t.id_bits < 4 || t.id_bits > 16)
                return P2P_TABLE_SIZE;
        for (i = 0; i < 2; i++) {
                t.instance[i] = p2p_table_load64(&h->instance[i]);
                t.area_offset[i] = p2p_table_load32(&h->area_offset[i]);
                if (t.area_offset[i] % 64 != 0 ||
                    t.area_offset[i] < sizeof(*h) + sizeof(struct p2p_table_live) ||
                    (uint64_t)t.area_offset[i] + area_bytes > t.total_bytes)
                        return P2P_TABLE_SIZE;
        }
        for (i = 0; i < P2P_TABLE_ARRAYS; i++) {
                t.arrays[i].offset = p2p_table_load32(&h->arrays[i].offset);
                t.arrays[i].capacity = p2p_table_load32(&h->arrays[i].capacity);
                t.count[i] = 0;
        }
        if (!p2p_table_arrays_fit(t.arrays, area_bytes))
                return P2P_TABLE_SIZE;
        t.seen = P2P_TABLE_SEEN_NONE;
        t.area = base + t.area_offset[0];
        t.nodes = t.area + t.arrays[P2P_TABLE_NODES].offset;
        t.rows = t.area + t.arrays[P2P_TABLE_ROWS].offset;
        t.node_mask = t.row_mask = t.root_shift = t.root_mask = 0;
        t.ranges = t.area + t.arrays[P2P_TABLE_RANGES].offset;
        t.ids = t.area + t.arrays[P2P_TABLE_IDS].offset;
        t.cells = t.area + t.arrays[P2P_TABLE_CELLS].offset;
        t.outside = P2P_TABLE_UNKNOWN;
        t.depth = 0;
        t.sequence = t.n_columns = 0;
        t.generation = 0;
        *ret = t;
        return P2P_TABLE_OK;
}

static inline const unsigned char *p2p_table_at(const struct p2p_table *t, unsigned array)
{
        return t->area + t->arrays[array].offset;
}

/* Is the newest generation the one that was looked at, and whole? */
static inline int p2p_table_is_current(const struct p2p_table *t)
{
        P2P_TABLE_FENCE();
        return p2p_table_load64(t->state) == t->seen;
}

/*
 * Ends a look at one generation. 0: everything that was found since p2p_table_begin() belongs to
 * that generation and may be used. Otherwise the writer was there meanwhile: begin again.
 */
static inline int p2p_table_retry(const struct p2p_table *t)
{
        P2P_TABLE_FENCE();
        return (uint32_t)(p2p_table_load64(t->state) >> 32) - (uint32_t)t->seen > 1;
}

/* Few ranges are kept in the reader. */
static inline void p2p_table_take_few(struct p2p_table *t)
{
        uint32_t i;

        for (i = 0; i < P2P_TABLE_FEW - 1; i++)
                t->lasts[i] = i + 1 < t->count[P2P_TABLE_RANGES]
                                      ? p2p_table_load64(t->ranges + 32 * i) - 1 +
                                                p2p_table_load64(t->ranges + 32 * i + 8)
                                      : ~0ULL;
        t->depth = P2P_TABLE_DEPTH_MAX + 1;
}

/* Takes over what an area says about itself, as far as it stays within the arrays. */
P2P_TABLE_COLD int p2p_table_read_area(struct p2p_table *t, const unsigned char *area)
{
        const struct p2p_table_area *a = (const struct p2p_table_area *)area;
        uint32_t flags = p2p_table_load32(&a->flags);
        unsigned i;

        t->area = area;
        t->generation = p2p_table_load64(&a->generation);
        t->depth = p2p_table_load32(&a->depth);
        t->root_shift = p2p_table_load32(&a->root_shift);
        t->root_mask = p2p_table_load32(&a->root_mask);
        t->n_columns = p2p_table_load32(&a->n_columns);
        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                t->count[i] = p2p_table_load32(&a->count[i]);
        t->nodes = p2p_table_at(t, P2P_TABLE_NODES);
        t->rows = p2p_table_at(t, P2P_TABLE_ROWS);
        t->ranges = p2p_table_at(t, P2P_TABLE_RANGES);
        t->ids = p2p_table_at(t, P2P_TABLE_IDS);
        t->cells = p2p_table_at(t, P2P_TABLE_CELLS);
        t->outside = flags & P2P_TABLE_OUTSIDE_UNKNOWN ? P2P_TABLE_UNKNOWN : P2P_TABLE_REGULAR;
        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                if (t->count[i] > t->arrays[i].capacity)
                        goto damaged;
        if (t->depth > P2P_TABLE_DEPTH_MAX || t->root_shift > 63 ||
            (t->depth > 0 && t->root_shift < 2) || t->n_columns > 65535 ||
            (t->depth > 0 && (!p2p_table_is_power_of_two(t->root_mask + 1) ||
                              t->root_mask >= t->count[P2P_TABLE_NODES] ||
                              !p2p_table_is_power_of_two(t->count[P2P_TABLE_ROWS]))) ||
            (t->count[P2P_TABLE_SLOTS] > 0 &&
             (!p2p_table_is_power_of_two(t->count[P2P_TABLE_SLOTS]) ||
              !p2p_table_is_power_of_two(t->count[P2P_TABLE_BUCKETS]))) ||
            p2p_table_load32(&a->sequence) != t->sequence ||
            p2p_table_load64(&a->checksum) != p2p_table_checksum(0, area + 8, sizeof(*a) - 8))
                goto damaged;
        if (t->depth == 0 && t->count[P2P_TABLE_RANGES] <= P2P_TABLE_FEW)
                p2p_table_take_few(t);
        t->root_shift -= t->root_shift < 2 ? t->root_shift : 2;
        t->root_mask *= 4;
        t->node_mask = (p2p_table_power_of_two(t->count[P2P_TABLE_NODES]) - 1) * 4;
        t->row_mask = (p2p_table_power_of_two(t->count[P2P_TABLE_ROWS]) - 1) *
                      (uint32_t)sizeof(struct p2p_table_range);
        return P2P_TABLE_OK;
damaged:
        /* Nobody should look, but who does finds nothing. */
        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                t->count[i] = 0;
        t->depth = t->root_mask = t->root_shift = t->node_mask = t->row_mask = t->n_columns = 0;
        t->outside = P2P_TABLE_UNKNOWN;
        return P2P_TABLE_DAMAGED;
}

/* Turns to the newest generation, whether or not it is the one that was looked at. */
P2P_TABLE_COLD int p2p_table_refresh(struct p2p_table *t)
{
        const unsigned char *live = (const unsigned char *)t->state;
        unsigned tries;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                uint32_t published = P2P_TABLE_HOST32(P2P_TABLE_ACQUIRE(uint32_t, live));
                int r;

                if (p2p_table_load32(live +
                                     __builtin_offsetof(struct p2p_table_live, superseded)) != 0) {
                        t->seen = P2P_TABLE_SEEN_NONE;
                        return P2P_TABLE_MOVED;
                }
                t->seen = (uint64_t)p2p_table_load32(live + 4) << 32 | published;
                t->sequence = published;
                r = p2p_table_read_area(t, t->memory + t->area_offset[published & 1]);
                if (p2p_table_retry(t))
                        continue;
                if (r == P2P_TABLE_OK && t->generation != 0)
                        return P2P_TABLE_OK;
                t->seen = P2P_TABLE_SEEN_NONE;
                /* No generation, in an area that says so or was never written. */
                if (t->generation == 0 && (r == P2P_TABLE_OK || p2p_table_load64(t->area) == 0))
                        return P2P_TABLE_STALE;
                return r;
        }
        t->seen = P2P_TABLE_SEEN_NONE;
        return P2P_TABLE_STALE;
}

/*
 * Begins a look at one generation, the newest. What the p2p_table_find_... functions say from then
 * on is from that generation, and is to be used only if p2p_table_retry() then says 0:
 *
 *         for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
 *                 r = p2p_table_begin(t);
 *                 if (r)
 *                         return r;
 *                 p2p_table_find_address(t, address, &hit);
 *                 p2p_table_find_record(t, hit.record, &record);
 *                 if (!p2p_table_retry(t))
 *                         return 0;
 *         }
 *         return P2P_TABLE_STALE;
 *
 * The functions without "find" in their names do this by themselves, for one answer. P2P_TABLE_OK,
 * or STALE, MOVED, DAMAGED.
 */
static inline int p2p_table_begin(struct p2p_table *t)
{
        return P2P_TABLE_LIKELY(p2p_table_is_current(t)) ? (int)P2P_TABLE_OK : p2p_table_refresh(t);
}

/* The generation that was begun last, as the daemon counts; 0: none. */
static inline uint64_t p2p_table_generation(const struct p2p_table *t)
{
        return t->generation;
}

/* The last range that begins at or below the address, or the first one. Reads no further than the
 * ranges' capacity, which is at least 1. */
static inline uint32_t p2p_table_search(const struct p2p_table *t, uint64_t address)
{
        uint32_t base = 0, n = t->count[P2P_TABLE_RANGES];

        while (n > 1) {
                const uint32_t half = n / 2;
                const uint64_t first = p2p_table_load64(t->ranges + (uint64_t)(base + half) * 32);

                base += half & -(uint32_t)(first <= address);
                n -= half;
        }
        return base;
}

/* The offset that a node leads to. */
static inline uint32_t p2p_table_step(uint32_t node, uint64_t address)
{
        return (node >> 6) + (uint32_t)(address >> (node & 63));
}

static inline uint32_t p2p_table_root(const struct p2p_table *t, uint64_t address)
{
        return p2p_table_load32(t->nodes + ((uint32_t)(address >> t->root_shift) & t->root_mask));
}

static inline uint32_t p2p_table_next(const struct p2p_table *t, uint32_t node, uint64_t address)
{
        return p2p_table_load32(t->nodes + (p2p_table_step(node, address) & t->node_mask));
}

/*
 * The only range that can hold the address.
 *
 * A perfect hash by bit fields, in levels. A node is 6 bits of shift and 26 bits of offset: the
 * element to look at next lies at offset + (address >> shift), in bytes, modulo the size of the
 * next array (the last level: rows; the others: nodes). The daemon chooses the shifts so that each
 * window of the address space is divided just finely enough to tell its BARs apart. No level
 * compares anything: for an address in no BAR they lead to some row, whose range says no. Hence
 * there is no branch that depends on the address.
 */
static inline const unsigned char *p2p_table_row(const struct p2p_table *t, uint64_t address)
{
        uint32_t node;

        if (P2P_TABLE_LIKELY(t->depth == 2))
                node = p2p_table_next(t, p2p_table_root(t, address), address);
        else if (t->depth > P2P_TABLE_DEPTH_MAX)
                return t->ranges +
                       32 * (uint64_t)((t->lasts[0] < address) + (t->lasts[1] < address) +
                                       (t->lasts[2] < address));
        else if (t->depth == 1)
                node = p2p_table_root(t, address);
        else if (t->depth == 3)
                node = p2p_table_next(t, p2p_table_next(t, p2p_table_root(t, address), address),
                                      address);
        else
                return t->ranges + (uint64_t)p2p_table_search(t, address) * 32;
        return t->rows + (p2p_table_step(node, address) & t->row_mask);
}

/* Address to BAR. Always answers. */
static inline void p2p_table_find_address(const struct p2p_table *t, uint64_t address,
                                          struct p2p_table_hit *ret)
{
        const unsigned char *row = p2p_table_row(t, address);
        const uint64_t offset = address - p2p_table_load64(row);
        const uint64_t hit = -(uint64_t)(offset < p2p_table_load64(row + 8));
        const uint64_t what = p2p_table_load64(row + 24) & hit;

        ret->offset = offset;
        ret->record = (uint32_t)what | ~(uint32_t)hit;
        ret->place = (uint16_t)((what >> 32 & 0x7fff) | (t->outside & ~(uint32_t)hit));
        ret->id = (uint16_t)(what >> 48);
        /* Rare: only where BARs overlap. */
        if (!P2P_TABLE_LIKELY((what & (uint64_t)P2P_TABLE_PIECE << 32) == 0))
                ret->offset = offset + p2p_table_load64(row + 16);
}

/* The BAR of a record index (as hits and segments have it). P2P_TABLE_OK or ABSENT. */
static inline int p2p_table_find_record(const struct p2p_table *t, uint32_t record,
                                        struct p2p_table_record *ret)
{
        const struct p2p_table_record_data *d;

        if (record >= t->count[P2P_TABLE_RECORDS])
                return P2P_TABLE_ABSENT;
        d = (const struct p2p_table_record_data *)p2p_table_at(t, P2P_TABLE_RECORDS) + record;
        ret->first = p2p_table_load64(&d->first);
        ret->last = p2p_table_load64(&d->last);
        ret->bus_start = p2p_table_load64(&d->bus_start);
        ret->since = p2p_table_load64(&d->since);
        ret->segment = p2p_table_load32(&d->segment);
        ret->bus = P2P_TABLE_LOAD(uint8_t, &d->bus);
        ret->devfn = P2P_TABLE_LOAD(uint8_t, &d->devfn);
        ret->bar_index = P2P_TABLE_LOAD(uint8_t, &d->bar_index);
        ret->flags = P2P_TABLE_LOAD(uint8_t, &d->flags);
        ret->id = p2p_table_load16(&d->id);
        ret->kind = p2p_table_load16(&d->kind);
        return P2P_TABLE_OK;
}

/* BAR id to record index; P2P_TABLE_NONE: 0, or an id without a BAR. */
static inline uint32_t p2p_table_find_id(const struct p2p_table *t, uint32_t id)
{
        const struct p2p_table_id_data *d = (const struct p2p_table_id_data *)t->ids;

        return id < t->count[P2P_TABLE_IDS] ? p2p_table_load32(&d[id].record) : P2P_TABLE_NONE;
}

/* Function to client, by a perfect hash. Bridges are no clients. P2P_TABLE_OK or ABSENT. */
static inline int p2p_table_find_client(const struct p2p_table *t, uint32_t segment, uint8_t bus,
                                        uint8_t devfn, struct p2p_table_client *ret)
{
        const uint32_t bdf = (uint32_t)bus << 8 | devfn;
        const uint64_t mixed = p2p_table_mix(segment, bdf);
        const struct p2p_table_slot_data *d;
        uint32_t multiplier, slot, column;

        if (t->count[P2P_TABLE_SLOTS] == 0)
                return P2P_TABLE_ABSENT;
        multiplier = p2p_table_load16(
                p2p_table_at(t, P2P_TABLE_BUCKETS) +
                2 * (uint64_t)((uint32_t)mixed & (t->count[P2P_TABLE_BUCKETS] - 1)));
        slot = p2p_table_slot(mixed, multiplier, t->count[P2P_TABLE_SLOTS]);
        d = (const struct p2p_table_slot_data *)p2p_table_at(t, P2P_TABLE_SLOTS) + slot;
        column = p2p_table_load16(&d->column);
        if (p2p_table_load32(&d->segment) != segment || p2p_table_load16(&d->bdf) != bdf ||
            column >= t->n_columns)
                return P2P_TABLE_ABSENT;
        ret->slot = slot;
        ret->column = column;
        ret->sequence = t->sequence;
        return P2P_TABLE_OK;
}

/* What a cell says. P2P_TABLE_OK, or ABSENT: there is none, and *ret is untouched. */
static inline int p2p_table_find_cell(const struct p2p_table *t, uint32_t row, uint32_t owner,
                                      struct p2p_table_client client, struct p2p_table_pair *ret)
{
        const uint32_t own = owner == client.slot;
        const uint64_t at = (uint64_t)row + (own ? t->n_columns : client.column);
        uint32_t cell;

        if (!P2P_TABLE_LIKELY(at < t->count[P2P_TABLE_CELLS]))
                return P2P_TABLE_ABSENT;
        cell = p2p_table_load16(t->cells + 2 * at);
        ret->map = (uint16_t)(cell & 3);
        ret->distance = (uint16_t)(cell >> 2);
        ret->own = own;
        return P2P_TABLE_OK;
}

/* How a client reaches the BAR with this id. P2P_TABLE_OK, ABSENT (0, or an id without a BAR), or
 * CLIENT: the client was not found in this generation. */
static inline int p2p_table_find_pair(const struct p2p_table *t, uint32_t id,
                                      struct p2p_table_client client, struct p2p_table_pair *ret)
{
        const unsigned char *d;

        if (!P2P_TABLE_LIKELY(client.sequence == t->sequence))
                return P2P_TABLE_CLIENT;
        if (!P2P_TABLE_LIKELY(id < t->count[P2P_TABLE_IDS]))
                return P2P_TABLE_ABSENT;
        d = t->ids + (uint64_t)id * 16;
        return p2p_table_find_cell(t, p2p_table_load32(d + 4), p2p_table_load32(d + 8), client,
                                   ret);
}

/* What a segment inside a BAR says beyond its place. */
static inline void p2p_table_find_way(const struct p2p_table *t, struct p2p_table_client client,
                                      struct p2p_table_segment *s)
{
        const struct p2p_table_record_data *d;
        struct p2p_table_pair pair;

        if (s->record >= t->count[P2P_TABLE_RECORDS])
                return;
        d = (const struct p2p_table_record_data *)p2p_table_at(t, P2P_TABLE_RECORDS) + s->record;
        if (p2p_table_find_cell(t, p2p_table_load32(&d->row), p2p_table_load32(&d->owner), client,
                                &pair) != P2P_TABLE_OK)
                return;
        s->own = (uint8_t)pair.own;
        s->map = (uint8_t)pair.map;
        if (pair.map != P2P_TABLE_MAP_BUS && !pair.own)
                return;
        s->bus_start = p2p_table_load64(&d->bus_start) + s->bar_offset;
        s->has_bus = (P2P_TABLE_LOAD(uint8_t, &d->flags) & P2P_TABLE_HAS_BUS) != 0 &&
                     s->bus_start >= s->bar_offset;
        if (s->has_bus)
                return;
        s->bus_start = 0;
        if (s->map == P2P_TABLE_MAP_BUS)
                s->map = P2P_TABLE_MAP_NONE;
}

/*
 * How a client reaches the addresses from address on: pieces in address order, without gaps, each
 * within one BAR or outside of all. Writes at most max of them and how many to *ret_n.
 * P2P_TABLE_OK; MORE: max were written, go on behind the last; RANGE; CLIENT: was found in another
 * generation.
 */
static inline int p2p_table_find_segments(const struct p2p_table *t, struct p2p_table_client client,
                                          uint64_t address, uint64_t bytes,
                                          struct p2p_table_segment *segments, uint32_t max,
                                          uint32_t *ret_n)
{
        const uint64_t last = address + (bytes - 1);
        uint32_t n = 0, range = p2p_table_search(t, address);

        if (bytes == 0 || last < address)
                return P2P_TABLE_RANGE;
        if (client.sequence != t->sequence)
                return P2P_TABLE_CLIENT;
        for (;; n++, address = segments[n - 1].start + segments[n - 1].bytes) {
                struct p2p_table_segment s = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
                uint64_t what = (uint64_t)t->outside << 32 | P2P_TABLE_NONE, end = last;

                if (n == max) {
                        *ret_n = n;
                        return P2P_TABLE_MORE;
                }
                for (; range < t->count[P2P_TABLE_RANGES]; range++) {
                        const unsigned char *r = t->ranges + (uint64_t)range * 32;
                        const uint64_t first = p2p_table_load64(r);

                        if (first > address) {
                                end = first - 1;
                                break;
                        }
                        s.bar_offset = address - first;
                        end = p2p_table_load64(r + 8);
                        if (s.bar_offset < end) {
                                end += first - 1;
                                s.bar_offset += p2p_table_load64(r + 16);
                                what = p2p_table_load64(r + 24);
                                break;
                        }
                        s.bar_offset = 0;
                        end = last;
                }
                s.start = address;
                s.bytes = (end < last ? end : last) - address + 1;
                s.record = (uint32_t)what;
                s.id = (uint16_t)(what >> 48);
                s.place = (uint8_t)(what >> 32);
                s.map = s.place == P2P_TABLE_REGULAR ? P2P_TABLE_MAP_REGULAR : P2P_TABLE_MAP_NONE;
                if (s.place == P2P_TABLE_BAR)
                        p2p_table_find_way(t, client, &s);
                segments[n] = s;
                if (end >= last)
                        break;
        }
        *ret_n = n + 1;
        return P2P_TABLE_OK;
}

/*
 * ---- One answer at a time ----
 *
 * Each is from the generation that was the newest at some moment during the call. All may return
 * P2P_TABLE_STALE, MOVED and DAMAGED; what they return through ret is written only with
 * P2P_TABLE_OK, but where it says otherwise.
 */

P2P_TABLE_COLD int p2p_table_lookup_again(struct p2p_table *t, uint64_t address,
                                          struct p2p_table_hit *ret)
{
        struct p2p_table_hit hit;
        unsigned tries;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                p2p_table_find_address(t, address, &hit);
                if (!p2p_table_retry(t)) {
                        *ret = hit;
                        return P2P_TABLE_OK;
                }
        }
        return P2P_TABLE_STALE;
}

/* CPU physical address to BAR and offset. */
static inline int p2p_table_lookup(struct p2p_table *t, uint64_t address, struct p2p_table_hit *ret)
{
        struct p2p_table_hit hit;

        p2p_table_find_address(t, address, &hit);
        if (!P2P_TABLE_LIKELY(p2p_table_is_current(t)))
                return p2p_table_lookup_again(t, address, ret);
        *ret = hit;
        return P2P_TABLE_OK;
}

/* BAR id to its record. Also P2P_TABLE_ABSENT: 0, or an id without a BAR. */
static inline int p2p_table_get_bar(struct p2p_table *t, uint32_t id, struct p2p_table_record *ret)
{
        struct p2p_table_record record;
        unsigned tries;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                r = p2p_table_find_record(t, p2p_table_find_id(t, id), &record);
                if (p2p_table_retry(t))
                        continue;
                if (r == P2P_TABLE_OK)
                        *ret = record;
                return r;
        }
        return P2P_TABLE_STALE;
}

/* Function to client, for the pairs and maps of one generation; cheap enough to be asked again
 * after P2P_TABLE_CLIENT. Also P2P_TABLE_ABSENT: no such function, or a bridge. */
static inline int p2p_table_get_client(struct p2p_table *t, uint32_t segment, uint8_t bus,
                                       uint8_t devfn, struct p2p_table_client *ret)
{
        struct p2p_table_client client;
        unsigned tries;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                r = p2p_table_find_client(t, segment, bus, devfn, &client);
                if (p2p_table_retry(t))
                        continue;
                if (r == P2P_TABLE_OK)
                        *ret = client;
                return r;
        }
        return P2P_TABLE_STALE;
}

P2P_TABLE_COLD int p2p_table_get_pair_again(struct p2p_table *t, uint32_t id,
                                            struct p2p_table_client client,
                                            struct p2p_table_pair *ret)
{
        struct p2p_table_pair pair;
        unsigned tries;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                r = p2p_table_find_pair(t, id, client, &pair);
                if (p2p_table_retry(t))
                        continue;
                if (r == P2P_TABLE_OK)
                        *ret = pair;
                return r;
        }
        return P2P_TABLE_STALE;
}

/* How a client reaches the BAR with this id. Also P2P_TABLE_ABSENT: 0, or an id without a BAR; and
 * P2P_TABLE_CLIENT. */
static inline int p2p_table_get_pair(struct p2p_table *t, uint32_t id,
                                     struct p2p_table_client client, struct p2p_table_pair *ret)
{
        struct p2p_table_pair pair;

        if (!P2P_TABLE_LIKELY(p2p_table_find_pair(t, id, client, &pair) == P2P_TABLE_OK &&
                              p2p_table_is_current(t)))
                return p2p_table_get_pair_again(t, id, client, ret);
        *ret = pair;
        return P2P_TABLE_OK;
}

/*
 * How a client reaches the bytes from a CPU physical address on, as p2p_table_find_segments() says.
 * segments (room for max, at least 1) may be overwritten with anything on failure. P2P_TABLE_MORE:
 * max segments were written, *ret_n says so; ask again from behind the last one. Also
 * P2P_TABLE_RANGE and CLIENT.
 */
static inline int p2p_table_map(struct p2p_table *t, struct p2p_table_client client,
                                uint64_t address, uint64_t bytes,
                                struct p2p_table_segment *segments, uint32_t max, uint32_t *ret_n)
{
        unsigned tries;
        uint32_t n = 0;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                r = p2p_table_find_segments(t, client, address, bytes, segments, max, &n);
                if (p2p_table_retry(t))
                        continue;
                if (r == P2P_TABLE_OK || r == P2P_TABLE_MORE)
                        *ret_n = n;
                return r;
        }
        return P2P_TABLE_STALE;
}

/* Reads the newest generation as a whole and compares its checksum, which no other function does.
 * P2P_TABLE_OK, or STALE, MOVED, DAMAGED. */
P2P_TABLE_COLD int p2p_table_verify(struct p2p_table *t)
{
        unsigned tries, i;
        int r;

        for (tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                const struct p2p_table_area *a;
                uint64_t sum = 0, want;

                r = p2p_table_begin(t);
                if (r != P2P_TABLE_OK)
                        return r;
                a = (const struct p2p_table_area *)t->area;
                want = p2p_table_load64(&a->data_checksum);
                for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                        sum = p2p_table_checksum(
                                sum, p2p_table_at(t, i),
                                ((uint64_t)t->count[i] * p2p_table_element_bytes(i) + 7) & ~7ULL);
                if (!p2p_table_retry(t))
                        return sum == want ? P2P_TABLE_OK : P2P_TABLE_DAMAGED;
        }
        return P2P_TABLE_STALE;
}

#endif /* P2PD_TABLE_H */
