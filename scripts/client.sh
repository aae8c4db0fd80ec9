#!/bin/sh
# Runs the command line client in this process, with the shipped permission set.
# Usage: sh scripts/client.sh [ARGUMENT OF NGROKCTL ...]

root=$(CDPATH= cd -P -- "${0%"${0##*/}"}./.." && pwd -P) || exit 1
exec sh "$root/scripts/start.sh" deno run --config="$root/deno.json" -P=ngrokctl --no-prompt --quiet --cached-only \
  "$root/ctl.ts" "$@"
