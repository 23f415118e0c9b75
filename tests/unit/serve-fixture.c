/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve-fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/interface-text.h"
#include "varlink-idl.h"

/* Turns of the loop after which a test gives up. */
#define TURNS_MAX 1000000U

static struct p2p_function *add(struct p2p_machine *m, uint8_t bus, uint8_t device,
                                uint32_t class_code, uint32_t parent)
{
        struct p2p_function *f = p2p_machine_add_function(
                m, (struct p2p_address){.bus = bus, .devfn = (uint8_t)(device << 3)});

        assert_non_null(f);
        f->class_code = p2p_fact_known(class_code);
        f->vendor = p2p_fact_known(0x8086);
        f->device = p2p_fact_known(0x1234);
        f->parent = parent;
        f->parent_why = P2P_WHY_KNOWN;
        f->header_type = p2p_fact_known(class_code >> 16 == 6);
        f->numa_node = p2p_fact_known(bus >= 0x80);
        f->acs_capability = f->acs_control = p2p_fact_without(P2P_WHY_ABSENT);
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                f->bars[i].kind = P2P_BAR_ABSENT;
        f->config_bytes = 4096;
        f->config_size_bytes = p2p_fact_known(4096);
        return f;
}

static struct p2p_function *add_bridge(struct p2p_machine *m, uint8_t bus, uint8_t device,
                                       enum p2p_port_type type, uint32_t parent)
{
        struct p2p_function *f = add(m, bus, device, 0x060400, parent);

        f->port_type = p2p_fact_known(type);
        f->link_speed_mts = f->link_speed_max_mts = p2p_fact_known(16000);
        f->link_width_lanes = f->link_width_max_lanes = p2p_fact_known(16);
        f->acs_capability = p2p_fact_known(0x5f);
        f->acs_control = p2p_fact_known(0);
        return f;
}

static struct p2p_function *add_endpoint(struct p2p_machine *m, uint8_t bus, uint32_t class_code,
                                         uint32_t parent, const char *name, const char *other)
{
        struct p2p_function *f = add(m, bus, 0, class_code, parent);
        const char **names = p2p_machine_alloc(m, 2, sizeof(*names));

        assert_non_null(names);
        names[0] = name;
        names[1] = other;
        f->names = names;
        f->n_names = other ? 2 : name ? 1 : 0;
        f->port_type = p2p_fact_known(P2P_PORT_ENDPOINT);
        f->link_speed_mts = p2p_fact_known(8000);
        f->link_width_lanes = p2p_fact_known(4);
        f->memory_decoding = p2p_fact_known(1);
        f->bars[0] = (struct p2p_bar){
                .kind = P2P_BAR_MEMORY,
                .is_64bit = true,
                .assigned = true,
                .phys_start.val = 0xfc00000000000000ULL + ((uint64_t)bus << 32),
                .bus_start.val = 0xfc00000000000000ULL + ((uint64_t)bus << 32),
                .size_bytes = p2p_fact_known(0x10000),
                .resize_now_bytes = p2p_fact_without(P2P_WHY_ABSENT),
                .resize_max_bytes = p2p_fact_without(P2P_WHY_NO_PRIVILEGE),
        };
        return f;
}

struct p2p_machine *serve_fixture_machine(unsigned more)
{
        struct p2p_machine *m = p2p_machine_new(P2P_SOURCE_ROOT);
        uint32_t group, root;

        assert_non_null(m);
        root = p2p_machine_add_root(m, 0, 0);
        assert_int_not_equal(root, P2P_NONE);
        group = p2p_machine_add_group(m, 17);
        add_bridge(m, 0, 1, P2P_PORT_ROOT_PORT, P2P_NONE)->root = root; /* index 0 */
        add_bridge(m, 1, 0, P2P_PORT_UPSTREAM, 0);                      /* 1 */
        add_bridge(m, 2, 0, P2P_PORT_DOWNSTREAM, 1);                    /* 2 */
        add_bridge(m, 2, 1, P2P_PORT_DOWNSTREAM, 1);                    /* 3 */
        add_bridge(m, 2, 2, P2P_PORT_DOWNSTREAM, 1);                    /* 4 */
        add_endpoint(m, 3, 0x030000, 2, "card0", "renderD128")->group = group;
        add_endpoint(m, 4, 0x010802, 3, "nvme0", NULL);
        add_endpoint(m, 5, 0x020000, 4, "mlx5_0", "eth2");
        root = p2p_machine_add_root(m, 0, 0x80);
        add_bridge(m, 0x80, 1, P2P_PORT_ROOT_PORT, P2P_NONE)->root = root; /* 8 */
        add_endpoint(m, 0x81, 0x030000, 8, "card1", "eth2")->acs_control =
                p2p_fact_without(P2P_WHY_NO_PRIVILEGE);
        for (unsigned i = 0; i < more; i++) {
                struct p2p_function *f = add_endpoint(m, (uint8_t)(0x82 + i % 0x70), 0x020000, 8,
                                                      "\xff\"weird\\\n", NULL);

                f->address.segment = 1 + i / 0x70;
        }
        m->cpu_vendor = P2P_CPU_INTEL;
        m->cpu_why = P2P_WHY_KNOWN;
        m->cpu_vendor_text = "GenuineIntel";
        m->is_x86 = true;
        m->kernel_release = "6.18.0";
        m->kernel_why = P2P_WHY_KNOWN;
        p2p_machine_warn(m, &(struct p2p_address){.bus = 3}, "config: something");
        p2p_machine_warn(m, NULL, "of all");
        assert_int_equal(p2p_machine_finish(m), 0);
        return m;
}

static int on_rescan(void *userdata)
{
        struct serve_fixture *f = userdata;

        f->n_rescans++;
        if (f->rescan_result == 0)
                serve_fixture_publish(f, serve_fixture_machine(1));
        return f->rescan_result;
}

static void on_private_closed(void *userdata)
{
        struct serve_fixture *f = userdata;

        f->n_private_closed++;
}

static int on_wish(const struct p2pd_bar_wish *wish, void *userdata)
{
        struct serve_fixture *f = userdata;

        if (f->n_wishes == sizeof(f->wishes) / sizeof(f->wishes[0]))
                return -ENOMEM;
        f->wishes[f->n_wishes++] = *wish;
        return 0;
}

static void on_readers_changed(void *userdata)
{
        struct serve_fixture *f = userdata;

        f->n_readers_changed++;
}

void serve_fixture_publish(struct serve_fixture *f, struct p2p_machine *machine)
{
        struct p2pd_snapshot *snapshot = NULL;
        struct p2p_diff *diff = NULL;

        assert_int_equal(p2pd_snapshot_new(machine, ++f->generation, 1700000000000000, &snapshot),
                         0);
        if (f->snapshot)
                assert_int_equal(p2p_diff_new(f->snapshot->machine, f->snapshot->verdicts[0],
                                              snapshot->machine, snapshot->verdicts[0], 16, &diff),
                                 0);
        p2pd_server_publish(f->server, snapshot, diff);
        p2p_diff_free(diff);
        p2pd_snapshot_unref(f->snapshot);
        f->snapshot = snapshot;
}

void serve_fixture_setup(struct serve_fixture *f, const struct p2pd_server_limits *limits,
                         unsigned more)
{
        struct p2pd_server_params params = {
                .limits = limits ? limits : &p2pd_server_limits_default,
                .status = &f->status,
                .rescan = on_rescan,
                .last_private_closed = on_private_closed,
                .wish = on_wish,
                .readers_changed = on_readers_changed,
                .userdata = f,
        };

        *f = (struct serve_fixture){.status = {.started_usec = 1600000000000000}};
        f->status.capabilities = 1ULL << 21 | 1ULL << 63;
        f->status.source_path = "/captured";
        f->base = event_base_new();
        assert_non_null(f->base);
        params.base = f->base;
        assert_int_equal(p2pd_server_new(&params, &f->server), 0);
        (void)strcpy(f->directory, "/tmp/p2pd-unit-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        (void)snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
        assert_int_equal(p2pd_server_listen(f->server, f->path), 0);
        serve_fixture_publish(f, serve_fixture_machine(more));
}

void serve_fixture_teardown(struct serve_fixture *f)
{
        f->server = p2pd_server_free(f->server);
        assert_int_equal(access(f->path, F_OK), -1);
        p2pd_snapshot_unref(f->snapshot);
        event_base_free(f->base);
        assert_int_equal(rmdir(f->directory), 0);
}

void serve_fixture_turn(struct serve_fixture *f)
{
        /* A timer that is due runs on the turn after the one that added it. */
        for (unsigned i = 0; i < 4; i++)
                assert_true(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

int serve_fixture_connect(struct serve_fixture *f)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        (void)strcpy(address.sun_path, f->path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        serve_fixture_turn(f);
        return fd;
}

void serve_fixture_send(struct serve_fixture *f, int fd, const void *bytes, size_t n)
{
        const char *at = bytes;

        for (unsigned i = 0; n > 0 && i < TURNS_MAX; i++) {
                ssize_t sent = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent < 0 && errno != EAGAIN)
                        return; /* closed: the test will see */
                if (sent > 0) {
                        at += sent;
                        n -= (size_t)sent;
                }
                serve_fixture_turn(f);
        }
        assert_int_equal(n, 0);
}

void serve_fixture_ask(struct serve_fixture *f, int fd, const char *message)
{
        serve_fixture_send(f, fd, message, strlen(message) + 1);
}

char *serve_fixture_receive(struct serve_fixture *f, int fd)
{
        size_t n = 0, capacity = 4096;
        char *reply = malloc(capacity);

        assert_non_null(reply);
        for (unsigned i = 0; i < TURNS_MAX; i++) {
                ssize_t peeked = recv(fd, reply + n, capacity - n, MSG_DONTWAIT | MSG_PEEK);
                char *nul;

                if (peeked == 0 || (peeked < 0 && errno == ECONNRESET)) {
                        assert_int_equal(n, 0); /* not in the middle of a reply */
                        free(reply);
                        return NULL;
                }
                if (peeked < 0) {
                        serve_fixture_turn(f);
                        continue;
                }
                nul = memchr(reply + n, '\0', (size_t)peeked);
                if (nul)
                        peeked = nul - (reply + n) + 1;
                assert_int_equal(recv(fd, reply + n, (size_t)peeked, MSG_DONTWAIT), peeked);
                n += (size_t)peeked;
                if (nul)
                        return reply;
                if (n == capacity) {
                        capacity *= 2;
                        reply = realloc(reply, capacity);
                        assert_non_null(reply);
                }
        }
        fail_msg("neither a reply nor the end");
        return NULL;
}

json_object *serve_fixture_call(struct serve_fixture *f, int fd, const char *message)
{
        json_object *reply;
        char *text;

        serve_fixture_ask(f, fd, message);
        text = serve_fixture_receive(f, fd);
        if (!text)
                fail_msg("closed after %s", message);
        reply = json_tokener_parse(text);
        if (!reply)
                fail_msg("not JSON: %s", text);
        free(text);
        return reply;
}

bool serve_fixture_is_closed(struct serve_fixture *f, int fd)
{
        char bytes[4096];

        for (unsigned i = 0; i < 1000; i++) {
                ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

                if (n == 0 || (n < 0 && errno != EAGAIN))
                        return true;
                serve_fixture_turn(f);
        }
        return false;
}

json_object *reply_member(json_object *object, const char *path)
{
        char key[64];

        while (*path) {
                size_t n = strcspn(path, ".");

                (void)snprintf(key, sizeof(key), "%.*s", (int)n, path);
                if (key[0] >= '0' && key[0] <= '9') {
                        object = json_object_array_get_idx(object, (size_t)atoi(key));
                } else {
                        json_object *next = NULL;

                        (void)json_object_object_get_ex(object, key, &next);
                        object = next;
                }
                path += n + (path[n] == '.');
        }
        return object;
}

const char *reply_string(json_object *object, const char *path)
{
        const char *text = json_object_get_string(reply_member(object, path));

        return text ? text : "(nothing)";
}

int64_t reply_int(json_object *object, const char *path)
{
        return json_object_get_int64(reply_member(object, path));
}

size_t reply_length(json_object *object, const char *path)
{
        assert_true(json_object_is_type(reply_member(object, path), json_type_array));
        return json_object_array_length(reply_member(object, path));
}

void reply_check(json_object *reply, const char *interface, const char *method)
{
        bool is_own = strcmp(interface, "io.p2pd") == 0;
        json_object *parameters = reply_member(reply, "parameters"),
                    *error = reply_member(reply, "error");
        const struct idl_member *m;
        const char *where = NULL;
        struct idl *idl;
        char *message;

        json_object_object_foreach(reply, key, value)
        {
                if (strcmp(key, "continues") == 0)
                        assert_true(json_object_get_boolean(value));
                else if (strcmp(key, "parameters") != 0)
                        assert_string_equal(key, "error");
        }
        if (error)
                is_own = strncmp(json_object_get_string(error), "io.p2pd.", 8) == 0;
        idl = idl_parse(is_own ? p2pd_interface_text_io_p2pd
                               : p2pd_interface_text_org_varlink_service,
                        &where);
        assert_non_null(idl);
        if (error)
                m = idl_find(idl, IDL_ERROR, strrchr(json_object_get_string(error), '.') + 1);
        else
                m = idl_find(idl, IDL_METHOD, method);
        assert_non_null(m);
        message = idl_check(idl, error ? m->type : m->out, parameters);
        if (message)
                fail_msg("%s%s", method, message);
        idl_free(idl);
}
