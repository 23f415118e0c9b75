# SPDX-License-Identifier: LGPL-2.1-or-later
"""One transfer from device to device: an NVMe reads its disk straight into another's memory."""

import errno
import glob
import mmap
import os

import kernel

BYTES = 4096


def disks():
    """address -> (block device, the name it was given as serial number), of each NVMe with a disk."""
    found = {}
    for path in glob.glob('/sys/class/nvme/nvme*'):
        address = os.path.basename(os.path.realpath(f'{path}/device'))
        block = f'/dev/{os.path.basename(path)}n1'
        with open(f'{path}/serial', encoding='ascii') as file:
            serial = file.read().strip()
        if os.path.exists(block):
            found[address] = (block, serial)
    return found


def providers():
    return [a for a in kernel.functions() if os.path.exists(f'{kernel.DEVICES}/{a}/p2pmem/allocate')]


def transfer(provider, disk, block):
    """'arrived', 'refused', 'lost' (said to be read, other bytes), or an error's name."""
    device, name = disk
    with open(f'/t/{name}.disk', 'rb') as file:
        file.seek(block * BYTES)
        wanted = file.read(BYTES)
    memory_fd = os.open(f'{kernel.DEVICES}/{provider}/p2pmem/allocate', os.O_RDWR)
    disk_fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    memory = mmap.mmap(memory_fd, 65536, mmap.MAP_SHARED)
    try:
        memory[:BYTES] = b'\xee' * BYTES
        n = os.preadv(disk_fd, [memoryview(memory)[:BYTES]], block * BYTES)
        return 'arrived' if n == BYTES and memory[:BYTES] == wanted else 'lost'
    except OSError as error:
        return 'refused' if error.errno in (errno.EINVAL, errno.EREMOTEIO) else errno.errorcode[error.errno]
    finally:
        os.close(disk_fd)
        os.close(memory_fd)


def possible(pairs):
    """Those whose client has a disk and whose provider, another function, lends memory."""
    lenders, owners = providers(), disks()
    return [pair for pair in pairs if pair[0] in lenders and pair[1] in owners and pair[0] != pair[1]]
