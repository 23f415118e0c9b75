/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the daemon speaks to its administrator: the journal with structured fields when stderr
 * leads there, lines on stderr otherwise. Only the edges log; the core never does.
 */

#include <stdint.h>
#include <syslog.h>

#include "machine.h"

/* Fields that people search the journal for. Zero values are left out. */
struct p2pd_log_fields {
        const struct p2p_address *address; /* P2PD_ADDRESS=, also put in front of the message */
        uint64_t generation;               /* P2PD_GENERATION= */
        const char *message_id;            /* MESSAGE_ID=, one of those below */
};

/* Message ids (journalctl MESSAGE_ID=...): a new generation, a verdict that flipped, the config
 * reader lost, a machine that could not be read, a verdict that a real transfer contradicts, a
 * state file that could not be read or written, or was damaged, what becomes of a lease. */
#define P2PD_MESSAGE_GENERATION "5b0e6d0c3f6a4c1ea4f6c8f1d3a97b21"
#define P2PD_MESSAGE_FLIP "9f1c7be0a57d4f0f8f2f64e2a1c0d5b8"
#define P2PD_MESSAGE_READER_LOST "c2d94e87b1c34f5ab7a3e06d94f81e70"
#define P2PD_MESSAGE_SCAN_FAILED "e7a05c1f2d8b4b6c9b3e51f7c6d8a042"
#define P2PD_MESSAGE_CONTRADICTED "41d3f70b86c24e9d9a5c07e8b2f6135a"
#define P2PD_MESSAGE_STATE "7c3e9a54d1f84b0f8e26b90d5a71c3e4"
#define P2PD_MESSAGE_LEASE "b84f06e2c5d94a7d83f1a90e6b27d5c1"

/* priority: LOG_ERR ... LOG_DEBUG (debug only with P2PD_DEBUG set in the environment). fields may
 * be NULL. One line, no newline at the end. Never fails: a log that cannot be written is lost. */
void p2pd_log(int priority, const struct p2pd_log_fields *fields, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
