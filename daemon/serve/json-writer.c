/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/json-writer.h"

#include <assert.h>

#include "common/utf8.h"

/* One character, behind a comma where one belongs. */
static void write_separated(struct p2pd_writer *w, char c)
{
        char bytes[2] = {',', c};

        if (w->comma)
                p2pd_write_raw(w, bytes, 2);
        else
                p2pd_write_raw(w, bytes + 1, 1);
}

static void open_container(struct p2pd_writer *w, char c)
{
        write_separated(w, c);
        w->comma = false;
}

static void close_container(struct p2pd_writer *w, char c)
{
        p2pd_write_raw(w, &c, 1);
        w->comma = true;
}

void p2pd_write_open_object(struct p2pd_writer *w)
{
        open_container(w, '{');
}

void p2pd_write_close_object(struct p2pd_writer *w)
{
        close_container(w, '}');
}

void p2pd_write_open_array(struct p2pd_writer *w)
{
        open_container(w, '[');
}

void p2pd_write_close_array(struct p2pd_writer *w)
{
        close_container(w, ']');
}

void p2pd_write_key(struct p2pd_writer *w, const char *key)
{
        write_separated(w, '"');
        p2pd_write_raw(w, key, strlen(key));
        p2pd_write_raw(w, "\":", 2);
        w->comma = false;
}

/* Length of the run of bytes from here that stand for themselves in a JSON string. */
static size_t plain_length(const char *bytes, size_t n)
{
        size_t i = 0;

        while (i < n) {
                unsigned char c = (unsigned char)bytes[i];
                size_t length;

                if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
                        break;
                if (c < 0x80) {
                        i++;
                        continue;
                }
                length = p2p_utf8_length(bytes + i, n - i);
                if (length == 0)
                        break;
                i += length;
        }
        return i;
}

/* One byte that does not stand for itself. */
static void write_escaped(struct p2pd_writer *w, unsigned char c)
{
        static const char digits[] = "0123456789abcdef";
        char bytes[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

        switch (c) {
        case '"':
                p2pd_write_raw(w, "\\\"", 2);
                break;
        case '\\':
                p2pd_write_raw(w, "\\\\", 2);
                break;
        case '\n':
                p2pd_write_raw(w, "\\n", 2);
                break;
        case '\t':
                p2pd_write_raw(w, "\\t", 2);
                break;
        default:
                if (c < 0x80)
                        p2pd_write_raw(w, bytes, sizeof(bytes));
                else
                        p2pd_write_raw(w, "\xef\xbf\xbd", 3); /* U+FFFD */
        }
}

void p2pd_write_text(struct p2pd_writer *w, struct p2pd_text value)
{
        size_t i = 0;

        write_separated(w, '"');
        for (;;) {
                size_t n = plain_length(value.data + i, value.size - i);

                p2pd_write_raw(w, value.data + i, n);
                i += n;
                if (i == value.size)
                        break;
                write_escaped(w, (unsigned char)value.data[i++]);
        }
        p2pd_write_raw(w, "\"", 1);
        w->comma = true;
}

void p2pd_write_string(struct p2pd_writer *w, const char *value)
{
        p2pd_write_text(w, p2pd_text(value));
}

void p2pd_write_again(struct p2pd_writer *w, const char *bytes, size_t n)
{
        if (w->comma)
                p2pd_write_raw(w, ",", 1);
        p2pd_write_raw(w, bytes, n);
        w->comma = true;
}

void p2pd_write_bool(struct p2pd_writer *w, bool value)
{
        p2pd_write_again(w, value ? "true" : "false", value ? 4 : 5);
}

void p2pd_write_uint(struct p2pd_writer *w, uint64_t value)
{
        char digits[20];
        size_t at = sizeof(digits);

        assert(value <= INT64_MAX);

        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        p2pd_write_again(w, digits + at, sizeof(digits) - at);
}

void p2pd_write_hex(struct p2pd_writer *w, uint64_t value, unsigned digits_min)
{
        static const char digits[] = "0123456789abcdef";
        char text[20];
        size_t at = sizeof(text);
        unsigned n = 0;

        assert(digits_min <= 16);

        text[--at] = '"';
        do {
                text[--at] = digits[value & 15];
                value >>= 4;
                n++;
        } while (value > 0 || n < digits_min);
        text[--at] = 'x';
        text[--at] = '0';
        text[--at] = '"';
        p2pd_write_again(w, text + at, sizeof(text) - at);
}

void p2pd_write_string_field(struct p2pd_writer *w, const char *key, const char *value)
{
        p2pd_write_key(w, key);
        p2pd_write_string(w, value);
}

void p2pd_write_bool_field(struct p2pd_writer *w, const char *key, bool value)
{
        p2pd_write_key(w, key);
        p2pd_write_bool(w, value);
}

void p2pd_write_uint_field(struct p2pd_writer *w, const char *key, uint64_t value)
{
        p2pd_write_key(w, key);
        p2pd_write_uint(w, value);
}

void p2pd_write_hex_field(struct p2pd_writer *w, const char *key, uint64_t value,
                          unsigned digits_min)
{
        p2pd_write_key(w, key);
        p2pd_write_hex(w, value, digits_min);
}

void p2pd_write_optional_string_field(struct p2pd_writer *w, const char *key, const char *value)
{
        if (value)
                p2pd_write_string_field(w, key, value);
}
