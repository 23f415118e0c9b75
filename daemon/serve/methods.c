/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/methods.h"

#include "serve/interface-text.h"

static const struct p2pd_method service_methods[] = {
        {"GetInfo", p2pd_method_get_info, 0},
        {"GetInterfaceDescription", p2pd_method_get_interface_description, 0},
};

static const struct p2pd_method p2pd_methods[] = {
        {"GetDistance", p2pd_method_get_distance, 0},
        {"Map", p2pd_method_map, 0},
        {"Explain", p2pd_method_explain, 0},
        {"Check", p2pd_method_check, 0},
        {"GetMatrix", p2pd_method_get_matrix, 0},
        {"GetPairs", p2pd_method_get_pairs, P2PD_METHOD_NEEDS_MORE},
        {"ListFunctions", p2pd_method_list_functions, 0},
        {"ListBars", p2pd_method_list_bars, 0},
        {"GetStatus", p2pd_method_get_status, 0},
        {"RegisterBar", p2pd_method_register_bar, P2PD_METHOD_CHANGES},
        {"UnregisterBar", p2pd_method_unregister_bar, P2PD_METHOD_CHANGES},
        {"AttachTable", p2pd_method_attach_table, 0},
        {"FollowTable", p2pd_method_follow_table, 0},
        {"Monitor", p2pd_method_monitor, P2PD_METHOD_NEEDS_MORE},
        {"Rescan", p2pd_method_rescan, P2PD_METHOD_CHANGES},
        {"Place", p2pd_method_place, 0},
        {"FindProvider", p2pd_method_find_provider, 0},
        {"TakeLease", p2pd_method_take_lease, P2PD_METHOD_CHANGES},
        {"RenewLease", p2pd_method_renew_lease, P2PD_METHOD_CHANGES},
        {"ReleaseLease", p2pd_method_release_lease, P2PD_METHOD_CHANGES},
        {"ListLeases", p2pd_method_list_leases, 0},
        {"WatchLeases", p2pd_method_watch_leases, P2PD_METHOD_NEEDS_MORE},
        {"PlanAcs", p2pd_method_plan_acs, 0},
        {"VerifyAcs", p2pd_method_verify_acs, 0},
        {"WhatIf", p2pd_method_what_if, 0},
        {"ReportVerification", p2pd_method_report_verification, P2PD_METHOD_CHANGES},
};

static const struct p2pd_interface interfaces[] = {
        {
                .name = "io.p2pd",
                .description = p2pd_interface_text_io_p2pd,
                .methods = p2pd_methods,
                .n_methods = sizeof(p2pd_methods) / sizeof(p2pd_methods[0]),
        },
        {
                .name = "org.varlink.service",
                .description = p2pd_interface_text_org_varlink_service,
                .methods = service_methods,
                .n_methods = sizeof(service_methods) / sizeof(service_methods[0]),
        },
};

const struct p2pd_interface *p2pd_interfaces(size_t *ret_n)
{
        *ret_n = sizeof(interfaces) / sizeof(interfaces[0]);
        return interfaces;
}

const struct p2pd_interface *p2pd_interface_find(struct p2pd_text name)
{
        for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++)
                if (p2pd_text_equal(name, interfaces[i].name))
                        return &interfaces[i];
        return NULL;
}

const struct p2pd_method *p2pd_method_find(const struct p2pd_interface *interface,
                                           struct p2pd_text name)
{
        for (size_t i = 0; i < interface->n_methods; i++)
                if (p2pd_text_equal(name, interface->methods[i].name))
                        return &interface->methods[i];
        return NULL;
}
