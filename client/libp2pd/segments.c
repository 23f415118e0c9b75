/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

#define _cleanup_(f) __attribute__((cleanup(f)))

struct segments {
        struct p2pd_segment *items;
        size_t n, size;
};

static void segments_free(struct segments *s)
{
        free(s->items);
}

static int read_hex_or_null(struct p2p_json *j, uint64_t *ret, bool *ret_known)
{
        bool known = !p2p_json_take_null(j);

        if (known && p2p_json_read_hex(j, ret) < 0)
                return -EBADMSG;
        if (ret_known)
                *ret_known = known;
        return 0;
}

/* 2^64 does not fit the type, and is said as 0. */
static int read_length(struct p2p_json *j, uint64_t *ret)
{
        struct p2p_json ahead = *j;
        struct p2p_json_slice s;

        if (p2p_json_read_slice(&ahead, &s) == 0 && p2p_json_is(&s, "0x10000000000000000")) {
                *j = ahead;
                *ret = 0;
                return 0;
        }
        return p2p_json_read_hex(j, ret);
}

static int read_member(struct p2p_json *j, const struct p2p_json_slice *key, struct p2pd_segment *s)
{
        int64_t index;

        if (p2p_json_is(key, "address"))
                return p2p_json_read_hex(j, &s->address);
        if (p2p_json_is(key, "length_bytes"))
                return read_length(j, &s->length_bytes);
        if (p2p_json_is(key, "map"))
                return p2pd_read_map(j, &s->map);
        if (p2p_json_is(key, "function"))
                return p2p_json_take_null(j)
                               ? 0
                               : p2p_json_read_string(j, s->function, sizeof(s->function));
        if (p2p_json_is(key, "bar_index")) {
                if (p2p_json_take_null(j))
                        return 0;
                if (p2p_json_read_int(j, &index) < 0 || index < 0 || index > 5)
                        return -EBADMSG;
                s->bar_index = (int)index;
                return 0;
        }
        if (p2p_json_is(key, "bar_offset_bytes"))
                return read_hex_or_null(j, &s->bar_offset_bytes, NULL);
        if (p2p_json_is(key, "own"))
                return p2p_json_read_bool(j, &s->own);
        if (p2p_json_is(key, "dma_address"))
                return read_hex_or_null(j, &s->dma_address, &s->has_dma_address);
        if (p2p_json_is(key, "reason"))
                return p2p_json_read_string(j, s->reason, sizeof(s->reason));
        return p2p_json_skip(j);
}

static int read_segment(struct p2p_json *j, struct p2pd_segment *ret)
{
        struct p2pd_segment s = {.bar_index = -1, .map = P2PD_MAP_UNKNOWN};
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0)
                if (read_member(j, &key, &s) < 0)
                        return -EBADMSG;
        if (r < 0)
                return r;
        *ret = s;
        return 0;
}

static int read_segments(struct p2p_json *j, struct segments *s)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                if (s->n == s->size) {
                        size_t size = s->size ? s->size * 2 : 8;
                        struct p2pd_segment *grown =
                                reallocarray(s->items, size, sizeof(*s->items));

                        if (!grown)
                                return -ENOMEM;
                        s->items = grown;
                        s->size = size;
                }
                if (read_segment(j, &s->items[s->n]) < 0)
                        return -EBADMSG;
                s->n++;
        }
        return r;
}

/* Whoever does DMA by this answer must be able to rely on it: pieces without gaps from the first
 * byte to the last, or it is no answer. */
static bool covers(const struct segments *s, uint64_t address, uint64_t length_bytes)
{
        uint64_t at = address;

        for (size_t i = 0; i < s->n; i++) {
                if (s->items[i].address != at)
                        return false;
                at += s->items[i].length_bytes;
        }
        return s->n > 0 && at == address + length_bytes;
}

P2PD_PUBLIC int p2pd_client_map(struct p2pd_client *client, const char *client_function,
                                uint64_t address, uint64_t length_bytes, enum p2pd_rules rules,
                                int timeout_msec, struct p2pd_segment **ret, size_t *ret_n)
{
        _cleanup_(p2pd_string_freep) char *parameters = NULL;
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        _cleanup_(segments_free) struct segments segments = {0};
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        struct p2pd_text t;
        struct p2p_json j;
        int r;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_string(&t, "client", client_function);
        p2pd_parameters_add_hex(&t, "address", address);
        p2pd_parameters_add_hex(&t, "length_bytes", length_bytes);
        p2pd_parameters_add_rules(&t, rules);
        parameters = p2pd_parameters_end(&t);
        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, "io.p2pd.Map", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        j = p2pd_reply_json(reply);
        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "segments"))
                        r = read_segments(&j, &segments);
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        if (r < 0 || !covers(&segments, address, length_bytes))
                return -EBADMSG;
        *ret = segments.items;
        *ret_n = segments.n;
        segments.items = NULL;
        return 0;
}
