/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What p2pd remembers over a restart: BAR ids and leases, in the one file `state` of the state
 * directory. It is replaced as a whole: whatever happens at whatever moment, the file is the old
 * one or the new one. A file that was damaged all the same gives what is whole in it, and says what
 * is not; an id whose record is damaged is known to have been given, because the first line names
 * all of them.
 *
 * The file is text: one record per line, each with a checksum, a first line with version and
 * totals, a last line with a checksum over all. publish/state-text.h has the details.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide/bar-ids.h"
#include "decide/slot.h"
#include "machine.h"

#define P2PD_STATE_FILE "state"
#define P2PD_STATE_FILE_NEW "state.new"         /* being written, or left over */
#define P2PD_STATE_FILE_DAMAGED "state.damaged" /* the last one that was found damaged */
#define P2PD_STATE_BYTES_MAX (16U * 1024 * 1024)

enum {
        P2PD_STATE_E_NEWER = 1, /* the file is of a newer version: it is not read, nor replaced */
};

/* Bytes of the two texts with their NUL. */
#define P2PD_STATE_NAME_SIZE 64U
#define P2PD_STATE_OWNER_SIZE 128U
#define P2PD_STATE_BOOT_SIZE 64U

#define P2PD_STATE_LEASES_MAX 65536U
#define P2PD_STATE_LEASE_DEVICES_MAX 65536U /* of all leases together */

struct p2pd_state_device {
        struct p2p_slot slot;
        struct p2p_identity identity;
        struct p2p_address address; /* when it was last seen */
};

struct p2pd_state_lease {
        uint64_t number;
        char name[P2PD_STATE_NAME_SIZE];
        char owner[P2PD_STATE_OWNER_SIZE]; /* any bytes, or "" */
        uint32_t uid, pid;
        uint64_t taken_usec, expires_usec; /* CLOCK_REALTIME; expires_usec 0: never */
        uint64_t deadline_usec; /* the same moment as expires_usec by the CLOCK_BOOTTIME of this
                                   boot; 0: not known, or never */
        uint64_t duration_usec; /* from when it was taken or renewed; 0: not known, or never ends */
        struct p2pd_state_device *devices; /* malloc'ed */
        uint32_t n_devices;
};

struct p2pd_state {
        /* Of the boot in which the file was written (/proc/sys/kernel/random/boot_id), or "":
         * after another boot nobody is left who read a table of before. */
        char boot_id[P2PD_STATE_BOOT_SIZE];
        unsigned id_width;      /* in bits; 0: not known */
        uint64_t last_lease;    /* greatest lease number that was ever given; 0: none */
        struct p2p_bar_id *ids; /* malloc'ed; by id, no two alike; only what is kept counts */
        uint32_t n_ids;
        struct p2p_bar_registration *registrations; /* malloc'ed */
        uint32_t n_registrations;
        struct p2pd_state_lease *leases; /* malloc'ed; by number, no two alike */
        uint32_t n_leases;

        bool is_id_set_lost; /* ids other than these may have been given */

        bool is_damaged; /* loaded: something was lost, and was reported; not written */
};

#define P2PD_STATE_NULL                                                                            \
        {                                                                                          \
                0                                                                                  \
        }

/* Frees what hangs from it and makes it P2PD_STATE_NULL. */
void p2pd_state_deinit(struct p2pd_state *s);
/* Frees the devices. */
void p2pd_state_lease_deinit(struct p2pd_state_lease *lease);

/* One line of English, without newline, on what was lost or could not be done. */
typedef void (*p2pd_state_report_fn)(const char *line, void *userdata);
/* At most so many lines are reported; the last says how many more there were. */
#define P2PD_STATE_REPORTS_MAX 32U

/*
 * Reads the state file. No file gives an empty state. A damaged file gives what is whole, reports
 * what is lost, and stays as state.damaged in place of an earlier one. report may be NULL. Blocks.
 * 0; P2PD_STATE_E_NEWER; -ENOMEM; or the errno of what failed. If it is not 0 nothing is known of
 * what was given: hold everything back (p2p_bar_ids_restore_none_known()) and do not save.
 */
int p2pd_state_load(int dir_fd, p2pd_state_report_fn report, void *userdata,
                    struct p2pd_state *ret);

/*
 * Replaces the state file: writes state.new, syncs it, renames it over the old one, syncs the
 * directory. The new state is sure to survive only if this returned 0. Blocks. 0;
 * P2PD_STATE_E_NEWER if the file there is of a newer version; -EFBIG beyond P2PD_STATE_BYTES_MAX or
 * the limits above; -ENOMEM; or the errno of what failed, such as -ENOSPC. On failure the old file
 * stays; only if nothing but the last sync failed, it may be the new one.
 */
int p2pd_state_save(int dir_fd, const struct p2pd_state *s);

/* Fills ids, registrations and width of a zeroed state from the registry. 0 or -ENOMEM; what was
 * filled before is freed by p2pd_state_deinit(). */
int p2pd_state_from_bar_ids(struct p2pd_state *s, const struct p2p_bar_ids *ids);

/* Restores all of it into a new registry. What the registry refuses is reported. 0 or -ENOMEM. */
int p2pd_state_to_bar_ids(const struct p2pd_state *s, p2pd_state_report_fn report, void *userdata,
                          struct p2p_bar_ids *ids);
