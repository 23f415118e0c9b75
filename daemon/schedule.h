/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When the machine is read, and how much of it. Uevents that name a few functions are followed by a
 * quick reading of those at once; it may miss what else changed with them, so everything is always
 * read afterwards, once no uevent has come for the settle time. A storm has no quick readings after
 * the first ones: it collapses into the reading at its end.
 *
 * Pure: knows neither clock nor timer nor thread. One reading at a time. Each function tells what
 * happened and returns what is to be done now.
 *
 *  state      uevents          other change   settle timer  recheck  all    finished
 *  IDLE       -> QUICK         -> SETTLING    -             -> ALL   -> ALL -
 *  SETTLING   longer; QUICK    longer         -> ALL        -        -> ALL -
 *  QUICK      longer; noted    longer         -> QUICK_DUE  -        noted  -> SETTLING, or QUICK
 *  QUICK_DUE  -> QUICK; noted  -> QUICK       -             -        noted  -> ALL
 *  ALL        -> DIRTY; noted  -> DIRTY       -             -        noted  -> IDLE
 *  DIRTY      noted            -              -             -        noted  -> as IDLE with these
 *
 * Uevents that name too many functions, or when it is not known which (some were lost), are another
 * change. "Longer" arms the timer anew, but a storm does not put the reading of everything off for
 * ever: ten settle times after the first event at the latest. When "all" was noted, by finished()
 * everything is read at once.
 */

#include <stdbool.h>
#include <stdint.h>

#include "discover/scope.h"

enum p2pd_schedule_state {
        P2PD_SCHEDULE_IDLE,      /* nothing is owed */
        P2PD_SCHEDULE_SETTLING,  /* all is owed, when the timer says so */
        P2PD_SCHEDULE_QUICK,     /* some are being read; all is owed, when the timer says so */
        P2PD_SCHEDULE_QUICK_DUE, /* some are being read; then all */
        P2PD_SCHEDULE_ALL,       /* all is being read */
        P2PD_SCHEDULE_DIRTY,     /* all is being read; something has changed since that began */
};

struct p2pd_schedule {
        enum p2pd_schedule_state state;
        uint64_t settle_usec;
        uint64_t since_usec;       /* the first change that the reading owed is for */
        struct p2pd_scope pending; /* named since the reading under way began */
        uint32_t n_named;          /* since all was last begun to be read, repeats too */
};

enum p2pd_schedule_read { P2PD_READ_NOTHING, P2PD_READ_SOME, P2PD_READ_ALL };

/* What is to be done: start this reading now, and arm the settle timer anew. */
struct p2pd_schedule_step {
        enum p2pd_schedule_read read;
        struct p2pd_scope scope; /* what to read of P2PD_READ_SOME */
        bool arms;
        uint64_t arm_usec; /* from now */
};

/* Uevents: scope names at least one function. now_usec: CLOCK_MONOTONIC. */
struct p2pd_schedule_step p2pd_schedule_uevents(struct p2pd_schedule *s,
                                                const struct p2pd_scope *scope, uint64_t now_usec);

/* Something else may have changed anything: a reload. */
struct p2pd_schedule_step p2pd_schedule_change(struct p2pd_schedule *s, uint64_t now_usec);

/* The settle timer has run out. */
struct p2pd_schedule_step p2pd_schedule_settled(struct p2pd_schedule *s);

/* All is to be read now: P2PD_READ_ALL, unless a reading is under way; then tell finished(). */
struct p2pd_schedule_step p2pd_schedule_all(struct p2pd_schedule *s);

/* The reading under way is finished, well or not. all: read everything now, whatever was noted. */
struct p2pd_schedule_step p2pd_schedule_finished(struct p2pd_schedule *s, bool all,
                                                 uint64_t now_usec);

/* The reading that the last step asked for could not be started, or what was read is lost and the
 * state is IDLE: all is owed, a second later than the settle time. */
struct p2pd_schedule_step p2pd_schedule_failed(struct p2pd_schedule *s);

/* A reading is under way. */
bool p2pd_schedule_is_reading(const struct p2pd_schedule *s);
