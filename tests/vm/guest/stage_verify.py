# SPDX-License-Identifier: LGPL-2.1-or-later
"""`p2pctl verify` makes real transfers, the daemon keeps and shows what came of them, and no disk is written to."""

import hashlib
import json

import product
import transfer

RESULT = {'bus': 'arrived', 'host-bridge': 'arrived', 'none': 'refused'}
PAIRS_EACH = 2


def verify(provider, client):
    """(what p2pctl says as JSON, its exit status, its standard error)."""
    done = product.run('p2pctl', '--json', 'verify', provider, client, check=False)
    try:
        return json.loads(done.stdout), done.returncode, done.stderr
    except ValueError:
        raise AssertionError(f'verify {provider} {client}: {done}') from None


def contents():
    """Disk by disk, as the harness's files hold it."""
    found = {}
    for _, name in transfer.disks().values():
        with open(f'/t/{name}.disk', 'rb') as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def warnings():
    return [w['text'] for w in product.status()['status']['warnings']]


def verify_one(report, pair, kind):
    said, status, complaint = verify(*pair)
    what = f'verify {pair[0]} {pair[1]}, {kind}'
    kept = said.get('verification') or {}
    report.check(said['result'] == RESULT[kind], f'{what}: {said}')
    report.check((said['error'] is None) == (RESULT[kind] == 'arrived'), f'{what}: error {said["error"]}')
    report.check(kept.get('agrees') is True and kept.get('alarming') is False, f'{what}: {said}')
    report.check(kept.get('map_then') == kind.replace('-', '_'), f'{what}: {kept}')
    report.check(status == (0 if RESULT[kind] == 'arrived' else 1), f'{what}: exit status {status}')
    report.check(complaint == '', f'{what}: {complaint}')
    report.check(said['reads'] > 0 or kind == 'none', f'{what}: {said["reads"]} reads')
    shown = product.why(*pair)
    report.check('Verified by a transfer' in shown and 'agrees' in shown and 'as the verdict then said' in
                 ' '.join(shown.split()), f'{what}: why does not show it:\n{shown}')
    report.check(product.explain(*pair)['verification'] == kept, f'{what}: another verification is kept')
    report.count('verified')


def run(report, plan):
    said, before = product.pairs(), contents()
    report.check(len(before) >= 2, f'disks: {before}')
    pairs = transfer.possible(said)
    for kind in plan['kinds']:
        chosen = [pair for pair in pairs if said[pair][1] == kind][:PAIRS_EACH]
        report.check(chosen, f'no pair that is {kind} can transfer')
        for pair in chosen:
            verify_one(report, pair, kind)
    report.check(contents() == before, 'verify wrote to a disk')
    alarms = [text for text in warnings() if 'DISAGREES' in text]
    report.check(not alarms, f'status warns: {alarms}')
