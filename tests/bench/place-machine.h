/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Machines for place-bench that no captured root is needed for. */

#include <stdint.h>

#include "machine.h"

/*
 * That many GPUs (a multiple of 4, at most 1,024), four below each switch with as many NICs and
 * eight NVMe, four switches below each host bridge; two NUMA nodes, a CPU that allows every
 * crossing. seed 0: all parts equal. Else links differ in speed and width, some ports redirect, and
 * a third of the NICs and NVMe is missing, as the seed draws it. NULL: out of memory.
 */
struct p2p_machine *place_machine_new(uint32_t n_gpus, uint64_t seed);
