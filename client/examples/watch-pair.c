/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An example of libp2pd in a poll() loop: watches whether one function can do DMA to another's
 * memory, and prints a line whenever the answer changes.
 *
 *     watch-pair PROVIDER CLIENT [SOCKET [CHANGES]]
 *
 * Ends after that many changes (for tests), else when the daemon goes away. Build it with
 * `cc watch-pair.c $(pkg-config --cflags --libs libp2pd)`.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p2pd/p2pd.h>

struct watch {
        const char *provider, *client;
        bool ask; /* something changed: look at the pair again */
        bool ended;
        int status;
};

/* Callbacks only take notes: a blocking call would be refused here. */
static void on_event(struct p2pd_client *client, const struct p2pd_event *event, int status,
                     void *userdata)
{
        struct watch *w = userdata;

        (void)client;
        if (event) {
                w->ask = true;
                return;
        }
        w->ended = true;
        w->status = status;
}

/* 1 if the verdict is another than *last, which it then becomes; 0; or a negative errno. */
static int look(struct p2pd_client *c, const struct watch *w, struct p2pd_verdict *last)
{
        struct p2pd_verdict v;
        int r;

        r = p2pd_client_get_distance(c, w->provider, w->client, P2PD_RULES_DEFAULT, 10000, &v);
        if (r < 0) {
                const char *name = p2pd_client_get_error_name(c);

                fprintf(stderr, "watch-pair: %s\n", name ? name : strerror(-r));
                return r;
        }
        if (v.map == last->map && v.distance_hops == last->distance_hops)
                return 0;
        printf("%s to memory of %s: %s, %" PRId64 " hops, %s (%s)\n", w->client, w->provider,
               p2pd_map_to_string(v.map), v.distance_hops, p2pd_path_to_string(v.path), v.reason);
        fflush(stdout);
        *last = v;
        return 1;
}

/* Two connections: the monitor holds its own for as long as it runs. */
static int run(struct p2pd_client *monitor, struct p2pd_client *asker, struct watch *w,
               long changes)
{
        struct p2pd_verdict last = {.distance_hops = -2};
        int r;

        r = p2pd_client_monitor(monitor, on_event, w);
        while (r >= 0 && !w->ended && changes != 0) {
                struct pollfd p = {p2pd_client_get_fd(monitor), p2pd_client_get_events(monitor), 0};

                /* Other descriptors of the program would stand here as well. */
                if (poll(&p, 1, -1) < 0)
                        continue;
                r = p2pd_client_process(monitor);
                if (r < 0 || !w->ask)
                        continue;
                w->ask = false;
                r = look(asker, w, &last);
                if (r > 0 && changes > 0)
                        changes--;
        }
        if (w->ended)
                fprintf(stderr, "watch-pair: the daemon went away: %s\n", strerror(-w->status));
        return r < 0 || w->ended ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct p2pd_client *monitor = NULL, *asker = NULL;
        const char *path = argc > 3 ? argv[3] : NULL;
        struct watch w = {0};
        int r;

        if (argc < 3 || argc > 5) {
                fprintf(stderr, "watch-pair PROVIDER CLIENT [SOCKET [CHANGES]]\n");
                return 2;
        }
        w.provider = argv[1];
        w.client = argv[2];
        r = p2pd_client_new_path(path, &monitor);
        if (r >= 0)
                r = p2pd_client_new_path(path, &asker);
        if (r < 0) {
                fprintf(stderr, "watch-pair: cannot connect: %s\n", strerror(-r));
                r = EXIT_FAILURE;
        } else {
                r = run(monitor, asker, &w, argc > 4 ? strtol(argv[4], NULL, 10) : -1);
        }
        p2pd_client_free(monitor);
        p2pd_client_free(asker);
        return r;
}
