/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-image.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-index.h"
#include "decide/verdicts.h"
#include "machine.h"
#include "publish/store.h"
#include "publish/table-cells.h"
#include "publish/table-clients.h"
#include "publish/table-lookup.h"

#define COLUMNS_MAX 65535U

static_assert((int)P2P_KIND_OTHER == 0 && (int)P2P_KIND_BRIDGE == 1 && (int)P2P_KIND_GPU == 2 &&
                      (int)P2P_KIND_NIC == 3 && (int)P2P_KIND_NVME == 4 &&
                      (int)P2P_KIND_STORAGE == 5 && (int)P2P_KIND_ACCELERATOR == 6 &&
                      (int)P2P_KIND_MEMORY == 7,
              "the public header lists them by number");

/* What is needed while an image is put together. */
struct making {
        const struct p2pd_table_facts *facts;
        struct p2pd_table_image *image;
        struct p2pd_table_clients *clients;
        struct p2pd_table_lookup *lookup;
        struct p2pd_table_cells *cells;
        uint32_t *id_records; /* by id, in the image; little endian */
        uint32_t *records;    /* by function * P2P_BARS_MAX + bar_index; P2P_NONE: no known range */
};

static void *array_new(struct making *k, enum p2p_table_array array, uint64_t count)
{
        uint64_t bytes = (count * p2p_table_element_bytes(array) + 7) & ~UINT64_C(7);

        k->image->arrays[array] = calloc(1, bytes + 8);
        k->image->count[array] = (uint32_t)count;
        return k->image->arrays[array];
}

/* Numbers the BARs with known addresses, in the order of the machine. */
static int number_records(struct making *k)
{
        const struct p2p_bar_index *bars = p2p_verdicts_bars(k->facts->v);
        const size_t n = (size_t)k->facts->m->n_functions * P2P_BARS_MAX;

        k->records = malloc((n + 1) * sizeof(*k->records));
        if (!k->records)
                return -ENOMEM;
        memset(k->records, 0xff, (n + 1) * sizeof(*k->records));
        for (uint32_t i = 0; i < bars->n_bars; i++)
                k->records[bars->bars[i].function * P2P_BARS_MAX + bars->bars[i].bar_index] = i;
        return array_new(k, P2P_TABLE_RECORDS, bars->n_bars) ? 0 : -ENOMEM;
}

static int make_record(struct making *k, const struct p2p_bar_span *s,
                       struct p2p_table_record_data *d)
{
        const struct p2p_function *f = &k->facts->m->functions[s->function];
        const struct p2p_bar *bar = &f->bars[s->bar_index];
        const bool has_bus = bar->bus_why == P2P_WHY_KNOWN;
        uint32_t row;
        int r;

        r = p2pd_table_cells_row(k->cells, s->function, has_bus, &row);
        if (r < 0)
                return r;
        *d = (struct p2p_table_record_data){
                .first = htole64(s->first),
                .last = htole64(s->last),
                .bus_start = has_bus ? htole64(bar->bus_start.val) : 0,
                .segment = htole32(f->address.segment),
                .bus = f->address.bus,
                .devfn = f->address.devfn,
                .bar_index = (uint8_t)s->bar_index,
                .flags = (uint8_t)((has_bus ? P2P_TABLE_HAS_BUS : 0) |
                                   (bar->prefetchable ? P2P_TABLE_PREFETCHABLE : 0) |
                                   (bar->is_64bit ? P2P_TABLE_64BIT : 0)),
                .kind = htole16((uint16_t)p2p_function_kind(f)),
                .row = htole32(row),
                .owner = htole32(k->clients->slots[s->function]),
        };
        return 0;
}

static int make_records(struct making *k)
{
        struct p2p_table_record_data *records = k->image->arrays[P2P_TABLE_RECORDS];
        const struct p2p_bar_index *bars = p2p_verdicts_bars(k->facts->v);

        for (uint32_t i = 0; i < bars->n_bars; i++) {
                int r = make_record(k, &bars->bars[i], &records[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Notes an id at its BAR and the BAR at its id. seen, taken: by BAR and by id, what was noted. */
static int make_id(struct making *k, const struct p2pd_table_bar *bar, uint8_t *seen,
                   uint8_t *taken)
{
        struct p2p_table_record_data *d = k->image->arrays[P2P_TABLE_RECORDS];
        struct p2p_table_id_data *ids = k->image->arrays[P2P_TABLE_IDS];
        uint32_t at = bar->function * P2P_BARS_MAX + bar->bar_index;

        if (seen[at])
                return -EINVAL;
        seen[at] = 1;
        if (bar->id == 0)
                return 0;
        if (taken[bar->id])
                return -EINVAL;
        taken[bar->id] = 1;
        if (k->records[at] == P2P_NONE)
                return 0;
        d += k->records[at];
        d->id = htole16(bar->id);
        d->since = htole64(bar->since);
        ids[bar->id] = (struct p2p_table_id_data){.row = d->row, .owner = d->owner};
        k->id_records[bar->id] = htole32(k->records[at]);
        return 0;
}

static int make_ids(struct making *k)
{
        const struct p2pd_table_facts *f = k->facts;
        const size_t n_bars = (size_t)f->m->n_functions * P2P_BARS_MAX;
        struct p2p_table_id_data *ids;
        uint32_t n = 1;
        uint8_t *seen;
        int r = 0;

        for (uint32_t i = 0; i < f->n_bars; i++) {
                if (f->bars[i].function >= f->m->n_functions ||
                    f->bars[i].bar_index >= P2P_BARS_MAX || f->bars[i].id >> f->id_bits != 0)
                        return -EINVAL;
                if (f->bars[i].id >= n)
                        n = f->bars[i].id + 1U;
        }
        ids = array_new(k, P2P_TABLE_IDS, n);
        seen = calloc(n_bars + n, sizeof(*seen));
        if (!ids || !seen) {
                free(seen);
                return -ENOMEM;
        }
        k->id_records = (uint32_t *)(ids + n);
        for (uint32_t i = 0; i < n; i++)
                ids[i].row = k->id_records[i] = htole32(P2P_TABLE_NONE);
        for (uint32_t i = 0; r == 0 && i < f->n_bars; i++)
                r = make_id(k, &f->bars[i], seen, seen + n_bars);
        free(seen);
        return r;
}

static struct p2p_table_range range_of(const struct making *k, const struct p2p_bar_span *s)
{
        const struct p2p_table_record_data *d = k->image->arrays[P2P_TABLE_RECORDS];
        struct p2p_table_range range = {
                .first = htole64(s->first),
                .bytes = htole64(s->last - s->first + 1),
                .what = htole64((uint64_t)P2P_TABLE_CONTESTED << 32 | P2P_TABLE_NONE),
        };
        uint32_t record, place;

        if (s->function == P2P_NONE)
                return range;
        record = k->records[s->function * P2P_BARS_MAX + s->bar_index];
        place = s->first == le64toh(d[record].first) ? P2P_TABLE_BAR
                                                     : P2P_TABLE_BAR | P2P_TABLE_PIECE;
        range.bar_offset = htole64(s->first - le64toh(d[record].first));
        range.what =
                htole64((uint64_t)le16toh(d[record].id) << 48 | (uint64_t)place << 32 | record);
        return range;
}

static int make_ranges(struct making *k)
{
        const struct p2p_bar_index *bars = p2p_verdicts_bars(k->facts->v);
        struct p2p_table_range *ranges, *rows;
        uint32_t *nodes;
        int r;

        r = p2pd_table_lookup_new(bars->spans, bars->n_spans, &k->lookup);
        if (r < 0)
                return r;
        /* Without any, one that matches nothing: a reader always looks at one. */
        ranges = array_new(k, P2P_TABLE_RANGES, bars->n_spans ? bars->n_spans : 1);
        rows = array_new(k, P2P_TABLE_ROWS, k->lookup->n_rows);
        nodes = array_new(k, P2P_TABLE_NODES, k->lookup->n_nodes);
        if (!ranges || !rows || !nodes)
                return -ENOMEM;
        for (uint32_t i = 0; i < bars->n_spans; i++)
                ranges[i] = range_of(k, &bars->spans[i]);
        for (uint32_t i = 0; i < k->lookup->n_rows; i++)
                if (k->lookup->rows[i] != P2P_NONE)
                        rows[i] = ranges[k->lookup->rows[i]];
        for (uint32_t i = 0; i < k->lookup->n_nodes; i++)
                nodes[i] = htole32(k->lookup->nodes[i]);
        k->image->area.depth = htole32(k->lookup->depth);
        k->image->area.root_shift = htole32(k->lookup->root_shift);
        k->image->area.root_mask = htole32(k->lookup->root_mask);
        if (bars->has_unknown)
                k->image->area.flags = htole32(P2P_TABLE_OUTSIDE_UNKNOWN);
        return 0;
}

static int make_slots(struct making *k)
{
        const struct p2pd_table_clients *c = k->clients;
        const uint32_t n_columns = p2p_verdicts_n_classes(k->facts->v);
        struct p2p_table_slot_data *slots = array_new(k, P2P_TABLE_SLOTS, c->n_slots);
        uint16_t *buckets = array_new(k, P2P_TABLE_BUCKETS, c->n_buckets);

        if (!slots || !buckets)
                return -ENOMEM;
        for (uint32_t i = 0; i < c->n_buckets; i++)
                buckets[i] = htole16(c->multipliers[i]);
        for (uint32_t i = 0; i < c->n_slots; i++)
                slots[i].column = htole16((uint16_t)n_columns);
        for (uint32_t i = 0; i < k->facts->m->n_functions; i++) {
                const struct p2p_address *a = &k->facts->m->functions[i].address;

                if (c->slots[i] == P2P_NONE)
                        continue;
                slots[c->slots[i]] = (struct p2p_table_slot_data){
                        .segment = htole32(a->segment),
                        .bdf = htole16((uint16_t)(a->bus << 8 | a->devfn)),
                        .column = htole16((uint16_t)p2p_verdicts_class(k->facts->v, i)),
                };
        }
        k->image->area.n_columns = htole32(n_columns);
        return 0;
}

static int make_cells(struct making *k)
{
        uint16_t *cells = array_new(k, P2P_TABLE_CELLS, k->cells->n_cells);

        if (!cells)
                return -ENOMEM;
        for (uint32_t i = 0; i < k->cells->n_cells; i++)
                cells[i] = htole16(k->cells->cells[i]);
        return 0;
}

static int make_all(struct making *k)
{
        const struct p2pd_table_facts *f = k->facts;
        int r;

        if (p2p_verdicts_n_classes(f->v) > COLUMNS_MAX)
                return -E2BIG;
        r = p2pd_table_clients_new(f->m, &k->clients);
        if (r < 0)
                return r;
        r = p2pd_table_cells_new(f->m, f->v, &k->cells);
        if (r < 0)
                return r;
        r = number_records(k);
        if (r < 0)
                return r;
        r = make_records(k);
        if (r < 0)
                return r;
        r = make_ids(k);
        if (r < 0)
                return r;
        r = make_ranges(k);
        if (r < 0)
                return r;
        r = make_slots(k);
        if (r < 0)
                return r;
        return make_cells(k);
}

int p2pd_table_image_new(const struct p2pd_table_facts *facts, struct p2pd_table_image **ret)
{
        struct making k = {.facts = facts, .image = calloc(1, sizeof(*k.image))};
        int r = k.image ? make_all(&k) : -ENOMEM;

        p2pd_table_clients_free(k.clients);
        p2pd_table_lookup_free(k.lookup);
        p2pd_table_cells_free(k.cells);
        free(k.records);
        if (r < 0) {
                p2pd_table_image_free(k.image);
                return r;
        }
        k.image->area.generation = htole64(facts->generation);
        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++)
                k.image->area.count[i] = htole32(k.image->count[i]);
        *ret = k.image;
        return 0;
}

struct p2pd_table_image *p2pd_table_image_free(struct p2pd_table_image *image)
{
        if (!image)
                return NULL;
        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++)
                free(image->arrays[i]);
        free(image);
        return NULL;
}

int p2pd_table_image_write(const struct p2pd_table_image *image,
                           const struct p2p_table_array_data arrays[P2P_TABLE_ARRAYS],
                           uint32_t sequence, void *area)
{
        struct p2p_table_area head = image->area;
        uint64_t sum = 0;

        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++)
                if (image->count[i] > arrays[i].capacity)
                        return P2PD_TABLE_IMAGE_E_SPACE;
        for (unsigned i = 0; i < P2P_TABLE_ARRAYS; i++) {
                uint64_t bytes =
                        ((uint64_t)image->count[i] * p2p_table_element_bytes(i) + 7) & ~UINT64_C(7);

                sum = p2p_table_checksum(sum, image->arrays[i], bytes);
                p2pd_store_bytes((char *)area + arrays[i].offset, image->arrays[i], bytes);
        }
        head.sequence = htole32(sequence);
        head.data_checksum = htole64(sum);
        head.checksum = htole64(p2p_table_checksum(0, &head.data_checksum, sizeof(head) - 8));
        p2pd_store_bytes(area, &head, sizeof(head));
        return 0;
}
