/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection of libp2pd against a peer that the test plays itself, on a socket pair. */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <p2pd/p2pd.h>

struct fixture {
        struct p2pd_client *client;
        int peer;
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(p2pd_client_new_fd(fds[0], &f->client), 0);
        f->peer = fds[1];
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        f->client = p2pd_client_free(f->client);
        if (f->peer >= 0)
                close(f->peer);
        free(f);
        return 0;
}

/* Sends with the NUL. */
static void say(struct fixture *f, const char *text)
{
        assert_int_equal(write(f->peer, text, strlen(text) + 1), (ssize_t)strlen(text) + 1);
}

static void expect_call(struct fixture *f, const char *text)
{
        char buf[1024];

        assert_int_equal(read(f->peer, buf, strlen(text) + 1), (ssize_t)strlen(text) + 1);
        assert_string_equal(buf, text);
}

struct heard {
        int n, error;
        bool continues;
        char name[64], parameters[256];
        struct p2pd_client *free_it;
};

static void on_reply(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct heard *h = userdata;
        const char *name = p2pd_reply_get_error_name(reply);
        size_t n;

        h->n++;
        h->error = p2pd_reply_get_errno(reply);
        h->continues = p2pd_reply_continues(reply);
        snprintf(h->name, sizeof(h->name), "%s", name ? name : "");
        snprintf(h->parameters, sizeof(h->parameters), "%s", p2pd_reply_get_parameters(reply, &n));
        assert_int_equal(n, strlen(p2pd_reply_get_parameters(reply, NULL)));
        assert_int_equal(p2pd_client_process(client), -EBUSY);
        if (h->free_it)
                assert_null(p2pd_client_free(client));
}

static void test_call_and_reply(void **state)
{
        struct fixture *f = *state;
        struct heard h = {0};

        assert_int_equal(p2pd_client_call(f->client, "io.p2pd.GetStatus", NULL, 0, on_reply, &h),
                         0);
        expect_call(f, "{\"method\":\"io.p2pd.GetStatus\",\"parameters\":{}}");
        assert_int_equal(p2pd_client_get_events(f->client), POLLIN);
        assert_int_equal(p2pd_client_process(f->client), 0);
        assert_int_equal(p2pd_client_get_pending(f->client), 1);
        say(f, "{\"parameters\":{\"a\":[1]},\"unheard_of\":[{}]}");
        assert_int_equal(p2pd_client_process(f->client), 1);
        assert_int_equal(p2pd_client_get_pending(f->client), 0);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.error, 0);
        assert_false(h.continues);
        assert_string_equal(h.parameters, "{\"a\":[1]}");
}

static void test_one_byte_at_a_time(void **state)
{
        static const char text[] = "{\"parameters\":{\"x\":\"y\"}}";
        struct fixture *f = *state;
        struct heard h = {0};

        assert_int_equal(p2pd_client_call(f->client, "a.b", "{}", 0, on_reply, &h), 0);
        for (size_t i = 0; i < sizeof(text); i++) {
                assert_int_equal(h.n, 0);
                assert_int_equal(write(f->peer, text + i, 1), 1);
                assert_int_equal(p2pd_client_process(f->client), i + 1 == sizeof(text) ? 1 : 0);
        }
        assert_string_equal(h.parameters, "{\"x\":\"y\"}");
}

static void test_pipeline_and_stream(void **state)
{
        struct fixture *f = *state;
        struct heard first = {0}, stream = {0}, last = {0};

        assert_int_equal(p2pd_client_call(f->client, "a.A", NULL, 0, on_reply, &first), 0);
        assert_int_equal(
                p2pd_client_call(f->client, "a.B", "{\"k\":1}", P2PD_CALL_MORE, on_reply, &stream),
                0);
        assert_int_equal(p2pd_client_call(f->client, "a.C", NULL, P2PD_CALL_ONEWAY, NULL, NULL), 0);
        assert_int_equal(p2pd_client_call(f->client, "a.D", NULL, 0, on_reply, &last), 0);
        expect_call(f, "{\"method\":\"a.A\",\"parameters\":{}}");
        expect_call(f, "{\"method\":\"a.B\",\"parameters\":{\"k\":1},\"more\":true}");
        expect_call(f, "{\"method\":\"a.C\",\"parameters\":{},\"oneway\":true}");
        expect_call(f, "{\"method\":\"a.D\",\"parameters\":{}}");
        assert_int_equal(p2pd_client_get_pending(f->client), 3);
        say(f, "{\"parameters\":{\"n\":1}}");
        say(f, "{\"parameters\":{\"n\":2},\"continues\":true}");
        say(f, "{\"parameters\":{\"n\":3},\"continues\":true}");
        assert_int_equal(p2pd_client_process(f->client), 3);
        assert_string_equal(first.parameters, "{\"n\":1}");
        assert_int_equal(stream.n, 2);
        assert_true(stream.continues);
        say(f, "{}");
        say(f, "{\"error\":\"io.p2pd.FunctionNotFound\",\"parameters\":{\"function\":\"x\"}}");
        assert_int_equal(p2pd_client_process(f->client), 2);
        assert_false(stream.continues);
        assert_string_equal(stream.parameters, "{}");
        assert_int_equal(last.error, -ENODEV);
        assert_string_equal(last.name, "io.p2pd.FunctionNotFound");
        assert_string_equal(last.parameters, "{\"function\":\"x\"}");
}

static void test_bad_calls(void **state)
{
        struct fixture *f = *state;
        struct heard h = {0};
        static const char *const parameters[] = {"", "[]", "1", "{", "{}{}", "{\"a\":}", "null"};
        static const char *const methods[] = {"", "a b", "a\"b", "a\n"};

        for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
                assert_int_equal(p2pd_client_call(f->client, "a.b", parameters[i], 0, on_reply, &h),
                                 -EINVAL);
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                assert_int_equal(p2pd_client_call(f->client, methods[i], NULL, 0, on_reply, &h),
                                 -EINVAL);
        assert_int_equal(p2pd_client_call(f->client, NULL, NULL, 0, NULL, NULL), -EINVAL);
        assert_int_equal(p2pd_client_call(f->client, "a.b", NULL, 8, on_reply, &h), -EINVAL);
        assert_int_equal(p2pd_client_call(f->client, "a.b", NULL, P2PD_CALL_ONEWAY, on_reply, &h),
                         -EINVAL);
        assert_int_equal(p2pd_client_get_pending(f->client), 0);
        assert_int_equal(h.n, 0);
}

/* Each of these ends the connection, and the caller hears of it once. */
static void test_malformed_replies(void **state)
{
        static const char *const replies[] = {
                "",
                "x",
                "{",
                "[]",
                "null",
                "{\"parameters\":[]}",
                "{\"parameters\":1}",
                "{\"error\":1}",
                "{\"error\":\"a b\"}",
                "{\"error\":\"\"}",
                "{\"continues\":\"yes\"}",
                "{\"parameters\":{},\"continues\":true}",
                "{\"error\":\"a.B\",\"continues\":true}",
                "{}{}",
                "{\"parameters\":{\"a\":\"\n\"}}",
                "{\"parameters\":{\"a\":01}}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                struct heard h = {0}, second = {0};
                struct fixture *f;
                void *own;

                setup(&own);
                f = own;
                assert_int_equal(p2pd_client_call(f->client, "a.b", NULL, 0, on_reply, &h), 0);
                assert_int_equal(p2pd_client_call(f->client, "a.b", NULL, 0, on_reply, &second), 0);
                say(f, replies[i]);
                assert_int_equal(p2pd_client_process(f->client), -EBADMSG);
                assert_int_equal(h.n, 1);
                assert_int_equal(h.error, -EBADMSG);
                assert_int_equal(second.error, -EBADMSG);
                assert_int_equal(p2pd_client_get_fd(f->client), -1);
                assert_int_equal(p2pd_client_get_events(f->client), 0);
                assert_int_equal(p2pd_client_process(f->client), -EBADMSG);
                assert_int_equal(p2pd_client_call(f->client, "a.b", NULL, 0, NULL, NULL), -EBADMSG);
                teardown(&own);
        }
}

static void test_unasked_reply(void **state)
{
        struct fixture *f = *state;

        say(f, "{}");
        assert_int_equal(p2pd_client_process(f->client), -EBADMSG);
}

static void test_end_of_connection(void **state)
{
        struct fixture *f = *state;
        struct heard first = {0}, second = {0};

        assert_int_equal(p2pd_client_call(f->client, "a.A", NULL, 0, on_reply, &first), 0);
        assert_int_equal(p2pd_client_call(f->client, "a.B", NULL, 0, on_reply, &second), 0);
        say(f, "{\"parameters\":{\"last\":\"words\"}}");
        assert_int_equal(write(f->peer, "{\"parameters", 12), 12);
        close(f->peer);
        f->peer = -1;
        /* What was complete is heard, then the end. */
        assert_int_equal(p2pd_client_process(f->client), -ECONNRESET);
        assert_int_equal(first.error, 0);
        assert_string_equal(first.parameters, "{\"last\":\"words\"}");
        assert_int_equal(second.n, 1);
        assert_int_equal(second.error, -ECONNRESET);
        assert_int_equal(p2pd_client_reconnect(f->client), -EOPNOTSUPP);
}

static void test_free_tells_those_who_wait(void **state)
{
        struct fixture *f = *state;
        struct heard h = {0};

        assert_int_equal(p2pd_client_call(f->client, "a.A", NULL, 0, on_reply, &h), 0);
        f->client = p2pd_client_free(f->client);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.error, -ECANCELED);
}

static void test_free_in_callback(void **state)
{
        struct fixture *f = *state;
        struct heard first = {.free_it = f->client}, second = {0};

        assert_int_equal(p2pd_client_call(f->client, "a.A", NULL, 0, on_reply, &first), 0);
        assert_int_equal(p2pd_client_call(f->client, "a.B", NULL, 0, on_reply, &second), 0);
        say(f, "{}");
        say(f, "{}");
        assert_int_equal(p2pd_client_process(f->client), -ECANCELED);
        f->client = NULL;
        assert_int_equal(first.n, 1);
        assert_int_equal(second.n, 1);
        assert_int_equal(second.error, -ECANCELED);
}

static void test_wait_with_timeout(void **state)
{
        struct fixture *f = *state;
        struct p2pd_reply *reply = NULL;

        assert_int_equal(p2pd_client_call_wait(f->client, "a.A", NULL, 20, &reply), -ETIMEDOUT);
        assert_null(reply);
        /* The late reply finds nobody; the next one is the next call's. */
        say(f, "{\"parameters\":{\"late\":1}}");
        say(f, "{\"parameters\":{\"n\":2}}");
        assert_int_equal(p2pd_client_call_wait(f->client, "a.B", NULL, 1000, &reply), 0);
        assert_string_equal(p2pd_reply_get_parameters(reply, NULL), "{\"n\":2}");
        assert_null(p2pd_client_get_error_name(f->client));
        p2pd_reply_free(reply);
}

static void test_typed_error(void **state)
{
        struct fixture *f = *state;
        struct p2pd_verdict v = {.distance_hops = 77};

        say(f, "{\"error\":\"io.p2pd.FunctionAmbiguous\",\"parameters\":{\"candidates\":[\"a\"]}}");
        assert_int_equal(p2pd_client_get_distance(f->client, "x", "y", P2PD_RULES_NEWEST, 1000, &v),
                         -ENOTUNIQ);
        assert_int_equal(v.distance_hops, 77);
        assert_string_equal(p2pd_client_get_error_name(f->client), "io.p2pd.FunctionAmbiguous");
        assert_string_equal(p2pd_client_get_error_parameters(f->client),
                            "{\"candidates\":[\"a\"]}");
        expect_call(f, "{\"method\":\"io.p2pd.GetDistance\",\"parameters\":{\"provider\":\"x\","
                       "\"client\":\"y\",\"rules\":\"newest\"}}");
}

static void test_distance(void **state)
{
        struct fixture *f = *state;
        struct p2pd_verdict v;

        say(f, "{\"parameters\":{\"generation\":1,\"distance_hops\":9,\"map\":\"host_bridge\","
               "\"path\":\"NODE\",\"reason\":\"cpu-allows\"}}");
        assert_int_equal(
                p2pd_client_get_distance(f->client, "a\"b\n", "y", P2PD_RULES_DEFAULT, 1000, &v),
                0);
        assert_int_equal(v.distance_hops, 9);
        assert_int_equal(v.map, P2PD_MAP_HOST_BRIDGE);
        assert_int_equal(v.path, P2PD_PATH_NODE);
        assert_string_equal(v.reason, "cpu-allows");
        expect_call(f, "{\"method\":\"io.p2pd.GetDistance\",\"parameters\":{\"provider\":"
                       "\"a\\u0022b\\u000a\",\"client\":\"y\"}}");
        /* A map nobody knows is no answer. */
        say(f, "{\"parameters\":{\"map\":\"teleport\"}}");
        assert_int_equal(
                p2pd_client_get_distance(f->client, "x", "y", P2PD_RULES_DEFAULT, 1000, &v),
                -EBADMSG);
}

#define SEGMENT(address, length, map, rest)                                                        \
        "{\"address\":\"" address "\",\"length_bytes\":\"" length "\",\"map\":\"" map "\"," rest   \
        "\"reason\":\"r\"}"

static void test_map(void **state)
{
        struct fixture *f = *state;
        struct p2pd_segment *s = NULL;
        size_t n = 0;

        say(f, "{\"parameters\":{\"generation\":1,\"segments\":[" SEGMENT(
                       "0x1000", "0x1000", "regular",
                       "\"function\":null,\"own\":false,") "," SEGMENT("0x2000", "0x800", "bus",
                                                                       "\"function\":\"0000:03:00."
                                                                       "0\",\"bar_index\":2,\"bar_"
                                                                       "offset_bytes\":"
                                                                       "\"0x10\",\"own\":false,"
                                                                       "\"dma_address\":"
                                                                       "\"0x92000\",") "]}}");
        assert_int_equal(
                p2pd_client_map(f->client, "y", 0x1000, 0x1800, P2PD_RULES_DEFAULT, 1000, &s, &n),
                0);
        assert_int_equal(n, 2);
        assert_int_equal(s[0].map, P2PD_MAP_REGULAR);
        assert_int_equal(s[0].bar_index, -1);
        assert_false(s[0].has_dma_address);
        assert_string_equal(s[1].function, "0000:03:00.0");
        assert_true(s[1].has_dma_address);
        assert_int_equal(s[1].dma_address, 0x92000);
        assert_int_equal(s[1].bar_offset_bytes, 0x10);
        free(s);
        /* A gap, a short end, nothing at all: none is an answer to do DMA by. */
        s = NULL;
        say(f, "{\"parameters\":{\"segments\":[" SEGMENT("0x1000", "0x1000", "regular",
                                                         "") "," SEGMENT("0x2001", "0x7ff",
                                                                         "regular", "") "]}}");
        say(f, "{\"parameters\":{\"segments\":[" SEGMENT("0x1000", "0x1000", "regular", "") "]}}");
        say(f, "{\"parameters\":{\"segments\":[]}}");
        for (int i = 0; i < 3; i++)
                assert_int_equal(p2pd_client_map(f->client, "y", 0x1000, 0x1800, P2PD_RULES_DEFAULT,
                                                 1000, &s, &n),
                                 -EBADMSG);
        assert_null(s);
}

static void test_register_bar(void **state)
{
        struct fixture *f = *state;
        uint32_t id = 77;

        say(f, "{\"parameters\":{\"generation\":2,\"id\":5}}");
        assert_int_equal(p2pd_client_register_bar(f->client, "x\"", 3, 1000, &id), 0);
        assert_int_equal(id, 5);
        expect_call(f, "{\"method\":\"io.p2pd.RegisterBar\",\"parameters\":"
                       "{\"function\":\"x\\u0022\",\"bar_index\":3}}");
        say(f, "{\"parameters\":{\"generation\":2,\"id\":null}}");
        assert_int_equal(p2pd_client_unregister_bar(f->client, "x", 0, 1000, &id), 0);
        assert_int_equal(id, 0);
        expect_call(f, "{\"method\":\"io.p2pd.UnregisterBar\",\"parameters\":"
                       "{\"function\":\"x\",\"bar_index\":0}}");
        say(f, "{\"parameters\":{\"generation\":2,\"id\":7}}");
        assert_int_equal(p2pd_client_unregister_bar_id(f->client, 7, 1000, &id), 0);
        assert_int_equal(id, 7);
        expect_call(f, "{\"method\":\"io.p2pd.UnregisterBar\",\"parameters\":{\"id\":7}}");
        say(f, "{\"parameters\":{\"generation\":2}}");
        assert_int_equal(p2pd_client_register_bar(f->client, "x", 3, 1000, NULL), 0);
        id = 77;
        say(f, "{\"parameters\":{\"id\":65536}}");
        assert_int_equal(p2pd_client_register_bar(f->client, "x", 3, 1000, &id), -EBADMSG);
        say(f, "{\"error\":\"io.p2pd.IdsExhausted\",\"parameters\":{\"id_bits\":4}}");
        assert_int_equal(p2pd_client_register_bar(f->client, "x", 3, 1000, &id), -ENOSPC);
        assert_string_equal(p2pd_client_get_error_name(f->client), "io.p2pd.IdsExhausted");
        say(f, "{\"error\":\"io.p2pd.BarNotRegistered\"}");
        assert_int_equal(p2pd_client_unregister_bar(f->client, "x", 3, 1000, &id), -ENOENT);
        assert_int_equal(id, 77);
}

struct rows {
        int n, end, status;
        int64_t hops;
        bool fail;
};

static void on_row(struct p2pd_client *client, const struct p2pd_row *row, int status,
                   const char *error_name, void *userdata)
{
        struct rows *r = userdata;

        (void)client;
        (void)error_name;
        if (!row) {
                r->end++;
                r->status = status;
                return;
        }
        r->n++;
        assert_int_equal(row->n_clients, 2);
        assert_string_equal(row->clients[1], "0000:02:00.0");
        r->hops = row->verdicts[1].distance_hops;
}

#define CELL(hops) "{\"distance_hops\":" hops ",\"map\":\"bus\",\"path\":\"PIX\",\"reason\":\"r\"}"

static void test_pairs(void **state)
{
        struct fixture *f = *state;
        struct rows r = {0};

        assert_int_equal(p2pd_client_get_pairs(f->client, P2PD_RULES_DEFAULT, on_row, &r), 0);
        say(f, "{\"parameters\":{\"rows\":[{\"provider\":\"0000:01:00.0\",\"cells\":[" CELL(
                       "0") "," CELL("4") "]}],\"clients\":[\"0000:01:00.0\",\"0000:02:00.0\"],"
                                          "\"generation\":1},"
                                          "\"continues\":true}");
        assert_int_equal(p2pd_client_process(f->client), 1);
        assert_int_equal(r.n, 1);
        assert_int_equal(r.hops, 4);
        say(f, "{\"parameters\":{\"generation\":1,\"clients\":[],\"rows\":[{\"cells\":[" CELL(
                       "6") "," CELL("null") "],\"provider\":\"0000:02:00.0\"}]}}");
        assert_int_equal(p2pd_client_process(f->client), 1);
        assert_int_equal(r.n, 2);
        assert_int_equal(r.hops, -1);
        assert_int_equal(r.end, 1);
        assert_int_equal(r.status, 0);
}

static void test_bad_pairs(void **state)
{
        static const char *const bad[] = {
                /* too few cells, too many, an address that is none, one that is too long */
                "{\"clients\":[\"1:0.0\",\"2:0.0\"],\"rows\":[{\"provider\":\"1\",\"cells\":[" CELL(
                        "0") "]}]}",
                "{\"clients\":[\"1:0.0\"],\"rows\":[{\"provider\":\"1\",\"cells\":[" CELL(
                        "0") "," CELL("0") "]}]}",
                "{\"clients\":[\"a\\tb\"],\"rows\":[]}",
                "{\"clients\":[\"00000000000000000000000000000000000000\"],\"rows\":[]}",
                "{\"clients\":[],\"rows\":[{\"provider\":\"\\u001b[2J\",\"cells\":[]}]}",
                "{\"clients\":[]}",
                "{\"clients\":7,\"rows\":[]}",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char reply[1024];
                struct rows r = {0};

                assert_int_equal(p2pd_client_get_pairs(f->client, P2PD_RULES_DEFAULT, on_row, &r),
                                 0);
                snprintf(reply, sizeof(reply), "{\"parameters\":%s,\"continues\":true}", bad[i]);
                say(f, reply);
                say(f, "{\"parameters\":{\"clients\":[],\"rows\":[]}}");
                assert_int_equal(p2pd_client_process(f->client), 2);
                assert_int_equal(r.n, 0);
                assert_int_equal(r.end, 1);
                assert_int_equal(r.status, -EBADMSG);
        }
}

struct events {
        int n, end, status;
        struct p2pd_change change;
        struct p2pd_flip flip;
        uint64_t flips_total;
        bool initial;
};

static void on_event(struct p2pd_client *client, const struct p2pd_event *event, int status,
                     void *userdata)
{
        struct events *e = userdata;

        (void)client;
        if (!event) {
                e->end++;
                e->status = status;
                return;
        }
        e->n++;
        e->initial = event->initial;
        e->flips_total = event->flips_total;
        if (event->n_changes > 0)
                e->change = event->changes[event->n_changes - 1];
        if (event->n_flips > 0)
                e->flip = event->flips[0];
}

static void test_monitor(void **state)
{
        struct fixture *f = *state;
        struct events e = {0};

        assert_int_equal(p2pd_client_monitor(f->client, on_event, &e), 0);
        say(f, "{\"parameters\":{\"generation\":1,\"functions\":[{}],\"changes\":[],\"flips\":[],"
               "\"machine_wide\":false,\"flips_total\":0},\"continues\":true}");
        assert_int_equal(p2pd_client_process(f->client), 1);
        assert_true(e.initial);
        say(f, "{\"parameters\":{\"generation\":2,\"functions\":[],\"changes\":["
               "{\"kind\":\"added\",\"function\":\"a\",\"what\":[]},"
               "{\"kind\":\"removed\",\"function\":\"b\",\"what\":[]},"
               "{\"kind\":\"changed\",\"function\":\"c\",\"what\":[\"acs\",\"link\"]}],"
               "\"flips\":[{\"provider\":\"p\",\"client\":\"c\",\"before\":" CELL(
                       "4") ",\"after\":" CELL("6") "}],\"machine_wide\":true,\"flips_total\":12},"
                                                    "\"continues\":true}");
        assert_int_equal(p2pd_client_process(f->client), 1);
        assert_false(e.initial);
        assert_int_equal(e.change.kind, P2PD_CHANGE_CHANGED);
        assert_string_equal(e.change.what, "acs,link");
        assert_int_equal(e.flip.after.distance_hops, 6);
        assert_int_equal(e.flips_total, 12);
        close(f->peer);
        f->peer = -1;
        assert_int_equal(p2pd_client_process(f->client), -ECONNRESET);
        assert_int_equal(e.end, 1);
        assert_int_equal(e.status, -ECONNRESET);
}

static void test_check_and_explain(void **state)
{
        struct fixture *f = *state;
        struct p2pd_check_options options = {.size = sizeof(options), .min_bar_bytes = 0x10000};
        enum p2pd_answer answer;
        char because[8], *text = NULL;

        say(f, "{\"parameters\":{\"generation\":1,\"result\":\"no\",\"pairs\":[{\"because\":"
               "\"switched off\",\"gates\":[]}]}}");
        assert_int_equal(p2pd_client_check(f->client, "x", "y", NULL, 1000, &answer, because,
                                           sizeof(because)),
                         0);
        assert_int_equal(answer, P2PD_ANSWER_NO);
        assert_string_equal(because, "switche");
        expect_call(f, "{\"method\":\"io.p2pd.Check\",\"parameters\":{\"providers\":[\"x\"],"
                       "\"clients\":[\"y\"]}}");
        options.allow_slow_link = true;
        options.rules = P2PD_RULES_NEWEST;
        say(f, "{\"parameters\":{\"generation\":1,\"result\":\"yes\",\"pairs\":[{\"gates\":[]}]}}");
        assert_int_equal(p2pd_client_check(f->client, "x", "y", &options, 1000, &answer, NULL, 0),
                         0);
        assert_int_equal(answer, P2PD_ANSWER_YES);
        expect_call(f, "{\"method\":\"io.p2pd.Check\",\"parameters\":{\"providers\":[\"x\"],"
                       "\"clients\":[\"y\"],\"rules\":\"newest\",\"min_bar_bytes\":\"0x10000\","
                       "\"allow_slow_link\":true}}");
        options.size++;
        assert_int_equal(p2pd_client_check(f->client, "x", "y", &options, 1000, &answer, NULL, 0),
                         -EINVAL);
        say(f, "{\"parameters\":{\"explanation\":{\"reasons\":[{\"name\":\"n\",\"text\":\"One.\"}],"
               "\"constraints\":[{\"text\":\"Two.\"}],\"path\":[]}}}");
        assert_int_equal(
                p2pd_client_explain_text(f->client, "x", "y", P2PD_RULES_DEFAULT, 1000, &text), 0);
        assert_string_equal(text, "One.\nTwo.\n");
        free(text);
}

/* A reply of any size up to the limit, and not past it. */
static void test_too_large(void **state)
{
        struct fixture *f = *state;
        struct heard h = {0};
        size_t sent = 0;
        char *block = malloc(1U << 20);
        int r = 0;

        memset(block, ' ', 1U << 20);
        assert_int_equal(p2pd_client_call(f->client, "a.A", NULL, 0, on_reply, &h), 0);
        while (r == 0 && sent < (70U << 20)) {
                ssize_t n = send(f->peer, block, 1U << 20, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0)
                        sent += (size_t)n;
                r = p2pd_client_process(f->client);
        }
        assert_int_equal(r, -EMSGSIZE);
        assert_true(sent >= 64U << 20);
        assert_int_equal(h.error, -EMSGSIZE);
        free(block);
}

/* Nobody reads: calls queue up to the limit, and are refused beyond it. */
static void test_unsent_limit(void **state)
{
        struct fixture *f = *state;
        size_t n = 1U << 20;
        char *parameters = malloc(n + 16);
        int r = 0, queued = 0;

        strcpy(parameters, "{\"a\":\"");
        memset(parameters + 6, 'x', n);
        strcpy(parameters + 6 + n, "\"}");
        while (r == 0 && queued < 100) {
                r = p2pd_client_call(f->client, "a.A", parameters, P2PD_CALL_ONEWAY, NULL, NULL);
                queued += r == 0;
        }
        assert_int_equal(r, -ENOBUFS);
        assert_in_range(queued, 15, 17);
        assert_int_equal(p2pd_client_get_events(f->client), POLLIN | POLLOUT);
        free(parameters);
}

static void test_reconnect(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char directory[] = "/tmp/libp2pd-XXXXXX";
        struct p2pd_client *c = NULL;
        struct heard h = {0};
        int listener, peer;

        (void)state;
        assert_non_null(mkdtemp(directory));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
        assert_int_equal(p2pd_client_new_path(address.sun_path, &c), -ENOENT);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(p2pd_client_new_path(address.sun_path, &c), -ECONNREFUSED);
        assert_int_equal(listen(listener, 4), 0);
        assert_int_equal(p2pd_client_new_path(address.sun_path, &c), 0);
        peer = accept(listener, NULL, NULL);
        assert_int_equal(p2pd_client_call(c, "a.A", NULL, 0, on_reply, &h), 0);
        close(peer);
        assert_int_equal(p2pd_client_process(c), -ECONNRESET);
        assert_int_equal(h.error, -ECONNRESET);
        assert_int_equal(p2pd_client_reconnect(c), 0);
        peer = accept(listener, NULL, NULL);
        assert_int_equal(p2pd_client_call(c, "a.A", NULL, 0, on_reply, &h), 0);
        assert_int_equal(write(peer, "{}", 3), 3);
        assert_int_equal(p2pd_client_process(c), 1);
        assert_int_equal(h.error, 0);
        close(listener);
        unlink(address.sun_path);
        assert_int_equal(p2pd_client_reconnect(c), -ENOENT);
        assert_int_equal(p2pd_client_process(c), -ENOTCONN);
        close(peer);
        p2pd_client_free(c);
        rmdir(directory);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH_PEER(test_call_and_reply),
                WITH_PEER(test_one_byte_at_a_time),
                WITH_PEER(test_pipeline_and_stream),
                WITH_PEER(test_bad_calls),
                cmocka_unit_test(test_malformed_replies),
                WITH_PEER(test_unasked_reply),
                WITH_PEER(test_end_of_connection),
                WITH_PEER(test_free_tells_those_who_wait),
                WITH_PEER(test_free_in_callback),
                WITH_PEER(test_wait_with_timeout),
                WITH_PEER(test_typed_error),
                WITH_PEER(test_distance),
                WITH_PEER(test_map),
                WITH_PEER(test_register_bar),
                WITH_PEER(test_pairs),
                WITH_PEER(test_bad_pairs),
                WITH_PEER(test_monitor),
                WITH_PEER(test_check_and_explain),
                WITH_PEER(test_too_large),
                WITH_PEER(test_unsent_limit),
                cmocka_unit_test(test_reconnect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
