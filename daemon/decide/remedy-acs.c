/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/remedy-acs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/excerpt.h"

#define RELEASE_DISABLE_ACS_REDIR P2P_RELEASE(4, 19)
#define RELEASE_CONFIG_ACS P2P_RELEASE(6, 11)
/* Until here a list of several devices was misread, unless the fix was backported. */
#define RELEASE_LISTS_FIXED P2P_RELEASE(6, 15)

/* Paths deeper than this are named by address: PCI has 256 buses. */
#define DEPTH_MAX 256U

static bool offends(const struct p2p_path_element *e)
{
        return e->counts && e->acs_redirect_bits != 0;
}

static uint32_t count_offenders(const struct p2p_remedies_params *p)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->n_path; i++)
                n += offends(&p->path[i]);
        return n;
}

/* 0: unknown. */
static uint32_t kernel_release(const struct p2p_machine *m)
{
        uint32_t release;

        if (!m->kernel_release || p2p_release_parse(m->kernel_release, &release) < 0)
                return 0;
        return release;
}

/*
 * The kernel's name of a function that survives renumbering: the address of the one on the root
 * bus, then device and function of each step down.
 */
static void print_kernel_path(FILE *out, const struct p2p_machine *m, uint32_t function)
{
        uint32_t chain[DEPTH_MAX], n = 0;
        char address[P2P_ADDRESS_STRING_MAX];

        for (uint32_t at = function; at != P2P_NONE && n < DEPTH_MAX; at = m->functions[at].parent)
                chain[n++] = at;
        if (m->functions[chain[n - 1]].parent_why != P2P_WHY_KNOWN ||
            m->functions[chain[n - 1]].parent != P2P_NONE) {
                chain[0] = function;
                n = 1;
        }
        (void)fputs(p2p_address_format(m->functions[chain[n - 1]].address, address), out);
        while (--n > 0)
                (void)fprintf(out, "/%02x.%x", m->functions[chain[n - 1]].address.devfn >> 3,
                              m->functions[chain[n - 1]].address.devfn & 7U);
}

/* The last such parameter on the command line wins: what it holds already has to be kept. */
static void print_present_value(FILE *out, const struct p2p_machine *m, const char *parameter)
{
        const char *found = NULL, *at = m->kernel_command_line;

        while (at && (at = strstr(at, parameter)) != NULL) {
                at += strlen(parameter);
                found = at;
        }
        if (!found)
                return;
        for (; *found && !strchr(" ,\"'\n", *found); found++)
                (void)fputc(*found, out);
        (void)fputc(';', out);
}

/* Seven positions, bit 0 rightmost: DT EC UF CR RR TB SV. */
static void print_flags(FILE *out, uint32_t bits)
{
        for (int bit = 6; bit >= 0; bit--)
                (void)fputc(bits >> bit & 1U ? '0' : 'x', out);
}

static void print_command(FILE *out, const struct p2p_remedies_params *p, enum p2p_remedy_kind kind)
{
        char address[P2P_ADDRESS_STRING_MAX];
        bool first = true;

        if (kind == P2P_REMEDY_DISABLE_ACS_REDIR) {
                (void)fputs("pci=disable_acs_redir=", out);
                print_present_value(out, p->m, "disable_acs_redir=");
        } else if (kind == P2P_REMEDY_CONFIG_ACS) {
                (void)fputs("pci=config_acs=", out);
                print_present_value(out, p->m, "config_acs=");
        }
        for (uint32_t i = 0; i < p->n_path; i++) {
                const struct p2p_path_element *e = &p->path[i];

                if (!offends(e))
                        continue;
                if (kind == P2P_REMEDY_SETPCI) {
                        (void)fprintf(
                                out, "%ssetpci -s %s ECAP_ACS+6.w=0000:%04" PRIx32,
                                first ? "" : " && ",
                                p2p_address_format(p->m->functions[e->function].address, address),
                                e->acs_redirect_bits);
                } else {
                        if (!first)
                                (void)fputc(';', out);
                        if (kind == P2P_REMEDY_CONFIG_ACS) {
                                print_flags(out, e->acs_redirect_bits);
                                (void)fputc('@', out);
                        }
                        print_kernel_path(out, p->m, e->function);
                }
                first = false;
        }
}

static void print_gives_up(FILE *out, const struct p2p_remedies_params *p,
                           enum p2p_remedy_kind kind)
{
        const uint32_t release = kernel_release(p->m);
        char address[P2P_ADDRESS_STRING_MAX];
        bool first = true;

        (void)fputs("isolation at ", out);
        for (uint32_t i = 0; i < p->n_path; i++) {
                const struct p2p_path_element *e = &p->path[i];

                if (!offends(e))
                        continue;
                (void)fprintf(out, "%s%s", first ? "" : ", ",
                              p2p_address_format(p->m->functions[e->function].address, address));
                first = false;
        }
        (void)fputs(": functions there reach each other without passing the IOMMU", out);
        if (kind == P2P_REMEDY_SETPCI)
                (void)fputs("; lasts until the next reset, and IOMMU groups stay as they are", out);
        else
                (void)fputs("; IOMMU groups there may merge", out);
        if (kind != P2P_REMEDY_SETPCI && count_offenders(p) > 1 && release >= RELEASE_CONFIG_ACS &&
            release < RELEASE_LISTS_FIXED)
                (void)fputs("; this kernel may misread a list of several devices: compare the "
                            "registers after boot",
                            out);
}

typedef void (*print_fn)(FILE *out, const struct p2p_remedies_params *p, enum p2p_remedy_kind kind);

/* What the function prints, as a new string; NULL: out of memory. */
static char *printed(print_fn print, const struct p2p_remedies_params *p, enum p2p_remedy_kind kind)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return NULL;
        print(out, p, kind);
        failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
                free(text);
                return NULL;
        }
        return text;
}

static int decide_without_redirect(const struct p2p_remedies_params *p, enum p2p_map *ret)
{
        struct p2p_decision d;
        struct p2p_excerpt e;
        int r;

        r = p2p_excerpt_init(&e, p->m, p->provider, p->client);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < p->n_path; i++) {
                uint32_t at;

                if (!offends(&p->path[i]))
                        continue;
                at = p2p_machine_find(e.machine, p->m->functions[p->path[i].function].address);
                e.machine->functions[at].acs_control.val &= ~(uint64_t)P2P_ACS_REDIRECT;
        }
        p2p_decide(e.machine, p->rules, e.provider, e.client, NULL, NULL, &d);
        *ret = d.map;
        p2p_excerpt_deinit(&e);
        return 0;
}

int p2p_remedy_acs_compute(const struct p2p_remedies_params *params, enum p2p_remedy_kind kind,
                           struct p2p_remedy *ret)
{
        struct p2p_remedy remedy = {.kind = kind};
        const uint32_t release = kernel_release(params->m);
        int r;

        if (count_offenders(params) == 0 ||
            (kind == P2P_REMEDY_DISABLE_ACS_REDIR && release != 0 &&
             release < RELEASE_DISABLE_ACS_REDIR) ||
            (kind == P2P_REMEDY_CONFIG_ACS && release < RELEASE_CONFIG_ACS))
                return 1;
        r = decide_without_redirect(params, &remedy.map_after);
        if (r < 0)
                return r;
        remedy.command = printed(print_command, params, kind);
        remedy.gives_up = printed(print_gives_up, params, kind);
        if (!remedy.command || !remedy.gives_up) {
                free(remedy.command);
                free(remedy.gives_up);
                return -ENOMEM;
        }
        *ret = remedy;
        return 0;
}
