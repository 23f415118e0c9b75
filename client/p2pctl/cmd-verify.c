/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "text.h"
#include "transfer-ends.h"
#include "transfer.h"

/* verify: one real transfer, what came of it, and the daemon told. */

#define METHOD "nvme-read"
/* As much of it as the protocol takes. */
#define DETAIL_BYTES_MAX 255U

struct verify {
        const char *from;
        struct json_object *functions; /* as the daemon lists them: provider, client */
        struct transfer_report report;
        char disk[64];
        struct text why;                  /* not possible: because */
        struct text detail;               /* what the daemon keeps */
        struct json_object *verification; /* as the daemon keeps it, or NULL */
};

static const char *address_of(const struct verify *v, size_t i)
{
        return field_string_or(array_at(v->functions, i), "address", "?");
}

/* Asks the daemon which two functions are meant. 0, or negative after the user was told. */
static int ask_functions(struct session *s, char **arguments, struct verify *v)
{
        struct json_object *parameters = must_have(json_object_new_object()), *answer;
        int r;

        json_object_object_add(parameters, "functions", json_strings(2, arguments));
        r = session_ask(s, "io.p2pd.ListFunctions", parameters, &answer);
        if (r < 0)
                return r;
        v->functions = json_object_get(field_array(answer, "functions"));
        json_object_put(answer);
        if (array_length(v->functions) == 2)
                return 0;
        session_tell_error(s, -EBADMSG, NULL, NULL);
        return -EBADMSG;
}

/* Another machine's addresses would name other devices here. */
static int check_source(struct session *s, struct verify *v)
{
        struct json_object *answer;
        bool live;
        int r;

        if (strcmp(v->from, "/") != 0)
                return 0;
        r = session_ask(s, "io.p2pd.GetStatus", NULL, &answer);
        if (r < 0)
                return r;
        live = strcmp(field_string_or(field_object(answer, "status"), "source", "?"), "live") == 0;
        json_object_put(answer);
        if (!live)
                text_add(&v->why, "this p2pd answers for a captured machine, not for this one");
        return 0;
}

static void make_transfer(struct verify *v)
{
        struct transfer_ends ends = TRANSFER_ENDS_NONE;

        v->report.result = TRANSFER_NOT_POSSIBLE;
        if (v->why.length == 0 &&
            transfer_ends_open(&ends, v->from, address_of(v, 0), address_of(v, 1), &v->why) == 0) {
                const struct transfer transfer = {
                        .disk_fd = ends.disk_fd,
                        .disk_bytes = ends.disk_bytes,
                        .block_bytes = ends.block_bytes,
                        .memory = ends.memory,
                        .memory_bytes = ends.memory_bytes,
                };

                snprintf(v->disk, sizeof(v->disk), "%s", ends.disk);
                transfer_run(&transfer, &v->report);
        }
        transfer_ends_close(&ends);
}

static void add_error(struct text *t, int error)
{
        const char *name = strerrorname_np(error), *words = strerrordesc_np(error);

        text_addf(t, "%s (%s)", words ? words : "unknown error", name ? name : "?");
}

/* In words, without the names of the two. */
static void describe_report(struct verify *v)
{
        const struct transfer_report *r = &v->report;
        struct text *t = &v->detail;

        if (r->result == TRANSFER_NOT_POSSIBLE) {
                if (v->why.length > 0)
                        return;
                text_add(&v->why, r->problem ? r->problem : "?");
                if (r->error) {
                        text_add(&v->why, ": ");
                        add_error(&v->why, r->error);
                }
                return;
        }
        if (r->error) {
                text_addf(t, "%s, a read of %zu bytes: ", v->disk, r->read_bytes);
                add_error(t, r->error);
                return;
        }
        text_addf(t, "%s, %u reads of %zu bytes", v->disk, r->n_reads, r->read_bytes);
        if (r->result == TRANSFER_ARRIVED && r->uniform)
                text_add(t, ", all of one byte value");
        else if (r->result == TRANSFER_WRONG_DATA)
                text_addf(t, ", at byte %" PRIu64 " of the disk %zu wrong, %zu of them untouched",
                          r->offset, r->n_wrong, r->n_untouched);
}

/* What cannot be told to the daemon does not change what was seen. */
static void tell_daemon(struct session *s, struct verify *v)
{
        struct json_object *parameters, *answer;
        const char *result = transfer_result_to_string(v->report.result);
        const size_t detail_bytes =
                v->detail.length < DETAIL_BYTES_MAX ? v->detail.length : DETAIL_BYTES_MAX;

        if (v->report.result == TRANSFER_NOT_POSSIBLE)
                return;
        if (v->report.result == TRANSFER_WRONG_DATA)
                result = "wrong_data";
        parameters = must_have(json_object_new_object());
        json_object_object_add(parameters, "provider", json_object_new_string(address_of(v, 0)));
        json_object_object_add(parameters, "client", json_object_new_string(address_of(v, 1)));
        json_object_object_add(parameters, "result", json_object_new_string(result));
        json_object_object_add(parameters, "method", json_object_new_string(METHOD));
        json_object_object_add(parameters, "detail",
                               json_object_new_string_len(text_get(&v->detail), (int)detail_bytes));
        if (session_ask(s, "io.p2pd.ReportVerification", parameters, &answer) < 0) {
                fputs("p2pctl: p2pd does not know of this verification\n", stderr);
                return;
        }
        v->verification = json_object_get(field_object(answer, "verification"));
        json_object_put(answer);
}

static void add_string(struct json_object *o, const char *name, const char *value)
{
        json_object_object_add(o, name,
                               value && *value ? must_have(json_object_new_string(value)) : NULL);
}

static void print_json(const struct session *s, const struct verify *v)
{
        const struct transfer_report *r = &v->report;
        struct json_object *o = must_have(json_object_new_object());

        add_string(o, "provider", address_of(v, 0));
        add_string(o, "client", address_of(v, 1));
        add_string(o, "result", transfer_result_to_string(r->result));
        add_string(o, "why", text_get(&v->why));
        add_string(o, "method", METHOD);
        add_string(o, "direction", "client-writes-to-provider");
        add_string(o, "detail", text_get(&v->detail));
        add_string(o, "error", r->error ? strerrorname_np(r->error) : NULL);
        add_string(o, "disk", v->disk);
        json_object_object_add(o, "reads", json_object_new_int64(r->n_reads));
        json_object_object_add(o, "read_bytes", json_object_new_int64((int64_t)r->read_bytes));
        json_object_object_add(o, "uniform", json_object_new_boolean(r->uniform));
        json_object_object_add(o, "wrong_bytes", json_object_new_int64((int64_t)r->n_wrong));
        json_object_object_add(o, "untouched_bytes",
                               json_object_new_int64((int64_t)r->n_untouched));
        json_object_object_add(o, "verification", json_object_get(v->verification));
        session_print_json(s, o);
        json_object_put(o);
}

static void print_line(const struct session *s, const char *label, const char *value)
{
        struct text safe = {0}, wrapped = {0};

        text_add_safe(&safe, value, s->terminal.utf8);
        terminal_add_wrapped(&s->terminal, &wrapped, 10, 10, text_get(&safe));
        printf("%-8s  %s\n", label, text_get(&wrapped));
        text_clear(&safe);
        text_clear(&wrapped);
}

static void print_function(const struct session *s, const struct verify *v, size_t i)
{
        struct json_object *names = field_array(array_at(v->functions, i), "names");
        struct text t = {0};

        text_add(&t, address_of(v, i));
        if (array_length(names) > 0) {
                text_add(&t, " (");
                describe_names(&s->terminal, &t, names, 2);
                text_add(&t, ")");
        }
        print_line(s, i == 0 ? "provider" : "client", text_get(&t));
        text_clear(&t);
}

static void print_agreement(const struct session *s, const struct verify *v)
{
        const char *map = field_string_or(v->verification, "map_then", "unknown");
        const int agrees = field_truth(v->verification, "agrees");

        if (!v->verification)
                return;
        printf("verdict   %s: %s%s%s\n", strcmp(map, "host_bridge") == 0 ? "host-bridge" : map,
               terminal_style(&s->terminal, agrees == 1   ? STYLE_GOOD
                                            : agrees == 0 ? STYLE_BAD
                                                          : STYLE_UNKNOWN),
               agrees == 1   ? "agrees"
               : agrees == 0 ? "DISAGREES"
                             : "neither confirmed nor contradicted",
               terminal_style(&s->terminal, STYLE_PLAIN));
}

static void print_text(const struct session *s, const struct verify *v)
{
        static const enum style styles[TRANSFER_RESULT_MAX] = {
                [TRANSFER_ARRIVED] = STYLE_GOOD,         [TRANSFER_WRONG_DATA] = STYLE_BAD,
                [TRANSFER_REFUSED] = STYLE_BAD,          [TRANSFER_FAILED] = STYLE_BAD,
                [TRANSFER_NOT_POSSIBLE] = STYLE_UNKNOWN,
        };
        const enum transfer_result result = v->report.result;

        print_function(s, v, 0);
        print_function(s, v, 1);
        print_line(s, "method",
                   METHOD ": the client reads its own disk into the provider's memory");
        printf("result    %s%s%s\n", terminal_style(&s->terminal, styles[result]),
               transfer_result_to_string(result), terminal_style(&s->terminal, STYLE_PLAIN));
        print_line(s, result == TRANSFER_NOT_POSSIBLE ? "because" : "seen",
                   text_get(result == TRANSFER_NOT_POSSIBLE ? &v->why : &v->detail));
        print_agreement(s, v);
        if (result != TRANSFER_NOT_POSSIBLE)
                print_line(s, "note",
                           "this shows how the client writes to the provider; that it reads from "
                           "there is not shown by it");
        if (!field_is_true(v->verification, "alarming"))
                return;
        fflush(stdout);
        fputs(result == TRANSFER_WRONG_DATA
                      ? "p2pctl: WARNING: data was corrupted, and nothing complained. Do not use "
                        "this pair.\n"
                      : "p2pctl: WARNING: the verdict on this pair and what really happens "
                        "disagree; `p2pctl why` says more.\n",
              stderr);
}

static int exit_code(enum transfer_result result)
{
        if (result == TRANSFER_NOT_POSSIBLE)
                return EXIT_UNKNOWN;
        return result == TRANSFER_ARRIVED ? EXIT_OK : EXIT_FAILED;
}

int command_verify(struct session *s, int n, char **arguments)
{
        struct verify v = {.from = s->from ? s->from : "/"};
        int r = EXIT_UNKNOWN;

        (void)n;
        if (s->root || s->lspci) {
                fputs("p2pctl: verify makes a transfer on this machine: it takes no --root or "
                      "--lspci\n",
                      stderr);
                return EXIT_USAGE;
        }
        if (ask_functions(s, arguments, &v) == 0 && check_source(s, &v) == 0) {
                make_transfer(&v);
                describe_report(&v);
                tell_daemon(s, &v);
                if (s->json)
                        print_json(s, &v);
                else
                        print_text(s, &v);
                r = exit_code(v.report.result);
        }
        json_object_put(v.functions);
        json_object_put(v.verification);
        text_clear(&v.why);
        text_clear(&v.detail);
        return r;
}
