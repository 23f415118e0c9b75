/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A small machine that holds only what decides one pair: both paths, the first functions of their
 * root buses, CPU and kernel. It can be edited and decided anew, to tell what a change would do.
 */

#include <stdint.h>

#include "machine.h"

struct p2p_excerpt {
        struct p2p_machine *machine; /* finished; its texts belong to the original */
        uint32_t provider, client;   /* indices into it */
};

/* The original must outlive the excerpt. 0 or -ENOMEM. */
int p2p_excerpt_init(struct p2p_excerpt *e, const struct p2p_machine *m, uint32_t provider,
                     uint32_t client);
void p2p_excerpt_deinit(struct p2p_excerpt *e);
