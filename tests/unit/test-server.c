/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server with real sockets: every method's reply against the interface file by type, what
 * replies say, every refusal, streams, rescans. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve-fixture.h"
#include "serve/interface-text.h"

static void test_methods_by_type(void **state)
{
        static const struct {
                const char *interface, *method, *call;
        } calls[] = {
                {"org.varlink.service", "GetInfo", "{\"method\":\"org.varlink.service.GetInfo\"}"},
                {"org.varlink.service", "GetInterfaceDescription",
                 CALL("org.varlink.service.GetInterfaceDescription",
                      "{\"interface\":\"io.p2pd\"}")},
                {"io.p2pd", "GetStatus", CALL("io.p2pd.GetStatus", "{}")},
                {"io.p2pd", "ListFunctions", CALL("io.p2pd.ListFunctions", "null")},
                {"io.p2pd", "ListFunctions",
                 CALL("io.p2pd.ListFunctions", "{\"functions\":[\"nvme0n1\",\"81:0.0\"]}")},
                {"io.p2pd", "ListFunctions", CALL("io.p2pd.ListFunctions", "{\"functions\":[]}")},
                {"io.p2pd", "ListBars", CALL("io.p2pd.ListBars", "{\"functions\":null}")},
                {"io.p2pd", "GetMatrix", CALL("io.p2pd.GetMatrix", "{\"rules\":\"newest\"}")},
                {"io.p2pd", "GetMatrix",
                 CALL("io.p2pd.GetMatrix", "{\"providers\":[],\"clients\":[\"card0\"]}")},
                {"io.p2pd", "GetMatrix",
                 CALL("io.p2pd.GetMatrix", "{\"providers\":[\"card0\"],\"clients\":[]}")},
                {"io.p2pd", "GetDistance", DISTANCE},
                {"io.p2pd", "GetDistance",
                 CALL("io.p2pd.GetDistance",
                      "{\"provider\":\"81:00.0\",\"client\":\"nvme0\",\"rules\":\"newest\"}")},
                {"io.p2pd", "Map",
                 CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0x0\",\"length_bytes\":"
                                     "\"0xffffffffffffffff\"}")},
                {"io.p2pd", "Explain",
                 CALL("io.p2pd.Explain", "{\"provider\":\"card0\",\"client\":\"nvme0\"}")},
                {"io.p2pd", "Explain",
                 CALL("io.p2pd.Explain", "{\"provider\":\"card0\",\"client\":\"card1\"}")},
                {"io.p2pd", "Explain",
                 CALL("io.p2pd.Explain", "{\"provider\":\"0:1.0\",\"client\":\"0:1.0\"}")},
                {"io.p2pd", "Check", CALL("io.p2pd.Check", "{}")},
                {"io.p2pd", "Check",
                 CALL("io.p2pd.Check", "{\"providers\":[\"card0\"],\"clients\":[\"card0\"]}")},
                {"io.p2pd", "Rescan", CALL("io.p2pd.Rescan", "{}")},
                {"io.p2pd", "ReportVerification",
                 CALL("io.p2pd.ReportVerification",
                      "{\"provider\":\"card0\",\"client\":\"nvme0\",\"result\":\"refused\","
                      "\"method\":\"m\\u00e9\",\"detail\":\"\\\"d\"}")},
                {"io.p2pd", "ReportVerification",
                 CALL("io.p2pd.ReportVerification",
                      "{\"provider\":\"card1\",\"client\":\"nvme0\",\"result\":\"failed\","
                      "\"method\":\"m\",\"detail\":null}")},
                {"io.p2pd", "Explain",
                 CALL("io.p2pd.Explain", "{\"provider\":\"card0\",\"client\":\"nvme0\"}")},
                {"io.p2pd", "GetStatus", CALL("io.p2pd.GetStatus", "{}")},
        };
        struct serve_fixture f;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 40);
        fd = serve_fixture_connect(&f);
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                json_object *reply = serve_fixture_call(&f, fd, calls[i].call);

                if (reply_member(reply, "error"))
                        fail_msg("%s: %s", calls[i].call, json_object_to_json_string(reply));
                assert_null(reply_member(reply, "continues"));
                reply_check(reply, calls[i].interface, calls[i].method);
                json_object_put(reply);
        }
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static void test_content(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        f.status.has_reader = true;
        f.status.reader_pid = 42;
        fd = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fd, DISTANCE);
        assert_int_equal(reply_int(r, "parameters.generation"), 1);
        assert_int_equal(reply_int(r, "parameters.distance_hops"), 4);
        assert_string_equal(reply_string(r, "parameters.map"), "bus");
        assert_string_equal(reply_string(r, "parameters.path"), "PIX");
        json_object_put(r);

        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_string_equal(reply_string(r, "parameters.status.source"), "root");
        assert_string_equal(reply_string(r, "parameters.status.source_path"), "/captured");
        assert_string_equal(reply_string(r, "parameters.status.rules_release"), "6.18");
        assert_int_equal(reply_int(r, "parameters.status.functions"), 10);
        assert_int_equal(reply_int(r, "parameters.status.endpoints"), 4);
        assert_int_equal(reply_int(r, "parameters.status.candidates"), 4);
        assert_int_equal(reply_int(r, "parameters.status.acs_unknown"), 1);
        assert_int_equal(reply_int(r, "parameters.status.counters.calls"), 2);
        assert_int_equal(reply_int(r, "parameters.status.counters.connections"), 1);
        assert_string_equal(reply_string(r, "parameters.status.processes.0.capabilities.0"),
                            "CAP_SYS_ADMIN");
        assert_string_equal(reply_string(r, "parameters.status.processes.0.capabilities.1"),
                            "CAP_63");
        assert_int_equal(reply_int(r, "parameters.status.processes.1.pid"), 42);
        assert_string_equal(reply_string(r, "parameters.status.warnings.0.address"),
                            "0000:03:00.0");
        assert_null(reply_member(r, "parameters.status.warnings.1.address"));
        assert_string_equal(reply_string(r, "parameters.status.host_bridges.1"), "pci0000:80");
        json_object_put(r);

        r = serve_fixture_call(
                &f, fd, CALL("io.p2pd.ListFunctions", "{\"functions\":[\"card1\",\"3:0.0\"]}"));
        assert_int_equal(reply_length(r, "parameters.functions"), 2);
        assert_string_equal(reply_string(r, "parameters.functions.0.address"), "0000:81:00.0");
        assert_null(reply_member(r, "parameters.functions.0.acs"));
        assert_string_equal(reply_string(r, "parameters.functions.1.parent"), "0000:02:00.0");
        assert_string_equal(reply_string(r, "parameters.functions.1.host_bridge"), "pci0000:00");
        assert_string_equal(reply_string(r, "parameters.functions.1.class_code"), "0x030000");
        assert_int_equal(reply_int(r, "parameters.functions.1.iommu_group"), 17);
        assert_string_equal(reply_string(r, "parameters.functions.1.bars.0.phys_start"),
                            "0xfc00000300000000");
        assert_string_equal(reply_string(r, "parameters.functions.1.bars.0.size_bytes"), "0x10000");
        assert_null(reply_member(r, "parameters.functions.1.bars.0.resize_max_bytes"));
        assert_non_null(strstr(json_object_to_json_string_ext(r, JSON_C_TO_STRING_PLAIN),
                               "{\"fact\":\"bars[0].resize_max_bytes\",\"why\":\"no-privilege\"}"));
        json_object_put(r);

        r = serve_fixture_call(&f, fd,
                               CALL("io.p2pd.Map",
                                    "{\"client\":\"nvme0\",\"address\":\"0xFC000002fffff000\","
                                    "\"length_bytes\":\"0x2000\"}"));
        assert_int_equal(reply_length(r, "parameters.segments"), 2);
        assert_string_equal(reply_string(r, "parameters.segments.0.map"), "regular");
        assert_null(reply_member(r, "parameters.segments.0.function"));
        assert_string_equal(reply_string(r, "parameters.segments.1.map"), "bus");
        assert_string_equal(reply_string(r, "parameters.segments.1.address"), "0xfc00000300000000");
        assert_string_equal(reply_string(r, "parameters.segments.1.length_bytes"), "0x1000");
        assert_string_equal(reply_string(r, "parameters.segments.1.dma_address"),
                            "0xfc00000300000000");
        json_object_put(r);

        r = serve_fixture_call(
                &f, fd,
                CALL("org.varlink.service.GetInterfaceDescription", "{\"interface\":\"io.p2pd\"}"));
        assert_string_equal(reply_string(r, "parameters.description"), p2pd_interface_text_io_p2pd);
        json_object_put(r);

        /* No pair at all is no yes. */
        r = serve_fixture_call(
                &f, fd,
                CALL("io.p2pd.Check", "{\"providers\":[\"card0\"],\"clients\":[\"card0\"]}"));
        assert_int_equal(reply_length(r, "parameters.pairs"), 0);
        assert_string_equal(reply_string(r, "parameters.result"), "unknown");
        json_object_put(r);
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static const struct {
        const char *call, *error, *parameter, *value;
} refusals[] = {
        {"{\"method\":\"NoDot\"}", "org.varlink.service.InvalidParameter", "parameter", "method"},
        {"{\"method\":\"\"}", "org.varlink.service.InvalidParameter", "parameter", "method"},
        {"{\"method\":\"io.p2pd.\"}", "org.varlink.service.MethodNotFound", "method", "io.p2pd."},
        {"{\"method\":\"io.p2pd.getStatus\"}", "org.varlink.service.MethodNotFound", "method",
         "io.p2pd.getStatus"},
        {"{\"method\":\"io.p2pd.GetStatus\\u0000\"}", "org.varlink.service.MethodNotFound", NULL,
         NULL},
        {"{\"method\":\"io.p2pe.GetStatus\"}", "org.varlink.service.InterfaceNotFound", "interface",
         "io.p2pe"},
        {"{\"method\":\"org.varlink.service.X\"}", "org.varlink.service.MethodNotFound", NULL,
         NULL},
        {"{\"method\":\"io.p2pd.GetStatus\",\"upgrade\":true}",
         "org.varlink.service.MethodNotImplemented", "method", "io.p2pd.GetStatus"},
        {"{\"method\":\"io.p2pd.GetPairs\"}", "org.varlink.service.ExpectedMore", NULL, NULL},
        {"{\"method\":\"io.p2pd.Monitor\",\"parameters\":{\"x\":1}}",
         "org.varlink.service.ExpectedMore", NULL, NULL},
        {MORE("io.p2pd.Monitor", "{\"x\":1}"), "org.varlink.service.InvalidParameter", "parameter",
         "x"},
        {CALL("io.p2pd.GetStatus", "{\"x\":null}"), "org.varlink.service.InvalidParameter",
         "parameter", "x"},
        {CALL("io.p2pd.Rescan", "{\"x\":null}"), "org.varlink.service.InvalidParameter",
         "parameter", "x"},
        {CALL("org.varlink.service.GetInterfaceDescription", "{}"),
         "org.varlink.service.InvalidParameter", "parameter", "interface"},
        {CALL("org.varlink.service.GetInterfaceDescription", "{\"interface\":\"a.b\"}"),
         "org.varlink.service.InterfaceNotFound", "interface", "a.b"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":\"card0\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "client"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":\"card0\",\"client\":null}"),
         "org.varlink.service.InvalidParameter", "parameter", "client"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":1,\"client\":\"nvme0\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "provider"},
        {CALL("io.p2pd.GetDistance",
              "{\"provider\":\"card0\",\"provider\":\"card0\",\"client\":\"nvme0\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "provider"},
        {CALL("io.p2pd.GetDistance",
              "{\"provider\":\"card0\",\"client\":\"nvme0\",\"rules\":\"oldest\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "rules"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":\"card0\",\"client\":\"nvme0\",\"rules\":7}"),
         "org.varlink.service.InvalidParameter", "parameter", "rules"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":\"gone\\n\",\"client\":\"nvme0\"}"),
         "io.p2pd.FunctionNotFound", "function", "gone\n"},
        {CALL("io.p2pd.GetDistance", "{\"provider\":\"card0\",\"client\":\"eth2\"}"),
         "io.p2pd.FunctionAmbiguous", "function", "eth2"},
        {CALL("io.p2pd.ListFunctions", "{\"functions\":\"card0\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "functions"},
        {CALL("io.p2pd.ListFunctions", "{\"functions\":[\"card0\",1]}"),
         "org.varlink.service.InvalidParameter", "parameter", "functions"},
        {CALL("io.p2pd.ListBars", "{\"functions\":[\"card0\",\"card9\"]}"),
         "io.p2pd.FunctionNotFound", "function", "card9"},
        {CALL("io.p2pd.GetMatrix", "{\"clients\":[\"00:1f.9\"]}"), "io.p2pd.FunctionNotFound",
         "function", "00:1f.9"},
        {CALL("io.p2pd.Check", "{\"clients\":{}}"), "org.varlink.service.InvalidParameter",
         "parameter", "clients"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"12\",\"length_bytes\":\"0x1\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "address"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0x10000000000000000\","
                             "\"length_bytes\":\"0x1\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "address"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0x0\",\"length_bytes\":\"0x\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "length_bytes"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0x0\",\"length_bytes\":\"0xg\"}"),
         "org.varlink.service.InvalidParameter", "parameter", "length_bytes"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0x0\",\"length_bytes\":\"0x0\"}"),
         "io.p2pd.RangeInvalid", "length_bytes", "0x0"},
        {CALL("io.p2pd.Map", "{\"client\":\"nvme0\",\"address\":\"0xffffffffffffffff\","
                             "\"length_bytes\":\"0x2\"}"),
         "io.p2pd.RangeInvalid", "address", "0xffffffffffffffff"},
};

static void test_refusals(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                r = serve_fixture_call(&f, fd, refusals[i].call);
                if (strcmp(reply_string(r, "error"), refusals[i].error) != 0)
                        fail_msg("%s: %s", refusals[i].call, json_object_to_json_string(r));
                reply_check(r, "", "");
                if (refusals[i].parameter)
                        assert_string_equal(
                                reply_string(reply_member(r, "parameters"), refusals[i].parameter),
                                refusals[i].value);
                json_object_put(r);
        }
        f.rescan_result = -EIO;
        f.status.last_scan_error = "no such root";
        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.Rescan\"}");
        assert_string_equal(reply_string(r, "error"), "io.p2pd.ScanFailed");
        assert_string_equal(reply_string(r, "parameters.reason"), "no such root");
        json_object_put(r);
        /* After all that, as if nothing had been. */
        r = serve_fixture_call(&f, fd, DISTANCE);
        assert_null(reply_member(r, "error"));
        json_object_put(r);
        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_int_equal(reply_int(r, "parameters.status.counters.errors"),
                         sizeof(refusals) / sizeof(refusals[0]) + 1);
        json_object_put(r);
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static void test_too_much(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 300);
        fd = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.GetMatrix\"}");
        assert_string_equal(reply_string(r, "error"), "io.p2pd.TooMuch");
        assert_int_equal(reply_int(r, "parameters.entries"), 304 * 304);
        json_object_put(r);
        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.Check\"}");
        assert_string_equal(reply_string(r, "error"), "io.p2pd.TooMuch");
        json_object_put(r);
        (void)close(fd);
        serve_fixture_teardown(&f);
}

/* The replies of a stream: all but the last continue. */
static unsigned count_stream(struct serve_fixture *f, int fd, const char *call, const char *method,
                             size_t cells)
{
        unsigned n = 0;
        bool more = true;

        serve_fixture_ask(f, fd, call);
        while (more) {
                char *text = serve_fixture_receive(f, fd);
                json_object *r;

                assert_non_null(text);
                r = json_tokener_parse(text);
                free(text);
                reply_check(r, "io.p2pd", method);
                more = reply_member(r, "continues");
                if (reply_length(r, "parameters.rows") > 0) {
                        n++;
                        assert_int_equal(reply_length(r, "parameters.rows"), 1);
                        assert_int_equal(reply_length(r, "parameters.clients"), cells);
                        assert_int_equal(reply_length(r, "parameters.rows.0.cells"), cells);
                }
                json_object_put(r);
        }
        return n;
}

static void test_streams(void **state)
{
        struct serve_fixture f;
        json_object *r, *row;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 200);
        fd = serve_fixture_connect(&f);
        assert_int_equal(count_stream(&f, fd, MORE("io.p2pd.GetPairs", "{}"), "GetPairs", 204),
                         204);
        assert_int_equal(count_stream(&f, fd, MORE("io.p2pd.GetMatrix", "{}"), "GetMatrix", 204),
                         204);
        assert_int_equal(count_stream(&f, fd, MORE("io.p2pd.GetMatrix", "{\"providers\":[]}"),
                                      "GetMatrix", 0),
                         0);
        assert_int_equal(
                count_stream(&f, fd, MORE("io.p2pd.GetMatrix", "{\"clients\":[]}"), "GetMatrix", 0),
                204);
        /* "more" where there is one reply. */
        r = serve_fixture_call(&f, fd, MORE("io.p2pd.GetStatus", "{}"));
        assert_null(reply_member(r, "continues"));
        json_object_put(r);
        /* A cell is what GetDistance says. */
        r = serve_fixture_call(&f, fd,
                               CALL("io.p2pd.GetMatrix",
                                    "{\"providers\":[\"card0\",\"card1\"],\"clients\":["
                                    "\"nvme0\",\"mlx5_0\",\"card1\"]}"));
        row = reply_member(r, "parameters.rows.0.cells.0");
        assert_string_equal(reply_string(row, "map"), "bus");
        assert_int_equal(reply_int(row, "distance_hops"), 4);
        assert_true(json_object_equal(row, reply_member(r, "parameters.rows.0.cells.1")));
        assert_false(json_object_equal(row, reply_member(r, "parameters.rows.0.cells.2")));
        assert_string_equal(reply_string(r, "parameters.rows.1.provider"), "0000:81:00.0");
        json_object_put(r);
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static void test_rescan(void **state)
{
        struct serve_fixture f;
        json_object *r;
        char *text;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fd, "{\"method\":\"io.p2pd.Rescan\"}");
        assert_int_equal(reply_int(r, "parameters.generation"), 2);
        json_object_put(r);
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.Rescan\",\"oneway\":true}");
        assert_int_equal(f.n_rescans, 2);
        /* One that takes its time: what comes behind it waits for it. */
        f.rescan_result = P2PD_RESCAN_STARTED;
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.Rescan\"}");
        serve_fixture_ask(&f, fd, DISTANCE);
        assert_false(serve_fixture_is_closed(&f, fd));
        serve_fixture_publish(&f, serve_fixture_machine(3));
        p2pd_server_rescan_finished(f.server, 0);
        text = serve_fixture_receive(&f, fd);
        assert_string_equal(text, "{\"parameters\":{\"generation\":4}}");
        free(text);
        text = serve_fixture_receive(&f, fd);
        assert_non_null(strstr(text, "\"bus\""));
        free(text);
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.Rescan\"}");
        p2pd_server_rescan_finished(f.server, -EIO);
        text = serve_fixture_receive(&f, fd);
        assert_non_null(strstr(text, "io.p2pd.ScanFailed"));
        free(text);
        /* A client that goes away while it waits. */
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.Rescan\"}");
        (void)close(fd);
        serve_fixture_turn(&f);
        p2pd_server_rescan_finished(f.server, 0);
        serve_fixture_turn(&f);
        serve_fixture_teardown(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_methods_by_type), cmocka_unit_test(test_content),
                cmocka_unit_test(test_refusals),        cmocka_unit_test(test_too_much),
                cmocka_unit_test(test_streams),         cmocka_unit_test(test_rescan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
