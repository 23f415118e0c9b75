#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Start, readiness, watchdog, sockets, signals and the end of the daemon."""

import os
import signal
import socket
import subprocess
import tempfile
import time

import fixture
from fixture import GPU, NIC
import programs
import service
import varlink

ASK = {'provider': GPU, 'client': NIC}


def run(*args, **how):
    """A daemon that is expected to end by itself."""
    return programs.check_alive(subprocess.run(
        [programs.P2PD, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=20 * programs.PATIENCE, check=False, **how))


class Options(fixture.RootTest):
    def test_help_and_version(self):
        for option in ('--help', '--version'):
            result = run(option)
            self.assertEqual(result.returncode, 0)
            self.assertTrue(result.stdout.startswith('p2pd '))

    def test_usage(self):
        for args in (('--no-such-option',), ('--root',), ('--root', self.root, '--lspci', 'x'),
                     ('--rules', 'old'), ('argument',), ('--recheck-msec', '-1'),
                     ('--recheck-msec', '1x'), ('--settle-msec', '99999999999999999999')):
            result = run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn('p2pd', result.stderr)
            self.assertEqual(result.stdout, '')

    def test_sources_that_are_none(self):
        with tempfile.TemporaryDirectory() as empty:
            for source in (('--root', f'{empty}/missing'), ('--root', empty),
                           ('--root', '/dev/null'), ('--lspci', f'{empty}/missing'),
                           ('--lspci', empty), ('--lspci', '/dev/null')):
                result = run(*source, '--socket', f'{empty}/socket')
                self.assertEqual(result.returncode, 1, source)
                self.assertTrue(result.stderr, source)


class Ready(fixture.RootTest):
    def test_answers_as_soon_as_it_is_ready(self):
        for _ in range(5):
            with self.daemon() as daemon:
                self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['generation'], 1)

    def test_socket_is_for_everybody(self):
        with self.daemon() as daemon:
            self.assertEqual(os.stat(daemon.socket_path).st_mode & 0o777, 0o666)

    def test_socket_goes_with_the_daemon(self):
        with self.daemon() as daemon:
            self.assertEqual(daemon.stop(), 0)
            with self.assertRaises((FileNotFoundError, ConnectionRefusedError)):
                daemon.client()

    def test_stopping_is_told(self):
        with self.daemon() as daemon:
            daemon.process.send_signal(signal.SIGTERM)
            self.assertIsNotNone(daemon.notify.wait_for('STOPPING=1'))

    def test_sigint_ends_it_as_well(self):
        with self.daemon() as daemon:
            daemon.process.send_signal(signal.SIGINT)
            self.assertEqual(daemon.process.wait(20), 0)

    def test_ends_with_clients_connected(self):
        with self.daemon() as daemon:
            clients = [daemon.client() for _ in range(20)]
            for client in clients[:10]:
                client.send(varlink.encode('io.p2pd.Monitor', more=True))
                client.receive()
            clients[10].send(b'{"method":')
            self.assertEqual(daemon.stop(), 0)
            for client in clients:
                self.assertTrue(client.wait_closed())
                client.close()

    def test_watchdog_is_fed_only_while_the_loop_turns(self):
        with self.daemon(environment={'WATCHDOG_USEC': '300000'}) as daemon:
            for _ in range(3):
                self.assertIsNotNone(daemon.notify.wait_for('WATCHDOG=1', 5))
            daemon.process.send_signal(signal.SIGSTOP)
            while daemon.notify.receive(0.05) is not None:
                pass
            self.assertIsNone(daemon.notify.receive(1))
            daemon.process.send_signal(signal.SIGCONT)
            self.assertIsNotNone(daemon.notify.wait_for('WATCHDOG=1', 5))

    def test_no_watchdog_unasked(self):
        with self.daemon() as daemon:
            self.assertIsNone(daemon.notify.wait_for('WATCHDOG=1', 0.5 / programs.PATIENCE))

    def test_watchdog_of_another_process_is_not_ours(self):
        with self.daemon(environment={'WATCHDOG_USEC': '100000', 'WATCHDOG_PID': '1'}) as daemon:
            self.assertIsNone(daemon.notify.wait_for('WATCHDOG=1', 0.5 / programs.PATIENCE))


class Sockets(fixture.RootTest):
    def test_killed_and_started_again(self):
        """kill -9 leaves the socket file; the next daemon replaces it."""
        with tempfile.TemporaryDirectory() as directory:
            path = f'{directory}/socket'
            for _ in range(3):
                daemon = self.daemon(socket_path=path).start()
                try:
                    with daemon.client() as client:
                        client.send(varlink.encode('io.p2pd.Monitor', more=True))
                        client.receive()
                        daemon.process.kill()
                        daemon.process.wait()
                        self.assertTrue(client.wait_closed())
                    self.assertTrue(os.path.exists(path))
                finally:
                    daemon.clean()
            with self.daemon(socket_path=path) as daemon:
                self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['map'], 'bus')

    def test_second_daemon_on_a_live_socket_is_refused(self):
        with self.daemon() as daemon:
            result = run('--root', self.root, '--socket', daemon.socket_path)
            self.assertEqual(result.returncode, 1)
            self.assertTrue(result.stderr)
            self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['map'], 'bus')

    def test_only_a_socket_is_replaced(self):
        with tempfile.TemporaryDirectory() as directory:
            path = f'{directory}/file'
            with open(path, 'w', encoding='ascii') as file:
                file.write('precious')
            self.assertEqual(run('--root', self.root, '--socket', path).returncode, 1)
            with open(path, encoding='ascii') as file:
                self.assertEqual(file.read(), 'precious')

    def test_path_too_long(self):
        path = f'/tmp/{"x" * 200}'
        self.assertEqual(run('--root', self.root, '--socket', path).returncode, 1)

    def test_socket_activation(self):
        with tempfile.TemporaryDirectory() as directory:
            path = f'{directory}/activated'
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(path)
                listener.listen(64)
                early = varlink.Client(path)
                early.send(varlink.encode('io.p2pd.GetDistance', ASK))
                with Activated('--root', self.root, *self.options, socket_path=path,
                               fds=(listener.fileno(),)) as daemon:
                    self.assertEqual(early.reply()['map'], 'bus')
                    early.close()
                    self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['map'], 'bus')
                    self.assertEqual(daemon.stop(), 0)
                    self.assertTrue(os.path.exists(path), 'the socket belongs to the service manager')

    def test_activation_for_another_process_is_not_ours(self):
        result = run('--root', self.root, '--socket', '/nonexistent/socket',
                     env=dict(os.environ, LISTEN_FDS='1', LISTEN_PID='1'))
        self.assertEqual(result.returncode, 1)


class Activated(service.Daemon):
    """Started as a service manager would: the listening socket is file descriptor 3."""

    def command(self):
        shell = f'exec 3<&{self.fds[0]}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        return ['/bin/bash', '-c', shell, 'sh', programs.P2PD, *self.options]


class Shortage(fixture.RootTest):
    def test_out_of_descriptors(self):
        """At the limit the daemon keeps serving those it has, and takes new ones later, without spinning."""
        with self.daemon(launcher=('prlimit', '--nofile=40:40')) as daemon:
            first = daemon.client()
            first.call('org.varlink.service.GetInfo')
            clients = []
            for _ in range(60):
                clients.append(daemon.client())
            self.assertEqual(first.call('io.p2pd.GetDistance', ASK)['map'], 'bus')
            used = cpu_seconds(daemon.process.pid)
            time.sleep(0.5)
            self.assertLess(cpu_seconds(daemon.process.pid) - used, 0.3, 'spins while it cannot accept')
            for client in clients:
                client.close()
            daemon.wait_until('accepting again', lambda: self.answers(daemon))
            first.close()

    @staticmethod
    def answers(daemon):
        try:
            with daemon.client(1) as client:
                return client.call('io.p2pd.GetDistance', ASK)['map'] == 'bus'
        except (varlink.Closed, TimeoutError, ConnectionResetError, BrokenPipeError):
            return False

    def test_root_that_cannot_be_read_again(self):
        """A failed rescan leaves the generation before, and says so."""
        holder, root = fixture.write_root(self.build())
        with holder, service.Daemon('--root', root, *self.options) as daemon:
            os.rename(f'{root}/sys', f'{root}/elsewhere')
            with daemon.client() as client:
                error = self.error_of(client, 'io.p2pd.Rescan')
                self.assertEqual(error.name, 'io.p2pd.ScanFailed')
                self.assertTrue(error.parameters['reason'])
            self.assertTrue(daemon.status()['scan_error'])
            self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['map'], 'bus')
            os.rename(f'{root}/elsewhere', f'{root}/sys')
            daemon.call('io.p2pd.Rescan')
            self.assertIsNone(daemon.status().get('scan_error'))

    def test_full_disk_does_not_matter(self):
        """It writes nothing but its log: started with a limit of no file bytes it works."""
        with self.daemon(launcher=('prlimit', '--fsize=0:0')) as daemon:
            self.assertEqual(daemon.call('io.p2pd.GetDistance', ASK)['map'], 'bus')


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


if __name__ == '__main__':
    fixture.main()
