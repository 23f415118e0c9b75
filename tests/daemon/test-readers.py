#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many processes that follow the shared table through libp2pd (log-table.c), over hotplug and over the death of the
daemon: all follow, none crashes, and what they wrote down shows that no BAR id stood for two BARs."""

import contextlib
import importlib
import os
import random
import subprocess
import tempfile
import unittest

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME
import programs
import table

TableTest = importlib.import_module('test-table').TableTest
LOG_TABLE = os.environ.get('LOG_TABLE', '')


class Reader:
    """One process; what it wrote is read at its end."""

    def __init__(self, socket_path, directory, number):
        self.output, self.errors = (f'{directory}/{number}.{kind}' for kind in ('out', 'err'))
        with open(self.output, 'wb') as out, open(self.errors, 'wb') as err:
            self.process = subprocess.Popen([LOG_TABLE, socket_path], stdin=subprocess.PIPE, stdout=out, stderr=err)

    def end(self):
        """[(instance, generation, {id: (since, function, bar_index)})] in the order it was seen."""
        self.process.stdin.close()
        status = self.process.wait(20 * programs.PATIENCE)
        with open(self.errors, encoding='latin-1') as file:
            said = file.read()
        if status != 0 or said:
            raise AssertionError(f'reader: exit status {status}\n{said[-3000:]}')
        looks = []
        with open(self.output, encoding='ascii') as file:
            for line in file:
                word, *values = line.split()
                if word == 'generation':
                    looks.append((values[0], int(values[1]), {}))
                else:
                    number, since, function, bar_index = values
                    looks[-1][2][int(number)] = (int(since), function, int(bar_index))
        return looks

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.wait()


class Readers(TableTest):
    def setUp(self):
        super().setUp()
        self.dice = random.Random(4)
        self.serial = 0x4000
        self.device = {address: 0 for address in (GPU, NIC, NVME, FAR_GPU)}
        self.out = set()
        self.book = {}  # instance: [(generation, what device is where then)]

    @contextlib.contextmanager
    def readers(self, daemon, number):
        with tempfile.TemporaryDirectory(prefix='p2pd-readers-') as directory:
            readers = []
            try:
                for i in range(number):
                    readers.append(Reader(daemon.socket_path, directory, i))
                yield readers
            finally:
                for reader in readers:
                    reader.kill()

    def note(self, daemon, generation):
        with table.Reader(daemon.socket_path) as reader:
            instance = reader.attach()['instance']
        self.book.setdefault(instance, []).append((generation, dict(self.device)))

    def change(self, another=0.6):
        """Something is unplugged, or plugged in: the same device as before or another one."""
        for address in self.dice.sample((NVME, GPU, FAR_GPU), self.dice.randint(1, 2)):
            if address not in self.out:
                self.unplug(address)
            elif self.dice.random() < another:
                self.serial += 1
                self.device[address] = self.serial
                self.plug(address, self.serial)
            else:
                self.plug(address)
            self.out ^= {address}

    def rescan(self, daemon):
        self.note(daemon, daemon.call('io.p2pd.Rescan')['generation'])

    def all_follow(self, daemon, number):
        """Everybody has confirmed what the table shows, and nothing waits to be saved and shown."""
        def they_do():
            status = daemon.status()
            return (status['readers'] == number and status['oldest_confirmed'] == status['table_generation']
                    and status['ids_used'] == len(self.listed(daemon)[1]))
        daemon.wait_until('all readers follow', they_do, timeout=30)

    def device_at(self, instance, generation, function):
        """Which device it was then."""
        known = [devices for since, devices in self.book[instance] if since <= generation]
        return known[-1][function]

    def meanings(self, looks):
        """(instance, generation, id, since, BAR) of all that was seen; a BAR is a device's, wherever its address."""
        for instance, generation, ids in looks:
            for number, (since, function, bar_index) in ids.items():
                yield (instance, generation, number, since,
                       (function, bar_index, self.device_at(instance, generation, function)))

    def check_last(self, daemon, looks):
        _, listed = self.listed(daemon)
        for one in looks:
            self.assertEqual({n: (f, b) for n, (_, f, b) in one[-1][2].items()}, listed)

    def test_a_hundred_over_restarts(self):
        number = 100
        with self.start('--id-bits', '8') as daemon, self.readers(daemon, number) as readers:
            self.note(daemon, 1)
            for turn in range(6):
                if turn in (2, 4):
                    daemon.process.kill()
                    daemon.process.wait()
                    self.change()
                    while daemon.notify.receive(0):
                        pass  # what the one before said
                    daemon.start()
                    self.note(daemon, 1)
                # Some generations come one upon the other, some when all have seen the last.
                for _ in range(self.dice.randint(1, 3)):
                    self.change()
                    self.rescan(daemon)
                self.all_follow(daemon, number)
            looks = [reader.end() for reader in readers]
            self.check_last(daemon, looks)
        self.assertEqual(len(self.book), 3)
        bars = {}
        for one in looks:
            self.assertEqual(len({instance for instance, _, _ in one}), 3)
            for _, _, number, _, bar in self.meanings(one):
                self.assertEqual(bars.setdefault(number, bar), bar, f'id {number}')
        self.assertGreater(len(bars), 20, 'too few devices came')

    def test_few_ids(self):
        """Ids must be given again here: then every reader has seen, and confirmed, a generation without the old one."""
        number = 10
        with self.start('--id-bits', '4') as daemon, self.readers(daemon, number) as readers:
            self.note(daemon, 1)
            for _ in range(25):
                self.change(another=0.9)
                self.rescan(daemon)
                self.all_follow(daemon, number)
            looks = [reader.end() for reader in readers]
            self.check_last(daemon, looks)
        meant = {}
        for one in looks:
            before = {}
            for instance, generation, ids in one:
                now = {n: bar for _, _, n, _, bar in self.meanings([(instance, generation, ids)])}
                for id_number, bar in now.items():
                    self.assertEqual(before.get(id_number, bar), bar, f'id {id_number}, generation {generation}')
                before = now
            for _, _, id_number, since, bar in self.meanings(one):
                self.assertEqual(meant.setdefault((id_number, since), bar), bar)
        given_again = len(meant) - len({id_number for id_number, _ in meant})
        self.assertGreater(given_again, 5, 'no id was given again')


if __name__ == '__main__':
    unittest.main(verbosity=2)
