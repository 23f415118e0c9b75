/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "serve/call.h"
#include "serve/connection.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"
#include "verification.h"

void p2pd_write_verification(struct p2pd_writer *w, const struct p2pd_verification *v)
{
        const enum p2pd_agreement agreement = p2pd_verification_agrees(v);
        char text[P2PD_VERIFICATION_TEXT_MAX];

        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "result", p2pd_verified_to_string(v->result));
        p2pd_write_string_field(w, "method", v->method);
        p2pd_write_optional_string_field(w, "detail", v->detail[0] ? v->detail : NULL);
        p2pd_write_uint_field(w, "when_usec", v->when_usec);
        p2pd_write_uint_field(w, "uid", v->uid);
        p2pd_write_uint_field(w, "generation", v->generation);
        p2pd_write_string_field(w, "map_then", p2pd_map_name(v->map_then));
        if (agreement != P2PD_AGREEMENT_NEITHER)
                p2pd_write_bool_field(w, "agrees", agreement == P2PD_AGREEMENT_YES);
        p2pd_write_bool_field(w, "alarming", p2pd_verification_is_alarming(v));
        p2pd_write_string_field(w, "text", p2pd_verification_format(v, text, sizeof(text)));
        p2pd_write_close_object(w);
}

/* Copies a text that fits and is one: a NUL byte inside would cut it. */
static bool take_text(struct p2pd_text text, char *buf, size_t size)
{
        if (text.size >= size || memchr(text.data, '\0', text.size))
                return false;
        memcpy(buf, text.data, text.size);
        buf[text.size] = '\0';
        return true;
}

static bool take_result(struct p2pd_text text, enum p2pd_verified *ret)
{
        for (enum p2pd_verified i = 0; i < P2PD_VERIFIED_MAX; i++) {
                if (p2pd_text_equal(text, p2pd_verified_to_string(i))) {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

/* What the caller says, except for the two functions. NULL, or the name of what is wrong. */
static const char *take_report(const struct p2pd_argument *arguments, struct p2pd_verification *v)
{
        if (!take_result(arguments[2].text, &v->result))
                return "result";
        if (arguments[3].text.size == 0 ||
            !take_text(arguments[3].text, v->method, sizeof(v->method)))
                return "method";
        if (arguments[4].present && !take_text(arguments[4].text, v->detail, sizeof(v->detail)))
                return "detail";
        return NULL;
}

/* What the daemon adds: nobody else is believed about it. */
static void stamp(const struct p2pd_call *call, uint32_t provider, uint32_t client,
                  struct p2pd_verification *v)
{
        const struct p2pd_snapshot *snapshot = call->snapshot;
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        v->when_usec = (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
        v->provider = snapshot->machine->functions[provider].address;
        v->client = snapshot->machine->functions[client].address;
        v->map_then = p2p_verdicts_get(snapshot->verdicts[P2P_RULES_RUNNING], provider, client).map;
        v->generation = snapshot->generation;
        v->uid = p2pd_connection_uid(call->connection);
}

int p2pd_method_report_verification(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {
                {"provider", P2PD_PARAMETER_STRING},        {"client", P2PD_PARAMETER_STRING},
                {"result", P2PD_PARAMETER_STRING},          {"method", P2PD_PARAMETER_STRING},
                {"detail", P2PD_PARAMETER_OPTIONAL_STRING},
        };
        struct p2pd_server *s = call->server;
        struct p2pd_argument arguments[5];
        struct p2pd_verification v = {0};
        uint32_t provider, client;
        const char *wrong;
        int r;

        r = p2pd_call_parameters(call, parameters, 5, arguments);
        if (r != 0)
                return r;
        wrong = take_report(arguments, &v);
        if (wrong)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text(wrong));
        r = p2pd_call_resolve(call, arguments[0].text, &provider);
        if (r == 0)
                r = p2pd_call_resolve(call, arguments[1].text, &client);
        if (r != 0)
                return r;
        stamp(call, provider, client, &v);
        r = p2pd_verifications_put(s->verifications, &v);
        if (r < 0)
                return r;
        if (s->verified)
                s->verified(&v, s->userdata);
        p2pd_reply_begin(call->writer);
        p2pd_write_uint_field(call->writer, "generation", call->snapshot->generation);
        p2pd_write_key(call->writer, "verification");
        p2pd_write_verification(call->writer, &v);
        p2pd_reply_end(call->writer, false);
        return 0;
}
