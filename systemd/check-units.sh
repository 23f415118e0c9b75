#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds the units, the sysusers and the tmpfiles line against systemd's own tools: they parse, the exposure stays at 1.5
# or less, the user and the directory come out as the units need them.
#
#     check-units.sh P2PD SERVICE SOURCE-DIR
#
# P2PD is the daemon just built: it takes the place of the installed one, which need not be there. Exits 77 when systemd
# is not installed.
set -eu

p2pd=$(realpath "$1") service=$2 source_dir=$3

for tool in systemd-analyze systemd-sysusers systemd-tmpfiles; do
        if ! command -v "$tool" >/dev/null; then
                echo "skipped: no $tool here"
                exit 77
        fi
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
        echo "FAILED: $*" >&2
        exit 1
}

if ! [ -x "$p2pd" ]; then
        fail "no daemon at $p2pd"
fi
sed "s|^ExecStart=[^ ]*|ExecStart=$p2pd|" "$service" >"$dir/p2pd.service"
grep -q "^ExecStart=$p2pd\$" "$dir/p2pd.service" || fail "ExecStart is not the daemon alone"
cp "$source_dir/p2pd.socket" "$dir/"

# verify names unknown settings on standard error only, with exit status 0; so any word about our units is a failure.
systemd-analyze verify --man=no "$dir/p2pd.service" "$dir/p2pd.socket" >"$dir/verify" 2>&1 || {
        cat "$dir/verify" >&2
        fail "systemd-analyze verify"
}
if grep p2pd "$dir/verify" >&2; then
        fail "systemd-analyze verify complains"
fi

# The threshold is ten times the exposure level.
systemd-analyze security --offline=yes --threshold=15 --no-pager "$dir/p2pd.service" >"$dir/security" 2>&1 || {
        cat "$dir/security" >&2
        fail "exposure above 1.5"
}
grep 'exposure level' "$dir/security" || fail "no exposure level was told"

# What the exposure counts against us must have its reason in the comment above it.
for exception in AmbientCapabilities PrivateUsers PrivateNetwork RestrictAddressFamilies ProcSubset; do
        awk -v want="$exception=" '
                /^#/ { comment = (previous ~ /^#/ ? comment : "") $0 }
                index($0, want) == 1 && comment ~ /Exception:/ { found = 1 }
                { previous = $0 }
                END { exit !found }' "$service" || fail "$exception: no reason is given"
done

mkdir -p "$dir/root/etc" "$dir/root/usr/lib/sysusers.d" "$dir/root/usr/lib/tmpfiles.d"
cp "$source_dir/p2pd.sysusers" "$dir/root/usr/lib/sysusers.d/p2pd.conf"
cp "$source_dir/p2pd.tmpfiles" "$dir/root/usr/lib/tmpfiles.d/p2pd.conf"
systemd-sysusers --dry-run --root="$dir/root" >"$dir/sysusers" 2>&1 || {
        cat "$dir/sysusers" >&2
        fail "systemd-sysusers"
}
grep -qi 'creating user.*p2pd' "$dir/sysusers" || fail "sysusers makes no user p2pd"

if [ "$(id -u)" -eq 0 ]; then
        systemd-sysusers --root="$dir/root"
        systemd-tmpfiles --root="$dir/root" --create
        [ "$(stat -c %a "$dir/root/run/p2pd")" = 755 ] || fail "tmpfiles: mode of /run/p2pd"
        uid=$(awk -F: '$1 == "p2pd" { print $3 }' "$dir/root/etc/passwd")
        [ "$(stat -c %u "$dir/root/run/p2pd")" = "$uid" ] || fail "tmpfiles: owner of /run/p2pd"
fi
echo "units: passed"
