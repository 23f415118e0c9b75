# SPDX-License-Identifier: LGPL-2.1-or-later
"""Booted with the parameters of an ACS plan (stage plan): is everything as it promised?"""

import json

import compare
import kernel
import product

BITS = {'SV': 0x01, 'TB': 0x02, 'RR': 0x04, 'CR': 0x08, 'UF': 0x10, 'EC': 0x20, 'DT': 0x40}


def merged(groups, merges):
    """The groups as they are to be after these merges."""
    for merge in merges:
        joined = [group for group in groups if set(group) & set(merge['functions'])]
        groups = [group for group in groups if group not in joined] + [sorted(sum(joined, []))]
    return sorted(groups)


def run(report, _):
    with open('/t/planned.json', encoding='ascii') as file:
        before = json.load(file)
    plan = before['plan']
    verification = product.run('p2pctl', 'acs', 'verify', check=False)
    report.check(verification.returncode == 0, f'acs verify: {verification.stdout}{verification.stderr}')
    wanted, controls = before['controls'], kernel.acs_controls()
    for port in plan['ports']:
        for bit in port['clear']:
            wanted[port['function']] &= ~BITS[bit]
    report.check(controls == wanted, f'ACS control registers: {controls}, planned {wanted}')
    groups = kernel.groups()
    report.check(groups == merged(before['groups'], plan['merges']),
                 f'IOMMU groups: {groups}, before {before["groups"]}, to merge {plan["merges"]}')
    report.count('groups merged', len(before['groups']) - len(groups))
    kernel.load_oracle()
    verdicts = kernel.verdicts()
    for pair in plan['pairs']:
        promised = (str(pair['after']['distance_hops']), pair['after']['map'].replace('_', '-'))
        seen = verdicts[pair['provider'], pair['client']]
        report.check(seen == promised, f'{pair["provider"]} {pair["client"]}: the plan promised {promised}, the kernel '
                                       f'says {seen}')
    compare.compare(report, 'with the plan')
