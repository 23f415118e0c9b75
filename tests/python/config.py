# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bytes of config space of a function of machine.py."""

import struct

import machine as pci

PM_AT, PCIE_AT, SSVID_AT = 0x40, 0x60, 0xb0
AER_AT, ACS_AT, SRIOV_AT, ATS_AT, REBAR_AT, SERIAL_AT = 0x100, 0x148, 0x160, 0x1a0, 0x1b0, 0x200
SPEED_CODES = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}


def hides_extended(bridge):
    """Extended config space ends at every bridge that is no PCIe root port or switch port."""
    return bridge.kind.port_type not in (pci.ROOT_PORT_TYPE, pci.UPSTREAM_TYPE, pci.DOWNSTREAM_TYPE)


def is_hidden(f):
    up = f.parent
    while up is not None:
        if hides_extended(up):
            return True
        up = up.parent
    return False


def natural_length(f):
    """How many bytes the kernel shows to the privileged."""
    return 256 if f.kind.port_type is None or is_hidden(f) else 4096


def _bars(config, at, bars, starts):
    for index, _, is_64bit, prefetchable in bars:
        value = starts[index] | (4 if is_64bit else 0) | (8 if prefetchable else 0)
        struct.pack_into('<Q' if is_64bit else '<I', config, at + 4 * index, value)


def _bridge_header(config, f):
    secondary = f.secondary.number if f.secondary else 0
    last = max([secondary] + [g.bus_number for g in below(f)])
    struct.pack_into('<BBBB', config, 0x18, f.bus_number, secondary, last, 0)
    (low, low_end), (high, high_end) = getattr(f, 'windows', ((0, 0), (0, 0)))
    if low_end > low:
        struct.pack_into('<HH', config, 0x20, low >> 16 & 0xfff0, (low_end - 1) >> 16 & 0xfff0)
    else:
        struct.pack_into('<HH', config, 0x20, 0xfff0, 0)
    if high_end > high:
        struct.pack_into('<HH', config, 0x24, high >> 16 & 0xfff0 | 1,
                         (high_end - 1) >> 16 & 0xfff0 | 1)
        struct.pack_into('<II', config, 0x28, high >> 32, (high_end - 1) >> 32)
    else:
        struct.pack_into('<HH', config, 0x24, 0xfff1, 1)
    struct.pack_into('<BBHHH', config, SSVID_AT, 0x0d, 0, 0, f.kind.vendor, 0x0001)


def _pcie(config, f, following):
    kind = f.kind
    speed, width = SPEED_CODES[kind.speed], kind.width
    struct.pack_into('<BBH', config, PCIE_AT, 0x10, following, 2 | kind.port_type << 4)
    struct.pack_into('<I', config, PCIE_AT + 4, 0x10008001)
    if kind.port_type != pci.INTEGRATED_TYPE:
        struct.pack_into('<I', config, PCIE_AT + 0x0c, speed | width << 4)
        if not f.is_vf:
            struct.pack_into('<H', config, PCIE_AT + 0x12, speed | width << 4)
    struct.pack_into('<H', config, PCIE_AT + 0x28, 0x20 if f.ari else 0)
    struct.pack_into('<I', config, PCIE_AT + 0x2c, ((1 << speed) - 1) << 1)


def _extended(config, f):
    chain = [(AER_AT, 0x0001, 2)]
    if f.acs is not None:
        chain.append((ACS_AT, 0x000d, 1))
        struct.pack_into('<HH', config, ACS_AT + 4, *f.acs)
    if f.total_vfs:
        chain.append((SRIOV_AT, 0x0010, 1))
        struct.pack_into('<IHHHHHHHHHH', config, SRIOV_AT + 4, 0, 0x19, 0, f.total_vfs, f.total_vfs,
                         f.total_vfs, 0, f.vf_offset, f.vf_stride, 0, f.vf_kind.device)
        struct.pack_into('<II', config, SRIOV_AT + 0x1c, 0x553, 1)
        _bars(config, SRIOV_AT + 0x24, f.vf_kind.bars, f.vf_bar_start)
    if f.kind.class_code >> 16 == 3 and f.kind.port_type == pci.ENDPOINT_TYPE:
        chain.append((REBAR_AT, 0x0015, 1))
        struct.pack_into('<II', config, REBAR_AT + 4, 0x3ffff0, 0x22 | 17 << 8)
        struct.pack_into('<I', config, REBAR_AT + 8, 2 | 1 << 5 | 17 << 8)
    for n, (at, ident, version) in enumerate(chain):
        following = chain[n + 1][0] if n + 1 < len(chain) else 0
        struct.pack_into('<I', config, at, ident | version << 16 | following << 20)


def below(f):
    """Every function under a bridge, virtual ones included."""
    found = []
    waiting = list(f.secondary.functions) if f.secondary else []
    while waiting:
        g = waiting.pop()
        found.append(g)
        found.extend(g.virtfns)
        if g.secondary:
            waiting.extend(g.secondary.functions)
    return found


def config_of(f):
    """The config file's bytes, cut to f.config_length where that is set."""
    config = bytearray(4096)
    kind = f.kind
    ids = (0xffff, 0xffff) if f.is_vf else (kind.vendor, kind.device)
    several = not f.is_vf and sum(g.devfn >> 3 == f.devfn >> 3 for g in f.bus.functions) > 1
    struct.pack_into('<HHHH', config, 0, *ids, 0 if f.is_vf else 6, 0x0010)
    struct.pack_into('<I', config, 8, kind.class_code << 8 | 1)
    config[0x0e] = kind.header | (0x80 if several else 0)
    if kind.header == 1:
        _bridge_header(config, f)
    else:
        struct.pack_into('<HH', config, 0x2c, kind.vendor, 0x0001)
        if not f.is_vf:
            _bars(config, 0x10, kind.bars, f.bar_start)
    config[0x34] = PM_AT
    after_pm = PCIE_AT if kind.port_type is not None else (SSVID_AT if kind.header == 1 else 0)
    struct.pack_into('<BBHH', config, PM_AT, 0x01, after_pm, 3, 0x0008)
    if kind.port_type is not None:
        _pcie(config, f, SSVID_AT if kind.header == 1 else 0)
        _extended(config, f)
    length = f.config_length if f.config_length is not None else natural_length(f)
    return bytes(config[:length])
