/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connections of a server: order, pieces, half-closed ones, malformed and hostile bytes,
 * monitors, who may do what, where it listens. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve-fixture.h"

static void test_pieces_and_pipelining(void **state)
{
        static const char calls[] =
                DISTANCE "\0"
                         "{\"method\":\"a.B\"}\0" DISTANCE
                         "\0" MORE("io.p2pd.GetMatrix",
                                   "{}") "\0"
                                         "{\"method\":\"io.p2pd.GetStatus\",\"oneway\":true}\0"
                                         "{\"method\":\"no.such.Thing\",\"oneway\":true}\0" MORE(
                                                 "io.p2pd.Monitor", "{\"x\":0}") "\0" DISTANCE;
        struct serve_fixture f;
        char *expected[16], *got;
        size_t n = 0;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        serve_fixture_send(&f, fd, calls, sizeof(calls));
        while (n < 9) /* 1, 1, 1, 4 rows, -, -, 1, 1 */
                assert_non_null(expected[n++] = serve_fixture_receive(&f, fd));
        (void)close(fd);
        assert_non_null(strstr(expected[0], "\"bus\""));
        assert_non_null(strstr(expected[1], "InterfaceNotFound"));
        assert_string_equal(expected[2], expected[0]);
        assert_non_null(strstr(expected[3], "continues"));
        assert_null(strstr(expected[6], "continues"));
        assert_non_null(strstr(expected[7], "InvalidParameter"));
        assert_string_equal(expected[8], expected[0]);

        /* The same, byte by byte, and with the sending side closed before the last is read. */
        fd = serve_fixture_connect(&f);
        for (size_t i = 0; i < sizeof(calls); i++)
                serve_fixture_send(&f, fd, calls + i, 1);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        for (size_t i = 0; i < n; i++) {
                got = serve_fixture_receive(&f, fd);
                assert_string_equal(got, expected[i]);
                free(got);
        }
        assert_null(serve_fixture_receive(&f, fd));
        (void)close(fd);
        while (n > 0)
                free(expected[--n]);
        serve_fixture_teardown(&f);
}

static void test_half_close_answers_all(void **state)
{
        struct serve_fixture f;
        enum { CALLS = 5000 };
        size_t one = sizeof(DISTANCE);
        char *many = malloc(CALLS * one);
        int fd;

        (void)state;
        assert_non_null(many);
        for (size_t i = 0; i < CALLS; i++)
                memcpy(many + i * one, DISTANCE, one);
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        /* Many calls in one go are no reason to be closed; they are answered as they are read. */
        for (size_t sent = 0, answered = 0; answered < CALLS;) {
                ssize_t r = sent < CALLS * one ? send(fd, many + sent, CALLS * one - sent,
                                                      MSG_NOSIGNAL | MSG_DONTWAIT)
                                               : 0;
                char *reply;

                if (r > 0 && (sent += (size_t)r) == CALLS * one)
                        assert_int_equal(shutdown(fd, SHUT_WR), 0);
                reply = serve_fixture_receive(&f, fd);
                assert_non_null(reply);
                free(reply);
                answered++;
        }
        assert_null(serve_fixture_receive(&f, fd));
        (void)close(fd);
        free(many);
        serve_fixture_teardown(&f);
}

static void test_malformed_is_closed(void **state)
{
        static const struct {
                const char *bytes;
                size_t n;
        } bad[] = {
                {"\0", 1},
                {"x\0", 2},
                {"{}\0", 3},
                {"[]\0", 3},
                {"{\"method\":1}\0", 13},
                {"{\"method\":\"a.B\",\"parameters\":[]}\0", 33},
                {"{\"method\":\"a.B\xff\"}\0", 18},
        };
        struct serve_fixture f;
        json_object *r;
        int fd, other;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        other = serve_fixture_connect(&f);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char *reply;

                fd = serve_fixture_connect(&f);
                /* What was asked before is still answered, what comes after is not. */
                serve_fixture_send(&f, fd, DISTANCE, sizeof(DISTANCE));
                serve_fixture_send(&f, fd, bad[i].bytes, bad[i].n);
                serve_fixture_send(&f, fd, DISTANCE, sizeof(DISTANCE));
                reply = serve_fixture_receive(&f, fd);
                assert_non_null(strstr(reply, "\"bus\""));
                free(reply);
                reply = serve_fixture_receive(&f, fd);
                assert_non_null(reply);
                r = json_tokener_parse(reply);
                reply_check(r, "", "");
                assert_string_equal(reply_string(r, "error"),
                                    "org.varlink.service.InvalidParameter");
                assert_string_equal(reply_string(r, "parameters.parameter"), "message");
                json_object_put(r);
                free(reply);
                assert_null(serve_fixture_receive(&f, fd));
                (void)close(fd);
        }
        r = serve_fixture_call(&f, other, "{\"method\":\"io.p2pd.GetStatus\"}");
        assert_int_equal(reply_int(r, "parameters.status.counters.malformed"),
                         sizeof(bad) / sizeof(bad[0]));
        assert_int_equal(reply_int(r, "parameters.status.counters.over_limit"), 0);
        assert_int_equal(reply_int(r, "parameters.status.counters.connections_now"), 1);
        json_object_put(r);
        (void)close(other);
        serve_fixture_teardown(&f);
}

static void test_monitor(void **state)
{
        struct serve_fixture f;
        json_object *r;
        char *text;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        r = serve_fixture_call(&f, fd, MORE("io.p2pd.Monitor", "{}"));
        reply_check(r, "io.p2pd", "Monitor");
        assert_true(json_object_get_boolean(reply_member(r, "continues")));
        assert_int_equal(reply_int(r, "parameters.generation"), 1);
        assert_int_equal(reply_length(r, "parameters.functions"), 10);
        assert_int_equal(reply_length(r, "parameters.changes"), 0);
        json_object_put(r);
        /* Two generations: one function comes, and goes again. */
        serve_fixture_publish(&f, serve_fixture_machine(1));
        serve_fixture_publish(&f, serve_fixture_machine(0));
        for (unsigned i = 0; i < 2; i++) {
                text = serve_fixture_receive(&f, fd);
                r = json_tokener_parse(text);
                reply_check(r, "io.p2pd", "Monitor");
                assert_true(json_object_get_boolean(reply_member(r, "continues")));
                assert_int_equal(reply_int(r, "parameters.generation"), 2 + i);
                assert_int_equal(reply_length(r, "parameters.functions"), i == 0);
                assert_string_equal(reply_string(r, "parameters.changes.0.kind"),
                                    i == 0 ? "added" : "removed");
                assert_string_equal(reply_string(r, "parameters.changes.0.function"),
                                    "0001:82:00.0");
                json_object_put(r);
                free(text);
        }
        (void)close(fd);
        serve_fixture_turn(&f);
        serve_fixture_publish(&f, serve_fixture_machine(2));
        serve_fixture_turn(&f);
        serve_fixture_teardown(&f);
}

static void test_permission(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int fd, pair[2];
        char *text;

        (void)state;
        if (geteuid() != 0)
                skip();
        serve_fixture_setup(&f, NULL, 0);
        assert_int_equal(chmod(f.directory, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
        fd = serve_fixture_connect(&f);
        /* Before parameters are looked at. */
        r = serve_fixture_call(&f, fd, CALL("io.p2pd.Rescan", "{\"x\":1}"));
        assert_string_equal(reply_string(r, "error"), "org.varlink.service.PermissionDenied");
        json_object_put(r);
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.Rescan\",\"oneway\":true}");
        r = serve_fixture_call(&f, fd, DISTANCE);
        assert_null(reply_member(r, "error"));
        json_object_put(r);
        assert_int_equal(f.n_rescans, 0);
        /* Whoever holds the other end of a private connection may. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(p2pd_server_add_connection(f.server, pair[0]), 0);
        serve_fixture_ask(&f, pair[1], "{\"method\":\"io.p2pd.Rescan\"}");
        text = serve_fixture_receive(&f, pair[1]);
        assert_non_null(strstr(text, "\"generation\":2"));
        free(text);
        assert_int_equal(f.n_private_closed, 0);
        (void)close(pair[1]);
        serve_fixture_turn(&f);
        assert_int_equal(f.n_private_closed, 1);
        (void)close(fd);
        assert_int_equal(seteuid(0), 0);
        serve_fixture_teardown(&f);
}

static void test_listen(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct serve_fixture f;
        char path[128], longer[256];
        struct stat st;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        assert_int_equal(stat(f.path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0666);
        assert_int_equal(p2pd_server_listen(f.server, f.path), -EADDRINUSE);
        memset(longer, 'x', sizeof(longer) - 1);
        longer[255] = '\0';
        assert_int_equal(p2pd_server_listen(f.server, longer), -ENAMETOOLONG);
        assert_int_equal(p2pd_server_listen(f.server, ""), -EINVAL);
        (void)snprintf(path, sizeof(path), "%s/no/dir", f.directory);
        assert_int_equal(p2pd_server_listen(f.server, path), -ENOENT);
        (void)snprintf(path, sizeof(path), "%s/other", f.directory);
        /* A file that is no socket stays. */
        assert_non_null(fopen(path, "w"));
        assert_int_equal(p2pd_server_listen(f.server, path), -EEXIST);
        assert_int_equal(unlink(path), 0);
        /* A socket that nobody listens on any more goes. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)strcpy(address.sun_path, path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        (void)close(fd);
        assert_int_equal(p2pd_server_listen(f.server, path), 0);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        json_object_put(serve_fixture_call(&f, fd, DISTANCE));
        (void)close(fd);
        assert_int_equal(unlink(path), 0);
        serve_fixture_teardown(&f);
}

/* Every prefix and many changes of calls, and closing at any place: the server stays. */
static void test_hostile_bytes(void **state)
{
        static const char call[] =
                MORE("io.p2pd.GetMatrix",
                     "{\"providers\":[\"card0\",\"\\u0000\"],\"rules\":\"newest\"}");
        struct serve_fixture f;
        uint32_t random = 99;
        int fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        for (size_t i = 0; i < 3000; i++) {
                char bytes[sizeof(call)];
                size_t n = i % (sizeof(call) + 1);

                memcpy(bytes, call, sizeof(call));
                for (unsigned k = 0; k < i / 1000; k++) {
                        random = random * 1664525U + 1013904223U;
                        bytes[(random >> 8) % sizeof(bytes)] = (char)(random >> 24);
                }
                fd = serve_fixture_connect(&f);
                serve_fixture_send(&f, fd, bytes, n);
                (void)close(fd);
        }
        fd = serve_fixture_connect(&f);
        json_object_put(serve_fixture_call(&f, fd, DISTANCE));
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static void test_many_connections(void **state)
{
        enum { CLIENTS = 400 };
        struct serve_fixture f;
        int fds[CLIENTS];

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        for (unsigned i = 0; i < CLIENTS; i++) {
                fds[i] = serve_fixture_connect(&f);
                assert_int_equal(send(fds[i], DISTANCE, sizeof(DISTANCE), MSG_NOSIGNAL),
                                 sizeof(DISTANCE));
        }
        for (unsigned i = 0; i < CLIENTS; i++) {
                char *reply = serve_fixture_receive(&f, fds[i]);

                assert_non_null(strstr(reply, "\"bus\""));
                free(reply);
        }
        /* Closed at once, while they are owed an answer. */
        for (unsigned i = 0; i < CLIENTS; i++)
                (void)send(fds[i], DISTANCE, sizeof(DISTANCE), MSG_NOSIGNAL);
        for (unsigned i = 0; i < CLIENTS; i++)
                (void)close(fds[i]);
        serve_fixture_turn(&f);
        serve_fixture_teardown(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pieces_and_pipelining),
                cmocka_unit_test(test_half_close_answers_all),
                cmocka_unit_test(test_malformed_is_closed),
                cmocka_unit_test(test_monitor),
                cmocka_unit_test(test_permission),
                cmocka_unit_test(test_listen),
                cmocka_unit_test(test_hostile_bytes),
                cmocka_unit_test(test_many_connections),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
