#!/bin/sh
# Runs the daemon with the shipped permission sets, and with what its configuration needs beyond
# them.
# Usage: sh scripts/launch.sh [ARGUMENT OF NGROKD ...]

root=$(CDPATH= cd -P -- "${0%"${0##*/}"}./.." && pwd -P) || exit 1
exec sh "$root/scripts/start.sh" deno run --config="$root/deno.json" -P=scripts --quiet --no-prompt --cached-only \
  "$root/scripts/launch.ts" "$@"
