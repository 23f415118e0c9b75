/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitor: the present state as the first reply, then a notice for each generation. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "serve/call.h"
#include "serve/methods.h"
#include "serve/notice.h"
#include "serve/reply-types.h"

struct monitor_stream {
        struct p2pd_stream stream;
        uint32_t next;
        bool begun;
};

static void monitor_free(struct p2pd_stream *stream)
{
        free((struct monitor_stream *)stream);
}

static void write_changes(struct p2pd_writer *w, const struct p2p_diff *diff)
{
        p2pd_write_key(w, "changes");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; diff && i < diff->n_changes; i++)
                p2pd_write_change(w, &diff->changes[i]);
        p2pd_write_close_array(w);
}

static void write_flips(struct p2pd_writer *w, const struct p2p_diff *diff)
{
        p2pd_write_key(w, "flips");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; diff && i < diff->n_flips; i++)
                p2pd_write_flip(w, &diff->flips[i]);
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "flips_total", diff ? diff->n_flips_total : 0);
}

static void begin_reply(struct p2pd_writer *w, const struct p2pd_snapshot *snapshot)
{
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", snapshot->generation);
        p2pd_write_key(w, "functions");
        p2pd_write_open_array(w);
}

/* diff is NULL in the first reply. */
static void end_reply(struct p2pd_writer *w, const struct p2p_diff *diff)
{
        p2pd_write_close_array(w);
        write_changes(w, diff);
        p2pd_write_bool_field(w, "machine_wide", diff && diff->machine_wide);
        write_flips(w, diff);
        p2pd_reply_end(w, true);
}

static int produce_state(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct monitor_stream *x = (struct monitor_stream *)stream;
        const struct p2p_machine *m = stream->snapshot->machine;

        if (!x->begun) {
                x->begun = true;
                begin_reply(w, stream->snapshot);
        }
        if (x->next < m->n_functions) {
                p2pd_write_function(w, m, x->next++, 0);
                return P2PD_STREAM_MORE;
        }
        end_reply(w, NULL);
        return 0;
}

int p2pd_method_monitor(struct p2pd_call *call)
{
        struct monitor_stream *x;
        int r;

        r = p2pd_call_parameters(call, NULL, 0, NULL);
        if (r != 0)
                return r;
        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        x->stream.then_events = P2PD_EVENTS_MACHINE;
        x->stream.bytes = sizeof(*x);
        p2pd_call_stream(call, &x->stream, produce_state, monitor_free);
        return 0;
}

int p2pd_notice_new(const struct p2pd_snapshot *snapshot, const struct p2p_diff *diff,
                    struct p2pd_notice **ret)
{
        struct p2pd_notice *n = calloc(1, sizeof(*n));
        struct p2pd_writer w;

        if (!n)
                return -ENOMEM;
        n->n_refs = 1;
        w = p2pd_writer(&n->text);
        begin_reply(&w, snapshot);
        for (uint32_t i = 0; i < diff->n_changes; i++) {
                uint32_t function = p2p_machine_find(snapshot->machine, diff->changes[i].address);

                if (function != P2P_NONE)
                        p2pd_write_function(&w, snapshot->machine, function, 0);
        }
        end_reply(&w, diff);
        if (w.failed) {
                p2pd_notice_unref(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}

struct p2pd_notice *p2pd_notice_ref(struct p2pd_notice *n)
{
        assert(n->n_refs > 0);
        n->n_refs++;
        return n;
}

struct p2pd_notice *p2pd_notice_unref(struct p2pd_notice *n)
{
        if (!n || --n->n_refs > 0)
                return NULL;
        p2pd_buffer_deinit(&n->text);
        free(n);
        return NULL;
}
