/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A piece of text with its length: what came out of JSON may hold NUL bytes, and has none behind
 * it. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct p2pd_text {
        const char *data;
        size_t size;
};

static inline struct p2pd_text p2pd_text(const char *string)
{
        return (struct p2pd_text){.data = string, .size = strlen(string)};
}

static inline bool p2pd_text_equal(struct p2pd_text text, const char *string)
{
        size_t size = strlen(string);

        return text.size == size && memcmp(text.data, string, size) == 0;
}
