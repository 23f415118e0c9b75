/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/remedy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "decide/remedy-acs.h"

struct collecting {
        const struct p2p_remedies_params *params;
        struct p2p_remedy *list;
        uint32_t n;
};

const char *p2p_remedy_to_string(enum p2p_remedy_kind kind)
{
        static const char *const names[P2P_REMEDY_MAX] = {
                [P2P_REMEDY_DISABLE_ACS_REDIR] = "disable-acs-redir",
                [P2P_REMEDY_CONFIG_ACS] = "config-acs",
                [P2P_REMEDY_SETPCI] = "setpci",
                [P2P_REMEDY_NEWER_KERNEL] = "newer-kernel",
                [P2P_REMEDY_MOVE] = "move",
                [P2P_REMEDY_PRIVILEGE] = "privilege",
                [P2P_REMEDY_ENABLE_DECODING] = "enable-decoding",
                [P2P_REMEDY_REASSIGN_BAR] = "reassign-bar",
                [P2P_REMEDY_RESIZE_BAR] = "resize-bar",
                [P2P_REMEDY_RECAPTURE] = "recapture",
        };

        return kind < P2P_REMEDY_MAX ? names[kind] : NULL;
}

/* Adds a remedy that gives up nothing. 0 or -ENOMEM. */
static int add(struct collecting *c, enum p2p_remedy_kind kind, enum p2p_map map_after,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

static int add(struct collecting *c, enum p2p_remedy_kind kind, enum p2p_map map_after,
               const char *format, ...)
{
        char *command;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&command, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        c->list[c->n++] = (struct p2p_remedy){
                .kind = kind,
                .command = command,
                .map_after = map_after,
        };
        return 0;
}

static int collect_acs(struct collecting *c)
{
        uint32_t n;
        int r = p2p_remedies_acs(c->params, &c->list[c->n], &n);

        if (r == 0)
                c->n += n;
        return r;
}

/* The oldest release after the rules' own under which the pair is possible, or 0. */
static uint32_t release_that_allows(const struct p2p_remedies_params *p, enum p2p_map *ret_map)
{
        const uint32_t milestones[] = {
                P2P_RELEASE_P2PDMA,
                P2P_RELEASE_THROUGH_HOST_BRIDGE,
                P2P_RELEASE_CPU_RULE,
                P2P_RELEASE_ANY_ROOT_PORT,
        };
        const uint32_t n_milestones = sizeof(milestones) / sizeof(milestones[0]);
        const struct p2p_host_bridge_rule *rows;
        uint32_t n_rows, tried = p->rules->release;

        rows = p2p_host_bridge_rules(&n_rows);
        for (;;) {
                struct p2p_rules rules = *p->rules;
                struct p2p_decision d;
                uint32_t next = UINT32_MAX;

                for (uint32_t i = 0; i < n_milestones + n_rows; i++) {
                        uint32_t r =
                                i < n_milestones ? milestones[i] : rows[i - n_milestones].since;

                        if (r > tried && r < next)
                                next = r;
                }
                if (next == UINT32_MAX)
                        return 0;
                rules.release = tried = next;
                rules.patch = 0;
                p2p_decide(p->m, &rules, p->provider, p->client, NULL, NULL, &d);
                if (d.map == P2P_MAP_BUS || d.map == P2P_MAP_HOST_BRIDGE) {
                        *ret_map = d.map;
                        return next;
                }
        }
}

static int collect_kernel_and_place(struct collecting *c)
{
        const struct p2p_remedies_params *p = c->params;
        char release[P2P_RELEASE_STRING_MAX];
        enum p2p_map map;
        uint32_t since;
        int r = 0;

        if (p->decision->map != P2P_MAP_NONE)
                return 0;
        since = release_that_allows(p, &map);
        if (since != 0)
                r = add(c, P2P_REMEDY_NEWER_KERNEL, map, "Linux %s or newer",
                        p2p_release_format(since, release));
        /* Where the new place redirects too, nothing is won: the verdict cannot be told. */
        if (r == 0 && p->decision->common == P2P_NONE)
                r = add(c, P2P_REMEDY_MOVE, P2P_MAP_UNKNOWN,
                        "put both below one PCIe switch whose ports do not redirect");
        return r;
}

static int collect_knowledge(struct collecting *c)
{
        const struct p2p_remedies_params *p = c->params;
        const struct p2p_reason *decisive = &p->decision->decisive;
        bool acs = decisive->kind == P2P_REASON_ACS_UNREADABLE;

        if (p->decision->map != P2P_MAP_UNKNOWN)
                return 0;
        switch (p->m->source) {
        case P2P_SOURCE_LIVE:
                if (acs && (decisive->detail == P2P_WHY_NO_PRIVILEGE ||
                            decisive->detail == P2P_WHY_READER_LOST))
                        return add(c, P2P_REMEDY_PRIVILEGE, P2P_MAP_UNKNOWN,
                                   "start p2pd with CAP_SYS_ADMIN, as its unit does: systemctl "
                                   "restart p2pd");
                return 0;
        case P2P_SOURCE_ROOT:
                if (acs && (decisive->detail == P2P_WHY_NO_PRIVILEGE ||
                            decisive->detail == P2P_WHY_NOT_CAPTURED))
                        return add(c, P2P_REMEDY_RECAPTURE, P2P_MAP_UNKNOWN,
                                   "capture that machine again as root: p2pctl capture");
                return 0;
        case P2P_SOURCE_LSPCI:
                if (acs || decisive->kind == P2P_REASON_ACS_HIDDEN_FROM_KERNEL)
                        return add(c, P2P_REMEDY_RECAPTURE, P2P_MAP_UNKNOWN,
                                   "dump that machine again as root: lspci -xxxx");
                return add(c, P2P_REMEDY_RECAPTURE, P2P_MAP_UNKNOWN,
                           "capture that machine as root: p2pctl capture");
        case P2P_SOURCE_KIND_MAX:
                break;
        }
        return 0;
}

/* resourceN_resize takes the power of two of the size in MiB, and came with Linux 6.1. */
static int collect_resize(struct collecting *c, const struct p2p_constraint *small,
                          const char *address)
{
        unsigned power = 0;
        uint32_t release;

        if (!c->params->m->kernel_release ||
            p2p_release_parse(c->params->m->kernel_release, &release) < 0 ||
            release < P2P_RELEASE(6, 1))
                return 0;
        while (power < 43 && small->detail >> (20 + power) > 1)
                power++;
        return add(c, P2P_REMEDY_RESIZE_BAR, c->params->decision->map,
                   "echo %u > /sys/bus/pci/devices/%s/resource%" PRIu32 "_resize (no driver bound)",
                   power, address, small->bar_index);
}

static int collect_for_constraint(struct collecting *c, const struct p2p_constraint *constraint)
{
        const enum p2p_map map = c->params->decision->map;
        char address[P2P_ADDRESS_STRING_MAX];
        const struct p2p_function *f;

        if (constraint->is_unknown || constraint->function == P2P_NONE)
                return 0;
        f = &c->params->m->functions[constraint->function];
        p2p_address_format(f->address, address);
        switch (constraint->kind) {
        case P2P_CONSTRAINT_DECODING_OFF:
                /* A virtual function's decoding is its physical function's to give. */
                if (f->is_vf)
                        return 0;
                return add(c, P2P_REMEDY_ENABLE_DECODING, map,
                           "bind its driver, or echo 1 > /sys/bus/pci/devices/%s/enable", address);
        case P2P_CONSTRAINT_BAR_UNASSIGNED:
                for (uint32_t i = 0; i < c->n; i++)
                        if (c->list[i].kind == P2P_REMEDY_REASSIGN_BAR)
                                return 0;
                return add(c, P2P_REMEDY_REASSIGN_BAR, map, "pci=realloc");
        case P2P_CONSTRAINT_SMALL_BAR:
                return collect_resize(c, constraint, address);
        default:
                return 0;
        }
}

int p2p_remedies_new(const struct p2p_remedies_params *params, struct p2p_remedy **ret,
                     uint32_t *ret_n)
{
        struct collecting c = {.params = params};
        int r;

        /* At most one of each kind, and one per constraint. */
        c.list = calloc((size_t)P2P_REMEDY_MAX + params->n_constraints, sizeof(*c.list));
        if (!c.list)
                return -ENOMEM;
        r = collect_acs(&c);
        if (r == 0)
                r = collect_kernel_and_place(&c);
        if (r == 0)
                r = collect_knowledge(&c);
        for (uint32_t i = 0; r == 0 && i < params->n_constraints; i++)
                r = collect_for_constraint(&c, &params->constraints[i]);
        if (r < 0) {
                p2p_remedies_free(c.list, c.n);
                return r;
        }
        *ret = c.list;
        *ret_n = c.n;
        return 0;
}

void p2p_remedies_free(struct p2p_remedy *remedies, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                free(remedies[i].command);
                free(remedies[i].gives_up);
        }
        free(remedies);
}
