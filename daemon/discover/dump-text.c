/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dump-text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config-parse.h"

#define ROW_BYTES 16U
#define ADDRESS_MAX 17U /* "ssssssss:bb:dd.f" */

void p2pd_dump_text_deinit(struct p2pd_dump_text *t)
{
        free(t->segments);
        t->segments = NULL;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* "0000:03:00.0 Class..." or "03:00.0 Class..." */
static bool parse_start(const char *line, size_t length, struct p2p_address *ret)
{
        char address[ADDRESS_MAX + 1];
        size_t n = 0;

        while (n < length && line[n] != ' ')
                n++;
        if (n == 0 || n > ADDRESS_MAX)
                return false;
        memcpy(address, line, n);
        address[n] = '\0';
        return p2p_address_parse(address, ret) == 0;
}

static int number_of_segment(struct p2pd_dump_text *t, uint32_t segment, size_t *ret)
{
        for (size_t i = t->n_segments; i-- > 0;)
                if (t->segments[i] == segment) {
                        *ret = i;
                        return 0;
                }
        if (t->n_segments == t->segments_room) {
                size_t room = t->segments_room * 2 + 8;
                uint32_t *p = reallocarray(t->segments, room, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                t->segments = p;
                t->segments_room = room;
        }
        t->segments[t->n_segments] = segment;
        *ret = t->n_segments++;
        return 0;
}

static int start_function(struct p2pd_dump_text *t, struct p2p_address address, FILE *out)
{
        size_t number;
        int r;

        r = number_of_segment(t, address.segment, &number);
        if (r < 0)
                return r;
        /* libpci counts segments in five digits at most. */
        if (number > 0xffff)
                return 0;
        t->is_in_function = true;
        t->is_broken = false;
        t->next_offset = 0;
        t->n_functions++;
        (void)fprintf(out, "%04zx:%02x:%02x.%x -\n", number, (unsigned)address.bus,
                      address.devfn >> 3U, address.devfn & 7U);
        return 0;
}

/* The offset in front of a row of bytes: "00: ", "1f0: ". Returns where the bytes begin, 0 if this
 * is no row. */
static size_t parse_offset(const char *line, size_t length, uint32_t *ret)
{
        uint32_t offset = 0;
        size_t n = 0;

        while (n < length && n < 3 && hex_value(line[n]) >= 0)
                offset = offset << 4 | (uint32_t)hex_value(line[n++]);
        if (n < 2 || n == length || line[n] != ':')
                return 0;
        *ret = offset;
        return n + 1;
}

static void mark_broken(struct p2pd_dump_text *t)
{
        t->n_broken += !t->is_broken;
        t->is_broken = true;
}

static void write_row(const uint8_t *bytes, unsigned n, uint32_t offset, FILE *out)
{
        static const char digits[] = "0123456789abcdef";
        char row[8 + 3 * ROW_BYTES];
        size_t length = (size_t)snprintf(row, sizeof(row), "%02x:", (unsigned)offset);

        for (unsigned i = 0; i < n; i++) {
                row[length++] = ' ';
                row[length++] = digits[bytes[i] >> 4];
                row[length++] = digits[bytes[i] & 0xf];
        }
        row[length++] = '\n';
        (void)fwrite(row, 1, length, out);
}

static void take_row(struct p2pd_dump_text *t, const char *line, size_t length, uint32_t offset,
                     int last, FILE *out)
{
        uint8_t bytes[ROW_BYTES];
        unsigned n = 0;

        if (t->is_broken)
                return;
        if (offset != t->next_offset || offset % ROW_BYTES) {
                mark_broken(t);
                return;
        }
        while (n < ROW_BYTES && length >= 3 && line[0] == ' ' && hex_value(line[1]) >= 0 &&
               hex_value(line[2]) >= 0) {
                bytes[n++] = (uint8_t)(hex_value(line[1]) << 4 | hex_value(line[2]));
                line += 3;
                length -= 3;
        }
        while (length && (*line == ' ' || *line == '\t'))
                line++, length--;
        /* The last line of a file may end anywhere; within the file a row is whole. */
        if ((length || n < ROW_BYTES) && !last)
                mark_broken(t);
        if (n == 0)
                return;
        t->n_with_bytes += offset == 0;
        t->next_offset = offset + n;
        write_row(bytes, n, offset, out);
}

int p2pd_dump_text_line(struct p2pd_dump_text *t, const char *line, size_t length, int last,
                        FILE *out)
{
        struct p2p_address address;
        uint32_t offset;
        size_t begin;

        if (length && line[length - 1] == '\r')
                length--;
        if (length == 0) {
                t->is_in_function = false;
                (void)fputc('\n', out);
                return 0;
        }
        begin = parse_offset(line, length, &offset);
        /* "00:1f.3" begins like a row, but goes on with an address. */
        if (begin && (begin == length || line[begin] == ' ')) {
                if (t->is_in_function && offset < P2P_CONFIG_EXTENDED_BYTES)
                        take_row(t, line + begin, length - begin, offset, last, out);
                return 0;
        }
        if (parse_start(line, length, &address))
                return start_function(t, address, out);
        return 0;
}
