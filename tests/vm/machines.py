# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machines that the emulator builds: real config space, real drivers, real transfers.

An emulated switch port has no ACS, a pcie-root-port has it and may hang below a switch port: so
that is how ACS comes between a switch and what hangs below it. ioh3420 is a root port without ACS.
"""

import hashlib

# CPU models by what they mean for p2pdma: Zen accepts each crossing of a host bridge, the others none by themselves.
# What "max" can do and the emulator's default cannot makes the guest faster; the ids are what is asked for.
CPUS = {
    'zen': 'max,vendor=AuthenticAMD,family=23,model=1,stepping=2',
    'zen-named': 'EPYC',
    'skylake': 'max,vendor=GenuineIntel,family=6,model=85,stepping=4',
    'skylake-named': 'Skylake-Server',
    'hygon': 'max,vendor=HygonGenuine,family=24,model=1,stepping=2',
    'k10': 'max,vendor=AuthenticAMD,family=16,model=4,stepping=2',
}
IOMMUS = {
    'off': ((), ''),
    'translated': (('-device', 'intel-iommu,intremap=on,caching-mode=on'), 'intel_iommu=on iommu=nopt'),
    'passthrough': (('-device', 'intel-iommu,intremap=on,caching-mode=on'), 'intel_iommu=on iommu=pt'),
    'amd': (('-device', 'amd-iommu'), ''),
}
DISK_BYTES = 1 << 20


def disk_content(name):
    """Bytes that no other disk has."""
    seed, content = hashlib.sha256(name.encode()).digest(), b''
    block = b''.join(hashlib.sha256(seed + bytes([n])).digest() for n in range(128))
    while len(content) < DISK_BYTES:
        content += block
    return content[:DISK_BYTES]


class Machine:
    """Collects the emulator's arguments."""

    def __init__(self, share):
        self.share = share
        self.arguments = []
        self.ports = 0

    def device(self, text):
        self.arguments += ['-device', text]

    def root_port(self, name, bus, kind='pcie-root-port', addr=None):
        self.ports += 1
        self.device(f'{kind},id={name},bus={bus},chassis={self.ports},slot={self.ports}'
                    + (f',addr={addr}' if addr else ''))

    def switch(self, name, bus, downstream):
        """Downstream ports are NAME-0, NAME-1, ..."""
        self.device(f'x3130-upstream,id={name},bus={bus}')
        for n in range(downstream):
            self.ports += 1
            self.device(f'xio3130-downstream,id={name}-{n},bus={name},chassis={self.ports},slot={self.ports}')

    def nvme(self, name, bus, more=''):
        """With 16 MiB of controller memory, and a disk of known content."""
        path = f'{self.share}/{name}.disk'
        with open(path, 'wb') as file:
            file.write(disk_content(name))
        self.arguments += ['-drive', f'file={path},if=none,format=raw,id=disk-{name}']
        self.device(f'nvme,serial={name},id={name},bus={bus},cmb_size_mb=16,legacy-cmb=off,drive=disk-{name}{more}')

    def nic(self, bus, kind='e1000e', more=''):
        self.device(f'{kind},bus={bus}{more}')


def nested(machine):
    """Switches with and without ACS between, functions of one device, conventional PCI."""
    machine.root_port('rp0', 'pcie.0', addr=4)
    machine.switch('sw0', 'rp0', 4)
    machine.root_port('acs0', 'sw0-0')
    machine.root_port('acs1', 'sw0-1')
    machine.nvme('n0', 'acs0')
    machine.nvme('n1', 'acs1')
    machine.nvme('n2', 'sw0-2')
    machine.switch('sw1', 'sw0-3', 2)
    machine.nvme('n3', 'sw1-0')
    machine.nic('sw1-1')
    machine.root_port('rp1', 'pcie.0', addr=5)
    machine.nvme('n4', 'rp1', ',multifunction=on,addr=0.0')
    machine.nvme('n5', 'rp1', ',addr=0.1')
    machine.root_port('rp2', 'pcie.0', 'ioh3420', addr=6)
    machine.device('pcie-pci-bridge,id=cb0,bus=rp2')
    machine.nic('cb0', 'rtl8139', ',addr=1')
    machine.device('pci-bridge,id=cb1,bus=cb0,addr=2,chassis_nr=90')
    machine.nic('cb1', 'rtl8139', ',addr=3')
    machine.nic('pcie.0', 'e1000e', ',addr=7')


def several_hosts(machine):
    """Three host bridges on two NUMA nodes, virtual functions below one of them."""
    machine.arguments += [
        '-object', 'memory-backend-ram,id=m0,size=768M', '-object', 'memory-backend-ram,id=m1,size=768M',
        '-numa', 'node,nodeid=0,memdev=m0,cpus=0', '-numa', 'node,nodeid=1,memdev=m1']
    machine.device('pxb-pcie,id=hb1,bus=pcie.0,bus_nr=0x20,numa_node=1,addr=8')
    machine.device('pxb-pcie,id=hb2,bus=pcie.0,bus_nr=0x30,numa_node=0,addr=9')
    machine.root_port('rp3', 'hb1')
    machine.nvme('n6', 'rp3')
    machine.root_port('rp4', 'hb1', 'ioh3420')
    machine.nic('rp4', 'igb')
    machine.root_port('rp5', 'hb2', 'ioh3420')
    machine.switch('sw2', 'rp5', 2)
    machine.nvme('n7', 'sw2-0')
    machine.root_port('acs2', 'sw2-1')
    machine.nvme('n8', 'acs2')


def hotplug(machine):
    """Room for functions that come and go."""
    machine.arguments += ['-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off']
    machine.root_port('rp0', 'pcie.0', addr=4)
    machine.switch('sw0', 'rp0', 2)
    machine.nvme('n0', 'sw0-0')
    machine.nvme('n1', 'sw0-1')
    machine.root_port('hp0', 'pcie.0', addr=5)


KINDS = {'nested': (nested,), 'hosts': (several_hosts,), 'all': (nested, several_hosts), 'hotplug': (hotplug,)}


def build(kind, cpu, iommu, share):
    """(arguments of the emulator, options of the kernel)."""
    machine = Machine(share)
    # An IOMMU that is virtual comes before what it is to serve.
    arguments, append = IOMMUS[iommu]
    machine.arguments += ['-cpu', CPUS[cpu], *arguments]
    for part in KINDS[kind]:
        part(machine)
    return machine.arguments, append
