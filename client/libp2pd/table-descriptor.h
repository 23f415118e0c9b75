/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The descriptor of the shared table: taken off the socket, checked, and mapped. Who sends it is
 * not trusted to keep the reader from crashing: only a file that can never be shortened is mapped,
 * for a page that is missing would end the process.
 */

#include <stdint.h>
#include <sys/types.h>

#include "client-internal.h"

/* recv(2), and if descriptors are wanted keeps the first one that comes while there is none, and
 * closes all others. They are close-on-exec. */
ssize_t p2pd_passed_receive(struct p2pd_passed *passed, int fd, void *data, size_t size);

/* The descriptor, now the caller's; -EBADMSG: none came; or why it could not be taken in. Forgets
 * it all the same. */
int p2pd_passed_take(struct p2pd_passed *passed);

/* Closes what was not taken. */
void p2pd_passed_clear(struct p2pd_passed *passed);

/* A table in the memory of this process, for reading. */
struct p2pd_table_mapping {
        struct p2pd_table_mapping *next; /* older */
        const void *memory;
        uint64_t bytes;
        uint64_t instance[2]; /* of the daemon that writes it */
        uint32_t id_bits;
};

/*
 * Maps size_bytes of a descriptor, which is closed in any case. 0; -EBADMSG: no regular file that
 * is sealed against shrinking, shorter than said, or what is in it is no table;
 * -EPROTONOSUPPORT: a newer layout than this library knows; -ENOMEM or another errno of mmap(2).
 */
int p2pd_table_mapping_new(int fd, uint64_t size_bytes, struct p2pd_table_mapping **ret);

/* Unmaps it and all older ones. Accepts NULL; returns NULL. */
struct p2pd_table_mapping *p2pd_table_mapping_free(struct p2pd_table_mapping *m);
