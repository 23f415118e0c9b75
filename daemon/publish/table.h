/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The writer's side of the shared table: a memfd that any process may map for reading and look
 * into with p2pd/table.h, without a call and without a lock. This noun owns the memory and the
 * order in which a generation becomes visible; what a generation holds is put together in
 * table-image.h, and the layout is the public header's.
 *
 * A table is laid out with room to grow. A generation that does not fit any more makes a new memfd,
 * and the old one is marked as superseded: who still looks there is told to fetch the new one.
 */

#include <stdbool.h>
#include <stdint.h>

struct p2p_machine;
struct p2p_verdicts;

/* One mapped memfd with its published generation. One thread writes; any number of processes
 * read. */
struct p2pd_table;

/* What the table says about one BAR beyond the facts of the machine. */
struct p2pd_table_bar {
        uint32_t function; /* index into the machine's functions */
        uint8_t bar_index; /* 0 to 5 */
        uint16_t id;       /* 1 to 2^id_bits - 1; 0: the BAR has no id */
        uint64_t since;    /* the generation in which the id came to mean this BAR */
};

/*
 * An empty table, with a new random instance id and nothing published: its readers are told to ask
 * the daemon. id_bits: 4 to 16 (asserted), holds for all its generations. There is a descriptor to
 * send from the beginning. Makes a memfd and maps it. 0, -ENOMEM, or the errno of the system call
 * that failed.
 */
int p2pd_table_new(unsigned id_bits, struct p2pd_table **ret);

/* Marks what the readers still have as superseded, unmaps and closes. Accepts NULL; returns
 * NULL. */
struct p2pd_table *p2pd_table_free(struct p2pd_table *t);

/*
 * Publishes one generation, at once and as a whole: every memory BAR of the machine whose addresses
 * are known, what lies between them, and every pair's map and distance. v: made from m; both are
 * read during the call only. generation: not 0, and greater than the one before. bars: which
 * BARs have ids, in any order; a BAR of the machine that is not listed has none; an entry whose id
 * is 0, or whose BAR has no known addresses, adds nothing.
 *
 * ret_moved: true if the descriptor is another one than before, because the old one had not enough
 * room; the one got earlier is closed. 0; -EINVAL: an entry of bars names no function, no BAR
 * register or an id that is too wide, one BAR or one id stands twice, or generation does not grow;
 * -ENOMEM; -E2BIG: the machine passes what the layout can hold; or the errno of a system call. On
 * failure the generation before stays published.
 */
int p2pd_table_publish(struct p2pd_table *t, const struct p2p_machine *m,
                       const struct p2p_verdicts *v, uint64_t generation,
                       const struct p2pd_table_bar *bars, uint32_t n_bars, bool *ret_moved);

/* The descriptor for consumers: can be mapped for reading only and its size never changes. Stays
 * the table's: duplicate or send it before the next publish. */
int p2pd_table_get_fd(const struct p2pd_table *t);

/* How many bytes a consumer has to map. */
uint64_t p2pd_table_get_size(const struct p2pd_table *t);

/* The random instance id, as it is in the header of all its memfds. */
void p2pd_table_get_instance(const struct p2pd_table *t, uint64_t ret[static 2]);
