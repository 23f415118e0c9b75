#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl bars`, `register`, `unregister` and `table`: what they say agrees with one another and with `map`."""

import json
import os
import random
import unittest

import material  # finds the modules of the other folder
import machines
import programs
import service

GPU, NIC, VF, PORT = '0000:03:00.0', '0000:04:00.0', '0000:04:00.1', '0000:02:00.0'


class Table(material.Holder):
    def p2pctl(self, *arguments, status=0):
        result = programs.p2pctl(*self.source, *arguments)
        self.assertEqual(result.returncode, status, f'{arguments}: {result.stdout}{result.stderr}')
        return result.stdout if status == 0 else result.stderr

    def json(self, *arguments):
        return json.loads(self.p2pctl('--json', *arguments))

    def words(self, *arguments):
        """The lines of a lookup: {label: what stands behind it}."""
        return {line[:13].strip(): line[13:] for line in self.p2pctl(*arguments).splitlines()}

    def daemon(self, top, *options):
        daemon = service.Daemon('--root', top, *options)
        daemon.__enter__()
        self.addCleanup(daemon.__exit__, None, None, None)
        self.source = ('--socket', daemon.socket_path)
        return daemon

    def small(self):
        top = self.write(machines.small())
        self.source = ('--root', top)
        return top

    def compare_with_bars(self):
        """The table and ListBars, record by record. Returns the records."""
        dump, bars = self.json('table'), self.json('bars')['bars']
        self.assertEqual(dump['layout_version'], 2)
        expected = []
        for record in bars:
            bar = record['bar']
            if bar.get('phys_start') is None:
                continue
            expected.append({
                **({'id': record['id'], 'id_since': record['id_since']} if record.get('id') else {}),
                'function': record['function'], 'bar_index': bar['bar_index'], 'kind': record['kind'],
                'first': bar['phys_start'],
                'last': hex(int(bar['phys_start'], 16) + int(bar['size_bytes'], 16) - 1),
                **({'bus_start': bar['bus_start']} if bar.get('bus_start') else {}),
                'is_64bit': bar['is_64bit'], 'prefetchable': bar['prefetchable'],
            })
        self.assertEqual(dump['records'], expected)
        return dump['records']

    def compare_with_map(self, client, address):
        said = self.json('table', hex(address), client)
        (segment,) = self.json('map', client, hex(address), '1')['segments']
        what = f'{client} {address:#x}: {said} {segment}'
        if said['place'] in ('bar', 'regular'):
            self.assertEqual(said['map'], 'none' if segment['map'] == 'unknown' else segment['map'], what)
        else:
            self.assertEqual(said['map'], 'none', what)
        if said['place'] != 'bar':
            return said
        self.assertEqual((said['record']['function'], said['record']['bar_index'], said['bar_offset_bytes']),
                         (segment['function'], segment['bar_index'], segment['bar_offset_bytes']), what)
        self.assertEqual(said['own'], segment['own'], what)
        if said['map'] == 'bus':
            self.assertEqual(said['bus_address'], segment['dma_address'], what)
        return said

    def compare_all(self, dice):
        records = self.compare_with_bars()
        clients = [f['address'] for f in self.json('list', '--all')['functions'] if f['endpoint']]
        distances = {}
        for record in dice.sample(records, min(len(records), 5)) if clients else ():
            first, last = int(record['first'], 16), int(record['last'], 16)
            for address in (first, last, dice.randint(first, last), first - 1 if first else 0, last + 1):
                if address >= 1 << 64:
                    continue
                said = self.compare_with_map(dice.choice(clients), address)
                if 'distance_hops' in said:
                    distances[said['record']['function'], said['client']] = said['distance_hops']
        pairs = programs.pairs(*self.source)
        for pair, hops in distances.items():
            self.assertEqual(hops, pairs[pair][0], pair)

    def test_captured(self):
        for name, archive, _ in material.archives():
            with self.subTest(name):
                self.daemon(self.unpack(archive))
                self.compare_all(random.Random(1))

    def test_random(self):
        for seed in range(4):
            with self.subTest(seed=seed):
                self.daemon(self.write(machines.draw(seed), f'random-{seed}'))
                self.compare_all(random.Random(seed))

    def test_lookup_in_words(self):
        self.small()
        (bar,) = (b['bar'] for b in self.json('bars', GPU)['bars'] if b['bar']['bar_index'] == 0)
        first = int(bar['phys_start'], 16)
        (number,) = (b['id'] for b in self.json('bars', GPU)['bars'] if b['bar']['bar_index'] == 0)
        self.assertEqual(self.words('table', hex(first + 0x10)), {
            'address': hex(first + 0x10), 'lies in': f'BAR 0 of {GPU}, at offset 0x10',
            'BAR id': f'{number}, since generation 1', 'generation': '1'})
        words = self.words('table', str(first), '04:00.0')
        self.assertEqual((words['client'], words['map'], words['bus address']),
                         (NIC, 'bus, 4 hops', bar['bus_start']))
        words = self.words('table', hex(first), GPU)
        self.assertTrue(words['map'].endswith('its own BAR: no DMA'), words)
        words = self.words('table', '0x1000', 'mlx5_0')
        self.assertEqual((words['lies in'], words['BAR id'], words['map']), ('no BAR: regular memory', '-', 'regular'))
        self.assertIn('it is a bridge', self.p2pctl('table', '0x1000', PORT, status=1))
        self.assertIn('nosuch', self.p2pctl('table', '0x1000', 'nosuch', status=1))
        self.assertIn("'x' is no address", self.p2pctl('table', 'x', status=2))
        self.assertIn('too many', self.p2pctl('table', '1', GPU, GPU, status=2))

    def test_dump_in_words(self):
        self.small()
        text = self.p2pctl('table')
        bars = self.json('bars')['bars']
        self.assertIn('checksum right', text)
        self.assertIn(f'{sum(1 for b in bars if b.get("id"))} in use', text)
        self.assertEqual(sum(' 0x' in line for line in text.splitlines()), len(bars))

    def test_bars_says_why_there_is_no_id(self):
        self.small()
        bars = self.json('bars')['bars']
        given = [b for b in bars if b.get('id')]
        self.assertEqual({b['function'] for b in bars} - {b['function'] for b in given}, {VF, '0000:04:00.2'})
        text = self.p2pctl('bars')
        self.assertIn(f'{len(given)} of {len(bars)} BARs with an id (5 bits: 1 to 31), without:', text)
        self.assertIn(f'{len(bars) - len(given)}  by request only: `p2pctl register FUNCTION BAR`', text)
        text = self.p2pctl('bars', GPU)
        self.assertNotIn('without:', text)
        # Two switches full of functions for 15 ids.
        machine = machines.Machine()
        root = machine.host_bridge(0, 0x00)
        root.add(0, machines.pci.HOST_BRIDGE)
        for port in range(1, 9):
            bus = root.add(port << 3, machines.pci.ROOT_PORT)
            for function in range(2):
                bus.add(function, machines.pci.NVME)
        self.daemon(self.write(machine, 'many'), '--id-bits', '4')
        bars = self.json('bars')['bars']
        text = self.p2pctl('bars')
        self.assertIn(f'15 of {len(bars)} BARs with an id', text)
        self.assertIn('should have one, but all ids are used or held back', text)
        (without, bar_index), *_ = ((b['function'], b['bar']['bar_index']) for b in bars if not b.get('id'))
        self.assertIn('or none was left', self.p2pctl('bars', without))
        self.assertIn('all are used or held back', self.p2pctl('status'))
        if os.geteuid() == 0:
            self.assertIn('with 4 bits all are used', self.p2pctl('register', without, str(bar_index), status=1))

    @unittest.skipUnless(os.geteuid() == 0, 'only root may register at this daemon')
    def test_register(self):
        self.daemon(self.small())
        text = self.p2pctl('register', VF, '0')
        (record,) = self.json('bars', VF)['bars']
        self.assertEqual((text, record['registered']), (f'registered: BAR id {record["id"]}\n', True))
        self.assertIn('registered', self.p2pctl('bars', VF))
        (line,) = (r for r in self.json('table')['records'] if r['function'] == VF)
        self.assertEqual(line['id'], record['id'])
        self.assertEqual(self.p2pctl('unregister', VF, '0'), 'no longer registered: it has no BAR id\n')
        self.assertIn('is not registered', self.p2pctl('unregister', VF, '0', status=1))
        self.p2pctl('register', NIC, '0')
        self.assertIn('of a kind that has ids unasked', self.p2pctl('unregister', NIC, '0'))

    def test_register_refused(self):
        self.small()
        self.assertEqual(self.json('register', VF, '0')['generation'], 2)
        self.assertIn('has no assigned memory BAR 5', self.p2pctl('register', GPU, '5', status=1))
        for wrong in ('6', 'x', '-1', ''):
            self.assertIn('is no BAR', self.p2pctl('--', 'register', GPU, wrong, status=2))
        self.assertIn('too few', self.p2pctl('register', GPU, status=2))


if __name__ == '__main__':
    material.main()
