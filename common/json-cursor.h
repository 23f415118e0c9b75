/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cursor over one JSON text (RFC 8259), strict and without a tree: what the daemon reads calls
 * with, and the client library replies.
 *
 * Why not a library. The daemon: a tree of values costs a hostile client nothing and us a lot;
 * 256 KiB of "{},{},..." grow to 68 MB and 67 ms in json-c, with every other client waiting. The
 * client: a matrix of thousands of functions comes as hundreds of megabytes, and most of it is
 * wanted once. This cursor allocates nothing except where said, passes each byte a fixed number of
 * times, does not recurse and never looks outside its text, which needs no NUL behind it; json-c is
 * what the unit test holds it against.
 *
 * Stricter than the grammar: what stands in a string must be UTF-8 (RFC 3629), escapes of lone
 * surrogates are malformed, for they have no UTF-8 form, and nesting is limited.
 *
 * Every function returning int fails with -EBADMSG: the text is malformed here, or well-formed but
 * not of the asked type. p2p_json_peek() tells these apart; a value of another type is not moved
 * into. After malformed text the cursor is of no more use. Nothing blocks.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The largest limit of nesting, in levels of objects and arrays. */
#define P2P_JSON_DEPTH_MAX 64U

struct p2p_json {
        const char *at, *end;
        unsigned depth_left; /* how many more objects and arrays may be opened */
};

/* Steps through the members of an object or the elements of an array; starts zeroed. */
struct p2p_json_items {
        bool started;
};

/* A string as it stands in the text, between its quotes: well-formed. */
struct p2p_json_slice {
        const char *text;
        size_t length;
        bool escaped; /* it holds escapes, and so is not yet the string it means */
};

enum p2p_json_type {
        P2P_JSON_NOTHING, /* the end of the text, or what no value begins with */
        P2P_JSON_NULL,
        P2P_JSON_BOOL,
        P2P_JSON_NUMBER,
        P2P_JSON_STRING,
        P2P_JSON_ARRAY,
        P2P_JSON_OBJECT,
};

/* A cursor at the start of a text, which it borrows. depth_max: levels of nesting allowed, at most
 * P2P_JSON_DEPTH_MAX (asserted). */
static inline struct p2p_json p2p_json(const char *text, size_t size, unsigned depth_max)
{
        assert(depth_max <= P2P_JSON_DEPTH_MAX);

        return (struct p2p_json){.at = text, .end = text + size, .depth_left = depth_max};
}

/* The type of the next value, by its first character. */
enum p2p_json_type p2p_json_peek(struct p2p_json *j);

/* True if the next value is null; it is then consumed. */
bool p2p_json_take_null(struct p2p_json *j);

/* Consumes one value of any type, checking all of it. 0. */
int p2p_json_skip(struct p2p_json *j);

/* Nothing but white space is left. */
bool p2p_json_at_end(struct p2p_json *j);

/* Consumes the opening bracket of an object or an array. 0; -EBADMSG also if it is one too many. */
int p2p_json_enter_object(struct p2p_json *j);
int p2p_json_enter_array(struct p2p_json *j);

/* Goes to the next member and reads its key; the caller must consume the value. 1, or 0 at the end
 * of the object, which is consumed. */
int p2p_json_next_member(struct p2p_json *j, struct p2p_json_items *items,
                         struct p2p_json_slice *ret_key);

/* Goes to the next element, which the caller must consume. 1, or 0 at the end of the array. */
int p2p_json_next_element(struct p2p_json *j, struct p2p_json_items *items);

/* Reads a value of that type. Integers: -2^63 to 2^63 - 1, no fraction or exponent. 0. */
int p2p_json_read_bool(struct p2p_json *j, bool *ret);
int p2p_json_read_int(struct p2p_json *j, int64_t *ret);

/* Reads a string as it stands. 0. */
int p2p_json_read_slice(struct p2p_json *j, struct p2p_json_slice *ret);

/* Reads a string into buf with its escapes resolved, cut at size - 1 bytes (at a character) and
 * ended by NUL. One that holds a NUL itself (\u0000) is -EBADMSG. size at least 1. 0. */
int p2p_json_read_string(struct p2p_json *j, char *buf, size_t size);

/* Likewise into new memory, free() it; never cut. 0, -EBADMSG or -ENOMEM. */
int p2p_json_read_new_string(struct p2p_json *j, char **ret);

/* Reads a string that is a number of the protocol: "0x" and 1 to 16 hexadecimal digits, not
 * escaped. 0. */
int p2p_json_read_hex(struct p2p_json *j, uint64_t *ret);

/* For p2p_json_is(): the string that an escaped slice means is this text of that size. */
bool p2p_json_decoded_is(const struct p2p_json_slice *s, const char *text, size_t size);

/* The string that the slice means is this text. Inline, for the text mostly is a constant. */
static inline bool p2p_json_is(const struct p2p_json_slice *s, const char *text)
{
        size_t size = strlen(text);

        if (s->escaped)
                return p2p_json_decoded_is(s, text, size);
        return s->length == size && memcmp(s->text, text, size) == 0;
}

/* Writes the string that the slice means, which may hold NUL bytes, and returns its length, at most
 * s->length; no NUL is added. to may be s->text: what the slice stood in is then used up, and must
 * not be read again. */
size_t p2p_json_decode(const struct p2p_json_slice *s, char *to);
