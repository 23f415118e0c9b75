/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/function-index.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
        const char *name;
        uint32_t function;
};

struct p2pd_function_index {
        const struct p2p_machine *machine;
        struct entry *entries; /* sorted by name, then function; no two alike */
        size_t n_entries;
        uint32_t *lists; /* one piece of memory for the three below */
        struct p2pd_function_list all, endpoints, shown;
        uint32_t n_acs_unknown;
};

static int compare_entries(const void *a, const void *b)
{
        const struct entry *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        if (r != 0)
                return r;
        return x->function < y->function ? -1 : x->function > y->function;
}

static int fill_names(struct p2pd_function_index *x)
{
        const struct p2p_machine *m = x->machine;
        size_t n = 0, kept = 0;

        for (uint32_t i = 0; i < m->n_functions; i++)
                n += m->functions[i].n_names;
        if (n == 0)
                return 0;
        x->entries = calloc(n, sizeof(*x->entries));
        if (!x->entries)
                return -ENOMEM;
        n = 0;
        for (uint32_t i = 0; i < m->n_functions; i++)
                for (uint32_t k = 0; k < m->functions[i].n_names; k++)
                        x->entries[n++] = (struct entry){
                                .name = m->functions[i].names[k],
                                .function = i,
                        };
        qsort(x->entries, n, sizeof(*x->entries), compare_entries);
        /* A network interface and an InfiniBand device of one function may share a name. */
        for (size_t i = 0; i < n; i++)
                if (i == 0 || compare_entries(&x->entries[i], &x->entries[kept - 1]) != 0)
                        x->entries[kept++] = x->entries[i];
        x->n_entries = kept;
        return 0;
}

static int fill_lists(struct p2pd_function_index *x)
{
        const struct p2p_machine *m = x->machine;
        uint32_t *all, *endpoints, *shown;

        if (m->n_functions == 0)
                return 0;
        x->lists = calloc(m->n_functions, 3 * sizeof(*x->lists));
        if (!x->lists)
                return -ENOMEM;
        all = x->lists;
        endpoints = all + m->n_functions;
        shown = endpoints + m->n_functions;
        x->all.functions = all;
        x->endpoints.functions = endpoints;
        x->shown.functions = shown;
        for (uint32_t i = 0; i < m->n_functions; i++) {
                const struct p2p_function *f = &m->functions[i];

                all[x->all.n++] = i;
                if (p2p_function_is_endpoint(f))
                        endpoints[x->endpoints.n++] = i;
                if (p2p_function_is_candidate(f))
                        shown[x->shown.n++] = i;
                x->n_acs_unknown += p2p_fact_is_unknown(f->acs_control);
        }
        return 0;
}

int p2pd_function_index_new(const struct p2p_machine *m, struct p2pd_function_index **ret)
{
        struct p2pd_function_index *x = calloc(1, sizeof(*x));

        if (!x)
                return -ENOMEM;
        x->machine = m;
        if (fill_names(x) < 0 || fill_lists(x) < 0) {
                p2pd_function_index_free(x);
                return -ENOMEM;
        }
        *ret = x;
        return 0;
}

struct p2pd_function_index *p2pd_function_index_free(struct p2pd_function_index *x)
{
        if (!x)
                return NULL;
        free(x->entries);
        free(x->lists);
        free(x);
        return NULL;
}

/* strcmp() of a text that holds no NUL byte. */
static int compare_name(struct p2pd_text name, const char *with)
{
        int r = strncmp(name.data, with, name.size);

        if (r != 0)
                return r;
        return with[name.size] == '\0' ? 0 : -1;
}

/* The first entry that is not before the name. */
static size_t lower_bound(const struct p2pd_function_index *x, struct p2pd_text name)
{
        size_t low = 0, high = x->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare_name(name, x->entries[middle].name) > 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Where the text goes on behind this prefix and the number that follows it; 0: it has no such
 * part at this place. */
static size_t pass_part(struct p2pd_text text, size_t at, const char *prefix)
{
        size_t n = strlen(prefix), digits = at + n;

        if (text.size - at <= n || memcmp(text.data + at, prefix, n) != 0)
                return 0;
        while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
                digits++;
        return digits > at + n ? digits : 0;
}

/* "nvme0" of "nvme0n1" and "nvme0n1p2"; empty if the name is not like that. */
static struct p2pd_text controller_of(struct p2pd_text name)
{
        size_t controller = pass_part(name, 0, "nvme");
        size_t end = controller > 0 ? pass_part(name, controller, "n") : 0;

        if (end > 0 && end < name.size)
                end = pass_part(name, end, "p");
        if (end == 0 || end != name.size)
                return (struct p2pd_text){0};
        return (struct p2pd_text){.data = name.data, .size = controller};
}

/* The entries of exactly this name. */
static size_t find_entries(const struct p2pd_function_index *x, struct p2pd_text name,
                           size_t *ret_first)
{
        size_t first = lower_bound(x, name), n = 0;

        while (first + n < x->n_entries && compare_name(name, x->entries[first + n].name) == 0)
                n++;
        *ret_first = first;
        return n;
}

static size_t find_names(const struct p2pd_function_index *x, struct p2pd_text name,
                         size_t *ret_first)
{
        size_t n = find_entries(x, name, ret_first);
        struct p2pd_text controller;

        if (n > 0)
                return n;
        controller = controller_of(name);
        return controller.size > 0 ? find_entries(x, controller, ret_first) : 0;
}

size_t p2pd_function_index_candidates(const struct p2pd_function_index *x, struct p2pd_text name,
                                      uint32_t *functions, size_t max)
{
        size_t first, n = find_names(x, name, &first);

        for (size_t i = 0; i < n && i < max; i++)
                functions[i] = x->entries[first + i].function;
        return n;
}

int p2pd_function_index_find(const struct p2pd_function_index *x, struct p2pd_text name,
                             uint32_t *ret)
{
        char text[P2P_ADDRESS_STRING_MAX];
        struct p2p_address address;
        size_t first;

        if (name.size == 0 || memchr(name.data, '\0', name.size))
                return P2PD_FUNCTION_INDEX_E_NOT_FOUND;
        if (name.size < sizeof(text)) {
                memcpy(text, name.data, name.size);
                text[name.size] = '\0';
                if (p2p_address_parse(text, &address) == 0) {
                        uint32_t function = p2p_machine_find(x->machine, address);

                        if (function == P2P_NONE)
                                return P2PD_FUNCTION_INDEX_E_NOT_FOUND;
                        *ret = function;
                        return 0;
                }
        }
        switch (find_names(x, name, &first)) {
        case 0:
                return P2PD_FUNCTION_INDEX_E_NOT_FOUND;
        case 1:
                *ret = x->entries[first].function;
                return 0;
        default:
                return P2PD_FUNCTION_INDEX_E_AMBIGUOUS;
        }
}

struct p2pd_function_list p2pd_function_index_all(const struct p2pd_function_index *x)
{
        return x->all;
}

struct p2pd_function_list p2pd_function_index_endpoints(const struct p2pd_function_index *x)
{
        return x->endpoints;
}

struct p2pd_function_list p2pd_function_index_shown(const struct p2pd_function_index *x)
{
        return x->shown;
}

uint32_t p2pd_function_index_acs_unknown(const struct p2pd_function_index *x)
{
        return x->n_acs_unknown;
}
