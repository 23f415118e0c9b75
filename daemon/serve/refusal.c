/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/refusal.h"

#include <assert.h>

#include "serve/json-writer.h"

static const struct p2pd_refusal refusals[P2PD_REFUSED_MAX] = {
        [P2PD_REFUSED_INTERFACE_NOT_FOUND] =
                {
                        "org.varlink.service.InterfaceNotFound",
                        {{P2PD_REFUSAL_TEXT, "interface"}},
                },
        [P2PD_REFUSED_METHOD_NOT_FOUND] =
                {
                        "org.varlink.service.MethodNotFound",
                        {{P2PD_REFUSAL_TEXT, "method"}},
                },
        [P2PD_REFUSED_METHOD_NOT_IMPLEMENTED] =
                {
                        "org.varlink.service.MethodNotImplemented",
                        {{P2PD_REFUSAL_TEXT, "method"}},
                },
        [P2PD_REFUSED_INVALID_PARAMETER] =
                {
                        "org.varlink.service.InvalidParameter",
                        {{P2PD_REFUSAL_TEXT, "parameter"}},
                },
        [P2PD_REFUSED_PERMISSION_DENIED] = {"org.varlink.service.PermissionDenied", {{0}}},
        [P2PD_REFUSED_EXPECTED_MORE] = {"org.varlink.service.ExpectedMore", {{0}}},
        [P2PD_REFUSED_FUNCTION_NOT_FOUND] =
                {
                        "io.p2pd.FunctionNotFound",
                        {{P2PD_REFUSAL_TEXT, "function"}},
                },
        [P2PD_REFUSED_FUNCTION_AMBIGUOUS] =
                {
                        "io.p2pd.FunctionAmbiguous",
                        {{P2PD_REFUSAL_TEXT, "function"}, {P2PD_REFUSAL_TEXTS, "candidates"}},
                },
        [P2PD_REFUSED_RANGE_INVALID] =
                {
                        "io.p2pd.RangeInvalid",
                        {{P2PD_REFUSAL_TEXT, "address"}, {P2PD_REFUSAL_TEXT, "length_bytes"}},
                },
        [P2PD_REFUSED_TOO_MUCH] =
                {
                        "io.p2pd.TooMuch",
                        {{P2PD_REFUSAL_INT, "entries"}, {P2PD_REFUSAL_INT, "limit"}},
                },
        [P2PD_REFUSED_SCAN_FAILED] =
                {
                        "io.p2pd.ScanFailed",
                        {{P2PD_REFUSAL_TEXT, "reason"}},
                },
};

const struct p2pd_refusal *p2pd_refusal_get(enum p2pd_refused kind)
{
        assert(kind < P2PD_REFUSED_MAX);
        return &refusals[kind];
}

static void write_value(struct p2pd_writer *w, enum p2pd_refusal_type type,
                        const struct p2pd_refusal_value *value)
{
        switch (type) {
        case P2PD_REFUSAL_TEXT:
                p2pd_write_text(w, value->text);
                break;
        case P2PD_REFUSAL_TEXTS:
                p2pd_write_open_array(w);
                for (size_t i = 0; i < value->n_texts; i++)
                        p2pd_write_text(w, value->texts[i]);
                p2pd_write_close_array(w);
                break;
        case P2PD_REFUSAL_INT:
                p2pd_write_uint(w, value->number);
                break;
        case P2PD_REFUSAL_NOTHING:
                assert(false);
        }
}

void p2pd_refusal_write(struct p2pd_writer *w, enum p2pd_refused kind,
                        const struct p2pd_refusal_value *values)
{
        const struct p2pd_refusal *refusal = p2pd_refusal_get(kind);

        w->comma = false;
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "error", refusal->error);
        p2pd_write_key(w, "parameters");
        p2pd_write_open_object(w);
        for (size_t i = 0; i < P2PD_REFUSAL_PARAMETERS_MAX; i++) {
                if (refusal->parameters[i].type == P2PD_REFUSAL_NOTHING)
                        break;
                p2pd_write_key(w, refusal->parameters[i].name);
                write_value(w, refusal->parameters[i].type, &values[i]);
        }
        p2pd_write_close_object(w);
        p2pd_write_close_object(w);
        p2pd_write_raw(w, "", 1);
}
