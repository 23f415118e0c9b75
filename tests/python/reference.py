# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second, slow and separate implementation of the kernel's p2pdma walk, to hold p2pd against.

It reads a captured root itself and shares no code with the daemon. What cannot be known is carried
as the set of verdicts that are still possible: one left is the verdict, more are "unknown".
"""

import functools
import os
import re
import struct

ADDRESS = re.compile(r'^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$')
ROOT = re.compile(r'^pci([0-9a-f]{4,8}):([0-9a-f]{2})$')
RR_CR_EC = 0x04 | 0x08 | 0x20
SAME, ANY = True, False

# The kernel's own table: (vendor, devices, only for one host bridge, first mainline release; None:
# older than every kernel that the tests speak of).
ALLOWED = (
    (0x8086, (0x3c00, 0x3c01), SAME, None), (0x8086, (0x2f00, 0x2f01), SAME, None),
    (0x8086, (0x2030, 0x2031, 0x2032, 0x2033, 0x2020), ANY, None), (0x8086, (0x09a2,), ANY, None),
    (0x8086, (0x0b25, 0x11fb, 0x1212, 0x0cfe, 0x1216), ANY, (7, 2)),
    (0x8086, (0x4940, 0x4942, 0x4944, 0x4946, 0x4948), ANY, (7, 2)),
    (0x1ae0, None, ANY, (7, 1)),
    (0x10de, (0x2f95, 0x2f96, 0x2f97, 0x2f98), ANY, (7, 3)),
    (0x1d17, (0x1003, 0x1005, 0x1006, 0x1007), SAME, (7, 4)), (0x1d17, (0x1008,), ANY, (7, 4)),
)


def _text(path):
    try:
        with open(path, encoding='latin-1') as file:
            return file.read().strip()
    except OSError:
        return None


class Function:
    def __init__(self, top, address, directory):
        self.address = address
        match = ADDRESS.match(address)
        self.segment, self.bus = int(match[1], 16), int(match[2], 16)
        self.devfn = int(match[3], 16) << 3 | int(match[4])
        self.directory = directory
        self.class_code = int(_text(f'{directory}/class'), 16)
        self.vendor = int(_text(f'{directory}/vendor'), 16)
        self.device = int(_text(f'{directory}/device'), 16)
        self.numa = int(_text(f'{directory}/numa_node') or '-1')
        with open(f'{directory}/config', 'rb') as file:
            self.config = file.read()
        chain = [part for part in directory[len(os.path.realpath(top)):].split('/') if part]
        innermost = max(n for n, part in enumerate(chain) if ROOT.match(part))
        self.root = chain[innermost]
        self.above = [part for part in chain[innermost + 1:] if ADDRESS.match(part)][:-1]
        physfn = f'{directory}/physfn'
        self.physfn = os.path.basename(os.readlink(physfn)) if os.path.islink(physfn) else None

    @property
    def is_endpoint(self):
        return self.class_code >> 16 != 0x06

    def port_type(self):
        """The PCIe port type, None for conventional PCI, '?' if config space does not reach."""
        c = self.config
        if len(c) < 64 or not c[6] & 0x10:
            return '?' if len(c) < 64 else None
        if len(c) == 64:
            return '?'
        at, steps = c[0x34] & 0xfc, 0
        while at >= 0x40 and steps < 48:
            if c[at] == 0x10:
                return struct.unpack_from('<H', c, at + 2)[0] >> 4 & 0xf
            at, steps = c[at + 1] & 0xfc, steps + 1
        return None


class Machine:
    def __init__(self, top, release=None):
        self.top = top
        self.functions = {}
        links = f'{top}/sys/bus/pci/devices'
        for address in sorted(os.listdir(links)):
            self.functions[address] = Function(top, address, os.path.realpath(f'{links}/{address}'))
        self._read_platform(release)

    def _read_platform(self, release):
        info = _text(f'{self.top}/proc/cpuinfo') or ''
        vendor = re.search(r'^vendor_id\s*: *(\S+)', info, re.M)
        family = re.search(r'^cpu family\s*: *(\d+)', info, re.M)
        self.cpu_known = vendor is not None and family is not None
        self.zen = self.cpu_known and vendor[1] == 'AuthenticAMD' and int(family[1]) >= 0x17
        if release is None:
            version = re.match(r'Linux version (\d+)\.(\d+)', _text(f'{self.top}/proc/version') or '')
            release = (int(version[1]), int(version[2])) if version else (999, 0)
        self.release = release

        nodes = f'{self.top}/sys/devices/system/node'
        names = os.listdir(nodes) if os.path.isdir(nodes) else ()
        self.one_node = sum(bool(re.match(r'node\d+$', name)) for name in names) == 1

    def endpoints(self):
        return [f for f in self.functions.values() if f.is_endpoint]

    def chain(self, f):
        """The function and the bridges above it, nearest first; a virtual one climbs as its PF."""
        start = self.functions[f.physfn] if f.physfn else f
        return [f] + [self.functions[a] for a in reversed(start.above)]

    @functools.lru_cache(maxsize=None)
    def hidden(self, f):
        """Does a bridge above end extended config space: True, False or '?'."""
        answer = False
        for bridge in self.chain(f)[1:]:
            kind = bridge.port_type()
            if kind == '?':
                answer = '?'
            elif kind not in (4, 5, 6):
                return True
        return answer

    @functools.lru_cache(maxsize=None)
    def redirects(self, f):
        """Does this element redirect, as the kernel reads it: True, False or '?'."""
        kind = f.port_type()
        if kind is None:
            return False
        hidden = self.hidden(f)
        if hidden is True:
            return False
        if len(f.config) < 4096:  # a whole file shows that no bridge hides anything
            return '?'
        at, steps = 0x100, 0
        while at and steps < 960:
            header = struct.unpack_from('<I', f.config, at)[0]
            if header & 0xffff == 0x000d:
                return bool(struct.unpack_from('<H', f.config, at + 6)[0] & RR_CR_EC)
            at, steps = header >> 20 & 0xffc, steps + 1
        return False

    def representative(self, root):
        """Possible representatives of a host bridge: a list of functions or None."""
        on_it = [f for f in self.functions.values()
                 if f.root == root and not f.above and f.physfn is None and f.bus == int(root[-2:], 16)]
        if not on_it:
            return [None]
        first = min(on_it, key=lambda f: f.devfn)
        if first.devfn == 0:
            return [first]
        kind = first.port_type()
        if kind == '?':
            return [first, None]
        return [first if kind == 4 else None]

    def row(self, f):
        if f is None:
            return None
        for vendor, devices, same_only, since in ALLOWED:
            if f.vendor == vendor and (devices is None or f.device in devices):
                if since is None or self.release >= since:
                    return (same_only,)
        return None

    def through_host_bridge(self, a, b):
        """Possible answers to the host bridge question, as a set of map names."""
        if self.zen:
            return {'host-bridge'}
        answers = set() if self.cpu_known else {'host-bridge'}
        for first in self.representative(a.root):
            for second in self.representative(b.root):
                if a.root == b.root:
                    accepted = self.row(first) is not None if first is second else None
                else:
                    rows = self.row(first), self.row(second)
                    accepted = None not in rows and not any(same for same, in rows)
                if accepted is not None:
                    answers.add('host-bridge' if accepted else 'none')
        return answers

    def decide(self, provider, client):
        """(distance, map, path) of an ordered pair."""
        up, down = self.chain(provider), self.chain(client)
        common = next(((i, j) for i, x in enumerate(up) for j, y in enumerate(down) if x is y), None)
        if common is None:
            distance = len(up) + len(down)
            possible = self.through_host_bridge(provider, client)
        else:
            distance = sum(common)
            walked = [self.redirects(x) for x in up[:common[0] + 1] + down[:common[1]]]
            if True in walked:
                possible = self.through_host_bridge(provider, client)
            elif '?' in walked:
                possible = {'bus'} | self.through_host_bridge(provider, client)
            else:
                possible = {'bus'}
        kind = possible.pop() if len(possible) == 1 else 'unknown'
        return distance, kind, self.path(provider, client, common, distance)

    def path(self, provider, client, common, distance):
        if provider is client:
            return 'LOC'
        if common is not None:
            return 'PIX' if distance <= 4 else 'PXB'
        if provider.root == client.root:
            return 'PHB'
        if self.one_node:
            return 'NODE'
        if provider.numa < 0 or client.numa < 0:
            return 'unknown'
        return 'NODE' if provider.numa == client.numa else 'SYS'

    def pairs(self):
        ends = self.endpoints()
        return {(p.address, c.address): self.decide(p, c) for p in ends for c in ends}
