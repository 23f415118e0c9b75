# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the offline tests share: the way to the other modules, and machines to ask about."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'python'))

import captured  # noqa: E402
import machines  # noqa: E402
import programs  # noqa: E402

TOPOLOGIES = os.path.join(HERE, '..', 'topologies')


class Holder(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix='p2pd-offline-', dir=programs.SCRATCH)
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, machine, name='root'):
        top = f'{self.directory}/{name}'
        os.mkdir(top)
        captured.write(machine, top)
        return top

    def unpack(self, archive):
        """A captured root from tests/topologies: the directory that holds sys and proc."""
        top = f'{self.directory}/{os.path.basename(archive)}'
        with tarfile.open(archive) as tar:
            tar.extractall(top, filter='fully_trusted') if hasattr(tarfile, 'data_filter') \
                else tar.extractall(top)
        while not os.path.isdir(f'{top}/sys'):
            (inner,) = os.listdir(top)
            top = f'{top}/{inner}'
        return top


def archives():
    """(name, archive, expected.tsv or None) of every captured machine in the tree."""
    found = []
    for name in sorted(os.listdir(TOPOLOGIES)):
        if name.endswith('.tar.xz'):
            base = f'{TOPOLOGIES}/{name.removesuffix(".tar.xz")}'
            expected = f'{base}.expected.tsv'
            found.append((os.path.basename(base), f'{base}.tar.xz',
                          expected if os.path.exists(expected) else None))
    return found


def lspci_dump(top):
    """The text that `lspci -xxxx` prints of a captured root."""
    return subprocess.run(['lspci', '-A', 'linux-sysfs', '-O', f'sysfs.path={top}/sys/bus/pci', '-xxxx'],
                          capture_output=True, check=True).stdout


def small():
    return machines.small()


def main():
    unittest.main(verbosity=2)
