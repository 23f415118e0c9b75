# SPDX-License-Identifier: LGPL-2.1-or-later
"""Varlink interface definitions: parses the text and holds JSON values against its types."""

import re

TOKEN = re.compile(r'\s+|#[^\n]*|->|\[\]|\[string\]|[?():,]|[A-Za-z][A-Za-z0-9_.-]*')
PLAIN = {'bool': bool, 'int': int, 'float': (int, float), 'string': str, 'object': (dict, list, str, int)}
FIELD = re.compile(r'^[A-Za-z](_?[A-Za-z0-9])*$')
NAME = re.compile(r'^[A-Z][A-Za-z0-9]*$')
INT64 = 1 << 63


class IdlError(ValueError):
    pass


def _tokens(text):
    at, out = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise IdlError(f'at {text[at:at + 20]!r}')
        at = match.end()
        if match[0].strip() and not match[0].startswith('#'):
            out.append(match[0])
    return out


class Interface:
    """types: name -> type; methods: name -> (in, out); errors: name -> fields."""

    def __init__(self, text):
        self.tokens = _tokens(text)
        self.at = 0
        self.types, self.methods, self.errors = {}, {}, {}
        self._expect('interface')
        self.name = self._next()
        while self.at < len(self.tokens):
            self._member()
        for where in (self.types, self.errors):
            for name, kind in where.items():
                self._resolve(kind, name)
        for name, (inside, outside) in self.methods.items():
            self._resolve(inside, name)
            self._resolve(outside, name)

    def _next(self):
        if self.at >= len(self.tokens):
            raise IdlError('ends too early')
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, what):
        got = self._next()
        if got != what:
            raise IdlError(f'{got!r} where {what!r} belongs')

    def _member(self):
        keyword, name = self._next(), self._next()
        if not NAME.match(name):
            raise IdlError(f'member name {name!r}')
        if name in self.types or name in self.methods or name in self.errors:
            raise IdlError(f'{name} twice')
        if keyword == 'type':
            self.types[name] = self._parens()
        elif keyword == 'error':
            self.errors[name] = self._parens()
        elif keyword == 'method':
            inside = self._parens()
            self._expect('->')
            self.methods[name] = (inside, self._parens())
        else:
            raise IdlError(f'keyword {keyword!r}')

    def _parens(self):
        """A struct ('struct', {name: type}) or an enum ('enum', names)."""
        self._expect('(')
        fields, names = {}, []
        while self.tokens[self.at] != ')':
            name = self._next()
            if not FIELD.match(name) or name in fields or name in names:
                raise IdlError(f'field name {name!r}')
            if self.tokens[self.at] == ':':
                self._next()
                fields[name] = self._type()
            else:
                names.append(name)
            if self.tokens[self.at] != ')':
                self._expect(',')
        self._next()
        if fields and names:
            raise IdlError(f'fields and enum values mixed: {names}')
        return ('enum', tuple(names)) if names else ('struct', fields)

    def _type(self):
        token = self.tokens[self.at]
        if token in ('?', '[]', '[string]'):
            self._next()
            inner = self._type()
            if token == '?' and inner[0] == '?':
                raise IdlError('??')
            return (token, inner)
        return self._parens() if token == '(' else ('name', self._next())

    def _resolve(self, kind, where):
        if kind[0] == 'name' and kind[1] not in PLAIN and kind[1] not in self.types:
            raise IdlError(f'{where}: no type {kind[1]}')
        if kind[0] == 'struct':
            for inner in kind[1].values():
                self._resolve(inner, where)
        if kind[0] in ('?', '[]', '[string]'):
            self._resolve(kind[1], where)

    def problems(self, value, kind, where=''):
        """Why value is not of this type: a list of sentences, empty if it is."""
        tag, inner = kind
        if tag == '?':
            return [] if value is None else self.problems(value, inner, where)
        if tag == 'name' and inner in self.types:
            return self.problems(value, self.types[inner], where)
        if tag == 'name':
            good = isinstance(value, PLAIN[inner]) and (inner == 'bool' or not isinstance(value, bool))
            if good and inner == 'int':
                good = -INT64 <= value < INT64
            return [] if good else [f'{where}: {value!r:.60} is no {inner}']
        if tag == 'enum':
            return [] if value in inner else [f'{where}: {value!r:.60} not one of {inner}']
        if tag == '[]':
            if not isinstance(value, list):
                return [f'{where}: {value!r:.60} is no array']
            return [p for n, v in enumerate(value) for p in self.problems(v, inner, f'{where}[{n}]')]
        if not isinstance(value, dict):
            return [f'{where}: {value!r:.60} is no object']
        if tag == '[string]':
            return [p for n, v in value.items() for p in self.problems(v, inner, f'{where}[{n}]')]
        found = [f'{where}.{name}: not in the interface' for name in value if name not in inner]
        for name, field in inner.items():
            if name in value:
                found += self.problems(value[name], field, f'{where}.{name}')
            elif field[0] != '?':
                found.append(f'{where}.{name}: missing')
        return found
