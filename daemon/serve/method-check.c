/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "decide/check.h"
#include "serve/call.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"
#include "verification.h"

/* How many pairs one reply may carry. */
#define PAIRS_MAX 16384U

struct check_stream {
        struct p2pd_stream stream;
        struct p2pd_server *server;
        struct p2p_check_params params; /* but for the pair, and the transfer */
        uint32_t *providers, *clients;
        uint32_t n_providers, n_clients;
        uint32_t provider, client; /* the next pair */
        bool begun;
        uint32_t n_pairs, n_failed, n_unknown;
};

static void check_free(struct p2pd_stream *stream)
{
        struct check_stream *x = (struct check_stream *)stream;

        free(x->providers);
        free(x->clients);
        free(x);
}

static const char *result_name(enum p2p_gate_state state)
{
        switch (state) {
        case P2P_GATE_PASSED:
                return "yes";
        case P2P_GATE_FAILED:
                return "no";
        default:
                return "unknown";
        }
}

static void write_check(struct p2pd_writer *w, const struct p2p_check *check)
{
        p2pd_write_string_field(w, "result", result_name(check->overall));
        p2pd_write_key(w, "verdict");
        p2pd_write_verdict(w, p2pd_verdict_of(&check->decision));
        p2pd_write_key(w, "gates");
        p2pd_write_open_array(w);
        for (enum p2p_gate i = 0; i < P2P_GATE_MAX; i++) {
                p2pd_write_open_object(w);
                p2pd_write_string_field(w, "name", p2p_gate_to_string(i));
                p2pd_write_string_field(w, "state", p2p_gate_state_to_string(check->gates[i]));
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
        if (check->stopped_at != P2P_GATE_MAX)
                p2pd_write_string_field(w, "stopped_at", p2p_gate_to_string(check->stopped_at));
        if (check->because[0])
                p2pd_write_string_field(w, "because", check->because);
}

/* The newest verification, which may have come while the reply was being sent. */
static void set_transfer(struct check_stream *x)
{
        static const enum p2p_check_transfer transfers[P2PD_VERIFIED_MAX] = {
                [P2PD_VERIFIED_ARRIVED] = P2P_CHECK_TRANSFER_ARRIVED,
                [P2PD_VERIFIED_WRONG_DATA] = P2P_CHECK_TRANSFER_WRONG_DATA,
                [P2PD_VERIFIED_REFUSED] = P2P_CHECK_TRANSFER_REFUSED,
                [P2PD_VERIFIED_FAILED] = P2P_CHECK_TRANSFER_FAILED,
        };
        const struct p2p_function *functions = x->params.machine->functions;
        const struct p2pd_verification *v = p2pd_verifications_find(
                x->server->verifications, functions[x->params.provider].address,
                functions[x->params.client].address);

        x->params.transfer = v ? transfers[v->result] : P2P_CHECK_TRANSFER_NONE;
        x->params.transfer_map = v ? v->map_then : P2P_MAP_UNKNOWN;
}

static void check_pair(struct check_stream *x, struct p2pd_writer *w)
{
        const struct p2p_machine *m = x->stream.snapshot->machine;
        uint32_t provider = x->providers[x->provider], client = x->clients[x->client];
        struct p2p_check check;

        if (provider == client)
                return;
        x->params.provider = provider;
        x->params.client = client;
        set_transfer(x);
        p2p_check_pair(&x->params, &check);
        x->n_pairs++;
        x->n_failed += check.overall == P2P_GATE_FAILED;
        x->n_unknown += check.overall != P2P_GATE_FAILED && check.overall != P2P_GATE_PASSED;
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", m->functions[provider].address);
        p2pd_write_address_field(w, "client", m->functions[client].address);
        write_check(w, &check);
        p2pd_write_close_object(w);
}

static int end_check(struct check_stream *x, struct p2pd_writer *w)
{
        enum p2p_gate_state all = x->n_failed > 0                       ? P2P_GATE_FAILED
                                  : x->n_unknown > 0 || x->n_pairs == 0 ? P2P_GATE_UNKNOWN
                                                                        : P2P_GATE_PASSED;

        p2pd_write_close_array(w);
        p2pd_write_string_field(w, "result", result_name(all));
        p2pd_reply_end(w, false);
        return 0;
}

static int produce_checks(struct p2pd_stream *stream, struct p2pd_writer *w)
{
        struct check_stream *x = (struct check_stream *)stream;

        if (!x->begun) {
                x->begun = true;
                p2pd_reply_begin(w);
                p2pd_write_uint_field(w, "generation", stream->snapshot->generation);
                p2pd_write_key(w, "pairs");
                p2pd_write_open_array(w);
        }
        if (x->provider == x->n_providers || x->n_clients == 0)
                return end_check(x, w);
        check_pair(x, w);
        if (++x->client == x->n_clients) {
                x->client = 0;
                x->provider++;
        }
        return P2PD_STREAM_MORE;
}

static int begin_check(struct p2pd_call *call, struct check_stream *x)
{
        static const struct p2pd_parameter parameters[] = {
                {"providers", P2PD_PARAMETER_OPTIONAL_STRINGS},
                {"clients", P2PD_PARAMETER_OPTIONAL_STRINGS},
                {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
                {"min_bar_bytes", P2PD_PARAMETER_OPTIONAL_HEX},
                {"allow_slow_link", P2PD_PARAMETER_OPTIONAL_BOOL},
        };
        struct p2pd_argument arguments[5];
        uint64_t pairs;
        int r;

        r = p2pd_call_parameters(call, parameters, 5, arguments);
        if (r == 0)
                r = p2pd_call_resolve_list(call, &arguments[0], P2PD_DEFAULT_SHOWN, &x->providers,
                                           &x->n_providers);
        if (r == 0)
                r = p2pd_call_resolve_list(call, &arguments[1], P2PD_DEFAULT_SHOWN, &x->clients,
                                           &x->n_clients);
        if (r != 0)
                return r;
        pairs = (uint64_t)x->n_providers * x->n_clients;
        if (pairs > PAIRS_MAX)
                return p2pd_refuse_too_much(call, pairs, PAIRS_MAX);
        x->server = call->server;
        /* All of it belongs to the snapshot, which the stream holds. */
        x->params = (struct p2p_check_params){
                .machine = call->snapshot->machine,
                .rules = p2p_verdicts_rules(p2pd_call_verdicts(call, &arguments[2])),
                .min_bar_bytes = arguments[3].hex,
                .allow_slow_link = arguments[4].yes,
                .kernel_cache = call->snapshot->kernel_cache,
        };
        return 0;
}

int p2pd_method_check(struct p2pd_call *call)
{
        struct check_stream *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = begin_check(call, x);
        if (r != 0) {
                check_free(&x->stream);
                return r;
        }
        x->stream.bytes =
                sizeof(*x) + (x->n_providers + (size_t)x->n_clients) * sizeof(*x->clients);
        p2pd_call_stream(call, &x->stream, produce_checks, check_free);
        return 0;
}
