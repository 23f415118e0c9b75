/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared-table.h"
#include "table.h"
#include "text.h"

/* The whole of the shared table. */

/* What one generation holds. */
struct contents {
        uint64_t generation;
        uint32_t depth, flags, n_columns, count[P2P_TABLE_ARRAYS];
        char instance[33];
        struct p2p_table_record *records;
        uint32_t n_records;
};

/* The counts of the generation that was begun, if it is still there. */
static bool read_area(const struct shared_table *t, struct contents *ret)
{
        const struct p2p_table_header *h = (const void *)t->memory;
        const uint32_t published = p2p_table_load32(t->memory + sizeof(*h));
        const uint32_t offset = p2p_table_load32(&h->area_offset[published & 1]);
        const struct p2p_table_area *a = (const void *)(t->memory + offset);

        if (offset % 8 != 0 || offset > t->bytes - sizeof(*a))
                return false;
        ret->generation = p2p_table_load64(&a->generation);
        ret->depth = p2p_table_load32(&a->depth);
        ret->flags = p2p_table_load32(&a->flags);
        ret->n_columns = p2p_table_load32(&a->n_columns);
        for (unsigned int i = 0; i < P2P_TABLE_ARRAYS; i++)
                ret->count[i] = p2p_table_load32(&a->count[i]);
        snprintf(ret->instance, sizeof(ret->instance), "%016" PRIx64 "%016" PRIx64,
                 p2p_table_load64(&h->instance[0]), p2p_table_load64(&h->instance[1]));
        return ret->generation == p2p_table_generation(&t->table);
}

static void read_records(const struct shared_table *t, struct contents *c)
{
        uint32_t room = 0;

        for (c->n_records = 0;; c->n_records++) {
                if (c->n_records == room) {
                        room = room ? room * 2 : 64;
                        c->records = must_have(reallocarray(c->records, room, sizeof(*c->records)));
                }
                if (p2p_table_find_record(&t->table, c->n_records, &c->records[c->n_records]) !=
                    P2P_TABLE_OK)
                        return;
        }
}

/* An enum p2p_table_result; the records are to be freed in any case. */
static int read_contents(struct shared_table *t, struct contents *ret)
{
        int r = p2p_table_verify(&t->table);

        for (int tries = 0; r == P2P_TABLE_OK && tries < P2P_TABLE_TRIES; tries++) {
                r = p2p_table_begin(&t->table);
                if (r != P2P_TABLE_OK || !read_area(t, ret))
                        continue;
                read_records(t, ret);
                if (!p2p_table_retry(&t->table))
                        return P2P_TABLE_OK;
        }
        return r == P2P_TABLE_OK ? P2P_TABLE_STALE : r;
}

static void print_contents(const struct session *s, const struct shared_table *t,
                           const struct contents *c)
{
        uint32_t used = 0;
        struct text text = {0};

        for (uint32_t i = 0; i < c->n_records; i++)
                used += c->records[i].id != 0;
        text_addf(&text, "%" PRIu64, c->generation);
        print_labelled(s, "generation", text_get(&text));
        text_reset(&text);
        text_addf(&text, "%" PRIu64 " bytes, layout version %u, checksum right", t->bytes,
                  P2P_TABLE_VERSION);
        print_labelled(s, "table", text_get(&text));
        print_labelled(s, "instance", c->instance);
        text_reset(&text);
        text_addf(&text, "%u bits (1 to %u), %u in use", t->id_bits, (1U << t->id_bits) - 1, used);
        print_labelled(s, "BAR ids", text_get(&text));
        text_reset(&text);
        if (c->depth == 0 && c->count[P2P_TABLE_RANGES] <= P2P_TABLE_FEW)
                text_add(&text, "few ranges, compared at once");
        else if (c->depth == 0)
                text_add(&text, "binary search over the ranges");
        else
                text_addf(&text, "perfect hash, depth %u: %u nodes, %u rows", c->depth,
                          c->count[P2P_TABLE_NODES], c->count[P2P_TABLE_ROWS]);
        print_labelled(s, "lookup", text_get(&text));
        text_reset(&text);
        text_addf(&text, "%u BARs in %u ranges; %u kinds of clients, %u cells",
                  c->count[P2P_TABLE_RECORDS], c->count[P2P_TABLE_RANGES], c->n_columns,
                  c->count[P2P_TABLE_CELLS]);
        print_labelled(s, "contents", text_get(&text));
        print_labelled(s, "elsewhere",
                       c->flags & P2P_TABLE_OUTSIDE_UNKNOWN
                               ? "unknown: some BAR has no known addresses"
                               : "regular memory");
        text_clear(&text);
}

static void print_records(const struct session *s, const struct contents *c)
{
        static const struct table_column columns[] = {
                {"ID", .right = true},
                {"SINCE", .right = true, .dispensable = 3},
                {"FUNCTION"},
                {"BAR", .right = true},
                {"FIRST", .right = true},
                {"LAST", .right = true},
                {"BUS ADDRESS", .right = true, .dispensable = 1},
                {"KIND", .dispensable = 2},
                {"FLAGS", .dispensable = 4},
        };
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (uint32_t i = 0; i < c->n_records; i++) {
                const struct p2p_table_record *r = &c->records[i];
                char text[SHARED_TEXT_SIZE] = "-";

                if (r->id != 0)
                        snprintf(text, sizeof(text), "%u", r->id);
                table_add(table, STYLE_PLAIN, text);
                snprintf(text, sizeof(text), "%" PRIu64, r->since);
                table_add(table, STYLE_PLAIN, r->id != 0 ? text : "-");
                table_add(table, STYLE_STRONG, format_owner(r, text));
                snprintf(text, sizeof(text), "%u", r->bar_index);
                table_add(table, STYLE_PLAIN, text);
                table_add(table, STYLE_PLAIN, format_hex(r->first, text));
                table_add(table, STYLE_PLAIN, format_hex(r->last, text));
                table_add(table, STYLE_PLAIN,
                          r->flags & P2P_TABLE_HAS_BUS ? format_hex(r->bus_start, text) : "-");
                table_add(table, STYLE_PLAIN, kind_to_word(r->kind));
                snprintf(text, sizeof(text), "%s%s",
                         r->flags & P2P_TABLE_64BIT ? "64-bit" : "32-bit",
                         r->flags & P2P_TABLE_PREFETCHABLE ? " prefetchable" : "");
                table_add(table, STYLE_PLAIN, text);
        }
        table_print(table, stdout);
        table_free(table);
}

static void print_contents_json(const struct session *s, const struct shared_table *t,
                                const struct contents *c)
{
        struct json_object *o = must_have(json_object_new_object());
        struct json_object *records = must_have(json_object_new_array());

        json_add_int(o, "generation", c->generation);
        json_add_int(o, "size_bytes", t->bytes);
        json_add_int(o, "layout_version", P2P_TABLE_VERSION);
        json_add_string(o, "instance", c->instance);
        json_add_int(o, "id_bits", t->id_bits);
        json_add_int(o, "depth", c->depth);
        json_add_int(o, "nodes", c->count[P2P_TABLE_NODES]);
        json_add_int(o, "rows", c->count[P2P_TABLE_ROWS]);
        json_add_int(o, "ranges", c->count[P2P_TABLE_RANGES]);
        json_add_int(o, "columns", c->n_columns);
        json_add_int(o, "cells", c->count[P2P_TABLE_CELLS]);
        json_add_bool(o, "outside_unknown", c->flags & P2P_TABLE_OUTSIDE_UNKNOWN);
        for (uint32_t i = 0; i < c->n_records; i++)
                json_object_array_add(records, json_of_record(&c->records[i]));
        json_object_object_add(o, "records", records);
        session_print_json(s, o);
        json_object_put(o);
}

int shared_table_print(struct session *s, struct shared_table *t)
{
        struct contents c = {0};
        int r = read_contents(t, &c);

        if (r != P2P_TABLE_OK) {
                shared_table_tell(r);
        } else if (s->json) {
                print_contents_json(s, t, &c);
        } else {
                print_contents(s, t, &c);
                puts("");
                print_records(s, &c);
        }
        free(c.records);
        return r == P2P_TABLE_OK ? EXIT_OK : EXIT_FAILED;
}
