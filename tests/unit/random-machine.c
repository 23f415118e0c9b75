/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "random-machine.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

/* splitmix64 */
static uint64_t next(struct random *r)
{
        uint64_t z = r->state += 0x9e3779b97f4a7c15U;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
}

uint32_t random_below(struct random *r, uint32_t n)
{
        return (uint32_t)(next(r) % n);
}

struct growing {
        struct builder b;
        struct random r;
        uint32_t segment;
        unsigned next_bus;
};

static const char *address(struct growing *g, unsigned bus, unsigned device, unsigned function,
                           char buf[static P2P_ADDRESS_STRING_MAX])
{
        return p2p_address_format(
                (struct p2p_address){
                        .segment = g->segment,
                        .bus = (uint8_t)bus,
                        .devfn = (uint8_t)(device << 3 | function),
                },
                buf);
}

static void grow_endpoints(struct growing *g, uint32_t parent)
{
        unsigned bus = g->next_bus++, n = 1 + random_below(&g->r, 3);
        char buf[P2P_ADDRESS_STRING_MAX];

        for (unsigned i = 0; i < n; i++) {
                uint32_t pf = builder_endpoint(&g->b, address(g, bus, 0, i, buf), parent);

                if (random_below(&g->r, 4) == 0)
                        numa(&g->b, pf, random_below(&g->r, 2));
                for (unsigned vf = random_below(&g->r, 4); vf > 0; vf--)
                        builder_vf(&g->b, address(g, bus, 4 + i, vf, buf), pf);
        }
}

static void grow_below(struct growing *g, uint32_t port, unsigned depth)
{
        char buf[P2P_ADDRESS_STRING_MAX];
        unsigned n, upstream_bus;
        uint32_t upstream;

        if (depth == 0 || g->next_bus > 200 || random_below(&g->r, 2) == 0) {
                grow_endpoints(g, port);
                return;
        }
        upstream_bus = g->next_bus++;
        upstream = builder_upstream(&g->b, address(g, upstream_bus, 0, 0, buf), port);
        n = 1 + random_below(&g->r, 3);
        upstream_bus = g->next_bus++;
        for (unsigned i = 0; i < n; i++)
                grow_below(g,
                           builder_downstream(&g->b, address(g, upstream_bus, i, 0, buf), upstream),
                           depth - 1);
}

static void grow_root(struct growing *g)
{
        static const uint16_t devices[] = {0x2020, 0x3c00, 0x2f01, 0x09a2, 0x29c0, 0x2031};
        unsigned bus = g->next_bus++;
        char buf[P2P_ADDRESS_STRING_MAX];
        uint32_t first, n_ports = 1 + random_below(&g->r, 3);

        if (random_below(&g->r, 4) > 0) {
                first = builder_host_bridge(&g->b, address(g, bus, 0, 0, buf), 0x8086,
                                            devices[random_below(&g->r, 6)]);
                if (random_below(&g->r, 8) == 0)
                        builder_edit(&g->b, first)->device = p2p_fact_without(P2P_WHY_IO_ERROR);
        }
        if (random_below(&g->r, 2) == 0)
                builder_integrated(&g->b, address(g, bus, 1, 0, buf));
        for (unsigned i = 0; i < n_ports; i++) {
                uint32_t port = builder_root_port(&g->b, address(g, bus, 2 + i, 0, buf));

                ids(&g->b, port, 0x8086, devices[random_below(&g->r, 6)]);
                grow_below(g, port, 1 + random_below(&g->r, 3));
        }
}

void random_acs(struct builder *b, struct random *r)
{
        static const uint16_t controls[] = {0x001d, 0x0004, 0x0008, 0x0020, 0x0000, 0x0053};
        static const enum p2p_why whys[] = {P2P_WHY_HIDDEN, P2P_WHY_NO_PRIVILEGE, P2P_WHY_ALL_ONES};
        /* Some machines have little of it, some much. */
        uint32_t rarity = 2 + random_below(r, 12);

        for (uint32_t i = 0; i < b->m->n_functions; i++) {
                if (random_below(r, rarity) == 0)
                        acs(b, i, controls[random_below(r, 6)]);
                else if (random_below(r, 8 * rarity) == 0)
                        acs_unknown(b, i, whys[random_below(r, 3)]);
        }
}

struct builder random_machine(uint64_t seed)
{
        struct growing g = {.b = builder_new(), .r = {.state = seed}};
        static const char *const releases[] = {"7.3.4", "5.15.0", "5.4.0", "4.19.0", NULL};
        uint32_t n_roots;

        for (g.segment = 0; g.segment < 2; g.segment++) {
                g.next_bus = 0;
                n_roots = 1 + random_below(&g.r, 2);
                for (uint32_t i = 0; i < n_roots; i++)
                        grow_root(&g);
                if (random_below(&g.r, 2) == 0)
                        break;
        }
        random_acs(&g.b, &g.r);
        /* A bridge whose class code does not say so counts as an endpoint, with others below it. */
        for (uint32_t i = 0; i < g.b.m->n_functions; i++)
                if (random_below(&g.r, 16) == 0)
                        builder_edit(&g.b, i)->class_code = p2p_fact_known(0x088000);
        if (random_below(&g.r, 3) == 0)
                cpu(&g.b, random_below(&g.r, 2) ? P2P_CPU_AMD : P2P_CPU_UNKNOWN, 0x19, 1);
        if (random_below(&g.r, 3) == 0)
                kernel(&g.b, releases[random_below(&g.r, 5)]);
        if (random_below(&g.r, 3) == 0)
                g.b.m->numa_nodes = p2p_fact_known(1 + random_below(&g.r, 2));
        for (unsigned i = random_below(&g.r, 3); i > 0; i--) {
                uint32_t lost = random_below(&g.r, g.b.m->n_functions);

                if (!builder_edit(&g.b, lost)->is_vf)
                        parent_missing(&g.b, lost, P2P_WHY_NOT_CAPTURED);
        }
        return g.b;
}
