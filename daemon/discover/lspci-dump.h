/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine from the output of `lspci -xxxx` (or -xxx, -x; with -v text between), read by libpci.
 */

#include "machine.h"

#define P2PD_DUMP_BYTES_MAX (64U * 1024U * 1024U)

/* Can this file be a dump: -ENOENT and such, -EISDIR, -EINVAL for something that is no regular
 * file, -EFBIG. 0: yes. */
int p2pd_lspci_dump_check(const char *path);

/* Reads and finishes the machine. 0, or a negative errno with *ret_error saying what in a static
 * sentence; -EINVAL: the file is no dump. */
int p2pd_lspci_dump_scan(const char *path, struct p2p_machine **ret, const char **ret_error);
