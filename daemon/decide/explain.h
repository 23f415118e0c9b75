/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Everything there is to say about one ordered pair: the decision, its reasons in gate order, the
 * path drawn element by element, the constraints beyond the kernel's verdict, the bottleneck and
 * what would change the verdict.
 */

#include "decide/constraint.h"
#include "decide/decide.h"
#include "decide/link.h"
#include "decide/path.h"
#include "decide/remedy.h"
#include "decide/rules.h"

struct p2p_explanation {
        struct p2p_decision decision;
        struct p2p_reason *reasons;
        uint32_t n_reasons;
        struct p2p_path_element *path;
        uint32_t n_path;
        struct p2p_constraint *constraints;
        uint32_t n_constraints;
        struct p2p_remedy *remedies;
        uint32_t n_remedies;
        /* Narrowest link that the traffic takes, MB/s in one direction, and whose uplink it is (or
         * P2P_NONE). Unknown if a link on the way is; ABSENT: no link between. */
        struct p2p_fact bottleneck_mbps;
        uint32_t bottleneck_function;
        /* Where to bounce when the map is NONE or UNKNOWN: the client's node (that of both, if they
         * share one), or the provider's if only that is known; and its CPUs. ABSENT and NULL for
         * the other maps. */
        struct p2p_fact bounce_node;
        const char *bounce_cpulist; /* in the machine, or NULL */
};

/* 0 or -ENOMEM. m must outlive the result. */
int p2p_explanation_new(const struct p2p_machine *m, const struct p2p_rules *rules,
                        uint32_t provider, uint32_t client, struct p2p_explanation **ret);
struct p2p_explanation *p2p_explanation_free(struct p2p_explanation *e);

/* One English sentence (no newline) for a reason, naming function and bit, into buf (cut at size).
 */
const char *p2p_reason_format(const struct p2p_machine *m, const struct p2p_reason *reason,
                              char *buf, size_t size);
