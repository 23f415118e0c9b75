#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captured machines, held against the verdicts that a real kernel gave there."""

import os
import shutil

import material  # finds the modules of the other folder
import programs
import reference


class Topologies(material.Holder):
    def test_kernels_verdicts(self):
        met = 0
        for name, archive, expected in material.archives():
            if expected is None:
                continue
            found = programs.pairs('--root', self.unpack(archive))
            with open(expected, encoding='ascii') as file:
                for line in file:
                    if line.startswith('#'):
                        continue
                    provider, client, distance, kind = line.split()[:4]
                    with self.subTest(machine=name, provider=provider, client=client):
                        self.assertEqual(found[provider, client][:2], (int(distance), kind))
                    met += 1
        self.assertGreater(met, 300)

    @staticmethod
    def without_bus(top):
        shutil.rmtree(f'{top}/sys/bus')

    @staticmethod
    def relink(top, make):
        devices = f'{top}/sys/bus/pci/devices'
        for name in os.listdir(devices):
            link = f'{devices}/{name}'
            place = os.readlink(link).split('devices/', 1)[1]
            os.unlink(link)
            make(f'{top}/sys/devices/{place}', link, place)

    def absolute(self, top):
        self.relink(top, lambda _, link, place: os.symlink(f'/sys/devices/{place}', link))

    def moved(self, top):
        self.relink(top, lambda _, link, place: os.symlink(f'/home/me/root/sys/devices/{place}', link))

    def copied(self, top):
        def copy(source, link, _):
            os.mkdir(link)
            for name in os.listdir(source):
                if os.path.isfile(f'{source}/{name}'):
                    shutil.copy(f'{source}/{name}', link)
        self.relink(top, copy)
        shutil.rmtree(f'{top}/sys/devices')

    def test_other_ways_to_copy(self):
        """Without sys/bus, with links made absolute, with plain files in place of links."""
        met = 0
        for name, archive, expected in material.archives():
            if expected is None:
                continue
            for change in (self.without_bus, self.absolute, self.moved, self.copied):
                with self.subTest(machine=name, change=change.__name__):
                    top = self.unpack(archive)
                    before = programs.pairs('--root', top)
                    change(top)
                    after = programs.pairs('--root', top)
                    self.assertEqual({pair: verdict[:2] for pair, verdict in after.items()},
                                     {pair: verdict[:2] for pair, verdict in before.items()})
                    shutil.rmtree(top)
                    met += 1
        self.assertGreater(met, 4)

    def test_reference(self):
        """Every pair, also those that the kernel was not asked about."""
        for name, archive, _ in material.archives():
            with self.subTest(machine=name):
                top = self.unpack(archive)
                self.assertEqual(programs.pairs('--root', top), reference.Machine(top).pairs())


if __name__ == '__main__':
    material.main()
