/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Can what is still to come go over the uplinks at all: a bound, for searches that would otherwise
 * end where they began, again and again.
 *
 * A cut is an element whose link up is known and that has no such link above it: a switch, say.
 * What is below it and what is not can only meet over that link. With y of the items to come below
 * it, the most is had from its companions when as many as possible serve there; what these items
 * lack then comes in over the link, and what the link still carries lets the others serve outside.
 * How the items to come are dealt out to the cuts is chosen so that the most companions serve: a
 * sum over cuts, made one cut after the other. If even that is less than what is lacking, there is
 * no choice.
 *
 * A pair below a cut that is redirected goes over the link twice: as much as a companion that comes
 * in and one that goes out. So an item all of whose pairs there are redirected is served from
 * outside only, and a companion all of whose pairs are redirected serves outside only.
 *
 * All else is left out, and shared companions are: the bound says too much, never too little.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/place-search.h"

/* More items to come than these: not looked at. */
#define ITEMS_MAX 32U

/* What there is on one side of a cut. */
struct place_side {
        uint32_t room;               /* flows that the link still carries */
        uint32_t n_items, n_outside; /* to come at most; those served from outside only */
        uint32_t near[P2P_PLACE_RULES_MAX], far[P2P_PLACE_RULES_MAX]; /* companions; far: that serve
                                                                         outside only */
        uint32_t lack[P2P_PLACE_RULES_MAX]; /* of items that are there: companions from anywhere */
        uint32_t n_lack_outside;            /* and from outside */
};

/* ---- once ---- */

static uint32_t top_link_node(const struct place_model *model, uint32_t class)
{
        uint32_t top = P2P_NONE;

        for (uint32_t n = model->classes[class].node; n != P2P_NONE; n = model->nodes[n].parent)
                if (model->nodes[n].link != P2P_NONE &&
                    model->links.mbps[model->nodes[n].link] != 0)
                        top = n;
        return top;
}

static bool all_redirected(const struct place_search *s, uint32_t class, bool as_item)
{
        const struct place_model *model = s->model;
        const struct place_cuts *cuts = &s->cuts;
        const uint32_t n = as_item ? model->n_classes : model->n_rows;

        for (uint32_t i = 0; i < n; i++) {
                const uint32_t other = as_item ? i : model->rows[i];
                const struct place_pair *pair;

                if (cuts->of[other] != cuts->of[class] ||
                    (as_item ? (model->classes[other].roles & ~PLACE_ROLE_ITEM) == 0
                             : cuts->is_outside[other]))
                        continue;
                pair = as_item ? place_pair(model, class, other) : place_pair(model, other, class);
                if (!(pair->flags & PLACE_PAIR_REDIRECTED))
                        return false;
        }
        return true;
}

int place_cuts_init(struct place_search *s)
{
        const struct place_model *model = s->model;
        struct place_cuts *cuts = &s->cuts;
        uint32_t *of_node = malloc(((size_t)model->n_nodes + 1) * sizeof(*of_node));

        cuts->of = calloc((size_t)model->n_classes + 1, sizeof(*cuts->of));
        cuts->link = calloc((size_t)model->n_nodes + 1, sizeof(*cuts->link));
        cuts->is_outside = calloc((size_t)model->n_classes + 1, sizeof(*cuts->is_outside));
        cuts->is_far = calloc((size_t)model->n_classes + 1, sizeof(*cuts->is_far));
        cuts->sides = calloc((size_t)model->n_nodes + 1, sizeof(*cuts->sides));
        if (!of_node || !cuts->of || !cuts->link || !cuts->is_outside || !cuts->is_far ||
            !cuts->sides) {
                free(of_node);
                return -ENOMEM;
        }
        memset(of_node, 0xff, ((size_t)model->n_nodes + 1) * sizeof(*of_node));
        for (uint32_t c = 0; c < model->n_classes; c++) {
                const uint32_t top = top_link_node(model, c);

                if (top != P2P_NONE && of_node[top] == P2P_NONE) {
                        cuts->link[cuts->n] = model->nodes[top].link;
                        of_node[top] = cuts->n++;
                }
                cuts->of[c] = top == P2P_NONE ? P2P_NONE : of_node[top];
        }
        free(of_node);
        /* What is below no cut is on one more side, whose way out has no limit. */
        for (uint32_t c = 0; c < model->n_classes; c++)
                if (cuts->of[c] == P2P_NONE)
                        cuts->of[c] = cuts->n;
        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].row != P2P_NONE)
                        cuts->is_outside[c] = all_redirected(s, c, true);
        for (uint32_t c = 0; c < model->n_classes; c++)
                if (model->classes[c].roles & ~PLACE_ROLE_ITEM)
                        cuts->is_far[c] = all_redirected(s, c, false);
        return 0;
}

void place_cuts_deinit(struct place_cuts *cuts)
{
        free(cuts->of);
        free(cuts->link);
        free(cuts->is_outside);
        free(cuts->is_far);
        free(cuts->sides);
}

/* ---- what there is ---- */

static void count_items(struct place_search *s)
{
        const struct place_model *model = s->model;

        for (uint32_t row = s->at.row; row < model->n_rows; row++) {
                const uint32_t class = model->rows[row];
                struct place_side *side = &s->cuts.sides[s->cuts.of[class]];

                if (!place_may_take_item(s, row))
                        continue;
                side->n_items += s->n_items_free[class];
                if (s->cuts.is_outside[class])
                        side->n_outside += s->n_items_free[class];
        }
}

static void count_companions(struct place_search *s)
{
        const struct place_model *model = s->model;
        const uint32_t first_row = place_first_row(s);

        for (uint32_t c = 0; c < model->n_classes; c++) {
                struct place_side *side = &s->cuts.sides[s->cuts.of[c]];
                uint32_t *list = s->cuts.is_far[c] ? side->far : side->near;
                const uint32_t n = place_n_companions(s, c, first_row);

                for (uint32_t i = 0; n > 0 && i < s->bounds.n_rules; i++)
                        if (model->classes[c].roles & PLACE_ROLE_RULE(i))
                                list[i] += n;
        }
}

static void count_lack(struct place_search *s)
{
        for (uint32_t g = s->at.group; g < s->n_groups; g++) {
                const uint32_t class = s->group_class[g];
                struct place_side *side = &s->cuts.sides[s->cuts.of[class]];
                const uint32_t from = g == s->at.group ? s->at.rule : 0;

                for (uint32_t i = from; i < s->bounds.n_rules; i++) {
                        const bool begun = g == s->at.group && i == from;
                        const uint32_t n = begun ? s->at.n_left : s->rules[i].n;

                        if (s->n_serving[i])
                                continue;
                        if (s->cuts.is_outside[class])
                                side->n_lack_outside += n;
                        else
                                side->lack[i] += n;
                }
        }
}

static void look_at_sides(struct place_search *s)
{
        struct place_cuts *cuts = &s->cuts;

        memset(cuts->sides, 0, (cuts->n + 1) * sizeof(*cuts->sides));
        for (uint32_t i = 0; i < cuts->n; i++)
                cuts->sides[i].room = s->limit[cuts->link[i]] - s->load[cuts->link[i]];
        cuts->sides[cuts->n].room = UINT32_MAX;
        count_items(s);
        count_companions(s);
        count_lack(s);
        s->work += s->model->n_classes + 4 * (uint64_t)cuts->n;
}

/* ---- the bound ---- */

/* How many companions of a rule (n_rules: of all) can serve with n of the items to come on this
 * side, or -1: so many cannot be there. */
static int64_t n_that_serve(const struct place_search *s, const struct place_side *side, uint32_t n,
                            uint32_t only)
{
        const uint32_t n_inside = side->n_items - side->n_outside;
        const uint64_t here = n < n_inside ? n : n_inside;
        uint64_t come_in = side->n_lack_outside, serve = 0, spare = 0, goes_out;

        if (n > side->n_items)
                return -1;
        for (uint32_t i = 0; i < s->bounds.n_rules; i++) {
                const uint64_t lack = here * s->rules[i].n + side->lack[i];
                const uint64_t local = lack < side->near[i] ? lack : side->near[i];

                if (s->n_serving[i])
                        continue;
                come_in += lack - local + (n - here) * s->rules[i].n;
                if (only != i && only != s->bounds.n_rules)
                        continue;
                serve += local;
                spare += side->near[i] - local + side->far[i];
        }
        if (come_in > side->room)
                return -1;
        goes_out = side->room - come_in;
        return (int64_t)(serve + (goes_out < spare ? goes_out : spare));
}

/* The most that can serve, over all ways to deal the items to come out; -1: there is none. */
static int64_t most_that_serve(struct place_search *s, uint32_t n_items, uint32_t only)
{
        int64_t most[ITEMS_MAX + 1], next[ITEMS_MAX + 1];

        memset(most, 0xff, sizeof(most));
        most[0] = 0;
        for (uint32_t i = 0; i <= s->cuts.n; i++) {
                const struct place_side *side = &s->cuts.sides[i];
                int64_t serve[ITEMS_MAX + 1];

                for (uint32_t n = 0; n <= n_items; n++) {
                        serve[n] = n_that_serve(s, side, n, only);
                        next[n] = -1;
                }
                for (uint32_t n = 0; n <= n_items; n++)
                        for (uint32_t k = 0; most[n] >= 0 && n + k <= n_items; k++)
                                if (serve[k] >= 0 && most[n] + serve[k] > next[n + k])
                                        next[n + k] = most[n] + serve[k];
                memcpy(most, next, sizeof(most));
        }
        s->work += (s->cuts.n + 1) * (uint64_t)(n_items + 1) * (n_items + 4) / 2;
        return most[n_items];
}

bool place_cuts_allow(struct place_search *s)
{
        const uint32_t n_items = s->n_items - s->n_groups;
        uint64_t all = 0;

        if (n_items > ITEMS_MAX || s->cuts.n == 0)
                return true;
        look_at_sides(s);
        for (uint32_t i = 0; i < s->bounds.n_rules; i++) {
                if (s->n_serving[i])
                        continue;
                all += s->rules[i].n_left;
                if (s->bounds.n_rules > 1 &&
                    most_that_serve(s, n_items, i) < (int64_t)s->rules[i].n_left)
                        return false;
        }
        return most_that_serve(s, n_items, s->bounds.n_rules) >= (int64_t)all;
}
