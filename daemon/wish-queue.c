/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wish-queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 16U

void p2pd_wish_queue_deinit(struct p2pd_wish_queue *q)
{
        free(q->wishes);
        *q = (struct p2pd_wish_queue){0};
}

int p2pd_wish_queue_add(struct p2pd_wish_queue *q, const struct p2pd_bar_wish *wish)
{
        if (q->n == q->capacity) {
                size_t capacity = q->capacity ? q->capacity * 2 : CAPACITY_MIN;
                struct p2pd_pending_wish *wishes =
                        reallocarray(q->wishes, capacity, sizeof(*wishes));

                if (!wishes)
                        return -ENOMEM;
                q->wishes = wishes;
                q->capacity = capacity;
        }
        q->wishes[q->n++] = (struct p2pd_pending_wish){.wish = *wish};
        return 0;
}

void p2pd_wish_queue_carry_out(struct p2pd_wish_queue *q, struct p2pd_bar_keeper *keeper,
                               const struct p2pd_bar_keeper_now *now)
{
        for (size_t i = 0; i < q->n; i++) {
                struct p2pd_pending_wish *w = &q->wishes[i];

                if (w->is_carried_out)
                        continue;
                w->wish.result = p2pd_bar_keeper_wish(keeper, now, &w->wish);
                w->is_carried_out = true;
                w->revision = w->wish.result == 0 ? p2pd_bar_keeper_revision(keeper) : 0;
        }
}

int p2pd_wish_queue_take_done(struct p2pd_wish_queue *q, const struct p2pd_bar_keeper *keeper,
                              int error, struct p2pd_bar_wish **ret, size_t *ret_n)
{
        struct p2pd_bar_wish *done = NULL;
        size_t n = 0;

        while (n < q->n && q->wishes[n].is_carried_out &&
               (error < 0 || p2pd_bar_keeper_is_saved(keeper, q->wishes[n].revision)))
                n++;
        if (n > 0) {
                done = calloc(n, sizeof(*done));
                if (!done)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                done[i] = q->wishes[i].wish;
                if (done[i].result == 0 && !p2pd_bar_keeper_is_saved(keeper, q->wishes[i].revision))
                        done[i].result = error;
        }
        q->n -= n;
        if (n > 0)
                memmove(q->wishes, q->wishes + n, q->n * sizeof(*q->wishes));
        *ret = done;
        *ret_n = n;
        return 0;
}
