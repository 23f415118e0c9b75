#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes that are no proper messages, and peers that take more than their share."""

import os
import random
import socket

import fixture
from fixture import GPU, NIC
import machines
import varlink

ASK = {'provider': GPU, 'client': NIC}
INFO = varlink.encode('org.varlink.service.GetInfo')


class Pieces(fixture.SharedDaemonTest):
    def test_pipelined_calls_are_answered_in_order(self):
        names = (GPU, NIC, fixture.NVME, fixture.FAR_GPU)
        asked = [{'provider': names[n % 4], 'client': names[n // 4 % 4]} for n in range(1000)]
        wanted = {}
        for ask in asked[:16]:
            wanted[ask['provider'], ask['client']] = self.client.call('io.p2pd.GetDistance', ask)
        self.client.send(b''.join(varlink.encode('io.p2pd.GetDistance', ask) for ask in asked))
        for ask in asked:
            self.assertEqual(self.client.reply(), wanted[ask['provider'], ask['client']])

    def test_errors_keep_their_place_in_the_pipeline(self):
        self.client.send((varlink.encode('io.p2pd.GetDistance', ASK) + varlink.encode('io.p2pd.No')) * 100)
        for _ in range(100):
            self.assertEqual(self.client.reply()['map'], 'bus')
            with self.assertRaises(varlink.Error):
                self.client.reply()

    def test_stream_keeps_its_place_in_the_pipeline(self):
        self.client.send(varlink.encode('io.p2pd.GetPairs', more=True) + INFO)
        message = self.client.receive()
        while message.get('continues'):
            self.assertIn('rows', message['parameters'])
            message = self.client.receive()
        self.assertIn('vendor', self.client.reply())

    def test_pieces_of_one_byte(self):
        call = varlink.encode('io.p2pd.GetDistance', ASK) * 2
        self.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for byte in call:
            self.client.send(bytes((byte,)))
        self.assertEqual(self.client.reply(), self.client.reply())

    def test_every_cut(self):
        call = varlink.encode('io.p2pd.GetDistance', ASK)
        for cut in range(1, len(call)):
            self.client.send(call[:cut])
            self.client.send(call[cut:])
            self.assertEqual(self.client.reply()['map'], 'bus')

    def test_half_messages_then_close(self):
        call = varlink.encode('io.p2pd.GetDistance', ASK)
        for cut in range(0, len(call), 3):
            with self.shared.client() as client:
                client.send(call[:cut])
        self.assert_serving()

    def test_half_close_still_gets_its_answers(self):
        self.client.send(varlink.encode('io.p2pd.GetDistance', ASK) * 10)
        self.client.socket.shutdown(socket.SHUT_WR)
        for _ in range(10):
            self.assertEqual(self.client.reply()['map'], 'bus')
        self.assertTrue(self.client.wait_closed())

    def test_white_space_around_the_object(self):
        self.client.send(b' \n\t' + INFO[:-1] + b'\r\n\0')
        self.assertIn('vendor', self.client.reply())

    def test_unicode_escapes(self):
        text = '{"method":"io.p2pd.GetDist\\u0061nce","parameters":{"provider":"\\u0030000:03:00.0",' \
               '"client":"0000:04:00.0"}}'
        self.client.send(text.encode() + b'\0')
        self.assertEqual(self.client.reply()['map'], 'bus')

    def test_errors_echo_names_as_valid_json(self):
        for name in ('"', '\\', '\n\t\x01\x1f', 'ä€😀', '</script>', '\x7f', ' '):
            with self.assertRaises(varlink.Error) as caught:
                self.client.call('io.p2pd.GetDistance', {'provider': name, 'client': NIC})
            self.assertEqual(caught.exception.parameters, {'function': name})


class Malformed(fixture.SharedDaemonTest):
    bad = (
        b'\0', b' \0', b'{\0', b'}\0', b'[\0', b'{}{}\0', b'{"method"}\0', b'{"method":}\0', b'nul\0',
        b'{"method":"io.p2pd.GetStatus",}\0', b"{'method':'io.p2pd.GetStatus'}\0",
        b'{"method":"io.p2pd.GetStatus"} x\0', b'{"method":"io.p2pd.GetStatus"//\n}\0',
        b'{"method":"io.p2pd.Get\xff\xfeStatus"}\0', b'{"method":"\xc0\xaf"}\0', b'{"method":"\xed\xa0\x80"}\0',
        b'{"method":"io.p2pd.GetStatus","parameters":{"a":"\xf5\x80\x80\x80"}}\0',
        b'{"method":"\\ud800"}\0', b'{"method":"\\x41"}\0', b'{"method":"a\nb"}\0', b'{"method":"abc\0',
        b'{"a":01}\0', b'{"a":1e}\0', b'{"a":.5}\0', b'{"a":+1}\0', b'{"a":NaN}\0', b'{"a":Infinity}\0',
        b'\xff\xfe\xfd\0', b'GET / HTTP/1.1\r\n\r\n\0', b'\x7fELF\x02\x01\x01\0', b'\xef\xbb\xbf{}\0',
        b'{"method":"io.p2pd.GetStatus","method":3}\0',
    )

    def answer_to(self, data):
        """'error', 'closed', or the reply that should not be."""
        with self.shared.client() as client:
            try:
                client.send(data)
                message = client.receive()
            except (varlink.Closed, BrokenPipeError, ConnectionResetError):
                return 'closed'
            return 'error' if 'error' in message else message

    def test_malformed_json_gets_a_typed_error(self):
        before = self.shared.status()['counters']
        for data in self.bad:
            with self.subTest(data=data):
                self.assertEqual(self.answer_to(data), 'error')
        after = self.shared.status()['counters']
        self.assertEqual(after['malformed'], before['malformed'] + len(self.bad))
        self.assert_serving()

    def test_embedded_garbage_does_not_reach_the_next_connection(self):
        for seed in range(60):
            dice = random.Random(seed)
            call = bytearray(varlink.encode('io.p2pd.Explain', ASK) * 3)
            for _ in range(dice.randint(1, 8)):
                call[dice.randrange(len(call))] = dice.getrandbits(8)
            with self.shared.client() as client:
                try:
                    client.send(bytes(call))
                    client.socket.shutdown(socket.SHUT_WR)
                    self.assertTrue(client.wait_closed())
                except (BrokenPipeError, ConnectionResetError):
                    pass
        self.assert_serving()

    def test_deep_nesting(self):
        for depth in (40, 1000, 20000):
            for left, right in (('[', ']'), ('{"a":', '}')):
                value = left * depth + '1' + right * depth
                text = f'{{"method":"io.p2pd.GetStatus","parameters":{{"x":{value}}}}}'
                self.assertIn(self.answer_to(text.encode() + b'\0'), ('error', 'closed'))
        self.assert_serving()

    def test_oversized_message(self):
        before = self.shared.status()['counters']['over_limit']
        with self.shared.client() as client:
            sent = 0
            try:
                client.send(b'{"method":"io.p2pd.GetStatus","parameters":{"x":"')
                while sent < 256 << 20:
                    client.send(b'x' * 65536)
                    sent += 65536
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(sent, 64 << 20, 'no limit on a message')
        self.shared.wait_until('counted', lambda: self.shared.status()['counters']['over_limit'] > before)
        self.assert_serving()

    def test_oversized_message_is_told(self):
        """Whoever reads gets a typed error before the end."""
        with self.shared.client() as client:
            told = 'closed'
            client.socket.settimeout(0.001)
            data = b'{"method":"' + b'x' * (64 << 20)
            at = 0
            while at < len(data):
                try:
                    at += client.socket.send(data[at:at + 65536])
                except TimeoutError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    break
            try:
                told = client.receive(5)
            except varlink.Closed:
                pass
            self.assertIn('error', told)

    def test_huge_numbers(self):
        for number in ('1' * 400, '-' + '9' * 30, '1e999', '123456789012345678901234567890.5'):
            text = f'{{"method":"io.p2pd.GetStatus","parameters":{{"x":{number}}}}}'
            self.assertEqual(self.answer_to(text.encode() + b'\0'), 'error', number[:20])


class Greedy(fixture.RootTest):
    """Peers that pass a limit are closed and counted, and no one else notices."""

    @staticmethod
    def build():
        return machines.server(gpus=4, nics=4, vfs=60, nvmes=4, host_bridges=2)

    @staticmethod
    def ask(client):
        return client.call('org.varlink.service.GetInfo')

    def assert_quick(self, daemon):
        """A bystander gets its answer while the greedy one is at it."""
        with daemon.client(5, uid=65534) as client:
            for _ in range(20):
                self.ask(client)

    def test_slow_reader_of_many_streams(self):
        with self.daemon() as daemon:
            with daemon.client() as slow:
                slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                call = varlink.encode('io.p2pd.GetPairs', more=True)
                sent = 0
                slow.socket.setblocking(False)
                try:
                    while sent < 2000:
                        sent += slow.socket.send(call) and 1
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    pass
                self.assert_quick(daemon)
                self.assertLess(resident(daemon.process.pid), 256 << 20)
            daemon.wait_until('connections gone',
                              lambda: daemon.status()['counters']['connections_now'] == 1)

    def test_slow_reader_that_reads_at_last(self):
        """Back-pressure: the stream waits for its reader and is whole in the end."""
        with self.daemon() as daemon, daemon.client(30) as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.send(varlink.encode('io.p2pd.GetPairs', more=True))
            self.assert_quick(daemon)
            rows, message = 0, {'continues': True}
            while message.get('continues'):
                message = slow.receive()
                rows += len(message['parameters']['rows'])
            self.assertEqual(rows, 4 * 61 + 4 + 4)

    def test_flood(self):
        """Calls without end and without reading: back-pressure or the door."""
        with self.daemon() as daemon:
            clients = [daemon.client() for _ in range(8)]
            call = varlink.encode('io.p2pd.ListFunctions') * 50
            for _ in range(40):
                for client in clients:
                    client.socket.setblocking(False)
                    try:
                        client.socket.send(call)
                    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                        pass
                self.assert_quick(daemon)
            self.assertLess(resident(daemon.process.pid), 512 << 20)
            for client in clients:
                client.close()
            daemon.wait_until('connections gone',
                              lambda: daemon.status()['counters']['connections_now'] == 1)

    def test_a_thousand_connections(self):
        """Each one is answered or closed; the counters know how many; afterwards all is well."""
        with self.daemon() as daemon:
            clients, answered, refused = [], 0, 0
            for _ in range(1000):
                try:
                    clients.append(daemon.client(10))
                except (ConnectionRefusedError, BlockingIOError):
                    refused += 1
            for client in clients:
                try:
                    self.ask(client)
                    answered += 1
                except (varlink.Closed, BrokenPipeError, ConnectionResetError):
                    refused += 1
            self.assertEqual(answered + refused, 1000)
            self.assertGreater(answered, 10)
            for client in clients:
                client.close()
            counters = daemon.wait_until('connections gone', lambda: (
                lambda c: c['connections_now'] == 1 and c)(daemon.status()['counters']))
            self.assertGreaterEqual(counters['over_limit'], refused)
            self.assert_quick(daemon)

    def test_limit_of_connections_is_per_user(self):
        """One user at the limit does not keep another one out."""
        if os.geteuid() != 0:
            self.skipTest('needs root to be two users')
        with self.daemon() as daemon:
            clients = [daemon.client() for _ in range(1000)]
            self.assert_quick(daemon)
            for client in clients:
                client.close()

    def test_many_monitors(self):
        with self.daemon() as daemon:
            clients = [daemon.client() for _ in range(40)]
            for client in clients:
                client.send(varlink.encode('io.p2pd.Monitor', more=True))
            for client in clients:
                self.assertTrue(client.receive()['continues'])
                client.close()
            daemon.wait_until('connections gone',
                              lambda: daemon.status()['counters']['connections_now'] == 1)

    def test_pending_streams_are_limited(self):
        """A user cannot park calls without end: reading stops, or the connection."""
        with self.daemon() as daemon:
            with daemon.client(1) as client:
                try:
                    for _ in range(20000):
                        client.send(varlink.encode('io.p2pd.Monitor', more=True))
                    self.fail('everything was taken')
                except (BrokenPipeError, ConnectionResetError, TimeoutError):
                    pass
                self.assert_quick(daemon)
                self.assertLess(resident(daemon.process.pid), 256 << 20)


def resident(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        line = next(line for line in file if line.startswith('VmRSS:'))
    size = int(line.split()[1]) << 10
    return size // 8 if fixture.is_sanitized() else size


if __name__ == '__main__':
    fixture.main()
