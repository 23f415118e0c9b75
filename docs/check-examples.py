#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the examples of a man page, and compares what p2pctl says now with what the page shows.

    check-examples.py PAGE TOPOLOGIES P2PD P2PCTL [--update]

An example is a literal block (.Bd -literal to .Ed) behind a comment that names its machine, an archive of TOPOLOGIES:

    .\\" machine: k18-intel-iommu-acs-one-off

Lines that begin with "$ " are commands, a line that ends in "\\" goes on in the next; what follows is their output. p2pctl
answers for that machine in them. --update writes the present output into the page.
"""
import os
import re
import subprocess
import sys
import tarfile
import tempfile

MACHINE = re.compile(r'^\.\\" machine: (\S+)$')


def to_roff(line):
    """A line of output as it stands in a literal block."""
    line = line.replace("\\", "\\e").replace("'", "\\(aq")
    return "\\&" + line if line.startswith(".") else line


def from_roff(line):
    return line.removeprefix("\\&").replace("\\(aq", "'").replace("\\e", "\\")


def run(command, root, environment):
    """The lines that the command prints when p2pctl means this machine."""
    script = f'p2pctl() {{ command p2pctl --root "{root}" "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", script], env=environment, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [to_roff(line.rstrip()) for line in done.stdout.splitlines()]


def refresh_block(lines, root, environment):
    """A block's lines with every command's output as it is now, and how many commands there were."""
    fresh, n_commands, i = [], 0, 0
    while i < len(lines):
        if not lines[i].startswith("$ "):
            i += 1
            continue
        command = []
        while True:
            fresh.append(lines[i])
            command.append(from_roff(lines[i]))
            i += 1
            if not command[-1].endswith("\\") or i == len(lines):
                break
        n_commands += 1
        fresh += run("\n".join(command)[2:], root, environment)
    return fresh, n_commands


def unpack(archive, place):
    """The directory that holds sys and proc."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(place, filter="fully_trusted")
        else:
            tar.extractall(place)
    while not os.path.isdir(f"{place}/sys"):
        (inner,) = os.listdir(place)
        place = f"{place}/{inner}"
    return place


def refresh(lines, topologies, place, environment):
    """The page's lines as they should be, and how many commands were run."""
    fresh, roots, n_commands, i = [], {}, 0, 0
    while i < len(lines):
        match = MACHINE.match(lines[i])
        fresh.append(lines[i])
        i += 1
        if not match:
            continue
        name = match.group(1)
        if name not in roots:
            roots[name] = unpack(f"{topologies}/{name}.tar.xz", f"{place}/{name}")
        begin = next(n for n in range(i, len(lines)) if lines[n].startswith(".Bd -literal"))
        end = lines.index(".Ed", begin)
        block, n = refresh_block(lines[begin + 1:end], roots[name], environment)
        fresh += lines[i:begin + 1] + block
        n_commands += n
        i = end
    return fresh, n_commands


def main():
    path, topologies, p2pd, p2pctl = sys.argv[1:5]
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    environment = dict(os.environ, P2PD=os.path.abspath(p2pd), LC_ALL="C",
                       PATH=os.path.dirname(os.path.abspath(p2pctl)) + ":" + os.environ["PATH"])
    environment.pop("COLUMNS", None)
    with tempfile.TemporaryDirectory() as place:
        fresh, n_commands = refresh(lines, topologies, place, environment)
    if "--update" in sys.argv[5:]:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(fresh) + "\n")
        return 0
    for number, (old, new) in enumerate(zip(lines, fresh), 1):
        if old != new:
            print(f"line {number} says: {old}\nnow it is:   {new}")
            break
    if lines != fresh:
        print(f"to take over: docs/check-examples.py {path} TOPOLOGIES P2PD P2PCTL --update")
    # A page without any would mean that this script no longer finds them.
    print(f"examples: {n_commands} commands, {'as shown' if lines == fresh else 'other output than shown'}")
    return 0 if lines == fresh and n_commands >= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
