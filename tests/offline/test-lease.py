#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pctl and leases, with a daemon that keeps them: hold, take, renew, release, show, and run a command meanwhile."""

import concurrent.futures
import json
import os
import signal
import subprocess

import material  # finds the modules of the other folder
import captured
import machines
import programs
import service

GPU, NIC, NVME, FAR_GPU = '0000:03:00.0', '0000:04:00.0', '0000:05:00.0', '0000:81:00.0'
OK, FAILED, USAGE = 0, 1, 2


class Lease(material.Holder):
    def setUp(self):
        super().setUp()
        self.top = self.write(machines.small())
        os.mkdir(f'{self.directory}/state')
        self.daemon = service.Daemon('--root', self.top, '--recheck-msec', '0', '--state', f'{self.directory}/state')
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__, None, None, None)

    def p2pctl(self, *arguments, expect=OK):
        result = programs.p2pctl('--socket', self.daemon.socket_path, *arguments)
        self.assertEqual(result.returncode, expect, (arguments, result.stdout, result.stderr))
        return ' '.join((result.stdout + result.stderr).split())

    def leases(self):
        return json.loads(self.p2pctl('--json', 'leases'))['leases']

    def held(self):
        return {d['function'] for lease in self.leases() for d in lease['devices']}

    def popen(self, *arguments):
        process = subprocess.Popen([programs.P2PCTL, '--socket', self.daemon.socket_path, *arguments],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, LC_ALL='C.UTF-8'))
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def unplug(self, address):
        captured.remove_function(self.top, address)
        self.daemon.call('io.p2pd.Rescan')


class Named(Lease):
    def test_hold_and_release(self):
        self.assertEqual(self.p2pctl('leases'), 'Nothing is held.')
        said = self.p2pctl('place', '1', '--of', 'gpu', '--with', 'nic:1', '--hold', 'job7', '--owner', 'slurm 17',
                           '--for', '2h')
        self.assertIn('held lease 1 (job7), 2 devices, until ', said)
        self.assertIn('to end it p2pctl release job7', said)
        self.assertEqual(self.held(), {GPU, NIC})
        shown = self.p2pctl('leases')
        for words in ('job7', 'slurm 17', '2 h', f'{GPU} card0 renderD128', f'{NIC} eth0 mlx5_0'):
            self.assertIn(words, shown)
        self.assertIn(FAR_GPU, self.p2pctl('place', '1', '--of', 'gpu'))
        said = self.p2pctl('place', '2', '--of', 'gpu', expect=FAILED)
        self.assertIn("2 items 'gpu' are wanted, and without those that leases hold there is only 1", said)
        self.assertIn('`p2pctl leases` shows', said)
        self.assertIn(GPU, self.p2pctl('place', '2', '--of', 'gpu', '--include-held'))
        self.assertIn('released lease 1, 2 devices', self.p2pctl('release', 'job7'))
        self.assertEqual(self.leases(), [])

    def test_json_has_the_lease(self):
        answer = json.loads(self.p2pctl('--json', 'place', '1', '--of', 'gpu', '--hold', 'job7'))
        self.assertEqual((answer['lease']['name'], answer['lease']['number']), ('job7', 1))
        self.assertIsNone(answer['lease'].get('expires_usec'))

    def test_by_hand(self):
        self.assertIn('held lease 1 (a), 2 devices, until it is released', self.p2pctl('lease', 'a', 'nvme0', '81:00.0'))
        self.assertEqual(self.held(), {NVME, FAR_GPU})
        self.assertIn('until 2', self.p2pctl('renew', 'a', '--for', '90m'))
        self.assertIn('1 h 30 min', self.p2pctl('leases'))
        self.assertIn('until it is released', self.p2pctl('renew', '1'))
        self.p2pctl('release', '1')
        self.assertEqual(self.leases(), [])

    def test_refusals(self):
        self.p2pctl('lease', 'a', 'nvme0', '--owner', 'me')
        for arguments, words in (
                (('lease', 'b', 'nvme0'), f"{NVME} is held by lease 1 (a, owner 'me', user {os.geteuid()})"),
                (('lease', 'a', GPU), "the name 'a' is taken"),
                (('lease', 'b', 'nvme9'), "no PCI function here has the address or name 'nvme9'"),
                (('lease', '7', GPU), 'a letter first'),
                (('lease', 'x' * 64, GPU), '1 to 63 letters'),
                (('lease', 'b', GPU, '--owner', 'x' * 128), 'at most 127 bytes'),
                (('place', '1', '--of', 'gpu', '--hold', 'a'), "the name 'a' is taken"),
                (('renew', 'b'), "there is no lease 'b'"),
                (('release', '17'), "there is no lease '17'")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.p2pctl(*arguments, expect=FAILED))
        self.assertEqual(self.held(), {NVME})

    def test_a_restart_keeps_names(self):
        self.p2pctl('lease', 'a', 'nvme0')
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.held(), {NVME})

    def test_lost_devices(self):
        self.p2pctl('lease', 'a', 'nvme0', 'card0')
        self.unplug(NVME)
        row = next(line for line in programs.p2pctl('--socket', self.daemon.socket_path, 'leases').stdout.splitlines()
                   if NVME in line)
        self.assertIn('LOST', row)
        self.assertIn('a', self.p2pctl('leases'))

    def test_racing_for_the_last_one(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda i: programs.p2pctl('--socket', self.daemon.socket_path, 'place', '2', '--of',
                                                              'gpu', '--hold', f'job{i}'), range(8)))
        self.assertEqual(sorted(r.returncode for r in results), [OK] + [FAILED] * 7)
        self.assertEqual(len(self.leases()), 1)

    def test_watch(self):
        watcher = self.popen('leases', '--watch')
        self.assertEqual(watcher.stdout.readline(), 'Nothing is held.\n')
        self.p2pctl('lease', 'a', 'nvme0')
        self.assertEqual(watcher.stdout.readline(), 'lease 1 (a): taken\n')
        self.unplug(NVME)
        self.assertEqual(watcher.stdout.readline(), f'lease 1 (a): lost {NVME}\n')
        self.p2pctl('release', 'a')
        self.assertEqual(watcher.stdout.readline(), 'lease 1 (a): released\n')
        self.assertIn("there is no lease 'a'", self.p2pctl('leases', '--watch', 'a', expect=FAILED))


class Run(Lease):
    def run_command(self, *command, expect=OK):
        return self.p2pctl('place', '1', '--of', 'gpu', '--with', 'nic:1', '--run', '--', *command, expect=expect)

    def test_environment_and_lease(self):
        said = self.run_command('sh', '-c', 'echo "$P2PD_LEASE,$P2PD_GROUPS,$P2PD_GROUP_0";'
                                'exec "$0" --socket "$1" --json leases', programs.P2PCTL, self.daemon.socket_path)
        self.assertTrue(said.startswith(f'1,1,{GPU} {NIC} '), said)
        lease = json.loads(said[said.index('{'):])['leases'][0]
        self.assertTrue(lease['connection_tied'])
        self.assertEqual([d['function'] for d in lease['devices']], [GPU, NIC])
        self.daemon.wait_until('the lease ends with the command', lambda: self.leases() == [])

    def test_exit_status(self):
        for command, status in ((('true',), 0), (('sh', '-c', 'exit 7'), 7), (('sh', '-c', 'kill -9 $$'), 128 + 9),
                                (('/nowhere/nothing',), 127), ((self.directory,), 126)):
            with self.subTest(command=command):
                self.run_command(*command, expect=status)

    def test_options_of_the_command(self):
        self.assertEqual(self.run_command('echo', '--json', '-n', '--of'), '--json -n --of')

    def test_nothing_runs_without_a_placement(self):
        said = self.p2pctl('place', '3', '--of', 'gpu', '--run', '--', 'echo', 'ran', expect=FAILED)
        self.assertNotIn('ran', said.split())

    def test_offline(self):
        result = programs.p2pctl('--root', self.top, 'place', '2', '--of', 'gpu', '--run', '--', 'sh', '-c',
                                 'echo $P2PD_GROUPS $P2PD_GROUP_1')
        self.assertEqual((result.returncode, result.stdout), (OK, f'2 {FAR_GPU}\n'))

    def begin(self, *command):
        process = self.popen('place', '1', '--of', 'gpu', '--with', 'nvme:1', '--run', '--', *command)
        self.assertEqual(process.stdout.readline(), 'ready\n')
        return process

    def test_signals_are_passed_on(self):
        process = self.begin('sh', '-c', 'trap "echo term; exit 5" TERM; echo ready; while :; do sleep 0.01; done')
        process.send_signal(signal.SIGTERM)
        self.assertEqual((process.stdout.read(), process.wait(20)), ('term\n', 5))

    def test_an_interrupt_is_the_command_s(self):
        process = self.begin('sh', '-c', 'echo ready; sleep 0.2; echo done')
        process.send_signal(signal.SIGINT)
        self.assertEqual((process.stdout.read(), process.wait(20)), ('done\n', 0))

    def test_told_of_what_happens(self):
        fifo = f'{self.directory}/fifo'
        os.mkfifo(fifo)
        process = self.begin('sh', '-c', f'echo ready; read x < {fifo}; exit 3')
        self.unplug(NVME)
        self.assertEqual(process.stderr.readline(), f'p2pctl: {NVME} was unplugged; it stays held\n')
        self.p2pctl('release', str(self.leases()[0]['number']))
        self.assertIn('was released', process.stderr.readline())
        with open(fifo, 'w', encoding='ascii') as file:
            file.write('go\n')
        self.assertEqual(process.wait(20), 3)

    def test_the_daemon_goes(self):
        fifo = f'{self.directory}/fifo'
        os.mkfifo(fifo)
        process = self.begin('sh', '-c', f'echo ready; read x < {fifo}; exit 4')
        self.daemon.stop()
        self.assertIn('are held no longer', process.stderr.readline())
        with open(fifo, 'w', encoding='ascii') as file:
            file.write('go\n')
        self.assertEqual(process.wait(20), 4)
        self.daemon.start()

    def test_killed(self):
        """kill -9 of p2pctl: the connection ends, and the lease with it."""
        process = self.begin('sh', '-c', 'echo ready; exec sleep 1')
        self.assertEqual(self.held(), {GPU, NVME})
        process.kill()
        self.daemon.wait_until('the lease ends with p2pctl', lambda: self.leases() == [])


if __name__ == '__main__':
    material.main()
