# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a machine as a captured root, as `p2pctl capture` would, and edits one in place."""

import os
import shutil
import struct

import config as space

IORESOURCE_MEM, PREFETCH, SIZEALIGN, MEM_64 = 0x200, 0x2000, 0x40000, 0x100000
SPEED_TEXT = '{:.1f} GT/s PCIe\n'


class Writer:
    def __init__(self, top):
        self.top = top

    def file(self, path, data):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(fd, data if isinstance(data, bytes) else data.encode())
        finally:
            os.close(fd)

    def tree(self, path, data):
        full = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        self.file(full, data)


def directory_of(f):
    """The function's real directory below sys/."""
    parts = [f.address]
    up = f.parent
    while up is not None:
        parts.append(up.address)
        up = up.parent
    root = f.bus.root
    parts.append(root.name)
    above = directory_of(root.below) if root.below is not None else 'devices'
    return above + '/' + '/'.join(reversed(parts))


def _flags(is_64bit, prefetchable):
    low = (4 if is_64bit else 0) | (8 if prefetchable else 0)
    return (IORESOURCE_MEM | SIZEALIGN | low | (PREFETCH if prefetchable else 0)
            | (MEM_64 if is_64bit else 0))


def _resource(f):
    lines = [(0, 0, 0)] * (17 if f.is_bridge else 13)
    for index, size, is_64bit, prefetchable in f.kind.bars:
        start = f.bar_start[index]
        lines[index] = (start, start + size - 1, _flags(is_64bit, prefetchable))
    if f.total_vfs:
        for index, size, is_64bit, prefetchable in f.vf_kind.bars:
            start = f.vf_bar_start[index]
            lines[7 + index] = (start, start + size * f.total_vfs - 1, _flags(is_64bit, prefetchable))
    for n, (start, end) in enumerate(getattr(f, 'windows', ())):
        if end > start:
            lines[14 + n] = (start, end - 1, IORESOURCE_MEM | (PREFETCH | MEM_64 | 1 if n else 0))
    return ''.join(f'0x{a:016x} 0x{b:016x} 0x{c:016x}\n' for a, b, c in lines)


def _cpus_of(machine, numa):
    per_node = max(1, machine.cpus // machine.nodes)
    node = numa if numa >= 0 else 0
    first = node * per_node
    last = machine.cpus - 1 if numa < 0 else first + per_node - 1
    if numa < 0:
        first = 0
    return first, last


def _masks(machine, numa):
    first, last = _cpus_of(machine, numa)
    mask = ((1 << (last - first + 1)) - 1) << first
    return f'{mask:x}\n', f'{first}-{last}\n' if last > first else f'{first}\n'


def attributes(f):
    """Every plain text attribute of a function, as (name, text)."""
    kind, machine = f.kind, f.machine
    ids = f'v{kind.vendor:08X}d{kind.device:08X}sv{kind.vendor:08X}sd00000001'
    modalias = (f'pci:{ids}bc{kind.class_code >> 16:02X}sc{kind.class_code >> 8 & 0xff:02X}'
                f'i{kind.class_code & 0xff:02X}')
    mask, cpulist = _masks(machine, f.numa)
    driver = f'DRIVER={kind.driver}\n' if kind.driver else ''
    out = [
        ('class', f'0x{kind.class_code:06x}\n'), ('vendor', f'0x{kind.vendor:04x}\n'),
        ('device', f'0x{kind.device:04x}\n'), ('revision', '0x01\n'),
        ('subsystem_vendor', f'0x{kind.vendor:04x}\n'), ('subsystem_device', '0x0001\n'),
        ('resource', _resource(f)), ('numa_node', f'{f.numa}\n'), ('local_cpus', mask),
        ('local_cpulist', cpulist), ('irq', '0\n'), ('enable', '1\n' if kind.driver else '0\n'),
        ('msi_bus', '1\n'), ('power_state', 'D0\n'), ('modalias', modalias + '\n'),
        ('dma_mask_bits', f'{f.dma_mask}\n'), ('consistent_dma_mask_bits', f'{f.dma_mask}\n'),
        ('ari_enabled', '1\n' if f.parent is not None and f.parent.ari else '0\n'),
        ('uevent', f'{driver}PCI_CLASS={kind.class_code:X}\nPCI_ID={kind.vendor:04X}:'
                   f'{kind.device:04X}\nPCI_SUBSYS_ID={kind.vendor:04X}:0001\n'
                   f'PCI_SLOT_NAME={f.address}\nMODALIAS={modalias}\n'),
    ]
    if kind.port_type not in (None, 9):
        speed = 'Unknown\n' if f.is_vf else SPEED_TEXT.format(kind.speed)
        out += [('max_link_speed', SPEED_TEXT.format(kind.speed)), ('max_link_width', f'{kind.width}\n'),
                ('current_link_speed', speed),
                ('current_link_width', '0\n' if f.is_vf else f'{kind.width}\n')]
    if f.is_bridge:
        secondary = f.secondary.number if f.secondary else 0
        last = max([secondary] + [g.bus_number for g in space.below(f)])
        out += [('secondary_bus_number', f'{secondary}\n'), ('subordinate_bus_number', f'{last}\n')]
    if f.total_vfs:
        out += [('sriov_totalvfs', f'{f.total_vfs}\n'), ('sriov_numvfs', f'{f.total_vfs}\n'),
                ('sriov_offset', f'{f.vf_offset}\n'), ('sriov_stride', f'{f.vf_stride}\n'),
                ('sriov_vf_device', f'{f.vf_kind.device:x}\n')]
    return out


def write_function(w, f):
    here = directory_of(f)
    full = os.path.join(w.top, 'sys', here)
    os.makedirs(full)
    for name, text in attributes(f):
        w.file(f'{full}/{name}', text)
    w.file(f'{full}/config', space.config_of(f))
    up = '../' * (here.count('/') + 1)
    os.symlink(f'{up}bus/pci', f'{full}/subsystem')
    if f.kind.driver:
        os.symlink(f'{up}bus/pci/drivers/{f.kind.driver}', f'{full}/driver')
    if f.group is not None:
        os.symlink(f'{up}kernel/iommu_groups/{f.group}', f'{full}/iommu_group')
    if f.is_vf:
        os.symlink(f'../{f.physfn.address}', f'{full}/physfn')
    for n, vf in enumerate(f.virtfns):
        os.symlink(f'../{vf.address}', f'{full}/virtfn{n}')
    for where, name in f.names:
        os.makedirs(f'{full}/{where}/{name}')
    if f.p2pmem is not None:
        os.makedirs(f'{full}/p2pmem')
        for name, value in (('size', f.p2pmem), ('available', f.p2pmem), ('published', 1)):
            w.file(f'{full}/p2pmem/{name}', f'{value}\n')
    os.symlink(f'../../../{here}', f'{w.top}/sys/bus/pci/devices/{f.address}')


def _write_groups(w, machine):
    for f in machine.functions:
        if f.group is None:
            continue
        base = f'sys/kernel/iommu_groups/{f.group}'
        w.tree(f'{base}/type', 'DMA\n')
        w.tree(f'{base}/reserved_regions', '0x00000000fee00000 0x00000000feefffff msi\n')
        os.makedirs(f'{w.top}/{base}/devices', exist_ok=True)
        os.symlink(f'../../../../{directory_of(f)}', f'{w.top}/{base}/devices/{f.address}')


def _write_platform(w, machine):
    cpuinfo = []
    for n in range(machine.cpus):
        cpuinfo.append(f'processor\t: {n}\nvendor_id\t: {machine.cpu_vendor}\n'
                       f'cpu family\t: {machine.cpu_family}\nmodel\t\t: {machine.cpu_model}\n'
                       f'model name\t: Generated CPU\nstepping\t: 1\nphysical id\t: 0\n'
                       f'core id\t\t: {n}\n\n')
    w.tree('proc/cpuinfo', ''.join(cpuinfo))
    w.tree('proc/cmdline', 'quiet\n')
    w.tree('proc/version', f'Linux version {machine.kernel} (generated) #1 SMP\n')
    every = f'0-{machine.cpus - 1}\n'
    for name in ('online', 'possible', 'present'):
        w.tree(f'sys/devices/system/cpu/{name}', every)
    w.tree('sys/devices/system/node/online', f'0-{machine.nodes - 1}\n')
    for n in range(machine.cpus):
        base = f'sys/devices/system/cpu/cpu{n}/topology'
        node = min(n // max(1, machine.cpus // machine.nodes), machine.nodes - 1)
        for name, text in (('core_id', n), ('physical_package_id', node),
                           ('thread_siblings', f'{1 << n:x}'), ('core_cpus', f'{1 << n:x}'),
                           ('core_siblings', _masks(machine, node)[0].strip()),
                           ('package_cpus', _masks(machine, node)[0].strip())):
            w.tree(f'{base}/{name}', f'{text}\n')
    for n in range(machine.nodes):
        mask, cpulist = _masks(machine, n)
        base = f'sys/devices/system/node/node{n}'
        w.tree(f'{base}/cpumap', mask)
        w.tree(f'{base}/cpulist', cpulist)
        w.tree(f'{base}/meminfo', f'Node {n} MemTotal: 67108864 kB\n')
        w.tree(f'{base}/distance',
               ' '.join('10' if n == o else '20' for o in range(machine.nodes)) + '\n')


def write(machine, top):
    """Writes the whole root below top, which must not have a sys or proc yet."""
    machine.place()
    w = Writer(top)
    os.makedirs(f'{top}/sys/bus/pci/devices')
    os.makedirs(f'{top}/sys/devices', exist_ok=True)
    for f in machine.functions:
        write_function(w, f)
    _write_groups(w, machine)
    _write_platform(w, machine)


def path_of(top, address, name=''):
    """Where a function's files are in a written root."""
    here = os.path.realpath(f'{top}/sys/bus/pci/devices/{address}')
    return f'{here}/{name}' if name else here


def set_acs_control(top, address, control, at=space.ACS_AT):
    """Turns ACS bits in a captured config file, as setpci would in the register."""
    with open(path_of(top, address, 'config'), 'r+b') as file:
        file.seek(at)
        header = struct.unpack('<I', file.read(4))[0]
        if header & 0xffff != 0x000d:
            raise ValueError(f'{address} has no ACS capability at {at:#x}')
        file.seek(at + 6)
        file.write(struct.pack('<H', control))


def remove_function(top, address):
    """Unplugs a function, with what hangs below it."""
    shutil.rmtree(path_of(top, address))
    os.unlink(f'{top}/sys/bus/pci/devices/{address}')


def set_serial(top, address, serial, at=space.SERIAL_AT):
    """Gives a function's captured config file a Device Serial Number capability, or another number."""
    with open(path_of(top, address, 'config'), 'r+b') as file:
        config = bytearray(file.read())
        where = 0x100
        while where != at:
            header = struct.unpack_from('<I', config, where)[0]
            if header >> 20 == 0:
                struct.pack_into('<I', config, where, header | at << 20)
            where = struct.unpack_from('<I', config, where)[0] >> 20
        struct.pack_into('<IQ', config, at, 0x0003 | 1 << 16, serial)
        file.seek(0)
        file.write(config)
