/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RegisterBar, UnregisterBar: wishes, which the publisher carries out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-ids.h"
#include "serve/call.h"
#include "serve/connection.h"
#include "serve/function-index.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

static void refuse_wish(struct p2pd_server *s, struct p2pd_writer *w, enum p2pd_refused kind,
                        const struct p2pd_bar_wish *wish)
{
        char address[P2P_ADDRESS_STRING_MAX];
        struct p2pd_refusal_value values[3] = {
                {.text = p2pd_text(p2p_address_format(wish->function, address))},
                {.number = wish->bar_index},
                {.absent = true},
        };

        if (wish->absent_slot.text[0] != '\0')
                values[0].text = p2pd_text(wish->absent_slot.text);
        if (kind == P2PD_REFUSED_IDS_EXHAUSTED)
                values[0].number = s->status->id_bits;
        if (kind == P2PD_REFUSED_TOO_MANY_REGISTRATIONS)
                values[0].number = P2P_BAR_IDS_REGISTRATIONS_MAX;
        s->counters.errors++;
        p2pd_refusal_write(w, kind, values);
}

static void refuse_unsaved(struct p2pd_server *s, struct p2pd_writer *w, int result)
{
        const char *why =
                s->status->state_error ? s->status->state_error : strerrordesc_np(-result);
        const struct p2pd_refusal_value value = {.text = p2pd_text(why ? why : "unknown error")};

        s->counters.errors++;
        p2pd_refusal_write(w, P2PD_REFUSED_STATE_NOT_SAVED, &value);
}

static void write_result(struct p2pd_server *s, struct p2pd_writer *w,
                         const struct p2pd_bar_wish *wish)
{
        const bool is_there = wish->absent_slot.text[0] == '\0';
        uint32_t function =
                is_there ? p2p_machine_find(s->snapshot->machine, wish->function) : P2P_NONE;
        const struct p2pd_snapshot_bar *bar = NULL;

        if (function != P2P_NONE)
                bar = p2pd_snapshot_find_bar(s->snapshot, function, wish->bar_index);
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", s->snapshot->generation);
        if (bar && bar->id != 0)
                p2pd_write_uint_field(w, "id", bar->id);
        p2pd_reply_end(w, false);
}

void p2pd_reply_wish(struct p2pd_server *s, struct p2pd_writer *w, const struct p2pd_bar_wish *wish)
{
        switch (wish->result) {
        case 0:
                write_result(s, w, wish);
                break;
        case P2P_BAR_IDS_E_NO_MEMORY_BAR:
                refuse_wish(s, w, P2PD_REFUSED_BAR_NOT_FOUND, wish);
                break;
        case P2P_BAR_IDS_E_UNRECOGNISABLE:
                refuse_wish(s, w, P2PD_REFUSED_BAR_UNRECOGNISABLE, wish);
                break;
        case P2P_BAR_IDS_E_EXHAUSTED:
                refuse_wish(s, w, P2PD_REFUSED_IDS_EXHAUSTED, wish);
                break;
        case P2P_BAR_IDS_E_TOO_MANY:
                refuse_wish(s, w, P2PD_REFUSED_TOO_MANY_REGISTRATIONS, wish);
                break;
        case P2P_BAR_IDS_E_NOT_REGISTERED:
                refuse_wish(s, w, P2PD_REFUSED_BAR_NOT_REGISTERED, wish);
                break;
        case -ENOMEM:
                w->failed = true; /* the connection is closed */
                break;
        default:
                refuse_unsaved(s, w, wish->result);
        }
}

/* Hands the wish on; it is answered when it was carried out. */
static int begin(struct p2pd_call *call, struct p2pd_bar_wish *wish)
{
        struct p2pd_server *s = call->server;
        int r;

        if (!s->wish) {
                refuse_wish(s, call->writer, P2PD_REFUSED_BAR_NOT_FOUND, wish);
                return P2PD_CALL_REFUSED;
        }
        wish->number = s->last_wish + 1;
        r = s->wish(wish, s->userdata);
        if (r < 0)
                return r;
        s->last_wish = wish->number;
        p2pd_connection_table_use(call->connection)->wish = wish->number;
        call->waits_for = P2PD_WAIT_BAR;
        return 0;
}

static int take_bar_index(struct p2pd_call *call, const struct p2pd_argument *argument,
                          struct p2pd_bar_wish *wish)
{
        if (argument->number < 0 || argument->number >= P2P_BARS_MAX)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                        p2pd_text("bar_index"));
        wish->bar_index = (uint8_t)argument->number;
        return 0;
}

int p2pd_method_register_bar(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"function", P2PD_PARAMETER_STRING},
                {"bar_index", P2PD_PARAMETER_INT},
        };
        struct p2pd_bar_wish wish = {.registered = true};
        struct p2pd_argument arguments[2];
        const struct p2p_function *f;
        uint32_t function;
        int r;

        r = p2pd_call_parameters(call, parameters, 2, arguments);
        if (r == 0)
                r = take_bar_index(call, &arguments[1], &wish);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[0].text, &function);
        if (r != 0)
                return r;
        f = &call->snapshot->machine->functions[function];
        wish.function = f->address;
        if (f->bars[wish.bar_index].kind != P2P_BAR_MEMORY) {
                refuse_wish(call->server, call->writer, P2PD_REFUSED_BAR_NOT_FOUND, &wish);
                return P2PD_CALL_REFUSED;
        }
        return begin(call, &wish);
}

/*
 * What is not there has the names that it had: its id, the address at which it was seen last, its
 * slot.
 */

static int refuse_not_registered(struct p2pd_call *call, const struct p2pd_refusal_value *values)
{
        return p2pd_refuse(call, P2PD_REFUSED_BAR_NOT_REGISTERED, values);
}

/* The BAR with this id, whether it is there or not. */
static int find_by_id(struct p2pd_call *call, int64_t id, struct p2pd_bar_wish *wish)
{
        const struct p2pd_refusal_value values[3] = {
                {.absent = true}, {.absent = true}, {.number = id > 0 ? (uint64_t)id : 0}};
        const struct p2pd_absent_bars *absent = call->server->status->absent_bars;
        const struct p2pd_snapshot *snapshot = call->snapshot;

        if (id < 1 || id > P2P_BAR_IDS_LAST)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text("id"));
        for (uint32_t i = 0; i < snapshot->n_bars; i++) {
                const struct p2pd_snapshot_bar *bar = &snapshot->bars[i];

                if (bar->id != id)
                        continue;
                wish->function = snapshot->machine->functions[bar->function].address;
                wish->bar_index = bar->bar_index;
                return 0;
        }
        for (uint32_t i = 0; absent && i < absent->n; i++) {
                if (absent->bars[i].id != id)
                        continue;
                wish->absent_slot = absent->bars[i].slot;
                wish->bar_index = absent->bars[i].bar_index;
                return 0;
        }
        return refuse_not_registered(call, values);
}

/* Does the text, an address or a slot, name the device. */
static bool is_named(const struct p2pd_absent_bar *bar, const char *text)
{
        struct p2p_address address;

        if (p2p_address_parse(text, &address) == 0 && bar->has_address &&
            p2p_address_compare(address, bar->address) == 0)
                return true;
        return strcmp(text, bar->slot.text) == 0;
}

/* Several were seen there, one after the other: their slots tell them apart. */
static int refuse_ambiguous(struct p2pd_call *call, const char *text, uint8_t bar_index)
{
        const struct p2pd_absent_bars *absent = call->server->status->absent_bars;
        struct p2pd_text *slots = calloc(absent->n, sizeof(*slots));
        struct p2pd_refusal_value values[2] = {{.text = p2pd_text(text)}, {.texts = slots}};
        int r;

        if (!slots)
                return -ENOMEM;
        for (uint32_t i = 0; i < absent->n; i++)
                if (absent->bars[i].bar_index == bar_index && is_named(&absent->bars[i], text))
                        slots[values[1].n_texts++] = p2pd_text(absent->bars[i].slot.text);
        r = p2pd_refuse(call, P2PD_REFUSED_FUNCTION_AMBIGUOUS, values);
        free(slots);
        return r;
}

/* A function that is not there, by a text that is an address or a slot. */
static int find_absent(struct p2pd_call *call, const char *text, struct p2pd_bar_wish *wish)
{
        const struct p2pd_refusal_value values[3] = {
                {.text = p2pd_text(text)}, {.number = wish->bar_index}, {.absent = true}};
        const struct p2pd_absent_bars *absent = call->server->status->absent_bars;
        const struct p2pd_absent_bar *found = NULL;

        for (uint32_t i = 0; absent && i < absent->n; i++) {
                const struct p2pd_absent_bar *bar = &absent->bars[i];

                if (bar->bar_index != wish->bar_index || !is_named(bar, text))
                        continue;
                if (found)
                        return refuse_ambiguous(call, text, wish->bar_index);
                found = bar;
        }
        if (!found)
                return refuse_not_registered(call, values);
        wish->absent_slot = found->slot;
        return 0;
}

static int find_by_name(struct p2pd_call *call, struct p2pd_text name, struct p2pd_bar_wish *wish)
{
        const struct p2pd_function_index *index = p2pd_server_index(call->server);
        struct p2p_address address;
        char text[P2P_SLOT_MAX];
        uint32_t function;
        int r;

        if (!index)
                return -ENOMEM;
        if (name.size < sizeof(text) && !memchr(name.data, '\0', name.size) &&
            p2pd_function_index_find(index, name, &function) == P2PD_FUNCTION_INDEX_E_NOT_FOUND) {
                memcpy(text, name.data, name.size);
                text[name.size] = '\0';
                if (p2p_slot_is_valid(text) || p2p_address_parse(text, &address) == 0)
                        return find_absent(call, text, wish);
        }
        r = p2pd_call_resolve(call, name, &function);
        if (r == 0)
                wish->function = call->snapshot->machine->functions[function].address;
        return r;
}

int p2pd_method_unregister_bar(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"function", P2PD_PARAMETER_OPTIONAL_STRING},
                {"bar_index", P2PD_PARAMETER_OPTIONAL_INT},
                {"id", P2PD_PARAMETER_OPTIONAL_INT},
        };
        struct p2pd_bar_wish wish = {.registered = false};
        struct p2pd_argument arguments[3];
        int r;

        r = p2pd_call_parameters(call, parameters, 3, arguments);
        if (r != 0)
                return r;
        for (unsigned i = 0; i < 2; i++)
                if (arguments[i].present == arguments[2].present)
                        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                                p2pd_text(parameters[i].name));
        if (arguments[2].present)
                r = find_by_id(call, arguments[2].number, &wish);
        else
                r = take_bar_index(call, &arguments[1], &wish);
        if (r == 0 && !arguments[2].present)
                r = find_by_name(call, arguments[0].text, &wish);
        return r != 0 ? r : begin(call, &wish);
}
