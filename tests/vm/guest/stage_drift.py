# SPDX-License-Identifier: LGPL-2.1-or-later
"""ACS changed behind p2pd's back: its own timer finds it, nobody asks for a rescan."""

import os

import kernel
import product
from stage_acs import redirecting_ports

DROP_IN = '/run/systemd/system/p2pd.service.d/recheck.conf'
RECHECK_MSEC = 500


def restart_with(text):
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    with open(DROP_IN, 'w', encoding='ascii') as file:
        file.write(text)
    product.run('systemctl', 'daemon-reload')
    product.run('systemctl', 'restart', 'p2pd.service')


def change(report, monitor, port, control):
    """Waits until the monitor tells of this port's ACS. How many pairs flipped."""
    product.run('setpci', '-s', port, f'ECAP_ACS+6.w={control:04x}')
    changed, flips = [], 0
    while not changed:
        told = monitor.receive()
        changed = [c['function'] for c in told['changes'] if 'acs' in c['what']]
        flips += told['flips_total']
    report.check(changed == [port], f'ACS of {port} changed, monitor tells of {told["changes"]}')
    return flips


def run(report, _):
    ports = redirecting_ports()
    restart_with(f'[Service]\nExecStart=\nExecStart=/usr/sbin/p2pd --recheck-msec {RECHECK_MSEC}\n')
    before = product.pairs()
    with product.Calls() as monitor:
        monitor.send('io.p2pd.Monitor', more=True)
        monitor.receive()
        controls = {port: kernel.acs(port)[2] for port in ports}
        flips = sum(change(report, monitor, port, 0x11) for port in ports)
        after = product.pairs()
        report.check(flips > 0 and flips >= sum(before[pair] != after[pair] for pair in before),
                     f'monitor tells of {flips} flips')
        for port in ports:
            kernel.set_acs(port, controls[port])
        product.wait_for('the pairs from before', 180, product.pairs, lambda now: now == before)
    drifts = product.status()['status']['counters']['drifts']
    report.check(drifts > len(ports), f'{drifts} drifts counted, there were more than {len(ports)}')
    report.count('drifts', drifts)
    restart_with('')
