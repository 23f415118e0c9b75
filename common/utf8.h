/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is well-formed UTF-8: RFC 3629, so no surrogates, nothing overlong, nothing above U+10FFFF.
 */

#include <stddef.h>
#include <stdint.h>

/* Length in bytes, 1 to 4, of the well-formed sequence at the start of these n bytes; 0 if there is
 * none. Any ASCII character is one, NUL as well. */
size_t p2p_utf8_length(const char *bytes, size_t n);

/* Writes a character, at most U+10FFFF and no surrogate; its length in bytes, 1 to 4. */
size_t p2p_utf8_encode(uint32_t character, char out[4]);
