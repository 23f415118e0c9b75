# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the real programs. Their places come from the environment: P2PD and P2PCTL."""

import os
import subprocess

P2PD = os.environ.get('P2PD', '')
P2PCTL = os.environ.get('P2PCTL', '')
# Sanitizers and valgrind make everything slower; the patience of all tests grows with them.
PATIENCE = float(os.environ.get('P2PD_TEST_PATIENCE', '1'))


# Machines of thousands of small files are written to memory where that is possible.
SCRATCH = '/dev/shm' if os.access('/dev/shm', os.W_OK | os.X_OK) else None


def nobody_can_run():
    """Are we root, and do the programs lie where another user may run them from?"""
    def is_open(path):
        while path != '/':
            if not os.stat(path).st_mode & 0o001:
                return False
            path = os.path.dirname(path)
        return True
    return os.geteuid() == 0 and all(is_open(os.path.abspath(p)) for p in (P2PD, P2PCTL) if p)


class Crash(AssertionError):
    pass


def check_alive(result):
    """A signal or a sanitizer's report is never an acceptable answer."""
    said = result.stderr if isinstance(result.stderr, str) else result.stderr.decode('latin-1')
    if result.returncode < 0 or 'Sanitizer' in said or 'runtime error:' in said:
        raise Crash(f'{result.args}: status {result.returncode}\n{said[-6000:]}')
    return result


def p2pctl(*args, timeout=30, **how):
    """Runs p2pctl to its end; text in and out."""
    how.setdefault('env', dict(os.environ, P2PD=P2PD, LC_ALL='C.UTF-8'))
    return check_alive(subprocess.run([P2PCTL, *args], stdin=subprocess.DEVNULL, capture_output=True,
                                      text=True, errors='surrogateescape',
                                      timeout=timeout * PATIENCE, check=False, **how))


def pairs(*source, rules=None):
    """`p2pctl SOURCE pairs` as {(provider, client): (distance, map, path)}."""
    extra = ('--rules', rules) if rules else ()
    result = p2pctl(*source, 'pairs', *extra)
    if result.returncode != 0:
        raise AssertionError(f'p2pctl {source} pairs: {result.returncode} {result.stderr}')
    lines = result.stdout.splitlines()
    if not lines or lines[0] != '#provider\tclient\tdistance\tmap\tpath':
        raise AssertionError(f'header line: {lines[:1]}')
    found = {}
    for line in lines[1:]:
        provider, client, distance, kind, path = line.split('\t')
        if (provider, client) in found:
            raise AssertionError(f'{provider} {client} twice')
        found[provider, client] = (int(distance) if distance.isdigit() else distance, kind, path)
    return found
