/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "p2pctl/transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#define MEMORY_BYTES 8192U
#define DISK_BYTES (1U << 20)

/* A disk that is a file, memory that is memory, and a device in between that can be made to do
 * anything. cmocka passes no state into a callback that looks like pread(). */
static struct {
        unsigned n_reads;
        unsigned fail_at; /* the read that misbehaves first, from 1; 0: none */
        unsigned fail_to; /* the last one; 0: all from there on */
        int error;
        enum { OBEY, TOUCH_NOTHING, ONE_BYTE, ALL_ONES, ENDS_EARLY, CHANGES_DISK, LEAVES_TAIL } how;
        unsigned char *memory; /* the transfer's target: every read must go there */
} device;

static ssize_t device_read(int fd, void *buffer, size_t bytes, off_t offset)
{
        ssize_t n;

        assert_ptr_equal(buffer, device.memory);
        assert_int_equal(offset % 4096, 0);
        if (++device.n_reads < device.fail_at || device.fail_at == 0 ||
            (device.fail_to > 0 && device.n_reads > device.fail_to))
                return pread(fd, buffer, bytes, offset);
        if (device.error) {
                errno = device.error;
                return -1;
        }
        switch (device.how) {
        case TOUCH_NOTHING:
                return (ssize_t)bytes;
        case ALL_ONES:
                memset(buffer, 0xff, bytes);
                return (ssize_t)bytes;
        case ENDS_EARLY:
                return pread(fd, buffer, bytes / 2, offset);
        case LEAVES_TAIL:
                (void)!pread(fd, buffer, bytes - 512, offset);
                return (ssize_t)bytes;
        case CHANGES_DISK:
                n = pread(fd, buffer, bytes, offset);
                ((unsigned char *)buffer)[9] ^= 0x40;
                assert_int_equal(pwrite(fd, buffer, bytes, offset), n);
                return n;
        default:
                n = pread(fd, buffer, bytes, offset);
                ((unsigned char *)buffer)[bytes - 1] ^= 1;
                return n;
        }
}

/* fill: 0 to 255 that byte everywhere, -1 something different at every place. */
static int disk_new(size_t bytes, int fill)
{
        unsigned char *content = malloc(bytes + 1);
        int fd = memfd_create("disk", MFD_CLOEXEC);
        uint32_t x = 1;

        assert_true(fd >= 0 && content);
        for (size_t i = 0; i < bytes; i++) {
                x = x * 1664525U + 1013904223U;
                content[i] = (unsigned char)(fill < 0 ? x >> 24 : (unsigned)fill);
        }
        assert_int_equal(write(fd, content, bytes), bytes);
        free(content);
        return fd;
}

static struct transfer_report run(size_t disk_bytes, int fill, size_t memory_bytes)
{
        unsigned char *memory = aligned_alloc(4096, 65536);
        struct transfer t = {
                .disk_fd = disk_new(disk_bytes, fill),
                .disk_bytes = disk_bytes,
                .block_bytes = 512,
                .memory = memory,
                .memory_bytes = memory_bytes,
                .read = device_read,
        };
        struct transfer_report r;

        assert_non_null(memory);
        device.n_reads = 0;
        device.memory = memory;
        transfer_run(&t, &r);
        close(t.disk_fd);
        free(memory);
        return r;
}

static struct transfer_report run_usual(void)
{
        return run(DISK_BYTES, -1, MEMORY_BYTES);
}

static int reset(void **state)
{
        (void)state;
        memset(&device, 0, sizeof(device));
        return 0;
}

static void test_arrives(void **state)
{
        struct transfer_report r = run_usual();

        (void)state;
        assert_int_equal(r.result, TRANSFER_ARRIVED);
        assert_int_equal(r.n_reads, 4);
        assert_int_equal(device.n_reads, 4);
        assert_int_equal(r.read_bytes, MEMORY_BYTES);
        assert_int_equal(r.error, 0);
        assert_int_equal(r.n_wrong, 0);
        assert_false(r.uniform);
}

/* Disks whose content is what memory often holds anyway. */
static void test_uniform_disks(void **state)
{
        (void)state;
        for (int fill = 0; fill < 256; fill += 51) {
                struct transfer_report r;

                device.fail_at = 0;
                r = run(DISK_BYTES, fill, MEMORY_BYTES);
                assert_int_equal(r.result, TRANSFER_ARRIVED);
                assert_true(r.uniform);
                device.fail_at = 1;
                device.how = TOUCH_NOTHING;
                r = run(DISK_BYTES, fill, MEMORY_BYTES);
                assert_int_equal(r.result, TRANSFER_WRONG_DATA);
                assert_int_equal(r.n_wrong, MEMORY_BYTES);
                assert_int_equal(r.n_untouched, MEMORY_BYTES);
        }
}

/* Reads that say they are done. */
static void test_wrong_data(void **state)
{
        static const struct {
                int how;
                size_t n_wrong_min, n_wrong_max, n_untouched;
        } cases[] = {
                {TOUCH_NOTHING, MEMORY_BYTES, MEMORY_BYTES, MEMORY_BYTES},
                {ONE_BYTE, 1, 1, 0},
                {ALL_ONES, MEMORY_BYTES - 200, MEMORY_BYTES, SIZE_MAX},
                {LEAVES_TAIL, 512, 512, 512},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                for (unsigned at = 1; at <= 4; at++) {
                        struct transfer_report r;

                        device.how = cases[i].how;
                        device.fail_at = at;
                        r = run_usual();
                        assert_int_equal(r.result, TRANSFER_WRONG_DATA);
                        assert_int_equal(r.n_reads, at);
                        assert_in_range(r.n_wrong, cases[i].n_wrong_min, cases[i].n_wrong_max);
                        if (cases[i].n_untouched != SIZE_MAX)
                                assert_int_equal(r.n_untouched, cases[i].n_untouched);
                        assert_int_equal(r.offset == 0, at == 1);
                        assert_int_equal(r.offset == DISK_BYTES - MEMORY_BYTES, at == 4);
                }
}

static void test_errors(void **state)
{
        static const struct {
                int error;
                enum transfer_result result;
        } cases[] = {
                {EINVAL, TRANSFER_REFUSED},     {EREMOTEIO, TRANSFER_REFUSED},
                {EOPNOTSUPP, TRANSFER_REFUSED}, {EIO, TRANSFER_FAILED},
                {ETIMEDOUT, TRANSFER_FAILED},   {ENODEV, TRANSFER_FAILED},
                {EFAULT, TRANSFER_FAILED},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct transfer_report r;

                device.fail_at = 1 + i % 4;
                device.error = cases[i].error;
                r = run_usual();
                assert_int_equal(r.result, cases[i].result);
                assert_int_equal(r.error, cases[i].error);
                assert_int_equal(device.n_reads, device.fail_at);
                assert_false(r.uniform);
        }
}

static void test_ends_early(void **state)
{
        struct transfer_report r;

        (void)state;
        device.fail_at = 1;
        device.how = ENDS_EARLY;
        r = run_usual();
        assert_int_equal(r.result, TRANSFER_FAILED);
        assert_int_equal(r.error, EIO);
}

/* Somebody else writes to the disk meanwhile: neither right nor wrong. */
static void test_disk_in_use(void **state)
{
        struct transfer_report r;

        (void)state;
        device.fail_at = 1;
        device.how = CHANGES_DISK;
        r = run_usual();
        assert_int_equal(r.result, TRANSFER_NOT_POSSIBLE);
        assert_non_null(strstr(r.problem, "changes"));
        assert_int_equal(device.n_reads, 12);
        /* At one place only: the others count. Once only: that place counts too. */
        device.fail_to = 3;
        r = run_usual();
        assert_int_equal(r.result, TRANSFER_ARRIVED);
        assert_int_equal(r.n_reads, 3);
        device.fail_to = 1;
        r = run_usual();
        assert_int_equal(r.result, TRANSFER_ARRIVED);
        assert_int_equal(r.n_reads, 4);
}

static void test_sizes(void **state)
{
        static const struct {
                size_t disk, memory, read_bytes;
                unsigned n_reads;
        } cases[] = {
                {DISK_BYTES, 65536, 65536, 4}, {DISK_BYTES, 4096, 4096, 4}, {4096, 65536, 4096, 1},
                {4096 + 512, 8192, 4096, 1},   {1024, 8192, 1024, 1},       {512, 4096, 512, 1},
                {8192, 4096, 4096, 2},         {12288, 4096, 4096, 3},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct transfer_report r = run(cases[i].disk, -1, cases[i].memory);

                assert_int_equal(r.result, TRANSFER_ARRIVED);
                assert_int_equal(r.read_bytes, cases[i].read_bytes);
                assert_int_equal(r.n_reads, cases[i].n_reads);
        }
        assert_int_equal(run(0, -1, 4096).result, TRANSFER_NOT_POSSIBLE);
        assert_int_equal(run(511, -1, 4096).result, TRANSFER_NOT_POSSIBLE);
        assert_int_equal(run(DISK_BYTES, -1, 0).result, TRANSFER_NOT_POSSIBLE);
}

static void test_disk_that_cannot_be_read(void **state)
{
        unsigned char *memory = aligned_alloc(4096, 4096);
        const struct transfer t = {
                .disk_fd = -1,
                .disk_bytes = DISK_BYTES,
                .block_bytes = 512,
                .memory = memory,
                .memory_bytes = 4096,
        };
        struct transfer_report r;

        (void)state;
        transfer_run(&t, &r);
        assert_int_equal(r.result, TRANSFER_NOT_POSSIBLE);
        assert_int_equal(r.error, EBADF);
        free(memory);
}

/* Memory that does not keep what is written shows nothing. */
static void test_memory_that_does_not_hold(void **state)
{
        int fd = memfd_create("short", MFD_CLOEXEC);
        struct transfer t = {.disk_bytes = DISK_BYTES, .block_bytes = 512, .memory_bytes = 4096};
        struct transfer_report r;

        (void)state;
        /* Two mappings of one page: what the second half is filled with overwrites the first. */
        assert_int_equal(ftruncate(fd, 4096), 0);
        t.memory = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(t.memory, MAP_FAILED);
        for (unsigned i = 0; i < 2; i++)
                assert_ptr_not_equal(mmap(t.memory + (size_t)4096 * i, 4096, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_FIXED, fd, 0),
                                     MAP_FAILED);
        t.memory_bytes = 8192;
        t.disk_fd = disk_new(DISK_BYTES, -1);
        transfer_run(&t, &r);
        assert_int_equal(r.result, TRANSFER_NOT_POSSIBLE);
        assert_non_null(strstr(r.problem, "does not hold"));
        munmap(t.memory, 8192);
        close(fd);
        close(t.disk_fd);
}

static void test_names(void **state)
{
        (void)state;
        for (int i = 0; i < TRANSFER_RESULT_MAX; i++)
                assert_non_null(transfer_result_to_string((enum transfer_result)i));
        assert_null(transfer_result_to_string(TRANSFER_RESULT_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_arrives, reset),
                cmocka_unit_test_setup(test_uniform_disks, reset),
                cmocka_unit_test_setup(test_wrong_data, reset),
                cmocka_unit_test_setup(test_errors, reset),
                cmocka_unit_test_setup(test_ends_early, reset),
                cmocka_unit_test_setup(test_disk_in_use, reset),
                cmocka_unit_test_setup(test_sizes, reset),
                cmocka_unit_test_setup(test_disk_that_cannot_be_read, reset),
                cmocka_unit_test_setup(test_memory_that_does_not_hold, reset),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
