# SPDX-License-Identifier: LGPL-2.1-or-later
"""A PCI machine built by sentences, in memory.

    m = Machine()
    bus = m.host_bridge(0, 0x00)
    bus.add(0x00, HOST_BRIDGE)
    port = bus.add(0x08, ROOT_PORT, acs=0x1d)
    switch = port.add(0, UPSTREAM_PORT)
    left = switch.add(0x00, DOWNSTREAM_PORT)
    gpu = left.add(0, GPU)

The model knows what a kernel would show of it: see config.py for the bytes of config space and
captured.py for the tree of files. Buses are numbered as they are opened, so build depth first.
"""

from dataclasses import dataclass, field, replace

# PCIe device/port types (PCIe 7.5.3.2); None is conventional PCI.
ENDPOINT_TYPE, LEGACY_TYPE, ROOT_PORT_TYPE, UPSTREAM_TYPE, DOWNSTREAM_TYPE = 0, 1, 4, 5, 6
PCIE_TO_PCI_TYPE, PCI_TO_PCIE_TYPE, INTEGRATED_TYPE = 7, 8, 9

ACS_REDIRECT = 0x2c  # RR, CR, EC


@dataclass(frozen=True)
class Kind:
    """What sort of function it is: class, ids, port type, BARs as (index, size, 64bit, prefetch)."""
    class_code: int
    vendor: int
    device: int
    port_type: int = None
    header: int = 0
    bars: tuple = ()
    driver: str = None
    children: tuple = ()  # (class directory, name pattern)
    speed: float = 16.0
    width: int = 16

    def but(self, **changes):
        return replace(self, **changes)


MIB = 1 << 20
HOST_BRIDGE = Kind(0x060000, 0x8086, 0x09a2)
ROOT_PORT = Kind(0x060400, 0x8086, 0x352a, ROOT_PORT_TYPE, 1, driver='pcieport', speed=32.0)
UPSTREAM_PORT = Kind(0x060400, 0x1000, 0xc030, UPSTREAM_TYPE, 1, driver='pcieport', speed=32.0)
DOWNSTREAM_PORT = Kind(0x060400, 0x1000, 0xc030, DOWNSTREAM_TYPE, 1, driver='pcieport', speed=32.0)
PCIE_TO_PCI = Kind(0x060400, 0x104c, 0x8240, PCIE_TO_PCI_TYPE, 1)
PCI_TO_PCIE = Kind(0x060400, 0x10b5, 0x8114, PCI_TO_PCIE_TYPE, 1)
PCI_BRIDGE = Kind(0x060401, 0x8086, 0x244e, None, 1)
GPU = Kind(0x030200, 0x10de, 0x2330, ENDPOINT_TYPE, driver='nvidia', speed=32.0,
           bars=((0, 16 * MIB, True, True), (2, 1 << 37, True, True), (4, 32 * MIB, True, True)),
           children=(('drm', 'card{n}'), ('drm', 'renderD{render}')))
NIC = Kind(0x020700, 0x15b3, 0x1021, ENDPOINT_TYPE, driver='mlx5_core', speed=32.0,
           bars=((0, 32 * MIB, True, True),),
           children=(('net', 'eth{n}'), ('infiniband', 'mlx5_{n}')))
VIRTUAL_NIC = Kind(0x020700, 0x15b3, 0x101e, ENDPOINT_TYPE, bars=((0, MIB, True, True),))
NVME = Kind(0x010802, 0x144d, 0xa824, ENDPOINT_TYPE, driver='nvme', speed=16.0, width=4,
            bars=((0, 16384, True, False), (4, 64 * MIB, True, True)),
            children=(('nvme', 'nvme{n}'),))
INTEGRATED = Kind(0x088000, 0x8086, 0x09a4, INTEGRATED_TYPE, bars=((0, 65536, True, False),))
CONVENTIONAL = Kind(0x020000, 0x8086, 0x100e, None, bars=((0, 131072, False, False),))


class Function:
    def __init__(self, machine, bus, devfn, kind, parent):
        self.machine, self.bus, self.devfn, self.kind, self.parent = machine, bus, devfn, kind, parent
        self.segment = bus.segment
        self.bus_number = bus.number
        self.acs = None            # (capability, control), or None
        self.acs_offset = 0x148
        self.config_length = None  # None: as the kernel would show it
        self.secondary = None      # Bus below a bridge
        self.physfn = None
        self.virtfns = []
        self.total_vfs = 0
        self.vf_kind = None
        self.vf_bar_start = {}
        self.bar_start = {}        # index -> CPU address
        self.numa = bus.root.numa
        self.names = []            # (class directory, name)
        self.p2pmem = None         # bytes, or None
        self.dma_mask = 64 if kind.driver else 32
        self.group = None
        self.ari = False

    @property
    def address(self):
        return f'{self.segment:04x}:{self.bus_number:02x}:{self.devfn >> 3:02x}.{self.devfn & 7}'

    @property
    def is_vf(self):
        return self.physfn is not None

    @property
    def is_bridge(self):
        return self.kind.header == 1

    def add(self, devfn, kind, **how):
        """A function on the bus below this bridge, which is opened now if need be."""
        if self.secondary is None:
            self.secondary = self.bus.root.open_bus(self)
        return self.secondary.add(devfn, kind, **how)

    def add_virtual(self, count, kind=VIRTUAL_NIC, offset=1, stride=1):
        """count virtual functions, numbered from this physical one; they may pass into the next buses."""
        self.total_vfs, self.vf_kind, self.vf_offset, self.vf_stride = count, kind, offset, stride
        for i in range(count):
            number = (self.bus_number << 8 | self.devfn) + offset + i * stride
            vf = Function(self.machine, self.bus, number & 0xff, kind, self.parent)
            vf.bus_number = number >> 8
            vf.physfn = self
            vf.vf_index = i
            self.virtfns.append(vf)
            self.machine.functions.append(vf)
        return self.virtfns


class Bus:
    def __init__(self, root, number, bridge):
        self.root, self.number, self.bridge, self.segment = root, number, bridge, root.segment
        self.functions = []

    def add(self, devfn, kind, acs=None, acs_capability=0x005f):
        f = Function(self.root.machine, self, devfn, kind, self.bridge)
        if acs is not None:
            f.acs = (acs_capability, acs)
        self.functions.append(f)
        self.root.machine.functions.append(f)
        self.root.machine.name(f)
        return f


class Root(Bus):
    """A root bus with its host bridge. below: the function that carries it (VMD-like nesting)."""

    def __init__(self, machine, segment, number, numa, below=None):
        self.machine, self.segment, self.numa, self.below = machine, segment, numa, below
        self.next_bus = number + 1
        super().__init__(self, number, None)

    def open_bus(self, bridge):
        number = self.next_bus
        if number > 0xff:
            raise ValueError('no bus number left')
        self.next_bus += 1
        return Bus(self, number, bridge)

    @property
    def name(self):
        return f'pci{self.segment:04x}:{self.number:02x}'


@dataclass
class Machine:
    cpu_vendor: str = 'GenuineIntel'
    cpu_family: int = 6
    cpu_model: int = 143
    kernel: str = '7.3.4+deb13-amd64'
    cpus: int = 8
    nodes: int = 1
    iommu_groups: bool = False
    roots: list = field(default_factory=list)
    functions: list = field(default_factory=list)
    counters: dict = field(default_factory=dict)

    def host_bridge(self, segment, number, numa=0, below=None):
        root = Root(self, segment, number, numa, below)
        self.roots.append(root)
        self.nodes = max(self.nodes, numa + 1)
        return root

    def name(self, f):
        for where, pattern in f.kind.children:
            n = self.counters.get(pattern, 0)
            self.counters[pattern] = n + 1
            f.names.append((where, pattern.format(n=n, render=128 + n)))

    def find(self, address):
        return next(f for f in self.functions if f.address == address)

    def place(self):
        """Gives every BAR an address, bridge windows and groups: call once, when all is built."""
        low, high = 0x80000000, 0x200000000000
        for root in self.roots:
            low, high = self._place_bus(root, low, high)
        if self.iommu_groups:
            for n, f in enumerate(sorted(self.functions, key=lambda f: f.address)):
                f.group = n

    def _place_bus(self, bus, low, high):
        for f in bus.functions:
            for index, size, is_64bit, _ in f.kind.bars:
                low, high, f.bar_start[index] = _take(low, high, size, 1, is_64bit)
            if f.total_vfs:
                for index, size, is_64bit, _ in f.vf_kind.bars:
                    low, high, start = _take(low, high, size, f.total_vfs, is_64bit)
                    f.vf_bar_start[index] = start
                    for vf in f.virtfns:
                        vf.bar_start[index] = start + vf.vf_index * size
            if f.secondary is not None:
                low, high = _round(low, MIB), _round(high, MIB)
                before = (low, high)
                low, high = self._place_bus(f.secondary, low, high)
                low, high = _round(low, MIB), _round(high, MIB)
                f.windows = (before[0], low), (before[1], high)
        return low, high


def _round(value, to):
    return -(-value // to) * to


def _take(low, high, size, count, is_64bit):
    at = _round(high if is_64bit else low, size)
    end = at + size * count
    return (low, end, at) if is_64bit else (end, high, at)
