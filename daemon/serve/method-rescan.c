/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "serve/call.h"
#include "serve/methods.h"
#include "serve/server-private.h"

void p2pd_reply_rescan(struct p2pd_server *s, struct p2pd_writer *w, int result)
{
        if (result < 0) {
                const char *why = s->status->last_scan_error;
                const char *otherwise = strerrordesc_np(-result);
                const struct p2pd_refusal_value value = {
                        .text = p2pd_text(why         ? why
                                          : otherwise ? otherwise
                                                      : "unknown error"),
                };

                s->counters.errors++;
                p2pd_refusal_write(w, P2PD_REFUSED_SCAN_FAILED, &value);
                return;
        }
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", s->snapshot->generation);
        p2pd_reply_end(w, false);
}

int p2pd_method_rescan(struct p2pd_call *call)
{
        struct p2pd_server *s = call->server;
        int r;

        r = p2pd_call_parameters(call, NULL, 0, NULL);
        if (r != 0)
                return r;
        /* What was current when the call came may be gone after this. */
        r = s->rescan(s->userdata);
        if (r == P2PD_RESCAN_STARTED) {
                call->waits_for = P2PD_WAIT_RESCAN;
                return 0;
        }
        p2pd_reply_rescan(s, call->writer, r);
        return 0;
}
