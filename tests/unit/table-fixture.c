/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table-fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "decide/bar-index.h"
#include "decide/rules.h"

static uint64_t random_64(struct random *r)
{
        return (uint64_t)random_below(r, UINT32_MAX) << 32 | random_below(r, UINT32_MAX);
}

/* Where the next BAR goes, and how large it is. */
static uint64_t next_place(struct random *r, enum layout layout, uint64_t at[2],
                           uint64_t *ret_bytes)
{
        unsigned window = random_below(r, 3) == 0;
        uint64_t start;

        switch (layout) {
        case LAYOUT_WINDOWS:
                *ret_bytes = UINT64_C(1)
                             << (window ? 12 + random_below(r, 27) : 12 + random_below(r, 10));
                start = (at[window] + *ret_bytes - 1) & ~(*ret_bytes - 1);
                if (random_below(r, 3) == 0)
                        start += random_below(r, 4) * *ret_bytes;
                at[window] = start + *ret_bytes;
                return start;
        case LAYOUT_DENSE:
                *ret_bytes = 1 + random_below(r, 5000);
                start = at[0] + (random_below(r, 2) ? random_below(r, 3) : 0);
                at[0] = start + *ret_bytes;
                return start;
        case LAYOUT_OVERLAP:
                *ret_bytes = 1 + random_below(r, 40);
                start = random_below(r, 60);
                return at[1] & 1 ? UINT64_MAX - start - *ret_bytes + 1 : start;
        default:
                *ret_bytes = UINT64_C(1) << (4 + random_below(r, 40));
                return random_64(r) & ~(*ret_bytes - 1);
        }
}

static void random_facts(struct p2p_bar *bar, struct random *r, bool unknown)
{
        bar->bus_start.val = bar->phys_start.val - random_below(r, 3) * 0x1000;
        bar->is_64bit = random_below(r, 2);
        bar->prefetchable = random_below(r, 2);
        switch (random_below(r, 24)) {
        case 0:
                bar->kind = P2P_BAR_IO;
                break;
        case 1:
                bar->assigned = false;
                break;
        case 2:
                bar->bus_why = P2P_WHY_NO_PRIVILEGE;
                break;
        case 3:
                bar->bus_start.val = UINT64_MAX - random_below(r, 0x3000);
                break;
        case 4:
                if (unknown)
                        bar->phys_why = P2P_WHY_NO_PRIVILEGE;
                break;
        }
}

void random_bars(struct builder *b, struct random *r, enum layout layout, bool unknown,
                 uint32_t max)
{
        uint64_t at[2] = {0x80000000, UINT64_C(0x200000000000)};

        if (layout == LAYOUT_OVERLAP)
                at[1] = random_below(r, 2);
        for (uint32_t i = 0; i < b->m->n_functions; i++)
                for (unsigned j = random_below(r, 4); j < P2P_BARS_MAX && max > 0; j += 2) {
                        uint64_t bytes, start = next_place(r, layout, at, &bytes);

                        random_facts(bar(b, i, j, start, bytes), r, unknown);
                        max--;
                }
}

static void give_ids(struct fixture *f, struct random *r)
{
        const struct p2p_machine *m = f->b.m;
        uint16_t id = 1;

        f->bars = calloc((size_t)m->n_functions * P2P_BARS_MAX + 1, sizeof(*f->bars));
        assert_non_null(f->bars);
        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        if (m->functions[i].bars[j].kind != P2P_BAR_MEMORY || random_below(r, 2))
                                continue;
                        f->bars[f->n_bars++] = (struct p2pd_table_bar){
                                .function = i,
                                .bar_index = (uint8_t)j,
                                .id = random_below(r, 5) ? id : 0,
                                .since = 1 + random_below(r, 9),
                        };
                        id = (uint16_t)(id + 1 + random_below(r, 3));
                }
}

void fixture_init(struct fixture *f, struct builder b, struct random *r)
{
        *f = (struct fixture){.b = b};
        f->v = p2p_verdicts_new(builder_finish(&b), p2p_rules_for(b.m, P2P_RULES_NEWEST));
        assert_non_null(f->v);
        give_ids(f, r);
        assert_int_equal(p2pd_table_new(16, &f->writer), 0);
        fixture_publish(f);
        fixture_attach(f);
}

void fixture_publish(struct fixture *f)
{
        bool moved;

        assert_int_equal(p2pd_table_publish(f->writer, f->b.m, f->v, ++f->generation, f->bars,
                                            f->n_bars, &moved),
                         0);
}

void fixture_attach(struct fixture *f)
{
        if (f->memory)
                assert_int_equal(munmap(f->memory, f->bytes), 0);
        f->bytes = p2pd_table_get_size(f->writer);
        f->memory = mmap(NULL, f->bytes, PROT_READ, MAP_SHARED, p2pd_table_get_fd(f->writer), 0);
        assert_true(f->memory != MAP_FAILED);
        assert_int_equal(p2p_table_attach(&f->table, f->memory, f->bytes), P2P_TABLE_OK);
}

void fixture_deinit(struct fixture *f)
{
        assert_int_equal(munmap(f->memory, f->bytes), 0);
        p2pd_table_free(f->writer);
        p2p_verdicts_free(f->v);
        builder_free(&f->b);
        free(f->bars);
}

unsigned claims_of(const struct p2p_machine *m, uint64_t address, uint32_t *ret_function,
                   uint32_t *ret_bar)
{
        unsigned n = 0;

        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t j = 0; j < P2P_BARS_MAX; j++) {
                        uint64_t first, last;

                        if (p2p_bar_range(&m->functions[i].bars[j], &first, &last) < 0 ||
                            address < first || address > last)
                                continue;
                        n++;
                        *ret_function = i;
                        *ret_bar = j;
                }
        return n;
}

uint16_t fixture_id(const struct fixture *f, uint32_t function, uint32_t bar_index)
{
        for (uint32_t i = 0; i < f->n_bars; i++)
                if (f->bars[i].function == function && f->bars[i].bar_index == bar_index)
                        return f->bars[i].id;
        return 0;
}

uint64_t random_address(const struct p2p_machine *m, struct random *r)
{
        const struct p2p_bar *a =
                &m->functions[random_below(r, m->n_functions)].bars[random_below(r, P2P_BARS_MAX)];

        switch (random_below(r, 6)) {
        case 0:
                return random_64(r);
        case 1:
                return a->phys_start.val - 2 + random_below(r, 4);
        case 2:
                return a->phys_start.val + a->size_bytes.val - 2 + random_below(r, 4);
        case 3:
                return random_below(r, 2) ? random_below(r, 4) : UINT64_MAX - random_below(r, 4);
        default:
                return a->phys_start.val +
                       (a->size_bytes.val ? random_64(r) % a->size_bytes.val : 0);
        }
}
