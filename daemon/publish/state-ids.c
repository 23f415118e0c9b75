/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/state-file.h"

/* Between the state and the registry of BAR ids. */

int p2pd_state_from_bar_ids(struct p2pd_state *s, const struct p2p_bar_ids *ids)
{
        const struct p2p_bar_ids_status status = p2p_bar_ids_status(ids);
        struct p2p_bar_registration *registrations;
        struct p2p_bar_id *records;
        uint32_t n = 0;

        for (uint32_t id = 1; id <= P2P_BAR_IDS_LAST; id++)
                n += p2p_bar_ids_get(ids, id) != NULL;
        records = calloc((size_t)n + 1, sizeof(*records));
        registrations = calloc((size_t)status.n_registrations + 1, sizeof(*registrations));
        if (!records || !registrations) {
                free(records);
                free(registrations);
                return -ENOMEM;
        }
        n = 0;
        for (uint32_t id = 1; id <= P2P_BAR_IDS_LAST; id++)
                if (p2p_bar_ids_get(ids, id))
                        records[n++] = *p2p_bar_ids_get(ids, id);
        for (uint32_t i = 0; i < status.n_registrations; i++)
                registrations[i] = *p2p_bar_ids_registration(ids, i);
        s->id_width = status.width;
        s->is_id_set_lost = p2p_bar_ids_never_recorded_lost(ids);
        s->ids = records;
        s->n_ids = n;
        s->registrations = registrations;
        s->n_registrations = status.n_registrations;
        return 0;
}

static void report_refusal(p2pd_state_report_fn report, void *userdata, const char *what,
                           uint32_t number)
{
        char line[128];

        if (!report)
                return;
        (void)snprintf(line, sizeof(line), "state file: %s %" PRIu32 " is not usable and left out",
                       what, number);
        report(line, userdata);
}

int p2pd_state_to_bar_ids(const struct p2pd_state *s, p2pd_state_report_fn report, void *userdata,
                          struct p2p_bar_ids *ids)
{
        int r;

        if (s->is_id_set_lost)
                p2p_bar_ids_restore_none_known(ids);
        for (uint32_t i = 0; i < s->n_ids; i++) {
                r = p2p_bar_ids_restore(ids, &s->ids[i]);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                /* It was given, so it must not look as if it never was. */
                p2p_bar_ids_restore_none_known(ids);
                report_refusal(report, userdata, "the record of BAR id", s->ids[i].id);
        }
        for (uint32_t i = 0; i < s->n_registrations; i++) {
                r = p2p_bar_ids_restore_registration(ids, &s->registrations[i]);
                if (r < 0)
                        return r;
                if (r > 0)
                        report_refusal(report, userdata, "registration", i + 1);
        }
        return 0;
}
