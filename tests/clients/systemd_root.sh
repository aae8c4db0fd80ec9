#!/bin/sh
# Makes a Debian with systemd, systemd-resolved and D-Bus, or keeps the one that is there, and prints
# its directory. As root, with network access if there is none yet.
# Usage: sh tests/clients/systemd_root.sh
set -eu

root=/var/cache/ngrokd-tests/systemd-root
suite=bookworm
packages=systemd,systemd-sysv,dbus,systemd-resolved,libnss-resolve,libnss-myhostname,iproute2,iputils-ping,curl
packages=$packages,ca-certificates,procps,nftables,dnsutils
stamp="$suite $packages"

mkdir -p "${root%/*}"
# Several tests may start at once.
exec 9>"$root.lock"
flock --timeout 600 9 || { echo "Cannot make $root: another process has been at it for 10 minutes" >&2; exit 1; }
if [ "$(cat "$root/.stamp" 2>/dev/null || true)" = "$stamp" ]; then
  echo "$root"
  exit 0
fi

command -v debootstrap >/dev/null || { echo "Cannot make $root: run apt-get install debootstrap" >&2; exit 1; }
# The mirror that this machine uses itself.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Identifier: Packages' |
  awk -v suite="$suite" '$2 == suite { print $1; exit }')
[ -n "$mirror" ] || { echo "Cannot make $root: the apt sources of this machine have no $suite" >&2; exit 1; }
rm -rf "$root.new"
# In a Debian that debootstrap made itself, it would look in /debootstrap for its own files.
export DEBOOTSTRAP_DIR=/usr/share/debootstrap
# Nothing that debootstrap mounts may stay, also if it fails.
unshare --mount --propagation private timeout 550 debootstrap --variant=minbase --include="$packages" \
  "$suite" "$root.new" "$mirror" >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; echo "Cannot make $root: debootstrap failed; its log is $root.log" >&2; exit 1; }
rm -rf "$root.new/var/cache/apt/archives" "$root.new/var/lib/apt/lists"
mkdir -p "$root.new/var/cache/apt/archives/partial" "$root.new/var/lib/apt/lists/partial"
printf '127.0.0.1\tlocalhost\n' >"$root.new/etc/hosts"
printf '%s\n' "$stamp" >"$root.new/.stamp"
rm -rf "$root"
mv "$root.new" "$root"
echo "$root"
