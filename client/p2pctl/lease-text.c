/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease-text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fields.h"
#include "speak.h"
#include "wish-text.h"

void describe_lease_name(const struct session *s, struct text *out, struct json_object *lease)
{
        const char *name = field_string(lease, "name");

        if (name)
                text_add_safe(out, name, s->terminal.utf8);
        else
                text_addf(out, "%" PRId64, field_int_or(lease, "number", 0));
}

static void describe_held(const struct session *s, struct text *out, struct json_object *lease)
{
        const size_t n = array_length(field_array(lease, "devices"));
        int64_t expires;

        text_addf(out, "lease %" PRId64, field_int_or(lease, "number", 0));
        if (field_string(lease, "name")) {
                text_add(out, " (");
                describe_lease_name(s, out, lease);
                text_add(out, ")");
        }
        text_addf(out, ", %zu device%s, ", n, n == 1 ? "" : "s");
        if (field_int(lease, "expires_usec", &expires)) {
                text_add(out, "until ");
                text_add_time(out, expires);
        } else {
                text_add(out, "until it is released");
        }
}

void print_held(const struct session *s, struct json_object *lease)
{
        struct text t = {0};

        describe_held(s, &t, lease);
        print_fact(s, "held", text_get(&t));
        text_reset(&t);
        describe_lease_name(s, &t, lease);
        printf("%-12sp2pctl release %s\n", "to end it", text_get(&t));
        text_clear(&t);
}

void describe_time_left(struct text *out, struct json_object *lease)
{
        const bool tied = field_is_true(lease, "connection_tied");
        struct timespec now;
        int64_t expires, left;

        if (!field_int(lease, "expires_usec", &expires)) {
                text_add(out, tied ? "connection" : "-");
                return;
        }
        clock_gettime(CLOCK_REALTIME, &now);
        left = expires - (int64_t)now.tv_sec * 1000000 - now.tv_nsec / 1000;
        if (left > 0)
                duration_add(out, ((uint64_t)left + 999999) / 1000000);
        else
                text_add(out, "expired");
        text_add(out, tied ? " or connection" : "");
}
