/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state as text, without any file. One record per line; what the words mean, in their order
 * (state-line.h has how a word is written, and the checksum at the end of each line):
 *
 *   p2pd-state VERSION BOOT WIDTH LAST-LEASE IDS REGISTRATIONS LEASES
 *       The first line. IDS: all ids that were given, "1-5,7", "none", or "all" when it is not
 *       known which; damage has lost the record of an id that is named here and has none. The last
 *       two are how many there are. Whatever the version, the first two words and the checksum stay
 *       where they are, so that a newer file can be told from a damaged one.
 *   id ID in-use|retired|lost RETIRED-ORDER SLOT ADDRESS BAR IDENTITY
 *       SLOT is empty if it is not known. Of a lost id the rest means nothing.
 *   registration SLOT BAR IDENTITY ADDRESS
 *       The last word may be missing: it was not seen since a version wrote it that had none.
 *   lease NUMBER NAME OWNER UID PID TAKEN-USEC EXPIRES-USEC DEADLINE-USEC DURATION-USEC DEVICES
 *       The deadline counts in the boot that the first line names. Its devices follow:
 *   device LEASE-NUMBER SLOT IDENTITY ADDRESS
 *   end LINES CHECKSUM
 *       The last line: how many lines are before it, and the checksum of all their bytes.
 */

#include <stddef.h>

#include "publish/state-file.h"

/* 1: identities without a serial number, registrations without an address, and leases without
 * DEADLINE-USEC and DURATION-USEC. Such records are read as well, whatever the first line says: the
 * words tell. */
#define P2PD_STATE_VERSION 2U

/* The text of a state, malloc'ed, with its size. 0; -EFBIG: it passes a limit of state-file.h; or
 * -ENOMEM. */
int p2pd_state_format(const struct p2pd_state *s, char **ret, size_t *ret_size);

/* What is whole of a text of any bytes, as p2pd_state_load() gives it. 0, P2PD_STATE_E_NEWER or
 * -ENOMEM. */
int p2pd_state_parse(const char *text, size_t size, p2pd_state_report_fn report, void *userdata,
                     struct p2pd_state *ret);

/* Is this text, the beginning of a file at least up to its first newline, of a newer version. */
bool p2pd_state_is_newer(const char *text, size_t size);
