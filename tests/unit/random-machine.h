/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random machines for property tests: trees of switches, virtual functions, unknown facts, several
 * host bridges and segments. The same seed gives the same machine. */

#include "machine-builder.h"

struct random {
        uint64_t state;
};

/* 0 to n - 1. */
uint32_t random_below(struct random *r, uint32_t n);

struct builder random_machine(uint64_t seed);

/* Changes ACS bits of some functions of a machine that is not finished. */
void random_acs(struct builder *b, struct random *r);
