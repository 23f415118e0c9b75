#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Place and FindProvider: parameters, answers and errors as the interface says, and leases that are kept out. That the
choice is the best one is shown by the unit tests; here it is held against what can be told by hand, and against the
daemon's own verdicts."""

import itertools
import os
import select
import shutil
import time
import unittest

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured
import machines
import programs
import varlink

PATHS = ('LOC', 'PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown')


class Asking:
    """Calls whose replies and errors are what the interface says."""

    def setUp(self):
        super().setUp()
        self.interface = fixture.interface()

    def ask(self, method, client=None, **parameters):
        reply = (client or self.client).call(f'io.p2pd.{method}', parameters)
        self.assertEqual(self.interface.problems(reply, self.interface.methods[method][1]), [])
        return reply

    def refuse(self, error, method, client=None, **parameters):
        found = self.error_of(client or self.client, f'io.p2pd.{method}', parameters)
        self.assertEqual(found.name, error if '.' in error else f'io.p2pd.{error}', found.parameters)
        if '.' not in error:
            self.assertEqual(self.interface.problems(found.parameters, self.interface.errors[error]), [])
        return found.parameters


class SmallTest(Asking, fixture.SharedDaemonTest):
    def test_a_gpu_with_its_companions(self):
        reply = self.ask('Place', count=1, of='gpu', companions=[{'of': 'nic', 'count': 1},
                                                                 {'of': 'nvme', 'count': 1, 'shared': True}])
        self.assertTrue(reply['complete'])
        self.assertNotIn('lease', reply)
        [answer] = reply['answers']
        self.assertEqual(answer['groups'], [{'provider': GPU, 'names': ['card0', 'renderD128'],
                                             'companions': [NIC, NVME]}])
        self.assertEqual((answer['worst_path'], answer['worst_map'], answer['proven'], answer['has_bad']),
                         ('PIX', 'bus', 'all', False))
        self.assertEqual({answer['worst_provider'], answer['worst_client']}, {GPU, NIC})
        self.assertEqual(answer['numa_nodes'], [0])
        self.assertGreater(answer['bottleneck_mbps'], 0)

    def test_several_answers_in_their_order(self):
        answers = self.ask('Place', count=1, of='gpu', companions=[{'of': 'nic', 'count': 1}], answers=64,
                           allow_none=True)['answers']
        self.assertEqual([a['groups'][0]['provider'] for a in answers], [GPU, FAR_GPU][:len(answers)])
        paths = [PATHS.index(a['worst_path']) for a in answers]
        self.assertEqual(paths, sorted(paths))

    def test_limits_name_the_first_that_fails(self):
        nic = [{'of': 'nic', 'count': 1}]
        cases = (
            (dict(count=3, of='gpu'), ('present', 'items', 'gpu', 3, 2)),
            (dict(count=2, of='gpu', avoid=['81:00.0']), ('avoided', 'items', 'gpu', 2, 1)),
            (dict(count=2, of='gpu', numa_node=1), ('numa-node', 'items', 'gpu', 2, 1)),
            (dict(count=1, of='gpu', companions=[{'of': 'memory', 'count': 1}]),
             ('present', 'companions', 'memory', 1, 0)),
            (dict(count=1, of='81:00.0', companions=nic, worst_path='PIX'), ('path', 'companions', 'nic', None, None)),
            (dict(count=1, of='gpu', companions=nic, least_mbps=1 << 30),
             ('bottleneck', 'companions', 'nic', None, None)),
            (dict(count=2, of='gpu', clients=['nvme0'], must_be_bus=True), ('bus', 'clients', None, None, None)),
        )
        for question, (limit, part, of, wanted, found) in cases:
            refusal = self.refuse('NoPlacement', 'Place', **question)
            self.assertEqual((refusal['limit'], refusal['part'], refusal.get('of'), refusal.get('wanted'),
                              refusal.get('found')), (limit, part, of, wanted, found), question)
            self.assertGreater(len(refusal['text']), 10)

    def test_questions_that_are_wrong(self):
        wrong = (('count', dict(count=0, of='gpu')), ('count', dict(count=1025, of='gpu')),
                 ('count', dict(of='gpu')), ('of', dict(count=1)), ('of', dict(count=1, of=['gpu'])),
                 ('count', dict(count=600, of='gpu', companions=[{'of': 'nic', 'count': 1}])),
                 ('count', dict(count=1, of='gpu', companions=[{'of': 'nic', 'count': 0}])),
                 ('count', dict(count=1, of='gpu', companions=[{'of': 'nic'}])),
                 ('many', dict(count=1, of='gpu', companions=[{'of': 'nic', 'count': 1, 'many': True}])),
                 ('companions', dict(count=1, of='gpu', companions={'of': 'nic', 'count': 1})),
                 ('companions', dict(count=1, of='gpu', companions=['nic'])),
                 ('worst_path', dict(count=1, of='gpu', worst_path='pix')),
                 ('least_mbps', dict(count=1, of='gpu', least_mbps=-1)),
                 ('numa_node', dict(count=1, of='gpu', numa_node=1 << 40)),
                 ('answers', dict(count=1, of='gpu', answers=0)), ('answers', dict(count=1, of='gpu', answers=65)),
                 ('clients', dict(count=1, of='gpu', clients=[SWITCH_PORT])),
                 ('include_held', dict(count=1, of='gpu', include_held=True, hold={})),
                 ('hold', dict(count=1, of='gpu', hold='x')), ('colour', dict(count=1, of='gpu', colour='x')))
        for parameter, question in wrong:
            found = self.refuse('org.varlink.service.InvalidParameter', 'Place', **question)
            self.assertEqual(found['parameter'], parameter, question)
        self.refuse('FunctionNotFound', 'Place', count=1, of='gpu', clients=['nvme9'])
        self.assertEqual(self.refuse('TooMuch', 'Place', count=1, of='gpu', avoid=['nic'] * 65)['limit'], 64)
        self.assertEqual(self.refuse('TooMuch', 'Place', count=1, of='gpu', clients=['nvme0'] * 257)['limit'], 256)
        companions = [{'of': 'nic', 'count': 1}] * 9
        self.assertEqual(self.refuse('TooMuch', 'Place', count=1, of='gpu', companions=companions)['limit'], 8)

    def test_selectors_that_are_wrong(self):
        for selector, part, why in (('', '', 'empty'), ('gpu,gpuu', 'gpuu', 'unknown-word'),
                                    ('gpu,speed=3', 'speed', 'unknown-key'), ('class=zz', 'zz', 'bad-value'),
                                    ('gpu,' * 64 + 'gpu', None, 'too-long')):
            for question in (dict(count=1, of=selector), dict(count=1, of='gpu', avoid=['nic', selector]),
                             dict(count=1, of='gpu', companions=[{'of': selector, 'count': 1}])):
                found = self.refuse('SelectorInvalid', 'Place', **question)
                self.assertEqual((found['selector'], found['why']), (selector, why))
                if part is not None:
                    self.assertIn(part, found['part'])

    def test_oneway_holds_nothing(self):
        self.client.send(varlink.encode('io.p2pd.Place', {'count': 1, 'of': 'gpu', 'hold': {'name': 'x'}},
                                        oneway=True))
        self.ask('Place', count=2, of='gpu')
        self.assertEqual(self.ask('ListLeases')['leases'], [])

    def test_pipelined_answers_keep_their_order(self):
        calls = (('Place', {'count': 1, 'of': 'gpu'}, 'answers'), ('GetStatus', None, 'status'),
                 ('WhatIf', {'edits': ['iommu=off']}, 'flips'), ('ListLeases', None, 'leases'),
                 ('PlanAcs', None, 'plan'), ('FindProvider', {'clients': ['nvme0']}, 'providers'),
                 ('VerifyAcs', None, 'verification'), ('Place', {'count': 9, 'of': 'gpu'}, None))
        self.client.send(b''.join(varlink.encode(f'io.p2pd.{m}', p) for m, p, _ in calls * 3))
        for _, _, member in calls * 3:
            reply = self.client.receive()
            self.assertEqual('error' in reply, member is None)
            self.assertIn(member or 'limit', reply['parameters'])

    def test_who_leaves_while_it_is_computed(self):
        for _ in range(20):
            with self.shared.client() as client:
                client.send(b''.join(varlink.encode('io.p2pd.WhatIf', {'edits': ['iommu=off']}) for _ in range(3)))
        self.assert_serving()
        self.shared.wait_until('all are gone', lambda: self.shared.status()['counters']['connections_now'] <= 2)


class HeldTest(Asking, fixture.RootTest):
    def test_what_is_held_is_not_offered(self):
        with self.daemon() as daemon, daemon.client() as client, daemon.client() as other:
            lease = self.ask('Place', client, count=1, of='gpu', companions=[{'of': 'nic', 'count': 1}],
                             hold={})['lease']
            self.assertEqual([d['function'] for d in lease['devices']], [GPU, NIC])
            self.assertEqual(self.ask('Place', other, count=1, of='gpu')['answers'][0]['groups'][0]['provider'],
                             FAR_GPU)
            refusal = self.refuse('NoPlacement', 'Place', other, count=2, of='gpu')
            self.assertEqual((refusal['limit'], refusal['wanted'], refusal['found']), ('taken', 2, 1))
            self.assertEqual(len(self.ask('Place', other, count=2, of='gpu', include_held=True)['answers']), 1)
            client.close()
            daemon.wait_until('it is free', lambda: not self.ask('ListLeases', other)['leases'])
            self.ask('Place', other, count=2, of='gpu')


class OvertakenTest(Asking, fixture.RootTest):
    """What is chosen takes its time; when it is there, somebody else was faster, or the machine is another one."""
    build = staticmethod(lambda: machines.server(nics=8, vfs=0))
    QUESTION = {'count': 6, 'of': 'gpu', 'companions': [{'of': 'nic', 'count': 1, 'shared': True},
                                                        {'of': 'nvme', 'count': 1}], 'answers': 64}

    def setUp(self):
        super().setUp()
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)

    def held(self, reply):
        """What the lease holds, which must be what the first answer says."""
        held = [d['function'] for d in reply['lease']['devices']]
        groups = reply['answers'][0]['groups']
        chosen = [g['provider'] for g in groups] + [c for g in groups for c in g['companions']]
        self.assertEqual(sorted(held), sorted(set(chosen)))
        return held

    def test_by_another_client(self):
        with self.daemon() as daemon, daemon.client(60) as slow:
            start = time.monotonic()
            first = slow.call('io.p2pd.Place', self.QUESTION)['answers'][0]['groups'][0]['provider']
            took = time.monotonic() - start
            overtaken = 0
            for turn in range(20):
                with daemon.client() as fast:
                    slow.send(varlink.encode('io.p2pd.Place', {**self.QUESTION, 'hold': {'name': f't{turn}'}}))
                    time.sleep(took * turn / 20)
                    try:
                        self.ask('TakeLease', fast, functions=[first], hold={})
                        overtaken += 1
                    except varlink.Error as error:
                        self.assertEqual(error.name, 'io.p2pd.LeaseHeld')
                    self.held(slow.reply())
                    self.ask('ReleaseLease', slow, lease=f't{turn}')
                daemon.wait_until('it is free', lambda: not self.ask('ListLeases', slow)['leases'])
            self.assertGreater(overtaken, 1)

    def test_by_the_machine(self):
        with self.daemon() as daemon, daemon.client(60) as slow, daemon.client(60) as other:
            first = slow.call('io.p2pd.Place', self.QUESTION)['answers'][0]['groups'][0]['provider']
            where = captured.path_of(self.root, first)
            link = f'{self.root}/sys/bus/pci/devices/{first}'
            target = os.readlink(link)
            for turn in range(10):
                if turn % 2:
                    shutil.move(f'{self.root}/kept', where)
                    os.symlink(target, link)
                else:
                    shutil.copytree(where, f'{self.root}/kept', symlinks=True)
                    captured.remove_function(self.root, first)
                other.send(varlink.encode('io.p2pd.Rescan'))
                time.sleep(turn * 0.001)
                slow.send(varlink.encode('io.p2pd.Place', {**self.QUESTION, 'hold': {'name': f't{turn}'}}))
                generation = other.reply()['generation']
                reply = slow.reply()
                self.held(reply)
                self.assertLessEqual(reply['generation'], generation)
                self.ask('ReleaseLease', other, lease=f't{turn}')


class ProviderTest(Asking, fixture.RootTest):
    build = staticmethod(lambda: machines.server(gpus=4, nics=4, vfs=0, nvmes=8, host_bridges=2))

    def test_as_the_verdicts_say(self):
        with self.daemon() as daemon, daemon.client() as client:
            functions = [f for f in self.ask('ListFunctions', client)['functions'] if f['endpoint']]
            providers = [f['address'] for f in functions if (f.get('p2pmem') or {}).get('published')]
            self.assertEqual(len(providers), 8)
            gpus = [f['address'] for f in functions if f['kind'] == 'gpu']
            for clients in itertools.chain(((g,) for g in gpus), itertools.combinations(gpus, 2)):
                expected = []
                for p in providers:
                    to = [client.call('io.p2pd.GetDistance', {'provider': p, 'client': c}) for c in clients]
                    if all(v['map'] in ('bus', 'host_bridge') for v in to):
                        expected.append((sum(v['distance_hops'] for v in to), p))
                reply = self.ask('FindProvider', client, clients=list(clients), count=1024)
                self.assertEqual([(p['distance_hops'], p['function']) for p in reply['providers']], sorted(expected))
                self.assertEqual((reply['found'], reply['equal']),
                                 (len(expected), sum(1 for d, _ in expected if d == min(expected)[0])))
                self.assertEqual({e['function'] for e in reply['excluded']},
                                 set(providers) - {p for _, p in expected})

    def test_what_is_held_is_left_out(self):
        with self.daemon() as daemon, daemon.client() as client:
            first = self.ask('FindProvider', client, clients=['card0'])['providers'][0]
            self.ask('TakeLease', client, functions=[first['function']], hold={'name': 'a'})
            reply = self.ask('FindProvider', client, clients=['card0'])
            self.assertNotEqual(reply['providers'][0]['function'], first['function'])
            self.assertIn((first['function'], 'held', first['distance_hops']),
                          [(e['function'], e['why'], e.get('distance_hops')) for e in reply['excluded']])
            reply = self.ask('FindProvider', client, clients=['card0'], include_held=True)
            self.assertEqual(reply['providers'], [first])
            reply = self.ask('FindProvider', client, clients=['card0'], min_available_bytes='0xffffffffffff')
            self.assertEqual((reply['providers'], {e['why'] for e in reply['excluded']}), ([], {'no-memory'}))

    def test_questions_that_are_wrong(self):
        with self.daemon() as daemon, daemon.client() as client:
            for parameter, question in (('clients', {}), ('clients', {'clients': []}),
                                        ('clients', {'clients': ['0000:00:00.0']}),
                                        ('count', {'clients': ['card0'], 'count': 0}),
                                        ('count', {'clients': ['card0'], 'count': 1025}),
                                        ('min_available_bytes', {'clients': ['card0'], 'min_available_bytes': '5'})):
                found = self.refuse('org.varlink.service.InvalidParameter', 'FindProvider', client, **question)
                self.assertEqual(found['parameter'], parameter)
            self.refuse('TooMuch', 'FindProvider', client, clients=['card0'] * 257)
            self.refuse('FunctionNotFound', 'FindProvider', client, clients=['card99'])


class StopTest(Asking, fixture.RootTest):
    """The daemon ends, or those who wait leave, while an answer is computed: none is waited for in vain."""
    build = staticmethod(machines.server)

    def test_while_one_is_computed(self):
        for leave in (False, True):
            with self.daemon() as daemon:
                clients = [daemon.client(60) for _ in range(4)]
                for client in clients:
                    client.send(varlink.encode('io.p2pd.WhatIf', {'edits': ['iommu=off', 'kernel=5.4']}))
                # Whoever is answered behind them: the first has begun.
                with daemon.client() as other:
                    other.call('io.p2pd.GetStatus')
                    other.call('io.p2pd.GetStatus')
                for client in clients if leave else ():
                    client.close()
                self.assertEqual(daemon.stop(), 0)
                for client in clients:
                    client.close()


class OthersTest(Asking, fixture.RootTest):
    """While long answers are computed, others are served as ever."""
    build = staticmethod(machines.server)

    def test_nobody_waits_for_what_is_computed(self):
        overtaken = 0
        with self.daemon() as daemon, daemon.client(60) as long, daemon.client(60) as short:
            for _ in range(20):
                long.send(varlink.encode('io.p2pd.WhatIf', {'edits': ['iommu=off', 'kernel=5.4']}))
                short.call('io.p2pd.GetDistance', {'provider': 'card0', 'client': 'nvme0'})
                # Computed in the loop, the long answer would always come first.
                overtaken += not select.select([long.socket], (), (), 0)[0]
                long.receive_raw()
        self.assertGreater(overtaken, 0)

    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that another user may run')
    def test_users_take_turns(self):
        with self.daemon() as daemon, daemon.client(60) as mine:
            greedy = [daemon.client(60, uid=65534) for _ in range(40)]
            for client in greedy:
                client.send(varlink.encode('io.p2pd.WhatIf', {'edits': ['iommu=off', 'kernel=5.4']}))
            mine.call('io.p2pd.Place', {'count': 1, 'of': 'gpu'})
            done = select.select([client.socket for client in greedy], (), (), 0)[0]
            for client in greedy:
                client.close()
            self.assertLess(len(done), 30)


if __name__ == '__main__':
    fixture.main()
