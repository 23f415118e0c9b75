/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-judy.h"

#include <stdlib.h>

_Static_assert(sizeof(Word_t) == sizeof(uint64_t), "an address fits a Judy word");

struct judy *judy_new(const struct span *spans, size_t n)
{
        struct judy *j = calloc(1, sizeof(*j));

        if (!j)
                return NULL;
        j->lasts = malloc(n * sizeof(*j->lasts));
        if (!j->lasts)
                return judy_free(j);
        for (size_t i = 0; i < n; i++) {
                Word_t *value = (Word_t *)JudyLIns(&j->array, spans[i].first, PJE0);

                if (!value || value == PJERR)
                        return judy_free(j);
                *value = i;
                j->lasts[i] = spans[i].last;
        }
        j->bytes = JudyLMemUsed(j->array) + n * sizeof(*j->lasts);
        return j;
}

struct judy *judy_free(struct judy *j)
{
        if (j) {
                (void)JudyLFreeArray(&j->array, PJE0);
                free(j->lasts);
        }
        free(j);
        return NULL;
}
