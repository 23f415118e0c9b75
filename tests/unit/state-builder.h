/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* States to write and read back, for tests of the state file. */

#include <stdbool.h>

#include "publish/state-file.h"

/* Ids in use, retired and lost, registrations, two leases with three devices; others for another
 * variant, so that two states can be told apart. */
struct p2pd_state state_sample(unsigned variant);

/* All that the file keeps is equal. */
bool state_is_equal(const struct p2pd_state *a, const struct p2pd_state *b);

/* Fails the test if the state is not as p2pd_state_load() promises, whatever was read: everything
 * in range, in order and once. */
void state_expect_sane(const struct p2pd_state *s);

/* Fails the test if what was read of a damaged text holds anything that was not in the original, or
 * does not account for each id that was. */
void state_expect_salvaged(const struct p2pd_state *s, const struct p2pd_state *original);

/* The checksum of the lines, computed bit by bit. */
uint32_t state_plain_crc(const char *bytes, size_t n);

/* A text with checksums put at the end of its lines, and the last line behind them if with_end. The
 * caller frees it. */
char *state_seal(const char *lines, bool with_end, size_t *ret_size);
