#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""WhatIf, held against what the daemon says when the change is made; parameters and errors as the interface says."""


import fixture  # finds the modules of the other folder
from fixture import FAR_GPU, GPU, NIC, NVME, SWITCH_PORT
import captured
import machines
import varlink


class WhatIfTest(fixture.RootTest):
    def setUp(self):
        self.holder, self.root = fixture.write_root(self.build())
        self.addCleanup(self.holder.cleanup)
        self.interface = fixture.interface()

    def what_if(self, client, *edits, **more):
        reply = client.call('io.p2pd.WhatIf', {'edits': list(edits), **more})
        self.assertEqual(self.interface.problems(reply, self.interface.methods['WhatIf'][1]), [])
        return reply

    def verdicts(self, client):
        found = {}
        for reply in client.stream('io.p2pd.GetPairs'):
            for row in reply['rows']:
                for name, cell in zip(reply['clients'], row['cells']):
                    found[row['provider'], name] = cell
        return found

    def differences(self, before, after):
        """As flips: pairs of which map or distance differ."""
        return {pair: (before[pair], after[pair]) for pair in before.keys() & after.keys()
                if any(before[pair].get(k) != after[pair].get(k) for k in ('map', 'distance_hops'))}

    def flips(self, reply):
        self.assertEqual(len(reply['flips']), reply['flips_total'])
        return {(f['provider'], f['client']): (f['before'], f['after']) for f in reply['flips']}

    def test_acs_as_it_then_is(self):
        with self.daemon() as daemon, daemon.client() as client:
            before = self.verdicts(client)
            reply = self.what_if(client, f'acs=RR,CR@{SWITCH_PORT}')
            self.assertEqual([(c['function'], c['what']) for c in reply['changes']], [(SWITCH_PORT, ['acs'])])
            captured.set_acs_control(self.root, SWITCH_PORT, 0x0c)
            client.call('io.p2pd.Rescan')
            real = self.differences(before, self.verdicts(client))
            self.assertIn((GPU, NIC), real)
            self.assertEqual(self.flips(reply), real)
            # And back.
            back = self.flips(self.what_if(client, f'acs=off@{SWITCH_PORT}'))
            self.assertEqual(back, {pair: (after, then) for pair, (then, after) in real.items()})

    def test_another_kernel_as_it_then_is(self):
        other = machines.small()
        other.kernel = '4.19.0'
        holder, root = fixture.write_root(other)
        self.addCleanup(holder.cleanup)
        with self.daemon() as daemon, daemon.client() as client:
            before = self.verdicts(client)
            reply = self.what_if(client, 'kernel=4.19')
            self.assertEqual((reply['before_release'], reply['after_release']), ('7.3', '4.19'))
        self.root = root
        with self.daemon() as daemon, daemon.client() as client:
            real = self.differences(before, self.verdicts(client))
        self.assertNotEqual(real, {})
        self.assertEqual(self.flips(reply), real)

    def test_another_link(self):
        with self.daemon() as daemon, daemon.client() as client:
            reply = self.what_if(client, 'link=8GT/sx2@nvme0')
            self.assertEqual(reply['flips_total'], 0)
            found = {(p['provider'], p['client']): (p['before_mbps'], p['after_mbps']) for p in reply['pairs']}
            self.assertEqual(found[GPU, NVME], (7876, 1970))
            self.assertEqual(reply['pairs_total'], len(reply['pairs']))

    def test_edits_are_applied_in_their_order(self):
        with self.daemon() as daemon, daemon.client() as client:
            reply = self.what_if(client, f'acs=RR@{SWITCH_PORT}', f'acs=-RR@{SWITCH_PORT}')
            self.assertEqual((reply['flips'], reply['changes'], reply['machine_wide']), ([], [], False))
            self.assertEqual(self.what_if(client)['flips_total'], 0)
            self.assertNotEqual(self.what_if(client, *[f'acs=RR@{SWITCH_PORT}'] * 64)['flips_total'], 0)

    def test_edits_that_are_wrong(self):
        cases = (('', '', 'syntax'), ('acs', 'acs', 'syntax'), ('colour=red', 'colour', 'unknown-key'),
                 ('acs=XY@02:00.0', 'XY', 'unknown-bit'), ('iommu=maybe', 'maybe', 'unknown-mode'),
                 ('kernel=new', 'new', 'bad-release'), ('link=3GT/s@nvme0', '3GT/s', 'bad-link'),
                 ('acs=off@nvme9', 'nvme9', 'no-such-function'))
        refused_later = ((f'acs=RR@{GPU}', 'no-acs'), (f'move={NVME}@{GPU}', 'not-a-port'),
                         (f'move={NVME}@{SWITCH_PORT}', 'occupied'), ('link=x4@0000:00:00.0', 'no-link'))
        with self.daemon() as daemon, daemon.client() as client:
            for edit, part, why in cases:
                found = self.error_of(client, 'io.p2pd.WhatIf', {'edits': ['iommu=off', edit]})
                self.assertEqual(self.interface.problems(found.parameters, self.interface.errors['EditInvalid']), [])
                self.assertEqual((found.name, found.parameters['edit'], found.parameters['why']),
                                 ('io.p2pd.EditInvalid', edit, why))
                self.assertIn(found.parameters['part'], edit)
                self.assertIn(part, (found.parameters['part'], edit))
            for edit, why in refused_later:
                found = self.error_of(client, 'io.p2pd.WhatIf', {'edits': ['iommu=off', edit]})
                self.assertEqual((found.name, found.parameters['edit'], found.parameters['why']),
                                 ('io.p2pd.EditInvalid', edit, why))
                self.assertNotIn('part', found.parameters)
            for parameter, question in (('edits', {}), ('edits', {'edits': 'iommu=off'}), ('edits', {'edits': [1]}),
                                        ('edits', {'edits': ['iommu=off\0']}), ('edits', {'edits': ['x' * 256]}),
                                        ('rules', {'edits': [], 'rules': 1})):
                found = self.error_of(client, 'io.p2pd.WhatIf', question)
                self.assertEqual((found.name, found.parameters),
                                 ('org.varlink.service.InvalidParameter', {'parameter': parameter}))
            found = self.error_of(client, 'io.p2pd.WhatIf', {'edits': ['iommu=off'] * 65})
            self.assertEqual((found.name, found.parameters), ('io.p2pd.TooMuch', {'entries': 65, 'limit': 64}))

    def test_a_far_device_is_moved_next_to_the_others(self):
        with self.daemon() as daemon, daemon.client() as client:
            captured.remove_function(self.root, NVME)
            client.call('io.p2pd.Rescan')
            reply = self.what_if(client, f'move={FAR_GPU}@0000:02:02.0')
            self.assertEqual([m['before'] for m in reply['moves']], [FAR_GPU])
            self.assertEqual(self.flips(reply)[FAR_GPU, NIC][1]['map'], 'bus')


# The address sanitizer keeps freed memory.
if not fixture.is_sanitized():
    class MemoryTest(fixture.RootTest):
        def test_it_does_not_grow(self):
            def resident():
                with open(f'/proc/{daemon.process.pid}/status', encoding='ascii') as file:
                    return int(next(line for line in file if line.startswith('VmRSS:')).split()[1])

            def ask(times):
                for _ in range(times):
                    client.send(varlink.encode('io.p2pd.WhatIf', {'edits': ['iommu=off', 'kernel=5.4']}))
                    client.receive_raw()
            with self.daemon() as daemon, daemon.client() as client:
                ask(500)
                before = resident()
                ask(9500)
                self.assertLess(resident() - before, 1024, 'KiB')


if __name__ == '__main__':
    fixture.main()
