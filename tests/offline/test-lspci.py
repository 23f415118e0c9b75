#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same machine from an `lspci -xxxx` text, and dumps that are cut or spoiled."""

import random
import shutil
import unittest

import material  # finds the modules of the other folder
import machines
import programs
import reference


@unittest.skipUnless(shutil.which('lspci'), 'lspci is not installed')
class Dump(material.Holder):
    def dump(self, data, name='dump'):
        path = f'{self.directory}/{name}'
        with open(path, 'wb') as file:
            file.write(data)
        return path

    @staticmethod
    def wanted(top):
        """What a dump can tell: nothing about CPU, kernel and NUMA."""
        model = reference.Machine(top, (999, 0))
        model.cpu_known = model.zen = model.one_node = False
        for f in model.functions.values():
            f.numa = -1
        return model.pairs()

    def compare(self, top, name):
        found = programs.pairs('--lspci', self.dump(material.lspci_dump(top), name))
        self.assertEqual(found, self.wanted(top))

    def test_small_machine(self):
        self.compare(self.write(machines.small()), 'small')

    def test_random_machines(self):
        met = 0
        for seed in range(3000, 3060):
            machine = machines.draw(seed)
            short = any(f.config_length is not None for f in machine.functions)
            nested = any(root.below is not None for root in machine.roots)
            wide = any(root.segment > 0xffff for root in machine.roots)
            if short or nested or wide:
                continue
            with self.subTest(seed=seed):
                self.compare(self.write(machine, f'root{seed}'), f'dump{seed}')
            met += 1
        self.assertGreater(met, 10)

    def test_captured_machines(self):
        for name, archive, _ in material.archives():
            with self.subTest(machine=name):
                self.compare(self.unpack(archive), f'{name}.dump')

    def test_short_dump_is_unknown_not_off(self):
        """-xxx (256 bytes) and -x (64 bytes) cannot show ACS."""
        top = self.write(machines.small())
        text = material.lspci_dump(top).decode('latin-1').split('\n')
        for limit in ('100', '40'):
            kept = [line for line in text
                    if not (line[:3].rstrip(':').isalnum() and ': ' in line[:5]
                            and int(line.split(':')[0], 16) >= int(limit, 16))]
            found = programs.pairs('--lspci', self.dump('\n'.join(kept).encode('latin-1'), limit))
            hops, kind, _ = found['0000:03:00.0', '0000:05:00.0']
            self.assertEqual((hops, kind), (4, 'unknown'), limit)

    def answer_or_error(self, path):
        """Exit 0 with a table, or 1 with a sentence: nothing else is allowed."""
        result = programs.p2pctl('--lspci', path, 'pairs')
        if result.returncode == 0:
            for line in result.stdout.splitlines()[1:]:
                self.assertEqual(line.count('\t'), 4, line)
            return True
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertTrue(result.stderr.strip())
        self.assertEqual(result.stdout.splitlines()[1:], [], 'verdicts of a dump that was refused')
        return False

    def test_cut_anywhere(self):
        data = material.lspci_dump(self.write(machines.small()))
        answered = 0
        cuts = [*range(0, 120, 7), *range(200, len(data), len(data) // 50), len(data) - 1]
        for cut in cuts:
            answered += self.answer_or_error(self.dump(data[:cut], 'cut'))
        self.assertGreater(answered, 20)

    def test_cut_never_turns_unknown_into_off(self):
        """A port whose ACS was cut away is no port without ACS."""
        machine = machines.small()
        for f in machine.functions:
            if f.acs is not None:
                f.acs = (0x5f, 0x1d)
        data = material.lspci_dump(self.write(machine))
        for cut in range(len(data) // 40, len(data), len(data) // 40):
            result = programs.p2pctl('--lspci', self.dump(data[:cut], 'cut'), 'pairs')
            for line in result.stdout.splitlines()[1:]:
                provider, client, _, kind, _ = line.split('\t')
                if provider[:10] != client[:10]:
                    self.assertNotEqual(kind, 'bus', (cut, line))

    def test_spoiled(self):
        data = material.lspci_dump(self.write(machines.small()))
        for seed in range(60):
            dice = random.Random(seed)
            spoiled = bytearray(data)
            for _ in range(dice.choice((1, 5, 50, 500))):
                spoiled[dice.randrange(len(spoiled))] = dice.getrandbits(8)
            self.answer_or_error(self.dump(bytes(spoiled), 'spoiled'))

    def test_no_dumps(self):
        for data in (b'', b'\n\n\n', b'hello\n', b'\0' * 4096, b'\xff' * 100000, b'00:00.0 ' + b'x' * 200000,
                     b'00:00.0 Bridge\n', b'00:00.0 Bridge\n00: 86\n', b'00: 86 80\n',
                     b'00:00.0 B\n' + b'fff: 00\n', b'00:00.0 B\n' + b'ffffffffff0: 00\n',
                     b'00:00.0 B\n-10: 00\n', b'00:1f.9 B\n00: 86 80 00 00\n',
                     b'00:00.0 A\n00: 86 80\n' * 2000):
            self.answer_or_error(self.dump(data, 'none'))

    def test_text_of_other_verbosity(self):
        """-vvv text between the bytes, Windows line ends and -t lines do not disturb."""
        top = self.write(machines.small())
        data = material.lspci_dump(top)
        noisy = data.replace(b'\n00: ', b'\n\tControl: I/O- Mem+\n\tCapabilities: [40] x\n00: ')
        self.assertEqual(programs.pairs('--lspci', self.dump(noisy, 'noisy')), self.wanted(top))
        dos = data.replace(b'\n', b'\r\n')
        self.assertEqual(programs.pairs('--lspci', self.dump(dos, 'dos')), self.wanted(top))
        result = programs.p2pctl('--lspci', self.dump(b'\xef\xbb\xbf' + data, 'mark'), '--json', 'list')
        plain = programs.p2pctl('--lspci', self.dump(data, 'plain'), '--json', 'list')
        self.assertEqual(result.stdout, plain.stdout)


if __name__ == '__main__':
    material.main()
