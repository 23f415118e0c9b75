/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table from refusals to Varlink errors: every error a client can get, and its parameters. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/text.h"

struct p2pd_writer;

enum p2pd_refused {
        P2PD_REFUSED_INTERFACE_NOT_FOUND,
        P2PD_REFUSED_METHOD_NOT_FOUND,
        P2PD_REFUSED_METHOD_NOT_IMPLEMENTED,
        P2PD_REFUSED_INVALID_PARAMETER,
        P2PD_REFUSED_PERMISSION_DENIED,
        P2PD_REFUSED_EXPECTED_MORE,
        P2PD_REFUSED_FUNCTION_NOT_FOUND,
        P2PD_REFUSED_FUNCTION_AMBIGUOUS,
        P2PD_REFUSED_RANGE_INVALID,
        P2PD_REFUSED_TOO_MUCH,
        P2PD_REFUSED_SCAN_FAILED,
        P2PD_REFUSED_TABLE_UNAVAILABLE,
        P2PD_REFUSED_ALREADY_ATTACHED,
        P2PD_REFUSED_NOT_ATTACHED,
        P2PD_REFUSED_BAR_NOT_FOUND,
        P2PD_REFUSED_BAR_UNRECOGNISABLE,
        P2PD_REFUSED_BAR_NOT_REGISTERED,
        P2PD_REFUSED_IDS_EXHAUSTED,
        P2PD_REFUSED_TOO_MANY_REGISTRATIONS,
        P2PD_REFUSED_STATE_NOT_SAVED,
        P2PD_REFUSED_SELECTOR_INVALID,
        P2PD_REFUSED_NO_PLACEMENT,
        P2PD_REFUSED_PLACEMENT_TOO_LARGE,
        P2PD_REFUSED_LEASE_HELD,
        P2PD_REFUSED_LEASE_NAME_TAKEN,
        P2PD_REFUSED_LEASE_NOT_FOUND,
        P2PD_REFUSED_LEASE_NOT_OWNER,
        P2PD_REFUSED_LEASE_LIMIT,
        P2PD_REFUSED_LEASE_UNRECOGNISABLE,
        P2PD_REFUSED_LEASE_NOT_SAVED,
        P2PD_REFUSED_EDIT_INVALID,
        P2PD_REFUSED_MAX,
};

enum p2pd_refusal_type {
        P2PD_REFUSAL_NOTHING, /* there is no such parameter */
        P2PD_REFUSAL_TEXT,
        P2PD_REFUSAL_TEXTS,
        P2PD_REFUSAL_INT,
        P2PD_REFUSAL_OPTIONAL_TEXT, /* left out if the text is NULL */
        P2PD_REFUSAL_OPTIONAL_INT,  /* left out if absent */
};

#define P2PD_REFUSAL_PARAMETERS_MAX 6U

struct p2pd_refusal {
        const char *error; /* with its interface */
        struct {
                enum p2pd_refusal_type type;
                const char *name;
        } parameters[P2PD_REFUSAL_PARAMETERS_MAX];
};

/* The value of one parameter: the member of its type is looked at. */
struct p2pd_refusal_value {
        struct p2pd_text text;
        const struct p2pd_text *texts;
        size_t n_texts;
        uint64_t number; /* at most INT64_MAX */
        bool absent;
};

/* The row of the table. Never NULL for a valid kind (asserted). */
const struct p2pd_refusal *p2pd_refusal_get(enum p2pd_refused kind);

/* Writes the complete error reply, its NUL byte included. values: one for each parameter in the
 * order of the table; may be NULL if there is none. */
void p2pd_refusal_write(struct p2pd_writer *w, enum p2pd_refused kind,
                        const struct p2pd_refusal_value *values);
