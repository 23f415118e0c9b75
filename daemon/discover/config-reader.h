/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The small process that reads config space past the first 64 bytes, for which Linux wants
 * CAP_SYS_ADMIN of whoever opened the file. It keeps that capability and nothing else; it never
 * sees a byte that a client sent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

struct p2pd_config_reader;

#define P2P_CONFIG_MAX 4096U

struct p2pd_config_read {
        struct p2p_address address;
        uint32_t n_bytes; /* read, out */
        enum p2p_why why; /* KNOWN, or why n_bytes is 0 */
        uint8_t *bytes;   /* room for P2P_CONFIG_MAX, the caller's */
};

/* Forks the reader. Call before this process gives up its capabilities and starts threads. 0 or a
 * negative errno. */
int p2pd_config_reader_new(struct p2pd_config_reader **ret);

/* Closes the channel (the child ends by that) and reaps it. Accepts NULL; returns NULL. */
struct p2pd_config_reader *p2pd_config_reader_free(struct p2pd_config_reader *r);

/* Reads a batch. A dead or silent (5 s) reader gives READER_LOST for all. Blocks. */
void p2pd_config_reader_read(struct p2pd_config_reader *r, struct p2pd_config_read *reads,
                             size_t n_reads);

/* How long to wait for one answer, 5000 ms otherwise. For tests. */
void p2pd_config_reader_set_timeout(struct p2pd_config_reader *r, int msec);

/* True while the child answers; its pid and effective capabilities (as it reported them at start)
 * for status. */
bool p2pd_config_reader_is_alive(const struct p2pd_config_reader *r);
int p2pd_config_reader_pid(const struct p2pd_config_reader *r);
uint64_t p2pd_config_reader_capabilities(const struct p2pd_config_reader *r);

/* Drops every capability of this process for good: effective, permitted, inheritable, ambient,
 * bounding where possible, with NO_NEW_PRIVS and locked securebits. 0 or a negative errno. */
int p2pd_drop_capabilities(void);
