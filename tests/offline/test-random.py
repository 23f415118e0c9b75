#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random machines against the separate implementation of the walk.

P2PD_TEST_SEEDS=FIRST-LAST runs others than the ones that always run.
"""

import os
import random

import material  # finds the modules of the other folder
import captured
import machine as pci
import machines
import programs
import reference

SEEDS = tuple(int(n) for n in os.environ.get('P2PD_TEST_SEEDS', '0-119').split('-'))


class Random(material.Holder):
    def compare(self, top, rules=None, release=None):
        wanted = reference.Machine(top, release).pairs()
        found = programs.pairs('--root', top, rules=rules)
        self.assertEqual(set(found), set(wanted))
        differing = {pair: (found[pair], wanted[pair]) for pair in wanted if found[pair] != wanted[pair]}
        self.assertEqual(differing, {}, '(found, wanted)')
        return found

    def test_reference(self):
        for seed in range(SEEDS[0], SEEDS[1] + 1):
            with self.subTest(seed=seed):
                self.compare(self.write(machines.draw(seed), f'root{seed}'))

    def test_newest_rules(self):
        for seed in range(1000, 1010):
            with self.subTest(seed=seed):
                self.compare(self.write(machines.draw(seed), f'root{seed}'), 'newest', (999, 0))

    def test_distance_is_symmetric(self):
        for seed in range(2000, 2010):
            found = programs.pairs('--root', self.write(machines.draw(seed), f'root{seed}'))
            for (provider, client), (hops, _, path) in found.items():
                back = found[client, provider]
                self.assertEqual((back[0], back[2]), (hops, path), (seed, provider, client))

    def test_order_of_the_links_does_not_matter(self):
        top = self.write(machines.draw(7))
        before = programs.pairs('--root', top)
        where = f'{top}/sys/bus/pci/devices'
        links = {name: os.readlink(f'{where}/{name}') for name in os.listdir(where)}
        for name in links:
            os.unlink(f'{where}/{name}')
        shuffled = sorted(links)
        random.Random(1).shuffle(shuffled)
        for name in shuffled:
            os.symlink(links[name], f'{where}/{name}')
        self.assertEqual(programs.pairs('--root', top), before)

    def test_every_single_acs_bit(self):
        """Only RR, CR and EC redirect; each of them does alone, wherever on the path it is set."""
        top = self.write(machines.small())
        for address in ('0000:00:01.0', '0000:02:00.0', '0000:02:01.0', '0000:80:01.0'):
            for bit in range(7):
                captured.set_acs_control(top, address, 1 << bit)
                found = self.compare(top)
                flips = address.startswith('0000:02') and bool(1 << bit & pci.ACS_REDIRECT)
                self.assertEqual(found['0000:03:00.0', '0000:04:00.0'][1],
                                 'host-bridge' if flips else 'bus')
            captured.set_acs_control(top, address, 0)

    def test_shared_rows_are_right_for_every_virtual_function(self):
        top = self.write(machines.server(gpus=2, nics=2, vfs=30, nvmes=2, host_bridges=2, acs='random',
                                         seed=5))
        self.compare(top)


if __name__ == '__main__':
    material.main()
