/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schedule.h"

#include <assert.h>

/* A storm of uevents must not put the reading off for ever. */
#define SETTLE_TIMES_MAX 10U
#define RETRY_USEC 1000000U

static struct p2pd_schedule_step read_all(struct p2pd_schedule *s)
{
        s->state = P2PD_SCHEDULE_ALL;
        s->pending = (struct p2pd_scope){0};
        s->n_named = 0;
        return (struct p2pd_schedule_step){.read = P2PD_READ_ALL};
}

/* All is owed from now on, or still. Where a reading is under way it goes on. */
static struct p2pd_schedule_step owe(struct p2pd_schedule *s, uint64_t now_usec)
{
        struct p2pd_schedule_step step = {.arms = true, .arm_usec = s->settle_usec};

        switch (s->state) {
        case P2PD_SCHEDULE_IDLE:
                s->state = P2PD_SCHEDULE_SETTLING;
                s->since_usec = now_usec;
                return step;
        case P2PD_SCHEDULE_SETTLING:
        case P2PD_SCHEDULE_QUICK:
        case P2PD_SCHEDULE_QUICK_DUE:
                step.arms = now_usec - s->since_usec < SETTLE_TIMES_MAX * s->settle_usec;
                if (s->state == P2PD_SCHEDULE_QUICK_DUE && step.arms)
                        s->state = P2PD_SCHEDULE_QUICK;
                return step;
        case P2PD_SCHEDULE_ALL:
        case P2PD_SCHEDULE_DIRTY:
                s->state = P2PD_SCHEDULE_DIRTY;
                break;
        }
        return (struct p2pd_schedule_step){0};
}

/* The ones named so far can be read now, if they are few. */
static void read_some(struct p2pd_schedule *s, struct p2pd_schedule_step *step)
{
        if (s->state != P2PD_SCHEDULE_SETTLING || p2pd_scope_is_empty(&s->pending))
                return;
        if (!s->pending.everything && s->n_named <= P2PD_SCOPE_MAX) {
                s->state = P2PD_SCHEDULE_QUICK;
                step->read = P2PD_READ_SOME;
                step->scope = s->pending;
        }
        s->pending = (struct p2pd_scope){0};
}

struct p2pd_schedule_step p2pd_schedule_uevents(struct p2pd_schedule *s,
                                                const struct p2pd_scope *scope, uint64_t now_usec)
{
        struct p2pd_schedule_step step = owe(s, now_usec);

        p2pd_scope_merge(&s->pending, scope);
        s->n_named = scope->everything ? UINT32_MAX : s->n_named;
        if (s->n_named <= P2PD_SCOPE_MAX)
                s->n_named += scope->n;
        read_some(s, &step);
        return step;
}

struct p2pd_schedule_step p2pd_schedule_change(struct p2pd_schedule *s, uint64_t now_usec)
{
        return owe(s, now_usec);
}

struct p2pd_schedule_step p2pd_schedule_settled(struct p2pd_schedule *s)
{
        if (s->state == P2PD_SCHEDULE_SETTLING)
                return read_all(s);
        if (s->state == P2PD_SCHEDULE_QUICK)
                s->state = P2PD_SCHEDULE_QUICK_DUE;
        return (struct p2pd_schedule_step){0};
}

struct p2pd_schedule_step p2pd_schedule_all(struct p2pd_schedule *s)
{
        return p2pd_schedule_is_reading(s) ? (struct p2pd_schedule_step){0} : read_all(s);
}

struct p2pd_schedule_step p2pd_schedule_finished(struct p2pd_schedule *s, bool all,
                                                 uint64_t now_usec)
{
        const enum p2pd_schedule_state before = s->state;
        struct p2pd_schedule_step step = {0};

        assert(p2pd_schedule_is_reading(s));
        if (all || before == P2PD_SCHEDULE_QUICK_DUE)
                return read_all(s);
        s->state = before == P2PD_SCHEDULE_QUICK ? P2PD_SCHEDULE_SETTLING : P2PD_SCHEDULE_IDLE;
        if (before == P2PD_SCHEDULE_DIRTY)
                step = owe(s, now_usec);
        read_some(s, &step);
        return step;
}

struct p2pd_schedule_step p2pd_schedule_failed(struct p2pd_schedule *s)
{
        s->state = P2PD_SCHEDULE_SETTLING;
        return (struct p2pd_schedule_step){
                .arms = true,
                .arm_usec = s->settle_usec + RETRY_USEC,
        };
}

bool p2pd_schedule_is_reading(const struct p2pd_schedule *s)
{
        return s->state != P2PD_SCHEDULE_IDLE && s->state != P2PD_SCHEDULE_SETTLING;
}
