# SPDX-License-Identifier: LGPL-2.1-or-later
"""ACS changed on the running machine, by setpci: p2pd follows the bits, the kernel's cache does not."""

import os

import compare
import kernel
import product
import transfer

REDIRECT = 0x04 | 0x08 | 0x20


def redirecting_ports():
    return [a for a in kernel.functions() if (kernel.attribute(a, 'class') or '').startswith('0x0604')
            and (registers := kernel.acs(a)) and registers[2] & REDIRECT]


def transferable(pairs, disks):
    providers = transfer.providers()
    return [pair for pair in pairs if pair[0] in providers and pair[1] in disks and pair[0] != pair[1]]


def run(report, _):
    before, ports = product.pairs(), redirecting_ports()
    report.check(not os.path.exists(kernel.ORACLE), 'the oracle has asked the kernel before')
    report.check(len(ports) >= 2, f'ports that redirect: {ports}')
    disks = transfer.disks()
    refused = [p for p in transferable(before, disks) if before[p][1] == 'none']
    asked = refused[:1]
    for provider, client in asked:
        came = transfer.transfer(provider, disks[client], 7)
        report.check(came == 'refused', f'{provider} {client} is none, but the transfer {came}')
    with product.Calls(timeout=60) as monitor:
        monitor.send('io.p2pd.Monitor', more=True)
        monitor.receive()
        for port in ports:
            product.run('setpci', '-s', port, 'ECAP_ACS+6.w=0011')
        product.run('p2pctl', 'rescan')
        told = monitor.receive()
        changed = [c['function'] for c in told['changes'] if 'acs' in c['what']]
        report.check(sorted(changed) == ports, f'monitor tells of ACS changes at {changed}, not at {ports}')
        after = product.pairs()
        flipped = sum(before[pair] != after[pair] for pair in before)
        report.check(flipped > 0 and told['flips_total'] == flipped, f'{flipped} pairs flipped, monitor tells of '
                     f'{told["flips_total"]}')
    # These transfers come before the oracle: its question would renew what the kernel holds.
    for provider, client in asked:
        if after[provider, client][1] == 'bus':
            came = transfer.transfer(provider, disks[client], 8)
            report.check(came == 'refused', f'{provider} {client}: the kernel forgot what it held, the transfer {came}')
            report.note(f'{provider} {client}: p2pd says bus, the kernel still holds none')
            report.count('cached pairs seen')
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
