/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limits of a server: of a message, of connections, of memory, and what readers that are slow
 * or do not read at all cost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve-fixture.h"

/* A monitor that does not read is closed once too much waits; others get everything. */
static void test_slow_monitor(void **state)
{
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        struct serve_fixture f;
        json_object *r;
        int slow, good, other;
        char *text;

        (void)state;
        limits.unsent_bytes = 65536;
        serve_fixture_setup(&f, &limits, 0);
        slow = serve_fixture_connect(&f);
        good = serve_fixture_connect(&f);
        other = serve_fixture_connect(&f);
        serve_fixture_ask(&f, slow, MORE("io.p2pd.Monitor", "{}"));
        serve_fixture_ask(&f, good, MORE("io.p2pd.Monitor", "{}"));
        free(serve_fixture_receive(&f, good));
        for (unsigned i = 0; i < 20; i++) {
                serve_fixture_publish(&f, serve_fixture_machine(i % 2 ? 0 : 200));
                text = serve_fixture_receive(&f, good);
                assert_non_null(text);
                free(text);
        }
        assert_true(serve_fixture_is_closed(&f, slow));
        r = serve_fixture_call(&f, other, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_int_equal(reply_int(r, "parameters.status.counters.over_limit"), 1);
        assert_int_equal(reply_int(r, "parameters.status.counters.connections_now"), 2);
        json_object_put(r);
        (void)close(slow);
        (void)close(good);
        (void)close(other);
        serve_fixture_teardown(&f);
}

static void test_message_limit(void **state)
{
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        struct serve_fixture f;
        char bytes[3000], *text;
        json_object *r;
        int fd, other;

        (void)state;
        limits.message_bytes = 1000;
        serve_fixture_setup(&f, &limits, 0);
        other = serve_fixture_connect(&f);
        memset(bytes, ' ', sizeof(bytes));
        for (size_t n = 999; n <= 1000; n++) { /* with its NUL: just fits, and one too many */
                fd = serve_fixture_connect(&f);
                memcpy(bytes, DISTANCE, sizeof(DISTANCE) - 1);
                serve_fixture_send(&f, fd, bytes, n);
                serve_fixture_send(&f, fd, "", 1);
                assert_int_equal(serve_fixture_is_closed(&f, fd), n == 1000);
                (void)close(fd);
        }
        /* Without an end it is not waited for; and the peer is told. */
        fd = serve_fixture_connect(&f);
        serve_fixture_send(&f, fd, bytes, 1001);
        text = serve_fixture_receive(&f, fd);
        assert_non_null(strstr(text, "org.varlink.service.InvalidParameter"));
        free(text);
        assert_true(serve_fixture_is_closed(&f, fd));
        (void)close(fd);
        /* Behind a monitor, calls wait in vain, but not without end. */
        fd = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fd, MORE("io.p2pd.Monitor", "{}"));
        json_object_put(r);
        serve_fixture_send(&f, fd, DISTANCE, sizeof(DISTANCE));
        assert_false(serve_fixture_is_closed(&f, fd));
        serve_fixture_send(&f, fd, bytes, sizeof(bytes));
        assert_true(serve_fixture_is_closed(&f, fd));
        (void)close(fd);
        r = serve_fixture_call(&f, other, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_int_equal(reply_int(r, "parameters.status.counters.over_limit"), 3);
        json_object_put(r);
        (void)close(other);
        serve_fixture_teardown(&f);
}

static void test_connection_limits(void **state)
{
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        struct serve_fixture f;
        json_object *r;
        int fds[8];

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                *(i ? &limits.connections : &limits.connections_per_uid) = 4;
                serve_fixture_setup(&f, &limits, 0);
                for (unsigned k = 0; k < 8; k++)
                        fds[k] = serve_fixture_connect(&f);
                for (unsigned k = 0; k < 8; k++)
                        assert_int_equal(serve_fixture_is_closed(&f, fds[k]), k >= 4);
                (void)close(fds[0]);
                serve_fixture_turn(&f);
                fds[0] = serve_fixture_connect(&f);
                r = serve_fixture_call(&f, fds[0], "{\"method\":\"io.p2pd.GetStatus\"}");
                assert_int_equal(reply_int(r, "parameters.status.counters.over_limit"), 4);
                assert_int_equal(reply_int(r, "parameters.status.counters.connections_now"), 4);
                json_object_put(r);
                for (unsigned k = 0; k < 8; k++)
                        (void)close(fds[k]);
                serve_fixture_teardown(&f);
                limits = p2pd_server_limits_default;
        }
}

static void test_pending_and_bytes_limits(void **state)
{
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        struct serve_fixture f;
        char half[3000];
        json_object *r;
        int fds[4];

        (void)state;
        limits.pending_calls_per_uid = 2;
        limits.bytes_per_uid = 10000;
        serve_fixture_setup(&f, &limits, 0);
        for (unsigned i = 0; i < 4; i++) {
                fds[i] = serve_fixture_connect(&f);
                serve_fixture_ask(&f, fds[i], MORE("io.p2pd.Monitor", "{}"));
                assert_int_equal(serve_fixture_is_closed(&f, fds[i]), i >= 2);
        }
        for (unsigned i = 0; i < 4; i++)
                (void)close(fds[i]);
        serve_fixture_turn(&f);
        memset(half, ' ', sizeof(half));
        for (unsigned i = 0; i < 4; i++) { /* 4096 bytes of memory each */
                fds[i] = serve_fixture_connect(&f);
                serve_fixture_send(&f, fds[i], half, sizeof(half));
                assert_int_equal(serve_fixture_is_closed(&f, fds[i]), i >= 2);
        }
        for (unsigned i = 0; i < 4; i++)
                (void)close(fds[i]);
        serve_fixture_turn(&f);
        /* All of it was given back. */
        fds[0] = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fds[0], MORE("io.p2pd.Monitor", "{}"));
        assert_null(reply_member(r, "error"));
        json_object_put(r);
        (void)close(fds[0]);
        serve_fixture_teardown(&f);
}

/* What a stalled answer keeps besides its buffer counts as well: a list of 48 KB each. */
static void test_stalled_answers_are_charged(void **state)
{
        enum { NAMES = 12000 };
        static const char head[] = "{\"method\":\"io.p2pd.ListFunctions\",\"parameters\":{"
                                   "\"functions\":[\"card0\"";
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        struct serve_fixture f;
        char *call = malloc(sizeof(head) + NAMES * 8 + 4);
        size_t n = sizeof(head) - 1;
        json_object *r;
        int fds[3];

        (void)state;
        assert_non_null(call);
        memcpy(call, head, n);
        for (unsigned i = 0; i < NAMES; i++, n += 8)
                memcpy(call + n, ",\"4:0.0\"", 8);
        memcpy(call + n, "]}}", 4);
        for (unsigned round = 0; round < 2; round++) {
                limits.bytes_per_uid = round == 0 ? 400000 : 150000;
                serve_fixture_setup(&f, &limits, 0);
                for (unsigned i = 0; i < 2; i++) {
                        fds[i] = serve_fixture_connect(&f);
                        serve_fixture_send(&f, fds[i], call, n + 4);
                        serve_fixture_turn(&f);
                }
                fds[2] = serve_fixture_connect(&f);
                r = serve_fixture_call(&f, fds[2], "{\"method\":\"io.p2pd.GetStatus\"}");
                assert_int_equal(reply_int(r, "parameters.status.counters.over_limit") > 0, round);
                json_object_put(r);
                for (unsigned i = 0; i < 3; i++)
                        (void)close(fds[i]);
                serve_fixture_teardown(&f);
        }
        free(call);
}

/* A client that asks for much and reads nothing holds little, and hinders nobody. */
static void test_slow_reader(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int slow, other;

        (void)state;
        serve_fixture_setup(&f, NULL, 1500);
        slow = serve_fixture_connect(&f);
        other = serve_fixture_connect(&f);
        serve_fixture_ask(&f, slow, MORE("io.p2pd.GetPairs", "{}"));
        for (unsigned i = 0; i < 100; i++) {
                r = serve_fixture_call(&f, other, DISTANCE);
                assert_null(reply_member(r, "error"));
                json_object_put(r);
        }
        /* It goes on speaking of the generation it began with, for some time. */
        for (unsigned i = 0; i < 8; i++)
                serve_fixture_publish(&f, serve_fixture_machine(0));
        free(serve_fixture_receive(&f, slow));
        serve_fixture_publish(&f, serve_fixture_machine(0));
        serve_fixture_publish(&f, serve_fixture_machine(0));
        assert_true(serve_fixture_is_closed(&f, slow));
        r = serve_fixture_call(&f, other, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_int_equal(reply_int(r, "parameters.status.counters.over_limit"), 1);
        json_object_put(r);
        (void)close(slow);
        (void)close(other);
        serve_fixture_teardown(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_slow_monitor),
                cmocka_unit_test(test_message_limit),
                cmocka_unit_test(test_connection_limits),
                cmocka_unit_test(test_pending_and_bytes_limits),
                cmocka_unit_test(test_stalled_answers_are_charged),
                cmocka_unit_test(test_slow_reader),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
