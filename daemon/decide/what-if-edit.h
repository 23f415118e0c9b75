/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The edits of what-if, each applied to a machine that is not finished yet. */

#include "decide/what-if.h"

struct p2p_editing {
        struct p2p_machine *m;         /* a copy; its indices are the model's */
        struct p2p_address *addresses; /* by function: where it would be found */
        bool *touched;                 /* by function: its way to the root bus changed */
        bool *moved;                   /* by function: it hangs somewhere else */
        bool all_touched;
        char **notes;
        uint32_t n_notes;
};

/* 0, a P2P_WHAT_IF_E_, or -ENOMEM. A refused edit leaves the machine in between: throw it away. */
int p2p_edit_apply(struct p2p_editing *e, const struct p2p_edit *edit);

/* The one for MOVE, in a file of its own. Likewise. */
int p2p_edit_apply_move(struct p2p_editing *e, const struct p2p_edit *edit);

/* A port with a link below it: root port or switch downstream port. */
bool p2p_edit_is_link_port(const struct p2p_function *f);

/* Marks what hangs on the function's link as touched: its device, and all below that. */
void p2p_edit_touch(struct p2p_editing *e, uint32_t function);
