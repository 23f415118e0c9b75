# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running kernel says and shows: verdicts, functions, ACS registers."""

import os
import struct
import subprocess

DEVICES = '/sys/bus/pci/devices'
ORACLE = '/sys/kernel/debug/p2pd-oracle'
MAGIC = b'P2PDHB1\n'


def load_oracle():
    """Once; its questions renew what the kernel holds for each pair."""
    if os.path.exists(ORACLE):
        return
    subprocess.run(['mount', '-t', 'debugfs', 'debugfs', '/sys/kernel/debug'], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(['insmod', '/t/p2pd-oracle.ko'], check=True)


def verdicts():
    """(provider, client) -> (distance, map), as the kernel computes them now."""
    found = {}
    with open(f'{ORACLE}/verdicts', encoding='ascii') as file:
        for line in file:
            provider, client, distance, kind, api = line.rstrip('\n').split('\t')
            if int(api) != (-1 if kind == 'none' else int(distance)):
                raise AssertionError(f'the probe saw another calculation than was asked for: {line}')
            found[provider, client] = (distance, kind)
    return found


def functions():
    return sorted(os.listdir(DEVICES))


def play(description):
    """Replaces the host bridges that the oracle plays. No driver takes their functions."""
    with open('/sys/bus/pci/drivers_autoprobe', 'w', encoding='ascii') as file:
        file.write('0')
    fd = os.open(f'{ORACLE}/machine', os.O_WRONLY)
    try:
        os.write(fd, description)
    finally:
        os.close(fd)


def acs_controls():
    """function -> ACS control, of those that have it."""
    return {address: found[2] for address in functions() if (found := acs(address))}


def groups():
    """The IOMMU groups, each a sorted list of functions."""
    found = {}
    for address in functions():
        path = f'{DEVICES}/{address}/iommu_group'
        if os.path.exists(path):
            found.setdefault(os.path.realpath(path), []).append(address)
    return sorted(found.values())


def attribute(address, name):
    try:
        with open(f'{DEVICES}/{address}/{name}', encoding='utf-8') as file:
            return file.read().strip()
    except OSError:
        return None


def write_attribute(address, name, value):
    with open(f'{DEVICES}/{address}/{name}', 'w', encoding='ascii') as file:
        file.write(value)


def acs(address):
    """(offset of the control register, capability, control), or None without the capability."""
    with open(f'{DEVICES}/{address}/config', 'rb') as file:
        config = file.read()
    at = 0x100
    for _ in range(64):
        if at < 0x100 or at + 8 > len(config):
            return None
        head, registers = struct.unpack_from('<II', config, at)
        if head & 0xffff == 0x0d:
            return at + 6, registers & 0xffff, registers >> 16
        at = head >> 20 & 0xffc
    return None


def set_acs(address, control):
    at = acs(address)[0]
    with open(f'{DEVICES}/{address}/config', 'r+b', buffering=0) as file:
        file.seek(at)
        file.write(struct.pack('<H', control))
