/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "place-machine.h"

#include <stdbool.h>

#define PER_SWITCH 4U

struct making {
        struct p2p_machine *m;
        uint64_t state; /* 0: nothing is drawn */
        uint32_t segment;
        bool failed;
};

static uint32_t draw(struct making *g, uint32_t n)
{
        if (g->state == 0)
                return n - 1;
        g->state = g->state * 6364136223846793005U + 1442695040888963407U;
        return (uint32_t)(g->state >> 33) % n;
}

static uint32_t add(struct making *g, uint32_t parent, unsigned bus, unsigned device,
                    enum p2p_port_type type, uint32_t class_code)
{
        static const uint32_t speeds[] = {16000, 32000, 32000, 32000};
        static const uint32_t widths[] = {8, 16, 16, 16};
        const struct p2p_fact absent = p2p_fact_without(P2P_WHY_ABSENT);
        struct p2p_function *f = p2p_machine_add_function(
                g->m, (struct p2p_address){g->segment, (uint8_t)bus, (uint8_t)(device << 3)});

        if (!f) {
                g->failed = true;
                return 0;
        }
        f->parent = parent;
        f->parent_why = P2P_WHY_KNOWN;
        if (parent == P2P_NONE)
                f->root = p2p_machine_add_root(g->m, g->segment, 0);
        f->class_code = p2p_fact_known(class_code);
        f->vendor = p2p_fact_known(0x1022);
        f->device = p2p_fact_known(0x1480);
        f->header_type = p2p_fact_known(class_code >> 8 == 0x0604);
        f->port_type = p2p_fact_known(type);
        f->acs_capability = f->acs_control = absent;
        if (type == P2P_PORT_DOWNSTREAM && draw(g, 12) == 0)
                f->acs_control = p2p_fact_known(P2P_ACS_RR);
        f->link_speed_mts = p2p_fact_known(speeds[draw(g, 4)]);
        f->link_width_lanes = p2p_fact_known(widths[draw(g, 4)]);
        f->numa_node = p2p_fact_known(g->segment % 2);
        return g->m->n_functions - 1;
}

static void add_switch(struct making *g, unsigned number)
{
        static const uint32_t classes[] = {0x030200, 0x020000, 0x010802, 0x010802};
        const unsigned bus = 1 + number * 0x20;
        const uint32_t port = add(g, P2P_NONE, 0, 1 + number, P2P_PORT_ROOT_PORT, 0x060400);
        const uint32_t up = add(g, port, bus, 0, P2P_PORT_UPSTREAM, 0x060400);

        for (unsigned i = 0; i < 4 * PER_SWITCH; i++) {
                uint32_t down = add(g, up, bus + 1, i, P2P_PORT_DOWNSTREAM, 0x060400);

                if (i < PER_SWITCH || draw(g, 3) > 0)
                        add(g, down, bus + 2 + i, 0, P2P_PORT_ENDPOINT, classes[i / PER_SWITCH]);
        }
}

struct p2p_machine *place_machine_new(uint32_t n_gpus, uint64_t seed)
{
        struct making g = {.m = p2p_machine_new(P2P_SOURCE_LIVE), .state = seed};

        if (!g.m)
                return NULL;
        g.m->cpu_vendor = P2P_CPU_AMD;
        g.m->cpu_why = g.m->kernel_why = P2P_WHY_KNOWN;
        g.m->is_x86 = true;
        g.m->cpu_family = p2p_fact_known(0x19);
        g.m->cpu_model = p2p_fact_known(1);
        g.m->kernel_release = "7.3.4";
        g.m->kernel_has_p2pdma = p2p_fact_known(1);
        for (uint32_t i = 0; i < n_gpus / PER_SWITCH; i++) {
                g.segment = i / 4;
                add_switch(&g, i % 4);
        }
        if (g.failed || p2p_machine_finish(g.m) < 0)
                return p2p_machine_free(g.m);
        return g.m;
}
