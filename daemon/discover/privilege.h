/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Capabilities of the calling thread: call before other threads are started, they would keep
 * theirs. See config-reader.h for p2pd_drop_capabilities(). */

#include <stdint.h>

/* Gives up every capability but this one (CAP_...; -1: all), which is kept only if it was
 * permitted: effective, permitted, inheritable and ambient sets for sure, the bounding set and
 * securebits as far as permitted. Nothing executed later can gain any. 0 or a negative errno. */
int p2pd_keep_capability(int capability);

/* The effective set as the kernel has it now, bit n for capability n; 0 if it cannot be told. */
uint64_t p2pd_get_capabilities(void);
