/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A growing run of bytes: appended at the end, consumed at the front. {0} is an empty one. */

#include <stddef.h>
#include <string.h>

struct p2pd_buffer {
        char *data; /* the bytes are data[start] to data[end - 1] */
        size_t start, end, capacity;
};

static inline size_t p2pd_buffer_size(const struct p2pd_buffer *b)
{
        return b->end - b->start;
}

static inline char *p2pd_buffer_bytes(const struct p2pd_buffer *b)
{
        return b->data ? b->data + b->start : NULL; /* NULL + 0 is undefined */
}

/* Frees the memory; the buffer is empty and usable afterwards. */
void p2pd_buffer_deinit(struct p2pd_buffer *b);

/* Makes room for at least n bytes behind the end; may move the bytes. 0 or -ENOMEM (also when the
 * size would wrap), the content is then as before. */
int p2pd_buffer_reserve(struct p2pd_buffer *b, size_t n);

/* Copies n bytes to the end. 0 or -ENOMEM, then nothing was appended. */
static inline int p2pd_buffer_append(struct p2pd_buffer *b, const void *bytes, size_t n)
{
        int r;

        if (n == 0)
                return 0;
        if (b->capacity - b->end < n) {
                r = p2pd_buffer_reserve(b, n);
                if (r < 0)
                        return r;
        }
        memcpy(b->data + b->end, bytes, n);
        b->end += n;
        return 0;
}

/* Drops n bytes (asserted: no more than there are) from the front. Keeps the memory. */
void p2pd_buffer_consume(struct p2pd_buffer *b, size_t n);

/* Drops bytes from the end until size (asserted: no more than there are) are left. */
void p2pd_buffer_truncate(struct p2pd_buffer *b, size_t size);
