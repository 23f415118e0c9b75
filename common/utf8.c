/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/utf8.h"

#include <stdbool.h>

static bool is_continuation(unsigned char c)
{
        return (c & 0xc0U) == 0x80U;
}

size_t p2p_utf8_length(const char *bytes, size_t n)
{
        const unsigned char *b = (const unsigned char *)bytes;

        if (n == 0)
                return 0;
        if (b[0] < 0x80)
                return 1;
        if (b[0] < 0xc2 || n < 2 || !is_continuation(b[1]))
                return 0;
        if (b[0] < 0xe0)
                return 2;
        if (n < 3 || !is_continuation(b[2]))
                return 0;
        if (b[0] < 0xf0) {
                if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f))
                        return 0;
                return 3;
        }
        if (b[0] > 0xf4 || n < 4 || !is_continuation(b[3]))
                return 0;
        if ((b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
                return 0;
        return 4;
}

size_t p2p_utf8_encode(uint32_t character, char out[4])
{
        if (character < 0x80) {
                out[0] = (char)character;
                return 1;
        }
        if (character < 0x800) {
                out[0] = (char)(0xc0 | character >> 6);
                out[1] = (char)(0x80 | (character & 0x3f));
                return 2;
        }
        if (character < 0x10000) {
                out[0] = (char)(0xe0 | character >> 12);
                out[1] = (char)(0x80 | (character >> 6 & 0x3f));
                out[2] = (char)(0x80 | (character & 0x3f));
                return 3;
        }
        out[0] = (char)(0xf0 | character >> 18);
        out[1] = (char)(0x80 | (character >> 12 & 0x3f));
        out[2] = (char)(0x80 | (character >> 6 & 0x3f));
        out[3] = (char)(0x80 | (character & 0x3f));
        return 4;
}
