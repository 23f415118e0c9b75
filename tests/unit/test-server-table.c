/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server's side of the shared table: descriptors that go with the first byte of their message,
 * readers that come, wait, confirm and go; and wishes for BAR ids. */

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide/bar-ids.h"
#include "readers.h"
#include "serve-fixture.h"

#define ATTACH CALL("io.p2pd.AttachTable", "{}")
#define FOLLOW(confirmed) CALL("io.p2pd.FollowTable", "{\"confirmed\":" confirmed "}")
#define REGISTER CALL("io.p2pd.RegisterBar", "{\"function\":\"mlx5_0\",\"bar_index\":0}")

static int make_table(void)
{
        int fd = memfd_create("test", MFD_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void offer(struct serve_fixture *f, int fd, bool moved, uint64_t generation)
{
        const struct p2pd_table_offer o = {
                .fd = fd,
                .moved = moved,
                .generation = generation,
                .size_bytes = 65536,
                .instance = {0xfedcba9876543210ULL, 0x1},
                .id_bits = 5,
        };

        assert_int_equal(p2pd_server_offer_table(f->server, &o), 0);
}

static unsigned n_open_descriptors(void)
{
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        (void)closedir(directory);
        return n;
}

static bool is_same_file(int a, int b)
{
        struct stat x, y;

        assert_int_equal(fstat(a, &x), 0);
        assert_int_equal(fstat(b, &y), 0);
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Up to n bytes, and the descriptor that came with them (or -1). Turns the loop until there is
 * something; 0: closed. */
static size_t receive(struct serve_fixture *f, int fd, char *bytes, size_t n, int *ret_fd)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        ssize_t got = -1;

        *ret_fd = -1;
        for (unsigned i = 0; i < 100000 && got < 0; i++) {
                struct iovec part = {.iov_base = bytes, .iov_len = n};
                struct msghdr message = {
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
                };
                const struct cmsghdr *header;

                got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
                if (got < 0) {
                        assert_int_equal(errno, EAGAIN);
                        serve_fixture_turn(f);
                        continue;
                }
                assert_int_equal(message.msg_flags & MSG_CTRUNC, 0);
                header = CMSG_FIRSTHDR(&message);
                if (header && header->cmsg_type == SCM_RIGHTS) {
                        assert_int_equal(header->cmsg_len, CMSG_LEN(sizeof(int)));
                        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
                }
        }
        assert_true(got >= 0);
        return (size_t)got;
}

/* Reads n_messages in pieces of this size; the one with this number must bring the descriptor,
 * with its first byte when pieces are bytes, and no other does. */
static void expect_descriptor(struct serve_fixture *f, int fd, size_t piece, unsigned n_messages,
                              unsigned which, int table)
{
        char bytes[4096], text[8192];
        unsigned message = 0;
        size_t at = 0;
        bool found = false;

        assert_true(piece <= sizeof(bytes));
        while (message < n_messages) {
                int passed;
                /* Bytes are for the place that matters: a piece holds fewer messages than that. */
                size_t n = receive(f, fd, bytes, message + 64 < which ? sizeof(bytes) : piece,
                                   &passed);

                assert_true(n > 0);
                if (passed >= 0) {
                        assert_false(found);
                        found = true;
                        assert_true(is_same_file(passed, table));
                        (void)close(passed);
                        /* Nothing of the message was there before, at least its first byte is. */
                        assert_true(message < which || (message == which && at == 0));
                        if (piece == 1)
                                assert_int_equal(message, which);
                }
                for (size_t i = 0; i < n; i++) {
                        text[at % sizeof(text)] = bytes[i];
                        at++;
                        if (bytes[i] != '\0')
                                continue;
                        if (message == which) {
                                assert_non_null(strstr(text, "\"size_bytes\":65536"));
                                assert_true(found);
                        }
                        message++;
                        at = 0;
                }
        }
        assert_true(found);
}

static void test_descriptor_goes_with_its_message(void **state)
{
        static const char calls[] = DISTANCE "\0" ATTACH "\0" DISTANCE;
        const size_t pieces[] = {1, 7, 100, 4096};
        struct serve_fixture f;
        int table = make_table();

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 1);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                int fd = serve_fixture_connect(&f);

                serve_fixture_send(&f, fd, calls, sizeof(calls));
                expect_descriptor(&f, fd, pieces[i], 3, 1, table);
                (void)close(fd);
        }
        (void)close(table);
        serve_fixture_teardown(&f);
}

#define STATUS "{\"method\":\"io.p2pd.GetStatus\"}"

/* So many calls whose answers are more than a socket takes, as one message; to be freed. */
static char *many_calls(unsigned n_status, unsigned n_distance, size_t *ret_size)
{
        size_t size = n_status * sizeof(STATUS) + n_distance * sizeof(DISTANCE);
        char *calls = malloc(size + sizeof(ATTACH)), *at = calls;

        assert_non_null(calls);
        for (unsigned i = 0; i < n_status; i++, at += sizeof(STATUS))
                memcpy(at, STATUS, sizeof(STATUS));
        for (unsigned i = 0; i < n_distance; i++, at += sizeof(DISTANCE))
                memcpy(at, DISTANCE, sizeof(DISTANCE));
        memcpy(at, ATTACH, sizeof(ATTACH));
        *ret_size = size + sizeof(ATTACH);
        return calls;
}

/* The socket is full when the descriptor's turn comes: it waits, and goes with its first byte. */
static void test_descriptor_waits_for_a_slow_client(void **state)
{
        enum { STATUSES = 300 };
        struct serve_fixture f;
        int table = make_table();

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 1);
        /* Behind more and more answers, so that the socket is full at some place of the message. */
        for (unsigned more = 0; more < 300; more += 60) {
                int fd = serve_fixture_connect(&f);
                size_t size;
                char *calls = many_calls(STATUSES, more, &size);

                serve_fixture_send(&f, fd, calls, size);
                serve_fixture_ask(&f, fd, DISTANCE);
                expect_descriptor(&f, fd, 1, STATUSES + more + 2, STATUSES + more, table);
                (void)close(fd);
                free(calls);
        }
        (void)close(table);
        serve_fixture_teardown(&f);
}

static void test_descriptor_of_a_client_that_goes(void **state)
{
        struct serve_fixture f;
        int table = make_table(), fd;
        unsigned before;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 1);
        before = n_open_descriptors();
        for (unsigned i = 0; i < 50; i++) {
                size_t size;
                char *calls = many_calls(4 * i, 0, &size);

                fd = serve_fixture_connect(&f);
                serve_fixture_send(&f, fd, calls, size);
                serve_fixture_turn(&f);
                (void)close(fd);
                serve_fixture_turn(&f);
                free(calls);
        }
        assert_int_equal(n_open_descriptors(), before);
        (void)close(table);
        serve_fixture_teardown(&f);
}

/* Asks, and closes the descriptor that comes with the answer. */
static void attach(struct serve_fixture *f, int fd)
{
        char bytes[4096];
        int passed;
        size_t n;

        serve_fixture_ask(f, fd, ATTACH);
        n = receive(f, fd, bytes, sizeof(bytes), &passed);
        assert_true(n > 0 && bytes[n - 1] == '\0');
        assert_true(passed >= 0);
        (void)close(passed);
}

static void expect_error(struct serve_fixture *f, int fd, const char *call, const char *error)
{
        json_object *r = serve_fixture_call(f, fd, call);

        reply_check(r, "", "");
        assert_string_equal(reply_string(r, "error"), error);
        json_object_put(r);
}

static void test_attach(void **state)
{
        struct serve_fixture f;
        json_object *r;
        int table = make_table(), other = make_table(), fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        expect_error(&f, fd, ATTACH, "io.p2pd.TableUnavailable");
        expect_error(&f, fd, FOLLOW("1"), "io.p2pd.NotAttached");
        offer(&f, table, true, 3);
        expect_error(&f, fd, FOLLOW("1"), "io.p2pd.NotAttached");
        /* Without a reply there is nothing that could carry it, and nobody is attached. */
        serve_fixture_ask(&f, fd, "{\"method\":\"io.p2pd.AttachTable\",\"oneway\":true}");
        expect_error(&f, fd, FOLLOW("1"), "io.p2pd.NotAttached");
        r = serve_fixture_call(&f, fd, ATTACH);
        reply_check(r, "io.p2pd", "AttachTable");
        assert_int_equal(reply_int(r, "parameters.generation"), 3);
        assert_int_equal(reply_int(r, "parameters.size_bytes"), 65536);
        assert_int_equal(reply_int(r, "parameters.id_bits"), 5);
        assert_string_equal(reply_string(r, "parameters.instance"),
                            "fedcba98765432100000000000000001");
        json_object_put(r);
        expect_error(&f, fd, ATTACH, "io.p2pd.AlreadyAttached");
        offer(&f, table, false, 4);
        expect_error(&f, fd, ATTACH, "io.p2pd.AlreadyAttached");
        /* It lives elsewhere now: once more. */
        offer(&f, other, true, 5);
        serve_fixture_ask(&f, fd, ATTACH);
        expect_descriptor(&f, fd, 1, 1, 0, other);
        expect_error(&f, fd, ATTACH, "io.p2pd.AlreadyAttached");
        assert_int_equal(p2pd_server_offer_table(f.server, NULL), 0);
        expect_error(&f, fd, ATTACH, "io.p2pd.TableUnavailable");
        (void)close(fd);
        (void)close(table);
        (void)close(other);
        serve_fixture_teardown(&f);
}

static void expect_follow(struct serve_fixture *f, int fd, int64_t generation, bool moved)
{
        char *text = serve_fixture_receive(f, fd);
        json_object *r;

        assert_non_null(text);
        r = json_tokener_parse(text);
        reply_check(r, "io.p2pd", "FollowTable");
        assert_int_equal(reply_int(r, "parameters.generation"), generation);
        assert_int_equal(json_object_get_boolean(reply_member(r, "parameters.moved")), moved);
        json_object_put(r);
        free(text);
}

static void expect_silence(struct serve_fixture *f, int fd)
{
        char byte;

        serve_fixture_turn(f);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

static void test_follow(void **state)
{
        struct serve_fixture f;
        int table = make_table(), other = make_table(), fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 3);
        fd = serve_fixture_connect(&f);
        attach(&f, fd);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 0);
        /* A newer one is there already. */
        serve_fixture_ask(&f, fd, FOLLOW("0"));
        expect_follow(&f, fd, 3, false);
        serve_fixture_ask(&f, fd, FOLLOW("2"));
        expect_follow(&f, fd, 3, false);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 2);
        /* It cannot promise what is not there yet, nor what is no number. */
        expect_error(&f, fd, FOLLOW("4"), "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, FOLLOW("-1"), "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, FOLLOW("\"3\""), "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, CALL("io.p2pd.FollowTable", "{}"),
                     "org.varlink.service.InvalidParameter");
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 2);
        serve_fixture_ask(&f, fd, FOLLOW("3"));
        expect_silence(&f, fd);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 3);
        offer(&f, table, false, 4);
        expect_follow(&f, fd, 4, false);
        /* What was promised stays promised. */
        serve_fixture_ask(&f, fd, FOLLOW("1"));
        expect_follow(&f, fd, 4, false);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 3);
        serve_fixture_ask(&f, fd, FOLLOW("4"));
        expect_silence(&f, fd);
        /* While there is none it waits on, and what comes then is another one. */
        assert_int_equal(p2pd_server_offer_table(f.server, NULL), 0);
        expect_silence(&f, fd);
        offer(&f, other, true, 6);
        expect_follow(&f, fd, 6, true);
        attach(&f, fd);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 4);
        serve_fixture_ask(&f, fd,
                          "{\"method\":\"io.p2pd.FollowTable\",\"oneway\":true,"
                          "\"parameters\":{\"confirmed\":6}}");
        serve_fixture_ask(&f, fd, FOLLOW("6"));
        expect_silence(&f, fd);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 6);
        offer(&f, other, false, 7);
        expect_follow(&f, fd, 7, false);
        expect_silence(&f, fd);
        /* It knows this generation, but from a table that was lost: it must not wait for a newer
         * one to hear of the table that shows it now. */
        assert_int_equal(p2pd_server_offer_table(f.server, NULL), 0);
        offer(&f, table, true, 7);
        serve_fixture_ask(&f, fd, FOLLOW("7"));
        expect_follow(&f, fd, 7, true);
        attach(&f, fd);
        serve_fixture_ask(&f, fd, FOLLOW("7"));
        expect_silence(&f, fd);
        (void)close(fd);
        (void)close(table);
        (void)close(other);
        serve_fixture_teardown(&f);
}

static void test_oneway_confirms(void **state)
{
        struct serve_fixture f;
        int table = make_table(), fd;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 5);
        fd = serve_fixture_connect(&f);
        attach(&f, fd);
        serve_fixture_ask(&f, fd,
                          "{\"method\":\"io.p2pd.FollowTable\",\"oneway\":true,"
                          "\"parameters\":{\"confirmed\":5}}");
        serve_fixture_turn(&f);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 5);
        /* It does not wait. */
        json_object_put(serve_fixture_call(&f, fd, DISTANCE));
        (void)close(fd);
        (void)close(table);
        serve_fixture_teardown(&f);
}

/* Readers that go in every way are readers no more, and that is told once for each turn. */
static void test_readers_go(void **state)
{
        enum { READERS = 100 };
        struct serve_fixture f;
        int table = make_table(), fds[READERS];
        json_object *r;
        unsigned told;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        offer(&f, table, true, 9);
        for (unsigned i = 0; i < READERS; i++) {
                char call[128];

                fds[i] = serve_fixture_connect(&f);
                attach(&f, fds[i]);
                (void)snprintf(call, sizeof(call),
                               "{\"method\":\"io.p2pd.FollowTable\",\"oneway\":true,"
                               "\"parameters\":{\"confirmed\":%u}}",
                               i < 9 ? i + 1 : 9);
                serve_fixture_ask(&f, fds[i], call);
        }
        serve_fixture_turn(&f);
        r = serve_fixture_call(&f, fds[0], CALL("io.p2pd.GetStatus", "{}"));
        reply_check(r, "io.p2pd", "GetStatus");
        assert_int_equal(reply_int(r, "parameters.status.readers"), READERS);
        assert_int_equal(reply_int(r, "parameters.status.oldest_confirmed"), 1);
        assert_int_equal(reply_int(r, "parameters.status.oldest_reader_uid"), getuid());
        assert_int_equal(reply_int(r, "parameters.status.oldest_reader_pid"), getpid());
        assert_int_equal(reply_int(r, "parameters.status.table_generation"), 9);
        json_object_put(r);
        /* One waits and is closed, one waits and ends its side, one just goes. */
        serve_fixture_ask(&f, fds[0], FOLLOW("9"));
        serve_fixture_ask(&f, fds[1], FOLLOW("9"));
        serve_fixture_turn(&f);
        (void)close(fds[0]);
        assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
        (void)close(fds[2]);
        told = f.n_readers_changed;
        serve_fixture_turn(&f);
        assert_true(f.n_readers_changed > told);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), 4);
        assert_true(serve_fixture_is_closed(&f, fds[1]));
        (void)close(fds[1]);
        told = f.n_readers_changed;
        for (unsigned i = 3; i < READERS; i++)
                (void)close(fds[i]);
        serve_fixture_turn(&f);
        assert_true(f.n_readers_changed > told && f.n_readers_changed <= told + 4);
        assert_int_equal(p2pd_server_oldest_confirmed(f.server), P2PD_READERS_NONE);
        (void)close(table);
        serve_fixture_teardown(&f);
}

/* Whom we close may look for a moment still; who closes does not. */
static void test_reader_that_is_closed_counts_on(void **state)
{
        struct p2pd_server_limits limits = p2pd_server_limits_default;
        int table = make_table();

        (void)state;
        for (limits.reader_grace_sec = 0; limits.reader_grace_sec <= 60;
             limits.reader_grace_sec += 60) {
                struct serve_fixture f;
                json_object *r;
                int fds[2], other;

                serve_fixture_setup(&f, &limits, 0);
                offer(&f, table, true, 9);
                other = serve_fixture_connect(&f);
                for (unsigned i = 0; i < 2; i++) {
                        fds[i] = serve_fixture_connect(&f);
                        attach(&f, fds[i]);
                }
                serve_fixture_ask(&f, fds[0], FOLLOW("4"));
                expect_follow(&f, fds[0], 9, false);
                serve_fixture_ask(&f, fds[1], FOLLOW("3"));
                expect_follow(&f, fds[1], 9, false);
                serve_fixture_send(&f, fds[0], "x", 2);
                assert_true(serve_fixture_is_closed(&f, fds[0]));
                (void)close(fds[1]);
                serve_fixture_turn(&f);
                serve_fixture_turn(&f);
                assert_true(p2pd_server_oldest_confirmed(f.server) ==
                            (limits.reader_grace_sec ? 4 : P2PD_READERS_NONE));
                r = serve_fixture_call(&f, other, STATUS);
                assert_int_equal(reply_int(r, "parameters.status.readers"), 0);
                json_object_put(r);
                (void)close(fds[0]);
                (void)close(other);
                serve_fixture_teardown(&f);
        }
        (void)close(table);
}

static void finish_wish(struct serve_fixture *f, unsigned i, int result)
{
        f->wishes[i].result = result;
        p2pd_server_wishes_done(f->server, &f->wishes[i], 1);
}

static void test_wishes(void **state)
{
        static const struct {
                int result;
                const char *error;
        } refused[] = {
                {P2P_BAR_IDS_E_NO_MEMORY_BAR, "io.p2pd.BarNotFound"},
                {P2P_BAR_IDS_E_UNRECOGNISABLE, "io.p2pd.BarUnrecognisable"},
                {P2P_BAR_IDS_E_EXHAUSTED, "io.p2pd.IdsExhausted"},
                {P2P_BAR_IDS_E_TOO_MANY, "io.p2pd.TooManyRegistrations"},
                {P2P_BAR_IDS_E_NOT_REGISTERED, "io.p2pd.BarNotRegistered"},
                {-ENOSPC, "io.p2pd.StateNotSaved"},
        };
        struct serve_fixture f;
        json_object *r;
        int fd, pair[2];

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_int_equal(p2pd_server_add_connection(f.server, pair[0]), 0);
        fd = pair[1];
        expect_error(&f, fd, CALL("io.p2pd.RegisterBar", "{\"function\":\"x\",\"bar_index\":0}"),
                     "io.p2pd.FunctionNotFound");
        expect_error(&f, fd,
                     CALL("io.p2pd.RegisterBar", "{\"function\":\"nvme0\",\"bar_index\":1}"),
                     "io.p2pd.BarNotFound");
        expect_error(&f, fd,
                     CALL("io.p2pd.UnregisterBar", "{\"function\":\"nvme0\",\"bar_index\":6}"),
                     "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, CALL("io.p2pd.UnregisterBar", "{\"function\":\"nvme0\"}"),
                     "org.varlink.service.InvalidParameter");
        assert_int_equal(f.n_wishes, 0);
        for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                char *text;

                serve_fixture_ask(&f, fd, REGISTER);
                expect_silence(&f, fd);
                assert_int_equal(f.n_wishes, i + 1);
                assert_int_equal(f.wishes[i].number, i + 1);
                assert_true(f.wishes[i].registered);
                assert_int_equal(f.wishes[i].function.bus, 5);
                assert_int_equal(f.wishes[i].bar_index, 0);
                finish_wish(&f, i, refused[i].result);
                text = serve_fixture_receive(&f, fd);
                r = json_tokener_parse(text);
                reply_check(r, "", "");
                assert_string_equal(reply_string(r, "error"), refused[i].error);
                json_object_put(r);
                free(text);
        }
        serve_fixture_ask(
                &f, fd, CALL("io.p2pd.UnregisterBar", "{\"function\":\"mlx5_0\",\"bar_index\":0}"));
        expect_silence(&f, fd);
        assert_int_equal(f.n_wishes, 7);
        assert_false(f.wishes[6].registered);
        finish_wish(&f, 6, 0);
        free(serve_fixture_receive(&f, fd));
        /* Who goes while waiting is not missed. */
        serve_fixture_ask(&f, fd, REGISTER);
        expect_silence(&f, fd);
        (void)close(fd);
        serve_fixture_turn(&f);
        finish_wish(&f, 7, 0);
        serve_fixture_teardown(&f);
}

/* Asks to unregister; the wish that came of it. */
static const struct p2pd_bar_wish *unregister(struct serve_fixture *f, int fd, const char *message)
{
        const unsigned n = f->n_wishes;

        serve_fixture_ask(f, fd, message);
        expect_silence(f, fd);
        assert_int_equal(f->n_wishes, n + 1);
        assert_false(f->wishes[n].registered);
        finish_wish(f, n, 0);
        free(serve_fixture_receive(f, fd));
        return &f->wishes[n];
}

#define UNREGISTER(parameters) CALL("io.p2pd.UnregisterBar", parameters)

/* What is not there, by every name that it had. */
static void test_unregister_what_is_absent(void **state)
{
        struct p2pd_absent_bar bars[] = {
                {.slot = {"0000:00:01.0/00.0"},
                 .bar_index = 2,
                 .id = 9,
                 .has_address = true,
                 .address = {.bus = 0x77}},
                {.slot = {"0000:00:07.0/00.0"},
                 .bar_index = 2,
                 .has_address = true,
                 .address = {.bus = 0x78}},
                {.slot = {"0000:00:08.0/00.0"},
                 .bar_index = 2,
                 .has_address = true,
                 .address = {.bus = 0x78}},
                {.slot = {"0000:00:09.0/00.0"}, .bar_index = 0},
        };
        const struct p2pd_absent_bars absent = {bars, 4};
        struct serve_fixture f;
        json_object *r;
        int fd, pair[2];
        char *text;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        f.status.absent_bars = &absent;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_int_equal(p2pd_server_add_connection(f.server, pair[0]), 0);
        fd = pair[1];
        assert_string_equal(unregister(&f, fd, UNREGISTER("{\"id\":9}"))->absent_slot.text,
                            "0000:00:01.0/00.0");
        assert_int_equal(f.wishes[0].bar_index, 2);
        assert_string_equal(
                unregister(&f, fd, UNREGISTER("{\"function\":\"77:00.0\",\"bar_index\":2}"))
                        ->absent_slot.text,
                "0000:00:01.0/00.0");
        assert_string_equal(
                unregister(&f, fd,
                           UNREGISTER("{\"function\":\"0000:00:08.0/00.0\",\"bar_index\":2}"))
                        ->absent_slot.text,
                "0000:00:08.0/00.0");
        assert_string_equal(
                unregister(&f, fd,
                           UNREGISTER("{\"function\":\"0000:00:09.0/00.0\",\"bar_index\":0}"))
                        ->absent_slot.text,
                "0000:00:09.0/00.0");
        assert_string_equal(
                unregister(&f, fd, UNREGISTER("{\"function\":\"nvme0\",\"bar_index\":1}"))
                        ->absent_slot.text,
                "");
        expect_error(&f, fd, UNREGISTER("{\"function\":\"77:00.0\",\"bar_index\":1}"),
                     "io.p2pd.BarNotRegistered");
        expect_error(&f, fd, UNREGISTER("{\"function\":\"79:00.0\",\"bar_index\":2}"),
                     "io.p2pd.BarNotRegistered");
        expect_error(&f, fd, UNREGISTER("{\"function\":\"nvme9\",\"bar_index\":2}"),
                     "io.p2pd.FunctionNotFound");
        expect_error(&f, fd, UNREGISTER("{\"id\":10}"), "io.p2pd.BarNotRegistered");
        expect_error(&f, fd, UNREGISTER("{\"id\":0}"), "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, UNREGISTER("{\"id\":65536}"), "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, UNREGISTER("{\"id\":9,\"bar_index\":2}"),
                     "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, UNREGISTER("{\"id\":9,\"function\":\"nvme0\"}"),
                     "org.varlink.service.InvalidParameter");
        expect_error(&f, fd, UNREGISTER("{}"), "org.varlink.service.InvalidParameter");
        /* Two were seen there: their slots are told. */
        serve_fixture_ask(&f, fd, UNREGISTER("{\"function\":\"78:00.0\",\"bar_index\":2}"));
        text = serve_fixture_receive(&f, fd);
        assert_non_null(strstr(text, "FunctionAmbiguous"));
        assert_non_null(strstr(text, "[\"0000:00:07.0/00.0\",\"0000:00:08.0/00.0\"]"));
        free(text);
        assert_int_equal(f.n_wishes, 5);
        /* They are listed, unless functions are named. */
        r = serve_fixture_call(&f, fd, CALL("io.p2pd.ListBars", "{}"));
        reply_check(r, "io.p2pd", "ListBars");
        assert_int_equal(reply_length(r, "parameters.absent"), 4);
        json_object_put(r);
        r = serve_fixture_call(&f, fd, CALL("io.p2pd.ListBars", "{\"functions\":[\"nvme0\"]}"));
        reply_check(r, "io.p2pd", "ListBars");
        assert_int_equal(reply_length(r, "parameters.absent"), 0);
        json_object_put(r);
        (void)close(fd);
        serve_fixture_teardown(&f);
}

static void test_ids_in_replies(void **state)
{
        struct serve_fixture f;
        struct p2pd_snapshot *next;
        struct p2pd_snapshot_bar *bars;
        json_object *r;
        char *text;
        int fd, monitor;

        (void)state;
        serve_fixture_setup(&f, NULL, 0);
        fd = serve_fixture_connect(&f);
        monitor = serve_fixture_connect(&f);
        serve_fixture_ask(&f, monitor, MORE("io.p2pd.Monitor", "{}"));
        free(serve_fixture_receive(&f, monitor));
        r = serve_fixture_call(&f, fd, CALL("io.p2pd.ListBars", "{}"));
        reply_check(r, "io.p2pd", "ListBars");
        assert_null(reply_member(r, "parameters.bars.0.id"));
        json_object_put(r);
        assert_int_equal(p2pd_snapshot_renew(f.snapshot, 2, &next), 0);
        bars = calloc(2, sizeof(*bars));
        assert_non_null(bars);
        bars[0] = (struct p2pd_snapshot_bar){.function = 5, .id = 7, .since = 2};
        bars[1] = (struct p2pd_snapshot_bar){.function = 7, .registered = true};
        p2pd_snapshot_take_bars(next, bars, 2);
        p2pd_server_publish(f.server, next, &(struct p2p_diff){0});
        p2pd_snapshot_unref(f.snapshot);
        f.snapshot = next;
        r = serve_fixture_call(&f, fd, CALL("io.p2pd.ListBars", "{}"));
        reply_check(r, "io.p2pd", "ListBars");
        assert_int_equal(reply_int(r, "parameters.generation"), 2);
        assert_int_equal(reply_int(r, "parameters.bars.0.id"), 7);
        assert_int_equal(reply_int(r, "parameters.bars.0.id_since"), 2);
        assert_false(json_object_get_boolean(reply_member(r, "parameters.bars.0.registered")));
        assert_null(reply_member(r, "parameters.bars.1.id"));
        assert_null(reply_member(r, "parameters.bars.2.id"));
        assert_true(json_object_get_boolean(reply_member(r, "parameters.bars.2.registered")));
        json_object_put(r);
        /* A generation like any other, in which no function has changed. */
        text = serve_fixture_receive(&f, monitor);
        r = json_tokener_parse(text);
        reply_check(r, "io.p2pd", "Monitor");
        assert_int_equal(reply_int(r, "parameters.generation"), 2);
        assert_int_equal(reply_length(r, "parameters.changes"), 0);
        json_object_put(r);
        free(text);
        (void)close(fd);
        (void)close(monitor);
        serve_fixture_teardown(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptor_goes_with_its_message),
                cmocka_unit_test(test_descriptor_waits_for_a_slow_client),
                cmocka_unit_test(test_descriptor_of_a_client_that_goes),
                cmocka_unit_test(test_attach),
                cmocka_unit_test(test_follow),
                cmocka_unit_test(test_oneway_confirms),
                cmocka_unit_test(test_readers_go),
                cmocka_unit_test(test_reader_that_is_closed_counts_on),
                cmocka_unit_test(test_wishes),
                cmocka_unit_test(test_unregister_what_is_absent),
                cmocka_unit_test(test_ids_in_replies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
