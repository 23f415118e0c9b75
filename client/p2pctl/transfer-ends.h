/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two ends of a transfer on this machine: a provider's peer-to-peer memory, mapped by the
 * kernel's own file for it, and a disk of the client.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct transfer_ends {
        unsigned char *memory;
        size_t memory_bytes;
        int disk_fd;
        uint64_t disk_bytes;
        size_t block_bytes;
        char disk[64]; /* "nvme0n1" */
};

#define TRANSFER_ENDS_NONE                                                                         \
        {                                                                                          \
                .disk_fd = -1                                                                      \
        }

/*
 * Maps memory of the provider and opens a disk of the client for reading; both are addresses
 * ("0000:03:00.0"). from: the directory that holds sys and dev, "/" for this machine; below another
 * one plain files stand for devices. 0, or a negative errno with one sentence on what is missing in
 * why; ends are to be closed either way.
 */
int transfer_ends_open(struct transfer_ends *e, const char *from, const char *provider,
                       const char *client, struct text *why);
void transfer_ends_close(struct transfer_ends *e);
