/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef P2PD_TABLE_READER_H
#define P2PD_TABLE_READER_H

/*
 * The reader of the shared table, as far as it is the same for all questions: to attach it, and to
 * begin and end the look at one generation. Who wants to look into a table includes p2pd/table.h,
 * which tells how it works and has the questions.
 *
 * Since version 0.1.0.
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

/* So few ranges a reader keeps for itself. */
#define P2P_TABLE_FEW 16U

/*
 * A few ranges in address order; those that are missing match nothing. Which one can hold an
 * address is found in up to three steps: by three comparisons that do not wait for one another,
 * which give a quarter of 4, 8 or 16 places, then by one in that quarter, then by one in that
 * eighth. What an address is compared with is the last address of the lower part; where the upper
 * one is empty, the last address of all.
 */
struct p2p_table_few {
        uint64_t quarters[3], eighths[4], sixteenths[8];
        uint64_t first[P2P_TABLE_FEW], bytes[P2P_TABLE_FEW], what[P2P_TABLE_FEW];
};

/* Where the pairs of one generation are, and what bounds the look at them. */
struct p2p_table_cells {
        const unsigned char *ids, *cells;
        uint64_t n_cells;
        uint32_t n_ids, n_columns;
};

/* A reader: private copies of what bounds its look into the shared memory. Not to be looked into;
 * copying it is allowed. */
struct p2p_table {
        /* What each lookup needs. */
        const void *state;
        uint64_t seen;       /* state when the generation was looked at */
        uint32_t depth;      /* as in the area; above P2P_TABLE_DEPTH_MAX by 1 to 3: few, in so many
                                steps */
        uint32_t outside;    /* enum p2p_table_place where no range is */
        uint32_t root_shift; /* to bytes */
        uint32_t root_mask, node_mask, row_mask; /* in bytes */
        const unsigned char *nodes, *rows, *ranges;
        struct p2p_table_few few;
        /* And the others. */
        struct p2p_table_cells cells;
        uint32_t sequence;
        uint32_t count[P2P_TABLE_ARRAYS];
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

static inline const unsigned char *p2p_table_at(const struct p2p_table *t, unsigned array)
{
        return t->area + t->arrays[array].offset;
}

/* Where the arrays of an area begin. */
static inline void p2p_table_turn_to(struct p2p_table *t, const unsigned char *area)
{
        t->area = area;
        t->nodes = p2p_table_at(t, P2P_TABLE_NODES);
        t->rows = p2p_table_at(t, P2P_TABLE_ROWS);
        t->ranges = p2p_table_at(t, P2P_TABLE_RANGES);
        t->cells.ids = p2p_table_at(t, P2P_TABLE_IDS);
        t->cells.cells = p2p_table_at(t, P2P_TABLE_CELLS);
}

/* What divides the first n ranges from the others. */
static inline uint64_t p2p_table_divide(const struct p2p_table *t, uint32_t n)
{
        if (n == 0 || n >= t->count[P2P_TABLE_RANGES])
                return ~0ULL;
        return t->few.first[n - 1] + (t->few.bytes[n - 1] - 1);
}

/* Copies what a lookup needs of few ranges. With pieces of BARs among them they are searched: who
 * has none is not to pay for the offset of a piece. */
static inline void p2p_table_take_few(struct p2p_table *t)
{
        const uint32_t n = t->count[P2P_TABLE_RANGES], steps = (n > 4) + (n > 8);
        uint64_t all = 0;
        uint32_t i;

        for (i = 0; i < P2P_TABLE_FEW; i++) {
                const unsigned char *range = t->ranges + 32 * (uint64_t)i;

                t->few.first[i] = i < n ? p2p_table_load64(range) : 0;
                t->few.bytes[i] = i < n ? p2p_table_load64(range + 8) : 0;
                t->few.what[i] = i < n ? p2p_table_load64(range + 24) : 0;
                all |= t->few.what[i];
        }
        for (i = 0; i < 3; i++)
                t->few.quarters[i] = p2p_table_divide(t, (i + 1) << steps);
        for (i = 0; i < 4; i++)
                t->few.eighths[i] = p2p_table_divide(t, (2 * i + 1) << steps >> 1);
        for (i = 0; i < 8; i++)
                t->few.sixteenths[i] = p2p_table_divide(t, 2 * i + 1);
        t->depth = all & (uint64_t)P2P_TABLE_PIECE << 32 ? 0 : P2P_TABLE_DEPTH_MAX + 1 + steps;
}

/* Nobody should look without a generation, but who does finds nothing. */
static inline void p2p_table_find_nothing(struct p2p_table *t)
{
        unsigned i;

        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                t->count[i] = 0;
        t->root_mask = t->root_shift = t->node_mask = t->row_mask = 0;
        t->cells.n_columns = t->cells.n_ids = 0;
        t->cells.n_cells = 0;
        t->outside = P2P_TABLE_UNKNOWN;
        p2p_table_take_few(t);
}

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
        }
        if (!p2p_table_arrays_fit(t.arrays, area_bytes))
                return P2P_TABLE_SIZE;
        t.seen = P2P_TABLE_SEEN_NONE;
        t.sequence = 0;
        t.generation = 0;
        p2p_table_turn_to(&t, base + t.area_offset[0]);
        p2p_table_find_nothing(&t);
        *ret = t;
        return P2P_TABLE_OK;
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

/* Takes over what an area says about itself, as far as it stays within the arrays. */
P2P_TABLE_COLD int p2p_table_read_area(struct p2p_table *t, const unsigned char *area)
{
        const struct p2p_table_area *a = (const struct p2p_table_area *)area;
        uint32_t flags = p2p_table_load32(&a->flags);
        unsigned i;

        p2p_table_turn_to(t, area);
        t->generation = p2p_table_load64(&a->generation);
        t->depth = p2p_table_load32(&a->depth);
        t->root_shift = p2p_table_load32(&a->root_shift);
        t->root_mask = p2p_table_load32(&a->root_mask);
        t->cells.n_columns = p2p_table_load32(&a->n_columns);
        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                t->count[i] = p2p_table_load32(&a->count[i]);
        t->cells.n_ids = t->count[P2P_TABLE_IDS];
        t->cells.n_cells = t->count[P2P_TABLE_CELLS];
        t->outside = flags & P2P_TABLE_OUTSIDE_UNKNOWN ? P2P_TABLE_UNKNOWN : P2P_TABLE_REGULAR;
        for (i = 0; i < P2P_TABLE_ARRAYS; i++)
                if (t->count[i] > t->arrays[i].capacity)
                        goto damaged;
        if (t->depth > P2P_TABLE_DEPTH_MAX || t->root_shift > 63 ||
            (t->depth > 0 && t->root_shift < 2) || t->cells.n_columns > 65535 ||
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
        p2p_table_find_nothing(t);
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

#endif /* P2PD_TABLE_READER_H */
