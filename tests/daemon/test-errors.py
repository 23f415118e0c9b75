#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Malformed parameters of each method: a typed error with its fields, and an unharmed daemon."""

import json

import fixture
from fixture import GPU, NIC
import varlink

SERVICE = 'org.varlink.service.'
WRONG = (7, True, 1.5, 'text', ['a', 3], [[]], {'a': {}}, [None], '')


class Errors(fixture.SharedDaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interface = fixture.interface()

    def check(self, call, parameters, name, /, **fields):
        """The call fails with this error, whose fields have the declared types and these values."""
        error = self.error_of(self.client, call, parameters)
        self.assertEqual(error.name, name, f'{call} {parameters!r:.200}')
        if name.startswith('io.p2pd.'):
            kind = self.interface.errors[name.rpartition('.')[2]]
            self.assertEqual(self.interface.problems(error.parameters or {}, kind), [])
        for field, value in fields.items():
            self.assertEqual(error.parameters[field], value, f'{call} {parameters!r:.200}')

    def valid(self, method):
        return {'GetDistance': {'provider': GPU, 'client': NIC},
                'Explain': {'provider': GPU, 'client': NIC},
                'ReportVerification': {'provider': GPU, 'client': NIC, 'result': 'arrived',
                                       'method': 'test'},
                'RegisterBar': {'function': GPU, 'bar_index': 0},
                'UnregisterBar': {'function': GPU, 'bar_index': 0},
                'FollowTable': {'confirmed': 0},
                'Place': {'count': 1, 'of': 'gpu'},
                'FindProvider': {'clients': [GPU]},
                'TakeLease': {'functions': [GPU], 'hold': {}},
                'RenewLease': {'lease': 'a'}, 'ReleaseLease': {'lease': 'a'},
                'WhatIf': {'edits': []},
                'Map': {'client': NIC, 'address': '0x1000', 'length_bytes': '0x1000'}}.get(method, {})

    def test_wrong_types_in_every_field(self):
        for method, (inside, _) in self.interface.methods.items():
            for field, kind in inside[1].items():
                for value in WRONG:
                    if not self.interface.problems(value, kind):
                        continue
                    with self.subTest(method=method, field=field, value=value):
                        flags = {'more': True} if method in ('GetPairs', 'WatchLeases') else {}
                        self.client.send(varlink.encode(
                            f'io.p2pd.{method}', {**self.valid(method), field: value}, **flags))
                        with self.assertRaises(varlink.Error) as caught:
                            self.client.reply()
                        self.assertEqual(caught.exception.name, SERVICE + 'InvalidParameter')
                        # In an object it is the member that is wrong.
                        wrong = 'a' if value == {'a': {}} and field == 'hold' else field
                        self.assertEqual(caught.exception.parameters, {'parameter': wrong})

    def test_missing_fields(self):
        for method, (inside, _) in self.interface.methods.items():
            for field, kind in inside[1].items():
                if kind[0] == '?':
                    continue
                parameters = self.valid(method)
                del parameters[field]
                for absent in (parameters, {**parameters, field: None}):
                    self.check(f'io.p2pd.{method}', absent, SERVICE + 'InvalidParameter',
                               parameter=field)

    def test_unknown_fields(self):
        for method in self.interface.methods:
            flags = {'more': True} if method in ('GetPairs', 'Monitor', 'WatchLeases') else {}
            self.client.send(varlink.encode(f'io.p2pd.{method}',
                                            {**self.valid(method), 'surprise': 1}, **flags))
            with self.assertRaises(varlink.Error) as caught:
                self.client.reply()
            self.assertEqual(caught.exception.name, SERVICE + 'InvalidParameter', method)
            self.assertEqual(caught.exception.parameters, {'parameter': 'surprise'})

    def test_unknown_methods(self):
        for name in ('io.p2pd.Nothing', 'io.p2pd.getstatus', 'org.varlink.service.Nothing', 'io.p2pd.'):
            self.check(name, None, SERVICE + 'MethodNotFound', method=name)

    def test_unknown_interfaces(self):
        for name, interface in (('io.nothing.Do', 'io.nothing'), ('io.p2pd.sub.GetStatus', 'io.p2pd.sub')):
            self.check(name, None, SERVICE + 'InterfaceNotFound', interface=interface)

    def test_method_without_interface(self):
        for name in ('', 'GetStatus', '.', '..', '.GetStatus'):
            error = self.error_of(self.client, name)
            self.assertTrue(error.name.startswith(SERVICE), error.name)

    def test_streams_need_more(self):
        for method in ('Monitor', 'GetPairs'):
            self.check(f'io.p2pd.{method}', None, SERVICE + 'ExpectedMore')

    def test_functions_that_are_not_there(self):
        for name in ('0000:99:00.0', 'nvme9', 'no such name', '0000:03:00.8', '03:20.0', 'x' * 2000,
                     '123456789:00:00.0', '00:00.0 ', 'é', '../../etc/passwd'):
            for method, field in (('GetDistance', 'provider'), ('GetDistance', 'client'),
                                  ('Explain', 'provider'), ('Map', 'client')):
                self.check(f'io.p2pd.{method}', {**self.valid(method), field: name},
                           'io.p2pd.FunctionNotFound', function=name)
            for method, field in (('ListFunctions', 'functions'), ('ListBars', 'functions'),
                                  ('GetMatrix', 'clients'), ('Check', 'providers')):
                self.check(f'io.p2pd.{method}', {field: [GPU, name]}, 'io.p2pd.FunctionNotFound',
                           function=name)

    def test_ranges_that_are_none(self):
        for address, length in (('0x1000', '0x0'), ('0xffffffffffffffff', '0x2'),
                                ('0x8000000000000000', '0x8000000000000001'),
                                ('0xfffffffffffff000', '0x1001'), ('0x2', '0xffffffffffffffff')):
            self.check('io.p2pd.Map', {'client': NIC, 'address': address, 'length_bytes': length},
                       'io.p2pd.RangeInvalid')

    def test_numbers_that_are_none(self):
        for text in ('0x10000000000000000', '0x', '', 'abc', '-0x1', '0x1 ', ' 0x1', '0x1g', '+1',
                     '0x' + 'f' * 300, '0x1\n', 'ten'):
            for field in ('address', 'length_bytes'):
                self.check('io.p2pd.Map', {**self.valid('Map'), field: text},
                           SERVICE + 'InvalidParameter', parameter=field)
            self.check('io.p2pd.Check', {'min_bar_bytes': text}, SERVICE + 'InvalidParameter',
                       parameter='min_bar_bytes')

    def test_rules_that_are_none(self):
        for rules in ('', 'oldest', 'Running', 'running '):
            self.check('io.p2pd.GetDistance', {**self.valid('GetDistance'), 'rules': rules},
                       SERVICE + 'InvalidParameter', parameter='rules')

    def test_call_that_is_no_call(self):
        """An object that is JSON but no call is answered with an error or the end, never ignored."""
        for call in ({}, {'method': 3}, {'method': None}, {'parameters': {}}, [], 3, None, 'text',
                     {'method': 'io.p2pd.GetStatus', 'parameters': []},
                     {'method': 'io.p2pd.GetStatus', 'parameters': 'x'},
                     {'method': 'io.p2pd.GetStatus', 'more': 'yes'},
                     {'method': 'io.p2pd.GetStatus', 'oneway': 1},
                     {'method': 'io.p2pd.GetStatus', 'more': True, 'oneway': True, 'upgrade': 2}):
            with self.shared.client() as client:
                client.send(json.dumps(call).encode() + b'\0')
                try:
                    self.assertIn('error', client.receive(), call)
                except varlink.Closed:
                    pass
        self.assert_serving()

    def test_upgrade_is_refused(self):
        self.client.send(varlink.encode('io.p2pd.GetStatus', upgrade=True))
        with self.assertRaises(varlink.Error):
            self.client.reply()

    def test_absent_and_null_are_equal(self):
        for parameters in ({'functions': None}, {}, None):
            self.assertEqual(len(self.client.call('io.p2pd.ListFunctions', parameters)['functions']), 14)

    def test_connection_lives_on_after_an_error(self):
        for _ in range(3):
            self.error_of(self.client, 'io.p2pd.Nothing')
        self.assertIn('status', self.client.call('io.p2pd.GetStatus'))


if __name__ == '__main__':
    fixture.main()
