/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int p2pd_scan_init(struct p2pd_scan *s, struct p2p_machine *m)
{
        /* At least one, so that an empty machine is not taken for a lack of memory. */
        const size_t n = (size_t)m->n_functions + 1;
        struct p2pd_scratch *scratch = calloc(n, sizeof(*scratch));
        struct p2p_config_extra *extra = calloc(n, sizeof(*extra));

        *s = (struct p2pd_scan){.machine = m, .scratch = scratch, .extra = extra};
        if (!scratch || !extra) {
                p2pd_scan_deinit(s);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                scratch[i].extra = &extra[i];
        return 0;
}

void p2pd_scan_deinit(struct p2pd_scan *s)
{
        free(s->scratch);
        free(s->extra);
        s->scratch = NULL;
        s->extra = NULL;
}

/* Of one address the one whose incarnation is known comes first. */
static int compare_found(const void *a, const void *b)
{
        const struct p2pd_found *f = a, *g = b;
        int c = p2p_address_compare(f->address, g->address);

        return c != 0 ? c : (f->incarnation < g->incarnation) - (f->incarnation > g->incarnation);
}

int p2pd_scan_add_functions(struct p2p_machine *m, struct p2pd_found *found, size_t n)
{
        if (n > UINT32_MAX || p2p_machine_reserve(m, (uint32_t)n) < 0)
                return -ENOMEM;
        if (n)
                qsort(found, n, sizeof(*found), compare_found);
        for (size_t i = 0; i < n; i++) {
                struct p2p_function *f;

                if (i && !p2p_address_compare(found[i - 1].address, found[i].address))
                        continue;
                f = p2p_machine_add_function(m, found[i].address);
                if (!f)
                        return -ENOMEM;
                f->incarnation = found[i].incarnation;
        }
        return 0;
}

const char *p2pd_strings_copy(struct p2pd_strings *s, struct p2p_machine *m, const char *text)
{
        const char *copy;

        for (uint32_t i = 0; i < s->n; i++)
                if (!strcmp(s->texts[i], text))
                        return s->texts[i];
        copy = p2p_machine_strndup(m, text, SIZE_MAX);
        if (copy && s->n < P2PD_STRINGS_MAX)
                s->texts[s->n++] = copy;
        return copy;
}

void p2pd_scan_parse_config(struct p2pd_scan *s, uint32_t i, const struct p2p_config_input *in)
{
        p2p_config_parse(in, &s->machine->functions[i], s->scratch[i].extra);
}

void p2pd_scan_drop_gone(struct p2pd_scan *s)
{
        struct p2p_machine *m = s->machine;
        uint32_t n = 0;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                if (s->scratch[i].is_gone)
                        continue;
                if (n != i) {
                        m->functions[n] = m->functions[i];
                        s->scratch[n] = s->scratch[i];
                }
                n++;
        }
        m->n_functions = n;
}

void p2pd_scan_bars_from_registers(struct p2pd_scan *s, uint32_t i, enum p2p_why missing)
{
        const struct p2p_config_extra *x = s->scratch[i].extra;
        struct p2p_function *f = &s->machine->functions[i];

        for (unsigned k = 0; k < P2P_BARS_MAX; k++) {
                struct p2p_bar *bar = &f->bars[k];

                bar->phys_why = missing;
                bar->size_bytes = p2p_fact_without(missing);
                if (x->bars_why != P2P_WHY_KNOWN) {
                        bar->kind =
                                x->bars_why == P2P_WHY_ABSENT ? P2P_BAR_ABSENT : P2P_BAR_UNKNOWN;
                        bar->bus_why = x->bars_why;
                        continue;
                }
                bar->kind = x->bars[k].kind;
                bar->is_64bit = x->bars[k].is_64bit;
                bar->prefetchable = x->bars[k].prefetchable;
                bar->assigned = p2p_fact_is_known(x->bars[k].bus_start);
                bar->bus_why = x->bars[k].bus_start.why;
                bar->bus_start.val = x->bars[k].bus_start.val;
        }
}

void p2pd_scan_warn(struct p2pd_scan *s)
{
        static const struct {
                uint32_t bit;
                const char *text;
        } problems[] = {
                {P2PD_PROBLEM_DIRECTORY, "sysfs: its directory cannot be opened"},
                {P2PD_PROBLEM_CONFIG_HUGE, "config: longer than 4096 bytes, not config space"},
                {P2PD_PROBLEM_RESOURCE, "resource: a line does not parse"},
                {P2PD_PROBLEM_UEVENT, "uevent: a value does not parse"},
                {P2PD_PROBLEM_NUMBER, "sysfs: a file that holds one number does not parse"},
                {P2PD_PROBLEM_LINK, "sysfs: driver, iommu_group or physfn is not the link it ought "
                                    "to be"},
                {P2PD_PROBLEM_PLACE, "sysfs: its path does not say where it hangs; taken from bus "
                                     "numbers"},
                {P2PD_PROBLEM_NAMES, "sysfs: more named children than are kept"},
        };
        struct p2p_machine *m = s->machine;

        for (uint32_t i = 0; i < m->n_functions; i++) {
                const struct p2pd_scratch *x = &s->scratch[i];

                if (x->is_kept)
                        continue;
                for (unsigned k = 0; k < x->extra->n_warnings; k++) {
                        const struct p2p_config_warning *w = &x->extra->warnings[k];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                        p2p_machine_warn(m, &m->functions[i].address,
                                         p2p_config_warning_format(w->kind), w->offset);
#pragma GCC diagnostic pop
                }
                for (size_t k = 0; x->problems && k < sizeof(problems) / sizeof(problems[0]); k++)
                        if (x->problems & problems[k].bit)
                                p2p_machine_warn(m, &m->functions[i].address, "%s",
                                                 problems[k].text);
        }
}
