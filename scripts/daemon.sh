#!/bin/sh
# Runs the daemon in this process, with those of the shipped permission sets that its configuration
# needs. `deno task launch` adds what no shipped set holds.
# Usage: sh scripts/daemon.sh [ARGUMENT OF NGROKD ...]

root=$(CDPATH= cd -P -- "${0%"${0##*/}"}./.." && pwd -P) || exit 1
. "$root/scripts/find_deno.sh"

options="--no-prompt --quiet --cached-only"
flags=$(sh "$root/scripts/start.sh" deno run $options --config="$root/deno.json" -P=scripts \
  "$root/scripts/choose_sets.ts" "$@") || exit 1
# A small space for new objects, and a heap that grows by 30 %: 10,000 endpoints need 40 MiB less.
memory=--v8-flags=--max-semi-space-size=4,--heap-growing-percent=30
# No option and no entry of a shipped set contains a blank.
exec sh "$root/scripts/start.sh" deno run $options $memory --config="$root/deno.json" $flags "$root/main.ts" "$@"
