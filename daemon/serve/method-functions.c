/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ListFunctions, ListBars */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/call.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

struct list_stream {
        struct p2pd_stream stream;
        uint32_t *functions;
        uint64_t *leases; /* for each of them the number of its lease, or 0; NULL: there is none */
        uint32_t n, next;
        struct p2pd_absent_bar *absent; /* to be listed behind the BARs of functions */
        uint32_t n_absent, next_absent;
        bool begun;
};

static void list_free(struct p2pd_stream *stream)
{
        struct list_stream *list = (struct list_stream *)stream;

        free(list->functions);
        free(list->leases);
        free(list->absent);
        free(list);
}

static void begin_list(struct list_stream *list, struct p2pd_writer *w, const char *key)
{
        if (list->begun)
                return;
        list->begun = true;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", list->stream.snapshot->generation);
        p2pd_write_key(w, key);
        p2pd_write_open_array(w);
}

static int end_list(struct p2pd_writer *w)
{
        p2pd_write_close_array(w);
        p2pd_reply_end(w, false);
        return 0;
}

static int produce_functions(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct list_stream *list = (struct list_stream *)stream;

        begin_list(list, w, "functions");
        if (list->next == list->n)
                return end_list(w);
        p2pd_write_function(w, stream->snapshot->machine, list->functions[list->next],
                            list->leases ? list->leases[list->next] : 0);
        list->next++;
        return P2PD_STREAM_MORE;
}

static void write_bar_records(struct p2pd_writer *w, const struct p2pd_snapshot *snapshot,
                              uint32_t function)
{
        const struct p2p_function *f = &snapshot->machine->functions[function];

        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                const struct p2pd_snapshot_bar *bar;

                if (f->bars[i].kind != P2P_BAR_MEMORY)
                        continue;
                bar = p2pd_snapshot_find_bar(snapshot, function, i);
                p2pd_write_open_object(w);
                if (bar && bar->id != 0) {
                        p2pd_write_uint_field(w, "id", bar->id);
                        p2pd_write_uint_field(w, "id_since", bar->since);
                }
                p2pd_write_bool_field(w, "registered", bar && bar->registered);
                p2pd_write_address_field(w, "function", f->address);
                p2pd_write_names_field(w, "names", f);
                p2pd_write_string_field(w, "kind", p2p_kind_to_string(p2p_function_kind(f)));
                p2pd_write_key(w, "bar");
                p2pd_write_bar(w, &f->bars[i], i);
                p2pd_write_close_object(w);
        }
}

static void write_absent_bar(struct p2pd_writer *w, const struct p2pd_absent_bar *bar)
{
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "slot", bar->slot.text);
        if (bar->has_address)
                p2pd_write_address_field(w, "function", bar->address);
        p2pd_write_uint_field(w, "bar_index", bar->bar_index);
        if (bar->id != 0)
                p2pd_write_uint_field(w, "id", bar->id);
        p2pd_write_close_object(w);
}

static int produce_bars(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct list_stream *list = (struct list_stream *)stream;

        begin_list(list, w, "bars");
        if (list->next < list->n) {
                write_bar_records(w, stream->snapshot, list->functions[list->next++]);
                return P2PD_STREAM_MORE;
        }
        if (list->next_absent == 0) {
                p2pd_write_close_array(w);
                p2pd_write_key(w, "absent");
                p2pd_write_open_array(w);
        }
        if (list->next_absent == list->n_absent)
                return end_list(w);
        write_absent_bar(w, &list->absent[list->next_absent++]);
        return P2PD_STREAM_MORE;
}

/* As they are now. */
static int note_absent(struct p2pd_call *call, struct list_stream *list)
{
        const struct p2pd_absent_bars *absent = call->server->status->absent_bars;

        if (!absent || absent->n == 0)
                return 0;
        list->absent = calloc(absent->n, sizeof(*list->absent));
        if (!list->absent)
                return -ENOMEM;
        memcpy(list->absent, absent->bars, absent->n * sizeof(*list->absent));
        list->n_absent = absent->n;
        list->stream.bytes += absent->n * sizeof(*list->absent);
        return 0;
}

/* Leases come and go while a list is sent: it tells them as they are now. */
static int note_leases(struct p2pd_call *call, struct list_stream *list)
{
        const struct p2pd_leases *table = p2pd_lease_keeper_table(call->server->leases);
        int r = p2pd_server_leases_ready(call->server);

        if (r < 0 || p2pd_leases_n(table) == 0)
                return r;
        list->leases = calloc(list->n + 1U, sizeof(*list->leases));
        if (!list->leases)
                return -ENOMEM;
        for (uint32_t i = 0; i < list->n; i++) {
                const struct p2pd_lease *lease =
                        p2pd_leases_holder(table, call->snapshot->machine, list->functions[i]);

                if (lease && p2pd_lease_keeper_is_shown(call->server->leases, lease))
                        list->leases[i] = lease->number;
        }
        list->stream.bytes += list->n * sizeof(*list->leases);
        return 0;
}

/* note: adds what the list has beside functions; not_of_named: unless functions were named. */
static int list(struct p2pd_call *call,
                int (*note)(struct p2pd_call *call, struct list_stream *list), bool not_of_named,
                int (*produce)(struct p2pd_stream *stream, struct p2pd_writer *w))
{
        static const struct p2pd_parameter parameters[] = {
                {"functions", P2PD_PARAMETER_OPTIONAL_STRINGS},
        };
        struct p2pd_argument argument;
        struct list_stream *list;
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &argument);
        if (r != 0)
                return r;
        list = calloc(1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        r = p2pd_call_resolve_list(call, &argument, P2PD_DEFAULT_ALL, &list->functions, &list->n);
        if (r != 0) {
                free(list);
                return r;
        }
        list->stream.bytes = sizeof(*list) + list->n * sizeof(*list->functions);
        r = argument.present && not_of_named ? 0 : note(call, list);
        if (r < 0) {
                list_free(&list->stream);
                return r;
        }
        p2pd_call_stream(call, &list->stream, produce, list_free);
        return 0;
}

int p2pd_method_list_functions(struct p2pd_call *call)
{
        return list(call, note_leases, false, produce_functions);
}

int p2pd_method_list_bars(struct p2pd_call *call)
{
        return list(call, note_absent, true, produce_bars);
}
