# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NVMe that comes and goes, and a storm of functions, while clients ask."""

import glob
import threading

import compare
import kernel
import outside
import product

ROUNDS = 2
STORM = 10


class Asking:
    """A client that asks on and on; every answer must be a whole one, and never of an older generation."""

    def __init__(self):
        self.answers, self.error = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        generation = 0
        try:
            with product.Calls() as calls:
                while not self.stopping.is_set():
                    reply = calls.call('io.p2pd.GetMatrix')
                    if reply['generation'] < generation:
                        raise AssertionError(f'generation {reply["generation"]} after {generation}')
                    if any(len(row['cells']) != len(reply['clients']) for row in reply['rows']):
                        raise AssertionError('a row that is not as long as the list of clients')
                    generation = reply['generation']
                    self.answers += 1
                    self.stopping.wait(0.2)
        except Exception as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def p2pmem_of(address):
    with product.Calls() as calls:
        try:
            return calls.call('io.p2pd.ListFunctions', {'functions': [address]})['functions'][0].get('p2pmem')
        except RuntimeError:
            return None


def plug_and_unplug(report, harness, n):
    before, generation = kernel.functions(), product.status()['generation']
    harness.ask('plug', name=f'hot{n}', bus='hp0')
    product.wait_for('the function in the kernel', 60, kernel.functions, lambda seen: len(seen) == len(before) + 1)
    new, = set(kernel.functions()) - set(before)
    product.wait_for('the function in p2pd', 60, product.functions, lambda seen: seen == kernel.functions())
    product.wait_for('p2pmem', 60, lambda: kernel.attribute(new, 'p2pmem/size'), lambda size: size is not None)
    memory = product.wait_for('p2pmem in p2pd', 30, lambda: p2pmem_of(new), lambda seen: seen is not None)
    report.check(memory['size_bytes'] == int(kernel.attribute(new, 'p2pmem/size')), f'p2pmem: {memory}')
    report.check(product.status()['generation'] > generation, 'no new generation')
    compare.compare(report, f'plugged in {new}')
    harness.ask('unplug', name=f'hot{n}')
    product.wait_for('the function to go', 60, product.functions, lambda seen: seen == before)
    compare.compare(report, f'without {new}')
    report.note(f'{new} came and went')


def resident_kib():
    pid = product.run('systemctl', 'show', 'p2pd.service', '-p', 'MainPID', '--value').strip()
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))


def storm(report):
    """Whole machines come and go faster than p2pd can look."""
    descriptions = []
    for path in sorted(glob.glob('/t/machines/*.machine'))[:4]:
        with open(path, 'rb') as file:
            descriptions.append(file.read())
    before = kernel.functions()
    resident = []
    for n in range(STORM):
        kernel.play(descriptions[n % len(descriptions)])
        there = len(kernel.functions())
        kernel.play(kernel.MAGIC)
        report.count('functions of the storm', there - len(before))
        report.note(f'storm {n}: {there - len(before)} functions')
        if n in (STORM // 2, STORM - 1):
            product.wait_for('the storm to settle', 60, product.functions, lambda seen: seen == before)
            resident.append(resident_kib())
    report.check(resident[1] < resident[0] * 1.25 + 512, f'resident KiB over the storm: {resident}')
    report.note(f'resident KiB half way and at the end: {resident}')
    compare.compare(report, 'after the storm')


def run(report, _):
    harness = outside.Outside()
    with Asking() as asking:
        for n in range(ROUNDS):
            plug_and_unplug(report, harness, n)
        storm(report)
    report.check(asking.error is None, f'a client that asks all the time: {asking.error!r}')
    report.check(asking.answers > 10, f'only {asking.answers} answers')
    report.count('answers during hotplug', asking.answers)
