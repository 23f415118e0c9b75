# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs the product and starts it as its user would."""

import product


def run(report, _):
    product.install()
    product.start()
    seen = product.status()['status']
    report.check(seen['source'] == 'live', f'source is {seen["source"]}')
    report.check(seen.get('kernel_has_p2pdma') is True, 'the kernel has P2PDMA, p2pd does not say so')
    report.check(seen.get('scan_error') is None, f'scan error: {seen.get("scan_error")}')
    report.check(seen['acs_unknown'] == 0, f'{seen["acs_unknown"]} functions of unknown ACS in spite of privilege')
    for process in seen['processes']:
        if process['role'] != 'config-reader':
            report.check(not process['capabilities'], f'{process["role"]} holds {process["capabilities"]}')
