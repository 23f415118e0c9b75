#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a C file that holds text files as strings: embed-text.py OUT NAME=FILE..."""
import sys


def main(out, *pairs):
    lines = ["/* Made by embed-text.py from the interface files. */", '#include "serve/interface-text.h"']
    for pair in pairs:
        name, path = pair.split("=", 1)
        with open(path, "rb") as file:
            data = file.read()
        if b"\0" in data:
            sys.exit(f"{path}: holds a NUL byte")
        data.decode("utf-8")
        lines.append(f"\nconst char {name}[] = {{")
        for at in range(0, len(data), 20):
            lines.append("        " + "".join(f"{byte}," for byte in data[at : at + 20]))
        lines.append("        0,\n};")
    with open(out, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


main(*sys.argv[1:])
