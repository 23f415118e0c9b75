# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon's tests share: a small captured machine and a daemon that serves it."""

import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'python'))

import captured  # noqa: E402
import idl  # noqa: E402
import machines  # noqa: E402
import programs  # noqa: E402
import service  # noqa: E402
import varlink  # noqa: E402

INTERFACE_FILE = os.path.join(HERE, '..', '..', 'include', 'p2pd', 'io.p2pd.varlink')

# Functions of machines.small().
GPU, NIC, NVME, FAR_GPU, SWITCH_PORT = ('0000:03:00.0', '0000:04:00.0', '0000:05:00.0',
                                        '0000:81:00.0', '0000:02:00.0')
NO_TIMER = ('--recheck-msec', '0')


def interface():
    with open(INTERFACE_FILE, encoding='utf-8') as file:
        return idl.Interface(file.read())


def write_root(machine):
    """A captured root in a temporary directory; returns (holder, path)."""
    holder = tempfile.TemporaryDirectory(prefix='p2pd-root-', dir=programs.SCRATCH)
    os.chmod(holder.name, 0o755)
    captured.write(machine, holder.name)
    return holder, holder.name


class RootTest(unittest.TestCase):
    """Each class has its own machine; each test its own daemon, unless it shares one."""
    options = NO_TIMER
    build = staticmethod(machines.small)

    @classmethod
    def setUpClass(cls):
        cls.holder, cls.root = write_root(cls.build())
        cls.addClassCleanup(cls.holder.cleanup)

    def daemon(self, *options, **how):
        return service.Daemon('--root', self.root, *self.options, *options, **how)

    def error_of(self, client, method, parameters=None):
        """The error reply of a call that must not succeed."""
        with self.assertRaises(varlink.Error, msg=f'{method} {parameters!r:.200}') as caught:
            client.call(method, parameters)
        return caught.exception


class SharedDaemonTest(RootTest):
    """One daemon for all tests of the class, for those that leave it as it was."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = service.Daemon('--root', cls.root, *cls.options)
        cls.shared.__enter__()
        cls.addClassCleanup(lambda: cls.shared.__exit__(None, None, None))

    def setUp(self):
        self.client = self.shared.client()
        self.addCleanup(self.client.close)

    def assert_serving(self):
        """The daemon still answers, on a connection of its own."""
        verdict = self.shared.call('io.p2pd.GetDistance', {'provider': GPU, 'client': NIC})
        self.assertEqual((verdict['distance_hops'], verdict['map']), (4, 'bus'))


def is_sanitized():
    with open(programs.P2PD, 'rb') as file:
        return b'__asan_init' in file.read()


def main():
    unittest.main(verbosity=2)
