/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "text.h"

/* Every ordered pair: millions of lines on a large machine. So each row is put together in one
 * buffer, by hand, and written at once. */

struct pairs {
        struct session *session;
        struct text buffer;
        bool done, failed;
};

#define LINE_MAX_BYTES 160U

static char *put(char *at, const char *string)
{
        size_t n = strlen(string);

        memcpy(at, string, n);
        return at + n;
}

static char *put_distance(char *at, int64_t hops)
{
        char digits[24];
        int n = 0;

        if (hops < 0)
                return put(at, "-");
        do {
                digits[n++] = (char)('0' + hops % 10);
                hops /= 10;
        } while (hops > 0);
        while (n > 0)
                *at++ = digits[--n];
        return at;
}

static char *put_verdict(char *at, const struct p2pd_verdict *v)
{
        *at++ = '\t';
        at = put_distance(at, v->distance_hops);
        *at++ = '\t';
        at = put(at, p2pd_map_to_string(v->map));
        *at++ = '\t';
        at = put(at, p2pd_path_to_string(v->path));
        *at++ = '\n';
        return at;
}

static void reserve(struct text *t, size_t bytes)
{
        if (t->size >= bytes)
                return;
        free(t->data);
        t->data = must_have(malloc(bytes));
        t->size = bytes;
}

static void on_row(struct p2pd_client *client, const struct p2pd_row *row, int status,
                   const char *error_name, void *userdata)
{
        struct pairs *p = userdata;
        char *at;

        (void)client;
        if (!row) {
                if (status < 0 && status != -ECANCELED)
                        session_tell_error(p->session, status, error_name, NULL);
                p->failed = status < 0;
                p->done = true;
                return;
        }
        reserve(&p->buffer, row->n_clients * LINE_MAX_BYTES);
        at = p->buffer.data;
        for (size_t i = 0; i < row->n_clients; i++) {
                at = put(at, row->provider);
                *at++ = '\t';
                at = put(at, row->clients[i]);
                at = put_verdict(at, &row->verdicts[i]);
        }
        fwrite(p->buffer.data, 1, (size_t)(at - p->buffer.data), stdout);
        /* A full disk or a closed pipe: no use in going on. */
        if (ferror(stdout))
                p->done = true;
}

static bool print_part(struct session *s, struct json_object *part, void *userdata)
{
        (void)userdata;
        session_print_json(s, part);
        return !ferror(stdout);
}

int command_pairs(struct session *s, int n, char **arguments)
{
        struct pairs p = {.session = s};
        int r;

        (void)n;
        (void)arguments;
        if (s->json)
                return session_stream(s, "io.p2pd.GetPairs", session_parameters(s), print_part,
                                      NULL) < 0
                               ? EXIT_FAILED
                               : EXIT_OK;
        if (session_connect(s) < 0)
                return EXIT_FAILED;
        r = p2pd_client_get_pairs(s->client, s->rules, on_row, &p);
        if (r < 0) {
                session_tell_error(s, r, NULL, NULL);
                return EXIT_FAILED;
        }
        puts("#provider\tclient\tdistance\tmap\tpath");
        r = session_run_until(s, &p.done);
        /* The stream may still run and would call back with our frame gone. */
        session_close(s);
        text_clear(&p.buffer);
        return r < 0 || p.failed ? EXIT_FAILED : EXIT_OK;
}
