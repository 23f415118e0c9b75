/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES 4U
#define PAGE 4096U
/* A disk in use may change between two looks at it: how often another look is taken. */
#define TRIES 3U

/* What one place of the disk gave. */
enum outcome { OUTCOME_ARRIVED, OUTCOME_CHANGED, OUTCOME_END };

struct running {
        const struct transfer *t;
        struct transfer_report *report;
        unsigned char *expected, *again, *got;
};

const char *transfer_result_to_string(enum transfer_result result)
{
        static const char *const names[TRANSFER_RESULT_MAX] = {
                [TRANSFER_ARRIVED] = "arrived",           [TRANSFER_WRONG_DATA] = "wrong-data",
                [TRANSFER_REFUSED] = "refused",           [TRANSFER_FAILED] = "failed",
                [TRANSFER_NOT_POSSIBLE] = "not-possible",
        };

        return result < TRANSFER_RESULT_MAX ? names[result] : NULL;
}

static enum outcome end(struct running *r, enum transfer_result result, int error,
                        const char *problem)
{
        r->report->result = result;
        r->report->error = error;
        r->report->problem = problem;
        return OUTCOME_END;
}

/* 0 or an errno value; a read that ends early is EIO. */
static int read_all(transfer_read_fn read_fn, int fd, void *buffer, size_t bytes, uint64_t offset)
{
        ssize_t n;

        do {
                n = read_fn(fd, buffer, bytes, (off_t)offset);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno;
        return (size_t)n == bytes ? 0 : EIO;
}

/* Device memory takes aligned accesses of one size; the compiler must not make others of them. */
static void fill(unsigned char *memory, const unsigned char *complement, size_t bytes)
{
        volatile uint64_t *to = (volatile uint64_t *)(void *)memory;
        uint64_t word;

        for (size_t i = 0; i < bytes / sizeof(word); i++) {
                memcpy(&word, complement + i * sizeof(word), sizeof(word));
                to[i] = ~word;
        }
        __sync_synchronize();
}

static void copy_out(unsigned char *to, const unsigned char *memory, size_t bytes)
{
        const volatile uint64_t *from = (const volatile uint64_t *)(const void *)memory;

        __sync_synchronize();
        for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
                uint64_t word = from[i];

                memcpy(to + i * sizeof(word), &word, sizeof(word));
        }
}

static size_t count_untouched(const struct running *r)
{
        size_t n = 0;

        for (size_t i = 0; i < r->report->read_bytes; i++)
                n += r->got[i] == (unsigned char)~r->expected[i];
        return n;
}

static size_t count_wrong(const struct running *r)
{
        size_t n = 0;

        for (size_t i = 0; i < r->report->read_bytes; i++)
                n += r->got[i] != r->expected[i];
        return n;
}

/* EINVAL and EREMOTEIO are what a DMA mapping that p2pdma does not allow ends in, by kernel
 * release; the ordinary read has shown that nothing else about the request is invalid. */
static bool is_refusal(int error)
{
        return error == EINVAL || error == EREMOTEIO || error == EOPNOTSUPP;
}

static enum outcome judge_error(struct running *r, int error)
{
        if (is_refusal(error))
                return end(r, TRANSFER_REFUSED, error, NULL);
        return end(r, TRANSFER_FAILED, error, NULL);
}

static enum outcome try_place(struct running *r, uint64_t offset)
{
        const struct transfer *t = r->t;
        const size_t bytes = r->report->read_bytes;
        int error;

        error = read_all(pread, t->disk_fd, r->expected, bytes, offset);
        if (error)
                return end(r, TRANSFER_NOT_POSSIBLE, error, "the disk cannot be read");
        fill(t->memory, r->expected, bytes);
        copy_out(r->got, t->memory, bytes);
        if (count_untouched(r) != bytes)
                return end(r, TRANSFER_NOT_POSSIBLE, 0,
                           "the provider's memory does not hold what is written to it");
        error = read_all(t->read ? t->read : pread, t->disk_fd, t->memory, bytes, offset);
        if (error)
                return judge_error(r, error);
        copy_out(r->got, t->memory, bytes);
        error = read_all(pread, t->disk_fd, r->again, bytes, offset);
        if (error)
                return end(r, TRANSFER_NOT_POSSIBLE, error, "the disk cannot be read");
        if (memcmp(r->expected, r->again, bytes) != 0)
                return OUTCOME_CHANGED;
        r->report->n_reads++;
        r->report->n_wrong = count_wrong(r);
        if (r->report->n_wrong > 0) {
                r->report->offset = offset;
                r->report->n_untouched = count_untouched(r);
                return end(r, TRANSFER_WRONG_DATA, 0, NULL);
        }
        return OUTCOME_ARRIVED;
}

static void note_uniform(struct running *r, unsigned char first)
{
        for (size_t i = 0; i < r->report->read_bytes && r->report->uniform; i++)
                r->report->uniform = r->expected[i] == first;
}

static void run_places(struct running *r)
{
        const uint64_t bytes = r->report->read_bytes;
        const uint64_t slots = r->t->disk_bytes / bytes; /* at least 1 */
        uint64_t last = UINT64_MAX;
        unsigned char first = 0;

        r->report->uniform = true;
        for (unsigned i = 0; i < PLACES; i++) {
                const uint64_t slot = (slots - 1) * i / (PLACES - 1);
                enum outcome outcome = OUTCOME_CHANGED;

                if (slot == last)
                        continue;
                last = slot;
                for (unsigned n = 0; n < TRIES && outcome == OUTCOME_CHANGED; n++)
                        outcome = try_place(r, slot * bytes);
                if (outcome == OUTCOME_END)
                        return;
                if (outcome == OUTCOME_CHANGED)
                        continue;
                if (r->report->n_reads == 1)
                        first = r->expected[0];
                note_uniform(r, first);
        }
        if (r->report->n_reads == 0)
                (void)end(r, TRANSFER_NOT_POSSIBLE, 0,
                          "the disk's content changes all the time: nothing to compare with");
        else
                (void)end(r, TRANSFER_ARRIVED, 0, NULL);
}

/* As much as the memory takes and the disk has, in whole pages, or in blocks on a tiny disk. */
static size_t choose_bytes(const struct transfer *t)
{
        uint64_t bytes = t->memory_bytes < t->disk_bytes ? t->memory_bytes : t->disk_bytes;

        bytes -= bytes % (bytes >= PAGE ? PAGE : t->block_bytes);
        return (size_t)bytes;
}

void transfer_run(const struct transfer *t, struct transfer_report *ret)
{
        struct running r = {.t = t, .report = ret};
        const size_t bytes = choose_bytes(t);
        const size_t apart = (bytes + PAGE - 1) / PAGE * PAGE;
        void *buffers = NULL;

        *ret = (struct transfer_report){.read_bytes = bytes};
        if (bytes == 0 || t->block_bytes > PAGE) {
                (void)end(&r, TRANSFER_NOT_POSSIBLE, 0, "the disk or the memory is too small");
                return;
        }
        if (posix_memalign(&buffers, PAGE, 3 * apart) != 0) {
                (void)end(&r, TRANSFER_NOT_POSSIBLE, ENOMEM, "no memory");
                return;
        }
        r.expected = buffers;
        r.again = r.expected + apart;
        r.got = r.again + apart;
        run_places(&r);
        ret->uniform = ret->uniform && ret->n_reads > 0;
        free(buffers);
}
