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
 * generation is first looked at, and both are kept in the reader, as are the ranges of BARs if they
 * are few; what is loaded from the table later is bounded by them before it is used. A damaged
 * table gives wrong answers, but no read outside of it.
 *
 * A reader (struct p2p_table) is used by one thread at a time; copy it to give another thread its
 * own. The memory must stay mapped and is never written by the reader.
 *
 * Everything here is there since version 0.1.0.
 */

#include "table-reader.h"

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

/* The BARs as one client reaches them, in one generation. Not to be looked into. */
struct p2p_table_view {
        struct p2p_table_cells cells;
        struct p2p_table_client client;
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
P2P_TABLE_HOT uint32_t p2p_table_step(uint32_t node, uint64_t address)
{
        return (node >> 6) + (uint32_t)(address >> (node & 63));
}

P2P_TABLE_HOT uint32_t p2p_table_root(const struct p2p_table *t, uint64_t address)
{
        return p2p_table_load32(t->nodes + ((uint32_t)(address >> t->root_shift) & t->root_mask));
}

P2P_TABLE_HOT uint32_t p2p_table_next(const struct p2p_table *t, uint32_t node, uint64_t address)
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
P2P_TABLE_HOT const unsigned char *p2p_table_row(const struct p2p_table *t, uint64_t address)
{
        uint32_t node;

        if (P2P_TABLE_LIKELY(t->depth == 2))
                node = p2p_table_next(t, p2p_table_root(t, address), address);
        else if (t->depth == 1)
                node = p2p_table_root(t, address);
        else if (t->depth == 3)
                node = p2p_table_next(t, p2p_table_next(t, p2p_table_root(t, address), address),
                                      address);
        else
                return t->ranges + (uint64_t)p2p_table_search(t, address) * 32;
        return t->rows + (p2p_table_step(node, address) & t->row_mask);
}

/* Which half of part k: 2 * k, and one more if the address is above what divides it. As a sum of
 * three it takes a comparison and an addition with carry; the compiler would double first. */
P2P_TABLE_HOT uint64_t p2p_table_halve(uint64_t k, const uint64_t *dividing, uint64_t address)
{
        uint64_t same = k;

        P2P_TABLE_OPAQUE(same);
        return k + (dividing[k] < address) + same;
}

/* Which of few ranges is the only one that can hold the address: below P2P_TABLE_FEW, whatever the
 * table says. */
P2P_TABLE_HOT uint64_t p2p_table_rank(const struct p2p_table *t, uint64_t address)
{
        uint64_t k = (uint64_t)(t->few.quarters[0] < address) +
                     (uint64_t)(t->few.quarters[1] < address) +
                     (uint64_t)(t->few.quarters[2] < address);

        if (t->depth > P2P_TABLE_DEPTH_MAX + 1) {
                k = p2p_table_halve(k, t->few.eighths, address);
                if (t->depth > P2P_TABLE_DEPTH_MAX + 2)
                        k = p2p_table_halve(k, t->few.sixteenths, address);
        }
        return k;
}

/* All bits, or none. Never by a jump, which would be guessed wrong where hits and misses mix. */
P2P_TABLE_HOT uint64_t p2p_table_all_if(int condition)
{
        uint64_t bits = -(uint64_t)condition;

        P2P_TABLE_OPAQUE(bits);
        return bits;
}

/* Address to BAR. Always answers. */
P2P_TABLE_HOT void p2p_table_find_address(const struct p2p_table *t, uint64_t address,
                                          struct p2p_table_hit *ret)
{
        uint64_t offset, what, hit;

        if (t->depth > P2P_TABLE_DEPTH_MAX) {
                const uint64_t k = p2p_table_rank(t, address);

                offset = address - t->few.first[k];
                hit = p2p_table_all_if(offset < t->few.bytes[k]);
                what = t->few.what[k] & hit;
        } else {
                const unsigned char *row = p2p_table_row(t, address);

                offset = address - p2p_table_load64(row);
                hit = p2p_table_all_if(offset < p2p_table_load64(row + 8));
                what = p2p_table_load64(row + 24) & hit;
                /* Rare: only where BARs overlap. */
                if (!P2P_TABLE_LIKELY((what & (uint64_t)P2P_TABLE_PIECE << 32) == 0))
                        offset += p2p_table_load64(row + 16);
        }
        ret->offset = offset;
        ret->record = (uint32_t)what | ~(uint32_t)hit;
        ret->place = (uint16_t)((what >> 32 & 0x7fff) | (t->outside & ~(uint32_t)hit));
        ret->id = (uint16_t)(what >> 48);
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
        const uint64_t n = t->cells.n_ids;

        return id < n ? p2p_table_load32(t->cells.ids + 8 * n + 4 * (uint64_t)id) : P2P_TABLE_NONE;
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
            column >= t->cells.n_columns)
                return P2P_TABLE_ABSENT;
        ret->slot = slot;
        ret->column = column;
        ret->sequence = t->sequence;
        return P2P_TABLE_OK;
}

/* What the cell of a client in a row says; own: the client owns the row's BAR. Negative: there is
 * no such cell. */
P2P_TABLE_HOT int p2p_table_load_cell(const struct p2p_table_cells *c, uint32_t row, uint32_t own,
                                      struct p2p_table_client client)
{
        uint64_t at = row;

        if (P2P_TABLE_LIKELY(!own)) {
                at += client.column;
        } else {
                at += c->n_columns;
                /* Seldom: not to be made a choice that everybody waits for. */
                P2P_TABLE_OPAQUE(at);
        }
        if (!P2P_TABLE_LIKELY(at < c->n_cells))
                return -1;
        return p2p_table_load16(c->cells + 2 * at);
}

/* The same for the BAR with this id, and whether the client owns it. */
P2P_TABLE_HOT int p2p_table_load_pair(const struct p2p_table_cells *c, uint32_t id,
                                      struct p2p_table_client client, uint32_t *ret_own)
{
        uint64_t at = id;

        if (!P2P_TABLE_LIKELY(id < c->n_ids))
                return -1;
        *ret_own = p2p_table_load32(c->ids + 8 * at + 4) == client.slot;
        /* The processor adds up two addresses for nothing; one that both share is an addition. */
        P2P_TABLE_OPAQUE(at);
        return p2p_table_load_cell(c, p2p_table_load32(c->ids + 8 * at), *ret_own, client);
}

P2P_TABLE_HOT void p2p_table_tell_pair(int cell, uint32_t own, struct p2p_table_pair *ret)
{
        ret->map = (uint16_t)(cell & 3);
        ret->distance = (uint16_t)(cell >> 2);
        ret->own = own;
}

/* How a client reaches the BAR with this id. P2P_TABLE_OK, ABSENT (0, or an id without a BAR), or
 * CLIENT: the client was not found in this generation. */
static inline int p2p_table_find_pair(const struct p2p_table *t, uint32_t id,
                                      struct p2p_table_client client, struct p2p_table_pair *ret)
{
        uint32_t own = 0;
        int cell;

        if (!P2P_TABLE_LIKELY(client.sequence == t->sequence))
                return P2P_TABLE_CLIENT;
        cell = p2p_table_load_pair(&t->cells, id, client, &own);
        if (!P2P_TABLE_LIKELY(cell >= 0))
                return P2P_TABLE_ABSENT;
        p2p_table_tell_pair(cell, own, ret);
        return P2P_TABLE_OK;
}

/* Turns to a client for p2p_table_find_reach(). P2P_TABLE_OK, or CLIENT: as above. */
static inline int p2p_table_find_view(const struct p2p_table *t, struct p2p_table_client client,
                                      struct p2p_table_view *ret)
{
        if (client.sequence != t->sequence)
                return P2P_TABLE_CLIENT;
        ret->cells = t->cells;
        ret->client = client;
        return P2P_TABLE_OK;
}

/*
 * How the client of a view reaches the BAR with this id, for who asks about many BARs at once:
 *
 *         r = p2p_table_begin(t);
 *         if (r == P2P_TABLE_OK)
 *                 r = p2p_table_find_view(t, client, &view);
 *         for (i = 0; r == P2P_TABLE_OK && i < n; i++)
 *                 r = p2p_table_find_reach(&view, ids[i], &pairs[i]);
 *         if (p2p_table_retry(t))
 *                 (begin again, at most P2P_TABLE_TRIES times)
 *
 * One check for all, and what bounds the look stays in registers if the view is a local variable:
 * that halves the time of each. P2P_TABLE_OK or ABSENT, as p2p_table_find_pair().
 */
static inline int p2p_table_find_reach(const struct p2p_table_view *view, uint32_t id,
                                       struct p2p_table_pair *ret)
{
        uint32_t own = 0;
        int cell = p2p_table_load_pair(&view->cells, id, view->client, &own);

        if (!P2P_TABLE_LIKELY(cell >= 0))
                return P2P_TABLE_ABSENT;
        p2p_table_tell_pair(cell, own, ret);
        return P2P_TABLE_OK;
}

/* What a segment inside a BAR says beyond its place. */
static inline void p2p_table_find_way(const struct p2p_table *t, struct p2p_table_client client,
                                      struct p2p_table_segment *s)
{
        const struct p2p_table_record_data *d;
        uint32_t own;
        int cell;

        if (s->record >= t->count[P2P_TABLE_RECORDS])
                return;
        d = (const struct p2p_table_record_data *)p2p_table_at(t, P2P_TABLE_RECORDS) + s->record;
        own = p2p_table_load32(&d->owner) == client.slot;
        cell = p2p_table_load_cell(&t->cells, p2p_table_load32(&d->row), own, client);
        if (cell < 0)
                return;
        s->own = (uint8_t)own;
        s->map = (uint8_t)(cell & 3);
        if (s->map != P2P_TABLE_MAP_BUS && !s->own)
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

P2P_TABLE_COLD int p2p_table_get_pair_again(struct p2p_table *t, uint32_t id, uint32_t slot,
                                            uint32_t column, uint32_t sequence,
                                            struct p2p_table_pair *ret)
{
        const struct p2p_table_client client = {slot, column, sequence};
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
 * P2P_TABLE_CLIENT. Of many ids at once p2p_table_find_reach() is faster. */
static inline int p2p_table_get_pair(struct p2p_table *t, uint32_t id,
                                     struct p2p_table_client client, struct p2p_table_pair *ret)
{
        uint32_t own = 0;
        int cell = p2p_table_load_pair(&t->cells, id, client, &own);
        uint64_t now;

        P2P_TABLE_FENCE();
        now = p2p_table_load64(t->state);
        /* The low half of the state is the sequence, which saves loading the reader's. */
        if (!P2P_TABLE_LIKELY(cell >= 0 && (uint32_t)now == client.sequence && now == t->seen))
                return p2p_table_get_pair_again(t, id, client.slot, client.column, client.sequence,
                                                ret);
        p2p_table_tell_pair(cell, own, ret);
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
