/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine-builder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

struct builder builder_new(void)
{
        struct builder b = {.m = p2p_machine_new(P2P_SOURCE_LIVE)};

        assert_non_null(b.m);
        b.m->kernel_why = P2P_WHY_KNOWN;
        b.m->kernel_release = "7.3.4+deb13-amd64";
        b.m->kernel_has_p2pdma = p2p_fact_known(1);
        cpu(&b, P2P_CPU_INTEL, 6, 0x8f);
        return b;
}

void builder_free(struct builder *b)
{
        b->m = p2p_machine_free(b->m);
}

const struct p2p_machine *builder_finish(struct builder *b)
{
        assert_int_equal(p2p_machine_finish(b->m), 0);
        return b->m;
}

static struct p2p_address address_of(const char *text)
{
        struct p2p_address address;

        assert_int_equal(p2p_address_parse(text, &address), 0);
        return address;
}

uint32_t builder_at(const struct builder *b, const char *address)
{
        uint32_t index = p2p_machine_find(b->m, address_of(address));

        if (index == P2P_NONE)
                fail_msg("no function %s", address);
        return index;
}

struct p2p_function *builder_edit(struct builder *b, uint32_t handle)
{
        assert_true(handle < b->m->n_functions);
        return &b->m->functions[handle];
}

uint32_t builder_function(struct builder *b, const char *address, uint32_t parent,
                          enum p2p_port_type type, uint32_t class_code)
{
        const struct p2p_fact absent = p2p_fact_without(P2P_WHY_ABSENT);
        const struct p2p_address a = address_of(address);
        struct p2p_function *f = p2p_machine_add_function(b->m, a);
        uint32_t handle = b->m->n_functions - 1;

        assert_non_null(f);
        f->parent = parent == ON_ROOT_BUS ? P2P_NONE : parent;
        f->parent_why = P2P_WHY_KNOWN;
        f->root = parent == ON_ROOT_BUS ? p2p_machine_add_root(b->m, a.segment, a.bus) : P2P_NONE;
        f->class_code = p2p_fact_known(class_code);
        f->vendor = p2p_fact_known(0x1b36);
        f->device = p2p_fact_known(0x0010);
        f->subsystem_vendor = f->subsystem_device = f->revision = p2p_fact_known(0);
        f->serial = absent;
        f->header_type = p2p_fact_known(class_code >> 8 == 0x0604);
        f->port_type = p2p_fact_known(type);
        f->driver_why = P2P_WHY_ABSENT;
        f->config_bytes = 4096;
        f->config_size_bytes = p2p_fact_known(4096);
        f->acs_capability = f->acs_control = f->acs_offset = absent;
        f->memory_decoding = f->bus_master = p2p_fact_known(1);
        f->ari = p2p_fact_known(0);
        f->sriov_total_vfs = f->sriov_num_vfs = absent;
        f->numa_node = p2p_fact_without(P2P_WHY_NOT_REPORTED);
        f->dma_mask_bits = p2p_fact_known(32);
        f->group_why = P2P_WHY_ABSENT;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++) {
                f->bars[i].kind = P2P_BAR_ABSENT;
                f->bars[i].resize_now_bytes = f->bars[i].resize_max_bytes = absent;
        }
        return handle;
}

uint32_t builder_host_bridge(struct builder *b, const char *address, uint16_t vendor,
                             uint16_t device)
{
        uint32_t handle = builder_function(b, address, ON_ROOT_BUS, P2P_PORT_ENDPOINT, 0x060000);

        builder_edit(b, handle)->port_type = p2p_fact_without(P2P_WHY_ABSENT);
        ids(b, handle, vendor, device);
        return handle;
}

uint32_t builder_root_port(struct builder *b, const char *address)
{
        return builder_function(b, address, ON_ROOT_BUS, P2P_PORT_ROOT_PORT, 0x060400);
}

uint32_t builder_upstream(struct builder *b, const char *address, uint32_t parent)
{
        return builder_function(b, address, parent, P2P_PORT_UPSTREAM, 0x060400);
}

uint32_t builder_downstream(struct builder *b, const char *address, uint32_t parent)
{
        return builder_function(b, address, parent, P2P_PORT_DOWNSTREAM, 0x060400);
}

uint32_t builder_endpoint(struct builder *b, const char *address, uint32_t parent)
{
        return builder_function(b, address, parent, P2P_PORT_ENDPOINT, 0x010802);
}

uint32_t builder_integrated(struct builder *b, const char *address)
{
        return builder_function(b, address, ON_ROOT_BUS, P2P_PORT_INTEGRATED_ENDPOINT, 0x120000);
}

uint32_t builder_vf(struct builder *b, const char *address, uint32_t physfn)
{
        const struct p2p_function pf = *builder_edit(b, physfn);
        uint32_t handle =
                builder_function(b, address, pf.parent == P2P_NONE ? ON_ROOT_BUS : pf.parent,
                                 P2P_PORT_ENDPOINT, (uint32_t)pf.class_code.val);
        struct p2p_function *f = builder_edit(b, handle);

        f->is_vf = true;
        f->physfn = physfn;
        f->root = pf.root;
        f->port_type = pf.port_type;
        return handle;
}

void acs(struct builder *b, uint32_t handle, uint16_t control)
{
        struct p2p_function *f = builder_edit(b, handle);

        f->acs_capability = p2p_fact_known(0x007f);
        f->acs_control = p2p_fact_known(control);
        f->acs_offset = p2p_fact_known(0x148);
}

void acs_unknown(struct builder *b, uint32_t handle, enum p2p_why why)
{
        struct p2p_function *f = builder_edit(b, handle);

        f->acs_capability = f->acs_control = f->acs_offset = p2p_fact_without(why);
}

void ids(struct builder *b, uint32_t handle, uint16_t vendor, uint16_t device)
{
        builder_edit(b, handle)->vendor = p2p_fact_known(vendor);
        builder_edit(b, handle)->device = p2p_fact_known(device);
}

void numa(struct builder *b, uint32_t handle, uint32_t node)
{
        builder_edit(b, handle)->numa_node = p2p_fact_known(node);
}

void link_is(struct builder *b, uint32_t handle, uint32_t mts, uint32_t lanes, uint32_t max_mts,
             uint32_t max_lanes)
{
        struct p2p_function *f = builder_edit(b, handle);

        f->link_speed_mts = p2p_fact_known(mts);
        f->link_width_lanes = p2p_fact_known(lanes);
        f->link_speed_max_mts = p2p_fact_known(max_mts);
        f->link_width_max_lanes = p2p_fact_known(max_lanes);
}

void parent_missing(struct builder *b, uint32_t handle, enum p2p_why why)
{
        struct p2p_function *f = builder_edit(b, handle);

        f->parent = P2P_NONE;
        f->root = P2P_NONE;
        f->parent_why = why;
}

struct p2p_bar *bar(struct builder *b, uint32_t handle, unsigned index, uint64_t phys_start,
                    uint64_t size_bytes)
{
        struct p2p_bar *r = &builder_edit(b, handle)->bars[index];

        *r = (struct p2p_bar){
                .kind = P2P_BAR_MEMORY,
                .is_64bit = true,
                .assigned = true,
                .phys_start.val = phys_start,
                .bus_start.val = phys_start,
                .size_bytes = p2p_fact_known(size_bytes),
                .resize_now_bytes = p2p_fact_without(P2P_WHY_ABSENT),
                .resize_max_bytes = p2p_fact_without(P2P_WHY_ABSENT),
        };
        return r;
}

void driver(struct builder *b, uint32_t handle, const char *name, unsigned dma_mask_bits)
{
        struct p2p_function *f = builder_edit(b, handle);

        f->driver = name;
        f->driver_why = P2P_WHY_KNOWN;
        f->dma_mask_bits = p2p_fact_known(dma_mask_bits);
}

struct p2p_group *group(struct builder *b, uint32_t handle, uint32_t number,
                        enum p2p_group_type type)
{
        uint32_t index = p2p_machine_add_group(b->m, number);

        assert_int_not_equal(index, P2P_NONE);
        builder_edit(b, handle)->group = index;
        builder_edit(b, handle)->group_why = P2P_WHY_KNOWN;
        b->m->groups[index].type = type;
        b->m->groups[index].type_why = P2P_WHY_KNOWN;
        b->m->groups[index].regions_why = P2P_WHY_KNOWN;
        return &b->m->groups[index];
}

void cpu(struct builder *b, enum p2p_cpu_vendor vendor, uint32_t family, uint32_t model)
{
        b->m->cpu_vendor = vendor;
        b->m->cpu_why = vendor == P2P_CPU_UNKNOWN ? P2P_WHY_NO_FILE : P2P_WHY_KNOWN;
        b->m->is_x86 = true;
        b->m->cpu_family = p2p_fact_known(family);
        b->m->cpu_model = p2p_fact_known(model);
}

void kernel(struct builder *b, const char *release)
{
        b->m->kernel_release = release;
        b->m->kernel_why = release ? P2P_WHY_KNOWN : P2P_WHY_NO_FILE;
}
