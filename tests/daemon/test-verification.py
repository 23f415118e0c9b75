#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verdicts held against real transfers (reported by the test), and verdicts that the kernel may still hold."""

import os
import re
import shutil
import time
import unittest

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured

NOBODY = 65534
REPORT = 'io.p2pd.ReportVerification'


class Base(fixture.RootTest):
    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        self.interface = fixture.interface()

    def report(self, daemon, provider=GPU, client=NVME, result='arrived', method='nvme-read', **more):
        reply = daemon.call(REPORT, {'provider': provider, 'client': client, 'result': result,
                                     'method': method, **more})
        self.assertEqual(self.interface.problems(reply, self.interface.methods['ReportVerification'][1]), [])
        return reply['verification']

    def explain(self, daemon, provider=GPU, client=NVME, **more):
        reply = daemon.call('io.p2pd.Explain', {'provider': provider, 'client': client, **more})
        self.assertEqual(self.interface.problems(reply, self.interface.methods['Explain'][1]), [])
        return reply['explanation']

    def warnings(self, daemon):
        reply = daemon.call('io.p2pd.GetStatus')
        self.assertEqual(self.interface.problems(reply, self.interface.methods['GetStatus'][1]), [])
        return [w for w in reply['status']['warnings'] if 'a transfer' in w['text']]

    def kept(self, daemon):
        counters = daemon.status()['counters']
        return counters['verifications_now'], counters['verifications_dropped']

    def another_device(self, address, device):
        with open(captured.path_of(self.root, address, 'device'), 'w', encoding='ascii') as file:
            file.write(f'0x{device:04x}\n')
        with open(captured.path_of(self.root, address, 'config'), 'r+b') as file:
            file.seek(2)
            file.write(device.to_bytes(2, 'little'))
        with open(captured.path_of(self.root, address, 'uevent'), 'r+', encoding='ascii') as file:
            text = re.sub('(PCI_ID=....:)....', rf'\g<1>{device:04X}', file.read())
            file.seek(0)
            file.write(text)

    def set_none(self):
        """Makes GPU and what is on its switch a pair that the kernel refuses."""
        captured.set_acs_control(self.root, SWITCH_PORT, 0x1d)
        version = f'{self.root}/proc/version'
        with open(version, encoding='ascii') as file:
            text = file.read()
        with open(version, 'w', encoding='ascii') as file:
            # From 4.20 to 5.3 there was no way through a host bridge.
            file.write(text.replace('7.3.4+deb13-amd64', '5.3.0'))


class Verification(Base):
    def test_kept_and_explained(self):
        with self.daemon() as daemon:
            self.assertIsNone(self.explain(daemon).get('verification'))
            before = time.time() * 1e6
            reported = self.report(daemon, provider='renderD128', client='nvme0', detail='nvme0n1 "é"')
            self.assertTrue(before - 1e6 < reported['when_usec'] < time.time() * 1e6 + 1e6)
            self.assertEqual({k: reported.get(k) for k in ('result', 'method', 'detail', 'uid', 'generation',
                                                           'map_then', 'agrees', 'alarming')},
                             {'result': 'arrived', 'method': 'nvme-read', 'detail': 'nvme0n1 "é"',
                              'uid': os.geteuid(), 'generation': 1, 'map_then': 'bus', 'agrees': True,
                              'alarming': False})
            self.assertEqual(self.explain(daemon)['verification'], reported)
            self.assertIsNone(self.explain(daemon, NVME, GPU).get('verification'), 'the other direction')
            self.assertEqual((self.warnings(daemon), self.kept(daemon)), ([], (1, 0)))
            # The newest counts; a detail may be left out.
            again = self.report(daemon, result='refused', method='other')
            self.assertNotIn('detail', again)
            self.assertEqual(self.explain(daemon)['verification'], again)
            self.assertEqual(self.kept(daemon), (1, 0))

    def test_contradiction_is_loud(self):
        with self.daemon() as daemon:
            for result in ('refused', 'wrong_data', 'failed'):
                reported = self.report(daemon, result=result)
                self.assertEqual((reported['agrees'], reported['alarming']), (False, True), result)
                (warning,) = self.warnings(daemon)
                self.assertEqual(warning, {'address': GPU, 'text': reported['text']})
                self.assertIn(f'{GPU}: {reported["text"]}', daemon.log())
            self.report(daemon, client=NIC, result='refused')
            self.assertEqual(len(self.warnings(daemon)), 2)
            self.report(daemon)
            self.report(daemon, client=NIC)
            self.assertEqual(self.warnings(daemon), [], 'the newest agree')

    def gate(self, daemon, **more):
        """Of Check: the result, the gate that stopped it, and how it stands with the last gate."""
        reply = daemon.call('io.p2pd.Check', {'providers': [GPU], 'clients': [NVME], **more})
        self.assertEqual(self.interface.problems(reply, self.interface.methods['Check'][1]), [])
        (pair,) = reply['pairs']
        self.assertEqual(reply['result'], pair['result'])
        return pair['result'], pair.get('stopped_at'), {g['name']: g['state'] for g in pair['gates']}['verified']

    def test_check_does_not_admit_what_went_wrong(self):
        with self.daemon() as daemon:
            # Nothing in this machine tells how its kernel was built.
            self.assertEqual(self.gate(daemon), ('unknown', 'kernel', 'not-needed'))
            for result in ('wrong_data', 'refused', 'failed'):
                self.report(daemon, result=result)
                self.assertEqual(self.gate(daemon), ('no', 'verified', 'failed'), result)
            # Back to front is another pair.
            self.assertEqual(self.gate(daemon, providers=[NVME], clients=[GPU])[2], 'not-needed')
            self.report(daemon, result='arrived')
            self.assertEqual(self.gate(daemon), ('unknown', 'kernel', 'passed'))
            self.report(daemon, result='wrong_data')
            captured.set_acs_control(self.root, SWITCH_PORT, 0x1d)
            daemon.call('io.p2pd.Rescan')
            self.assertEqual(self.gate(daemon)[2], 'unknown', 'it went another way then')

    def test_verdict_none(self):
        self.set_none()
        with self.daemon() as daemon:
            for result, agrees, alarming in (('refused', True, False), ('arrived', False, True),
                                             ('wrong_data', False, True), ('failed', None, False)):
                reported = self.report(daemon, result=result)
                self.assertEqual((reported['map_then'], reported.get('agrees'), reported['alarming']),
                                 ('none', agrees, alarming), result)

    def test_verdict_unknown(self):
        with open(captured.path_of(self.root, SWITCH_PORT, 'config'), 'r+b') as file:
            file.truncate(64)
        with self.daemon() as daemon:
            for result in ('refused', 'arrived', 'failed', 'wrong_data'):
                reported = self.report(daemon, result=result)
                self.assertEqual((reported['map_then'], reported.get('agrees'), reported['alarming']),
                                 ('unknown', None, result == 'wrong_data'), result)

    def test_held_against_the_running_kernel(self):
        """Whatever rules the daemon answers by."""
        self.set_none()
        with self.daemon('--rules', 'newest') as daemon:
            self.assertEqual(self.explain(daemon)['verdict']['map'], 'host_bridge')
            reported = self.report(daemon, result='refused')
            self.assertEqual((reported['map_then'], reported['agrees']), ('none', True))

    def test_it_speaks_of_its_generation(self):
        with self.daemon() as daemon:
            self.report(daemon)
            captured.set_acs_control(self.root, SWITCH_PORT, 0x1d)
            self.assertEqual(daemon.call('io.p2pd.Rescan')['generation'], 2)
            e = self.explain(daemon)
            self.assertEqual((e['verdict']['map'], e['verification']['map_then'], e['verification']['generation'],
                              e['verification']['agrees']), ('host_bridge', 'bus', 1, True))

    def test_gone_with_the_function(self):
        with self.daemon() as daemon:
            self.report(daemon, GPU, NVME)
            self.report(daemon, NVME, NIC)
            self.report(daemon, GPU, NIC)
            kept = f'{self.root}/kept'
            where = captured.path_of(self.root, NVME)
            link = os.readlink(f'{self.root}/sys/bus/pci/devices/{NVME}')
            shutil.copytree(where, kept, symlinks=True)
            captured.remove_function(self.root, NVME)
            daemon.call('io.p2pd.Rescan')
            self.assertEqual(self.kept(daemon), (1, 0))
            shutil.copytree(kept, where, symlinks=True)
            os.symlink(link, f'{self.root}/sys/bus/pci/devices/{NVME}')
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(self.explain(daemon, GPU, NVME).get('verification'))
            self.assertIsNotNone(self.explain(daemon, GPU, NIC).get('verification'))

    def test_gone_with_the_device(self):
        with self.daemon() as daemon:
            self.report(daemon, GPU, NVME)
            self.report(daemon, GPU, NIC)
            self.another_device(NVME, 0xa80a)
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(self.explain(daemon, GPU, NVME).get('verification'))
            self.assertIsNotNone(self.explain(daemon, GPU, NIC).get('verification'))

    def test_not_kept_over_a_restart(self):
        with self.daemon() as daemon:
            self.report(daemon)
        with self.daemon() as daemon:
            self.assertIsNone(self.explain(daemon).get('verification'))

    def test_wrong_reports(self):
        good = {'provider': GPU, 'client': NVME, 'result': 'arrived', 'method': 'nvme-read'}
        with self.daemon() as daemon, daemon.client() as client:
            for field, values in (('result', ('', 'Arrived', 'not_possible', 'wrong-data', 'arrived\0')),
                                  ('method', ('', 'x' * 64, 'a\0b')), ('detail', ('x' * 256, 'é' * 128, '\0'))):
                for value in values:
                    error = self.error_of(client, REPORT, {**good, field: value})
                    self.assertEqual((error.name, error.parameters),
                                     ('org.varlink.service.InvalidParameter', {'parameter': field}), value)
            for field in ('provider', 'client'):
                error = self.error_of(client, REPORT, {**good, field: 'nvme9'})
                self.assertEqual(error.name, 'io.p2pd.FunctionNotFound')
            self.assertEqual(self.kept(daemon), (0, 0))
            self.report(daemon, method='x' * 63, detail='x' * 255)
            self.assertEqual(self.kept(daemon), (1, 0))

    def test_what_a_report_says_harms_no_log(self):
        with self.daemon() as daemon:
            self.report(daemon, result='refused', method='\x1b[2J', detail='a\nMESSAGE=b\x7f\u202e%s%n')
            log = daemon.log()
            self.assertFalse([c for c in log if c != '\n' and not ' ' <= c < '\x7f'], log)
            self.assertFalse([line for line in log.splitlines() if not line.startswith('p2pd: ')], log)

    @unittest.skipUnless(os.geteuid() == 0, 'needs root to be somebody else')
    def test_for_root_and_the_group(self):
        with self.daemon() as daemon:
            for parameters in ({'provider': GPU, 'client': NVME, 'result': 'arrived', 'method': 'x'},
                               {'parameters': 'that nobody may try'}):
                with daemon.client(uid=NOBODY) as client:
                    error = self.error_of(client, REPORT, parameters)
                    self.assertEqual(error.name, 'org.varlink.service.PermissionDenied')
            self.assertEqual(self.kept(daemon), (0, 0))
            self.report(daemon)
            with daemon.client(uid=NOBODY) as client:
                told = client.call('io.p2pd.Explain', {'provider': GPU, 'client': NVME})
                self.assertEqual(told['explanation']['verification']['result'], 'arrived')


class StaleKernelCache(Base):
    def older(self, daemon, provider=GPU, client=NIC, **more):
        """The sentence on what the kernel may still hold, or None."""
        found = [c for c in self.explain(daemon, provider, client, **more)['constraints']
                 if c['name'] == 'stale-kernel-cache']
        if not found:
            return None
        (constraint,) = found
        self.assertEqual((constraint['function'], constraint['uncertain'], constraint['blocks'],
                          constraint['reads'], constraint['writes']), (provider, True, False, True, True))
        return constraint['text']

    def flip(self, daemon, bits):
        captured.set_acs_control(self.root, SWITCH_PORT, bits)
        daemon.call('io.p2pd.Rescan')

    def bind(self, address, driver):
        """As the kernel would show it: another driver, or none."""
        link = captured.path_of(self.root, address, 'driver')
        uevent = captured.path_of(self.root, address, 'uevent')
        if os.path.lexists(link):
            os.unlink(link)
        with open(uevent, encoding='ascii') as file:
            lines = [line for line in file if not line.startswith('DRIVER=')]
        if driver:
            os.symlink(f'/sys/bus/pci/drivers/{driver}', link)
            lines.insert(0, f'DRIVER={driver}\n')
        with open(uevent, 'w', encoding='ascii') as file:
            file.writelines(lines)

    def test_a_flip_is_shown(self):
        with self.daemon() as daemon:
            self.assertIsNone(self.older(daemon))
            self.flip(daemon, 0x1d)
            for provider, client in ((GPU, NIC), (NIC, GPU), (GPU, NVME), (GPU, '0000:04:00.1')):
                self.assertIn('older verdict (bus) until', self.older(daemon, provider, client))
            for provider, client in ((NIC, NVME), (GPU, FAR_GPU), (FAR_GPU, GPU), (GPU, GPU)):
                self.assertIsNone(self.older(daemon, provider, client))
            # Also for who asks by other rules: it is about the running kernel.
            self.assertIn('(bus)', self.older(daemon, rules='newest'))

    def test_it_stays_when_the_verdict_returns(self):
        with self.daemon() as daemon:
            self.flip(daemon, 0x1d)
            self.flip(daemon, 0x00)
            self.assertEqual(self.explain(daemon, GPU, NIC)['verdict']['map'], 'bus')
            self.assertIn('older verdict (host-bridge) until', self.older(daemon))
            self.flip(daemon, 0x1d)
            self.assertIn('older verdict (bus) until', self.older(daemon))

    def test_it_stays_when_something_else_changes(self):
        with self.daemon() as daemon:
            self.flip(daemon, 0x1d)
            for device in (0xa80a, 0xa80b):
                self.another_device(NVME, device)
                daemon.call('io.p2pd.Rescan')
            self.assertIn('(bus)', self.older(daemon, GPU, NIC))
            self.assertIn('(bus)', self.older(daemon, GPU, NVME), 'the kernel knows a client by its address')
            self.assertIsNone(self.older(daemon, NVME, GPU), 'another device has another driver instance')

    def test_binding_anew_clears_it(self):
        with self.daemon() as daemon:
            self.flip(daemon, 0x1d)
            self.bind(GPU, None)
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(self.older(daemon, GPU, NIC))
            self.assertIn('(bus)', self.older(daemon, NIC, GPU))
            self.bind(GPU, 'nvidia')
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(self.older(daemon, GPU, NIC))
            self.bind(NIC, 'vfio-pci')
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(self.older(daemon, NIC, GPU))
            self.flip(daemon, 0x00)
            self.assertIn('(host-bridge)', self.older(daemon, GPU, NIC))

    def test_running_rules_whatever_the_daemon_answers_by(self):
        """What the running kernel may hold, while the daemon answers for the newest one."""
        self.set_none()
        captured.set_acs_control(self.root, SWITCH_PORT, 0)
        with self.daemon('--rules', 'newest') as daemon:
            self.flip(daemon, 0x1d)
            self.assertIsNone(self.older(daemon), 'no memory was given to a kernel of that age')
        for address in (GPU, NVME):
            where = captured.path_of(self.root, address, 'p2pmem')
            os.makedirs(where)
            for name, value in (('size', 65536), ('available', 65536), ('published', 1)):
                with open(f'{where}/{name}', 'w', encoding='ascii') as file:
                    file.write(f'{value}\n')
        with self.daemon('--rules', 'newest') as daemon:
            self.flip(daemon, 0x00)
            self.assertIn('older verdict (none) until', self.older(daemon))
            self.assertEqual(self.explain(daemon, GPU, NIC, rules='running')['verdict']['map'], 'bus')
            self.assertIsNone(self.older(daemon, NIC, GPU))


if __name__ == '__main__':
    fixture.main()
