/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps the BAR ids over generations and over restarts: the registry, what of it is in the state
 * file, and so which ids may be shown. An id is shown only when the file, written in this boot,
 * says that it was given to this BAR: after a crash it can then never be given to another one by
 * mistake. Without a state directory ids live in memory, and all are shown.
 *
 * No clock and no thread: who uses it says when a state was saved.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "absent-bars.h"
#include "decide/bar-ids.h"
#include "lease-keeper.h"
#include "machine.h"
#include "publish/state-file.h"
#include "snapshot.h"

struct p2pd_bar_keeper;
struct p2pd_bar_wish;

struct p2pd_bar_keeper_params {
        const char *state_directory; /* or NULL: in memory only */
        unsigned id_bits;            /* 4 to 16, or 0: chosen by the first machine */
};

/*
 * Opens the state directory (made if its parent is there), locks it against another p2pd and reads
 * the state file. What was lost is kept as warnings, for p2pd_bar_keeper_warning(). A file that
 * cannot be read does not fail: then no id is shown, see p2pd_bar_keeper_error(). 0; -ENOMEM; or
 * the errno with which the directory cannot be used, -EBUSY when another p2pd uses it.
 */
int p2pd_bar_keeper_new(const struct p2pd_bar_keeper_params *params, struct p2pd_bar_keeper **ret);
/* Accepts NULL; returns NULL. No save may be under way. */
struct p2pd_bar_keeper *p2pd_bar_keeper_free(struct p2pd_bar_keeper *k);

/* What surrounds a change. */
struct p2pd_bar_keeper_now {
        const struct p2p_machine *machine;
        uint64_t generation;       /* in which the change will be published */
        uint64_t oldest_confirmed; /* of the readers, see readers.h */
        bool older_instances_gone; /* nobody looks into the table of an earlier p2pd any more */
};

/* Follows a machine, or what readers have confirmed since. The first one settles the width. 0 or
 * -ENOMEM: then nothing has changed. */
int p2pd_bar_keeper_follow(struct p2pd_bar_keeper *k, const struct p2pd_bar_keeper_now *now);

/* Carries a wish out, on the machine of the last follow (asserted: there was one). 0; a refusal,
 * P2P_BAR_IDS_E_...; or -ENOMEM. */
int p2pd_bar_keeper_wish(struct p2pd_bar_keeper *k, const struct p2pd_bar_keeper_now *now,
                         const struct p2pd_bar_wish *wish);

/* The BARs that are registered and whose device was not there in the last follow, or wish. The
 * pointer holds as long as the keeper, the array in it until the next of either. */
const struct p2pd_absent_bars *p2pd_bar_keeper_absent(const struct p2pd_bar_keeper *k);

/* Should it be followed again when readers have confirmed more: BARs wait for an id, and there are
 * ids that are held back. */
bool p2pd_bar_keeper_is_waiting(const struct p2pd_bar_keeper *k);

/* Could a reader of an earlier p2pd of this boot still use ids that were given then. */
bool p2pd_bar_keeper_had_older_instances(const struct p2pd_bar_keeper *k);

/* The BARs of the machine of the last follow that have an id which may be shown, or are registered,
 * sorted by function and register, to be freed by the caller (NULL if there are none). 0 or
 * -ENOMEM. */
int p2pd_bar_keeper_list(const struct p2pd_bar_keeper *k, const struct p2p_machine *m,
                         struct p2pd_snapshot_bar **ret, uint32_t *ret_n);

/* Do these BARs, as listed for the machine of the last follow, all have the ids still that they are
 * listed with. If not, an id is shown that may be another BAR's by now. */
bool p2pd_bar_keeper_still_holds(const struct p2pd_bar_keeper *k,
                                 const struct p2pd_snapshot_bar *bars, uint32_t n);

unsigned p2pd_bar_keeper_id_bits(const struct p2pd_bar_keeper *k);
struct p2p_bar_ids_status p2pd_bar_keeper_status(const struct p2pd_bar_keeper *k);

/*
 * Saving. One at a time: begin gives a copy of what is to be saved, which may be done elsewhere
 * (p2pd_state_save() with p2pd_bar_keeper_directory(), any thread); end takes the copy and the
 * result back.
 */

/* Something is to be saved that is not yet. False while there is no state directory, or a file
 * that must not be replaced. */
bool p2pd_bar_keeper_is_dirty(const struct p2pd_bar_keeper *k);
/* What becomes of leases with a name, which are in the same file. */
enum p2pd_lease_storage p2pd_bar_keeper_lease_storage(const struct p2pd_bar_keeper *k);
/* The leases of the file, the caller's from then on: what is saved holds only those that the caller
 * puts there. Returns the greatest number that was ever given. */
uint64_t p2pd_bar_keeper_take_leases(struct p2pd_bar_keeper *k, struct p2pd_state_lease **ret,
                                     uint32_t *ret_n);
/* Was the file that was read certainly written in this boot. */
bool p2pd_bar_keeper_is_same_boot(const struct p2pd_bar_keeper *k);
/* The directory's descriptor, or -1. Stays the keeper's. */
int p2pd_bar_keeper_directory(const struct p2pd_bar_keeper *k);
/* 0 or -ENOMEM. */
int p2pd_bar_keeper_begin_save(struct p2pd_bar_keeper *k, struct p2pd_state *ret);
/* result: what p2pd_state_save() returned. Takes the state (it is P2PD_STATE_NULL afterwards). */
void p2pd_bar_keeper_end_save(struct p2pd_bar_keeper *k, struct p2pd_state *state, int result);

/* Moves with each change that is to be saved; and: the changes up to this revision are in the file,
 * or there is none. */
uint64_t p2pd_bar_keeper_revision(const struct p2pd_bar_keeper *k);
bool p2pd_bar_keeper_is_saved(const struct p2pd_bar_keeper *k, uint64_t revision);

/* The path of the state directory, NULL: in memory only. And why the file could not be read or
 * written the last time, one English phrase; NULL: it is well. */
const char *p2pd_bar_keeper_path(const struct p2pd_bar_keeper *k);
const char *p2pd_bar_keeper_error(const struct p2pd_bar_keeper *k);

/* The i-th line on what was lost when the file was read; NULL: there are no more. */
const char *p2pd_bar_keeper_warning(const struct p2pd_bar_keeper *k, size_t i);
