#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl check` as an admission gate: exit codes, the gate that stops, and what one may ask for."""

import json
import os
import struct

import material  # finds the modules of the other folder
import captured
import config as space
import machines
import programs
import service

GPU, NIC, NVME, FAR_GPU = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:81:00.0'
SWITCH_PORT, HOST_BRIDGE = '0000:02:00.0', '0000:00:00.0'
GATES = ['present', 'bar', 'decoding', 'link', 'acs', 'host-bridge', 'iommu', 'kernel', 'verified']
YES, NO, USAGE, UNKNOWN = 0, 1, 2, 3


class Check(material.Holder):
    def setUp(self):
        super().setUp()
        machine = machines.small()
        self.top = self.write(machine)
        os.makedirs(f'{self.top}/boot', exist_ok=True)
        with open(f'{self.top}/boot/config-{machine.kernel}', 'w', encoding='ascii') as file:
            file.write('CONFIG_PCI_P2PDMA=y\n')

    def check(self, *arguments, pair=(GPU, NIC)):
        return programs.p2pctl('--root', self.top, 'check', *arguments, *pair)

    def states(self, *arguments, pair=(GPU, NIC)):
        """(exit code, {gate: state}, the sentence)"""
        result = self.check('--json', *arguments, pair=pair)
        (told,) = json.loads(result.stdout)['pairs']
        self.assertEqual([gate['name'] for gate in told['gates']], GATES)
        return result.returncode, {g['name']: g['state'] for g in told['gates']}, told.get('because')

    def assert_stops(self, code, gate, words, *arguments, **how):
        """At this gate, and later ones are not asked."""
        found, states, because = self.states(*arguments, **how)
        self.assertEqual((found, states[gate]), (code, 'failed' if code == NO else 'unknown'), because)
        self.assertIn(words, because)
        if code == NO:
            self.assertEqual({states[later] for later in GATES[GATES.index(gate) + 1:]} - {'not-reached'}, set())

    def link(self, address, speed, width):
        """The current link of a function, as both places tell it."""
        path = captured.path_of(self.top, address, 'config')
        with open(path, 'r+b') as file:
            file.seek(space.PCIE_AT + 0x12)
            file.write(struct.pack('<H', space.SPEED_CODES[speed] | width << 4))
        for name, text in (('current_link_speed', f'{speed} GT/s PCIe\n'), ('current_link_width', f'{width}\n')):
            with open(captured.path_of(self.top, address, name), 'w', encoding='ascii') as file:
                file.write(text)

    def test_yes(self):
        result = self.check()
        self.assertEqual((result.returncode, result.stderr), (YES, ''))
        self.assertEqual([line.split()[0] for line in result.stdout.splitlines()[1:10]], GATES)
        self.assertTrue(result.stdout.endswith('\nyes\n'))

    def test_wishes_that_are_none(self):
        for text in ('', 'x', '-1', '16Q', '0x', '99999999999999999999'):
            with self.subTest(text=text):
                result = self.check('--min-bar', text)
                self.assertEqual((result.returncode, result.stdout), (USAGE, ''))
                self.assertIn('--min-bar', result.stderr)
        for option in (('--min-bar', '1M'), ('--allow-slow-link',)):
            self.assertEqual(programs.p2pctl('--root', self.top, 'list', *option).returncode, USAGE)

    def test_bar_large_enough(self):
        self.assertEqual(self.check('--min-bar', '128G').returncode, YES)
        self.assertEqual(self.check('--min-bar', '0x2000000000').returncode, YES)
        self.assertEqual(self.check('--min-bar', '0').returncode, YES)
        self.assert_stops(NO, 'bar', 'BAR 2, has 128 GiB, where 256 GiB is asked for', '--min-bar', '256G')
        result = self.check('--min-bar', '256G')
        self.assertEqual(result.returncode, NO)
        self.assertIn('where 256 GiB is asked for', ' '.join(result.stdout.split()))

    def test_decoding(self):
        path = captured.path_of(self.top, GPU, 'config')
        with open(path, 'r+b') as file:
            file.seek(4)
            file.write(b'\x04')
        self.assert_stops(NO, 'decoding', 'is off')

    def test_slow_link(self):
        self.link(GPU, 32.0, 4)
        self.assert_stops(NO, 'link', f'the link of endpoint {GPU} runs at 32 GT/s x4, both of its ends can do 32 GT/s '
                                      'x16')
        self.link(GPU, 2.5, 16)
        self.assert_stops(NO, 'link', f'the link of endpoint {GPU} runs at 2.5 GT/s x16')
        # As a client, and on the way to another provider too.
        self.assert_stops(NO, 'link', GPU, pair=(NVME, GPU))
        code, states, _ = self.states('--allow-slow-link')
        self.assertEqual((code, states['link'], states['kernel']), (YES, 'not-needed', 'passed'))
        self.assertEqual(self.check(pair=(NVME, NIC)).returncode, YES)

    def test_unknown_link(self):
        for name in ('current_link_speed', 'max_link_speed', 'current_link_width', 'max_link_width'):
            for address in (NIC, '0000:02:01.0'):
                os.unlink(captured.path_of(self.top, address, name))
        for address in (NIC, '0000:02:01.0'):
            path = captured.path_of(self.top, address, 'config')
            os.truncate(path, 64)
        code, states, because = self.states('--allow-slow-link')
        self.assertEqual((code, states['link']), (UNKNOWN, 'not-needed'), because)
        self.assert_stops(UNKNOWN, 'link', 'runs at its best is unknown')

    def test_acs_and_host_bridge(self):
        self.assertEqual(self.check(pair=(GPU, FAR_GPU)).returncode, YES)
        captured.set_acs_control(self.top, SWITCH_PORT, 0x1d)
        code, states, _ = self.states()
        self.assertEqual((code, states['acs'], states['host-bridge']), (YES, 'passed', 'passed'))
        # One that no kernel lets pass.
        path = captured.path_of(self.top, HOST_BRIDGE, 'uevent')
        with open(path, encoding='ascii') as file:
            text = file.read()
        self.assertIn('PCI_ID=8086:09A2', text)
        with open(path, 'w', encoding='ascii') as file:
            file.write(text.replace('PCI_ID=8086:09A2', 'PCI_ID=8086:1234'))
        self.assert_stops(NO, 'acs', f'{SWITCH_PORT} redirects')
        self.assert_stops(NO, 'host-bridge', 'not on the kernel', pair=(GPU, FAR_GPU))

    def test_no_driver(self):
        """A machine before any vendor's driver: config space is enough."""
        for address in (GPU, NIC, NVME):
            link = captured.path_of(self.top, address, 'driver')
            if os.path.lexists(link):
                os.unlink(link)
            uevent = captured.path_of(self.top, address, 'uevent')
            with open(uevent, encoding='ascii') as file:
                lines = [line for line in file if not line.startswith('DRIVER=')]
            with open(uevent, 'w', encoding='ascii') as file:
                file.writelines(lines)
        for pair in ((GPU, NIC), (GPU, NVME), (NIC, GPU)):
            self.assertEqual(self.check(pair=pair).returncode, YES, pair)

    def test_kernel_may_still_hold_another_verdict(self):
        """The port redirected once: what the kernel was asked then it still answers."""
        captured.set_acs_control(self.top, SWITCH_PORT, 0x1d)
        with service.Daemon('--root', self.top, '--recheck-msec', '0') as daemon:
            ask = ('--socket', daemon.socket_path, 'check')
            before = programs.p2pctl(*ask, GPU, NIC).returncode
            captured.set_acs_control(self.top, SWITCH_PORT, 0)
            daemon.call('io.p2pd.Rescan')
            result = programs.p2pctl(*ask, GPU, NIC)
            self.assertEqual(result.returncode, UNKNOWN, result.stdout)
            self.assertIn('the kernel still holds the older verdict', ' '.join(result.stdout.split()))
            # What never was another verdict, and what another kernel would say.
            self.assertEqual(programs.p2pctl(*ask, NIC, NVME).returncode, YES)
            self.assertEqual(programs.p2pctl('--rules', 'newest', *ask, GPU, NIC).returncode, YES)
            captured.set_acs_control(self.top, SWITCH_PORT, 0x1d)
            daemon.call('io.p2pd.Rescan')
            # Back to what it was: the kernel may hold what was in between. A gate that fails says more.
            result = programs.p2pctl(*ask, GPU, NIC)
            self.assertEqual(result.returncode, NO if before == NO else UNKNOWN, result.stdout)


if __name__ == '__main__':
    material.main()
