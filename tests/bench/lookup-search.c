/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
        const struct search_end *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

/* Spans of any order with their indices, sorted and padded. */
static struct search_end *sorted_ends(const struct span *spans, size_t n, size_t n_padded)
{
        struct search_end *ends = malloc(n_padded * sizeof(*ends));

        if (!ends)
                return NULL;
        for (size_t i = 0; i < n; i++)
                ends[i] = (struct search_end){
                        .first = spans[i].first,
                        .last_offset = spans[i].last - spans[i].first,
                        .index = (uint32_t)i,
                };
        qsort(ends, n, sizeof(*ends), compare);
        /* Nothing begins there, and nothing searched for is that high. */
        for (size_t i = n; i < n_padded; i++)
                ends[i] = (struct search_end){.first = UINT64_MAX};
        return ends;
}

static struct search *search_new(const struct span *spans, size_t n)
{
        struct search *s = calloc(1, sizeof(*s));
        size_t n_padded;

        if (!s)
                return NULL;
        while ((size_t)1 << s->levels < n)
                s->levels++;
        assert(s->levels <= SEARCH_LEVELS_MAX);
        n_padded = (size_t)1 << s->levels;
        s->ends = sorted_ends(spans, n, n_padded);
        s->bytes = n_padded * sizeof(*s->firsts);
        s->firsts = aligned_alloc(64, s->bytes < 64 ? 64 : s->bytes);
        if (!s->ends || !s->firsts)
                return search_free(s);
        s->bytes += n_padded * sizeof(*s->ends);
        return s;
}

struct search *search_new_sorted(const struct span *spans, size_t n)
{
        struct search *s = search_new(spans, n);

        for (size_t i = 0; s && i < (size_t)1 << s->levels; i++)
                s->firsts[i] = s->ends[i].first;
        return s;
}

/* Fills what is below `at` with what follows the first `rank` ends; says with how many more. The
 * lowest end needs no place: a search that goes left everywhere ends there. */
static size_t fill(struct search *s, size_t at, size_t rank)
{
        if (at >= (size_t)1 << s->levels)
                return rank;
        rank = fill(s, 2 * at, rank);
        s->firsts[at] = s->ends[++rank].first;
        return fill(s, 2 * at + 1, rank);
}

struct search *search_new_breadth_first(const struct span *spans, size_t n)
{
        struct search *s = search_new(spans, n);

        if (s) {
                s->firsts[0] = 0;
                (void)fill(s, 1, 0);
        }
        return s;
}

struct search *search_free(struct search *s)
{
        if (s) {
                free(s->firsts);
                free(s->ends);
        }
        free(s);
        return NULL;
}
