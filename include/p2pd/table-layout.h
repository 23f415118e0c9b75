/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef P2PD_TABLE_LAYOUT_H
#define P2PD_TABLE_LAYOUT_H

/*
 * How the shared table lies in memory, and what its writer and its readers must compute alike. Who
 * wants to look into a table includes p2pd/table.h, which tells how it works.
 *
 * Everything is little endian. Since version 0.1.0.
 */

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/compiler.h>
#include <asm/barrier.h>
#else
#include <stdint.h>
#endif

#define P2P_TABLE_MAGIC 0x31656c6261746432ULL /* "2dtable1" */
#define P2P_TABLE_VERSION 2U
#define P2P_TABLE_NONE 0xffffffffU /* no record, no slot */
#define P2P_TABLE_DISTANCE_UNKNOWN 16383U
#define P2P_TABLE_DEPTH_MAX 3U

/* The arrays of an area. */
enum p2p_table_array {
        P2P_TABLE_NODES,   /* uint32_t: the inner levels of the address lookup */
        P2P_TABLE_ROWS,    /* struct p2p_table_range: its last level */
        P2P_TABLE_RANGES,  /* struct p2p_table_range: sorted by address, disjoint */
        P2P_TABLE_RECORDS, /* struct p2p_table_record_data: one for each BAR */
        P2P_TABLE_IDS,     /* by BAR id: struct p2p_table_id_data, then for each a uint32_t more */
        P2P_TABLE_BUCKETS, /* uint16_t: multipliers of the functions' perfect hash */
        P2P_TABLE_SLOTS,   /* struct p2p_table_slot_data: functions, by that hash */
        P2P_TABLE_CELLS,   /* uint16_t: map and distance, row by row */
        P2P_TABLE_ARRAYS
};

struct p2p_table_array_data {
        uint32_t offset;   /* from the begin of the area, a multiple of 64 */
        uint32_t capacity; /* elements, at least 1; of nodes and rows a power of two */
};

/* The still part at offset 0: written once, before anybody sees the table. */
struct p2p_table_header {
        uint64_t magic;
        uint32_t version;
        uint32_t header_bytes;
        uint64_t total_bytes;
        uint32_t id_bits; /* 4 to 16: BAR ids are below 2^id_bits */
        uint32_t area_bytes;
        uint64_t instance[2];    /* random, another one for each daemon that ran */
        uint32_t area_offset[2]; /* multiples of 64 */
        struct p2p_table_array_data arrays[P2P_TABLE_ARRAYS]; /* the same in both areas */
        uint64_t checksum; /* p2p_table_checksum() of all before it */
};

/* The part that changes, right behind the header. */
struct p2p_table_live {
        uint64_t state;      /* low half: published; high half: begun */
        uint32_t superseded; /* not 0: there is a newer table, get and attach that one */
        uint32_t reserved[13];
};

/* At the begin of each area. */
struct p2p_table_area {
        uint64_t checksum;      /* of the rest of this struct */
        uint64_t data_checksum; /* of the used part of each array, one after the other */
        uint64_t generation;    /* the daemon's; 0: nothing was published yet */
        uint32_t sequence;      /* "published" while this is the area to read */
        uint32_t depth;         /* levels of nodes, 1 to 3; 0: ranges are compared or searched */
        uint32_t root_shift;    /* the root is the first root_mask + 1 nodes, */
        uint32_t root_mask;     /* entered at (address >> root_shift) & root_mask */
        uint32_t count[P2P_TABLE_ARRAYS];
        uint32_t n_columns; /* of the cells; each row has one more, for a function with itself */
        uint32_t flags;     /* P2P_TABLE_OUTSIDE_UNKNOWN */
        uint64_t reserved[6];
};

/* What is at an address. */
enum p2p_table_place {
        P2P_TABLE_REGULAR,   /* no BAR: regular memory, as far as PCI is concerned */
        P2P_TABLE_BAR,       /* one BAR */
        P2P_TABLE_CONTESTED, /* several BARs claim it */
        P2P_TABLE_UNKNOWN    /* none of the known BARs, but perhaps one with unknown addresses */
};

/* How to reach it. The two bits of the protocol; what the daemon calls unknown is NONE here. */
enum p2p_table_map_kind {
        P2P_TABLE_MAP_REGULAR,     /* map it as any memory */
        P2P_TABLE_MAP_BUS,         /* DMA to the PCI bus address */
        P2P_TABLE_MAP_HOST_BRIDGE, /* map the CPU physical address for DMA, as MMIO */
        P2P_TABLE_MAP_NONE         /* not at all: copy through memory */
};

/* Some BAR of the machine has no known addresses: no address outside of the ranges can be called
 * regular memory. */
#define P2P_TABLE_OUTSIDE_UNKNOWN 1U

/* Added to the place of a range that begins inside its BAR, because another one claims what is
 * before. */
#define P2P_TABLE_PIECE 0x8000U

/* Addresses that belong together. As rows there is a power of two of them, some with 0 bytes, which
 * match no address. */
struct p2p_table_range {
        uint64_t first; /* CPU physical address */
        uint64_t bytes;
        uint64_t bar_offset; /* of first in its BAR; not 0 only with P2P_TABLE_PIECE */
        uint64_t what;       /* record, then 16 bits of enum p2p_table_place, then 16 of id */
};

struct p2p_table_record_data {
        uint64_t first, last; /* CPU physical addresses of the BAR, both included */
        uint64_t bus_start;   /* PCI bus address of first, if P2P_TABLE_HAS_BUS */
        uint64_t since;       /* generation in which the id came to mean this BAR; 0 without id */
        uint32_t segment;
        uint8_t bus, devfn, bar_index, flags;
        uint16_t id; /* 0: none */
        uint16_t kind;
        uint32_t row;   /* where its cells begin */
        uint32_t owner; /* the function's slot; P2P_TABLE_NONE: no client */
        uint32_t reserved[3];
};

#define P2P_TABLE_HAS_BUS 1U      /* the bus address is known */
#define P2P_TABLE_PREFETCHABLE 2U /* what the BAR register says */
#define P2P_TABLE_64BIT 4U

/* What a pair needs of an id. Behind those of all ids stands the record of each, as a uint32_t;
 * P2P_TABLE_NONE: the id has no BAR. */
struct p2p_table_id_data {
        uint32_t row;   /* where the BAR's cells begin; P2P_TABLE_NONE likewise */
        uint32_t owner; /* as in the record */
};

#define P2P_TABLE_ID_BYTES 12U /* of one id, record included */

struct p2p_table_slot_data {
        uint32_t segment;
        uint16_t bdf;    /* bus << 8 | devfn */
        uint16_t column; /* n_columns: the slot is empty */
};

#ifdef __cplusplus
#define P2P_TABLE_ASSERT(x, text) static_assert(x, text)
#else
#define P2P_TABLE_ASSERT(x, text) _Static_assert(x, text)
#endif
#define P2P_TABLE_AT(type, member, at)                                                             \
        P2P_TABLE_ASSERT(__builtin_offsetof(struct type, member) == (at), #type "." #member)

P2P_TABLE_ASSERT(sizeof(struct p2p_table_header) == 128, "header");
P2P_TABLE_AT(p2p_table_header, total_bytes, 16);
P2P_TABLE_AT(p2p_table_header, instance, 32);
P2P_TABLE_AT(p2p_table_header, area_offset, 48);
P2P_TABLE_AT(p2p_table_header, arrays, 56);
P2P_TABLE_AT(p2p_table_header, checksum, 120);
P2P_TABLE_ASSERT(sizeof(struct p2p_table_live) == 64, "live");
P2P_TABLE_AT(p2p_table_live, superseded, 8);
P2P_TABLE_ASSERT(sizeof(struct p2p_table_area) == 128, "area");
P2P_TABLE_AT(p2p_table_area, generation, 16);
P2P_TABLE_AT(p2p_table_area, count, 40);
P2P_TABLE_AT(p2p_table_area, n_columns, 72);
P2P_TABLE_ASSERT(sizeof(struct p2p_table_range) == 32, "range");
P2P_TABLE_AT(p2p_table_range, what, 24);
P2P_TABLE_ASSERT(sizeof(struct p2p_table_record_data) == 64, "record");
P2P_TABLE_AT(p2p_table_record_data, segment, 32);
P2P_TABLE_AT(p2p_table_record_data, id, 40);
P2P_TABLE_AT(p2p_table_record_data, row, 44);
P2P_TABLE_ASSERT(sizeof(struct p2p_table_id_data) == 8, "id");
P2P_TABLE_ASSERT(sizeof(struct p2p_table_slot_data) == 8, "slot");

/*
 * Loads. Each is one that cannot be torn or repeated by the compiler. The thread sanitizer does not
 * know fences: for it every load is an acquire, which orders as much as the fence.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define P2P_TABLE_NO_FENCE
#endif
#elif defined(__SANITIZE_THREAD__)
#define P2P_TABLE_NO_FENCE
#endif

#ifdef __KERNEL__
#define P2P_TABLE_LOAD(type, p) READ_ONCE(*(const type *)(p))
#define P2P_TABLE_ACQUIRE(type, p) smp_load_acquire((const type *)(p))
#define P2P_TABLE_FENCE() smp_rmb()
#elif defined(P2P_TABLE_NO_FENCE)
#define P2P_TABLE_LOAD(type, p) __atomic_load_n((const type *)(p), __ATOMIC_ACQUIRE)
#define P2P_TABLE_ACQUIRE(type, p) __atomic_load_n((const type *)(p), __ATOMIC_ACQUIRE)
#define P2P_TABLE_FENCE() ((void)0)
#else
#define P2P_TABLE_LOAD(type, p) __atomic_load_n((const type *)(p), __ATOMIC_RELAXED)
#define P2P_TABLE_ACQUIRE(type, p) __atomic_load_n((const type *)(p), __ATOMIC_ACQUIRE)
#define P2P_TABLE_FENCE() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define P2P_TABLE_HOST16(x) __builtin_bswap16(x)
#define P2P_TABLE_HOST32(x) __builtin_bswap32(x)
#else
#define P2P_TABLE_HOST16(x) (x)
#define P2P_TABLE_HOST32(x) (x)
#endif

#define P2P_TABLE_LIKELY(x) __builtin_expect(!!(x), 1)
/* The compiler is not to know what x is, so that arithmetic stays as it is written. */
#define P2P_TABLE_OPAQUE(x) __asm__("" : "+r"(x))
/* What answers pass through: a call between would send them through memory in pieces. */
#define P2P_TABLE_HOT static inline __attribute__((__always_inline__))
#define P2P_TABLE_COLD static __attribute__((__cold__, __noinline__, __unused__))

static inline uint16_t p2p_table_load16(const void *p)
{
        return P2P_TABLE_HOST16(P2P_TABLE_LOAD(uint16_t, p));
}

static inline uint32_t p2p_table_load32(const void *p)
{
        return P2P_TABLE_HOST32(P2P_TABLE_LOAD(uint32_t, p));
}

/* In two halves where a machine word has 32 bits; the generations keep them together. */
static inline uint64_t p2p_table_load64(const void *p)
{
#if __SIZEOF_POINTER__ >= 8 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        return __builtin_bswap64(P2P_TABLE_LOAD(uint64_t, p));
#elif __SIZEOF_POINTER__ >= 8
        return P2P_TABLE_LOAD(uint64_t, p);
#else
        const uint32_t low = p2p_table_load32(p);

        return (uint64_t)p2p_table_load32((const unsigned char *)p + 4) << 32 | low;
#endif
}

/* A checksum of bytes (a multiple of 8) that continues from an earlier one; begin with 0. Each step
 * is a bijection of the sum, so that any change within one word changes the result. */
static inline uint64_t p2p_table_checksum(uint64_t sum, const void *p, uint64_t bytes)
{
        const unsigned char *at = (const unsigned char *)p;
        uint64_t i;

        for (i = 0; i + 8 <= bytes; i += 8) {
                sum = (sum ^ p2p_table_load64(at + i)) * 0x9e3779b97f4a7c15ULL + 1;
                sum ^= sum >> 32;
        }
        return sum;
}

/* Bytes of one element. */
static inline uint32_t p2p_table_element_bytes(unsigned array)
{
        switch (array) {
        case P2P_TABLE_NODES:
                return 4;
        case P2P_TABLE_ROWS:
        case P2P_TABLE_RANGES:
                return sizeof(struct p2p_table_range);
        case P2P_TABLE_RECORDS:
                return sizeof(struct p2p_table_record_data);
        case P2P_TABLE_IDS:
                return P2P_TABLE_ID_BYTES;
        case P2P_TABLE_SLOTS:
                return sizeof(struct p2p_table_slot_data);
        default:
                return 2;
        }
}

/* The least power of two that is at least n (1 to 2^31). */
static inline uint32_t p2p_table_power_of_two(uint32_t n)
{
        return n <= 1 ? 1 : 2U << (31 - __builtin_clz(n - 1));
}

static inline int p2p_table_is_power_of_two(uint32_t n)
{
        return n != 0 && (n & (n - 1)) == 0;
}

/* Mixes a function's address for the perfect hash: which bucket, and what its multiplier is
 * multiplied with. */
static inline uint64_t p2p_table_mix(uint32_t segment, uint32_t bdf)
{
        uint64_t x = ((uint64_t)segment << 16 | bdf) * 0x9e3779b97f4a7c15ULL;

        x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
        return x ^ x >> 32;
}

/* The slot of a mixed address under its bucket's multiplier, of n_slots (a power of two). */
static inline uint32_t p2p_table_slot(uint64_t mixed, uint32_t multiplier, uint32_t n_slots)
{
        const uint32_t spread = (uint32_t)(mixed >> 32) * (2 * multiplier + 1);

        return (uint32_t)((uint64_t)spread * n_slots >> 32);
}

#endif /* P2PD_TABLE_LAYOUT_H */
