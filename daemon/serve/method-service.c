/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.varlink.service */
#include "config.h"
#include "serve/call.h"
#include "serve/methods.h"

int p2pd_method_get_info(struct p2pd_call *call)
{
        struct p2pd_writer *w = call->writer;
        const struct p2pd_interface *interfaces;
        size_t n;
        int r;

        r = p2pd_call_parameters(call, NULL, 0, NULL);
        if (r != 0)
                return r;
        interfaces = p2pd_interfaces(&n);
        p2pd_reply_begin(w);
        p2pd_write_string_field(w, "vendor", "p2pd");
        p2pd_write_string_field(w, "product", "p2pd");
        p2pd_write_string_field(w, "version", P2PD_VERSION);
        p2pd_write_string_field(w, "url", "man:p2pd(8)");
        p2pd_write_key(w, "interfaces");
        p2pd_write_open_array(w);
        for (size_t i = 0; i < n; i++)
                p2pd_write_string(w, interfaces[i].name);
        p2pd_write_close_array(w);
        p2pd_reply_end(w, false);
        return 0;
}

int p2pd_method_get_interface_description(struct p2pd_call *call)
{
        static const struct p2pd_parameter parameters[] = {{"interface", P2PD_PARAMETER_STRING}};
        struct p2pd_writer *w = call->writer;
        const struct p2pd_interface *interface;
        struct p2pd_argument argument;
        int r;

        r = p2pd_call_parameters(call, parameters, 1, &argument);
        if (r != 0)
                return r;
        interface = p2pd_interface_find(argument.text);
        if (!interface)
                return p2pd_refuse_text(call, P2PD_REFUSED_INTERFACE_NOT_FOUND, argument.text);
        p2pd_reply_begin(w);
        p2pd_write_string_field(w, "description", interface->description);
        p2pd_reply_end(w, false);
        return 0;
}
