# SPDX-License-Identifier: LGPL-2.1-or-later
"""The installed p2pd and p2pctl, asked from inside the guest."""

import json
import os
import socket
import subprocess
import time

SOCKET = '/run/p2pd/io.p2pd'


def run(*command, timeout=300, check=True, env=None):
    """Standard output; raises with everything that was said if the command fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False,
                            text=True, env=env, stdin=subprocess.DEVNULL)
    if check and result.returncode != 0:
        raise AssertionError(f'{" ".join(command)}: exit status {result.returncode}\n{result.stdout}{result.stderr}')
    return result.stdout if check else result


def install():
    """What a package's scripts do after the files are in place."""
    run('systemd-sysusers')
    run('systemd-tmpfiles', '--create', '--prefix=/run/p2pd', '--prefix=/var/lib/p2pd')
    run('udevadm', 'control', '--reload')


def start():
    run('systemctl', 'start', 'p2pd.socket')
    run('systemctl', 'start', 'p2pd.service')


class Refused(RuntimeError):
    """A typed error in place of an answer."""

    def __init__(self, name, parameters):
        super().__init__(f'{name} {parameters}')
        self.name, self.parameters = name, parameters


class Calls:
    """A connection to the daemon."""

    def __init__(self, timeout=300):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(SOCKET)
        self.pending = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, parameters=None, more=False):
        call = {'method': method, 'parameters': parameters or {}}
        if more:
            call['more'] = True
        self.socket.sendall(json.dumps(call).encode() + b'\0')

    def more(self):
        return self.socket.recv(1 << 18)

    def receive(self):
        while b'\0' not in self.pending:
            data = self.more()
            if not data:
                raise ConnectionError('the daemon closed the connection')
            self.pending += data
        message, _, self.pending = self.pending.partition(b'\0')
        reply = json.loads(message)
        if 'error' in reply:
            raise Refused(reply['error'], reply.get('parameters'))
        return reply.get('parameters', {})

    def call(self, method, parameters=None):
        self.send(method, parameters)
        return self.receive()


def status():
    with Calls() as calls:
        return calls.call('io.p2pd.GetStatus')


def rescan():
    with Calls() as calls:
        return calls.call('io.p2pd.Rescan')['generation']


def functions():
    with Calls() as calls:
        return sorted(f['address'] for f in calls.call('io.p2pd.ListFunctions')['functions'])


def main_pid():
    return int(run('systemctl', 'show', 'p2pd.service', '-p', 'MainPID', '--value'))


class Footprint:
    """What the daemon's processes hold now, to be compared with later."""

    def __init__(self):
        main = main_pid()
        with open(f'/proc/{main}/task/{main}/children', encoding='ascii') as file:
            self.pids = [main, *sorted(int(n) for n in file.read().split())]
        self.descriptors = self.count_descriptors()
        self.resident_kib = self.count_resident()

    def count_descriptors(self):
        return [len(os.listdir(f'/proc/{pid}/fd')) for pid in self.pids]

    def count_resident(self):
        found = []
        for pid in self.pids:
            with open(f'/proc/{pid}/status', encoding='ascii') as file:
                found += [int(line.split()[1]) for line in file if line.startswith('VmRSS')]
        return found

    def check(self, report):
        """The same processes with no more descriptors, and not much more memory, than then."""
        pids = Footprint().pids
        if not report.check(pids == self.pids, f'p2pd was restarted: processes {self.pids}, now {pids}'):
            return
        wait_for('descriptors as before', 60, self.count_descriptors,
                 lambda now: all(n <= before for n, before in zip(now, self.descriptors)))
        resident = self.count_resident()
        report.check(all(now < before * 1.25 + 1024 for now, before in zip(resident, self.resident_kib)),
                     f'resident KiB: {self.resident_kib} before, {resident} now')
        report.note(f'descriptors {self.descriptors}, resident KiB {self.resident_kib}, then {resident}')


def wait_for(what, seconds, ask, wanted):
    """Asks until wanted(answer) is true; the answer. Nothing but the deadline is timed."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if wanted(answer):
            return answer
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {seconds} s; last: {str(answer)[:600]}')
        time.sleep(0.1)


def pairs(*options):
    """(provider, client) -> (distance, map), as p2pctl prints them."""
    found = {}
    for line in run('p2pctl', *options, 'pairs').splitlines():
        if not line.startswith('#'):
            provider, client, distance, kind, _ = line.split('\t')
            found[provider, client] = (distance, kind)
    return found


def explain(provider, client):
    with Calls() as calls:
        return calls.call('io.p2pd.Explain', {'provider': provider, 'client': client})['explanation']


def why(provider, client):
    result = run('p2pctl', 'why', provider, client, check=False)
    return result.stdout + result.stderr
