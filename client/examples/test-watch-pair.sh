#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the example against a daemon of its own: test-watch-pair.sh WATCH_PAIR P2PD CAPTURED_ROOT.TAR
set -eu
watch_pair=$1 p2pd=$2 archive=$3
directory=$(mktemp -d)
daemon=
end() {
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        rm -rf "$directory"
}
trap end EXIT

mkdir "$directory/root"
tar -xf "$archive" -C "$directory/root"
"$p2pd" --root "$directory/root" --socket "$directory/socket" &
daemon=$!
# The socket is there once the machine is read; the daemon that does not come up ends the wait.
while [ ! -S "$directory/socket" ]; do
        kill -0 "$daemon"
        sleep 0.05
done

answer=$("$watch_pair" 0000:48:00.0 48:00.1 "$directory/socket" 1)
[ "$answer" = "48:00.1 to memory of 0000:48:00.0: bus, 2 hops, PIX (common-bridge)" ] || {
        echo "unexpected: $answer" >&2
        exit 1
}
if "$watch_pair" 0000:48:00.0 nosuch "$directory/socket" 1 2>"$directory/error"; then
        echo "a function that does not exist was found" >&2
        exit 1
fi
grep -qx "watch-pair: io.p2pd.FunctionNotFound" "$directory/error"
