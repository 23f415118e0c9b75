/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RegisterBar, UnregisterBar: wishes, which the publisher carries out. */
#include <errno.h>
#include <string.h>

#include "decide/bar-ids.h"
#include "serve/call.h"
#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

static void refuse_wish(struct p2pd_server *s, struct p2pd_writer *w, enum p2pd_refused kind,
                        const struct p2pd_bar_wish *wish)
{
        char address[P2P_ADDRESS_STRING_MAX];
        struct p2pd_refusal_value values[2] = {
                {.text = p2pd_text(p2p_address_format(wish->function, address))},
                {.number = wish->bar_index},
        };

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
        uint32_t function = p2p_machine_find(s->snapshot->machine, wish->function);
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

static int wish(struct p2pd_call *call, bool registered)
{
        static const struct p2pd_parameter parameters[] = {
                {"function", P2PD_PARAMETER_STRING},
                {"bar_index", P2PD_PARAMETER_INT},
        };
        struct p2pd_server *s = call->server;
        struct p2pd_argument arguments[2];
        struct p2pd_bar_wish wish = {.registered = registered};
        const struct p2p_function *f;
        uint32_t function;
        int r;

        r = p2pd_call_parameters(call, parameters, 2, arguments);
        if (r != 0)
                return r;
        if (arguments[1].number < 0 || arguments[1].number >= P2P_BARS_MAX)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                        p2pd_text("bar_index"));
        r = p2pd_call_resolve(call, arguments[0].text, &function);
        if (r != 0)
                return r;
        f = &call->snapshot->machine->functions[function];
        wish.function = f->address;
        wish.bar_index = (uint8_t)arguments[1].number;
        if (f->bars[wish.bar_index].kind != P2P_BAR_MEMORY || !s->wish) {
                refuse_wish(s, call->writer, P2PD_REFUSED_BAR_NOT_FOUND, &wish);
                return P2PD_CALL_REFUSED;
        }
        wish.number = s->last_wish + 1;
        r = s->wish(&wish, s->userdata);
        if (r < 0)
                return r;
        s->last_wish = wish.number;
        p2pd_connection_table_use(call->connection)->wish = wish.number;
        call->waits_for = P2PD_WAIT_BAR;
        return 0;
}

int p2pd_method_register_bar(struct p2pd_call *call)
{
        return wish(call, true);
}

int p2pd_method_unregister_bar(struct p2pd_call *call)
{
        return wish(call, false);
}
