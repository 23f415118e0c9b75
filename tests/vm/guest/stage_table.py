# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared table as a driver would read it: p2pd/table.h inside the kernel, on the kernel's own addresses of each BAR."""

import array
import os
import socket

import kernel
import product

MAPS = {'bus': 1, 'host-bridge': 2, 'none': 3}
BAR = 1                     # enum p2p_table_place
FIELDS = ('provider', 'bar', 'client', 'result', 'place', 'offset', 'id', 'map', 'distance', 'bytes', 'segments',
          'segment_map', 'segment_bytes', 'has_bus', 'bus_start', 'kernel_bus_start')
SHOWN = 8


class Reader(product.Calls):
    """A connection that takes the table's descriptor."""

    def __init__(self):
        super().__init__()
        self.descriptors = array.array('i')

    def more(self):
        data, control, _, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(4))
        for level, kind, value in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.descriptors.frombytes(value)
        return data

    def table(self):
        """The whole table, as it is now."""
        reply = self.call('io.p2pd.AttachTable')
        fd = self.descriptors.pop()
        try:
            return os.pread(fd, reply['size_bytes'], 0)
        finally:
            os.close(fd)


def register(report):
    """An id for a BAR of each function, as far as they go; p2pd gives one by itself only to those that provide memory."""
    with product.Calls() as calls:
        bars = calls.call('io.p2pd.ListBars')['bars']
        for bar in bars:
            if bar.get('id') is not None:
                continue
            try:
                calls.call('io.p2pd.RegisterBar', {'function': bar['function'], 'bar_index': bar['bar']['bar_index']})
            except product.Refused as refused:
                if refused.name == 'io.p2pd.IdsExhausted':
                    break
                if refused.name != 'io.p2pd.BarUnrecognisable':
                    raise
                continue
            report.count('BARs registered')


def wrong(line, verdict):
    """What is not as the kernel has it; empty if all is."""
    distance, kind = verdict
    wanted = {'result': 0, 'place': BAR, 'offset': line['bytes'] - 1, 'segments': 1, 'segment_bytes': line['bytes'],
              'segment_map': MAPS[kind]}
    if line['id']:
        wanted.update(map=MAPS[kind], distance=int(distance))
    if kind == 'bus':
        wanted.update(has_bus=1)
    if line['has_bus']:
        wanted.update(bus_start=line['kernel_bus_start'])
    return {name: (line[name], value) for name, value in wanted.items() if line[name] != value}


def parse(text):
    lines = []
    for row in text.splitlines():
        values = row.split('\t')
        line = {name: value if name in ('provider', 'client') else int(value) for name, value in zip(FIELDS, values)}
        lines.append(line)
    return lines


def run(report, _):
    register(report)
    with Reader() as reader:
        content = reader.table()
    fd = os.open(f'{kernel.ORACLE}/table', os.O_WRONLY)
    try:
        try:
            os.write(fd, content[:-1])
            report.fail('the kernel attached a table that is a byte short')
        except OSError:
            report.count('checks')
        report.check(os.write(fd, content) == len(content), 'the kernel took a part of the table')
    finally:
        os.close(fd)
    with open(f'{kernel.ORACLE}/table', encoding='ascii') as file:
        verified, _, rest = file.read().partition('\n')
    report.check(verified == '0', f'p2p_table_verify() in the kernel: {verified}')
    verdicts, bad = kernel.verdicts(), []
    lines = parse(rest)
    for line in lines:
        differs = wrong(line, verdicts[line['provider'], line['client']]) if line['result'] == 0 else {'result': line}
        if differs:
            bad.append(f'BAR {line["bar"]} of {line["provider"]} for {line["client"]}: (table, kernel) {differs}')
    for text in bad[:SHOWN]:
        report.fail(text)
    if len(bad) > SHOWN:
        report.fail(f'and {len(bad) - SHOWN} more')
    with_id = sum(line.get('id', 0) > 0 for line in lines)
    report.check(with_id > 0, 'no BAR has an id')
    report.count('pairs by table', len(lines))
    report.note(f'{len(content)} bytes, {len(lines)} BARs and clients, {with_id} of them with an id')
