/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verification.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
        uint64_t sequence; /* counts the puts: the lowest is the oldest */
        struct p2pd_verification v;
};

struct p2pd_verifications {
        struct item **items; /* sorted by provider, then client */
        uint32_t n, max;
        uint64_t sequence, n_dropped;
};

const char *p2pd_verified_to_string(enum p2pd_verified result)
{
        static const char *const names[P2PD_VERIFIED_MAX] = {
                [P2PD_VERIFIED_ARRIVED] = "arrived",
                [P2PD_VERIFIED_WRONG_DATA] = "wrong_data",
                [P2PD_VERIFIED_REFUSED] = "refused",
                [P2PD_VERIFIED_FAILED] = "failed",
        };

        return result < P2PD_VERIFIED_MAX ? names[result] : NULL;
}

static bool is_possible(enum p2p_map map)
{
        return map == P2P_MAP_BUS || map == P2P_MAP_HOST_BRIDGE;
}

enum p2pd_agreement p2pd_verification_agrees(const struct p2pd_verification *v)
{
        bool refused = v->result == P2PD_VERIFIED_REFUSED;

        if (!is_possible(v->map_then) && v->map_then != P2P_MAP_NONE)
                return P2PD_AGREEMENT_NEITHER;
        if (v->result == P2PD_VERIFIED_WRONG_DATA)
                return P2PD_AGREEMENT_NO;
        if (v->result == P2PD_VERIFIED_FAILED)
                return is_possible(v->map_then) ? P2PD_AGREEMENT_NO : P2PD_AGREEMENT_NEITHER;
        return refused == is_possible(v->map_then) ? P2PD_AGREEMENT_NO : P2PD_AGREEMENT_YES;
}

bool p2pd_verification_is_alarming(const struct p2pd_verification *v)
{
        return v->result == P2PD_VERIFIED_WRONG_DATA ||
               p2pd_verification_agrees(v) == P2PD_AGREEMENT_NO;
}

const char *p2pd_verification_format(const struct p2pd_verification *v, char *buf, size_t size)
{
        static const char *const what[P2PD_VERIFIED_MAX] = {
                [P2PD_VERIFIED_ARRIVED] = "arrived with every byte right",
                [P2PD_VERIFIED_WRONG_DATA] = "was reported as done, but the data is WRONG",
                [P2PD_VERIFIED_REFUSED] = "was refused by the kernel",
                [P2PD_VERIFIED_FAILED] = "was begun and failed",
        };
        static const char *const agreement[] = {
                [P2PD_AGREEMENT_YES] = "as the verdict then said",
                [P2PD_AGREEMENT_NO] = "which DISAGREES with the verdict then",
                [P2PD_AGREEMENT_NEITHER] =
                        "which neither confirms nor contradicts the verdict then",
        };
        char provider[P2P_ADDRESS_STRING_MAX], client[P2P_ADDRESS_STRING_MAX];

        (void)snprintf(buf, size, "a transfer (%s) by %s to the memory of %s %s, %s (%s)%s%s",
                       v->method, p2p_address_format(v->client, client),
                       p2p_address_format(v->provider, provider), what[v->result],
                       agreement[p2pd_verification_agrees(v)], p2p_map_to_string(v->map_then),
                       v->detail[0] ? ": " : "", v->detail);
        return buf;
}

/* Where the pair is, or would be. */
static uint32_t place_of(const struct p2pd_verifications *s, struct p2p_address provider,
                         struct p2p_address client, bool *ret_found)
{
        uint32_t low = 0, high = s->n;

        *ret_found = false;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                const struct p2pd_verification *v = &s->items[middle]->v;
                int order = p2p_address_compare(v->provider, provider);

                if (order == 0)
                        order = p2p_address_compare(v->client, client);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct p2pd_verifications *p2pd_verifications_new(uint32_t max)
{
        struct p2pd_verifications *s = calloc(1, sizeof(*s));

        assert(max > 0);
        if (!s)
                return NULL;
        s->max = max;
        s->items = calloc(max, sizeof(*s->items));
        if (!s->items)
                return p2pd_verifications_free(s);
        return s;
}

struct p2pd_verifications *p2pd_verifications_free(struct p2pd_verifications *s)
{
        if (!s)
                return NULL;
        for (uint32_t i = 0; i < s->n; i++)
                free(s->items[i]);
        free(s->items);
        free(s);
        return NULL;
}

static void remove_at(struct p2pd_verifications *s, uint32_t i)
{
        free(s->items[i]);
        s->n--;
        memmove(&s->items[i], &s->items[i + 1], (s->n - i) * sizeof(*s->items));
}

static void drop_oldest(struct p2pd_verifications *s)
{
        uint32_t oldest = 0;

        for (uint32_t i = 1; i < s->n; i++)
                if (s->items[i]->sequence < s->items[oldest]->sequence)
                        oldest = i;
        remove_at(s, oldest);
        s->n_dropped++;
}

int p2pd_verifications_put(struct p2pd_verifications *s, const struct p2pd_verification *v)
{
        struct item *item;
        uint32_t i;
        bool found;

        i = place_of(s, v->provider, v->client, &found);
        if (found) {
                s->items[i]->v = *v;
                s->items[i]->sequence = s->sequence++;
                return 0;
        }
        item = malloc(sizeof(*item));
        if (!item)
                return -ENOMEM;
        *item = (struct item){.sequence = s->sequence++, .v = *v};
        if (s->n == s->max) {
                drop_oldest(s);
                i = place_of(s, v->provider, v->client, &found);
        }
        memmove(&s->items[i + 1], &s->items[i], (s->n - i) * sizeof(*s->items));
        s->items[i] = item;
        s->n++;
        return 0;
}

const struct p2pd_verification *p2pd_verifications_find(const struct p2pd_verifications *s,
                                                        struct p2p_address provider,
                                                        struct p2p_address client)
{
        uint32_t i;
        bool found;

        i = place_of(s, provider, client, &found);
        return found ? &s->items[i]->v : NULL;
}

static int compare_change(const void *key, const void *change)
{
        return p2p_address_compare(*(const struct p2p_address *)key,
                                   ((const struct p2p_change *)change)->address);
}

/* Is what was there gone, or may be: an identity that cannot be read any more counts, and a serial
 * number that comes to be known too, whose device may have been another before. */
static bool is_gone(const struct p2p_diff *diff, struct p2p_address address)
{
        const struct p2p_change *change = NULL;

        if (diff->n_changes > 0)
                change = bsearch(&address, diff->changes, diff->n_changes, sizeof(*diff->changes),
                                 compare_change);
        return change &&
               (change->kind != P2P_CHANGE_CHANGED || (change->what & P2P_CHANGED_IDENTITY) != 0);
}

void p2pd_verifications_follow(struct p2pd_verifications *s, const struct p2p_diff *diff)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < s->n; i++) {
                const struct p2pd_verification *v = &s->items[i]->v;

                if (is_gone(diff, v->provider) || is_gone(diff, v->client))
                        free(s->items[i]);
                else
                        s->items[kept++] = s->items[i];
        }
        s->n = kept;
}

uint32_t p2pd_verifications_n(const struct p2pd_verifications *s)
{
        return s->n;
}

const struct p2pd_verification *p2pd_verifications_get(const struct p2pd_verifications *s,
                                                       uint32_t i)
{
        assert(i < s->n);
        return &s->items[i]->v;
}

uint64_t p2pd_verifications_dropped(const struct p2pd_verifications *s)
{
        return s->n_dropped;
}
