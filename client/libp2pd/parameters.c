/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parameters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void p2pd_text_append(struct p2pd_text *t, const char *text, size_t length)
{
        size_t size = t->size ? t->size : 128;
        char *data;

        if (t->failed)
                return;
        while (size - t->length <= length)
                size *= 2;
        if (size != t->size) {
                data = realloc(t->data, size);
                if (!data) {
                        t->failed = true;
                        return;
                }
                t->data = data;
                t->size = size;
        }
        memcpy(t->data + t->length, text, length);
        t->length += length;
        t->data[t->length] = '\0';
}

static void append(struct p2pd_text *t, const char *text)
{
        p2pd_text_append(t, text, strlen(text));
}

static void append_string(struct p2pd_text *t, const char *text)
{
        append(t, "\"");
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;
                char escape[8];

                if (c < 0x20 || c == '"' || c == '\\') {
                        snprintf(escape, sizeof(escape), "\\u%04x", c);
                        append(t, escape);
                } else {
                        p2pd_text_append(t, text, 1);
                }
        }
        append(t, "\"");
}

/* Whatever is not the first in its brackets stands behind a comma. */
static void append_comma(struct p2pd_text *t)
{
        if (!t->failed && !strchr("{[", t->data[t->length - 1]))
                append(t, ",");
}

static void append_key(struct p2pd_text *t, const char *key)
{
        append_comma(t);
        append_string(t, key);
        append(t, ":");
}

void p2pd_parameters_begin(struct p2pd_text *t)
{
        *t = (struct p2pd_text){0};
        append(t, "{");
}

void p2pd_parameters_add_string(struct p2pd_text *t, const char *key, const char *value)
{
        append_key(t, key);
        append_string(t, value);
}

void p2pd_parameters_add_strings(struct p2pd_text *t, const char *key, const char *value)
{
        p2pd_parameters_add_list(t, key, &value, 1);
}

void p2pd_parameters_add_list(struct p2pd_text *t, const char *key, const char *const *values,
                              size_t n)
{
        p2pd_parameters_open(t, key, "[");
        for (size_t i = 0; i < n; i++) {
                append_comma(t);
                append_string(t, values[i]);
        }
        p2pd_parameters_close(t, "]");
}

void p2pd_parameters_open(struct p2pd_text *t, const char *key, const char *bracket)
{
        if (key)
                append_key(t, key);
        else
                append_comma(t);
        append(t, bracket);
}

void p2pd_parameters_close(struct p2pd_text *t, const char *bracket)
{
        append(t, bracket);
}

void p2pd_parameters_add_hex(struct p2pd_text *t, const char *key, uint64_t value)
{
        char text[24];

        snprintf(text, sizeof(text), "0x%" PRIx64, value);
        p2pd_parameters_add_string(t, key, text);
}

void p2pd_parameters_add_count(struct p2pd_text *t, const char *key, uint64_t value)
{
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, value);
        append_key(t, key);
        append(t, text);
}

void p2pd_parameters_add_true(struct p2pd_text *t, const char *key)
{
        append_key(t, key);
        append(t, "true");
}

void p2pd_parameters_add_rules(struct p2pd_text *t, enum p2pd_rules rules)
{
        if (rules != P2PD_RULES_DEFAULT)
                p2pd_parameters_add_string(t, "rules",
                                           rules == P2PD_RULES_NEWEST ? "newest" : "running");
}

char *p2pd_parameters_end(struct p2pd_text *t)
{
        append(t, "}");
        if (t->failed) {
                free(t->data);
                return NULL;
        }
        return t->data;
}

/* Names as they stand in the protocol, in the order of the enums. */
static const char *const map_words[] = {"regular", "bus", "host_bridge", "none", "unknown"};
static const char *const path_words[] = {"LOC", "PIX", "PXB", "PHB", "NODE", "SYS", "unknown"};

P2PD_PUBLIC const char *p2pd_map_to_string(enum p2pd_map map)
{
        if (map == P2PD_MAP_HOST_BRIDGE)
                return "host-bridge";
        return (unsigned int)map <= P2PD_MAP_UNKNOWN ? map_words[map] : "unknown";
}

P2PD_PUBLIC const char *p2pd_path_to_string(enum p2pd_path path)
{
        return (unsigned int)path <= P2PD_PATH_UNKNOWN ? path_words[path] : "unknown";
}

int p2pd_read_word(struct p2p_json *j, const char *const *words, unsigned int n, unsigned int *ret)
{
        struct p2p_json_slice s;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        for (unsigned int i = 0; i < n; i++)
                if (p2p_json_is(&s, words[i])) {
                        *ret = i;
                        return 0;
                }
        return -EBADMSG;
}

int p2pd_read_map(struct p2p_json *j, enum p2pd_map *ret)
{
        unsigned int v;

        if (p2pd_read_word(j, map_words, P2PD_MAP_UNKNOWN + 1, &v) < 0)
                return -EBADMSG;
        *ret = (enum p2pd_map)v;
        return 0;
}

int p2pd_read_path(struct p2p_json *j, enum p2pd_path *ret)
{
        unsigned int v;

        if (p2pd_read_word(j, path_words, P2PD_PATH_UNKNOWN + 1, &v) < 0)
                return -EBADMSG;
        *ret = (enum p2pd_path)v;
        return 0;
}

int p2pd_read_verdict_member(struct p2p_json *j, const struct p2p_json_slice *key,
                             struct p2pd_verdict *v)
{
        if (p2p_json_is(key, "distance_hops")) {
                if (p2p_json_take_null(j)) {
                        v->distance_hops = -1;
                        return 0;
                }
                return p2p_json_read_int(j, &v->distance_hops) < 0 || v->distance_hops < 0
                               ? -EBADMSG
                               : 0;
        }
        if (p2p_json_is(key, "map"))
                return p2pd_read_map(j, &v->map);
        if (p2p_json_is(key, "path"))
                return p2pd_read_path(j, &v->path);
        if (p2p_json_is(key, "reason"))
                return p2p_json_read_string(j, v->reason, sizeof(v->reason));
        return 1;
}

struct p2pd_verdict p2pd_verdict_unknown(void)
{
        return (struct p2pd_verdict){
                .distance_hops = -1, .map = P2PD_MAP_UNKNOWN, .path = P2PD_PATH_UNKNOWN};
}

int p2pd_read_verdict(struct p2p_json *j, struct p2pd_verdict *ret)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        struct p2pd_verdict v = p2pd_verdict_unknown();
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                r = p2pd_read_verdict_member(j, &key, &v);
                if (r > 0)
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = v;
        return 0;
}

int p2pd_read_count(struct p2p_json *j, uint64_t *ret)
{
        int64_t v;

        if (p2p_json_read_int(j, &v) < 0 || v < 0)
                return -EBADMSG;
        *ret = (uint64_t)v;
        return 0;
}

int p2pd_read_text(struct p2p_json *j, char *buf, size_t size)
{
        if (p2p_json_take_null(j))
                return 0;
        return p2p_json_read_string(j, buf, size);
}

void *p2pd_grow(void *items, size_t n, size_t item_bytes)
{
        if (n > 0 && (n & (n - 1)) != 0)
                return items;
        return reallocarray(items, n ? n * 2 : 1, item_bytes);
}
