/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lease, as a value; and what is told of leases. */

#include <errno.h>
#include <stdlib.h>

#include "serve/call.h"
#include "serve/notice.h"
#include "serve/reply-types.h"

static void write_device(struct p2pd_writer *w, const struct p2pd_lease_device *d,
                         const struct p2p_machine *m)
{
        const bool is_there = !d->is_lost && d->function != P2P_NONE;

        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "function", d->address);
        if (is_there) {
                p2pd_write_names_field(w, "names", &m->functions[d->function]);
        } else {
                p2pd_write_key(w, "names");
                p2pd_write_open_array(w);
                p2pd_write_close_array(w);
        }
        p2pd_write_string_field(w, "slot", d->slot.text);
        p2pd_write_bool_field(w, "lost", d->is_lost);
        p2pd_write_close_object(w);
}

void p2pd_write_lease(struct p2pd_writer *w, const struct p2pd_lease *lease,
                      const struct p2p_machine *m, struct p2pd_lease_time now)
{
        const uint64_t expires_usec = p2pd_lease_term_expires(lease->term, now);

        p2pd_write_open_object(w);
        p2pd_write_uint_field(w, "number", lease->number);
        p2pd_write_optional_string_field(w, "name", lease->name[0] ? lease->name : NULL);
        p2pd_write_optional_string_field(w, "owner", lease->owner[0] ? lease->owner : NULL);
        p2pd_write_uint_field(w, "uid", lease->uid);
        p2pd_write_uint_field(w, "pid", lease->pid);
        p2pd_write_bool_field(w, "connection_tied", lease->connection != 0);
        p2pd_write_uint_field(w, "taken_usec", lease->taken_usec);
        if (expires_usec != 0)
                p2pd_write_uint_field(w, "expires_usec", expires_usec);
        p2pd_write_key(w, "devices");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < lease->n_devices; i++)
                write_device(w, &lease->devices[i], m);
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

int p2pd_notice_new_lease(const struct p2pd_snapshot *snapshot, const struct p2pd_lease_news *news,
                          struct p2pd_notice **ret)
{
        struct p2pd_notice *n = calloc(1, sizeof(*n));
        struct p2pd_writer w;

        if (!n)
                return -ENOMEM;
        n->n_refs = 1;
        w = p2pd_writer(&n->text);
        p2pd_reply_begin(&w);
        p2pd_write_uint_field(&w, "generation", snapshot->generation);
        p2pd_write_key(&w, "leases");
        p2pd_write_open_array(&w);
        p2pd_write_close_array(&w);
        p2pd_write_string_field(&w, "event", p2pd_lease_event_to_string(news->kind));
        p2pd_write_key(&w, "lease");
        p2pd_write_lease(&w, news->lease, snapshot->machine, news->now);
        if (news->device)
                p2pd_write_address_field(&w, "function", news->device->address);
        p2pd_reply_end(&w, true);
        if (w.failed) {
                p2pd_notice_unref(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}
