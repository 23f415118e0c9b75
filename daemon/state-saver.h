/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writes the state file in a thread of its own: a disk may take its time, the loop goes on serving
 * meanwhile. One at a time. */

#include "publish/state-file.h"

struct p2pd_state_saver;

/* Starts the thread. directory stays the caller's, and open until finish; done_fd: an eventfd,
 * written when it is done. Takes the state on success. 0 or a negative errno. */
int p2pd_state_saver_start(int directory, struct p2pd_state *state, int done_fd,
                           struct p2pd_state_saver **ret);

/* Waits for the thread, gives the state back and frees the saver. What p2pd_state_save()
 * returned. */
int p2pd_state_saver_finish(struct p2pd_state_saver *saver, struct p2pd_state *ret);
