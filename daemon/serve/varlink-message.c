/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/varlink-message.h"

#include <assert.h>
#include <errno.h>

enum p2pd_frame p2pd_frame_next(const char *bytes, size_t n, size_t message_max, size_t *scanned,
                                size_t *ret_size)
{
        const char *nul;

        assert(*scanned <= n);

        nul = n > *scanned ? memchr(bytes + *scanned, '\0', n - *scanned) : NULL;
        if (!nul) {
                *scanned = n;
                /* message_max bytes without a NUL cannot become a message any more. */
                return n >= message_max ? P2PD_FRAME_OVERSIZED : P2PD_FRAME_INCOMPLETE;
        }
        if ((size_t)(nul - bytes) >= message_max)
                return P2PD_FRAME_OVERSIZED;
        if (nul == bytes)
                return P2PD_FRAME_EMPTY;
        *scanned = 0;
        *ret_size = (size_t)(nul - bytes) + 1;
        return P2PD_FRAME_MESSAGE;
}

/* The members that Varlink knows, as bits to find the ones that come twice. */
enum {
        MEMBER_METHOD = 1,
        MEMBER_PARAMETERS = 2,
        MEMBER_ONEWAY = 4,
        MEMBER_MORE = 8,
        MEMBER_UPGRADE = 16,
};

static unsigned member_of(const struct p2p_json_slice *key)
{
        if (p2p_json_is(key, "method"))
                return MEMBER_METHOD;
        if (p2p_json_is(key, "parameters"))
                return MEMBER_PARAMETERS;
        if (p2p_json_is(key, "oneway"))
                return MEMBER_ONEWAY;
        if (p2p_json_is(key, "more"))
                return MEMBER_MORE;
        if (p2p_json_is(key, "upgrade"))
                return MEMBER_UPGRADE;
        return 0;
}

static int read_method(struct p2p_json *j, struct p2pd_varlink_call *call)
{
        struct p2p_json_slice method;
        int r;

        r = p2p_json_read_slice(j, &method);
        if (r < 0)
                return r;
        call->method = p2pd_varlink_text(call, &method);
        return 0;
}

/* null stands for an absent member. */
static int read_flag(struct p2p_json *j, bool *ret)
{
        return p2p_json_take_null(j) ? 0 : p2p_json_read_bool(j, ret);
}

static int read_parameters(struct p2p_json *j, struct p2pd_varlink_call *call)
{
        if (p2p_json_take_null(j))
                return 0;
        if (p2p_json_peek(j) != P2P_JSON_OBJECT)
                return -EBADMSG;
        call->parameters = *j;
        call->has_parameters = true;
        return p2p_json_skip(j);
}

static int read_member(struct p2p_json *j, unsigned member, struct p2pd_varlink_call *call)
{
        switch (member) {
        case MEMBER_METHOD:
                return read_method(j, call);
        case MEMBER_PARAMETERS:
                return read_parameters(j, call);
        case MEMBER_ONEWAY:
                return read_flag(j, &call->oneway);
        case MEMBER_MORE:
                return read_flag(j, &call->more);
        case MEMBER_UPGRADE:
                return read_flag(j, &call->upgrade);
        default:
                return p2p_json_skip(j);
        }
}

int p2pd_varlink_parse_call(char *message, size_t n, unsigned depth_max,
                            struct p2pd_varlink_call *ret)
{
        struct p2pd_varlink_call call = {.bytes = message};
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        struct p2p_json j;
        unsigned seen = 0;
        int r;

        assert(n > 0 && message[n - 1] == '\0');

        j = p2p_json(message, n - 1, depth_max);
        if (p2p_json_enter_object(&j) < 0)
                return P2PD_VARLINK_E_MALFORMED;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                unsigned member = member_of(&key);

                if (seen & member || read_member(&j, member, &call) < 0)
                        return P2PD_VARLINK_E_MALFORMED;
                seen |= member;
        }
        if (r < 0 || !p2p_json_at_end(&j) || !(seen & MEMBER_METHOD))
                return P2PD_VARLINK_E_MALFORMED;
        *ret = call;
        return 0;
}

struct p2pd_text p2pd_varlink_text(const struct p2pd_varlink_call *call,
                                   const struct p2p_json_slice *s)
{
        char *to = call->bytes + (s->text - call->bytes);

        if (!s->escaped)
                return (struct p2pd_text){.data = s->text, .size = s->length};
        return (struct p2pd_text){.data = to, .size = p2p_json_decode(s, to)};
}
