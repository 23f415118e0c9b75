# SPDX-License-Identifier: LGPL-2.1-or-later
"""The product as an installed service: systemd's and Varlink's own tools look at it."""

import json
import os
import signal

import product

UNIT = 'p2pd.service'
WATCHDOG_SECONDS = 10


def show(field):
    return product.run('systemctl', 'show', UNIT, '-p', field, '--value').strip()


def capabilities(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        fields = dict(line.split(':', 1) for line in file)
    return {name: int(fields[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')}


def activation(report):
    product.run('systemctl', 'stop', 'p2pd.socket', UNIT)
    report.check(show('Result') == 'success', f'stopped with result {show("Result")}')
    report.check(not os.path.exists(product.SOCKET), 'the socket stays behind')
    product.run('systemctl', 'start', 'p2pd.socket')
    report.check(show('ActiveState') == 'inactive', 'the socket alone starts the daemon')
    report.check('functions' in product.run('p2pctl', 'status'), 'p2pctl status says nothing of functions')
    report.check(show('ActiveState') == 'active', 'a connection does not start the daemon')
    product.run('systemctl', 'stop', 'p2pd.socket', UNIT)
    product.run('systemctl', 'start', UNIT)
    report.check(show('ActiveState') == 'active' and show('SubState') == 'running', 'started directly, not running')
    report.check('active (running)' in product.run('systemctl', 'status', UNIT), 'systemctl status does not say running')
    report.check(show('StatusText') != '', 'no status text for systemctl status')


def privilege(report):
    pid = product.main_pid()
    report.check(not any(capabilities(pid).values()), f'the main process holds {capabilities(pid)}')
    report.check(os.stat(f'/proc/{pid}').st_uid != 0, 'the main process runs as root')
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
        children = [int(n) for n in file.read().split()]
    report.check(len(children) == 1, f'children: {children}')
    for child in children:
        held = capabilities(child)['CapEff']
        report.check(held == 1 << 21, f'the reader holds {held:#x}')
    product.run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'p2pctl', 'status')
    refused = product.run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'p2pctl', 'rescan',
                          check=False)
    report.check(refused.returncode != 0, 'anybody may rescan')


def varlink(report):
    def ask(*arguments, check=True):
        return product.run('varlinkctl', *arguments, check=check)

    where = product.SOCKET
    report.check('io.p2pd' in ask('info', where), 'varlinkctl info does not show io.p2pd')
    interfaces = ask('list-interfaces', where).split()
    report.check(sorted(interfaces) == ['io.p2pd', 'org.varlink.service'], f'interfaces: {interfaces}')
    report.check('method GetDistance' in ask('introspect', where, 'io.p2pd'), 'introspection shows no GetDistance')
    ask('introspect', where, 'org.varlink.service')
    ask('validate-idl', '/usr/share/varlink/io.p2pd.varlink')
    answer = json.loads(ask('call', '-j', where, 'io.p2pd.GetStatus', '{}'))
    report.check(answer['status']['functions'] == len(os.listdir('/sys/bus/pci/devices')), 'another number of functions')
    rows = ask('call', '-j', '--more', where, 'io.p2pd.GetPairs', '{}')
    report.check(rows.count('"provider"') == answer['status']['endpoints'], 'GetPairs: not a row for each provider')
    wrong = ask('call', where, 'io.p2pd.GetDistance', '{"provider":"no","client":"no"}', check=False)
    report.check(wrong.returncode != 0 and 'FunctionNotFound' in wrong.stderr + wrong.stdout,
                 f'unknown function: {wrong}')


def reload(report):
    before, pid = product.status()['status']['counters']['rescans'], product.main_pid()
    product.run('systemctl', 'reload', UNIT)
    product.wait_for('a rescan by reload', 180, lambda: product.status()['status']['counters']['rescans'],
                     lambda n: n > before)
    report.check(product.main_pid() == pid, 'reload restarts the daemon')


def restarted(report, what, pid, seconds):
    product.wait_for(what, seconds, product.main_pid, lambda n: n not in (0, pid))
    product.wait_for('an answer', 180, lambda: product.run('p2pctl', 'status', check=False).returncode, lambda r: r == 0)
    report.check(not any(capabilities(product.main_pid()).values()), 'restarted with capabilities')


def watchdog(report):
    directory = f'/run/systemd/system/{UNIT}.d'
    os.makedirs(directory, exist_ok=True)
    with open(f'{directory}/watchdog.conf', 'w', encoding='ascii') as file:
        file.write(f'[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n')
    product.run('systemctl', 'daemon-reload')
    product.run('systemctl', 'restart', UNIT)
    pid = product.main_pid()
    for _ in range(2):
        fed = show('WatchdogTimestampMonotonic')
        product.wait_for('the watchdog to be fed', 180, lambda: show('WatchdogTimestampMonotonic'),
                         lambda now: now not in ('0', fed))
    report.check(product.main_pid() == pid, 'the watchdog ends a daemon that only idles')
    os.kill(pid, signal.SIGSTOP)
    restarted(report, 'a restart by the watchdog', pid, 180)
    pid = product.main_pid()
    os.kill(pid, signal.SIGKILL)
    restarted(report, 'a restart after a kill', pid, 120)


def run(report, _):
    for part in (activation, privilege, varlink, reload, watchdog):
        try:
            part(report)
        except Exception as error:
            report.fail(f'{part.__name__}: {type(error).__name__}: {error}')
