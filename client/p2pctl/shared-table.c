/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shared-table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "text.h"

#define ANSWER_MSEC 120000
#define LABEL_WIDTH 11

void shared_table_tell(int result)
{
        fprintf(stderr, "p2pctl: the shared table does not answer: %s\n",
                result == P2P_TABLE_DAMAGED ? "it is damaged"
                : result == P2P_TABLE_MOVED ? "there is a newer one now; try again"
                                            : "it changes too fast, or is empty; try again");
}

int shared_table_attach(struct session *s, struct shared_table *ret)
{
        struct p2pd_table_event event;
        int r;

        r = session_connect(s);
        if (r < 0)
                return r;
        r = p2pd_table_reader_new_client(s->client, &ret->reader);
        if (r == 0)
                r = p2pd_table_reader_wait(ret->reader, ANSWER_MSEC, &event);
        if (r == 0 && p2p_table_attach(&ret->table, event.memory, event.bytes) != P2P_TABLE_OK)
                r = -EPROTONOSUPPORT;
        if (r == -EPROTONOSUPPORT)
                fprintf(stderr, "p2pctl: the table of this p2pd is newer than p2pctl\n");
        else if (r < 0)
                session_tell_error(s, r, p2pd_client_get_error_name(s->client),
                                   p2pd_client_get_error_parameters(s->client));
        if (r < 0)
                return r;
        ret->memory = event.memory;
        ret->bytes = event.bytes;
        ret->id_bits = event.id_bits;
        return 0;
}

void print_labelled(const struct session *s, const char *label, const char *value)
{
        printf("%s%-*s%s  %s\n", terminal_style(&s->terminal, STYLE_STRONG), LABEL_WIDTH, label,
               terminal_style(&s->terminal, STYLE_PLAIN), value);
}

const char *kind_to_word(unsigned int kind)
{
        static const char *const words[] = {"other", "bridge",  "gpu",         "nic",
                                            "nvme",  "storage", "accelerator", "memory"};

        return kind < sizeof(words) / sizeof(words[0]) ? words[kind] : "?";
}

const char *format_owner(const struct p2p_table_record *r, char buf[static SHARED_TEXT_SIZE])
{
        snprintf(buf, SHARED_TEXT_SIZE, "%04" PRIx32 ":%02x:%02x.%x", r->segment, r->bus,
                 r->devfn >> 3, r->devfn & 7U);
        return buf;
}

const char *format_hex(uint64_t value, char buf[static SHARED_TEXT_SIZE])
{
        snprintf(buf, SHARED_TEXT_SIZE, "0x%" PRIx64, value);
        return buf;
}

void json_add_string(struct json_object *o, const char *name, const char *value)
{
        json_object_object_add(o, name, must_have(json_object_new_string(value)));
}

void json_add_int(struct json_object *o, const char *name, uint64_t value)
{
        json_object_object_add(o, name, json_object_new_int64((int64_t)value));
}

void json_add_bool(struct json_object *o, const char *name, bool value)
{
        json_object_object_add(o, name, json_object_new_boolean(value));
}

void json_add_hex(struct json_object *o, const char *name, uint64_t value)
{
        char text[SHARED_TEXT_SIZE];

        json_add_string(o, name, format_hex(value, text));
}

struct json_object *json_of_record(const struct p2p_table_record *r)
{
        struct json_object *o = must_have(json_object_new_object());
        char address[SHARED_TEXT_SIZE];

        if (r->id != 0) {
                json_add_int(o, "id", r->id);
                json_add_int(o, "id_since", r->since);
        }
        json_add_string(o, "function", format_owner(r, address));
        json_add_int(o, "bar_index", r->bar_index);
        json_add_string(o, "kind", kind_to_word(r->kind));
        json_add_hex(o, "first", r->first);
        json_add_hex(o, "last", r->last);
        if (r->flags & P2P_TABLE_HAS_BUS)
                json_add_hex(o, "bus_start", r->bus_start);
        json_add_bool(o, "is_64bit", r->flags & P2P_TABLE_64BIT);
        json_add_bool(o, "prefetchable", r->flags & P2P_TABLE_PREFETCHABLE);
        return o;
}
