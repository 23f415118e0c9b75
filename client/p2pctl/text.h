/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text that grows, and text made safe for a terminal. Out of memory ends the program: p2pctl has
 * nothing to save.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
        char *data; /* NUL-terminated once something was added */
        size_t length, size;
};

void text_add(struct text *t, const char *string);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empties it and keeps its memory. */
void text_reset(struct text *t);
void text_clear(struct text *t);

/* What was added so far, "" if nothing. */
const char *text_get(const struct text *t);

/*
 * Adds a string that came from a device or the daemon, with everything that a terminal would act
 * upon escaped: control characters (C0, DEL, C1), bytes that are no UTF-8, and characters that turn
 * the direction of writing, as \xNN; without utf8 every byte past ASCII as well.
 */
void text_add_safe(struct text *t, const char *string, bool utf8);

/* Terminal columns that a safe string takes. */
size_t text_width(const char *string, bool utf8);

/* Adds as much of a safe string as fits into width columns; what is cut ends in an ellipsis. */
void text_add_cut(struct text *t, const char *string, bool utf8, size_t width);

/* "128 GiB", "512 B": in the largest unit that is not larger than it; exactly, so what that unit
 * does not divide comes as "0x3ffffff000". */
void text_add_size(struct text *t, unsigned long long bytes);

/* A moment in microseconds of the realtime clock, as local date and time. */
void text_add_time(struct text *t, int64_t usec);

/* malloc family that never fails. */
void *must_have(void *memory);

static inline void text_clearp(struct text *t)
{
        text_clear(t);
}
