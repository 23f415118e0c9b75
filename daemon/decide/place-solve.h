/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From "is there a choice within these bounds" to the best choice of a part of all choices. For
 * place.c and place-refuse.c. */

#include "decide/place-private.h"

/* What choices are compared by before their addresses. */
struct place_score {
        uint8_t path;
        struct place_share share;
        uint32_t n_numa;
};

/* <0: a is better. Point 1 is not in it: either all choices have a bad pair, or none that counts.
 */
int place_score_compare(const struct place_score *a, const struct place_score *b);

/* All choices that begin so, but not with one of the excluded functions after that. */
struct place_part_of_all {
        struct place_choice begin;
        uint32_t *excluded;
        uint32_t n_excluded;
};

struct place_solution {
        uint32_t *functions; /* the whole choice; the caller's */
        struct place_score score;
        enum p2p_place_proven proven;
        uint8_t bound_path;
        struct place_share bound_share;
};

struct place_solver {
        const struct place_model *model;
        struct place_search *search;
        struct place_bounds limits; /* what the request asks of every choice */
        uint32_t n_functions;       /* of a choice */
        uint32_t *scratch, *begin;  /* a choice each */
        uint8_t *tried;             /* by class */
        uint8_t *has_role;          /* by function, in the beginning */
        bool gave_up;               /* place_solver_loosen() passed over something unproven */
};

/* 0 or -ENOMEM; deinit on success only. */
int place_solver_init(struct place_solver *s, const struct place_model *model, uint64_t work_max);
void place_solver_deinit(struct place_solver *s);

/* Is there a choice within the bounds, with as many different companions of each shared rule as can
 * be: sets bounds->n_different (all of it meaningless after a no). */
enum place_found place_solver_loosen(struct place_solver *s, struct place_bounds *bounds,
                                     struct place_found_choice *ret);

/* The best of a part, none of which is better than `most` (NULL: not known). No: there is none. */
enum place_found place_solve(struct place_solver *s, const struct place_part_of_all *part,
                             const struct place_score *most, struct place_solution *ret);
