#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a big machine as a captured root: DIR/sys and DIR/proc."""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'python'))

import captured  # noqa: E402
import machines  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gpus', type=int, default=16)
    parser.add_argument('--nics', type=int, default=16)
    parser.add_argument('--vfs', type=int, default=255, help='virtual functions of each NIC')
    parser.add_argument('--nvmes', type=int, default=32)
    parser.add_argument('--host-bridges', type=int, default=4)
    parser.add_argument('--acs', default='0', help='ACS control of every port, hexadecimal, or "random"')
    parser.add_argument('--groups', action='store_true', help='IOMMU groups, one for each function')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--random', action='store_true', help='a small random machine of the seed instead')
    parser.add_argument('directory')
    args = parser.parse_args()
    if args.random:
        machine = machines.draw(args.seed)
    else:
        acs = 'random' if args.acs == 'random' else int(args.acs, 16)
        machine = machines.server(args.gpus, args.nics, args.vfs, args.nvmes, args.host_bridges, acs,
                                  args.groups, args.seed)
    captured.write(machine, args.directory)
    print(f'{len(machine.functions)} functions in {args.directory}')


if __name__ == '__main__':
    main()
