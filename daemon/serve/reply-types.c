/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/reply-types.h"

#include <assert.h>
#include <stdio.h>

static const char *const map_names[P2P_MAP_MAX] = {
        [P2P_MAP_REGULAR] = "regular",         [P2P_MAP_BUS] = "bus",
        [P2P_MAP_HOST_BRIDGE] = "host_bridge", [P2P_MAP_NONE] = "none",
        [P2P_MAP_UNKNOWN] = "unknown",
};

const char *p2pd_map_name(enum p2p_map map)
{
        assert(map < P2P_MAP_MAX);
        return map_names[map];
}

const char *p2pd_port_type_name(struct p2p_fact port_type)
{
        if (!p2p_fact_is_known(port_type))
                return NULL;
        switch (port_type.val) {
        case P2P_PORT_ENDPOINT:
                return "endpoint";
        case P2P_PORT_LEGACY_ENDPOINT:
                return "legacy-endpoint";
        case P2P_PORT_ROOT_PORT:
                return "root-port";
        case P2P_PORT_UPSTREAM:
                return "upstream-port";
        case P2P_PORT_DOWNSTREAM:
                return "downstream-port";
        case P2P_PORT_PCIE_TO_PCI:
                return "pcie-to-pci";
        case P2P_PORT_PCI_TO_PCIE:
                return "pci-to-pcie";
        case P2P_PORT_INTEGRATED_ENDPOINT:
                return "integrated-endpoint";
        case P2P_PORT_EVENT_COLLECTOR:
                return "event-collector";
        default:
                return NULL;
        }
}

void p2pd_write_address(struct p2pd_writer *w, struct p2p_address address)
{
        char text[P2P_ADDRESS_STRING_MAX];

        p2pd_write_string(w, p2p_address_format(address, text));
}

void p2pd_write_address_field(struct p2pd_writer *w, const char *key, struct p2p_address address)
{
        p2pd_write_key(w, key);
        p2pd_write_address(w, address);
}

void p2pd_write_optional_function_field(struct p2pd_writer *w, const char *key,
                                        const struct p2p_machine *m, uint32_t function)
{
        if (function != P2P_NONE)
                p2pd_write_address_field(w, key, m->functions[function].address);
}

const char *p2pd_root_name(const struct p2p_root *root, char buf[static P2PD_ROOT_NAME_MAX])
{
        (void)snprintf(buf, P2PD_ROOT_NAME_MAX, "pci%04x:%02x", root->segment, root->bus);
        return buf;
}

const char *p2pd_rules_release(const struct p2p_rules *rules,
                               char buf[static P2PD_RULES_RELEASE_MAX])
{
        if (rules->release == UINT32_MAX)
                (void)snprintf(buf, P2PD_RULES_RELEASE_MAX, "newest");
        else
                (void)snprintf(buf, P2PD_RULES_RELEASE_MAX, "%u.%u", rules->release >> 16,
                               rules->release & 0xffffU);
        return buf;
}

struct p2p_fact p2pd_fit_int(struct p2p_fact fact)
{
        if (p2p_fact_is_known(fact) && fact.val > INT64_MAX)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return fact;
}

void p2pd_write_int_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact)
{
        if (p2p_fact_is_known(p2pd_fit_int(fact)))
                p2pd_write_uint_field(w, key, fact.val);
}

void p2pd_write_bool_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact)
{
        if (p2p_fact_is_known(fact))
                p2pd_write_bool_field(w, key, fact.val != 0);
}

void p2pd_write_hex_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact,
                         unsigned digits)
{
        if (p2p_fact_is_known(fact))
                p2pd_write_hex_field(w, key, fact.val, digits);
}

void p2pd_write_names_field(struct p2pd_writer *w, const char *key, const struct p2p_function *f)
{
        p2pd_write_key(w, key);
        p2pd_write_open_array(w);
        for (uint32_t i = 0; i < f->n_names; i++)
                p2pd_write_string(w, f->names[i]);
        p2pd_write_close_array(w);
}

void p2pd_write_acs_bits_field(struct p2pd_writer *w, const char *key, uint32_t bits)
{
        static const struct {
                uint32_t bit;
                const char *name;
        } names[] = {
                {P2P_ACS_SV, "SV"}, {P2P_ACS_TB, "TB"}, {P2P_ACS_RR, "RR"}, {P2P_ACS_CR, "CR"},
                {P2P_ACS_UF, "UF"}, {P2P_ACS_EC, "EC"}, {P2P_ACS_DT, "DT"},
        };

        p2pd_write_key(w, key);
        p2pd_write_open_array(w);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (bits & names[i].bit)
                        p2pd_write_string(w, names[i].name);
        p2pd_write_close_array(w);
}

void p2pd_write_link_field(struct p2pd_writer *w, const char *key, const struct p2p_function *f)
{
        if (!p2p_fact_is_known(f->link_speed_mts) && !p2p_fact_is_known(f->link_width_lanes) &&
            !p2p_fact_is_known(f->link_speed_max_mts) &&
            !p2p_fact_is_known(f->link_width_max_lanes))
                return;
        p2pd_write_key(w, key);
        p2pd_write_open_object(w);
        p2pd_write_int_fact(w, "speed_mts", f->link_speed_mts);
        p2pd_write_int_fact(w, "width_lanes", f->link_width_lanes);
        p2pd_write_int_fact(w, "max_speed_mts", f->link_speed_max_mts);
        p2pd_write_int_fact(w, "max_width_lanes", f->link_width_max_lanes);
        p2pd_write_close_object(w);
}

void p2pd_write_unknown(struct p2pd_writer *w, const char *fact, enum p2p_why why)
{
        if (why <= P2P_WHY_ABSENT)
                return;
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "fact", fact);
        p2pd_write_string_field(w, "why", p2p_why_to_string(why));
        p2pd_write_close_object(w);
}

void p2pd_write_bar(struct p2pd_writer *w, const struct p2p_bar *bar, uint32_t bar_index)
{
        p2pd_write_open_object(w);
        p2pd_write_uint_field(w, "bar_index", bar_index);
        p2pd_write_string_field(w, "kind", bar->kind == P2P_BAR_IO ? "io" : "memory");
        if (bar->phys_why == P2P_WHY_KNOWN)
                p2pd_write_hex_field(w, "phys_start", bar->phys_start.val, 1);
        if (bar->bus_why == P2P_WHY_KNOWN)
                p2pd_write_hex_field(w, "bus_start", bar->bus_start.val, 1);
        p2pd_write_hex_fact(w, "size_bytes", bar->size_bytes, 1);
        p2pd_write_bool_field(w, "is_64bit", bar->is_64bit);
        p2pd_write_bool_field(w, "prefetchable", bar->prefetchable);
        p2pd_write_bool_field(w, "assigned", bar->assigned);
        p2pd_write_hex_fact(w, "resize_now_bytes", bar->resize_now_bytes, 1);
        p2pd_write_hex_fact(w, "resize_max_bytes", bar->resize_max_bytes, 1);
        p2pd_write_close_object(w);
}

void p2pd_write_verdict_fields(struct p2pd_writer *w, struct p2p_verdict verdict)
{
        if (verdict.distance_hops != P2P_DISTANCE_UNKNOWN)
                p2pd_write_uint_field(w, "distance_hops", verdict.distance_hops);
        p2pd_write_string_field(w, "map", p2pd_map_name(verdict.map));
        p2pd_write_string_field(w, "path", p2p_path_to_string(verdict.path));
        p2pd_write_string_field(w, "reason", p2p_reason_to_string(verdict.reason));
}

void p2pd_write_verdict(struct p2pd_writer *w, struct p2p_verdict verdict)
{
        p2pd_write_open_object(w);
        p2pd_write_verdict_fields(w, verdict);
        p2pd_write_close_object(w);
}

struct p2p_verdict p2pd_verdict_of(const struct p2p_decision *decision)
{
        return (struct p2p_verdict){
                .distance_hops = decision->distance_hops,
                .map = (uint8_t)decision->map,
                .path = (uint8_t)decision->path,
                .reason = (uint8_t)decision->decisive.kind,
        };
}

void p2pd_write_change(struct p2pd_writer *w, const struct p2p_change *change)
{
        p2pd_write_open_object(w);
        p2pd_write_string_field(w, "kind", p2p_change_kind_to_string(change->kind));
        p2pd_write_address_field(w, "function", change->address);
        p2pd_write_key(w, "what");
        p2pd_write_open_array(w);
        for (uint32_t bit = 1; bit != 0; bit <<= 1)
                if (change->what & bit && p2p_changed_to_string(bit))
                        p2pd_write_string(w, p2p_changed_to_string(bit));
        p2pd_write_close_array(w);
        p2pd_write_close_object(w);
}

void p2pd_write_flip(struct p2pd_writer *w, const struct p2p_flip *flip)
{
        p2pd_write_open_object(w);
        p2pd_write_address_field(w, "provider", flip->provider);
        p2pd_write_address_field(w, "client", flip->client);
        p2pd_write_key(w, "before");
        p2pd_write_verdict(w, flip->before);
        p2pd_write_key(w, "after");
        p2pd_write_verdict(w, flip->after);
        p2pd_write_close_object(w);
}
