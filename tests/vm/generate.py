# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random but valid PCIe machines, as descriptions for the oracle module (oracle/oracle.h).

The same seed gives the same machine. What a verdict ought to be is not known here: the kernel that
enumerates the machine says it.
"""

import random
import struct

MAGIC = b'P2PDHB1\n'
ROOT_PORT, UPSTREAM, DOWNSTREAM, TO_PCI, FROM_PCI = 4, 5, 6, 7, 8
ENDPOINT, LEGACY, INTEGRATED, COLLECTOR = 0, 1, 9, 10
PCIE_AT, PCIX_AT, AER_AT, ACS_AT, SRIOV_AT = 0x40, 0xa0, 0x100, 0x148, 0x180
CLASSES = (0x030200, 0x030000, 0x020000, 0x020700, 0x010802, 0x120000, 0x050200, 0x088000, 0x0c8000)
# Ids of no real product: no driver's, no quirk's.
VENDOR, PLAIN, VIRTUAL = 0x1f1f, 0x0100, 0x0101
SEGMENTS = (0, 0, 1, 2, 0x7f, 0x10000, 0x10001, 0x7ffffff0)
# What stands first on a root bus: vendor, device, devfn, is it a root port. None: nothing but what follows.
FIRST = (
    (0x8086, 0x09a2, 0x00, False), (0x8086, 0x2020, 0x00, False), (0x8086, 0x2030, 0x00, True),
    (0x8086, 0x2f00, 0x00, False), (0x8086, 0x3c00, 0x00, False), (0x8086, 0x2f01, 0x00, True),
    (0x8086, 0x1237, 0x00, False), (0x1022, 0x1450, 0x00, False), (0x8086, 0x0b25, 0x00, False),
    (0x1ae0, 0x0042, 0x00, False), (0x8086, 0x2031, 0x08, True), (0x8086, 0x2032, 0x10, True),
    (0x8086, 0x09a2, 0x08, False), (0x8086, 0x4940, 0x08, False), (0x10de, 0x2f95, 0x00, True), None,
)
ACS_CONTROLS = (0, 0, 0, 0x1d, 0x1d, 0x04, 0x08, 0x20, 0x0c, 0x11, 0x40, 0x5d, 0x13, 0x02, 0x50)


class Function:
    def __init__(self, bus, devfn, class_code, port=None, vendor=VENDOR, device=PLAIN):
        self.bus, self.devfn, self.class_code, self.port = bus, devfn, class_code, port
        self.vendor, self.device = vendor, device
        self.bridge = None          # (secondary, subordinate)
        self.acs = None             # (capability, control)
        self.acs_at = ACS_AT
        self.config_bytes = 4096 if port is not None else 256
        self.multi = False
        self.pcix = 0               # PCI-X status of a bridge that has that capability
        self.n_vfs, self.vf_offset, self.vf_stride = 0, 0, 0
        self.is_vf = False
        self.bar = None             # (start, size, 64-bit)
        self.writable = {}


def _put(f, config, offset, value, mask=0):
    struct.pack_into('<I', config, offset, value)
    if mask:
        f.writable[offset] = mask


def _header(f, config):
    ids = 0xffffffff if f.is_vf else f.vendor | f.device << 16
    _put(f, config, 0x00, ids)
    _put(f, config, 0x04, 0x00100000 | (0 if f.is_vf else 6), 0x0547)
    _put(f, config, 0x08, f.class_code << 8 | 1)
    _put(f, config, 0x0c, (0x00810000 if f.multi else 0x00010000) & (0xffff0000 if f.bridge else 0xfffeffff))
    if f.bridge:
        _put(f, config, 0x18, f.bus | f.bridge[0] << 8 | f.bridge[1] << 16, 0x00ffffff)
        _put(f, config, 0x1c, 0x000000f0)
        _put(f, config, 0x20, 0x0000fff0)
        _put(f, config, 0x24, 0x0001fff1)
        _put(f, config, 0x3c, 0, 0xffff0000)
    else:
        _put(f, config, 0x2c, 0x00021f1f)
        if f.bar:
            start, size, wide = f.bar
            _put(f, config, 0x10, start & 0xfffffff0 | (0xc if wide else 0), -size & 0xfffffff0)
            if wide:
                _put(f, config, 0x14, start >> 32, 0xffffffff)


def _pcie(f, config):
    if f.pcix:
        config[0x34] = PCIX_AT
        _put(f, config, PCIX_AT, 0x07)
        _put(f, config, PCIX_AT + 4, f.pcix)
    if f.port is None:
        return
    config[0x34] = PCIE_AT
    _put(f, config, PCIE_AT, 0x10 | (PCIX_AT << 8 if f.pcix else 0) | (2 | f.port << 4) << 16)
    _put(f, config, PCIE_AT + 4, 0x10008001)
    _put(f, config, PCIE_AT + 8, 0, 0x0000ffff)
    if f.port != INTEGRATED:
        _put(f, config, PCIE_AT + 0x0c, 4 | 16 << 4)
        _put(f, config, PCIE_AT + 0x10, (4 | 8 << 4) << 16, 0x0000ffff)
    _put(f, config, PCIE_AT + 0x24, 0x20)
    _put(f, config, PCIE_AT + 0x28, 0, 0x0000ffff)
    _put(f, config, PCIE_AT + 0x2c, 0x1e)


def _extended(f, config):
    if f.port is None:
        return
    chain = [(AER_AT, 0x0001, 2)]
    if f.acs:
        chain.append((f.acs_at, 0x000d, 1))
        _put(f, config, f.acs_at + 4, f.acs[0] | f.acs[1] << 16, (f.acs[0] & 0xff) << 16)
    if f.n_vfs:
        chain.append((SRIOV_AT, 0x0010, 1))
        _put(f, config, SRIOV_AT + 0x08, 0, 0x19)
        _put(f, config, SRIOV_AT + 0x0c, f.n_vfs | f.n_vfs << 16)
        _put(f, config, SRIOV_AT + 0x10, (f.devfn & 7) << 16, 0xffff)
        _put(f, config, SRIOV_AT + 0x14, f.vf_offset | f.vf_stride << 16)
        _put(f, config, SRIOV_AT + 0x18, VIRTUAL << 16)
        _put(f, config, SRIOV_AT + 0x1c, 0x553)
        _put(f, config, SRIOV_AT + 0x20, 1, 0xffffffff)
    for n, (at, ident, version) in enumerate(chain):
        following = chain[n + 1][0] if n + 1 < len(chain) else 0
        _put(f, config, at, ident | version << 16 | following << 20)


def _record(f):
    config = bytearray(4096)
    f.writable = {}
    _header(f, config)
    _pcie(f, config)
    if f.config_bytes > 256:
        _extended(f, config)
    head = struct.pack('<BBHHH', f.bus, f.devfn, f.config_bytes, len(f.writable), f.n_vfs)
    return (head + bytes(config[:f.config_bytes])
            + b''.join(struct.pack('<HHI', at, 0, mask) for at, mask in f.writable.items()))


class Host:
    def __init__(self, segment, start, node):
        self.segment, self.start, self.node = segment, start, node
        self.end = start
        self.parent = None          # (segment, bus, devfn)
        self.is_hidden = False
        self.functions = []

    def record(self):
        segment, bus, devfn = self.parent or (0, 0, 0)
        return (struct.pack('<IIBBBBBBhI', self.segment, segment, bus, devfn, self.parent is not None, self.start,
                            self.end, 0, self.node, len(self.functions)) + b''.join(map(_record, self.functions)))


class Generator:
    def __init__(self, seed, nodes=1, with_iommu=False):
        self.random = random.Random(seed)
        # The Intel driver looks at 16 bits of the segment, takes such functions for its own and then fails on a null
        # pointer (7.3): where there is an IOMMU, none plays in a segment that looks like the emulator's.
        self.segments = [segment for segment in SEGMENTS if segment & 0xffff or not with_iommu]
        self.hosts = []
        self.host = None
        self.nodes = nodes
        self.bar_next = 0x80_0000_0000
        self.next_bus = 0
        self.physical = 0

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def machine(self):
        """Fills self.hosts."""
        taken = {}
        for _ in range(self.random.randint(1, 4)):
            segment = self.random.choice(self.segments)
            start = taken.get(segment, 0x40 if segment == 0 else 0)
            if start > 0xa0:
                continue
            self._host(segment, start)
            taken[segment] = (self.host.end & 0xf0) + 0x20
        if self.chance(40):
            self._nested()
        return self

    def _host(self, segment, start, parent=None):
        self.host = Host(segment, start, self.random.randrange(-1, self.nodes))
        self.host.parent = parent
        self.next_bus = start + 1
        first = self.random.choice(FIRST)
        at = 0
        if first:
            vendor, device, devfn, is_port = first
            f = Function(start, devfn, 0x060400 if is_port else 0x060000, ROOT_PORT if is_port else
                         self.random.choice((None, INTEGRATED)), vendor, device)
            self.host.functions.append(f)
            if is_port:
                self._port(f, 0)
            at = (devfn >> 3) + 1
        else:
            at = self.random.choice((0, 1, 3))
        for _ in range(self.random.randint(1, 5)):
            self._on_root_bus(at)
            at += self.random.choice((1, 1, 2))
        self.host.end = self.next_bus - 1
        if self.chance(10):
            self._hide_extended()
        self.hosts.append(self.host)

    def _hide_extended(self):
        """No extended config space on this host bridge, as with a broken MMCONFIG: ACS may be there, nobody sees it."""
        self.host.is_hidden = True
        self.host.functions = [f for f in self.host.functions if not f.is_vf]
        for f in self.host.functions:
            f.config_bytes, f.n_vfs = 256, 0

    def _nested(self):
        """A root bus behind an endpoint, as a VMD makes one."""
        carriers = [(h, f) for h in self.hosts for f in h.functions
                    if f.port in (INTEGRATED, ENDPOINT) and not f.is_vf and not f.n_vfs
                    and f.class_code >> 16 != 6]
        if carriers:
            host, f = self.random.choice(carriers)
            f.class_code = 0x010400
            self._host(0x10000 + 0x20, self.random.choice((0, 0x80)), (host.segment, f.bus, f.devfn))

    def _on_root_bus(self, device):
        start = self.host.start
        what = self.random.choice(('port', 'port', 'port', 'ports', 'integrated', 'conventional', 'to-pci'))
        if what == 'port':
            self._bridge(start, device << 3, ROOT_PORT, 0)
        elif what == 'ports':
            for n in range(self.random.randint(2, 4)):
                self._bridge(start, device << 3 | n, ROOT_PORT, 0).multi = True
        elif what == 'integrated':
            self._endpoints(start, device, self.random.choice((INTEGRATED, INTEGRATED, COLLECTOR)))
        elif what == 'conventional':
            self._endpoints(start, device, None)
        else:
            self._conventional_bridge(start, device << 3, None, 0)

    def _bridge(self, bus, devfn, port, depth):
        f = Function(bus, devfn, 0x060400, port)
        self.host.functions.append(f)
        self._port(f, depth)
        return f

    def _acs(self, f, percent):
        """Ports mostly have ACS, with any control bits; egress control also alone."""
        if f.port is None or not self.chance(percent):
            return
        capability = self.random.choice((0x5f, 0x5f, 0x1f, 0x7f, 0x3f, 0x1d, 0x7d))
        f.acs = (capability | (0x0800 if capability & 0x20 else 0), self.random.choice(ACS_CONTROLS) & capability)
        f.acs_at = self.random.choice((ACS_AT, 0x118, 0x250))

    def _port(self, f, depth):
        """What hangs below a root or downstream port."""
        secondary = self.next_bus
        self.next_bus += 1
        self._acs(f, 75)
        what = self.random.choice(('endpoint', 'endpoint', 'endpoint', 'switch', 'switch', 'to-pci', 'empty',
                                   'virtual'))
        if self.next_bus > self.host.start + 0x20:
            what = 'endpoint'
        if what == 'switch' and depth < 3:
            self._switch(secondary, depth)
        elif what == 'to-pci' and depth < 3:
            self._conventional_bridge(secondary, 0, TO_PCI, depth)
        elif what == 'virtual' and self.physical < 2:
            self._virtual(secondary)
        elif what != 'empty':
            self._endpoints(secondary, 0, self.random.choice((ENDPOINT, ENDPOINT, ENDPOINT, LEGACY)))
        f.bridge = (secondary, self.next_bus - 1)

    def _switch(self, bus, depth):
        up = Function(bus, 0, 0x060400, UPSTREAM)
        self.host.functions.append(up)
        self._acs(up, 20)
        if self.chance(15):
            up.multi = True
            beside = Function(bus, 1, 0x088000, ENDPOINT)
            self._acs(beside, 50)
            self.host.functions.append(beside)
        inner = self.next_bus
        self.next_bus += 1
        for n in range(self.random.randint(2, 4)):
            self._bridge(inner, n << 3, DOWNSTREAM, depth + 1)
        up.bridge = (inner, self.next_bus - 1)

    def _conventional_bridge(self, bus, devfn, port, depth):
        """To PCI, from PCIe or PCI; behind it sometimes a way back to PCIe, whose ACS the kernel can't see."""
        f = Function(bus, devfn, 0x060400, port)
        self.host.functions.append(f)
        if port is not None:
            self._acs(f, 20)
        f.pcix = self.random.choice((0, 0, 0, 0x00020000, 0x40020000, 0x80020000))
        if f.pcix & 0xc0000000:
            f.config_bytes = 4096       # PCI-X mode 2 has extended config space
        secondary = self.next_bus
        self.next_bus += 1
        self._endpoints(secondary, 1, None)
        if self.chance(50):
            self._endpoints(secondary, 2, self.random.choice((None, None, ENDPOINT)))
        if depth < 2 and self.chance(30):
            back = Function(secondary, 4 << 3, 0x060400, FROM_PCI)
            self.host.functions.append(back)
            third = self.next_bus
            self.next_bus += 1
            self._endpoints(third, 0, ENDPOINT)
            back.bridge = (third, self.next_bus - 1)
        f.bridge = (secondary, self.next_bus - 1)

    def _endpoints(self, bus, device, port):
        n = self.random.choice((1, 1, 1, 2, 4))
        for number in range(n):
            f = Function(bus, device << 3 | number, self.random.choice(CLASSES), port)
            f.multi = n > 1
            if number and self.chance(5):
                f.class_code = 0x068000
            self._acs(f, 35 if n > 1 else 10)
            self._bar(f)
            self.host.functions.append(f)

    def _bar(self, f):
        size = self.random.choice((1 << 20, 1 << 24, 1 << 28))
        self.bar_next = (self.bar_next + size - 1) & -size
        f.bar = (self.bar_next, size, True)
        self.bar_next += size

    def _virtual(self, bus):
        """A NIC with virtual functions; sometimes they lie on the next bus."""
        self.physical += 1
        f = Function(bus, 0, 0x020000, ENDPOINT)
        self._bar(f)
        self._acs(f, 30)
        f.n_vfs = self.random.choice((1, 3, 7, 12))
        f.vf_stride = self.random.choice((1, 1, 2))
        far = self.chance(30)
        f.vf_offset = 0x100 if far else self.random.choice((1, 0x10))
        if far:
            self.next_bus += 1
        self.host.functions.append(f)
        with_acs = self.chance(30)
        for n in range(f.n_vfs):
            routing = (bus << 8) + f.vf_offset + n * f.vf_stride
            vf = Function(routing >> 8, routing & 0xff, f.class_code, ENDPOINT)
            vf.is_vf = True
            if with_acs:
                self._acs(vf, 70)
            self.host.functions.append(vf)

    def description(self):
        return MAGIC + struct.pack('<I', len(self.hosts)) + b''.join(h.record() for h in self.hosts)

    def is_hidden(self):
        return any(host.is_hidden for host in self.hosts)

    def addresses(self):
        """Every function the kernel is to find."""
        return sorted(f'{h.segment:04x}:{f.bus:02x}:{f.devfn >> 3:02x}.{f.devfn & 7}'
                      for h in self.hosts for f in h.functions)


def machine(seed, nodes=1, with_iommu=False):
    return Generator(seed, nodes, with_iommu).machine()
