# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes arrive where p2pd says they can, and the kernel refuses where p2pd says they cannot."""

import product
import transfer

WANTED = {'bus': 'arrived', 'host-bridge': 'arrived', 'none': 'refused'}


def run(report, _):
    said, disks = product.pairs(), transfer.disks()
    providers = transfer.providers()
    report.check(len(providers) >= 2 and len(disks) >= 2, f'providers {providers}, disks {disks}')
    seen, block = {}, 0
    for provider in providers:
        for client, disk in disks.items():
            kind = said[provider, client][1]
            block = (block + 1) % 250
            came = transfer.transfer(provider, disk, block)
            seen[kind, came] = seen.get((kind, came), 0) + 1
            if came != WANTED.get(kind):
                report.fail(f'{provider} {client}: p2pd says {kind}, the transfer {came}\n{product.why(provider, client)}')
            report.count('transfers')
    report.note(', '.join(f'{kind}: {n} {came}' for (kind, came), n in sorted(seen.items())))
