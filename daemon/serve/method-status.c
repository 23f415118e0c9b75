/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "serve/call.h"
#include "serve/capability-name.h"
#include "serve/methods.h"
#include "serve/reply-types.h"
#include "serve/server-private.h"
#include "verification.h"

/* How many contradicted verdicts one answer names; all are counted. */
#define ALARMS_MAX 64U

static void write_process(struct p2pd_writer *w, const char *role, int pid, bool alive,
                          uint64_t capabilities)
{
        char name[P2PD_CAPABILITY_NAME_MAX];

        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "role", role);
        p2pd_write_uint_field(w, "pid", pid > 0 ? (uint64_t)pid : 0);
        p2pd_write_bool_field(w, "alive", alive);
        p2pd_write_key(w, "capabilities");
        p2pd_write_open_array(w);
        for (unsigned i = 0; i < 64; i++)
                if (capabilities >> i & 1)
                        p2pd_write_string(w, p2pd_capability_name(i, name));
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

static void write_processes(struct p2pd_writer *w, const struct p2pd_status *status)
{
        p2pd_write_key(w, "processes");
        p2pd_write_open_array(w);
        write_process(w, "serve", getpid(), true, status->capabilities);
        if (status->has_reader)
                write_process(w, "config-reader", status->reader_pid, status->reader_alive,
                              status->reader_capabilities);
        p2pd_write_close_array(w);
}

static void write_counters(struct p2pd_writer *w, const struct p2pd_server *s)
{
        p2pd_write_key(w, "counters");
        p2pd_write_open_object(w);
        p2pd_write_uint_field(w, "connections", s->counters.connections);
        p2pd_write_uint_field(w, "connections_now", s->n_connections);
        p2pd_write_uint_field(w, "calls", s->counters.calls);
        p2pd_write_uint_field(w, "errors", s->counters.errors);
        p2pd_write_uint_field(w, "malformed", s->counters.malformed);
        p2pd_write_uint_field(w, "over_limit", s->counters.over_limit);
        p2pd_write_uint_field(w, "rescans", s->status->n_rescans);
        p2pd_write_uint_field(w, "uevents", s->status->n_uevents);
        p2pd_write_uint_field(w, "overruns", s->status->n_overruns);
        p2pd_write_uint_field(w, "drifts", s->status->n_drifts);
        p2pd_write_uint_field(w, "verifications_now", p2pd_verifications_n(s->verifications));
        p2pd_write_uint_field(w, "verifications_dropped",
                              p2pd_verifications_dropped(s->verifications));
        p2pd_write_close_object(w);
}

/* First of all: a verdict that the hardware contradicts. Returns how many there was no room for. */
static uint32_t write_alarms(struct p2pd_writer *w, const struct p2pd_verifications *verifications)
{
        char text[P2PD_VERIFICATION_TEXT_MAX];
        uint32_t n = 0;

        for (uint32_t i = 0; i < p2pd_verifications_n(verifications); i++) {
                const struct p2pd_verification *v = p2pd_verifications_get(verifications, i);

                if (!p2pd_verification_is_alarming(v) || n++ >= ALARMS_MAX)
                        continue;
                p2pd_write_open_object(w);
                p2pd_write_address_field(w, "address", v->provider);
                p2pd_write_string_field(w, "text", p2pd_verification_format(v, text, sizeof(text)));
                p2pd_write_close_object(w);
        }
        return n > ALARMS_MAX ? n - ALARMS_MAX : 0;
}

static void write_warning(struct p2pd_writer *w, const char *text)
{
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "text", text);
        p2pd_write_close_object(w);
}

/* What keeps BARs from having ids, and what was lost of them. */
static void write_id_warnings(struct p2pd_writer *w, const struct p2pd_status *status)
{
        char text[192];

        if (status->n_bars_without_id > 0) {
                (void)snprintf(text, sizeof(text),
                               "bar ids: %" PRIu32 " BARs have none, all of %u bits are used or "
                               "held back (%" PRIu32 " used, %" PRIu32 " retired, %" PRIu32
                               " lost): see --id-bits",
                               status->n_bars_without_id, status->id_bits, status->n_ids_used,
                               status->n_ids_retired, status->n_ids_lost);
                write_warning(w, text);
        }
        if (status->state_error) {
                (void)snprintf(text, sizeof(text),
                               "state: %s: BAR ids not in it are not shown, nor leases given",
                               status->state_error);
                write_warning(w, text);
        }
        if (status->table_error) {
                (void)snprintf(text, sizeof(text), "shared table: %s: its readers have to ask",
                               status->table_error);
                write_warning(w, text);
        }
        for (size_t i = 0; i < P2PD_STATE_REPORTS_MAX && status->state_warnings[i]; i++)
                write_warning(w, status->state_warnings[i]);
}

static void write_warnings(struct p2pd_writer *w, const struct p2pd_server *s,
                           const struct p2p_machine *m)
{
        uint32_t n_dropped;

        p2pd_write_key(w, "warnings");
        p2pd_write_open_array(w);
        n_dropped = write_alarms(w, s->verifications);
        write_id_warnings(w, s->status);
        for (uint32_t i = 0; i < m->n_warnings; i++) {
                p2pd_write_open_object(w);
                if (m->warnings[i].has_address)
                        p2pd_write_address_field(w, "address", m->warnings[i].address);
                p2pd_write_string_field(w, "text", m->warnings[i].text);
                p2pd_write_close_object(w);
        }
        p2pd_write_close_array(w);
        p2pd_write_uint_field(w, "warnings_dropped", (uint64_t)m->n_warnings_dropped + n_dropped);
}

static void write_ids(struct p2pd_writer *w, const struct p2pd_server *s)
{
        const struct p2pd_leases *leases = p2pd_lease_keeper_table(s->leases);
        const struct p2pd_status *status = s->status;
        const struct p2pd_reader *oldest = p2pd_readers_oldest(&s->readers);

        p2pd_write_uint_field(w, "id_bits", status->id_bits);
        p2pd_write_uint_field(w, "ids_used", status->n_ids_used);
        p2pd_write_uint_field(w, "ids_retired", status->n_ids_retired);
        p2pd_write_uint_field(w, "ids_lost", status->n_ids_lost);
        p2pd_write_uint_field(w, "bars_without_id", status->n_bars_without_id);
        p2pd_write_uint_field(w, "leases", p2pd_leases_n(leases));
        p2pd_write_uint_field(w, "leased_devices", p2pd_leases_n_devices(leases));
        p2pd_write_uint_field(w, "readers", s->readers.n - s->lost_reader.attached);
        if (oldest) {
                p2pd_write_uint_field(w, "oldest_confirmed", oldest->confirmed);
                p2pd_write_uint_field(w, "oldest_reader_uid", oldest->uid);
                p2pd_write_uint_field(w, "oldest_reader_pid", (uint64_t)oldest->pid);
        }
        if (s->table_descriptor) {
                p2pd_write_uint_field(w, "table_generation", s->table.generation);
                p2pd_write_uint_field(w, "table_bytes", s->table.size_bytes);
        }
        p2pd_write_optional_string_field(w, "table_error", status->table_error);
        p2pd_write_optional_string_field(w, "state_path", status->state_path);
        p2pd_write_optional_string_field(w, "state_error", status->state_error);
}

static void write_unknowns(struct p2pd_writer *w, const struct p2p_machine *m)
{
        p2pd_write_key(w, "unknowns");
        p2pd_write_open_array(w);
        p2pd_write_unknown(w, "kernel_release", m->kernel_why);
        p2pd_write_unknown(w, "kernel_has_p2pdma", m->kernel_has_p2pdma.why);
        p2pd_write_unknown(w, "cpu_vendor", m->cpu_why);
        p2pd_write_unknown(w, "cpu_family", m->cpu_family.why);
        p2pd_write_unknown(w, "cpu_model", m->cpu_model.why);
        p2pd_write_unknown(w, "numa_nodes", m->numa_nodes.why);
        p2pd_write_close_array(w);
}

static void write_rules(struct p2pd_writer *w, const struct p2pd_call *call)
{
        const struct p2pd_status *status = call->server->status;
        const struct p2p_rules *rules = p2p_verdicts_rules(call->snapshot->verdicts[status->rules]);
        char release[P2PD_RULES_RELEASE_MAX];

        p2pd_write_string_field(w, "rules", p2p_rules_choice_to_string(status->rules));
        p2pd_write_string_field(w, "rules_release", p2pd_rules_release(rules, release));
}

static void write_machine(struct p2pd_writer *w, const struct p2p_machine *m)
{
        char root[P2PD_ROOT_NAME_MAX];

        p2pd_write_optional_string_field(w, "kernel_release", m->kernel_release);
        p2pd_write_bool_fact(w, "kernel_has_p2pdma", m->kernel_has_p2pdma);
        p2pd_write_optional_string_field(w, "cpu_vendor", m->cpu_vendor_text);
        p2pd_write_int_fact(w, "cpu_family", m->cpu_family);
        p2pd_write_int_fact(w, "cpu_model", m->cpu_model);
        p2pd_write_optional_string_field(w, "iommu", m->iommu_kind);
        p2pd_write_uint_field(w, "functions", m->n_functions);
        p2pd_write_key(w, "host_bridges");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < m->n_roots; i++)
                p2pd_write_string(w, p2pd_root_name(&m->roots[i], root));
        p2pd_write_close_array(w);
}

static void write_scan(struct p2pd_writer *w, const struct p2pd_call *call)
{
        const struct p2pd_status *status = call->server->status;

        p2pd_write_string_field(w, "version", P2PD_VERSION);
        p2pd_write_string_field(w, "source",
                                p2p_source_kind_to_string(call->snapshot->machine->source));
        p2pd_write_optional_string_field(w, "source_path", status->source_path);
        p2pd_write_uint_field(w, "started_usec", status->started_usec);
        p2pd_write_uint_field(w, "scanned_usec", call->snapshot->scanned_usec);
        p2pd_write_uint_field(w, "scan_duration_usec", status->last_scan_duration_usec);
        p2pd_write_optional_string_field(w, "scan_error", status->last_scan_error);
}

int p2pd_method_get_status(struct p2pd_call *call)
{
        const struct p2pd_function_index *index = p2pd_server_index(call->server);
        const struct p2pd_snapshot *snapshot = call->snapshot;
        struct p2pd_writer *w = call->writer;
        int r;

        if (!index)
                return -ENOMEM;
        r = p2pd_call_parameters(call, NULL, 0, NULL);
        if (r != 0)
                return r;
        p2pd_reply_begin(w);
        p2pd_write_uint_field(w, "generation", snapshot->generation);
        p2pd_write_key(w, "status");
        p2pd_write_open_object(w);
        write_scan(w, call);
        write_rules(w, call);
        write_machine(w, snapshot->machine);
        p2pd_write_uint_field(w, "endpoints", p2pd_function_index_endpoints(index).n);
        p2pd_write_uint_field(w, "candidates", p2pd_function_index_shown(index).n);
        p2pd_write_uint_field(w, "acs_unknown", p2pd_function_index_acs_unknown(index));
        p2pd_write_uint_field(
                w, "classes",
                p2p_verdicts_n_classes(snapshot->verdicts[call->server->status->rules]));
        write_ids(w, call->server);
        write_processes(w, call->server->status);
        write_counters(w, call->server);
        write_warnings(w, call->server, snapshot->machine);
        write_unknowns(w, snapshot->machine);
        p2pd_write_close_object(w);
        p2pd_reply_end(w, false);
        return 0;
}
