/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "text.h"

#define LABEL_WIDTH 14

static void print_line(const struct session *s, const char *label, const char *value)
{
        struct text safe = {0};

        text_add_safe(&safe, value, s->terminal.utf8);
        printf("%s%*s%s  %s\n", terminal_style(&s->terminal, STYLE_STRONG), LABEL_WIDTH, label,
               terminal_style(&s->terminal, STYLE_PLAIN), text_get(&safe));
        text_clear(&safe);
}

static void print_source(struct session *s, struct json_object *status)
{
        const char *source = field_string_or(status, "source", "?");
        const char *path = field_string(status, "source_path");
        struct text t = {0};

        text_add(&t, strcmp(source, "live") == 0    ? "this machine"
                     : strcmp(source, "root") == 0  ? "captured root "
                     : strcmp(source, "lspci") == 0 ? "lspci dump "
                                                    : source);
        text_add(&t, path ? path : "");
        print_line(s, "source", text_get(&t));
        text_clear(&t);
}

static void print_kernel(struct session *s, struct json_object *status)
{
        int has = field_truth(status, "kernel_has_p2pdma");
        struct text t = {0};

        text_addf(&t, "%s, %s", field_string_or(status, "kernel_release", "release unknown"),
                  has == 1   ? "with P2PDMA"
                  : has == 0 ? "without P2PDMA: no kernel driver can do peer-to-peer"
                             : "whether it has P2PDMA is unknown");
        print_line(s, "kernel", text_get(&t));
        text_reset(&t);
        text_addf(&t, "%s (%s)", field_string_or(status, "rules", "?"),
                  field_string_or(status, "rules_release", "?"));
        print_line(s, "rules", text_get(&t));
        text_clear(&t);
}

static void print_machine(struct session *s, struct json_object *status)
{
        struct json_object *bridges = field_array(status, "host_bridges");
        struct text t = {0};
        int64_t v;

        text_add(&t, field_string_or(status, "cpu_vendor", "vendor unknown"));
        if (field_int(status, "cpu_family", &v))
                text_addf(&t, ", family 0x%" PRIx64, (uint64_t)v);
        if (field_int(status, "cpu_model", &v))
                text_addf(&t, ", model 0x%" PRIx64, (uint64_t)v);
        print_line(s, "CPU", text_get(&t));
        print_line(s, "IOMMU", field_string_or(status, "iommu", "unknown"));
        text_reset(&t);
        text_addf(&t, "%" PRId64 ", of them %" PRId64 " endpoints, %" PRId64 " candidates",
                  field_int_or(status, "functions", 0), field_int_or(status, "endpoints", 0),
                  field_int_or(status, "candidates", 0));
        print_line(s, "functions", text_get(&t));
        text_reset(&t);
        for (size_t i = 0; i < array_length(bridges); i++)
                text_addf(&t, "%s%s", i ? ", " : "", array_string_at(bridges, i));
        print_line(s, "host bridges", text_get(&t));
        text_clear(&t);
}

/* The one thing that most often keeps answers from being known. */
static void print_acs(struct session *s, struct json_object *status)
{
        int64_t unknown = field_int_or(status, "acs_unknown", 0);
        struct text t = {0};

        if (unknown > 0)
                text_addf(&t, "unreadable on %" PRId64 " functions: pairs across them are unknown",
                          unknown);
        else
                text_add(&t, "read on every function that has it");
        print_line(s, "ACS", text_get(&t));
        text_clear(&t);
}

static void print_processes(struct session *s, struct json_object *status)
{
        struct json_object *processes = field_array(status, "processes");

        for (size_t i = 0; i < array_length(processes); i++) {
                struct json_object *p = array_at(processes, i);
                struct json_object *capabilities = field_array(p, "capabilities");
                struct text t = {0};

                text_addf(&t, "pid %" PRId64 "%s, ", field_int_or(p, "pid", 0),
                          field_truth(p, "alive") == 0 ? " (ended)" : "");
                if (array_length(capabilities) == 0)
                        text_add(&t, "no capabilities");
                for (size_t c = 0; c < array_length(capabilities); c++)
                        text_addf(&t, "%s%s", c ? " " : "", array_string_at(capabilities, c));
                print_line(s, field_string_or(p, "role", "process"), text_get(&t));
                text_clear(&t);
        }
}

static void print_scan(struct session *s, struct json_object *answer, struct json_object *status)
{
        const char *error = field_string(status, "scan_error");
        struct text t = {0};

        text_addf(&t, "%" PRId64 ", read ", field_int_or(answer, "generation", 0));
        text_add_time(&t, field_int_or(status, "scanned_usec", 0));
        text_addf(&t, " in %.1f ms",
                  (double)field_int_or(status, "scan_duration_usec", 0) / 1000.0);
        print_line(s, "generation", text_get(&t));
        if (error)
                print_line(s, "last scan", error);
        text_reset(&t);
        text_addf(&t, "%s, since ", field_string_or(status, "version", "?"));
        text_add_time(&t, field_int_or(status, "started_usec", 0));
        print_line(s, "p2pd", text_get(&t));
        text_clear(&t);
}

static void print_ids(struct session *s, struct json_object *status)
{
        const char *state = field_string(status, "state_path");
        const char *state_error = field_string(status, "state_error");
        int64_t without = field_int_or(status, "bars_without_id", 0);
        int64_t lost = field_int_or(status, "ids_lost", 0);
        struct text t = {0};

        text_addf(&t, "%" PRId64 " bits, %" PRId64 " used, %" PRId64 " retired",
                  field_int_or(status, "id_bits", 0), field_int_or(status, "ids_used", 0),
                  field_int_or(status, "ids_retired", 0));
        if (lost > 0)
                text_addf(&t, ", %" PRId64 " lost", lost);
        if (without > 0)
                text_addf(&t, "; %" PRId64 " BARs have none: all are used or held back", without);
        print_line(s, "BAR ids", text_get(&t));
        text_reset(&t);
        if (state)
                text_addf(&t, "kept in %s", state);
        else
                text_add(&t, "in memory only: lost with a restart");
        if (state_error)
                text_addf(&t, "; %s", state_error);
        print_line(s, "", text_get(&t));
        text_clear(&t);
}

static void print_table(struct session *s, struct json_object *status)
{
        int64_t bytes, generation, confirmed, pid;
        struct text t = {0};

        if (field_int(status, "table_bytes", &bytes) &&
            field_int(status, "table_generation", &generation)) {
                text_addf(&t, "generation %" PRId64 ", ", generation);
                text_add_size(&t, (unsigned long long)bytes);
                text_addf(&t, ", %" PRId64 " readers", field_int_or(status, "readers", 0));
                if (field_int(status, "oldest_confirmed", &confirmed)) {
                        text_addf(&t, ", who use nothing before generation %" PRId64, confirmed);
                        if (confirmed < generation && field_int(status, "oldest_reader_pid", &pid))
                                text_addf(&t, " (last: process %" PRId64 " of user %" PRId64 ")",
                                          pid, field_int_or(status, "oldest_reader_uid", -1));
                }
        } else {
                text_addf(&t, "none: %s", field_string_or(status, "table_error", "not made yet"));
        }
        print_line(s, "shared table", text_get(&t));
        text_clear(&t);
}

static void print_counters(struct session *s, struct json_object *status)
{
        struct json_object *c = field_object(status, "counters");
        struct text t = {0};

        text_addf(&t, "%" PRId64 " now, %" PRId64 " in all, %" PRId64 " closed over a limit",
                  field_int_or(c, "connections_now", 0), field_int_or(c, "connections", 0),
                  field_int_or(c, "over_limit", 0));
        print_line(s, "connections", text_get(&t));
        text_reset(&t);
        text_addf(&t, "%" PRId64 ", %" PRId64 " answered with an error",
                  field_int_or(c, "calls", 0), field_int_or(c, "errors", 0));
        print_line(s, "calls", text_get(&t));
        text_reset(&t);
        text_addf(&t,
                  "%" PRId64 " uevents, %" PRId64 " overruns, %" PRId64 " rescans, %" PRId64
                  " drifts",
                  field_int_or(c, "uevents", 0), field_int_or(c, "overruns", 0),
                  field_int_or(c, "rescans", 0), field_int_or(c, "drifts", 0));
        print_line(s, "changes", text_get(&t));
        if (field_int_or(c, "verifications_now", 0) > 0) {
                text_reset(&t);
                text_addf(&t, "%" PRId64 " pairs, by real transfers",
                          field_int_or(c, "verifications_now", 0));
                print_line(s, "verified", text_get(&t));
        }
        text_clear(&t);
}

static void print_unknowns(struct session *s, struct json_object *status)
{
        struct json_object *unknowns = field_array(status, "unknowns");
        struct text t = {0};

        for (size_t i = 0; i < array_length(unknowns); i++) {
                struct json_object *u = array_at(unknowns, i);

                text_addf(&t, "%s%s (%s)", i ? ", " : "", field_string_or(u, "fact", "?"),
                          field_string_or(u, "why", "?"));
        }
        if (t.length > 0)
                print_line(s, "unknown", text_get(&t));
        text_clear(&t);
}

static void print_warnings(struct session *s, struct json_object *status)
{
        struct json_object *warnings = field_array(status, "warnings");
        int64_t dropped = field_int_or(status, "warnings_dropped", 0);

        for (size_t i = 0; i < array_length(warnings); i++) {
                struct json_object *w = array_at(warnings, i);
                const char *address = field_string(w, "address");
                struct text t = {0};

                text_addf(&t, "%s%s%s", address ? address : "", address ? ": " : "",
                          field_string_or(w, "text", "?"));
                print_line(s, i == 0 ? "warnings" : "", text_get(&t));
                text_clear(&t);
        }
        if (dropped > 0)
                printf("%*s  and %" PRId64 " more\n", LABEL_WIDTH, "", dropped);
}

static int show(struct session *s, struct json_object *answer)
{
        struct json_object *status = field_object(answer, "status");

        print_scan(s, answer, status);
        print_source(s, status);
        print_kernel(s, status);
        print_machine(s, status);
        print_acs(s, status);
        print_ids(s, status);
        print_table(s, status);
        print_processes(s, status);
        print_counters(s, status);
        print_unknowns(s, status);
        print_warnings(s, status);
        return EXIT_OK;
}

int command_status(struct session *s, int n, char **arguments)
{
        (void)n;
        (void)arguments;
        return session_show(s, "io.p2pd.GetStatus", NULL, show);
}
