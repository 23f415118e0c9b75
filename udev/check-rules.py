#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Walks the udev rules for functions of every class p2pd names and holds the outcome against p2pd's own words.

    check-rules.py RULES MACHINE_SOURCE

Understands just the part of the rule language that our rules use, and refuses everything else, so a rule that this
cannot judge fails the test. MACHINE_SOURCE is daemon/machine-text.c: its names are the truth. Where `udevadm verify`
exists (systemd 254), it has its say too.
"""
import fnmatch
import re
import shutil
import subprocess
import sys

TOKEN = re.compile(r'\s*([A-Z]+)(?:\{([^}]*)\})?(==|!=|\+=|=)"([^"]*)"\s*(?:,|$)')

# class, what p2pd calls it; None: left alone
CASES = [
    ("0x010802", "nvme"), ("0x010800", "nvme"), ("0x010601", None), ("0x010400", None),
    ("0x020000", "nic"), ("0x020700", "nic"), ("0x030000", "gpu"), ("0x030200", "gpu"), ("0x038000", "gpu"),
    ("0x050210", "memory"), ("0x058000", "memory"), ("0x060000", None), ("0x060400", None),
    ("0x0b4000", "accelerator"), ("0x0b0100", None), ("0x0c0330", None), ("0x120000", "accelerator"),
    ("0x088000", None), ("0xff0000", None), ("0x000000", None),
]


def parse(text):
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        tokens, pos = [], 0
        while pos < len(line):
            match = TOKEN.match(line, pos)
            if not match:
                raise SystemExit(f"line {number}: cannot judge: {line[pos:]}")
            tokens.append(match.groups())
            pos = match.end()
        rules.append((number, tokens))
    return rules


def run(rules, device):
    """Returns (tags, env) after the rules ran over the device, a dict of the match keys."""
    tags, env, skip_to = set(), {}, None
    for number, tokens in rules:
        labels = [value for key, _, op, value in tokens if key == "LABEL" and op == "="]
        if skip_to is not None and skip_to not in labels:
            continue
        skip_to = None
        if all(matches(device, token, number) for token in tokens if token[2] in ("==", "!=")):
            for key, name, op, value in tokens:
                if op in ("==", "!=") or key == "LABEL":
                    continue
                if key == "GOTO" and op == "=":
                    skip_to = value
                elif key == "TAG" and op == "+=":
                    tags.add(value)
                elif key == "ENV" and op == "=":
                    env[name] = value
                else:
                    raise SystemExit(f"line {number}: cannot judge {key}{op}")
    if skip_to is not None:
        raise SystemExit(f"GOTO {skip_to} goes nowhere")
    return tags, env


def matches(device, token, number):
    key, name, op, pattern = token
    full = f"{key}{{{name}}}" if name else key
    if full not in device:
        raise SystemExit(f"line {number}: cannot judge {full}")
    return fnmatch.fnmatchcase(device[full], pattern) == (op == "==")


def main():
    path, source = sys.argv[1:]
    with open(path, encoding="ascii") as f:
        rules = parse(f.read())
    with open(source, encoding="utf-8") as f:
        names = set(re.findall(r'\[P2P_KIND_[A-Z]+\] = "([a-z]+)"', f.read()))
    failures = 0
    for code, kind in CASES:
        for action in ("add", "change", "bind", "unbind"):
            tags, env = run(rules, {"SUBSYSTEM": "pci", "ACTION": action, "ATTR{class}": code})
            want = ({"p2pd"}, {"P2PD_KIND": kind}) if kind else (set(), {})
            if (tags, env) != want or (kind and kind not in names):
                print(f"{code} {action}: {tags} {env}, wanted {want}")
                failures += 1
    for device in ({"SUBSYSTEM": "pci", "ACTION": "remove"}, {"SUBSYSTEM": "net", "ACTION": "add"}):
        if run(rules, {**device, "ATTR{class}": "0x030000"}) != (set(), {}):
            print(f"{device}: must be left alone")
            failures += 1
    udevadm = shutil.which("udevadm")
    if udevadm and subprocess.run([udevadm, "verify", "--help"], capture_output=True, check=False).returncode == 0:
        failures += subprocess.run([udevadm, "verify", path], check=False).returncode != 0
    print(f"rules: {len(CASES)} classes, {failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
