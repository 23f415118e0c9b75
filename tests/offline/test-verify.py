#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl verify` where plain files stand for devices: what it finds, refuses to try, says and reports.

The transfer itself, with everything that can go wrong in it, is held by the unit test p2pctl-transfer, and by the
virtual machines with real DMA.
"""

import json
import os

import material  # finds the modules of the other folder
import captured
import machine as pci
import machines
import programs
import service

PROVIDER, CLIENT, GPU = '0000:05:00.0', '0000:06:00.0', '0000:03:00.0'
KEYS = {'provider', 'client', 'result', 'why', 'method', 'direction', 'detail', 'error', 'disk', 'reads', 'read_bytes',
        'uniform', 'wrong_bytes', 'untouched_bytes', 'verification'}


def two_disks():
    """machines.small() with a second NVMe controller; the first one has peer-to-peer memory."""
    m = machines.small()
    m.find(PROVIDER).p2pmem = pci.MIB
    up = m.find(GPU).parent.parent
    up.secondary.add(0x18, pci.DOWNSTREAM_PORT, acs=0).add(0, pci.NVME)
    return m


class Verify(material.Holder):
    def setUp(self):
        super().setUp()
        self.top = self.write(two_disks())
        self.put(PROVIDER, 'p2pmem/allocate', b'\0' * 65536)
        self.disk('nvme1', 'nvme1n1', os.urandom(1 << 20))

    def put(self, address, name, data):
        path = captured.path_of(self.top, address, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def disk(self, controller, name, content, hidden=0):
        base = f'nvme/{controller}/{name}'
        self.put(CLIENT, f'{base}/size', f'{len(content) // 512}\n')
        self.put(CLIENT, f'{base}/hidden', f'{hidden}\n')
        self.put(CLIENT, f'{base}/queue/logical_block_size', '512\n')
        os.makedirs(f'{self.top}/dev', exist_ok=True)
        with open(f'{self.top}/dev/{name}', 'wb') as file:
            file.write(content)

    def content(self, name):
        with open(f'{self.top}/dev/{name}', 'rb') as file:
            return file.read()

    def daemon(self):
        return service.Daemon('--root', self.top, '--recheck-msec', '0')

    def verify(self, daemon, *arguments, source=True, **how):
        source = ('--from', self.top) if source else ()
        return programs.p2pctl('--socket', daemon.socket_path, 'verify', *source, *arguments, **how)

    def verify_json(self, daemon, *arguments):
        result = self.verify(daemon, '--json', *arguments)
        answer = json.loads(result.stdout)
        self.assertEqual(set(answer), KEYS)
        return result.returncode, answer

    def explain(self, daemon, provider=PROVIDER, client=CLIENT):
        reply = daemon.call('io.p2pd.Explain', {'provider': provider, 'client': client})
        return reply['explanation'].get('verification')

    def test_arrives_and_is_kept(self):
        before = self.content('nvme1n1')
        with self.daemon() as daemon:
            result = self.verify(daemon, 'nvme0', 'nvme1')
            self.assertEqual((result.returncode, result.stderr), (0, ''))
            for words in (f'provider  {PROVIDER} (nvme0)', f'client    {CLIENT} (nvme1)', 'result    arrived',
                          'nvme1n1, 4 reads of 65536 bytes', 'verdict   bus: agrees', 'reads from'):
                self.assertIn(words, result.stdout)
            kept = self.explain(daemon)
            self.assertEqual((kept['result'], kept['method'], kept['agrees']), ('arrived', 'nvme-read', True))
            why = programs.p2pctl('--socket', daemon.socket_path, 'why', 'nvme0', 'nvme1')
            self.assertIn('Verified by a transfer', why.stdout)
            self.assertIn('agrees', why.stdout)
            # What is at the end of the disk is in the memory now.
            with open(captured.path_of(self.top, PROVIDER, 'p2pmem/allocate'), 'rb') as file:
                self.assertEqual(file.read(), before[-65536:])
        self.assertEqual(self.content('nvme1n1'), before, 'a disk was written to')

    def test_json(self):
        with self.daemon() as daemon:
            status, answer = self.verify_json(daemon, PROVIDER, CLIENT)
            self.assertEqual(status, 0)
            self.assertEqual((answer['result'], answer['reads'], answer['read_bytes'], answer['uniform'],
                              answer['why'], answer['error']), ('arrived', 4, 65536, False, None, None))
            self.assertEqual(answer['verification'], self.explain(daemon))
            status, answer = self.verify_json(daemon, GPU, CLIENT)
            self.assertEqual((status, answer['result'], answer['verification']), (3, 'not-possible', None))

    def test_contradiction_is_loud(self):
        """The files always arrive; the verdict says that the kernel refuses."""
        captured.set_acs_control(self.top, '0000:02:02.0', 0x1d)
        with open(f'{self.top}/proc/version', 'w', encoding='ascii') as file:
            file.write('Linux version 5.3.0 (x) #1 SMP\n')
        with self.daemon() as daemon:
            result = self.verify(daemon, 'nvme0', 'nvme1')
            self.assertEqual(result.returncode, 0)
            self.assertIn('none: DISAGREES', result.stdout)
            self.assertIn('WARNING', result.stderr)
            for command in (('why', 'nvme0', 'nvme1'), ('status',)):
                said = programs.p2pctl('--socket', daemon.socket_path, *command).stdout
                self.assertIn('DISAGREES', said)
            self.assertIn('DISAGREES', daemon.log())

    def test_verdict_changes_after_it(self):
        with self.daemon() as daemon:
            self.verify(daemon, 'nvme0', 'nvme1')
            captured.set_acs_control(self.top, '0000:02:02.0', 0x1d)
            daemon.call('io.p2pd.Rescan')
            why = programs.p2pctl('--socket', daemon.socket_path, 'why', 'nvme0', 'nvme1').stdout
            self.assertIn('the verdict was bus then and is host-bridge', ' '.join(why.split()))
            self.assertIn('older verdict (bus)', ' '.join(why.split()))

    def test_disk_of_zeros(self):
        self.disk('nvme1', 'nvme1n1', bytes(1 << 20))
        with self.daemon() as daemon:
            status, answer = self.verify_json(daemon, PROVIDER, CLIENT)
            self.assertEqual((status, answer['result'], answer['uniform']), (0, 'arrived', True))
            self.assertIn('all of one byte value', answer['detail'])

    def not_possible(self, daemon, words, *arguments):
        status, answer = self.verify_json(daemon, *(arguments or (PROVIDER, CLIENT)))
        self.assertEqual((status, answer['result']), (3, 'not-possible'))
        self.assertIn(words, answer['why'])
        self.assertIsNone(self.explain(daemon), 'nothing was tried, and yet it is kept')
        result = self.verify(daemon, *(arguments or (PROVIDER, CLIENT)))
        self.assertEqual(result.returncode, 3)
        self.assertIn(words, ' '.join(result.stdout.split()))

    def test_what_is_missing_is_said(self):
        with self.daemon() as daemon:
            self.not_possible(daemon, 'has no peer-to-peer memory', GPU, CLIENT)
            self.not_possible(daemon, 'is no NVMe controller', PROVIDER, GPU)
            self.not_possible(daemon, 'no namespace', PROVIDER, PROVIDER)
            os.truncate(f'{self.top}/dev/nvme1n1', 1000)
            self.not_possible(daemon, 'disk cannot be read')
            os.unlink(f'{self.top}/dev/nvme1n1')
            self.not_possible(daemon, '/dev/nvme1n1 cannot be opened')
            self.disk('nvme1', 'nvme1n1', b'')
            self.not_possible(daemon, 'no namespace')
            self.disk('nvme1', 'nvme1c1n1', bytes(4096), hidden=1)
            self.not_possible(daemon, 'multipath')
            os.unlink(captured.path_of(self.top, PROVIDER, 'p2pmem/allocate'))
            self.not_possible(daemon, 'cannot map')

    def test_first_disk_that_is_there(self):
        """Not a generic device, not an empty or hidden one; in the order in which people count."""
        self.disk('nvme1', 'nvme1n1', b'')
        self.disk('nvme1', 'nvme1c1n2', bytes(4096), hidden=1)
        self.disk('nvme1', 'ng1n3', os.urandom(8192))
        self.disk('nvme1', 'nvme1n10', os.urandom(16384))
        self.disk('nvme1', 'nvme1n9', os.urandom(8192))
        with self.daemon() as daemon:
            status, answer = self.verify_json(daemon, PROVIDER, CLIENT)
            self.assertEqual((status, answer['disk'], answer['read_bytes']), (0, 'nvme1n9', 8192))

    def test_captured_machine_is_not_this_one(self):
        with self.daemon() as daemon:
            result = self.verify(daemon, 'nvme0', 'nvme1', source=False)
            self.assertEqual(result.returncode, 3)
            self.assertIn('captured machine', result.stdout)
            self.assertIsNone(self.explain(daemon))

    def test_usage(self):
        with self.daemon() as daemon:
            for arguments in ((), ('nvme0',), ('nvme0', 'nvme1', 'nvme1')):
                self.assertEqual(self.verify(daemon, *arguments).returncode, 2)
            result = self.verify(daemon, 'nvme0', 'nvme7')
            self.assertEqual((result.returncode, result.stdout), (3, ''))
            self.assertIn("'nvme7'", result.stderr)
        for option in ('--root', '--lspci'):
            self.assertEqual(programs.p2pctl(option, self.top, 'verify', 'nvme0', 'nvme1').returncode, 2)
        self.assertEqual(programs.p2pctl('--socket', f'{self.directory}/none', 'verify', 'a', 'b').returncode, 3)

    def test_who_may_not_report_still_sees(self):
        if not programs.nobody_can_run():
            self.skipTest('needs root, and programs that nobody may run')
        for name in (captured.path_of(self.top, PROVIDER, 'p2pmem/allocate'), f'{self.top}/dev/nvme1n1'):
            os.chmod(name, 0o666)
        with self.daemon() as daemon:
            result = self.verify(daemon, PROVIDER, CLIENT, user=65534, group=65534, extra_groups=())
            self.assertEqual(result.returncode, 0)
            self.assertIn('result    arrived', result.stdout)
            self.assertNotIn('verdict', result.stdout)
            self.assertIn('group p2pd', result.stderr)
            self.assertIsNone(self.explain(daemon))
            os.chmod(captured.path_of(self.top, PROVIDER, 'p2pmem/allocate'), 0o600)
            result = self.verify(daemon, PROVIDER, CLIENT, user=65534, group=65534, extra_groups=())
            self.assertEqual(result.returncode, 3)
            self.assertIn('for root to map', result.stdout)


if __name__ == '__main__':
    material.main()
