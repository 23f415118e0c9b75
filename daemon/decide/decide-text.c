/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "decide/decide.h"

/* The stable names of the decision's enumerations, as they stand in the protocol. */

const char *p2p_map_to_string(enum p2p_map map)
{
        static const char *const names[P2P_MAP_MAX] = {
                [P2P_MAP_REGULAR] = "regular",         [P2P_MAP_BUS] = "bus",
                [P2P_MAP_HOST_BRIDGE] = "host-bridge", [P2P_MAP_NONE] = "none",
                [P2P_MAP_UNKNOWN] = "unknown",
        };

        return map < P2P_MAP_MAX ? names[map] : NULL;
}

const char *p2p_path_to_string(enum p2p_path path)
{
        static const char *const names[P2P_PATH_MAX] = {
                [P2P_PATH_LOC] = "LOC",         [P2P_PATH_PIX] = "PIX",   [P2P_PATH_PXB] = "PXB",
                [P2P_PATH_PHB] = "PHB",         [P2P_PATH_NODE] = "NODE", [P2P_PATH_SYS] = "SYS",
                [P2P_PATH_UNKNOWN] = "unknown",
        };

        return path < P2P_PATH_MAX ? names[path] : NULL;
}

const char *p2p_reason_to_string(enum p2p_reason_kind kind)
{
        static const char *const names[P2P_REASON_MAX] = {
                [P2P_REASON_NONE] = "none",
                [P2P_REASON_PARENT_MISSING] = "parent-missing",
                [P2P_REASON_SAME_FUNCTION] = "same-function",
                [P2P_REASON_COMMON_BRIDGE] = "common-bridge",
                [P2P_REASON_NO_COMMON_BRIDGE] = "no-common-bridge",
                [P2P_REASON_ACS_REDIRECT] = "acs-redirect",
                [P2P_REASON_ACS_UNREADABLE] = "acs-unreadable",
                [P2P_REASON_ACS_HIDDEN_FROM_KERNEL] = "acs-hidden-from-kernel",
                [P2P_REASON_SAME_HOST_BRIDGE] = "same-host-bridge",
                [P2P_REASON_OTHER_HOST_BRIDGE] = "other-host-bridge",
                [P2P_REASON_CPU_ALLOWS] = "cpu-allows",
                [P2P_REASON_CPU_UNKNOWN] = "cpu-unknown",
                [P2P_REASON_HOST_BRIDGE_LISTED] = "host-bridge-listed",
                [P2P_REASON_HOST_BRIDGE_SAME_ONLY] = "host-bridge-same-only",
                [P2P_REASON_HOST_BRIDGE_NOT_LISTED] = "host-bridge-not-listed",
                [P2P_REASON_HOST_BRIDGE_NO_REPRESENTATIVE] = "host-bridge-no-representative",
                [P2P_REASON_HOST_BRIDGE_UNREADABLE] = "host-bridge-unreadable",
                [P2P_REASON_KERNEL_TOO_OLD] = "kernel-too-old",
                [P2P_REASON_BAR_OVERLAP] = "bar-overlap",
                [P2P_REASON_BAR_RANGE_UNKNOWN] = "bar-range-unknown",
        };

        return kind < P2P_REASON_MAX ? names[kind] : NULL;
}

const char *p2p_effect_to_string(enum p2p_effect effect)
{
        static const char *const names[P2P_EFFECT_MAX] = {
                [P2P_EFFECT_INFORMS] = "informs",     [P2P_EFFECT_ALLOWS] = "allows",
                [P2P_EFFECT_REDIRECTS] = "redirects", [P2P_EFFECT_REFUSES] = "refuses",
                [P2P_EFFECT_UNKNOWN] = "unknown",
        };

        return effect < P2P_EFFECT_MAX ? names[effect] : NULL;
}
