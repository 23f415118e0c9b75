# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random machines that the oracle plays: is every pair of each as the kernel says, also after ACS changed."""

import glob
import json
import os
import random
import time

import compare
import kernel
import product


def follow(report, what, addresses):
    """p2pd must come to know by itself what udev announced."""
    product.run('udevadm', 'settle', '--timeout=300', timeout=320)
    try:
        product.wait_for(f'{what}: the functions', 180, product.functions, lambda seen: seen == addresses)
    except AssertionError as error:
        report.fail(str(error))
        product.rescan()


def change_acs(seed, addresses):
    """New control bits for some ports and functions. How many."""
    dice = random.Random(seed)
    with_acs = [a for a in addresses if kernel.acs(a)]
    chosen = [a for a in with_acs if dice.randrange(3) == 0]
    for address in chosen:
        capability = kernel.acs(address)[1]
        kernel.set_acs(address, dice.choice((0, 0, 0x1d, 0x04, 0x08, 0x20, 0x51)) & capability)
    return len(chosen)


def play_one(report, path, before):
    begun = time.monotonic()
    with open(path + '.json', encoding='utf-8') as file:
        expected = json.load(file)
    with open(path, 'rb') as file:
        kernel.play(file.read())
    what = f'machine {expected["seed"]}'
    now = sorted(before + expected['addresses'])
    if kernel.functions() != now:
        found = set(kernel.functions())
        report.fail(f'{what}: the kernel enumerated other functions than were described: missing '
                    f'{sorted(set(now) - found)[:8]}, more {sorted(found - set(now))[:8]}')
        return
    follow(report, what, now)
    good = compare.compare(report, what, expected['hidden'])
    changed = change_acs(expected['seed'], expected['addresses'])
    if changed:
        product.rescan()
        good = compare.compare(report, f'{what}, ACS of {changed} changed', expected['hidden']) and good
    report.note(f'{what}: {len(expected["addresses"])} functions, ACS of {changed} changed, '
                f'{time.monotonic() - begun:.1f} s')
    report.count('machines')
    if good:
        report.count('machines agreed')


def run(report, _):
    before = kernel.functions()
    for path in sorted(glob.glob('/t/machines/*.machine')):
        play_one(report, path, before)
    kernel.play(kernel.MAGIC)
    follow(report, 'all taken away', before)
    compare.compare(report, 'all taken away')
    with open('/sys/bus/pci/drivers_autoprobe', 'w', encoding='ascii') as file:
        file.write('1')
    report.check(os.path.exists('/run/p2pd/io.p2pd'), 'the socket is gone')
