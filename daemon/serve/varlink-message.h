/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The envelope of Varlink (varlink.org, Method-Call): bytes are cut at NUL into messages, and a
 * message is read as a call. Pure: no socket, no memory, no knowledge of methods.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/json-cursor.h"
#include "serve/text.h"

enum p2pd_frame {
        P2PD_FRAME_MESSAGE,    /* one is complete */
        P2PD_FRAME_INCOMPLETE, /* its end is not here yet */
        P2PD_FRAME_OVERSIZED,  /* it is, or becomes, longer than allowed */
        P2PD_FRAME_EMPTY,      /* a NUL byte without a message before it */
};

/*
 * Looks for the first message in n bytes. message_max: allowed length in bytes, NUL included.
 * *scanned: how many bytes from the first on are known to hold no NUL; 0 for a new message, kept by
 * this function, so that a message in small pieces is not searched again with each. *ret_size, the
 * length with its NUL, is set with P2PD_FRAME_MESSAGE only.
 */
enum p2pd_frame p2pd_frame_next(const char *bytes, size_t n, size_t message_max, size_t *scanned,
                                size_t *ret_size);

/* A call. Texts and cursor point into the message. */
struct p2pd_varlink_call {
        char *bytes; /* the message */
        struct p2pd_text method;
        bool has_parameters;
        struct p2p_json parameters; /* on the opening brace; what it holds is known to be well
                                        formed */
        bool oneway, more, upgrade;
};

/* Refusal: not a JSON object, nested deeper than depth_max, no method, a member of the wrong type
 * or there twice. Members that Varlink does not know are ignored. */
enum { P2PD_VARLINK_E_MALFORMED = 1 };

/* Reads a message of n bytes, its NUL included; the call borrows it. depth_max: at most
 * P2P_JSON_DEPTH_MAX. 0 or P2PD_VARLINK_E_MALFORMED. */
int p2pd_varlink_parse_call(char *message, size_t n, unsigned depth_max,
                            struct p2pd_varlink_call *ret);

/* What a string or key of this call means: the text itself or, if it holds escapes, decoded in
 * place. Therefore once for each, and nothing before its end may be read again. */
struct p2pd_text p2pd_varlink_text(const struct p2pd_varlink_call *call,
                                   const struct p2p_json_slice *s);
