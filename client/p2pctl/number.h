/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Addresses and lengths as people type them. */

#include <stdint.h>

/*
 * "0x3f000000", "3f000000h" is not: hexadecimal with 0x, else decimal; a suffix K, M, G or T
 * (optionally followed by iB or B) multiplies by 1024 and so on. 0; -EINVAL if it is no number,
 * -ERANGE if it passes 2^64 - 1.
 */
int number_parse(const char *text, uint64_t *ret);

/*
 * A range: ADDRESS and LENGTH as two texts, or with length NULL as "FIRST-LAST" (both included) or
 * "ADDRESS+LENGTH" in one. length 0 and a range that passes 2^64 are -ERANGE, text that is no range
 * -EINVAL.
 */
int range_parse(const char *address, const char *length, uint64_t *ret_address,
                uint64_t *ret_length_bytes);
