/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_digits(const char **at, uint64_t *ret)
{
        bool hex = (*at)[0] == '0' && ((*at)[1] == 'x' || (*at)[1] == 'X');
        unsigned int base = hex ? 16 : 10;
        const char *start;
        uint64_t v = 0;

        if (hex)
                *at += 2;
        start = *at;
        for (;; (*at)++) {
                char c = **at;
                unsigned int digit;

                if (c >= '0' && c <= '9')
                        digit = (unsigned int)(c - '0');
                else if (hex && c >= 'a' && c <= 'f')
                        digit = (unsigned int)(c - 'a') + 10;
                else if (hex && c >= 'A' && c <= 'F')
                        digit = (unsigned int)(c - 'A') + 10;
                else
                        break;
                if (v > (UINT64_MAX - digit) / base)
                        return -ERANGE;
                v = v * base + digit;
        }
        if (*at == start)
                return -EINVAL;
        *ret = v;
        return 0;
}

int number_parse(const char *text, uint64_t *ret)
{
        static const char units[] = "KMGT";
        unsigned int shift = 0;
        const char *unit;
        uint64_t v;
        int r;

        r = parse_digits(&text, &v);
        if (r < 0)
                return r;
        if (*text != '\0') {
                unit = strchr(units, *text >= 'a' ? *text - 'a' + 'A' : *text);
                if (!unit)
                        return -EINVAL;
                shift = 10 * (unsigned int)(unit - units + 1);
                text++;
                if (*text != '\0' && strcasecmp(text, "iB") != 0 && strcasecmp(text, "B") != 0)
                        return -EINVAL;
        }
        if (shift > 0 && v > UINT64_MAX >> shift)
                return -ERANGE;
        *ret = v << shift;
        return 0;
}

static int check_range(uint64_t address, uint64_t length_bytes)
{
        if (length_bytes == 0 || length_bytes - 1 > UINT64_MAX - address)
                return -ERANGE;
        return 0;
}

int range_parse(const char *address, const char *length, uint64_t *ret_address,
                uint64_t *ret_length_bytes)
{
        char first[64];
        uint64_t start, second;
        const char *sign;
        int r;

        if (length) {
                sign = "+";
        } else {
                sign = strpbrk(address, "+-");
                if (!sign || (size_t)(sign - address) >= sizeof(first))
                        return -EINVAL;
                memcpy(first, address, (size_t)(sign - address));
                first[sign - address] = '\0';
                address = first;
                length = sign + 1;
        }
        r = number_parse(address, &start);
        if (r < 0)
                return r;
        r = number_parse(length, &second);
        if (r < 0)
                return r;
        if (*sign == '-') {
                /* The whole space has a length that no 64 bits hold. */
                if (second < start || (start == 0 && second == UINT64_MAX))
                        return -ERANGE;
                second = second - start + 1;
        }
        r = check_range(start, second);
        if (r < 0)
                return r;
        *ret_address = start;
        *ret_length_bytes = second;
        return 0;
}
