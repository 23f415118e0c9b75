/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small pieces of the sentences that reasons, constraints and remedies are made of. */

#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#define P2P_TEXT_BITS_MAX 24U
#define P2P_TEXT_SIZE_MAX 24U
#define P2P_TEXT_FUNCTION_MAX 80U

/* "RR CR" for the redirect bits that are set. Returns buf. */
const char *p2p_text_bits(uint32_t bits, char buf[static P2P_TEXT_BITS_MAX]);

/* "128 GiB": the largest unit that divides it. Returns buf. */
const char *p2p_text_size(uint64_t bytes, char buf[static P2P_TEXT_SIZE_MAX]);

/* "switch downstream port 0000:42:00.0"; "the function" for P2P_NONE. Returns buf. */
const char *p2p_text_function(const struct p2p_machine *m, uint32_t function,
                              char buf[static P2P_TEXT_FUNCTION_MAX]);

/* Half a sentence: "reading it takes privilege". Never NULL. */
const char *p2p_text_why(enum p2p_why why);
