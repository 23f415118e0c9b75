/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "publish/store.h"
#include "publish/table-image.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define ALIGNMENT 64U
#define PAGE_BYTES 4096U
#define LIVE_OFFSET ((uint32_t)sizeof(struct p2p_table_header))
#define AREAS_OFFSET ((uint32_t)(sizeof(struct p2p_table_header) + sizeof(struct p2p_table_live)))

static_assert(AREAS_OFFSET % ALIGNMENT == 0, "areas begin aligned");

/* One memfd with its mapping for writing. */
struct place {
        int fd;
        unsigned char *memory;
        struct p2p_table_header header; /* host order */
};

#define PLACE_NULL ((struct place){.fd = -1})

struct p2pd_table {
        unsigned id_bits;
        uint64_t instance[2];
        uint32_t sequence; /* published */
        uint64_t generation;
        struct place place;
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
        return (n + to - 1) / to * to;
}

/* How many elements there is to be room for, so that a few more devices do not move the table. */
static uint64_t capacity_for(unsigned array, uint32_t count)
{
        switch (array) {
        case P2P_TABLE_NODES:
        case P2P_TABLE_ROWS:
                return p2p_table_power_of_two(count);
        case P2P_TABLE_BUCKETS:
        case P2P_TABLE_SLOTS:
                return count ? count : 1; /* grows by doubling only */
        default:
                return (uint64_t)count + count / 4 + 4;
        }
}

/* Lays out the areas for these counts. 0, or -E2BIG: offsets have 32 bits. */
static int lay_out(struct p2p_table_header *h, const uint32_t count[P2P_TABLE_ARRAYS])
{
        uint64_t at = sizeof(struct p2p_table_area), total;

        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++) {
                uint64_t capacity = capacity_for(i, count[i]);

                at = round_up(at, ALIGNMENT);
                if (at > UINT32_MAX / 4 || capacity > UINT32_MAX / 4)
                        return -E2BIG;
                h->arrays[i] = (struct p2p_table_array_data){(uint32_t)at, (uint32_t)capacity};
                at += capacity * p2p_table_element_bytes(i);
        }
        at = round_up(at, ALIGNMENT);
        total = round_up(AREAS_OFFSET + 2 * at, PAGE_BYTES);
        if (total > UINT32_MAX / 2)
                return -E2BIG;
        h->area_bytes = (uint32_t)at;
        h->area_offset[0] = AREAS_OFFSET;
        h->area_offset[1] = AREAS_OFFSET + (uint32_t)at;
        h->total_bytes = total;
        return 0;
}

/* The header as it stands in the table, little endian. */
static void write_header(const struct place *p)
{
        const struct p2p_table_header *h = &p->header;
        struct p2p_table_header le = {
                .magic = htole64(P2P_TABLE_MAGIC),
                .version = htole32(P2P_TABLE_VERSION),
                .header_bytes = htole32(sizeof(le)),
                .total_bytes = htole64(h->total_bytes),
                .id_bits = htole32(h->id_bits),
                .area_bytes = htole32(h->area_bytes),
        };

        for (unsigned i = 0; i < 2; i++) {
                le.instance[i] = htole64(h->instance[i]);
                le.area_offset[i] = htole32(h->area_offset[i]);
        }
        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++) {
                le.arrays[i].offset = htole32(h->arrays[i].offset);
                le.arrays[i].capacity = htole32(h->arrays[i].capacity);
        }
        le.checksum =
                htole64(p2p_table_checksum(0, &le, offsetof(struct p2p_table_header, checksum)));
        p2pd_store_bytes(p->memory, &le, sizeof(le));
}

static void place_done(struct place *p)
{
        if (p->memory)
                munmap(p->memory, p->header.total_bytes);
        if (p->fd >= 0)
                close(p->fd);
        *p = PLACE_NULL;
}

/* Gives the memfd its size, with all of its memory: where that is short, it is an error here and
 * not a signal when the table is written. */
static int reserve(int fd, uint64_t bytes)
{
        int r;

        do
                r = fallocate(fd, 0, 0, (off_t)bytes);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

/* Makes the memory for p->header and seals it: its size is fixed, and no mapping or descriptor but
 * ours can write. On failure place_done() cleans up. */
static int place_make(struct place *p)
{
        void *memory;
        int r;

        p->fd = memfd_create("p2pd-table", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (p->fd < 0 && errno == EINVAL) /* before Linux 6.3 */
                p->fd = memfd_create("p2pd-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (p->fd < 0)
                return -errno;
        r = reserve(p->fd, p->header.total_bytes);
        if (r < 0)
                return r;
        memory = mmap(NULL, p->header.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        p->memory = memory;
        if (fcntl(p->fd, F_ADD_SEALS,
                  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        write_header(p);
        return 0;
}

static struct p2p_table_live *live_of(const struct place *p)
{
        return (struct p2p_table_live *)(p->memory + LIVE_OFFSET);
}

static void set_state(const struct place *p, uint32_t published, uint32_t begun)
{
        __atomic_store_n(&live_of(p)->state, htole64((uint64_t)begun << 32 | published),
                         __ATOMIC_RELEASE);
}

/* Tells who still looks there that nothing more will come. The state changes as well, because that
 * is what readers look at. */
static void supersede(const struct place *p, uint32_t published)
{
        __atomic_store_n(&live_of(p)->superseded, htole32(1), __ATOMIC_RELEASE);
        set_state(p, published, published + 2);
}

/* A place for these counts, with nothing published. */
static int place_new(const struct p2pd_table *t, const uint32_t count[P2P_TABLE_ARRAYS],
                     struct place *ret)
{
        struct place p = PLACE_NULL;
        int r;

        p.header.id_bits = t->id_bits;
        p.header.instance[0] = t->instance[0];
        p.header.instance[1] = t->instance[1];
        r = lay_out(&p.header, count);
        if (r == 0)
                r = place_make(&p);
        if (r < 0) {
                place_done(&p);
                return r;
        }
        set_state(&p, t->sequence, t->sequence);
        *ret = p;
        return 0;
}

int p2pd_table_new(unsigned id_bits, struct p2pd_table **ret)
{
        const uint32_t none[P2P_TABLE_ARRAYS] = {0};
        struct p2pd_table *t = calloc(1, sizeof(*t));
        int r;

        assert(id_bits >= 4 && id_bits <= 16);
        if (!t)
                return -ENOMEM;
        t->id_bits = id_bits;
        t->place = PLACE_NULL;
        /* A random sequence as well: a client that a reader found in the table of an earlier daemon
         * will not pass for one of this. */
        if (getrandom(t->instance, sizeof(t->instance), 0) != sizeof(t->instance) ||
            getrandom(&t->sequence, sizeof(t->sequence), 0) != sizeof(t->sequence))
                r = -EIO;
        else
                r = place_new(t, none, &t->place);
        if (r < 0) {
                free(t);
                return r;
        }
        *ret = t;
        return 0;
}

struct p2pd_table *p2pd_table_free(struct p2pd_table *t)
{
        if (!t)
                return NULL;
        supersede(&t->place, t->sequence);
        place_done(&t->place);
        free(t);
        return NULL;
}

/* Writes into the area that nobody reads and turns the readers to it. 0 or
 * P2PD_TABLE_IMAGE_E_SPACE. */
static int write_generation(struct p2pd_table *t, const struct place *p,
                            const struct p2pd_table_image *image)
{
        const uint32_t next = t->sequence + 1;
        int r;

        set_state(p, t->sequence, next);
        P2PD_STORE_FENCE();
        r = p2pd_table_image_write(image, p->header.arrays, next,
                                   p->memory + p->header.area_offset[next & 1]);
        if (r != 0) {
                set_state(p, t->sequence, t->sequence);
                return r;
        }
        set_state(p, next, next);
        t->sequence = next;
        return 0;
}

static int move(struct p2pd_table *t, const struct p2pd_table_image *image)
{
        const uint32_t old_sequence = t->sequence;
        struct place p;
        int r;

        r = place_new(t, image->count, &p);
        if (r < 0)
                return r;
        r = write_generation(t, &p, image);
        assert(r == 0);
        supersede(&t->place, old_sequence);
        place_done(&t->place);
        t->place = p;
        return 0;
}

int p2pd_table_publish(struct p2pd_table *t, const struct p2p_machine *m,
                       const struct p2p_verdicts *v, uint64_t generation,
                       const struct p2pd_table_bar *bars, uint32_t n_bars, bool *ret_moved)
{
        const struct p2pd_table_facts facts = {
                .m = m,
                .v = v,
                .id_bits = t->id_bits,
                .generation = generation,
                .bars = bars,
                .n_bars = n_bars,
        };
        struct p2pd_table_image *image;
        bool moved;
        int r;

        if (generation <= t->generation)
                return -EINVAL;
        r = p2pd_table_image_new(&facts, &image);
        if (r < 0)
                return r;
        r = write_generation(t, &t->place, image);
        moved = r == P2PD_TABLE_IMAGE_E_SPACE;
        if (moved)
                r = move(t, image);
        p2pd_table_image_free(image);
        if (r < 0)
                return r;
        t->generation = generation;
        *ret_moved = moved;
        return 0;
}

int p2pd_table_get_fd(const struct p2pd_table *t)
{
        return t->place.fd;
}

uint64_t p2pd_table_get_size(const struct p2pd_table *t)
{
        return t->place.header.total_bytes;
}

void p2pd_table_get_instance(const struct p2pd_table *t, uint64_t ret[static 2])
{
        ret[0] = t->instance[0];
        ret[1] = t->instance[1];
}
