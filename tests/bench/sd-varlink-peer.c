/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What p2pd is measured against: a server on systemd's own Varlink library that answers a constant.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-event.h>
#include <systemd/sd-json.h>
#include <systemd/sd-varlink.h>

static int answer(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
                  void *userdata)
{
        (void)parameters;
        (void)flags;
        (void)userdata;
        return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_INTEGER("generation", 1),
                                  SD_JSON_BUILD_PAIR_INTEGER("distance_hops", 4),
                                  SD_JSON_BUILD_PAIR_STRING("map", "bus"),
                                  SD_JSON_BUILD_PAIR_STRING("path", "PIX"),
                                  SD_JSON_BUILD_PAIR_STRING("reason", "common-bridge"));
}

int main(int argc, char **argv)
{
        sd_varlink_server *server = NULL;
        sd_event *event = NULL;
        int r;

        if (argc != 2) {
                fprintf(stderr, "sd-varlink-peer SOCKET\n");
                return 2;
        }
        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_varlink_server_new(&server, SD_VARLINK_SERVER_ACCOUNT_UID);
        if (r >= 0)
                r = sd_varlink_server_bind_method(server, "io.p2pd.GetDistance", answer);
        if (r >= 0)
                r = sd_varlink_server_listen_address(server, argv[1], 0600);
        if (r >= 0)
                r = sd_varlink_server_attach_event(server, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                fprintf(stderr, "sd-varlink-peer: %s\n", strerror(-r));
        sd_varlink_server_unref(server);
        sd_event_unref(event);
        return r < 0;
}
