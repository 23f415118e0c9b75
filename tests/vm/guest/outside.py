# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks the harness, outside the guest, to do something to this machine."""

import json
import os
import time


class Outside:
    def __init__(self):
        self.n = 0

    def ask(self, command, **arguments):
        """Returns when it is done; raises if it could not be."""
        self.n += 1
        with open('/t/request.new', 'w', encoding='ascii') as file:
            json.dump({'n': self.n, 'command': command, 'arguments': arguments}, file)
        os.rename('/t/request.new', '/t/request')
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                with open(f'/t/reply.{self.n}', encoding='utf-8') as file:
                    reply = json.load(file)
            except (OSError, ValueError):
                time.sleep(0.1)
                continue
            if reply['error']:
                raise RuntimeError(f'{command}: {reply["error"]}')
            return
        raise RuntimeError(f'{command}: the harness does not answer')
