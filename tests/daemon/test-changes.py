#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine changes below the running daemon: generations, monitor events, flipped pairs."""

import os
import shutil
import signal
import socket

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured
import config as space
import reference
import service
import varlink


class Changes(fixture.RootTest):
    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        self.interface = fixture.interface()

    def pairs(self, daemon):
        found = {}
        with daemon.client() as client:
            for reply in client.stream('io.p2pd.GetPairs'):
                for row in reply['rows']:
                    for address, cell in zip(reply['clients'], row['cells'], strict=True):
                        found[row['provider'], address] = (cell['distance_hops'],
                                                           cell['map'].replace('_', '-'), cell['path'])
        return found

    def monitor(self, daemon):
        client = daemon.client()
        self.addCleanup(client.close)
        client.send(varlink.encode('io.p2pd.Monitor', more=True))
        client.seen = self.event(client)
        return client

    def event(self, client, timeout=10):
        message = client.receive(timeout)
        self.assertIs(message.get('continues'), True)
        parameters = message['parameters']
        self.assertEqual(self.interface.problems(parameters, self.interface.methods['Monitor'][1]), [])
        self.assertEqual(parameters['flips_total'] >= len(parameters['flips']), True)
        return parameters

    def rescan(self, daemon):
        return daemon.call('io.p2pd.Rescan')['generation']

    def changed(self, event):
        return {(c['kind'], c['function']): set(c['what']) for c in event['changes']}

    def test_nothing_changed_is_no_generation(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            self.assertEqual(self.rescan(daemon), 1)
            with self.assertRaises(TimeoutError):
                client.receive_raw(0.2)

    def test_acs_bits_flip_pairs(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            before = self.pairs(daemon)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x1d)
            self.assertEqual(self.rescan(daemon), 2)
            event, after = self.event(client), self.pairs(daemon)
            self.assertEqual(after, reference.Machine(self.root).pairs())
            self.assertEqual(self.changed(event), {('changed', SWITCH_PORT): {'acs'}})
            self.assertEqual([f['address'] for f in event['functions']], [SWITCH_PORT])
            self.assertEqual(event['functions'][0]['acs']['control'], '0x001d')
            self.assertEqual(set(event['functions'][0]['acs']['set']), {'SV', 'RR', 'CR', 'UF'})
            flipped = {pair for pair in before if before[pair][:2] != after[pair][:2]}
            self.assertTrue(flipped)
            self.assertEqual(event['flips_total'], len(flipped))
            self.assertEqual({(f['provider'], f['client']) for f in event['flips']}, flipped)
            for flip in event['flips']:
                self.assertEqual((flip['before']['map'], flip['after']['map']), ('bus', 'host_bridge'))
            self.assertEqual(event['generation'], 2)
            self.assertFalse(event['machine_wide'])

    def test_function_goes_and_comes(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            kept = f'{self.root}/kept'
            where = captured.path_of(self.root, NVME)
            link = os.readlink(f'{self.root}/sys/bus/pci/devices/{NVME}')
            shutil.copytree(where, kept, symlinks=True)
            captured.remove_function(self.root, NVME)
            self.assertEqual(self.rescan(daemon), 2)
            self.assertEqual(self.changed(self.event(client)), {('removed', NVME): set()})
            for name in (NVME, 'nvme0'):
                with daemon.client() as other:
                    error = self.error_of(other, 'io.p2pd.GetDistance', {'provider': name, 'client': NIC})
                self.assertEqual(error.name, 'io.p2pd.FunctionNotFound')
            shutil.copytree(kept, where, symlinks=True)
            os.symlink(link, f'{self.root}/sys/bus/pci/devices/{NVME}')
            self.assertEqual(self.rescan(daemon), 3)
            event = self.event(client)
            self.assertEqual(set(self.changed(event)), {('added', NVME)})
            self.assertEqual([f['address'] for f in event['functions']], [NVME])
            self.assertEqual(event['flips'], [], 'a flip needs a verdict before')
            self.assertEqual(self.pairs(daemon), reference.Machine(self.root).pairs())

    def test_branch_goes(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            for address in ('0000:04:00.1', '0000:04:00.2', NIC):
                captured.remove_function(self.root, address)
            captured.remove_function(self.root, '0000:02:01.0')
            self.assertEqual(self.rescan(daemon), 2)
            self.assertEqual({kind for kind, _ in self.changed(self.event(client))}, {'removed'})
            self.assertEqual(self.pairs(daemon), reference.Machine(self.root).pairs())

    def edit(self, address, name, change):
        """Rewrites one file of a function as the kernel would: change(bytes) gives the new content."""
        path = captured.path_of(self.root, address, name)
        with open(path, 'rb') as file:
            data = file.read()
        with open(path, 'wb') as file:
            file.write(change(data))

    def assert_one_change(self, daemon, client, address, what):
        before = client.seen['generation']
        self.assertEqual(self.rescan(daemon), before + 1, what)
        client.seen = self.event(client)
        self.assertEqual(self.changed(client.seen), {('changed', address): {what}})

    def test_other_facts_are_told_apart(self):
        os.makedirs(captured.path_of(self.root, NVME, 'p2pmem'))
        for name, value in (('size', 65536), ('available', 65536), ('published', 1)):
            with open(captured.path_of(self.root, NVME, f'p2pmem/{name}'), 'w', encoding='ascii') as file:
                file.write(f'{value}\n')

        def link_is_4_wide(config):
            return config[:space.PCIE_AT + 0x12] + b'\x45\x00' + config[space.PCIE_AT + 0x14:]

        with self.daemon() as daemon:
            client = self.monitor(daemon)
            self.edit(NVME, 'p2pmem/published', lambda _: b'0\n')
            self.assert_one_change(daemon, client, NVME, 'p2pmem')
            self.edit(GPU, 'current_link_width', lambda _: b'4\n')
            self.edit(GPU, 'config', link_is_4_wide)
            self.assert_one_change(daemon, client, GPU, 'link')
            self.edit(GPU, 'resource', lambda text: text.replace(b'0x0000', b'0x0001', 1))
            self.assert_one_change(daemon, client, GPU, 'bars')
            self.edit(GPU, 'config', lambda config: config[:4] + b'\x04' + config[5:])
            self.assert_one_change(daemon, client, GPU, 'decoding')
            os.rename(captured.path_of(self.root, NIC, 'net/eth0'), captured.path_of(self.root, NIC, 'net/lan0'))
            self.assert_one_change(daemon, client, NIC, 'names')

    def test_driver_goes(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            os.unlink(captured.path_of(self.root, NVME, 'driver'))
            self.edit(NVME, 'uevent', lambda text: text.replace(b'DRIVER=nvme\n', b''))
            self.assert_one_change(daemon, client, NVME, 'driver')
            self.assertIsNone(client.seen['functions'][0].get('driver'))

    def test_sighup_rescans(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x04)
            daemon.process.send_signal(signal.SIGHUP)
            self.assertEqual(self.event(client)['generation'], 2)
            self.assertIsNotNone(daemon.notify.wait_for('RELOADING=1'))
            self.assertIsNotNone(daemon.notify.wait_for('READY=1'))

    def test_many_sighups_are_one_or_few_scans(self):
        with self.daemon() as daemon:
            for _ in range(200):
                daemon.process.send_signal(signal.SIGHUP)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x04)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_until('the last one counts', lambda: daemon.call(
                'io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})['map'] == 'host_bridge')

    def test_drift_is_found_on_the_timer(self):
        with service.Daemon('--root', self.root, '--recheck-msec', '50') as daemon:
            client = self.monitor(daemon)
            generation = client.seen['generation']
            for bits in (0x04, 0x00, 0x08):
                captured.set_acs_control(self.root, SWITCH_PORT, bits)
                event = self.event(client)
                generation += 1
                self.assertEqual(event['generation'], generation)
                self.assertEqual(self.changed(event), {('changed', SWITCH_PORT): {'acs'}})
            self.assertGreaterEqual(daemon.status()['counters']['drifts'], 3)

    def test_no_timer_no_drift(self):
        with self.daemon() as daemon:
            client = self.monitor(daemon)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x04)
            with self.assertRaises(TimeoutError):
                client.receive_raw(0.3)

    def test_acs_that_becomes_unreadable_is_unknown(self):
        """Never off: all ones, a cut file and no file at all."""
        path = captured.path_of(self.root, SWITCH_PORT, 'config')
        with open(path, 'rb') as file:
            whole = file.read()
        spoiled = (b'\xff' * 4096, whole[:64], whole[:256], b'', whole[:0x148] + b'\xff' * (4096 - 0x148))
        with self.daemon() as daemon:
            for data in spoiled:
                with open(path, 'wb') as file:
                    file.write(data)
                self.rescan(daemon)
                verdict = daemon.call('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})
                self.assertEqual((verdict['distance_hops'], verdict['map']), (4, 'unknown'), len(data))
            os.unlink(path)
            self.rescan(daemon)
            self.assertEqual(daemon.call('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})['map'],
                             'unknown')
            with open(path, 'wb') as file:
                file.write(whole)
            self.rescan(daemon)
            self.assertEqual(daemon.call('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})['map'],
                             'bus')

    def test_streams_keep_the_generation_they_began_with(self):
        with self.daemon() as daemon, daemon.client() as client:
            client.socket.setsockopt(socket.SOL_SOCKET,
                                     socket.SO_RCVBUF, 2304)
            client.send(varlink.encode('io.p2pd.GetPairs', more=True) * 20)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x04)
            self.rescan(daemon)
            streams = []
            while len(streams) < 20:
                generations, message = set(), {'continues': True}
                while message.get('continues'):
                    message = client.receive()
                    generations.add(message['parameters']['generation'])
                self.assertEqual(len(generations), 1, 'a torn stream')
                streams.append(generations.pop())
            self.assertEqual(streams, sorted(streams))

    def test_answers_belong_to_their_generation(self):
        """Clients ask without pause while the machine flips to and fro: no answer mixes two machines."""
        wanted = {1: 'bus', 0: 'host_bridge'}
        with self.daemon() as daemon:
            clients = [daemon.client() for _ in range(8)]
            call = varlink.encode('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC}) * 5
            generations = set()
            for n in range(30):
                for client in clients:
                    client.send(call)
                captured.set_acs_control(self.root, SWITCH_PORT, 0 if n % 2 else 0x04)
                self.rescan(daemon)
                for client in clients:
                    for _ in range(5):
                        reply = client.reply()
                        self.assertEqual(reply['map'], wanted[reply['generation'] % 2])
                        generations.add(reply['generation'])
            self.assertGreater(len(generations), 10)
            for client in clients:
                client.close()

    def test_slow_monitor_is_closed_not_fed_for_ever(self):
        with self.daemon() as daemon, daemon.client() as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET,
                                   socket.SO_RCVBUF, 2304)
            for _ in range(20):
                slow.send(varlink.encode('io.p2pd.GetStatus'))
            slow.send(varlink.encode('io.p2pd.Monitor', more=True))
            for n in range(30):
                captured.set_acs_control(self.root, SWITCH_PORT, 0x04 if n % 2 else 0)
                daemon.call('io.p2pd.Rescan')
            self.assertEqual(daemon.call('io.p2pd.GetDistance', {'provider': FAR_GPU, 'client': FAR_GPU})
                             ['map'], 'bus')


if __name__ == '__main__':
    fixture.main()
