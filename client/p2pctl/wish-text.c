/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wish-text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "text.h"

#define N_UNITS 5
#define COUNT_DIGITS_MAX 3

static const struct {
        char letter;
        uint32_t seconds;
} units[N_UNITS] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Digits to a number that is cut off above what any use has: it stays too large. */
static uint64_t parse_digits(const char **at)
{
        uint64_t v = 0;

        for (; is_digit(**at); (*at)++)
                if (v <= DURATION_SECONDS_MAX)
                        v = v * 10 + (uint64_t)(**at - '0');
        return v;
}

int duration_parse(const char *text, uint64_t *ret_seconds)
{
        uint64_t total = 0;
        size_t unit = 0;

        if (*text == '\0')
                return -EINVAL;
        while (*text) {
                const char *start = text;
                uint64_t v = parse_digits(&text);

                if (text == start)
                        return -EINVAL;
                if (*text == '\0' && total == 0 && unit == 0) {
                        total = v;
                        break;
                }
                while (unit < N_UNITS && units[unit].letter != *text)
                        unit++;
                if (unit == N_UNITS)
                        return -EINVAL;
                /* Neither passes 2^33, so the product holds. */
                total += v * units[unit++].seconds;
                if (total > DURATION_SECONDS_MAX)
                        return -ERANGE;
                text++;
        }
        if (total == 0 || total > DURATION_SECONDS_MAX)
                return -ERANGE;
        *ret_seconds = total;
        return 0;
}

void duration_add(struct text *t, uint64_t seconds)
{
        size_t unit = 1; /* weeks are for typing: 45 days say more */

        while (unit < N_UNITS - 1 && seconds < units[unit].seconds)
                unit++;
        text_addf(t, "%" PRIu64 " %s", seconds / units[unit].seconds,
                  units[unit].letter == 'm' ? "min" : (char[]){units[unit].letter, '\0'});
        seconds %= units[unit].seconds;
        if (unit + 1 < N_UNITS && seconds >= units[unit + 1].seconds) {
                unit++;
                text_addf(t, " %" PRIu64 " %s", seconds / units[unit].seconds,
                          units[unit].letter == 'm' ? "min" : (char[]){units[unit].letter, '\0'});
        }
}

int companion_parse(const char *text, size_t *ret_selector_bytes, unsigned int *ret_count)
{
        const char *colon = strrchr(text, ':'), *digits;
        unsigned int count = 0;

        if (!colon || colon == text)
                return -EINVAL;
        digits = colon + 1;
        if (*digits == '0' || *digits == '\0' || strlen(digits) > COUNT_DIGITS_MAX)
                return -EINVAL;
        for (; *digits; digits++) {
                if (!is_digit(*digits))
                        return -EINVAL;
                count = count * 10 + (unsigned int)(*digits - '0');
        }
        *ret_selector_bytes = (size_t)(colon - text);
        *ret_count = count;
        return 0;
}
