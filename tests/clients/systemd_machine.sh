#!/bin/sh
# Boots a Debian with systemd, and runs a program in it: in its own mounts, processes and host name,
# and in the network of the caller. Everything ends with the program. As root, in a network and a
# mount namespace of its own.
# Usage: sh tests/clients/systemd_machine.sh ROOT PROGRAM [ARGUMENT ...]
set -eu

root=$1
shift
command -v systemd-nspawn >/dev/null || {
  echo "Cannot boot $root: run apt-get install systemd-container" >&2
  exit 1
}
project=$(pwd)
deno=$1
cache=${DENO_DIR:-$HOME/.cache/deno}
log=$(mktemp)
name=ngrokd-machine-${log##*.}
machine=

# systemd-nspawn makes control groups below its own, and leaves them. Those of a run that was killed
# are removed by a later one.
groups=$(sed -n 's|^[0-9]*:name=systemd:|/sys/fs/cgroup/systemd|p; s|^0::|/sys/fs/cgroup/unified|p' /proc/self/cgroup)
[ -d /sys/fs/cgroup/unified ] || groups=$(sed -n 's|^0::|/sys/fs/cgroup|p' /proc/self/cgroup)

remove_groups() {
  find "$@" -depth -type d -exec rmdir {} + 2>/dev/null
}

end() {
  [ -z "$machine" ] || kill -KILL "$machine" $(pgrep -P "$machine") 2>/dev/null || true
  wait
  for group in $groups; do
    for attempt in 1 2 3 4 5; do
      remove_groups "$group/$name" && break
      sleep 0.1
    done
  done
  rm -f "$log"
}
for group in $groups; do
  for old in $(find "$group" -maxdepth 1 -name 'ngrokd-machine-*' -mmin +15); do remove_groups "$old" || true; done
done
trap end EXIT
trap 'exit 143' INT TERM

(
  for group in $groups; do
    mkdir "$group/$name"
    echo 0 >"$group/$name/cgroup.procs"
  done
  # The overlay keeps the root as it is, and with it goes all that is written.
  exec systemd-nspawn --quiet --directory="$root" --volatile=overlay --register=no --keep-unit \
    --capability=CAP_NET_ADMIN --bind-ro="$project" --bind-ro="$deno" --bind-ro="$deno:/usr/local/bin/deno" \
    --bind-ro="$cache" --boot
) </dev/null >"$log" 2>&1 &
machine=$!

# With its root directory: in a chroot it is not that of its namespace.
enter() {
  nsenter --target="$leader" --mount --root --uts --ipc --pid "$@"
}

attempts=0
until leader=$(pgrep -P "$machine") &&
  enter systemctl is-active --quiet multi-user.target 2>/dev/null; do
  attempts=$((attempts + 1))
  if [ "$attempts" -gt 300 ] || ! kill -0 "$machine" 2>/dev/null; then
    tail -n 20 "$log" >&2
    echo "Cannot boot $root: it is not up after $attempts attempts" >&2
    exit 1
  fi
  sleep 0.1
done
# The tests look for /mnt/etc before they write to /etc (tests/root/namespace.ts).
enter mkdir -p /mnt/etc /etc/ngrokd
enter --wdns="$project" "$@"
