/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int p2pd_snapshot_new(struct p2p_machine *machine, uint64_t generation, uint64_t scanned_usec,
                      struct p2pd_snapshot **ret)
{
        struct p2pd_snapshot *s = calloc(1, sizeof(*s));

        if (!s) {
                p2p_machine_free(machine);
                return -ENOMEM;
        }
        s->generation = generation;
        s->scanned_usec = scanned_usec;
        s->machine = machine;
        s->n_refs = 1;
        for (unsigned i = 0; i < P2P_RULES_MAX; i++) {
                s->verdicts[i] = p2p_verdicts_new(machine, p2p_rules_for(machine, i));
                if (!s->verdicts[i]) {
                        p2pd_snapshot_unref(s);
                        return -ENOMEM;
                }
        }
        *ret = s;
        return 0;
}

int p2pd_snapshot_follow(struct p2pd_snapshot *s, const struct p2pd_snapshot *before, bool no_flips)
{
        const struct p2p_kernel_cache_params params = {
                .older = before->kernel_cache,
                .before = before->machine,
                .after = s->machine,
                .before_verdicts = before->verdicts[P2P_RULES_RUNNING],
                .after_verdicts = s->verdicts[P2P_RULES_RUNNING],
                .no_flips = no_flips,
                .pairs_max = P2P_KERNEL_CACHE_PAIRS_MAX,
        };

        assert(s->n_refs == 1 && !s->kernel_cache);
        return p2p_kernel_cache_new(&params, &s->kernel_cache);
}

int p2pd_snapshot_renew(struct p2pd_snapshot *before, uint64_t generation,
                        struct p2pd_snapshot **ret)
{
        struct p2pd_snapshot *s = malloc(sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = *before;
        s->generation = generation;
        s->bars = NULL;
        s->n_bars = 0;
        s->owner = p2pd_snapshot_ref(before->owner ? before->owner : before);
        s->n_refs = 1;
        *ret = s;
        return 0;
}

void p2pd_snapshot_take_bars(struct p2pd_snapshot *s, struct p2pd_snapshot_bar *bars, uint32_t n)
{
        free(s->bars);
        s->bars = bars;
        s->n_bars = n;
}

static int compare_bars(const void *a, const void *b)
{
        const struct p2pd_snapshot_bar *x = a, *y = b;

        if (x->function != y->function)
                return x->function < y->function ? -1 : 1;
        return (x->bar_index > y->bar_index) - (x->bar_index < y->bar_index);
}

const struct p2pd_snapshot_bar *p2pd_snapshot_find_bar(const struct p2pd_snapshot *s,
                                                       uint32_t function, uint32_t bar_index)
{
        const struct p2pd_snapshot_bar key = {.function = function,
                                              .bar_index = (uint8_t)bar_index};

        if (s->n_bars == 0)
                return NULL;
        return bsearch(&key, s->bars, s->n_bars, sizeof(*s->bars), compare_bars);
}

struct p2pd_snapshot *p2pd_snapshot_ref(struct p2pd_snapshot *s)
{
        assert(s->n_refs > 0);
        s->n_refs++;
        return s;
}

struct p2pd_snapshot *p2pd_snapshot_unref(struct p2pd_snapshot *s)
{
        if (!s)
                return NULL;
        assert(s->n_refs > 0);
        if (--s->n_refs > 0)
                return NULL;
        free(s->bars);
        if (s->owner) {
                p2pd_snapshot_unref(s->owner);
        } else {
                for (unsigned i = 0; i < P2P_RULES_MAX; i++)
                        p2p_verdicts_free(s->verdicts[i]);
                p2p_kernel_cache_free(s->kernel_cache);
                p2p_machine_free(s->machine);
        }
        free(s);
        return NULL;
}
