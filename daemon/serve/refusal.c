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
        [P2PD_REFUSED_TABLE_UNAVAILABLE] =
                {
                        "io.p2pd.TableUnavailable",
                        {{P2PD_REFUSAL_TEXT, "reason"}},
                },
        [P2PD_REFUSED_ALREADY_ATTACHED] = {"io.p2pd.AlreadyAttached", {{0}}},
        [P2PD_REFUSED_NOT_ATTACHED] = {"io.p2pd.NotAttached", {{0}}},
        [P2PD_REFUSED_BAR_NOT_FOUND] =
                {
                        "io.p2pd.BarNotFound",
                        {{P2PD_REFUSAL_TEXT, "function"}, {P2PD_REFUSAL_INT, "bar_index"}},
                },
        [P2PD_REFUSED_BAR_UNRECOGNISABLE] =
                {
                        "io.p2pd.BarUnrecognisable",
                        {{P2PD_REFUSAL_TEXT, "function"}, {P2PD_REFUSAL_INT, "bar_index"}},
                },
        [P2PD_REFUSED_BAR_NOT_REGISTERED] =
                {
                        "io.p2pd.BarNotRegistered",
                        {{P2PD_REFUSAL_OPTIONAL_TEXT, "function"},
                         {P2PD_REFUSAL_OPTIONAL_INT, "bar_index"},
                         {P2PD_REFUSAL_OPTIONAL_INT, "id"}},
                },
        [P2PD_REFUSED_IDS_EXHAUSTED] =
                {
                        "io.p2pd.IdsExhausted",
                        {{P2PD_REFUSAL_INT, "id_bits"}},
                },
        [P2PD_REFUSED_TOO_MANY_REGISTRATIONS] =
                {
                        "io.p2pd.TooManyRegistrations",
                        {{P2PD_REFUSAL_INT, "limit"}},
                },
        [P2PD_REFUSED_STATE_NOT_SAVED] =
                {
                        "io.p2pd.StateNotSaved",
                        {{P2PD_REFUSAL_TEXT, "reason"}},
                },
        [P2PD_REFUSED_SELECTOR_INVALID] =
                {
                        "io.p2pd.SelectorInvalid",
                        {{P2PD_REFUSAL_TEXT, "selector"},
                         {P2PD_REFUSAL_TEXT, "part"},
                         {P2PD_REFUSAL_TEXT, "why"}},
                },
        [P2PD_REFUSED_NO_PLACEMENT] =
                {
                        "io.p2pd.NoPlacement",
                        {{P2PD_REFUSAL_TEXT, "limit"},
                         {P2PD_REFUSAL_TEXT, "part"},
                         {P2PD_REFUSAL_OPTIONAL_TEXT, "of"},
                         {P2PD_REFUSAL_OPTIONAL_INT, "wanted"},
                         {P2PD_REFUSAL_OPTIONAL_INT, "found"},
                         {P2PD_REFUSAL_TEXT, "text"}},
                },
        [P2PD_REFUSED_PLACEMENT_TOO_LARGE] = {"io.p2pd.PlacementTooLarge", {{0}}},
        [P2PD_REFUSED_LEASE_HELD] =
                {
                        "io.p2pd.LeaseHeld",
                        {{P2PD_REFUSAL_TEXT, "function"},
                         {P2PD_REFUSAL_TEXT, "held"},
                         {P2PD_REFUSAL_INT, "number"},
                         {P2PD_REFUSAL_OPTIONAL_TEXT, "name"},
                         {P2PD_REFUSAL_OPTIONAL_TEXT, "owner"},
                         {P2PD_REFUSAL_INT, "uid"}},
                },
        [P2PD_REFUSED_LEASE_NAME_TAKEN] =
                {
                        "io.p2pd.LeaseNameTaken",
                        {{P2PD_REFUSAL_TEXT, "name"},
                         {P2PD_REFUSAL_INT, "number"},
                         {P2PD_REFUSAL_INT, "uid"}},
                },
        [P2PD_REFUSED_LEASE_NOT_FOUND] =
                {
                        "io.p2pd.LeaseNotFound",
                        {{P2PD_REFUSAL_TEXT, "lease"}},
                },
        [P2PD_REFUSED_LEASE_NOT_OWNER] =
                {
                        "io.p2pd.LeaseNotOwner",
                        {{P2PD_REFUSAL_TEXT, "lease"}},
                },
        [P2PD_REFUSED_LEASE_LIMIT] =
                {
                        "io.p2pd.LeaseLimit",
                        {{P2PD_REFUSAL_INT, "limit"}},
                },
        [P2PD_REFUSED_LEASE_UNRECOGNISABLE] =
                {
                        "io.p2pd.LeaseUnrecognisable",
                        {{P2PD_REFUSAL_TEXT, "function"}},
                },
        [P2PD_REFUSED_LEASE_NOT_SAVED] =
                {
                        "io.p2pd.LeaseNotSaved",
                        {{P2PD_REFUSAL_TEXT, "reason"}},
                },
        [P2PD_REFUSED_EDIT_INVALID] =
                {
                        "io.p2pd.EditInvalid",
                        {{P2PD_REFUSAL_TEXT, "edit"},
                         {P2PD_REFUSAL_OPTIONAL_TEXT, "part"},
                         {P2PD_REFUSAL_TEXT, "why"},
                         {P2PD_REFUSAL_TEXT, "text"}},
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
        case P2PD_REFUSAL_OPTIONAL_TEXT:
                p2pd_write_text(w, value->text);
                break;
        case P2PD_REFUSAL_TEXTS:
                p2pd_write_open_array(w);
                for (size_t i = 0; i < value->n_texts; i++)
                        p2pd_write_text(w, value->texts[i]);
                p2pd_write_close_array(w);
                break;
        case P2PD_REFUSAL_INT:
        case P2PD_REFUSAL_OPTIONAL_INT:
                p2pd_write_uint(w, value->number);
                break;
        case P2PD_REFUSAL_NOTHING:
                assert(false);
        }
}

static bool is_left_out(enum p2pd_refusal_type type, const struct p2pd_refusal_value *value)
{
        return (type == P2PD_REFUSAL_OPTIONAL_TEXT && !value->text.data) ||
               (type == P2PD_REFUSAL_OPTIONAL_INT && value->absent);
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
                if (is_left_out(refusal->parameters[i].type, &values[i]))
                        continue;
                p2pd_write_key(w, refusal->parameters[i].name);
                write_value(w, refusal->parameters[i].type, &values[i]);
        }
        p2pd_write_close_object(w);
        p2pd_write_close_object(w);
        p2pd_write_raw(w, "", 1);
}
