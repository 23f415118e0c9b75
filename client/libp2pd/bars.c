/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>

#include "parameters.h"

/* RegisterBar and UnregisterBar. */

#define _cleanup_(f) __attribute__((cleanup(f)))

static int read_id(const struct p2pd_reply *reply, uint32_t *ret)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        uint64_t id = 0;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (!p2p_json_is(&key, "id"))
                        r = p2p_json_skip(&j);
                else if (p2p_json_take_null(&j))
                        continue;
                else
                        r = p2pd_read_count(&j, &id);
                if (r < 0)
                        return r;
        }
        if (r < 0 || id > UINT16_MAX)
                return -EBADMSG;
        *ret = (uint32_t)id;
        return 0;
}

/* With parameters that it frees; NULL: out of memory. */
static int ask(struct p2pd_client *client, const char *method, char *with, int timeout_msec,
               uint32_t *ret_id)
{
        _cleanup_(p2pd_string_freep) char *parameters = with;
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        uint32_t id;
        int r;

        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, method, parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        r = read_id(reply, &id);
        if (r == 0 && ret_id)
                *ret_id = id;
        return r;
}

static char *by_function(const char *function, unsigned int bar_index)
{
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_string(&t, "function", function);
        p2pd_parameters_add_count(&t, "bar_index", bar_index);
        return p2pd_parameters_end(&t);
}

P2PD_PUBLIC int p2pd_client_register_bar(struct p2pd_client *client, const char *function,
                                         unsigned int bar_index, int timeout_msec, uint32_t *ret_id)
{
        return ask(client, "io.p2pd.RegisterBar", by_function(function, bar_index), timeout_msec,
                   ret_id);
}

P2PD_PUBLIC int p2pd_client_unregister_bar(struct p2pd_client *client, const char *function,
                                           unsigned int bar_index, int timeout_msec,
                                           uint32_t *ret_id)
{
        return ask(client, "io.p2pd.UnregisterBar", by_function(function, bar_index), timeout_msec,
                   ret_id);
}

P2PD_PUBLIC int p2pd_client_unregister_bar_id(struct p2pd_client *client, uint32_t id,
                                              int timeout_msec, uint32_t *ret_id)
{
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_count(&t, "id", id);
        return ask(client, "io.p2pd.UnregisterBar", p2pd_parameters_end(&t), timeout_msec, ret_id);
}
