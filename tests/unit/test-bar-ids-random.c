/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/bar-ids.h"
#include "random-machine.h"

/*
 * The registry beside a model that knows what is plugged where, what every reader has confirmed,
 * and nothing of how the registry works: devices come, go, are swapped (also for one of the same
 * kind with another serial number), moved to other buses and registered; readers attach, confirm at
 * random and leave; the daemon restarts. In every other run what a device is, or only its serial
 * number, cannot be read at times.
 */

#define SLOTS 10
#define KINDS 3
#define SERIALS 2
#define TYPES (KINDS * SERIALS)
#define BARS 2
#define TOKENS (SLOTS * TYPES * BARS)
#define READERS 4
#define IDS 128

/* How often what matters happened, over all runs. */
static struct {
        unsigned restarts, returns, twins, takeovers, without, held_by_readers, held_by_older;
} seen;

/* What a slot holds. */
struct device {
        bool present, unreadable, serial_hidden;
        unsigned type; /* kind + KINDS * which serial number */
        unsigned bus;
        uint64_t start[BARS]; /* addresses */
        bool assigned[BARS];
};

struct world {
        struct random r;
        struct device slots[SLOTS];
        bool registered[TOKENS];
        uint64_t next_start;
        struct {
                bool attached;
                uint64_t confirmed; /* 0: it has not said anything */
                uint64_t from;      /* it holds nothing older than this generation */
        } readers[READERS];
        bool older_gone;
        uint64_t generation;
        unsigned width;
        bool plain; /* every device can be recognised, and the width stays */
        struct p2p_bar_ids *ids;

        /* What readers may hold. */
        uint64_t last_present[IDS][TOKENS]; /* generation; 0: never since the start */
        bool older_may_hold[IDS][TOKENS];
        bool given[IDS];
        /* What was answered last. */
        uint32_t id_of[TOKENS]; /* 0: none */
        uint64_t start_of[TOKENS];
        uint32_t reserved_for[TOKENS]; /* id that waits for the return; 0: none */
        bool has_several[TOKENS];      /* it may be remembered under several ids */
        bool is_twin[TOKENS];          /* it cannot always be told from its like */
};

static unsigned token(unsigned slot, unsigned type, unsigned bar_index)
{
        return (slot * TYPES + type) * BARS + bar_index;
}

static uint64_t oldest_confirmed(const struct world *w)
{
        uint64_t oldest = UINT64_MAX;

        for (unsigned i = 0; i < READERS; i++)
                if (w->readers[i].attached && w->readers[i].confirmed < oldest)
                        oldest = w->readers[i].confirmed;
        return oldest;
}

/* What is true, beside what the daemon can know: one that has just come looks into the newest. */
static uint64_t oldest_held(const struct world *w)
{
        uint64_t oldest = UINT64_MAX;

        for (unsigned i = 0; i < READERS; i++)
                if (w->readers[i].attached && w->readers[i].from < oldest)
                        oldest = w->readers[i].from;
        return oldest;
}

/* Kind 0 gets ids unasked, kind 2 only by request. */
static const uint32_t classes[KINDS] = {0x030200, 0x010802, 0x088000};

static struct builder build(const struct world *w)
{
        struct builder b = builder_new();
        char address[P2P_ADDRESS_STRING_MAX];

        for (unsigned i = 0; i < SLOTS; i++) {
                const struct device *d = &w->slots[i];
                uint32_t port, at;

                (void)snprintf(address, sizeof(address), "00:%02x.0", i + 1);
                port = builder_root_port(&b, address);
                if (!d->present)
                        continue;
                (void)snprintf(address, sizeof(address), "%02x:00.0", d->bus);
                at = builder_function(&b, address, port, P2P_PORT_ENDPOINT,
                                      classes[d->type % KINDS]);
                ids(&b, at, 0x1000, (uint16_t)(0x2000 + d->type % KINDS));
                builder_edit(&b, at)->serial =
                        d->serial_hidden ? p2p_fact_without(P2P_WHY_NO_PRIVILEGE)
                                         : p2p_fact_known(0xabcd0000 + d->type / KINDS);
                if (d->unreadable)
                        builder_edit(&b, at)->device = p2p_fact_without(P2P_WHY_IO_ERROR);
                for (unsigned j = 0; j < BARS; j++)
                        bar(&b, at, 2 * j, d->start[j], 0x1000)->assigned = d->assigned[j];
        }
        builder_finish(&b);
        return b;
}

static uint32_t function_in(const struct builder *b, const struct world *w, unsigned slot)
{
        return p2p_machine_find(b->m, (struct p2p_address){.bus = (uint8_t)w->slots[slot].bus});
}

/* Are both the same BAR of the same slot, in devices that differ in their serial number alone. */
static bool is_like(unsigned t, unsigned u)
{
        return t % BARS == u % BARS && t / BARS / TYPES == u / BARS / TYPES &&
               t / BARS % TYPES % KINDS == u / BARS % TYPES % KINDS;
}

/* May a reader that holds what was there since that generation take the id for another BAR? */
static bool may_be_mistaken(const struct world *w, uint32_t id, unsigned for_token, uint64_t oldest)
{
        for (unsigned t = 0; t < TOKENS; t++) {
                if (t == for_token ||
                    (for_token < TOKENS && w->is_twin[t] && is_like(t, for_token)))
                        continue;
                if (w->last_present[id][t] != 0 && w->last_present[id][t] >= oldest)
                        return true;
                if (w->older_may_hold[id][t] && !w->older_gone)
                        return true;
        }
        return false;
}

/* True: the id was another BAR's before. */
static bool expect_given_id(const struct world *w, unsigned t, uint32_t id)
{
        if (may_be_mistaken(w, id, t, oldest_held(w)))
                fail_msg("generation %u: id %u is given while a reader may hold it",
                         (unsigned)w->generation, id);
        if (w->reserved_for[t] != 0 && w->reserved_for[t] < 1U << w->width) {
                assert_int_equal(id, w->reserved_for[t]);
                seen.returns++;
        }
        for (unsigned u = 0; u < TOKENS; u++)
                seen.twins += u != t && is_like(u, t) && !w->is_twin[t] &&
                              w->reserved_for[u] != 0 && w->reserved_for[u] != id;
        return w->given[id] && w->id_of[t] != id && w->reserved_for[t] != id && !w->has_several[t];
}

static void expect_none_free(const struct world *w, const uint32_t *owner)
{
        seen.without++;
        for (uint32_t id = 1; id < 1U << w->width; id++) {
                seen.held_by_readers += owner[id] == UINT32_MAX && w->older_gone;
                seen.held_by_older += owner[id] == UINT32_MAX && !w->older_gone;
                if (owner[id] != UINT32_MAX || may_be_mistaken(w, id, TOKENS, oldest_confirmed(w)))
                        continue;
                /* The registry cannot know what the readers of before had confirmed. */
                assert_true(w->given[id] && !w->older_gone);
        }
}

/* Compares all answers, and notes them. */
static void check(struct world *w, const struct builder *b)
{
        const struct p2p_bar_ids_status status = p2p_bar_ids_status(w->ids);
        uint32_t owner[IDS], n_without = 0, n_in_use = 0, now[TOKENS] = {0};
        bool took_over = false;

        memset(owner, 0xff, sizeof(owner));
        for (unsigned i = 0; i < SLOTS; i++) {
                const struct device *d = &w->slots[i];
                const uint32_t function = d->present ? function_in(b, w, i) : P2P_NONE;

                for (unsigned j = 0; d->present && j < BARS; j++) {
                        const unsigned t = token(i, d->type, j);
                        const uint32_t id = p2p_bar_ids_find(w->ids, function, 2 * j);
                        const bool wanted =
                                d->assigned[j] &&
                                (d->type % KINDS != 2 || (w->registered[t] && !d->unreadable));

                        assert_int_equal(p2p_bar_ids_find(w->ids, function, 2 * j + 1), 0);
                        if (!wanted) {
                                assert_int_equal(id, 0);
                                continue;
                        }
                        n_without += id == 0;
                        if (w->id_of[t] != 0 &&
                            (!w->has_several[t] || w->start_of[t] == d->start[j]))
                                assert_int_equal(id, w->id_of[t]);
                        if (id == 0)
                                continue;
                        n_in_use++;
                        assert_true(id < 1U << w->width);
                        assert_int_equal(owner[id], UINT32_MAX);
                        owner[id] = t;
                        now[t] = id;
                        took_over |= expect_given_id(w, t, id);
                        w->start_of[t] = d->start[j];
                        assert_int_equal(p2p_bar_ids_get(w->ids, id)->function, function);
                        assert_true(p2p_bar_ids_get(w->ids, id)->since <= w->generation);
                }
        }
        assert_int_equal(status.n_without, n_without);
        assert_int_equal(status.n_in_use, n_in_use);
        assert_int_equal(status.n_in_use + status.n_retired + status.n_lost + status.n_never_used,
                         (1U << w->width) - 1);
        for (unsigned t = 0; t < TOKENS; t++)
                w->given[now[t]] = true;
        seen.takeovers += took_over;
        /* Only when none was left that was never given. */
        for (uint32_t id = 1; took_over && id < 1U << w->width; id++)
                assert_true(w->given[id]);
        if (n_without > 0)
                expect_none_free(w, owner);
        for (unsigned t = 0; t < TOKENS; t++) {
                if (now[t] == 0 && w->id_of[t] != 0 && !w->has_several[t])
                        w->reserved_for[t] = w->id_of[t];
                if (now[t] != 0 ||
                    (w->reserved_for[t] != 0 && owner[w->reserved_for[t]] != UINT32_MAX))
                        w->reserved_for[t] = 0;
                w->id_of[t] = now[t];
                if (now[t] != 0)
                        w->last_present[now[t]][t] = w->generation;
        }
}

static struct p2p_bar_ids_update update_of(const struct world *w, const struct builder *b)
{
        return (struct p2p_bar_ids_update){
                .machine = b->m,
                .generation = w->generation,
                .oldest_confirmed = oldest_confirmed(w),
                .older_instances_gone = w->older_gone,
        };
}

static void plug(struct world *w, unsigned slot)
{
        struct device *d = &w->slots[slot];
        bool taken[256] = {false};

        for (unsigned i = 0; i < SLOTS; i++)
                if (w->slots[i].present)
                        taken[w->slots[i].bus] = true;
        *d = (struct device){.present = true,
                             .unreadable = !w->plain && random_below(&w->r, 40) == 0};
        d->type = random_below(&w->r, 4) == 0 ? random_below(&w->r, TYPES) : slot % TYPES;
        d->serial_hidden = !w->plain && d->type % KINDS != 2 && random_below(&w->r, 20) == 0;
        do
                d->bus = 1 + random_below(&w->r, 200);
        while (taken[d->bus]);
        for (unsigned j = 0; j < BARS; j++) {
                d->start[j] = w->next_start += 0x10000;
                d->assigned[j] = random_below(&w->r, 8) != 0;
        }
}

static void renumber(struct world *w)
{
        unsigned first = 1 + random_below(&w->r, 100);

        for (unsigned i = 0; i < SLOTS; i++)
                w->slots[i].bus = first + (random_below(&w->r, 2) ? i : i + SLOTS);
}

/* Changes something in a slot that holds a device. */
static void disturb(struct world *w, unsigned slot)
{
        struct device *d = &w->slots[slot];
        unsigned j = random_below(&w->r, BARS);

        switch (random_below(&w->r, 8)) {
        case 0: /* resized */
                d->start[j] = w->next_start += 0x10000;
                break;
        case 1:
                d->assigned[j] = !d->assigned[j];
                break;
        case 2: /* swapped between two scans */
                plug(w, slot);
                break;
        case 3:
                if (!w->plain && random_below(&w->r, 10) == 0)
                        d->unreadable = !d->unreadable;
                if (!w->plain && d->type % KINDS != 2 && random_below(&w->r, 5) == 0)
                        d->serial_hidden = !d->serial_hidden;
                break;
        default:
                d->present = false;
        }
}

static void forget_where(struct world *w, unsigned t)
{
        w->has_several[t] = true;
        w->reserved_for[t] = 0;
}

static void note_unreadable(struct world *w)
{
        for (unsigned i = 0; i < SLOTS; i++)
                for (unsigned j = 0; w->slots[i].present && j < BARS; j++) {
                        const unsigned t = token(i, w->slots[i].type, j);

                        if (w->slots[i].unreadable || w->has_several[t])
                                forget_where(w, t);
                        for (unsigned u = 0; w->slots[i].serial_hidden && u < TOKENS; u++)
                                if (is_like(t, u)) {
                                        forget_where(w, u);
                                        w->is_twin[u] = true;
                                }
                }
}

static void move_readers(struct world *w)
{
        const unsigned i = random_below(&w->r, READERS);

        switch (random_below(&w->r, 8)) {
        case 0:
                w->readers[i].attached = !w->readers[i].attached;
                w->readers[i].confirmed = 0;
                w->readers[i].from = w->generation - 1;
                break;
        case 1:
        case 2:
        case 3:
                w->readers[i].confirmed = w->readers[i].from = w->generation - 1;
                break;
        }
        if (random_below(&w->r, 50) == 0)
                w->older_gone = true;
}

static void change_registration(struct world *w, const struct builder *b)
{
        const unsigned slot = random_below(&w->r, SLOTS), j = random_below(&w->r, BARS);
        const struct p2p_bar_ids_update update = update_of(w, b);
        const struct device *d = &w->slots[slot];
        const unsigned t = token(slot, d->type, j);
        struct p2p_slot place;
        uint32_t id = 0;
        int r;

        (void)snprintf(place.text, sizeof(place.text), "0000:00:%02x.0/00.0", slot + 1);
        if (random_below(&w->r, 3) == 0) {
                bool registered = false;

                for (unsigned type = 0; type < TYPES; type++) {
                        registered |= w->registered[token(slot, type, j)];
                        w->registered[token(slot, type, j)] = false;
                }
                assert_int_equal(p2p_bar_ids_unregister(w->ids, &update, &place, 2 * j),
                                 registered ? 0 : P2P_BAR_IDS_E_NOT_REGISTERED);
                return;
        }
        if (!d->present)
                return;
        r = p2p_bar_ids_register(w->ids, &update, function_in(b, w, slot), 2 * j, &id);
        if (!d->assigned[j]) {
                assert_int_equal(r, P2P_BAR_IDS_E_NO_MEMORY_BAR);
        } else if (d->unreadable) {
                assert_int_equal(r, P2P_BAR_IDS_E_UNRECOGNISABLE);
        } else if (r == 0) {
                assert_int_not_equal(id, 0);
                for (unsigned type = 0; type < TYPES; type++)
                        w->registered[token(slot, type, j)] = false;
                w->registered[t] = true;
        } else {
                assert_int_equal(r, P2P_BAR_IDS_E_EXHAUSTED);
                assert_true(w->id_of[t] == 0 || w->has_several[t]);
        }
}

/* What the readers of now may hold is what those of before may hold then. */
static void restart(struct world *w)
{
        struct p2p_bar_ids *again;
        struct p2p_bar_ids_status status = p2p_bar_ids_status(w->ids);

        for (uint32_t id = 0; id < IDS; id++)
                for (unsigned t = 0; t < TOKENS; t++) {
                        w->older_may_hold[id][t] = (w->older_may_hold[id][t] && !w->older_gone) ||
                                                   (w->last_present[id][t] != 0 &&
                                                    w->last_present[id][t] >= oldest_held(w));
                        w->last_present[id][t] = 0;
                }
        if (!w->plain)
                w->width = 4 + random_below(&w->r, 3);
        again = p2p_bar_ids_new(w->width);
        assert_non_null(again);
        for (uint32_t id = 1; id <= P2P_BAR_IDS_LAST; id++)
                if (p2p_bar_ids_get(w->ids, id))
                        assert_int_equal(p2p_bar_ids_restore(again, p2p_bar_ids_get(w->ids, id)),
                                         0);
        for (uint32_t i = 0; i < status.n_registrations; i++)
                assert_int_equal(p2p_bar_ids_restore_registration(
                                         again, p2p_bar_ids_registration(w->ids, i)),
                                 0);
        p2p_bar_ids_free(w->ids);
        w->ids = again;
        seen.restarts++;
        w->generation = 0;
        w->older_gone = false;
        memset(w->readers, 0, sizeof(w->readers));
        for (unsigned t = 0; t < TOKENS; t++) {
                if (w->id_of[t] != 0 && !w->has_several[t])
                        w->reserved_for[t] = w->id_of[t];
                w->id_of[t] = 0;
                w->has_several[t] |= w->reserved_for[t] >= 1U << w->width;
        }
}

static void run(uint64_t seed, unsigned steps)
{
        struct world *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->r.state = seed;
        w->plain = seed % 2 == 0;
        w->width = 4;
        w->ids = p2p_bar_ids_new(4);
        assert_non_null(w->ids);
        for (unsigned step = 0; step < steps; step++) {
                const unsigned slot = random_below(&w->r, SLOTS);
                struct builder b;
                struct p2p_bar_ids_update update;

                w->generation++;
                if (!w->slots[slot].present)
                        plug(w, slot);
                else
                        disturb(w, slot);
                if (random_below(&w->r, 20) == 0)
                        renumber(w);
                note_unreadable(w);
                move_readers(w);
                b = build(w);
                update = update_of(w, &b);
                if (random_below(&w->r, 4) == 0)
                        change_registration(w, &b);
                assert_int_equal(p2p_bar_ids_update(w->ids, &update), 0);
                check(w, &b);
                builder_free(&b);
                if (random_below(&w->r, 500) == 0)
                        restart(w);
        }
        p2p_bar_ids_free(w->ids);
        free(w);
}

static void test_no_id_is_ever_mistaken(void **state)
{
        (void)state;
        for (uint64_t seed = 0; seed < 10; seed++)
                run(seed, 6000);
        assert_true(seen.restarts > 100 && seen.returns > 5000 && seen.takeovers > 1000 &&
                    seen.twins > 1000);
        assert_true(seen.without > 1000 && seen.held_by_readers > 1000 &&
                    seen.held_by_older > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_id_is_ever_mistaken),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
