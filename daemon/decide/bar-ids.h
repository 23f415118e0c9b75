/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The registry of BAR ids: which small number stands for which BAR. Id 0 is regular memory and is
 * never given. Pure: the generation and what readers have confirmed are inputs.
 *
 * A BAR is known by its slot, its function's identity (slot.h: with the serial number of the
 * device, where there is one) and its register. While it is there it keeps its id, also when it is
 * resized or its bus gets another number. When it goes its id is retired: reserved for the return
 * of the same device to the same slot. A retired id is given to another BAR only when no id is left
 * that was never used, and no reader can still take it for the old one: every attached reader has
 * confirmed a generation in which it is gone, and readers of an earlier instance of the daemon, who
 * are not known, are said to be gone. The one retired longest ago goes first.
 *
 * Ids are given unasked to the memory BARs of p2pmem providers, GPUs and accelerators, memory
 * devices, then NVMe, NICs and other storage (p2p_function_is_candidate()), and last to BARs that
 * were registered by request; within a rank by address and register. Only an assigned memory BAR
 * with known addresses gets one. Whoever has an id keeps it, whatever its rank.
 *
 * A BAR that could not be recognised if it returned (slot or identity not known) has an id only
 * while it stays at the same addresses; after that it is another BAR.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/slot.h"
#include "machine.h"

#define P2P_BAR_IDS_WIDTH_MIN 4U
#define P2P_BAR_IDS_WIDTH_MAX 16U
#define P2P_BAR_IDS_REGISTRATIONS_MAX 4096U

/* What a request may be refused with. */
enum {
        P2P_BAR_IDS_E_NO_MEMORY_BAR = 1, /* no assigned memory BAR with known addresses */
        P2P_BAR_IDS_E_UNRECOGNISABLE,    /* its slot or identity is not known */
        P2P_BAR_IDS_E_EXHAUSTED,         /* no id is left that may be given */
        P2P_BAR_IDS_E_TOO_MANY,          /* P2P_BAR_IDS_REGISTRATIONS_MAX */
        P2P_BAR_IDS_E_NOT_REGISTERED,    /* nothing to remove */
        P2P_BAR_IDS_E_INVALID,           /* of a restored record: malformed, or the id is taken */
};

enum p2p_bar_id_state {
        P2P_BAR_ID_IN_USE,
        P2P_BAR_ID_RETIRED, /* its BAR is gone */
        P2P_BAR_ID_LOST,    /* held back: it was given to a BAR, but the record of which is lost */
        P2P_BAR_ID_STATE_MAX,
};

/* "in-use", "retired", "lost". NULL for another value. */
const char *p2p_bar_id_state_to_string(enum p2p_bar_id_state state);

struct p2p_bar_id {
        uint32_t id; /* 1 to 65535 */
        enum p2p_bar_id_state state;
        uint32_t bar_index;
        struct p2p_slot slot;         /* "": not known */
        struct p2p_identity identity; /* as it is now, with a serial number that could be read once;
                                         or when it was last seen */
        struct p2p_address address;   /* now, or when it was last seen */
        uint64_t retired_order;       /* greater: retired later; 0: not retired */

        /* Not kept over a restart. */
        struct p2p_identity seen; /* the identity when it could last be read: what is certainly
                                     another device does not have the id, also behind a gap */
        uint32_t function;    /* index into the machine of the last update; P2P_NONE: not in use */
        uint64_t first, last; /* CPU physical addresses, both included; now or last seen */
        uint64_t since;       /* generation in which the id came to mean this BAR (again) */
        uint64_t gone_since;  /* generation in which it was gone; 0: in use, or before this start */
        bool known_to_older_instances; /* readers of an earlier instance of the daemon may hold it
                                        */
};

/* A BAR that has, or is to have, an id by request. */
struct p2p_bar_registration {
        struct p2p_slot slot;
        struct p2p_identity identity; /* known */
        uint32_t bar_index;
        bool has_address; /* else an older version of p2pd had it, and it was not seen since */
        struct p2p_address address; /* now, or when it was last seen */
};

struct p2p_bar_ids;

/* Smallest width, of at least 4 and at most 16 bits, in which twice as many BARs as get an id
 * unasked now would all have one. Ids that were kept from before may need more: who restores them
 * takes at least the width they were given in. */
unsigned p2p_bar_ids_default_width(const struct p2p_machine *m);

/* Ids 1 to 2^width - 1; width 4 to 16 (asserted). NULL: out of memory. */
struct p2p_bar_ids *p2p_bar_ids_new(unsigned width);
/* Accepts NULL; returns NULL. */
struct p2p_bar_ids *p2p_bar_ids_free(struct p2p_bar_ids *ids);

/* What surrounds a change of the registry. */
struct p2p_bar_ids_update {
        const struct p2p_machine *machine;
        uint64_t generation;       /* not 0; in which the change will be published */
        uint64_t oldest_confirmed; /* least over all attached readers; UINT64_MAX: none is there */
        bool older_instances_gone; /* no reader of an earlier instance of the daemon is left */
};

/*
 * Follows a machine: retires the ids of BARs that are gone, recognises those that returned, gives
 * ids to new ones. generation is not less than the last one's (asserted); the same again is
 * allowed, to give out what readers have confirmed since. Keeps no pointer. 0; or -ENOMEM, and
 * nothing has changed.
 *
 * Write the state file, if p2p_bar_ids_revision() moved, before readers can see the generation: an
 * id that a reader knows and the file does not could name another BAR after a crash.
 */
int p2p_bar_ids_update(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update);

/*
 * Gives an id to a BAR by request, at once (this updates the registry as p2p_bar_ids_update()
 * does), and whenever it is there. function: index into the machine of the update (asserted);
 * bar_index 0 to 5 (asserted). A BAR that has an id unasked is registered as well: it keeps its id
 * if its function's class changes. Registering twice is no error. Another device that was
 * registered in the same slot loses that. 0 and the id; NO_MEMORY_BAR, UNRECOGNISABLE, EXHAUSTED,
 * TOO_MANY (then it is not registered); or -ENOMEM.
 */
int p2p_bar_ids_register(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                         uint32_t function, uint32_t bar_index, uint32_t *ret_id);

/* Undoes it, for a BAR that is there or not; its id is retired unless it has one unasked. 0,
 * NOT_REGISTERED or -ENOMEM. */
int p2p_bar_ids_unregister(struct p2p_bar_ids *ids, const struct p2p_bar_ids_update *update,
                           const struct p2p_slot *slot, uint32_t bar_index);

/* Id of a BAR of the last update's machine; 0: it has none. O(1). */
uint32_t p2p_bar_ids_find(const struct p2p_bar_ids *ids, uint32_t function, uint32_t bar_index);

/* What an id stands or stood for; NULL: it was never given, or is no id. O(1). To see all, go from
 * 1 to P2P_BAR_IDS_LAST: after a restart with a smaller width, ids beyond it are still retired. The
 * pointer holds until the registry changes. */
#define P2P_BAR_IDS_LAST 65535U
const struct p2p_bar_id *p2p_bar_ids_get(const struct p2p_bar_ids *ids, uint32_t id);

/* A BAR that should have an id, and has none because they ran out. */
struct p2p_bar_without_id {
        uint32_t function;
        uint32_t bar_index;
};

struct p2p_bar_ids_status {
        unsigned width;
        uint32_t n_in_use, n_retired, n_lost, n_never_used; /* of ids within the width */
        const struct p2p_bar_without_id *without; /* by rank; holds until the registry changes */
        uint32_t n_without;
        uint32_t n_registrations;
};

struct p2p_bar_ids_status p2p_bar_ids_status(const struct p2p_bar_ids *ids);

/* The i-th registration (asserted), by slot and BAR. Holds until the registry changes. */
const struct p2p_bar_registration *p2p_bar_ids_registration(const struct p2p_bar_ids *ids,
                                                            uint32_t i);
/* Which one is for this BAR of this slot, of whatever device; P2P_NONE: there is none. O(log n). */
uint32_t p2p_bar_ids_find_registration(const struct p2p_bar_ids *ids, const struct p2p_slot *slot,
                                       uint32_t bar_index);
/* Is this BAR of this device registered. O(log n). */
bool p2p_bar_ids_is_registered(const struct p2p_bar_ids *ids, const struct p2p_slot *slot,
                               const struct p2p_identity *identity, uint32_t bar_index);

/* Moves whenever something changes that the state file keeps. */
uint64_t p2p_bar_ids_revision(const struct p2p_bar_ids *ids);

/*
 * After a restart, before the first update: what an earlier instance of the daemon has given. All
 * that is not there in the first update counts as retired, in the order it was, and is held back
 * until older_instances_gone.
 */

/* One id; copies what is kept over a restart. 0, P2P_BAR_IDS_E_INVALID or -ENOMEM. */
int p2p_bar_ids_restore(struct p2p_bar_ids *ids, const struct p2p_bar_id *record);
/* Any id that was not restored may have been given: all of them are lost. */
void p2p_bar_ids_restore_none_known(struct p2p_bar_ids *ids);
/* Is that so still. To be written to the state file. */
bool p2p_bar_ids_never_recorded_lost(const struct p2p_bar_ids *ids);
/* 0, P2P_BAR_IDS_E_INVALID (malformed, or that slot and register a second time),
 * P2P_BAR_IDS_E_TOO_MANY or -ENOMEM. */
int p2p_bar_ids_restore_registration(struct p2p_bar_ids *ids,
                                     const struct p2p_bar_registration *registration);
