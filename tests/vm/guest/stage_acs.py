# SPDX-License-Identifier: LGPL-2.1-or-later
"""ACS changed on the running machine, by setpci: p2pd follows the bits, the kernel's cache does not."""

import os

import compare
import kernel
import product
import stage_verify
import transfer

REDIRECT = 0x04 | 0x08 | 0x20


def redirecting_ports():
    return [a for a in kernel.functions() if (kernel.attribute(a, 'class') or '').startswith('0x0604')
            and (registers := kernel.acs(a)) and registers[2] & REDIRECT]


def held_in(pair):
    """p2pd's own note that the kernel may hold an older verdict: its text, or None."""
    return next((c['text'] for c in product.explain(*pair)['constraints'] if c['name'] == 'stale-kernel-cache'), None)


def alarms(pair):
    return [w['text'] for w in product.status()['status']['warnings']
            if w.get('address') == pair[0] and pair[1] in w['text'] and 'DISAGREES' in w['text']]


def bind_anew(pair):
    """The provider's driver, with enough time between for p2pd to see it go."""
    driver = os.path.realpath(f'{kernel.DEVICES}/{pair[0]}/driver')
    for what, bound in (('unbind', False), ('bind', True)):
        with open(f'{driver}/{what}', 'w', encoding='ascii') as file:
            file.write(pair[0])
        product.wait_for(f'{what} in p2pd', 180, lambda: driver_of(pair[0]), lambda name: (name is not None) == bound)
    product.wait_for('the disk', 180, transfer.disks, lambda disks: pair[0] in disks)
    product.run('udevadm', 'settle', '--timeout=120', timeout=140)


def driver_of(address):
    with product.Calls() as calls:
        return calls.call('io.p2pd.ListFunctions', {'functions': [address]})['functions'][0].get('driver')


def held_by_kernel(report, pair, disks):
    """p2pd follows the registers and says bus; the kernel was asked before and still refuses."""
    came = transfer.transfer(pair[0], disks[pair[1]], 8)
    report.check(came == 'refused', f'{pair}: the kernel forgot what it held, the transfer {came}')
    report.check('older verdict (none)' in (held_in(pair) or ''), f'{pair}: note {held_in(pair)!r}')
    shown = ' '.join(product.why(*pair).split())
    report.check('the kernel still holds the older verdict (none) until a driver is bound' in shown,
                 f'why does not say that the kernel may hold an older verdict: {shown}')
    report.count('cached pairs seen')

    said, status, _ = stage_verify.verify(*pair)
    kept = said.get('verification') or {}
    report.check(said['result'] == 'refused' and kept.get('agrees') is False and kept.get('alarming') is True and
                 status == 1, f'a contradiction: exit status {status}, {said}')
    loud = product.run('p2pctl', 'verify', *pair, check=False)
    report.check('WARNING' in loud.stderr and 'DISAGREES' in loud.stdout, f'verify does not warn: {loud}')
    report.check(len(alarms(pair)) == 1, f'GetStatus does not warn: {stage_verify.warnings()}')
    report.check('DISAGREES' in product.run('p2pctl', 'status'), 'p2pctl status does not warn')
    report.check('WARNING' in product.why(*pair), 'p2pctl why does not warn')

    bind_anew(pair)
    product.wait_for('the note to go', 180, lambda: held_in(pair), lambda text: text is None)
    said, status, complaint = stage_verify.verify(*pair)
    kept = said.get('verification') or {}
    report.check(said['result'] == 'arrived' and kept.get('agrees') is True and status == 0 and complaint == '',
                 f'after the driver was bound anew: exit status {status}, {complaint!r}, {said}')
    came = transfer.transfer(pair[0], transfer.disks()[pair[1]], 8)
    report.check(came == 'arrived', f'{pair}: after the driver was bound anew, the transfer {came}')
    report.check(not alarms(pair), f'GetStatus still warns: {alarms(pair)}')
    report.count('drivers bound anew')


def run(report, _):
    before, ports = product.pairs(), redirecting_ports()
    report.check(not os.path.exists(kernel.ORACLE), 'the oracle has asked the kernel before')
    report.check(len(ports) >= 2, f'ports that redirect: {ports}')
    disks = transfer.disks()
    refused = [p for p in transfer.possible(before) if before[p][1] == 'none']
    asked = refused[:1]
    for provider, client in asked:
        came = transfer.transfer(provider, disks[client], 7)
        report.check(came == 'refused', f'{provider} {client} is none, but the transfer {came}')
    with product.Calls() as monitor:
        monitor.send('io.p2pd.Monitor', more=True)
        monitor.receive()
        for port in ports:
            product.run('setpci', '-s', port, 'ECAP_ACS+6.w=0011')
        product.run('p2pctl', 'rescan')
        now, told = product.status()['generation'], [monitor.receive()]
        # The timer may have looked in the middle of it: then there is more than one generation.
        while told[-1]['generation'] < now:
            told.append(monitor.receive())
        changed = [c['function'] for t in told for c in t['changes'] if 'acs' in c['what']]
        report.check(sorted(changed) == ports, f'monitor tells of ACS changes at {changed}, not at {ports}')
        after = product.pairs()
        flipped, flips = sum(before[pair] != after[pair] for pair in before), sum(t['flips_total'] for t in told)
        report.check(flipped > 0 and (flips == flipped or flips > flipped and len(told) > 1),
                     f'{flipped} pairs flipped, monitor tells of {flips}')
    # These transfers come before the oracle: its question would renew what the kernel holds.
    for pair in asked:
        if report.check(after[pair][1] == 'bus', f'{pair}: no redirect is left, but it is {after[pair]}'):
            held_by_kernel(report, pair, disks)
    disks = transfer.disks()
    for pair in refused[1:]:
        if after[pair][1] == 'bus':
            came = transfer.transfer(pair[0], disks[pair[1]], 9)
            report.check(came == 'arrived', f'{pair}: not asked before and bus, but the transfer {came}')
            report.count('transfers')
    kernel.load_oracle()
    compare.compare(report, 'redirects cleared')
    for port in ports:
        product.run('setpci', '-s', port, 'ECAP_ACS+6.w=001d')
    product.run('p2pctl', 'rescan')
    compare.compare(report, 'redirects set again')
    report.check(product.pairs() == before, 'not the pairs from before')
