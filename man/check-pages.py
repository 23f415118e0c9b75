#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the man pages against what they describe.

    check-pages.py INTERFACE DAEMON_DIR P2PD PAGE...

- mandoc finds nothing to complain of in any page;
- io.p2pd(7) names every method with its parameters and every error, no others, the words of the enums MapKind, Path and
  Rules, and the limits that stand in the daemon's source;
- p2pd(8) has every option that `p2pd --help` prints and no other, and the message ids of the daemon's log.h.

Exits 77 when mandoc is not installed and nothing else is wrong.
"""
import os
import re
import shutil
import subprocess
import sys

problems = []


def differ(what, page, truth):
    for name in sorted(truth - page):
        problems.append(f"{what}: the page lacks {name}")
    for name in sorted(page - truth):
        problems.append(f"{what}: the page invents {name}")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def section(page, name):
    match = re.search(rf'^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)', page, re.M | re.S)
    if not match:
        problems.append(f"there is no section {name}")
        return ""
    return match.group(1)


def interface_parameters(text):
    """What a method takes, optional ones in brackets: "functions: ?[]string" gives "[functions]"."""
    fields = re.findall(r'(\w+):\s*(\??)', text)
    return tuple(f"[{name}]" if optional else name for name, optional in fields)


def check_protocol(page, interface):
    interface = re.sub(r'#.*', '', interface)
    truth = {(name, interface_parameters(params))
             for name, params in re.findall(r'^method (\w+)\((.*?)\)\s*->', interface, re.M | re.S)}
    told = {(line.split()[0], tuple(line.replace('"', '').split()[1:]))
            for line in re.findall(r'^\.It Fn (.*)$', section(page, "METHODS"), re.M)}
    differ("methods", told, truth)
    own_errors = section(page, "ERROR REPLIES").split("org.varlink.service")[0]
    differ("errors", set(re.findall(r'^\.It Sy (\w+)$', own_errors, re.M)),
           set(re.findall(r'^error (\w+)', interface, re.M)))
    words = set(re.findall(r'\bSy (\w+)', section(page, "WORDS")))
    for enum in ("MapKind", "Path", "Rules"):
        values = re.search(rf'^type {enum} \(([\w, ]+)\)', interface, re.M).group(1).split(", ")
        problems.extend(f"{enum}: the page lacks {value}" for value in values if value not in words)


def check_limits(page, daemon_dir):
    """Every limit of the server and of single methods, as they stand in the source, stands in the page, and no other."""
    server = read(f"{daemon_dir}/serve/server.c")
    table = re.search(r'p2pd_server_limits_default = \{(.*?)\n\};', server, re.S).group(1)
    products = re.findall(r'^\s*\.\w+ = ([\dU* ]+),$', table, re.M)
    sources = ("serve/method-acs.c", "serve/method-check.c", "serve/method-nearest.c", "serve/method-pairs.c",
               "serve/place-job.h", "decide/place.h", "decide/what-if.h", "leases.h")
    products += re.findall(r'^#define (?:(?:PAIRS|CELLS|CLIENTS)|P2P_WHAT_IF_EDITS|P2PD_PLACE_AVOID'
                           r'|P2P_PLACE_CLIENTS|P2PD_LEASES(?:_PER_USER)?|P2PD_LEASE_DEVICES)_MAX (\w+)(?: /\*.*)?$',
                           "\n".join(read(f"{daemon_dir}/{source}") for source in sources), re.M)
    truth = set()
    for product in products:
        value = 1
        for factor in product.replace("U", "").split("*"):
            value *= int(factor)
        truth.add(str(value))
    differ("limits", set(re.findall(r'\b(\d{2,})\b', section(page, "LIMITS").replace("-width 65536", ""))), truth)


def check_daemon(page, help_text, log_header):
    truth = set(re.findall(r'(--[a-z-]+)', help_text))
    told = set()
    for line in re.findall(r'^\.It (Fl .*)$', section(page, "OPTIONS"), re.M):
        told |= {"-" + word for word in line.split() if word.startswith("-")}
    differ("options", told, truth)
    differ("message ids", set(re.findall(r'^\.It Li ([0-9a-f]{32})$', page, re.M)),
           set(re.findall(r'"([0-9a-f]{32})"', log_header)))
    for number in re.findall(r'\(default (\d+)\)', help_text):
        if not re.search(rf'by default\s+{number}\b', page):
            problems.append(f"options: the page lacks the default {number}")


def lint(paths):
    """True if mandoc was there to look."""
    mandoc = shutil.which("mandoc")
    if not mandoc:
        return False
    for path in paths:
        done = subprocess.run([mandoc, "-Tlint", "-W", "warning", path], capture_output=True, text=True, check=False)
        problems.extend(line for line in done.stdout.splitlines() if "referenced manual not found" not in line)
        problems.extend(done.stderr.splitlines())
    return True


def main():
    interface, daemon_dir, p2pd, *paths = sys.argv[1:]
    pages = {os.path.basename(path): read(path) for path in paths}
    help_text = subprocess.run([p2pd, "--help"], capture_output=True, text=True, check=True).stdout
    check_protocol(pages["io.p2pd.7"], read(interface))
    check_daemon(pages["p2pd.8"], help_text, read(f"{daemon_dir}/log.h"))
    check_limits(pages["io.p2pd.7"], daemon_dir)
    for name, text in pages.items():
        for line, sentence in enumerate(text.splitlines(), 1):
            if re.search(r'(?<!\\)\bTODO\b|\s$', sentence):
                problems.append(f"{name}:{line}: unfinished, or a blank at the end")
    linted = lint(paths)
    for problem in problems:
        print(problem)
    print(f"pages: {len(pages)}, {len(problems)} problems")
    if problems:
        return 1
    if not linted:
        print("skipped: no mandoc here")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
