# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest asks the harness to do to its machine, by files in the directory they share."""

import json
import os
import time

import machines

# Nothing that is waited for here takes so long; it only ends a wait for what never comes.
LIMIT_SECONDS = 120


class Attendant:
    """Serves one guest until it ends."""

    def __init__(self, guest, seconds):
        self.guest, self.seconds = guest, seconds
        self.monitor, self.done = None, 0

    def serve(self):
        while self.guest.process.poll() is None and time.monotonic() - self.guest.started < self.seconds:
            request = self._next()
            if request is None:
                time.sleep(0.1)
                continue
            error = None
            try:
                self.monitor = self.monitor or self.guest.monitor()
                getattr(self, 'do_' + request['command'])(**request['arguments'])
            except (OSError, RuntimeError) as raised:
                error = f'{type(raised).__name__}: {raised}'
            path = f'{self.guest.share}/reply.{self.done}'
            with open(path + '.new', 'w', encoding='utf-8') as file:
                json.dump({'error': error}, file)
            os.rename(path + '.new', path)

    def _next(self):
        try:
            with open(f'{self.guest.share}/request', encoding='ascii') as file:
                request = json.load(file)
        except (OSError, ValueError):
            return None
        if request['n'] == self.done:
            return None
        self.done = request['n']
        return request

    def do_plug(self, name, bus):
        path = f'{self.guest.share}/{name}.disk'
        with open(path, 'wb') as file:
            file.write(machines.disk_content(name))
        self.monitor.run('blockdev-add', **{'driver': 'raw', 'node-name': name,
                                            'file': {'driver': 'file', 'filename': path}})
        self.monitor.run('device_add', **{'driver': 'nvme', 'id': name, 'bus': bus, 'serial': name, 'cmb_size_mb': 16,
                                          'legacy-cmb': False, 'drive': name})

    def do_unplug(self, name):
        """Presses the attention button: the guest lets go of the device when it likes to."""
        self.monitor.run('device_del', id=name)

    def do_forget(self, name):
        """Returns when the device is gone from the emulator, too, and its slot is free."""
        self.monitor.wait('DEVICE_DELETED', lambda data: data.get('device') == name, LIMIT_SECONDS)
        self.monitor.run('blockdev-del', **{'node-name': name})
