# SPDX-License-Identifier: LGPL-2.1-or-later
"""The oracle alone: is it alive, and can the kernel's verdicts of this machine tell anything apart."""

import kernel


def run(report, plan):
    kernel.load_oracle()
    verdicts = kernel.verdicts()
    seen = {kind: sum(v[1] == kind for v in verdicts.values()) for kind in ('bus', 'host-bridge', 'none', '?')}
    report.note(f'{len(verdicts)} pairs: {seen}')
    report.check(seen['?'] == 0, 'a map type that the oracle does not know')
    for kind in plan.get('kinds', ()):
        report.check(seen[kind] > 0, f'no pair of this machine is {kind}')
