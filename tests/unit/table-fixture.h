/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared tables for tests: random BARs for a machine, a published table, a reader attached to it,
 * and what a plain walk over all BARs says about an address. */

#include "decide/verdicts.h"
#include "p2pd/table.h"
#include "publish/table.h"
#include "random-machine.h"

enum layout {
        LAYOUT_WINDOWS, /* host bridge windows, sizes from 4 KiB to 256 GiB, aligned */
        LAYOUT_DENSE,   /* any size, back to back or nearly */
        LAYOUT_OVERLAP, /* a few addresses that many claim, at one end of the address space */
        LAYOUT_SPREAD,  /* aligned powers of two anywhere */
        LAYOUT_MAX,
};

/* Gives a machine that is not finished BARs: memory mostly, some IO, unassigned or without a bus
 * address; with `unknown` also one whose addresses are not known. At most max. */
void random_bars(struct builder *b, struct random *r, enum layout layout, bool unknown,
                 uint32_t max);

/* A table with its writer and a reader, as a consumer has it. */
struct fixture {
        struct builder b;
        struct p2p_verdicts *v;
        struct p2pd_table *writer;
        struct p2pd_table_bar *bars; /* every second memory BAR has an id */
        uint32_t n_bars;
        uint64_t generation;
        void *memory;
        uint64_t bytes;
        struct p2p_table table;
};

/* Takes the builder, finishes it, publishes and attaches. */
void fixture_init(struct fixture *f, struct builder b, struct random *r);
/* Maps and attaches what the writer has now. */
void fixture_attach(struct fixture *f);
/* Publishes the same once more. */
void fixture_publish(struct fixture *f);
void fixture_deinit(struct fixture *f);

/* How many BARs claim an address, and one of them. */
unsigned claims_of(const struct p2p_machine *m, uint64_t address, uint32_t *ret_function,
                   uint32_t *ret_bar);

/* The id that a BAR got; 0: none. */
uint16_t fixture_id(const struct fixture *f, uint32_t function, uint32_t bar_index);

/* A random address that is likely to be near a border. */
uint64_t random_address(const struct p2p_machine *m, struct random *r);
