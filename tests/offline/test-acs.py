#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl acs plan` and `acs verify`: what they tell comes true when it is done, and they do nothing themselves."""

import hashlib
import json
import os
import re
import shlex

import material  # finds the modules of the other folder
import captured
import machines
import programs

GPU, NIC, NVME, FAR_GPU = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:81:00.0'
GPU_PORT, NIC_PORT, NVME_PORT = '0000:02:00.0', '0000:02:01.0', '0000:02:02.0'
OK, FAILED, USAGE, UNKNOWN = 0, 1, 2, 3
K18 = next(archive for name, archive, _ in material.archives() if name.startswith('k18'))


class Acs(material.Holder):
    def make(self, machine=None):
        self.top = self.write(machine or machines.small())
        return self

    def redirect(self, *ports, control=0x1d):
        for port in ports:
            captured.set_acs_control(self.top, port, control)

    def acs(self, *arguments, expect=OK):
        result = programs.p2pctl('--root', self.top, 'acs', *arguments)
        self.assertEqual((result.returncode, result.stderr), (expect, ''), result.stdout)
        return result.stdout

    def digest(self):
        """All that stands in the captured root."""
        found = hashlib.sha256()
        for where, _, files in sorted(os.walk(self.top)):
            for name in sorted(files):
                if os.path.islink(f'{where}/{name}'):
                    continue
                with open(f'{where}/{name}', 'rb') as file:
                    found.update(f'{where}/{name}'.encode('latin-1') + file.read())
        return found.digest()


class Plan(Acs):
    def plan(self, *arguments, expect=OK):
        return json.loads(self.acs('plan', '--json', *arguments, expect=expect))['plan']

    def do(self, plan, kind):
        """What setpci would do with these lines."""
        for command in plan['commands']:
            if command['kind'] != kind:
                continue
            words = shlex.split(command['text'])
            self.assertEqual(words[:2], ['setpci', '-s'])
            value, mask = (int(v, 16) for v in re.fullmatch(r'ECAP_ACS\+6\.w=(\w{4}):(\w{4})', words[3]).groups())
            path = captured.path_of(self.top, words[2], 'config')
            with open(path, 'rb') as file:
                file.seek(captured.space.ACS_AT + 6)
                now = int.from_bytes(file.read(2), 'little')
            captured.set_acs_control(self.top, words[2], now & ~mask | value & mask)

    def test_what_it_says_comes_true(self):
        self.make()
        self.redirect(GPU_PORT, NIC_PORT, NVME_PORT)
        before = self.digest()
        plan = self.plan(GPU, NIC)
        self.assertEqual([(p['function'], p['clear']) for p in plan['ports']],
                         [(GPU_PORT, ['RR', 'CR']), (NIC_PORT, ['RR', 'CR'])])
        self.assertEqual({(p['provider'], p['client'], p['state']) for p in plan['pairs']},
                         {(GPU, NIC, 'helped'), (NIC, GPU, 'helped')})
        shown = self.acs('plan', GPU, NIC)
        self.assertEqual(self.digest(), before)
        self.do(plan, 'setpci')
        pairs = programs.pairs('--root', self.top)
        self.assertEqual((pairs[GPU, NIC][1], pairs[NIC, GPU][1]), ('bus', 'bus'))
        self.assertEqual([p['state'] for p in self.plan(GPU, NIC)['pairs']], ['already'] * 2)
        self.do(plan, 'setpci-undo')
        self.assertEqual(self.digest(), before)
        for command in plan['commands']:
            self.assertIn(f'\n{command["text"]}\n', shown, 'a command is not there in one line, to be copied')

    def test_each_is_needed(self):
        """With one of the ports left as it is, the pair is not bus: the smallest set."""
        self.make()
        self.redirect(GPU_PORT, NIC_PORT, NVME_PORT)
        plan = self.plan(GPU, NIC)
        for left in plan['ports']:
            self.redirect(GPU_PORT, NIC_PORT, NVME_PORT)
            self.do({'commands': [c for c in plan['commands'] if left['function'] not in c['text']]}, 'setpci')
            pairs = programs.pairs('--root', self.top)
            self.assertNotEqual((pairs[GPU, NIC][1], pairs[NIC, GPU][1]), ('bus', 'bus'))

    def test_shown(self):
        self.make(machines.server(gpus=2, nics=2, vfs=2, nvmes=2, host_bridges=1, acs=0x1d, groups=True))
        shown = self.acs('plan')
        said = ' '.join(shown.split())
        for words in ('0000:03:00.0 (card0 renderD128) 0000:04:00.0 (eth0 mlx5_0) helped host-bridge bus',
                      '4 of 4 pairs are bus with this plan', 'Ports to change: 4, ACS bits to clear: 8',
                      'by 0000:02:00.0: 0000:03:00.0 (card0 renderD128) can reach, past the IOMMU, 0000:04:00.0 '
                      '(eth0 mlx5_0), 0000:05:00.0 (nvme0) (and 2 virtual functions)',
                      'can reach each other past the IOMMU', 'become one with the next boot, by 0000:02:00.0',
                      'Debian', 'Red Hat', 'systemd-boot', 'To undo that', 'unbind and bind'):
            self.assertIn(words, said)
        for heading in ('Now, until the next reset (as root)', 'Kernel parameter', 'Before use',
                        'Isolation that this gives up'):
            self.assertIn(f'\n\n{heading}\n', shown)

    def test_a_root_port_below_a_switch(self):
        """Nothing stands beside it, and still it is not nothing that is given up."""
        self.top = self.unpack(K18)
        (exposure,) = self.plan('13:00.0', '14:00.0')['exposures']
        self.assertEqual((exposure['from'], exposure['root_port']), (['0000:13:00.0'], True))
        self.assertIn('0000:14:00.0', exposure['to'])
        said = ' '.join(self.acs('plan', '13:00.0', '14:00.0').split())
        self.assertIn('by 0000:12:00.0: 0000:13:00.0 can reach, past the IOMMU, ', said)
        self.assertIn('if the root complex carries it, which is not known', said)

    def test_only_answers_are_let_go(self):
        self.make()
        self.redirect(GPU_PORT, control=0x8)
        said = ' '.join(self.acs('plan', GPU, NIC).split())
        self.assertIn('no function reaches others past the IOMMU that it does not reach so now', said)

    def test_nothing_to_do(self):
        shown = self.make().acs('plan', GPU, NIC)
        self.assertIn('2 of 2 pairs are bus as things are; nothing to do', shown)
        self.assertNotIn('setpci', shown)

    def test_beyond_acs(self):
        """Two host bridges: nothing to clear there."""
        shown = self.make().acs('plan', GPU, FAR_GPU, expect=FAILED)
        self.assertIn('beyond-acs', shown)
        self.assertIn('0 of 2 pairs are bus', shown)

    def test_unknown(self):
        self.make()
        for port in (GPU_PORT, NIC_PORT):
            os.truncate(captured.path_of(self.top, port, 'config'), 64)
        self.assertIn('unknown', self.acs('plan', GPU, NIC, expect=UNKNOWN))

    def test_one_way_and_several(self):
        self.make()
        self.redirect(GPU_PORT, NIC_PORT)
        self.assertEqual([(p['provider'], p['client']) for p in self.plan('--one-way', 'card0', 'mlx5_0', NVME, NIC)['pairs']],
                         [(GPU, NIC), (NVME, NIC)])

    def test_no_pairs(self):
        self.make()
        captured.remove_function(self.top, NIC)
        self.assertIn('No pairs: there is no GPU with a NIC', self.acs('plan', expect=UNKNOWN))

    def test_lspci(self):
        self.make()
        self.redirect(GPU_PORT, NIC_PORT)
        dump = f'{self.directory}/dump'
        with open(dump, 'wb') as file:
            file.write(material.lspci_dump(self.top))
        result = programs.p2pctl('--lspci', dump, 'acs', 'plan', GPU, NIC)
        self.assertEqual((result.returncode, result.stderr), (OK, ''))
        self.assertIn(f'setpci -s {GPU_PORT} ECAP_ACS+6.w=0000:000c\n', result.stdout)
        self.assertIn('no groups are known', result.stdout)

    def test_usage(self):
        self.make()
        for arguments in ((), ('show',), ('plan', GPU), ('plan', GPU, NIC, NVME), ('verify', GPU), ('verify', '--one-way')):
            result = programs.p2pctl('--root', self.top, 'acs', *arguments)
            self.assertEqual((result.returncode, result.stdout), (USAGE, ''), arguments)
        result = programs.p2pctl('--root', self.top, 'acs', 'plan', GPU, 'nothing')
        self.assertEqual((result.returncode, result.stdout), (FAILED, ''))


class Verify(Acs):
    def boot(self, parameters):
        with open(f'{self.top}/proc/cmdline', 'w', encoding='ascii') as file:
            file.write(f'BOOT_IMAGE=/vmlinuz root=/dev/sda1 {parameters}\n')

    def test_nothing_asked(self):
        self.make().boot('quiet')
        self.assertIn('is on the kernel\'s command line', ' '.join(self.acs('verify').split()))

    def test_command_line_not_known(self):
        self.make()
        if os.path.exists(f'{self.top}/proc/cmdline'):
            os.unlink(f'{self.top}/proc/cmdline')
        self.assertIn('unknown: the kernel\'s command line is not known', self.acs('verify', expect=UNKNOWN))

    def test_took_effect_or_not(self):
        self.make()
        self.boot(f'pci=disable_acs_redir={GPU_PORT};{NIC_PORT}')
        shown = self.acs('verify')
        self.assertIn('took-effect: 2 of 2 entries took effect', shown)
        self.assertIn(f'\npci=disable_acs_redir={GPU_PORT}\n', shown)
        self.redirect(NIC_PORT, control=0x0c)
        shown = self.acs('verify', expect=FAILED)
        self.assertIn('ports that are not as was asked: 1', shown)
        row = next(line for line in shown.splitlines() if NIC_PORT in line and 'RR CR EC' in line)
        self.assertIn('0x000c', row)
        answer = programs.p2pctl('--root', self.top, '--json', 'acs', 'verify')
        self.assertEqual(answer.returncode, FAILED)
        self.assertEqual([e['effect'] for e in json.loads(answer.stdout)['verification']['entries']][0], 'took-effect')

    def test_absent(self):
        self.make().boot('pci=disable_acs_redir=0000:77:00.0')
        self.assertIn('No function of this machine has that name', self.acs('verify', expect=FAILED))

    def test_not_readable(self):
        self.make().boot(f'pci=disable_acs_redir={GPU_PORT}')
        os.truncate(captured.path_of(self.top, GPU_PORT, 'config'), 64)
        self.assertIn('unknown', self.acs('verify', expect=UNKNOWN))

    def test_the_plan_s_own_parameter(self):
        """As the plan says, then as the kernel would have done it: verified."""
        self.make()
        self.redirect(GPU_PORT, NIC_PORT, NVME_PORT)
        parameter = json.loads(self.acs('plan', '--json', GPU, NIC))['plan']['parameter']
        self.boot(parameter)
        self.acs('verify', expect=FAILED)
        self.redirect(GPU_PORT, NIC_PORT, control=0x11)
        self.assertIn('took-effect', self.acs('verify'))

    def test_a_real_kernel_s_machine(self):
        """One port of its two is not there: the kernel's own doing is told."""
        self.top = self.unpack(K18)
        shown = self.acs('verify', expect=FAILED)
        self.assertIn('pci=disable_acs_redir=0000:00:04.0\n    took-effect', shown)

    def test_hostile_command_line(self):
        self.make().boot('pci=disable_acs_redir=\x1b[31m;0000:02:00.0')
        result = programs.p2pctl('--root', self.top, 'acs', 'verify')
        self.assertNotIn('\x1b', result.stdout + result.stderr)
        self.assertEqual(result.returncode, FAILED)


if __name__ == '__main__':
    material.main()
