#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method called, every reply held against the interface file."""

import socket

import fixture
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import idl
import machines
import reference
import varlink


class Introspection(fixture.SharedDaemonTest):
    def test_get_info(self):
        info = self.client.call('org.varlink.service.GetInfo')
        self.assertEqual(set(info), {'vendor', 'product', 'version', 'url', 'interfaces'})
        self.assertEqual(sorted(info['interfaces']), ['io.p2pd', 'org.varlink.service'])
        for field in ('vendor', 'product', 'version', 'url'):
            self.assertIsInstance(info[field], str)
            self.assertTrue(info[field])

    def test_description_is_the_file(self):
        reply = self.client.call('org.varlink.service.GetInterfaceDescription', {'interface': 'io.p2pd'})
        with open(fixture.INTERFACE_FILE, encoding='utf-8') as file:
            self.assertEqual(reply, {'description': file.read()})

    def test_service_describes_itself(self):
        reply = self.client.call('org.varlink.service.GetInterfaceDescription',
                                 {'interface': 'org.varlink.service'})
        parsed = idl.Interface(reply['description'])
        self.assertEqual(parsed.name, 'org.varlink.service')
        self.assertEqual(set(parsed.methods), {'GetInfo', 'GetInterfaceDescription'})
        self.assertEqual(set(parsed.errors),
                         {'InterfaceNotFound', 'MethodNotFound', 'MethodNotImplemented',
                          'InvalidParameter', 'PermissionDenied', 'ExpectedMore'})
        info = self.client.call('org.varlink.service.GetInfo')
        self.assertEqual(parsed.problems(info, parsed.methods['GetInfo'][1]), [])

    def test_unknown_interface(self):
        error = self.error_of(self.client, 'org.varlink.service.GetInterfaceDescription',
                              {'interface': 'io.example'})
        self.assertEqual(error.name, 'org.varlink.service.InterfaceNotFound')
        self.assertEqual(error.parameters, {'interface': 'io.example'})


class Typed(fixture.SharedDaemonTest):
    """call() here checks parameters and reply by type."""
    calls = (
        ('GetStatus', None), ('ListFunctions', None), ('ListFunctions', {'functions': [GPU, 'nvme0']}),
        ('ListFunctions', {'functions': []}), ('ListFunctions', {'functions': None}),
        ('ListBars', None), ('ListBars', {'functions': [GPU]}),
        ('GetMatrix', None), ('GetMatrix', {'providers': [GPU], 'clients': [NIC, NVME]}),
        ('GetMatrix', {'rules': 'newest'}),
        ('GetDistance', {'provider': GPU, 'client': NIC}),
        ('GetDistance', {'provider': GPU, 'client': FAR_GPU, 'rules': 'running'}),
        ('Explain', {'provider': GPU, 'client': NIC}), ('Explain', {'provider': GPU, 'client': GPU}),
        ('Explain', {'provider': FAR_GPU, 'client': NVME, 'rules': 'newest'}),
        ('Check', None), ('Check', {'providers': [GPU], 'clients': [NIC]}),
        ('Check', {'min_bar_bytes': '0x10000', 'allow_slow_link': True, 'rules': 'newest'}),
        ('Map', {'client': NIC, 'address': '0x1000', 'length_bytes': '0x2000'}),
        ('Rescan', None),
        ('AttachTable', None), ('FollowTable', {'confirmed': 0}),
        ('RegisterBar', {'function': GPU, 'bar_index': 0}), ('UnregisterBar', {'function': GPU, 'bar_index': 0}),
        ('ReportVerification', {'provider': GPU, 'client': NVME, 'result': 'arrived', 'method': 'test'}),
        ('ReportVerification', {'provider': NVME, 'client': GPU, 'result': 'refused', 'method': 'test',
                                'detail': 'this one contradicts'}),
        ('Explain', {'provider': NVME, 'client': GPU}), ('GetStatus', None),
        ('Place', {'count': 1, 'of': 'gpu'}),
        ('Place', {'count': 1, 'of': 'gpu', 'companions': [{'of': 'nic', 'count': 1, 'shared': False}],
                   'clients': ['nvme0'], 'avoid': ['81:00.0'], 'worst_path': 'PXB', 'least_mbps': 1, 'numa_node': 0,
                   'must_be_bus': True, 'allow_none': False, 'answers': 2, 'rules': 'newest',
                   'hold': {'name': 'typed', 'owner': 'the test', 'seconds': 60}}),
        ('ListLeases', None), ('ListFunctions', None), ('RenewLease', {'lease': 'typed', 'seconds': 90}),
        ('Place', {'count': 2, 'of': 'gpu', 'include_held': True}), ('ReleaseLease', {'lease': 'typed'}),
        ('TakeLease', {'functions': ['nvme0'], 'hold': {'name': None}}), ('ListLeases', None),
        ('FindProvider', {'clients': [GPU], 'min_available_bytes': '0x1', 'include_held': True, 'count': 5}),
        ('PlanAcs', None), ('PlanAcs', {'pairs': [{'provider': GPU, 'client': NVME}], 'both_directions': False}),
        ('VerifyAcs', None), ('WhatIf', {'edits': ['iommu=off', f'acs=RR@{SWITCH_PORT}', 'kernel=6.1']}),
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interface = fixture.interface()

    def call(self, method, parameters=None):
        inside, outside = self.interface.methods[method]
        self.assertEqual(self.interface.problems(parameters or {}, inside), [], 'the test is wrong')
        reply = self.client.call(f'io.p2pd.{method}', parameters)
        self.assertEqual(self.interface.problems(reply, outside), [], method)
        return reply

    def test_every_reply_has_its_type(self):
        for method, parameters in self.calls:
            with self.subTest(method=method, parameters=parameters):
                self.assertGreaterEqual(self.call(method, parameters)['generation'], 1)

    def test_every_method_is_called(self):
        called = {method for method, _ in self.calls} | {'Monitor', 'GetPairs', 'WatchLeases'}
        self.assertEqual(called, set(self.interface.methods))

    def test_streams_have_their_type(self):
        for method in ('GetMatrix', 'GetPairs'):
            rows = 0
            for reply in self.client.stream(f'io.p2pd.{method}'):
                self.assertEqual(self.interface.problems(reply, self.interface.methods[method][1]), [])
                self.assertLessEqual(len(reply['rows']), 1)
                rows += len(reply['rows'])
            self.assertGreater(rows, 3)
        self.client.send(varlink.encode('io.p2pd.Monitor', more=True))
        first = self.client.receive()
        self.assertIs(first.get('continues'), True)
        outside = self.interface.methods['Monitor'][1]
        self.assertEqual(self.interface.problems(first['parameters'], outside), [])
        self.assertEqual(first['parameters']['changes'], [])
        self.assertEqual(len(first['parameters']['functions']), 14)

    def test_functions_tell_what_the_machine_is(self):
        everything = self.call('ListFunctions')['functions']
        by_address = {f['address']: f for f in everything}
        self.assertEqual([f['address'] for f in everything], sorted(by_address))
        self.assertEqual(len(everything), 14)
        gpu, nic = by_address[GPU], by_address[NIC]
        self.assertEqual((gpu['kind'], gpu['driver'], gpu['port_type']), ('gpu', 'nvidia', 'endpoint'))
        self.assertEqual(set(gpu['names']), {'card0', 'renderD128'})
        self.assertEqual((gpu['vendor'], gpu['device'], gpu['class_code']),
                         ('0x10de', '0x2330', '0x030200'))
        self.assertEqual(gpu['parent'], fixture.SWITCH_PORT)
        self.assertEqual(gpu['host_bridge'], 'pci0000:00')
        self.assertEqual(gpu['link'], {'speed_mts': 32000, 'width_lanes': 16, 'max_speed_mts': 32000,
                                       'max_width_lanes': 16})
        self.assertEqual(nic['virtual_functions'], 2)
        virtual = by_address['0000:04:00.1']
        self.assertEqual(virtual['physical_function'], NIC)
        self.assertEqual((virtual['vendor'], virtual['device']), ('0x15b3', '0x101e'))
        port = by_address[fixture.SWITCH_PORT]
        self.assertEqual(port['acs'], {'capability': '0x005f', 'control': '0x0000', 'set': [],
                                       'redirects': False})
        self.assertEqual(port['port_type'], 'downstream-port')
        self.assertFalse(port['endpoint'])

    def test_bars_of_virtual_functions_come_from_the_physical_one(self):
        machine = machines.small()
        machine.place()
        records = self.call('ListBars', {'functions': [NIC, '0000:04:00.2']})['bars']
        found = {r['function']: r['bar'] for r in records}
        for address in (NIC, '0000:04:00.2'):
            wanted = machine.find(address)
            bar = found[address]
            self.assertEqual(int(bar['phys_start'], 16), wanted.bar_start[0])
            self.assertEqual(int(bar['bus_start'], 16), wanted.bar_start[0])
            self.assertEqual(int(bar['size_bytes'], 16), wanted.kind.bars[0][1])
            self.assertTrue(bar['is_64bit'])

    def test_names_find_functions(self):
        for name, address in (('renderD128', GPU), ('mlx5_0', NIC), ('eth0', NIC), ('nvme0', NVME),
                              ('03:00.0', GPU), ('81:00.0', FAR_GPU)):
            functions = self.call('ListFunctions', {'functions': [name]})['functions']
            self.assertEqual([f['address'] for f in functions], [address])

    def test_pairs_agree_everywhere(self):
        """GetPairs, GetMatrix, GetDistance and Explain never contradict one another or the reference."""
        wanted = reference.Machine(self.root).pairs()
        met = 0
        for reply in self.client.stream('io.p2pd.GetPairs'):
            for row in reply['rows']:
                for client, cell in zip(reply['clients'], row['cells'], strict=True):
                    ask = {'provider': row['provider'], 'client': client}
                    hops, kind, path = wanted[row['provider'], client]
                    self.assertEqual((cell['distance_hops'], cell['map'], cell['path']),
                                     (hops, kind.replace('-', '_'), path), ask)
                    with self.shared.client() as other:
                        single = other.call('io.p2pd.GetDistance', ask)
                        why = other.call('io.p2pd.Explain', ask)['explanation']
                    single.pop('generation')
                    self.assertEqual(single, cell)
                    self.assertEqual(why['verdict'], cell)
                    met += 1
        self.assertEqual(met, len(wanted))

    def test_map_cuts_at_bar_borders(self):
        bar = next(r['bar'] for r in self.call('ListBars', {'functions': [GPU]})['bars']
                   if r['bar']['bar_index'] == 4)
        start, size = int(bar['phys_start'], 16), int(bar['size_bytes'], 16)
        reply = self.call('Map', {'client': NVME, 'address': hex(start + 0x1000),
                                  'length_bytes': hex(size)})
        at = start + 0x1000
        for segment in reply['segments']:
            self.assertEqual(int(segment['address'], 16), at, 'a gap')
            at += int(segment['length_bytes'], 16)
        self.assertEqual(at, start + 0x1000 + size)
        first = reply['segments'][0]
        self.assertEqual((first['map'], first['function'], first['bar_index'], first['own']),
                         ('bus', GPU, 4, False))
        self.assertEqual(int(first['bar_offset_bytes'], 16), 0x1000)
        self.assertEqual(int(first['dma_address'], 16), int(bar['bus_start'], 16) + 0x1000)
        self.assertEqual(int(first['length_bytes'], 16), size - 0x1000)

    def test_map_of_plain_memory_and_of_the_own_bar(self):
        plain = self.call('Map', {'client': NIC, 'address': '0x100000', 'length_bytes': '0x1000'})
        self.assertEqual([(s['map'], s.get('function')) for s in plain['segments']], [('regular', None)])
        bar = self.call('ListBars', {'functions': [NIC]})['bars'][0]['bar']
        own = self.call('Map', {'client': NIC, 'address': bar['phys_start'], 'length_bytes': '0x1000'})
        self.assertEqual([(s['own'], s.get('function')) for s in own['segments']], [(True, NIC)])

    def test_map_reaches_the_top_of_the_address_space(self):
        reply = self.call('Map', {'client': NIC, 'address': '0xfffffffffffff000',
                                  'length_bytes': '0x1000'})
        self.assertEqual([s['map'] for s in reply['segments']], ['regular'])
        self.assertEqual(int(reply['segments'][0]['length_bytes'], 16), 0x1000)

    def test_check_tells_every_gate(self):
        reply = self.call('Check', {'providers': [NVME], 'clients': [NIC, FAR_GPU]})
        gates = [g['name'] for g in reply['pairs'][0]['gates']]
        self.assertEqual(gates, ['present', 'bar', 'decoding', 'link', 'acs', 'host-bridge', 'iommu', 'kernel',
                                 'verified'])
        for pair in reply['pairs']:
            self.assertEqual([g['name'] for g in pair['gates']], gates)
            states = [g['state'] for g in pair['gates']]
            if pair['result'] == 'yes':
                self.assertFalse({'failed', 'unknown', 'not-reached'} & set(states))
            else:
                self.assertIn(pair['stopped_at'], gates)
        self.assertEqual(len(reply['pairs']), 2)

    def test_check_takes_wishes(self):
        pair = {'providers': [GPU], 'clients': [NIC]}
        # Nothing in this machine tells how its kernel was built, and that is all.
        for size, result in (('0x0', 'unknown'), ('0x2000000000', 'unknown'), ('0x2000000001', 'no'),
                             ('0xffffffffffffffff', 'no'), (None, 'unknown')):
            reply = self.call('Check', {**pair, 'min_bar_bytes': size})
            self.assertEqual((reply['result'], reply['pairs'][0]['stopped_at']),
                             (result, 'kernel' if result == 'unknown' else 'bar'))
        for allowed, state in ((True, 'not-needed'), (False, 'passed'), (None, 'passed')):
            (told,) = self.call('Check', {**pair, 'allow_slow_link': allowed})['pairs']
            self.assertEqual({g['name']: g['state'] for g in told['gates']}['link'], state)

    def test_status_counts(self):
        before = self.call('GetStatus')['status']
        self.call('GetDistance', {'provider': GPU, 'client': NIC})
        after = self.call('GetStatus')['status']
        self.assertGreaterEqual(after['counters']['calls'], before['counters']['calls'] + 2)
        self.assertEqual((after['functions'], after['source'], after['source_path']),
                         (14, 'root', self.root))
        self.assertEqual(after['kernel_release'], '7.3.4+deb13-amd64')
        self.assertEqual(sorted(after['host_bridges']), ['pci0000:00', 'pci0000:80'])
        self.assertEqual(after['acs_unknown'], 0)
        with self.shared.client() as other:
            self.error_of(other, 'io.p2pd.GetDistance', {'provider': 'no', 'client': NIC})
        self.assertEqual(self.call('GetStatus')['status']['counters']['errors'],
                         after['counters']['errors'] + 1)


class Oneway(fixture.SharedDaemonTest):
    def test_no_reply_at_all(self):
        self.client.send(varlink.encode('io.p2pd.GetStatus', oneway=True)
                         + varlink.encode('io.p2pd.NoSuchMethod', oneway=True)
                         + varlink.encode('io.p2pd.GetDistance', {'provider': 1}, oneway=True)
                         + varlink.encode('org.varlink.service.GetInfo'))
        self.assertIn('vendor', self.client.reply())
        with self.assertRaises(TimeoutError):
            self.client.receive_raw(0.1)

    def test_close_right_after_oneway(self):
        for _ in range(50):
            with self.shared.client() as client:
                client.send(varlink.encode('io.p2pd.ListFunctions', oneway=True))
        self.assert_serving()

    def test_close_before_the_reply(self):
        for _ in range(50):
            with self.shared.client() as client:
                client.send(varlink.encode('io.p2pd.GetPairs', more=True))
                client.socket.shutdown(socket.SHUT_RD)
        self.assert_serving()


if __name__ == '__main__':
    fixture.main()
