/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/what-if.h"

const char *p2p_edit_kind_to_string(enum p2p_edit_kind kind)
{
        static const char *const names[P2P_EDIT_KIND_MAX] = {
                [P2P_EDIT_ACS] = "acs",   [P2P_EDIT_IOMMU] = "iommu", [P2P_EDIT_KERNEL] = "kernel",
                [P2P_EDIT_MOVE] = "move", [P2P_EDIT_LINK] = "link",
        };

        return kind < P2P_EDIT_KIND_MAX ? names[kind] : NULL;
}

static const struct {
        const char *name, *sentence;
} errors[P2P_WHAT_IF_E_MAX] = {
        [P2P_WHAT_IF_E_SYNTAX] = {"syntax", "The edit is not of a known form."},
        [P2P_WHAT_IF_E_UNKNOWN_KEY] = {"unknown-key",
                                       "Edits are acs, iommu, kernel, move and link."},
        [P2P_WHAT_IF_E_UNKNOWN_BIT] = {"unknown-bit",
                                       "ACS is off, on, or bits of SV, TB, RR, CR, UF, EC, DT."},
        [P2P_WHAT_IF_E_UNKNOWN_MODE] = {"unknown-mode",
                                        "The IOMMU is off, translated or passthrough."},
        [P2P_WHAT_IF_E_BAD_RELEASE] = {"bad-release",
                                       "A kernel release is MAJOR.MINOR or MAJOR.MINOR.PATCH."},
        [P2P_WHAT_IF_E_BAD_LINK] = {"bad-link",
                                    "A link is a PCI Express speed, a width, or both: 16GT/sx8."},
        [P2P_WHAT_IF_E_NO_SUCH_FUNCTION] = {"no-such-function",
                                            "No function of this machine has that name."},
        [P2P_WHAT_IF_E_AMBIGUOUS] = {"ambiguous", "Several functions have that name."},
        [P2P_WHAT_IF_E_NO_ACS] = {"no-acs", "The function has no ACS capability."},
        [P2P_WHAT_IF_E_NOT_CAPABLE] = {"not-capable",
                                       "The function's ACS capability does not list that bit."},
        [P2P_WHAT_IF_E_NOT_A_PORT] = {"not-a-port",
                                      "A device can hang only on a root port or downstream port."},
        [P2P_WHAT_IF_E_NOT_MOVABLE] = {"not-movable",
                                       "The function is virtual, integrated, or no PCI Express "
                                       "device whose place is known."},
        [P2P_WHAT_IF_E_OCCUPIED] = {"occupied", "Another device hangs on that port."},
        [P2P_WHAT_IF_E_LOOP] = {"loop", "The port is below what is to be moved."},
        [P2P_WHAT_IF_E_NO_LINK] = {"no-link",
                                   "The function has no PCI Express link with a device at its "
                                   "end."},
        [P2P_WHAT_IF_E_NO_BUS] = {"no-bus", "No bus number is left in that segment."},
        [P2P_WHAT_IF_E_TOO_MANY] = {"too-many", "There are too many edits at once."},
};

const char *p2p_what_if_error_to_string(int error)
{
        return error > 0 && error < P2P_WHAT_IF_E_MAX ? errors[error].name : NULL;
}

const char *p2p_what_if_error_text(int error)
{
        return error > 0 && error < P2P_WHAT_IF_E_MAX ? errors[error].sentence : NULL;
}
