/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libpci reports what it takes for fatal through a callback that must not return, and by itself
 * ends the process. Here that becomes an error of the operation.
 */

#include <stddef.h>

struct pci_access;

/* A new access whose callbacks are ours; not yet initialised. NULL: out of memory. */
struct pci_access *p2pd_libpci_alloc(void);

/*
 * Runs fn, which may call libpci on an access of p2pd_libpci_alloc(). 0, or -EIO when libpci gave
 * up, with its message (cut at size, always NUL-terminated) in message; what fn owned and had not
 * stored in userdata by then is lost. Calls do not nest.
 */
int p2pd_libpci_run(void (*fn)(void *userdata), void *userdata, char *message, size_t size);
