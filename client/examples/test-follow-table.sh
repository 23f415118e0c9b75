#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the example against a daemon of its own, which is killed and started again meanwhile:
# test-follow-table.sh FOLLOW_TABLE P2PD CAPTURED_ROOT.TAR
set -eu
follow_table=$1 p2pd=$2 archive=$3
directory=$(mktemp -d)
daemon= follower=
end() {
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
        rm -rf "$directory"
}
trap end EXIT

start() {
        "$p2pd" --root "$directory/root" --socket "$directory/socket" &
        daemon=$!
}

# Waits until the follower has written this many generations.
wait_for() {
        while [ "$(grep -c '^generation' "$directory/answer" || true)" -lt "$1" ]; do
                kill -0 "$follower"
                sleep 0.05
        done
}

mkdir "$directory/root"
tar -xf "$archive" -C "$directory/root"
start
# The socket is there once the machine is read; the daemon that does not come up ends the wait.
while [ ! -S "$directory/socket" ]; do
        kill -0 "$daemon"
        sleep 0.05
done

: >"$directory/answer"
"$follow_table" 0000:48:00.1 0xfdc03000 0x6000 "$directory/socket" 2 >"$directory/answer" \
        2>"$directory/error" &
follower=$!
wait_for 1
kill -9 "$daemon"
wait "$daemon" || true
start
wait "$follower"
follower=
cat >"$directory/expected" <<END
generation 1:
  0xfdc03000 + 0x1000: bus, 0000:48:00.0 BAR 0 + 0x3000, BAR id 7, DMA to bus address 0xfdc03000
  0xfdc04000 + 0x4000: bus, 0000:48:00.1 BAR 0 + 0x0, BAR id 9, its own: no DMA
  0xfdc08000 + 0x1000: regular memory
END
cat "$directory/expected" "$directory/expected" | diff - "$directory/answer" >&2
grep -q "no table: Connection reset" "$directory/error"
grep -qx "follow-table: another daemon: no id of before counts" "$directory/error"
