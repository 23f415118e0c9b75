#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which device is which: serial numbers, cards of one kind that take turns in a slot, promises to devices that do not come
back; and state files of an older version, of another boot, and from before the clock was set."""

import os
import tempfile
import time
import zlib

import fixture  # finds the modules of the other folder
from fixture import GPU, NIC, NVME
import captured
import varlink

VF = '0000:04:00.1'
FIRST, SECOND = 0x48b02dffff0a1b2c, 0x48b02dffff0a1b2d
HOUR = 3600


class IdentityTest(fixture.RootTest):
    """Each test has a machine and a state directory of its own."""

    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        state = tempfile.TemporaryDirectory(prefix='p2pd-state-')
        self.addCleanup(state.cleanup)
        self.state = state.name
        self.interface = fixture.interface()

    def start(self, *options, **how):
        return self.daemon('--state', self.state, *options, **how)

    def call(self, daemon, method, parameters=None):
        """A call whose reply is what the interface says."""
        reply = daemon.call(f'io.p2pd.{method}', parameters)
        self.assertEqual(self.interface.problems(reply, self.interface.methods[method][1]), [])
        return reply

    def refused(self, daemon, method, parameters, error):
        with daemon.client() as client:
            found = self.error_of(client, f'io.p2pd.{method}', parameters)
        self.assertEqual(found.name, f'io.p2pd.{error}')
        self.assertEqual(self.interface.problems(found.parameters, self.interface.errors[error]), [])
        return found.parameters

    def function(self, daemon, address):
        (function,) = self.call(daemon, 'ListFunctions', {'functions': [address]})['functions']
        return function

    def id_of(self, daemon, address, bar_index=0):
        """Once everything that was given is saved and shown."""
        def complete():
            ids = {(r['function'], r['bar']['bar_index']): r['id']
                   for r in self.call(daemon, 'ListBars')['bars'] if r.get('id')}
            return ids if len(ids) == daemon.status()['ids_used'] else None
        return daemon.wait_until('ids are shown', complete)[address, bar_index]

    def lease(self, daemon, name='job'):
        (lease,) = (x for x in self.call(daemon, 'ListLeases')['leases'] if x.get('name') == name)
        return lease

    def take(self, daemon, *functions, **hold):
        return self.call(daemon, 'TakeLease', {'functions': functions, 'hold': hold})['lease']

    def hide_serial(self, address):
        """Config space is cut where its extended part begins."""
        os.truncate(captured.path_of(self.root, address, 'config'), 256)

    def rewrite(self, change):
        """Changes the lines of the state file (without checksums), and seals it."""
        with open(f'{self.state}/state', encoding='ascii') as file:
            lines = [change(line.rpartition(' ')[0]) for line in file.read().splitlines()[:-1]]
        text = ''.join(f'{line} {zlib.crc32(line.encode()):08x}\n' for line in lines)
        end = f'end {len(lines)} {zlib.crc32(text.encode()):08x}'
        with open(f'{self.state}/state', 'w', encoding='ascii') as file:
            file.write(f'{text}{end} {zlib.crc32(end.encode()):08x}\n')


class Serial(IdentityTest):
    def test_is_listed(self):
        captured.set_serial(self.root, GPU, FIRST)
        captured.set_serial(self.root, NIC, 1)
        captured.set_serial(self.root, NVME, 0)
        with self.start() as daemon:
            self.assertEqual(self.function(daemon, GPU)['serial'], f'0x{FIRST:016x}')
            # A virtual function is its physical one's hardware.
            for address in (NIC, VF):
                self.assertEqual(self.function(daemon, address)['serial'], f'0x{1:016x}')
            nvme = self.function(daemon, NVME)
            self.assertNotIn('serial', nvme)
            self.assertIn({'fact': 'serial', 'why': 'not-reported'}, nvme['unknowns'])
            port = self.function(daemon, fixture.SWITCH_PORT)
            self.assertNotIn('serial', port)
            self.assertNotIn('serial', [u['fact'] for u in port['unknowns']])

    def test_twins_take_turns(self):
        captured.set_serial(self.root, GPU, FIRST)
        with self.start() as daemon, daemon.client() as watcher:
            first = self.id_of(daemon, GPU)
            self.take(daemon, GPU, name='job')
            self.call(daemon, 'ReportVerification', {'provider': GPU, 'client': NVME, 'result': 'arrived',
                                                     'method': 'nvme-read'})
            watcher.send(varlink.encode('io.p2pd.WatchLeases', {'lease': 'job'}, more=True))
            watcher.reply()
            self.assertEqual(daemon.status()['counters']['verifications_now'], 1)
            captured.set_serial(self.root, GPU, SECOND)
            self.call(daemon, 'Rescan')
            told = watcher.reply()
            self.assertEqual((told['event'], told['function']), ('lost', GPU))
            self.assertEqual(daemon.status()['counters']['verifications_now'], 0)
            second = self.id_of(daemon, GPU)
            self.assertNotEqual(second, first)
            # It is nobody's.
            self.take(daemon, GPU, name='other')
            captured.set_serial(self.root, GPU, FIRST)
            self.call(daemon, 'Rescan')
            self.assertEqual(watcher.reply()['event'], 'back')
            self.assertEqual(self.id_of(daemon, GPU), first)
            self.assertTrue(self.lease(daemon, 'other')['devices'][0]['lost'])
        captured.set_serial(self.root, GPU, SECOND)
        with self.start() as daemon:
            self.assertEqual(self.id_of(daemon, GPU), second)
            self.assertTrue(self.lease(daemon, 'job')['devices'][0]['lost'])
            self.assertFalse(self.lease(daemon, 'other')['devices'][0]['lost'])

    def test_cannot_be_read_for_a_while(self):
        captured.set_serial(self.root, NVME, FIRST)
        with self.start() as daemon:
            number = self.id_of(daemon, NVME)
            self.take(daemon, NVME, name='job')
            self.call(daemon, 'ReportVerification', {'provider': NVME, 'client': GPU, 'result': 'arrived',
                                                     'method': 'nvme-read'})
            self.hide_serial(NVME)
            self.call(daemon, 'Rescan')
            self.assertNotIn('serial', self.function(daemon, NVME))
            self.assertIn('serial', [u['fact'] for u in self.function(daemon, NVME)['unknowns']])
            # There all along: the id stays, the lease holds it; what was verified is no longer certain.
            self.assertEqual(self.id_of(daemon, NVME), number)
            self.assertFalse(self.lease(daemon)['devices'][0]['lost'])
            self.refused(daemon, 'TakeLease', {'functions': [NVME], 'hold': {}}, 'LeaseHeld')
            self.assertEqual(daemon.status()['counters']['verifications_now'], 0)
        # After a break it is not taken for the one that was recorded, and not given to somebody else.
        with self.start() as daemon:
            self.assertNotEqual(self.id_of(daemon, NVME), number)
            self.assertFalse(self.lease(daemon)['devices'][0]['lost'])
            self.refused(daemon, 'TakeLease', {'functions': [NVME], 'hold': {}}, 'LeaseHeld')


class Absent(IdentityTest):
    """BARs that are registered and whose device is gone."""

    def absent(self, daemon):
        return self.call(daemon, 'ListBars')['absent']

    def gone(self, daemon):
        """Registers the NVMe's BAR, and unplugs it; its id."""
        number = self.call(daemon, 'RegisterBar', {'function': NVME, 'bar_index': 0})['id']
        self.assertEqual(self.absent(daemon), [])
        captured.remove_function(self.root, NVME)
        self.call(daemon, 'Rescan')
        (bar,) = self.absent(daemon)
        self.assertEqual(bar, {'slot': '0000:00:01.0/00.0/02.0/00.0', 'function': NVME, 'bar_index': 0, 'id': number})
        self.assertEqual(self.call(daemon, 'ListBars', {'functions': [GPU]})['absent'], [])
        return number

    def test_by_each_name(self):
        for name in ('function', 'slot', 'id'):
            with self.subTest(name), self.start() as daemon:
                number = self.gone(daemon)
                names = {'function': {'function': '05:00.0', 'bar_index': 0},
                         'slot': {'function': '0000:00:01.0/00.0/02.0/00.0', 'bar_index': 0}, 'id': {'id': number}}
                self.assertNotIn('id', self.call(daemon, 'UnregisterBar', names[name]))
                self.assertEqual(self.absent(daemon), [])
                for parameters in names.values():
                    self.assertEqual(self.refused(daemon, 'UnregisterBar', parameters, 'BarNotRegistered'),
                                     parameters)
                self.refused(daemon, 'UnregisterBar', {'function': 'nvme0', 'bar_index': 0}, 'FunctionNotFound')
            with self.start() as daemon:
                self.assertEqual(self.absent(daemon), [])
            self.doCleanups()
            self.setUp()

    def test_kept_until_it_is_ended(self):
        with self.start() as daemon:
            number = self.gone(daemon)
        with self.start() as daemon:
            (bar,) = self.absent(daemon)
            self.assertEqual((bar['function'], bar['id']), (NVME, number))
            self.call(daemon, 'UnregisterBar', {'id': number})
        with self.start() as daemon:
            self.assertEqual(self.absent(daemon), [])

    def test_present_by_its_id(self):
        with self.start() as daemon:
            number = self.call(daemon, 'RegisterBar', {'function': VF, 'bar_index': 0})['id']
            self.call(daemon, 'UnregisterBar', {'id': number})
            self.assertEqual(self.refused(daemon, 'UnregisterBar', {'id': number}, 'BarNotRegistered'), {'id': number})
            # One that has its id unasked keeps it.
            number = self.id_of(daemon, GPU)
            self.refused(daemon, 'UnregisterBar', {'id': number}, 'BarNotRegistered')
            self.call(daemon, 'RegisterBar', {'function': GPU, 'bar_index': 0})
            self.assertEqual(self.call(daemon, 'UnregisterBar', {'id': number})['id'], number)


class StateFile(IdentityTest):
    def test_of_version_1(self):
        captured.set_serial(self.root, GPU, FIRST)
        with self.start() as daemon:
            before = self.id_of(daemon, GPU)
            registered = self.call(daemon, 'RegisterBar', {'function': VF, 'bar_index': 0})['id']
            lease = self.take(daemon, GPU, name='job', seconds=HOUR)

        def older(line):
            words = line.split(' ')
            if words[0] == 'p2pd-state':
                words[1] = '1'
            elif words[0] == 'lease':
                del words[8:10]
            elif words[0] == 'registration':
                del words[4:]
            return ' '.join(w.rpartition(':')[0] if w.count(':') == 5 else w for w in words)

        self.rewrite(older)
        with open(f'{self.state}/state', encoding='ascii') as file:
            self.assertNotIn(f'{FIRST:x}', file.read())
        with self.start() as daemon:
            self.assertEqual(daemon.status()['warnings'], [])
            self.assertEqual((self.id_of(daemon, GPU), self.id_of(daemon, VF)), (before, registered))
            again = self.lease(daemon)
            self.assertAlmostEqual(again['expires_usec'], lease['expires_usec'], delta=100000)
            self.assertEqual({**again, 'expires_usec': 0}, {**lease, 'expires_usec': 0})
        # What it did not know it has learned.
        with open(f'{self.state}/state', encoding='ascii') as file:
            text = file.read()
        self.assertTrue(text.startswith('p2pd-state 2 '))
        self.assertIn(f'{FIRST:x}', text)
        captured.set_serial(self.root, GPU, SECOND)
        with self.start() as daemon:
            self.assertNotEqual(self.id_of(daemon, GPU), before)
            self.assertTrue(self.lease(daemon)['devices'][0]['lost'])

    def left(self, *, other_boot, expires_usec):
        """How many seconds a lease of an hour has after a restart, with a file that says so."""
        with self.start() as daemon:
            self.take(daemon, GPU, name='job', seconds=HOUR)

        def change(line):
            words = line.split(' ')
            if words[0] == 'p2pd-state' and other_boot:
                words[2] = '00000000-0000-4000-8000-000000000000'
            elif words[0] == 'lease':
                words[7] = str(expires_usec)
            return ' '.join(words)

        self.rewrite(change)
        with self.start() as daemon:
            leases = self.call(daemon, 'ListLeases')['leases']
            left = [x['expires_usec'] / 1e6 - time.time() for x in leases]
            for lease in leases:
                self.call(daemon, 'ReleaseLease', {'lease': str(lease['number'])})
        return left

    def test_clock_was_set(self):
        now = int(time.time() * 1e6)
        for expires_usec in (1, now - 1, now + 100 * HOUR * 1000000):
            (left,) = self.left(other_boot=False, expires_usec=expires_usec)
            self.assertTrue(HOUR - 60 < left <= HOUR, left)

    def test_reboot(self):
        now = int(time.time() * 1e6)
        (left,) = self.left(other_boot=True, expires_usec=now + HOUR * 500000)
        self.assertTrue(HOUR / 2 - 60 < left <= HOUR / 2, left)
        # The clock is years behind.
        (left,) = self.left(other_boot=True, expires_usec=now + 50000 * HOUR * 1000000)
        self.assertTrue(HOUR - 60 < left <= HOUR, left)
        self.assertEqual(self.left(other_boot=True, expires_usec=now - 1), [])

    def test_other_boot_is_written(self):
        """The deadline of another boot means nothing in this one."""
        with self.start() as daemon:
            self.take(daemon, GPU, name='job', seconds=HOUR)

        def change(line):
            words = line.split(' ')
            if words[0] == 'p2pd-state':
                words[2] = '00000000-0000-4000-8000-000000000000'
            elif words[0] == 'lease':
                words[8] = '1'
            return ' '.join(words)

        self.rewrite(change)
        for _ in range(2):
            with self.start() as daemon:
                self.assertTrue(HOUR - 60 < self.lease(daemon)['expires_usec'] / 1e6 - time.time() <= HOUR)


if __name__ == '__main__':
    fixture.main()
