/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "fields.h"
#include "text.h"

/* monitor and rescan: the machine as it changes. */

struct monitor {
        struct session *session;
        bool done;
};

static void print_time(void)
{
        time_t now = time(NULL);
        struct tm tm;
        char buf[32] = "?";

        if (localtime_r(&now, &tm))
                strftime(buf, sizeof(buf), "%T", &tm);
        printf("%s  ", buf);
}

static void print_change(const struct session *s, const struct p2pd_change *change)
{
        static const char signs[] = {[P2PD_CHANGE_ADDED] = '+',
                                     [P2PD_CHANGE_REMOVED] = '-',
                                     [P2PD_CHANGE_CHANGED] = '~'};
        static const char *const words[] = {[P2PD_CHANGE_ADDED] = "added",
                                            [P2PD_CHANGE_REMOVED] = "removed",
                                            [P2PD_CHANGE_CHANGED] = "changed"};
        static const enum style styles[] = {[P2PD_CHANGE_ADDED] = STYLE_GOOD,
                                            [P2PD_CHANGE_REMOVED] = STYLE_BAD,
                                            [P2PD_CHANGE_CHANGED] = STYLE_CAUTION};
        struct text t = {0};

        text_add_safe(&t, change->function, s->terminal.utf8);
        text_addf(&t, " %s", words[change->kind]);
        if (change->what[0] != '\0') {
                text_add(&t, ": ");
                text_add_safe(&t, change->what, s->terminal.utf8);
        }
        printf("          %s%c %s%s\n", terminal_style(&s->terminal, styles[change->kind]),
               signs[change->kind], text_get(&t), terminal_style(&s->terminal, STYLE_PLAIN));
        text_clear(&t);
}

static void add_map(const struct session *s, struct text *t, const struct p2pd_verdict *v)
{
        const char *map = p2pd_map_to_string(v->map);

        text_addf(t, "%s%s%s", terminal_style(&s->terminal, style_of_map(map)), map,
                  terminal_style(&s->terminal, STYLE_PLAIN));
}

static void print_flip(const struct session *s, const struct p2pd_flip *flip)
{
        const char *arrow = s->terminal.utf8 ? "→" : "->";
        struct text t = {0};

        text_add_safe(&t, flip->provider, s->terminal.utf8);
        text_addf(&t, " by ");
        text_add_safe(&t, flip->client, s->terminal.utf8);
        text_add(&t, ": ");
        add_map(s, &t, &flip->before);
        text_addf(&t, " %s ", arrow);
        add_map(s, &t, &flip->after);
        if (flip->before.distance_hops != flip->after.distance_hops)
                text_addf(&t, ", %" PRId64 " %s %" PRId64 " hops", flip->before.distance_hops,
                          arrow, flip->after.distance_hops);
        text_add(&t, " (");
        text_add_safe(&t, flip->after.reason, s->terminal.utf8);
        printf("          pair %s)\n", text_get(&t));
        text_clear(&t);
}

static void on_event(struct p2pd_client *client, const struct p2pd_event *event, int status,
                     void *userdata)
{
        struct monitor *m = userdata;

        (void)client;
        if (!event) {
                if (status != -ECANCELED)
                        session_tell_error(m->session, status < 0 ? status : -ECONNRESET, NULL,
                                           NULL);
                m->done = true;
                return;
        }
        print_time();
        if (event->initial) {
                printf("generation %" PRIu64 ": watching for changes\n", event->generation);
                return;
        }
        printf("generation %" PRIu64 ": %zu functions changed, %" PRIu64 " pairs flipped%s\n",
               event->generation, event->n_changes, event->flips_total,
               event->machine_wide ? ", and something of the whole machine" : "");
        for (size_t i = 0; i < event->n_changes; i++)
                print_change(m->session, &event->changes[i]);
        for (size_t i = 0; i < event->n_flips; i++)
                print_flip(m->session, &event->flips[i]);
        if (event->flips_total > event->n_flips)
                printf("          and %" PRIu64 " more pairs\n",
                       event->flips_total - event->n_flips);
        if (ferror(stdout))
                m->done = true;
}

static bool print_part(struct session *s, struct json_object *part, void *userdata)
{
        (void)userdata;
        puts(json_object_to_json_string_ext(part, JSON_C_TO_STRING_PLAIN |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)s;
        return !ferror(stdout);
}

int command_monitor(struct session *s, int n, char **arguments)
{
        struct monitor m = {.session = s};
        int r;

        (void)n;
        (void)arguments;
        if (s->json)
                return session_stream(s, "io.p2pd.Monitor", NULL, print_part, NULL) < 0
                               ? EXIT_FAILED
                               : EXIT_OK;
        if (session_connect(s) < 0)
                return EXIT_FAILED;
        r = p2pd_client_monitor(s->client, on_event, &m);
        if (r < 0)
                session_tell_error(s, r, NULL, NULL);
        else
                (void)session_run_until(s, &m.done);
        /* A monitor ends only when the daemon goes away. */
        session_close(s);
        return EXIT_FAILED;
}

static int show_generation(struct session *s, struct json_object *answer)
{
        (void)s;
        printf("generation %" PRId64 "\n", field_int_or(answer, "generation", 0));
        return EXIT_OK;
}

int command_rescan(struct session *s, int n, char **arguments)
{
        (void)n;
        (void)arguments;
        return session_show(s, "io.p2pd.Rescan", NULL, show_generation);
}
