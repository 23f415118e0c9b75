/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lists of sentences that an answer carries with it. */

#include <stdint.h>

/* Formats one more sentence at the end of the list. 0 or -ENOMEM (the list stays as it was). */
int p2p_note_add(char ***notes, uint32_t *n_notes, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Frees the list and its texts; accepts NULL with 0. */
void p2p_notes_free(char **notes, uint32_t n_notes);
