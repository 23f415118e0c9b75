/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is published when: ids over saves that take their time, and a table that could not be made.
 * Saves are held up in fsync(), memfds fail on request, and what is tried again later is tried
 * soon. */

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "machine-builder.h"
#include "publish/state-file.h"
#include "publisher.h"

#define GPUS 14U
#define FIRST_SPARE "0000:00:1e.0"
#define SECOND_SPARE "0000:00:1f.0"

struct world {
        char directory[64];
        struct event_base *base;
        struct p2pd_status status;
        struct p2pd_server *server;
        struct p2pd_publisher *publisher;
        uint64_t last_wish;
};

static int hold = -1; /* a pipe's end that fsync() reads from; -1: it goes on */
static unsigned n_memfds_failing;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
        char byte;

        if (hold >= 0)
                (void)!read(hold, &byte, sizeof(byte));
        return __real_fsync(fd);
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
        if (n_memfds_failing == 0)
                return __real_memfd_create(name, flags);
        n_memfds_failing--;
        errno = EMFILE;
        return -1;
}

int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
        static const struct timeval soon = {.tv_usec = 1000};

        return __real_event_add(event, timeout && timeout->tv_sec > 0 ? &soon : timeout);
}

/* A function of a class that gets no id unasked, with one BAR. */
static void add_spare(struct builder *b, const char *address, uint64_t start)
{
        uint32_t handle =
                builder_function(b, address, ON_ROOT_BUS, P2P_PORT_INTEGRATED_ENDPOINT, 0x088000);

        ids(b, handle, 0x8086, 0x09a4);
        (void)bar(b, handle, 2, start, 65536);
}

/* So many GPUs that of four bits one id is left, and two functions without one. */
static struct p2pd_snapshot *make_snapshot(void)
{
        struct builder b = builder_new();
        struct p2pd_snapshot *s;

        for (unsigned i = 0; i < GPUS; i++) {
                char address[P2P_ADDRESS_STRING_MAX];
                uint32_t gpu;

                (void)snprintf(address, sizeof(address), "0000:00:%02x.0", i + 1);
                gpu = builder_function(&b, address, ON_ROOT_BUS, P2P_PORT_INTEGRATED_ENDPOINT,
                                       0x030200);
                ids(&b, gpu, 0x10de, 0x2330);
                (void)bar(&b, gpu, 0, 0x100000000ULL * (i + 1), 1U << 24);
        }
        add_spare(&b, FIRST_SPARE, 0x90000000U);
        add_spare(&b, SECOND_SPARE, 0x90100000U);
        (void)builder_finish(&b);
        assert_int_equal(p2pd_snapshot_new(b.m, 0, 1700000000000000, &s), 0);
        return s;
}

static void setup(struct world *w)
{
        struct p2pd_publisher_params publisher = {.id_bits = 4};
        struct p2pd_server_params server = {.limits = &p2pd_server_limits_default};

        *w = (struct world){0};
        (void)strcpy(w->directory, "/tmp/p2pd-publisher-XXXXXX");
        assert_non_null(mkdtemp(w->directory));
        w->base = event_base_new();
        assert_non_null(w->base);
        publisher.base = server.base = w->base;
        publisher.state_directory = w->directory;
        server.status = &w->status;
        assert_int_equal(p2pd_publisher_new(&publisher, &w->publisher), 0);
        assert_int_equal(p2pd_server_new(&server, &w->server), 0);
        assert_int_equal(p2pd_publisher_set_server(w->publisher, w->server, &w->status), 0);
        assert_int_equal(p2pd_publisher_publish(w->publisher, make_snapshot(), NULL), 0);
}

static void teardown(struct world *w)
{
        char path[128];

        w->publisher = p2pd_publisher_free(w->publisher);
        w->server = p2pd_server_free(w->server);
        event_base_free(w->base);
        (void)snprintf(path, sizeof(path), "%s/%s", w->directory, P2PD_STATE_FILE);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(w->directory), 0);
}

static void turn(struct world *w)
{
        for (unsigned i = 0; i < 4; i++)
                assert_true(event_base_loop(w->base, EVLOOP_NONBLOCK) >= 0);
}

static void wish(struct world *w, const char *address, bool registered)
{
        struct p2pd_bar_wish wish = {.number = ++w->last_wish, .bar_index = 2};

        wish.registered = registered;
        assert_int_equal(p2p_address_parse(address, &wish.function), 0);
        assert_int_equal(p2pd_publisher_wish(w->publisher, &wish), 0);
}

/* The id that everybody is shown for the BAR of a spare function; 0: none. */
static uint32_t shown(const struct world *w, const char *text)
{
        const struct p2pd_snapshot *s = p2pd_publisher_snapshot(w->publisher);
        const struct p2pd_snapshot_bar *found;
        struct p2p_address address;

        assert_int_equal(p2p_address_parse(text, &address), 0);
        found = p2pd_snapshot_find_bar(s, p2p_machine_find(s->machine, address), 2);
        return found ? found->id : 0;
}

static void wait_for(struct world *w, const char *address, uint32_t id)
{
        for (unsigned i = 0; i < 10000 && shown(w, address) != id; i++) {
                (void)usleep(1000);
                turn(w);
        }
        assert_int_equal(shown(w, address), id);
}

/* An id goes from one BAR to another while a save takes long: who comes in between sees it with
 * neither, because nobody would ask such a reader before the other BAR has it. */
static void test_taken_id_goes_at_once(void **state)
{
        uint64_t before;
        struct world w;
        int ends[2];

        (void)state;
        setup(&w);
        wish(&w, FIRST_SPARE, true);
        turn(&w);
        wait_for(&w, FIRST_SPARE, 15);
        before = p2pd_publisher_snapshot(w.publisher)->generation;
        assert_int_equal(pipe(ends), 0);
        hold = ends[0];
        wish(&w, FIRST_SPARE, false);
        wish(&w, SECOND_SPARE, true);
        turn(&w);
        assert_int_equal(shown(&w, FIRST_SPARE), 0);
        assert_int_equal(shown(&w, SECOND_SPARE), 0);
        assert_int_equal(p2pd_publisher_snapshot(w.publisher)->generation, before + 1);
        assert_int_equal(close(ends[1]), 0);
        wait_for(&w, SECOND_SPARE, 15);
        assert_int_equal(shown(&w, FIRST_SPARE), 0);
        assert_int_equal(p2pd_publisher_snapshot(w.publisher)->generation, before + 2);
        hold = -1;
        assert_int_equal(close(ends[0]), 0);
        teardown(&w);
}

/* A new id is one new generation, however long its save takes. */
static void test_new_id_is_one_generation(void **state)
{
        uint64_t before;
        struct world w;
        int ends[2];

        (void)state;
        setup(&w);
        before = p2pd_publisher_snapshot(w.publisher)->generation;
        assert_int_equal(pipe(ends), 0);
        hold = ends[0];
        wish(&w, FIRST_SPARE, true);
        turn(&w);
        assert_int_equal(p2pd_publisher_snapshot(w.publisher)->generation, before);
        assert_int_equal(close(ends[1]), 0);
        wait_for(&w, FIRST_SPARE, 15);
        assert_int_equal(p2pd_publisher_snapshot(w.publisher)->generation, before + 1);
        hold = -1;
        assert_int_equal(close(ends[0]), 0);
        teardown(&w);
}

/* Nothing of the hardware changes; the table comes all the same as soon as it can be made. */
static void test_table_is_tried_again(void **state)
{
        struct world w;

        (void)state;
        n_memfds_failing = 3;
        setup(&w);
        assert_non_null(w.status.table_error);
        for (unsigned i = 0; i < 10000 && w.status.table_error; i++) {
                (void)usleep(1000);
                turn(&w);
        }
        assert_null(w.status.table_error);
        assert_int_equal(n_memfds_failing, 0);
        assert_int_equal(p2pd_publisher_snapshot(w.publisher)->generation, 1);
        teardown(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_taken_id_goes_at_once),
                cmocka_unit_test(test_new_id_is_one_generation),
                cmocka_unit_test(test_table_is_tried_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
