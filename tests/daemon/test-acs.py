#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""PlanAcs and VerifyAcs: what the plan says comes true when it is carried out, and is the least; what the command line
asks for is held against the registers; parameters and errors as the interface says."""

import os

import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured

NIC_PORT, NVME_PORT = '0000:02:01.0', '0000:02:02.0'
BITS = ('SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT')


class AcsTest(fixture.RootTest):
    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        self.interface = fixture.interface()

    def ask(self, client, method, **parameters):
        reply = client.call(f'io.p2pd.{method}', parameters)
        self.assertEqual(self.interface.problems(reply, self.interface.methods[method][1]), [])
        return reply

    def map_of(self, client, provider, target):
        return client.call('io.p2pd.GetDistance', {'provider': provider, 'client': target})['map']

    def set_acs(self, client, ports):
        """Sets control registers, and has them read."""
        for port, control in ports.items():
            captured.set_acs_control(self.root, port, control)
        client.call('io.p2pd.Rescan')


class PlanTest(AcsTest):
    def test_the_plan_comes_true_and_is_the_least(self):
        before = {SWITCH_PORT: 0x1d, NIC_PORT: 0x5d, NVME_PORT: 0x1d}
        with self.daemon() as daemon, daemon.client() as client:
            self.set_acs(client, before)
            self.assertEqual(self.map_of(client, GPU, NIC), 'host_bridge')
            reply = self.ask(client, 'PlanAcs')
            plan = reply['plan']
            self.assertEqual([(p['provider'], p['client'], p['state'], p['after']['map']) for p in plan['pairs']],
                             [(GPU, NIC, 'helped', 'bus'), (NIC, GPU, 'helped', 'bus')])
            self.assertEqual([(p['function'], p['control'], p['clear'], p['pairs']) for p in plan['ports']],
                             [(SWITCH_PORT, '0x001d', ['RR', 'CR'], 2), (NIC_PORT, '0x005d', ['RR', 'CR'], 2)])
            self.assertEqual(plan['bits'], 4)
            self.assertIn('pci=', plan['parameter'])
            self.assertEqual({c['kind'] for c in plan['commands']},
                             {kind + undo for undo in ('', '-undo')
                              for kind in ('setpci', 'grub-debian', 'grub-redhat', 'systemd-boot')})
            reached = {(f, t) for e in plan['exposures'] for f in e['from'] for t in e['to']}
            self.assertIn((GPU, NIC), reached)
            after = {p['function']: int(p['control'], 16) & ~sum(1 << BITS.index(b) for b in p['clear'])
                     for p in plan['ports']}
            self.set_acs(client, after)
            self.assertEqual((self.map_of(client, GPU, NIC), self.map_of(client, NIC, GPU)), ('bus', 'bus'))
            self.assertEqual({p['state'] for p in self.ask(client, 'PlanAcs')['plan']['pairs']}, {'already'})
            for port in after:
                self.set_acs(client, {port: before[port]})
                self.assertNotEqual((self.map_of(client, GPU, NIC), self.map_of(client, NIC, GPU)), ('bus', 'bus'))
                self.set_acs(client, {port: after[port]})

    def test_pairs_that_are_asked_for(self):
        with self.daemon() as daemon, daemon.client() as client:
            self.set_acs(client, {NVME_PORT: 0x1d})
            pairs = [{'provider': 'nvme0', 'client': 'card0'}, {'provider': FAR_GPU, 'client': NIC}]
            plan = self.ask(client, 'PlanAcs', pairs=pairs, both_directions=False)['plan']
            self.assertEqual([(p['provider'], p['client'], p['state']) for p in plan['pairs']],
                             [(NVME, GPU, 'helped'), (FAR_GPU, NIC, 'beyond-acs')])
            self.assertEqual([p['function'] for p in plan['ports']], [NVME_PORT])
            self.assertEqual(len(self.ask(client, 'PlanAcs', pairs=pairs)['plan']['pairs']), 4)
            nothing = self.ask(client, 'PlanAcs', pairs=[])['plan']
            self.assertEqual((nothing['pairs'], nothing['ports'], nothing['no_parameter']), ([], [], 'not-needed'))

    def test_questions_that_are_wrong(self):
        with self.daemon() as daemon, daemon.client() as client:
            for parameter, question in (('pairs', {'pairs': 'x'}), ('pairs', {'pairs': [['a', 'b']]}),
                                        ('client', {'pairs': [{'provider': GPU}]}),
                                        ('via', {'pairs': [{'provider': GPU, 'client': NIC, 'via': NVME}]}),
                                        ('both_directions', {'both_directions': 1}), ('rules', {'rules': 'old'})):
                found = self.error_of(client, 'io.p2pd.PlanAcs', question)
                self.assertEqual((found.name, found.parameters),
                                 ('org.varlink.service.InvalidParameter', {'parameter': parameter}))
            found = self.error_of(client, 'io.p2pd.PlanAcs', {'pairs': [{'provider': GPU, 'client': 'x9'}]})
            self.assertEqual((found.name, found.parameters), ('io.p2pd.FunctionNotFound', {'function': 'x9'}))
            found = self.error_of(client, 'io.p2pd.PlanAcs',
                                  {'pairs': [{'provider': '3:0.0', 'client': '4:0.0'}] * 4097})
            self.assertEqual((found.name, found.parameters), ('io.p2pd.TooMuch', {'entries': 4097, 'limit': 4096}))


class VerifyTest(AcsTest):
    def verify(self, command_line, **controls):
        path = f'{self.root}/proc/cmdline'
        if command_line is None:
            os.unlink(path)
        else:
            with open(path, 'w', encoding='latin-1') as file:
                file.write(command_line + '\n')
        for port, control in controls.items():
            captured.set_acs_control(self.root, {'gpu': SWITCH_PORT, 'nic': NIC_PORT}[port], control)
        with self.daemon() as daemon, daemon.client() as client:
            return self.ask(client, 'VerifyAcs')['verification']

    def test_what_took_effect(self):
        clear = f'quiet pci=disable_acs_redir={SWITCH_PORT}'
        found = self.verify(clear, gpu=0x01)
        self.assertEqual((found['command_line_known'], found['effect'], found['differing']), (True, 'took-effect', 0))
        [entry] = found['entries']
        self.assertEqual((entry['parameter'], entry['text']), ('disable_acs_redir', SWITCH_PORT))
        [port] = entry['ports']
        self.assertEqual((port['function'], port['effect'], port['want_set'], port['want_clear'], port['control']),
                         (SWITCH_PORT, 'took-effect', [], ['RR', 'CR', 'EC'], '0x0001'))
        found = self.verify(clear, gpu=0x04)
        self.assertEqual((found['effect'], found['differing']), ('partly', 1))
        self.assertEqual(self.verify(clear, gpu=0x0c)['effect'], 'no-effect')
        found = self.verify('pci=disable_acs_redir=0000:7f:00.0;%s' % NIC_PORT, nic=0)
        self.assertEqual([e['effect'] for e in found['entries']], ['absent', 'took-effect'])
        self.assertEqual(self.verify('quiet')['entries'], [])
        found = self.verify('pci=disable_acs_redir=' + '\x80"' * 20 + ';' * 300)
        self.assertNotEqual(found['effect'], 'took-effect')

    def test_no_command_line(self):
        found = self.verify(None)
        self.assertEqual((found['command_line_known'], found['effect'], found['entries']), (False, 'unknown', []))


if __name__ == '__main__':
    fixture.main()
