# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts the real daemon on a private socket in a private directory, and ends it properly."""

import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time

import programs
import varlink


class Notify:
    """A service manager's notification socket. It is read all the time: nobody must wait for us."""

    def __init__(self, directory):
        self.path = f'{directory}/notify'
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            message = self.socket.recv(8192)
            if message == b'END':
                return
            self.messages.put(message.decode().split('\n'))

    def receive(self, timeout):
        """The lines of the next message, None after timeout seconds without one."""
        try:
            return self.messages.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None

    def wait_for(self, line, timeout=20):
        """Reads until this line (or one that begins with it) comes; returns it, or None."""
        end = time.monotonic() + timeout * programs.PATIENCE
        while time.monotonic() < end:
            for got in self.receive(end - time.monotonic()) or ():
                if got.startswith(line):
                    return got
        return None

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b'END', self.path)
        self.reader.join()
        self.socket.close()


class Daemon:
    """The daemon as a context: started and READY inside, ended with exit status 0 outside."""

    def __init__(self, *options, socket_path=None, expect=0, environment=None, launcher=(), fds=()):
        self.options, self.expect, self.launcher, self.fds = options, expect, launcher, fds
        self.holder = tempfile.TemporaryDirectory(prefix='p2pd-test-')
        self.directory = self.holder.name
        os.chmod(self.directory, 0o755)
        self.socket_path = socket_path or f'{self.directory}/socket'
        self.notify = Notify(self.directory)
        os.chmod(self.notify.path, 0o777)
        self.environment = environment or {}
        self.process = None

    def command(self):
        return [*self.launcher, programs.P2PD, '--socket', self.socket_path, *self.options]

    def start(self):
        if self.process:
            # What the one before said must not be taken for this one's word.
            self.notify.close()
            os.unlink(self.notify.path)
            self.notify = Notify(self.directory)
            os.chmod(self.notify.path, 0o777)
        environment = dict(os.environ, NOTIFY_SOCKET=self.notify.path, **self.environment)
        self.log_path = f'{self.directory}/log'
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, pass_fds=self.fds)
        end = time.monotonic() + 30 * programs.PATIENCE
        while self.notify.wait_for('READY=1', 0.2) is None:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'no READY; status {self.process.poll()}:\n{self.log()}')
        return self

    def log(self):
        with open(self.log_path, encoding='latin-1') as log:
            return log.read()

    def stop(self):
        """SIGTERM, and the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20 * programs.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f'did not end after SIGTERM:\n{self.log()[-3000:]}') from None
        return status

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.clean()
            raise

    def __exit__(self, kind, *_):
        try:
            status = self.stop()
            said = self.log()
            if kind is None:
                if status != self.expect or 'Sanitizer' in said or 'runtime error:' in said:
                    raise AssertionError(f'exit status {status}, log:\n{said[-6000:]}')
            elif said:
                print(f'log of the daemon:\n{said[-6000:]}')
        finally:
            self.clean()

    def clean(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.notify.close()
        self.holder.cleanup()

    def client(self, timeout=10, uid=None):
        """A connection; as another user where we are root (the peer credentials are the effective ones)."""
        if uid is None or os.geteuid() != 0:
            return varlink.Client(self.socket_path, timeout)
        os.seteuid(uid)
        try:
            return varlink.Client(self.socket_path, timeout)
        finally:
            os.seteuid(0)

    def call(self, method, parameters=None):
        with self.client() as client:
            return client.call(method, parameters)

    def status(self):
        return self.call('io.p2pd.GetStatus')['status']

    def wait_until(self, what, condition, timeout=15):
        """Asks again until the condition holds; the test fails when it never does."""
        end = time.monotonic() + timeout * programs.PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f'not within {timeout} s: {what}')
            time.sleep(0.01)
