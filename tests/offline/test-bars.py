#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pctl and registered BARs whose devices are gone; serial numbers in `list`."""

import json

import material  # finds the modules of the other folder
import captured
import machines
import programs
import service

GPU, NVME = '0000:03:00.0', '0000:05:00.0'
SLOT = '0000:00:01.0/00.0/02.0/00.0'
OK, FAILED, USAGE = 0, 1, 2


class Bars(material.Holder):
    def setUp(self):
        super().setUp()
        self.top = self.write(machines.small())
        captured.set_serial(self.top, GPU, 0x00e04c0012345678)
        self.daemon = service.Daemon('--root', self.top, '--recheck-msec', '0', '--state', f'{self.directory}/state')
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__, None, None, None)

    def p2pctl(self, *arguments, expect=OK):
        result = programs.p2pctl('--socket', self.daemon.socket_path, *arguments)
        self.assertEqual(result.returncode, expect, (arguments, result.stdout, result.stderr))
        return ' '.join((result.stdout + result.stderr).split())

    def gone(self):
        """Registers the NVMe's BAR, and unplugs it; its id."""
        words = self.p2pctl('register', 'nvme0', '0').split()
        self.assertEqual(words[:-1], ['registered:', 'BAR', 'id'])
        captured.remove_function(self.top, NVME)
        self.daemon.call('io.p2pd.Rescan')
        return words[-1]

    def test_what_is_gone_is_shown(self):
        self.assertNotIn('not there', self.p2pctl('bars'))
        number = self.gone()
        text = self.p2pctl('bars')
        self.assertIn('1 registered BAR of devices that are not there; `p2pctl unregister` ends the promise: '
                      f'ID LAST SEEN AT BAR SLOT {number} {NVME} 0 {SLOT}', text)
        self.assertNotIn('not there', self.p2pctl('bars', GPU))
        self.assertEqual(json.loads(self.p2pctl('--json', 'bars'))['absent'],
                         [{'slot': SLOT, 'function': NVME, 'bar_index': 0, 'id': int(number)}])

    def test_promise_is_ended(self):
        for names in ((NVME, '0'), (SLOT, '0'), ('ID',)):
            with self.subTest(names):
                number = self.gone()
                names = [number if name == 'ID' else name for name in names]
                self.assertEqual(self.p2pctl('unregister', *names), 'no longer registered: it has no BAR id')
                self.assertNotIn('not there', self.p2pctl('bars'))
                text = self.p2pctl('unregister', *names, expect=FAILED)
                self.assertIn('no registered BAR has or had the id' if len(names) == 1 else 'is not registered', text)
                self.assertIn('`p2pctl bars` shows those that are', text)
            self.doCleanups()
            self.setUp()

    def test_wrong_ids(self):
        for wrong in ('0', '65536', 'x', '-1', ''):
            self.assertIn('is no BAR id', self.p2pctl('--', 'unregister', wrong, expect=USAGE))
        self.assertIn('the id 9999', self.p2pctl('unregister', '9999', expect=FAILED))

    def test_serial(self):
        functions = {f['address']: f for f in json.loads(self.p2pctl('--json', 'list', GPU, NVME))['functions']}
        self.assertEqual(functions[GPU]['serial'], '0x00e04c0012345678')
        self.assertNotIn('serial', functions[NVME])


if __name__ == '__main__':
    material.main()
