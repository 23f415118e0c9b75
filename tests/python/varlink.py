# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Varlink client that can also misbehave: raw bytes, no reading, half messages."""

import json
import socket
import time

from programs import PATIENCE


class Error(Exception):
    """A Varlink error reply."""

    def __init__(self, name, parameters):
        super().__init__(f'{name} {parameters}')
        self.name, self.parameters = name, parameters


class Closed(Exception):
    """The other side closed the connection."""


def encode(method, parameters=None, **flags):
    call = {'method': method, **flags}
    if parameters is not None:
        call['parameters'] = parameters
    return json.dumps(call).encode() + b'\0'


class Client:
    def __init__(self, where, timeout=10):
        """where: the path of a socket, or a connected socket."""
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(where)
        else:
            self.socket = where
        self.timeout = timeout * PATIENCE
        self.pending = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def receive_raw(self, timeout=None):
        """The next message's bytes without the NUL. Closed when the peer is gone."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout * PATIENCE)
        while b'\0' not in self.pending:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError('no message')
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 18)
            except (ConnectionResetError, BrokenPipeError) as error:
                raise Closed(str(error)) from error
            if not data:
                raise Closed('end of stream')
            self.pending += data
        message, _, self.pending = self.pending.partition(b'\0')
        return message

    def receive(self, timeout=None):
        """The next message; refuses anything that a strict reader would refuse."""
        message = json.loads(self.receive_raw(timeout).decode('utf-8'))
        if not isinstance(message, dict) or set(message) - {'parameters', 'continues', 'error'}:
            raise AssertionError(f'not a Varlink reply: {message!r:.200}')
        if not isinstance(message.get('continues', False), bool):
            raise AssertionError(f'continues: {message!r:.200}')
        return message

    def reply(self, timeout=None):
        """The next reply's parameters; raises Error for an error reply."""
        message = self.receive(timeout)
        if 'error' in message:
            raise Error(message['error'], message.get('parameters'))
        return message.get('parameters', {})

    def call(self, method, parameters=None, **flags):
        self.send(encode(method, parameters, **flags))
        return self.reply()

    def stream(self, method, parameters=None):
        """A call with "more": yields the parameters of each reply."""
        self.send(encode(method, parameters, more=True))
        while True:
            message = self.receive()
            if 'error' in message:
                raise Error(message['error'], message.get('parameters'))
            yield message.get('parameters', {})
            if not message.get('continues', False):
                return

    def wait_closed(self, timeout=10):
        """Reads on until the peer closes; False if it does not within the time."""
        try:
            while True:
                self.receive_raw(timeout)
        except Closed:
            return True
        except TimeoutError:
            return False
