#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the session that README.md shows, and compares what the programs say now with what it says.

    check-readme.py README P2PD P2PCTL [--update]

The session is the indented text of the section "A session": lines that begin with "$ " are commands, what follows is
their output. Commands run at the top of the source tree; /tmp/k18 stands for a directory of this run's own. --update
writes the present output into README.
"""
import os
import subprocess
import sys
import tempfile

PLACE = "/tmp/k18"
INDENT = "    "


def session_of(readme):
    """(start, end) of the indented lines of the section, as indices into its lines."""
    lines = readme.splitlines()
    start = lines.index("## A session") + 1
    end = next(i for i in range(start, len(lines)) if lines[i].startswith("## "))
    return lines, start, end


def run(command, place, environment, top):
    done = subprocess.run(["bash", "-c", command.replace(PLACE, place)], cwd=top, env=environment, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [line.rstrip() for line in done.stdout.replace(place, PLACE).splitlines()]


def refresh(lines, place, environment, top):
    """The section's lines with every command's output as it is now, and how many commands there were."""
    fresh, n_commands, in_output = [], 0, False
    for i, line in enumerate(lines):
        if line.startswith(INDENT + "$ "):
            n_commands += 1
            fresh.append(line)
            output = run(line[len(INDENT) + 2:], place, environment, top)
            fresh += [(INDENT + text).rstrip() for text in output]
            in_output = True
            continue
        # A blank line ends the output only if what follows is not indented any more, or is a command.
        rest = [text for text in lines[i:] if text]
        if in_output and rest and (line.startswith(INDENT) or (not line and rest[0].startswith(INDENT)
                                                               and not rest[0].startswith(INDENT + "$ "))):
            continue
        in_output = False
        fresh.append(line)
    return fresh, n_commands


def main():
    path, p2pd, p2pctl = sys.argv[1:4]
    top = os.path.dirname(os.path.abspath(path))
    with open(path, encoding="utf-8") as f:
        lines, start, end = session_of(f.read())
    environment = dict(os.environ, P2PD=os.path.abspath(p2pd), LC_ALL="C.UTF-8",
                       PATH=os.path.dirname(os.path.abspath(p2pctl)) + ":" + os.environ["PATH"])
    environment.pop("COLUMNS", None)
    with tempfile.TemporaryDirectory() as place:
        os.rmdir(place)
        fresh, n_commands = refresh(lines[start:end], place, environment, top)
    same = [line.rstrip() for line in lines[start:end]] == fresh
    if "--update" in sys.argv[4:]:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines[:start] + fresh + lines[end:]) + "\n")
        return 0
    if not same:
        for old, new in ((o, n) for o, n in zip(lines[start:end], fresh) if o.rstrip() != n):
            print(f"README says: {old}\nnow it is:   {new}")
        print("to take over: docs/check-readme.py README.md P2PD P2PCTL --update")
    # Three commands make a session; fewer mean that this script no longer finds them.
    print(f"readme: {n_commands} commands, {'as shown' if same else 'other output than shown'}")
    return 0 if same and n_commands >= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
