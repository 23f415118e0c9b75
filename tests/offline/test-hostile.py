#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captured roots made to hurt: an answer or an error, in time, and never a look outside of DIR."""

import json
import os
import re
import shutil
import socket
import subprocess
import unittest

import material  # finds the modules of the other folder
import captured
import machines
import programs

GPU, NIC, NVME, PORT = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:02:00.0'
CANARY = 'canary7f3a'


class Hostile(material.Holder):
    def setUp(self):
        super().setUp()
        self.root = self.write(machines.small())

    def file(self, address, name):
        return captured.path_of(self.root, address, name)

    def ask(self, *command):
        """Runs a command on the root: exit 0, or 1 with a sentence, quickly."""
        result = programs.p2pctl('--root', self.root, *command, timeout=20)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        if result.returncode == 1:
            self.assertTrue(result.stderr.strip())
        return result

    def functions(self):
        result = self.ask('--json', 'list')
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        return {f['address']: f for f in (found['functions'] if isinstance(found, dict) else found)}

    def assert_others_fine(self, *spoiled):
        """What was not touched still has its verdict."""
        found = programs.pairs('--root', self.root)
        if not {GPU, NIC, PORT} & set(spoiled):
            self.assertEqual(found[GPU, NIC], (4, 'bus', 'PIX'))
        self.assertEqual(found['0000:81:00.0', '0000:81:00.0'], (0, 'bus', 'LOC'))

    def replace(self, path, make):
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        elif os.path.isdir(path):
            shutil.rmtree(path)
        make(path)

    def test_fifos_do_not_block(self):
        for name in ('config', 'resource', 'class', 'vendor', 'numa_node', 'uevent', 'current_link_speed'):
            self.replace(self.file(NVME, name), os.mkfifo)
        os.makedirs(self.file(NVME, 'p2pmem'), exist_ok=True)
        self.replace(self.file(NVME, 'p2pmem/size'), os.mkfifo)
        self.replace(f'{self.root}/proc/cpuinfo', os.mkfifo)
        self.replace(f'{self.root}/proc/version', os.mkfifo)
        self.assert_others_fine(NVME)

    def test_sockets_and_directories_instead_of_files(self):
        def make_socket(path):
            with socket.socket(socket.AF_UNIX) as s:
                here = os.getcwd()
                os.chdir(os.path.dirname(path))
                s.bind(os.path.basename(path))
                os.chdir(here)
        self.replace(self.file(NVME, 'config'), make_socket)
        self.replace(self.file(NVME, 'resource'), os.mkdir)
        self.replace(self.file(NVME, 'class'), os.mkdir)
        self.assert_others_fine(NVME)

    @unittest.skipUnless(os.geteuid() == 0, 'needs root to make device nodes')
    def test_device_nodes(self):
        try:
            self.replace(self.file(NVME, 'config'), lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)))
        except PermissionError:
            self.skipTest('no device nodes here')
        self.replace(self.file(NVME, 'class'), lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)))
        self.replace(self.file(NVME, 'uevent'), lambda p: os.mknod(p, 0o20666, os.makedev(1, 8)))
        self.assert_others_fine(NVME)

    def test_huge_files(self):
        def huge(path):
            with open(path, 'wb') as file:
                file.truncate(1 << 36)
        for name in ('config', 'resource', 'class', 'numa_node', 'uevent'):
            self.replace(self.file(NVME, name), huge)
        self.replace(f'{self.root}/proc/cpuinfo', huge)
        self.assert_others_fine(NVME)

    def test_empty_files(self):
        for name in os.listdir(captured.path_of(self.root, NVME)):
            path = self.file(NVME, name)
            if os.path.isfile(path):
                with open(path, 'wb'):
                    pass
        self.assertIn(NVME, self.functions())
        for name in ('cpuinfo', 'version', 'cmdline'):
            with open(f'{self.root}/proc/{name}', 'wb'):
                pass
        self.assertEqual(self.ask('pairs').returncode, 0)

    def test_missing_files(self):
        for name in os.listdir(captured.path_of(self.root, NVME)):
            path = self.file(NVME, name)
            if not os.path.islink(path) and os.path.isfile(path):
                os.unlink(path)
        self.assert_others_fine(NVME)
        shutil.rmtree(f'{self.root}/proc')
        shutil.rmtree(f'{self.root}/sys/devices/system')
        self.assertEqual(self.ask('pairs').returncode, 0)

    def test_config_of_odd_length(self):
        with open(self.file(PORT, 'config'), 'rb') as file:
            whole = file.read()
        for length in (0, 1, 2, 3, 4, 6, 13, 15, 40, 63, 65, 127, 128, 255, 257, 0x100, 0x101, 0x103, 0x14b,
                       0x14d, 0x14f, 4095, 4097, 8192):
            with open(self.file(PORT, 'config'), 'wb') as file:
                file.write((whole * 3)[:length])
            kind = programs.pairs('--root', self.root)[GPU, NIC][1]
            # The capability ends at 0x150; a file longer than any config space is not believed.
            self.assertEqual(kind, 'bus' if 0x150 <= length <= 4096 else 'unknown', length)

    def test_capability_lists_that_loop(self):
        with open(self.file(PORT, 'config'), 'rb') as file:
            whole = bytearray(file.read())
        spoiled = {
            'extended list onto itself': (0x100, (0x100 << 20 | 0x20001).to_bytes(4, 'little')),
            'extended list back and forth': (0x148, (0x100 << 20 | 0x10003).to_bytes(4, 'little')),
            'next below 0x100': (0x100, (0x0fc << 20 | 0x20001).to_bytes(4, 'little')),
            'next at the very end': (0x100, (0xffc << 20 | 0x20001).to_bytes(4, 'little')),
            'standard list onto itself': (0x40, bytes((0x01, 0x40))),
            'standard list into the header': (0x34, bytes((0x04,))),
            'extended list of zeroes': (0x100, bytes(4)),
            'extended list of ones': (0x100, b'\xff' * 4),
        }
        for name, (at, data) in spoiled.items():
            copy = bytearray(whole)
            copy[at:at + len(data)] = data
            with open(self.file(PORT, 'config'), 'wb') as file:
                file.write(copy)
            with self.subTest(spoiled=name):
                self.assert_others_fine(PORT)

    def test_texts_that_are_none(self):
        texts = (b'\xff\xfe\x00', b'0x', b'-1', b'0x1234567890123456789012345678901234567890', b'9' * 5000,
                 b'0x010802 trailing', b'\n\n', b'%s%n%s%n', b'"\\u0000\x01', b' 0x010802')
        for name in ('class', 'vendor', 'numa_node', 'current_link_speed', 'current_link_width', 'resource',
                     'dma_mask_bits', 'local_cpulist', 'ari_enabled', 'uevent', 'revision'):
            for text in texts:
                with open(self.file(NVME, name), 'wb') as file:
                    file.write(text)
                self.functions()
        self.assert_others_fine(NVME)

    def test_names_that_are_none(self):
        devices = f'{self.root}/sys/bus/pci/devices'
        target = os.readlink(f'{devices}/{NVME}')
        for name in ('x', '0000:05:00', '0000:05:00.8', '0000:05:20.0', '0000:105:00.0', '100000000:05:00.0',
                     '0000:05:00.0.', ' 0000:05:00.0', '0000:05:00.0\n', '\udcff', '%n%s', '0000:05:00.00',
                     'n' * 255):
            os.symlink(target, os.fsencode(f'{devices}/{name}'))
        self.assertEqual(len(self.functions()), 14)
        for name in ('"', '\\', '\n', '\x01', '\x1b[31m', '\udcff\udcfe', 'n' * 255, 'ä'):
            os.makedirs(os.fsencode(self.file(NVME, f'net/{name}')))
        self.functions()
        for command in (('list',), ('tree',), ('status',), ('--json', 'list'), ('--json', 'status')):
            result = self.ask(*command)
            for said in (result.stdout, result.stderr):
                self.assertNotIn('\x1b', said, 'a name speaks to the terminal')
                self.assertFalse(any('\ud800' <= c <= '\udfff' for c in said), f'not UTF-8: {said!r:.500}')

    def test_loops_of_links(self):
        devices = f'{self.root}/sys/bus/pci/devices'
        os.symlink('0000:0a:00.0', f'{devices}/0000:0a:00.0')
        os.symlink('0000:0c:00.0', f'{devices}/0000:0b:00.0')
        os.symlink('0000:0b:00.0', f'{devices}/0000:0c:00.0')
        os.symlink('../../../../sys', f'{captured.path_of(self.root, NVME)}/net')
        os.symlink('config', self.file(NVME, 'config') + '.loop')
        self.replace(self.file(NVME, 'resource'), lambda p: os.symlink('resource', p))
        os.symlink(f'../{NVME}', f'{captured.path_of(self.root, NVME)}/physfn')
        self.assert_others_fine(NVME)

    def test_functions_below_themselves(self):
        """Directories deeper than any machine, and the same address twice on the way."""
        deep = captured.path_of(self.root, NVME)
        for n in range(60):
            deep += f'/0000:{0x20 + n:02x}:00.0'
        os.makedirs(deep)
        link = os.path.relpath(deep, f'{self.root}/sys/bus/pci/devices')
        os.symlink(link, f'{self.root}/sys/bus/pci/devices/0000:5b:00.0')
        again = f'{captured.path_of(self.root, GPU)}/{PORT}/0000:6f:00.0'
        os.makedirs(again)
        os.symlink(os.path.relpath(again, f'{self.root}/sys/bus/pci/devices'),
                   f'{self.root}/sys/bus/pci/devices/0000:6f:00.0')
        self.assertIn('0000:5b:00.0', self.functions())

    def test_parent_that_is_missing(self):
        os.unlink(f'{self.root}/sys/bus/pci/devices/{PORT}')
        found = programs.pairs('--root', self.root)
        self.assertEqual(found[NIC, NVME], (4, 'bus', 'PIX'))
        self.assertEqual(found[GPU, NIC][1], 'unknown')

    @unittest.skipUnless(programs.nobody_can_run(), 'needs root, and programs that nobody may run')
    def test_unreadable_files(self):
        for name in ('config', 'resource', 'class'):
            os.chmod(self.file(NVME, name), 0)
        result = programs.p2pctl('--root', self.root, 'pairs', user=65534, group=65534)
        self.assertEqual(result.returncode, 0, result.stderr)
        os.chmod(f'{self.root}/sys/bus/pci/devices', 0)
        result = programs.p2pctl('--root', self.root, 'pairs', user=65534, group=65534)
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.strip())


class Outside(material.Holder):
    """Links out of DIR: what lies there must not appear, nor be opened."""

    def setUp(self):
        super().setUp()
        self.root = self.write(machines.small())
        self.outside = f'{self.directory}/outside'
        os.makedirs(f'{self.outside}/net/{CANARY}')
        os.makedirs(f'{self.outside}/drivers/{CANARY}')
        os.makedirs(f'{self.outside}/numbers')
        for name, text in (('numa_node', '7\n'), ('class', '0x030000\n'), ('vendor', '0x7777\n'),
                           ('cpuinfo', f'vendor_id\t: {CANARY}\ncpu family\t: 77\n'),
                           ('version', f'Linux version 9.9-{CANARY} (x)\n'), ('cmdline', CANARY),
                           ('local_cpulist', '70-77\n'), ('uevent', f'DRIVER={CANARY}\n')):
            with open(f'{self.outside}/{name}', 'w', encoding='ascii') as file:
                file.write(text)
        self.point_outside()

    def link(self, path, target):
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        os.symlink(target, path)

    def point_outside(self):
        here = captured.path_of(self.root, NVME)
        up = os.path.relpath(self.outside, here)
        for name in ('numa_node', 'vendor', 'local_cpulist', 'uevent'):
            self.link(f'{here}/{name}', f'{self.outside}/{name}')
        self.link(f'{here}/class', f'{up}/class')
        shutil.rmtree(f'{here}/nvme')
        os.symlink(f'{self.outside}/net', f'{here}/net')
        os.symlink(f'{up}/net', f'{here}/nvme')
        self.link(f'{here}/driver', f'{self.outside}/drivers/{CANARY}')
        for name in ('cpuinfo', 'version', 'cmdline'):
            self.link(f'{self.root}/proc/{name}', f'{self.outside}/{name}')
        shutil.copytree(captured.path_of(self.root, GPU), f'{self.outside}/0000:0d:00.0', symlinks=True)
        devices = f'{self.root}/sys/bus/pci/devices'
        os.symlink(f'{self.outside}/0000:0d:00.0', f'{devices}/0000:0d:00.0')
        os.symlink(os.path.relpath(f'{self.outside}/0000:0d:00.0', devices), f'{devices}/0000:0e:00.0')

    def test_canary(self):
        for command in (('--json', 'list'), ('--json', 'status'), ('pairs',), ('--json', 'bars'), ('tree',)):
            result = programs.p2pctl('--root', self.root, *command)
            self.assertEqual(result.returncode, 0, result.stderr)
            said = result.stdout + result.stderr
            # A link's own text may be shown (a driver's name is one); content behind it may not.
            self.assertNotIn(f'9.9-{CANARY}', said)
            self.assertNotIn('7777', said)
            self.assertNotIn('70-77', said)
        functions = json.loads(programs.p2pctl('--root', self.root, '--json', 'list').stdout)
        functions = functions['functions'] if isinstance(functions, dict) else functions
        nvme = next(f for f in functions if f['address'] == NVME)
        self.assertNotIn(CANARY, nvme['names'])
        self.assertNotEqual(nvme.get('numa_node'), 7)
        for f in functions:
            self.assertFalse(f['address'] in ('0000:0d:00.0', '0000:0e:00.0') and f.get('vendor'), f)

    @unittest.skipUnless(shutil.which('strace'), 'strace is not installed')
    def test_nothing_outside_is_opened(self):
        trace = f'{self.directory}/trace'
        result = subprocess.run(
            ['strace', '-f', '-y', '-o', trace, '-e', 'trace=open,openat,openat2', programs.P2PCTL,
             '--root', self.root, 'pairs'], capture_output=True, text=True, check=False,
            env=dict(os.environ, P2PD=programs.P2PD, ASAN_OPTIONS='detect_leaks=0'))
        if 'ptrace' in result.stderr and result.returncode != 0:
            self.skipTest(f'strace does not work here: {result.stderr[:200]}')
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(trace, encoding='latin-1') as file:
            opened = re.findall(r'= \d+<([^>]*)>', file.read())
        self.assertTrue(any(path.startswith(self.root) for path in opened), 'the trace is empty')
        self.assertEqual([path for path in opened if path.startswith(self.outside)], [])


if __name__ == '__main__':
    material.main()
