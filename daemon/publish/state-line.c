/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/state-line.h"

#include <string.h>

#include "decide/hex.h"

uint32_t p2pd_state_crc(uint32_t crc, const char *bytes, size_t n)
{
        /* The remainders of the sixteen half bytes by the reflected polynomial 0xedb88320. */
        static const uint32_t remainders[16] = {
                0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
        };

        crc = ~crc;
        for (size_t i = 0; i < n; i++) {
                crc ^= (uint8_t)bytes[i];
                crc = crc >> 4 ^ remainders[crc & 0xfU];
                crc = crc >> 4 ^ remainders[crc & 0xfU];
        }
        return ~crc;
}

static bool is_plain(char c)
{
        return c > ' ' && c <= '~';
}

void p2pd_state_put_text(FILE *out, const char *text)
{
        char hex[3] = {0};

        if (*text == '\0')
                (void)fputc('%', out);
        for (; *text; text++) {
                if (is_plain(*text) && *text != '%') {
                        (void)fputc(*text, out);
                        continue;
                }
                (void)p2p_put_hex(hex, (uint8_t)*text, 2);
                (void)fprintf(out, "%%%s", hex);
        }
}

bool p2pd_state_line_open(const char *text, size_t n, struct p2pd_state_line *ret)
{
        const char *digits;
        uint32_t crc;

        if (n <= P2PD_STATE_CRC_LENGTH)
                return false;
        n -= P2PD_STATE_CRC_LENGTH;
        digits = text + n + 1;
        if (text[n] != ' ' || !p2p_take_hex(&digits, 8, &crc) || crc != p2pd_state_crc(0, text, n))
                return false;
        *ret = (struct p2pd_state_line){.at = text, .end = text + n};
        return true;
}

bool p2pd_state_take_raw(struct p2pd_state_line *line, const char **ret, size_t *ret_n)
{
        const char *space = memchr(line->at, ' ', (size_t)(line->end - line->at));
        const char *end = space ? space : line->end;

        if (end == line->at)
                return false;
        *ret = line->at;
        *ret_n = (size_t)(end - line->at);
        line->at = space ? space + 1 : end;
        return true;
}

bool p2pd_state_take_word(struct p2pd_state_line *line, const char *word)
{
        const char *at;
        size_t n;

        return p2pd_state_take_raw(line, &at, &n) && n == strlen(word) && memcmp(at, word, n) == 0;
}

bool p2pd_state_take_number(struct p2pd_state_line *line, uint64_t max, uint64_t *ret)
{
        uint64_t val = 0;
        const char *at;
        size_t n;

        if (!p2pd_state_take_raw(line, &at, &n) || (n > 1 && *at == '0'))
                return false;
        for (size_t i = 0; i < n; i++)
                if (at[i] < '0' || at[i] > '9' || __builtin_mul_overflow(val, 10, &val) ||
                    __builtin_add_overflow(val, (uint64_t)(at[i] - '0'), &val))
                        return false;
        if (val > max)
                return false;
        *ret = val;
        return true;
}

bool p2pd_state_take_text(struct p2pd_state_line *line, char *buf, size_t size)
{
        const char *at, *end, *digits;
        uint32_t byte;
        size_t n, put = 0;

        if (!p2pd_state_take_raw(line, &at, &n))
                return false;
        end = at + n;
        if (n == 1 && *at == '%')
                end = at;
        while (at < end && put + 1 < size) {
                if (*at == '%') {
                        digits = at + 1;
                        if (end - at < 3 || !p2p_take_hex(&digits, 2, &byte) || byte == 0)
                                return false;
                        buf[put++] = (char)byte;
                        at += 3;
                } else if (is_plain(*at)) {
                        buf[put++] = *at++;
                } else {
                        return false;
                }
        }
        buf[put] = '\0';
        return at == end;
}

bool p2pd_state_line_is_done(const struct p2pd_state_line *line)
{
        return line->at == line->end;
}
