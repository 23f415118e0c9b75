/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A reader of the shared table as a program of its own, for test-readers.py: follows the table of
 * the daemon at a socket, over restarts, until its standard input ends, and writes down what each
 * BAR id stands for in every generation it is told of, before it confirms that.
 *
 *     log-table SOCKET
 *
 * On standard output: "generation INSTANCE GENERATION", then for each id "id ID SINCE FUNCTION
 * BAR". Exits with 1 if the table contradicts itself.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <p2pd/p2pd.h>
#include <p2pd/table.h>

#define RETRY_MSEC 20

static void complain(const char *what, long value)
{
        fprintf(stderr, "log-table: %s (%ld)\n", what, value);
        exit(EXIT_FAILURE);
}

/* What a record says, looked up in the other direction, must be that record. */
static void check_record(const struct p2p_table *t, uint32_t id, const struct p2p_table_record *r)
{
        const uint64_t addresses[] = {r->first, r->last};

        for (int i = 0; i < 2; i++) {
                struct p2p_table_hit hit;

                p2p_table_find_address(t, addresses[i], &hit);
                if (hit.place == P2P_TABLE_BAR &&
                    (hit.id != id || hit.offset != addresses[i] - r->first))
                        complain("an address leads to another BAR", (long)id);
        }
        if (r->id != id || r->since > p2p_table_generation(t))
                complain("a record of another id", (long)id);
}

/* All ids of one generation: how many, and their records. */
static uint32_t read_ids(struct p2p_table *t, uint32_t n_ids, struct p2p_table_record *records)
{
        for (int tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                uint32_t n = 0;
                int r = p2p_table_begin(t);

                /* The next event brings the newer one. */
                if (r == P2P_TABLE_MOVED)
                        return 0;
                if (r != P2P_TABLE_OK)
                        complain("nothing can be read", r);
                for (uint32_t id = 1; id < n_ids; id++) {
                        r = p2p_table_find_record(t, p2p_table_find_id(t, id), &records[n]);
                        n += r == P2P_TABLE_OK;
                }
                if (p2p_table_retry(t))
                        continue;
                /* The rest only compares: it belongs to the same look. */
                for (uint32_t i = 0; i < n; i++)
                        check_record(t, records[i].id, &records[i]);
                if (!p2p_table_retry(t))
                        return n;
        }
        complain("too many generations in one look", P2P_TABLE_TRIES);
        return 0;
}

static void write_down(struct p2p_table *t, const struct p2pd_table_event *event)
{
        static struct p2p_table_record records[1U << 16];
        const struct p2p_table_header *h = event->memory;
        const uint32_t n = read_ids(t, 1U << event->id_bits, records);

        printf("generation %016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n",
               p2p_table_load64(&h->instance[0]), p2p_table_load64(&h->instance[1]),
               p2p_table_generation(t));
        for (uint32_t i = 0; i < n; i++)
                printf("id %u %" PRIu64 " %04x:%02x:%02x.%x %u\n", records[i].id, records[i].since,
                       records[i].segment, records[i].bus, records[i].devfn >> 3,
                       records[i].devfn & 7U, records[i].bar_index);
        if (fflush(stdout) != 0)
                complain("cannot write", 0);
}

static void follow(struct p2pd_table_reader *reader)
{
        struct p2pd_table_event event;
        struct p2p_table table;

        for (;;) {
                struct pollfd p[] = {
                        {STDIN_FILENO, POLLIN, 0},
                        {p2pd_table_reader_get_fd(reader), p2pd_table_reader_get_events(reader), 0},
                };
                int r;

                if (poll(p, 2, p[1].fd < 0 ? RETRY_MSEC : -1) < 0)
                        complain("poll", 0);
                if (p[0].revents)
                        return;
                if (p[1].fd < 0) {
                        p2pd_table_reader_reattach(reader);
                        continue;
                }
                r = p2pd_table_reader_process(reader, &event);
                if (r <= 0)
                        continue;
                if (event.moved) {
                        r = p2p_table_attach(&table, event.memory, event.bytes);
                        if (r != P2P_TABLE_OK)
                                complain("cannot attach", r);
                }
                write_down(&table, &event);
                p2pd_table_reader_confirm(reader, &event);
        }
}

int main(int argc, char **argv)
{
        struct p2pd_table_reader *reader;
        int r;

        if (argc != 2)
                return 2;
        do {
                r = p2pd_table_reader_new_path(argv[1], &reader);
        } while (r == -EAGAIN && poll(NULL, 0, RETRY_MSEC) == 0);
        if (r < 0)
                complain("cannot connect", r);
        follow(reader);
        p2pd_table_reader_free(reader);
        return EXIT_SUCCESS;
}
