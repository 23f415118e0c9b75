/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TakeLease, RenewLease, ReleaseLease, ListLeases, WatchLeases */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/call.h"
#include "serve/connection.h"
#include "serve/hold.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"

/* A name or a number. */
#define WHICH_SIZE (P2PD_LEASE_NAME_MAX + 1U)

static void refuse_unsaved(struct p2pd_server *s, struct p2pd_writer *w, int result)
{
        const char *otherwise = strerrordesc_np(-result);
        const struct p2pd_refusal_value value = {
                .text = p2pd_text(s->status->state_error ? s->status->state_error
                                  : otherwise            ? otherwise
                                                         : "unknown error"),
        };

        s->counters.errors++;
        p2pd_refusal_write(w, P2PD_REFUSED_LEASE_NOT_SAVED, &value);
}

/* It has expired meanwhile. */
static void refuse_gone(struct p2pd_server *s, struct p2pd_writer *w, uint64_t lease)
{
        char text[24];
        struct p2pd_refusal_value value;

        (void)snprintf(text, sizeof(text), "%" PRIu64, lease);
        value = (struct p2pd_refusal_value){.text = p2pd_text(text)};
        s->counters.errors++;
        p2pd_refusal_write(w, P2PD_REFUSED_LEASE_NOT_FOUND, &value);
}

void p2pd_reply_lease(struct p2pd_server *s, struct p2pd_writer *w, struct p2pd_connection *c)
{
        const struct p2pd_lease_operation *operation =
                p2pd_lease_keeper_find(s->leases, p2pd_connection_lease_use(c)->operation);
        const struct p2pd_job *job = p2pd_connection_job(c);
        const struct p2pd_lease *lease;

        if (operation->result != 0) {
                refuse_unsaved(s, w, operation->result);
                return;
        }
        lease = p2pd_leases_find_number(p2pd_lease_keeper_table(s->leases), operation->lease);
        if (!lease) {
                refuse_gone(s, w, operation->lease);
                return;
        }
        if (job) {
                p2pd_write_raw(w, p2pd_buffer_bytes(&job->text), p2pd_buffer_size(&job->text));
                w->comma = true;
        } else {
                p2pd_reply_begin(w);
                p2pd_write_uint_field(w, "generation", s->snapshot->generation);
        }
        p2pd_write_key(w, "lease");
        p2pd_write_lease(w, lease, s->snapshot->machine, p2pd_server_lease_time(s));
        p2pd_reply_end(w, false);
}

int p2pd_method_take_lease(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"functions", P2PD_PARAMETER_STRINGS},
                {"hold", P2PD_PARAMETER_OBJECT},
        };
        struct p2pd_lease_obstacle obstacle = {.function = P2P_NONE};
        struct p2pd_argument arguments[2];
        struct p2pd_hold hold;
        uint32_t *functions, n;
        int r;

        r = p2pd_call_parameters(call, parameters, 2, arguments);
        if (r == 0)
                r = p2pd_call_hold(call, &arguments[1], &hold);
        if (r != 0)
                return r;
        if (arguments[0].n_elements == 0)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                        p2pd_text("functions"));
        r = p2pd_call_resolve_list(call, &arguments[0], P2PD_DEFAULT_ALL, &functions, &n);
        if (r != 0)
                return r;
        r = p2pd_hold_begin(call->server, call->connection, &hold, functions, n, &obstacle);
        free(functions);
        if (r > 0) {
                call->server->counters.errors++;
                return p2pd_hold_refuse(call->server, call->writer, r, &obstacle);
        }
        if (r == 0)
                call->waits_for = P2PD_WAIT_LEASE;
        return r;
}

/* The lease that the caller names, if it may be changed by him; otherwise LeaseNotFound or
 * LeaseNotOwner. */
static int find_lease(struct p2pd_call *call, struct p2pd_text which, uint32_t uid,
                      const struct p2pd_lease **ret)
{
        char text[WHICH_SIZE];
        int r;

        r = p2pd_server_leases_ready(call->server);
        if (r < 0)
                return r;
        /* What is no such text names no lease. */
        if (which.size >= sizeof(text) || memchr(which.data, '\0', which.size))
                return p2pd_refuse_text(call, P2PD_REFUSED_LEASE_NOT_FOUND, which);
        memcpy(text, which.data, which.size);
        text[which.size] = '\0';
        r = p2pd_lease_keeper_find_for(call->server->leases, text, uid, ret);
        if (r == P2PD_LEASE_E_UNKNOWN)
                return p2pd_refuse_text(call, P2PD_REFUSED_LEASE_NOT_FOUND, which);
        if (r == P2PD_LEASE_E_NOT_OWNER)
                return p2pd_refuse_text(call, P2PD_REFUSED_LEASE_NOT_OWNER, which);
        return r;
}

static int wait_for_lease(struct p2pd_call *call, int r)
{
        if (r < 0)
                return r;
        p2pd_server_note_leases(call->server);
        call->waits_for = P2PD_WAIT_LEASE;
        return 0;
}

int p2pd_method_renew_lease(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"lease", P2PD_PARAMETER_STRING},
                {"seconds", P2PD_PARAMETER_OPTIONAL_INT},
        };
        struct p2pd_lease_use *use = p2pd_connection_lease_use(call->connection);
        struct p2pd_argument arguments[2];
        const struct p2pd_lease *lease;
        struct p2pd_lease_term term;
        uint64_t duration_usec = 0;
        int r;

        r = p2pd_call_parameters(call, parameters, 2, arguments);
        if (r != 0)
                return r;
        if (arguments[1].present) {
                if (arguments[1].number < 1 || arguments[1].number > P2PD_HOLD_SECONDS_MAX)
                        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER,
                                                p2pd_text("seconds"));
                duration_usec = (uint64_t)arguments[1].number * 1000000U;
        }
        r = find_lease(call, arguments[0].text, use->uid, &lease);
        if (r != 0)
                return r;
        term = p2pd_lease_term_of(p2pd_server_lease_time(call->server), duration_usec);
        r = p2pd_lease_keeper_renew(call->server->leases, lease, term, &use->operation);
        return wait_for_lease(call, r);
}

int p2pd_method_release_lease(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {{"lease", P2PD_PARAMETER_STRING}};
        struct p2pd_lease_use *use = p2pd_connection_lease_use(call->connection);
        const struct p2pd_lease *lease;
        struct p2pd_argument argument;
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &argument);
        if (r == 0)
                r = find_lease(call, argument.text, use->uid, &lease);
        if (r != 0)
                return r;
        r = p2pd_lease_keeper_release(call->server->leases, lease, &use->operation);
        return wait_for_lease(call, r);
}

/*
 * Lists
 */

struct lease_stream {
        struct p2pd_stream stream;
        struct p2pd_server *server;
        uint64_t after, last; /* numbers: those behind the first, up to the second */
        bool begun;
};

static void lease_stream_free(struct p2pd_stream *stream)
{
        free((struct lease_stream *)stream);
}

/* The first lease with a greater number, or NULL. Leases come and go while a list is sent. */
static const struct p2pd_lease *next_lease(const struct p2pd_leases *table, uint64_t number)
{
        uint32_t low = 0, high = p2pd_leases_n(table);

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (p2pd_leases_get(table, middle)->number <= number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < p2pd_leases_n(table) ? p2pd_leases_get(table, low) : NULL;
}

static int produce_leases(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct lease_stream *x = (struct lease_stream *)stream;
        struct p2pd_server *s = x->server;
        const struct p2pd_lease *lease;

        /* Nothing is ended here: what is told of it could close this connection. */
        if (!s->leases_followed)
                return -ENOMEM;
        if (!x->begun) {
                x->begun = true;
                p2pd_reply_begin(w);
                p2pd_write_uint_field(w, "generation", stream->snapshot->generation);
                p2pd_write_key(w, "leases");
                p2pd_write_open_array(w);
        }
        lease = next_lease(p2pd_lease_keeper_table(s->leases), x->after);
        if (!lease || lease->number > x->last) {
                p2pd_write_close_array(w);
                p2pd_reply_end(w, stream->then_events != P2PD_EVENTS_NONE);
                return 0;
        }
        x->after = lease->number;
        if (p2pd_lease_keeper_is_shown(s->leases, lease))
                p2pd_write_lease(w, lease, s->snapshot->machine, p2pd_server_lease_time(s));
        return P2PD_STREAM_MORE;
}

/* only: 0 for all leases there are. */
static int list_leases(struct p2pd_call *call, uint64_t only, enum p2pd_events then_events)
{
        struct lease_stream *x;
        int r = p2pd_server_leases_ready(call->server);

        if (r < 0)
                return r;
        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        x->server = call->server;
        x->after = only ? only - 1 : 0;
        x->last = only ? only
                       : p2pd_leases_last_number(p2pd_lease_keeper_table(call->server->leases));
        x->stream.then_events = then_events;
        x->stream.bytes = sizeof(*x);
        p2pd_call_stream(call, &x->stream, produce_leases, lease_stream_free);
        return 0;
}

int p2pd_method_list_leases(struct p2pd_call *call)
{
        int r = p2pd_call_parameters(call, NULL, 0, NULL);

        return r != 0 ? r : list_leases(call, 0, P2PD_EVENTS_NONE);
}

int p2pd_method_watch_leases(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"lease", P2PD_PARAMETER_OPTIONAL_STRING},
        };
        const struct p2pd_lease *lease = NULL;
        struct p2pd_argument argument;
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &argument);
        if (r == 0 && argument.present)
                r = find_lease(call, argument.text, 0, &lease);
        if (r != 0)
                return r;
        p2pd_connection_lease_use(call->connection)->watched = lease ? lease->number : 0;
        return list_leases(call, lease ? lease->number : 0, P2PD_EVENTS_LEASES);
}
