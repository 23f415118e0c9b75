/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/json-cursor.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "common/utf8.h"

static_assert(P2P_JSON_DEPTH_MAX <= 64, "p2p_json_skip() keeps one bit for each level");

static inline void skip_space(struct p2p_json *j)
{
        /* Between the tokens of a machine's JSON there mostly is none. */
        if (j->at < j->end && (unsigned char)*j->at > ' ')
                return;
        while (j->at < j->end &&
               (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
                j->at++;
}

static inline bool take(struct p2p_json *j, char c)
{
        skip_space(j);
        if (j->at == j->end || *j->at != c)
                return false;
        j->at++;
        return true;
}

static inline bool take_word(struct p2p_json *j, const char *word)
{
        size_t n = strlen(word);

        skip_space(j);
        if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n) != 0)
                return false;
        j->at += n;
        return true;
}

enum p2p_json_type p2p_json_peek(struct p2p_json *j)
{
        skip_space(j);
        if (j->at == j->end)
                return P2P_JSON_NOTHING;
        switch (*j->at) {
        case 'n':
                return P2P_JSON_NULL;
        case 't':
        case 'f':
                return P2P_JSON_BOOL;
        case '-':
        case '0' ... '9':
                return P2P_JSON_NUMBER;
        case '"':
                return P2P_JSON_STRING;
        case '[':
                return P2P_JSON_ARRAY;
        case '{':
                return P2P_JSON_OBJECT;
        default:
                return P2P_JSON_NOTHING;
        }
}

bool p2p_json_take_null(struct p2p_json *j)
{
        return take_word(j, "null");
}

bool p2p_json_at_end(struct p2p_json *j)
{
        skip_space(j);
        return j->at == j->end;
}

/*
 * Strings
 */

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* Reads "uXXXX" at *at and moves behind it; UINT32_MAX: no. */
static uint32_t read_unit(const char **at, const char *end)
{
        uint32_t value = 0;

        if (end - *at < 5 || **at != 'u')
                return UINT32_MAX;
        for (int i = 1; i <= 4; i++) {
                int digit = hex_digit((*at)[i]);

                if (digit < 0)
                        return UINT32_MAX;
                value = value << 4 | (uint32_t)digit;
        }
        *at += 5;
        return value;
}

/* Reads what follows a backslash at *at and moves behind it; a pair of surrogates is one
 * character. UINT32_MAX: malformed. */
static uint32_t read_escape(const char **at, const char *end)
{
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        uint32_t high, low;
        const char *name;

        if (*at == end)
                return UINT32_MAX;
        if (**at != 'u') {
                name = memchr(names, **at, sizeof(names) - 1);
                if (!name)
                        return UINT32_MAX;
                (*at)++;
                return (uint32_t)values[name - names];
        }
        high = read_unit(at, end);
        if (high < 0xd800 || high > 0xdfff)
                return high;
        if (high > 0xdbff || *at == end || *(*at)++ != '\\')
                return UINT32_MAX;
        low = read_unit(at, end);
        if (low < 0xdc00 || low > 0xdfff)
                return UINT32_MAX;
        return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static bool is_plain(char c)
{
        unsigned char u = (unsigned char)c;

        return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

/*
 * Where the bytes end that stand for themselves in a string and need no second look. Eight at a
 * time: the highest bit of a byte is set in special if it is not plain. A subtraction borrows from
 * the next byte only where it has set that bit, so that the first one set is right.
 */
static inline const char *pass_plain(const char *at, const char *end)
{
        const uint64_t ones = UINT64_C(0x0101010101010101);

        while (end - at >= 8) {
                uint64_t v, special;

                memcpy(&v, at, sizeof(v));
                v = le64toh(v);
                special = v | (v - ones * 0x20) | ((v ^ ones * '"') - ones) |
                          ((v ^ ones * '\\') - ones);
                special &= ones << 7;
                if (special != 0)
                        return at + __builtin_ctzll(special) / 8;
                at += 8;
        }
        while (at < end && is_plain(*at))
                at++;
        return at;
}

int p2p_json_read_slice(struct p2p_json *j, struct p2p_json_slice *ret)
{
        const char *start, *at, *end = j->end;
        bool escaped = false;

        if (!take(j, '"'))
                return -EBADMSG;
        start = at = j->at;
        for (;;) {
                at = pass_plain(at, end);
                if (at == end || (unsigned char)*at < 0x20)
                        return -EBADMSG;
                if (*at == '"')
                        break;
                if (*at == '\\') {
                        escaped = true;
                        at++;
                        if (read_escape(&at, end) == UINT32_MAX)
                                return -EBADMSG;
                } else {
                        size_t n = p2p_utf8_length(at, (size_t)(end - at));

                        if (n == 0)
                                return -EBADMSG;
                        at += n;
                }
        }
        j->at = at + 1;
        *ret = (struct p2p_json_slice){start, (size_t)(at - start), escaped};
        return 0;
}

/* One character of a slice, its escape resolved; its length. */
static size_t next_character(const char **at, const char *end, char out[4])
{
        size_t n;

        if (**at == '\\') {
                (*at)++;
                return p2p_utf8_encode(read_escape(at, end), out);
        }
        n = p2p_utf8_length(*at, (size_t)(end - *at));
        memcpy(out, *at, n);
        *at += n;
        return n;
}

/* Writing never overtakes reading: no escape is shorter than what it stands for. */
size_t p2p_json_decode(const struct p2p_json_slice *s, char *to)
{
        const char *at = s->text, *end = s->text + s->length;
        size_t n = 0;

        if (!s->escaped) {
                memmove(to, s->text, s->length);
                return s->length;
        }
        while (at < end) {
                char c[4];
                size_t l = next_character(&at, end, c);

                memcpy(to + n, c, l);
                n += l;
        }
        return n;
}

bool p2p_json_decoded_is(const struct p2p_json_slice *s, const char *text, size_t size)
{
        const char *at = s->text, *end = s->text + s->length;

        while (at < end) {
                char c[4];
                size_t l = next_character(&at, end, c);

                if (l > size || memcmp(c, text, l) != 0)
                        return false;
                text += l;
                size -= l;
        }
        return size == 0;
}

int p2p_json_read_string(struct p2p_json *j, char *buf, size_t size)
{
        struct p2p_json_slice s;
        const char *at, *end;
        bool cut = false;
        size_t n = 0;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        if (!s.escaped && s.length < size) {
                memcpy(buf, s.text, s.length);
                buf[s.length] = '\0';
                return 0;
        }
        at = s.text;
        end = s.text + s.length;
        while (at < end) {
                char c[4];
                size_t l = next_character(&at, end, c);

                if (c[0] == '\0')
                        return -EBADMSG;
                cut = cut || n + l >= size;
                if (!cut) {
                        memcpy(buf + n, c, l);
                        n += l;
                }
        }
        buf[n] = '\0';
        return 0;
}

int p2p_json_read_new_string(struct p2p_json *j, char **ret)
{
        struct p2p_json_slice s;
        char *text;
        size_t n;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        text = malloc(s.length + 1);
        if (!text)
                return -ENOMEM;
        n = p2p_json_decode(&s, text);
        if (s.escaped && memchr(text, '\0', n)) {
                free(text);
                return -EBADMSG;
        }
        text[n] = '\0';
        *ret = text;
        return 0;
}

int p2p_json_read_hex(struct p2p_json *j, uint64_t *ret)
{
        struct p2p_json_slice s;
        uint64_t v = 0;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        if (s.length < 3 || s.length > 18 || s.text[0] != '0' || s.text[1] != 'x')
                return -EBADMSG;
        for (size_t i = 2; i < s.length; i++) {
                int d = hex_digit(s.text[i]);

                if (d < 0)
                        return -EBADMSG;
                v = v << 4 | (uint64_t)d;
        }
        *ret = v;
        return 0;
}

/*
 * Numbers and words
 */

static size_t take_digits(struct p2p_json *j)
{
        const char *start = j->at;

        while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
                j->at++;
        return (size_t)(j->at - start);
}

/* RFC 8259 section 6. */
static int skip_number(struct p2p_json *j)
{
        const char *start;

        if (j->at < j->end && *j->at == '-')
                j->at++;
        start = j->at;
        if (take_digits(j) == 0 || (*start == '0' && j->at - start > 1))
                return -EBADMSG;
        if (j->at < j->end && *j->at == '.') {
                j->at++;
                if (take_digits(j) == 0)
                        return -EBADMSG;
        }
        if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
                j->at++;
                if (j->at < j->end && (*j->at == '+' || *j->at == '-'))
                        j->at++;
                if (take_digits(j) == 0)
                        return -EBADMSG;
        }
        return 0;
}

int p2p_json_read_bool(struct p2p_json *j, bool *ret)
{
        if (take_word(j, "true"))
                *ret = true;
        else if (take_word(j, "false"))
                *ret = false;
        else
                return -EBADMSG;
        return 0;
}

int p2p_json_read_int(struct p2p_json *j, int64_t *ret)
{
        const char *start;
        uint64_t v = 0, limit = INT64_MAX;
        bool negative;

        skip_space(j);
        start = j->at;
        if (skip_number(j) < 0)
                return -EBADMSG;
        negative = *start == '-';
        if (negative) {
                start++;
                limit++;
        }
        for (; start < j->at; start++) {
                uint64_t digit = (uint64_t)(*start - '0');

                if (*start < '0' || *start > '9' || v > (limit - digit) / 10)
                        return -EBADMSG;
                v = v * 10 + digit;
        }
        *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
        return 0;
}

/*
 * Objects and arrays
 */

static int enter(struct p2p_json *j, char open)
{
        if (j->depth_left == 0 || !take(j, open))
                return -EBADMSG;
        j->depth_left--;
        return 0;
}

int p2p_json_enter_object(struct p2p_json *j)
{
        return enter(j, '{');
}

int p2p_json_enter_array(struct p2p_json *j)
{
        return enter(j, '[');
}

static int next_item(struct p2p_json *j, struct p2p_json_items *items, char close)
{
        if (take(j, close)) {
                j->depth_left++;
                return 0;
        }
        if (items->started && !take(j, ','))
                return -EBADMSG;
        items->started = true;
        return 1;
}

int p2p_json_next_member(struct p2p_json *j, struct p2p_json_items *items,
                         struct p2p_json_slice *ret_key)
{
        struct p2p_json_slice key;
        int r;

        r = next_item(j, items, '}');
        if (r <= 0)
                return r;
        if (p2p_json_read_slice(j, &key) < 0 || !take(j, ':'))
                return -EBADMSG;
        *ret_key = key;
        return 1;
}

int p2p_json_next_element(struct p2p_json *j, struct p2p_json_items *items)
{
        return next_item(j, items, ']');
}

static int skip_scalar(struct p2p_json *j)
{
        struct p2p_json_slice ignored;

        switch (*j->at) {
        case '"':
                return p2p_json_read_slice(j, &ignored);
        case 't':
                return take_word(j, "true") ? 0 : -EBADMSG;
        case 'f':
                return take_word(j, "false") ? 0 : -EBADMSG;
        case 'n':
                return take_word(j, "null") ? 0 : -EBADMSG;
        default:
                return skip_number(j);
        }
}

static int skip_key(struct p2p_json *j)
{
        struct p2p_json_slice ignored;

        if (p2p_json_read_slice(j, &ignored) < 0 || !take(j, ':'))
                return -EBADMSG;
        return 0;
}

/* After a value: consumes the brackets that close here, and the comma with the next key. Leaves
 * *depth 0 when the outermost value is complete. */
static int skip_to_next(struct p2p_json *j, uint64_t objects, unsigned *depth)
{
        while (*depth > 0) {
                bool in_object = objects >> (*depth - 1) & 1;

                if (take(j, ','))
                        return in_object ? skip_key(j) : 0;
                if (!take(j, in_object ? '}' : ']'))
                        return -EBADMSG;
                (*depth)--;
        }
        return 0;
}

/* Not recursive: bit n of objects tells whether level n is an object, else it is an array. */
int p2p_json_skip(struct p2p_json *j)
{
        uint64_t objects = 0;
        unsigned depth = 0;

        do {
                bool is_object;

                skip_space(j);
                if (j->at == j->end)
                        return -EBADMSG;
                is_object = *j->at == '{';
                if (is_object || *j->at == '[') {
                        if (depth == j->depth_left)
                                return -EBADMSG;
                        j->at++;
                        if (!take(j, is_object ? '}' : ']')) {
                                objects &= ~(UINT64_C(1) << depth);
                                objects |= (uint64_t)is_object << depth;
                                depth++;
                                if (is_object && skip_key(j) < 0)
                                        return -EBADMSG;
                                continue;
                        }
                } else if (skip_scalar(j) < 0) {
                        return -EBADMSG;
                }
                if (skip_to_next(j, objects, &depth) < 0)
                        return -EBADMSG;
        } while (depth > 0);
        return 0;
}
