#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl what-if`: what it says of an edited machine is what p2pctl says when the machine is like that."""

import json

import material  # finds the modules of the other folder
import captured
import machines
import programs

GPU, NIC, NVME, FAR_GPU = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:81:00.0'
GPU_PORT, NIC_PORT, NVME_PORT, FAR_PORT = '0000:02:00.0', '0000:02:01.0', '0000:02:02.0', '0000:80:01.0'
OK, FAILED, USAGE = 0, 1, 2


class WhatIf(material.Holder):
    def setUp(self):
        super().setUp()
        self.top = self.write(machines.small())

    def what_if(self, *edits, expect=OK):
        result = programs.p2pctl('--root', self.top, 'what-if', *edits)
        self.assertEqual(result.returncode, expect, result.stdout + result.stderr)
        return result.stdout if expect == OK else result.stderr

    def answer(self, *edits):
        return json.loads(programs.p2pctl('--root', self.top, '--json', 'what-if', *edits).stdout)

    def differences(self, before, after):
        return {pair: (before[pair][1], after[pair][1]) for pair in before if before[pair] != after[pair]}

    def test_acs_comes_true(self):
        """The flips are the differences of two captures, one of which has the bits."""
        before = programs.pairs('--root', self.top)
        answer = self.answer(f'acs=RR,CR@{GPU_PORT}', f'acs=RR,CR@{NIC_PORT}')
        shown = self.what_if(f'acs=RR,CR@{GPU_PORT}', f'acs=RR,CR@{NIC_PORT}')
        for port in (GPU_PORT, NIC_PORT):
            captured.set_acs_control(self.top, port, 0x0c)
        expected = self.differences(before, programs.pairs('--root', self.top))
        self.assertGreater(len(expected), 0)
        self.assertEqual(answer['flips_total'], len(expected))
        self.assertEqual({(f['provider'], f['client']): tuple(f[when]['map'].replace('_', '-') for when in
                                                              ('before', 'after')) for f in answer['flips']}, expected)
        self.assertIn(f'{len(expected)} verdicts of ordered pairs', shown)
        row = next(line for line in shown.splitlines() if line.startswith(f'{GPU} (card0') and NIC in line)
        self.assertIn(' '.join(['PIX', 'bus,', '4', 'hops', 'PIX', 'host-bridge,', '4', 'hops']), ' '.join(row.split()))
        self.assertIn('bus to host-bridge', shown)
        # And back.
        self.assertEqual(self.answer('acs=off@all')['flips_total'], len(expected))

    def test_nothing_flips(self):
        shown = self.what_if(f'acs=off@{GPU_PORT}')
        self.assertIn('changed     nothing: the machine is like that', shown)
        self.assertIn('flips       none: no verdict changes', shown)

    def test_kernel(self):
        shown = self.what_if('kernel=4.19')
        self.assertRegex(shown, r'kernel +4\.19, before 7\.3')
        self.assertIn('Assumed, or not modelled', shown)

    def test_link(self):
        shown = ' '.join(self.what_if(f'link=16GT/sx4@{GPU}').split())
        self.assertIn(f'{GPU} (card0 renderD128) {NIC} (eth0 mlx5_0) 63.0 GB/s 7.9 GB/s +link-below-best', shown)
        self.assertIn('flips none', shown)

    def test_many_pairs_are_counted(self):
        self.top = self.write(machines.server(gpus=8, nics=8, vfs=0, nvmes=8, host_bridges=2), 'server')
        shown = self.what_if('link=x8@0000:03:00.0')
        total = self.answer('link=x8@0000:03:00.0')['pairs_total']
        rows = [line.split() for line in shown.splitlines() if line.lstrip()[:1].isdigit()]
        self.assertGreater(total, 16)
        self.assertEqual(sum(int(row[0]) for row in rows), total)
        self.assertIn('SUCH AS PROVIDER', shown)

    def test_move(self):
        shown = self.what_if(f'move={NVME}@{FAR_PORT}', expect=FAILED)
        self.assertIn('Another device hangs on that port', shown)
        captured.remove_function(self.top, FAR_GPU)
        shown = self.what_if(f'move={NVME}@{FAR_PORT}')
        self.assertIn(f'{NVME} would likely be {FAR_GPU}', ' '.join(shown.split()))
        self.assertIn('bus to ', shown)

    def test_refusals(self):
        for edit, words in (('acs=off', 'acs=off'), ('acs=off@99:00.0', "at '99:00.0'"), ('speed=1', "at 'speed'"),
                            ('acs=XX@02:00.0', "at 'XX'"), ('kernel=x', 'kernel=x'), ('iommu=maybe', "at 'maybe'"),
                            (f'link=17GT/s@{GPU}', 'link=17'), ('\x1b[31m', '\\x1b[31m'), ('', "the edit ''")):
            with self.subTest(edit=edit):
                said = self.what_if(edit, expect=FAILED)
                self.assertIn('cannot be applied', said)
                self.assertIn(words, said)
                self.assertNotIn('\x1b', said)
        self.what_if(f'acs=off@{GPU_PORT}', 'nonsense', expect=FAILED)
        self.assertEqual(programs.p2pctl('--root', self.top, 'what-if').returncode, USAGE)

    def test_lspci(self):
        dump = f'{self.directory}/dump'
        with open(dump, 'wb') as file:
            file.write(material.lspci_dump(self.top))
        result = programs.p2pctl('--lspci', dump, 'what-if', f'acs=RR,CR@{GPU_PORT}')
        self.assertEqual((result.returncode, result.stderr), (OK, ''))
        self.assertIn(f'{GPU}  {NIC}', result.stdout)


if __name__ == '__main__':
    material.main()
