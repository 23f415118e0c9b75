/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sentences of acs-verify. */

#include "decide/acs-verify.h"

/* Why the port has the effect it has. match: what the kernel makes of it. NULL: out of memory. */
char *p2p_acs_verify_port_reason_new(const struct p2p_machine *m, const struct p2p_acs_verify *v,
                                     const struct p2p_acs_verify_port *port,
                                     const struct p2p_boot_match *match);

/* Why the entry has the effect it has. stop: where the kernel gave up, or NONE. NULL: out of
 * memory. */
char *p2p_acs_verify_entry_reason_new(const struct p2p_acs_verify *v,
                                      const struct p2p_acs_verify_entry *entry,
                                      enum p2p_boot_stop stop);

/* What concerns the whole command line. 0 or -ENOMEM. */
int p2p_acs_verify_add_notes(const struct p2p_machine *m, const struct p2p_boot_line *line,
                             struct p2p_acs_verify *v);
