/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Placement and leases of libp2pd against a peer that the test plays itself: what is asked, and
 * what is made of the answers. */

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <p2pd/p2pd.h>

#define WAIT_MSEC 1000

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

        p2pd_client_free(f->client);
        close(f->peer);
        free(f);
        return 0;
}

/* The peer's reply to what will be asked next: one that waits is read after the call was sent. */
static void say(struct fixture *f, const char *text)
{
        assert_int_equal(write(f->peer, text, strlen(text) + 1), (ssize_t)strlen(text) + 1);
}

static void expect_call(struct fixture *f, const char *text)
{
        char buf[1024];
        ssize_t n = read(f->peer, buf, sizeof(buf));

        assert_in_range(n, 1, sizeof(buf));
        assert_int_equal(buf[n - 1], '\0');
        assert_string_equal(buf, text);
}

#define PLACEMENT                                                                                  \
        "{\"groups\":[{\"provider\":\"0000:03:00.0\",\"names\":[\"card0\"],"                       \
        "\"companions\":[\"0000:04:00.0\",\"0000:05:00.0\",\"0000:06:00.0\"]},"                    \
        "{\"provider\":\"0000:09:00.0\",\"names\":[],\"companions\":[]}],"                         \
        "\"worst_path\":\"PXB\",\"worst_provider\":\"0000:03:00.0\","                              \
        "\"worst_client\":\"0000:06:00.0\",\"worst_map\":\"host_bridge\","                         \
        "\"worst_reason\":\"acs-redirect\",\"bottleneck_mbps\":7876,"                              \
        "\"bottleneck_function\":\"0000:05:00.0\",\"bottleneck_flows\":3,"                         \
        "\"bottleneck_unknown\":true,\"numa_nodes\":[0],\"has_bad\":true,"                         \
        "\"proven\":\"numa\",\"bound_path\":\"PIX\",\"bound_mbps\":null,\"new\":{\"a\":[1]}}"

static void test_place(void **state)
{
        static const struct p2pd_companion companions[] = {{"nic", 1, false}, {"nvme\"", 2, true}};
        static const char *const clients[] = {"mlx5_0", "03:00.0"}, *const avoid[] = {"nvme9"};
        static const struct p2pd_hold hold = {.name = "job7", .owner = "slurm", .seconds = 60};
        const struct p2pd_place_request request = {
                .size = sizeof(request),
                .count = 2,
                .of = "gpu",
                .companions = companions,
                .n_companions = 2,
                .clients = clients,
                .n_clients = 2,
                .avoid = avoid,
                .n_avoid = 1,
                .limit_path = true,
                .worst_path = P2PD_PATH_PHB,
                .limit_numa_node = true,
                .numa_node = 0,
                .least_mbps = 5000,
                .must_be_bus = true,
                .allow_none = true,
                .rules = P2PD_RULES_NEWEST,
                .hold = &hold,
        };
        struct p2pd_placement *p = NULL;
        struct fixture *f = *state;

        say(f, "{\"parameters\":{\"lease\":{\"number\":17,\"devices\":[]},\"answers\":[" PLACEMENT
               ",{\"groups\":[]}],\"generation\":5,\"complete\":true}}");
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), 0);
        expect_call(f, "{\"method\":\"io.p2pd.Place\",\"parameters\":{\"count\":2,\"of\":\"gpu\","
                       "\"companions\":[{\"of\":\"nic\",\"count\":1},"
                       "{\"of\":\"nvme\\u0022\",\"count\":2,\"shared\":true}],"
                       "\"clients\":[\"mlx5_0\",\"03:00.0\"],\"avoid\":[\"nvme9\"],"
                       "\"worst_path\":\"PHB\",\"numa_node\":0,\"least_mbps\":5000,"
                       "\"must_be_bus\":true,\"allow_none\":true,\"rules\":\"newest\","
                       "\"hold\":{\"name\":\"job7\",\"owner\":\"slurm\",\"seconds\":60}}}");
        assert_int_equal(p->generation, 5);
        assert_int_equal(p->n_groups, 2);
        assert_string_equal(p->groups[0].provider, "0000:03:00.0");
        assert_int_equal(p->groups[0].n_companions, 3);
        assert_string_equal(p->groups[0].companions[0], "0000:04:00.0");
        assert_string_equal(p->groups[0].companions[2], "0000:06:00.0");
        assert_string_equal(p->groups[1].provider, "0000:09:00.0");
        assert_int_equal(p->groups[1].n_companions, 0);
        assert_int_equal(p->worst_path, P2PD_PATH_PXB);
        assert_string_equal(p->worst_client, "0000:06:00.0");
        assert_int_equal(p->worst_map, P2PD_MAP_HOST_BRIDGE);
        assert_string_equal(p->worst_reason, "acs-redirect");
        assert_int_equal(p->bottleneck_mbps, 7876);
        assert_string_equal(p->bottleneck_function, "0000:05:00.0");
        assert_int_equal(p->bottleneck_flows, 3);
        assert_true(p->bottleneck_unknown);
        assert_true(p->has_bad);
        assert_int_equal(p->proven, P2PD_PROVEN_NUMA);
        assert_int_equal(p->lease, 17);
        assert_null(p2pd_placement_free(p));
        assert_null(p2pd_placement_free(NULL));
}

static void test_place_without_wishes(void **state)
{
        struct p2pd_place_request request = {.size = sizeof(request), .count = 1, .of = "gpu"};
        struct p2pd_placement *p = NULL;
        struct fixture *f = *state;

        say(f, "{\"parameters\":{\"generation\":1,\"complete\":true,\"lease\":null,\"answers\":[{"
               "\"groups\":[{\"provider\":\"0000:03:00.0\",\"names\":[],\"companions\":[]}],"
               "\"worst_path\":\"LOC\",\"worst_provider\":null,\"worst_client\":null,"
               "\"worst_map\":null,\"worst_reason\":null,\"bottleneck_mbps\":null,"
               "\"bottleneck_function\":null,\"bottleneck_flows\":null,\"proven\":\"all\"}]}}");
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), 0);
        expect_call(f,
                    "{\"method\":\"io.p2pd.Place\",\"parameters\":{\"count\":1,\"of\":\"gpu\"}}");
        assert_string_equal(p->worst_provider, "");
        assert_int_equal(p->worst_map, P2PD_MAP_UNKNOWN);
        assert_int_equal(p->bottleneck_mbps, -1);
        assert_int_equal(p->lease, 0);
        assert_int_equal(p->proven, P2PD_PROVEN_ALL);
        p2pd_placement_free(p);

        request.size--;
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), -EINVAL);
        request.size++;
        request.count = 0;
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), -EINVAL);
        request.count = 1;
        request.of = NULL;
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), -EINVAL);
}

/* What no daemon says: refused, and nothing is written. */
static void test_place_malformed(void **state)
{
        static const char *const parameters[] = {
                "{}",
                "{\"answers\":[]}",
                "{\"answers\":null}",
                "{\"answers\":[null]}",
                "{\"answers\":[{}]}",
                "{\"answers\":[{\"groups\":[]}]}",
                "{\"answers\":[{\"groups\":[{}]}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\",\"companions\":[1]}]}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\",\"companions\":[\"a\",{}]}]}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\"}],\"proven\":\"most\"}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\"}],\"worst_path\":\"FAR\"}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\"}],\"bottleneck_mbps\":-1}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\"},7]}]}",
                "{\"answers\":[{\"groups\":[{\"provider\":\"x\"}]}],\"lease\":7}",
        };
        const struct p2pd_place_request request = {
                .size = sizeof(request), .count = 1, .of = "gpu"};
        struct p2pd_placement *p = (void *)&request;
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
                char reply[512];

                snprintf(reply, sizeof(reply), "{\"parameters\":%s}", parameters[i]);
                say(f, reply);
                if (p2pd_client_place(f->client, &request, WAIT_MSEC, &p) != -EBADMSG)
                        fail_msg("taken: %s", parameters[i]);
                assert_ptr_equal(p, &request);
        }
}

/* A lease that was asked for and is not there would be a promise that nobody made. */
static void test_place_without_the_lease(void **state)
{
        static const struct p2pd_hold hold = {0};
        const struct p2pd_place_request request = {
                .size = sizeof(request), .count = 1, .of = "gpu", .hold = &hold};
        struct p2pd_placement *p = NULL;
        struct fixture *f = *state;

        say(f, "{\"parameters\":{\"answers\":[{\"groups\":[{\"provider\":\"0000:03:00.0\"}]}]}}");
        assert_int_equal(p2pd_client_place(f->client, &request, WAIT_MSEC, &p), -EBADMSG);
        assert_null(p);
}

static void test_errors(void **state)
{
        static const struct {
                const char *name;
                int error;
        } errors[] = {
                {"NoPlacement", -ESRCH},
                {"SelectorInvalid", -EINVAL},
                {"PlacementTooLarge", -EFBIG},
                {"LeaseHeld", -EADDRINUSE},
                {"LeaseNameTaken", -EEXIST},
                {"LeaseNotFound", -ENOENT},
                {"LeaseNotOwner", -EPERM},
                {"LeaseLimit", -EDQUOT},
                {"LeaseUnrecognisable", -EADDRNOTAVAIL},
                {"LeaseNotSaved", -EROFS},
                {"EditInvalid", -EINVAL},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                char reply[128], name[64];

                snprintf(name, sizeof(name), "io.p2pd.%s", errors[i].name);
                snprintf(reply, sizeof(reply),
                         "{\"error\":\"%s\",\"parameters\":{\"limit\":\"bus\"}}", name);
                say(f, reply);
                assert_int_equal(p2pd_client_release_lease(f->client, "job7", WAIT_MSEC),
                                 errors[i].error);
                assert_string_equal(p2pd_client_get_error_name(f->client), name);
                assert_string_equal(p2pd_client_get_error_parameters(f->client),
                                    "{\"limit\":\"bus\"}");
        }
}

#define LEASE                                                                                      \
        "{\"number\":17,\"name\":\"job7\",\"owner\":\"slurm\",\"uid\":1000,\"pid\":42,"            \
        "\"connection_tied\":false,\"taken_usec\":1000001,\"expires_usec\":9000000,\"devices\":["  \
        "{\"function\":\"0000:03:00.0\",\"names\":[\"card0\"],\"slot\":\"0000:00:01.0/00.0\","     \
        "\"lost\":false},"                                                                         \
        "{\"function\":\"0000:04:00.0\",\"names\":[],\"slot\":\"0000:00:01.0/00.1\","              \
        "\"lost\":true}]}"
#define TIED                                                                                       \
        "{\"number\":18,\"name\":null,\"owner\":null,\"uid\":0,\"pid\":1,"                         \
        "\"connection_tied\":true,\"taken_usec\":5,\"expires_usec\":null,\"devices\":[]}"

static void assert_lease(const struct p2pd_lease *l)
{
        assert_int_equal(l->number, 17);
        assert_string_equal(l->name, "job7");
        assert_string_equal(l->owner, "slurm");
        assert_int_equal(l->uid, 1000);
        assert_int_equal(l->pid, 42);
        assert_int_equal(l->taken_usec, 1000001);
        assert_int_equal(l->expires_usec, 9000000);
        assert_int_equal(l->n_devices, 2);
        assert_string_equal(l->devices[0].function, "0000:03:00.0");
        assert_false(l->devices[0].lost);
        assert_string_equal(l->devices[1].slot, "0000:00:01.0/00.1");
        assert_true(l->devices[1].lost);
}

static void test_leases(void **state)
{
        static const char *const functions[] = {"card0", "04:00.0"};
        static const struct p2pd_hold hold = {.name = "job7"}, tied = {0};
        struct p2pd_lease *leases = NULL;
        struct fixture *f = *state;
        uint64_t number = 0;
        size_t n = 77;

        say(f, "{\"parameters\":{\"generation\":3,\"lease\":" LEASE "}}");
        assert_int_equal(p2pd_client_take_lease(f->client, functions, 2, &hold, WAIT_MSEC, &number),
                         0);
        expect_call(f, "{\"method\":\"io.p2pd.TakeLease\",\"parameters\":{\"functions\":[\"card0\","
                       "\"04:00.0\"],\"hold\":{\"name\":\"job7\"}}}");
        assert_int_equal(number, 17);
        say(f, "{\"parameters\":{\"generation\":3,\"lease\":null}}");
        assert_int_equal(p2pd_client_take_lease(f->client, functions, 1, &tied, WAIT_MSEC, &number),
                         -EBADMSG);
        expect_call(f,
                    "{\"method\":\"io.p2pd.TakeLease\",\"parameters\":{\"functions\":[\"card0\"],"
                    "\"hold\":{}}}");
        assert_int_equal(p2pd_client_take_lease(f->client, functions, 0, &tied, WAIT_MSEC, NULL),
                         -EINVAL);
        assert_int_equal(p2pd_client_take_lease(f->client, functions, 1, NULL, WAIT_MSEC, NULL),
                         -EINVAL);
        say(f, "{\"parameters\":{\"lease\":" LEASE "}}");
        assert_int_equal(p2pd_client_renew_lease(f->client, "job7", 60, WAIT_MSEC), 0);
        expect_call(f, "{\"method\":\"io.p2pd.RenewLease\",\"parameters\":{\"lease\":\"job7\","
                       "\"seconds\":60}}");
        say(f, "{\"parameters\":{\"lease\":" LEASE "}}");
        assert_int_equal(p2pd_client_renew_lease(f->client, "17", 0, WAIT_MSEC), 0);
        expect_call(f, "{\"method\":\"io.p2pd.RenewLease\",\"parameters\":{\"lease\":\"17\"}}");
        say(f, "{\"parameters\":{\"lease\":" LEASE "}}");
        assert_int_equal(p2pd_client_release_lease(f->client, "17", WAIT_MSEC), 0);
        expect_call(f, "{\"method\":\"io.p2pd.ReleaseLease\",\"parameters\":{\"lease\":\"17\"}}");
        say(f, "{\"parameters\":{\"generation\":3,\"leases\":[" LEASE "," TIED "]}}");
        assert_int_equal(p2pd_client_list_leases(f->client, WAIT_MSEC, &leases, &n), 0);
        assert_int_equal(n, 2);
        assert_lease(&leases[0]);
        assert_int_equal(leases[1].number, 18);
        assert_string_equal(leases[1].name, "");
        assert_int_equal(leases[1].expires_usec, 0);
        assert_null(p2pd_leases_free(leases, n));
        say(f, "{\"parameters\":{\"leases\":[]}}");
        assert_int_equal(p2pd_client_list_leases(f->client, WAIT_MSEC, &leases, &n), 0);
        assert_int_equal(n, 0);
        assert_null(p2pd_leases_free(leases, n));
}

static void test_leases_malformed(void **state)
{
        static const char *const leases[] = {
                "{\"leases\":[{}]}",
                "{\"leases\":[7]}",
                "{\"leases\":[{\"number\":-1}]}",
                "{\"leases\":[{\"number\":1,\"uid\":4294967296}]}",
                "{\"leases\":[{\"number\":1,\"devices\":[{}]}]}",
                "{\"leases\":[{\"number\":1,\"devices\":[{\"slot\":\"a\"},{\"slot\":7}]}]}",
        };
        struct p2pd_lease *found = NULL;
        struct fixture *f = *state;
        size_t n = 77;

        for (size_t i = 0; i < sizeof(leases) / sizeof(leases[0]); i++) {
                char reply[256];

                snprintf(reply, sizeof(reply), "{\"parameters\":%s}", leases[i]);
                say(f, reply);
                if (p2pd_client_list_leases(f->client, WAIT_MSEC, &found, &n) != -EBADMSG)
                        fail_msg("taken: %s", leases[i]);
                assert_int_equal(n, 77);
        }
}

struct heard {
        int n, status;
        enum p2pd_lease_event_kind kind;
        char function[32];
        size_t n_leases;
        bool ended;
};

static void on_event(struct p2pd_client *client, const struct p2pd_lease_event *event, int status,
                     void *userdata)
{
        struct heard *h = userdata;

        assert_non_null(client);
        h->n++;
        h->status = status;
        h->ended = !event;
        if (!event)
                return;
        h->kind = event->kind;
        h->n_leases = event->n_leases;
        snprintf(h->function, sizeof(h->function), "%s", event->function);
        if (event->n_leases > 0)
                assert_lease(&event->leases[0]);
}

static void hear(struct fixture *f, const char *text)
{
        say(f, text);
        assert_int_equal(p2pd_client_process(f->client), 1);
}

static void test_watch(void **state)
{
        static const struct {
                const char *word;
                enum p2pd_lease_event_kind kind;
        } words[] = {
                {"expired", P2PD_LEASE_EXPIRED}, {"disconnected", P2PD_LEASE_DISCONNECTED},
                {"lost", P2PD_LEASE_LOST},       {"back", P2PD_LEASE_BACK},
                {"moved", P2PD_LEASE_MOVED},     {"taken", P2PD_LEASE_TAKEN},
                {"renewed", P2PD_LEASE_RENEWED}, {"released", P2PD_LEASE_RELEASED},
                {"something", P2PD_LEASE_OTHER},
        };
        struct fixture *f = *state;
        struct heard h = {0};

        assert_int_equal(p2pd_client_watch_leases(f->client, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(p2pd_client_watch_leases(f->client, "job7", on_event, &h), 0);
        assert_int_equal(p2pd_client_process(f->client), 0);
        expect_call(f, "{\"method\":\"io.p2pd.WatchLeases\",\"parameters\":{\"lease\":\"job7\"},"
                       "\"more\":true}");
        hear(f, "{\"parameters\":{\"generation\":1,\"leases\":[" LEASE "," TIED "]},"
                "\"continues\":true}");
        assert_int_equal(h.kind, P2PD_LEASES_INITIAL);
        assert_int_equal(h.n_leases, 2);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                char reply[1024];

                snprintf(reply, sizeof(reply),
                         "{\"parameters\":{\"leases\":[],\"event\":\"%s\",\"function\":"
                         "\"0000:03:00.0\",\"lease\":" LEASE "},\"continues\":true}",
                         words[i].word);
                hear(f, reply);
                assert_int_equal(h.kind, words[i].kind);
                assert_int_equal(h.n_leases, 1);
                assert_string_equal(h.function, "0000:03:00.0");
        }
        /* After what cannot be read the rest is passed over. */
        hear(f, "{\"parameters\":{\"event\":7},\"continues\":true}");
        assert_true(h.ended);
        assert_int_equal(h.status, -EBADMSG);
        h.n = 0;
        hear(f, "{\"parameters\":{}}");
        assert_int_equal(h.n, 0);
}

static void test_watch_ends(void **state)
{
        struct fixture *f = *state;
        struct heard h = {0};

        assert_int_equal(p2pd_client_watch_leases(f->client, "job8", on_event, &h), 0);
        hear(f, "{\"error\":\"io.p2pd.LeaseNotFound\",\"parameters\":{\"lease\":\"job8\"}}");
        assert_true(h.ended);
        assert_int_equal(h.status, -ENOENT);
        assert_int_equal(p2pd_client_watch_leases(f->client, NULL, on_event, &h), 0);
        f->client = p2pd_client_free(f->client);
        assert_int_equal(h.n, 2);
        assert_int_equal(h.status, -ECANCELED);
}

static void test_find_provider(void **state)
{
        static const char *const clients[] = {"mlx5_0", "mlx5_1"};
        struct p2pd_near near = {.function = "kept"};
        struct fixture *f = *state;

        say(f, "{\"parameters\":{\"providers\":[],\"found\":0,\"equal\":0,\"excluded\":[{}]}}");
        assert_int_equal(p2pd_client_find_provider(f->client, clients, 2, 0, P2PD_RULES_DEFAULT,
                                                   WAIT_MSEC, &near),
                         0);
        expect_call(f,
                    "{\"method\":\"io.p2pd.FindProvider\",\"parameters\":{\"clients\":[\"mlx5_0\","
                    "\"mlx5_1\"]}}");
        assert_string_equal(near.function, "kept");
        say(f, "{\"parameters\":{\"equal\":2,\"providers\":[{\"function\":\"0000:05:00.0\","
               "\"distance_hops\":8,\"to\":[]},{\"function\":\"x\"}]}}");
        assert_int_equal(p2pd_client_find_provider(f->client, clients, 1, 65536, P2PD_RULES_NEWEST,
                                                   WAIT_MSEC, &near),
                         1);
        expect_call(f,
                    "{\"method\":\"io.p2pd.FindProvider\",\"parameters\":{\"clients\":[\"mlx5_0\"],"
                    "\"min_available_bytes\":\"0x10000\",\"rules\":\"newest\"}}");
        assert_string_equal(near.function, "0000:05:00.0");
        assert_int_equal(near.distance_hops, 8);
        assert_int_equal(near.equal, 2);
        say(f, "{\"parameters\":{\"providers\":[7]}}");
        assert_int_equal(p2pd_client_find_provider(f->client, clients, 1, 0, P2PD_RULES_DEFAULT,
                                                   WAIT_MSEC, &near),
                         -EBADMSG);
        assert_int_equal(p2pd_client_find_provider(f->client, clients, 0, 0, P2PD_RULES_DEFAULT,
                                                   WAIT_MSEC, &near),
                         -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                TEST(test_place),
                TEST(test_place_without_wishes),
                TEST(test_place_malformed),
                TEST(test_place_without_the_lease),
                TEST(test_errors),
                TEST(test_leases),
                TEST(test_leases_malformed),
                TEST(test_watch),
                TEST(test_watch_ends),
                TEST(test_find_provider),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
