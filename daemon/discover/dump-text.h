/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Prepares the text of a dump for libpci, which gives up at the first line that is too long, not
 * terminated or not quite hexadecimal, and knows segments of up to five digits only. Pure: text in,
 * text out.
 *
 * What passes are the lines that start a function and those with bytes, which must follow one
 * another without gaps. A function whose bytes break off keeps what came before.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "machine.h"

/* Segments are numbered in the order in which they appear, and written as that number. */
struct p2pd_dump_text {
        uint32_t *segments;
        size_t n_segments, segments_room;
        uint32_t n_functions, n_with_bytes;
        uint32_t n_broken; /* functions whose bytes do not go on as they should */

        /* of the function at hand */
        uint32_t next_offset;
        int is_in_function, is_broken;
};

/* Handles one line without its line end, of any content; last: nothing follows, so that it may have
 * been cut. Writes to out (whose errors the caller checks). 0 or -ENOMEM. */
int p2pd_dump_text_line(struct p2pd_dump_text *t, const char *line, size_t length, int last,
                        FILE *out);

void p2pd_dump_text_deinit(struct p2pd_dump_text *t);
