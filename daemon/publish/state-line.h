/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lines of the state file: words with one space between them, and at the end a checksum over
 * all before it. A word holds the bytes 0x21 to 0x7e; others, and '%', are written as %XX, and an
 * empty text as "%". Nothing depends on the locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* CRC-32 (the one of ISO 3309, as in gzip) of more bytes, after those that gave crc; 0 at first. */
uint32_t p2pd_state_crc(uint32_t crc, const char *bytes, size_t n);

/* Writes a text as one word. Faults show in ferror(). */
void p2pd_state_put_text(FILE *out, const char *text);

/* " " and eight hex digits, at the end of each line. */
#define P2PD_STATE_CRC_LENGTH 9U

/* The content of one line that is still to be read, without its checksum. */
struct p2pd_state_line {
        const char *at, *end;
};

/* The line's content, if its checksum is right. text: without the newline. */
bool p2pd_state_line_open(const char *text, size_t n, struct p2pd_state_line *ret);

/* The next word as it stands there, not empty. */
bool p2pd_state_take_raw(struct p2pd_state_line *line, const char **ret, size_t *ret_n);
/* The next word is this one. */
bool p2pd_state_take_word(struct p2pd_state_line *line, const char *word);
/* A decimal number from 0 to max, without a sign or needless zeros. */
bool p2pd_state_take_number(struct p2pd_state_line *line, uint64_t max, uint64_t *ret);
/* A text as p2pd_state_put_text() writes it, with at most size - 1 bytes, into buf. */
bool p2pd_state_take_text(struct p2pd_state_line *line, char *buf, size_t size);
/* Nothing is left. */
bool p2pd_state_line_is_done(const struct p2pd_state_line *line);
