/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/what-if.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "decide/constraint.h"
#include "decide/machine-edit.h"
#include "decide/note.h"
#include "decide/path.h"
#include "decide/what-if-edit.h"

/* Candidates' pairs whose paths are compared; the flips know no such limit. */
#define LOOKED_AT_MAX 65536U

static_assert(P2P_CONSTRAINT_MAX <= 32, "constraint kinds fit into the bits of a pair");

struct wondering {
        const struct p2p_what_if_params *params;
        struct p2p_editing e;
        struct p2p_what_if *w;
        uint32_t *candidates;
        uint32_t n_candidates;
};

static int apply_all(struct wondering *s, uint32_t *ret_edit)
{
        const struct p2p_what_if_params *params = s->params;

        for (uint32_t i = 0; i < params->n_edits; i++) {
                int r = i == P2P_WHAT_IF_EDITS_MAX ? P2P_WHAT_IF_E_TOO_MANY
                                                   : p2p_edit_apply(&s->e, &params->edits[i]);

                if (r == 0)
                        continue;
                if (r > 0 && ret_edit)
                        *ret_edit = i;
                return r;
        }
        return p2p_machine_finish(s->e.m);
}

static bool has_kernel_edit(const struct p2p_what_if_params *params)
{
        for (uint32_t i = 0; i < params->n_edits; i++)
                if (params->edits[i].kind == P2P_EDIT_KERNEL)
                        return true;
        return false;
}

static int compare_verdicts(struct wondering *s)
{
        const struct p2p_what_if_params *params = s->params;
        const struct p2p_verdicts *before = params->verdicts;
        struct p2p_verdicts *own = NULL, *after;
        struct p2p_what_if *w = s->w;
        int r = -ENOMEM;

        w->before_rules =
                before ? *p2p_verdicts_rules(before) : p2p_rules_for(params->m, params->rules);
        w->after_rules = has_kernel_edit(params) ? p2p_rules_for(w->after, P2P_RULES_RUNNING)
                                                 : w->before_rules;
        if (!before)
                before = own = p2p_verdicts_new(params->m, w->before_rules);
        after = p2p_verdicts_new(w->after, w->after_rules);
        if (before && after)
                r = p2p_diff_new(params->m, before, w->after, after, params->flips_max, &w->diff);
        p2p_verdicts_free(own);
        p2p_verdicts_free(after);
        return r;
}

static int list_moves(struct wondering *s)
{
        const struct p2p_machine *m = s->params->m;
        struct p2p_what_if *w = s->w;

        w->moves = calloc((size_t)m->n_functions + 1, sizeof(*w->moves));
        if (!w->moves)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (s->e.moved[i])
                        w->moves[w->n_moves++] = (struct p2p_what_if_move){
                                .before = m->functions[i].address,
                                .after = s->e.addresses[i],
                        };
        return 0;
}

/* Bandwidth and constraints of one pair on one of both machines. 0 or -ENOMEM. */
static int look_at(const struct p2p_machine *m, uint32_t provider, uint32_t client,
                   struct p2p_fact *ret_mbps, uint32_t *ret_constraints)
{
        struct p2p_constraints_params params = {.m = m, .provider = provider, .client = client};
        struct p2p_constraint *list;
        struct p2p_path_element *path;
        uint32_t n, at;
        int r;

        r = p2p_path_elements_new(m, provider, client, &path, &params.n_path);
        if (r < 0)
                return r;
        list = calloc((size_t)P2P_CONSTRAINTS_MAX + params.n_path, sizeof(*list));
        if (!list) {
                free(path);
                return -ENOMEM;
        }
        params.path = path;
        n = p2p_constraints_collect(&params, list);
        *ret_constraints = 0;
        for (uint32_t i = 0; i < n; i++)
                *ret_constraints |= 1U << list[i].kind;
        *ret_mbps = p2p_path_bottleneck_mbps(m, path, params.n_path, &at);
        free(list);
        free(path);
        return 0;
}

static bool facts_differ(struct p2p_fact a, struct p2p_fact b)
{
        return a.why != b.why || a.val != b.val;
}

static int compare_pair(struct wondering *s, uint32_t provider, uint32_t client)
{
        const struct p2p_machine *m = s->params->m;
        struct p2p_what_if *w = s->w;
        struct p2p_what_if_pair pair = {
                .provider = m->functions[provider].address,
                .client = m->functions[client].address,
        };
        int r;

        r = look_at(m, provider, client, &pair.before_mbps, &pair.before_constraints);
        if (r == 0)
                r = look_at(w->after, provider, client, &pair.after_mbps, &pair.after_constraints);
        if (r < 0)
                return r;
        if (!facts_differ(pair.before_mbps, pair.after_mbps) &&
            pair.before_constraints == pair.after_constraints)
                return 0;
        if (w->n_pairs < s->params->pairs_max) {
                struct p2p_what_if_pair *list;

                list = reallocarray(w->pairs, (size_t)w->n_pairs + 1, sizeof(*list));
                if (!list)
                        return -ENOMEM;
                w->pairs = list;
                list[w->n_pairs++] = pair;
        }
        w->n_pairs_total++;
        return 0;
}

static int compare_pairs(struct wondering *s)
{
        const struct p2p_editing *e = &s->e;
        uint32_t n_looked_at = 0;
        int r = 0;

        for (uint32_t i = 0; i < s->n_candidates; i++)
                for (uint32_t j = 0; j < s->n_candidates; j++) {
                        const uint32_t provider = s->candidates[i], client = s->candidates[j];

                        if (i == j ||
                            !(e->all_touched || e->touched[provider] || e->touched[client]))
                                continue;
                        if (n_looked_at++ == LOOKED_AT_MAX)
                                return p2p_note_add(&s->w->notes, &s->w->n_notes,
                                                    "Bandwidth and constraints were compared for "
                                                    "the first %u pairs only.",
                                                    LOOKED_AT_MAX);
                        r = compare_pair(s, provider, client);
                        if (r < 0)
                                return r;
                }
        return r;
}

/* After the edits are applied: everything that compares. */
static int compare(struct wondering *s)
{
        const struct p2p_machine *m = s->params->m;
        int r;

        for (uint32_t i = 0; i < m->n_functions; i++)
                if (p2p_function_is_candidate(&m->functions[i]))
                        s->candidates[s->n_candidates++] = i;
        r = compare_verdicts(s);
        if (r == 0)
                r = list_moves(s);
        if (r == 0)
                r = compare_pairs(s);
        return r;
}

int p2p_what_if_new(const struct p2p_what_if_params *params, struct p2p_what_if **ret,
                    uint32_t *ret_edit)
{
        const size_t n = params->m->n_functions;
        struct wondering s = {.params = params};
        int r = -ENOMEM;

        s.w = calloc(1, sizeof(*s.w));
        s.e.addresses = calloc(n + 1, sizeof(*s.e.addresses));
        s.e.touched = calloc(n + 1, sizeof(*s.e.touched));
        s.e.moved = calloc(n + 1, sizeof(*s.e.moved));
        s.candidates = calloc(n + 1, sizeof(*s.candidates));
        if (!s.w || !s.e.addresses || !s.e.touched || !s.e.moved || !s.candidates)
                goto out;
        for (size_t i = 0; i < n; i++)
                s.e.addresses[i] = params->m->functions[i].address;
        r = p2p_machine_copy(params->m, &s.w->after);
        if (r < 0)
                goto out;
        s.e.m = s.w->after;
        r = apply_all(&s, ret_edit);
        s.w->notes = s.e.notes;
        s.w->n_notes = s.e.n_notes;
        if (r == 0)
                r = compare(&s);
out:
        free(s.e.addresses);
        free(s.e.touched);
        free(s.e.moved);
        free(s.candidates);
        if (r != 0)
                p2p_what_if_free(s.w);
        else
                *ret = s.w;
        return r;
}

struct p2p_what_if *p2p_what_if_free(struct p2p_what_if *w)
{
        if (!w)
                return NULL;
        p2p_machine_free(w->after);
        p2p_diff_free(w->diff);
        p2p_notes_free(w->notes, w->n_notes);
        free(w->moves);
        free(w->pairs);
        free(w);
        return NULL;
}
