/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "decide/segments.h"
#include "serve/call.h"
#include "serve/methods.h"
#include "serve/reply-types.h"

struct map_stream {
        struct p2pd_stream stream;
        struct p2p_segments *segments;
        uint32_t next;
        bool begun;
};

static void map_free(struct p2pd_stream *stream)
{
        struct map_stream *map = (struct map_stream *)stream;

        p2p_segments_free(map->segments);
        free(map);
}

static void write_segment(struct p2pd_writer *w, const struct p2p_machine *m,
                          const struct p2p_segment *s)
{
        p2pd_write_open_object(w);
        p2pd_write_hex_field(w, "address", s->start.val, 1);
        if (s->length_bytes > 0)
                p2pd_write_hex_field(w, "length_bytes", s->length_bytes, 1);
        else
                p2pd_write_string_field(w, "length_bytes", "0x10000000000000000");
        p2pd_write_string_field(w, "map", p2pd_map_name(s->map));
        if (s->provider != P2P_NONE) {
                p2pd_write_address_field(w, "function", m->functions[s->provider].address);
                p2pd_write_uint_field(w, "bar_index", s->bar_index);
                p2pd_write_hex_field(w, "bar_offset_bytes", s->bar_offset_bytes, 1);
        }
        p2pd_write_bool_field(w, "own", s->own);
        if (s->has_bus_addr)
                p2pd_write_hex_field(w, "dma_address", s->bus_addr.val, 1);
        p2pd_write_string_field(w, "reason", p2p_reason_to_string(s->reason));
        p2pd_write_close_object(w);
}

static int produce_segments(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct map_stream *map = (struct map_stream *)stream;

        if (!map->begun) {
                map->begun = true;
                p2pd_reply_begin(w);
                p2pd_write_uint_field(w, "generation", stream->snapshot->generation);
                p2pd_write_key(w, "segments");
                p2pd_write_open_array(w);
        }
        if (map->next < map->segments->n_segments) {
                write_segment(w, stream->snapshot->machine, &map->segments->segments[map->next++]);
                return P2PD_STREAM_MORE;
        }
        p2pd_write_close_array(w);
        p2pd_reply_end(w, false);
        return 0;
}

/* "0x" and 1 to 16 hexadecimal digits. */
static bool parse_hex(struct p2pd_text text, uint64_t *ret)
{
        uint64_t value = 0;

        if (text.size < 3 || text.size > 18 || text.data[0] != '0' ||
            (text.data[1] != 'x' && text.data[1] != 'X'))
                return false;
        for (size_t i = 2; i < text.size; i++) {
                char c = text.data[i];

                if (c >= '0' && c <= '9')
                        value = value << 4 | (uint64_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        value = value << 4 | (uint64_t)(c - 'a' + 10);
                else if (c >= 'A' && c <= 'F')
                        value = value << 4 | (uint64_t)(c - 'A' + 10);
                else
                        return false;
        }
        *ret = value;
        return true;
}

static int refuse_range(struct p2pd_call *call, const struct p2pd_argument arguments[static 3])
{
        const struct p2pd_refusal_value values[] = {
                {.text = arguments[1].text},
                {.text = arguments[2].text},
        };

        return p2pd_refuse(call, P2PD_REFUSED_RANGE_INVALID, values);
}

static int begin_map(struct p2pd_call *call, struct map_stream *map)
{
        static const struct p2pd_parameter parameters[] = {
                {"client", P2PD_PARAMETER_STRING},
                {"address", P2PD_PARAMETER_STRING},
                {"length_bytes", P2PD_PARAMETER_STRING},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[4];
        struct p2p_phys_addr start;
        uint64_t length;
        uint32_t client;
        int r;

        r = p2pd_call_parameters(call, parameters, 4, arguments);
        if (r != 0)
                return r;
        if (!parse_hex(arguments[1].text, &start.val))
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text("address"));
        if (!parse_hex(arguments[2].text, &length))
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                        p2pd_text("length_bytes"));
        r = p2pd_call_resolve(call, arguments[0].text, &client);
        if (r != 0)
                return r;
        r = p2p_segments_new(call->snapshot->machine, p2pd_call_verdicts(call, &arguments[3]),
                             client, start, length, &map->segments);
        return r == P2P_SEGMENTS_E_RANGE ? refuse_range(call, arguments) : r;
}

int p2pd_method_map(struct p2pd_call *call)
{
        struct map_stream *map = calloc(1, sizeof(*map));
        int r;

        if (!map)
                return -ENOMEM;
        r = begin_map(call, map);
        if (r != 0) {
                map_free(&map->stream);
                return r;
        }
        map->stream.bytes = sizeof(*map) + map->segments->n_segments * sizeof(struct p2p_segment);
        p2pd_call_stream(call, &map->stream, produce_segments, map_free);
        return 0;
}
