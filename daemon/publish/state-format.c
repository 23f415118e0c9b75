/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/state-line.h"
#include "publish/state-text.h"

struct writer {
        FILE *out;
        char *data; /* current after a flush */
        size_t size;
        size_t line_start;
        uint32_t n_lines;
};

/* Puts checksum and newline. */
static void end_line(struct writer *w)
{
        (void)fflush(w->out);
        if (ferror(w->out))
                return;
        (void)fprintf(w->out, " %08" PRIx32 "\n",
                      p2pd_state_crc(0, w->data + w->line_start, w->size - w->line_start));
        (void)fflush(w->out);
        w->line_start = w->size;
        w->n_lines++;
}

static void put_id_set(FILE *out, const struct p2pd_state *s)
{
        if (s->is_id_set_lost) {
                (void)fputs("all", out);
                return;
        }
        if (s->n_ids == 0)
                (void)fputs("none", out);
        for (uint32_t i = 0, end; i < s->n_ids; i = end) {
                for (end = i + 1; end < s->n_ids; end++)
                        if (s->ids[end].id != s->ids[end - 1].id + 1)
                                break;
                (void)fprintf(out, "%s%" PRIu32, i == 0 ? "" : ",", s->ids[i].id);
                if (end > i + 1)
                        (void)fprintf(out, "-%" PRIu32, s->ids[end - 1].id);
        }
}

static void put_header(struct writer *w, const struct p2pd_state *s)
{
        (void)fprintf(w->out, "p2pd-state %u ", P2PD_STATE_VERSION);
        p2pd_state_put_text(w->out, s->boot_id);
        (void)fprintf(w->out, " %u %" PRIu64 " ", s->id_width, s->last_lease);
        put_id_set(w->out, s);
        (void)fprintf(w->out, " %" PRIu32 " %" PRIu32, s->n_registrations, s->n_leases);
        end_line(w);
}

static void put_id(struct writer *w, const struct p2p_bar_id *record)
{
        char address[P2P_ADDRESS_STRING_MAX], identity[P2P_IDENTITY_STRING_MAX];

        (void)fprintf(w->out, "id %" PRIu32 " %s %" PRIu64 " ", record->id,
                      p2p_bar_id_state_to_string(record->state), record->retired_order);
        p2pd_state_put_text(w->out, record->slot.text);
        (void)fprintf(w->out, " %s %" PRIu32 " %s", p2p_address_format(record->address, address),
                      record->bar_index, p2p_identity_format(&record->identity, identity));
        end_line(w);
}

static void put_registration(struct writer *w, const struct p2p_bar_registration *r)
{
        char address[P2P_ADDRESS_STRING_MAX];
        char identity[P2P_IDENTITY_STRING_MAX];

        (void)fputs("registration ", w->out);
        p2pd_state_put_text(w->out, r->slot.text);
        (void)fprintf(w->out, " %" PRIu32 " %s", r->bar_index,
                      p2p_identity_format(&r->identity, identity));
        if (r->has_address)
                (void)fprintf(w->out, " %s", p2p_address_format(r->address, address));
        end_line(w);
}

static void put_lease(struct writer *w, const struct p2pd_state_lease *lease)
{
        char address[P2P_ADDRESS_STRING_MAX], identity[P2P_IDENTITY_STRING_MAX];

        (void)fprintf(w->out, "lease %" PRIu64 " ", lease->number);
        p2pd_state_put_text(w->out, lease->name);
        (void)fputc(' ', w->out);
        p2pd_state_put_text(w->out, lease->owner);
        (void)fprintf(w->out,
                      " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                      " %" PRIu32,
                      lease->uid, lease->pid, lease->taken_usec, lease->expires_usec,
                      lease->deadline_usec, lease->duration_usec, lease->n_devices);
        end_line(w);
        for (uint32_t i = 0; i < lease->n_devices; i++) {
                const struct p2pd_state_device *d = &lease->devices[i];

                (void)fprintf(w->out, "device %" PRIu64 " ", lease->number);
                p2pd_state_put_text(w->out, d->slot.text);
                (void)fprintf(w->out, " %s %s", p2p_identity_format(&d->identity, identity),
                              p2p_address_format(d->address, address));
                end_line(w);
        }
}

static void put_all(struct writer *w, const struct p2pd_state *s)
{
        put_header(w, s);
        for (uint32_t i = 0; i < s->n_ids; i++)
                put_id(w, &s->ids[i]);
        for (uint32_t i = 0; i < s->n_registrations; i++)
                put_registration(w, &s->registrations[i]);
        for (uint32_t i = 0; i < s->n_leases; i++)
                put_lease(w, &s->leases[i]);
        if (!ferror(w->out))
                (void)fprintf(w->out, "end %" PRIu32 " %08" PRIx32, w->n_lines,
                              p2pd_state_crc(0, w->data, w->size));
        end_line(w);
}

/* What could not be read back is not written. */
static bool is_within_limits(const struct p2pd_state *s)
{
        uint64_t n_devices = 0;

        for (uint32_t i = 0; i < s->n_leases; i++)
                n_devices += s->leases[i].n_devices;
        return s->n_registrations <= P2P_BAR_IDS_REGISTRATIONS_MAX &&
               s->n_leases <= P2PD_STATE_LEASES_MAX && n_devices <= P2PD_STATE_LEASE_DEVICES_MAX;
}

int p2pd_state_format(const struct p2pd_state *s, char **ret, size_t *ret_size)
{
        struct writer w = {0};
        bool failed;

        if (!is_within_limits(s))
                return -EFBIG;
        w.out = open_memstream(&w.data, &w.size);
        if (!w.out)
                return -ENOMEM;
        put_all(&w, s);
        failed = ferror(w.out) != 0;
        if (fclose(w.out) != 0 || failed || w.size > P2PD_STATE_BYTES_MAX) {
                free(w.data);
                return !failed && w.size > P2PD_STATE_BYTES_MAX ? -EFBIG : -ENOMEM;
        }
        *ret = w.data;
        *ret_size = w.size;
        return 0;
}
