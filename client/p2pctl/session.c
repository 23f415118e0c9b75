/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fields.h"
#include "offline.h"
#include "refusal-bars.h"
#include "refusal-place.h"
#include "text.h"

#define ANSWER_MSEC 120000
#define REAP_MSEC 5000
#define CONNECT_TRIES 50

static const char *socket_path(const struct session *s)
{
        return s->socket_path ? s->socket_path : P2PD_DEFAULT_PATH;
}

static int connect_private(struct session *s)
{
        int fd, r;

        r = offline_start(s->root ? "--root" : "--lspci", s->root ? s->root : s->lspci, &fd,
                          &s->daemon_pid);
        if (r < 0)
                return r;
        r = p2pd_client_new_fd(fd, &s->client);
        if (r < 0) {
                close(fd);
                fprintf(stderr, "p2pctl: %s\n", strerror(-r));
        }
        return r;
}

int session_connect(struct session *s)
{
        int r = -EAGAIN;

        if (s->client)
                return 0;
        if (s->root || s->lspci)
                return connect_private(s);
        /* A full queue of connections empties within moments. */
        for (int i = 0; i < CONNECT_TRIES && r == -EAGAIN; i++) {
                if (i > 0)
                        poll(NULL, 0, 20);
                r = p2pd_client_new_path(socket_path(s), &s->client);
        }
        if (r >= 0)
                return 0;
        fprintf(stderr, "p2pctl: no p2pd answers at %s: %s\n", socket_path(s), strerror(-r));
        if (r == -ENOENT || r == -ECONNREFUSED)
                fputs("Start it with `systemctl start p2pd`. Without it: `p2pctl capture DIR` as "
                      "root,"
                      " then `p2pctl --root DIR ...`\n",
                      stderr);
        return r;
}

void session_close(struct session *s)
{
        s->client = p2pd_client_free(s->client);
        if (s->daemon_pid > 0)
                offline_reap(s->daemon_pid, REAP_MSEC);
        s->daemon_pid = 0;
}

struct json_object *session_parameters(const struct session *s)
{
        struct json_object *o = must_have(json_object_new_object());

        if (s->rules != P2PD_RULES_DEFAULT)
                json_object_object_add(o, "rules",
                                       json_object_new_string(s->rules == P2PD_RULES_NEWEST
                                                                      ? "newest"
                                                                      : "running"));
        return o;
}

struct json_object *json_strings(int n, char *const *strings)
{
        struct json_object *array = must_have(json_object_new_array());

        for (int i = 0; i < n; i++)
                json_object_array_add(array, must_have(json_object_new_string(strings[i])));
        return array;
}

/* The private daemon has closed the connection: says why. */
static void tell_private_end(struct session *s)
{
        int status = offline_reap(s->daemon_pid, REAP_MSEC);
        const char *source = s->root ? s->root : s->lspci;
        struct text t = {0};

        s->daemon_pid = 0;
        text_add_safe(&t, source, s->terminal.utf8);
        if (WIFSIGNALED(status))
                fprintf(stderr, "p2pctl: p2pd, started to read %s, was killed by signal %d (%s)\n",
                        text_get(&t), WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
                fprintf(stderr,
                        "p2pctl: p2pd could not read %s and ended with status %d;"
                        " what it said stands above\n",
                        text_get(&t), WEXITSTATUS(status));
        text_clear(&t);
}

/* The daemon's own errors, by name. False if the name is not one we know. */
static bool describe_refusal(const char *name, struct json_object *p, struct text *t)
{
        const char *function = field_string_or(p, "function", "?");

        if (strcmp(name, "io.p2pd.FunctionNotFound") == 0) {
                text_addf(t,
                          "no PCI function here has the address or name '%s'\n"
                          "`p2pctl list --all` shows those there are.",
                          function);
        } else if (strcmp(name, "io.p2pd.FunctionAmbiguous") == 0) {
                struct json_object *candidates = field_array(p, "candidates");

                text_addf(t, "'%s' names several functions; use the address:", function);
                for (size_t i = 0; i < array_length(candidates); i++)
                        text_addf(t, " %s", array_string_at(candidates, i));
        } else if (strcmp(name, "io.p2pd.RangeInvalid") == 0) {
                text_addf(t, "the range %s + %s is empty or passes the top of the address space",
                          field_string_or(p, "address", "?"),
                          field_string_or(p, "length_bytes", "?"));
        } else if (strcmp(name, "io.p2pd.TooMuch") == 0) {
                text_addf(t,
                          "the answer would have %lld entries, and one reply holds %lld:"
                          " ask for fewer functions, or use `p2pctl pairs`",
                          (long long)field_int_or(p, "entries", 0),
                          (long long)field_int_or(p, "limit", 0));
        } else if (strcmp(name, "io.p2pd.ScanFailed") == 0) {
                text_addf(t,
                          "p2pd could not read the machine again (%s);"
                          " it goes on answering from before",
                          field_string_or(p, "reason", "no reason given"));
        } else if (strcmp(name, "org.varlink.service.PermissionDenied") == 0) {
                text_add(t, "p2pd refused: this is for root and members of the group p2pd");
        } else if (strcmp(name, "org.varlink.service.InvalidParameter") == 0) {
                text_addf(t, "p2pd does not accept the value of '%s'",
                          field_string_or(p, "parameter", "?"));
                add_parameter_hint(field_string_or(p, "parameter", "?"), t);
        } else if (strcmp(name, "org.varlink.service.MethodNotFound") == 0) {
                text_addf(t, "this p2pd does not know %s: is it older than p2pctl?",
                          field_string_or(p, "method", "the method"));
        } else {
                return describe_bar_refusal(name, p, t) || describe_place_refusal(name, p, t);
        }
        return true;
}

void session_tell_error(struct session *s, int error, const char *error_name,
                        const char *parameters)
{
        struct json_object *p = parameters ? json_tokener_parse(parameters) : NULL;
        struct text t = {0};

        if (error_name) {
                if (!describe_refusal(error_name, p, &t))
                        text_addf(&t, "p2pd answered with the error %s", error_name);
        } else if (error == -ECONNRESET && s->daemon_pid > 0) {
                tell_private_end(s);
        } else if (error == -ECONNRESET) {
                text_add(&t, "p2pd closed the connection: it was restarted, or has too many"
                             " connections; try again");
        } else if (error == -ETIMEDOUT) {
                text_addf(&t, "p2pd did not answer within %d seconds", ANSWER_MSEC / 1000);
        } else if (error == -EBADMSG) {
                text_add(&t, "what answers there is no p2pd: its reply cannot be read");
        } else {
                text_addf(&t, "asking p2pd failed: %s", strerror(-error));
        }
        if (t.length > 0) {
                /* Line by line, so that only our own line breaks are ones. */
                struct text safe = {0};
                char *line, *rest = t.data;
                bool first = true;

                while ((line = strsep(&rest, "\n"))) {
                        text_add(&safe, first ? "p2pctl: " : "");
                        text_add_safe(&safe, line, s->terminal.utf8);
                        text_add(&safe, "\n");
                        first = false;
                }
                fputs(text_get(&safe), stderr);
                text_clear(&safe);
        }
        text_clear(&t);
        json_object_put(p);
}

static struct json_object *parse_parameters(const struct p2pd_reply *reply)
{
        return json_tokener_parse(p2pd_reply_get_parameters(reply, NULL));
}

int session_ask(struct session *s, const char *method, struct json_object *parameters,
                struct json_object **ret)
{
        struct p2pd_reply *reply = NULL;
        struct json_object *answer;
        int r;

        r = session_connect(s);
        if (r < 0) {
                json_object_put(parameters);
                return r;
        }
        r = p2pd_client_call_wait(s->client, method,
                                  parameters ? json_object_to_json_string(parameters) : NULL,
                                  ANSWER_MSEC, &reply);
        json_object_put(parameters);
        if (r < 0) {
                session_tell_error(s, r, NULL, NULL);
                return r;
        }
        r = p2pd_reply_get_errno(reply);
        answer = parse_parameters(reply);
        if (r == 0 && !answer)
                r = -EBADMSG;
        if (r < 0) {
                session_tell_error(s, r, p2pd_reply_get_error_name(reply),
                                   p2pd_reply_get_parameters(reply, NULL));
                json_object_put(answer);
                p2pd_reply_free(reply);
                return r;
        }
        p2pd_reply_free(reply);
        *ret = answer;
        return 0;
}

struct stream {
        struct session *session;
        session_part_fn on_part;
        void *userdata;
        bool done;
        int error;
};

static void on_stream_reply(struct p2pd_client *client, const struct p2pd_reply *reply,
                            void *userdata)
{
        struct stream *stream = userdata;
        struct json_object *part;

        (void)client;
        if (stream->done)
                return;
        stream->error = p2pd_reply_get_errno(reply);
        if (stream->error < 0) {
                if (stream->error != -ECANCELED)
                        session_tell_error(stream->session, stream->error,
                                           p2pd_reply_get_error_name(reply),
                                           p2pd_reply_get_parameters(reply, NULL));
                stream->done = true;
                return;
        }
        part = parse_parameters(reply);
        stream->done = !stream->on_part(stream->session, part, stream->userdata) ||
                       !p2pd_reply_continues(reply);
        json_object_put(part);
}

int session_run_until(struct session *s, const bool *done)
{
        while (!*done) {
                struct pollfd p = {p2pd_client_get_fd(s->client), p2pd_client_get_events(s->client),
                                   0};
                int r;

                /* Nothing to read: what was printed shall be seen now. */
                if (poll(&p, 1, 0) == 0)
                        fflush(stdout);
                if (poll(&p, 1, -1) < 0 && errno != EINTR) {
                        r = -errno;
                        session_tell_error(s, r, NULL, NULL);
                        return r;
                }
                r = p2pd_client_process(s->client);
                /* The callback was told and has told the user. */
                if (r < 0)
                        return *done ? 0 : r;
        }
        return 0;
}

int session_stream(struct session *s, const char *method, struct json_object *parameters,
                   session_part_fn on_part, void *userdata)
{
        struct stream stream = {s, on_part, userdata, false, 0};
        int r;

        r = session_connect(s);
        if (r < 0) {
                json_object_put(parameters);
                return r;
        }
        r = p2pd_client_call(s->client, method,
                             parameters ? json_object_to_json_string(parameters) : NULL,
                             P2PD_CALL_MORE, on_stream_reply, &stream);
        json_object_put(parameters);
        if (r < 0) {
                session_tell_error(s, r, NULL, NULL);
                return r;
        }
        r = session_run_until(s, &stream.done);
        if (r < 0)
                return r;
        /* An ended stream may still be running: the connection cannot be used for more. */
        if (p2pd_client_get_pending(s->client) > 0)
                session_close(s);
        return stream.error;
}

/* What a terminal must not get raw stands only inside strings, where JSON has an escape for it. */
static void print_json_for_terminal(const char *json)
{
        for (const unsigned char *c = (const unsigned char *)json; *c; c++) {
                bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
                bool format = c[0] == 0xe2 && ((c[1] == 0x80 && c[2] >= 0x8b) || c[1] == 0x81);

                if (c1) {
                        printf("\\u%04x", c[1]);
                        c++;
                } else if (format && (c[2] & 0xc0) == 0x80) {
                        printf("\\u%04x", 0x2000U | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU));
                        c += 2;
                } else if (*c == 0x7f) {
                        fputs("\\u007f", stdout);
                } else {
                        putchar(*c);
                }
        }
        putchar('\n');
}

void session_print_json(const struct session *s, struct json_object *object)
{
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

        if (!s->terminal.is_terminal) {
                puts(json_object_to_json_string_ext(object, flags | JSON_C_TO_STRING_PLAIN));
                return;
        }
        flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        print_json_for_terminal(json_object_to_json_string_ext(object, flags));
}

int session_show(struct session *s, const char *method, struct json_object *parameters,
                 session_show_fn show)
{
        struct json_object *answer;
        int r;

        if (session_ask(s, method, parameters, &answer) < 0)
                return EXIT_FAILED;
        if (s->json) {
                session_print_json(s, answer);
                r = EXIT_OK;
        } else {
                r = show(s, answer);
        }
        json_object_put(answer);
        return r;
}
