/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table reader of libp2pd against a daemon that the test plays itself, mostly a bad one. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <p2pd/p2pd.h>
#include <p2pd/table.h>

#define AREA_BYTES 4096U
#define TABLE_BYTES (192U + 2 * AREA_BYTES)
#define ATTACH "{\"method\":\"io.p2pd.AttachTable\",\"parameters\":{}}"

struct fixture {
        char directory[32], path[64];
        int listener, peer; /* the daemon's end of the connection */
        struct p2pd_table_reader *reader;
        int n_descriptors; /* open before */
};

/* A memfd that holds the least of a table: no BARs, one generation. */
static int make_table(uint64_t instance, uint32_t generation, int seals)
{
        static unsigned char bytes[TABLE_BYTES];
        struct p2p_table_header *h = (void *)bytes;
        struct p2p_table_live *live = (void *)(bytes + sizeof(*h));
        struct p2p_table_area *a = (void *)(bytes + 192);
        int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        memset(bytes, 0, sizeof(bytes));
        h->magic = P2P_TABLE_MAGIC;
        h->version = P2P_TABLE_VERSION;
        h->header_bytes = sizeof(*h);
        h->total_bytes = TABLE_BYTES;
        h->id_bits = 4;
        h->area_bytes = AREA_BYTES;
        h->instance[0] = instance;
        h->area_offset[0] = 192;
        h->area_offset[1] = 192 + AREA_BYTES;
        for (unsigned int i = 0; i < P2P_TABLE_ARRAYS; i++)
                h->arrays[i] = (struct p2p_table_array_data){128 + 64 * i, 1};
        h->checksum = p2p_table_checksum(0, h, offsetof(struct p2p_table_header, checksum));
        live->state = 2 | UINT64_C(2) << 32;
        a->generation = generation;
        a->sequence = 2;
        a->checksum = p2p_table_checksum(0, (unsigned char *)a + 8, sizeof(*a) - 8);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        if (seals)
                assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static int count_descriptors(void)
{
        DIR *d = opendir("/proc/self/fd");
        int n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static void accept_peer(struct fixture *f)
{
        if (f->peer >= 0)
                close(f->peer);
        f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(f->peer >= 0);
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        strcpy(f->directory, "/tmp/p2pd-table-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
        strcpy(address.sun_path, f->path);
        f->n_descriptors = count_descriptors();
        f->peer = -1;
        f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(f->listener, (void *)&address, sizeof(address)), 0);
        assert_int_equal(listen(f->listener, 8), 0);
        assert_int_equal(p2pd_table_reader_new_path(f->path, &f->reader), 0);
        accept_peer(f);
        *state = f;
        return 0;
}

/* Every test ends here: nothing may have been left open. */
static int teardown(void **state)
{
        struct fixture *f = *state;

        f->reader = p2pd_table_reader_free(f->reader);
        close(f->listener);
        if (f->peer >= 0)
                close(f->peer);
        assert_int_equal(count_descriptors(), f->n_descriptors);
        unlink(f->path);
        rmdir(f->directory);
        free(f);
        return 0;
}

static void expect_call(struct fixture *f, const char *text)
{
        char buf[256] = "";
        struct pollfd p = {f->peer, POLLIN, 0};

        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_int_equal(recv(f->peer, buf, strlen(text) + 1, 0), (ssize_t)strlen(text) + 1);
        assert_string_equal(buf, text);
}

static void expect_follow(struct fixture *f, unsigned int confirmed)
{
        char text[128];

        snprintf(text, sizeof(text),
                 "{\"method\":\"io.p2pd.FollowTable\",\"parameters\":{\"confirmed\":%u}}",
                 confirmed);
        expect_call(f, text);
}

static void expect_silence(struct fixture *f)
{
        char c;

        assert_int_equal(recv(f->peer, &c, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

/* Sends text with its NUL, and n descriptors, which are closed, with the first byte. */
static void say_with(struct fixture *f, const char *text, const int *fds, size_t n)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = "";
        struct iovec part = {(char *)text, strlen(text) + 1};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

        if (n > 0) {
                struct cmsghdr *c = (void *)control;

                m.msg_control = control;
                m.msg_controllen = CMSG_SPACE(n * sizeof(int));
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        }
        assert_int_equal(sendmsg(f->peer, &m, 0), (ssize_t)part.iov_len);
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

static void say(struct fixture *f, const char *text)
{
        say_with(f, text, NULL, 0);
}

static void say_attached(struct fixture *f, unsigned int generation, uint64_t bytes, int fd)
{
        char text[128];

        snprintf(text, sizeof(text),
                 "{\"parameters\":{\"generation\":%u,\"size_bytes\":%" PRIu64 ",\"id_bits\":4}}",
                 generation, bytes);
        say_with(f, text, &fd, fd >= 0);
}

static void say_followed(struct fixture *f, unsigned int generation, bool moved)
{
        char text[128];

        snprintf(text, sizeof(text), "{\"parameters\":{\"generation\":%u,\"moved\":%s}}",
                 generation, moved ? "true" : "false");
        say(f, text);
}

/* The first table, of generation 1; confirmed. */
static struct p2pd_table_event attached(struct fixture *f)
{
        struct p2pd_table_event e;

        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_follow(f, 1);
        return e;
}

static void test_follow(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e;
        struct p2p_table t;

        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        expect_call(f, ATTACH);
        say_attached(f, 5, TABLE_BYTES, make_table(7, 5, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_int_equal(e.generation, 5);
        assert_true(e.moved);
        assert_false(e.interrupted || e.restarted);
        assert_int_equal(e.id_bits, 4);
        assert_int_equal(p2p_table_attach(&t, e.memory, e.bytes), P2P_TABLE_OK);
        assert_int_equal(p2p_table_begin(&t), P2P_TABLE_OK);
        assert_int_equal(p2p_table_generation(&t), 5);
        /* Nothing more is asked, or told, before it is confirmed. */
        expect_silence(f);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        assert_int_equal(p2pd_table_reader_wait(f->reader, 0, &e), -EDEADLK);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_follow(f, 5);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_silence(f);
        assert_int_equal(p2pd_table_reader_wait(f->reader, 10, &e), -ETIMEDOUT);
        say_followed(f, 9, false);
        assert_int_equal(p2pd_table_reader_wait(f->reader, -1, &e), 0);
        assert_int_equal(e.generation, 9);
        assert_false(e.moved || e.interrupted || e.restarted);
        /* An older event is no confirmation of the newer one; a made up one is none at all. */
        e.generation = 10;
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), -EINVAL);
        e.generation = 5;
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_silence(f);
        e.generation = 9;
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_follow(f, 9);
}

static bool is_mapped(const void *memory)
{
        unsigned char resident;

        return mincore((void *)memory, 1, &resident) == 0;
}

static void test_moved(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event first = attached(f), e;

        say_followed(f, 2, true);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        expect_call(f, ATTACH);
        say_attached(f, 3, TABLE_BYTES, make_table(7, 3, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_int_equal(e.generation, 3);
        assert_true(e.moved);
        assert_false(e.interrupted || e.restarted);
        assert_ptr_not_equal(e.memory, first.memory);
        /* What a thread may still look into stays, until all have let go of it. */
        assert_true(is_mapped(first.memory));
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &first), -ESTALE);
        assert_true(is_mapped(first.memory));
        expect_silence(f);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        assert_false(is_mapped(first.memory));
        assert_true(is_mapped(e.memory));
        expect_follow(f, 3);
}

/* Lookups say "moved" while the last event cannot be confirmed yet. */
static void test_reattach_before_confirming(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e = attached(f);

        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        expect_silence(f); /* an answer is to come anyway */
        say_followed(f, 2, false);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        expect_call(f, ATTACH);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        expect_silence(f);
        say(f, "{\"error\":\"io.p2pd.AlreadyAttached\",\"parameters\":{}}");
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        /* Confirmed while it is asked: the daemon is told after that. */
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        expect_call(f, ATTACH);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_silence(f);
        say(f, "{\"error\":\"io.p2pd.AlreadyAttached\",\"parameters\":{}}");
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        expect_follow(f, 2);
        say_followed(f, 3, false);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        expect_call(f, ATTACH);
        say_attached(f, 4, TABLE_BYTES, make_table(7, 4, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_true(e.moved);
        assert_int_equal(e.generation, 4);
}

static void test_restart(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event first = attached(f), e;

        for (unsigned int i = 0; i < 2; i++) {
                close(f->peer);
                f->peer = -1;
                assert_int_equal(p2pd_table_reader_wait(f->reader, 5000, &e), -ECONNRESET);
                assert_int_equal(p2pd_table_reader_process(f->reader, &e), -ECONNRESET);
                assert_int_equal(p2pd_table_reader_get_fd(f->reader), -1);
                assert_int_equal(p2pd_table_reader_get_events(f->reader), 0);
                assert_int_equal(p2pd_table_reader_confirm(f->reader, &first), -ECONNRESET);
                assert_true(is_mapped(first.memory));
                assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
                accept_peer(f);
                expect_call(f, ATTACH);
        }
        say_attached(f, 1, TABLE_BYTES, make_table(8, 1, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_true(e.moved && e.interrupted && e.restarted);
        assert_int_equal(e.generation, 1);
        /* The same number of another daemon confirms nothing. */
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &first), -ESTALE);
        expect_silence(f);
        /* The connection is lost, the daemon is the same. */
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        close(f->peer);
        f->peer = -1;
        assert_int_equal(p2pd_table_reader_wait(f->reader, 5000, &e), -ECONNRESET);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        accept_peer(f);
        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, make_table(8, 1, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_true(e.moved && e.interrupted);
        assert_false(e.restarted);
        assert_int_equal(p2pd_table_reader_confirm(f->reader, &e), 0);
        expect_follow(f, 1);
        say_followed(f, 2, false);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
        assert_false(e.moved || e.interrupted || e.restarted);
}

/* The news that the daemon is another one is not lost with a second restart before it was told. */
static void test_restart_is_told_late(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e = attached(f);

        for (uint64_t instance = 8; instance >= 7; instance--) {
                close(f->peer);
                f->peer = -1;
                assert_int_equal(p2pd_table_reader_wait(f->reader, 5000, &e), -ECONNRESET);
                assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
                accept_peer(f);
                expect_call(f, ATTACH);
                say_attached(f, 1, TABLE_BYTES, make_table(instance, 1, F_SEAL_SHRINK));
                if (instance == 8) {
                        close(f->peer);
                        f->peer = -1;
                }
        }
        assert_int_equal(p2pd_table_reader_wait(f->reader, 5000, &e), 0);
        assert_true(e.moved && e.interrupted && e.restarted);
}

static void test_no_daemon(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_reader *reader = NULL;
        struct p2pd_table_event e = attached(f);

        close(f->peer);
        f->peer = -1;
        unlink(f->path);
        assert_int_equal(p2pd_table_reader_wait(f->reader, 5000, &e), -ECONNRESET);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), -ENOENT);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), -ECONNRESET);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), -ENOENT);
        assert_int_equal(p2pd_table_reader_new_path(f->path, &reader), -ENOENT);
        assert_null(reader);
        assert_null(p2pd_table_reader_free(NULL));
}

/* Ends with the error, which stays until it is attached anew, and the daemon is let go of. */
static void expect_end(struct fixture *f, int error)
{
        struct p2pd_table_event e;
        char c;

        assert_int_equal(p2pd_table_reader_process(f->reader, &e), error);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), error);
        assert_int_equal(p2pd_table_reader_get_fd(f->reader), -1);
        assert_int_equal(recv(f->peer, &c, 1, 0), 0);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        accept_peer(f);
        expect_call(f, ATTACH);
}

static void test_bad_descriptors(void **state)
{
        struct fixture *f = *state;
        int pipes[2], fd;

        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, -1);
        expect_end(f, -EBADMSG);
        /* Could be shortened under its readers. */
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, 0));
        expect_end(f, -EBADMSG);
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, F_SEAL_GROW));
        expect_end(f, -EBADMSG);
        say_attached(f, 1, TABLE_BYTES, open("/dev/null", O_RDWR | O_CLOEXEC));
        expect_end(f, -EBADMSG);
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        close(pipes[1]);
        say_attached(f, 1, TABLE_BYTES, pipes[0]);
        expect_end(f, -EBADMSG);
        say_attached(f, 1, TABLE_BYTES, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        expect_end(f, -EBADMSG);
        say_attached(f, 1, TABLE_BYTES, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        expect_end(f, -EBADMSG);
        say_attached(f, 1, TABLE_BYTES, open("/", O_PATH | O_CLOEXEC));
        expect_end(f, -EBADMSG);
        /* Sizes that are not there, or hold no table. */
        for (uint64_t bytes = 0; bytes < TABLE_BYTES; bytes = bytes * 2 + 1) {
                say_attached(f, 1, bytes, make_table(7, 1, F_SEAL_SHRINK));
                expect_end(f, -EBADMSG);
        }
        say_attached(f, 1, TABLE_BYTES + 1, make_table(7, 1, F_SEAL_SHRINK));
        expect_end(f, -EBADMSG);
        say_attached(f, 1, INT64_MAX, make_table(7, 1, F_SEAL_SHRINK));
        expect_end(f, -EBADMSG);
        /* Sealed, large enough, and no table. */
        fd = memfd_create("none", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, TABLE_BYTES), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        say_attached(f, 1, TABLE_BYTES, fd);
        expect_end(f, -EBADMSG);
        /* And one of a newer layout. */
        fd = make_table(7, 1, F_SEAL_SHRINK);
        assert_int_equal(pwrite(fd, "\377", 1, offsetof(struct p2p_table_header, version)), 1);
        say_attached(f, 1, TABLE_BYTES, fd);
        expect_end(f, -EPROTONOSUPPORT);
}

static void test_too_many_descriptors(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e;
        int fds[16], before = count_descriptors();

        expect_call(f, ATTACH);
        /* Those for which the reader has room, and more. */
        for (size_t n = 2; n <= 16; n += 14) {
                fds[0] = make_table(7, 1, F_SEAL_SHRINK);
                for (size_t i = 1; i < n; i++)
                        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                say_with(f, "{\"parameters\":{\"generation\":1,\"size_bytes\":8384}}", fds, n);
                assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
                assert_int_equal(count_descriptors(), before);
                assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
                expect_call(f, ATTACH);
        }
}

/* With replies that have nothing to do with one, and not with the reply that should bring it. */
static void test_misplaced_descriptors(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e = attached(f);
        int before = count_descriptors(), fd = make_table(7, 2, F_SEAL_SHRINK);

        say_with(f, "{\"parameters\":{\"generation\":2,\"moved\":true}}", &fd, 1);
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 0);
        assert_int_equal(count_descriptors(), before);
        expect_call(f, ATTACH);
        say_attached(f, 2, TABLE_BYTES, -1);
        expect_end(f, -EBADMSG);
        /* One that comes without any reply. */
        fd = make_table(7, 2, F_SEAL_SHRINK);
        say_with(f, "{", &fd, 1);
        expect_end(f, -EBADMSG);
}

static void test_bad_replies(void **state)
{
        static const char *const replies[] = {
                "{\"parameters\":{}}",
                "{\"parameters\":{\"generation\":-1,\"size_bytes\":8384}}",
                "{\"parameters\":{\"generation\":\"1\",\"size_bytes\":8384}}",
                "{\"parameters\":{\"generation\":1,\"size_bytes\":\"8384\"}}",
                "{\"parameters\":{\"generation\":1,\"size_bytes\":-1}}",
                "[]",
        };
        struct fixture *f = *state;

        expect_call(f, ATTACH);
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                int fd = make_table(7, 1, F_SEAL_SHRINK);

                say_with(f, replies[i], &fd, 1);
                expect_end(f, -EBADMSG);
        }
        say(f, "{\"error\":\"io.p2pd.TableUnavailable\",\"parameters\":{\"reason\":\"x\"}}");
        expect_end(f, -ENODATA);
        /* A first attach cannot be one too many. */
        say(f, "{\"error\":\"io.p2pd.AlreadyAttached\"}");
        expect_end(f, -EALREADY);
}

/* An answer that tells nothing new would be asked for again without end. */
static void test_bad_news(void **state)
{
        struct fixture *f = *state;

        attached(f);
        say_followed(f, 1, false);
        expect_end(f, -EBADMSG);
}

/* Under valgrind, which does not ask the kernel for the limit, the descriptor is taken in all the
 * same. */
static void test_no_descriptor_left(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_event e;
        struct rlimit before, none;
        int r;

        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, F_SEAL_SHRINK));
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 0;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        r = p2pd_table_reader_process(f->reader, &e);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (r == 1 && strstr(getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "", "vgpreload"))
                return;
        assert_int_equal(r, -EMFILE);
        assert_int_equal(p2pd_table_reader_reattach(f->reader), 0);
        accept_peer(f);
        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(f->reader, &e), 1);
}

static void note(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        (void)client;
        *(int *)userdata = p2pd_reply_get_errno(reply);
}

static void test_on_a_client(void **state)
{
        struct fixture *f = *state;
        struct p2pd_table_reader *reader, *another;
        struct p2pd_client *client;
        struct p2pd_table_event e;
        int result = 1;

        assert_int_equal(p2pd_client_new_path(f->path, &client), 0);
        accept_peer(f);
        assert_int_equal(p2pd_client_call(client, "a.B", NULL, 0, note, &result), 0);
        assert_int_equal(p2pd_table_reader_new_client(client, &reader), -EBUSY);
        expect_call(f, "{\"method\":\"a.B\",\"parameters\":{}}");
        say(f, "{}");
        assert_int_equal(p2pd_client_process(client), 1);
        assert_int_equal(p2pd_table_reader_new_client(client, &reader), 0);
        assert_int_equal(p2pd_table_reader_new_client(client, &another), -EBUSY);
        expect_call(f, ATTACH);
        /* A refusal leaves the client as it is. */
        say(f, "{\"error\":\"io.p2pd.TableUnavailable\",\"parameters\":{\"reason\":\"x\"}}");
        assert_int_equal(p2pd_table_reader_wait(reader, 5000, &e), -ENODATA);
        assert_string_equal(p2pd_client_get_error_name(client), "io.p2pd.TableUnavailable");
        assert_string_equal(p2pd_client_get_error_parameters(client), "{\"reason\":\"x\"}");
        assert_int_equal(p2pd_client_call(client, "a.C", NULL, 0, note, &result), 0);
        expect_call(f, "{\"method\":\"a.C\",\"parameters\":{}}");
        say(f, "{}");
        assert_int_equal(p2pd_client_process(client), 1);
        assert_null(p2pd_table_reader_free(reader));
        assert_int_equal(p2pd_table_reader_new_client(client, &reader), 0);
        expect_call(f, ATTACH);
        say_attached(f, 1, TABLE_BYTES, make_table(7, 1, F_SEAL_SHRINK));
        assert_int_equal(p2pd_table_reader_process(reader, &e), 1);
        /* Told, not confirmed: other calls are answered. */
        assert_int_equal(p2pd_client_call(client, "a.D", NULL, 0, note, &result), 0);
        expect_call(f, "{\"method\":\"a.D\",\"parameters\":{}}");
        say(f, "{\"error\":\"a.E\"}");
        assert_int_equal(p2pd_table_reader_process(reader, &e), 0);
        assert_int_equal(result, -EREMOTEIO);
        assert_int_equal(p2pd_table_reader_confirm(reader, &e), 0);
        expect_follow(f, 1);
        /* What comes after its end finds nobody, and nothing is kept of what comes with it. */
        assert_null(p2pd_table_reader_free(reader));
        assert_false(is_mapped(e.memory));
        say_with(f, "{\"parameters\":{\"generation\":2,\"moved\":true}}",
                 &(int){make_table(7, 2, F_SEAL_SHRINK)}, 1);
        assert_int_equal(p2pd_client_process(client), 0);
        assert_int_equal(p2pd_client_get_pending(client), 0);
        p2pd_client_free(client);
}

/* An ordinary client takes in no descriptor, whatever it is sent. */
static void test_ordinary_client(void **state)
{
        struct fixture *f = *state;
        struct p2pd_client *client;
        int result = 1, before;

        assert_int_equal(p2pd_client_new_path(f->path, &client), 0);
        accept_peer(f);
        before = count_descriptors();
        assert_int_equal(p2pd_client_call(client, "a.B", NULL, 0, note, &result), 0);
        expect_call(f, "{\"method\":\"a.B\",\"parameters\":{}}");
        say_with(f, "{}", &(int){make_table(7, 1, F_SEAL_SHRINK)}, 1);
        assert_int_equal(p2pd_client_process(client), 1);
        assert_int_equal(result, 0);
        assert_int_equal(count_descriptors(), before);
        p2pd_client_free(client);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_follow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reattach_before_confirming, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restart_is_told_late, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_daemon, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_too_many_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_misplaced_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_replies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_news, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_descriptor_left, setup, teardown),
                cmocka_unit_test_setup_teardown(test_on_a_client, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ordinary_client, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
