/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/remedy-acs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "decide/acs-plan.h"
#include "decide/boot-parameter.h"

typedef void (*print_fn)(FILE *out, const struct p2p_machine *m, const struct p2p_acs_plan *plan);

/* What the function prints, as a new string; NULL: out of memory. */
static char *printed(print_fn print, const struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return NULL;
        print(out, m, plan);
        failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
                free(text);
                return NULL;
        }
        return text;
}

static void print_setpci(FILE *out, const struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        const char *separator = "";

        (void)m;
        for (uint32_t i = 0; i < plan->n_lines; i++) {
                if (plan->lines[i].command != P2P_ACS_COMMAND_SETPCI)
                        continue;
                (void)fprintf(out, "%s%s", separator, plan->lines[i].text);
                separator = " && ";
        }
}

static void print_parameter(FILE *out, const struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        (void)m;
        (void)fputs(plan->parameter, out);
}

static void print_ports(FILE *out, const struct p2p_machine *m, const struct p2p_acs_plan *plan)
{
        char address[P2P_ADDRESS_STRING_MAX];

        (void)fputs("isolation at ", out);
        for (uint32_t i = 0; i < plan->n_ports; i++)
                (void)fprintf(
                        out, "%s%s", i > 0 ? ", " : "",
                        p2p_address_format(m->functions[plan->ports[i].function].address, address));
        (void)fputs(": functions there reach each other without passing the IOMMU", out);
}

static void print_given_up_now(FILE *out, const struct p2p_machine *m,
                               const struct p2p_acs_plan *plan)
{
        print_ports(out, m, plan);
        (void)fputs("; lasts until the next reset, and IOMMU groups stay as they are", out);
}

static void print_given_up_at_boot(FILE *out, const struct p2p_machine *m,
                                   const struct p2p_acs_plan *plan)
{
        const struct p2p_boot_kernel kernel = p2p_boot_kernel_for(m);

        print_ports(out, m, plan);
        (void)fputs("; IOMMU groups there may merge", out);
        if (!kernel.release_known)
                (void)fputs("; for a kernel of 6.15 or newer: this one's release is not known",
                            out);
        if (kernel.misreads)
                (void)fprintf(out,
                              "; this kernel may misread it (fixed in %s): compare the registers "
                              "after boot (p2pctl acs verify)",
                              p2p_boot_misread_fixed_in());
}

static int add(struct p2p_remedy *list, uint32_t *n, enum p2p_remedy_kind kind, char *command,
               char *gives_up)
{
        if (!command || !gives_up) {
                free(command);
                free(gives_up);
                return -ENOMEM;
        }
        list[(*n)++] = (struct p2p_remedy){
                .kind = kind,
                .command = command,
                .gives_up = gives_up,
                .map_after = P2P_MAP_BUS,
        };
        return 0;
}

static int from_plan(const struct p2p_machine *m, const struct p2p_acs_plan *plan,
                     struct p2p_remedy *list, uint32_t *n)
{
        int r;

        if (plan->n_ports == 0)
                return 0;
        r = add(list, n, P2P_REMEDY_SETPCI, printed(print_setpci, m, plan),
                printed(print_given_up_now, m, plan));
        if (r < 0 || !plan->parameter)
                return r;
        return add(list, n,
                   plan->parameter_kind == P2P_BOOT_CONFIG_ACS ? P2P_REMEDY_CONFIG_ACS
                                                               : P2P_REMEDY_DISABLE_ACS_REDIR,
                   printed(print_parameter, m, plan), printed(print_given_up_at_boot, m, plan));
}

int p2p_remedies_acs(const struct p2p_remedies_params *params,
                     struct p2p_remedy list[static P2P_REMEDIES_ACS_MAX], uint32_t *ret_n)
{
        const struct p2p_acs_pair pair = {.provider = params->provider, .client = params->client};
        const struct p2p_acs_plan_params question = {
                .m = params->m,
                .rules = params->rules,
                .pairs = &pair,
                .n_pairs = 1,
        };
        struct p2p_acs_plan *plan;
        uint32_t n = 0;
        int r;

        r = p2p_acs_plan_new(&question, &plan);
        if (r < 0)
                return r;
        r = from_plan(params->m, plan, list, &n);
        p2p_acs_plan_free(plan);
        if (r < 0) {
                for (uint32_t i = 0; i < n; i++) {
                        free(list[i].command);
                        free(list[i].gives_up);
                }
                return r;
        }
        *ret_n = n;
        return 0;
}
