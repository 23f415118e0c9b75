/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-machine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/verdicts.h"
#include "machine.h"

/* Root port, upstream port, and an endpoint below each of four downstream ports. */
#define GROUP_FUNCTIONS 10U
#define GROUP_BUSES 8U
#define BRIDGE_BUSES 32U
#define BRIDGE_GROUPS_MAX 4U
/* GPU memory and registers, NIC, NVMe, NVMe and its controller memory buffer. */
#define SPANS_BEFORE_VFS 6U

#define BRIDGE_CLASS 0x060400U
#define GPU_CLASS 0x030200U
#define NIC_CLASS 0x020000U
#define NVME_CLASS 0x010802U

struct place {
        struct p2p_address address;
        uint32_t parent; /* P2P_NONE: on a root bus */
        enum p2p_port_type type;
        uint32_t class_code;
};

static struct p2p_address address_of(unsigned bus, unsigned devfn)
{
        return (struct p2p_address){.bus = (uint8_t)bus, .devfn = (uint8_t)devfn};
}

/* The new function's index in the order of adding; P2P_NONE, no memory. */
static uint32_t add(struct p2p_machine *m, const struct place *at)
{
        const struct p2p_fact absent = p2p_fact_without(P2P_WHY_ABSENT);
        struct p2p_function *f = p2p_machine_add_function(m, at->address);

        if (!f)
                return P2P_NONE;
        f->parent = at->parent;
        f->parent_why = P2P_WHY_KNOWN;
        if (at->parent == P2P_NONE) {
                f->root = p2p_machine_add_root(m, 0, at->address.bus);
                if (f->root == P2P_NONE)
                        return P2P_NONE;
        }
        f->class_code = p2p_fact_known(at->class_code);
        f->vendor = f->device = p2p_fact_known(0x1234);
        f->header_type = p2p_fact_known(at->class_code == BRIDGE_CLASS);
        f->port_type = p2p_fact_known(at->type);
        f->config_bytes = 4096;
        f->config_size_bytes = p2p_fact_known(4096);
        f->acs_capability = f->acs_control = f->acs_offset = absent;
        f->memory_decoding = f->bus_master = p2p_fact_known(1);
        f->numa_node = p2p_fact_known(at->address.bus / 128);
        f->group_why = P2P_WHY_ABSENT;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++) {
                f->bars[i].kind = P2P_BAR_ABSENT;
                f->bars[i].resize_now_bytes = f->bars[i].resize_max_bytes = absent;
        }
        return m->n_functions - 1;
}

/* An endpoint, n buses after the downstream ports', each below a port of its own. */
static uint32_t add_endpoint(struct p2p_machine *m, uint32_t up, unsigned bus, unsigned n,
                             uint32_t class_code)
{
        uint32_t down = add(m, &(struct place){address_of(bus + 1, n << 3), up, P2P_PORT_DOWNSTREAM,
                                               BRIDGE_CLASS});

        if (down == P2P_NONE)
                return P2P_NONE;
        return add(m, &(struct place){address_of(bus + 2 + n, 0), down, P2P_PORT_ENDPOINT,
                                      class_code});
}

/* VF n of the NIC at this bus: they go on in the bus after it. */
static struct p2p_address vf_address(unsigned nic_bus, unsigned n)
{
        return address_of(nic_bus + (n + 1) / 256, (n + 1) % 256);
}

static int add_vfs(struct p2p_machine *m, uint32_t nic, unsigned nic_bus, unsigned n_vfs)
{
        for (unsigned n = 0; n < n_vfs; n++) {
                uint32_t vf =
                        add(m, &(struct place){vf_address(nic_bus, n), m->functions[nic].parent,
                                               P2P_PORT_ENDPOINT, NIC_CLASS});

                if (vf == P2P_NONE)
                        return -ENOMEM;
                m->functions[vf].is_vf = true;
                m->functions[vf].physfn = nic;
        }
        return 0;
}

/* The root bus comes first, then each group's: the upstream port's, the downstream ports', GPU,
 * NIC, its further VFs, two NVMe. */
static unsigned first_bus(size_t group, size_t per_bridge)
{
        assert(per_bridge <= BRIDGE_GROUPS_MAX);
        return (unsigned)(group / per_bridge * BRIDGE_BUSES + 1 + group % per_bridge * GROUP_BUSES);
}

static int add_group(struct p2p_machine *m, size_t group, size_t per_bridge, unsigned n_vfs)
{
        unsigned bus = first_bus(group, per_bridge);
        unsigned root_bus = (unsigned)(group / per_bridge * BRIDGE_BUSES);
        uint32_t port, up, nic;

        port = add(m, &(struct place){address_of(root_bus, (unsigned)(group % per_bridge + 1) << 3),
                                      P2P_NONE, P2P_PORT_ROOT_PORT, BRIDGE_CLASS});
        if (port == P2P_NONE)
                return -ENOMEM;
        up = add(m, &(struct place){address_of(bus, 0), port, P2P_PORT_UPSTREAM, BRIDGE_CLASS});
        if (up == P2P_NONE)
                return -ENOMEM;
        nic = add_endpoint(m, up, bus, 1, NIC_CLASS);
        if (nic == P2P_NONE || add_endpoint(m, up, bus, 0, GPU_CLASS) == P2P_NONE ||
            add_endpoint(m, up, bus, 3, NVME_CLASS) == P2P_NONE ||
            add_endpoint(m, up, bus, 4, NVME_CLASS) == P2P_NONE)
                return -ENOMEM;
        return add_vfs(m, nic, bus + 3, n_vfs);
}

struct owner {
        struct p2p_address address;
        uint8_t bar_index;
};

/* Whose BAR span n of a group is. */
static struct owner owner_of(unsigned bus, unsigned n)
{
        static const struct {
                uint8_t bus;
                uint8_t bar_index;
        } owners[] = {{2, 0}, {2, 2}, {3, 0}, {5, 0}, {6, 0}, {6, 4}};

        if (n >= SPANS_BEFORE_VFS)
                return (struct owner){vf_address(bus + 3, n - SPANS_BEFORE_VFS), 0};
        return (struct owner){address_of(bus + owners[n].bus, 0), owners[n].bar_index};
}

static void set_bar(struct p2p_bar *bar, const struct span *span)
{
        *bar = (struct p2p_bar){
                .kind = P2P_BAR_MEMORY,
                .is_64bit = true,
                .prefetchable = true,
                .assigned = true,
                .phys_start.val = span->first,
                .bus_start.val = span->first,
                .size_bytes = p2p_fact_known(span->last - span->first + 1),
                .resize_now_bytes = p2p_fact_without(P2P_WHY_ABSENT),
                .resize_max_bytes = p2p_fact_without(P2P_WHY_ABSENT),
        };
}

/* In the order of spans, so that ids are those of the lookups. The machine is finished: functions
 * stay where they are. */
static void set_bars(struct lookup_machine *machine, const struct span *spans)
{
        size_t n_groups = lookup_layout_groups(machine->n_bars);
        size_t per_bridge = lookup_layout_groups_per_bridge(machine->n_bars);
        unsigned per_group = (unsigned)(machine->n_bars / n_groups);

        for (uint32_t i = 0; i < machine->n_bars; i++) {
                struct owner owner = owner_of(first_bus(i / per_group, per_bridge), i % per_group);
                uint32_t function = p2p_machine_find(machine->m, owner.address);

                assert(function != P2P_NONE);
                set_bar(&machine->m->functions[function].bars[owner.bar_index], &spans[i]);
                machine->bars[i] = (struct p2pd_table_bar){
                        .function = function,
                        .bar_index = owner.bar_index,
                        .id = (uint16_t)(i + 1),
                        .since = 1,
                };
        }
}

static int fill(struct lookup_machine *machine, const struct span *spans, uint32_t n_functions)
{
        size_t n_groups = lookup_layout_groups(machine->n_bars);
        size_t per_bridge = lookup_layout_groups_per_bridge(machine->n_bars);
        unsigned per_group = (unsigned)(machine->n_bars / n_groups);
        unsigned n_vfs = per_group > SPANS_BEFORE_VFS ? per_group - SPANS_BEFORE_VFS : 0;

        if (n_functions > n_groups * (GROUP_FUNCTIONS + n_vfs))
                n_vfs = (unsigned)((n_functions + n_groups - 1) / n_groups) - GROUP_FUNCTIONS;
        assert(n_vfs <= LOOKUP_VFS_MAX);
        for (size_t g = 0; g < n_groups; g++) {
                int r = add_group(machine->m, g, per_bridge, n_vfs);

                if (r < 0)
                        return r;
        }
        if (p2p_machine_finish(machine->m) < 0)
                return -ENOMEM;
        set_bars(machine, spans);
        machine->v = p2p_verdicts_new(machine->m, p2p_rules_for(machine->m, P2P_RULES_NEWEST));
        return machine->v ? 0 : -ENOMEM;
}

int lookup_machine_init(struct lookup_machine *ret, const struct span *spans, size_t n_bars,
                        uint32_t n_functions)
{
        struct lookup_machine machine = {
                .m = p2p_machine_new(P2P_SOURCE_LIVE),
                .bars = calloc(n_bars, sizeof(*machine.bars)),
                .n_bars = (uint32_t)n_bars,
                .id_bits = 4,
        };
        int r = -ENOMEM;

        while ((size_t)1 << machine.id_bits <= 2 * n_bars)
                machine.id_bits++;
        if (machine.m && machine.bars) {
                machine.m->cpu_vendor = P2P_CPU_AMD;
                machine.m->cpu_why = P2P_WHY_KNOWN;
                machine.m->is_x86 = true;
                machine.m->cpu_family = p2p_fact_known(0x19);
                machine.m->cpu_model = p2p_fact_known(1);
                r = fill(&machine, spans, n_functions);
        }
        if (r < 0)
                lookup_machine_deinit(&machine);
        else
                *ret = machine;
        return r;
}

void lookup_machine_deinit(struct lookup_machine *machine)
{
        machine->v = p2p_verdicts_free(machine->v);
        machine->m = p2p_machine_free(machine->m);
        free(machine->bars);
        machine->bars = NULL;
}
