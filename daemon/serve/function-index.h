/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From what people call a function to its index in the machine, and the lists that methods take for
 * "all". Made once per generation, when the first call asks for it.
 */

#include <stdint.h>

#include "machine.h"
#include "serve/text.h"

struct p2pd_function_index;

/* Refusals of p2pd_function_index_find(). */
enum {
        P2PD_FUNCTION_INDEX_E_NOT_FOUND = 1,
        P2PD_FUNCTION_INDEX_E_AMBIGUOUS,
};

/* m must outlive the index. 0 or -ENOMEM. */
int p2pd_function_index_new(const struct p2p_machine *m, struct p2pd_function_index **ret);
struct p2pd_function_index *p2pd_function_index_free(struct p2pd_function_index *x);

/*
 * By address ("0000:03:00.0", "03:00.0", in either case), by the name of a child ("nvme0",
 * "mlx5_0", "eth2", "renderD128"), or by an NVMe namespace or partition ("nvme0n1", "nvme0n1p2")
 * that stands for its controller. O(log n). 0 or a refusal.
 */
int p2pd_function_index_find(const struct p2pd_function_index *x, struct p2pd_text name,
                             uint32_t *ret);

/* The functions that share a name that find() called ambiguous, in the order of their addresses:
 * at most max of them go to functions, the count of all is returned. */
size_t p2pd_function_index_candidates(const struct p2pd_function_index *x, struct p2pd_text name,
                                      uint32_t *functions, size_t max);

struct p2pd_function_list {
        const uint32_t *functions; /* in the order of their addresses */
        uint32_t n;
};

struct p2pd_function_list p2pd_function_index_all(const struct p2pd_function_index *x);
struct p2pd_function_list p2pd_function_index_endpoints(const struct p2pd_function_index *x);
struct p2pd_function_list p2pd_function_index_shown(const struct p2pd_function_index *x);

/* How many functions have an ACS capability or control that could not be read. */
uint32_t p2pd_function_index_acs_unknown(const struct p2pd_function_index *x);
