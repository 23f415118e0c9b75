#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""BAR ids and the shared table: attach, look, follow, confirm, register; over hotplug, restarts, a state file that is
damaged or cannot be written."""

import fcntl
import mmap
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured
import programs
import service
import table
import varlink

F_GET_SEALS = 1034
SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_FUTURE_WRITE = 1, 2, 4, 16
NOBODY = 65534
ENDPOINTS = (GPU, NIC, NVME, FAR_GPU)


class TableTest(fixture.RootTest):
    """Each test has a machine and a state directory of its own."""

    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        state = tempfile.TemporaryDirectory(prefix='p2pd-state-')
        self.addCleanup(state.cleanup)
        self.state = state.name
        self.interface = fixture.interface()
        self.kept = f'{self.root}/kept'
        os.mkdir(self.kept)

    def start(self, *options, state=None, **how):
        return self.daemon('--state', state or self.state, *options, **how)

    def reader(self, daemon):
        reader = table.Reader(daemon.socket_path)
        self.addCleanup(reader.close)
        return reader

    def attached(self, daemon):
        reader = self.reader(daemon)
        reply = reader.attach()
        self.assertEqual(self.interface.problems(reply, self.interface.methods['AttachTable'][1]), [])
        reader.generation = reply['generation']
        return reader

    def unplug(self, address):
        shutil.copytree(captured.path_of(self.root, address), f'{self.kept}/{address}', symlinks=True)
        os.symlink(os.readlink(f'{self.root}/sys/bus/pci/devices/{address}'), f'{self.kept}/{address}.link')
        where = captured.path_of(self.root, address)
        captured.remove_function(self.root, address)
        os.symlink(where, f'{self.kept}/{address}.where')

    def plug(self, address, device=None):
        """Back it comes; device: another one of this id."""
        where = os.readlink(f'{self.kept}/{address}.where')
        shutil.copytree(f'{self.kept}/{address}', where, symlinks=True)
        os.symlink(os.readlink(f'{self.kept}/{address}.link'), f'{self.root}/sys/bus/pci/devices/{address}')
        if device is not None:
            with open(f'{where}/device', 'w', encoding='ascii') as file:
                file.write(f'0x{device:04x}\n')
            with open(f'{where}/config', 'r+b') as file:
                file.seek(2)
                file.write(device.to_bytes(2, 'little'))
            with open(f'{where}/uevent', 'r+', encoding='ascii') as file:
                text = re.sub(r'^(PCI_ID=....:)....$', fr'\g<1>{device:04X}', file.read(), flags=re.M)
                file.seek(0)
                file.write(text)
        shutil.rmtree(f'{self.kept}/{address}')
        os.unlink(f'{self.kept}/{address}.link')
        os.unlink(f'{self.kept}/{address}.where')

    def listed(self, daemon):
        """(generation, {id: (function, bar_index)}) as ListBars says."""
        reply = daemon.call('io.p2pd.ListBars')
        self.assertEqual(self.interface.problems(reply, self.interface.methods['ListBars'][1]), [])
        found = {}
        for record in reply['bars']:
            if record.get('id') is None:
                self.assertIsNone(record.get('id_since'))
                continue
            self.assertNotIn(record['id'], found)
            self.assertLessEqual(record['id_since'], reply['generation'])
            found[record['id']] = (record['function'], record['bar']['bar_index'])
        return reply['generation'], found

    def shown(self, daemon):
        """What ListBars says, once everything that was given is saved."""
        return daemon.wait_until('ids are saved and shown', lambda: self.complete(daemon))

    def complete(self, daemon):
        _, found = self.listed(daemon)
        return found if daemon.status()['ids_used'] == len(found) else None


class Attach(TableTest):
    def test_descriptor_cannot_be_written(self):
        with self.start() as daemon:
            reader = self.attached(daemon)
            fd, size = reader.table.fd, reader.table.size
            seals = fcntl.fcntl(fd, F_GET_SEALS)
            self.assertEqual(seals & SEAL_SHRINK, SEAL_SHRINK)
            self.assertEqual(seals & SEAL_GROW, SEAL_GROW)
            self.assertEqual(seals & SEAL_SEAL, SEAL_SEAL)
            self.assertEqual(seals & SEAL_FUTURE_WRITE, SEAL_FUTURE_WRITE)
            self.assertEqual(os.fstat(fd).st_size, size)
            descriptors = [fd]
            try:
                descriptors.append(os.open(f'/proc/self/fd/{fd}', os.O_RDWR))
            except PermissionError:
                pass
            for number in descriptors:
                with self.assertRaises((PermissionError, OSError)):
                    os.pwrite(number, b'x', 0)
                with self.assertRaises((PermissionError, OSError)):
                    os.ftruncate(number, 0)
                with self.assertRaises((PermissionError, OSError)):
                    os.ftruncate(number, size * 2)
                with self.assertRaises((PermissionError, OSError)):
                    mmap.mmap(number, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            for number in descriptors[1:]:
                os.close(number)
            self.assertEqual(reader.table.read()[0], 1)

    def test_says_what_list_bars_says(self):
        with self.start() as daemon:
            reader = self.reader(daemon)
            reply = reader.attach()
            t = reader.table
            self.assertEqual((t.magic, t.version, t.total_bytes), (table.MAGIC, table.VERSION, t.size))
            self.assertEqual((t.instance, t.id_bits), (reply['instance'], reply['id_bits']))
            generation, found = t.read()
            self.assertEqual(generation, reply['generation'])
            self.assertEqual((generation, {number: record[:2] for number, record in found.items()}),
                             self.listed(daemon))
            records = {r['id']: r for r in daemon.call('io.p2pd.ListBars')['bars'] if r.get('id')}
            for number, (_, _, first, last, since) in found.items():
                bar = records[number]['bar']
                self.assertEqual((first, last + 1 - first),
                                 (int(bar['phys_start'], 16), int(bar['size_bytes'], 16)))
                self.assertEqual(since, records[number]['id_since'])
            self.assertEqual({function for function, _ in self.listed(daemon)[1].values()}, set(ENDPOINTS))
            status = daemon.status()
            self.assertEqual((status['ids_used'], status['id_bits'], status['readers']),
                             (len(found), reply['id_bits'], 1))
            self.assertEqual((status['table_bytes'], status['table_generation'], status['state_path']),
                             (t.size, generation, self.state))
            self.assertEqual(status['oldest_confirmed'], 0)

    def test_once_for_each_table(self):
        with self.start() as daemon:
            reader = self.attached(daemon)
            self.assertEqual(self.error_of(reader, 'io.p2pd.AttachTable').name, 'io.p2pd.AlreadyAttached')
            self.assertEqual(reader.descriptors, [])
            with daemon.client() as other:
                self.assertEqual(self.error_of(other, 'io.p2pd.FollowTable', {'confirmed': 0}).name,
                                 'io.p2pd.NotAttached')
            for wrong in (2, -1, 'x', None, 1.5, 1 << 62):
                error = self.error_of(reader, 'io.p2pd.FollowTable', {'confirmed': wrong})
                self.assertEqual((error.name, error.parameters),
                                 ('org.varlink.service.InvalidParameter', {'parameter': 'confirmed'}))

    def test_instance_is_another_one_after_a_restart(self):
        seen = set()
        for _ in range(3):
            with self.start() as daemon:
                seen.add(self.reader(daemon).attach()['instance'])
        self.assertEqual(len(seen), 3)

    def test_private_daemon(self):
        """Over a socket pair, as p2pctl --root uses it: the table is there, and no state file."""
        ours, theirs = socket.socketpair()
        shell = f'exec 3<&{theirs.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        environment = dict(os.environ, STATE_DIRECTORY=self.state)
        with subprocess.Popen(['/bin/bash', '-c', shell, 'sh', programs.P2PD, '--root', self.root],
                              pass_fds=(theirs.fileno(),), env=environment) as process:
            theirs.close()
            with table.Reader(ours) as reader:
                reader.attach()
                self.assertEqual(reader.table.read()[0], 1)
                self.assertIsNone(reader.call('io.p2pd.GetStatus')['status'].get('state_path'))
                reply = reader.call('io.p2pd.RegisterBar', {'function': NIC, 'bar_index': 0})
                self.assertTrue(reply['id'])
            self.assertEqual(process.wait(20 * programs.PATIENCE), 0)
        self.assertEqual(os.listdir(self.state), [])


class Follow(TableTest):
    def test_waits_for_the_next_generation(self):
        with self.start() as daemon:
            reader = self.attached(daemon)
            for bits in (0x04, 0x00, 0x04, 0x00):
                generation, _ = reader.table.read()
                reader.ask_follow(generation)
                with self.assertRaises(TimeoutError):
                    reader.receive_raw(0.05)
                captured.set_acs_control(self.root, SWITCH_PORT, bits)
                self.assertEqual(daemon.call('io.p2pd.Rescan')['generation'], generation + 1)
                self.assertEqual(reader.followed(), generation + 1)
                self.assertEqual(reader.table.read()[0], generation + 1)
                self.assertEqual(daemon.status()['oldest_confirmed'], generation)
            # Who is behind is answered at once.
            self.assertEqual(reader.follow(2), 5)

    def test_hotplug_changes_ids_in_the_table(self):
        with self.start() as daemon:
            reader = self.attached(daemon)
            before = self.shown(daemon)
            self.unplug(NVME)
            generation = daemon.call('io.p2pd.Rescan')['generation']
            self.assertGreaterEqual(reader.follow(1), generation)
            _, found = reader.table.read()
            self.assertEqual({n: r[:2] for n, r in found.items()},
                             {n: r for n, r in before.items() if r[0] != NVME})
            self.plug(NVME)
            daemon.call('io.p2pd.Rescan')
            self.assertEqual(self.shown(daemon), before)
            daemon.wait_until('all are in the table', lambda: {
                n: r[:2] for n, r in reader.table.read()[1].items()} == before)

    def test_table_that_grows_moves(self):
        """A machine many times as big needs another descriptor; who waits is told."""
        with self.start() as daemon:
            reader = self.attached(daemon)
            old = reader.table
            reader.table = None
            other = fixture.machines.server(gpus=4, nics=4, vfs=60, nvmes=8)
            shutil.rmtree(f'{self.root}/sys')
            shutil.rmtree(f'{self.root}/proc')
            captured.write(other, self.root)
            reader.ask_follow(1)
            daemon.call('io.p2pd.Rescan')
            moved, found = False, None
            # New ids come a generation later, once they are saved; the table may then move again.
            while found is None or found != self.listed(daemon)[1]:
                reply = reader.reply()
                if reply['moved']:
                    moved = True
                    reply = reader.attach()
                try:
                    found = {n: r[:2] for n, r in reader.table.read()[1].items()}
                except table.Superseded:
                    found = None
                reader.ask_follow(reply['generation'])
            self.assertTrue(moved, 'this test needs a bigger machine')
            self.assertTrue(old.state()[2], 'the old one does not say so')
            self.assertGreater(reader.table.size, old.size)
            old.close()

    def test_hundred_readers_over_hotplug_and_restart(self):
        path = f'{self.state}/socket'
        moves = [(self.unplug, NVME), (self.plug, NVME), (self.unplug, FAR_GPU), (self.plug, FAR_GPU)]
        meanings = {}
        for _ in range(3):
            daemon = self.start(socket_path=path).start()
            try:
                readers = [self.attached(daemon) for _ in range(100)]
                self.assertEqual(daemon.status()['readers'], 100)
                for reader in readers:
                    reader.ask_follow(reader.generation)
                for change, address in moves:
                    change(address)
                    generation = daemon.call('io.p2pd.Rescan')['generation']
                    for reader in readers:
                        while reader.generation < generation:
                            reader.generation = reader.followed()
                            at, found = reader.table.read()
                            self.assertGreaterEqual(at, reader.generation)
                            for number, record in found.items():
                                self.assertEqual(meanings.setdefault(number, record[:2]), record[:2])
                            reader.ask_follow(reader.generation)
                daemon.process.kill()
                daemon.process.wait()
                for reader in readers:
                    self.assertTrue(reader.wait_closed())
                    reader.close()
                    reader.table = None
                    reader.descriptors = []
            finally:
                daemon.clean()

    def test_reader_that_is_killed_is_gone(self):
        with self.start() as daemon:
            code = ('import socket,sys,signal\n'
                    's = socket.socket(socket.AF_UNIX)\n'
                    's.connect(sys.argv[1])\n'
                    "s.sendall(b'{\"method\":\"io.p2pd.AttachTable\"}\\0')\n"
                    's.recvmsg(4096, 64)\n'
                    "s.sendall(b'{\"method\":\"io.p2pd.FollowTable\",\"parameters\":{\"confirmed\":1}}\\0')\n"
                    "print('waits', flush=True)\n"
                    'signal.pause()\n')
            with subprocess.Popen(['python3', '-c', code, daemon.socket_path], stdout=subprocess.PIPE) as process:
                process.stdout.readline()
                daemon.wait_until('it is a reader', lambda: daemon.status().get('oldest_confirmed') == 1)
                process.kill()
            daemon.wait_until('it is none', lambda: daemon.status()['readers'] == 0)
            self.assertIsNone(daemon.status().get('oldest_confirmed'))


class Ids(TableTest):
    def test_kept_over_kill_and_restart(self):
        with self.start() as daemon:
            first = self.shown(daemon)
        daemon = self.start().start()
        try:
            self.assertEqual(self.shown(daemon), first)
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
        finally:
            daemon.clean()
        self.unplug(NVME)
        with self.start() as daemon:
            self.assertEqual(self.shown(daemon), {n: r for n, r in first.items() if r[0] != NVME})
            self.assertEqual(daemon.status()['ids_retired'], 2)
            self.plug(NVME)
            daemon.call('io.p2pd.Rescan')
            self.assertEqual(self.shown(daemon), first)

    def test_never_two_bars(self):
        """Hotplug of the same and of other devices, with few ids and readers that lag: what a reader may still use never
        means another BAR, and what was given is not given twice over a restart of the daemon."""
        dice = random.Random(7)
        out, serial = set(), 0x4000
        last = {}  # id: (generation in which it was seen last, what it meant then)
        device = {address: 0 for address in ENDPOINTS}
        with self.start('--id-bits', '4') as daemon:
            readers = [self.attached(daemon) for _ in range(3)]
            confirmed = [0, 0, 0]
            reused = exhausted = 0
            for _ in range(150):
                for address in dice.sample((NVME, GPU, FAR_GPU), dice.randint(1, 2)):
                    if address in out:
                        another = dice.random() < 0.7
                        serial += another
                        device[address] = serial if another else device[address]
                        self.plug(address, serial if another else None)
                    else:
                        self.unplug(address)
                    out ^= {address}
                daemon.call('io.p2pd.Rescan')
                generation, found = self.listed(daemon)
                for number, (function, bar_index) in found.items():
                    now = (function, bar_index, device[function])
                    at, before = last.get(number, (0, now))
                    if before != now:
                        reused += 1
                        # It had the old meaning still at that generation: all have promised a later one.
                        self.assertGreater(min(confirmed), at)
                    last[number] = (generation, now)
                exhausted += daemon.status()['bars_without_id'] > 0
                for i in range(3):
                    if dice.random() < 0.3:
                        confirmed[i] = max(confirmed[i], generation - dice.randint(0, 2))
                        readers[i].confirm(confirmed[i])
            self.assertGreater(reused, 5, 'the test reached no id that is given again')
            self.assertGreater(exhausted, 5, 'the test never ran out of ids')

    def test_exhaustion_is_told_and_ends_with_a_confirmation(self):
        with self.start('--id-bits', '4') as daemon:
            reader = self.attached(daemon)
            serial = 0x5000
            while daemon.status()['bars_without_id'] == 0:
                self.unplug(FAR_GPU)
                daemon.call('io.p2pd.Rescan')
                serial += 1
                self.plug(FAR_GPU, serial)
                daemon.call('io.p2pd.Rescan')
                self.assertLess(serial, 0x5020)
            self.assertTrue([w for w in daemon.status()['warnings'] if w['text'].startswith('bar ids: ')])
            error = self.error_of(reader, 'io.p2pd.RegisterBar', {'function': '0000:04:00.1', 'bar_index': 0})
            self.assertEqual((error.name, error.parameters), ('io.p2pd.IdsExhausted', {'id_bits': 4}))
            reader.confirm(daemon.status()['table_generation'])
            daemon.wait_until('all have ids', lambda: daemon.status()['bars_without_id'] == 0)
            self.shown(daemon)
            self.assertFalse([w for w in daemon.status()['warnings'] if w['text'].startswith('bar ids: ')])

    def test_reader_that_goes_frees_ids_as_well(self):
        with self.start('--id-bits', '4') as daemon:
            reader = self.attached(daemon)
            serial = 0x6000
            while daemon.status()['bars_without_id'] == 0:
                self.unplug(FAR_GPU)
                daemon.call('io.p2pd.Rescan')
                serial += 1
                self.plug(FAR_GPU, serial)
                daemon.call('io.p2pd.Rescan')
                self.assertLess(serial, 0x6020)
            reader.close()
            reader.table, reader.descriptors = None, []
            daemon.wait_until('all have ids', lambda: daemon.status()['bars_without_id'] == 0)

    def test_width(self):
        for wrong in ('3', '17', '0', '-4', 'x', '4x', ''):
            result = subprocess.run([programs.P2PD, '--id-bits', wrong], capture_output=True, check=False,
                                    timeout=20 * programs.PATIENCE)
            self.assertEqual(result.returncode, 2, wrong)
        with self.start('--id-bits', '16') as daemon:
            self.assertEqual(self.attached(daemon).table.id_bits, 16)
            before = self.shown(daemon)
        # One that was chosen once does not shrink by itself, and can be made smaller by saying so.
        with self.start() as daemon:
            self.assertEqual((daemon.status()['id_bits'], self.shown(daemon)), (16, before))
        with self.start('--id-bits', '4') as daemon:
            self.assertEqual((daemon.status()['id_bits'], self.shown(daemon)), (4, before))


class Register(TableTest):
    VF = '0000:04:00.1'

    def test_register_and_unregister(self):
        with self.start() as daemon, daemon.client() as client:
            before = self.shown(daemon)
            generation = daemon.status()['table_generation']
            reader = self.attached(daemon)
            reply = client.call('io.p2pd.RegisterBar', {'function': self.VF, 'bar_index': 0})
            number = reply['id']
            self.assertNotIn(number, before)
            self.assertEqual(reply['generation'], generation + 1)
            self.assertEqual(reader.follow(generation), generation + 1)
            self.assertEqual(reader.table.read()[1][number][:2], (self.VF, 0))
            (record,) = daemon.call('io.p2pd.ListBars', {'functions': [self.VF]})['bars']
            self.assertEqual((record['id'], record['registered']), (number, True))
            # Once more changes nothing.
            self.assertEqual(client.call('io.p2pd.RegisterBar', {'function': self.VF, 'bar_index': 0}), reply)
            daemon.process.kill()
            daemon.process.wait()
            daemon.process = None
            daemon.start()
            self.assertEqual(self.shown(daemon), {**before, number: (self.VF, 0)})
            with daemon.client() as other:
                reply = other.call('io.p2pd.UnregisterBar', {'function': self.VF, 'bar_index': 0})
                self.assertIsNone(reply.get('id'))
                self.assertEqual(self.shown(daemon), before)
                error = self.error_of(other, 'io.p2pd.UnregisterBar', {'function': self.VF, 'bar_index': 0})
                self.assertEqual((error.name, error.parameters),
                                 ('io.p2pd.BarNotRegistered', {'function': self.VF, 'bar_index': 0}))

    def test_bar_that_has_an_id_unasked(self):
        with self.start() as daemon, daemon.client() as client:
            before = self.shown(daemon)
            (number,) = (n for n, r in before.items() if r == (NIC, 0))
            for method in ('RegisterBar', 'UnregisterBar'):
                self.assertEqual(client.call(f'io.p2pd.{method}', {'function': 'mlx5_0', 'bar_index': 0})['id'],
                                 number)
            self.assertEqual(self.shown(daemon), before)

    def test_errors(self):
        with self.start() as daemon, daemon.client() as client:
            for bar_index, name in ((1, 'io.p2pd.BarNotFound'), (6, 'org.varlink.service.InvalidParameter'),
                                    (-1, 'org.varlink.service.InvalidParameter'),
                                    ('0', 'org.varlink.service.InvalidParameter')):
                error = self.error_of(client, 'io.p2pd.RegisterBar', {'function': GPU, 'bar_index': bar_index})
                self.assertEqual(error.name, name, bar_index)
            error = self.error_of(client, 'io.p2pd.RegisterBar', {'function': 'nvme9', 'bar_index': 0})
            self.assertEqual(error.name, 'io.p2pd.FunctionNotFound')

    @unittest.skipUnless(os.geteuid() == 0, 'needs another user')
    def test_permission(self):
        os.chmod(self.state, 0o755)
        with self.start() as daemon, daemon.client(uid=NOBODY) as client:
            for method in ('RegisterBar', 'UnregisterBar'):
                error = self.error_of(client, f'io.p2pd.{method}', {'function': self.VF, 'bar_index': 0})
                self.assertEqual(error.name, 'org.varlink.service.PermissionDenied')
            # Looking is for everybody.
            reader = table.Reader(client.socket)
            reader.attach()
            self.assertEqual(reader.table.read()[0], 1)
            reader.table.close()

    def test_many_at_once(self):
        """Calls of one turn are carried out together, each has its own answer, in order."""
        with self.start() as daemon, daemon.client() as client, daemon.client() as other:
            calls = b''.join(varlink.encode('io.p2pd.RegisterBar', {'function': vf, 'bar_index': 0})
                             for vf in (self.VF, '0000:04:00.2', self.VF))
            client.send(calls)
            other.send(calls)
            found = [[c.reply()['id'] for _ in range(3)] for c in (client, other)]
            self.assertEqual(found[0], found[1])
            self.assertEqual(found[0][0], found[0][2])
            self.assertNotEqual(found[0][0], found[0][1])


class State(TableTest):
    def test_damaged(self):
        with self.start() as daemon:
            before = self.shown(daemon)
        with open(f'{self.state}/state', 'rb') as file:
            whole = file.read()
        for where in range(0, len(whole), max(1, len(whole) // 12)):
            with open(f'{self.state}/state', 'wb') as file:
                file.write(whole[:where] + b'#' + whole[where + 1:])
            with self.start() as daemon:
                self.assertTrue(daemon.status()['warnings'], where)
                _, found = self.listed(daemon)
                for number, bar in found.items():
                    self.assertEqual(before.get(number, bar), bar, where)
                self.assertIn('state', daemon.log())
        # Cut at any place it is the same.
        for where in range(0, len(whole), max(1, len(whole) // 12)):
            with open(f'{self.state}/state', 'wb') as file:
                file.write(whole[:where])
            with self.start() as daemon:
                _, found = self.listed(daemon)
                for number, bar in found.items():
                    self.assertEqual(before.get(number, bar), bar, where)

    def test_directory_that_cannot_be_written(self):
        """New ids are not shown, it is said, and tried again; what was saved stays shown."""
        self.unplug(NVME)
        with self.start() as daemon:
            before = self.shown(daemon)
            os.chmod(self.state, 0o555)
            try:
                self.plug(NVME)
                daemon.call('io.p2pd.Rescan')
                status = daemon.wait_until('it is said', lambda: daemon.status()
                                           if daemon.status().get('state_error') else None)
                self.assertTrue([w for w in status['warnings'] if w['text'].startswith('state: ')])
                self.assertEqual(self.listed(daemon)[1], before)
                with daemon.client() as client:
                    error = self.error_of(client, 'io.p2pd.RegisterBar', {'function': Register.VF, 'bar_index': 0})
                self.assertEqual(error.name, 'io.p2pd.StateNotSaved')
                self.assertTrue(error.parameters['reason'])
                self.assertEqual(daemon.log().count('cannot write the state file'), 1)
            finally:
                os.chmod(self.state, 0o755)
            daemon.call('io.p2pd.RegisterBar', {'function': Register.VF, 'bar_index': 0})
            found = self.shown(daemon)
            self.assertEqual({r for r in found.values()} - {r for r in before.values()},
                             {(NVME, 0), (NVME, 4), (Register.VF, 0)})
            self.assertIsNone(daemon.status().get('state_error'))

    def test_full_disk(self):
        """A file system without room, in a mount namespace of the daemon's."""
        mount = f'mount -t tmpfs -o size=16k none {self.state} && head -c 16384 /dev/zero > {self.state}/fill; exec "$@"'
        probe = subprocess.run(['unshare', '-m', 'sh', '-c', f'mount -t tmpfs none {self.state}'],
                               capture_output=True, check=False)
        if probe.returncode != 0:
            self.skipTest('cannot mount here')
        with self.start(launcher=('unshare', '-m', 'sh', '-c', mount, 'sh')) as daemon:
            self.assertEqual(self.listed(daemon)[1], {})
            self.assertIn('No space left', daemon.status()['state_error'])
            self.assertEqual(daemon.call('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})['map'], 'bus')
            os.unlink(f'/proc/{daemon.process.pid}/root{self.state}/fill')
            daemon.call('io.p2pd.RegisterBar', {'function': NIC, 'bar_index': 0})
            self.assertTrue(self.shown(daemon))
            self.assertIsNone(daemon.status().get('state_error'))

    def test_only_one_daemon(self):
        with self.start():
            result = subprocess.run([programs.P2PD, '--root', self.root, '--socket', f'{self.state}/other',
                                     '--state', self.state], capture_output=True, text=True, check=False,
                                    timeout=20 * programs.PATIENCE)
            self.assertEqual(result.returncode, 1)
            self.assertIn('another p2pd', result.stderr)

    def test_off_and_by_default(self):
        for options, environment in ((('--state', 'off'), {}), ((), {}),
                                     ((), {'STATE_DIRECTORY': self.state})):
            with self.daemon(*options, environment=environment) as daemon:
                self.assertIsNone(daemon.status().get('state_path'))
                self.assertTrue(self.listed(daemon)[1])
        self.assertEqual(os.listdir(self.state), [])

    def test_directory_is_made_or_refused(self):
        with self.start(state=f'{self.state}/new') as daemon:
            self.shown(daemon)
        self.assertTrue(os.path.exists(f'{self.state}/new/state'))
        for wrong in (f'{self.state}/a/b', '/dev/null', f'{self.state}/new/state'):
            result = subprocess.run([programs.P2PD, '--root', self.root, '--socket', f'{self.state}/other',
                                     '--state', wrong], capture_output=True, text=True, check=False,
                                    timeout=20 * programs.PATIENCE)
            self.assertEqual(result.returncode, 1, wrong)
            self.assertIn('state directory', result.stderr)


if __name__ == '__main__':
    fixture.main()
