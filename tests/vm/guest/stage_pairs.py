# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that the emulator built: every pair as the kernel says, with virtual functions, and from a capture."""

import os
import subprocess

import compare
import kernel
import product


def enable_virtual_functions(report):
    """Of every NIC that can; p2pd learns of them from udev alone."""
    for address in kernel.functions():
        total = kernel.attribute(address, 'sriov_totalvfs')
        if not total or int(total) == 0:
            continue
        if not os.path.exists(f'{kernel.DEVICES}/{address}/driver'):
            subprocess.run(['modprobe', 'igb'], check=False)
            product.run('udevadm', 'settle', '--timeout=300', timeout=320)
        kernel.write_attribute(address, 'sriov_numvfs', total)
        report.count('virtual functions', int(total))
    product.run('udevadm', 'settle', '--timeout=300', timeout=320)
    product.wait_for('virtual functions', 180, product.functions, lambda seen: seen == kernel.functions())


def capture(report):
    """The harness reads it back outside."""
    product.run('p2pctl', 'capture', '/tmp/capture', timeout=300)
    product.run('tar', '-c', '-f', '/t/capture.tar', '-C', '/tmp', 'capture')
    with open('/t/capture.pairs', 'w', encoding='ascii') as file:
        file.write(product.run('p2pctl', 'pairs'))
    report.count('captures')


def run(report, plan):
    compare.compare(report, 'as booted')
    if 'virtual' in plan.get('options', ()):
        enable_virtual_functions(report)
        compare.compare(report, 'with virtual functions')
    if 'capture' in plan.get('options', ()):
        capture(report)
