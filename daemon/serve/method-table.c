/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AttachTable, FollowTable: the shared table's descriptor, and who looks into it. */
#include <inttypes.h>
#include <stdio.h>

#include "serve/call.h"
#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

static void write_instance(struct p2pd_writer *w, const uint64_t instance[static 2])
{
        char text[33];

        (void)snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, instance[0], instance[1]);
        p2pd_write_string_field(w, "instance", text);
}

int p2pd_method_attach_table(struct p2pd_call *call)
{
        struct p2pd_table_use *use = p2pd_connection_table_use(call->connection);
        struct p2pd_server *s = call->server;
        const struct p2pd_table_offer *table = &s->table;
        int r;

        r = p2pd_call_parameters(call, NULL, 0, NULL);
        if (r != 0)
                return r;
        /* A oneway call has no reply that could carry the descriptor. */
        if (!s->table_descriptor || call->message.oneway)
                return p2pd_refuse_text(call, P2PD_REFUSED_TABLE_UNAVAILABLE,
                                        p2pd_text(s->status->table_error ? s->status->table_error
                                                                         : "there is none"));
        /* Descriptors under way count against this process: each table is sent to a connection
         * once, and so nobody can pile them up. */
        if (use->sent == s->table_number)
                return p2pd_refuse(call, P2PD_REFUSED_ALREADY_ATTACHED, NULL);
        use->reader.uid = p2pd_connection_uid(call->connection);
        use->reader.pid = p2pd_connection_lease_use(call->connection)->pid;
        p2pd_readers_attach(&s->readers, &use->reader);
        use->sent = s->table_number;
        call->passed = p2pd_descriptor_ref(s->table_descriptor);
        p2pd_reply_begin(call->writer);
        p2pd_write_uint_field(call->writer, "generation", table->generation);
        p2pd_write_uint_field(call->writer, "size_bytes", table->size_bytes);
        p2pd_write_uint_field(call->writer, "id_bits", table->id_bits);
        write_instance(call->writer, table->instance);
        p2pd_reply_end(call->writer, false);
        return 0;
}

void p2pd_reply_follow_table(struct p2pd_server *s, struct p2pd_writer *w,
                             const struct p2pd_table_use *use)
{
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", s->table.generation);
        p2pd_write_bool_field(w, "moved", use->sent != s->table_number);
        p2pd_reply_end(w, false);
}

int p2pd_method_follow_table(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {{"confirmed", P2PD_PARAMETER_INT}};
        struct p2pd_table_use *use = p2pd_connection_table_use(call->connection);
        struct p2pd_server *s = call->server;
        struct p2pd_argument confirmed;
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &confirmed);
        if (r != 0)
                return r;
        if (!use->reader.attached)
                return p2pd_refuse(call, P2PD_REFUSED_NOT_ATTACHED, NULL);
        if (confirmed.number < 0 || (uint64_t)confirmed.number > s->table.generation)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                        p2pd_text("confirmed"));
        if ((uint64_t)confirmed.number > use->reader.confirmed) {
                p2pd_reader_confirm(&use->reader, (uint64_t)confirmed.number);
                p2pd_server_note_readers(s);
        }
        if (!s->table_descriptor ||
            (s->table.generation == (uint64_t)confirmed.number && use->sent == s->table_number))
                call->waits_for = P2PD_WAIT_TABLE;
        else
                p2pd_reply_follow_table(s, call->writer, use);
        return 0;
}
