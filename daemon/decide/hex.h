/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hex digits in texts that are written and read by rule: lower case, no sign, no prefix. */

#include <stdbool.h>
#include <stdint.h>

/* Writes the lowest n digits of val (n at most 8), without NUL. Returns where they end. */
static inline char *p2p_put_hex(char *to, uint32_t val, unsigned n)
{
        while (n-- > 0)
                *to++ = "0123456789abcdef"[val >> (4 * n) & 0xfU];
        return to;
}

/* Reads exactly n digits (1 to 8) and moves *text behind them. False: they are not there. */
static inline bool p2p_take_hex(const char **text, unsigned n, uint32_t *ret)
{
        uint32_t val = 0;

        for (unsigned i = 0; i < n; i++) {
                const char c = (*text)[i];

                if (c >= '0' && c <= '9')
                        val = val << 4 | (uint32_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        val = val << 4 | (uint32_t)(c - 'a' + 10);
                else
                        return false;
        }
        *text += n;
        *ret = val;
        return true;
}
