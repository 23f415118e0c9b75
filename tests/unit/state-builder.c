/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-builder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t state_plain_crc(const char *bytes, size_t n)
{
        uint32_t crc = 0xffffffff;

        for (size_t i = 0; i < n; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        const bool carry = ((crc ^ (uint8_t)bytes[i] >> bit) & 1U) != 0;

                        crc = crc >> 1 ^ (carry ? 0xedb88320 : 0);
                }
        return ~crc;
}

char *state_seal(const char *lines, bool with_end, size_t *ret_size)
{
        unsigned n = 0;
        char *text, line[4096];
        FILE *out = open_memstream(&text, ret_size);

        assert_non_null(out);
        for (const char *end; *lines; lines = end + 1, n++) {
                end = strchr(lines, '\n');
                assert_non_null(end);
                (void)fprintf(out, "%.*s %08x\n", (int)(end - lines), lines,
                              state_plain_crc(lines, (size_t)(end - lines)));
        }
        (void)fflush(out);
        if (with_end) {
                (void)snprintf(line, sizeof(line), "end %u %08x", n,
                               state_plain_crc(text, *ret_size));
                (void)fprintf(out, "%s %08x\n", line, state_plain_crc(line, strlen(line)));
        }
        assert_int_equal(fclose(out), 0);
        return text;
}

static struct p2p_identity identity(unsigned n)
{
        return (struct p2p_identity){
                .is_known = true,
                .vendor = 0x10de,
                .device = n,
                .subsystem_vendor = n % 3 == 0 ? P2P_IDENTITY_ABSENT : 0x1234,
                .subsystem_device = n % 3 == 0 ? P2P_IDENTITY_ABSENT : n,
                .class_code = 0x030200,
                .serial = n % 4 == 0   ? p2p_fact_without(P2P_WHY_ABSENT)
                          : n % 4 == 1 ? p2p_fact_without(P2P_WHY_NOT_REPORTED)
                                       : p2p_fact_known(UINT64_C(0xfedcba9800000000) + n),
        };
}

static struct p2p_slot slot(unsigned n)
{
        struct p2p_slot s = {""};

        (void)snprintf(s.text, sizeof(s.text), "0000:%02x:01.0/%02x.0%s", n & 0xffU, n & 0x1fU,
                       n % 2 ? "+0010" : "");
        return s;
}

static struct p2pd_state_lease lease(uint64_t number, const char *name, const char *owner,
                                     uint32_t n_devices)
{
        struct p2pd_state_lease l = {
                .number = number,
                .uid = 1000,
                .pid = 4242,
                .taken_usec = 1700000000000000,
                .n_devices = n_devices,
        };

        strcpy(l.name, name);
        strcpy(l.owner, owner);
        l.devices = calloc(n_devices, sizeof(*l.devices));
        assert_non_null(l.devices);
        for (uint32_t i = 0; i < n_devices; i++)
                l.devices[i] = (struct p2pd_state_device){
                        .slot = slot((unsigned)number + i),
                        .identity = identity((unsigned)number + i),
                        .address = {.bus = (uint8_t)(number + i)},
                };
        return l;
}

struct p2pd_state state_sample(unsigned variant)
{
        static const uint32_t given[] = {1, 2, 3, 5, 7, 8, 15, 300, 310};
        struct p2pd_state s = {
                .boot_id = "6a2e8d0c-0000-4000-8000-123456789abc",
                .id_width = 6,
                .last_lease = 77 + variant,
                .n_ids = sizeof(given) / sizeof(given[0]),
                .n_registrations = 2,
                .n_leases = 2,
        };

        s.ids = calloc(s.n_ids, sizeof(*s.ids));
        s.registrations = calloc(s.n_registrations, sizeof(*s.registrations));
        s.leases = calloc(s.n_leases, sizeof(*s.leases));
        assert_true(s.ids && s.registrations && s.leases);
        for (uint32_t i = 0; i < s.n_ids; i++) {
                struct p2p_bar_id *id = &s.ids[i];

                *id = (struct p2p_bar_id){.id = given[i], .function = P2P_NONE};
                id->state = i == 4       ? P2P_BAR_ID_LOST
                            : i % 3 == 1 ? P2P_BAR_ID_RETIRED
                                         : P2P_BAR_ID_IN_USE;
                if (id->state == P2P_BAR_ID_LOST)
                        continue;
                id->retired_order = id->state == P2P_BAR_ID_RETIRED ? i + variant : 0;
                id->bar_index = i % 6;
                id->address = (struct p2p_address){.segment = i == 5 ? 0x10000 : 0,
                                                   .bus = (uint8_t)(variant + i)};
                /* What could not be told when it was given. */
                if (i != 2)
                        id->slot = slot(variant + i);
                if (i != 3)
                        id->identity = identity(variant + i);
        }
        for (uint32_t i = 0; i < s.n_registrations; i++)
                s.registrations[i] = (struct p2p_bar_registration){
                        .slot = slot(variant + i),
                        .identity = identity(i),
                        .bar_index = i,
                        .has_address = i > 0,
                        .address = {.bus = (uint8_t)(5 * i)},
                };
        s.leases[0] = lease(12, "training", "", 1 + variant % 2);
        s.leases[1] = lease(77, "night-run", "a b%\n\xc3\xa9\x01", 2);
        s.leases[1].expires_usec = UINT64_MAX;
        s.leases[1].deadline_usec = 5000000000;
        s.leases[1].duration_usec = 7000000000;
        return s;
}

static bool same_identity(const struct p2p_identity *a, const struct p2p_identity *b)
{
        return p2p_identity_is_equal(a, b);
}

static bool same_id(const struct p2p_bar_id *a, const struct p2p_bar_id *b)
{
        return a->id == b->id && a->state == b->state && a->bar_index == b->bar_index &&
               a->retired_order == b->retired_order &&
               p2p_address_compare(a->address, b->address) == 0 &&
               strcmp(a->slot.text, b->slot.text) == 0 && same_identity(&a->identity, &b->identity);
}

static bool same_registration(const struct p2p_bar_registration *a,
                              const struct p2p_bar_registration *b)
{
        return strcmp(a->slot.text, b->slot.text) == 0 && a->bar_index == b->bar_index &&
               same_identity(&a->identity, &b->identity) && a->has_address == b->has_address &&
               p2p_address_compare(a->address, b->address) == 0;
}

static bool same_device(const struct p2pd_state_device *a, const struct p2pd_state_device *b)
{
        return strcmp(a->slot.text, b->slot.text) == 0 &&
               same_identity(&a->identity, &b->identity) &&
               p2p_address_compare(a->address, b->address) == 0;
}

/* The same but for its devices. */
static bool same_lease(const struct p2pd_state_lease *a, const struct p2pd_state_lease *b)
{
        return a->number == b->number && strcmp(a->name, b->name) == 0 &&
               strcmp(a->owner, b->owner) == 0 && a->uid == b->uid && a->pid == b->pid &&
               a->taken_usec == b->taken_usec && a->expires_usec == b->expires_usec &&
               a->deadline_usec == b->deadline_usec && a->duration_usec == b->duration_usec;
}

bool state_is_equal(const struct p2pd_state *a, const struct p2pd_state *b)
{
        if (strcmp(a->boot_id, b->boot_id) != 0 || a->id_width != b->id_width ||
            a->last_lease != b->last_lease || a->n_ids != b->n_ids ||
            a->n_registrations != b->n_registrations || a->n_leases != b->n_leases ||
            a->is_id_set_lost != b->is_id_set_lost)
                return false;
        for (uint32_t i = 0; i < a->n_ids; i++)
                if (!same_id(&a->ids[i], &b->ids[i]))
                        return false;
        for (uint32_t i = 0; i < a->n_registrations; i++)
                if (!same_registration(&a->registrations[i], &b->registrations[i]))
                        return false;
        for (uint32_t i = 0; i < a->n_leases; i++) {
                const struct p2pd_state_lease *k = &a->leases[i], *l = &b->leases[i];

                if (!same_lease(k, l) || k->n_devices != l->n_devices)
                        return false;
                for (uint32_t j = 0; j < k->n_devices; j++)
                        if (!same_device(&k->devices[j], &l->devices[j]))
                                return false;
        }
        return true;
}

void state_expect_sane(const struct p2pd_state *s)
{
        assert_true(s->id_width <= P2P_BAR_IDS_WIDTH_MAX);
        assert_true(strlen(s->boot_id) < sizeof(s->boot_id));
        for (uint32_t i = 0; i < s->n_ids; i++) {
                const struct p2p_bar_id *id = &s->ids[i];

                assert_true(id->id > (i == 0 ? 0 : s->ids[i - 1].id) && id->id <= P2P_BAR_IDS_LAST);
                assert_true(id->state < P2P_BAR_ID_STATE_MAX && id->bar_index < P2P_BARS_MAX);
                assert_true(id->slot.text[0] == '\0' || p2p_slot_is_valid(id->slot.text));
        }
        for (uint32_t i = 0; i < s->n_registrations; i++) {
                assert_true(p2p_slot_is_valid(s->registrations[i].slot.text));
                assert_true(s->registrations[i].identity.is_known);
                assert_true(s->registrations[i].bar_index < P2P_BARS_MAX);
        }
        for (uint32_t i = 0; i < s->n_leases; i++) {
                const struct p2pd_state_lease *l = &s->leases[i];

                assert_true(l->number > (i == 0 ? 0 : s->leases[i - 1].number));
                assert_true(l->n_devices > 0 && l->name[0] != '\0');
                assert_true(strlen(l->name) < sizeof(l->name));
                assert_true(strlen(l->owner) < sizeof(l->owner));
                for (uint32_t j = 0; j < l->n_devices; j++) {
                        assert_true(p2p_slot_is_valid(l->devices[j].slot.text));
                        assert_true(l->devices[j].identity.is_known);
                }
        }
}

static void expect_lease_of(const struct p2pd_state_lease *l, const struct p2pd_state *original)
{
        const struct p2pd_state_lease *o = NULL;

        for (uint32_t i = 0; i < original->n_leases; i++)
                if (original->leases[i].number == l->number)
                        o = &original->leases[i];
        assert_non_null(o);
        assert_true(same_lease(l, o) && l->n_devices <= o->n_devices);
        for (uint32_t i = 0, at = 0; i < l->n_devices; i++, at++) {
                while (at < o->n_devices && !same_device(&l->devices[i], &o->devices[at]))
                        at++;
                assert_true(at < o->n_devices);
        }
}

void state_expect_salvaged(const struct p2pd_state *s, const struct p2pd_state *original)
{
        uint32_t n;

        state_expect_sane(s);
        for (uint32_t i = 0; i < original->n_ids; i++) {
                bool found = false;

                for (uint32_t j = 0; j < s->n_ids; j++)
                        found |= s->ids[j].id == original->ids[i].id &&
                                 (s->ids[j].state == P2P_BAR_ID_LOST ||
                                  same_id(&s->ids[j], &original->ids[i]));
                assert_true(found || s->is_id_set_lost);
        }
        assert_true(s->n_ids <= original->n_ids);
        for (uint32_t i = 0; i < s->n_registrations; i++) {
                for (n = 0; n < original->n_registrations; n++)
                        if (same_registration(&s->registrations[i], &original->registrations[n]))
                                break;
                assert_true(n < original->n_registrations);
        }
        for (uint32_t i = 0; i < s->n_leases; i++)
                expect_lease_of(&s->leases[i], original);
}
