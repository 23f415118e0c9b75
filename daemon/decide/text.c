/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/text.h"

#include <inttypes.h>
#include <stdio.h>

const char *p2p_text_bits(uint32_t bits, char buf[static P2P_TEXT_BITS_MAX])
{
        (void)snprintf(buf, P2P_TEXT_BITS_MAX, "%s%s%s", bits & P2P_ACS_RR ? "RR " : "",
                       bits & P2P_ACS_CR ? "CR " : "", bits & P2P_ACS_EC ? "EC " : "");
        for (char *end = buf; *end; end++)
                if (end[0] == ' ' && end[1] == '\0') {
                        *end = '\0';
                        break;
                }
        return buf;
}

const char *p2p_text_size(uint64_t bytes, char buf[static P2P_TEXT_SIZE_MAX])
{
        static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        unsigned unit = 0;

        while (bytes >= 1024 && bytes % 1024 == 0) {
                bytes /= 1024;
                unit++;
        }
        (void)snprintf(buf, P2P_TEXT_SIZE_MAX, "%" PRIu64 " %s", bytes, units[unit]);
        return buf;
}

static const char *port_word(const struct p2p_function *f)
{
        if (f->is_vf)
                return "virtual function ";
        if (!p2p_fact_is_known(f->port_type))
                return p2p_fact_is_absent(f->port_type) ? "conventional PCI function " : "";
        switch (f->port_type.val) {
        case P2P_PORT_ENDPOINT:
        case P2P_PORT_LEGACY_ENDPOINT:
                return "endpoint ";
        case P2P_PORT_ROOT_PORT:
                return "root port ";
        case P2P_PORT_UPSTREAM:
                return "switch upstream port ";
        case P2P_PORT_DOWNSTREAM:
                return "switch downstream port ";
        case P2P_PORT_PCIE_TO_PCI:
        case P2P_PORT_PCI_TO_PCIE:
                return "bridge ";
        case P2P_PORT_INTEGRATED_ENDPOINT:
                return "integrated endpoint ";
        }
        return "";
}

const char *p2p_text_function(const struct p2p_machine *m, uint32_t function,
                              char buf[static P2P_TEXT_FUNCTION_MAX])
{
        char address[P2P_ADDRESS_STRING_MAX];

        if (function >= m->n_functions) {
                (void)snprintf(buf, P2P_TEXT_FUNCTION_MAX, "the function");
                return buf;
        }
        (void)snprintf(buf, P2P_TEXT_FUNCTION_MAX, "%s%s", port_word(&m->functions[function]),
                       p2p_address_format(m->functions[function].address, address));
        return buf;
}

const char *p2p_text_why(enum p2p_why why)
{
        switch (why) {
        case P2P_WHY_NOT_IN_SOURCE:
                return "this kind of source does not carry it";
        case P2P_WHY_NO_FILE:
                return "the file that would tell does not exist";
        case P2P_WHY_NO_PRIVILEGE:
                return "reading it takes privilege";
        case P2P_WHY_NOT_CAPTURED:
                return "the capture does not contain it";
        case P2P_WHY_HIDDEN:
                return "only 256 bytes of its config space can be reached";
        case P2P_WHY_ALL_ONES:
                return "it reads all ones: powered down or gone";
        case P2P_WHY_MALFORMED:
                return "what was read makes no sense";
        case P2P_WHY_NOT_REPORTED:
                return "the platform does not report it";
        case P2P_WHY_IO_ERROR:
                return "reading it failed";
        case P2P_WHY_GONE:
                return "the function vanished while it was read";
        case P2P_WHY_READER_LOST:
                return "the process that reads config space is gone";
        case P2P_WHY_KNOWN:
        case P2P_WHY_ABSENT:
        case P2P_WHY_MAX:
                break;
        }
        return "it does not exist";
}
