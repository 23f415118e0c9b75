# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds p2pd's pairs against the kernel's."""

import kernel
import product

SHOWN = 8


def may_be_hidden(verdict, said):
    """Where the kernel cannot see ACS and so takes it as off, p2pd says unknown: the one difference that is meant."""
    return said == (verdict[0], 'unknown') and verdict[1] == 'bus'


def compare(report, what, hidden_allowed=False):
    """Every ordered pair of now, map and distance. True if all agree."""
    wanted, said = kernel.verdicts(), product.pairs()
    return compare_pairs(report, what, wanted, said, hidden_allowed)


def compare_pairs(report, what, wanted, said, hidden_allowed=False):
    report.count('pairs', len(wanted))
    missing = [pair for pair in wanted if pair not in said]
    extra = [pair for pair in said if pair not in wanted]
    if missing or extra:
        report.fail(f'{what}: pairs without an answer of p2pd: {missing[:SHOWN]}; pairs the kernel does not know: '
                    f'{extra[:SHOWN]}')
    wrong, hidden = [], []
    for pair, verdict in wanted.items():
        if pair not in said or said[pair] == verdict:
            continue
        if not hidden_allowed or not may_be_hidden(verdict, said[pair]):
            wrong.append(pair)
            continue
        hidden.append(pair)
    # Some are asked for the reason; each question takes a while in an emulator.
    wrong += [pair for pair in hidden[::max(1, len(hidden) // SHOWN)]
              if 'acs-hidden-from-kernel' not in product.why(*pair)]
    report.count('hidden', len(hidden))
    report.count('agreed', len(wanted) - len(missing) - len(wrong))
    for provider, client in wrong[:SHOWN]:
        report.fail(f'{what}: {provider} {client}: the kernel says {wanted[provider, client]}, p2pd '
                    f'{said[provider, client]}\n{product.why(provider, client)}')
    if len(wrong) > SHOWN:
        report.fail(f'{what}: and {len(wrong) - SHOWN} more')
    return not (wrong or missing or extra)
