/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The rules that belong to a kernel release, as one data table: which host bridges p2pdma accepts
 * and since when, and since when which CPUs count. A rule set is that table cut at a release.
 *
 * The calculation is claimed for Linux 5.4 and later. From 4.20 to 5.3 p2pdma existed, but had no
 * mapping through a host bridge yet: there a pair is BUS or NONE. Before 4.20 there is no p2pdma:
 * everything is NONE. What a distribution backported beyond the table is not known here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

enum p2p_rules_choice { P2P_RULES_RUNNING, P2P_RULES_NEWEST, P2P_RULES_MAX };

const char *p2p_rules_choice_to_string(enum p2p_rules_choice choice); /* "running", "newest" */

/* major << 16 | minor: Linux 6.18 is 0x60012. UINT32_MAX: the newest that the table knows. */
struct p2p_rules {
        enum p2p_rules_choice choice;
        uint32_t release;
        uint32_t patch;     /* the third number of the release, 0 without one */
        bool release_known; /* false: asked for RUNNING, the release could not be told, so newest */
};

#define P2P_RELEASE(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

/* Since when there is p2pdma at all; mapping through a host bridge; the CPU rule; a root port that
 * stands for its root bus at any devfn, not only at 00.0. */
#define P2P_RELEASE_P2PDMA P2P_RELEASE(4, 20)
#define P2P_RELEASE_THROUGH_HOST_BRIDGE P2P_RELEASE(5, 4)
#define P2P_RELEASE_CPU_RULE P2P_RELEASE(5, 9)
#define P2P_RELEASE_ANY_ROOT_PORT P2P_RELEASE(5, 19)

/* The leading "major.minor" of a release text ("6.1.0-18-amd64"). 0, or -EINVAL. */
int p2p_release_parse(const char *text, uint32_t *ret);

#define P2P_RELEASE_STRING_MAX 24U

/* "6.18"; for UINT32_MAX the release of the table's newest row. Returns buf. */
const char *p2p_release_format(uint32_t release, char buf[static P2P_RELEASE_STRING_MAX]);

/* The rule set for this machine and choice. RUNNING without a known release is the newest, marked
 * as such. */
struct p2p_rules p2p_rules_for(const struct p2p_machine *m, enum p2p_rules_choice choice);

#define P2P_DEVICE_ANY 0xffffffffU

struct p2p_host_bridge_rule {
        uint16_t vendor;
        uint32_t device;  /* P2P_DEVICE_ANY: every device of the vendor */
        bool same_only;   /* only for two functions below the same host bridge */
        uint32_t since;   /* P2P_RELEASE() that brought the row in mainline */
        uint32_t until;   /* first release without it again; 0: still there */
        uint32_t stable;  /* a release whose stable series got the row as well, or 0 */
        uint32_t patch;   /* from this patch level of that series on */
        const char *name; /* "Intel Xeon since Ice Lake" */
};

/* The table, in the kernel's order; *ret_n rows. Rows newer than the rules' release do not count.
 */
const struct p2p_host_bridge_rule *p2p_host_bridge_rules(uint32_t *ret_n);

/* First row of the table that matches under these rules, as index; P2P_NONE: not listed. */
uint32_t p2p_rules_match_host_bridge(const struct p2p_rules *rules, uint16_t vendor,
                                     uint16_t device);

/* Does the CPU rule accept every host bridge crossing: 1, 0, or unknown. */
struct p2p_fact p2p_rules_cpu_allows(const struct p2p_rules *rules, const struct p2p_machine *m);
