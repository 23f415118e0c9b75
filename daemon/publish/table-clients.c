/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/table-clients.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "p2pd/table-layout.h"

/*
 * A function's address is mixed to 64 bits. The low ones choose a bucket, the high ones times the
 * bucket's multiplier the slot. Multipliers are tried bucket by bucket, the fullest first, until
 * the members of each fall into slots that are still free.
 */
#define BUCKET_MEMBERS 4U /* on average */
#define SLOTS_MAX (1U << 20)

struct member {
        uint64_t mixed;
        uint32_t function;
        uint32_t bucket;
};

static uint64_t mixed_address(struct p2p_address a)
{
        return p2p_table_mix(a.segment, (uint32_t)a.bus << 8 | a.devfn);
}

/* Puts the members of one bucket into slots under a multiplier; false, and nothing is changed: one
 * is taken. */
static bool place(struct p2pd_table_clients *c, const struct member *members, uint32_t n,
                  uint32_t multiplier)
{
        for (uint32_t i = 0; i < n; i++) {
                uint32_t slot = p2p_table_slot(members[i].mixed, multiplier, c->n_slots);

                if (c->functions[slot] == P2P_NONE) {
                        c->functions[slot] = members[i].function;
                        continue;
                }
                while (i-- > 0)
                        c->functions[p2p_table_slot(members[i].mixed, multiplier, c->n_slots)] =
                                P2P_NONE;
                return false;
        }
        return true;
}

/*
 * The members by bucket, those of the fullest buckets first; else in the order that they have.
 * sizes: by bucket. Two counting sorts in one: n_of says how many members are in buckets of a size,
 * then where the next bucket of that size begins; next, where the next member of a bucket goes.
 */
static struct member *sort_members(const struct member *members, uint32_t n, const uint32_t *sizes,
                                   uint32_t n_buckets)
{
        struct member *sorted = calloc((size_t)n + 1, sizeof(*sorted));
        uint32_t *n_of = calloc((size_t)n + 1, sizeof(*n_of));
        uint32_t *next = calloc(n_buckets, sizeof(*next));
        uint32_t at = 0;

        if (!sorted || !n_of || !next) {
                free(sorted);
                sorted = NULL;
                goto out;
        }
        for (uint32_t i = 0; i < n_buckets; i++)
                n_of[sizes[i]] += sizes[i];
        for (uint32_t size = n; size > 0; size--) {
                uint32_t n_before = at;

                at += n_of[size];
                n_of[size] = n_before;
        }
        for (uint32_t i = 0; i < n_buckets; i++) {
                next[i] = n_of[sizes[i]];
                n_of[sizes[i]] += sizes[i];
        }
        for (uint32_t i = 0; i < n; i++)
                sorted[next[members[i].bucket]++] = members[i];
out:
        free(n_of);
        free(next);
        return sorted;
}

/* Finds the multipliers of all buckets, in the order of sorted. 0; -E2BIG: not with so few
 * slots. */
static int place_all(struct p2pd_table_clients *c, const struct member *sorted, uint32_t n,
                     const uint32_t *sizes)
{
        for (uint32_t i = 0; i < n; i += sizes[sorted[i].bucket]) {
                const uint32_t size = sizes[sorted[i].bucket];
                uint32_t multiplier = 0;

                while (multiplier <= UINT16_MAX && !place(c, &sorted[i], size, multiplier))
                        multiplier++;
                if (multiplier > UINT16_MAX)
                        return -E2BIG;
                c->multipliers[sorted[i].bucket] = (uint16_t)multiplier;
        }
        return 0;
}

/* Tries to place all members. 0, -ENOMEM, -E2BIG: not with so few slots. */
static int fill(struct p2pd_table_clients *c, struct member *members, uint32_t n)
{
        uint32_t *sizes = calloc(c->n_buckets, sizeof(*sizes));
        struct member *sorted = NULL;
        int r = -ENOMEM;

        c->functions = malloc((size_t)c->n_slots * sizeof(*c->functions));
        c->multipliers = calloc(c->n_buckets, sizeof(*c->multipliers));
        if (!c->functions || !c->multipliers || !sizes)
                goto out;
        memset(c->functions, 0xff, (size_t)c->n_slots * sizeof(*c->functions));
        for (uint32_t i = 0; i < n; i++) {
                members[i].bucket = (uint32_t)members[i].mixed & (c->n_buckets - 1);
                sizes[members[i].bucket]++;
        }
        sorted = sort_members(members, n, sizes, c->n_buckets);
        if (sorted)
                r = place_all(c, sorted, n, sizes);
out:
        free(sorted);
        free(sizes);
        return r;
}

static int fill_with_room(struct p2pd_table_clients *c, struct member *members, uint32_t n)
{
        int r = -E2BIG;

        /* One slot stays free, so that a function that is not there can be told. */
        for (uint32_t slots = n + n / 3 + 2; r == -E2BIG && slots <= SLOTS_MAX; slots *= 2) {
                free(c->functions);
                free(c->multipliers);
                c->n_slots = p2p_table_power_of_two(slots);
                c->n_buckets = p2p_table_power_of_two(n / BUCKET_MEMBERS + 1);
                c->functions = NULL;
                c->multipliers = NULL;
                r = fill(c, members, n);
        }
        return r;
}

int p2pd_table_clients_new(const struct p2p_machine *m, struct p2pd_table_clients **ret)
{
        struct p2pd_table_clients *c = calloc(1, sizeof(*c));
        struct member *members = calloc((size_t)m->n_functions + 1, sizeof(*members));
        uint32_t n = 0;
        int r = -ENOMEM;

        if (!c || !members)
                goto out;
        c->slots = malloc(((size_t)m->n_functions + 1) * sizeof(*c->slots));
        if (!c->slots)
                goto out;
        memset(c->slots, 0xff, ((size_t)m->n_functions + 1) * sizeof(*c->slots));
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (p2p_function_is_endpoint(&m->functions[i]))
                        members[n++] = (struct member){
                                .mixed = mixed_address(m->functions[i].address),
                                .function = i,
                        };
        r = fill_with_room(c, members, n);
        for (uint32_t i = 0; r == 0 && i < c->n_slots; i++)
                if (c->functions[i] != P2P_NONE)
                        c->slots[c->functions[i]] = i;
out:
        free(members);
        if (r == 0)
                *ret = c;
        else
                p2pd_table_clients_free(c);
        return r;
}

struct p2pd_table_clients *p2pd_table_clients_free(struct p2pd_table_clients *c)
{
        if (!c)
                return NULL;
        free(c->multipliers);
        free(c->functions);
        free(c->slots);
        free(c);
        return NULL;
}
