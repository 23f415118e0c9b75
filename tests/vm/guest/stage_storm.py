# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole machines come and go faster than p2pd can look: hundreds of functions added and removed."""

import glob

import compare
import kernel
import product

LEAST = 200


def uevents():
    return product.status()['status']['counters']['uevents']


def run(report, _):
    descriptions = []
    for path in sorted(glob.glob('/t/machines/*.machine')):
        with open(path, 'rb') as file:
            descriptions.append(file.read())
    before, footprint = kernel.functions(), None
    rounds = added = removed = 0
    events = uevents()
    while added < LEAST or removed < LEAST or rounds < 2 * len(descriptions):
        kernel.play(descriptions[rounds % len(descriptions)])
        there = len(kernel.functions())
        kernel.play(kernel.MAGIC)
        left = len(kernel.functions())
        added += there - len(before)
        removed += there - left
        rounds += 1
        # Each machine was seen once: from here on memory must not grow.
        if footprint is None and rounds >= len(descriptions):
            product.wait_for('the storm to settle', 180, product.functions, lambda seen: seen == before)
            footprint = product.Footprint()
    product.run('udevadm', 'settle', '--timeout=300', timeout=320)
    product.wait_for('the storm to settle', 180, product.functions, lambda seen: seen == before)
    product.wait_for('all events', 180, uevents, lambda n: n >= events + added + removed)
    report.check(added >= LEAST and removed == added, f'{added} functions added, {removed} removed')
    report.count('functions added in the storm', added)
    report.count('functions removed in the storm', removed)
    footprint.check(report)
    report.check(product.status()['status'].get('scan_error') is None, 'the last reading failed')
    compare.compare(report, 'after the storm')
    report.note(f'{added} functions came and {removed} went in {rounds} machines')
