# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NVMe that comes and goes, by the attention button and by surprise, while clients ask."""

import threading

import compare
import kernel
import outside
import product
import transfer

ROUNDS = 2
SURPRISES = 3
PORT = '0000:00:05.0'       # hp0, see machines.py
# Answers of each client that must have come before the device is pulled out, and again after p2pd knows.
ENOUGH = 20
GONE = 'io.p2pd.FunctionNotFound'


class Asking:
    """A client that asks on and on, until it is told to stop; what it saw wrong is kept in error."""

    def __init__(self):
        self.answers, self.error = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            with product.Calls(timeout=120) as calls:
                while not self.stopping.is_set():
                    self.ask(calls)
                    self.answers += 1
        except Exception as error:
            self.error = error

    def ask(self, calls):
        """One question; raises if the answer is not as it must be."""
        raise NotImplementedError

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


class AskingMatrix(Asking):
    """Every answer must be a whole one, and never of an older generation."""

    def __init__(self):
        super().__init__()
        self.generation = 0

    def ask(self, calls):
        reply = calls.call('io.p2pd.GetMatrix')
        if reply['generation'] < self.generation:
            raise AssertionError(f'generation {reply["generation"]} after {self.generation}')
        if any(len(row['cells']) != len(reply['clients']) for row in reply['rows']):
            raise AssertionError('a row that is not as long as the list of clients')
        self.generation = reply['generation']
        self.stopping.wait(0.2)


class AskingMap(Asking):
    """How a client reaches a range that covers the BAR, without pause. Answers of one generation are one answer, shared
    by all who ask the same."""

    def __init__(self, client, start, length, seen):
        super().__init__()
        self.parameters = {'client': client, 'address': hex(start), 'length_bytes': hex(length)}
        self.start, self.length = start, length
        self.seen = seen            # generation -> segments
        self.generation, self.gone = 0, 0

    def ask(self, calls):
        try:
            reply = calls.call('io.p2pd.Map', self.parameters)
        except product.Refused as refused:
            if refused.name != GONE:
                raise
            self.gone += 1
            return
        if reply['generation'] < self.generation:
            raise AssertionError(f'generation {reply["generation"]} after {self.generation}')
        self.generation = reply['generation']
        segments = self.seen.setdefault(self.generation, reply['segments'])
        if segments != reply['segments']:
            raise AssertionError(f'two answers in generation {self.generation}: {segments}, {reply["segments"]}')
        at = self.start
        for segment in segments:
            if int(segment['address'], 16) != at:
                raise AssertionError(f'a gap before {segment}')
            at += int(segment['length_bytes'], 16)
        if at != self.start + self.length:
            raise AssertionError(f'the answer ends at {at:#x}')


def list_one(method, name, address):
    """What p2pd lists of this function, now; empty if it does not know it."""
    with product.Calls() as calls:
        try:
            return calls.call(f'io.p2pd.{method}', {'functions': [address]})[name]
        except product.Refused:
            return []


def p2pmem_of(address):
    found = list_one('ListFunctions', 'functions', address)
    return found[0].get('p2pmem') if found else None


def plug(report, harness, name, before):
    """The address of the new function, known with its memory to kernel and p2pd."""
    generation = product.status()['generation']
    harness.ask('plug', name=name, bus='hp0')
    product.wait_for('the function in the kernel', 180, kernel.functions, lambda seen: len(seen) == len(before) + 1)
    new, = set(kernel.functions()) - set(before)
    product.wait_for('the function in p2pd', 180, product.functions, lambda seen: seen == kernel.functions())
    product.wait_for('p2pmem', 180, lambda: kernel.attribute(new, 'p2pmem/size'), lambda size: size not in (None, '0'))
    # Probing goes on after the memory is there; a device that is pulled in the middle of it is another test.
    product.wait_for('the disk', 180, transfer.disks, lambda disks: new in disks)
    # The kernel shows p2pmem before it has put memory into it: only what p2pd reads after the bind is the whole.
    size = int(kernel.attribute(new, 'p2pmem/size'))
    product.wait_for('p2pmem in p2pd', 180, lambda: p2pmem_of(new),
                     lambda seen: seen is not None and seen['size_bytes'] == size)
    report.check(size > 0, f'p2pmem of {new} is empty')
    report.check(product.status()['generation'] > generation, 'no new generation')
    report.count('plugged')
    return new


def by_button(report, harness, n, before):
    new = plug(report, harness, f'hot{n}', before)
    compare.compare(report, f'plugged in {new}')
    harness.ask('unplug', name=f'hot{n}')
    product.wait_for('the function to go', 180, product.functions, lambda seen: seen == before)
    harness.ask('forget', name=f'hot{n}')
    compare.compare(report, f'without {new}')
    report.note(f'{new} came and went')


def pull(port):
    """Off and on with the slot's power, behind the kernel's back: the emulator drops the device at once. The port's
    interrupt is off meanwhile, so that the kernel does not take this for its own doing. Emulated ports have an attention
    button and the kernel listens to that, not to presence: this is switched on, and so the port tells what happened."""
    off, on, tell = 'CAP_EXP+18.w=0700:0720', 'CAP_EXP+18.w=0100:0700', 'CAP_EXP+18.w=0028:0028'
    product.run('setpci', '-s', port, off, on, tell)


def slot_is_off(port):
    return int(product.run('setpci', '-s', port, 'CAP_EXP+18.w'), 16) & 0x0700 == 0x0700


def covering(bars):
    """The memory range (start, length) of the function's BARs and a page on each side."""
    there = [b['bar'] for b in bars if b['bar']['kind'] == 'memory' and b['bar']['assigned']]
    start = min(int(bar['phys_start'], 16) for bar in there)
    end = max(int(bar['phys_start'], 16) + int(bar['size_bytes'], 16) for bar in there)
    return start - 4096, end - start + 8192


def owners(segments):
    return {s['function'] for s in segments if s.get('function')}


def by_surprise(report, harness, n, before):
    new = plug(report, harness, f'pulled{n}', before)
    start, length = covering(list_one('ListBars', 'bars', new))
    client = min(transfer.disks().keys() - {new})
    shared = {}
    askings = [AskingMap(client, start, length, shared), AskingMap(client, start, length, shared),
               AskingMap(new, start, length, {})]
    for asking in askings:
        asking.__enter__()

    def wait_for_answers(what):
        floor = [asking.answers for asking in askings]
        product.wait_for(what, 120, lambda: [asking.answers - f for asking, f in zip(askings, floor)],
                         lambda more: min(more) >= ENOUGH or any(asking.error for asking in askings))

    try:
        wait_for_answers('answers before')
        pull(PORT)
        product.wait_for('the function to go', 180, product.functions, lambda seen: seen == before)
        wait_for_answers('answers after')
    finally:
        for asking in askings:
            asking.__exit__()
    product.wait_for('the kernel to switch the slot off', 180, lambda: slot_is_off(PORT), bool)
    product.run('setpci', '-s', PORT, 'CAP_EXP+18.w=0000:0008')
    harness.ask('forget', name=f'pulled{n}')
    for asking in askings:
        report.check(asking.error is None, f'Map for {asking.parameters["client"]}: {asking.error!r}')
        report.count('answers to Map during surprise removal', asking.answers)
    report.check(askings[2].gone > 0, 'Map for the function that is gone does not say that it is')
    report.check(askings[0].gone == askings[1].gone == 0, f'Map says that {client} is gone')
    first, last = shared[min(shared)], shared[max(shared)]
    report.check(new in owners(first), f'Map does not know the BARs of {new}: {first}')
    report.check(new not in owners(last), f'Map still knows the BARs of {new}: {last}')
    compare.compare(report, f'{new} pulled')
    report.note(f'{new} pulled during {[asking.answers for asking in askings]} answers of {len(shared)} generations')


def run(report, _):
    harness, before = outside.Outside(), kernel.functions()
    footprint = None
    with AskingMatrix() as asking:
        for n in range(ROUNDS):
            by_button(report, harness, n, before)
        for n in range(SURPRISES):
            by_surprise(report, harness, n, before)
            footprint = footprint or product.Footprint()
        footprint.check(report)
    report.check(asking.error is None, f'a client that asks all the time: {asking.error!r}')
    report.check(asking.answers > 10, f'only {asking.answers} answers')
    report.count('answers during hotplug', asking.answers)
    compare.compare(report, 'after all')
