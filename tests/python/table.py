# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attaches to the shared table over the socket, and reads the parts of it that the tests ask for."""

import array
import mmap
import os
import socket
import struct
import time

import programs
import varlink

MAGIC, VERSION = 0x31656c6261746432, 2
RECORDS = 3  # the array's place among those of an area
HEADER = struct.Struct('<QIIQII2Q2I')
RECORD = struct.Struct('<QQQQIBBBBHHII12x')


class Superseded(AssertionError):
    """The table lives in another descriptor by now."""


class Table:
    """A mapped table. Takes the descriptor."""

    def __init__(self, fd, size):
        self.fd, self.size = fd, size
        self.map = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        (self.magic, self.version, self.header_bytes, self.total_bytes, self.id_bits, self.area_bytes,
         *instance) = HEADER.unpack_from(self.map)[:8]
        self.instance = f'{instance[0]:016x}{instance[1]:016x}'
        self.areas = struct.unpack_from('<2I', self.map, 48)
        self.records_offset, self.records_capacity = struct.unpack_from('<2I', self.map, 56 + 8 * RECORDS)

    def close(self):
        self.map.close()
        os.close(self.fd)

    def state(self):
        """(published, begun, superseded)"""
        published, begun, superseded = struct.unpack_from('<3I', self.map, self.header_bytes)
        return published, begun, superseded

    def read(self):
        """(generation, {id: (address, bar_index, first, last, since)}); looks again while it changes."""
        while True:
            published, _, superseded = self.state()
            if superseded:
                raise Superseded
            area = self.areas[published & 1]
            generation = struct.unpack_from('<Q', self.map, area + 16)[0]
            count = struct.unpack_from('<I', self.map, area + 40 + 4 * RECORDS)[0]
            found = {}
            for n in range(min(count, self.records_capacity)):
                (first, last, _, since, segment, bus, devfn, bar_index, _, number, *_) = RECORD.unpack_from(
                    self.map, area + self.records_offset + 64 * n)
                if number:
                    found[number] = (f'{segment:04x}:{bus:02x}:{devfn >> 3:02x}.{devfn & 7}', bar_index,
                                     first, last, since)
            if self.state()[1] - published <= 1 and self.state()[0] - published <= 1:
                return generation, found


class Reader(varlink.Client):
    """A connection that receives descriptors with its replies, in their order."""

    def __init__(self, where, timeout=10):
        super().__init__(where, timeout)
        self.descriptors = []
        self.table = None

    def close(self):
        super().close()
        for fd in self.descriptors:
            os.close(fd)
        if self.table:
            self.table.close()

    def receive_raw(self, timeout=None):
        end = time.monotonic() + (self.timeout if timeout is None else timeout * programs.PATIENCE)
        while b'\0' not in self.pending:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError('no message')
            self.socket.settimeout(left)
            try:
                data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4))
            except (ConnectionResetError, BrokenPipeError) as error:
                raise varlink.Closed(str(error)) from error
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self.descriptors += array.array('i', value)
            if not data:
                raise varlink.Closed('end of stream')
            self.pending += data
        message, _, self.pending = self.pending.partition(b'\0')
        return message

    def attach(self):
        """AttachTable: its reply; self.table is the new one."""
        reply = self.call('io.p2pd.AttachTable')
        if self.table:
            self.table.close()
        self.table = Table(self.descriptors.pop(0), reply['size_bytes'])
        return reply

    def ask_follow(self, confirmed):
        self.send(varlink.encode('io.p2pd.FollowTable', {'confirmed': confirmed}))

    def follow(self, confirmed):
        """FollowTable, and AttachTable if it has moved: the new generation."""
        self.ask_follow(confirmed)
        return self.followed()

    def followed(self, timeout=None):
        reply = self.reply(timeout)
        if reply['moved']:
            return self.attach()['generation']
        return reply['generation']

    def confirm(self, generation):
        """Confirms without waiting; an answer to another call shows that it has arrived."""
        self.send(varlink.encode('io.p2pd.FollowTable', {'confirmed': generation}, oneway=True))
        self.call('org.varlink.service.GetInfo')
