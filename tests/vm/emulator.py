# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of a guest: QEMU's command line, its console log, its monitor, its time limit."""

import ctypes
import functools
import json
import mmap
import os
import socket
import subprocess
import time

# The emulator's own time stamp counter does; everything that a test has no use for is off.
# A starved guest must not take its timer for broken; one whose systemd gives up must end.
KERNEL_OPTIONS = ('console=ttyS0 quiet loglevel=4 panic=-1 nokaslr mitigations=off tsc=reliable random.trust_cpu=on '
                  'no_timer_check lsm=capability audit=0 '
                  'systemd.unit=vmtest.target systemd.log_color=no systemd.show_status=no systemd.crash_action=poweroff '
                  'systemd.tty.term.console=dumb systemd.tty.rows.console=24 systemd.tty.columns.console=80')

# What wait() says of a guest that told no exit status: it did not end in time, it ended by itself, or a signal ended the
# emulator.
TOO_LONG, DIED, CRASHED = 124, 125, 126


@functools.cache
def tsc_khz():
    """The frequency of this machine's time stamp counter, which a guest's rdtsc reads. A guest that measures it by itself
    while this machine is busy gets it wrong, and its clock then runs up to five times too fast."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
        page.write(bytes.fromhex('0f31 48c1e220 4809d0 c3'))
        code = ctypes.c_char.from_buffer(page)
        rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(code))

        def look():
            """(ns, ticks), from the shortest of some looks."""
            looks = []
            for _ in range(50):
                before, ticks, after = time.monotonic_ns(), rdtsc(), time.monotonic_ns()
                looks.append((after - before, (before + after) // 2, ticks))
            return min(looks)[1:]

        first = look()
        time.sleep(0.2)
        second = look()
        del code    # or the page could not be closed
    return round((second[1] - first[1]) * 1e6 / (second[0] - first[0]))


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.pending = b''
        self.events = []
        self._receive()
        self.run('qmp_capabilities')

    def _receive(self):
        """The next message; an event is kept, too."""
        while b'\n' not in self.pending:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError('the emulator is gone')
            self.pending += data
        line, _, self.pending = self.pending.partition(b'\n')
        message = json.loads(line)
        if 'event' in message:
            self.events.append(message)
        return message

    def run(self, command, **arguments):
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        while True:
            answer = self._receive()
            if 'error' in answer:
                raise RuntimeError(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def wait(self, event, wanted, seconds):
        """Until such an event has come; takes it away."""
        end = time.monotonic() + seconds
        self.socket.settimeout(seconds)
        while True:
            found = [e for e in self.events if e['event'] == event and wanted(e.get('data', {}))]
            if found:
                self.events.remove(found[0])
                return
            if time.monotonic() > end:
                raise RuntimeError(f'no {event} within {seconds} s')
            self._receive()


class Guest:
    """A running guest. share: a directory that it sees at /t; its console goes to share/console.log."""

    def __init__(self, root, initramfs, share, machine, append='', memory='1536M'):
        self.share = share
        self.log = f'{share}/console.log'
        self.qmp_path = f'{share}/qmp'
        command = [
            *root.emulator(), '-accel', 'tcg', '-smp', '1', '-m', memory,
            '-machine', 'q35,kernel-irqchip=split,sata=off,smbus=off,vmport=off', '-nodefaults', '-vga', 'none',
            '-display', 'none', '-no-reboot', '-serial', f'file:{self.log}', '-monitor', 'none',
            '-kernel', root.vmlinuz, '-initrd', initramfs,
            '-drive', f'file={root.image},if=none,id=root,format=raw,readonly=on',
            '-device', 'virtio-blk-pci,drive=root,bus=pcie.0,addr=0x1e',
            '-fsdev', f'local,id=t,path={share},security_model=none,multidevs=remap',
            '-device', 'virtio-9p-pci,fsdev=t,mount_tag=t,bus=pcie.0,addr=0x1d',
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-device', 'virtio-rng-pci,bus=pcie.0,addr=0x1c',
            '-qmp', f'unix:{self.qmp_path},server=on,wait=off',
            '-append', f'{KERNEL_OPTIONS} tsc_early_khz={tsc_khz()} {append}', *machine]
        with open(f'{share}/command', 'w', encoding='utf-8') as file:
            file.write(' '.join(command) + '\n')
        with open(f'{share}/emulator.log', 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        self.started = time.monotonic()

    def monitor(self):
        for _ in range(100):
            try:
                return Monitor(self.qmp_path)
            except OSError:
                time.sleep(0.1)
        raise ConnectionError('no connection to the emulator')

    def wait(self, seconds):
        """The guest's exit status, or TOO_LONG, DIED or CRASHED."""
        try:
            status = self.process.wait(max(0.1, seconds - (time.monotonic() - self.started)))
        except subprocess.TimeoutExpired:
            self.stop()
            return TOO_LONG
        if status < 0:
            return CRASHED
        return status >> 1 if status > 0 and status & 1 else DIED

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def console(self):
        try:
            with open(self.log, encoding='utf-8', errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def has_file(self, name):
        return os.path.exists(f'{self.share}/{name}')
