/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which functions somebody means: by kind, class code, vendor, driver, name pattern, address or
 * explicit list. It says nothing about what is free, reachable or near.
 *
 * Text form: terms separated by ",". Terms of one sort are alternatives, different sorts must all
 * hold: "gpu,vendor=10de,vendor=1002" is a GPU of either vendor.
 *
 *     gpu nic nvme storage accelerator memory   a kind (p2p_kind_to_string)
 *     class=0302                                class code, its first 2, 4 or 6 hex digits
 *     vendor=10de or vendor=10de:2330           vendor id, with device id; hexadecimal
 *     driver=mlx5_core                          the driver that is bound, to the letter
 *     name=mlx5_*                               a child's name or the address: * ? [a-z] [!a-z]
 *     0000:03:00.0  03:00.0  nvme0  mlx5_*      the same without "name=": a word that has a digit
 *                                               or a wildcard in it
 *
 * Only endpoint functions are ever meant. A virtual function is meant only if it is asked for by
 * name, address or list: "nic" counts cards, not the hundreds of functions that they can show.
 * A fact that is unknown matches nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

struct p2p_selector;

#define P2P_SELECTOR_TERMS_MAX 64U
#define P2P_SELECTOR_TEXT_MAX 4096U /* bytes */

/* Refusals of p2p_selector_parse(). */
enum {
        P2P_SELECTOR_E_EMPTY = 1, /* no text, or nothing between two commas */
        P2P_SELECTOR_E_WORD,      /* a bare word that is no kind and cannot be a name */
        P2P_SELECTOR_E_KEY,       /* "key=": not one of those above */
        P2P_SELECTOR_E_VALUE,     /* the key's value does not parse, or is empty */
        P2P_SELECTOR_E_TOO_LONG,  /* more than P2P_SELECTOR_TERMS_MAX or P2P_SELECTOR_TEXT_MAX */
};

/* What a refusal is called: "empty", "unknown-word", "unknown-key", "bad-value", "too-long"; NULL
 * for any other number. */
const char *p2p_selector_error_to_string(int refusal);

/* The part of the text that a refusal speaks of, as offset and length in bytes. */
struct p2p_selector_part {
        size_t offset, length;
};

/* Parses len bytes of text. The caller owns *ret. 0, -ENOMEM, or a refusal with *ret_part set
 * (ret_part may be NULL). */
int p2p_selector_parse(const char *text, size_t len, struct p2p_selector **ret,
                       struct p2p_selector_part *ret_part);

/* Exactly these functions (indices of one machine, in any order; copied), virtual ones included.
 * 0 or -ENOMEM. */
int p2p_selector_new_list(const uint32_t *functions, uint32_t n, struct p2p_selector **ret);

/* Accepts NULL; returns NULL. */
struct p2p_selector *p2p_selector_free(struct p2p_selector *s);

/* Is the function (index into m, asserted) one to choose from: an endpoint that matches, and no
 * virtual function unless named. */
bool p2p_selector_wants(const struct p2p_selector *s, const struct p2p_machine *m,
                        uint32_t function);

/* The same for what to keep away from: virtual functions match like any other. */
bool p2p_selector_covers(const struct p2p_selector *s, const struct p2p_machine *m,
                         uint32_t function);

/* Does the text match the pattern: * any run of bytes, ? one byte, [a-z] and [!a-z] one of (not
 * of) a set. ASCII, case matters. Costs at most the product of both lengths. */
bool p2p_selector_glob(const char *pattern, const char *text);
