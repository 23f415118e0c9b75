/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An example of the shared table in a poll() loop: how does this function reach a range of physical
 * memory? Prints the way, piece by piece, and again for each new generation of the table.
 *
 *     follow-table CLIENT ADDRESS BYTES [SOCKET [GENERATIONS]]
 *
 * CLIENT is an address, 0000:03:00.0. Ends after that many generations (for tests), else never:
 * when the daemon goes away it waits for another one. Build it with `cc follow-table.c $(pkg-config
 * --cflags --libs libp2pd)`.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p2pd/p2pd.h>
#include <p2pd/table.h>

#define SEGMENTS_MAX 16
#define RETRY_MSEC 200

struct wanted {
        unsigned int segment, bus, device, function; /* of the client */
        uint64_t address, bytes;
};

/* All that was found, and of which generation. A driver keeps such things for its transfers, and
 * looks at them again when there is a newer generation. */
struct way {
        struct p2p_table_segment segments[SEGMENTS_MAX];
        struct p2p_table_record records[SEGMENTS_MAX]; /* of those in a BAR */
        uint32_t n;
        uint64_t generation;
};

/*
 * Everything in one look, so that all of it is of one generation: retry() says whether it was. This
 * is the pattern for several lookups that belong together; for a single one p2p_table_lookup(),
 * p2p_table_map() and the others do it by themselves.
 */
static int look(struct p2p_table *t, const struct wanted *w, struct way *ret)
{
        struct p2p_table_client client;

        for (int tries = 0; tries < P2P_TABLE_TRIES; tries++) {
                int r = p2p_table_begin(t);

                if (r != P2P_TABLE_OK)
                        return r;
                ret->generation = p2p_table_generation(t);
                r = p2p_table_find_client(t, w->segment, (uint8_t)w->bus,
                                          (uint8_t)(w->device << 3 | w->function), &client);
                if (r == P2P_TABLE_OK)
                        r = p2p_table_find_segments(t, client, w->address, w->bytes, ret->segments,
                                                    SEGMENTS_MAX, &ret->n);
                for (uint32_t i = 0; r == P2P_TABLE_OK && i < ret->n; i++)
                        if (ret->segments[i].place == P2P_TABLE_BAR)
                                r = p2p_table_find_record(t, ret->segments[i].record,
                                                          &ret->records[i]);
                if (!p2p_table_retry(t))
                        return r;
        }
        return P2P_TABLE_STALE;
}

static void print_segment(const struct p2p_table_segment *s, const struct p2p_table_record *r)
{
        static const char *const ways[] = {"regular memory", "bus", "host bridge", "none"};

        printf("  0x%" PRIx64 " + 0x%" PRIx64 ": %s", s->start, s->bytes, ways[s->map & 3]);
        if (s->place == P2P_TABLE_BAR)
                printf(", %04x:%02x:%02x.%x BAR %u + 0x%" PRIx64, r->segment, r->bus, r->devfn >> 3,
                       r->devfn & 7, r->bar_index, s->bar_offset);
        if (s->id != 0)
                printf(", BAR id %u", s->id);
        if (s->own)
                printf(", its own: no DMA");
        else if (s->map == P2P_TABLE_MAP_BUS && s->has_bus)
                printf(", DMA to bus address 0x%" PRIx64, s->bus_start);
        printf("\n");
}

/* What cannot be told by the table is not to be used: then ask the daemon, or do without. */
static void show(struct p2p_table *t, const struct wanted *w)
{
        struct way way = {.n = 0};
        int r = look(t, w, &way);

        if (r == P2P_TABLE_ABSENT)
                printf("generation %" PRIu64 ": no such client\n", way.generation);
        else if (r == P2P_TABLE_MORE)
                printf("generation %" PRIu64 ": too many pieces\n", way.generation);
        else if (r != P2P_TABLE_OK)
                printf("the table does not say (%d)\n", r);
        else
                printf("generation %" PRIu64 ":\n", way.generation);
        for (uint32_t i = 0; r == P2P_TABLE_OK && i < way.n; i++)
                print_segment(&way.segments[i], &way.records[i]);
        fflush(stdout);
}

static int run(struct p2pd_table_reader *reader, const struct wanted *w, long generations)
{
        struct p2pd_table_event event;
        struct p2p_table table;
        int r;

        while (generations != 0) {
                struct pollfd p = {p2pd_table_reader_get_fd(reader),
                                   p2pd_table_reader_get_events(reader), 0};

                /* Other descriptors of the program would stand here as well. */
                if (poll(&p, 1, p.fd < 0 ? RETRY_MSEC : -1) < 0)
                        continue;
                if (p.fd < 0) {
                        /* Until there is a daemon again nothing new is started by the table. */
                        p2pd_table_reader_reattach(reader);
                        continue;
                }
                r = p2pd_table_reader_process(reader, &event);
                if (r < 0)
                        fprintf(stderr, "follow-table: no table: %s\n", strerror(-r));
                if (r <= 0)
                        continue;
                if (event.moved && p2p_table_attach(&table, event.memory, event.bytes) != 0)
                        return EXIT_FAILURE; /* made by a daemon that is newer than this program */
                if (event.interrupted)
                        fprintf(stderr, "follow-table: %s daemon: no id of before counts\n",
                                event.restarted ? "another" : "the same");
                show(&table, w);
                /* A driver ends, or checks, what it began by an older generation; only then: */
                r = p2pd_table_reader_confirm(reader, &event);
                if (r < 0)
                        fprintf(stderr, "follow-table: cannot confirm: %s\n", strerror(-r));
                if (generations > 0)
                        generations--;
        }
        return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct p2pd_table_reader *reader;
        struct wanted w;
        int r;

        if (argc < 4 || argc > 6 ||
            sscanf(argv[1], "%x:%x:%x.%x", &w.segment, &w.bus, &w.device, &w.function) != 4 ||
            w.bus > 255 || w.device > 31 || w.function > 7) {
                fprintf(stderr, "follow-table CLIENT ADDRESS BYTES [SOCKET [GENERATIONS]]\n");
                return 2;
        }
        w.address = strtoull(argv[2], NULL, 0);
        w.bytes = strtoull(argv[3], NULL, 0);
        r = p2pd_table_reader_new_path(argc > 4 ? argv[4] : NULL, &reader);
        if (r < 0) {
                fprintf(stderr, "follow-table: cannot connect: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        r = run(reader, &w, argc > 5 ? strtol(argv[5], NULL, 10) : -1);
        p2pd_table_reader_free(reader);
        return r;
}
