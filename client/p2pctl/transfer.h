/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One real peer-to-peer transfer: a disk's controller reads its own blocks into another function's
 * memory, and what arrived there is held against an ordinary read of the same blocks. Nothing is
 * ever written to a disk.
 *
 * Before each transfer the memory holds the complement of what is to come, so that every single
 * byte has to change, whatever the disk holds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum transfer_result {
        TRANSFER_ARRIVED,      /* every byte is right */
        TRANSFER_WRONG_DATA,   /* the read was reported as done, and the bytes are not right */
        TRANSFER_REFUSED,      /* the kernel refused to map the memory for the device */
        TRANSFER_FAILED,       /* the read into the memory ended in another error, or early */
        TRANSFER_NOT_POSSIBLE, /* nothing could be tried: says nothing about the pair */
        TRANSFER_RESULT_MAX,
};

/* "arrived", "wrong-data", "refused", "failed", "not-possible". */
const char *transfer_result_to_string(enum transfer_result result);

/* The read that is to be a peer-to-peer transfer: as pread(). */
typedef ssize_t (*transfer_read_fn)(int fd, void *buffer, size_t bytes, off_t offset);

struct transfer {
        int disk_fd; /* open for reading, O_DIRECT where it is a device */
        uint64_t disk_bytes;
        size_t block_bytes;    /* what O_DIRECT reads are multiples of: 512 to 4096 */
        unsigned char *memory; /* the provider's, mapped; aligned to 8 bytes */
        size_t memory_bytes;
        transfer_read_fn read; /* NULL: pread() */
};

struct transfer_report {
        enum transfer_result result;
        int error;           /* errno value of a read, 0: none */
        const char *problem; /* NOT_POSSIBLE, and FAILED without an errno: what; static */
        unsigned n_reads;    /* transfers that were made, at different places of the disk */
        size_t read_bytes;   /* of each */
        bool uniform;        /* all that was read is one and the same byte value */
        /* WRONG_DATA: where on the disk, and the bytes that are not what they should be; of them,
         * those that nothing was written to. */
        uint64_t offset;
        size_t n_wrong, n_untouched;
};

/* Makes the transfers, at a handful of places spread over the disk, until one does not arrive.
 * Blocks for as long as the disk takes. */
void transfer_run(const struct transfer *t, struct transfer_report *ret);
