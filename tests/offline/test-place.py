#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl place` and `find-provider` on captured machines: answers held against the pairs, refusals, what is shown."""

import itertools
import json
import os

import material  # finds the modules of the other folder
import captured
import machines
import programs

GPU, NIC, NVME, FAR_GPU = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:81:00.0'
PATHS = ['LOC', 'PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown']
OK, FAILED, USAGE = 0, 1, 2


def server(seed=3, **how):
    """Two host bridges with random ACS bits: paths and maps of all kinds."""
    return machines.server(**{'gpus': 4, 'nics': 4, 'vfs': 2, 'nvmes': 8, 'host_bridges': 2, 'acs': 'random',
                              'seed': seed, **how})


class Place(material.Holder):
    def make(self, machine=None):
        self.top = self.write(machine or server())

    def place(self, *arguments, **how):
        return programs.p2pctl('--root', self.top, 'place', *arguments, **how)

    def answers(self, *arguments):
        result = self.place('--json', *arguments)
        self.assertEqual((result.returncode, result.stderr), (OK, ''))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def functions(self):
        """{address: kind} of the candidates that are no virtual functions."""
        listed = json.loads(programs.p2pctl('--root', self.top, '--json', 'list').stdout)['functions']
        return {f['address']: f['kind'] for f in listed if not f.get('physical_function')}

    def assert_refused(self, *arguments, words):
        result = self.place(*arguments)
        self.assertEqual((result.returncode, result.stdout), (FAILED, ''), arguments)
        self.assertEqual(result.stderr.count('p2pctl: '), 1, result.stderr)
        self.assertIn(words, ' '.join(result.stderr.split()))

    def assert_usage(self, *arguments, words):
        result = self.place(*arguments)
        self.assertEqual((result.returncode, result.stdout), (USAGE, ''), arguments)
        self.assertIn(words, result.stderr)


class Answers(Place):
    def worst_of(self, pairs, groups):
        """(some pair is none or unknown, worst path) of what was chosen, by the table of pairs."""
        found = [pairs[pair] for item, others in groups for other in others for pair in ((item, other), (other, item))]
        return (any(kind in ('none', 'unknown') for _, kind, _ in found),
                max(PATHS.index(path) for _, _, path in found))

    def test_the_design_s_form(self):
        self.make()
        (answer,) = self.answers('4', '--of', 'gpu', '--with', 'nic:1', '--with', 'nvme:2')
        kinds, pairs = self.functions(), programs.pairs('--root', self.top)
        self.assertEqual(len(answer['groups']), 4)
        chosen = []
        for group in answer['groups']:
            self.assertEqual([kinds[f] for f in (group['provider'], *group['companions'])],
                             ['gpu', 'nic', 'nvme', 'nvme'])
            chosen += [group['provider'], *group['companions']]
        self.assertEqual(len(set(chosen)), 16)
        groups = [(g['provider'], g['companions']) for g in answer['groups']]
        self.assertEqual((answer['has_bad'], PATHS.index(answer['worst_path'])), self.worst_of(pairs, groups))
        self.assertIsInstance(answer['bottleneck_mbps'], int)
        self.assertEqual((answer['generation'], answer['complete'], answer['proven']), (1, True, 'all'))
        self.assertEqual(answer, self.answers('4', '--of', 'gpu', '--with', 'nic:1', '--with', 'nvme:2')[0])

    def test_no_choice_has_a_better_path(self):
        """Every choice of two GPUs with a NIC each, tried in turn."""
        for seed in (1, 2, 5, 8):
            with self.subTest(seed=seed):
                self.top = self.write(server(seed), f'root{seed}')
                kinds, pairs = self.functions(), programs.pairs('--root', self.top)
                gpus, nics = ([f for f, kind in kinds.items() if kind == wanted] for wanted in ('gpu', 'nic'))
                best = min(self.worst_of(pairs, [(a, [c]), (b, [d])]) for a, b in itertools.combinations(gpus, 2)
                           for c, d in itertools.permutations(nics, 2))
                (answer,) = self.answers('2', '--of', 'gpu', '--with', 'nic:1', '--allow-none')
                self.assertEqual((answer['has_bad'], PATHS.index(answer['worst_path'])), best)

    def test_several_answers(self):
        self.make()
        answers = self.answers('2', '--of', 'gpu', '--with', 'nic:1', '--answers', '5')
        self.assertEqual(len(answers), 5)
        self.assertEqual(len({json.dumps(a['groups']) for a in answers}), 5)
        ranks = [PATHS.index(a['worst_path']) for a in answers]
        self.assertEqual(ranks, sorted(ranks))
        shown = self.place('4', '--of', 'gpu', '--answers', '3')
        self.assertEqual(shown.returncode, OK)
        self.assertIn('Answer 1', self.place('2', '--of', 'gpu', '--answers', '2').stdout)
        self.assertIn('There are no more than 1 answer.', shown.stdout)

    def test_shared_companions(self):
        self.make(server(nics=2))
        (answer,) = self.answers('4', '--of', 'gpu', '--share', 'nic:1', '--allow-none')
        used = [group['companions'][0] for group in answer['groups']]
        self.assertEqual(sorted(used.count(nic) for nic in set(used)), [2, 2])

    def test_wishes(self):
        self.make()
        (first,) = self.answers('1', '--of', 'gpu', '--with', 'nic:1')
        item, (nic,) = first['groups'][0]['provider'], first['groups'][0]['companions']
        (other,) = self.answers('1', '--of', 'gpu', '--with', 'nic:1', '--avoid', item)
        self.assertNotEqual(other['groups'][0]['provider'], item)
        (named,) = self.answers('1', '--of', item, '--client', nic)
        self.assertEqual(named['groups'], [{**first['groups'][0], 'companions': []}])
        (node,) = self.answers('1', '--of', 'gpu', '--numa', '1')
        self.assertEqual(node['numa_nodes'], [1])
        (few,) = self.answers('1', '--of', 'gpu', '--with', 'nvme:1', '--worst', 'phb', '--least', '100')
        self.assertLessEqual(PATHS.index(few['worst_path']), PATHS.index('PHB'))
        self.assertEqual(self.answers('1', '--of', 'gpu,vendor=10de:2330', '--with', 'vendor=15b3:1021:1')[0]['groups'],
                         first['groups'])


class Shown(Place):
    def test_groups_and_reasons(self):
        self.make(machines.small())
        result = self.place('1', '--of', 'gpu', '--with', 'nic:1', '--with', 'nvme:1')
        self.assertEqual((result.returncode, result.stderr), (OK, ''))
        table, facts = result.stdout.split('\n\n')
        self.assertEqual([line.split() for line in table.splitlines()],
                         [['ITEM', 'NAMES', 'COMPANION', 'NAMES', 'PATH', 'MAP'],
                          [GPU, 'card0', 'renderD128', 'with', NIC, 'eth0', 'mlx5_0', 'PIX', 'bus'],
                          ['with', NVME, 'nvme0', 'PIX', 'bus']])
        said = ' '.join(facts.split())
        for words in (f'worst pair {NIC} (eth0 mlx5_0) to the memory of {GPU} (card0 renderD128): PIX, bus, by '
                      'common-bridge',
                      f'bottleneck 7.9 GB/s for each flow when all run both ways: the link above {NVME} ({GPU} '
                      f'(card0 renderD128) with {NVME} (nvme0))', 'NUMA nodes 0', 'proven it is the best'):
            self.assertIn(words, said)

    def test_who_shares_the_link(self):
        """Redirected, both companions' traffic climbs through the GPU's link and the switch's."""
        self.make(machines.small())
        for port in ('0000:02:00.0', '0000:02:01.0', '0000:02:02.0'):
            captured.set_acs_control(self.top, port, 0x1d)
        shown = ' '.join(self.place('1', '--of', 'gpu', '--with', 'nic:1').stdout.split())
        self.assertIn(f'which 2 flows share ({GPU} (card0 renderD128) with {NIC} (eth0 mlx5_0))', shown)
        self.assertIn('PIX host-bridge', shown)

    def test_clients_by_name(self):
        self.make(machines.small())
        shown = self.place('1', '--of', 'gpu', '--client', 'nvme0', '--client', '04:00.0').stdout
        self.assertIn(f'for  {NVME}  nvme0        PIX   bus', shown)
        self.assertIn(f'for  {NIC}  eth0 mlx5_0  PIX   bus', shown)

    def test_items_alone(self):
        self.make(machines.small())
        shown = self.place('2', '--of', 'gpu').stdout
        self.assertEqual(shown.splitlines()[:3], ['ITEM          NAMES', f'{GPU}  card0 renderD128',
                                                  f'{FAR_GPU}  card1 renderD129'])
        self.assertNotIn('bottleneck', shown)
        self.assertNotIn('worst pair', shown)

    def test_a_pair_that_cannot(self):
        self.make(machines.small())
        path = captured.path_of(self.top, NIC, 'config')
        os.truncate(path, 64)
        for port in ('0000:02:00.0', '0000:02:01.0', '0000:02:02.0'):
            os.truncate(captured.path_of(self.top, port, 'config'), 64)
        self.assert_refused('1', '--of', GPU, '--with', 'nic:1', words='`--allow-none` takes the best')
        shown = self.place('1', '--of', GPU, '--with', 'nic:1', '--allow-none')
        self.assertEqual(shown.returncode, OK)
        self.assertIn('WARNING', shown.stdout)
        self.assertIn('unknown', shown.stdout)

    def test_names_do_not_speak_to_the_terminal(self):
        self.make(machines.small())
        os.rename(captured.path_of(self.top, NIC, 'net/eth0'), captured.path_of(self.top, NIC, 'net/\x1b[31m\n\u202e'))
        for command in (('1', '--of', 'gpu', '--with', 'nic:1'), ('1', '--of', '\x1b[2J'),
                        ('1', '--of', 'gpu', '--client', '\x1b[2J')):
            result = self.place(*command)
            said = result.stdout + result.stderr
            self.assertNotIn('\x1b', said)
            self.assertNotIn('\u202e', said)

    def test_lspci(self):
        """Without ACS, NUMA nodes and names the answer says what is not known."""
        self.make(machines.small())
        dump = f'{self.directory}/dump'
        with open(dump, 'wb') as file:
            file.write(material.lspci_dump(self.top))
        result = programs.p2pctl('--lspci', dump, 'place', '1', '--of', 'gpu', '--with', 'nic:1')
        self.assertEqual((result.returncode, result.stderr), (OK, ''))
        self.assertIn(GPU, result.stdout)
        self.assertIn('NUMA nodes  not known', result.stdout)


class Refusals(Place):
    def test_the_limit_that_fails_first(self):
        self.make(machines.small())
        for arguments, words in (
                (('3', '--of', 'gpu'), "no placement: 3 items 'gpu' are wanted, and there are only 2"),
                (('1', '--of', 'accelerator'), "1 item 'accelerator' is wanted, and there is none"),
                (('2', '--of', 'gpu', '--with', 'nic:1'), "2 companions 'nic' are wanted, and there is only 1"),
                (('2', '--of', 'gpu', '--avoid', '81:00.0'), 'without those to be avoided there is only 1'),
                (('2', '--of', 'gpu', '--numa', '0'), 'on that NUMA node there is only 1'),
                (('2', '--of', 'gpu', '--client', NIC, '--bus'), 'as soon as the clients are asked for'),
                (('2', '--of', 'gpu', '--client', NIC, '--worst', 'PXB'), "some pair's path is worse"),
                (('1', '--of', 'gpu', '--with', 'nvme:1', '--least', '8000'),
                 "as soon as the companions 'nvme' are asked for"),
                (('1', '--of', 'nic', '--with', 'nic:1'), 'other parts of the request need the same ones'),
                (('1', '--of', 'gpx'), "the selector 'gpx' cannot be read"),
                (('1', '--of', 'gpu', '--with', 'vendor=x:1'), "at 'vendor=x'"),
                (('1', '--of', 'gpu', '--client', 'mlx9'), "no PCI function here has the address or name 'mlx9'")):
            with self.subTest(arguments=arguments):
                self.assert_refused(*arguments, words=words)
        self.assert_refused('--json', '3', '--of', 'gpu', words='no placement')

    def test_usage(self):
        self.make(machines.small())
        for arguments, words in (
                (('1',), '--of says'), (('0', '--of', 'gpu'), 'from 1 to 1024'), (('1025', '--of', 'gpu'), 'from 1 to'),
                (('x', '--of', 'gpu'), 'from 1 to 1024'), (('1', '2', '--of', 'gpu'), 'only with --run'),
                (('1', '--of', 'gpu', '--with', 'nic'), 'nic:1, not'), (('1', '--of', 'gpu', '--share', 'nic:0'), 'nic:1'),
                (('1', '--of', 'gpu', '--worst', 'FAR'), '--worst'), (('1', '--of', 'gpu', '--least', 'x'), '--least'),
                (('1', '--of', 'gpu', '--least', '0'), '--least'), (('1', '--of', 'gpu', '--numa', '-1'), '--numa'),
                (('1', '--of', 'gpu', '--answers', '65'), '--answers'), (('1', '--of', 'gpu', '--for', '1h'), '--for'),
                (('1', '--of', 'gpu', '--run', '--for', '1y', '--', 'true'), '--for'),
                (('1', '--of', 'gpu', '--hold', 'a'), 'under a name'), (('1', '--of', 'gpu', '--run'), '--run takes'),
                (('1', '--of', 'gpu', '--hold', 'a', '--run', '--', 'true'), 'which?'),
                (('--json', '1', '--of', 'gpu', '--run', '--', 'true'), '--json'),
                (('1', '--of', 'gpu', '--run', '--include-held', '--', 'true'), '--include-held'),
                (('1', '--of', 'gpu', '--run', '--answers', '2', '--', 'true'), '--answers'),
                (('1', '--of', 'gpu', '--all'), 'no option --all')):
            with self.subTest(arguments=arguments):
                self.assert_usage(*arguments, words=words)
        for command in (('list', '--of', 'gpu'), ('leases', '--for', '1h'), ('lease', 'a'), ('release',), ('renew',),
                        ('lease', 'a', GPU), ('renew', 'a'), ('release', 'a'), ('leases', 'a'), ('find-provider',)):
            self.assertEqual(programs.p2pctl('--root', self.top, *command).returncode, USAGE, command)


class FindProvider(Place):
    def find(self, *arguments):
        return programs.p2pctl('--root', self.top, 'find-provider', *arguments)

    def test_nearest(self):
        self.make(server(acs=0))
        pairs, kinds = programs.pairs('--root', self.top), self.functions()
        clients = [f for f, kind in kinds.items() if kind == 'gpu'][:2]
        sums = {f: [pairs[f, c][0] for c in clients] for f, kind in kinds.items() if kind == 'nvme'}
        best = min(sums, key=lambda f: (sum(sums[f]), f))
        answer = json.loads(self.find('--json', *clients).stdout)
        self.assertEqual([p['function'] for p in answer['providers']], [best])
        self.assertEqual(answer['equal'], sum(sum(hops) == sum(sums[best]) for hops in sums.values()))
        shown = self.find('--answers', '3', *clients)
        self.assertEqual(shown.returncode, OK)
        self.assertEqual(shown.stdout.splitlines()[1].split()[0], best)
        self.assertEqual(len(shown.stdout.split('\n\n')[0].splitlines()), 4)
        self.assertIn('8 in all', shown.stdout)
        self.assertIn('the kernel draws lots', ' '.join(shown.stdout.split()))

    def test_none(self):
        self.make(machines.small())
        result = self.find(GPU)
        self.assertEqual((result.returncode, result.stderr), (FAILED, ''))
        self.assertIn('No provider', result.stdout)
        self.assertEqual(self.find('--free', 'x', GPU).returncode, USAGE)

    def test_left_out_and_why(self):
        machine = machines.small()
        machine.find(NVME).p2pmem = 1 << 20
        self.make(machine)
        self.assertEqual(self.find(GPU).returncode, OK)
        result = self.find('--free', '2M', GPU)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn('not enough of its peer-to-peer memory is free', result.stdout)


if __name__ == '__main__':
    material.main()
