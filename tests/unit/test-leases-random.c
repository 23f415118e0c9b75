/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lease-fixture.h"
#include "random-machine.h"

/* A table written down as plainly as it can be: devices are (slot, kind, function), leases a list.
 */
struct thing {
        unsigned slot, function; /* function 0, or 1 and 2: virtual ones */
        enum kind kind;
        bool lost;
};

struct plain_lease {
        uint64_t number, connection, expires_usec;
        char name[16];
        uint32_t uid;
        struct thing things[4];
        unsigned n;
};

struct model {
        struct layout layout;
        struct plain_lease leases[64];
        unsigned n;
        uint64_t last_number, now_usec;
};

/* The kind of the function there now; EMPTY: there is none. */
static enum kind at(const struct model *m, unsigned slot, unsigned function)
{
        const enum kind kind = m->layout.kinds[slot];

        return function == 0 || kind == NIC ? kind : EMPTY;
}

/* May the function be had, as far as other leases go. */
static bool plain_is_held(const struct model *m, unsigned slot, unsigned function)
{
        for (unsigned i = 0; i < m->n; i++) {
                for (unsigned j = 0; j < m->leases[i].n; j++) {
                        const struct thing *t = &m->leases[i].things[j];
                        const enum kind now = at(m, slot, t->function);
                        const bool there = now == t->kind || now == UNREADABLE;

                        if (t->slot != slot)
                                continue;
                        if (t->function == function && there)
                                return true;
                        if (t->function == 0 && function != 0 && there)
                                return true;
                        if (t->function != 0 && function == 0)
                                return true;
                }
        }
        return false;
}

static unsigned plain_follow(struct model *m, unsigned first_bus_before)
{
        unsigned n_events = 0;

        for (unsigned i = 0; i < m->n; i++) {
                for (unsigned j = 0; j < m->leases[i].n; j++) {
                        struct thing *t = &m->leases[i].things[j];
                        const enum kind now = at(m, t->slot, t->function);

                        if (now == UNREADABLE)
                                n_events += !t->lost && first_bus_before != m->layout.first_bus;
                        else if (now != t->kind)
                                n_events += !t->lost;
                        else
                                n_events += t->lost || first_bus_before != m->layout.first_bus;
                        if (now != UNREADABLE)
                                t->lost = now != t->kind;
                }
        }
        return n_events;
}

static void plain_remove(struct model *m, unsigned i)
{
        m->n--;
        memmove(&m->leases[i], &m->leases[i + 1], (m->n - i) * sizeof(m->leases[0]));
}

/* The same question to both. */
static void random_take(struct p2pd_leases *l, const struct builder *b, struct model *m,
                        struct random *r)
{
        struct plain_lease plain = {.number = m->last_number + 1, .uid = random_below(r, 3)};
        struct p2pd_lease_obstacle obstacle;
        struct p2pd_lease_request request;
        const struct p2pd_lease *lease;
        uint32_t functions[4];
        int want = 0, got;

        if (random_below(r, 2) == 0)
                (void)snprintf(plain.name, sizeof(plain.name), "n%u", random_below(r, 20));
        else
                plain.connection = 1 + random_below(r, 5);
        plain.expires_usec = random_below(r, 3) == 0 ? m->now_usec + 1 + random_below(r, 50) : 0;
        for (unsigned tries = 1 + random_below(r, 4); tries > 0; tries--) {
                struct thing t = {.slot = random_below(r, N_SLOTS), .function = random_below(r, 3)};
                bool again = false;

                t.kind = at(m, t.slot, t.function);
                for (unsigned j = 0; j < plain.n; j++)
                        again |= plain.things[j].slot == t.slot &&
                                 plain.things[j].function == t.function;
                if (t.kind == EMPTY || again)
                        continue;
                functions[plain.n] = index_of(b, m->layout.first_bus + t.slot, t.function);
                plain.things[plain.n++] = t;
        }
        if (plain.n == 0 || m->n == 64)
                return;
        for (unsigned i = plain.n; i-- > 0;) {
                if (plain_is_held(m, plain.things[i].slot, plain.things[i].function))
                        want = P2PD_LEASE_E_HELD;
                if (plain.things[i].kind == UNREADABLE)
                        want = P2PD_LEASE_E_UNRECOGNISABLE;
        }
        for (unsigned i = 0; i < m->n; i++)
                if (plain.name[0] && strcmp(m->leases[i].name, plain.name) == 0)
                        want = P2PD_LEASE_E_NAME_TAKEN;
        request = request_of(b, plain.name[0] ? plain.name : NULL, functions, plain.n);
        request.uid = plain.uid;
        request.connection = plain.connection ? plain.connection : 1;
        request.now = time_at(m->now_usec, WALL_AHEAD);
        request.duration_usec = plain.expires_usec ? plain.expires_usec - m->now_usec : 0;
        got = p2pd_leases_take(l, &request, &lease, &obstacle);
        assert_int_equal(got, want);
        if (got != 0)
                return;
        assert_int_equal(lease->number, plain.number);
        m->leases[m->n++] = plain;
        m->last_number++;
}

static void random_end(struct p2pd_leases *l, struct model *m, struct random *r)
{
        const uint64_t connection = 1 + random_below(r, 5);
        const struct p2pd_lease *lease;
        uint32_t n = 0;

        switch (random_below(r, 4)) {
        case 0:
                for (unsigned i = m->n; i-- > 0;)
                        if (m->leases[i].connection == connection) {
                                plain_remove(m, i);
                                n++;
                        }
                assert_int_equal(p2pd_leases_disconnect(l, connection, NULL, NULL), n);
                break;
        case 1:
                m->now_usec += random_below(r, 20);
                for (unsigned i = m->n; i-- > 0;)
                        if (m->leases[i].expires_usec && m->leases[i].expires_usec <= m->now_usec) {
                                plain_remove(m, i);
                                n++;
                        }
                assert_int_equal(p2pd_leases_expire(l, m->now_usec, NULL, NULL), n);
                break;
        default:
                if (m->n == 0)
                        return;
                n = random_below(r, m->n);
                if (random_below(r, 3) == 0) {
                        m->leases[n].expires_usec = m->now_usec + 30;
                        assert_int_equal(
                                p2pd_leases_renew(l, m->leases[n].number,
                                                  p2pd_lease_term_of(time_at(m->now_usec, 0), 30)),
                                0);
                        return;
                }
                if (m->leases[n].name[0]) {
                        assert_int_equal(p2pd_leases_find_for(l, m->leases[n].name,
                                                              m->leases[n].uid, &lease),
                                         0);
                        assert_int_equal(lease->number, m->leases[n].number);
                }
                assert_int_equal(p2pd_leases_release(l, m->leases[n].number), 0);
                plain_remove(m, n);
        }
}

static void random_hotplug(struct p2pd_leases *l, struct builder *b, struct model *m,
                           struct random *r)
{
        const unsigned first_bus = m->layout.first_bus;
        struct told told = {0};
        struct builder next;

        for (unsigned i = 1 + random_below(r, 3); i > 0; i--)
                m->layout.kinds[random_below(r, N_SLOTS)] = (enum kind)random_below(r, N_KINDS);
        if (random_below(r, 8) == 0)
                m->layout.first_bus = 0x10 + 0x20 * random_below(r, 4);
        next = machine_of(&m->layout);
        assert_int_equal(p2pd_leases_follow(l, next.m, tell, &told), plain_follow(m, first_bus));
        builder_free(b);
        *b = next;
}

/* A restart: what is tied to connections is gone, the rest is read back. */
static struct p2pd_leases *random_restart(struct p2pd_leases *l, const struct builder *b,
                                          struct model *m)
{
        struct p2pd_leases_params params = P2PD_LEASES_PARAMS_DEFAULT;
        const struct p2pd_lease_import how = {.now = time_at(m->now_usec, 0), .is_same_boot = true};
        struct p2pd_leases *next;
        uint32_t n_lost = 0;

        params.last_number = p2pd_leases_last_number(l);
        next = p2pd_leases_new(&params);
        for (unsigned i = m->n; i-- > 0;)
                if (m->leases[i].connection)
                        plain_remove(m, i);
        for (uint32_t i = 0; i < p2pd_leases_n(l); i++) {
                const struct p2pd_lease *lease = p2pd_leases_get(l, i);
                struct p2pd_state_lease state;

                if (lease->connection)
                        continue;
                for (uint32_t j = 0; j < lease->n_devices; j++)
                        n_lost +=
                                lease->devices[j].is_lost && lease->devices[j].function == P2P_NONE;
                state = exported(lease);
                assert_int_equal(p2pd_leases_import(next, &state, &how), 0);
                free(state.devices);
        }
        p2pd_leases_free(l);
        /* The machine is the same; what was lost before the restart is told again, and what may be
         * the device is taken for it. */
        assert_int_equal(p2pd_leases_follow(next, b->m, NULL, NULL), n_lost);
        for (unsigned i = 0; i < m->n; i++)
                for (unsigned j = 0; j < m->leases[i].n; j++)
                        if (at(m, m->leases[i].things[j].slot, m->leases[i].things[j].function) ==
                            UNREADABLE)
                                m->leases[i].things[j].lost = false;
        return next;
}

static void compare(const struct p2pd_leases *l, const struct builder *b, const struct model *m)
{
        uint64_t next = 0;

        assert_int_equal(p2pd_leases_n(l), m->n);
        assert_int_equal(p2pd_leases_last_number(l), m->last_number);
        for (unsigned i = 0; i < m->n; i++) {
                const struct p2pd_lease *lease = p2pd_leases_get(l, i);
                const struct plain_lease *plain = &m->leases[i];

                assert_int_equal(lease->number, plain->number);
                assert_string_equal(lease->name, plain->name);
                assert_int_equal(lease->term.deadline_usec, plain->expires_usec);
                assert_int_equal(lease->n_devices, plain->n);
                for (unsigned j = 0; j < plain->n; j++)
                        assert_int_equal(lease->devices[j].is_lost, plain->things[j].lost);
                if (plain->expires_usec && (!next || plain->expires_usec < next))
                        next = plain->expires_usec;
        }
        assert_int_equal(p2pd_leases_next_expiry(l), next);
        for (unsigned slot = 0; slot < N_SLOTS; slot++)
                for (unsigned function = 0; function < 3; function++)
                        if (at(m, slot, function) != EMPTY)
                                assert_int_equal(
                                        is_held(l, b, 0,
                                                index_of(b, m->layout.first_bus + slot, function)),
                                        plain_is_held(m, slot, function));
}

static void test_random(void **state)
{
        struct model m = {.layout = layout_of(0x10), .now_usec = 1};
        struct random r = {7};
        struct builder b = machine_of(&m.layout);
        struct p2pd_leases *l = table_new(&b);

        (void)state;
        for (uint32_t i = 0; i < 100000; i++) {
                const uint32_t what = random_below(&r, 400);

                if (what < 240)
                        random_take(l, &b, &m, &r);
                else if (what < 380)
                        random_end(l, &m, &r);
                else if (what < 398)
                        random_hotplug(l, &b, &m, &r);
                else
                        l = random_restart(l, &b, &m);
                if (i % 8 == 0)
                        compare(l, &b, &m);
        }
        assert_true(m.last_number > 10000);
        p2pd_leases_free(l);
        builder_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
