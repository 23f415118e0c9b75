/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "serve/reply-types.h"

/* The facts that are listed under "unknowns" by the name of their field. */
static const struct {
        const char *name;
        size_t offset; /* of the fact in struct p2p_function */
} facts[] = {
        {"class_code", offsetof(struct p2p_function, class_code)},
        {"vendor", offsetof(struct p2p_function, vendor)},
        {"device", offsetof(struct p2p_function, device)},
        {"subsystem_vendor", offsetof(struct p2p_function, subsystem_vendor)},
        {"subsystem_device", offsetof(struct p2p_function, subsystem_device)},
        {"revision", offsetof(struct p2p_function, revision)},
        {"header_type", offsetof(struct p2p_function, header_type)},
        {"port_type", offsetof(struct p2p_function, port_type)},
        {"config_size", offsetof(struct p2p_function, config_size_bytes)},
        {"secondary_bus", offsetof(struct p2p_function, secondary_bus)},
        {"subordinate_bus", offsetof(struct p2p_function, subordinate_bus)},
        {"acs", offsetof(struct p2p_function, acs_control)},
        {"memory_decoding", offsetof(struct p2p_function, memory_decoding)},
        {"bus_master", offsetof(struct p2p_function, bus_master)},
        {"ari", offsetof(struct p2p_function, ari)},
        {"ats", offsetof(struct p2p_function, ats)},
        {"pri", offsetof(struct p2p_function, pri)},
        {"pasid", offsetof(struct p2p_function, pasid)},
        {"total_virtual_functions", offsetof(struct p2p_function, sriov_total_vfs)},
        {"virtual_functions", offsetof(struct p2p_function, sriov_num_vfs)},
        {"link.speed_mts", offsetof(struct p2p_function, link_speed_mts)},
        {"link.width_lanes", offsetof(struct p2p_function, link_width_lanes)},
        {"link.max_speed_mts", offsetof(struct p2p_function, link_speed_max_mts)},
        {"link.max_width_lanes", offsetof(struct p2p_function, link_width_max_lanes)},
        {"numa_node", offsetof(struct p2p_function, numa_node)},
        {"dma_mask_bits", offsetof(struct p2p_function, dma_mask_bits)},
        {"p2pmem.size_bytes", offsetof(struct p2p_function, p2pmem_size_bytes)},
        {"p2pmem.available_bytes", offsetof(struct p2p_function, p2pmem_available_bytes)},
        {"p2pmem.published", offsetof(struct p2p_function, p2pmem_published)},
};

static void write_bar_unknown(struct p2pd_writer *w, uint32_t i, const char *field,
                              enum p2p_why why)
{
        char name[48];

        (void)snprintf(name, sizeof(name), "bars[%u]%s", i, field);
        p2pd_write_unknown(w, name, why);
}

static void write_bar_unknowns(struct p2pd_writer *w, const struct p2p_function *f)
{
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++) {
                const struct p2p_bar *bar = &f->bars[i];

                switch (bar->kind) {
                case P2P_BAR_UNKNOWN:
                        write_bar_unknown(w, i, "", bar->phys_why);
                        break;
                case P2P_BAR_MEMORY:
                case P2P_BAR_IO:
                        write_bar_unknown(w, i, ".phys_start", bar->phys_why);
                        write_bar_unknown(w, i, ".bus_start", bar->bus_why);
                        write_bar_unknown(w, i, ".size_bytes", bar->size_bytes.why);
                        write_bar_unknown(w, i, ".resize_now_bytes", bar->resize_now_bytes.why);
                        write_bar_unknown(w, i, ".resize_max_bytes", bar->resize_max_bytes.why);
                        break;
                case P2P_BAR_ABSENT:
                case P2P_BAR_KIND_MAX:
                        break;
                }
        }
}

static void write_unknowns(struct p2pd_writer *w, const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        p2pd_write_key(w, "unknowns");
        p2pd_write_open_array(w);
        p2pd_write_unknown(w, "parent", f->parent_why);
        for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
                const struct p2p_fact *fact =
                        (const struct p2p_fact *)((const char *)f + facts[i].offset);

                p2pd_write_unknown(w, facts[i].name, p2pd_fit_int(*fact).why);
        }
        p2pd_write_unknown(w, "serial", p2p_machine_serial(m, function).why);
        /* A type that the specification does not know has no name to show. */
        if (p2p_fact_is_known(f->port_type) && !p2pd_port_type_name(f->port_type))
                p2pd_write_unknown(w, "port_type", P2P_WHY_MALFORMED);
        p2pd_write_unknown(w, "driver", f->driver_why);
        p2pd_write_unknown(w, "iommu_group", f->group_why);
        if (f->group != P2P_NONE)
                p2pd_write_unknown(w, "group_type", m->groups[f->group].type_why);
        write_bar_unknowns(w, f);
        p2pd_write_close_array(w);
}

static void write_identity(struct p2pd_writer *w, const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];

        p2pd_write_address_field(w, "address", f->address);
        p2pd_write_string_field(w, "kind", p2p_kind_to_string(p2p_function_kind(f)));
        p2pd_write_bool_field(w, "endpoint", p2p_function_is_endpoint(f));
        p2pd_write_bool_field(w, "candidate", p2p_function_is_candidate(f));
        p2pd_write_names_field(w, "names", f);
        p2pd_write_optional_string_field(w, "driver", f->driver);
        p2pd_write_hex_fact(w, "class_code", f->class_code, 6);
        p2pd_write_hex_fact(w, "vendor", f->vendor, 4);
        p2pd_write_hex_fact(w, "device", f->device, 4);
        p2pd_write_hex_fact(w, "subsystem_vendor", f->subsystem_vendor, 4);
        p2pd_write_hex_fact(w, "subsystem_device", f->subsystem_device, 4);
        p2pd_write_hex_fact(w, "revision", f->revision, 2);
        p2pd_write_hex_fact(w, "serial", p2p_machine_serial(m, function), 16);
}

static void write_place(struct p2pd_writer *w, const struct p2p_machine *m,
                        const struct p2p_function *f)
{
        char root[P2PD_ROOT_NAME_MAX];

        p2pd_write_optional_function_field(w, "parent", m, f->parent);
        if (f->root != P2P_NONE)
                p2pd_write_string_field(w, "host_bridge", p2pd_root_name(&m->roots[f->root], root));
        p2pd_write_optional_function_field(w, "physical_function", m, f->physfn);
        p2pd_write_int_fact(w, "virtual_functions", f->sriov_num_vfs);
        p2pd_write_optional_string_field(w, "port_type", p2pd_port_type_name(f->port_type));
        p2pd_write_link_field(w, "link", f);
}

static void write_registers(struct p2pd_writer *w, const struct p2p_function *f)
{
        if (p2p_fact_is_known(f->acs_capability) && p2p_fact_is_known(f->acs_control)) {
                p2pd_write_key(w, "acs");
                p2pd_write_open_object(w);
                p2pd_write_hex_field(w, "capability", f->acs_capability.val, 4);
                p2pd_write_hex_field(w, "control", f->acs_control.val, 4);
                p2pd_write_acs_bits_field(w, "set", (uint32_t)f->acs_control.val);
                p2pd_write_bool_field(w, "redirects", f->acs_control.val & P2P_ACS_REDIRECT);
                p2pd_write_close_object(w);
        }
        p2pd_write_bool_fact(w, "ari", f->ari);
        p2pd_write_bool_fact(w, "ats", f->ats);
        p2pd_write_bool_fact(w, "pri", f->pri);
        p2pd_write_bool_fact(w, "pasid", f->pasid);
        p2pd_write_bool_fact(w, "memory_decoding", f->memory_decoding);
        p2pd_write_bool_fact(w, "bus_master", f->bus_master);
}

static void write_platform(struct p2pd_writer *w, const struct p2p_machine *m,
                           const struct p2p_function *f)
{
        p2pd_write_int_fact(w, "numa_node", f->numa_node);
        p2pd_write_int_fact(w, "dma_mask_bits", f->dma_mask_bits);
        if (f->group != P2P_NONE) {
                const struct p2p_group *group = &m->groups[f->group];

                p2pd_write_uint_field(w, "iommu_group", group->number);
                p2pd_write_string_field(w, "group_type", p2p_group_type_to_string(group->type));
        }
        p2pd_write_uint_field(w, "config_bytes", f->config_bytes);
        if (p2p_fact_is_known(f->p2pmem_size_bytes) ||
            p2p_fact_is_known(f->p2pmem_available_bytes) ||
            p2p_fact_is_known(f->p2pmem_published)) {
                p2pd_write_key(w, "p2pmem");
                p2pd_write_open_object(w);
                p2pd_write_int_fact(w, "size_bytes", f->p2pmem_size_bytes);
                p2pd_write_int_fact(w, "available_bytes", f->p2pmem_available_bytes);
                p2pd_write_bool_fact(w, "published", f->p2pmem_published);
                p2pd_write_close_object(w);
        }
}

static void write_bars(struct p2pd_writer *w, const struct p2p_function *f)
{
        p2pd_write_key(w, "bars");
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < P2P_BARS_MAX; i++)
                if (f->bars[i].kind == P2P_BAR_MEMORY || f->bars[i].kind == P2P_BAR_IO)
                        p2pd_write_bar(w, &f->bars[i], i);
        p2pd_write_close_array(w);
}

void p2pd_write_function(struct p2pd_writer *w, const struct p2p_machine *m, uint32_t function,
                         uint64_t leased_by)
{
        const struct p2p_function *f = &m->functions[function];

        p2pd_write_open_object(w);
        write_identity(w, m, function);
        write_place(w, m, f);
        write_registers(w, f);
        write_platform(w, m, f);
        if (leased_by != 0)
                p2pd_write_uint_field(w, "leased_by", leased_by);
        write_bars(w, f);
        write_unknowns(w, m, function);
        p2pd_write_close_object(w);
}
