/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who looks into the shared table: each attached reader with the generation before which it uses
 * nothing any more. An id that was retired is given to another BAR only when no reader can still
 * take it for the old one, so a reader that says nothing holds every id back. Embedded in what it
 * stands for; owns nothing.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

/* {0} is one that is not attached. */
struct p2pd_reader {
        LIST_ENTRY(p2pd_reader) node;
        bool attached;
        uint64_t confirmed; /* it uses nothing older than this generation; 0: it has not said */
        uid_t uid; /* whose it is, and which process attached it: for who asks what holds */
        pid_t pid; /* the ids back; set by the owner of this struct */
};

struct p2pd_readers {
        LIST_HEAD(, p2pd_reader) list;
        uint32_t n;
};

/* What p2pd_readers_oldest_confirmed() gives when there is no reader at all: nothing is held. */
#define P2PD_READERS_NONE UINT64_MAX

void p2pd_readers_init(struct p2pd_readers *readers);

/* From now on it counts, with nothing confirmed. Does nothing when it is attached already: what it
 * has confirmed holds. */
void p2pd_readers_attach(struct p2pd_readers *readers, struct p2pd_reader *reader);

/* It uses the table no more. Does nothing when it is not attached. */
void p2pd_readers_detach(struct p2pd_readers *readers, struct p2pd_reader *reader);

/* It uses nothing older than this generation; one that is older than what it said before changes
 * nothing. The reader is attached (asserted). */
void p2pd_reader_confirm(struct p2pd_reader *reader, uint64_t generation);

/* The one that confirmed the least, of several any; NULL: there is no reader. Lent. O(n). */
const struct p2pd_reader *p2pd_readers_oldest(const struct p2pd_readers *readers);

/* The generation before which nobody uses anything. 0 if a reader has confirmed nothing yet,
 * P2PD_READERS_NONE if there is no reader. O(n). */
uint64_t p2pd_readers_oldest_confirmed(const struct p2pd_readers *readers);
