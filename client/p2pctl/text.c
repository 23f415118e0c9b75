/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

void *must_have(void *memory)
{
        if (!memory) {
                fputs("p2pctl: out of memory\n", stderr);
                exit(1);
        }
        return memory;
}

static void add_bytes(struct text *t, const char *bytes, size_t n)
{
        if (t->size - t->length <= n) {
                size_t size = t->size ? t->size : 64;

                while (size - t->length <= n)
                        size *= 2;
                t->data = must_have(realloc(t->data, size));
                t->size = size;
        }
        memcpy(t->data + t->length, bytes, n);
        t->length += n;
        t->data[t->length] = '\0';
}

void text_add(struct text *t, const char *string)
{
        add_bytes(t, string, strlen(string));
}

void text_addf(struct text *t, const char *format, ...)
{
        char *string = NULL;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&string, format, arguments);
        va_end(arguments);
        if (n < 0)
                must_have(NULL);
        add_bytes(t, string, (size_t)n);
        free(string);
}

void text_reset(struct text *t)
{
        t->length = 0;
        if (t->data)
                t->data[0] = '\0';
}

void text_clear(struct text *t)
{
        free(t->data);
        *t = (struct text){0};
}

const char *text_get(const struct text *t)
{
        return t->data ? t->data : "";
}

/* Length of the well-formed UTF-8 sequence at s (shortest form, no surrogates), its character in
 * *ret; 0 if it is none. */
static size_t decode(const unsigned char *s, uint32_t *ret)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
        uint32_t c = s[0];

        if (n == 0 || s[0] > 0xf4)
                return 0;
        if (n > 1)
                c &= 0x7fU >> n;
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return n;
}

/* Characters that make the rest of a line read in another order than it is written, or that cannot
 * be seen at all. */
static bool is_deceiving(uint32_t c)
{
        return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
               (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

void text_add_safe(struct text *t, const char *string, bool utf8)
{
        const unsigned char *s = (const unsigned char *)string;

        while (*s) {
                uint32_t c = 0;
                size_t n = decode(s, &c);
                bool plain = n == 1 && c >= 0x20 && c != 0x7f;

                if (n > 1 && utf8)
                        plain = c >= 0xa0 && !is_deceiving(c);
                if (n == 0)
                        n = 1;
                if (plain)
                        add_bytes(t, (const char *)s, n);
                else
                        for (size_t i = 0; i < n; i++)
                                text_addf(t, "\\x%02x", s[i]);
                s += n;
        }
}

size_t text_width(const char *string, bool utf8)
{
        const unsigned char *s = (const unsigned char *)string;
        size_t width = 0;

        if (!utf8)
                return strlen(string);
        while (*s) {
                uint32_t c = 0;
                size_t n = decode(s, &c);
                int w = n > 1 ? wcwidth((wchar_t)c) : 1;

                width += w > 0 ? (size_t)w : 0;
                s += n > 0 ? n : 1;
        }
        return width;
}

void text_add_cut(struct text *t, const char *string, bool utf8, size_t width)
{
        const char *ellipsis = utf8 ? "\u2026" : "...";
        size_t room = utf8 ? 1 : 3, used = 0;

        if (text_width(string, utf8) <= width) {
                text_add(t, string);
                return;
        }
        while (*string) {
                uint32_t c = 0;
                size_t n = utf8 ? decode((const unsigned char *)string, &c) : 1;
                int w = n > 1 ? wcwidth((wchar_t)c) : 1;

                n = n > 0 ? n : 1;
                used += w > 0 ? (size_t)w : 0;
                if (used + room > width)
                        break;
                add_bytes(t, string, n);
                string += n;
        }
        if (width >= room)
                text_add(t, ellipsis);
}

void text_add_size(struct text *t, unsigned long long bytes)
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        unsigned long long unit = 1;
        unsigned int i = 0;

        while (i < 6 && bytes / unit >= 1024) {
                unit *= 1024;
                i++;
        }
        if (bytes % unit == 0)
                text_addf(t, "%llu %s", bytes / unit, units[i]);
        else
                text_addf(t, "0x%llx", bytes);
}

void text_add_time(struct text *t, int64_t usec)
{
        const time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;
        char buf[64];

        if (!localtime_r(&seconds, &tm) || strftime(buf, sizeof(buf), "%F %T", &tm) == 0)
                snprintf(buf, sizeof(buf), "%" PRId64, usec);
        text_add(t, buf);
}
