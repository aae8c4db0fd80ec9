#!/bin/sh
# Makes a Debian with systemd, systemd-resolved and D-Bus, in the version of this machine, or keeps
# the one that is there, and prints its directory. As root, with network access if there is none yet.
# Usage: sh tests/clients/systemd_root.sh [--check]
# --check: makes nothing, and fails if there is none.
set -eu

root=/var/cache/ngrokd-tests/systemd-root
packages=systemd,systemd-sysv,dbus,systemd-resolved,libnss-resolve,libnss-myhostname,iproute2,iputils-ping,curl
packages=$packages,ca-certificates,procps,nftables,dnsutils
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
stamp="$suite $packages"

fail() {
  echo "Cannot make $root: $1" >&2
  exit 1
}

keep() {
  [ "$(cat "$root/.stamp" 2>/dev/null || true)" = "$stamp" ] || return 1
  echo "$root"
  exit 0
}

if [ "${1:-}" = --check ]; then
  keep || { echo "Cannot find $root for $suite: run sudo sh tests/clients/systemd_root.sh" >&2; exit 1; }
fi

mkdir -p "${root%/*}"
# Two runs may start at once.
exec 9>"$root.lock"
flock --timeout 600 9 || fail "another process has been at it for 10 minutes"
keep || true

command -v debootstrap >/dev/null || fail "run apt-get install debootstrap"
# The mirror that this machine uses itself.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Identifier: Packages' |
  awk -v suite="$suite" '$2 == suite { print $1; exit }')
[ -n "$mirror" ] || fail "the apt sources of this machine have no ${suite:-Debian with a code name}"
rm -rf "$root.new"
# In a Debian that debootstrap made itself, it would look in /debootstrap for its own files.
export DEBOOTSTRAP_DIR=/usr/share/debootstrap
# In namespaces, so that all its mounts and processes end with it, also if this script is ended.
unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
  debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "$mirror" >"$root.log" 2>&1 9>&- &
maker=$!
trap 'kill -KILL "$maker" 2>/dev/null; exit 143' INT TERM
wait "$maker" || {
  tail -n 5 "$root.log" >&2
  fail "debootstrap failed; its log is $root.log"
}
rm -rf "$root.new/var/cache/apt/archives" "$root.new/var/lib/apt/lists"
mkdir -p "$root.new/var/cache/apt/archives/partial" "$root.new/var/lib/apt/lists/partial"
printf '127.0.0.1\tlocalhost\n' >"$root.new/etc/hosts"
printf '%s\n' "$stamp" >"$root.new/.stamp"
rm -rf "$root"
mv "$root.new" "$root"
echo "$root"
