/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes JSON text to the end of a buffer. It knows where a comma belongs, escapes, and replaces
 * bytes that are not UTF-8 (names in a captured machine may be anything) by U+FFFD, so that what
 * comes out is well formed as long as opens, keys, values and closes come in an order that makes
 * sense. Does not depend on the locale.
 *
 * When memory runs out the writer fails once and for all: nothing more is written, and the caller
 * looks at failed at the end.
 */

#include <stdbool.h>
#include <stdint.h>

#include "serve/buffer.h"
#include "serve/text.h"

struct p2pd_writer {
        struct p2pd_buffer *buffer;
        bool comma; /* the next key or element needs one before it */
        bool failed;
};

static inline struct p2pd_writer p2pd_writer(struct p2pd_buffer *buffer)
{
        return (struct p2pd_writer){.buffer = buffer};
}

/* Bytes as they are; no comma, no escape. */
static inline void p2pd_write_raw(struct p2pd_writer *w, const void *bytes, size_t n)
{
        if (!w->failed && p2pd_buffer_append(w->buffer, bytes, n) < 0)
                w->failed = true;
}

void p2pd_write_open_object(struct p2pd_writer *w);
void p2pd_write_close_object(struct p2pd_writer *w);
void p2pd_write_open_array(struct p2pd_writer *w);
void p2pd_write_close_array(struct p2pd_writer *w);

/* The key of a member; needs no escape (field names of the interface do not). */
void p2pd_write_key(struct p2pd_writer *w, const char *key);

/* Values: after a key, or as an element of an array. */
void p2pd_write_string(struct p2pd_writer *w, const char *value);
void p2pd_write_text(struct p2pd_writer *w, struct p2pd_text value);
void p2pd_write_bool(struct p2pd_writer *w, bool value);
/* A Varlink int is 64 bits with a sign: the value must be at most INT64_MAX (asserted). */
void p2pd_write_uint(struct p2pd_writer *w, uint64_t value);
/* A string "0x..." with at least that many (at most 16) lower-case digits. */
void p2pd_write_hex(struct p2pd_writer *w, uint64_t value, unsigned digits_min);
/* A value that was written before, by this writer, and stands complete in these bytes. */
void p2pd_write_again(struct p2pd_writer *w, const char *bytes, size_t n);

/* Key and value at once. */
void p2pd_write_string_field(struct p2pd_writer *w, const char *key, const char *value);
void p2pd_write_bool_field(struct p2pd_writer *w, const char *key, bool value);
void p2pd_write_uint_field(struct p2pd_writer *w, const char *key, uint64_t value);
void p2pd_write_hex_field(struct p2pd_writer *w, const char *key, uint64_t value,
                          unsigned digits_min);
/* Nothing at all for NULL: what is not there is left out, never null. */
void p2pd_write_optional_string_field(struct p2pd_writer *w, const char *key, const char *value);
