/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GetDistance, GetMatrix, GetPairs */
#include <errno.h>
#include <stdlib.h>

#include "serve/call.h"
#include "serve/methods.h"
#include "serve/reply-types.h"

/* Without "more", how many verdicts one reply may carry. */
#define CELLS_MAX 65536U
/* How many cells or addresses are written in one piece. */
#define PIECE_CELLS 64U

int p2pd_method_get_distance(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"provider", P2PD_PARAMETER_STRING},
                {"client", P2PD_PARAMETER_STRING},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[3];
        struct p2pd_writer *w = call->writer;
        uint32_t provider, client;
        int r;

        r = p2pd_call_parameters(call, parameters, 3, arguments);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[0].text, &provider);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[1].text, &client);
        if (r != 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", call->snapshot->generation);
        p2pd_write_verdict_fields(
                w, p2p_verdicts_get(p2pd_call_verdicts(call, &arguments[2]), provider, client));
        p2pd_reply_end(w, false);
        return 0;
}

/* Where in a reply the matrix stands. */
enum matrix_part {
        MATRIX_CLIENTS, /* at the list of clients, or before the reply */
        MATRIX_ROW,     /* before a row, or at the end */
        MATRIX_CELLS,
};

struct matrix_stream {
        struct p2pd_stream stream;
        const struct p2p_verdicts *verdicts; /* of the stream's snapshot */
        uint32_t *providers, *clients;
        uint32_t n_providers, n_clients;
        bool one_row;     /* a reply for each row */
        bool row_written; /* one stands in this reply */
        enum matrix_part part;
        uint32_t provider, client; /* the next ones to be written */

        /* Neighbours often share their verdict: the text of the last one. */
        struct p2p_verdict cell;
        char cell_text[192];
        size_t cell_size; /* 0: none */
};

static void matrix_free(struct p2pd_stream *stream)
{
        struct matrix_stream *x = (struct matrix_stream *)stream;

        free(x->providers);
        free(x->clients);
        free(x);
}

static uint32_t piece_end(const struct matrix_stream *x)
{
        uint32_t left = x->n_clients - x->client;

        return x->client + (left < PIECE_CELLS ? left : PIECE_CELLS);
}

static void write_clients(struct matrix_stream *x, struct p2pd_writer *w)
{
        const struct p2p_function *functions = x->stream.snapshot->machine->functions;
        uint32_t end = piece_end(x);

        if (x->client == 0) {
                p2pd_reply_begin(w);
                p2pd_write_uint_field(w, "generation", x->stream.snapshot->generation);
                p2pd_write_key(w, "clients");
                p2pd_write_open_array(w);
        }
        while (x->client < end)
                p2pd_write_address(w, functions[x->clients[x->client++]].address);
        if (x->client < x->n_clients)
                return;
        p2pd_write_close_array(w);
        p2pd_write_key(w, "rows");
        p2pd_write_open_array(w);
        x->part = MATRIX_ROW;
}

static void begin_row(struct matrix_stream *x, struct p2pd_writer *w)
{
        const struct p2p_function *functions = x->stream.snapshot->machine->functions;

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", functions[x->providers[x->provider]].address);
        p2pd_write_key(w, "cells");
        p2pd_write_open_array(w);
        x->client = 0;
        x->part = MATRIX_CELLS;
}

static void write_cell(struct matrix_stream *x, struct p2pd_writer *w, struct p2p_verdict v)
{
        size_t at;

        if (x->cell_size > 0 && v.distance_hops == x->cell.distance_hops && v.map == x->cell.map &&
            v.path == x->cell.path && v.reason == x->cell.reason) {
                p2pd_write_again(w, x->cell_text, x->cell_size);
                return;
        }
        at = p2pd_buffer_size(w->buffer) + w->comma;
        p2pd_write_verdict(w, v);
        x->cell = v;
        x->cell_size = w->failed ? 0 : p2pd_buffer_size(w->buffer) - at;
        if (x->cell_size > sizeof(x->cell_text))
                x->cell_size = 0;
        memcpy(x->cell_text, p2pd_buffer_bytes(w->buffer) + at, x->cell_size);
}

static void write_cells(struct matrix_stream *x, struct p2pd_writer *w)
{
        uint32_t provider = x->providers[x->provider], end = piece_end(x);

        while (x->client < end)
                write_cell(x, w, p2p_verdicts_get(x->verdicts, provider, x->clients[x->client++]));
        if (x->client < x->n_clients)
                return;
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
        x->provider++;
        x->row_written = true;
        x->part = MATRIX_ROW;
}

static int produce_matrix(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct matrix_stream *x = (struct matrix_stream *)stream;
        bool last = x->provider == x->n_providers;

        if (x->part == MATRIX_CLIENTS) {
                write_clients(x, w);
                return P2PD_STREAM_MORE;
        }
        if (x->part == MATRIX_CELLS) {
                write_cells(x, w);
                return P2PD_STREAM_MORE;
        }
        if (!last && !(x->one_row && x->row_written)) {
                begin_row(x, w);
                return P2PD_STREAM_MORE;
        }
        p2pd_write_close_array(w);
        p2pd_reply_end(w, !last);
        x->part = MATRIX_CLIENTS;
        x->row_written = false;
        x->client = 0;
        return last ? 0 : P2PD_STREAM_MORE;
}

static int begin_matrix(struct p2pd_call *call, struct matrix_stream *x,
                        const struct p2pd_argument arguments[static 3],
                        enum p2pd_default_list otherwise)
{
        uint64_t cells;
        int r;

        r = p2pd_call_resolve_list(call, &arguments[0], otherwise, &x->providers, &x->n_providers);
        if (r == 0)
                r = p2pd_call_resolve_list(call, &arguments[1], otherwise, &x->clients,
                                           &x->n_clients);
        if (r != 0)
                return r;
        cells = (uint64_t)x->n_providers * x->n_clients;
        x->one_row = call->message.more;
        if (!x->one_row && cells > CELLS_MAX)
                return p2pd_refuse_too_much(call, cells, CELLS_MAX);
        x->verdicts = p2pd_call_verdicts(call, &arguments[2]);
        return 0;
}

static int matrix(struct p2pd_call *call, const struct p2pd_argument arguments[static 3],
                  enum p2pd_default_list otherwise)
{
        struct matrix_stream *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = begin_matrix(call, x, arguments, otherwise);
        if (r != 0) {
                matrix_free(&x->stream);
                return r;
        }
        x->stream.bytes =
                sizeof(*x) + (x->n_providers + (size_t)x->n_clients) * sizeof(*x->clients);
        p2pd_call_stream(call, &x->stream, produce_matrix, matrix_free);
        return 0;
}

int p2pd_method_get_matrix(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"providers", P2PD_PARAMETER_OPTIONAL_STRINGS},
                {"clients", P2PD_PARAMETER_OPTIONAL_STRINGS},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[3];
        int r;

        r = p2pd_call_parameters(call, parameters, 3, arguments);
        return r != 0 ? r : matrix(call, arguments, P2PD_DEFAULT_SHOWN);
}

int p2pd_method_get_pairs(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        };
        struct p2pd_argument arguments[3] = {0};
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &arguments[2]);
        return r != 0 ? r : matrix(call, arguments, P2PD_DEFAULT_ENDPOINTS);
}
