/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scope.h"

void p2pd_scope_add(struct p2pd_scope *s, struct p2p_address address)
{
        for (uint32_t i = 0; i < s->n; i++)
                if (p2p_address_compare(s->addresses[i], address) == 0)
                        return;
        if (s->n == P2PD_SCOPE_MAX)
                s->everything = true;
        else
                s->addresses[s->n++] = address;
}

void p2pd_scope_merge(struct p2pd_scope *s, const struct p2pd_scope *more)
{
        for (uint32_t i = 0; i < more->n; i++)
                p2pd_scope_add(s, more->addresses[i]);
        s->everything |= more->everything;
}

bool p2pd_scope_is_empty(const struct p2pd_scope *s)
{
        return s->n == 0 && !s->everything;
}
