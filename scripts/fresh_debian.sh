#!/usr/bin/env bash
# Runs all tests on a fresh Debian, as root and as an ordinary user. Needs root, debootstrap, and a
# Debian mirror. Nothing outside the directory changes; it stays, with its logs, for the next run.
# Usage: scripts/fresh_debian.sh [--runs=2] [--busy=3] [--root-only | --user-only] [DIRECTORY]
set -uo pipefail
cd -P -- "$(dirname "$0")/.." || exit 1
script=$PWD/scripts/fresh_debian.sh

NOBODY=65534
runs=2 busy=3 users=(0 $NOBODY) directory=/var/lib/ngrokd-fresh-debian
for argument in "$@"; do
  case $argument in
    --runs=*) runs=${argument#*=} ;;
    --busy=*) busy=${argument#*=} ;;
    --root-only) users=(0) ;;
    --user-only) users=("$NOBODY") ;;
    /*) directory=$argument ;;
    *) sed -n '4s/^# //p' "$script" >&2; exit 2 ;;
  esac
done
((EUID == 0)) || { echo "Cannot create a Debian root: run this script as root" >&2; exit 1; }

# All mounts and processes end with this script.
if [[ ${INSIDE-} != yes ]]; then
  exec env INSIDE=yes unshare --mount --propagation=private --pid --fork --kill-child "$script" "$@"
fi
(($$ == 1)) || { echo "Cannot mount: this process is not in a namespace of its own" >&2; exit 1; }

. .ci/packages.sh

root=$directory/root logs=$directory/logs mark=$directory/fresh-debian

# Only a directory that this script made is used again, and none that another user could have made.
create_root() {
  if [[ -e $directory && ( ! -O $directory || ! -e $mark ) ]]; then
    printf 'Cannot use %s: it is not a directory of this script\n' "$directory" >&2
    return 1
  fi
  mkdir -p -m 0755 "$directory" "$logs" && touch "$mark" || return 1
  [[ -e $root/etc/fresh-debian ]] && return
  rm -rf --one-file-system "$root" && mkdir "$root" &&
    debootstrap --variant=minbase --include=ca-certificates,procps bookworm "$root" >"$logs/debootstrap.log" 2>&1 &&
    touch "$root/etc/fresh-debian"
}

mount_root() {
  # A root directory must be a mount point, or the tests could not change the propagation of its mounts.
  mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    mount -t sysfs sysfs "$root/sys" || return 1
  mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup" 2>/dev/null
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" && mount -t tmpfs tmpfs "$root/run" &&
    cp /etc/resolv.conf "$root/etc/resolv.conf" &&
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
}

# A copy of the committed state, for every user, and the runtime with its packages.
install_project() {
  local cache
  cache=$(deno info --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["npmCache"])') &&
    rm -rf "$root/srv/ngrokd" "$root/srv/deno" && mkdir -p "$root/srv/ngrokd" "$root/srv/deno" &&
    git archive HEAD | tar -x -C "$root/srv/ngrokd" && cp -r "$cache" "$root/srv/deno/npm" &&
    cp "$(deno eval 'console.log(Deno.execPath())')" "$root/usr/local/bin/deno"
}

# inside COMMAND…, with this root as that of its mount namespace: a test that enters a namespace by
# nsenter would leave a chroot.
inside() {
  unshare --mount sh -c 'cd "$1" && shift && pivot_root . mnt && cd / && umount -l /mnt && exec "$@"' sh "$root" \
    /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    DENO_NO_UPDATE_CHECK=1 DEBIAN_FRONTEND=noninteractive "$@"
}

install_packages() {
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 0755 "$root/usr/sbin/policy-rc.d"
  inside apt-get update -qq &&
    inside apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" "${CLIENT_PACKAGES[@]}" >"$logs/apt.log" 2>&1
}

# The machine that systemd boots in tests/clients.
make_systemd_root() {
  inside sh /srv/ngrokd/tests/clients/systemd_root.sh >"$logs/systemd-root.log" 2>&1
}

# run_tests UID NUMBER
run_tests() {
  local uid=$1 home=$root/srv/user-$1
  rm -rf "$home" && mkdir -p "$home" && cp -r "$root/srv/ngrokd" "$home/ngrokd" && cp -r "$root/srv/deno" "$home/deno" &&
    chown -R "$uid:$uid" "$home" || return 1
  printf '== tests, user %s, run %s\n' "$uid" "$2"
  inside setpriv "--reuid=$uid" "--regid=$uid" --clear-groups \
    env "HOME=/srv/user-$uid" "DENO_DIR=/srv/user-$uid/deno" NO_COLOR=1 \
    sh -c 'cd ~/ngrokd && deno install --frozen --quiet && deno task test' 2>&1 |
    tee "$logs/tests-$uid-$2.log" | grep -E '^(ok|FAILED) \||\.\.\. FAILED|^error: '
  return "${PIPESTATUS[0]}"
}

if ! { create_root && mount_root && install_project && install_packages && make_systemd_root; }; then
  printf 'Cannot prepare %s; see the logs in %s\n' "$root" "$logs" >&2
  exit 1
fi
for ((number = 0; number < busy; number++)); do
  (while :; do :; done) &
done
failed=0
for ((number = 1; number <= runs; number++)); do
  for uid in "${users[@]}"; do run_tests "$uid" "$number" || failed=$((failed + 1)); done
done
printf '%d runs failed\n' "$failed"
exit $((failed > 0))
