#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who holds which capability, and what works without any."""

import os
import unittest

import fixture
import programs
import service
import varlink

LIVE = os.path.isdir('/sys/bus/pci/devices') and bool(os.listdir('/sys/bus/pci/devices'))
CAP_SYS_ADMIN = 1 << 21
NOBODY = 65534
AS_NOBODY = ('setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups')


def held(pid):
    """Every capability set of every thread of a process, as {name: bits}, united."""
    found = {}
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/status', encoding='ascii') as file:
            for line in file:
                name, _, value = line.partition(':')
                if name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'NoNewPrivs'):
                    found[name] = found.get(name, 0) | int(value, 16)
    return found


def may_raise():
    return bool(held(os.getpid())['CapEff'] & CAP_SYS_ADMIN)


class Live(fixture.RootTest):
    """The machine that the test runs on."""

    def setUp(self):
        if not LIVE:
            self.skipTest('no PCI device on this machine')

    def live(self, **how):
        return service.Daemon(*fixture.NO_TIMER, **how)

    @unittest.skipUnless(may_raise(), 'needs CAP_SYS_ADMIN')
    def test_serving_process_holds_nothing(self):
        with self.live() as daemon:
            sets = held(daemon.process.pid)
            self.assertEqual(sets.pop('NoNewPrivs'), 1)
            self.assertEqual(set(sets.values()), {0}, sets)
            processes = {p['role']: p for p in daemon.status()['processes']}
            self.assertEqual(len(processes), 2)
            (reader,) = (p for p in processes.values() if p['pid'] != daemon.process.pid)
            (server,) = (p for p in processes.values() if p['pid'] == daemon.process.pid)
            self.assertEqual(server['capabilities'], [])
            self.assertEqual(reader['capabilities'], ['CAP_SYS_ADMIN'])
            self.assertTrue(reader['alive'])
            sets = held(reader['pid'])
            self.assertEqual((sets['CapEff'], sets['CapPrm'], sets['CapInh'], sets['CapAmb']),
                             (CAP_SYS_ADMIN, CAP_SYS_ADMIN, 0, 0))
        self.assertFalse(os.path.exists(f'/proc/{reader["pid"]}'), 'the reader outlives the daemon')

    @unittest.skipUnless(may_raise(), 'needs CAP_SYS_ADMIN')
    def test_lost_reader_is_told_and_survived(self):
        with self.live() as daemon:
            (reader,) = (p for p in daemon.status()['processes'] if p['pid'] != daemon.process.pid)
            os.kill(reader['pid'], 9)
            daemon.call('io.p2pd.Rescan')
            alive = {p['pid']: p['alive'] for p in daemon.status()['processes']}
            self.assertFalse(alive.get(reader['pid'], False))
            self.assertTrue(alive[daemon.process.pid])
            self.assertGreater(daemon.status()['functions'], 0)

    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that nobody may run')
    def test_works_without_privilege(self):
        """Everything runs; what could not be read is unknown, never off."""
        with self.live(launcher=AS_NOBODY, socket_path=f'/tmp/p2pd-test-{os.getpid()}.socket') as daemon:
            status = daemon.status()
            self.assertEqual(status['functions'], len(os.listdir('/sys/bus/pci/devices')))
            functions = daemon.call('io.p2pd.ListFunctions')['functions']
            for function in functions:
                whys = {u['fact']: u['why'] for u in function['unknowns']}
                if function['config_bytes'] < 256 and function.get('acs') is None:
                    self.assertIn('acs', whys, function['address'])
            self.assertGreater(status['acs_unknown'], 0)

    def test_live_pairs_are_complete(self):
        with self.live() as daemon:
            ends = [f['address'] for f in daemon.call('io.p2pd.ListFunctions')['functions'] if f['endpoint']]
            seen = 0
            with daemon.client() as client:
                for reply in client.stream('io.p2pd.GetPairs'):
                    self.assertEqual(reply['clients'], ends)
                    seen += sum(len(row['cells']) for row in reply['rows'])
            self.assertEqual(seen, len(ends) ** 2)


class Captured(fixture.RootTest):
    @unittest.skipUnless(os.geteuid() == 0, 'needs root')
    def test_captured_root_needs_no_privilege(self):
        with self.daemon() as daemon:
            sets = held(daemon.process.pid)
            sets.pop('NoNewPrivs')
            self.assertEqual(set(sets.values()), {0}, sets)
            (process,) = daemon.status()['processes']
            self.assertEqual((process['pid'], process['capabilities']), (daemon.process.pid, []))

    @unittest.skipUnless(os.geteuid() == 0, 'needs root to be somebody else')
    def test_rescan_is_for_root_and_the_group(self):
        with self.daemon() as daemon:
            with daemon.client(uid=NOBODY) as client:
                error = self.error_of(client, 'io.p2pd.Rescan')
                self.assertEqual(error.name, 'org.varlink.service.PermissionDenied')
                self.assertIn('status', client.call('io.p2pd.GetStatus'))
                error = self.error_of(client, 'io.p2pd.Rescan', {'parameters': 'that nobody may try'})
                self.assertEqual(error.name, 'org.varlink.service.PermissionDenied',
                                 'permission comes before parameters')
            daemon.call('io.p2pd.Rescan')


if __name__ == '__main__':
    fixture.main()
