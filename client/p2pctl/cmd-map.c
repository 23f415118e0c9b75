/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "number.h"
#include "table.h"

/* map: how a client reaches a range of the physical address space. */

static const char *map_word(struct json_object *segment)
{
        const char *map = field_string_or(segment, "map", "unknown");

        return strcmp(map, "host_bridge") == 0 ? "host-bridge" : map;
}

static void add_owner(struct table *table, struct json_object *segment)
{
        const char *function = field_string(segment, "function");
        struct text t = {0};

        if (function)
                text_addf(&t, "%s BAR %" PRId64 " + %s", function,
                          field_int_or(segment, "bar_index", -1),
                          field_string_or(segment, "bar_offset_bytes", "?"));
        else
                text_add(&t, "memory");
        if (field_is_true(segment, "own"))
                text_add(&t, " (its own: no DMA)");
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

/* Where no address is given: why, in a word. */
static const char *dma_address_or_why(struct json_object *segment)
{
        const char *address = field_string(segment, "dma_address"), *map = map_word(segment);

        if (address)
                return address;
        if (strcmp(map, "regular") == 0)
                return "as always";
        if (strcmp(map, "host-bridge") == 0)
                return "as mapped";
        return "-";
}

/* Regular memory needs no reason. */
static const char *reason_or_dash(struct json_object *segment)
{
        const char *reason = field_string_or(segment, "reason", "-");

        return strcmp(reason, "none") == 0 ? "-" : reason;
}

static int show_map(struct session *s, struct json_object *answer)
{
        static const struct table_column columns[] = {
                {"ADDRESS", .right = true},
                {"LENGTH", .right = true},
                {"MAP"},
                {"DMA ADDRESS", .right = true},
                {"WHOSE"},
                {"REASON", .dispensable = 1},
        };
        struct json_object *segments = field_array(answer, "segments");
        struct table *table =
                table_new(columns, sizeof(columns) / sizeof(columns[0]), &s->terminal);

        for (size_t i = 0; i < array_length(segments); i++) {
                struct json_object *segment = array_at(segments, i);
                struct text size = {0};

                table_add(table, STYLE_PLAIN, field_string_or(segment, "address", "-"));
                describe_size(&size, segment, "length_bytes");
                table_add(table, STYLE_PLAIN, text_get(&size));
                text_clear(&size);
                table_add(table, style_of_map(map_word(segment)), map_word(segment));
                table_add(table, STYLE_PLAIN, dma_address_or_why(segment));
                add_owner(table, segment);
                table_add(table, STYLE_PLAIN, reason_or_dash(segment));
        }
        table_print(table, stdout);
        table_free(table);
        return EXIT_OK;
}

static int range_error(const char *address, const char *length, int error)
{
        if (error == -ERANGE)
                fprintf(stderr,
                        "p2pctl: the range %s%s%s is empty, or passes the top of the 64-bit"
                        " address space\n",
                        address, length ? " " : "", length ? length : "");
        else
                fprintf(stderr,
                        "p2pctl: '%s%s%s' is no address range\n"
                        "Say `map CLIENT 0x3f000000 1M`, or `map CLIENT 0x3f000000-0x3f0fffff`.\n",
                        address, length ? " " : "", length ? length : "");
        return EXIT_USAGE;
}

int command_map(struct session *s, int n, char **arguments)
{
        const char *length = n > 2 ? arguments[2] : NULL;
        struct json_object *parameters;
        uint64_t address, length_bytes;
        char hex[24];
        int r;

        r = range_parse(arguments[1], length, &address, &length_bytes);
        if (r < 0)
                return range_error(arguments[1], length, r);
        parameters = session_parameters(s);
        json_object_object_add(parameters, "client", json_object_new_string(arguments[0]));
        snprintf(hex, sizeof(hex), "0x%" PRIx64, address);
        json_object_object_add(parameters, "address", json_object_new_string(hex));
        snprintf(hex, sizeof(hex), "0x%" PRIx64, length_bytes);
        json_object_object_add(parameters, "length_bytes", json_object_new_string(hex));
        return session_show(s, "io.p2pd.Map", parameters, show_map);
}
