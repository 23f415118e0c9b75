# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ACS plan for pairs of disks that the kernel refuses; a second boot gets its kernel parameters (stage planned)."""

import json

import kernel
import product


def disks():
    return [address for address in kernel.functions() if kernel.attribute(address, 'class') == '0x010802']


def run(report, _):
    kernel.load_oracle()
    before = kernel.verdicts()
    refused = [(provider, client) for provider in disks() for client in disks()
               if provider != client and before[provider, client][1] == 'none']
    asked = [address for pair in refused for address in pair]
    answer = product.run('p2pctl', '--json', 'acs', 'plan', *asked, check=False)
    plan = json.loads(answer.stdout)['plan']
    helped = [pair for pair in plan['pairs'] if pair['state'] == 'helped']
    report.check(len(plan['pairs']) == len(refused), f'{len(refused)} pairs asked, {len(plan["pairs"])} answered: {answer.stderr}')
    report.check(len(helped) > 0, f'the plan helps no pair: {plan["pairs"]}')
    report.check(all(pair['after']['map'] == 'bus' for pair in helped), f'helped, but not by bus: {helped}')
    # Some go over the host bridge, which no ACS bit changes.
    report.check(answer.returncode == (0 if len(helped) == len(refused) else 1), f'exit status {answer.returncode}')
    report.count('pairs helped', len(helped))
    report.note(f'{len(helped)} of {len(refused)} refused pairs, by {len(plan["ports"])} ports: {plan["parameter"]}')
    with open('/t/parameters', 'w', encoding='ascii') as file:
        file.write(f'"{plan["parameter"]}"')
    with open('/t/planned.json', 'w', encoding='ascii') as file:
        json.dump({'plan': plan, 'controls': kernel.acs_controls(), 'groups': kernel.groups()}, file)
