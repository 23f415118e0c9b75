/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The machine that the BARs of lookup-layout.h belong to: host bridges, below each some switches,
 * below each switch a GPU, a NIC with virtual functions and two NVMe. Every BAR has an id: that of
 * span i is i + 1.
 */

#include <stdint.h>

#include "lookup-layout.h"
#include "publish/table.h"

struct p2p_machine;
struct p2p_verdicts;

#define LOOKUP_VFS_MAX 300U

struct lookup_machine {
        struct p2p_machine *m;
        struct p2p_verdicts *v;
        struct p2pd_table_bar *bars;
        uint32_t n_bars;
        unsigned id_bits; /* the fewest, at least 4, that have room for twice as many BARs */
};

/*
 * n_functions: how many functions there are at least, where virtual functions without BARs make up
 * the number; 0: no more than the BARs need. A switch has at most
 * LOOKUP_VFS_MAX of them (asserted). spans: of lookup_layout(), nothing of them is kept. 0 or
 * -ENOMEM.
 */
int lookup_machine_init(struct lookup_machine *ret, const struct span *spans, size_t n_bars,
                        uint32_t n_functions);

void lookup_machine_deinit(struct lookup_machine *machine);
