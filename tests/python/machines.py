# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ready machines: the big server of the benchmarks, a small one with a switch, and random ones."""

import random

import config as space
import machine as pci
from machine import Machine

FIRST_DEVICES = ((0x8086, 0x09a2), (0x8086, 0x2020), (0x8086, 0x3c00), (0x8086, 0x2f01),
                 (0x8086, 0x0b25), (0x8086, 0x4944), (0x1ae0, 0x1234), (0x1022, 0x1480),
                 (0x8086, 0x1234), (0x10de, 0x2330), (0x8086, 0x2033))
CPUS = (('GenuineIntel', 6), ('AuthenticAMD', 0x17), ('AuthenticAMD', 0x19), ('AuthenticAMD', 0x0f),
        ('HygonGenuine', 0x18), ('CentaurHauls', 7))


def server(gpus=16, nics=16, vfs=255, nvmes=32, host_bridges=4, acs=None, groups=False, seed=0):
    """A server: switches with one GPU, one NIC with its virtual functions and some NVMe each.
    acs: control register of every port; None leaves it clear, 'random' draws it."""
    dice = random.Random(seed)
    m = Machine(cpus=64, iommu_groups=groups)
    switches = max(gpus, nics, 1)
    per_bridge = -(-switches // host_bridges)
    step = 256 // host_bridges
    left = {'gpu': gpus, 'nic': nics, 'nvme': nvmes}

    def control():
        return dice.choice((0, 0x1d, 0x5f & dice.getrandbits(7))) if acs == 'random' else acs or 0

    for h in range(host_bridges):
        root = m.host_bridge(0, h * step, numa=h * 2 // host_bridges)
        root.add(0, pci.HOST_BRIDGE)
        for s in range(min(per_bridge, switches - h * per_bridge)):
            port = root.add((s + 1) << 3, pci.ROOT_PORT, acs=control())
            up = port.add(0, pci.UPSTREAM_PORT)
            slot = 0
            todo = [('gpu', pci.GPU, 1), ('nic', pci.NIC, 1), ('nvme', pci.NVME, -(-nvmes // switches))]
            for what, kind, count in todo:
                for _ in range(min(count, left[what])):
                    left[what] -= 1
                    down = up.add(slot << 3, pci.DOWNSTREAM_PORT, acs=control())
                    slot += 1
                    f = down.add(0, kind)
                    if what == 'nic' and vfs:
                        down.ari = True
                        f.add_virtual(vfs)
                    if what == 'nvme':
                        f.p2pmem = 64 * pci.MIB
    return m


def small():
    """One switch with a GPU, a NIC and an NVMe below two host bridges; ACS off on every port."""
    m = Machine()
    left = m.host_bridge(0, 0x00)
    left.add(0, pci.HOST_BRIDGE)
    up = left.add(0x08, pci.ROOT_PORT, acs=0).add(0, pci.UPSTREAM_PORT)
    up.add(0x00, pci.DOWNSTREAM_PORT, acs=0).add(0, pci.GPU)
    up.add(0x08, pci.DOWNSTREAM_PORT, acs=0).add(0, pci.NIC).add_virtual(2)
    up.add(0x10, pci.DOWNSTREAM_PORT, acs=0).add(0, pci.NVME)
    right = m.host_bridge(0, 0x80, numa=1)
    right.add(0, pci.HOST_BRIDGE)
    right.add(0x08, pci.ROOT_PORT, acs=0).add(0, pci.GPU)
    return m


class _Random:
    """Draws one valid machine. Everything hangs on the seed."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.m = Machine(kernel=self.dice.choice(('7.3.4+deb13-amd64', '6.18.2', '7.0.1')))
        self.m.cpu_vendor, self.m.cpu_family = self.dice.choice(CPUS)
        self.m.iommu_groups = self.dice.random() < 0.3
        self.left = self.dice.randint(4, 30)
        self.acs_rate = self.dice.choice((0.0, 0.3, 0.7))
        self.cut_rate = self.dice.choice((0.0, 0.0, 0.15))

    def chance(self, rate):
        return self.dice.random() < rate

    def add(self, bus, devfn, kind):
        acs = self.dice.getrandbits(7) if self.chance(0.4) else 0
        has_acs = kind.port_type is not None and self.chance(self.acs_rate)
        f = bus.add(devfn, kind, acs=acs if has_acs else None)
        self.left -= 1
        if kind.port_type is not None and self.chance(self.cut_rate):
            f.config_length = self.dice.choice((64, 256))
        return f

    def slots(self, bus_is_link):
        """Where functions may sit: one device behind a link, several on a bus."""
        devices = [0] if bus_is_link else sorted(self.dice.sample(range(1, 32), self.dice.randint(1, 4)))
        return [d << 3 for d in devices]

    def endpoints(self, bus, devfn, kinds):
        count = self.dice.choice((1, 1, 1, 2, 3))
        for n in range(count):
            f = self.add(bus, devfn + n, self.dice.choice(kinds))
            if f.kind is pci.NIC and not space.is_hidden(f) and self.chance(0.4):
                if len(bus.functions) == n + 1 and bus.root.next_bus < 0xf8:
                    self.vfs(f, count)

    def vfs(self, f, count):
        number = self.dice.randint(1, 5)
        stride = self.dice.choice((1, 2))
        offset = self.dice.choice((count + 8, 0x100))
        if offset == 0x100:
            f.bus.root.next_bus = max(f.bus.root.next_bus, f.bus_number + 2)
        f.add_virtual(number, offset=offset, stride=stride)
        self.left -= number

    def open(self, bridge):
        if bridge.secondary is None:
            bridge.secondary = bridge.bus.root.open_bus(bridge)
        return bridge.secondary

    def below(self, bridge, depth):
        """Fills the bus below a port or bridge."""
        if self.left <= 0 or bridge.bus.root.next_bus > 0xf0:
            return
        bus = self.open(bridge)
        kind = bridge.kind.port_type
        if kind in (pci.PCIE_TO_PCI_TYPE, None):
            return self.conventional(bus, depth)
        if kind == pci.UPSTREAM_TYPE:
            for devfn in self.slots(False):
                self.below(self.add(bus, devfn, pci.DOWNSTREAM_PORT), depth + 1)
            return None
        what = self.dice.random()
        if what < 0.4 and depth < 9:
            return self.below(self.add(bus, 0, pci.UPSTREAM_PORT), depth + 1)
        if what < 0.5 and depth < 9:
            return self.below(self.add(bus, 0, pci.PCIE_TO_PCI), depth + 1)
        return self.endpoints(bus, 0, (pci.GPU, pci.NIC, pci.NVME))

    def conventional(self, bus, depth):
        for devfn in self.slots(False):
            what = self.dice.random()
            if what < 0.15 and depth < 9:
                self.below(self.add(bus, devfn, pci.PCI_TO_PCIE), depth + 1)
            elif what < 0.3 and depth < 9:
                self.below(self.add(bus, devfn, pci.PCI_BRIDGE), depth + 1)
            else:
                self.endpoints(bus, devfn, (pci.CONVENTIONAL,))

    def root(self, root):
        if self.chance(0.8):
            vendor, device = self.dice.choice(FIRST_DEVICES)
            self.add(root, 0 if self.chance(0.8) else 0x10,
                     pci.HOST_BRIDGE.but(vendor=vendor, device=device))
        for devfn in self.slots(False):
            if any(f.devfn == devfn for f in root.functions):
                continue
            what = self.dice.random()
            if what < 0.6:
                vendor, device = self.dice.choice(FIRST_DEVICES)
                port = pci.ROOT_PORT.but(vendor=vendor, device=device)
                self.below(self.add(root, devfn, port), 1)
            elif what < 0.8:
                self.endpoints(root, devfn, (pci.INTEGRATED,))
            elif what < 0.9:
                self.endpoints(root, devfn, (pci.CONVENTIONAL,))
            else:
                self.below(self.add(root, devfn, pci.PCI_BRIDGE), 1)
        if not root.functions:
            self.endpoints(root, 0, (pci.INTEGRATED,))

    def build(self):
        segments = self.dice.choice(((0,), (0,), (0, 1), (0, 0x10000), (0, 0xffffffff)))
        for segment in segments:
            for number in self.dice.choice(((0,), (0, 0x80), (0x40,), (0, 0x40, 0xc0))):
                numa = self.dice.choice((-1, 0, 1))
                below = None
                if segment >= 0x10000 and self.chance(0.7):
                    candidates = [f for f in self.m.functions if f.segment == 0 and not f.is_bridge
                                  and not f.is_vf and f.parent is None]
                    below = self.dice.choice(candidates) if candidates else None
                root = self.m.host_bridge(segment, number, numa, below)
                self.left = max(self.left, 6)
                self.root(root)
        return self.m


def draw(seed):
    """The random machine of a seed. Virtual functions may land on addresses that are taken; then the
    next draw of the same seed counts."""
    for attempt in range(64):
        m = _Random(f'{seed}/{attempt}').build()
        if len({f.address for f in m.functions}) == len(m.functions):
            return m
    raise AssertionError(f'seed {seed} gives no machine')
