#!/usr/bin/env bash
# make's targets on a bare Debian: what debootstrap calls minbase, with python3-venv, make and git. It has no compiler and
# no library of an X server. As root:
#
#     tests/fresh_machine.sh SUITE TARGET...        SUITE: trixie (Python 3.13), testing (3.14), ...
#
# It clones the last commit, so commit first. The folder (8 GB, in TMPDIR or /tmp) is removed where all targets pass.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
suite=$1
targets=("${@:2}")

skip() {
    echo "fresh machine: skipped: $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "debootstrap and chroot need root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
unshare --mount --pid --fork true 2>/dev/null || skip "this container may not mount"

machine=$(mktemp -d "${TMPDIR:-/tmp}/fresh-$suite-XXXXXX")
chmod 755 "$machine"
passed=no
trap '[ $passed = yes ] || echo "fresh machine: not passed; it is left in $machine" >&2' EXIT
packages=python3,python3-venv,make,git,ca-certificates
echo "fresh machine: Debian $suite with $packages"
if ! debootstrap --variant=minbase --include=$packages "$suite" "$machine" >"$machine.log"; then
    tail -n 5 "$machine.log" >&2
    exit 1
fi
rm "$machine.log"
git clone --quiet "$(dirname "$0")/.." "$machine/root/study"

# How this machine reaches a package index: its names, its certificates, and the settings of pip and uv.
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/uv/uv.toml "$certificates"; do
    [ ! -f "$file" ] || install -D -m 644 "$file" "$machine$file"
done
mapfile -t settings < <(env | grep -iE '^(PIP_|UV_|SSL_CERT_FILE=|[a-z]+_proxy=)')

for target in "${targets[@]}"; do
    echo "fresh machine: make $target"
    # Mounts and processes of its own, which end with it.
    unshare --mount --pid --fork --kill-child env -i "${settings[@]}" HOME=/root TERM="${TERM:-dumb}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -euc '
            mount --types proc proc "$0/proc"
            mount --rbind /dev "$0/dev"
            exec chroot "$0" make --directory /root/study "$1"' "$machine" "$target"
done
passed=yes
rm -rf --one-file-system "$machine"
echo "fresh machine: Debian $suite: make ${targets[*]}: passed"
