#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases: what is promised is kept, also over kill -9 at any moment; nothing is held twice; races, expiry, connections,
hotplug, permissions, and a state file that cannot be written or read."""

import collections
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME
import captured
import machines
import programs
import service
import varlink

NOBODY = 65534
# How often the daemon is killed.
KILLS = int(os.environ.get('P2PD_TEST_KILLS', '100' if fixture.is_sanitized() else '500'))


class LeaseTest(fixture.RootTest):
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

    def start(self, *options, **how):
        return self.daemon('--state', self.state, *options, **how)

    def client(self, daemon, **how):
        client = daemon.client(**how)
        self.addCleanup(client.close)
        return client

    def call(self, client, method, parameters=None):
        """A call whose reply is what the interface says."""
        reply = client.call(f'io.p2pd.{method}', parameters)
        self.assertEqual(self.interface.problems(reply, self.interface.methods[method][1]), [])
        return reply

    def refused(self, client, method, parameters, error):
        found = self.error_of(client, f'io.p2pd.{method}', parameters)
        self.assertEqual(found.name, error if '.' in error else f'io.p2pd.{error}')
        if '.' not in error:
            self.assertEqual(self.interface.problems(found.parameters, self.interface.errors[error]), [])
        return found.parameters

    def take(self, client, *functions, **hold):
        return self.call(client, 'TakeLease', {'functions': list(functions), 'hold': hold})['lease']

    def leases(self, client):
        return self.call(client, 'ListLeases')['leases']

    def names(self, client):
        return [lease.get('name') for lease in self.leases(client)]

    def watch(self, daemon, lease=None):
        """A client that watches, and its first reply."""
        client = self.client(daemon)
        client.send(varlink.encode('io.p2pd.WatchLeases', {'lease': lease}, more=True))
        return client, self.event(client)

    def event(self, client):
        reply = client.reply()
        self.assertEqual(self.interface.problems(reply, self.interface.methods['WatchLeases'][1]), [])
        return reply

    def unplug(self, address):
        self.where = captured.path_of(self.root, address)
        self.link = os.readlink(f'{self.root}/sys/bus/pci/devices/{address}')
        shutil.copytree(self.where, f'{self.kept}/{address}', symlinks=True)
        captured.remove_function(self.root, address)

    def replug(self, address):
        shutil.move(f'{self.kept}/{address}', self.where)
        os.symlink(self.link, f'{self.root}/sys/bus/pci/devices/{address}')


class HoldingTest(LeaseTest):
    def test_take_renew_release(self):
        with self.start() as daemon:
            client = self.client(daemon)
            before = time.time()
            lease = self.take(client, GPU, 'nvme0', GPU, name='train', owner='job 7', seconds=100)
            self.assertEqual([d['function'] for d in lease['devices']], [GPU, NVME])
            self.assertEqual((lease['name'], lease['owner'], lease['uid'], lease['pid'], lease['connection_tied']),
                             ('train', 'job 7', os.geteuid(), os.getpid(), False))
            # The daemon follows a wall clock that is slewed with delay.
            self.assertGreaterEqual(lease['taken_usec'], int(before * 1e6) - 20000)
            self.assertEqual(lease['expires_usec'] - lease['taken_usec'], 100 * 1000000)
            self.assertEqual(self.leases(client), [lease])
            functions = {f['address']: f.get('leased_by') for f in self.call(client, 'ListFunctions')['functions']}
            self.assertEqual({f for f, by in functions.items() if by == lease['number']}, {GPU, NVME})
            status = daemon.status()
            self.assertEqual((status['leases'], status['leased_devices']), (1, 2))

            renewed = self.call(client, 'RenewLease', {'lease': 'train', 'seconds': 1000})['lease']
            self.assertGreater(renewed['expires_usec'], lease['expires_usec'])
            renewed = self.call(client, 'RenewLease', {'lease': str(lease['number'])})['lease']
            self.assertNotIn('expires_usec', renewed)

            found = self.refused(client, 'TakeLease', {'functions': [FAR_GPU, 'nvme0'], 'hold': {}}, 'LeaseHeld')
            self.assertEqual((found['function'], found['held'], found['number'], found['name'], found['owner']),
                             (NVME, NVME, lease['number'], 'train', 'job 7'))
            self.refused(client, 'TakeLease', {'functions': [FAR_GPU], 'hold': {'name': 'train'}}, 'LeaseNameTaken')
            self.refused(client, 'ReleaseLease', {'lease': 'other'}, 'LeaseNotFound')
            self.refused(client, 'RenewLease', {'lease': 'x' * 5000}, 'LeaseNotFound')

            self.assertEqual(self.call(client, 'ReleaseLease', {'lease': 'train'})['lease'], renewed)
            self.refused(client, 'ReleaseLease', {'lease': 'train'}, 'LeaseNotFound')
            self.assertEqual(self.leases(client), [])
            self.assertGreater(self.take(client, GPU)['number'], lease['number'])

    def test_hold_that_is_wrong(self):
        wrong = (({'name': ''}, 'name'), ({'name': '1st'}, 'name'), ({'name': 'a b'}, 'name'),
                 ({'name': 'x' * 64}, 'name'), ({'name': 'a\0b'}, 'name'), ({'owner': 'o' * 128}, 'owner'),
                 ({'owner': 'a\0b'}, 'owner'), ({'seconds': 0}, 'seconds'), ({'seconds': -1}, 'seconds'),
                 ({'seconds': 1 << 62}, 'seconds'), ({'seconds': 'x'}, 'seconds'), ({'nmae': 'x'}, 'nmae'))
        with self.start() as daemon:
            client = self.client(daemon)
            for hold, parameter in wrong:
                for method, others in (('TakeLease', {'functions': [GPU]}), ('Place', {'count': 1, 'of': 'gpu'})):
                    found = self.refused(client, method, {**others, 'hold': hold},
                                         'org.varlink.service.InvalidParameter')
                    self.assertEqual(found['parameter'], parameter, (method, hold))
            self.refused(client, 'TakeLease', {'functions': [], 'hold': {}}, 'org.varlink.service.InvalidParameter')
            self.refused(client, 'TakeLease', {'functions': [GPU]}, 'org.varlink.service.InvalidParameter')
            self.refused(client, 'TakeLease', {'functions': ['nvme9'], 'hold': {}}, 'FunctionNotFound')
            self.assertEqual(self.leases(client), [])

    def test_virtual_functions_are_the_same_hardware(self):
        with self.start() as daemon:
            client = self.client(daemon)
            vfs = [f['address'] for f in self.call(client, 'ListFunctions')['functions']
                   if f.get('physical_function') == NIC]
            self.assertEqual(len(vfs), 2)
            self.take(client, vfs[0], name='vf')
            found = self.refused(client, 'TakeLease', {'functions': [NIC], 'hold': {}}, 'LeaseHeld')
            self.assertEqual((found['function'], found['held']), (NIC, vfs[0]))
            self.take(client, vfs[1], name='sibling')

    def test_tied_to_the_connection(self):
        with self.start() as daemon:
            holder, other = daemon.client(), self.client(daemon)
            watcher, _ = self.watch(daemon)
            lease = self.take(holder, GPU, NVME, seconds=1000)
            self.assertTrue(lease['connection_tied'])
            self.assertEqual(self.event(watcher)['event'], 'taken')
            self.refused(other, 'TakeLease', {'functions': [GPU], 'hold': {}}, 'LeaseHeld')
            holder.close()
            told = self.event(watcher)
            self.assertEqual((told['event'], told['lease']), ('disconnected', lease))
            self.take(other, GPU)

    def test_tied_to_a_process_that_is_killed(self):
        script = ('import socket,sys,time\n'
                  's = socket.socket(socket.AF_UNIX)\n'
                  's.connect(sys.argv[1])\n'
                  's.sendall(sys.argv[2].encode() + bytes(1))\n'
                  's.recv(1 << 16)\n'
                  'print("held", flush=True)\n'
                  'time.sleep(1000)\n')
        call = json.dumps({'method': 'io.p2pd.TakeLease', 'parameters': {'functions': [GPU], 'hold': {}}})
        with self.start() as daemon:
            watcher, _ = self.watch(daemon)
            with subprocess.Popen(['python3', '-c', script, daemon.socket_path, call],
                                  stdout=subprocess.PIPE) as process:
                self.assertEqual(process.stdout.readline(), b'held\n')
                self.assertEqual(self.event(watcher)['lease']['pid'], process.pid)
                process.kill()
                self.assertEqual(self.event(watcher)['event'], 'disconnected')
            self.take(self.client(daemon), GPU)

    def test_expiry(self):
        with self.start() as daemon:
            client = self.client(daemon)
            watcher, _ = self.watch(daemon, None)
            short = self.take(client, GPU, name='short', seconds=1)
            self.take(client, NVME, seconds=1)
            self.assertEqual([self.event(watcher)['event'] for _ in range(2)], ['taken', 'taken'])
            told = self.event(watcher)
            self.assertEqual((told['event'], told['lease']['name']), ('expired', 'short'))
            self.assertGreaterEqual(time.time() * 1e6, short['expires_usec'] - 20000)
            self.assertEqual(self.event(watcher)['event'], 'expired')
            self.assertEqual(self.leases(client), [])
        # A lease whose time is over while no daemon runs is not there afterwards.
        with self.start() as daemon:
            lease = self.take(self.client(daemon), GPU, name='away', seconds=1)
        while time.time() * 1e6 <= lease['expires_usec'] + 20000:
            time.sleep(0.05)
        with self.start() as daemon:
            self.assertEqual(self.leases(self.client(daemon)), [])

    def test_restart(self):
        with self.start() as daemon:
            client = self.client(daemon)
            first = self.take(client, GPU, NVME, name='a', owner='"\\\n\u00e4', seconds=5000)
            self.take(client, FAR_GPU)
            last = self.take(client, NIC, name='b')
        with self.start() as daemon:
            client = self.client(daemon)
            again = self.leases(client)
            # Two daemons do not read the two clocks in just the same moment.
            self.assertAlmostEqual(again[0]['expires_usec'], first['expires_usec'], delta=20000)
            again[0]['expires_usec'] = first['expires_usec']
            self.assertEqual(again, [first, last])
            self.refused(client, 'TakeLease', {'functions': [NIC], 'hold': {}}, 'LeaseHeld')
            self.assertGreater(self.take(client, FAR_GPU, name='c')['number'], last['number'])

    def test_without_a_state_file(self):
        with self.daemon() as daemon:
            self.take(self.client(daemon), GPU, name='a')
            self.assertEqual(self.names(self.client(daemon)), ['a'])
        with self.daemon() as daemon:
            self.assertEqual(self.names(self.client(daemon)), [])

    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that another user may run')
    def test_permissions(self):
        with self.start() as daemon:
            root, nobody = self.client(daemon), self.client(daemon, uid=NOBODY)
            self.take(root, GPU, name='a')
            for method, parameters in (('TakeLease', {'functions': [NVME], 'hold': {}}),
                                       ('RenewLease', {'lease': 'a'}), ('ReleaseLease', {'lease': 'a'}),
                                       ('Place', {'count': 1, 'of': 'gpu', 'hold': {}})):
                self.refused(nobody, method, parameters, 'org.varlink.service.PermissionDenied')
            self.assertEqual(self.names(nobody), ['a'])
            self.call(nobody, 'Place', {'count': 1, 'of': 'gpu'})
            self.call(nobody, 'FindProvider', {'clients': [GPU]})
            self.call(nobody, 'PlanAcs')
            self.call(nobody, 'VerifyAcs')
            self.call(nobody, 'WhatIf', {'edits': ['iommu=off']})
            watcher = self.client(daemon, uid=NOBODY)
            self.assertEqual(len(next(watcher.stream('io.p2pd.WatchLeases'))['leases']), 1)


    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that another user may run')
    def test_the_owner_of_a_private_daemon_may_hold(self):
        """As p2pctl --root starts one: a connected socket is handed over, and leases live in memory."""
        os.seteuid(NOBODY)
        try:
            ours, theirs = socket.socketpair()
        finally:
            os.seteuid(0)
        shell = f'exec 3<&{theirs.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        with theirs, subprocess.Popen(['/bin/bash', '-c', shell, 'sh', programs.P2PD, '--root', self.root],
                                      stderr=subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
                                      user=NOBODY, group=NOBODY, extra_groups=()) as process:
            theirs.close()
            with varlink.Client(ours, 30) as client:
                lease = self.call(client, 'Place', {'count': 1, 'of': 'gpu', 'hold': {'name': 'a'}})['lease']
                self.assertEqual((lease['devices'][0]['function'], lease['uid']), (GPU, NOBODY))
                self.call(client, 'RenewLease', {'lease': 'a', 'seconds': 5})
                self.call(client, 'ReleaseLease', {'lease': 'a'})
                self.assertTrue(self.take(client, GPU)['connection_tied'])
            self.assertEqual(process.wait(20 * programs.PATIENCE), 0)


class WatchTest(LeaseTest):
    def test_everything_is_told(self):
        with self.start() as daemon:
            client = self.client(daemon)
            first = self.take(client, GPU, NVME, name='a')
            watcher, begin = self.watch(daemon)
            self.assertEqual((begin['leases'], begin.get('event')), ([first], None))
            second = self.take(client, FAR_GPU, name='b')
            only, begin = self.watch(daemon, 'b')
            self.assertEqual(begin['leases'], [second])
            self.call(client, 'RenewLease', {'lease': 'a', 'seconds': 9})
            self.call(client, 'ReleaseLease', {'lease': 'b'})
            told = [self.event(watcher) for _ in range(3)]
            self.assertEqual([(t['event'], t['lease']['name'], t['leases']) for t in told],
                             [('taken', 'b', []), ('renewed', 'a', []), ('released', 'b', [])])
            self.assertEqual(self.event(only)['event'], 'released')
            self.refused(client, 'WatchLeases', {}, 'org.varlink.service.ExpectedMore')
            client.send(varlink.encode('io.p2pd.WatchLeases', {'lease': 'nosuch'}, more=True))
            self.assertEqual(client.receive()['error'], 'io.p2pd.LeaseNotFound')

    def test_unplugged_under_a_lease(self):
        with self.start() as daemon:
            client = self.client(daemon)
            # The holder itself watches, on the connection that its lease is tied to.
            holder = self.client(daemon)
            lease = self.take(holder, NVME, NIC)
            holder.send(varlink.encode('io.p2pd.WatchLeases', more=True))
            self.assertEqual(self.event(holder)['leases'], [lease])
            self.unplug(NVME)
            generation = self.call(client, 'Rescan')['generation']
            told = self.event(holder)
            self.assertEqual((told['event'], told['function'], told['generation']), ('lost', NVME, generation))
            self.assertEqual([d['lost'] for d in told['lease']['devices']], [True, False])
            self.assertEqual(told['lease']['devices'][1]['names'], ['eth0', 'mlx5_0'])
            self.assertIn('lost', daemon.log())
            self.replug(NVME)
            self.call(client, 'Rescan')
            told = self.event(holder)
            self.assertEqual((told['event'], told['function']), ('back', NVME))
            self.refused(client, 'TakeLease', {'functions': [NVME], 'hold': {}}, 'LeaseHeld')

    def test_unplugged_while_the_daemon_is_away(self):
        with self.start() as daemon:
            self.take(self.client(daemon), NVME, name='a')
        self.unplug(NVME)
        with self.start() as daemon:
            client = self.client(daemon)
            self.assertTrue(self.leases(client)[0]['devices'][0]['lost'])
            self.replug(NVME)
            self.call(client, 'Rescan')
            self.assertFalse(self.leases(client)[0]['devices'][0]['lost'])
            self.refused(client, 'TakeLease', {'functions': [NVME], 'hold': {}}, 'LeaseHeld')


class StateTest(LeaseTest):
    def test_what_cannot_be_written_is_not_given(self):
        with self.start() as daemon:
            client = self.client(daemon)
            before = self.take(client, GPU, name='before', seconds=1000)
            watcher, _ = self.watch(daemon)
            # Nothing can be created any more: a directory stands where the new file would.
            os.mkdir(f'{self.state}/state.new')
            open(f'{self.state}/state.new/x', 'w', encoding='ascii').close()
            self.refused(client, 'TakeLease', {'functions': [NVME], 'hold': {'name': 'a'}}, 'LeaseNotSaved')
            self.refused(client, 'Place', {'count': 1, 'of': 'nvme', 'hold': {'name': 'a'}}, 'LeaseNotSaved')
            self.refused(client, 'RenewLease', {'lease': 'before', 'seconds': 5}, 'LeaseNotSaved')
            self.refused(client, 'ReleaseLease', {'lease': 'before'}, 'LeaseNotSaved')
            self.assertEqual(self.leases(client), [before])
            self.assertIn('state_error', daemon.status())
            # One that is tied to the connection needs no file.
            tied = self.take(client, NVME)
            self.assertEqual(self.event(watcher)['lease'], tied)
            shutil.rmtree(f'{self.state}/state.new')
            self.take(client, NIC, name='after')
            self.assertEqual(self.event(watcher)['lease']['name'], 'after')
        with self.start() as daemon:
            self.assertEqual(self.names(self.client(daemon)), ['before', 'after'])

    def test_nothing_is_given_when_nobody_knows_who_holds_what(self):
        with self.start() as daemon:
            self.take(self.client(daemon), GPU, name='a')
        path = f'{self.state}/state'
        os.rename(path, f'{path}.away')
        os.mkdir(path)
        with self.start() as daemon:
            client = self.client(daemon)
            for hold in ({}, {'name': 'b'}):
                self.refused(client, 'TakeLease', {'functions': [NVME], 'hold': hold}, 'LeaseNotSaved')
                self.refused(client, 'Place', {'count': 1, 'of': 'nvme', 'hold': hold}, 'LeaseNotSaved')
        os.rmdir(path)
        os.rename(f'{path}.away', path)
        with self.start() as daemon:
            self.assertEqual(self.names(self.client(daemon)), ['a'])


class RaceTest(LeaseTest):
    def race(self, daemon, clients, ask):
        """All at once; what each got: a lease, or the name of the error."""
        start = threading.Barrier(clients)
        results = [None] * clients

        def run(i):
            with daemon.client(60) as client:
                start.wait()
                try:
                    results[i] = ask(client, i)['lease']
                except varlink.Error as error:
                    results[i] = error.name
                start.wait()  # what is tied to the connection stays held until all have an answer
        threads = [threading.Thread(target=run, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def test_for_the_last_gpu(self):
        with self.start() as daemon:
            keeper = self.client(daemon)
            self.take(keeper, FAR_GPU)
            for turn in range(12):
                def ask(client, i, turn=turn):
                    hold = {'name': f'race-{turn}-{i}'} if turn % 2 else {}
                    if (turn // 2 + i) % 2:
                        return client.call('io.p2pd.TakeLease', {'functions': [GPU], 'hold': hold})
                    return client.call('io.p2pd.Place', {'count': 1, 'of': 'gpu', 'hold': hold})
                results = self.race(daemon, 24, ask)
                winners = [r for r in results if isinstance(r, dict)]
                self.assertEqual(len(winners), 1, results)
                self.assertEqual(winners[0]['devices'][0]['function'], GPU)
                losers = collections.Counter(r for r in results if isinstance(r, str))
                self.assertEqual(set(losers) - {'io.p2pd.LeaseHeld', 'io.p2pd.NoPlacement'}, set())
                if turn % 2:
                    self.call(keeper, 'ReleaseLease', {'lease': winners[0]['name']})
                else:
                    daemon.wait_until('the winner is gone', lambda: len(self.leases(keeper)) == 1)

    def test_place_goes_on_to_what_is_free(self):
        """Those who ask for any GPU all get one, as long as there are some."""
        holder, self.root = fixture.write_root(machines.server(gpus=8, nics=8, vfs=0, nvmes=8))
        self.addCleanup(holder.cleanup)
        with self.start() as daemon:
            results = self.race(daemon, 12, lambda client, i: client.call(
                'io.p2pd.Place', {'count': 1, 'of': 'gpu', 'companions': [{'of': 'nic', 'count': 1}],
                                  'hold': {'name': f'job{i}'}}))
            held = [d['function'] for r in results if isinstance(r, dict) for d in r['devices']]
            self.assertEqual((len(held), len(set(held))), (16, 16))
            self.assertEqual(collections.Counter(r for r in results if isinstance(r, str)),
                             {'io.p2pd.NoPlacement': 4})


class Worker(threading.Thread):
    """Takes, renews and releases leases of its own, and writes down what it was promised. Where a call got no answer
    both outcomes are possible."""

    def __init__(self, number, seed, functions):
        super().__init__(daemon=True)
        self.number, self.dice, self.functions = number, random.Random(seed), functions
        self.held = {}     # name: functions, promised
        self.unsure = {}   # name: functions (None: any), of a take or a release without an answer
        self.ends = False
        self.path = None
        self.awake = threading.Semaphore(0)
        self.idle = threading.Semaphore(0)
        self.n_answers = self.n_taken = 0
        self.failure = None

    def take(self, client, name):
        """By hand, or wherever there is room; what the latter would be is not known without an answer."""
        functions = frozenset(self.dice.sample(self.functions, self.dice.randint(1, 3)))
        place = self.dice.random() < 0.3
        self.unsure[name] = None if place else functions
        try:
            if place:
                lease = client.call('io.p2pd.Place', {'count': 1, 'of': 'nvme', 'hold': {'name': name}})['lease']
                functions = frozenset(d['function'] for d in lease['devices'])
            else:
                client.call('io.p2pd.TakeLease', {'functions': sorted(functions), 'hold': {'name': name}})
            self.held[name] = functions
            self.n_taken += 1
        except varlink.Error as error:
            if error.name not in ('io.p2pd.LeaseHeld', 'io.p2pd.NoPlacement'):
                raise
        del self.unsure[name]

    def step(self, client):
        taking = not self.held or self.dice.random() < 0.5
        name = f'w{self.number}-{self.dice.getrandbits(40)}' if taking else self.dice.choice(sorted(self.held))
        if taking:
            self.take(client, name)
        elif self.dice.random() < 0.3:
            client.call('io.p2pd.RenewLease', {'lease': name, 'seconds': 100000})
        else:
            self.unsure[name] = self.held.pop(name)
            client.call('io.p2pd.ReleaseLease', {'lease': name})
            del self.unsure[name]
        self.n_answers += 1

    def run(self):
        while True:
            self.awake.acquire()
            if self.ends:
                return
            client = varlink.Client(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), 60)
            try:
                client.socket.connect(self.path)
                while True:
                    self.step(client)
            except (varlink.Closed, OSError):
                pass
            except Exception as error:  # shown by the test
                self.failure = error
            client.close()
            self.idle.release()


class KillTest(LeaseTest):
    """kill -9 at random moments of lease traffic."""
    WORKERS = 6

    @staticmethod
    def build():
        return machines.server(gpus=4, nics=4, vfs=0, nvmes=8, host_bridges=2)

    def check(self, client, workers):
        """What was promised is there, nothing else is that was not asked for, and nothing is there twice."""
        leases = self.leases(client)
        found = {lease['name']: frozenset(d['function'] for d in lease['devices']) for lease in leases}
        devices = [d['function'] for lease in leases for d in lease['devices']]
        self.assertEqual(len(found), len(leases))
        self.assertEqual(len(set(devices)), len(devices), f'held twice: {leases}')
        numbers = [lease['number'] for lease in leases]
        self.assertEqual(sorted(set(numbers)), numbers)
        for worker in workers:
            self.assertIsNone(worker.failure)
            for name, functions in worker.held.items():
                self.assertEqual(found.pop(name, None), functions, f'promised and lost: {name}')
            for name, functions in worker.unsure.items():
                got = found.pop(name, None)
                self.assertIn(got, (None, functions or got))
                if got:
                    worker.held[name] = got
            worker.unsure.clear()
        self.assertEqual(found, {}, 'nobody asked for these')

    def test_nothing_promised_is_lost(self):
        dice = random.Random(5)
        functions = [f'0000:{n:02x}:00.0' for n in range(256)]
        # On a real file system: what is tested is that answers come after the file, not the disk.
        daemon = service.Daemon('--root', self.root, *self.options, '--state', self.state)
        self.addCleanup(daemon.clean)
        with self.start() as first:
            present = {f['address'] for f in self.call(self.client(first), 'ListFunctions')['functions']
                       if f['candidate']}
        functions = sorted(present & set(functions))
        self.assertGreaterEqual(len(functions), 12)
        workers = [Worker(i, i, functions) for i in range(self.WORKERS)]
        for worker in workers:
            worker.start()
        answers = []
        for _ in range(KILLS):
            daemon.start()
            before = sum(w.n_answers for w in workers)
            with daemon.client(60) as client:
                self.check(client, workers)
            for worker in workers:
                worker.path = daemon.socket_path
                worker.awake.release()
            # A moment, not a wait for anything: from the first connection to a good number of answers.
            time.sleep(dice.random() ** 2 * 0.08)
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            for worker in workers:
                worker.idle.acquire()
            answers.append(sum(w.n_answers for w in workers) - before)
        for worker in workers:
            worker.ends = True
            worker.awake.release()
        daemon.start()
        with daemon.client() as client:
            self.check(client, workers)
            self.assertNotIn('state_error', daemon.status())
        self.assertEqual(daemon.stop(), 0)
        print(f'{KILLS} kills, {sum(answers)} answers, {sum(w.n_taken for w in workers)} leases given; '
              f'{sum(1 for n in answers if n == 0)} kills before the first answer')
        self.assertGreater(sum(w.n_taken for w in workers), KILLS // 2)


if __name__ == '__main__':
    fixture.main()
