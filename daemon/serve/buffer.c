/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define CAPACITY_MIN 1024U

void p2pd_buffer_deinit(struct p2pd_buffer *b)
{
        free(b->data);
        *b = (struct p2pd_buffer){0};
}

int p2pd_buffer_reserve(struct p2pd_buffer *b, size_t n)
{
        size_t size = p2pd_buffer_size(b);
        size_t capacity;
        char *data;

        if (b->capacity - b->end >= n)
                return 0;
        if (n > SIZE_MAX / 2 - size)
                return -ENOMEM;

        /* Moving to the front is enough when it frees half of the memory: then the cost of moving
         * is paid by the bytes that were consumed. */
        if (size + n <= b->capacity / 2) {
                memmove(b->data, b->data + b->start, size);
                b->start = 0;
                b->end = size;
                return 0;
        }

        capacity = b->capacity > CAPACITY_MIN ? b->capacity : CAPACITY_MIN;
        while (capacity < size + n)
                capacity *= 2;
        data = malloc(capacity);
        if (!data)
                return -ENOMEM;
        if (size > 0)
                memcpy(data, b->data + b->start, size);
        free(b->data);
        *b = (struct p2pd_buffer){.data = data, .start = 0, .end = size, .capacity = capacity};
        return 0;
}

void p2pd_buffer_consume(struct p2pd_buffer *b, size_t n)
{
        assert(n <= p2pd_buffer_size(b));

        b->start += n;
        if (b->start == b->end)
                b->start = b->end = 0;
}

void p2pd_buffer_truncate(struct p2pd_buffer *b, size_t size)
{
        assert(size <= p2pd_buffer_size(b));

        b->end = b->start + size;
}
