/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/selector.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum sort { SORT_KIND, SORT_CLASS, SORT_VENDOR, SORT_DRIVER, SORT_NAME, SORT_LIST, SORTS };

struct term {
        enum sort sort;
        enum p2p_kind kind;
        uint32_t id, id_bits; /* class: the first id_bits of 24; vendor: the id */
        uint32_t device;      /* of a vendor; P2P_NONE: any */
        const char *text;     /* driver, or pattern; in p2p_selector.text */
};

struct p2p_selector {
        char *text; /* the parsed text, a NUL in place of each comma */
        uint32_t *list;
        uint32_t n_list;
        uint32_t sorts; /* bits of the sorts that it has terms of */
        uint32_t n_terms;
        struct term terms[];
};

const char *p2p_selector_error_to_string(int refusal)
{
        switch (refusal) {
        case P2P_SELECTOR_E_EMPTY:
                return "empty";
        case P2P_SELECTOR_E_WORD:
                return "unknown-word";
        case P2P_SELECTOR_E_KEY:
                return "unknown-key";
        case P2P_SELECTOR_E_VALUE:
                return "bad-value";
        case P2P_SELECTOR_E_TOO_LONG:
                return "too-long";
        }
        return NULL;
}

/* The set after "[": does it have c. *pattern is moved past the "]"; without one, "[" is a byte
 * like any other and *pattern stays. */
static bool set_has(const char **pattern, char c)
{
        const char *p = *pattern + 1;
        bool negated = *p == '!', found = false;

        if (negated)
                p++;
        for (const char *first = p; *p && (*p != ']' || p == first); p++) {
                char low = *p, high = *p;

                if (p[1] == '-' && p[2] != '\0' && p[2] != ']') {
                        high = p[2];
                        p += 2;
                }
                found |= c >= low && c <= high;
        }
        if (*p != ']') {
                *pattern += 1;
                return c == '[';
        }
        *pattern = p + 1;
        return found != negated;
}

/* One byte of the pattern, or one set; *pattern moves past it. */
static bool one_matches(const char **pattern, char c)
{
        if (**pattern == '[')
                return set_has(pattern, c);
        return *(*pattern)++ == c || (*pattern)[-1] == '?';
}

bool p2p_selector_glob(const char *pattern, const char *text)
{
        const char *after_star = NULL, *retry = NULL;

        while (*text) {
                if (*pattern == '*') {
                        after_star = ++pattern;
                        retry = text;
                } else if (*pattern && one_matches(&pattern, *text)) {
                        text++;
                } else if (after_star) {
                        /* Only the last star can have to take more. */
                        pattern = after_star;
                        text = ++retry;
                } else {
                        return false;
                }
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

/* Exactly n_min to n_max hex digits up to the end or `end`; *text moves past them. */
static bool parse_hex(const char **text, char end, unsigned n_max, uint32_t *ret, unsigned *ret_n)
{
        uint32_t val = 0;
        unsigned n = 0;
        const char *p = *text;

        if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
                p += 2;
        for (; *p && *p != end; p++, n++) {
                char c = *p | 0x20;

                if (n == n_max || !((*p >= '0' && *p <= '9') || (c >= 'a' && c <= 'f')))
                        return false;
                val = val << 4 | (uint32_t)(*p <= '9' ? *p - '0' : c - 'a' + 10);
        }
        if (n == 0)
                return false;
        *text = p;
        *ret = val;
        *ret_n = n;
        return true;
}

static int parse_vendor(const char *value, struct term *t)
{
        unsigned n;

        t->sort = SORT_VENDOR;
        t->device = P2P_NONE;
        if (!parse_hex(&value, ':', 4, &t->id, &n))
                return P2P_SELECTOR_E_VALUE;
        if (*value == '\0')
                return 0;
        value++;
        return parse_hex(&value, '\0', 4, &t->device, &n) ? 0 : P2P_SELECTOR_E_VALUE;
}

static int parse_class(const char *value, struct term *t)
{
        unsigned n;

        t->sort = SORT_CLASS;
        if (!parse_hex(&value, '\0', 6, &t->id, &n) || n % 2 != 0)
                return P2P_SELECTOR_E_VALUE;
        t->id_bits = n * 4;
        return 0;
}

static int parse_pair(const char *key, size_t key_len, const char *value, struct term *t)
{
        static const char *const keys[SORTS] = {
                [SORT_CLASS] = "class",
                [SORT_VENDOR] = "vendor",
                [SORT_DRIVER] = "driver",
                [SORT_NAME] = "name",
        };
        unsigned sort = 0;

        while (sort < SORTS && !(keys[sort] && strlen(keys[sort]) == key_len &&
                                 memcmp(keys[sort], key, key_len) == 0))
                sort++;
        if (sort == SORTS)
                return P2P_SELECTOR_E_KEY;
        if (*value == '\0')
                return P2P_SELECTOR_E_VALUE;
        if (sort == SORT_VENDOR)
                return parse_vendor(value, t);
        if (sort == SORT_CLASS)
                return parse_class(value, t);
        t->sort = sort;
        t->text = value;
        return 0;
}

static int parse_term(const char *text, struct term *t)
{
        static const enum p2p_kind kinds[] = {P2P_KIND_GPU,         P2P_KIND_NIC,
                                              P2P_KIND_NVME,        P2P_KIND_STORAGE,
                                              P2P_KIND_ACCELERATOR, P2P_KIND_MEMORY};
        const char *equals = strchr(text, '=');

        if (*text == '\0')
                return P2P_SELECTOR_E_EMPTY;
        if (equals)
                return parse_pair(text, (size_t)(equals - text), equals + 1, t);
        for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(text, p2p_kind_to_string(kinds[i])) == 0) {
                        t->sort = SORT_KIND;
                        t->kind = kinds[i];
                        return 0;
                }
        /* No function has a name without a digit: "gpus" is a slip, not a name. */
        if (!strpbrk(text, "0123456789*?["))
                return P2P_SELECTOR_E_WORD;
        t->sort = SORT_NAME;
        t->text = text;
        return 0;
}

static int parse_terms(struct p2p_selector *s, size_t len, struct p2p_selector_part *part)
{
        size_t begin = 0;
        int r;

        for (size_t end = 0; end <= len; end++) {
                if (end < len && s->text[end] != ',' && s->text[end] != '\0')
                        continue;
                *part = (struct p2p_selector_part){begin, end - begin};
                /* A NUL inside the text is part of no name. */
                if (end < len && s->text[end] == '\0')
                        return P2P_SELECTOR_E_VALUE;
                if (s->n_terms == P2P_SELECTOR_TERMS_MAX)
                        return P2P_SELECTOR_E_TOO_LONG;
                s->text[end] = '\0';
                r = parse_term(s->text + begin, &s->terms[s->n_terms]);
                if (r != 0)
                        return r;
                s->sorts |= 1U << s->terms[s->n_terms].sort;
                s->n_terms++;
                begin = end + 1;
        }
        return 0;
}

static struct p2p_selector *selector_new(uint32_t n_terms, size_t text_size, uint32_t n_list)
{
        struct p2p_selector *s = calloc(1, sizeof(*s) + n_terms * sizeof(s->terms[0]));

        if (!s)
                return NULL;
        s->text = calloc(text_size + 1, 1);
        s->list = calloc((size_t)n_list + 1, sizeof(*s->list));
        if (!s->text || !s->list)
                return p2p_selector_free(s);
        return s;
}

int p2p_selector_parse(const char *text, size_t len, struct p2p_selector **ret,
                       struct p2p_selector_part *ret_part)
{
        struct p2p_selector_part part = {0, len};
        struct p2p_selector *s;
        int r = P2P_SELECTOR_E_TOO_LONG;

        if (len <= P2P_SELECTOR_TEXT_MAX) {
                s = selector_new(P2P_SELECTOR_TERMS_MAX, len, 0);
                if (!s)
                        return -ENOMEM;
                if (len > 0)
                        memcpy(s->text, text, len);
                r = parse_terms(s, len, &part);
                if (r == 0) {
                        *ret = s;
                        return 0;
                }
                p2p_selector_free(s);
        }
        if (ret_part)
                *ret_part = part;
        return r;
}

static int compare_functions(const void *a, const void *b)
{
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

int p2p_selector_new_list(const uint32_t *functions, uint32_t n, struct p2p_selector **ret)
{
        struct p2p_selector *s = selector_new(1, 0, n);

        if (!s)
                return -ENOMEM;
        if (n > 0)
                memcpy(s->list, functions, n * sizeof(*s->list));
        qsort(s->list, n, sizeof(*s->list), compare_functions);
        s->n_list = n;
        s->n_terms = 1;
        s->terms[0].sort = SORT_LIST;
        s->sorts = 1U << SORT_LIST;
        *ret = s;
        return 0;
}

struct p2p_selector *p2p_selector_free(struct p2p_selector *s)
{
        if (!s)
                return NULL;
        free(s->text);
        free(s->list);
        free(s);
        return NULL;
}

static bool name_matches(const char *pattern, const struct p2p_function *f)
{
        char address[P2P_ADDRESS_STRING_MAX], lower[P2P_ADDRESS_STRING_MAX];
        size_t i;

        for (uint32_t n = 0; n < f->n_names; n++)
                if (p2p_selector_glob(pattern, f->names[n]))
                        return true;
        /* Addresses are written in either case, and without a segment of 0. */
        for (i = 0; i < sizeof(lower) - 1 && pattern[i]; i++)
                lower[i] = pattern[i] >= 'A' && pattern[i] <= 'F' ? (char)(pattern[i] | 0x20)
                                                                  : pattern[i];
        lower[i] = '\0';
        if (pattern[i] == '\0')
                pattern = lower;
        p2p_address_format(f->address, address);
        return p2p_selector_glob(pattern, address) ||
               (f->address.segment == 0 && p2p_selector_glob(pattern, address + strlen("0000:")));
}

static bool class_matches(const struct term *t, const struct p2p_function *f)
{
        return p2p_fact_is_known(f->class_code) && f->class_code.val >> (24 - t->id_bits) == t->id;
}

static bool vendor_matches(const struct term *t, const struct p2p_function *f)
{
        return p2p_fact_is_known(f->vendor) && f->vendor.val == t->id &&
               (t->device == P2P_NONE ||
                (p2p_fact_is_known(f->device) && f->device.val == t->device));
}

static bool term_matches(const struct p2p_selector *s, const struct term *t,
                         const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        switch (t->sort) {
        case SORT_KIND:
                return p2p_function_kind(f) == t->kind;
        case SORT_CLASS:
                return class_matches(t, f);
        case SORT_VENDOR:
                return vendor_matches(t, f);
        case SORT_DRIVER:
                return f->driver && strcmp(f->driver, t->text) == 0;
        case SORT_NAME:
                return name_matches(t->text, f);
        case SORT_LIST:
                return bsearch(&function, s->list, s->n_list, sizeof(*s->list),
                               compare_functions) != NULL;
        case SORTS:
                break;
        }
        return false;
}

static bool matches(const struct p2p_selector *s, const struct p2p_machine *m, uint32_t function)
{
        uint32_t met = 0;

        assert(function < m->n_functions);
        if (!p2p_function_is_endpoint(&m->functions[function]))
                return false;
        for (uint32_t i = 0; i < s->n_terms; i++) {
                const uint32_t bit = 1U << s->terms[i].sort;

                if (!(met & bit) && term_matches(s, &s->terms[i], m, function))
                        met |= bit;
        }
        return met == s->sorts;
}

bool p2p_selector_wants(const struct p2p_selector *s, const struct p2p_machine *m,
                        uint32_t function)
{
        if (m->functions[function].is_vf && !(s->sorts & (1U << SORT_NAME | 1U << SORT_LIST)))
                return false;
        return matches(s, m, function);
}

bool p2p_selector_covers(const struct p2p_selector *s, const struct p2p_machine *m,
                         uint32_t function)
{
        return matches(s, m, function);
}
