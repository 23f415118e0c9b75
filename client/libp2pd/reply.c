/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json-cursor.h"

static const struct {
        const char *name;
        int error;
} error_names[] = {
        {"io.p2pd.FunctionNotFound", -ENODEV},
        {"io.p2pd.FunctionAmbiguous", -ENOTUNIQ},
        {"io.p2pd.RangeInvalid", -ERANGE},
        {"io.p2pd.TooMuch", -E2BIG},
        {"io.p2pd.ScanFailed", -EIO},
        {"io.p2pd.TableUnavailable", -ENODATA},
        {"io.p2pd.AlreadyAttached", -EALREADY},
        {"io.p2pd.NotAttached", -EUNATCH},
        {"io.p2pd.BarNotFound", -ENXIO},
        {"io.p2pd.BarUnrecognisable", -EADDRNOTAVAIL},
        {"io.p2pd.BarNotRegistered", -ENOENT},
        {"io.p2pd.IdsExhausted", -ENOSPC},
        {"io.p2pd.TooManyRegistrations", -EDQUOT},
        {"io.p2pd.StateNotSaved", -EROFS},
        {"io.p2pd.SelectorInvalid", -EINVAL},
        {"io.p2pd.NoPlacement", -ESRCH},
        {"io.p2pd.PlacementTooLarge", -EFBIG},
        {"io.p2pd.LeaseHeld", -EADDRINUSE},
        {"io.p2pd.LeaseNameTaken", -EEXIST},
        {"io.p2pd.LeaseNotFound", -ENOENT},
        {"io.p2pd.LeaseNotOwner", -EPERM},
        {"io.p2pd.LeaseLimit", -EDQUOT},
        {"io.p2pd.LeaseUnrecognisable", -EADDRNOTAVAIL},
        {"io.p2pd.LeaseNotSaved", -EROFS},
        {"io.p2pd.EditInvalid", -EINVAL},
        {"org.varlink.service.PermissionDenied", -EACCES},
        {"org.varlink.service.InvalidParameter", -EINVAL},
        {"org.varlink.service.MethodNotFound", -EOPNOTSUPP},
        {"org.varlink.service.MethodNotImplemented", -EOPNOTSUPP},
        {"org.varlink.service.InterfaceNotFound", -EOPNOTSUPP},
        {"org.varlink.service.ExpectedMore", -EPROTO},
};

int p2pd_errno_from_name(const char *name)
{
        for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++)
                if (strcmp(error_names[i].name, name) == 0)
                        return error_names[i].error;
        return -EREMOTEIO;
}

static bool is_error_name(const struct p2p_json_slice *s)
{
        if (s->length == 0 || s->length > 255)
                return false;
        for (size_t i = 0; i < s->length; i++) {
                char c = s->text[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    c != '.' && c != '-')
                        return false;
        }
        return true;
}

/* One member of the envelope. */
static int parse_member(struct p2p_json *j, const struct p2p_json_slice *key,
                        struct p2p_json_slice *parameters, struct p2p_json_slice *error,
                        bool *continues)
{
        int r;

        if (p2p_json_is(key, "parameters")) {
                if (p2p_json_take_null(j))
                        return 0;
                if (p2p_json_peek(j) != P2P_JSON_OBJECT)
                        return -EBADMSG;
                parameters->text = j->at;
                r = p2p_json_skip(j);
                parameters->length = (size_t)(j->at - parameters->text);
                return r;
        }
        if (p2p_json_is(key, "error")) {
                if (p2p_json_take_null(j))
                        return 0;
                r = p2p_json_read_slice(j, error);
                return r < 0 || is_error_name(error) ? r : -EBADMSG;
        }
        if (p2p_json_is(key, "continues"))
                return p2p_json_take_null(j) ? 0 : p2p_json_read_bool(j, continues);
        return p2p_json_skip(j);
}

int p2pd_reply_parse(char *text, size_t length, struct p2pd_reply *ret)
{
        static char no_parameters[] = "{}";
        struct p2p_json j = p2p_json(text, length, P2P_JSON_DEPTH_MAX);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key, parameters = {0}, error = {0};
        bool continues = false;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0)
                if (parse_member(&j, &key, &parameters, &error, &continues) < 0)
                        return -EBADMSG;
        if (r < 0 || !p2p_json_at_end(&j))
                return -EBADMSG;

        *ret = (struct p2pd_reply){
                .parameters = no_parameters, .parameters_length = 2, .continues = continues};
        if (parameters.text) {
                ret->parameters = text + (parameters.text - text);
                ret->parameters_length = parameters.length;
                ret->parameters[parameters.length] = '\0';
        }
        if (error.text) {
                ret->error_name = text + (error.text - text);
                ret->error_name[error.length] = '\0';
                ret->error = p2pd_errno_from_name(ret->error_name);
        }
        return 0;
}

struct p2pd_reply *p2pd_reply_copy(const struct p2pd_reply *reply)
{
        struct p2pd_reply *copy;

        copy = calloc(1, sizeof(*copy));
        if (!copy)
                return NULL;
        copy->error = reply->error;
        copy->continues = reply->continues;
        copy->parameters_length = reply->parameters_length;
        copy->parameters = malloc(reply->parameters_length + 1);
        if (reply->error_name)
                copy->error_name = strdup(reply->error_name);
        if (!copy->parameters || (reply->error_name && !copy->error_name))
                return p2pd_reply_free(copy);
        memcpy(copy->parameters, reply->parameters, reply->parameters_length + 1);
        return copy;
}

P2PD_PUBLIC int p2pd_reply_get_errno(const struct p2pd_reply *reply)
{
        return reply->error;
}

P2PD_PUBLIC const char *p2pd_reply_get_error_name(const struct p2pd_reply *reply)
{
        return reply->error_name;
}

P2PD_PUBLIC const char *p2pd_reply_get_parameters(const struct p2pd_reply *reply,
                                                  size_t *ret_length)
{
        if (ret_length)
                *ret_length = reply->parameters_length;
        return reply->parameters;
}

P2PD_PUBLIC bool p2pd_reply_continues(const struct p2pd_reply *reply)
{
        return reply->continues;
}

P2PD_PUBLIC struct p2pd_reply *p2pd_reply_free(struct p2pd_reply *reply)
{
        if (!reply)
                return NULL;
        free(reply->error_name);
        free(reply->parameters);
        free(reply);
        return NULL;
}
