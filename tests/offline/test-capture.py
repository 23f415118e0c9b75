#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl capture`: what it wrote, read back, gives the very same answers."""

import json
import os
import unittest

import material  # finds the modules of the other folder
import programs

LIVE = os.path.isdir('/sys/bus/pci/devices') and bool(os.listdir('/sys/bus/pci/devices'))


@unittest.skipUnless(LIVE, 'no PCI device on this machine')
class Capture(material.Holder):
    def capture(self, *options, **how):
        top = f'{self.directory}/captured{len(os.listdir(self.directory))}'
        result = programs.p2pctl('capture', *options, top, **how)
        self.assertEqual(result.returncode, 0, result.stderr)
        return top, result

    @staticmethod
    def listing(*source):
        result = programs.p2pctl(*source, '--json', 'list')
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return json.loads(result.stdout)

    def test_same_answers_as_live(self):
        """A private live daemon with the same privilege, and the capture, agree on everything."""
        top, _ = self.capture()
        import service  # the daemon of the live machine
        with service.Daemon('--recheck-msec', '0') as daemon:
            live = programs.pairs('--socket', daemon.socket_path)
            self.assertEqual(programs.pairs('--root', top), live)
            self.assertEqual(self.listing('--root', top), self.listing('--socket', daemon.socket_path))
        self.assertGreater(len(live), 0)

    def test_capture_of_a_capture_is_the_same(self):
        """Whatever is read twice stays: the capture serves as the machine for list and pairs."""
        first, _ = self.capture()
        second, _ = self.capture()
        self.assertEqual(programs.pairs('--root', first), programs.pairs('--root', second))
        self.assertEqual(self.listing('--root', first), self.listing('--root', second))

    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that nobody may run')
    def test_unprivileged_capture_says_what_is_missing(self):
        os.chmod(self.directory, 0o777)
        top, result = self.capture(user=65534, group=65534)
        self.assertTrue(result.stderr.strip() or result.stdout.strip(), 'silent about what is missing')
        for address in os.listdir('/sys/bus/pci/devices'):
            size = os.stat(f'{top}/sys/bus/pci/devices/{address}/config').st_size
            self.assertIn(size, (64, 128, 256))
        for kind in {kind for (a, b), (_, kind, _) in programs.pairs('--root', top).items() if a != b}:
            self.assertIn(kind, ('unknown', 'none', 'host-bridge'))

    def test_existing_capture_is_not_overwritten(self):
        top, _ = self.capture()
        result = programs.p2pctl('capture', top)
        self.assertNotEqual(result.returncode, 0)
        self.assertTrue(result.stderr.strip())


if __name__ == '__main__':
    material.main()
