/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lengths of time and companions as people type them. */

#include <stddef.h>
#include <stdint.h>

struct text;

/* The longest time that a lease may be asked for: about 100 years. */
#define DURATION_SECONDS_MAX 3155760000U

/*
 * "90", "90s", "15m", "8h", "1h30m", "2d", "1w": numbers with units, largest first, none twice; a
 * number alone is seconds. 0 with 1 to DURATION_SECONDS_MAX; -EINVAL if it is no length of time,
 * -ERANGE if it is nothing or too long.
 */
int duration_parse(const char *text, uint64_t *ret_seconds);

/* Adds a length of time in its two largest units: "2 d 3 h", "59 s"; "0 s" for 0. */
void duration_add(struct text *t, uint64_t seconds);

/*
 * "SELECTOR:COUNT", COUNT being 1 to 999: where the selector ends, and the count. What stands
 * behind the last colon must be the count: "vendor=10de:2330:1", for a device id has four digits. 0
 * or -EINVAL.
 */
int companion_parse(const char *text, size_t *ret_selector_bytes, unsigned int *ret_count);
