/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a set of flows leaves to each of them: the links of a machine, which of them each flow
 * takes, and the narrowest share.
 *
 * A link is what joins a port and what hangs on it; all functions on one port share it, virtual
 * ones too. It has its current bandwidth in each direction, the narrowest that a function on it
 * reports. The flows that use one direction share it evenly. A link whose bandwidth is not known,
 * and a wire inside a switch or a root complex, limits nothing.
 *
 * A flow goes up from its source to the first common element and down to its destination; to the
 * root bus and down again if there is none, or if a redirect on the way sends it there (path.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

struct p2p_links {
        uint32_t *of;       /* by function: the link towards its parent, or P2P_NONE */
        uint32_t *function; /* by link: the lowest function on it that reports its bandwidth, or
                               the lowest one */
        uint32_t *mbps;     /* by link: MB/s in one direction; 0: not known */
        uint32_t n;
};

/* Finds the links of a finished machine. O(functions). The caller deinits. 0 or -ENOMEM. */
int p2p_links_init(struct p2p_links *l, const struct p2p_machine *m);
void p2p_links_deinit(struct p2p_links *l);

/* One flow or several at once over the links of m; m must outlive it. */
struct p2p_flows;

int p2p_flows_new(const struct p2p_machine *m, struct p2p_flows **ret); /* 0 or -ENOMEM */
struct p2p_flows *p2p_flows_free(struct p2p_flows *f);                  /* accepts NULL */

/* Takes all flows away. */
void p2p_flows_clear(struct p2p_flows *f);

/* Adds a flow between two functions (indices, asserted). Costs two walks to the root. */
void p2p_flows_add(struct p2p_flows *f, uint32_t source, uint32_t destination);

/* Adds one flow in each direction. */
void p2p_flows_add_pair(struct p2p_flows *f, uint32_t a, uint32_t b);

struct p2p_bottleneck {
        bool is_limited; /* false: no link of known bandwidth is used; the rest is 0, P2P_NONE */
        uint32_t mbps;   /* what one flow gets there: link_mbps / n_flows, rounded down */
        uint32_t link_mbps;
        uint32_t n_flows;  /* that use this direction of it */
        uint32_t function; /* whose uplink it is: p2p_links.function */
        bool has_unknown;  /* some flow uses a link of unknown bandwidth */
};

/* The narrowest share of all that were added; among equals the lowest function. O(links). */
struct p2p_bottleneck p2p_flows_bottleneck(const struct p2p_flows *f);

/* <0, 0, >0: a leaves each flow less than, as much as, more than b; not limited is most. Exact. */
int p2p_bottleneck_compare(const struct p2p_bottleneck *a, const struct p2p_bottleneck *b);
