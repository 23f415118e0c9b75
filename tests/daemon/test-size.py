#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resident memory. Not registered in sanitizer builds, which multiply it."""

import fixture
import machines


class Size(fixture.RootTest):
    @staticmethod
    def build():
        return machines.server(gpus=8, nics=8, vfs=22, nvmes=16, host_bridges=4)

    def test_resident_memory_at_256_functions(self):
        with self.daemon() as daemon:
            status = daemon.status()
            self.assertGreaterEqual(status['functions'], 256)
            with daemon.client() as client:
                for _ in client.stream('io.p2pd.GetPairs'):
                    pass
                client.call('io.p2pd.ListFunctions')
            daemon.call('io.p2pd.Rescan')
            with open(f'/proc/{daemon.process.pid}/status', encoding='ascii') as file:
                kib = int(next(line for line in file if line.startswith('VmHWM:')).split()[1])
            self.assertLess(kib, 8192)


if __name__ == '__main__':
    fixture.main()
