/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "fields.h"
#include "number.h"
#include "shared-table.h"
#include "text.h"

/* table: what the shared table holds, and what it says of one address. What it says is found as any
 * program finds it, by p2pd/table.h; the daemon is asked for the table's descriptor, and for what a
 * client's name stands for. */

struct place {
        uint64_t address, generation;
        struct p2p_table_hit hit;
        struct p2p_table_record record; /* with P2P_TABLE_BAR */
        const char *client;             /* NULL: none was named */
        struct p2p_table_segment way;   /* for the client */
        bool has_distance;
        uint16_t distance;
};

/* Splits an address as the daemon writes it. */
static bool parse_function(const char *text, uint32_t *segment, uint8_t *bus, uint8_t *devfn)
{
        unsigned int b, d, f;

        if (sscanf(text, "%" SCNx32 ":%x:%x.%x", segment, &b, &d, &f) != 4 || b > 255 || d > 31 ||
            f > 7)
                return false;
        *bus = (uint8_t)b;
        *devfn = (uint8_t)(d << 3 | f);
        return true;
}

static int find_way(const struct p2p_table *t, struct place *p)
{
        struct p2p_table_client client;
        struct p2p_table_pair pair;
        uint8_t bus = 0, devfn = 0;
        uint32_t segment = 0, n;
        int r;

        if (!parse_function(p->client, &segment, &bus, &devfn))
                return P2P_TABLE_ABSENT;
        r = p2p_table_find_client(t, segment, bus, devfn, &client);
        if (r == P2P_TABLE_OK)
                r = p2p_table_find_segments(t, client, p->address, 1, &p->way, 1, &n);
        if (r != P2P_TABLE_OK || p->hit.id == 0)
                return r;
        r = p2p_table_find_pair(t, p->hit.id, client, &pair);
        if (r != P2P_TABLE_OK)
                return r;
        p->has_distance = pair.distance != P2P_TABLE_DISTANCE_UNKNOWN;
        p->distance = pair.distance;
        return P2P_TABLE_OK;
}

/* All of it in one generation. An enum p2p_table_result. */
static int find_place(struct p2p_table *t, struct place *p)
{
        for (int tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                int r = p2p_table_begin(t);

                if (r != P2P_TABLE_OK)
                        return r;
                p->generation = p2p_table_generation(t);
                p2p_table_find_address(t, p->address, &p->hit);
                if (p->hit.place == P2P_TABLE_BAR)
                        r = p2p_table_find_record(t, p->hit.record, &p->record);
                if (r == P2P_TABLE_OK && p->client)
                        r = find_way(t, p);
                if (!p2p_table_retry(t))
                        return r;
        }
        return P2P_TABLE_STALE;
}

static const char *place_word(unsigned int place)
{
        static const char *const words[] = {"regular", "bar", "contested", "unknown"};

        return words[place & 3];
}

static const char *way_word(const struct place *p)
{
        static const char *const words[] = {"regular", "bus", "host-bridge", "none"};

        return words[p->way.map & 3];
}

static void print_way(const struct session *s, const struct place *p)
{
        char hex[SHARED_TEXT_SIZE];
        struct text t = {0};

        text_add(&t, p->client);
        print_labelled(s, "client", text_get(&t));
        text_reset(&t);
        text_addf(&t, "%s%s%s", terminal_style(&s->terminal, style_of_map(way_word(p))),
                  way_word(p), terminal_style(&s->terminal, STYLE_PLAIN));
        if (p->has_distance)
                text_addf(&t, ", %u hops", p->distance);
        if (p->way.own)
                text_add(&t, ", its own BAR: no DMA");
        print_labelled(s, "map", text_get(&t));
        if (p->way.has_bus)
                print_labelled(s, "bus address", format_hex(p->way.bus_start, hex));
        text_clear(&t);
}

static void print_place(const struct session *s, const struct place *p)
{
        static const char *const elsewhere[] = {
                [P2P_TABLE_REGULAR] = "no BAR: regular memory",
                [P2P_TABLE_CONTESTED] = "several BARs, which claim it all",
                [P2P_TABLE_UNKNOWN] = "no known BAR, but perhaps one whose addresses are unknown",
        };
        char text[SHARED_TEXT_SIZE];
        struct text t = {0};

        print_labelled(s, "address", format_hex(p->address, text));
        if (p->hit.place == P2P_TABLE_BAR)
                text_addf(&t, "BAR %u of %s, at offset 0x%" PRIx64, p->record.bar_index,
                          format_owner(&p->record, text), p->hit.offset);
        else
                text_add(&t, elsewhere[p->hit.place & 3]);
        print_labelled(s, "lies in", text_get(&t));
        text_reset(&t);
        if (p->hit.id != 0)
                text_addf(&t, "%u, since generation %" PRIu64, p->hit.id, p->record.since);
        else
                text_add(&t, p->hit.place == P2P_TABLE_BAR ? "none" : "-");
        print_labelled(s, "BAR id", text_get(&t));
        if (p->client)
                print_way(s, p);
        text_reset(&t);
        text_addf(&t, "%" PRIu64, p->generation);
        print_labelled(s, "generation", text_get(&t));
        text_clear(&t);
}

static void print_place_json(const struct session *s, const struct place *p)
{
        struct json_object *o = must_have(json_object_new_object());

        json_add_int(o, "generation", p->generation);
        json_add_hex(o, "address", p->address);
        json_add_string(o, "place", place_word(p->hit.place));
        if (p->hit.place == P2P_TABLE_BAR) {
                json_object_object_add(o, "record", json_of_record(&p->record));
                json_add_hex(o, "bar_offset_bytes", p->hit.offset);
        }
        if (p->client) {
                json_add_string(o, "client", p->client);
                json_add_string(o, "map",
                                p->way.map == P2P_TABLE_MAP_HOST_BRIDGE ? "host_bridge"
                                                                        : way_word(p));
                if (p->has_distance)
                        json_add_int(o, "distance_hops", p->distance);
                json_add_bool(o, "own", p->way.own);
                if (p->way.has_bus)
                        json_add_hex(o, "bus_address", p->way.bus_start);
        }
        session_print_json(s, o);
        json_object_put(o);
}

static int look_up(struct session *s, struct shared_table *t, struct place *p)
{
        int r = find_place(&t->table, p);

        if (r == P2P_TABLE_ABSENT) {
                fprintf(stderr, "p2pctl: %s is not in the table: it is a bridge, or has gone\n",
                        p->client);
                return EXIT_FAILED;
        }
        if (r != P2P_TABLE_OK) {
                shared_table_tell(r);
                return EXIT_FAILED;
        }
        if (s->json)
                print_place_json(s, p);
        else
                print_place(s, p);
        return EXIT_OK;
}

/* The function that people call so. NULL after the user was told. */
static struct json_object *ask_function(struct session *s, char **name)
{
        struct json_object *parameters = must_have(json_object_new_object()), *answer;
        struct json_object *function;

        json_object_object_add(parameters, "functions", json_strings(1, name));
        if (session_ask(s, "io.p2pd.ListFunctions", parameters, &answer) < 0)
                return NULL;
        function = json_object_get(array_at(field_array(answer, "functions"), 0));
        json_object_put(answer);
        return function;
}

int command_table(struct session *s, int n, char **arguments)
{
        struct json_object *function = NULL;
        struct shared_table shared = {0};
        struct place place = {0};
        int r = EXIT_FAILED;

        if (n > 0 && number_parse(arguments[0], &place.address) < 0) {
                fprintf(stderr, "p2pctl: '%s' is no address; say `table 0x3f000000`\n",
                        arguments[0]);
                return EXIT_USAGE;
        }
        if (n > 1) {
                function = ask_function(s, &arguments[1]);
                if (!function)
                        return EXIT_FAILED;
                place.client = field_string_or(function, "address", "?");
        }
        if (shared_table_attach(s, &shared) == 0)
                r = n > 0 ? look_up(s, &shared, &place) : shared_table_print(s, &shared);
        p2pd_table_reader_free(shared.reader);
        json_object_put(function);
        return r;
}
