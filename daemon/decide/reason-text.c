/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "decide/explain.h"
#include "decide/text.h"

/* What host bridges are called by: "pci0000:40 (first function 0000:40:00.0, 8086:29c0)". */
#define ROOT_TEXT_MAX 120U

static const char *root_text(const struct p2p_machine *m, uint32_t function,
                             char buf[static ROOT_TEXT_MAX])
{
        char address[P2P_ADDRESS_STRING_MAX], ids[16] = "ids unknown";
        const struct p2p_function *f;

        if (function >= m->n_functions) {
                (void)snprintf(buf, ROOT_TEXT_MAX, "the host bridge (no function on its root bus)");
                return buf;
        }
        f = &m->functions[function];
        if (p2p_fact_is_known(f->vendor) && p2p_fact_is_known(f->device))
                (void)snprintf(ids, sizeof(ids), "%04x:%04x", (unsigned)f->vendor.val & 0xffffU,
                               (unsigned)f->device.val & 0xffffU);
        (void)snprintf(
                buf, ROOT_TEXT_MAX, "host bridge pci%04" PRIx32 ":%02x (first function %s, %s)",
                f->address.segment, f->address.bus, p2p_address_format(f->address, address), ids);
        return buf;
}

static const char *row_name(uint32_t row)
{
        const struct p2p_host_bridge_rule *rows;
        uint32_t n;

        rows = p2p_host_bridge_rules(&n);
        return row < n ? rows[row].name : "?";
}

static void format_host_bridge(const struct p2p_machine *m, const struct p2p_reason *reason,
                               char *buf, size_t size)
{
        char root[ROOT_TEXT_MAX];

        root_text(m, reason->function, root);
        switch (reason->kind) {
        case P2P_REASON_HOST_BRIDGE_LISTED:
                (void)snprintf(buf, size, "%s is on the kernel's list of accepted ones: %s", root,
                               row_name(reason->detail));
                break;
        case P2P_REASON_HOST_BRIDGE_SAME_ONLY:
                (void)snprintf(buf, size,
                               "%s is accepted (%s) only for two functions below the same host "
                               "bridge, and these are below different ones",
                               root, row_name(reason->detail));
                break;
        case P2P_REASON_HOST_BRIDGE_NOT_LISTED:
                (void)snprintf(buf, size, "%s is not on the kernel's list of accepted ones", root);
                break;
        case P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE:
                (void)snprintf(buf, size,
                               "%s cannot be looked up on the kernel's list: the first function of "
                               "a root bus counts only if it is device 00.0 or a root port",
                               root);
                break;
        default:
                (void)snprintf(buf, size,
                               "%s cannot be looked up on the kernel's list, its identity is "
                               "unknown: %s",
                               root, p2p_text_why((enum p2p_why)reason->detail));
        }
}

static void format_acs(const struct p2p_machine *m, const struct p2p_reason *reason, char *buf,
                       size_t size)
{
        char function[P2P_TEXT_FUNCTION_MAX], bits[P2P_TEXT_BITS_MAX];

        p2p_text_function(m, reason->function, function);
        if (reason->kind == P2P_REASON_ACS_REDIRECT)
                (void)snprintf(buf, size,
                               "ACS at %s redirects: %s set, peer traffic goes up to the host "
                               "bridge",
                               function, p2p_text_bits(reason->detail, bits));
        else if (reason->kind == P2P_REASON_ACS_UNREADABLE)
                (void)snprintf(buf, size, "ACS control of %s is unknown: %s", function,
                               p2p_text_why((enum p2p_why)reason->detail));
        else
                (void)snprintf(
                        buf, size,
                        "extended config space of %s cannot be reached: the kernel will take "
                        "it as having no ACS, while the hardware may redirect",
                        function);
}

static void format_place(const struct p2p_machine *m, const struct p2p_reason *reason, char *buf,
                         size_t size)
{
        char function[P2P_TEXT_FUNCTION_MAX], root[ROOT_TEXT_MAX];

        p2p_text_function(m, reason->function, function);
        switch (reason->kind) {
        case P2P_REASON_PARENT_MISSING:
                (void)snprintf(buf, size, "what %s hangs on is unknown: %s", function,
                               p2p_text_why((enum p2p_why)reason->detail));
                break;
        case P2P_REASON_SAME_FUNCTION:
                (void)snprintf(buf, size, "provider and client are the same function, %s",
                               function);
                break;
        case P2P_REASON_COMMON_BRIDGE:
                (void)snprintf(buf, size, "the first common element upstream is %s", function);
                break;
        case P2P_REASON_NO_COMMON_BRIDGE:
                (void)snprintf(buf, size,
                               "there is no common bridge: the traffic goes through the host "
                               "bridge");
                break;
        case P2P_REASON_SAME_HOST_BRIDGE:
                (void)snprintf(buf, size, "both are below %s",
                               root_text(m, reason->function, root));
                break;
        default:
                (void)snprintf(buf, size, "they are below different host bridges");
        }
}

static void format_platform(const struct p2p_machine *m, const struct p2p_reason *reason, char *buf,
                            size_t size)
{
        char release[P2P_RELEASE_STRING_MAX];

        if (reason->kind == P2P_REASON_CPU_ALLOWS)
                (void)snprintf(buf, size,
                               "the CPU (%s, family 0x%" PRIx64 ") is AMD Zen or newer: the kernel "
                               "accepts every way through its host bridges",
                               m->cpu_vendor_text ? m->cpu_vendor_text : "AMD", m->cpu_family.val);
        else if (reason->kind == P2P_REASON_CPU_UNKNOWN)
                (void)snprintf(buf, size,
                               "the CPU is unknown, and with AMD Zen or newer the kernel would "
                               "accept the host bridge: %s",
                               p2p_text_why((enum p2p_why)reason->detail));
        else if (reason->detail == P2P_RELEASE_P2PDMA)
                (void)snprintf(buf, size, "the kernel has no p2pdma: that came with Linux %s",
                               p2p_release_format(reason->detail, release));
        else
                (void)snprintf(buf, size,
                               "the kernel cannot map through a host bridge: that came with Linux "
                               "%s",
                               p2p_release_format(reason->detail, release));
}

const char *p2p_reason_format(const struct p2p_machine *m, const struct p2p_reason *reason,
                              char *buf, size_t size)
{
        switch (reason->kind) {
        case P2P_REASON_PARENT_MISSING:
        case P2P_REASON_SAME_FUNCTION:
        case P2P_REASON_COMMON_BRIDGE:
        case P2P_REASON_NO_COMMON_BRIDGE:
        case P2P_REASON_SAME_HOST_BRIDGE:
        case P2P_REASON_OTHER_HOST_BRIDGE:
                format_place(m, reason, buf, size);
                break;
        case P2P_REASON_ACS_REDIRECT:
        case P2P_REASON_ACS_UNREADABLE:
        case P2P_REASON_ACS_HIDDEN_FROM_KERNEL:
                format_acs(m, reason, buf, size);
                break;
        case P2P_REASON_HOST_BRIDGE_LISTED:
        case P2P_REASON_HOST_BRIDGE_SAME_ONLY:
        case P2P_REASON_HOST_BRIDGE_NOT_LISTED:
        case P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE:
        case P2P_REASON_HOST_BRIDGE_UNREADABLE:
                format_host_bridge(m, reason, buf, size);
                break;
        case P2P_REASON_CPU_ALLOWS:
        case P2P_REASON_CPU_UNKNOWN:
        case P2P_REASON_KERNEL_TOO_OLD:
                format_platform(m, reason, buf, size);
                break;
        case P2P_REASON_BAR_OVERLAP:
                (void)snprintf(buf, size, "several BARs claim the same addresses");
                break;
        case P2P_REASON_BAR_RANGE_UNKNOWN:
                (void)snprintf(buf, size, "the addresses of a BAR are unknown");
                break;
        case P2P_REASON_NONE:
        case P2P_REASON_MAX:
                (void)snprintf(buf, size, "no reason");
        }
        return buf;
}
