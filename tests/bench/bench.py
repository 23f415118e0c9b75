#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures p2pd against what is there today, both in one run, and prints a table.

Targets are those that the project set itself; a target that is missed is marked, and with --strict
the exit status is 1. Times hang on the machine: compare ratios.
"""

import argparse
import datetime
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'python'))

import captured  # noqa: E402
import machines  # noqa: E402
import programs  # noqa: E402
import service  # noqa: E402

GPU, NIC = '0000:03:00.0', '0000:04:00.0'
CALL = f'{{"method":"io.p2pd.GetDistance","parameters":{{"provider":"{GPU}","client":"{NIC}"}}}}'


class Table:
    def __init__(self):
        self.missed = 0

    def line(self, what, value, target='', met=None):
        mark = '' if met is None else ('ok' if met else 'MISSED')
        self.missed += met is False
        print(f'{what:58} {value:>14} {target:>12} {mark}', flush=True)

    def note(self, text):
        print(f'  {text}', flush=True)


def ready_msec(root):
    """From exec to READY, every pair decided."""
    daemon = service.Daemon('--root', root, '--recheck-msec', '0')
    try:
        environment = dict(os.environ, NOTIFY_SOCKET=daemon.notify.path)
        start = time.monotonic()
        daemon.process = subprocess.Popen(daemon.command(), env=environment, stdin=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
        if daemon.notify.wait_for('READY=1', 60) is None:
            raise AssertionError('p2pd did not become READY')
        return (time.monotonic() - start) * 1e3
    finally:
        daemon.process.terminate()
        daemon.process.wait()
        daemon.clean()


def lstopo_msec(program, root):
    start = time.monotonic()
    subprocess.run([program, '--if', 'fsroot', '--input', root, '--whole-io', '--of', 'xml'],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.monotonic() - start) * 1e3


def bench_start(table, directory, rounds):
    root = f'{directory}/big'
    os.mkdir(root)
    machine = machines.server()
    captured.write(machine, root)
    count = len(machine.functions)
    lstopo = shutil.which('lstopo-no-graphics') or shutil.which('lstopo')
    ours, theirs = [], []
    for n in range(rounds + 1):  # the first round warms the caches
        mine = ready_msec(root)
        other = lstopo_msec(lstopo, root) if lstopo else None
        if n > 0:
            ours.append(mine)
            theirs.append(other)
    table.line(f'p2pd, exec to READY, {count} functions, ms (median)', f'{statistics.median(ours):.1f}')
    if lstopo:
        ratio = statistics.median(ours) / statistics.median(theirs)
        table.line('lstopo, load and print the same, ms (median)', f'{statistics.median(theirs):.1f}')
        table.line('ratio', f'{ratio:.2f}', '<= 0.50', ratio <= 0.5)
    else:
        table.note('lstopo is not installed (package hwloc-nox): no comparison')
    return root, count


def bench_deciding(table, builddir, root, count):
    out = numbers([f'{builddir}/tests/bench/decide-all', root])
    table.line(f'reading {count} functions, ms (median)', f'{out["read_msec"]:.1f}')
    table.line(f'deciding {count ** 2 / 1e6:.1f} million ordered pairs, ms (median)',
               f'{out["decide_msec"]:.2f}')
    table.line('classes that share a row', f'{out["classes"]:.0f}')


def bench_place(table, builddir, root, count):
    """Exact placement beside a plain search over all choices of GPUs."""
    wishes = ((root, f'{count} functions', 4, 16, 1, 2, 10), (root, f'{count} functions', 8, 16, 1, 2, 10),
              ('made:64', '64 equal GPUs', 8, 64, 1, 0, 1000), ('made:64:1', '64 unequal GPUs', 8, 64, 1, 0, 1000),
              ('made:64:1', '64 unequal GPUs', 8, 64, 1, 2, 1000))
    for machine, what, gpus, of, nics, nvmes, target in wishes:
        run = subprocess.run([f'{builddir}/tests/bench/place-bench', machine, str(gpus), str(nics), str(nvmes)],
                             stdout=subprocess.PIPE, text=True, check=True)
        out = dict(line.split(' ', 1) for line in run.stdout.splitlines())
        msec = float(out['place_msec'])
        table.line(f'place {gpus} of {of} GPUs, {nics} NIC, {nvmes} NVMe each, {what}, ms', f'{msec:.2f}',
                   f'<= {target}', out['exact'] == '1' and msec <= target)
        table.line('  the plain search' + ('' if out['plain_ended'] == '1' else ', worked out'),
                   f'{float(out["plain_msec"]):,.0f}')


def bench_hot_add(table, args, root):
    """From what a uevent names to the published table, settle timer apart."""
    out = numbers([f'{args.builddir}/tests/bench/hot-add', root, hot_nvme(root)])
    table.line(f'hot-add and -remove to table, {out["functions"]:.0f} functions, ms (median)', f'{out["all_msec"]:.2f}', '< 10',
               out['all_msec'] < 10)
    table.line('  the least and the worst', f'{out["least_msec"]:.2f} {out["worst_msec"]:.2f}')
    table.line('  of that reading and deciding, then ids and table', f'{out["read_msec"]:.2f} {out["publish_msec"]:.2f}')
    program, wrapper = f'{args.builddir}/tests/bench/uevent-bench', shutil.which('umockdev-wrapper')
    if not wrapper or not os.path.exists(program):
        table.note('the whole daemon with its events: not built, umockdev is not installed')
        return
    run = subprocess.run([wrapper, program, f'{HERE}/make-machine.py', str(args.rounds)], stdout=subprocess.PIPE,
                         env=dict(os.environ, P2PD=programs.P2PD), stderr=subprocess.DEVNULL, text=True, check=True)
    out = {name: float(value) for name, value in (line.split() for line in run.stdout.splitlines())}
    for action in ('remove', 'add'):
        table.line(f'  by uevent ({action}) to the daemon, as slow as umockdev', f'{out[f"{action}_msec"]:.2f}')
    table.line('  there, reading everything instead (Rescan)', f'{out["rescan_msec"]:,.0f}')


def hot_nvme(root):
    """The last NVMe in address order."""
    devices = f'{root}/sys/bus/pci/devices'
    found = []
    for name in os.listdir(devices):
        with open(f'{devices}/{name}/class', encoding='ascii') as file:
            if file.read().strip() == '0x010802':
                found.append(name)
    return max(found)


def bench_memory(table, directory):
    root = f'{directory}/middle'
    os.mkdir(root)
    machine = machines.server(gpus=8, nics=8, vfs=22, nvmes=16, host_bridges=4)
    captured.write(machine, root)
    with service.Daemon('--root', root) as daemon:
        daemon.call('io.p2pd.ListFunctions')
        with open(f'/proc/{daemon.process.pid}/status', encoding='ascii') as file:
            kib = next(int(line.split()[1]) for line in file if line.startswith('VmRSS:'))
    table.line(f'resident memory, {len(machine.functions)} functions, MiB', f'{kib / 1024:.1f}', '< 8',
               kib < 8192)


def numbers(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {name: float(value) for name, value in
            (line.split() for line in result.stdout.splitlines())}


class Peer:
    """The server on sd-varlink, if this libsystemd has it."""

    def __init__(self, command, directory):
        self.command = command
        self.socket_path = f'{directory}/peer'
        self.process = None

    def start(self):
        if not os.path.exists(self.command[0]):
            return False
        self.process = subprocess.Popen([*self.command, self.socket_path])
        end = time.monotonic() + 10
        while not os.path.exists(self.socket_path):
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError('sd-varlink-peer did not start')
            time.sleep(0.01)
        return True

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


STRUCTURES = ('table', 'tree', 'judy', 'hash')
SEARCHES = ('sorted', 'breadth-first')  # of the binary search, two orders
MODES = {'hit': 'addresses in a BAR', 'miss': 'addresses in no BAR',
         'repeated': 'the same few addresses in BARs, again and again',
         'hit_latency': 'addresses in a BAR, each after the answer before',
         'miss_latency': 'addresses in no BAR, each after the answer before'}


def cpu_model():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        return next((line.split(':', 1)[1].strip() for line in file if line.startswith('model name')), 'unknown')


def summary(size, mode):
    """Nanoseconds of one lookup by structure. Of the binary searches the better one: without any jump, and with one at
    the end that guesses whether the address is in a BAR."""
    times = {s['name']: s[mode] for s in size['structures']}
    return {**{name: times[name] for name in STRUCTURES},
            'search': min(times[name] for name in SEARCHES),
            'guess': min(times[name + '-guess'] for name in SEARCHES)}


def print_lookups(result):
    for mode, text in MODES.items():
        print(f'\n{text}, ns (medians of {result["rounds"]} rounds)')
        print(f'{"":16} {"binary search":>17} {"interval":>9} {"":>7} {"":>7} {"search":>8} {"tree":>7}\n'
              f'{"BARs":>6} {"table":>9} {"no jump":>8} {"guesses":>8} {"tree":>9} {"Judy":>7} {"hash":>7} {"/table":>8}'
              f' {"/table":>7}')
        for size in result['sizes']:
            t = summary(size, mode)
            print(f'{size["bars"]:6} {t["table"]:9.2f} {t["search"]:8.2f} {t["guess"]:8.2f} {t["tree"]:9.2f}'
                  f' {t["judy"]:7.1f} {t["hash"]:7.1f} {t["search"] / t["table"]:8.2f} {t["tree"] / t["table"]:7.2f}')
    searches = [s for size in result['sizes'] for s in size['structures'] if s['name'] in SEARCHES]
    slower = statistics.median(s['hit'] / s['hit_least'] for s in searches)
    if slower > 1.15:
        print(f'  Something else ran here: a median is {slower:.1f} times the least. That changes ratios, too.')
    print('', flush=True)


def judge_lookups(table, result):
    """Judged by the least times, which other work on the machine does not change."""

    def ratio(text, of, by, pair, target='', is_met=None):
        least, median = (pair('_least')[of] / pair('_least')[by], pair('')[of] / pair('')[by])
        table.line(text, f'{least:.2f} ({median:.2f})', target, is_met(least) if is_met else None)
        return least

    sizes = {size['bars']: size for size in result['sizes']}
    table.note('ratios of the least times (of the medians)')
    for bars, factor in ((24, 5), (4096, 10)):
        ratio(f'interval tree to table, {bars} BARs', 'tree', 'table', lambda which: summary(sizes[bars], 'hit' + which),
              f'>= {factor:.2f}', lambda least: least >= factor)
    for mode in ('hit', 'miss', 'hit_latency', 'miss_latency'):
        times = {bars: summary(size, mode + '_least') for bars, size in sizes.items()}
        bars = min(times, key=lambda n: times[n]['search'] / times[n]['table'])
        ratio(f'binary search to table, {mode.replace("_", " ")}, worst size ({bars} BARs)', 'search', 'table',
              lambda which: summary(sizes[bars], mode + which), '> 1.00', lambda least: least > 1)
    pair, publish = result['pair'], result['publish']
    ratio('pair to two loads of arrays', 'table', 'array',
          lambda which: {n: pair[n + which] for n in ('table', 'array')})
    ratio('  the check of a generation alone, to two loads', 'checked', 'array',
          lambda which: {n: pair[n + which] for n in ('checked', 'array')})
    ratio('pairs of one client, 64 at once, to two loads', 'table', 'array',
          lambda which: {n: pair[f'{n}_many{which}'] for n in ('table', 'array')}, '<= 1.50', lambda least: least <= 1.5)
    ratio('pair to two loads, each after the answer before', 'table', 'array',
          lambda which: {n: pair[f'{n}_latency{which}'] for n in ('table', 'array')}, '<= 1.50', lambda least: least <= 1.5)
    table.line(f'table, {pair["bars"]} BARs, {pair["functions"]} functions, bytes', f'{pair["table_bytes"]:,}',
               '< 65,536', pair['table_bytes'] < 65536)
    whole = publish['decide_msec'] + publish['publish_msec']
    table.line(f'generation, {publish["bars"]:,} BARs, {publish["functions"]:,} functions, ms (median)',
               f'{whole:.2f}', '< 5', whole < 5)
    table.line('  deciding', f'{publish["decide_msec"]:.2f}')
    table.line('  the table', f'{publish["publish_msec"]:.2f}')
    table.line('  the first table', f'{publish["first_msec"]:.2f}')


def bench_lookups(table, builddir):
    program = f'{builddir}/tests/bench/lookup'
    if not os.path.exists(program):
        table.note('lookups: not built, libjudy-dev or libbsd-dev is not installed')
        return
    run = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True)
    result = {'cpu': cpu_model(), 'date': datetime.date.today().isoformat(), **json.loads(run.stdout)}
    with open(f'{program}.json', 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)
    print_lookups(result)
    judge_lookups(table, result)
    table.note(f'all of it in {program}.json, for docs/draw-lookups.py')


def bench_calls(table, args, directory):
    load = f'{args.builddir}/tests/bench/load'
    rounds, seconds = args.rounds, args.seconds
    root = f'{directory}/small'
    os.mkdir(root)
    captured.write(machines.small(), root)
    peer = Peer(shlex.split(args.peer) if args.peer else [f'{args.builddir}/tests/bench/sd-varlink-peer'],
                directory)
    with service.Daemon('--root', root, '--recheck-msec', '0') as daemon:
        try:
            has_peer = peer.start()
            for how, count, name, factor in (('one', 1, 'one by one', 1.0),
                                             ('pipelined', 128, 'pipelined, 128 in flight', 2.0)):
                rate = {daemon.socket_path: [], peer.socket_path: []}
                for _ in range(rounds):
                    for path in (daemon.socket_path, *([peer.socket_path] if has_peer else [])):
                        out = numbers([load, path, CALL, how, str(count), str(seconds)])
                        rate[path].append(out['calls_per_second'])
                ours = statistics.median(rate[daemon.socket_path])
                table.line(f'p2pd GetDistance, {name}, calls/s (median)', f'{ours:,.0f}')
                if has_peer:
                    theirs = statistics.median(rate[peer.socket_path])
                    table.line(f'sd-varlink constant, {name}, calls/s (median)', f'{theirs:,.0f}')
                    table.line('ratio', f'{ours / theirs:.2f}', f'>= {factor:.2f}', ours / theirs >= factor)
            if not has_peer:
                table.note('this libsystemd is older than 257 and has no sd-varlink: nothing to compare with')
            out = numbers([load, daemon.socket_path, CALL, 'busy', '64', str(seconds * 3)])
            table.line('64 busy clients, calls/s', f'{out["calls_per_second"]:,.0f}')
            table.line('64 busy clients, median latency, ms', f'{out["p50_usec"] / 1e3:.3f}')
            table.line('64 busy clients, p99 latency, ms', f'{out["p99_usec"] / 1e3:.3f}', '< 1',
                       out['p99_usec'] < 1000)
        finally:
            peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--builddir', required=True, help='a release build without sanitizers')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--seconds', type=float, default=1.0, help='length of one load run')
    parser.add_argument('--peer', metavar='COMMAND', help='starts sd-varlink-peer where this build has none: '
                        'from a newer Debian, through its own ld.so; the socket path is appended')
    parser.add_argument('--only-lookups', action='store_true', help='the shared table, and nothing else')
    parser.add_argument('--strict', action='store_true', help='exit status 1 when a target is missed')
    args = parser.parse_args()
    args.builddir = os.path.abspath(args.builddir)
    programs.P2PD = f'{args.builddir}/daemon/p2pd'
    table = Table()
    print(f'{"":58} {"measured":>14} {"target":>12}')
    bench_lookups(table, args.builddir)
    if args.only_lookups:
        return 1 if args.strict and table.missed else 0
    with tempfile.TemporaryDirectory(prefix='p2pd-bench-', dir=programs.SCRATCH) as directory:
        root, count = bench_start(table, directory, args.rounds)
        bench_deciding(table, args.builddir, root, count)
        bench_place(table, args.builddir, root, count)
        bench_hot_add(table, args, root)
        bench_memory(table, directory)
        bench_calls(table, args, directory)
    return 1 if args.strict and table.missed else 0


if __name__ == '__main__':
    sys.exit(main())
