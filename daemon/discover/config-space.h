/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Config space of the live machine, through libpci, with the privilege that this process has. */

#include <stdint.h>

#include "machine.h"

struct p2pd_config_space;

/* 0, -ENOMEM, or -EIO when libpci cannot start. Reads nothing yet. */
int p2pd_config_space_new(struct p2pd_config_space **ret);

/* Accepts NULL; returns NULL. */
struct p2pd_config_space *p2pd_config_space_free(struct p2pd_config_space *c);

/*
 * Reads what config-parse looks into: the header, and of both capability lists the headers and the
 * capabilities of interest; what is between stays zero. Each dword is a transaction on the bus, in
 * a virtual machine even an exit, and the whole would be a thousand. bytes: room for 4096. Returns
 * KNOWN with how many bytes can be read in *ret_n_bytes (64 and 128 without privilege, 256, 4096),
 * or why nothing could be read.
 */
enum p2p_why p2pd_config_space_read(struct p2pd_config_space *c, struct p2p_address address,
                                    uint8_t *bytes, uint32_t *ret_n_bytes);
