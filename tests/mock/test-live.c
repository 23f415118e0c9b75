/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon in live mode on hardware that is built, plugged, changed and unplugged here. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock-daemon.h"
#include "mock-pci.h"

#define EVENT_MSEC 30000
#define SETTLE "--settle-msec", "100"

#define FIRST "0000:03:00.0"
#define SECOND "0000:04:00.0"
#define THIRD "0000:05:00.0"
#define PORT "0000:02:00.0"

struct world {
        struct mock_pci *pci;
        struct mock_daemon *daemon;
        int monitor_fd;
};

/* One switch with two NVMe and a free slot. */
static void build(struct mock_pci *pci)
{
        mock_pci_root_port(pci, "0000:00:01.0", "pci0000:00");
        mock_pci_upstream_port(pci, "0000:01:00.0", "0000:00:01.0");
        mock_pci_downstream_port(pci, PORT, "0000:01:00.0");
        mock_pci_downstream_port(pci, "0000:02:01.0", "0000:01:00.0");
        mock_pci_downstream_port(pci, "0000:02:02.0", "0000:01:00.0");
        mock_pci_nvme(pci, FIRST, PORT);
        mock_pci_nvme(pci, SECOND, "0000:02:01.0");
}

static void start(struct world *w, const char *const *arguments)
{
        struct json_object *first;

        w->pci = mock_pci_new();
        build(w->pci);
        w->daemon = mock_daemon_start(arguments);
        w->monitor_fd = mock_daemon_connect(w->daemon);
        mock_daemon_send(w->monitor_fd, "{\"method\":\"io.p2pd.Monitor\",\"more\":true}");
        first = mock_daemon_receive(w->monitor_fd, EVENT_MSEC);
        assert_non_null(first);
        assert_int_equal(json_object_array_length(mock_json_at(first, "parameters.functions")), 7);
        json_object_put(first);
}

static void stop(struct world *w)
{
        (void)close(w->monitor_fd);
        w->daemon = mock_daemon_stop(w->daemon);
        w->pci = mock_pci_free(w->pci);
}

/* Asks for one pair: its map, or the error, is the wanted one; "!bus": another map. */
static bool has_map(const struct world *w, const char *provider, const char *client,
                    const char *wanted)
{
        struct json_object *reply;
        char call[256];
        const char *found;
        bool yes;

        snprintf(call, sizeof(call),
                 "{\"method\":\"io.p2pd.GetDistance\",\"parameters\":{\"provider\":\"%s\","
                 "\"client\":\"%s\"}}",
                 provider, client);
        reply = mock_daemon_call(w->daemon, call);
        found = mock_json_text(reply, "error");
        if (!*found)
                found = mock_json_text(reply, "parameters.map");
        yes = wanted[0] == '!' ? *found && strcmp(found, wanted + 1) != 0
                               : strcmp(found, wanted) == 0;
        if (!yes)
                print_message("%s for %s: %s, not %s\n", provider, client, found, wanted);
        json_object_put(reply);
        return yes;
}

static void assert_map(const struct world *w, const char *provider, const char *client,
                       const char *wanted)
{
        assert_true(has_map(w, provider, client, wanted));
}

/* Waits for the monitor to tell of this change; other functions may have changed with it. */
static struct json_object *await_change(const struct world *w, const char *kind,
                                        const char *address)
{
        for (;;) {
                struct json_object *event = mock_daemon_receive(w->monitor_fd, EVENT_MSEC);
                struct json_object *changes;

                assert_non_null(event);
                changes = mock_json_at(event, "parameters.changes");
                for (size_t i = 0; i < json_object_array_length(changes); i++) {
                        struct json_object *c = json_object_array_get_idx(changes, i);

                        if (strcmp(mock_json_text(c, "kind"), kind) == 0 &&
                            strcmp(mock_json_text(c, "function"), address) == 0)
                                return event;
                }
                json_object_put(event);
        }
}

/* Waits until the pair has this map: a reading may have met a function half written. */
static void await_map(const struct world *w, const char *provider, const char *client,
                      const char *wanted)
{
        while (!has_map(w, provider, client, wanted)) {
                struct json_object *event = mock_daemon_receive(w->monitor_fd, EVENT_MSEC);

                assert_non_null(event);
                json_object_put(event);
        }
}

static void test_sees_what_was_built(void **state)
{
        struct json_object *reply;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        assert_map(&w, FIRST, SECOND, "bus");
        reply = mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.ListFunctions\",\"parameters\":{"
                                           "\"functions\":[\"" PORT "\",\"" FIRST "\"]}}");
        assert_string_equal(mock_json_text(reply, "parameters.functions.0.acs.capability"),
                            "0x005f");
        assert_string_equal(mock_json_text(reply, "parameters.functions.0.parent"), "0000:01:00.0");
        assert_string_equal(mock_json_text(reply, "parameters.functions.1.kind"), "nvme");
        assert_string_equal(mock_json_text(reply, "parameters.functions.1.host_bridge"),
                            "pci0000:00");
        assert_string_equal(mock_json_text(reply, "parameters.functions.1.config_bytes"), "4096");
        assert_string_equal(mock_json_text(reply, "parameters.functions.1.bars.0.phys_start"),
                            mock_json_text(reply, "parameters.functions.1.bars.0.bus_start"));
        json_object_put(reply);
        stop(&w);
}

static void test_hot_add(void **state)
{
        struct json_object *event;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        assert_map(&w, FIRST, THIRD, "io.p2pd.FunctionNotFound");
        mock_pci_nvme(w.pci, THIRD, "0000:02:02.0");
        mock_pci_event(w.pci, THIRD, "add");
        event = await_change(&w, "added", THIRD);
        assert_int_equal(json_object_get_int64(mock_json_at(event, "parameters.generation")), 2);
        assert_int_equal(json_object_get_int64(mock_json_at(event, "parameters.flips_total")), 0);
        json_object_put(event);
        assert_map(&w, FIRST, THIRD, "bus");
        stop(&w);
}

/* What an event names is read at once, however long the settle time is. */
static void test_hot_add_waits_for_nothing(void **state)
{
        struct world w;

        (void)state;
        start(&w, (const char *const[]){"--settle-msec", "60000", "--recheck-msec", "0", NULL});
        mock_pci_nvme(w.pci, THIRD, "0000:02:02.0");
        mock_pci_event(w.pci, THIRD, "add");
        json_object_put(await_change(&w, "added", THIRD));
        assert_map(&w, FIRST, THIRD, "bus");
        mock_pci_remove(w.pci, THIRD);
        json_object_put(await_change(&w, "removed", THIRD));
        assert_map(&w, FIRST, THIRD, "io.p2pd.FunctionNotFound");
        stop(&w);
}

/* What has changed elsewhere meanwhile is found by the reading of everything that follows: a
 * generation of its own, because the first one did not look there. */
static void test_everything_is_read_afterwards(void **state)
{
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        mock_pci_set_acs(w.pci, PORT, 0x001d);
        mock_pci_nvme(w.pci, THIRD, "0000:02:02.0");
        mock_pci_event(w.pci, THIRD, "add");
        json_object_put(await_change(&w, "added", THIRD));
        json_object_put(await_change(&w, "changed", PORT));
        assert_map(&w, FIRST, SECOND, "!bus");
        stop(&w);
}

/* Whoever asks for a reading gets one of everything that began after, also while a quick one is
 * under way. */
static void test_rescan_reads_everything(void **state)
{
        struct world w;

        (void)state;
        start(&w, (const char *const[]){"--settle-msec", "60000", "--recheck-msec", "0", NULL});
        for (unsigned i = 0; i < 20; i++) {
                struct json_object *reply;

                mock_pci_event(w.pci, SECOND, "change");
                mock_pci_set_acs(w.pci, PORT, i % 2 ? 0 : 0x001d);
                reply = mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.Rescan\"}");
                assert_string_equal(mock_json_text(reply, "error"), "");
                json_object_put(reply);
                assert_map(&w, FIRST, SECOND, i % 2 ? "bus" : "!bus");
        }
        stop(&w);
}

/* Events without a pause longer than the settle time do not keep it from reading everything. */
static void test_storm_does_not_starve(void **state)
{
        unsigned n = 0;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        mock_pci_event(w.pci, SECOND, "change");
        mock_pci_set_acs(w.pci, PORT, 0x001d);
        do {
                for (unsigned i = 0; i < 20; i++) {
                        mock_pci_event(w.pci, SECOND, "change");
                        json_object_put(
                                mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.GetStatus\"}"));
                        (void)usleep(10000);
                }
                assert_true(++n < 100);
        } while (!has_map(&w, FIRST, SECOND, "!bus"));
        stop(&w);
}

static uint64_t now_usec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* From the uevent to the generation that a reader of the shared table can see. What is measured
 * here has umockdev's file accesses in it. */
static void test_hot_add_reaches_the_table(void **state)
{
        struct json_object *reply;
        int64_t generation = 1;
        struct world w;
        int fd;

        (void)state;
        start(&w, (const char *const[]){"--settle-msec", "0", "--recheck-msec", "0", NULL});
        fd = mock_daemon_connect(w.daemon);
        mock_daemon_send(fd, "{\"method\":\"io.p2pd.AttachTable\"}");
        json_object_put(mock_daemon_receive(fd, EVENT_MSEC));
        for (int i = 0; i < 10; i++) {
                uint64_t since;
                char call[128];

                snprintf(call, sizeof(call),
                         "{\"method\":\"io.p2pd.FollowTable\",\"parameters\":{\"confirmed\":%d}}",
                         (int)generation);
                mock_daemon_send(fd, call);
                if (i % 2 == 0) {
                        mock_pci_nvme(w.pci, THIRD, "0000:02:02.0");
                        since = now_usec();
                        mock_pci_event(w.pci, THIRD, "add");
                } else {
                        since = now_usec();
                        mock_pci_remove(w.pci, THIRD);
                }
                reply = mock_daemon_receive(fd, EVENT_MSEC);
                assert_non_null(reply);
                print_message("%s to table: %llu us\n", i % 2 == 0 ? "add" : "remove",
                              (unsigned long long)(now_usec() - since));
                generation = json_object_get_int64(mock_json_at(reply, "parameters.generation"));
                assert_true(generation > 1);
                json_object_put(reply);
        }
        reply = mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.GetStatus\"}");
        /* A reading that met a function half written is a generation more. */
        assert_true(json_object_get_int64(mock_json_at(
                            reply, "parameters.status.table_generation")) >= generation);
        json_object_put(reply);
        (void)close(fd);
        stop(&w);
}

static void test_hot_remove_during_a_call(void **state)
{
        struct json_object *event, *message;
        struct world w;
        int fd, rows = 0;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        fd = mock_daemon_connect(w.daemon);
        mock_daemon_send(fd, "{\"method\":\"io.p2pd.GetPairs\",\"more\":true}");
        message = mock_daemon_receive(fd, EVENT_MSEC);
        assert_non_null(message);
        mock_pci_remove(w.pci, SECOND);
        event = await_change(&w, "removed", SECOND);
        json_object_put(event);
        /* The stream ends with the machine that it began with. */
        for (;;) {
                struct json_object *more = mock_json_at(message, "continues");
                int goes_on = more && json_object_get_boolean(more);

                assert_string_equal(mock_json_text(message, "parameters.generation"), "1");
                assert_int_equal(
                        json_object_array_length(mock_json_at(message, "parameters.clients")), 2);
                rows += (int)json_object_array_length(mock_json_at(message, "parameters.rows"));
                json_object_put(message);
                if (!goes_on)
                        break;
                message = mock_daemon_receive(fd, EVENT_MSEC);
                assert_non_null(message);
        }
        assert_int_equal(rows, 2);
        (void)close(fd);
        assert_map(&w, FIRST, SECOND, "io.p2pd.FunctionNotFound");
        assert_map(&w, FIRST, FIRST, "bus");
        stop(&w);
}

static void test_many_plugs_are_one_truth(void **state)
{
        struct json_object *event;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        for (int i = 0; i < 20; i++) {
                mock_pci_nvme(w.pci, THIRD, "0000:02:02.0");
                mock_pci_event(w.pci, THIRD, "add");
                if (i < 19)
                        mock_pci_remove(w.pci, THIRD);
                /* umockdev's socket holds ten events only, and gives up when it is full: an answer
                 * says that the daemon has taken them. */
                json_object_put(mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.GetStatus\"}"));
        }
        event = await_change(&w, "added", THIRD);
        json_object_put(event);
        /* A last event, with nothing changed behind it, leaves the machine as it is. */
        mock_pci_event(w.pci, THIRD, "change");
        await_map(&w, SECOND, THIRD, "bus");
        stop(&w);
}

static void test_acs_drift(void **state)
{
        struct json_object *event;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "50", NULL});
        mock_pci_set_acs(w.pci, PORT, 0x001d);
        event = await_change(&w, "changed", PORT);
        assert_string_equal(mock_json_text(event, "parameters.changes.0.what.0"), "acs");
        assert_string_equal(mock_json_text(event, "parameters.functions.0.acs.control"), "0x001d");
        assert_int_equal(json_object_get_int64(mock_json_at(event, "parameters.flips_total")), 2);
        json_object_put(event);
        assert_map(&w, FIRST, SECOND, "!bus");
        mock_pci_set_acs(w.pci, PORT, 0x0000);
        json_object_put(await_change(&w, "changed", PORT));
        assert_map(&w, FIRST, SECOND, "bus");
        stop(&w);
}

static void test_virtual_function_appears(void **state)
{
        struct json_object *event, *reply;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        mock_pci_virtual(w.pci, "0000:03:00.1", FIRST);
        mock_pci_event(w.pci, "0000:03:00.1", "add");
        event = await_change(&w, "added", "0000:03:00.1");
        json_object_put(event);
        reply = mock_daemon_call(w.daemon, "{\"method\":\"io.p2pd.ListFunctions\",\"parameters\":{"
                                           "\"functions\":[\"0000:03:00.1\"]}}");
        assert_string_equal(mock_json_text(reply, "parameters.functions.0.physical_function"),
                            FIRST);
        assert_string_equal(mock_json_text(reply, "parameters.functions.0.vendor"), "0x144d");
        assert_string_equal(mock_json_text(reply, "parameters.functions.0.parent"), PORT);
        json_object_put(reply);
        assert_map(&w, "0000:03:00.1", FIRST, "bus");
        stop(&w);
}

static void test_bind_brings_p2pmem(void **state)
{
        struct json_object *event;
        struct world w;

        (void)state;
        start(&w, (const char *const[]){SETTLE, "--recheck-msec", "0", NULL});
        mock_pci_bind_with_p2pmem(w.pci, FIRST, 1U << 24);
        event = await_change(&w, "changed", FIRST);
        assert_string_equal(mock_json_text(event, "parameters.functions.0.p2pmem.size_bytes"),
                            "16777216");
        assert_string_equal(mock_json_text(event, "parameters.functions.0.p2pmem.published"),
                            "true");
        assert_string_equal(mock_json_text(event, "parameters.functions.0.driver"), "nvme");
        json_object_put(event);
        stop(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sees_what_was_built),
                cmocka_unit_test(test_hot_add),
                cmocka_unit_test(test_hot_add_waits_for_nothing),
                cmocka_unit_test(test_everything_is_read_afterwards),
                cmocka_unit_test(test_rescan_reads_everything),
                cmocka_unit_test(test_storm_does_not_starve),
                cmocka_unit_test(test_hot_add_reaches_the_table),
                cmocka_unit_test(test_hot_remove_during_a_call),
                cmocka_unit_test(test_many_plugs_are_one_truth),
                cmocka_unit_test(test_acs_drift),
                cmocka_unit_test(test_virtual_function_appears),
                cmocka_unit_test(test_bind_brings_p2pmem),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
